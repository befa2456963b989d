//! The lattice of records against a model that knows only sets of operations.
//!
//! An operation has *seen* a causally closed set of others (what its copy held) and has *read* a
//! closed subset of those (what its handle covers; a handle may be old, or blind). The model
//! decides from these sets alone which cells must be there; it has no versions and no merge.

use engine::id::{Dot, FieldId, ReplicaId, Token};
use engine::record::{Cell, DecodeError, Encoded, Handle, Payload, Record, Value};
use engine::time::Hlc;
use proptest::prelude::*;

use crate::laws::choices::{Choices, permutations};
use crate::laws::drawn;

/// A set of operations, as bits by their place in the history.
type Set = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UserOperation {
    Set(&'static [FieldId]),
    Count(FieldId),
    Delete,
}

const A: FieldId = FieldId(0);
const B: FieldId = FieldId(1);
const DEEDS: [UserOperation; 4] = [
    UserOperation::Set(&[A]),
    UserOperation::Set(&[A, B]),
    UserOperation::Count(A),
    UserOperation::Delete,
];

#[derive(Clone, Copy, Debug)]
struct Op {
    dot: Dot,
    operation: UserOperation,
    /// What the writer's copy held.
    seen: Set,
    /// What the writer's handle covers; a closed part of `seen`.
    read: Set,
}

impl Op {
    fn writes(&self, field: FieldId) -> bool {
        match self.operation {
            UserOperation::Set(fields) => fields.contains(&field),
            UserOperation::Count(one) => one == field,
            UserOperation::Delete => field == FieldId::HEADSTONE,
        }
    }
}

/// Operations in an order in which they can have happened.
#[derive(Debug, Default)]
struct History(Vec<Op>);

fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..Set::BITS as usize).filter(move |at| set & 1 << at != 0)
}

/// The model.
impl History {
    /// With all that its members have seen.
    fn closure(&self, set: Set) -> Set {
        members(set).fold(set, |all, at| all | self.0[at].seen)
    }

    fn is_closed(&self, set: Set) -> bool {
        self.closure(set) == set
    }

    /// Does operation `by` take away what operation `of` wrote into `field`?
    fn removes(&self, by: usize, of: usize, field: FieldId) -> bool {
        let (op, old) = (&self.0[by], &self.0[of]);
        let read = op.read & 1 << of != 0;
        let buried = read && op.operation != UserOperation::Delete && self.saw_dead(op);
        let replaced = op.writes(field)
            && match op.operation {
                UserOperation::Set(_) | UserOperation::Delete => read,
                UserOperation::Count(_) => {
                    op.seen & 1 << of != 0 && old.dot.replica == op.dot.replica
                }
            };
        buried || replaced
    }

    /// The cells that must be there once these operations are known, by field and dot.
    fn cells(&self, known: Set) -> Vec<(FieldId, Dot)> {
        let written = |field| members(known).filter(move |at| self.0[*at].writes(field));
        let mut cells: Vec<_> = [A, B, FieldId::HEADSTONE]
            .into_iter()
            .flat_map(|field| written(field).map(move |at| (field, at)))
            .filter(|(field, at)| !members(known).any(|by| self.removes(by, *at, *field)))
            .map(|(field, at)| (field, self.0[at].dot))
            .collect();
        cells.sort();
        cells
    }

    /// Is there a cell that no known delete has read?
    fn is_live(&self, known: Set) -> bool {
        let deletes = members(known).filter(|at| self.0[*at].operation == UserOperation::Delete);
        let deleted = deletes.fold(0, |all, at| all | self.0[at].read);
        let cells = self.cells(known);
        members(known & !deleted)
            .filter(|at| self.0[*at].operation != UserOperation::Delete)
            .any(|at| cells.iter().any(|(_, dot)| *dot == self.0[at].dot))
    }

    fn saw_dead(&self, op: &Op) -> bool {
        op.read != 0 && !self.is_live(op.read)
    }
}

/// The record, driven through its public interface.
impl History {
    /// The next dot of a replica.
    fn next_dot(&self, replica: u64) -> Dot {
        let replica = ReplicaId(replica);
        let n = self.0.iter().filter(|op| op.dot.replica == replica).count() as u64 + 1;
        Dot { replica, n }
    }

    /// What `op` makes of the copy that it is done on.
    fn perform(op: &Op, record: &mut Record, handle: &Handle) {
        let (dot, hlc) = (op.dot, Hlc { wall: op.dot.n, count: 0 });
        match op.operation {
            UserOperation::Set(fields) => {
                record.write(handle, dot, hlc, fields.iter().map(|field| (*field, payload(dot))));
            }
            UserOperation::Count(field) => {
                record.write_own(handle, dot, hlc, field, |_| payload(dot));
            }
            UserOperation::Delete => record.delete(handle, dot, hlc, payload(dot).token),
        }
    }

    /// The writer's copy after each operation.
    fn copies(&self) -> Vec<Record> {
        let mut copies = Vec::new();
        for op in &self.0 {
            let mut record = joined(&copies, members(op.seen));
            let handle = joined(&copies, members(op.read)).handle();
            Self::perform(op, &mut record, &handle);
            copies.push(record);
        }
        copies
    }

    /// Does the record show what the model says that it must show?
    fn agrees(&self, known: Set, record: &Record) {
        let cells: Vec<_> = record.cells().map(|(field, cell)| (field, cell.dot)).collect();
        assert_eq!(cells, self.cells(known), "cells of {known:b} in {self:#?}");
        assert_eq!(record.is_live(), self.is_live(known), "liveness of {known:b} in {self:#?}");
        for (at, op) in self.0.iter().enumerate() {
            let covered = record.context().covers(op.dot);
            assert_eq!(covered, known & 1 << at != 0, "context of {known:b} in {self:#?}");
        }
    }

    /// Every history of `length` operations by at most three replicas.
    fn each(length: usize, operations: &[UserOperation], mut test: impl FnMut(&Self)) -> usize {
        Choices::each(|choices| {
            let mut history = Self::default();
            for at in 0..length {
                let replicas = history.0.iter().map(|op| op.dot.replica.0 + 1).max().unwrap_or(0);
                let replica = choices.below((replicas as usize + 1).min(3)) as u64;
                let own = members((1 << at) - 1)
                    .filter(|at| history.0[*at].dot.replica.0 == replica)
                    .fold(0, |own, at| own | 1 << at);
                let closed: Vec<Set> = (0..1 << at).filter(|set| history.is_closed(*set)).collect();
                let seen: Vec<_> = closed.iter().copied().filter(|set| set & own == own).collect();
                let seen = *choices.one_of(&seen);
                let read: Vec<_> = closed.into_iter().filter(|set| set & !seen == 0).collect();
                let read = *choices.one_of(&read);
                let dot = history.next_dot(replica);
                history.0.push(Op { dot, operation: *choices.one_of(operations), seen, read });
            }
            test(&history);
        })
    }
}

fn payload(dot: Dot) -> Payload {
    let token = Token((u128::from(dot.replica.0) << 64 | u128::from(dot.n)).to_be_bytes());
    Payload { token, value: Value::Int(dot.n.cast_signed()) }
}

fn joined(copies: &[Record], order: impl IntoIterator<Item = usize>) -> Record {
    order.into_iter().fold(Record::default(), |mut all, at| {
        all.join(&copies[at]);
        all
    })
}

#[test]
fn small_histories_end_alike_whatever_the_order_of_deliveries() {
    for length in 0..=3 {
        let orders = permutations(&(0..length).collect::<Vec<_>>());
        History::each(length, &DEEDS, |history| {
            let copies = history.copies();
            let all = (1 << length) - 1;
            for set in 0..=all {
                history.agrees(history.closure(set), &joined(&copies, members(set)));
            }
            let expected = joined(&copies, 0..length);
            for order in &orders {
                // Twice over: what comes again changes nothing.
                let again = order.iter().chain(order).copied();
                assert_eq!(joined(&copies, again), expected, "{order:?} of {history:#?}");
            }
            if let [a, b, c] = &copies[..] {
                assert_eq!(join(a, &join(b, c)), join(&join(a, b), c), "{history:#?}");
            }
        });
    }
}

#[test]
fn histories_of_four_writes_and_deletes_agree_with_the_model() {
    History::each(4, &[UserOperation::Set(&[A]), UserOperation::Delete], |history| {
        let copies = history.copies();
        let (there, back) = (joined(&copies, 0..4), joined(&copies, (0..4).rev()));
        history.agrees(0b1111, &there);
        assert_eq!(there, back, "{history:#?}");
    });
}

#[test]
fn an_edit_that_nobody_has_read_keeps_its_record_alive() {
    History::each(3, &DEEDS, |history| {
        let unread = |at: usize| history.0.iter().all(|op| (op.seen | op.read) & 1 << at == 0);
        let edits = |at: &usize| history.0[*at].operation != UserOperation::Delete;
        if (0..3).filter(edits).any(unread) {
            assert!(joined(&history.copies(), 0..3).is_live(), "{history:#?}");
        }
    });
}

#[test]
fn writing_anew_after_a_delete_revives_nothing_that_was_seen_deleted() {
    History::each(3, &DEEDS, |history| {
        let copies = history.copies();
        let all = joined(&copies, 0..3);
        for op in history.0.iter().filter(|op| op.operation != UserOperation::Delete) {
            let shown = joined(&copies, members(op.read));
            if !shown.is_empty() && !shown.is_live() {
                for (_, cell) in shown.cells() {
                    let back = all.cells().any(|(_, it)| it.dot == cell.dot);
                    assert!(!back, "{cell:?} came back in {history:#?}");
                }
            }
        }
    });
}

#[test]
fn a_write_takes_away_what_its_handle_covers_and_leaves_all_else() {
    History::each(3, &DEEDS, |history| {
        let Op { dot, operation: UserOperation::Set(fields), seen, read } = history.0[2] else {
            return;
        };
        let copies = history.copies();
        let (before, shown) = (joined(&copies, members(seen)), joined(&copies, members(read)));
        if !shown.is_live() && !shown.is_empty() {
            return; // The test above is about these.
        }
        for (field, cell) in before.cells() {
            let replaced = fields.contains(&field) && shown.context().covers(cell.dot);
            let stays = copies[2].field(field).contains(cell);
            assert_eq!(stays, !replaced, "{cell:?} in {history:#?}");
        }
        for field in fields {
            assert!(copies[2].field(*field).iter().any(|cell| cell.dot == dot));
        }
    });
}

fn join(a: &Record, b: &Record) -> Record {
    let mut joined = a.clone();
    joined.join(b);
    joined
}

#[test]
fn bytes_of_a_record_that_no_copy_can_have_got_to_are_refused() {
    type Versions = Vec<(ReplicaId, u64)>;
    type Fields = Vec<(FieldId, Vec<Cell>)>;
    let open = |ctx: &[(u64, u64)], tomb: &[(u64, u64)], fields: &[(FieldId, &[(u64, u64)])]| {
        let versions = |vv: &[(u64, u64)]| -> Versions {
            vv.iter().map(|(replica, n)| (ReplicaId(*replica), *n)).collect()
        };
        let cell = |&(replica, n): &(u64, u64)| {
            let dot = Dot { replica: ReplicaId(replica), n };
            Cell { dot, hlc: Hlc::default(), payload: payload(dot) }
        };
        let cells = |dots: &[(u64, u64)]| dots.iter().map(cell).collect();
        let fields: Fields = fields.iter().map(|(field, dots)| (*field, cells(dots))).collect();
        let bytes = postcard::to_allocvec(&(versions(ctx), versions(tomb), fields));
        Encoded::from_bytes(&bytes.expect("it is plain data").into()).map(|_| ())
    };
    assert_eq!(
        open(&[(1, 2), (2, 1)], &[(1, 1)], &[(A, &[(1, 2), (2, 1)]), (B, &[(2, 1)])]),
        Ok(())
    );
    assert_eq!(open(&[(2, 1), (1, 2)], &[], &[]), Err(DecodeError), "replicas out of order");
    assert_eq!(open(&[(1, 1), (1, 2)], &[], &[]), Err(DecodeError), "a replica named twice");
    assert_eq!(open(&[(1, 0)], &[], &[]), Err(DecodeError), "a replica that never wrote");
    assert_eq!(open(&[(1, 1)], &[(1, 0)], &[]), Err(DecodeError), "a delete of nothing");
    assert_eq!(open(&[(1, 1)], &[], &[(A, &[])]), Err(DecodeError), "a field without a cell");
    let twice: [(FieldId, &[_]); 2] = [(A, &[(1, 1)]), (A, &[(1, 1)])];
    assert_eq!(open(&[(1, 1)], &[], &twice), Err(DecodeError), "a field named twice");
    let unsorted: [(FieldId, &[_]); 1] = [(A, &[(2, 1), (1, 1)])];
    assert_eq!(open(&[(1, 1), (2, 1)], &[], &unsorted), Err(DecodeError), "cells out of order");
    assert_eq!(open(&[(1, 1)], &[], &[(A, &[(1, 2)])]), Err(DecodeError), "a cell never seen");
}

/// One line of a random history.
#[derive(Clone, Debug)]
enum Line {
    /// This replica does this; its handle is that of one of its earlier states.
    Do(usize, UserOperation, prop::sample::Index),
    /// The first replica hears of all that the second knows.
    Hear(usize, usize),
}

const REPLICAS: usize = 4;

fn line() -> impl Strategy<Value = Line> {
    let operation = prop::sample::select(&DEEDS[..]);
    prop_oneof![
        (0..REPLICAS, operation, any::<prop::sample::Index>())
            .prop_map(|(replica, operation, read)| Line::Do(replica, operation, read)),
        (0..REPLICAS, 0..REPLICAS).prop_map(|(to, from)| Line::Hear(to, from)),
    ]
}

/// Each replica's copy and what it knows, after a random history.
fn play(lines: &[Line]) -> (History, Vec<(Set, Record)>) {
    let mut history = History::default();
    let mut states = vec![vec![(0, Record::default())]; REPLICAS];
    for line in lines {
        match line {
            Line::Do(replica, operation, read) => {
                let (seen, mut record) = states[*replica].last().expect("starts with one").clone();
                let (read, shown) = read.get(&states[*replica]);
                let dot = history.next_dot(*replica as u64);
                let op = Op { dot, operation: *operation, seen, read: *read };
                History::perform(&op, &mut record, &shown.handle());
                states[*replica].push((seen | 1 << history.0.len(), record));
                history.0.push(op);
            }
            Line::Hear(to, from) => {
                let (heard, other) = states[*from].last().expect("starts with one").clone();
                let (known, record) = states[*to].last().expect("starts with one");
                let next = (known | heard, join(record, &other));
                states[*to].push(next);
            }
        }
    }
    let last = states.into_iter().map(|mut states| states.pop().expect("starts with one"));
    (history, last.collect())
}

proptest! {
    #![proptest_config(drawn(256))]

    #[test]
    fn long_histories_agree_with_the_model(lines in prop::collection::vec(line(), 0..40)) {
        let (history, copies) = play(&lines);
        for (known, record) in &copies {
            history.agrees(*known, record);
        }
        let known = copies.iter().fold(0, |all, (known, _)| all | known);
        let there = copies.iter().fold(Record::default(), |all, (_, record)| join(&all, record));
        let back = copies.iter().rev().fold(Record::default(), |all, (_, record)| join(record, &all));
        history.agrees(known, &there);
        prop_assert_eq!(there, back);
    }

    #[test]
    fn join_is_commutative_associative_idempotent_and_inflationary(
        lines in prop::collection::vec(line(), 0..40),
    ) {
        let (_, copies) = play(&lines);
        let [a, b, c] = [0, 1, 2].map(|at| &copies[at].1);
        let both = join(a, b);
        prop_assert_eq!(&both, &join(b, a));
        prop_assert_eq!(join(&both, c), join(a, &join(b, c)));
        prop_assert_eq!(&join(a, a), a);
        prop_assert_eq!(&join(&both, a), &both);
        prop_assert!(both.includes(a) && both.includes(b));
        // Inclusion is the order of the lattice: what includes another has nothing to learn of it.
        prop_assert_eq!(a.includes(b), &both == a);
    }

    #[test]
    fn records_survive_their_bytes_and_nothing_shorter_or_longer_is_one(
        lines in prop::collection::vec(line(), 0..24),
    ) {
        for (_, record) in play(&lines).1 {
            let encoded = Encoded::new(record);
            let decoded = Encoded::from_bytes(encoded.bytes()).expect("it was encoded");
            prop_assert_eq!(decoded.record(), encoded.record());
            prop_assert_eq!(&Encoded::new(decoded.record().clone()), &encoded);
            for length in 0..encoded.bytes().len() {
                let cut = encoded.bytes()[..length].into();
                prop_assert_eq!(Encoded::from_bytes(&cut).err(), Some(DecodeError));
            }
            let longer = [encoded.bytes(), &[0][..]].concat().into();
            prop_assert_eq!(Encoded::from_bytes(&longer).err(), Some(DecodeError));
        }
    }

    /// Whatever decodes is a whole record: it joins and encodes like any other.
    #[test]
    fn garbage_is_refused_or_is_a_sound_record(
        lines in prop::collection::vec(line(), 0..12),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        junk in prop::collection::vec(any::<u8>(), 0..64),
    ) {
        let (_, copies) = play(&lines);
        let whole = Encoded::new(copies[0].1.clone());
        let mut bytes = whole.bytes().to_vec();
        for (at, byte) in noise {
            *at.get_mut(&mut bytes) = byte;
        }
        for bytes in [bytes, junk] {
            if let Ok(found) = Encoded::from_bytes(&bytes.into()) {
                let found = found.record();
                let (there, back) = (join(found, &copies[1].1), join(&copies[1].1, found));
                prop_assert_eq!(&join(found, found), found);
                prop_assert!(there.includes(found) && back.includes(found));
                let encoded = Encoded::new(there);
                prop_assert!(Encoded::from_bytes(encoded.bytes()).is_ok());
            }
        }
    }
}
