//! The script of a plan: one line for each step.

use std::fmt::Write as _;

use harness::quantity::Unit;

use super::{Keys, Page, millis, quote, row, span, time};
use crate::fault::{Age, Effects, Spare, Value, Wait};
use crate::plan::{Act, Fault, Lasting, Node, Operation, Step, Trigger, When};
use crate::scenario::words::ending_word;

impl Page<'_> {
    pub(super) fn script(&self, out: &mut String) {
        if self.plan.steps.is_empty() {
            return;
        }
        let lines: Vec<Keys> = self.plan.steps.iter().map(|step| self.step(step)).collect();
        // The first columns are aligned: the moment, who, and what.
        let width = |column: usize| {
            lines
                .iter()
                .filter_map(|keys| keys.get(column))
                .map(|(key, value)| key.len() + value.len())
                .filter(|width| *width <= 30)
                .max()
                .unwrap_or(0)
        };
        let widths = [width(0), width(1)];
        out.push_str("\n[script]\nsteps = [\n");
        for keys in &lines {
            out.push_str("  {");
            for (at, (key, value)) in keys.iter().enumerate() {
                let last = at + 1 == keys.len();
                let used = key.len() + value.len();
                let pad = widths.get(at).map_or(0, |width| width.saturating_sub(used));
                let _ = write!(out, " {key} = {value}{}", if last { "" } else { "," });
                if !last {
                    let _ = write!(out, "{:pad$}", "");
                }
            }
            out.push_str(" },\n");
        }
        out.push_str("]\n");
    }

    /// What a step does, and what it waits for, on a line of its own.
    pub(super) fn line(&self, step: &Step) -> String {
        let keys = self.saying(step).into_iter();
        let keys = keys.filter(|(key, _)| !["at", "after"].contains(key));
        let keys = keys.map(|(key, value)| format!("{key} = {value}"));
        format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
    }

    fn step(&self, step: &Step) -> Keys {
        let mut keys = self.saying(step);
        // Last, so that the first columns say what people look for.
        keys.push(("id", step.id.0.to_string()));
        keys
    }

    /// When it happens, and what it does.
    fn saying(&self, step: &Step) -> Keys {
        let mut keys: Keys = Vec::new();
        match &step.when {
            When::At(at) => keys.push(("at", time(*at))),
            When::After(after) => keys.push(("after", span(*after))),
            When::On(trigger, after) => {
                keys.push(("when", quote(&self.trigger(trigger))));
                if let Trigger::Quiet(limit) = trigger {
                    keys.push(("at-most", span(*limit)));
                }
                keys.push(("after", span(*after)));
            }
        }
        match Operation::of(&step.act) {
            Some((operation, values)) => self.operation(operation, values, &mut keys),
            None => {
                if let Act::Fault(fault, lasting) = &step.act {
                    self.fault(fault, *lasting, &mut keys);
                }
            }
        }
        keys
    }

    fn trigger(&self, trigger: &Trigger) -> String {
        let name = |node: &Node| self.plan.name(*node);
        match trigger {
            Trigger::Got(to, message_kind, from) => {
                format!("{} got {} from {}", name(to), message_kind, name(from))
            }
            Trigger::Sent(from, message_kind, to) => {
                format!("{} sent {} to {}", name(from), message_kind, name(to))
            }
            Trigger::Lost(from, message_kind, to) => {
                format!("{} lost {} to {}", name(from), message_kind, name(to))
            }
            Trigger::Committed(device) => format!("{} committed", name(&Node::Device(*device))),
            Trigger::Quiet(_) => "quiet".to_owned(),
        }
    }

    /// Whom it happens to, its word, and the rest of what it says.
    fn fault(&self, fault: &Fault, lasting: Lasting, keys: &mut Keys) {
        let target = fault.kind().declaration().target();
        let (mut before, mut after) = (Keys::new(), Keys::new());
        for (argument, value) in fault.arguments() {
            let text = self.value_of(value).map(|text| (argument.key, text));
            if Some(argument) == target { before.extend(text) } else { after.extend(text) }
        }
        keys.extend(before);
        keys.push(("do", quote(fault.word())));
        keys.extend(after);
        keys.extend(for_how_long(lasting).map(|text| ("for", quote(&text))));
    }

    /// An argument of a fault; nothing if it is left out.
    fn value_of(&self, value: Value) -> Option<String> {
        Some(match value {
            Value::Device(id) | Value::Spare(Spare(id)) => self.device(id),
            Value::Remote(remote) => self.node(remote.into()),
            Value::Worker(worker) => self.node(worker.into()),
            Value::Processor(processor) => self.node(processor.into()),
            Value::Host(node) => self.node(node),
            Value::User(user) => self.user(user),
            Value::Row(id) => row(id),
            Value::SeenBy(device) => return device.map(|device| self.device(device)),
            Value::Ending(how) => quote(ending_word(how)),
            Value::Times(times) => times.0.to_string(),
            Value::Wait(Wait(time)) | Value::Age(Age(time)) => span(time),
            Value::Shift(by) => quote(&Unit::Shift.show(by.0)),
            Value::Effects(Effects(0)) => return None,
            Value::Effects(effects) => effects.0.to_string(),
        })
    }
}

/// What `for` says of a fault; nothing if it cannot last.
fn for_how_long(lasting: Lasting) -> Option<String> {
    match lasting {
        Lasting::AtOnce => None,
        Lasting::For(span) => Some(Unit::Span.show(millis(span.0))),
        Lasting::Storm => Some("rest of the storm".to_owned()),
        Lasting::Forever => Some("ever".to_owned()),
    }
}
