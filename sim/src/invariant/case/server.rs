//! What users want of the sync server in a case, and what its workers and its log make of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::id::{AccountField, DeviceId, OpId, ReplicaId, Token, UserId};
use engine::log::{Doc, Entry as Commit, EntryId, Key, Op, Position, Session};
use engine::message::{Client, DeviceKey, Fence, Refusal, Reply};
use engine::record::{Payload, Value};
use engine::remote::CallId;
use harness::random::Chance;
use harness::time::{Span, SpanRange, Time};

use super::Case;
use super::files::ToldFiles;
use super::work::Talks;
use crate::history::{
    Account, Answered, Asked, Done, Fact, Letter, Refused, Said, ServerTrouble, Trouble, Wants,
};
use crate::plan::{
    Errand, Node, Parcel, PipelinePlan, ServerPlan, VolumePlan, WorkerId, WorkerPlan,
};
use crate::time::ToEngine;

pub(crate) const WORKER: Node = Node::Worker(WorkerId(0));

/// The server's spaces, told right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spaces {
    /// The names of the entries of each log.
    logs: BTreeMap<UserId, Vec<EntryId>>,
    fields: BTreeMap<(UserId, AccountField), Vec<Token>>,
    sessions: BTreeMap<(UserId, DeviceKey), Session>,
    numbers: BTreeMap<Client, u32>,
    /// Whose disk a device is a copy of.
    copies: BTreeMap<DeviceId, DeviceId>,
}

/// What the volume held at a moment.
#[derive(Debug)]
pub(crate) struct Backup {
    at: u64,
    spaces: Spaces,
    told_files: ToldFiles,
    talks: Talks,
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

    // Sessions.

    /// Two devices have the same key from now on, as if one ran on a copy of the other's disk.
    pub(crate) fn shares_its_session(&mut self, of: DeviceId, with: DeviceId) {
        self.spaces.copies.insert(with, of);
    }

    pub(crate) fn key(&self, device: DeviceId) -> DeviceKey {
        DeviceKey(self.spaces.copies.get(&device).unwrap_or(&device).0.into())
    }

    pub(crate) fn client(&self, device: DeviceId) -> Client {
        let life = self.incarnations.get(&device).copied().unwrap_or_default() + 1;
        Client { replica: ReplicaId(u64::from(device.0) + 100), life }
    }

    /// A device asks for its session and is granted it.
    pub(crate) fn opens(&mut self, device: DeviceId) {
        let letter = self.sends_request(device);
        self.is_granted(device);
        self.hears(device, letter, None);
    }

    /// The log grants a device its session, even if another client has it.
    pub(crate) fn is_granted(&mut self, device: DeviceId) {
        let (user, key, client) = (self.user(device), self.key(device), self.client(device));
        let grant = self.grant(user, key, client);
        self.logs(user, vec![grant]);
    }

    /// The next entry of a log grants a session.
    fn grant(&mut self, user: UserId, key: DeviceKey, client: Client) -> Op {
        let fence = Fence(self.next_position(user));
        let until = Time(self.now + 20_000);
        let session = Session { client, fence, until: until.to_engine() };
        self.spaces.sessions.insert((user, key), session);
        let puts = vec![(Key::Session(key), Some(Doc::Session(session)))];
        Op { receipt: None, puts, reply: Reply::Opened(fence) }
    }

    /// The log does something for a client, after it has granted its session if it had none.
    pub(crate) fn acts(
        &mut self,
        (user, key, client): (UserId, DeviceKey, Client),
        op: Op,
    ) -> usize {
        let has_one = self.spaces.sessions.contains_key(&(user, key));
        let grant = (!has_one).then(|| self.grant(user, key, client));
        self.logs(user, grant.into_iter().chain([op]).collect())
    }

    /// A device ends its session.
    pub(crate) fn closes(&mut self, device: DeviceId) {
        let (user, key) = (self.user(device), self.key(device));
        let (call, parcel) = (CallId(self.fresh()), Parcel::Session);
        let letter = Letter { call, attempt: 0, parcel, answer: false };
        let session = self.spaces.sessions.get(&(user, key)).expect("it was opened");
        self.sends(device, letter, Wants::End(session.fence));
        self.loses_its_session(device);
        self.hears(device, letter, None);
    }

    /// The log ends a device's session, for whatever reason.
    pub(crate) fn loses_its_session(&mut self, device: DeviceId) {
        let (user, key) = (self.user(device), self.key(device));
        self.spaces.sessions.remove(&(user, key));
        let puts = vec![(Key::Session(key), None)];
        self.logs(user, vec![Op { receipt: None, puts, reply: Reply::Closed }]);
    }

    /// A device asks for its session and is told to come back.
    pub(crate) fn is_told_to_come_back(&mut self, device: DeviceId) {
        let letter = self.sends_request(device);
        self.hears(device, letter, Some(Refusal::Busy(Span(1_000).to_engine())));
    }

    /// A user asks whose the session is, and is told.
    pub(crate) fn asks_whose(&mut self, device: DeviceId, told: Option<bool>) {
        let op = self.asks_errand(device, Errand::SessionStatus, false).0;
        let letter = self.sends_request(device);
        self.hears(device, letter, None);
        self.answers(device, op, Answered::Done(Done::Session(told)));
    }

    // Accounts.

    /// A user sets fields of the account; it is committed and acknowledged.
    pub(crate) fn patches(&mut self, device: DeviceId, fields: &[AccountField]) -> Token {
        let (op, token) = self.asks_to_patch(device, fields);
        self.commits_patch(device, token, fields);
        self.answers(device, op, Answered::Done(Done::Patched));
        token
    }

    pub(crate) fn asks_to_patch(
        &mut self,
        device: DeviceId,
        fields: &[AccountField],
    ) -> (OpId, Token) {
        let fields = fields.iter().map(|field| (*field, text())).collect();
        self.asks_errand(device, Errand::Patch(fields), false)
    }

    fn asks_errand(&mut self, device: DeviceId, errand: Errand, last: bool) -> (OpId, Token) {
        let token = self.label(device, self.counter + 1);
        let labelled = matches!(errand, Errand::Patch(_)).then_some(token);
        (self.asks(device, Asked::Errand { errand, token: labelled, last }), token)
    }

    /// The log sets fields for a device, under its next number.
    pub(crate) fn commits_patch(
        &mut self,
        device: DeviceId,
        token: Token,
        fields: &[AccountField],
    ) {
        let (user, client) = (self.user(device), self.client(device));
        let receipt = Some((client, self.next_number(client)));
        let mut puts = Vec::new();
        for field in fields {
            let versions = self.spaces.fields.entry((user, *field)).or_default();
            let was = u32::try_from(versions.len()).expect("a case is small");
            if let Some(old) = versions.last() {
                puts.push((Key::Was(*field, was), Some(Doc::Version(payload(*old)))));
            }
            versions.push(token);
            puts.push((Key::Account(*field), Some(Doc::Field(was + 1, payload(token)))));
        }
        self.logs(user, vec![Op { receipt, puts, reply: Reply::Patched }]);
    }

    /// The next number of a client's actions.
    pub(crate) fn next_number(&mut self, client: Client) -> u32 {
        let n = self.spaces.numbers.entry(client).or_default();
        *n += 1;
        *n
    }

    /// The number of the next entry of a log.
    pub(crate) fn next_seq(&self, space: UserId) -> u64 {
        self.next_position(space).seq
    }

    /// The next entry of a log. Each life of the volume names its own.
    fn next_position(&self, space: UserId) -> Position {
        let seq = self.spaces.logs.get(&space).map_or(0, |log| log.len() as u64) + 1;
        Position { seq, entry: EntryId(self.restores << 32 | seq) }
    }

    /// The last entry of a log.
    pub(crate) fn position(&self, space: UserId) -> Position {
        let log = self.spaces.logs.get(&space).map_or(&[][..], Vec::as_slice);
        let entry = log.last().copied().unwrap_or_default();
        Position { seq: log.len() as u64, entry }
    }

    /// A backup of the volume as it is now.
    pub(crate) fn backs_up(&mut self) -> Backup {
        self.wait(10);
        let (spaces, told_files, talks) =
            (self.spaces.clone(), self.told_files.clone(), self.talks.clone());
        Backup { at: self.now, spaces, told_files, talks }
    }

    /// The volume is set back to a backup.
    pub(crate) fn restores_volume(&mut self, backup: &Backup) {
        self.restores += 1;
        let age = Span(self.now + 10 - backup.at);
        self.fact(Node::Volume, Fact::Faulted(Trouble::Server(ServerTrouble::Restore(age))));
        let numbers = std::mem::take(&mut self.spaces.numbers);
        self.spaces = Spaces { numbers, ..backup.spaces.clone() };
        (self.told_files, self.talks) = (backup.told_files.clone(), backup.talks.clone());
    }

    /// The log puts a field back to an older version: the lie.
    pub(crate) fn sets_back(&mut self, user: UserId, field: AccountField, to: usize) {
        let versions = self.spaces.fields.entry((user, field)).or_default();
        versions.truncate(to);
        let n = u32::try_from(to).expect("a case is small");
        let doc = versions.last().map(|token| Doc::Field(n, payload(*token)));
        let puts = vec![(Key::Account(field), doc)];
        self.logs(user, vec![Op { receipt: None, puts, reply: Reply::Patched }]);
    }

    /// The next entry of a space's log.
    pub(crate) fn logs(&mut self, space: UserId, ops: Vec<Op>) -> usize {
        let Position { seq, entry: id } = self.next_position(space);
        self.spaces.logs.entry(space).or_default().push(id);
        let entry = Commit { seq, id, ops };
        self.fact(WORKER, Fact::Logged { space, entry: Arc::new(entry) })
    }

    /// Loses a number of a log.
    pub(crate) fn skips_a_number(&mut self, space: UserId) {
        let name = self.next_position(space).entry;
        self.spaces.logs.entry(space).or_default().push(name);
    }

    /// The account of a device's user.
    pub(crate) fn account(&self, device: DeviceId) -> Account {
        let user = self.user(device);
        let of = |field: AccountField| {
            let versions = self.spaces.fields.get(&(user, field))?;
            Some((field, versions.iter().map(|token| (*token, text())).collect()))
        };
        AccountField::ALL.into_iter().filter_map(of).collect()
    }

    pub(crate) fn reads_account(&mut self, device: DeviceId) {
        let account = self.account(device);
        self.shows_account(device, account, false);
    }

    pub(crate) fn shows_account(&mut self, device: DeviceId, account: Account, last: bool) {
        let (op, _) = self.asks_errand(device, Errand::ReadAccount, last);
        self.answers(device, op, Answered::Done(Done::Account(Arc::new(account))));
    }

    /// Every device that is there shows the account.
    pub(crate) fn shows_accounts_at_the_end(&mut self) {
        for n in 0..self.context.devices.len() {
            let device = DeviceId(u16::try_from(n).expect("a case is small"));
            if !self.context.incurable.contains(&crate::invariant::Incurable::Device(device)) {
                let account = self.account(device);
                self.shows_account(device, account, true);
            }
        }
    }

    // Messages.

    /// A device sends a request, which arrives.
    pub(crate) fn sends_request(&mut self, device: DeviceId) -> Letter {
        let (call, parcel) = (CallId(self.fresh()), Parcel::Session);
        let letter = Letter { call, attempt: 0, parcel, answer: false };
        self.sends_again(device, letter);
        letter
    }

    pub(crate) fn sends_again(&mut self, device: DeviceId, letter: Letter) {
        self.sends(device, letter, Wants::Session);
    }

    fn sends(&mut self, device: DeviceId, letter: Letter, wants: Wants) {
        let (key, client, space) = (self.key(device), self.client(device), self.user(device));
        let by = Some(space);
        let (about, heard) = (space, self.position(space));
        let said = Said::Asks { device: key, client, by, space, about, heard, wants };
        self.sends_letter(device.into(), WORKER, letter, said);
        let arrives =
            Fact::Delivered { from: device.into(), letter, refused: None, rows_refused: [].into() };
        self.fact(WORKER, arrives);
    }

    /// A worker answers, and the device hears it.
    pub(crate) fn hears(&mut self, device: DeviceId, letter: Letter, refused: Option<Refusal>) {
        let letter = Letter { answer: true, ..letter };
        self.sends_letter(WORKER, device.into(), letter, Said::Answers { seq: 0, refused });
        let (refused, rows_refused) = (refused.map(|why| Refused::Server(why).into()), [].into());
        self.fact(device, Fact::Delivered { from: WORKER, letter, refused, rows_refused });
    }

    pub(crate) fn sends_letter(&mut self, from: Node, to: Node, letter: Letter, said: Said) {
        let (rows, server) = ([].into(), Some(said.into()));
        self.fact(from, Fact::Sent { to, letter, size: 9, rows, plaintext: false, server });
    }

    pub(crate) fn user(&self, device: DeviceId) -> UserId {
        self.context.devices[usize::from(device.0)]
    }
}

fn text() -> Value {
    Value::Text("a few words".into())
}

fn payload(token: Token) -> Payload {
    Payload { token, value: text() }
}
