//! What a story says of devices: what they keep, and how they start.

use engine::id::{RecordId, Remote};

use super::choice::{is_new_state, record_of};
use super::file;
use super::names::Names;
use super::words::{NOTHING_SHOWN, count};
use crate::history::{Boot, Change, Contents};
use crate::plan::Node;

/// What a commit of a device changes; if asked about one record, what it changes of that.
pub(super) fn changes(names: &Names<'_>, changes: &[Change], about: Option<RecordId>) -> String {
    let counts = |change: &&Change| match about {
        Some(row) => record_of(change) == Some(row) || matches!(change, Change::Cursor(..)),
        None => is_new_state(change),
    };
    let mut told: Vec<String> =
        changes.iter().filter(counts).filter_map(|it| change(names, it)).collect();
    if told.is_empty() {
        told = changes.iter().filter_map(|it| change(names, it)).collect();
    }
    let others = changes.len() - told.len();
    if about.is_some() && others > 0 && !told.is_empty() {
        told.push(format!("{} more", count(others, "change")));
    }
    if told.is_empty() { NOTHING_SHOWN.to_owned() } else { told.join("; ") }
}

fn change(names: &Names<'_>, change: &Change) -> Option<String> {
    let remote = |remote: &Remote| names.host(Node::Remote(*remote));
    Some(match change {
        Change::Record(id, None) => format!("{id} is gone"),
        Change::Record(id, Some(contents)) => format!("{id} = {}", labels(names, contents)),
        Change::Mirror(at, id, None) => format!("nothing known of {id} on {}", remote(at)),
        Change::Mirror(at, id, Some((_, None))) => {
            format!("{id} on {} is known to be damaged", remote(at))
        }
        Change::Mirror(at, id, Some((_, Some(contents)))) => {
            format!("{} is believed to hold {id} = {}", remote(at), labels(names, contents))
        }
        Change::Sealed(at, id, Some(_)) => format!("{id} of {} is kept sealed", remote(at)),
        Change::Sealed(at, id, None) => format!("{id} of {} is no longer sealed", remote(at)),
        Change::Parked(at, id, true) => format!("{id} is parked, {} refuses it", remote(at)),
        Change::Parked(at, id, false) => format!("{id} is no longer parked for {}", remote(at)),
        Change::Cursor(at, Some(_)) => format!("cursor of {} moves", remote(at)),
        Change::Cursor(at, None) => format!("cursor of {} is dropped", remote(at)),
        Change::Node(..) | Change::Upload(..) | Change::Feed(_) => {
            return file::change(names, change);
        }
        Change::Key(true) => "a key is added".to_owned(),
        Change::Key(false) => "a key is removed".to_owned(),
        Change::Meta => return None,
    })
}

/// A record by the labels of the writes that it holds.
pub(super) fn labels(names: &Names<'_>, contents: &Contents) -> String {
    let mut told: Vec<String> = Vec::new();
    for (_, token) in &contents.cells {
        let label = names.label(*token);
        if !told.contains(&label) {
            told.push(label);
        }
    }
    let deleted = if contents.live { "" } else { "deleted " };
    format!("{deleted}{{{}}}", told.join(" "))
}

/// How a device starts.
pub(super) fn started(names: &Names<'_>, boot: Boot, commit: u32, holds: &[Change]) -> String {
    let records = holds.iter().filter(|it| matches!(it, Change::Record(_, Some(_)))).count();
    let records = count(records, "record");
    match boot {
        Boot::First => format!("starts for the first time, with {records}"),
        Boot::Restart => format!("starts again, with commits up to no. {commit}"),
        Boot::Restored => format!("starts from its backup, with {records}"),
        Boot::Cloned(from) => {
            let from = names.host(Node::Device(from));
            format!("starts as a copy of {from}, with {records}")
        }
    }
}
