//! The sync server of a case: its log, its volume, and what its workers say.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::id::{AccountField, DeviceId, Token, UserId};
use engine::log::{Doc, Entry as Commit, EntryId, Key, Op, Position, Session};
use engine::message::{Client, DeviceKey, Fence, Reply};
use engine::record::{Payload, Value};
use harness::random::Chance;
use harness::time::{Span, SpanRange, Time};

use super::talks::Talks;
use super::tree::{FileWrite, ToldFiles};
use super::{Case, WORKER};
use crate::fault::{Age, RestoreVolume};
use crate::history::{Fact, MessageId, Said};
use crate::plan::{Node, PipelinePlan, ServerPlan, VolumePlan, WorkerPlan};
use crate::time::ToEngine;

/// The spaces of the server, as they are by the rules.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spaces {
    /// The names of the entries of each log.
    pub(super) logs: BTreeMap<UserId, Vec<EntryId>>,
    pub(super) fields: BTreeMap<(UserId, AccountField), Vec<Token>>,
    pub(super) sessions: BTreeMap<(UserId, DeviceKey), Session>,
    pub(super) numbers: BTreeMap<Client, u32>,
    /// Whose disk a device is a copy of.
    pub(super) copies: BTreeMap<DeviceId, DeviceId>,
}

/// What the volume held at a moment.
#[derive(Debug)]
pub(crate) struct Backup {
    at: u64,
    spaces: Spaces,
    files: ToldFiles,
    talks: Talks,
}

/// The log of one user's space.
#[derive(Debug)]
pub(crate) struct Log<'a> {
    pub(super) case: &'a mut Case,
    pub(super) space: UserId,
}

impl Log<'_> {
    /// The number of the next entry of a log.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_position().seq
    }

    /// The next entry of a log. Each life of the volume names its own.
    fn next_position(&self) -> Position {
        let seq = self.case.spaces.logs.get(&self.space).map_or(0, |log| log.len() as u64) + 1;
        Position { seq, entry: EntryId(self.case.restores << 32 | seq) }
    }

    /// The last entry of a log.
    pub(crate) fn position(&self) -> Position {
        let log = self.case.spaces.logs.get(&self.space).map_or(&[][..], Vec::as_slice);
        let entry = log.last().copied().unwrap_or_default();
        Position { seq: log.len() as u64, entry }
    }

    /// The log puts a field back to an older version: the lie.
    pub(crate) fn sets_back(&mut self, field: AccountField, to: usize) {
        let versions = self.case.spaces.fields.entry((self.space, field)).or_default();
        versions.truncate(to);
        let n = u32::try_from(to).expect("a case is small");
        let doc = versions.last().map(|token| Doc::Field(n, payload(*token)));
        let puts = vec![(Key::Account(field), doc)];
        self.adds(vec![Op { receipt: None, puts, reply: Reply::Patched }]);
    }

    /// The next entry of a space's log.
    pub(crate) fn adds(&mut self, ops: Vec<Op>) -> usize {
        let Position { seq, entry: id } = self.next_position();
        self.case.spaces.logs.entry(self.space).or_default().push(id);
        let entry = Commit { seq, id, ops };
        self.case.fact(WORKER, Fact::Logged { space: self.space, entry: Arc::new(entry) })
    }

    /// The next entry of a log grants a session.
    fn grant(&mut self, key: DeviceKey, client: Client) -> Op {
        let fence = Fence(self.next_position());
        let until = Time(self.case.now + 20_000);
        let session = Session { client, fence, until: until.to_engine() };
        self.case.spaces.sessions.insert((self.space, key), session);
        let puts = vec![(Key::Session(key), Some(Doc::Session(session)))];
        Op { receipt: None, puts, reply: Reply::Opened(fence) }
    }

    /// The log grants a session, even if another client has it.
    pub(super) fn grants(&mut self, key: DeviceKey, client: Client) {
        let grant = self.grant(key, client);
        self.adds(vec![grant]);
    }

    /// The log does something for a client, after it has granted its session if it had none.
    pub(super) fn does(&mut self, (key, client): (DeviceKey, Client), op: Op) -> usize {
        let has_one = self.case.spaces.sessions.contains_key(&(self.space, key));
        let grant = (!has_one).then(|| self.grant(key, client));
        self.adds(grant.into_iter().chain([op]).collect())
    }

    /// Loses a number of a log.
    pub(crate) fn skips_a_number(&mut self) {
        let name = self.next_position().entry;
        self.case.spaces.logs.entry(self.space).or_default().push(name);
    }
}

impl Case {
    /// A case with a sync server of two workers whose clocks are right.
    pub(crate) fn served() -> Self {
        let mut case = Self::new();
        let worker =
            |name: &str| WorkerPlan { name: name.into(), clock_offset_ms: 0, clock_drift_ppm: 0 };
        let delay = SpanRange { low: Span(1), high: Span(10) };
        case.context.server = Some(ServerPlan {
            workers: vec![worker("one"), worker("two")],
            piece: 1_024,
            timing: engine::worker::Timing {
                session: Span::from_secs(20).to_engine(),
                timeout: Span::from_secs(1).to_engine(),
                retry_base: Span::from_millis(100).to_engine(),
                retry_cap: Span::from_secs(2).to_engine(),
                queue: 2,
                snapshot_every: 8,
                upload: Span::from_secs(60).to_engine(),
                batch: 50,
            },
            volume: VolumePlan {
                delay,
                failure: Chance(0),
                reply_loss: Chance(0),
                list_lag: Span(0),
            },
            pipeline: PipelinePlan::none(),
        });
        case
    }

    /// The same, and the phone has made a file and knows it from the feed. Returns that write.
    pub(crate) fn filed() -> (Self, FileWrite) {
        let mut case = Self::served();
        case.phone().session().opens();
        case.tablet().session().opens();
        let filing = case.phone().files().makes_draft();
        (case, filing)
    }

    /// The same, and the volume has a backup from before the file.
    pub(crate) fn filed_since_backup() -> (Self, Backup, FileWrite) {
        let mut case = Self::served();
        case.phone().session().opens();
        let backup = case.backs_up();
        let filing = case.phone().files().makes_draft();
        (case, backup, filing)
    }

    /// The next number of a client's actions.
    pub(crate) fn next_number(&mut self, client: Client) -> u32 {
        let n = self.spaces.numbers.entry(client).or_default();
        *n += 1;
        *n
    }

    /// A backup of the volume as it is now.
    pub(crate) fn backs_up(&mut self) -> Backup {
        self.wait(10);
        let (spaces, files, talks) = (self.spaces.clone(), self.files.clone(), self.talks.clone());
        Backup { at: self.now, spaces, files, talks }
    }

    /// The volume is set back to a backup.
    pub(crate) fn restores_volume(&mut self, backup: &Backup) {
        self.restores += 1;
        let age = Span(self.now + 10 - backup.at);
        self.fact(Node::Volume, Fact::Faulted(RestoreVolume { by: Age(age) }.into()));
        let numbers = std::mem::take(&mut self.spaces.numbers);
        self.spaces = Spaces { numbers, ..backup.spaces.clone() };
        (self.files, self.talks) = (backup.files.clone(), backup.talks.clone());
    }

    /// A host sends what is part of a conversation with the server.
    pub(crate) fn sends_message(
        &mut self,
        from: Node,
        to: Node,
        message_id: MessageId,
        said: Said,
    ) {
        let (rows, server) = ([].into(), Some(said.into()));
        self.fact(from, Fact::Sent { to, message_id, size: 9, rows, plaintext: false, server });
    }
}

/// What is in every field of every account.
pub(super) fn text() -> Value {
    Value::Text("a few words".into())
}

/// What the log keeps of one write of a field.
pub(super) fn payload(token: Token) -> Payload {
    Payload { token, value: text() }
}
