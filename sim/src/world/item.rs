//! Objects of conversations on the volume: what each that is created holds.

use engine::Bytes;
use engine::dedup::DedupKey;
use engine::flaw::Flaws;
use engine::id::UserId;
use engine::job::{BlobHash, BlobName, Content, Item, Job};
use engine::message::Found;

use super::accounts::Accounts;
use super::action::Action;
use crate::history::{Fact, Filed, Talk};
use crate::plan::{Node, Plan};

/// The fact that an object of a conversation was created just now, if it is one.
pub(super) fn filed(
    plan: &Plan,
    accounts: &Accounts,
    (by, key, bytes): (Node, &str, &Bytes),
) -> Option<Action> {
    let (space, name) = name_of(key, bytes)?;
    if usize::from(space.0) >= plan.users.len() {
        return None;
    }
    let vault = accounts.vault_of(space, Flaws::NONE);
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
    Some(Action::Note(by, Fact::Filed { space, name, holds }))
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
