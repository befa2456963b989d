//! Steps that are alike: they go together before any of them goes alone.

use std::collections::BTreeMap;

use super::with_steps;
use crate::plan::operation::Value;
use crate::plan::{Act, Excerpt, Operation, Plan};

/// What steps can have in common; nothing, if a step is of no such group.
pub type Trait = fn(&Act) -> Option<String>;

/// What steps can have in common, in the order in which it is tried: how it goes wrong, where, what is done,
/// and to what.
pub const TRAITS: [Trait; 4] = [fault, place, operation, object];

fn fault(act: &Act) -> Option<String> {
    if let Act::Fault(fault, _) = act { Some(fault.word().to_owned()) } else { None }
}

fn place(act: &Act) -> Option<String> {
    if let Act::Fault(fault, _) = act { Some(format!("{:?}", fault.host())) } else { None }
}

fn operation(act: &Act) -> Option<String> {
    Operation::of(act).map(|(operation, _)| operation.word().to_owned())
}

/// The record, file or conversation that it is about.
fn object(act: &Act) -> Option<String> {
    let name = |value| {
        Some(if let Value::Row(id) = value {
            id.to_string()
        } else if let Value::Path(path) | Value::NewFolder(path) | Value::Folder(path) = value {
            path
        } else if let Value::Talk(talk) | Value::Excerpt(Excerpt { talk, .. }) = value {
            format!("{talk:?}")
        } else {
            return None;
        })
    };
    Operation::of(act)?.1.into_iter().find_map(name)
}

/// The places of the steps of each group.
fn groups(plan: &Plan, of: Trait) -> BTreeMap<String, Vec<usize>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, step) in plan.steps.iter().enumerate() {
        if let Some(group) = of(&step.act) {
            groups.entry(group).or_default().push(at);
        }
    }
    groups
}

/// How many groups there are.
pub fn count(plan: &Plan, of: Trait) -> usize {
    groups(plan, of).len()
}

/// Only these groups, and the steps that are of none.
pub fn with_groups(plan: &Plan, of: Trait, kept: &[usize]) -> Plan {
    let groups: Vec<Vec<usize>> = groups(plan, of).into_values().collect();
    let gone: Vec<usize> =
        (0..groups.len()).filter(|n| !kept.contains(n)).flat_map(|n| groups[n].clone()).collect();
    let left: Vec<usize> = (0..plan.steps.len()).filter(|at| !gone.contains(at)).collect();
    with_steps(plan, &left)
}
