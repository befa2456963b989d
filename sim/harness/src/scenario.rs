//! Scenarios: a file to data to a plan, and back. A capsule is a scenario that spells out its whole plan.
//!
//! What cannot be read is a [`Problem`] with its place in the file. Whatever a file says, reading it never
//! panics, and what was read can be drawn and run.

mod draw;
mod print;
mod script;

use std::ops::Range as Bytes;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::judge::Violation;
use crate::network::Links;
use crate::plan::{Clocks, DiskTimes, Plan, Surroundings};
use crate::problem::{Mistake, Problem, suggest};
use crate::quantity::Text;
use crate::run::Outcome;
use crate::signature::Signature;
use crate::step::Step;
use crate::system::System;
use crate::time::Span;

/// No more hosts than this: each is visited at the end of a run.
const MOST_HOSTS: usize = 1_000;

/// No run lasts longer than this, nor the rest after it.
const LONGEST: Span = Span(24 * 60 * 60 * 1_000);

/// A scenario that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario<S> {
    /// What it is about.
    pub title: String,
    /// The system, with its settings.
    pub system: S,
    surroundings: Surroundings,
    times: Times,
    draws: draw::Draws,
    /// Steps that each seed has.
    steps: Vec<Step>,
    /// Where it comes from, if it is a capsule.
    pub capsule: Option<Head>,
}

/// How long a run lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Times {
    /// When all faults end. No step is later.
    #[serde(with = "Text")]
    lasts: Span,
    /// By when after that everything must have come to rest.
    #[serde(with = "Text")]
    rests_within: Span,
}

impl Default for Times {
    fn default() -> Self {
        Self { lasts: Span::from_secs(30), rests_within: Span::from_secs(60) }
    }
}

/// Where a capsule comes from, and what its run showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// The seed that its plan was drawn from, before it was made smaller.
    #[serde(with = "hexadecimal")]
    pub seed: u64,
    /// Decides every keyed draw of its run.
    #[serde(with = "hexadecimal")]
    pub nature: u64,
    /// What is violated.
    pub invariant: String,
    /// The rule of the judge that is broken.
    pub site: String,
    /// The digest of its history.
    pub digest: String,
}

impl Head {
    /// The bug that it shows.
    pub fn signature(&self) -> Signature {
        Signature { invariant: self.invariant.clone(), site: self.site.clone() }
    }
}

/// TOML has no whole numbers above 63 bits.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format!("0x{value:x}"))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        let digits = text.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16));
        let number = digits.and_then(Result::ok);
        number.ok_or_else(|| de::Error::custom("a number such as \"0x2a\" is needed here"))
    }
}

/// A scenario as it stands in a file.
#[derive(Deserialize)]
#[serde(bound = "", deny_unknown_fields)]
struct File<S: System> {
    title: String,
    system: Spanned<S>,
    #[serde(default)]
    network: Links,
    #[serde(default)]
    disk: DiskTimes,
    #[serde(default)]
    clocks: Clocks,
    time: Option<Spanned<Times>>,
    #[serde(default)]
    draw: draw::DrawsText,
    #[serde(default)]
    script: script::Script,
    capsule: Option<Head>,
}

/// The capsule of a run: its plan as a file. Read back, it draws the same plan.
pub fn capsule<S: System>(
    title: &str,
    plan: &Plan<S>,
    outcome: &Outcome<S>,
    found: &Violation,
) -> String {
    let Signature { invariant, site } = Signature::of(found);
    let digest = format!("{:032x}", outcome.history.digest());
    let Plan { seed, nature, .. } = *plan;
    print::print(title, plan, &Head { seed, nature, invariant, site, digest })
}

/// Reads a scenario or a capsule.
pub fn read<S: System>(text: &str) -> Result<Scenario<S>, Problem> {
    let file: File<S> = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        Problem::new(Mistake, text, span, error.message())
    })?;
    let (place, system) = (file.system.span(), file.system.into_inner());
    check_system(&system).map_err(|why| Problem::new(Mistake, text, place, why))?;
    let times = match file.time {
        Some(times) => check_times(text, times)?,
        None => Times::default(),
    };
    let hosts = system.hosts();
    let surroundings = Surroundings { network: file.network, disk: file.disk, clocks: file.clocks };
    let draws = file.draw.check::<S>(text)?;
    let steps = file.script.read::<S>(text, &hosts, times.lasts)?;
    let capsule = file.capsule;
    Ok(Scenario { title: file.title, system, surroundings, times, draws, steps, capsule })
}

fn check_system<S: System>(system: &S) -> Result<(), String> {
    system.check()?;
    let hosts = system.hosts().len();
    if hosts > MOST_HOSTS {
        return Err(format!("these are {hosts} hosts: at most {MOST_HOSTS} can be simulated"));
    }
    Ok(())
}

fn check_times(text: &str, times: Spanned<Times>) -> Result<Times, Problem> {
    let place: Bytes<usize> = times.span();
    let times = times.into_inner();
    if times.lasts.max(times.rests_within) > LONGEST {
        let message = "a run lasts at most a day, and so does the rest after it";
        return Err(Problem::new(Mistake, text, place, message));
    }
    Ok(times)
}

impl<S: System> Scenario<S> {
    /// The same scenario with one setting of the system changed, written as in the file.
    pub fn with_setting(mut self, name: &str, value: &str) -> Result<Self, String> {
        let wrong =
            |why: &dyn std::fmt::Display| format!("cannot set `{name}` to `{value}`: {why}");
        let mut settings = toml::Table::try_from(&self.system).map_err(|why| wrong(&why))?;
        if !settings.contains_key(name) {
            let names: Vec<&str> = settings.keys().map(String::as_str).collect();
            return Err(wrong(&suggest(name, names)));
        }
        let document: toml::Table =
            format!("value = {value}").parse().map_err(|_| wrong(&"it is no value of TOML"))?;
        settings.extend(document.get("value").map(|value| (name.to_owned(), value.clone())));
        self.system = settings.try_into().map_err(|why: toml::de::Error| wrong(&why.message()))?;
        check_system(&self.system).map_err(|why| wrong(&why))?;
        Ok(self)
    }

    /// The plan of a seed; of a capsule, its plan.
    pub fn draw(&self, seed: u64) -> Plan<S> {
        match &self.capsule {
            Some(head) => self.plan(head.seed, head.nature, self.steps.clone()),
            None => self.plan(seed, draw::nature(seed), self.drawn_steps(seed)),
        }
    }

    fn plan(&self, seed: u64, nature: u64, steps: Vec<Step>) -> Plan<S> {
        let Times { lasts, rests_within } = self.times;
        let (system, surroundings) = (self.system.clone(), self.surroundings);
        Plan { seed, nature, system, surroundings, lasts, rests_within, steps }
    }
}
