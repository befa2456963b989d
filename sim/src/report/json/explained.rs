//! Why a run fails, for programs.

use serde_json::{Value, json};

use crate::report::explanation::{Explanation, Needs};

/// What the history tells.
pub(super) fn sentence(it: &Explanation) -> Value {
    let path = it.path.iter().map(|passage| {
        json!({
            "number": passage.fact, "station": passage.what.word(), "at_ms": passage.at.0,
            "lane": passage.host, "event": passage.text,
        })
    });
    let decision = it
        .decision
        .as_ref()
        .map(|it| json!({"host": it.host, "at_ms": it.at.0, "module": it.module, "line": it.line, "text": it.text}));
    json!({
        "scenario": it.scenario, "seed": it.seed, "flaws": it.flaws,
        "invariant": it.invariant.name(), "at_ms": it.at.0, "message": it.sentence,
        "path_of_write": path.collect::<Vec<_>>(), "decision": decision,
        "whole_until_ms": it.whole_until.map(|at| at.0),
    })
}

/// What was found by running again.
pub(super) fn reasons(it: &Explanation) -> Value {
    let chances = it.chances.iter().flat_map(|chances| &chances.points).map(|point| {
        json!({
            "at_ms": point.at.0, "number": point.fact, "event": point.event,
            "fails": point.fails, "tries": point.of,
        })
    });
    let chances: Vec<Value> = chances.collect();
    let no_return = it.chances.as_ref().and_then(|it| it.no_return()).map(|point| point.at.0);
    let none = Needs::default();
    let Needs { needed, not_needed, sometimes, together, tries } =
        it.needs.as_ref().unwrap_or(&none);
    let sometimes: Vec<Value> = sometimes
        .iter()
        .map(|(what, fails, of)| json!({"what": what, "fails": fails, "tries": of}))
        .collect();
    json!({
        "scenario": it.scenario, "seed": it.seed, "needed": needed, "not_needed": not_needed,
        "sometimes": sometimes, "together": together, "tries": tries, "chances": chances,
        "no_return_ms": no_return,
    })
}
