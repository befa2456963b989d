//! The script: the steps of a plan and when each happens. A step may wait for the one before it, or
//! for an event after that one; what it waited for may never come, and then it is skipped.

use harness::time::{Span, Time};

use super::{Event, World};
use crate::desk::{Arrival, ForProcessor};
use crate::history::{Fact, Letter};
use crate::plan::{Act, Node, Parcel, Plan, Step, Trigger, When};

/// How far a plan has been played.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// When each step has happened.
    pub(super) moments: Vec<Option<Time>>,
    /// The steps that wait for an event.
    armed: Vec<usize>,
    /// Is quiet waited for in this plan at all?
    pub(super) needs_quiet: bool,
}

impl Script {
    pub(super) fn new(plan: &Plan) -> Self {
        let needs_quiet =
            plan.steps.iter().any(|step| matches!(step.when, When::On(Trigger::Quiet(_), _)));
        Self { moments: vec![None; plan.steps.len()], armed: Vec::new(), needs_quiet }
    }
}

impl World {
    /// Files every step that has a moment of its own, and arms the first one that has none.
    pub(super) fn file_script(&mut self) {
        let plan = self.plan.clone();
        for (step, Step { when, .. }) in plan.steps.iter().enumerate() {
            if let When::At(at) = when {
                self.file_step(*at, step);
            }
        }
        self.prepare_step(0);
    }

    fn file_step(&mut self, at: Time, step: usize) {
        let order = self.draw_for_step("step", self.plan.steps[step].id);
        self.file(at, order, Event::Step(step));
    }

    /// The step before this one has happened.
    fn prepare_step(&mut self, step: usize) {
        match self.plan.steps.get(step).map(|step| &step.when) {
            Some(When::After(span)) => self.file_step(self.now + *span, step),
            Some(When::On(trigger, _)) => {
                self.script.armed.push(step);
                if let Trigger::Quiet(at_most) = trigger {
                    let order = self.draw_for_step("quiet", self.plan.steps[step].id);
                    let at = self.now + Span(at_most.0.max(1));
                    self.file(at, order, Event::QuietEnough(step));
                }
            }
            Some(When::At(_)) | None => {}
        }
    }

    /// A step happens.
    pub(super) fn take_step(&mut self, step: usize) {
        if !self.is_storm() {
            return;
        }
        self.script.moments[step] = Some(self.now);
        let plan = self.plan.clone();
        let Step { id, act, .. } = &plan.steps[step];
        match act {
            Act::User(device, deed) => {
                let order = self.draw_for_step("deed", *id);
                let arrival = Arrival::Deed(*id, deed.clone());
                self.file(self.now, order, Event::Give(*device, None, arrival));
            }
            Act::Fault(fault, lasting) => {
                if !self.begin_fault(*id, fault, *lasting) {
                    self.note(Node::World, Fact::Skipped(*id));
                }
            }
            Act::Order(processor, order) => {
                let draw = self.draw_for_step("order", *id);
                let what = Box::new(ForProcessor::Order(*id, order.clone()));
                self.file(self.now, draw, Event::ForProcessor(*processor, None, what));
            }
            Act::Wait => {}
        }
        self.prepare_step(step + 1);
    }

    /// The storm is over: what has not happened by now is skipped.
    pub(super) fn close_script(&mut self) {
        self.script.armed.clear();
        for step in 0..self.script.moments.len() {
            if self.script.moments[step].is_none() {
                let node = match &self.plan.steps[step].act {
                    Act::User(device, _) => Node::Device(*device),
                    Act::Order(processor, _) => Node::Processor(*processor),
                    Act::Fault(..) | Act::Wait => Node::World,
                };
                self.note(node, Fact::Skipped(self.plan.steps[step].id));
            }
        }
    }

    /// A fact may be what an armed step waits for.
    pub(super) fn watch_for_triggers(&mut self, node: Node, fact: &Fact) {
        if self.script.armed.is_empty() {
            return;
        }
        let mut armed = std::mem::take(&mut self.script.armed);
        armed.retain(|&step| !self.fires(step, |trigger| is_it(trigger, node, fact)));
        self.script.armed = armed;
    }

    /// Everything is quiet.
    pub(super) fn quiet_has_come(&mut self) {
        let mut armed = std::mem::take(&mut self.script.armed);
        armed.retain(|&step| !self.fires(step, |trigger| matches!(trigger, Trigger::Quiet(_))));
        self.script.armed = armed;
    }

    /// Does a step wait for quiet?
    pub(super) fn awaits_quiet(&self) -> bool {
        let quiet =
            |step: &usize| matches!(self.plan.steps[*step].when, When::On(Trigger::Quiet(_), _));
        self.script.armed.iter().any(quiet)
    }

    pub(super) fn stop_waiting_for_quiet(&mut self, step: usize) {
        let mut armed = std::mem::take(&mut self.script.armed);
        armed.retain(|&other| other != step || !self.fires(step, |_| true));
        self.script.armed = armed;
    }

    /// Files a step if this is its trigger. It fires no sooner than a millisecond after the event.
    fn fires(&mut self, step: usize, is_it: impl Fn(&Trigger) -> bool) -> bool {
        let When::On(trigger, after) = &self.plan.steps[step].when else { return false };
        let fires = is_it(trigger);
        if fires {
            self.file_step(self.now + Span(after.0.max(1)), step);
        }
        fires
    }
}

fn is_it(trigger: &Trigger, node: Node, fact: &Fact) -> bool {
    let matches = |wanted: (Node, Parcel, Node), from, letter: &Letter, to| {
        wanted == (from, letter.parcel, to)
    };
    match (trigger, fact) {
        (Trigger::Got(to, parcel, from), Fact::Delivered { from: sender, letter, .. }) => {
            matches((*from, *parcel, *to), *sender, letter, node)
        }
        (Trigger::Sent(from, parcel, to), Fact::Sent { to: receiver, letter, .. })
        | (Trigger::Lost(from, parcel, to), Fact::Lost { to: receiver, letter, .. }) => {
            matches((*from, *parcel, *to), node, letter, *receiver)
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
