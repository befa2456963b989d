//! The steps of a file: one table each, with the word under `do` and the word's parameters beside it.

use std::collections::BTreeMap;
use std::ops::Range as Bytes;

use serde::Deserialize;
use toml::{Spanned, Value};

use super::draw::words;
use crate::plan::Act;
use crate::problem::{Mistake, Problem, suggest};
use crate::quantity::Unit;
use crate::step::{Step, StepId};
use crate::system::System;
use crate::time::{Span, Time};
use crate::word::{HostSpec, Kind, Parameter, hosts_of};

/// A script as it stands in a file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Script {
    steps: Vec<Spanned<BTreeMap<Spanned<String>, Spanned<Value>>>>,
}

impl Script {
    /// The steps. Where no step has an id, they are numbered.
    pub(super) fn read<S: System>(
        self,
        text: &str,
        hosts: &[HostSpec],
        lasts: Span,
    ) -> Result<Vec<Step>, Problem> {
        let mut steps: Vec<Step> = Vec::with_capacity(self.steps.len());
        for table in self.steps {
            let place = table.span();
            let mut reader = Reader { text, place: place.clone(), table: table.into_inner() };
            let step = reader.step::<S>(hosts, StepId(steps.last().map_or(0, |it| it.id.0 + 1)))?;
            let problem = |why: String| Err(Problem::new(Mistake, text, place.clone(), why));
            if step.at > Time(0) + lasts {
                return problem(format!("this step is later than the end of the run, {lasts}"));
            }
            if steps.last().is_some_and(|last| last.id >= step.id) {
                return problem("the ids of steps rise from one to the next".to_owned());
            }
            steps.push(step);
        }
        Ok(steps)
    }
}

/// Reads one step. Every key is asked for by name, and what is then left is a problem.
struct Reader<'t> {
    text: &'t str,
    place: Bytes<usize>,
    table: BTreeMap<Spanned<String>, Spanned<Value>>,
}

impl Reader<'_> {
    fn step<S: System>(&mut self, hosts: &[HostSpec], next: StepId) -> Result<Step, Problem> {
        let id = match self.take("id") {
            Some(id) => StepId(self.id(&id)?),
            None => next,
        };
        let at = self.needed("at", "when the step happens, as \"1.5s\"")?;
        let at = Time(self.quantity(Unit::Span, &at)?.unsigned_abs());
        let word = self.needed("do", "what the step does")?;
        let name = self.string(&word)?;
        let Some(act) = Act::<S>::of(name) else {
            let problem = self.problem(&word, format!("there is no word `{name}`"));
            return Err(problem.help(suggest(name, words::<S>())));
        };
        let word = act.word();
        let values = word.parameters.iter().map(|it| self.value(it, word.name, hosts));
        let values = values.collect::<Result<Vec<i64>, Problem>>()?;
        if let Some((key, _)) = self.table.pop_first() {
            let message = format!("`{}` has no `{}`", word.name, key.get_ref());
            let names = ["id", "at", "do"].into_iter();
            let names = names.chain(word.parameters.iter().map(|it| it.name));
            let problem = Problem::new(Mistake, self.text, key.span(), message);
            return Err(problem.help(suggest(key.get_ref(), names)));
        }
        Ok(Step { id, at, word: word.name, values })
    }

    fn value(
        &mut self,
        parameter: &Parameter,
        word: &str,
        hosts: &[HostSpec],
    ) -> Result<i64, Problem> {
        match parameter.kind {
            Kind::Quantity(unit, bounds) => match self.take(parameter.name) {
                Some(written) => self.quantity(unit, &written),
                None => Ok(bounds.plainest()),
            },
            Kind::Host(role) => {
                let written = self.needed(parameter.name, &format!("a host for `{word}`"))?;
                let name = self.string(&written)?;
                let mut found = hosts_of(hosts, role).filter(|(_, host)| *host == name);
                found.next().map(|(number, _)| number).ok_or_else(|| {
                    let what = role.unwrap_or("host");
                    let problem = self.problem(&written, format!("there is no {what} `{name}`"));
                    problem.help(suggest(name, hosts_of(hosts, role).map(|(_, host)| host)))
                })
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<Spanned<Value>> {
        let key = self.table.keys().find(|key| key.get_ref() == name)?.clone();
        self.table.remove(&key)
    }

    fn needed(&mut self, name: &str, what: &str) -> Result<Spanned<Value>, Problem> {
        self.take(name).ok_or_else(|| {
            let message = format!("`{name}` is missing: {what}");
            Problem::new(Mistake, self.text, self.place.clone(), message)
        })
    }

    fn string<'v>(&self, written: &'v Spanned<Value>) -> Result<&'v str, Problem> {
        let text = written.get_ref().as_str();
        text.ok_or_else(|| self.problem(written, "a text in quotes is needed here".to_owned()))
    }

    fn id(&self, written: &Spanned<Value>) -> Result<u32, Problem> {
        // The next id has to be a number too.
        let id = written.get_ref().as_integer().and_then(|id| u32::try_from(id).ok());
        id.filter(|id| *id < u32::MAX)
            .ok_or_else(|| self.problem(written, "an id is a whole number from 0".to_owned()))
    }

    /// A quantity in quotes; a plain count may also stand without.
    fn quantity(&self, unit: Unit, written: &Spanned<Value>) -> Result<i64, Problem> {
        if let (Unit::Count, Some(number)) = (unit, written.get_ref().as_integer()) {
            return Ok(number);
        }
        let range = unit.parse(self.string(written)?);
        let range = range.map_err(|why| self.problem(written, why.help(unit)))?;
        if range.low != range.high {
            return Err(self.problem(written, "a step needs one value, not a range".to_owned()));
        }
        Ok(range.low)
    }

    fn problem(&self, written: &Spanned<Value>, message: String) -> Problem {
        Problem::new(Mistake, self.text, written.span(), message)
    }
}
