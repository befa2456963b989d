//! What the facts about records are to a judge that knows no records. A key is a record, a place is a copy
//! of a record on one disk or remote, and a session is a device.
//!
//! A write of several fields is one write for each, which replaces what its author was shown of that field.
//! A delete, and a write by an author who was shown that the record is deleted, replace all that the author
//! was shown. Left out are records that the plan made incurable and those of a purged zone, which devices
//! delete without being asked.

#![expect(clippy::wildcard_enum_match_arm, reason = "few of the facts are about records")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::device::Presence;
use engine::id::{DeviceId, FieldId, OpId, RecordId, Remote, Token, VaultId};
use engine::remote::Ending;
use harness::observation::{
    self as seen, Alarm, Answer, Ask, Event, HostId, Key, Life, Names, Observation, Place, Promise,
    Session, Write,
};
use harness::time::{Span, Time};
use sim::fault::{Cut, Fault};
use sim::history::{Answered, Asked, Boot, Change, Contents, Entry, Fact, Shown, WriteKind};
use sim::plan::{Node, Plan};
use sim::run::settle_bound;

type Record = (VaultId, RecordId);

/// What holds copies of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Device(DeviceId),
    Remote(Remote),
}

/// Small numbers for large names.
#[derive(Debug)]
struct Numbers<T>(BTreeMap<T, u64>);

impl<T: Ord> Numbers<T> {
    fn of(&mut self, name: T) -> u64 {
        let next = self.0.len() as u64;
        *self.0.entry(name).or_insert(next)
    }
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// What a device was asked, as operations on keys.
#[derive(Clone, Debug)]
enum Asking {
    Write { place: Place, ops: Vec<seen::OpId> },
    Read(seen::OpId),
}

/// Facts about the end of a run, known from its start.
#[derive(Debug, Default)]
struct Ahead {
    left_out: BTreeSet<Record>,
    purged: BTreeSet<VaultId>,
    /// Devices that nothing reaches at the end, or that lack a key for ever.
    stranded: BTreeSet<DeviceId>,
}

/// A commit that is not durable yet.
type Commit = (u32, Vec<(RecordId, Option<Arc<Contents>>)>);

/// Where in the history an observation is made.
#[derive(Clone, Copy, Debug)]
struct Now {
    fact: usize,
    at: Time,
    host: HostId,
    incarnation: u32,
}

/// Turns facts into observations.
#[derive(Debug)]
struct Adapter<'p> {
    plan: &'p Plan,
    ahead: Ahead,
    now: Now,
    observations: Vec<Observation>,
    names: Names,
    keys: Numbers<Record>,
    tokens: Numbers<(Token, FieldId)>,
    places: Numbers<(Holder, Record)>,
    hosts: Numbers<Node>,
    ops: u64,
    asked: BTreeMap<(DeviceId, OpId), Asking>,
    /// The tokens of a write, one for each field that it sets.
    parts: BTreeMap<Token, Vec<seen::Token>>,
    replaces: BTreeMap<seen::Token, BTreeSet<seen::Token>>,
    pending: BTreeMap<DeviceId, Vec<Commit>>,
    stored: BTreeSet<(Place, seen::Token)>,
    /// Has the system come to rest?
    is_over: bool,
}

/// The observations of a run, and what people call what is in them.
pub(super) fn observe(plan: &Plan, history: &[Entry]) -> (Names, Vec<Observation>) {
    let mut adapter = Adapter {
        plan,
        ahead: look_ahead(history),
        now: Now { fact: 0, at: Time(0), host: HostId(0), incarnation: 0 },
        observations: Vec::new(),
        names: Names::default(),
        keys: Numbers::default(),
        tokens: Numbers::default(),
        places: Numbers::default(),
        hosts: Numbers::default(),
        ops: 0,
        asked: BTreeMap::new(),
        parts: BTreeMap::new(),
        replaces: BTreeMap::new(),
        pending: BTreeMap::new(),
        stored: BTreeSet::new(),
        is_over: false,
    };
    // Seed data is on prepared devices before a remote stores it.
    for entry in history {
        if let Fact::Committed { vault, id, by: Node::World, contents: Some(contents), .. } =
            &entry.fact
        {
            adapter.move_to(0, entry);
            adapter.give((*vault, *id), contents);
        }
    }
    for (fact, entry) in history.iter().enumerate() {
        adapter.move_to(fact, entry);
        adapter.take(entry);
    }
    (adapter.names, adapter.observations)
}

fn look_ahead(history: &[Entry]) -> Ahead {
    let mut ahead = Ahead::default();
    // Faults of one kind overlap, so they are counted.
    let mut open: BTreeMap<&Fault, u32> = BTreeMap::new();
    for entry in history {
        match &entry.fact {
            Fact::Faulted(Fault::EndZone(fault)) if fault.how == Ending::Purged => {
                ahead.purged.insert(VaultId::from(fault.user));
            }
            Fact::Faulted(fault) => {
                *open.entry(fault).or_default() += 1;
            }
            Fact::Ended(fault) => {
                *open.entry(fault).or_default() -= 1;
            }
            _ => {}
        }
    }
    for fault in open.into_iter().filter(|(_, count)| *count > 0).map(|(fault, _)| fault) {
        match *fault {
            Fault::BreakDecryption(fault) => {
                ahead.left_out.insert((VaultId::from(fault.user), fault.row));
            }
            Fault::RejectRow(fault) => {
                ahead.left_out.insert((VaultId::from(fault.user), fault.row));
            }
            Fault::HoldKeys(fault) => {
                ahead.stranded.insert(fault.device);
            }
            Fault::GoOffline(fault) => {
                ahead.stranded.insert(fault.device);
            }
            Fault::Cut(
                Cut { from: Node::Device(device), .. } | Cut { to: Node::Device(device), .. },
            ) => {
                ahead.stranded.insert(device);
            }
            _ => {}
        }
    }
    ahead
}

impl Adapter<'_> {
    fn move_to(&mut self, fact: usize, entry: &Entry) {
        let (at, host) = (Time(entry.at.0), self.host(entry.node));
        self.now = Now { fact, at, host, incarnation: entry.incarnation };
    }

    fn sees(&mut self, event: Event) {
        let Now { fact, at, host, incarnation } = self.now;
        self.observations.push(Observation { at, host, incarnation, fact, event });
    }

    fn host(&mut self, node: Node) -> HostId {
        let host = HostId(self.hosts.of(node) as u32);
        self.names.hosts.entry(host).or_insert_with(|| self.plan.name(node).to_owned());
        host
    }

    fn key(&mut self, record: Record) -> Key {
        let key = Key(self.keys.of(record));
        self.names.keys.entry(key).or_insert_with(|| record.1.to_string());
        key
    }

    fn token(&mut self, token: Token, field: FieldId) -> seen::Token {
        let number = seen::Token(self.tokens.of((token, field)));
        let name = || format!("{number} (field {})", field.0);
        self.names.tokens.entry(number).or_insert_with(name);
        number
    }

    fn place(&mut self, holder: Holder, record: Record) -> Place {
        Place(self.places.of((holder, record)) as u32)
    }

    fn op(&mut self) -> seen::OpId {
        self.ops += 1;
        seen::OpId(self.ops)
    }

    fn vault(&self, device: DeviceId) -> VaultId {
        self.plan.devices[usize::from(device.0)].user.into()
    }

    fn is_left_out(&self, record: Record) -> bool {
        self.ahead.left_out.contains(&record) || self.ahead.purged.contains(&record.0)
    }

    /// A row that is there before the start is a write of the world that is acknowledged at once. Both
    /// remotes have it.
    fn give(&mut self, record: Record, contents: &Contents) {
        for &(field, token) in &contents.cells {
            let is_known = self.tokens.0.contains_key(&(token, field));
            if token != Token::NONE && !is_known && !self.is_left_out(record) {
                let op = self.ask_to_write(record, (token, field), BTreeSet::new());
                let answer = Answer::Acknowledged(Promise::Copies(1));
                self.answer_all(vec![op], &answer);
            }
        }
    }

    fn ask_to_write(
        &mut self,
        record: Record,
        (token, field): (Token, FieldId),
        replaces: BTreeSet<seen::Token>,
    ) -> seen::OpId {
        let (op, key) = (self.op(), self.key(record));
        let part = self.token(token, field);
        self.parts.entry(token).or_default().push(part);
        self.replaces.insert(part, replaces.clone());
        let session = Session(u64::from(self.now.host.0));
        let deletes = field == FieldId::HEADSTONE;
        let ask = Ask::Write(Write { token: part, deletes, replaces });
        self.sees(Event::Asked { op, session, key, ask });
        op
    }

    fn take(&mut self, entry: &Entry) {
        match (&entry.fact, entry.node) {
            (Fact::Committed { vault, id, contents, by, .. }, Node::Remote(remote)) => {
                if let Node::Device(_) = by
                    && !self.is_left_out((*vault, *id))
                {
                    self.sees(Event::Effect { kind: "save of a row" });
                }
                if let Node::Remote(_) = by {
                    self.undo(|holder, record| {
                        holder == Holder::Remote(remote) && record == (*vault, *id)
                    });
                }
                if let Some(contents) = contents {
                    self.store(Holder::Remote(remote), (*vault, *id), contents);
                }
            }
            (Fact::Removed { vault, id, by, .. }, Node::Remote(remote))
                if !matches!(by, Node::Device(_)) =>
            {
                self.undo(|holder, record| {
                    holder == Holder::Remote(remote) && record == (*vault, *id)
                });
            }
            (Fact::Faulted(trouble), _) => self.faulted(trouble),
            (Fact::FaultsEnded, _) => {
                let bound = settle_bound(self.plan);
                let within = self.plan.settle_within.map_or(bound, |within| within.min(bound));
                let within = Span(within.0);
                self.sees(Event::QuietAsked { within });
            }
            (Fact::Settled { pending }, _) if pending.is_empty() => {
                let stranded = self.ahead.stranded.clone();
                self.undo(|holder, _| {
                    matches!(holder, Holder::Device(device) if stranded.contains(&device))
                });
                self.sees(Event::QuietReached);
                self.is_over = true;
            }
            (Fact::Panicked(message), _) => {
                let (alarm, message) = (Alarm::Panic, message.clone());
                self.sees(Event::Alarm { alarm, message });
            }
            (Fact::ErrorLogged(message), _) => {
                let (alarm, message) = (Alarm::Error, message.clone());
                self.sees(Event::Alarm { alarm, message });
            }
            (Fact::Found { vault, id, contents, .. }, Node::Remote(_)) => {
                self.found_at_the_end((*vault, *id), contents.as_deref());
            }
            (of_device, Node::Device(device)) => {
                self.take_of_device(device, of_device);
            }
            _ => {}
        }
    }

    fn faulted(&mut self, fault: &Fault) {
        match *fault {
            Fault::Destroy(fault) => {
                self.pending.remove(&fault.device);
                self.sees(Event::Life(Life::Gone));
                self.undo(|holder, _| holder == Holder::Device(fault.device));
            }
            Fault::EndZone(fault) => {
                let vault = VaultId::from(fault.user);
                self.undo(|holder, record| {
                    holder == Holder::Remote(Remote::Zone) && record.0 == vault
                });
            }
            Fault::BreakDecryption(fault) if fault.seen_by.is_none() => {
                let row = (VaultId::from(fault.user), fault.row);
                self.undo(|holder, record| holder == Holder::Remote(fault.remote) && record == row);
            }
            _ => {}
        }
    }

    fn take_of_device(&mut self, device: DeviceId, told: &Fact) {
        match told {
            Fact::Asked(op, asked) => self.asked((device, *op), asked),
            Fact::Answered(op, answered) => self.answered((device, *op), answered),
            Fact::Persisted { commit, changes, .. } => {
                let records: Vec<_> = changes
                    .iter()
                    .filter_map(|change| match change {
                        Change::Record(id, contents) => Some((*id, contents.clone())),
                        _ => None,
                    })
                    .collect();
                let vault = self.vault(device);
                if records.iter().any(|(id, _)| !self.is_left_out((vault, *id)))
                    && !self.ahead.stranded.contains(&device)
                {
                    self.sees(Event::Effect { kind: "change of a record" });
                }
                self.pending.entry(device).or_default().push((*commit, records));
            }
            Fact::Durable(commit) => self.durable(device, *commit),
            Fact::PersistFailed(commit) => {
                let pending = self.pending.entry(device).or_default();
                pending.retain(|(number, _)| number < commit);
            }
            Fact::Killed { keeps, .. } => {
                self.durable(device, *keeps);
                self.pending.remove(&device);
                self.sees(Event::Life(Life::Crashed));
            }
            Fact::Started { boot, commit, holds, .. } => {
                self.started(device, (*boot, *commit), holds);
            }
            _ => {}
        }
    }

    fn started(&mut self, device: DeviceId, (boot, commit): (Boot, u32), holds: &[Change]) {
        match boot {
            Boot::Restart => {
                self.durable(device, commit);
                self.pending.remove(&device);
                self.sees(Event::Life(Life::Started));
                return;
            }
            Boot::First => self.sees(Event::Life(Life::Started)),
            Boot::Restored | Boot::Cloned(_) => {
                self.undo(|holder, _| holder == Holder::Device(device));
                self.sees(Event::Life(Life::Restored));
            }
        }
        self.pending.remove(&device);
        let vault = self.vault(device);
        for change in holds {
            if let Change::Record(id, Some(contents)) = change {
                self.store(Holder::Device(device), (vault, *id), contents);
            }
        }
    }

    fn durable(&mut self, device: DeviceId, upto: u32) {
        let pending = self.pending.remove(&device).unwrap_or_default();
        let (now, later) = pending.into_iter().partition(|(number, _)| *number <= upto);
        self.pending.insert(device, later);
        let (now, vault): (Vec<Commit>, _) = (now, self.vault(device));
        for (id, contents) in now.into_iter().flat_map(|(_, records)| records) {
            match contents {
                Some(contents) => {
                    self.store(Holder::Device(device), (vault, id), &contents);
                }
                // A device that is signed out holds nothing any more.
                None => self.undo(|holder, record| {
                    holder == Holder::Device(device) && record == (vault, id)
                }),
            }
        }
    }

    /// A copy that shows a write was made of that one and of all that it replaced.
    fn store(&mut self, holder: Holder, record: Record, contents: &Contents) {
        if self.is_left_out(record) {
            return;
        }
        let place = self.place(holder, record);
        let parts = contents.cells.iter().filter_map(|(_, token)| self.parts.get(token));
        let mut next: Vec<seen::Token> = parts.flatten().copied().collect();
        while let Some(token) = next.pop() {
            if self.stored.insert((place, token)) {
                next.extend(self.replaces.get(&token).into_iter().flatten());
                self.sees(Event::Durable { place, token });
            }
        }
    }

    fn undo(&mut self, is_there: impl Fn(Holder, Record) -> bool) {
        let all = self.places.0.iter().filter(|((holder, record), _)| is_there(*holder, *record));
        let places: BTreeSet<Place> = all.map(|(_, place)| Place(*place as u32)).collect();
        self.stored.retain(|(place, _)| !places.contains(place));
        for place in places {
            self.sees(Event::Undone { place, since: 0 });
        }
    }

    fn asked(&mut self, by: (DeviceId, OpId), asked: &Asked) {
        let vault = self.vault(by.0);
        let Some(record) = asked.record().map(|id| (vault, id)) else { return };
        if self.is_left_out(record) {
            return;
        }
        let asking = match asked {
            Asked::Write { token, set, kind, exposed, saw_deleted, .. } => {
                let deletes = *kind == WriteKind::Delete;
                let fields: Vec<FieldId> = if deletes {
                    vec![FieldId::HEADSTONE]
                } else {
                    set.iter().map(|(field, _)| *field).collect()
                };
                let ops = fields.into_iter().map(|field| {
                    let replaces_all = deletes || *saw_deleted;
                    let old = exposed.iter().filter(|old| replaces_all || old.0 == field);
                    let old = old.map(|(field, token)| self.token(*token, *field)).collect();
                    self.ask_to_write(record, (*token, field), old)
                });
                let ops = ops.collect();
                Asking::Write { place: self.place(Holder::Device(by.0), record), ops }
            }
            Asked::Read { last: true, .. } if self.ahead.stranded.contains(&by.0) => return,
            Asked::Read { .. } => Asking::Read(self.read(record)),
            _ => return,
        };
        self.asked.insert(by, asking);
    }

    fn read(&mut self, record: Record) -> seen::OpId {
        let (op, key) = (self.op(), self.key(record));
        let session = Session(u64::from(self.now.host.0));
        self.sees(Event::Asked { op, session, key, ask: Ask::Read });
        op
    }

    fn answered(&mut self, by: (DeviceId, OpId), answered: &Answered) {
        match (self.asked.get(&by).cloned(), answered) {
            (Some(Asking::Write { place, ops }), Answered::Saved) => {
                let answer = Answer::Acknowledged(Promise::Saved(place));
                self.answer_all(ops, &answer);
            }
            (Some(Asking::Write { ops, .. }), Answered::Refused(_)) => {
                self.answer_all(ops, &Answer::Refused);
            }
            (Some(Asking::Read(op)), Answered::Refused(_)) => {
                self.answer_all(vec![op], &Answer::Refused);
            }
            (Some(Asking::Read(op)), Answered::Read(shown)) => {
                let answer = Answer::Shown(self.shown(shown));
                self.answer_all(vec![op], &answer);
            }
            (None, Answered::Listed(ids)) => self.listed(by.0, ids),
            _ => {}
        }
    }

    /// What is not in the list at the end is not there; what is in it is read.
    fn listed(&mut self, device: DeviceId, ids: &[RecordId]) {
        let vault = self.vault(device);
        if !self.is_over || self.ahead.stranded.contains(&device) {
            return;
        }
        let all: Vec<Record> = self.keys.0.keys().copied().collect();
        for record in all.into_iter().filter(|it| it.0 == vault && !ids.contains(&it.1)) {
            let op = self.read(record);
            self.answer_all(vec![op], &Answer::Shown(BTreeSet::new()));
        }
    }

    fn answer_all(&mut self, ops: Vec<seen::OpId>, answer: &Answer) {
        for op in ops {
            self.sees(Event::Answered { op, answer: answer.clone() });
        }
    }

    fn shown(&mut self, shown: &Shown) -> BTreeSet<seen::Token> {
        let fields = shown.fields.iter().filter(|_| shown.presence == Presence::Live);
        let tokens = fields.flat_map(|(field, _, of, beside)| {
            of.iter().chain(beside).map(move |token| (*token, *field))
        });
        tokens.map(|(token, field)| self.token(token, field)).collect()
    }

    /// Where no device is left to read a record, what a remote holds tells of its end.
    fn found_at_the_end(&mut self, record: Record, contents: Option<&Contents>) {
        let Some(contents) = contents.filter(|_| !self.is_left_out(record)) else { return };
        let op = self.read(record);
        let cells = contents.cells.iter().filter(|_| contents.live);
        let values = cells.filter(|cell| cell.0 != FieldId::HEADSTONE);
        let shown = values.map(|(field, token)| self.token(*token, *field)).collect();
        self.answer_all(vec![op], &Answer::Shown(shown));
    }
}
