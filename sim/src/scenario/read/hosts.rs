//! Hosts that are named together: all of a kind, a range in braces, or the devices that one line makes.

use engine::id::{DeviceId, UserId};

use super::path::spread;
use super::table::{Item, Reader};
use super::values::{node_names, user_id, what_nodes_are};
use crate::plan::expectation::Shower;
use crate::plan::{Node, ProcessorId, remote_name};
use crate::scenario::Scenario;
use crate::scenario::problem::Code;

/// The devices that a text names: one, those of a range as `fleet-{001..010}`, or those that the line
/// `fleet = { count = 400 }` makes.
pub(super) fn devices(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    item: Item<'_>,
) -> Vec<DeviceId> {
    let all = scenario.devices.iter().map(|device| device.name.as_str()).collect();
    let found = together(reader, scenario, item, ("device", all));
    found.into_iter().filter_map(Node::device).collect()
}

/// The hosts that a text of `at-end` names. All are all of the first kind that can show it.
pub(super) fn showers(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    item: Item<'_>,
    shown_by: &[Shower],
) -> Vec<Node> {
    let is_all = item.get_ref().as_str() == Some("all");
    match shown_by.first() {
        Some(Shower::Processor) if is_all => all_processors(scenario),
        Some(Shower::Remote | Shower::Device) | None if is_all => all_devices(scenario),
        Some(_) | None => {
            together(reader, scenario, item, (what_nodes_are(scenario), node_names(scenario)))
        }
    }
}

/// The hosts that a text names, all of which are among these.
fn together(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    item: Item<'_>,
    (what, among): (&str, Vec<&str>),
) -> Vec<Node> {
    let Some(text) = reader.text(item) else { return Vec::new() };
    let made = made_by(scenario, text);
    if scenario.node(text).is_none() && !made.is_empty() {
        return made;
    }
    let Some(names) = spread(text) else {
        let help = "write a range from the smaller number up, of at most 1000";
        let message = "this range stands for no hosts, or for too many";
        reader.tell(Code::OutOfBounds, item.span(), message, "a range of names", help);
        return Vec::new();
    };
    if let Some(unknown) = names.iter().find(|name| !among.contains(&name.as_str())) {
        reader.unknown_name(item, what, unknown, among);
        return Vec::new();
    }
    names.iter().filter_map(|name| scenario.node(name)).collect()
}

/// What a host is called.
pub(super) fn name_of(scenario: &Scenario, host: Node) -> &str {
    match host {
        Node::Device(device) => &scenario.devices[usize::from(device.0)].name,
        Node::Worker(worker) => &scenario.workers()[usize::from(worker.0)].name,
        Node::Processor(processor) => &scenario.processors[usize::from(processor.0)].name,
        Node::Remote(kind) => {
            let remote = scenario.remotes.iter().find(|remote| remote.kind == kind);
            remote.map_or(remote_name(kind), |remote| &remote.name)
        }
        Node::World | Node::Volume | Node::Intruder => unreachable!("no file can name them"),
    }
}

/// Who may be the user of a host, if it has one.
pub(super) fn users_of(scenario: &Scenario, host: Node) -> Vec<UserId> {
    match host {
        Node::Device(device) => scenario.devices[usize::from(device.0)].users.clone(),
        Node::Processor(processor) => {
            vec![scenario.processors[usize::from(processor.0)].user]
        }
        Node::World | Node::Remote(_) | Node::Worker(_) | Node::Volume | Node::Intruder => {
            Vec::new()
        }
    }
}

fn all_devices(scenario: &Scenario) -> Vec<Node> {
    (0..scenario.devices.len()).map(|at| DeviceId(user_id(at).0).into()).collect()
}

fn all_processors(scenario: &Scenario) -> Vec<Node> {
    (0..scenario.processors.len()).map(|at| ProcessorId(user_id(at).0).into()).collect()
}

/// The devices that the line of this name makes, which have its name and a number.
fn made_by(scenario: &Scenario, line: &str) -> Vec<Node> {
    let is_made = |name: &str| {
        let number = name.strip_prefix(line).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|it| it.len() >= 3 && it.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let devices = scenario.devices.iter().enumerate();
    let made = devices.filter(|(_, device)| is_made(&device.name));
    made.map(|(at, _)| DeviceId(user_id(at).0).into()).collect()
}
