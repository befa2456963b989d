//! Objects of conversations on the volume: those that are there before the start, in the format from
//! before there were statuses, and what each that is created holds.

use engine::Bytes;
use engine::dedup::DedupKey;
use engine::flaw::Flaws;
use engine::id::UserId;
use engine::ingest::{self, Ingest};
use engine::job::{BlobHash, BlobName, Content, Item, Job, Place, Stored};
use engine::log::{self, Doc, Entry as Commit, EntryId, Key, Op};
use engine::message::{Found, Reply, WorkAction, WorkReply};
use engine::volume::Request;
use harness::time::Span;

use super::World;
use crate::history::{Fact, Filed, Talk};
use crate::plan::{GivenTalk, Node};
use crate::workload::talk::conversation;

impl World {
    /// Stores what is given: the object of each conversation, and its entry in the log.
    pub(super) fn give_conversations(&mut self) {
        let plan = self.plan.clone();
        let Some(server) = &plan.server else { return };
        let mut seqs = vec![0; self.plan.users.len()];
        for (n, GivenTalk { user, excerpt }) in server.pipeline.given.iter().enumerate() {
            let vault = self.vault_of(*user, Flaws::NONE);
            let comes = conversation(self.needle, *user, excerpt);
            let nonce = self.draw("given conversation").and(n as u64).bytes();
            let ingest = Ingest::new(&vault, ingest::Path::Upload, comes);
            let ingest = ingest.expect("the reader lets no other date be given");
            let save = ingest.take(&vault, Ok(WorkReply::Item(None)), nonce);
            let Ok(ingest::Step::Ask(WorkAction::Save { key, day, messages, blob, .. })) = save
            else {
                unreachable!("what is not there yet is saved")
            };
            let seq = &mut seqs[usize::from(user.0)];
            *seq += 1;
            let hash = BlobHash::of(&blob);
            let name = BlobName { key, version: 1, hash };
            let content = Content { version: 1, since: *seq, day, messages, blob: hash };
            let puts = vec![(Key::Work(Place::Item(key)), Some(Doc::Work(Stored::Old(content))))];
            let ops = vec![Op { receipt: None, puts, reply: Reply::Work(WorkReply::Saved(1)) }];
            let commit = Commit { seq: *seq, id: EntryId(*seq), ops };
            let entry = (log::entry_key(*user, *seq), log::encode(&commit));
            for (key, bytes) in [(name.object(*user), blob), entry] {
                self.note_item(Node::World, &key, &bytes);
                self.volume.handle(self.now, &Request::Create(key, bytes), Span::ZERO);
            }
            self.keep_book(*user, &commit);
            self.note_files(*user, &commit);
            self.note(Node::World, Fact::Logged { space: *user, entry: commit.into() });
        }
    }

    /// Notes an object of a conversation that was created just now.
    pub(super) fn note_item(&mut self, by: Node, key: &str, bytes: &Bytes) {
        let Some((space, name)) = name_of(key, bytes) else { return };
        if usize::from(space.0) >= self.plan.users.len() {
            return;
        }
        let vault = self.vault_of(space, Flaws::NONE);
        let content = Content {
            version: name.version,
            since: 0,
            day: vault.calendar.day("2000-01-01").expect("a day"),
            messages: 0,
            blob: name.hash,
        };
        let item = Item { content, job: Job::NEW };
        let found = Found { item, name, blob: bytes.clone() };
        let thread = vault.open_thread(&found).map(|thread| Filed::Thread(Talk::of(&thread)));
        let result = || vault.open_result(&found).map(|result| Filed::Result(result.token));
        let holds = thread.or_else(|_| result()).ok().map(Into::into);
        self.note(by, Fact::Filed { space, name, holds });
    }
}

/// Whose object it is and which, if it is one of a conversation.
fn name_of(key: &str, bytes: &Bytes) -> Option<(UserId, BlobName)> {
    let (space, rest) = key.strip_prefix("item/")?.split_once('/')?;
    let (key, rest) = rest.split_once('-')?;
    let (version, _) = rest.split_once('_')?;
    let digits = |at: usize| key.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok());
    let key: Vec<u8> = (0..key.len()).step_by(2).map(digits).collect::<Option<_>>()?;
    let key: DedupKey = postcard::from_bytes(&key).ok()?;
    let hash = BlobHash::of(bytes);
    Some((UserId(space.parse().ok()?), BlobName { key, version: version.parse().ok()?, hash }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_by_its_name() {
        let bytes: Bytes = [1, 2, 3][..].into();
        let key: DedupKey = postcard::from_bytes(&[7; 16]).unwrap();
        let name = BlobName { key, version: 12, hash: BlobHash::of(&bytes) };
        let object = name.object(UserId(3));
        assert_eq!(name_of(&object, &bytes), Some((UserId(3), name)));
        assert_eq!(name_of("log/3/12", &bytes), None);
    }
}
