//! Why the run fails, as the page shows it.

use serde::Serialize;

use crate::report::explanation::{Explanation, Jump, Needs, Point};
use crate::report::terminal::percent;

/// What is known of the cause.
#[derive(Serialize)]
pub(super) struct Cause<'a> {
    sentence: &'a str,
    /// By time: in how many of how many forks the violation comes.
    curve: Vec<Chance>,
    /// Where the curve jumps, and what happened there.
    jumps: Vec<Moment>,
    /// From here on nothing prevents it.
    no_return: Option<Moment>,
    needed: Vec<&'a str>,
    matters: Vec<String>,
    not_needed: Vec<&'a str>,
}

#[derive(Serialize)]
struct Chance {
    at_ms: u64,
    failing: u32,
    of: u32,
}

#[derive(Serialize)]
struct Moment {
    at_ms: u64,
    text: String,
}

impl<'a> Cause<'a> {
    pub(super) fn of(it: &'a Explanation) -> Self {
        let Explanation { sentence, needs, chances, .. } = it;
        let points = chances.as_ref().map_or(&[][..], |chances| &chances.points);
        let point =
            |point: &Point| Chance { at_ms: point.at.0, failing: point.fails, of: point.of };
        let jump = |Jump { from, to }: &Jump<'_>| {
            let (low, high) = (percent(from.share()), percent(to.share()));
            Moment { at_ms: from.at.0, text: format!("{low} → {high}: {}", from.event) }
        };
        let no_return = chances.as_ref().and_then(|chances| chances.no_return());
        let jumps = chances.as_ref().map_or_else(Vec::new, |chances| chances.jumps());
        let list = |of: fn(&Needs) -> &Vec<String>| needs.iter().flat_map(of).map(String::as_str);
        let sometimes = needs.iter().flat_map(|needs| &needs.sometimes);
        Self {
            sentence,
            curve: points.iter().map(point).collect(),
            jumps: jumps.iter().map(jump).collect(),
            no_return: no_return.map(|it| Moment { at_ms: it.at.0, text: it.event.clone() }),
            needed: list(|it| &it.needed).chain(list(|it| &it.together)).collect(),
            matters: sometimes
                .map(|(text, fails, of)| format!("{text}: it happens in {fails} of {of} runs"))
                .collect(),
            not_needed: list(|it| &it.not_needed).collect(),
        }
    }
}
