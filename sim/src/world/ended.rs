//! What is taken out of a world: the shells of its hosts before its first turn, and what is left when it has
//! ended: the history, and what its judges have to know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::id::UserId;
use harness::time::Time;

use super::owners::Owners;
use super::quiescence;
use super::script::Script;
use super::services::Services;
use super::stage::Stage;
use crate::history::Entry;
use crate::invariant::{HostNames, JudgeContext};
use crate::outcome::{Counts, LogLine};
use crate::plan::{Node, StepId};
use crate::shell::ShellMaker;

/// What is left when a world has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) context: JudgeContext,
    pub(crate) history: Vec<Entry>,
    pub(crate) log: Vec<LogLine>,
    pub(crate) coverage: BTreeMap<&'static str, u64>,
    pub(crate) counts: Counts,
    pub(crate) moments: Vec<Option<Time>>,
    pub(crate) struck: BTreeSet<StepId>,
}

impl Ended {
    /// What is left of a world.
    pub(super) fn of(stage: Stage, services: &Services, script: Script) -> Self {
        let context = context(stage.owners(services));
        let counts = Counts {
            events: stage.queue.taken(),
            bytes: stage.recorder.bytes(),
            messages: stage.hosts.received(),
            sealed: stage.recorder.blobs(),
            opened: services.accounts.opened(),
            ..Counts::default()
        };
        let (history, log, coverage) = stage.recorder.end();
        let (moments, struck) = (script.into_moments(), stage.faults.into_struck());
        Self { context, history, log, coverage, counts, moments, struck }
    }
}

/// What judges have to know beside the history.
fn context(owners: Owners<'_>) -> JudgeContext {
    let plan = owners.plan;
    JudgeContext {
        devices: plan.devices.iter().map(|device| device.user).collect(),
        remotes: plan.remotes.iter().map(|remote| remote.kind).collect(),
        timing: plan.timing,
        incurable: quiescence::incurable(owners),
        server: plan.server.clone(),
        at_end: plan.at_end.clone(),
        texts: plan.expected_texts(),
        healed_at: Time(plan.storm.0),
        names: HostNames::of(plan),
    }
}

/// All hosts by the names that people use, with the shells that belong to them.
pub(super) fn shells(owners: Owners<'_>) -> Vec<(String, ShellMaker)> {
    let plan = owners.plan;
    let accounts: Arc<[UserId]> = plan.devices.iter().map(|device| device.user).collect();
    let shell = |node: Node| match node {
        Node::Device(_) => Some(ShellMaker::Device),
        Node::Remote(remote) => {
            let double = owners.services.remotes.shared(remote)?.clone();
            Some(ShellMaker::Remote(double, accounts.clone()))
        }
        Node::Worker(_) => Some(ShellMaker::Worker),
        Node::Processor(_) => Some(ShellMaker::Processor),
        Node::World | Node::Volume | Node::Intruder => None,
    };
    let named = |node: Node| Some((plan.name(node).to_owned(), shell(node)?));
    owners.hosts.all().iter().filter_map(|host| named(host.node())).collect()
}
