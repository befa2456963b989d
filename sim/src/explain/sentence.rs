//! The sentence of an explanation, made from the path of a write: which write, whose, acknowledged when, lost
//! where, and by what that had not observed it.

use engine::id::{FieldId, Token};
use harness::time::Time;

use super::Case;
use crate::history::{Asked, Change, Contents, Entry, Fact};
use crate::report::explanation::Decision;
use crate::report::story::{Scene, Station, Stop, loss, time};

/// Until when every place that held the write held it, if one of them dropped it.
pub(super) fn whole_until(case: &Case, path: &[Stop]) -> Option<Time> {
    let first = path.iter().find(|stop| stop.what == Station::Dropped)?;
    Some(case.outcome.history[first.fact].at)
}

/// The sentence.
pub(super) fn sentence(
    case: &Case,
    scene: &Scene<'_>,
    path: &[Stop],
    decision: Option<&Decision>,
) -> String {
    let Case { plan, outcome, violation } = case;
    let write = violation.token.and_then(|token| scene.evidence().tell_write(token));
    let stop = loss(path, &outcome.history, violation);
    let mut sentence = match (write, stop) {
        (Some(write), Some(stop)) => {
            let entry = &outcome.history[stop.fact];
            let write = write.trim_end_matches('.');
            let host = plan.name(entry.node);
            let by = replaced_by(case, scene, entry);
            format!("{write}; {host} drops it at {}{by}", time(entry.at))
        }
        (Some(write), None) => {
            format!("{} ({})", stem(&violation.message), write.trim_end_matches('.'))
        }
        (None, _) => {
            let (host, at) = (plan.name(violation.node), time(violation.at));
            format!("{}, on {host} at {at}", stem(&violation.message))
        }
    };
    if let Some(Decision { host, at, module, line, text }) = decision {
        sentence += &format!("; {host} decides that at {} in {module}:{line}: {text}", time(*at));
    }
    sentence + "."
}

fn stem(message: &str) -> &str {
    message.trim_end_matches('.')
}

/// What took the place of the write in the same fields, and had not observed it.
fn replaced_by(case: &Case, scene: &Scene<'_>, entry: &Entry) -> String {
    let violation = &case.violation;
    let (Some(token), Some(contents)) = (violation.token, contents(case, entry)) else {
        return String::new();
    };
    let fields = scene.evidence().fields_of(Some(token));
    let is_there = |(field, _): &&(FieldId, Token)| {
        fields.is_empty() || fields.contains(field) || *field == FieldId::HEADSTONE
    };
    let mut others: Vec<Token> = contents.cells.iter().filter(is_there).map(|it| it.1).collect();
    others.sort_unstable();
    others.dedup();
    if others.is_empty() {
        return " and has nothing in its place".to_owned();
    }
    let unseen = |other: &&Token| {
        scene.evidence().write(**other).is_some() && !had_observed(case, **other, token)
    };
    let blind: Vec<String> =
        others.iter().filter(unseen).map(|other| scene.label(*other)).collect();
    let name = |other: &Token| match scene.evidence().write(*other) {
        Some(_) => scene.label(*other),
        None => "what was there before the start".to_owned(),
    };
    let names: Vec<String> = others.iter().map(name).collect();
    let names = names.join(" and ");
    if blind.is_empty() {
        return format!(" for {names}");
    }
    format!(" for {names}, and {} had not observed it", blind.join(" and "))
}

/// What the fact leaves of the record that the violation is about.
fn contents<'c>(case: &'c Case, entry: &'c Entry) -> Option<&'c Contents> {
    let id = case.violation.record?;
    if let Fact::Persisted { changes, .. } = &entry.fact {
        return changes.iter().rev().find_map(|change| {
            if let Change::Record(of, Some(contents)) = change
                && *of == id
            {
                return Some(&**contents);
            }
            None
        });
    }
    if let Fact::Committed { id: of, contents, .. } = &entry.fact
        && *of == id
    {
        return contents.as_deref();
    }
    None
}

/// Had the author of a write been shown another?
fn had_observed(case: &Case, write: Token, other: Token) -> bool {
    let mut history = case.outcome.history.iter();
    history.any(|entry| {
        matches!(
            entry.fact.asked(),
            Some((_, Asked::Write { token, exposed, .. }))
                if *token == write && exposed.iter().any(|(_, seen)| *seen == other)
        )
    })
}
