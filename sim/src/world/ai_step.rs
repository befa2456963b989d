//! The AI step: processors have a conversation worked on by a service that may be slow, fail, or never
//! answer.
//!
//! What the step makes of a conversation is a function of what that says. Whether and when it ends is
//! drawn from who has it done, of what, and the count of tries.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::dedup::Thread;
use engine::processor::{Input, StepId};
use harness::random::Draw;
use harness::time::{Span, Time};
use xxhash_rust::xxh3::xxh3_64;

use super::action::{Action, Actions};
use super::event::Event;
use super::host::Host;
use crate::fault::StepConditions;
use crate::history::{Fact, Talk};
use crate::mailbox::Inbound;
use crate::plan::{Node, Plan};
use crate::workload::talk;

/// The longest time that a slow step is drawn to take: no processor waits longer.
const LONGEST_STEP: Span = Span::from_secs(24 * 60 * 60);

/// The AI step.
#[derive(Clone, Debug)]
pub(super) struct AiStep {
    plan: Arc<Plan>,
    nature: u64,
    canary: [u8; 8],
    /// How often each processor has had each state of a conversation worked on.
    tried: BTreeMap<(Node, u64), u64>,
}

impl AiStep {
    pub(super) fn of(plan: &Arc<Plan>, canary: [u8; 8]) -> Self {
        Self { plan: plan.clone(), nature: plan.nature, canary, tried: BTreeMap::new() }
    }

    /// From now on what becomes of a step is drawn from this nature.
    pub(super) fn redraw(&mut self, nature: u64) {
        self.nature = nature;
    }

    /// The step is begun for a processor. By chance it fails only while there are faults.
    pub(super) fn begin(
        &mut self,
        (now, processor): (Time, &Host),
        (step, thread): (StepId, &Thread),
        (conditions, chances): (StepConditions, bool),
        out: &mut Actions,
    ) {
        let server = self.plan.server.as_ref().expect("a processor has a server");
        let (plan, node) = (server.pipeline.step, processor.node());
        let Node::Processor(id) = node else { unreachable!("only processors have steps done") };
        let user = self.plan.processors()[usize::from(id.0)].user;
        let talk = Talk::of(thread);
        let bytes = postcard::to_allocvec(&talk).expect("memory is the only limit");
        let state = xxh3_64(&bytes);
        let tried = self.tried.entry((node, state)).or_default();
        *tried += 1;
        let (nature, tried) = (self.nature, *tried);
        let draw = |concern| Draw::new(nature, concern).and(node.lineage()).and(state).and(tried);
        let (silent, fails, takes) = (draw("step silent"), draw("step fails"), draw("step takes"));
        let is_silent = chances && silent.happens(plan.silence);
        let has_failed = conditions.fails || chances && fails.happens(plan.failure);
        let times = u64::from(conditions.times.max(1));
        let after = takes.span(plan.takes).0.saturating_mul(times).clamp(1, LONGEST_STEP.0);
        let result = (!has_failed).then(|| talk::result(self.canary, user, &talk));
        out.push(Action::Note(node, Fact::StepBegan(step, talk.into())));
        if is_silent {
            return out.push(Action::Count("step never ended"));
        }
        out.push(Action::Count(if has_failed { "step failed" } else { "step done" }));
        let inbound = Inbound::ProcessorInput(Input::Stepped(step, result).into());
        let event = Event::Give(node, Some(processor.incarnation()), inbound);
        out.push(Action::Schedule(now + Span(after), takes, event));
    }
}
