//! The plan: one run, written out. A scenario and a seed only generate it; it is what runs, what is made
//! smaller, and what a capsule keeps.
//!
//! Steps and their parameters are fixed here. What is left to draw while it runs, as a message's delay, is
//! a function of [`Plan::nature`] and of what it is about. Whatever descends from a step is keyed by the
//! step's id, so that the removal of one step leaves the others as they were.

use serde::{Deserialize, Serialize};

use crate::fault::{FAULTS, Fault};
use crate::network::Links;
use crate::quantity::{Drift, Shift, Text};
use crate::step::{Step, StepId};
use crate::system::{System, Verb};
use crate::time::{Span, SpanRange};
use crate::word::{HostSpec, Word};

/// What a word stands for.
#[derive(Debug)]
pub enum Act<S: System> {
    /// A user asks a host for something.
    Ask(&'static Verb<S>),
    /// Something goes wrong.
    Fault(&'static Fault),
}

impl<S: System> Act<S> {
    /// Every act that there is, operations first.
    pub fn all() -> impl Iterator<Item = Self> {
        S::verbs().iter().map(Self::Ask).chain(FAULTS.iter().map(Self::Fault))
    }

    /// The act of this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::all().find(|act| act.word().name == word)
    }

    /// Its word.
    pub fn word(&self) -> &'static Word {
        match self {
            Self::Ask(verb) => &verb.word,
            Self::Fault(fault) => &fault.word,
        }
    }
}

/// What surrounds the machines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The links between hosts.
    pub network: Links,
    /// The disks.
    pub disk: DiskTimes,
    /// The clocks.
    pub clocks: Clocks,
}

/// How long disks take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DiskTimes {
    /// From a synced commit until it is durable.
    #[serde(with = "Text")]
    pub commit: SpanRange,
}

/// How far clocks are off. Each host draws its own from these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Clocks {
    /// At the start.
    #[serde(with = "Text")]
    pub offset: Shift,
    /// By how much they run away.
    #[serde(with = "Text")]
    pub drift: Drift,
}

impl Default for DiskTimes {
    fn default() -> Self {
        Self { commit: SpanRange { low: Span(1), high: Span(10) } }
    }
}

impl Default for Clocks {
    fn default() -> Self {
        Self { offset: Shift::NONE, drift: Drift::NONE }
    }
}

/// Everything that one run needs to know.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// Decides every keyed draw of the run.
    pub nature: u64,
    /// The system, with its settings.
    pub system: S,
    /// What surrounds its machines.
    pub surroundings: Surroundings,
    /// When all faults end. No step is later.
    pub lasts: Span,
    /// By when after that everything must have come to rest.
    pub rests_within: Span,
    /// What users do and what goes wrong, by id.
    pub steps: Vec<Step>,
}

impl<S: System> Plan<S> {
    /// A step by its id.
    pub fn step(&self, id: StepId) -> Option<&Step> {
        self.steps.binary_search_by_key(&id, |step| step.id).ok().map(|at| &self.steps[at])
    }

    /// The sentence of a step.
    pub fn tell(&self, step: &Step, hosts: &[HostSpec]) -> String {
        Act::<S>::of(step.word).map_or_else(String::new, |it| it.word().tell(&step.values, hosts))
    }
}
