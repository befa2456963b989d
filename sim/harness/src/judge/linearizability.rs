//! `linearizability`: the operations on a key can be put into one order that agrees with real time, and
//! in which each read shows the latest write.
//!
//! The search is that of Wing and Gong, *Testing and Verifying Concurrent Objects*, 1993, with the memory
//! of Lowe, *Testing for Linearizability*, 2017: what was done and the state that it led to are tried
//! once. A write takes place between its question and its first acknowledgement; one that was never
//! answered takes place at any time after it was asked, or never.

use std::collections::{BTreeMap, BTreeSet};

use crate::judge::{Evidence, Finding, Judge};
use crate::observation::{Key, Token};

/// The operations on a key have an order that agrees with real time.
pub const LINEARIZABILITY: Judge = Judge {
    name: "linearizability",
    meaning: "The operations on a key have an order that agrees with real time.",
    check,
};

/// An operation on one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Operation {
    asked: usize,
    /// When it was over; `None` if it never was.
    over: Option<usize>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Sets the state.
    Write(State),
    /// Showed the state.
    Read(State),
    /// Showed more than one write, which no state of a register is.
    ReadSeveral,
}

/// The write that the key shows; `None` if it is absent.
type State = Option<Token>;

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let per_key = operations(evidence).into_iter();
    per_key
        .filter_map(|(key, operations)| {
            let stuck = Search::new(&operations).run().err()?;
            Some(finding(evidence, key, &operations, &stuck))
        })
        .collect()
}

fn operations(evidence: &Evidence<'_>) -> BTreeMap<Key, Vec<Operation>> {
    let mut operations: BTreeMap<Key, Vec<Operation>> = BTreeMap::new();
    for reading in evidence.readings() {
        let mut shown = reading.shown.iter().copied();
        let kind = match (shown.next(), shown.next()) {
            (first, None) => Kind::Read(first),
            (_, Some(_)) => Kind::ReadSeveral,
        };
        let (asked, over) = (reading.asked, Some(reading.answered));
        operations.entry(reading.key).or_default().push(Operation { asked, over, kind });
    }
    for written in evidence.writes().filter(|written| written.refused.is_none()) {
        let over = written.acknowledged.first().map(|first| first.0);
        let value = (!written.write.deletes).then_some(written.write.token);
        // A value that was never acknowledged and never shown need not have been written.
        if over.is_some() || value.is_none() || written.shown.is_some() {
            let (asked, kind) = (written.asked, Kind::Write(value));
            operations.entry(written.key).or_default().push(Operation { asked, over, kind });
        }
    }
    for operations in operations.values_mut() {
        operations.sort_by_key(|operation| operation.asked);
    }
    operations
}

/// Why there is no order: the longest that was found.
#[derive(Clone, Debug, Default)]
struct Stuck {
    done: BTreeSet<usize>,
    state: State,
}

#[derive(Debug)]
struct Search<'o> {
    operations: &'o [Operation],
    /// The orders to go on from: what is done, of which all before `floor` are, and the state.
    next: Vec<Point>,
    seen: BTreeSet<Point>,
}

/// What is done, as the number of leading operations that are and the others; and the state.
type Point = (usize, BTreeSet<usize>, State);

impl<'o> Search<'o> {
    fn new(operations: &'o [Operation]) -> Self {
        Self { operations, next: vec![(0, BTreeSet::new(), None)], seen: BTreeSet::new() }
    }

    fn run(mut self) -> Result<(), Stuck> {
        let mut longest: Option<Point> = None;
        while let Some(point) = self.next.pop() {
            if self.is_complete(&point) {
                return Ok(());
            }
            // The search goes on from the last, so that what was asked first is tried first.
            for number in self.candidates(&point).into_iter().rev() {
                self.extend(&point, number);
            }
            let length = |point: &Point| point.0 + point.1.len();
            if longest.as_ref().is_none_or(|longest| length(longest) < length(&point)) {
                longest = Some(point);
            }
        }
        let (first, mut done, state) = longest.unwrap_or_default();
        done.extend(0..first);
        Err(Stuck { done, state })
    }

    fn left<'s>(&'s self, point: &'s Point) -> impl Iterator<Item = usize> + 's {
        (point.0..self.operations.len()).filter(|number| !point.1.contains(number))
    }

    fn is_complete(&self, point: &Point) -> bool {
        self.left(point).all(|number| self.operations[number].over.is_none())
    }

    /// What may come next: nothing that was asked after something that is left was over. Of deletes that
    /// were never answered, which are all alike, only the first.
    fn candidates(&self, point: &Point) -> Vec<usize> {
        let mut candidates = Vec::new();
        let mut first_over = usize::MAX;
        let mut open_delete = false;
        for number in self.left(point) {
            let operation = self.operations[number];
            if operation.asked > first_over {
                break;
            }
            first_over = first_over.min(operation.over.unwrap_or(usize::MAX));
            let is_open_delete = operation.over.is_none() && operation.kind == Kind::Write(None);
            if !(is_open_delete && open_delete) {
                candidates.push(number);
            }
            open_delete |= is_open_delete;
        }
        candidates
    }

    fn extend(&mut self, point: &Point, number: usize) {
        let state = match self.operations[number].kind {
            Kind::Write(value) => value,
            Kind::Read(shown) if shown == point.2 => shown,
            Kind::Read(_) | Kind::ReadSeveral => return,
        };
        let (mut first, mut done) = (point.0, point.1.clone());
        done.insert(number);
        while done.remove(&first) {
            first += 1;
        }
        let point = (first, done, state);
        if self.seen.insert(point.clone()) {
            self.next.push(point);
        }
    }
}

fn finding(evidence: &Evidence<'_>, key: Key, operations: &[Operation], stuck: &Stuck) -> Finding {
    let left = operations.iter().enumerate().filter(|(number, _)| !stuck.done.contains(number));
    let over = left.filter_map(|(_, operation)| Some((operation.over?, *operation)));
    let (at, operation) = over.min_by_key(|(over, _)| *over).expect("an operation is left over");
    let state: BTreeSet<Token> = stuck.state.into_iter().collect();
    let (token, found) = match operation.kind {
        Kind::Read(shown) => {
            (shown, format!("read that showed {}", evidence.list(&shown.into_iter().collect())))
        }
        Kind::ReadSeveral => (None, "read that showed several writes".to_owned()),
        Kind::Write(value) => {
            (value, format!("write of {}", evidence.list(&value.into_iter().collect())))
        }
    };
    Finding {
        site: "no-order",
        at,
        key: Some(key),
        token,
        message: format!(
            "No order of the operations on {} agrees with real time: after {} of {} expected {}, found the {found} \
             of {} at {}.",
            evidence.names.key(key),
            stuck.done.len(),
            operations.len(),
            evidence.list(&state),
            evidence.host_at(at),
            evidence.time(at)
        ),
        with: vec![operation.asked],
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

    use crate::judge::case::{Case, NOTE, PHONE, TABLET};
    use crate::observation::{Promise, Token};

    fn case() -> Case {
        Case::new().only(super::LINEARIZABILITY)
    }

    fn acknowledge(case: &mut Case, token: Token) {
        case.acknowledges(PHONE, token, Promise::Copies(1));
    }

    #[test]
    fn a_read_after_a_write_shows_it() {
        let mut case = case();
        let write = case.writes(PHONE, &[]);
        case.reads(TABLET, &[write]);
        case.passes();
        case.reads(PHONE, &[]);
        assert_eq!(case.broken(), [("linearizability", "no-order")]);
        let message = "No order of the operations on key 0 agrees with real time: after 2 of 3 expected w0, found \
                       the read that showed nothing of host 0 at 0.006s.";
        assert_eq!(case.violations()[0].message, message);
    }

    #[test]
    fn a_read_beside_a_write_may_show_it_or_not() {
        let mut case = case();
        let write = case.asks(PHONE, NOTE, &[]);
        case.reads(TABLET, &[]);
        case.reads(TABLET, &[write]);
        acknowledge(&mut case, write);
        case.passes();
    }

    #[test]
    fn a_read_does_not_go_back_even_beside_a_write() {
        let mut case = case();
        let write = case.asks(PHONE, NOTE, &[]);
        case.reads(TABLET, &[write]);
        case.reads(PHONE, &[]);
        acknowledge(&mut case, write);
        assert_eq!(case.broken(), [("linearizability", "no-order")]);
    }

    #[test]
    fn a_write_that_was_never_answered_may_be_there_at_any_time_or_never() {
        let mut case = case();
        let write = case.asks(PHONE, NOTE, &[]);
        case.reads(TABLET, &[]);
        case.passes();
        case.reads(TABLET, &[write]);
        case.passes();
        case.reads(TABLET, &[]);
        assert_eq!(case.broken(), [("linearizability", "no-order")]);
    }

    #[test]
    fn deletes_that_were_never_answered_do_not_make_the_search_long() {
        let mut case = case();
        let last = (0..60).map(|_| {
            case.asks_to_delete(PHONE, &[]);
            case.writes(PHONE, &[])
        });
        let last = last.last().expect("there are sixty");
        case.reads(TABLET, &[]);
        case.passes();
        case.reads(TABLET, &[last]);
        assert_eq!(case.broken(), [("linearizability", "no-order")]);
    }

    #[test]
    fn a_refused_write_has_no_place() {
        let mut case = case();
        let write = case.asks(PHONE, NOTE, &[]);
        case.refuses(PHONE, write);
        case.reads(TABLET, &[]);
        case.passes();
        case.reads(TABLET, &[write]);
        assert_eq!(case.broken(), [("linearizability", "no-order")]);
    }

    #[test]
    fn a_register_shows_one_write() {
        let mut case = case();
        let one = case.asks(PHONE, NOTE, &[]);
        let other = case.asks(PHONE, NOTE, &[]);
        case.reads(TABLET, &[one, other]);
        assert_eq!(case.broken(), [("linearizability", "no-order")]);
    }

    /// An operation of a drawn history.
    #[derive(Clone, Copy, Debug)]
    struct Drawn {
        from: u32,
        to: Option<u32>,
        kind: Kind,
    }

    #[derive(Clone, Copy, Debug)]
    enum Kind {
        Write,
        Delete,
        /// Shows the write of the operation with this number, if that is one, or else nothing.
        Read(usize),
    }

    fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
        let kind = prop_oneof![
            3 => Just(Kind::Write),
            1 => Just(Kind::Delete),
            4 => (0..8usize).prop_map(Kind::Read),
        ];
        let operation = (0..20u32, proptest::option::weighted(0.8, 1..8u32), kind);
        let operation = operation.prop_map(|(from, length, kind)| Drawn {
            from,
            to: length.map(|length| from + length),
            kind,
        });
        vec(operation, 1..7).prop_map(|mut operations| {
            operations.sort_by_key(|operation| operation.from);
            operations
        })
    }

    fn shown(operations: &[Drawn], number: usize) -> Option<usize> {
        let is_write = operations.get(number).is_some_and(|it| matches!(it.kind, Kind::Write));
        is_write.then_some(number)
    }

    /// Tries all orders of all choices of what was never answered.
    fn has_an_order(operations: &[Drawn]) -> bool {
        let all: Vec<usize> = (0..operations.len()).collect();
        let is_open = |number: &usize| operations[*number].to.is_none();
        let open: Vec<usize> = all.iter().copied().filter(is_open).collect();
        (0..1_usize << open.len()).any(|choice| {
            let is_left_out = |number: &usize| {
                open.iter().position(|it| it == number).is_some_and(|at| choice >> at & 1 == 0)
            };
            let mut chosen: Vec<usize> =
                all.iter().copied().filter(|number| !is_left_out(number)).collect();
            any_permutation(&mut chosen, 0, &|order| agrees(operations, order))
        })
    }

    fn any_permutation(
        items: &mut Vec<usize>,
        from: usize,
        accepts: &dyn Fn(&[usize]) -> bool,
    ) -> bool {
        if from == items.len() {
            return accepts(items);
        }
        (from..items.len()).any(|other| {
            items.swap(from, other);
            let accepted = any_permutation(items, from + 1, accepts);
            items.swap(from, other);
            accepted
        })
    }

    fn agrees(operations: &[Drawn], order: &[usize]) -> bool {
        let in_time = order.iter().enumerate().all(|(at, later)| {
            let mut earlier = order[..at].iter();
            earlier.all(|earlier| {
                let over = operations[*later].to.unwrap_or(u32::MAX);
                operations[*earlier].from <= over
            })
        });
        let mut state = None;
        in_time
            && order.iter().all(|&number| match operations[number].kind {
                Kind::Write => {
                    state = Some(number);
                    true
                }
                Kind::Delete => {
                    state = None;
                    true
                }
                Kind::Read(of) => operations[number].to.is_none() || state == shown(operations, of),
            })
    }

    /// The same history as observations. Of one moment, questions come before answers.
    fn told(operations: &[Drawn]) -> Case {
        let mut moments: Vec<(u32, bool, usize)> = Vec::new();
        for (number, operation) in operations.iter().enumerate() {
            moments.push((operation.from, false, number));
            moments.extend(operation.to.map(|to| (to, true, number)));
        }
        moments.sort_unstable();
        let mut case = case();
        let mut reads = std::collections::BTreeMap::new();
        for (_, is_answer, number) in moments {
            match (operations[number].kind, is_answer) {
                (Kind::Write, false) => drop(case.asks(PHONE, NOTE, &[])),
                (Kind::Delete, false) => drop(case.asks_to_delete(PHONE, &[])),
                (Kind::Read(_), false) => drop(reads.insert(number, case.begins_to_read(PHONE))),
                (Kind::Write | Kind::Delete, true) => acknowledge(&mut case, Token(number as u64)),
                (Kind::Read(of), true) => {
                    let shown = shown(operations, of).map(|write| Token(write as u64));
                    case.shows(PHONE, reads[&number], shown.as_slice());
                }
            }
        }
        case
    }

    #[test]
    fn the_search_agrees_with_trying_every_order() {
        let (orders, histories) = (Cell::new(0), 2_000);
        let config = Config { cases: histories, failure_persistence: None, ..Config::default() };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let run = TestRunner::new_with_rng(config, rng).run(&drawn(), |operations| {
            let expected = has_an_order(&operations);
            orders.set(orders.get() + u32::from(expected));
            prop_assert_eq!(told(&operations).broken().is_empty(), expected);
            Ok(())
        });
        run.unwrap_or_else(|failure| panic!("{failure}"));
        let between = histories / 5..histories * 4 / 5;
        assert!(between.contains(&orders.get()), "{} of {histories} have an order", orders.get());
    }
}
