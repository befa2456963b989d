//! What is looked at in the end, by users and by processors, and how long that and all that a plan
//! makes processors do may take.
//!
//! Of each file one device of its user reads the list of versions, and every device reads the content: the
//! list is the server's, the same for all, and what can be decrypted differs between devices.

use std::collections::BTreeSet;

use engine::id::UserId;
use engine::job::MOST_TRIES;
use harness::time::{Span, SpanRange};

use super::phases::Phase;
use super::{World, file};
use crate::desk::{Arrival, Share};
use crate::plan::{Act, Began, Deed, Order, Plan, Step, TalkId, TalkPart};
use crate::time::ToSimulated;

/// The longest time that the last reads may take, and how many times as long as a session lasts.
const LAST_LOOK: Span = Span::from_secs(30);
const LAST_SESSIONS: u64 = 4;
/// How long one look at a conversation may take more.
const LAST_READ: Span = Span::from_secs(3);

impl World {
    /// Users read everything.
    pub(super) fn look_for_the_last_time(&mut self) {
        self.phase = Phase::Reading;
        let reads = |index: &usize| {
            let desk = &self.stations[*index].desk;
            let signed_in = desk.standing.as_ref().is_some_and(|standing| standing.signed_in);
            self.devices[*index].is_up() && signed_in
        };
        let readers: Vec<usize> = (0..self.devices.len()).filter(reads).collect();
        for &index in &readers {
            let share = self.share(index, &readers);
            self.call(index, |desk| desk.arrivals.push_back(Arrival::Last(share)));
        }
        let session = self
            .plan
            .server
            .as_ref()
            .map_or(Span::ZERO, |server| server.timing.session.to_simulated());
        let sessions = Span(session.0.saturating_mul(LAST_SESSIONS));
        let looks = Span(self.look_at_all_conversations().saturating_mul(LAST_READ.0));
        let looks = looks + file::last_look(&self.plan);
        self.file_end(Phase::Reading, LAST_LOOK + sessions + looks);
    }

    /// The devices of a user that have all that they should have share what is the same for all.
    fn share(&self, index: usize, readers: &[usize]) -> Share {
        let user = self.devices[index].user;
        let is_whole = |&index: &usize| {
            let site = &self.devices[index];
            site.user == user && !self.isolated(site.id) && !self.conditions.holds_keys(site.id)
        };
        let sharing: Vec<usize> = readers.iter().copied().filter(is_whole).collect();
        let part = sharing.iter().position(|other| *other == index);
        part.map_or(Share::WHOLE, |part| Share { part: part as u64, of: sharing.len() as u64 })
    }
}

/// What is looked at in the end: all conversations that a plan names, with what came of them, and
/// all of their days.
pub(super) fn last_looks(plan: &Plan, user: UserId) -> Vec<Order> {
    let named = |step: &Step| match &step.act {
        Act::User(device, Deed::Upload(excerpt)) => {
            let whose = plan.devices[usize::from(device.0)].user;
            (whose == user).then(|| excerpt.clone())
        }
        Act::Order(processor, Order::Ingest(excerpt)) => {
            let whose = plan.processors()[usize::from(processor.0)].user;
            (whose == user).then(|| excerpt.clone())
        }
        Act::User(..) | Act::Order(..) | Act::Fault(..) | Act::Wait => None,
    };
    let given = plan.server.iter().flat_map(|server| &server.pipeline.given);
    let given = given.filter(|given| given.user == user).map(|given| given.excerpt.clone());
    let all: Vec<_> = plan.steps.iter().filter_map(named).chain(given).collect();
    let talks: BTreeSet<TalkId> = all.iter().map(|excerpt| excerpt.talk).collect();
    let days: BTreeSet<_> = all.iter().filter_map(|excerpt| excerpt.began.day).collect();
    let parts = [TalkPart::Current, TalkPart::Version(1), TalkPart::Result];
    let reads = talks.into_iter().flat_map(|talk| parts.map(|part| Order::Read(talk, part)));
    reads.chain(days.into_iter().map(|day| Order::ReadDay(Began::on(day)))).collect()
}

/// The longest time that all work of processors may take: every conversation is tried three
/// times, each time until its claim runs out.
pub(super) fn pipeline_bound(plan: &Plan, exchange: u64) -> u64 {
    let Some(server) = &plan.server else { return 0 };
    let pipeline = &server.pipeline;
    if pipeline.processors.is_empty() {
        return 0;
    }
    let brings = |step: &&Step| {
        matches!(step.act, Act::User(_, Deed::Upload(_)) | Act::Order(_, Order::Ingest(_)))
    };
    let items = plan.steps.iter().filter(brings).count() + pipeline.given.len();
    let orders = plan.steps.iter().filter(|step| matches!(step.act, Act::Order(..))).count();
    let timing = &pipeline.timing;
    let SpanRange { high: takes, .. } = pipeline.step.takes;
    let volume =
        2 * server.volume.delay.high.0 + server.timing.timeout.0 + server.timing.retry_cap.0;
    let races = (server.workers.len() + pipeline.processors.len()) as u64;
    let commit = 2 * exchange + races * volume;
    let step = takes.0.min(timing.patience.0);
    let each = u64::from(MOST_TRIES) * (step + timing.retry_cap.0 + 4 * commit);
    let sessions = u64::from(MOST_TRIES) * (server.timing.session.0 + timing.poll.0);
    (items as u64 + 1) * each + orders as u64 * 4 * commit + sessions
}
