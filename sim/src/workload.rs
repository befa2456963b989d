//! The users: what each does on a device, one ask at a time, and what the device had shown to them
//! when they wrote. That testimony comes from the public interface alone, never from the engine's
//! version vectors: a bug that inflates those must not excuse its own loss.

mod custom;
mod file;
pub(crate) mod talk;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::device::{Answer, Ask, FieldReading, Presence, Reading};
use engine::id::{DeviceId, FieldId, OpId, RecordId, Token, UserId};
use engine::ingest::Path;
use engine::record::{Handle, Payload, Value};
use engine::schema::{Holds, field_of};

use crate::history::{Answered, Asked, Done, Fact, Shown, Worked, WriteKind};
use crate::mailbox::{Effect, Share};
use crate::plan::{ASKS_PER_STEP, Errand, ProcessorCommand, StepId, UserOperation};

/// An ask with its testimony.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) op: OpId,
    pub(crate) ask: Ask,
    pub(crate) asked: Asked,
}

/// The user in front of one device, for one life of it.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    canary: [u8; 8],
    device: DeviceId,
    user: UserId,
    /// What to say next, before anything else happens to the device.
    requests: VecDeque<Request>,
    awaited: BTreeMap<OpId, Then>,
    opened: BTreeMap<RecordId, Reading>,
    jobs: file::Jobs,
    doors: file::Doors,
    /// The last number of an ask that no step of the plan names: no two lives of a device use one.
    own_op: u32,
}

/// What the user does with an answer.
#[derive(Clone, Debug)]
enum Then {
    Nothing,
    Open,
    Write(Vec<(FieldId, Value)>),
    Increment(FieldId, i64),
    Delete,
    Undelete,
    ReadAll,
    /// Does something with files.
    File(file::Next),
}

impl Then {
    fn writes(&self) -> bool {
        match self {
            Self::Write(_) | Self::Increment(..) | Self::Delete | Self::Undelete => true,
            Self::Nothing | Self::Open | Self::ReadAll | Self::File(..) => false,
        }
    }
}

/// The numbers of what no step of a plan names come after all others.
pub(crate) const UNPLANNED: u32 = 1 << 31;

/// The step that an ask belongs to, if it belongs to one.
pub(crate) fn step_of(op: OpId) -> Option<StepId> {
    (op.0 < UNPLANNED).then_some(StepId::of(op))
}

/// The numbers of a user's own operations go on from the last one of all lives before.
pub(crate) fn first_own_op(last: u32) -> u32 {
    last.max(UNPLANNED) / ASKS_PER_STEP * ASKS_PER_STEP
}

impl Agent {
    /// The user of a device whose last own operation had this number, in any life; 0 for none.
    pub(crate) fn new(canary: [u8; 8], (device, user): (DeviceId, UserId), last_op: u32) -> Self {
        Self {
            canary,
            device,
            user,
            requests: VecDeque::new(),
            awaited: BTreeMap::new(),
            opened: BTreeMap::new(),
            jobs: file::Jobs::new(),
            doors: file::Doors::new(),
            own_op: first_own_op(last_op),
        }
    }

    /// The next thing that the user asks; the caller that takes it notes it as asked.
    pub(crate) fn next_request(&mut self) -> Option<Request> {
        self.requests.pop_front()
    }

    /// The user does a step of the plan; false if it cannot be done.
    pub(crate) fn does(&mut self, step: StepId, operation: UserOperation) -> bool {
        let op = step.first_op();
        match operation {
            UserOperation::Edit(id, changes) => self.read(op, id, Then::Write(changes)),
            UserOperation::Open(id) => self.read(op, id, Then::Open),
            UserOperation::Save(id, changes) => {
                let Some(reading) = self.opened.get(&id).cloned() else { return false };
                self.write(op, &reading, changes);
            }
            UserOperation::Overwrite(id, changes) => self.write(op, &unread(id), changes),
            UserOperation::Increment(id, field, by) => {
                self.read(op, id, Then::Increment(field, by));
            }
            UserOperation::Delete(id) => self.read(op, id, Then::Delete),
            UserOperation::Undelete(id) => self.read(op, id, Then::Undelete),
            UserOperation::Read(id) => self.read(op, id, Then::Nothing),
            UserOperation::Sync => self.ask(op, Ask::Sync, Asked::Sync, Then::Nothing),
            UserOperation::SignIn => self.ask(op, Ask::SignIn, Asked::SignIn, Then::Nothing),
            UserOperation::SignOut => self.ask(op, Ask::SignOut, Asked::SignOut, Then::Nothing),
            UserOperation::RotateKey => {
                self.ask(op, Ask::RotateKey, Asked::RotateKey, Then::Nothing);
            }
            UserOperation::Errand(errand) => self.errand(op, errand, false),
            UserOperation::Upload(excerpt) => {
                let conversation = talk::conversation(self.canary, self.user, &excerpt).into();
                let ask = Ask::Ingest { path: Path::Upload, conversation };
                let asked = Asked::Work { command: ProcessorCommand::Ingest(excerpt), last: false };
                self.ask(op, ask, asked, Then::Nothing);
            }
            UserOperation::File(operation) => self.does_with_files(op, operation),
            UserOperation::Register(kind, field, custom) => {
                let ask = Ask::Register { kind, field, strategy: Arc::new(custom) };
                self.ask(op, ask, Asked::Register(kind, field, custom), Then::Nothing);
            }
        }
        true
    }

    /// The user signs in on a new device.
    pub(crate) fn signs_in(&mut self) {
        let op = self.own_op();
        self.ask(op, Ask::SignIn, Asked::SignIn, Then::Nothing);
    }

    /// The user looks at everything, for the last time: also at a share of what is on the server, if
    /// there is one.
    pub(crate) fn reads_all(&mut self, on_server: Option<Share>) {
        let op = self.own_op();
        self.ask(op, Ask::List, Asked::List, Then::ReadAll);
        if let Some(share) = on_server {
            let op = self.own_op();
            self.errand(op, Errand::ReadAccount, true);
            self.reads_all_files(share);
        }
    }

    /// The device answers; what the user makes of it is asked next.
    pub(crate) fn hears(&mut self, op: OpId, answer: Answer, emitted: &mut Vec<Effect>) {
        emitted.push(Effect::Fact(Fact::Answered(op, answered(&answer).into())));
        let Some(then) = self.awaited.remove(&op) else { return };
        if answer == Answer::SignedOut {
            self.opened.clear();
            self.forgets_jobs();
        }
        if let Then::File(next) = then {
            return self.hears_of_files(op, next, answer, emitted);
        }
        let next = OpId(op.0 + 1);
        match (then, answer) {
            // Two reads may be answered at once, when a gate opens. A user who wrote after the
            // first knows that the second is out of date, and looks again.
            (then, Answer::Read(reading)) if then.writes() && self.is_writing(reading.id) => {
                let again = self.own_op();
                self.read(again, reading.id, then);
            }
            (Then::Write(changes), Answer::Read(reading)) => self.write(next, &reading, changes),
            (Then::Increment(field, by), Answer::Read(reading)) => {
                self.increment(next, &reading, field, by);
            }
            (Then::Delete, Answer::Read(reading)) => self.delete(next, &reading),
            (Then::Undelete, Answer::Read(reading)) => self.undelete(next, &reading),
            (Then::Open, Answer::Read(reading)) => {
                self.opened.insert(reading.id, reading);
            }
            (Then::ReadAll, Answer::Listed(ids)) => {
                for id in ids {
                    let op = self.own_op();
                    self.ask(op, Ask::Read(id), Asked::Read { id, last: true }, Then::Nothing);
                }
            }
            // The user has nothing to do with an answer, or with a refusal.
            (_, _) => {}
        }
    }

    /// Is a write of this record about to be asked?
    fn is_writing(&self, id: RecordId) -> bool {
        let writes = |request: &Request| matches!(request.asked, Asked::Write { id: written, .. } if written == id);
        self.requests.iter().any(writes)
    }

    /// The number of what is asked next in an operation: its step's, or else one of the user's own.
    fn next_op(&mut self, op: OpId) -> OpId {
        let next = OpId(op.0 + 1);
        if next.0.is_multiple_of(ASKS_PER_STEP) { self.own_op() } else { next }
    }

    fn own_op(&mut self) -> OpId {
        self.own_op += ASKS_PER_STEP;
        OpId(self.own_op)
    }

    fn ask(&mut self, op: OpId, ask: Ask, asked: Asked, then: Then) {
        self.awaited.insert(op, then);
        self.requests.push_back(Request { op, ask, asked });
    }

    fn read(&mut self, op: OpId, id: RecordId, then: Then) {
        self.ask(op, Ask::Read(id), Asked::Read { id, last: false }, then);
    }

    fn write(&mut self, op: OpId, reading: &Reading, changes: Vec<(FieldId, Value)>) {
        let set: Vec<_> = changes
            .into_iter()
            .map(|(field, value)| (field, drafted(reading, field, value)))
            .collect();
        let fields = |field| set.iter().any(|(written, _)| *written == field);
        let exposed = exposed(reading, |field, _| fields(field));
        let token = self.token(op);
        let (id, handle) = (reading.id, reading.handle.clone());
        let ask = Ask::Write { id, handle, changes: set.clone(), token };
        self.ask(op, ask, testimony(reading, token, set, WriteKind::Set, exposed), Then::Nothing);
    }

    /// What a user wants of the sync server.
    fn errand(&mut self, op: OpId, errand: Errand, last: bool) {
        let (ask, token) = match &errand {
            Errand::Patch(fields) => {
                let token = self.token(op);
                let payload = |value: &Value| Payload { token, value: value.clone() };
                let fields = fields.iter().map(|(field, value)| (*field, payload(value)));
                (Ask::Patch(fields.collect()), Some(token))
            }
            Errand::ReadAccount => (Ask::ReadAccount, None),
            Errand::SessionStatus => (Ask::SessionStatus, None),
        };
        self.ask(op, ask, Asked::Errand { errand, token, last }, Then::Nothing);
    }

    fn increment(&mut self, op: OpId, reading: &Reading, field: FieldId, by: i64) {
        let counted = reading.fields.iter().find(|shown| shown.field == field);
        let counted = counted.and_then(|shown| shown.counted).filter(|token| self.made(*token));
        let exposed = exposed(reading, |at, token| at == field && Some(token) == counted);
        let token = self.token(op);
        let (id, handle) = (reading.id, reading.handle.clone());
        let ask = Ask::Increment { id, handle, field, by, token };
        let set = vec![(field, Value::Int(by))];
        let asked = testimony(reading, token, set, WriteKind::Increment, exposed);
        self.ask(op, ask, asked, Then::Nothing);
    }

    fn delete(&mut self, op: OpId, reading: &Reading) {
        let token = self.token(op);
        let ask = Ask::Delete { id: reading.id, handle: reading.handle.clone(), token };
        let exposed = exposed(reading, |_, _| true);
        let asked = testimony(reading, token, Vec::new(), WriteKind::Delete, exposed);
        self.ask(op, ask, asked, Then::Nothing);
    }

    /// Brings everything that a deleted record shows back: values by one write, counts by counting.
    fn undelete(&mut self, op: OpId, reading: &Reading) {
        if reading.presence != Presence::Deleted {
            return;
        }
        let (mut changes, mut counts) = (Vec::new(), Vec::new());
        for FieldReading { field, value, .. } in &reading.fields {
            match (field_of(reading.id.kind, *field).map(|known| known.holds), value) {
                (Some(Holds::Count), Value::Int(n)) => counts.push((*field, *n)),
                (Some(Holds::Draft), Value::Draft { text, .. }) => {
                    changes.push((*field, Value::Text(text.clone())));
                }
                (Some(_), _) => changes.push((*field, value.clone())),
                // A field of a newer build: this user cannot write it.
                (None, _) => {}
            }
        }
        let mut ops = (op.0..).map(OpId);
        let mut next = || ops.next().expect("there are more numbers than fields");
        if !changes.is_empty() {
            self.write(next(), reading, changes);
        }
        for (field, by) in counts {
            self.increment(next(), reading, field, by);
        }
    }

    /// Was this token made on this device?
    fn made(&self, token: Token) -> bool {
        token.0[..12] == self.token(OpId(0)).0[..12]
    }

    fn token(&self, op: OpId) -> Token {
        token(self.canary, self.user, self.device, op.0)
    }
}

/// A token: the canary of the run, then who wrote, on which device, by which ask.
pub(crate) fn token(canary: [u8; 8], user: UserId, device: DeviceId, op: u32) -> Token {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&canary);
    bytes[8..10].copy_from_slice(&user.0.to_be_bytes());
    bytes[10..12].copy_from_slice(&device.0.to_be_bytes());
    bytes[12..].copy_from_slice(&op.to_be_bytes());
    Token(bytes)
}

/// What someone knows of a record who has not looked.
fn unread(id: RecordId) -> Reading {
    Reading {
        id,
        presence: Presence::Absent,
        fields: Vec::new(),
        deletes: Vec::new(),
        sealed: false,
        partial: false,
        handle: Handle::blind(),
    }
}

/// The tokens shown, with their fields. A write by someone who saw the record deleted replaces all.
fn exposed(reading: &Reading, named: impl Fn(FieldId, Token) -> bool) -> Vec<(FieldId, Token)> {
    let all = reading.presence == Presence::Deleted;
    let deletes = reading.deletes.iter().map(|token| (FieldId::HEADSTONE, *token));
    let shown = reading.fields.iter().flat_map(tokens).chain(deletes);
    shown.filter(|(at, token)| all || named(*at, *token)).collect()
}

/// The tokens that a field shows.
fn tokens(field: &FieldReading) -> impl Iterator<Item = (FieldId, Token)> {
    let conflicts = field.conflicts.iter().map(|payload| payload.token);
    field.contributors.iter().copied().chain(conflicts).map(|token| (field.field, token))
}

fn testimony(
    reading: &Reading,
    token: Token,
    set: Vec<(FieldId, Value)>,
    kind: WriteKind,
    exposed: Vec<(FieldId, Token)>,
) -> Asked {
    let saw_deleted = reading.presence == Presence::Deleted;
    Asked::Write { id: reading.id, token, set, kind, exposed, saw_deleted }
}

/// A text for a draft becomes an edit of the text that was shown.
fn drafted(reading: &Reading, field: FieldId, value: Value) -> Value {
    let is_draft =
        field_of(reading.id.kind, field).is_some_and(|known| known.holds == Holds::Draft);
    match value {
        Value::Text(text) if is_draft => {
            let shown = reading.fields.iter().find(|shown| shown.field == field);
            let base = match shown.map(|shown| &shown.value) {
                Some(Value::Draft { text, .. } | Value::Text(text)) => text.clone(),
                Some(Value::Int(_) | Value::Set(_)) | None => String::new(),
            };
            Value::Draft { base, text }
        }
        Value::Int(_) | Value::Text(_) | Value::Set(_) | Value::Draft { .. } => value,
    }
}

fn answered(answer: &Answer) -> Answered {
    match answer {
        Answer::Patched => Answered::Done(Done::Patched),
        Answer::Session(held) => Answered::Done(Done::Session(*held)),
        Answer::Account(fields) => {
            let versions = |payload: &Payload| (payload.token, payload.value.clone());
            let fields = fields
                .iter()
                .map(|(field, payloads)| (*field, payloads.iter().map(versions).collect()));
            Answered::Done(Done::Account(Arc::new(fields.collect())))
        }
        Answer::Read(reading) => Answered::Read(Arc::new(shown(reading))),
        Answer::Listed(ids) => Answered::Listed(ids.clone()),
        Answer::Saved => Answered::Saved,
        Answer::SignedIn { partial } => Answered::SignedIn { partial: *partial },
        Answer::SignedOut => Answered::SignedOut,
        Answer::Rotated(_) => Answered::Rotated,
        Answer::Registered => Answered::Registered,
        Answer::Syncing => Answered::Syncing,
        Answer::Status(status) => Answered::Status(status.clone()),
        Answer::Refused(reason) => Answered::Refused(*reason),
        Answer::Files(files) => file::listed(files),
        Answer::File(answer) => file::answered(answer),
        Answer::Ingested(key, version) => Answered::Worked(Worked::Saved(*key, *version)),
    }
}

fn shown(reading: &Reading) -> Shown {
    let field = |shown: &FieldReading| {
        let conflicts = shown.conflicts.iter().map(|payload| payload.token).collect();
        (shown.field, shown.value.clone(), shown.contributors.clone(), conflicts)
    };
    Shown {
        id: reading.id,
        presence: reading.presence,
        fields: reading.fields.iter().map(field).collect(),
        sealed: reading.sealed,
        partial: reading.partial,
    }
}

#[cfg(test)]
mod tests {
    use engine::id::Kind;
    use engine::record::Payload;

    use super::*;

    const MEAL: RecordId = RecordId { kind: Kind::Meal, key: 1 };
    const NAME: FieldId = FieldId(0);
    const PORTIONS: FieldId = FieldId(3);
    const NOTE: FieldId = FieldId(4);

    fn agent() -> Agent {
        Agent::new(*b"canary!!", (DeviceId(1), UserId(0)), 0)
    }

    fn other(n: u32) -> Token {
        token(*b"canary!!", UserId(0), DeviceId(9), n)
    }

    fn reading(presence: Presence, fields: Vec<(FieldId, Value, Token, Vec<Token>)>) -> Reading {
        let fields = fields
            .into_iter()
            .map(|(field, value, shown, conflicts)| FieldReading {
                field,
                value: value.clone(),
                contributors: vec![shown],
                conflicts: conflicts
                    .into_iter()
                    .map(|token| Payload { token, value: value.clone() })
                    .collect(),
                counted: None,
            })
            .collect();
        Reading { presence, fields, ..unread(MEAL) }
    }

    /// Does an operation, answers its read, and returns the testimony of the write.
    fn written(agent: &mut Agent, step: u32, operation: UserOperation, reading: Reading) -> Asked {
        assert!(agent.does(StepId(step), operation));
        let read = agent.next_request().expect("it reads first");
        assert_eq!(read.asked, Asked::Read { id: MEAL, last: false });
        agent.hears(read.op, Answer::Read(reading), &mut Vec::new());
        agent.next_request().expect("it writes next").asked
    }

    fn exposed_of(asked: &Asked) -> &[(FieldId, Token)] {
        let Asked::Write { exposed, .. } = asked else { panic!("not a write: {asked:?}") };
        exposed
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn an_edit_exposes_all_siblings_of_the_fields_written_and_no_others() {
        let shown = reading(
            Presence::Live,
            vec![
                (NAME, text("Oats"), other(1), vec![other(2)]),
                (PORTIONS, Value::Int(1), other(3), vec![]),
            ],
        );
        let operation = UserOperation::Edit(MEAL, vec![(NAME, text("Porridge"))]);
        let asked = written(&mut agent(), 5, operation, shown);
        assert_eq!(exposed_of(&asked), [(NAME, other(1)), (NAME, other(2))]);
    }

    #[test]
    fn an_increment_exposes_only_what_this_device_counted_before() {
        let mut agent = agent();
        let count = |token| {
            let field = (PORTIONS, Value::Int(2), other(3), vec![token]);
            let mut reading = reading(Presence::Live, vec![field]);
            reading.fields[0].counted = Some(token);
            reading
        };
        let operation = UserOperation::Increment(MEAL, PORTIONS, 1);
        let first = written(&mut agent, 1, operation.clone(), count(other(4)));
        assert_eq!(exposed_of(&first), []);
        let own = agent.token(OpId(5));
        let second = written(&mut agent, 2, operation, count(own));
        assert_eq!(exposed_of(&second), [(PORTIONS, own)]);
    }

    #[test]
    fn deletes_and_writes_on_deleted_records_expose_everything() {
        let fields = vec![
            (NAME, text("Oats"), other(1), vec![]),
            (PORTIONS, Value::Int(1), other(3), vec![]),
        ];
        let all = [(NAME, other(1)), (PORTIONS, other(3))];
        let live = reading(Presence::Live, fields.clone());
        assert_eq!(exposed_of(&written(&mut agent(), 1, UserOperation::Delete(MEAL), live)), all);
        let operation = UserOperation::Edit(MEAL, vec![(NAME, text("New"))]);
        let dead = reading(Presence::Deleted, fields);
        let asked = written(&mut agent(), 2, operation, dead);
        assert_eq!(exposed_of(&asked), all);
        assert!(matches!(asked, Asked::Write { saw_deleted: true, .. }));
    }

    #[test]
    fn a_text_for_a_draft_becomes_an_edit_of_what_was_shown() {
        let old = Value::Draft { base: String::new(), text: "milk".into() };
        let shown = reading(Presence::Live, vec![(NOTE, old, other(1), vec![])]);
        let operation = UserOperation::Edit(MEAL, vec![(NOTE, text("milk, nuts"))]);
        let Asked::Write { set, .. } = written(&mut agent(), 1, operation, shown) else {
            panic!("not a write");
        };
        let draft = Value::Draft { base: "milk".into(), text: "milk, nuts".into() };
        assert_eq!(set, [(NOTE, draft)]);
    }

    #[test]
    fn a_record_that_is_not_open_cannot_be_saved() {
        assert!(!agent().does(StepId(1), UserOperation::Save(MEAL, vec![(NAME, text("x"))])));
    }

    #[test]
    fn of_two_reads_answered_at_once_the_second_is_taken_again() {
        let mut agent = agent();
        let operation = UserOperation::Increment(MEAL, PORTIONS, 1);
        assert!(agent.does(StepId(1), operation.clone()) && agent.does(StepId(2), operation));
        let reads: Vec<_> = std::iter::from_fn(|| agent.next_request()).collect();
        for read in reads {
            let nothing = reading(Presence::Live, Vec::new());
            agent.hears(read.op, Answer::Read(nothing), &mut Vec::new());
        }
        let write = agent.next_request().expect("the first goes on");
        assert!(matches!(write.asked, Asked::Write { .. }));
        let again = agent.next_request().expect("the second looks again");
        let count = (PORTIONS, Value::Int(1), agent.token(write.op), vec![]);
        let mut counted = reading(Presence::Live, vec![count]);
        counted.fields[0].counted = Some(agent.token(write.op));
        agent.hears(again.op, Answer::Read(counted), &mut Vec::new());
        let second = agent.next_request().expect("and then writes").asked;
        assert_eq!(exposed_of(&second), [(PORTIONS, agent.token(write.op))]);
    }

    #[test]
    fn every_ask_has_its_own_token() {
        let mut agent = agent();
        let mut tokens: Vec<_> = (0..3)
            .map(|step| {
                assert!(
                    agent.does(
                        StepId(step),
                        UserOperation::Overwrite(MEAL, vec![(NAME, text("x"))])
                    )
                );
                let asked = agent.next_request().expect("it writes at once").asked;
                let Asked::Write { token, .. } = asked else { panic!("not a write: {asked:?}") };
                token
            })
            .collect();
        assert!(tokens.iter().all(|token| token.0.starts_with(b"canary!!")));
        tokens.dedup();
        assert_eq!(tokens.len(), 3);
    }
}
