//! What is read in the end, by users and by processors.
//!
//! Of each file one device of its user reads the list of versions, and every device reads the content: the
//! list is the server's, the same for all, and what can be decrypted differs between devices.

use std::collections::BTreeSet;

use engine::id::UserId;
use harness::time::Span;

use super::bounds::{last_reads_of_files, requests_of_a_file};
use super::looks;
use super::owners::Owners;
use crate::mailbox::{Inbound, Share};
use crate::plan::{
    Act, Began, Node, Plan, ProcessorCommand, Step, TalkId, TalkPart, UserOperation,
};
use crate::time::ToSimulated;

/// The longest time that the last reads may take, and how many times as long as a session lasts.
const LAST_READS: Span = Span::from_secs(30);
const LAST_SESSIONS: u64 = 4;
/// How long one read of a conversation may take more, and one of what is expected.
const LAST_READ: Span = Span::from_secs(3);

/// What is read in the end, who reads it, and how long that may take.
pub(super) struct LastReads {
    pub(super) readers: Vec<(Node, Inbound)>,
    pub(super) at_most: Span,
}

impl LastReads {
    /// Users read everything; one processor of each user shows all that its user ever had. Then comes what is
    /// expected at the end, where those reads do not show it.
    pub(super) fn of(owners: Owners<'_>) -> Self {
        let plan = owners.plan;
        let devices = readers(owners);
        let parts =
            devices.iter().map(|device| (*device, Inbound::Last(share(*device, &devices, owners))));
        let mut readers: Vec<(Node, Inbound)> = parts.collect();
        let mut reads = 0;
        let processors = || owners.hosts.processors();
        let users = processors().filter_map(|it| owners.hosts.user_of(it.node()));
        for user in BTreeSet::from_iter(users) {
            let of_user = |node| owners.hosts.user_of(node) == Some(user);
            let first = processors().find(|it| of_user(it.node()) && it.is_up());
            if let Some(first) = first {
                let commands = conversations(plan, user);
                reads += commands.len() as u64;
                readers.push((first.node(), Inbound::LastCommands(commands)));
            }
        }
        let looks = plan.at_end.iter().filter(|it| it.at.is_none()).flat_map(looks::questions);
        for (node, question) in looks.filter(|(node, _)| owners.hosts.get(*node).is_up()) {
            reads += 1 + requests_of_a_file(plan);
            readers.push((node, question));
        }
        let session =
            plan.server.as_ref().map_or(Span::ZERO, |server| server.timing.session.to_simulated());
        let sessions = Span(session.0.saturating_mul(LAST_SESSIONS));
        let single = Span(reads.saturating_mul(LAST_READ.0));
        let at_most = LAST_READS + sessions + single + last_reads_of_files(plan);
        Self { readers, at_most }
    }
}

/// The devices that run and on which a user is signed in.
fn readers(owners: Owners<'_>) -> Vec<Node> {
    let reads = |host: &&super::host::Host| {
        host.is_up() && host.storage().is_some_and(|storage| storage.signed_in().is_some())
    };
    owners.hosts.devices().iter().filter(reads).map(|host| host.node()).collect()
}

/// The devices of a user that have all that they should have share what is the same for all.
fn share(of: Node, readers: &[Node], owners: Owners<'_>) -> Share {
    let user = owners.hosts.user_of(of);
    let is_whole = |node: &Node| {
        owners.hosts.user_of(*node) == user
            && node.device().is_some_and(|device| {
                !owners.is_isolated(device) && !owners.faults.conditions().holds_keys(device)
            })
    };
    let sharing: Vec<Node> = readers.iter().copied().filter(is_whole).collect();
    let part = sharing.iter().position(|other| *other == of);
    part.map_or(Share::WHOLE, |part| Share { part: part as u64, of: sharing.len() as u64 })
}

/// What is read in the end: all conversations that a plan names, with what came of them, and
/// all of their days.
fn conversations(plan: &Plan, user: UserId) -> Vec<ProcessorCommand> {
    let named = |step: &Step| match &step.act {
        Act::User(device, UserOperation::Upload(excerpt)) => {
            let whose = plan.devices[usize::from(device.0)].user;
            (whose == user).then(|| excerpt.clone())
        }
        Act::Processor(processor, ProcessorCommand::Ingest(excerpt)) => {
            let whose = plan.processors()[usize::from(processor.0)].user;
            (whose == user).then(|| excerpt.clone())
        }
        Act::User(..) | Act::Processor(..) | Act::Fault(..) | Act::Wait => None,
    };
    let given = plan.server.iter().flat_map(|server| &server.pipeline.given);
    let given = given.filter(|given| given.user == user).map(|given| given.excerpt.clone());
    let all: Vec<_> = plan.steps.iter().filter_map(named).chain(given).collect();
    let talks: BTreeSet<TalkId> = all.iter().map(|excerpt| excerpt.talk).collect();
    let days: BTreeSet<_> = all.iter().filter_map(|excerpt| excerpt.began.day).collect();
    let parts = [TalkPart::Current, TalkPart::Version(1), TalkPart::Result];
    let reads =
        talks.into_iter().flat_map(|talk| parts.map(|part| ProcessorCommand::Read(talk, part)));
    reads.chain(days.into_iter().map(|day| ProcessorCommand::ReadDay(Began::on(day)))).collect()
}
