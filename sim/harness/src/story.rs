//! A run, told as a story: what users asked, what went wrong, what came of it, and the facts that prove a
//! violation. All sentences come from the words of the system and from facts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::history::{Entry, Fact};
use crate::judge::Violation;
use crate::observation::{HostId, Names, OpId};
use crate::observer::names;
use crate::plan::Plan;
use crate::run::Outcome;
use crate::signature::Signature;
use crate::step::{StepId, nth_last_read};
use crate::system::{Does, System, token_of};

/// Tells a run. Facts that prove `found` are marked.
pub fn tell<S: System>(plan: &Plan<S>, outcome: &Outcome<S>, found: Option<&Violation>) -> String {
    let teller = Teller { plan, names: names(plan, outcome.history.entries()) };
    let evidence = found.map_or(&[][..], |found| &found.evidence);
    let width = teller.names.hosts.values().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut story = String::new();
    for (at, entry) in outcome.history.entries().iter().enumerate() {
        let proves = evidence.contains(&at);
        let (sentence, is_routine) = teller.sentence(entry);
        if is_routine && !proves {
            continue;
        }
        let (time, host) = (entry.at.to_string(), teller.names.host(entry.host));
        let mark = found.filter(|_| proves).map_or("", |found| found.invariant);
        let arrow = if proves { " ◀ " } else { "" };
        let _ = writeln!(story, "{time:>9}  {host:width$}  {sentence}{arrow}{mark}");
    }
    if let Some(found) = found {
        let signature = Signature::of(found);
        let _ = writeln!(story, "\n{signature}\n{}", found.message);
        let others = outcome.violations.iter().map(Signature::of).filter(|it| *it != signature);
        for other in others.collect::<BTreeSet<_>>() {
            let _ = writeln!(story, "It also shows: {other}");
        }
    }
    story
}

struct Teller<'a, S> {
    plan: &'a Plan<S>,
    names: Names,
}

impl<S: System> Teller<'_, S> {
    /// What a fact says, and whether facts like it are so frequent that it is shown only as evidence.
    fn sentence(&self, entry: &Entry<S>) -> (String, bool) {
        let host = |host: HostId| self.names.host(host);
        let told = match &entry.fact {
            Fact::Skipped(step) => {
                format!("is not running, so it does not happen that {}", self.step(*step))
            }
            Fact::Asked(op, what) => {
                let (name, is_last_read) = op_name(*op);
                let written = match S::does(what) {
                    Does::Reads(_) => String::new(),
                    Does::Writes(_) | Does::Deletes(_) => format!(", {}", token_of(*op)),
                };
                return (format!("is asked to {what} ({name}{written})"), is_last_read);
            }
            Fact::Answered(op, answer) => {
                let (name, is_last_read) = op_name(*op);
                return (format!("answers {name}: {answer}"), is_last_read);
            }
            Fact::Lost { to, kind, why, .. } => {
                format!("message \"{kind}\" to {} is lost: {}", host(*to), why.because())
            }
            Fact::Crashed { keeps: 0 } => "loses power, and all that was not durable".to_owned(),
            Fact::Crashed { keeps } => format!("loses power, and what came after commit {keeps}"),
            Fact::Paused => "stands still".to_owned(),
            Fact::Resumed => "goes on".to_owned(),
            Fact::Destroyed => "is destroyed".to_owned(),
            Fact::ClockJumped(by) => {
                format!("its wall clock jumps by {}", crate::quantity::Unit::Shift.show(*by))
            }
            Fact::FaultBegan(step) => format!("fault: {}", self.step(*step)),
            Fact::FaultEnded(step) => format!("ended: {}", self.step(*step)),
            Fact::Panicked(text) => format!("panics: {text}"),
            Fact::Logged(text) => format!("logs an error: {text}"),
            Fact::FaultsEnded { within } => format!("all faults end; rest is due within {within}"),
            Fact::AtRest => "everything is at rest; the last reads follow".to_owned(),
            Fact::Started if entry.incarnation > 0 => "starts again".to_owned(),
            Fact::Started => return ("starts".to_owned(), true),
            Fact::Sent { to, kind, size, .. } => {
                return (format!("sends \"{kind}\" to {}, {size} bytes", host(*to)), true);
            }
            Fact::Received { from, kind, .. } => {
                return (format!("receives \"{kind}\" from {}", host(*from)), true);
            }
            Fact::Committed { number, puts, .. } => {
                return (format!("writes commit {number} of {} entries", puts.len()), true);
            }
            Fact::Durable(number) => return (format!("commit {number} is durable"), true),
        };
        (told, false)
    }

    fn step(&self, id: StepId) -> String {
        let hosts = self.plan.system.hosts();
        self.plan.step(id).map_or_else(String::new, |step| self.plan.tell(step, &hosts))
    }
}

/// What an operation is called, and whether it is one of the last reads, of which there are many.
fn op_name(op: OpId) -> (String, bool) {
    match nth_last_read(op) {
        Some(nth) => (format!("last read {}", nth + 1), true),
        None => (op.to_string(), false),
    }
}
