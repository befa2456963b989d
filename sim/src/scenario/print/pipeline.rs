//! Processors and conversations of a plan, written as a scenario has them.

use std::fmt::Write as _;

use harness::quantity::Unit;

use super::{Keys, Page, quote};
use crate::plan::{Began, Excerpt};

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
}

pub(super) fn began(of: &Began) -> Keys {
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
