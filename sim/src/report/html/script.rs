//! The plan as text, with the lines that mattered.

use std::collections::BTreeSet;

use serde::Serialize;

use super::lineage::steps;
use crate::history::{Entry, Fact};
use crate::plan::{Act, Fault, Plan};
use crate::scenario::print;

/// The printed plan.
#[derive(Serialize)]
pub(super) struct Script {
    lines: Vec<String>,
    /// The lines of steps that are on the way of the write.
    lineage: Vec<usize>,
    /// The lines of other steps, and of faults, within the causal cone.
    cone: Vec<usize>,
}

impl Script {
    pub(super) fn of(plan: &Plan, history: &[Entry], lineage: &[usize], cone: &[usize]) -> Self {
        let text = print(plan, None);
        let head = text.find("\n[script]\n").map_or(0, |at| text[..at].lines().count() + 3);
        let (on_way, around) = (steps(history, lineage), steps(history, cone));
        let fault = |index: &usize| {
            if let Fact::Faulted(fault) = history[*index].fact { Some(fault) } else { None }
        };
        let faults: BTreeSet<Fault> = cone.iter().filter_map(fault).collect();
        let numbered = || plan.steps.iter().enumerate().map(|(at, step)| (head + at, step));
        let in_cone = numbered().filter(|(_, step)| {
            let is_fault = matches!(&step.act, Act::Fault(fault, _) if faults.contains(fault));
            !on_way.contains(&step.id) && (is_fault || around.contains(&step.id))
        });
        Self {
            cone: in_cone.map(|(line, _)| line).collect(),
            lineage: numbered()
                .filter(|(_, step)| on_way.contains(&step.id))
                .map(|(line, _)| line)
                .collect(),
            lines: text.lines().map(str::to_owned).collect(),
        }
    }
}
