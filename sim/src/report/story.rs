//! A history in sentences: what each fact says, in the names that people gave.
//!
//! The sentences are made from facts alone. A write is called `w17` if it is the seventeenth that
//! was asked of any device: the same in every replay of a plan, and short enough to follow by eye.

mod answer;
mod choice;
mod device;
mod evidence;
mod file;
mod names;
mod path;
mod pipeline;
mod proof;
mod remote;
mod server;
mod words;

use std::collections::BTreeMap;

use engine::id::{DeviceId, OpId, RecordId, Token, UserId};

pub use self::evidence::Evidence;
use self::names::Names;
pub use self::names::Written;
pub use self::path::{Station, Stop, loss};
pub use self::proof::EVIDENCE;
pub use self::words::{count, field_name, time, value};
use self::words::{list, lost, message_kind, refusal};
use crate::history::{Entry, Fact, Fault, Pending, Skip};
use crate::invariant::{Violation, wording};
use crate::outcome::Missed;
use crate::plan::{Excess, Plan, StepId};

/// A plan with its history, which can be told.
#[derive(Debug)]
pub struct Scene<'a> {
    names: Names<'a>,
}

impl<'a> Scene<'a> {
    /// Reads a history.
    pub fn new(plan: &'a Plan, history: &'a [Entry]) -> Self {
        Self { names: Names::new(plan, history) }
    }

    /// What is shown beside violations.
    pub const fn evidence(&self) -> Evidence<'_> {
        Evidence::of(&self.names)
    }

    /// Did a fault do something to something?
    pub fn has_struck(&self, fault: &Fault) -> bool {
        self.names.struck(fault)
    }

    /// Whose device it is.
    pub fn user_of(&self, device: DeviceId) -> Option<UserId> {
        self.names.user(device)
    }

    /// The path of the write that a violation is about, with what proves the violation; in order.
    pub fn path(&self, violation: &Violation) -> Vec<Stop> {
        path::path(self, violation)
    }

    /// What a write is called.
    pub fn label(&self, token: Token) -> String {
        self.names.label(token)
    }

    /// What each write is called, by the operation that asked for it.
    pub fn labels(&self) -> BTreeMap<OpId, String> {
        self.names.labels()
    }

    /// What a fact says; if asked about one record, what it says of that.
    pub fn tell(&self, entry: &Entry, about: Option<RecordId>) -> String {
        let names = &self.names;
        match &entry.fact {
            Fact::Asked(_, asked) => answer::asked(names, asked),
            Fact::Answered(op, answered) => answer::answered(names, entry, *op, answered),
            Fact::Skipped(step, why) => skipped(names.plan(), *step, *why),
            Fact::Persisted { commit, sync, changes, .. } => {
                let waits = if *sync { "" } else { ", without waiting for the disk" };
                format!("commits no. {commit}{waits}: {}", device::changes(names, changes, about))
            }
            Fact::Durable(commit) => format!("commit no. {commit} is durable"),
            Fact::PersistFailed(commit) => format!("commit no. {commit} fails: the app stops"),
            Fact::Started { boot, commit, holds, .. } => {
                device::started(names, *boot, *commit, holds)
            }
            Fact::Sent { to, message_id, size, rows, plaintext, server: _ } => {
                let to = names.host(*to);
                let ids: Vec<String> = rows.iter().map(|(id, _)| id.to_string()).collect();
                let rows = if ids.is_empty() { String::new() } else { format!(": {}", list(&ids)) };
                let bare = if *plaintext { ", with plaintext in it" } else { "" };
                format!("→ {to}   {} ({size} bytes){rows}{bare}", message_kind(message_id))
            }
            Fact::Delivered { from, message_id, refused, rows_refused } => remote::delivered(
                names,
                *from,
                message_id,
                refused.as_deref().copied(),
                rows_refused,
            ),
            Fact::Lost { to, message_id, why } => {
                format!("→ {}   {} lost: {}", names.host(*to), message_kind(message_id), lost(*why))
            }
            Fact::Committed { id, by, contents, policy, .. } => {
                remote::committed(names, (*id, *by), contents.as_deref(), *policy)
            }
            Fact::Removed { id, by, .. } => remote::removed(names, *id, *by),
            Fact::Served(page) => remote::served(names, page, about),
            Fact::Declined(to, _, why) => {
                format!("refuses {}: {}", names.host(*to), refusal(*why))
            }
            Fact::Found { id, contents, values, .. } => {
                remote::found(*id, contents.as_deref(), values, " at the end")
            }
            Fact::Looked { id, contents, values, .. } => {
                remote::found(*id, contents.as_deref(), values, " now")
            }
            Fact::Logged { space, entry } => server::commit(names, *space, entry),
            Fact::Filed { name, holds, .. } => pipeline::filed(*name, holds.as_deref()),
            Fact::StepBegan(_, talk) => {
                format!("has {} worked on", pipeline::talk(talk))
            }
            Fact::StepEnded(_, Some(_)) => "gets the result of the step".to_owned(),
            Fact::StepEnded(_, None) => "hears that the step has failed".to_owned(),
            Fact::Named { node, name, .. } => server::named(*node, name.as_deref()),
            Fact::Kept { key, hash, .. } => server::object(key, hash.as_deref().copied()),
            Fact::Faulted(fault) if names.struck(fault) => fault.tell(names.plan()),
            Fact::Faulted(fault) => format!("{}; it hits nothing", fault.tell(names.plan())),
            Fact::Struck(step) => struck(names.plan(), *step),
            Fact::Ended(fault) => format!("over: {}", fault.tell(names.plan())),
            Fact::FaultsEnded => "faults end; waiting for quiescence".to_owned(),
            Fact::Settled { pending } => settled(names.plan(), pending),
            Fact::Killed { keeps, between } => {
                let between = if *between { ", one of them not yet answered" } else { "" };
                format!("loses power; commits up to no. {keeps} survive{between}")
            }
            Fact::Panicked(text) => format!("panics: {text}"),
            Fact::ErrorLogged(text) => format!("logs an error: {text}"),
            Fact::CutOff { excess, given } => cut_off(*excess, given),
        }
    }
}

/// The wait for quiescence is over.
fn settled(plan: &Plan, pending: &[Pending]) -> String {
    if pending.is_empty() {
        return "everything has settled".to_owned();
    }
    let lines = pending.iter().map(|it| wording::pending(*it, |host| plan.name(host)));
    format!("not settled within the bound: {}", lines.collect::<Vec<_>>().join("; "))
}

/// The run was ended before it was over.
fn cut_off(excess: Excess, given: &[String]) -> String {
    if given.is_empty() {
        return format!("the run is ended here: it exceeds {excess}");
    }
    format!("the run is ended here: given {}, it exceeds {excess}", given.join(" and "))
}

/// A step that did not happen.
fn skipped(plan: &Plan, step: StepId, why: Skip) -> String {
    let why = Missed::Skipped(why).tell(plan);
    if step.is_look() {
        return format!("cannot show what is expected: {why}");
    }
    let Some(place) = plan.place_of(step) else { return format!("a step is not done: {why}") };
    format!("step {} is not done: {}: {why}", place + 1, plan.steps[place].act.tell(plan))
}

/// The fault of a step has hit something for the first time.
fn struck(plan: &Plan, step: StepId) -> String {
    let place = plan.place_of(step).expect("a fault that strikes is one of the plan");
    format!("hits something for the first time: {}", plan.steps[place].act.tell(plan))
}
