//! Whom a line of the script names: by a name, a list of names, or all of a kind.

use engine::id::{DeviceId, Remote, UserId};

use super::hosts::devices;
use super::table::{Reader, Table};
use super::values::user_id;
use crate::fault::{ArgumentKind, Value};
use crate::plan::{ProcessorId, WorkerId};
use crate::scenario::Scenario;
use crate::scenario::problem::Code;
use crate::scenario::words::Who;

/// Whom a line names.
pub(super) struct Targets {
    pub(super) devices: Vec<DeviceId>,
    pub(super) remotes: Vec<Remote>,
    pub(super) workers: Vec<WorkerId>,
    pub(super) processors: Vec<ProcessorId>,
    pub(super) user: Option<UserId>,
}

impl Targets {
    /// Those of a kind, as what faults happen to.
    pub(super) fn values(&self, kind: ArgumentKind) -> Vec<Value> {
        let devices = self.devices.iter().map(|it| Value::Device(*it));
        let remotes = self.remotes.iter().map(|it| Value::Remote(*it));
        let workers = self.workers.iter().map(|it| Value::Worker(*it));
        let processors = self.processors.iter().map(|it| Value::Processor(*it));
        let user = self.user.iter().map(|it| Value::User(*it));
        let all = devices.chain(remotes).chain(workers).chain(processors).chain(user);
        all.filter(|value| value.kind() == kind).collect()
    }

    /// One of each kind, where a line does not say whom it names.
    pub(super) fn any() -> Self {
        Self {
            devices: vec![DeviceId(0)],
            remotes: vec![Remote::Zone],
            workers: vec![WorkerId(0)],
            processors: vec![ProcessorId(0)],
            user: Some(UserId(0)),
        }
    }

    fn none() -> Self {
        Self {
            devices: Vec::new(),
            remotes: Vec::new(),
            workers: Vec::new(),
            processors: Vec::new(),
            user: None,
        }
    }
}

/// Finds them, or says who is not there.
pub(super) fn targets(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    table: &mut Table<'_>,
    who: Who,
) -> Option<Targets> {
    let mut found = Targets::none();
    let Some(key) = who.key() else { return Some(found) };
    if who == Who::User {
        found.user = reader.owner(scenario, table, key);
        return found.user.is_some().then_some(found);
    }
    let example = match who {
        Who::Device => "\"phone\"",
        Who::Worker => "\"worker-1\"",
        Who::Processor => "\"reader\"",
        Who::Remote | Who::User | Who::Nobody => "\"cloudkit\"",
    };
    let item = table.need(reader, key, example)?;
    let all = item.get_ref().as_str() == Some("all");
    let items = reader.one_or_many(item);
    if items.is_empty() {
        let message = format!("no {key} is named");
        reader.tell(Code::Missing, item.span(), message, "an empty list", "write a name");
    }
    let before = reader.problems.len();
    // Without a server it is said already that there are no workers.
    let items =
        if all || who == Who::Worker && scenario.server.is_none() { Vec::new() } else { items };
    for item in items {
        match who {
            Who::Device => found.devices.extend(devices(reader, scenario, item)),
            Who::Worker => found.workers.extend(reader.worker(scenario, item)),
            Who::Processor => found.processors.extend(reader.processor(scenario, item)),
            Who::Remote | Who::User | Who::Nobody => {
                found.remotes.extend(reader.remote(scenario, item));
            }
        }
    }
    if all {
        match who {
            Who::Device => {
                let every = 0..scenario.devices.len();
                found.devices = every.map(|at| DeviceId(user_id(at).0)).collect();
            }
            Who::Worker => {
                let every = 0..scenario.workers().len();
                found.workers = every.map(|at| WorkerId(user_id(at).0)).collect();
            }
            Who::Processor => {
                let every = 0..scenario.processors.len();
                found.processors = every.map(|at| ProcessorId(user_id(at).0)).collect();
            }
            Who::Remote | Who::User | Who::Nobody => {
                found.remotes = scenario.remotes.iter().map(|remote| remote.kind).collect();
            }
        }
    }
    let named = !found.devices.is_empty()
        || !found.remotes.is_empty()
        || !found.workers.is_empty()
        || !found.processors.is_empty();
    (named && reader.problems.len() == before).then_some(found)
}
