//! A replicated register, sound by construction, and what all judges say of it: nothing. Then one thing is
//! taken from the end of its history, and they say what.
//!
//! Three replicas write, delete, read, take over what another knows, are set back to an image and are
//! destroyed, in any order. A replica knows a set of writes, and shows those that nothing it knows has
//! replaced, or the greatest of them where one wins.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::judge::case::{Case, HUB, PHONE, TABLET};
use crate::observation::{HostId, Token};

const REPLICAS: [HostId; 3] = [PHONE, TABLET, HUB];

#[derive(Clone, Copy, Debug)]
enum Step {
    Write(usize),
    Delete(usize),
    Read(usize),
    /// The first takes over what the second knows.
    Merge(usize, usize),
    SaveImage(usize),
    Restore(usize),
    Crash(usize),
    /// The hub is never destroyed.
    Destroy(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let replica = || 0..REPLICAS.len();
    prop_oneof![
        4 => replica().prop_map(Step::Write),
        2 => replica().prop_map(Step::Delete),
        4 => replica().prop_map(Step::Read),
        6 => (replica(), replica()).prop_map(|(to, from)| Step::Merge(to, from)),
        1 => replica().prop_map(Step::SaveImage),
        1 => replica().prop_map(Step::Restore),
        1 => replica().prop_map(Step::Crash),
        1 => (0..2usize).prop_map(Step::Destroy),
    ]
}

/// A write or delete, as all who know it know it.
#[derive(Clone, Debug)]
struct Known {
    deletes: bool,
    replaces: BTreeSet<Token>,
    /// Greater than that of all that its author knew.
    stamp: u64,
}

#[derive(Clone, Debug, Default)]
struct Replica {
    known: BTreeSet<Token>,
    image: BTreeSet<Token>,
    image_fact: usize,
    is_gone: bool,
}

#[derive(Debug)]
struct Model {
    case: Case,
    one_wins: bool,
    writes: BTreeMap<Token, Known>,
    replicas: [Replica; 3],
}

impl Model {
    fn new(one_wins: bool) -> Self {
        let case = if one_wins { Case::last_writer_wins() } else { Case::new() };
        Self { case, one_wins, writes: BTreeMap::new(), replicas: Default::default() }
    }

    /// The writes and deletes that a replica knows and that nothing it knows has replaced.
    fn latest(&self, replica: usize) -> BTreeSet<Token> {
        let known = &self.replicas[replica].known;
        if self.one_wins {
            let newest = known.iter().max_by_key(|token| (self.writes[*token].stamp, **token));
            return newest.into_iter().copied().collect();
        }
        let replaced: BTreeSet<Token> =
            known.iter().flat_map(|token| self.writes[token].replaces.iter().copied()).collect();
        known.difference(&replaced).copied().collect()
    }

    /// What a replica shows.
    fn shown(&self, replica: usize) -> Vec<Token> {
        let latest = self.latest(replica).into_iter();
        latest.filter(|token| !self.writes[token].deletes).collect()
    }

    fn write(&mut self, replica: usize, deletes: bool) {
        let replaces = self.latest(replica);
        let list: Vec<Token> = replaces.iter().copied().collect();
        let token = if deletes {
            self.case.deletes(REPLICAS[replica], &list)
        } else {
            self.case.writes(REPLICAS[replica], &list)
        };
        let known = &mut self.replicas[replica].known;
        let stamp = 1 + known.iter().map(|token| self.writes[token].stamp).max().unwrap_or(0);
        known.insert(token);
        self.writes.insert(token, Known { deletes, replaces, stamp });
    }

    fn merge(&mut self, to: usize, from: usize) {
        let news = &self.replicas[from].known - &self.replicas[to].known;
        for token in news {
            self.case.stores(REPLICAS[to], token);
            self.replicas[to].known.insert(token);
        }
    }

    fn take(&mut self, step: Step) {
        let (Step::Write(replica)
        | Step::Delete(replica)
        | Step::Read(replica)
        | Step::Merge(replica, _)
        | Step::SaveImage(replica)
        | Step::Restore(replica)
        | Step::Crash(replica)
        | Step::Destroy(replica)) = step;
        let (host, fact) = (REPLICAS[replica], self.case.now());
        if self.replicas[replica].is_gone {
            return;
        }
        match step {
            Step::Write(_) => self.write(replica, false),
            Step::Delete(_) => self.write(replica, true),
            Step::Read(_) => self.case.reads(host, &self.shown(replica)),
            Step::Merge(_, from) => self.merge(replica, from),
            Step::SaveImage(_) => {
                let own = &mut self.replicas[replica];
                (own.image, own.image_fact) = (own.known.clone(), fact);
            }
            Step::Restore(_) => {
                let own = &mut self.replicas[replica];
                own.known = own.image.clone();
                self.case.is_restored(host, own.image_fact);
            }
            Step::Crash(_) => self.case.crashes(host),
            Step::Destroy(_) => {
                self.replicas[replica] = Replica { is_gone: true, ..Replica::default() };
                self.case.is_gone(host);
            }
        }
    }

    /// All who are left take over all that any of them knows, and come to rest.
    fn settle(&mut self) {
        for (to, from) in [(2, 0), (2, 1), (0, 2), (1, 2)] {
            if !self.replicas[to].is_gone {
                self.merge(to, from);
            }
        }
        self.case.rests();
    }

    /// Was anything deleted by an author who did not build on this write, nor this write on the delete?
    fn a_delete_could_win_over(&self, write: Token) -> bool {
        let mut past = BTreeSet::new();
        let mut next = vec![write];
        while let Some(token) = next.pop() {
            if past.insert(token) {
                next.extend(&self.writes[&token].replaces);
            }
        }
        self.writes.iter().any(|(token, known)| known.deletes && !past.contains(token))
    }

    /// The final reads of all who are left, in which `edit` may change what is shown.
    fn end(mut self, edit: impl Fn(&mut Vec<Token>)) -> Case {
        for (replica, host) in REPLICAS.into_iter().enumerate() {
            if !self.replicas[replica].is_gone {
                let mut shown = self.shown(replica);
                edit(&mut shown);
                self.case.reads(host, &shown);
            }
        }
        self.case
    }
}

fn settled(steps: &[Step], one_wins: bool) -> Model {
    let mut model = Model::new(one_wins);
    for step in steps {
        model.take(*step);
    }
    model.settle();
    model
}

/// Runs a property over drawn histories, and says how often it returned true.
fn count(property: impl Fn(Vec<Step>) -> bool) -> usize {
    let cases = 600;
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let seed = proptest::test_runner::RngAlgorithm::ChaCha;
    let rng = proptest::test_runner::TestRng::deterministic_rng(seed);
    let counted = Cell::new(0);
    let run = TestRunner::new_with_rng(config, rng).run(&vec(step(), 0..40), |steps| {
        counted.set(counted.get() + usize::from(property(steps)));
        Ok(())
    });
    run.unwrap_or_else(|failure| panic!("{failure}"));
    counted.get()
}

#[test]
fn a_sound_register_is_never_accused() {
    for one_wins in [false, true] {
        count(|steps| {
            settled(&steps, one_wins).end(|_| {}).passes();
            true
        });
    }
}

#[test]
fn a_write_that_is_dropped_unseen_is_always_missed() {
    for one_wins in [false, true] {
        let dropped = count(|steps| {
            let model = settled(&steps, one_wins);
            let Some(victim) = model.shown(2).first().copied() else { return false };
            let could_lose = one_wins && model.a_delete_could_win_over(victim);
            let case = model.end(|shown| shown.retain(|token| *token != victim));
            let is_missed = case.violations().iter().any(|violation| {
                violation.invariant == "no-lost-writes" && violation.token == Some(victim)
            });
            assert_eq!(is_missed, !could_lose, "{:#?}", case.violations());
            is_missed
        });
        assert!(dropped > 100, "only {dropped} writes were dropped and missed");
    }
}

#[test]
fn a_deleted_write_that_is_shown_at_the_end_is_always_seen() {
    for one_wins in [false, true] {
        let revived = count(|steps| {
            let model = settled(&steps, one_wins);
            let deletes =
                model.replicas[2].known.iter().filter(|token| model.writes[*token].deletes);
            let deleted = deletes.flat_map(|token| model.writes[token].replaces.iter());
            let Some(victim) = deleted.copied().find(|token| !model.writes[token].deletes) else {
                return false;
            };
            let case = model.end(|shown| shown.push(victim));
            let is_seen = |violation: &crate::judge::Violation| {
                violation.invariant == "no-resurrection" && violation.token == Some(victim)
            };
            assert!(case.violations().iter().any(is_seen), "{:#?}", case.violations());
            true
        });
        assert!(revived > 100, "only {revived} writes were revived");
    }
}
