//! What a story says of remotes, and of messages.

use std::fmt::Write as _;

use engine::id::RecordId;
use engine::remote::Policy;

use super::device::labels;
use super::names::Names;
use super::words::{fields, list, parcel, refusal};
use crate::history::{Fact, Letter, Page, Refused};
use crate::plan::Node;

/// A message that arrived.
pub(super) fn delivered(
    names: &Names<'_>,
    from: Node,
    letter: &Letter,
    refused: Option<Refused>,
    rows_refused: &[(RecordId, Refused)],
) -> String {
    let mut line = format!("← {}   {}", names.host(from), parcel(letter));
    if let Some(refused) = refused {
        let _ = write!(line, ": refused, {}", refusal(refused));
    }
    let rows: Vec<String> =
        rows_refused.iter().map(|(id, why)| format!("{id} refused, {}", refusal(*why))).collect();
    if !rows.is_empty() {
        let _ = write!(line, ": {}", list(&rows));
    }
    line
}

/// What a remote did; if asked about one record, what it did to that.
pub(super) fn did(names: &Names<'_>, fact: &Fact, about: Option<RecordId>) -> String {
    match fact {
        Fact::Committed { id, by, contents, policy, .. } => {
            let held = contents.as_deref();
            let held = held.map_or("sealed bytes".to_owned(), |it| labels(names, it));
            let how = match policy {
                Policy::IfUnchanged => "",
                Policy::Overwrite => ", whatever was there",
            };
            match by {
                Node::World => format!("holds {id} = {held} from the start"),
                Node::Remote(_) => format!("has {id} = {held} again"),
                Node::Device(_)
                | Node::Worker(_)
                | Node::Processor(_)
                | Node::Volume
                | Node::Intruder => {
                    format!("stores {id} = {held} from {}{how}", names.host(*by))
                }
            }
        }
        Fact::Removed { id, by: Node::Remote(_), .. } => format!("has {id} no more"),
        Fact::Removed { id, by, .. } => format!("removes {id} for {}", names.host(*by)),
        Fact::Served(page) => {
            let Page { to, rows, since, end, .. } = &**page;
            let named = |id: &&RecordId| about.is_none_or(|row| row == **id);
            let ids = rows.iter().map(|(_, id, ..)| id).filter(named);
            let ids: Vec<String> = ids.map(ToString::to_string).collect();
            let others = rows.len() - ids.len();
            let others = if others == 0 { String::new() } else { format!(" and {others} more") };
            let what = if rows.is_empty() { "nothing new".to_owned() } else { list(&ids) };
            let from = if since.is_none() { " from the start" } else { "" };
            let end = if *end { " (the end)" } else { "" };
            format!("serves {} a page{from}: {what}{others}{end}", names.host(*to))
        }
        Fact::Declined(to, _, why) => {
            format!("refuses {}: {}", names.host(*to), refusal(*why))
        }
        Fact::Found { id, contents, values, .. } => match contents {
            None => format!("holds {id} at the end, sealed"),
            Some(contents) if !contents.live => format!("holds {id} at the end, deleted"),
            Some(_) => format!("holds {id} at the end: {}", fields(*id, values)),
        },
        Fact::Asked(..)
        | Fact::Answered(..)
        | Fact::Skipped(..)
        | Fact::Struck(_)
        | Fact::Persisted { .. }
        | Fact::Durable(_)
        | Fact::PersistFailed(_)
        | Fact::Started { .. }
        | Fact::Sent { .. }
        | Fact::Delivered { .. }
        | Fact::Lost { .. }
        | Fact::Logged { .. }
        | Fact::Filed { .. }
        | Fact::StepBegan(..)
        | Fact::StepEnded(..)
        | Fact::Named { .. }
        | Fact::Kept { .. }
        | Fact::Faulted(_)
        | Fact::Ended(_)
        | Fact::Healed
        | Fact::Settled { .. }
        | Fact::Killed { .. }
        | Fact::Panicked(_)
        | Fact::ErrorLogged(_)
        | Fact::CutOff { .. } => unreachable!("only what remotes did comes here"),
    }
}
