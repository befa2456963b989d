//! Triage: which violations of many runs are one bug.
//!
//! A run that goes wrong goes wrong in several ways: a write that is lost on one device is missing on the others,
//! and copies differ. Each way is a *symptom*, named by its signature. Two symptoms are of one bug if one is
//! violated in the smallest run that shows the other and is gone wherever the other is gone: in that run little
//! is left beside the cause. Where nothing is minimised, a symptom counts as part of the bug whose symptom came
//! first in the first seed that shows both.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use harness::pool::{Event, Pool};
use harness::watch::Place;
use serde::{Deserialize, Serialize};
use tracing::Level;

use crate::explain::{self, Case};
use crate::plan::Plan;
use crate::run::{Driver, Outcome, run_watched};
use crate::shrink::{Failing, Smaller, smaller};
use crate::signature::Signature;

/// How many steps of a small plan are left out in turn to see what goes with a bug.
const NEIGHBOURS: usize = 24;

/// A symptom belongs to another one if its seeds lie among those of the other with less than this chance.
const CHANCE: f64 = 0.02;

/// A way in which runs go wrong.
#[derive(Debug)]
pub struct Symptom {
    /// Its name.
    pub signature: Signature,
    /// The first run that shows it.
    pub failing: Failing,
    /// The command that runs that again.
    pub again: String,
    /// What the judge said there.
    pub message: String,
    /// Where the capsule of that run is kept.
    pub capsule: Option<String>,
    /// In how many seeds it came first.
    pub first_in: u64,
}

/// What triage needs to know of a violation. Of most failed seeds nothing else is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its signature.
    #[serde(flatten)]
    pub signature: Signature,
    /// When it was, in simulated milliseconds.
    pub at_ms: u64,
    /// The host that it was at.
    pub host: String,
    /// The label of the write that it is about, in hexadecimal digits.
    pub token: Option<String>,
    /// The number of the fact that proves it.
    pub proof: Option<usize>,
    /// What the judge said.
    pub message: String,
}

impl Seen {
    /// All of a run, in the order of time.
    pub fn all(plan: &Plan, outcome: &Outcome) -> Vec<Self> {
        let seen = outcome.violations.iter().map(|it| Self {
            signature: Signature::of(it),
            at_ms: it.at.0,
            host: plan.name(it.node).to_owned(),
            token: it.token.map(|token| hex::encode(token.0)),
            proof: it.evidence.last().copied(),
            message: it.message.clone(),
        });
        seen.collect()
    }
}

/// What is kept of a seed that failed and whose run is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// The seed.
    pub seed: u64,
    /// How many events it took.
    pub events: u64,
    /// The turn in which it came to no end, if it did.
    pub stuck: Option<Place>,
    /// How it ended its process, if it did.
    pub died: Option<String>,
    /// What it violates, in the order of time.
    pub violations: Vec<Seen>,
}

/// A seed that failed.
#[derive(Debug)]
pub struct Seed {
    /// Its scenario, by place.
    pub scenario: usize,
    /// The command that runs it again.
    pub again: String,
    /// How many events it took.
    pub events: u64,
    /// Its symptoms, by place, in the order of time.
    pub symptoms: Vec<usize>,
}

/// What is left of a run.
#[derive(Debug)]
struct Small {
    /// The bug that it shows.
    of: usize,
    /// Does it stand for its bug?
    stands: bool,
    /// Where a machine decided it: the module and the line of what it logged there.
    decision: Option<(String, u32)>,
    plan: Smaller,
}

/// What failed in a sweep.
#[derive(Debug, Default)]
pub struct Triage {
    symptoms: Vec<Symptom>,
    seeds: Vec<Seed>,
    /// The bug of each symptom, once that is known: the place of the symptom that stands for it.
    bugs: Vec<Option<usize>>,
    /// What was left of runs.
    small: Vec<Small>,
    /// Of two symptoms: in how many seeds both are, and in how many they are about one thing.
    pairs: BTreeMap<(usize, usize), (u64, u64)>,
}

impl Triage {
    /// Takes a seed that failed. Returns its first symptom, if that has never come first before.
    pub fn take(
        &mut self,
        (scenario, again): (usize, String),
        (plan, outcome): (&Plan, &Outcome),
    ) -> Option<usize> {
        let mut first = None;
        for violation in &outcome.violations {
            let signature = Signature::of(violation);
            let place = self.known(&signature).unwrap_or_else(|| {
                self.symptoms.push(Symptom {
                    signature,
                    failing: Failing::of(plan, outcome, violation),
                    again: again.clone(),
                    message: violation.message.clone(),
                    capsule: None,
                    first_in: 0,
                });
                self.bugs.push(None);
                self.symptoms.len() - 1
            });
            first.get_or_insert(place);
        }
        let first = first.expect("a failed seed violates something");
        let symptom = &mut self.symptoms[first];
        let is_new = symptom.first_in == 0;
        if is_new {
            // Of a bug the run in which it came first is the clearest.
            let violation = &outcome.violations[0];
            symptom.failing = Failing::of(plan, outcome, violation);
            symptom.again.clone_from(&again);
            symptom.message.clone_from(&violation.message);
        }
        self.count((scenario, again), outcome.counts.events, &Seen::all(plan, outcome));
        is_new.then_some(first)
    }

    /// Is a failed seed worth its run, since it shows a symptom that is not known, or not as the first one?
    pub fn wants_run(&self, seen: &[Seen]) -> bool {
        let first = seen.first().and_then(|it| self.known(&it.signature));
        let is_new = first.is_none_or(|first| self.symptoms[first].first_in == 0);
        is_new || seen.iter().any(|it| self.known(&it.signature).is_none())
    }

    /// Counts a seed that failed, all symptoms of which are known.
    pub fn count(&mut self, (scenario, again): (usize, String), events: u64, seen: &[Seen]) {
        let mut symptoms = Vec::new();
        for place in seen.iter().filter_map(|it| self.known(&it.signature)) {
            if !symptoms.contains(&place) {
                symptoms.push(place);
            }
        }
        let Some(&first) = symptoms.first() else { return };
        self.symptoms[first].first_in += 1;
        self.pair(&symptoms, seen);
        self.seeds.push(Seed { scenario, again, events, symptoms });
    }

    /// The place of the symptom with this signature.
    fn known(&self, signature: &Signature) -> Option<usize> {
        self.symptoms.iter().position(|it| it.signature == *signature)
    }

    /// Counts which symptoms of a run are about one thing: the same write, or the same fact that proves them.
    fn pair(&mut self, symptoms: &[usize], seen: &[Seen]) {
        let mut about: BTreeMap<(Option<&str>, Option<usize>), BTreeSet<usize>> = BTreeMap::new();
        for it in seen {
            let Some(place) = self.known(&it.signature) else { continue };
            for thing in [
                it.token.as_deref().map(|token| (Some(token), None)),
                it.proof.map(|fact| (None, Some(fact))),
            ] {
                thing.map(|thing| about.entry(thing).or_default().insert(place));
            }
        }
        let places: BTreeSet<usize> = symptoms.iter().copied().collect();
        for (nth, &one) in places.iter().enumerate() {
            for &other in places.iter().skip(nth + 1) {
                let (both, linked) = self.pairs.entry((one, other)).or_default();
                *both += 1;
                let mut about = about.values();
                *linked += u64::from(about.any(|it| it.contains(&one) && it.contains(&other)));
            }
        }
    }

    /// Are two symptoms about one thing in most seeds that show both?
    fn are_linked(&self, one: usize, other: usize) -> bool {
        let pair = self.pairs.get(&(one.min(other), one.max(other)));
        pair.is_some_and(|(both, linked)| linked * 2 > *both)
    }

    /// A symptom.
    pub fn symptom(&self, place: usize) -> &Symptom {
        &self.symptoms[place]
    }

    /// Notes where the capsule of a symptom's first run is kept.
    pub fn keep(&mut self, place: usize, capsule: Option<String>) {
        self.symptoms[place].capsule = capsule;
    }

    /// How many symptoms have come first in a seed.
    pub fn firsts(&self) -> usize {
        self.symptoms.iter().filter(|it| it.first_in > 0).count()
    }

    /// The next symptom whose bug is not known, of a sweep of this number of seeds: those that came first before
    /// those that never did. One that comes only with another one is not asked for, nor one whose run is long.
    pub fn next(&self, seeds: u64) -> Option<usize> {
        let is_quick = |it: &Failing| it.can_be_shrunk() && !it.is_long();
        let is_open = |place: &usize| {
            self.bugs[*place].is_none()
                && is_quick(&self.symptoms[*place].failing)
                && self.leader(*place, seeds).is_none()
        };
        let open: Vec<usize> = (0..self.symptoms.len()).filter(is_open).collect();
        let first = open.iter().find(|place| self.symptoms[**place].first_in > 0);
        first.or(open.first()).copied()
    }

    /// The symptom without which this one never comes, if that is no chance: if the two had nothing to do with each
    /// other, all seeds of the one would lie among those of the other in one of fifty sweeps at most.
    fn leader(&self, place: usize, seeds: u64) -> Option<usize> {
        let shows = |place: usize| self.seeds.iter().map(move |it| it.symptoms.contains(&place));
        let own = shows(place).filter(|shown| *shown).count();
        (0..self.symptoms.len()).find(|&other| {
            let lies_within = shows(place).zip(shows(other)).all(|(one, other)| other || !one);
            let all = shows(other).filter(|shown| *shown).count();
            let is_larger = (all, Reverse(other)) > (own, Reverse(place));
            let share = all as f64 / seeds.max(1) as f64;
            let by_chance = share.powi(i32::try_from(own).unwrap_or(i32::MAX));
            other != place && lies_within && is_larger && by_chance < CHANCE
        })
    }

    /// What is left of a symptom's run, and what goes with it, tell whether it is a bug of its own.
    pub fn settle(&mut self, pool: &Pool, place: usize, small: Smaller) {
        let with_it = bound(pool, &small);
        let together: Vec<usize> = (0..self.symptoms.len())
            .filter(|it| {
                with_it.contains(&self.symptoms[*it].signature) || self.are_linked(place, *it)
            })
            .collect();
        let decision = decided(pool, &small);
        let same = self.small.iter().filter(|it| decision.is_some() && it.decision == decision);
        let known = together.iter().find_map(|it| self.bugs[*it]);
        let bug = known.or_else(|| same.map(|it| it.of).next()).unwrap_or(place);
        self.bugs[place] = Some(bug);
        for it in together {
            self.bugs[it].get_or_insert(bug);
        }
        self.small.push(Small { of: bug, stands: bug == place, decision, plan: small });
    }

    /// Gives each symptom that is left, of a sweep of this number of seeds, the bug of the symptom that it comes with.
    /// One that came first, and not only with another one, is a bug of its own.
    pub fn close(&mut self, seeds: u64) {
        let leaders: Vec<Option<usize>> =
            (0..self.symptoms.len()).map(|place| self.leader(place, seeds)).collect();
        for (place, symptom) in self.symptoms.iter().enumerate() {
            if symptom.first_in > 0 && leaders[place].is_none() {
                self.bugs[place].get_or_insert(place);
            }
        }
        for place in 0..self.symptoms.len() {
            let mut leader = leaders[place];
            while let Some(it) = leader.filter(|it| self.bugs[*it].is_none()) {
                leader = leaders[it];
            }
            self.bugs[place] = self.bugs[place].or(leader.and_then(|it| self.bugs[it]));
        }
        for place in 0..self.symptoms.len() {
            let with_it = self.seeds.iter().find(|seed| seed.symptoms.contains(&place));
            let first = with_it.map(|seed| seed.symptoms[0]).and_then(|first| self.bugs[first]);
            self.bugs[place] = self.bugs[place].or(first);
        }
    }

    /// The bugs, by the symptoms that stand for them, each with its seeds and with what else it was seen as.
    pub fn bugs(&self) -> Vec<Bug<'_>> {
        let bug = |place: usize| {
            let is_its = |it: &usize| self.bugs[*it] == Some(place);
            let also = (0..self.symptoms.len()).filter(|it| *it != place && is_its(it));
            Bug {
                symptom: &self.symptoms[place],
                also: also.map(|it| self.symptoms[it].signature.clone()).collect(),
                seeds: self.seeds.iter().filter(|it| it.symptoms.iter().any(is_its)).collect(),
                small: self.small.iter().find(|it| it.of == place && it.stands).map(|it| &it.plan),
            }
        };
        let stands = |place: &usize| self.bugs[*place] == Some(*place);
        (0..self.symptoms.len()).filter(stands).map(bug).collect()
    }
}

/// A bug, as the symptoms say.
#[derive(Debug)]
pub struct Bug<'t> {
    /// The symptom that stands for it.
    pub symptom: &'t Symptom,
    /// What else it was seen as.
    pub also: Vec<Signature>,
    /// The seeds that show any of it, in order.
    pub seeds: Vec<&'t Seed>,
    /// What is left of a run of it.
    pub small: Option<&'t Smaller>,
}

/// The symptoms that go with a small plan's bug: they are in its run, and in no run in which the bug is gone since
/// the plan lacks one more part.
fn bound(pool: &Pool, small: &Smaller) -> BTreeSet<Signature> {
    let bug = Signature::of(&small.found.violation);
    let mut bound = BTreeSet::from([bug.clone()]);
    let plans = std::iter::once(small.plan.clone()).chain(neighbours(&small.plan));
    let mut is_first = true;
    pool.each(
        plans,
        None,
        |plan| format!("what goes with a bug of {}", plan.scenario),
        |plan, watch| {
            let outcome = run_watched(&plan, Driver::of(&plan), Level::ERROR, watch)?;
            Some(outcome.violations.iter().map(Signature::of).collect::<BTreeSet<Signature>>())
        },
        |event| {
            let Event::Done { result, .. } = event else { return ControlFlow::Continue(()) };
            let shown = result.unwrap_or_default();
            if std::mem::take(&mut is_first) {
                bound.extend(shown);
            } else if !shown.contains(&bug) {
                bound.retain(|it| !shown.contains(it));
            }
            if bound.len() > 1 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        },
    );
    bound
}

/// Where a machine decided what went wrong in a small plan.
fn decided(pool: &Pool, small: &Smaller) -> Option<(String, u32)> {
    let violation = small.found.violation.clone();
    let decided = pool.one(small.plan.clone(), "where a bug is decided", move |plan, watch| {
        let outcome = run_watched(&plan, Driver::of(&plan), Level::DEBUG, watch)?;
        Some(explain::decision(&Case { plan, outcome, violation: violation.clone() }))
    });
    decided.and_then(Result::ok).flatten().map(|it| (it.module, it.line))
}

/// Plans that lack one part each.
fn neighbours(plan: &Plan) -> Vec<Plan> {
    let without = |all: usize, keep: fn(&Plan, &[usize]) -> Plan| {
        (0..all.min(NEIGHBOURS)).map(move |gone| {
            let kept: Vec<usize> = (0..all).filter(|at| *at != gone).collect();
            keep(plan, &kept)
        })
    };
    let workers = plan.server.as_ref().map_or(0, |server| server.workers.len());
    without(plan.steps.len(), smaller::with_steps)
        .chain(without(plan.devices.len(), smaller::with_devices))
        .chain(without(plan.processors().len(), smaller::with_processors))
        .chain(without(workers, smaller::with_workers))
        .chain(without(plan.given.len(), smaller::with_given))
        .collect()
}
