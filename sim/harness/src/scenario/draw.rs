//! What seeds draw: how many operations and faults, which, and when.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::Scenario;
use crate::plan::Act;
use crate::problem::{Mistake, Problem, suggest};
use crate::quantity::{Range, Unit};
use crate::random::{Stream, Streams};
use crate::step::{Step, StepId};
use crate::system::System;
use crate::time::Time;
use crate::word::HostSpec;

/// No seed draws more steps than this.
const MOST_STEPS: i64 = 100_000;

/// What seeds draw.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draws {
    operations: Range,
    faults: Range,
    /// How often each word is drawn, against the others of its kind.
    weights: BTreeMap<&'static str, u32>,
}

/// The same as it stands in a file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct DrawsText {
    operations: Option<Spanned<String>>,
    faults: Option<Spanned<String>>,
    weights: BTreeMap<Spanned<String>, Spanned<u32>>,
}

impl DrawsText {
    pub(super) fn check<S: System>(self, text: &str) -> Result<Draws, Problem> {
        let mut weights = BTreeMap::new();
        for (word, weight) in self.weights {
            let Some(act) = Act::<S>::of(word.get_ref()) else {
                let message = format!("there is no word `{}`", word.get_ref());
                let help = suggest(word.get_ref(), words::<S>());
                return Err(Problem::new(Mistake, text, word.span(), message).help(help));
            };
            weights.insert(act.word().name, weight.into_inner());
        }
        let operations = count(text, self.operations)?;
        let faults = count(text, self.faults)?;
        let draws = Draws { operations, faults, weights };
        Ok(draws)
    }
}

fn count(text: &str, written: Option<Spanned<String>>) -> Result<Range, Problem> {
    let Some(written) = written else { return Ok(Range::only(0)) };
    let problem = |why: String| Problem::new(Mistake, text, written.span(), why);
    let range = Unit::Count.parse(written.get_ref()).map_err(|it| problem(it.help(Unit::Count)))?;
    if range.high > MOST_STEPS {
        return Err(problem(format!("a seed draws at most {MOST_STEPS} steps")));
    }
    Ok(range)
}

/// Every word that there is.
pub(super) fn words<S: System>() -> impl Iterator<Item = &'static str> + Clone {
    Act::<S>::all().map(|act| act.word().name).collect::<Vec<_>>().into_iter()
}

/// Decides the keyed draws of a run.
pub(super) fn nature(seed: u64) -> u64 {
    Streams::new(seed).stream("nature").next_u64()
}

impl<S: System> Scenario<S> {
    /// The steps of a seed, by time: those of the file, and those that it draws.
    pub(super) fn drawn_steps(&self, seed: u64) -> Vec<Step> {
        let streams = Streams::new(seed);
        let hosts = self.system.hosts();
        let operations = self.draw_some(&mut streams.stream("operations"), &hosts, false);
        let faults = self.draw_some(&mut streams.stream("faults"), &hosts, true);
        let mut steps = self.steps.clone();
        steps.extend(operations.into_iter().chain(faults));
        steps.sort_by_key(|step| step.at);
        for (id, step) in (0..).zip(&mut steps) {
            step.id = StepId(id);
        }
        steps
    }

    fn draw_some(&self, stream: &mut Stream, hosts: &[HostSpec], faults: bool) -> Vec<Step> {
        let acts: Vec<Act<S>> =
            Act::all().filter(|act| matches!(act, Act::Fault(_)) == faults).collect();
        let weight = |act: &Act<S>| self.draws.weights.get(act.word().name).copied().unwrap_or(0);
        let weights: Vec<u32> = acts.iter().map(weight).collect();
        if weights.iter().all(|weight| *weight == 0) {
            return Vec::new();
        }
        let number = if faults { self.draws.faults } else { self.draws.operations };
        let lasts = i64::try_from(self.times.lasts.0).expect("a run lasts at most a day");
        let steps = (0..number.draw(stream)).filter_map(|_| {
            let at = stream.between(1, lasts.max(1));
            let word = acts[stream.weighted(weights.iter().copied())].word();
            let values = word.draw(hosts, stream)?;
            Some(Step { id: StepId(0), at: Time(at.unsigned_abs()), word: word.name, values })
        });
        steps.collect()
    }
}
