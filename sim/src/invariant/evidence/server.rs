//! What the judges of the sync server share: the logs of the spaces, replayed by a model of their
//! own; what users asked of the server; and what devices asked and workers refused.
//!
//! The model knows no rules. It puts what the log says where the log says, and notes what that
//! made of the account: a field that grew by one version, or one whose past was rewritten. A refusal is
//! compared with the state since its request arrived at the worker: a history names a request by number and
//! attempt, which its copies and the sender's incarnations share, and no decision is older than the arrival.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{AccountField, Dot, Token, UserId};
use engine::log::{Doc, EntryId, Key, Op, Position, Session};
use engine::message::{self, Client, DeviceKey};
use engine::remote::CallId;
use xxhash_rust::xxh3::xxh3_64;

use super::account::ShownAccount;
use super::files::ObservedFileOperation;
use super::server_request::ServerRequest;
use super::{Evidence, ObservedOperation, Timeline};
use crate::history::file::{FileAsked, Head, Print};
use crate::history::table::Table;
use crate::history::{Account, Asked, Entry, Fact, MessageId, Said, Wants};
use crate::plan::{self, Node, WorkerId};

/// Everything about the sync server.
#[derive(Debug, Default)]
pub(crate) struct Server<'a> {
    /// What users asked, in order.
    pub(crate) requests: Vec<ServerRequest<'a>>,
    pub(crate) busy_answers: Vec<BusyAnswer>,
    /// Requests that were refused since the log was restored: when, whose, and which.
    pub(crate) other_log_answers: Vec<(usize, Node, MessageId)>,
    /// What users asked about files, in order.
    pub(crate) file_operations: Vec<ObservedFileOperation<'a>>,
    /// The writes of files by label.
    file_writes: Table<Token, usize>,
    /// The accounts that were shown, in the order of the requests for them.
    pub(crate) accounts: Vec<ShownAccount<'a>>,
    /// Which device, as it says, and which life of which replica sent what, by sender.
    pub(crate) sent: BTreeMap<Node, Vec<SentRequest>>,
    by_token: Table<Token, usize>,
}

/// An effect in the log of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AccountEffect {
    pub(crate) space: UserId,
    /// From 1: the account's state after it has this number.
    pub(crate) effect: usize,
    pub(crate) field: AccountField,
    pub(crate) at: usize,
}

/// The log of a space, as it happened.
#[derive(Debug)]
pub(crate) struct Space {
    /// Every entry: when it was created, and its number.
    pub(crate) entries: Vec<(usize, u64)>,
    /// The names of the entries, by number.
    pub(crate) names: BTreeMap<u64, EntryId>,
    /// What became of sessions and of the account, in order.
    pub(crate) effects: Vec<LogEffect>,
    /// The fingerprint of the account after each effect, from before the first.
    pub(crate) states: Vec<u64>,
    /// Every token that a field held: from which state, and up to which if its past was rewritten.
    pub(crate) held: BTreeMap<(AccountField, Token), (usize, Option<usize>)>,
    /// How each session stood over time.
    pub(crate) sessions: BTreeMap<DeviceKey, Timeline<Option<Session>>>,
    docs: BTreeMap<Key, (u32, Token)>,
}

/// Something that an op of a log did.
#[derive(Clone, Debug)]
pub(crate) enum LogEffect {
    /// A session stands so from now on.
    Session { at: usize, key: DeviceKey, session: Option<Session> },
    /// The account changed.
    Account {
        at: usize,
        receipt: Option<(Client, u32)>,
        /// New versions.
        made: Vec<(AccountField, Token)>,
        /// Fields whose past is not what it was.
        rewritten: Vec<AccountField>,
    },
    /// Files or work changed for a client, by its request of this number.
    Action { at: usize, client: Client, n: u32 },
}

/// A request as it was sent to a worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SentRequest {
    pub(crate) at: usize,
    pub(crate) call: CallId,
    pub(crate) attempt: u16,
    pub(crate) device: DeviceKey,
    pub(crate) client: Client,
    pub(crate) by: Option<UserId>,
    pub(crate) space: UserId,
    pub(crate) about: UserId,
    pub(crate) heard: Position,
    pub(crate) wants: Wants,
}

/// A worker refused a client as busy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BusyAnswer {
    pub(crate) at: usize,
    pub(crate) by: WorkerId,
    pub(crate) to: Node,
    pub(crate) message_id: MessageId,
    /// When the request arrived, at the earliest and at the latest. No decision about it is older, and
    /// it was sent before.
    pub(crate) arrived: (usize, usize),
    /// How many other requests of that space were waiting there.
    pub(crate) waiting: u32,
}

impl<'a> Server<'a> {
    /// Hears the whole history, if there is a server in it.
    pub(crate) fn gather(evidence: &Evidence<'a>) -> Self {
        let mut tracker = RequestTracker::default();
        if evidence.context.server.is_some() {
            for op in evidence.operations.iter() {
                tracker.server.asked_for(evidence, op);
            }
            for (at, entry) in evidence.history.iter().enumerate() {
                tracker.take(at, entry);
            }
        }
        let mut server = tracker.server;
        server.accounts = server.requests.iter().filter_map(ShownAccount::by).collect();
        server
    }

    fn asked_for(&mut self, evidence: &Evidence<'a>, op: &ObservedOperation) {
        let (device, user, asked) = (op.device, evidence.user(op.device), op.asked);
        let answer = || {
            let at = op.answered?;
            Some((at, evidence.history[at].fact.answered()?.1))
        };
        match evidence.history[asked].fact.asked() {
            Some((_, Asked::Errand { errand: what, token, last })) => {
                let (token, last, answer) = (*token, *last, answer());
                token.into_iter().for_each(|it| self.by_token.insert(it, self.requests.len()));
                self.requests.push(ServerRequest {
                    device,
                    user,
                    asked,
                    what,
                    token,
                    last,
                    answer,
                });
            }
            Some((_, Asked::File { ask, last, .. })) => {
                let (last, answer) = (*last, answer());
                ask.token()
                    .into_iter()
                    .for_each(|it| self.file_writes.insert(it, self.file_operations.len()));
                self.file_operations.push(ObservedFileOperation {
                    device,
                    user,
                    asked,
                    ask,
                    last,
                    answer,
                });
            }
            Some(_) | None => {}
        }
    }

    /// The requests for the status of a session, in order.
    pub(crate) fn session_status(&self) -> impl Iterator<Item = &ServerRequest<'a>> {
        self.requests.iter().filter(|request| *request.what == plan::Errand::SessionStatus)
    }

    /// The write of a file that bears a label.
    pub(crate) fn file_write(&self, token: Token) -> Option<&ObservedFileOperation<'a>> {
        self.file_writes.get(token).map(|number| &self.file_operations[*number])
    }

    /// The content that a user wrote under a label.
    pub(crate) fn content_of(&self, token: Token) -> Option<Print> {
        let ask = self.file_write(token)?.ask;
        if let FileAsked::Write { content, .. } = ask { Some(*content) } else { None }
    }

    /// The patch that bears a label.
    pub(crate) fn patch(&self, token: Token) -> Option<&ServerRequest<'a>> {
        self.by_token.get(token).map(|at| &self.requests[*at])
    }

    /// The writes that a user has seen who was shown these: themselves, and what their authors had
    /// been shown.
    pub(crate) fn shown_by(&self, heads: &[Head]) -> BTreeSet<Dot> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&Head> = heads.iter().collect();
        while let Some(head) = open.pop() {
            let filing = head.token.and_then(|token| self.file_writes.get(token));
            let ask = filing.map(|number| self.file_operations[*number].ask);
            if seen.insert(head.write)
                && let Some(FileAsked::Write { exposed, .. } | FileAsked::Restore { exposed, .. }) =
                    ask
            {
                open.extend(exposed);
            }
        }
        seen
    }

    /// The requests that an answer may belong to, the latest first: lives of a device number theirs
    /// alike.
    pub(crate) fn requests_of(
        &self,
        who: Node,
        message_id: MessageId,
        before: usize,
    ) -> impl Iterator<Item = &SentRequest> {
        let asks = self.sent.get(&who).map_or(&[][..], Vec::as_slice);
        asks.iter().rev().filter(move |ask| {
            ask.at < before && ask.call == message_id.call && ask.attempt == message_id.attempt
        })
    }
}

/// Hears the facts one by one.
#[derive(Debug, Default)]
struct RequestTracker<'a> {
    server: Server<'a>,
    waiting: BTreeMap<(WorkerId, UserId), u32>,
    /// The requests that a worker has to answer, by name. Copies and lives share names.
    open: BTreeMap<(WorkerId, Node, CallId, u16), OpenRequest>,
}

/// Requests of one name that a worker has to answer. Which of them an answer belongs to cannot be told,
/// so it may be any that arrived since the worker last had none of that name.
#[derive(Clone, Copy, Debug)]
struct OpenRequest {
    unanswered: u32,
    /// When the first and the last of them arrived.
    arrived: (usize, usize),
}

impl RequestTracker<'_> {
    fn take(&mut self, at: usize, entry: &Entry) {
        match (&entry.fact, entry.node) {
            (Fact::Sent { message_id, server: Some(said), to, .. }, from) => {
                match (&**said, from) {
                    (&Said::Asks { device, client, by, space, about, heard, wants }, _) => {
                        let (call, attempt) = (message_id.call, message_id.attempt);
                        let ask = SentRequest {
                            at,
                            call,
                            attempt,
                            device,
                            client,
                            by,
                            space,
                            about,
                            heard,
                            wants,
                        };
                        self.server.sent.entry(from).or_default().push(ask);
                    }
                    (Said::Answers { refused, .. }, Node::Worker(by)) => {
                        let waiting = self.answers(at, by, *to, *message_id);
                        let arrived = self.arrived(at, by, *to, *message_id);
                        let (to, message_id) = (*to, *message_id);
                        match refused {
                            Some(message::Refusal::Busy(_)) => {
                                let refusal =
                                    BusyAnswer { at, by, to, message_id, arrived, waiting };
                                self.server.busy_answers.push(refusal);
                            }
                            Some(message::Refusal::AnotherLog) => {
                                self.server.other_log_answers.push((at, to, message_id));
                            }
                            Some(
                                message::Refusal::Fenced
                                | message::Refusal::Misnumbered
                                | message::Refusal::NotAuthenticated
                                | message::Refusal::Forbidden
                                | message::Refusal::Invalid
                                | message::Refusal::Internal
                                | message::Refusal::Changed(_)
                                | message::Refusal::LeaseLost
                                | message::Refusal::File(_),
                            )
                            | None => {}
                        }
                    }
                    (Said::Answers { .. }, _) => {}
                }
            }
            (Fact::Delivered { from, message_id, .. }, Node::Worker(worker)) => {
                let name = (worker, *from, message_id.call, message_id.attempt);
                let open = OpenRequest { unanswered: 0, arrived: (at, at) };
                let open = self.open.entry(name).or_insert(open);
                open.unanswered += 1;
                open.arrived.1 = at;
                if let Some(space) = self.space_of(at, *from, *message_id) {
                    *self.waiting.entry((worker, space)).or_default() += 1;
                }
            }
            (Fact::Killed { .. }, Node::Worker(worker)) => {
                self.waiting.retain(|place, _| place.0 != worker);
                self.open.retain(|name, _| name.0 != worker);
            }
            _ => {}
        }
    }

    fn space_of(&self, at: usize, who: Node, message_id: MessageId) -> Option<UserId> {
        self.server.requests_of(who, message_id, at).next().map(|ask| ask.space)
    }

    /// How many others wait when a request is answered.
    fn answers(&mut self, at: usize, by: WorkerId, to: Node, message_id: MessageId) -> u32 {
        let Some(space) = self.space_of(at, to, message_id) else { return 0 };
        let waiting = self.waiting.entry((by, space)).or_default();
        *waiting = waiting.saturating_sub(1);
        *waiting
    }

    /// When a request that is answered arrived, at the earliest and at the latest.
    fn arrived(
        &mut self,
        at: usize,
        by: WorkerId,
        to: Node,
        message_id: MessageId,
    ) -> (usize, usize) {
        let name = (by, to, message_id.call, message_id.attempt);
        let Some(open) = self.open.get_mut(&name) else { return (at, at) };
        open.unanswered -= 1;
        let OpenRequest { unanswered, arrived } = *open;
        if unanswered == 0 {
            self.open.remove(&name);
        }
        arrived
    }
}

impl Default for Space {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            names: BTreeMap::new(),
            effects: Vec::new(),
            states: vec![0],
            held: BTreeMap::new(),
            sessions: BTreeMap::new(),
            docs: BTreeMap::new(),
        }
    }
}

impl Space {
    /// Puts what an op says into the account. The new versions that this makes.
    pub(crate) fn apply(&mut self, at: usize, op: &Op) -> Vec<(AccountField, Token)> {
        let account = |key: &Key| match key {
            Key::Account(field) | Key::Was(field, _) => Some(*field),
            Key::Session(_) | Key::Receipt(_) | Key::Work(_) | Key::File(_) => None,
        };
        let touched: Vec<AccountField> =
            op.puts.iter().filter_map(|(key, _)| account(key)).collect();
        let before: Vec<_> = AccountField::ALL
            .into_iter()
            .filter(|field| touched.contains(field))
            .map(|field| (field, self.versions(field)))
            .collect();
        for (key, doc) in op.puts.iter().filter(|(key, _)| account(key).is_some()) {
            match doc {
                Some(Doc::Field(n, payload)) => self.docs.insert(*key, (*n, payload.token)),
                Some(Doc::Version(payload)) => self.docs.insert(*key, (0, payload.token)),
                Some(Doc::Session(_) | Doc::Receipt(_) | Doc::Work(_) | Doc::File(_)) | None => {
                    self.docs.remove(key)
                }
            };
        }
        let mut state = self.states.last().copied().unwrap_or_default();
        let (mut made, mut rewritten) = (Vec::new(), Vec::new());
        let number = self.states.len();
        for (field, old) in before {
            let new = self.versions(field);
            if old == new {
                continue;
            }
            state ^= fingerprint_of(field, &old) ^ fingerprint_of(field, &new);
            if new.len() == old.len() + 1 && new.starts_with(&old) {
                made.extend(new.last().map(|token| (field, *token)));
            } else {
                rewritten.push(field);
                made.extend(new.iter().filter(|it| !old.contains(it)).map(|it| (field, *it)));
                for gone in old.iter().filter(|token| !new.contains(token)) {
                    self.held.entry((field, *gone)).and_modify(|held| held.1 = Some(number));
                }
            }
        }
        if made.is_empty() && rewritten.is_empty() {
            return made;
        }
        for place in &made {
            self.held.insert(*place, (number, None));
        }
        self.states.push(state);
        let receipt = op.receipt;
        self.effects.push(LogEffect::Account { at, receipt, made: made.clone(), rewritten });
        made
    }

    /// Every version of a field, the current one last.
    fn versions(&self, field: AccountField) -> Vec<Token> {
        let Some((n, current)) = self.docs.get(&Key::Account(field)) else { return Vec::new() };
        let was = (1..*n).filter_map(|n| self.docs.get(&Key::Was(field, n)));
        was.map(|(_, token)| *token).chain([*current]).collect()
    }

    /// Who had a session at some moment of an interval, and since when within it.
    pub(crate) fn holders(
        &self,
        key: DeviceKey,
        from: usize,
        to: usize,
    ) -> impl Iterator<Item = (usize, Option<Session>)> + '_ {
        let line = self.sessions.get(&key);
        let first = line.and_then(|line| line.at(from).copied()).flatten();
        let later = line.into_iter().flat_map(Timeline::iter);
        let later = later.filter(move |(at, _)| *at > from && *at <= to);
        std::iter::once((from, first)).chain(later.map(|(at, session)| (at, *session)))
    }

    /// Does a field hold a token in the end?
    pub(crate) fn holds(&self, field: AccountField, token: Token) -> bool {
        self.held.get(&(field, token)).is_some_and(|held| held.1.is_none())
    }
}

/// What stands for the versions of an account: the same for the same versions.
pub(crate) fn fingerprint(account: &Account) -> u64 {
    let of = |(field, versions): &(AccountField, Vec<(Token, _)>)| {
        let tokens: Vec<Token> = versions.iter().map(|version| version.0).collect();
        fingerprint_of(*field, &tokens)
    };
    account.iter().map(of).fold(0, |all, one| all ^ one)
}

fn fingerprint_of(field: AccountField, versions: &[Token]) -> u64 {
    versions.iter().enumerate().fold(0, |all, (n, token)| {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&token.0);
        bytes[16..24].copy_from_slice(&(n as u64).to_be_bytes());
        bytes[24] = field as u8;
        all ^ xxh3_64(&bytes)
    })
}
