//! The script: the steps of a plan and when each happens. A step may wait for the one before it, or
//! for an event after that one; what it waited for may never come, and then it is skipped.

use std::sync::Arc;

use harness::random::Draw;
use harness::time::{Span, Time};

use super::action::{Action, Actions};
use super::event::Event;
use super::planned::Planned;
use crate::history::{Entry, Fact, MessageId, Skip};
use crate::mailbox::Inbound;
use crate::plan::{Act, MessageKind, Node, Plan, Step, StepId, Trigger, When};

/// How far a plan has been played.
#[derive(Clone, Debug)]
pub(super) struct Script {
    plan: Arc<Plan>,
    /// The steps that have a moment of their own and are not scheduled yet, the last one first.
    upcoming: Vec<(Time, usize)>,
    /// When each step has happened.
    moments: Vec<Option<Time>>,
    /// The steps that wait for an event, each with the number of facts that were there before it did.
    armed: Vec<(usize, usize)>,
}

impl Script {
    pub(super) fn of(plan: &Arc<Plan>) -> Self {
        let moment = |(step, it): (usize, &Step)| match it.when {
            When::At(at) => Some((at, step)),
            When::After(_) | When::On(..) => None,
        };
        let mut upcoming: Vec<_> = plan.steps.iter().enumerate().filter_map(moment).collect();
        upcoming.sort_unstable_by(|one, other| other.cmp(one));
        let moments = vec![None; plan.steps.len()];
        Self { plan: plan.clone(), upcoming, moments, armed: Vec::new() }
    }

    /// Schedules the first steps that have a moment of their own, and arms the first step if it has none.
    pub(super) fn open(&mut self, out: &mut Actions) {
        self.schedule_next(out);
        self.prepare(0, (Time(0), 0), out);
    }

    /// Schedules the steps of the next moment that has any. It is called as each step comes, so that the
    /// event queue always knows the next moment of the plan, and stays short.
    pub(super) fn schedule_next(&mut self, out: &mut Actions) {
        let Some(&(at, _)) = self.upcoming.last() else { return };
        while let Some((_, step)) = self.upcoming.pop_if(|(next, _)| *next == at) {
            self.schedule(at, step, out);
        }
    }

    /// A step happens. What it does to users and processors is decided here; a fault is returned.
    pub(super) fn take(&mut self, now: Time, step: usize, out: &mut Actions) -> Option<Planned> {
        self.moments[step] = Some(now);
        let Step { id, act, .. } = &self.plan.steps[step];
        if let Act::Fault(fault, lasting) = act {
            return Some(Planned { step: *id, fault: *fault, lasting: *lasting });
        }
        let (to, inbound) = given(*id, act)?;
        let concern = if to.device().is_some() { "deed" } else { "order" };
        out.push(Action::Schedule(now, self.draw(concern, *id), Event::Give(to, None, inbound)));
        None
    }

    /// The step before this one has happened, and this many facts are there.
    pub(super) fn prepare(&mut self, step: usize, (now, facts): (Time, usize), out: &mut Actions) {
        match self.plan.steps.get(step).map(|step| &step.when) {
            Some(When::After(span)) => self.schedule(now + *span, step, out),
            Some(When::On(trigger, _)) => {
                self.armed.push((step, facts));
                if let Trigger::Quiet(at_most) = trigger {
                    let order = self.draw("quiet", self.plan.steps[step].id);
                    let at = now + Span(at_most.0.max(1));
                    out.push(Action::Schedule(at, order, Event::QuietEnough(step)));
                }
            }
            Some(When::At(_)) | None => {}
        }
    }

    fn schedule(&self, at: Time, step: usize, out: &mut Actions) {
        let order = self.draw("step", self.plan.steps[step].id);
        out.push(Action::Schedule(at, order, Event::Step(step)));
    }

    #[inline(always)]
    fn draw(&self, concern: &'static str, step: StepId) -> Draw {
        Draw::new(self.plan.nature, concern).and(u64::from(step.0))
    }

    /// The faults have ended: what has not happened by now is skipped.
    pub(super) fn close(&mut self, out: &mut Actions) {
        self.armed.clear();
        for (step, moment) in self.plan.steps.iter().zip(&self.moments) {
            if moment.is_none() {
                let node = match &step.act {
                    Act::User(device, _) => Node::Device(*device),
                    Act::Processor(processor, _) => Node::Processor(*processor),
                    Act::Fault(..) | Act::Wait => Node::World,
                };
                out.push(Action::Note(node, Fact::Skipped(step.id, Skip::NotDue)));
            }
        }
    }

    /// Does no step wait for an event?
    pub(super) fn is_unarmed(&self) -> bool {
        self.armed.is_empty()
    }

    /// What has happened may be what an armed step waits for. `since` is the number of the first fact.
    pub(super) fn observe(&mut self, facts: &[Entry], since: usize, out: &mut Actions) {
        for (fact, number) in facts.iter().zip(since..) {
            let is_it = |trigger: &Trigger| is_it(trigger, fact.node, &fact.fact);
            self.fire(fact.at, |_, from, trigger| from <= number && is_it(trigger), out);
        }
    }

    /// Does a step wait for quiescence?
    pub(super) fn awaits_quiet(&self) -> bool {
        let when = |(step, _): &(usize, usize)| &self.plan.steps[*step].when;
        self.armed.iter().any(|it| matches!(when(it), When::On(Trigger::Quiet(_), _)))
    }

    /// Everything is quiet.
    pub(super) fn quiet_has_come(&mut self, now: Time, out: &mut Actions) {
        self.fire(now, |_, _, trigger| matches!(trigger, Trigger::Quiet(_)), out);
    }

    /// A step has waited for quiescence long enough.
    pub(super) fn stop_waiting_for_quiet(&mut self, now: Time, step: usize, out: &mut Actions) {
        self.fire(now, |armed, _, _| armed == step, out);
    }

    /// Schedules the armed steps whose trigger this is, no sooner than a millisecond after it.
    fn fire(
        &mut self,
        at: Time,
        is_it: impl Fn(usize, usize, &Trigger) -> bool,
        out: &mut Actions,
    ) {
        let mut armed = std::mem::take(&mut self.armed);
        armed.retain(|&(step, from)| {
            let When::On(trigger, after) = &self.plan.steps[step].when else { return false };
            let fires = is_it(step, from, trigger);
            if fires {
                self.schedule(at + Span(after.0.max(1)), step, out);
            }
            !fires
        });
        self.armed = armed;
    }

    /// When each step has happened.
    pub(super) fn into_moments(self) -> Vec<Option<Time>> {
        self.moments
    }
}

/// What a host is given so that it does something, and which host that is; nothing of a fault.
pub(super) fn given(id: StepId, act: &Act) -> Option<(Node, Inbound)> {
    match act {
        Act::User(device, operation) => {
            Some(((*device).into(), Inbound::Operation(id, operation.clone())))
        }
        Act::Processor(processor, order) => {
            Some((Node::Processor(*processor), Inbound::Command(id, order.clone())))
        }
        Act::Fault(..) | Act::Wait => None,
    }
}

fn is_it(trigger: &Trigger, node: Node, fact: &Fact) -> bool {
    let matches = |wanted: (Node, MessageKind, Node), from, message_id: &MessageId, to| {
        wanted == (from, message_id.message_kind, to)
    };
    match (trigger, fact) {
        (
            Trigger::Got(to, message_kind, from),
            Fact::Delivered { from: sender, message_id, .. },
        ) => matches((*from, *message_kind, *to), *sender, message_id, node),
        (Trigger::Sent(from, message_kind, to), Fact::Sent { to: receiver, message_id, .. })
        | (Trigger::Lost(from, message_kind, to), Fact::Lost { to: receiver, message_id, .. }) => {
            matches((*from, *message_kind, *to), node, message_id, *receiver)
        }
        (Trigger::Committed(device), Fact::Durable(_)) => node == Node::Device(*device),
        (
            Trigger::Got(..)
            | Trigger::Sent(..)
            | Trigger::Lost(..)
            | Trigger::Committed(_)
            | Trigger::Quiet(_),
            _,
        ) => false,
    }
}
