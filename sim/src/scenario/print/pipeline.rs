//! Processors and conversations of a plan, written as a scenario has them.

use std::fmt::Write as _;

use harness::quantity::Unit;

use super::{Keys, Page, quote};
use crate::plan::{Began, Excerpt, Node, Order, ProcessorId, TalkPart};
use crate::scenario::words::Verb;

impl Page<'_> {
    pub(super) fn processors(&self, out: &mut String) {
        if self.plan.processors().is_empty() {
            return;
        }
        out.push_str("\n[processors]\n");
        for processor in self.plan.processors() {
            let _ = writeln!(
                out,
                "{} = {{ user = {}, clock = {}, drift = {} }}",
                processor.name,
                self.user(processor.user),
                quote(&Unit::Shift.show(processor.clock_offset_ms)),
                quote(&Unit::Drift.show(i64::from(processor.clock_drift_ppm))),
            );
        }
    }

    /// The conversations that are there before the start; nothing if there are none.
    pub(super) fn given_talks(&self) -> String {
        let given = self.plan.server.iter().flat_map(|server| &server.pipeline.given);
        let lines: Vec<String> = given
            .map(|given| {
                let keys = excerpt(&given.excerpt).into_iter();
                let keys = keys.map(|(key, value)| format!(", {key} = {value}"));
                let keys: String = keys.collect();
                format!("  {{ owner = {}{keys} }},\n", self.user(given.user))
            })
            .collect();
        if lines.is_empty() {
            return String::new();
        }
        format!("conversations = [\n{}]\n", lines.concat())
    }

    pub(super) fn processor(&self, processor: ProcessorId) -> String {
        self.node(Node::Processor(processor))
    }
}

fn began(of: &Began) -> Keys {
    let day = of.day.map_or_else(|| "ambiguous".to_owned(), |day| day.iso());
    vec![("began", quote(&of.written)), ("day", quote(&day))]
}

pub(super) fn excerpt(of: &Excerpt) -> Keys {
    let Excerpt { talk, spelling, began: when, first, last, edit } = of;
    let mut keys = vec![
        ("conversation", talk.0.to_string()),
        ("messages", quote(&format!("{first}..{last}"))),
    ];
    keys.extend(began(when));
    keys.push(("spelling", spelling.to_string()));
    keys.push(("edit", edit.to_string()));
    keys
}

/// The verb of an order, and its keys.
pub(super) fn spell(order: &Order) -> (Verb, Keys) {
    let talk = |talk: &crate::plan::TalkId| ("conversation", talk.0.to_string());
    match order {
        Order::Ingest(of) => (Verb::IngestConversation, excerpt(of)),
        Order::Process(None) => (Verb::Process, Vec::new()),
        Order::Process(Some(day)) => (Verb::Process, began(day)),
        Order::Reset(of) => (Verb::ResetConversation, vec![talk(of)]),
        Order::ReadDay(day) => (Verb::ReadDay, began(day)),
        Order::Read(of, part) => {
            let part = match part {
                TalkPart::Current => ("part", quote("current")),
                TalkPart::Result => ("part", quote("result")),
                TalkPart::Version(n) => ("version", n.to_string()),
            };
            (Verb::ReadConversation, vec![talk(of), part])
        }
    }
}
