//! What a story says of remotes, and of messages.

use std::fmt::Write as _;

use engine::id::{FieldId, RecordId};
use engine::record::Value;
use engine::remote::Policy;

use super::device::labels;
use super::names::Names;
use super::words::{fields, list, message_kind, refusal};
use crate::history::{Contents, MessageId, Page, Refused};
use crate::plan::Node;

/// A message that arrived.
pub(super) fn delivered(
    names: &Names<'_>,
    from: Node,
    message_id: &MessageId,
    refused: Option<Refused>,
    rows_refused: &[(RecordId, Refused)],
) -> String {
    let mut line = format!("← {}   {}", names.host(from), message_kind(message_id));
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

/// A row was stored.
pub(super) fn committed(
    names: &Names<'_>,
    (id, by): (RecordId, Node),
    contents: Option<&Contents>,
    policy: Policy,
) -> String {
    let held = contents.map_or("sealed bytes".to_owned(), |it| labels(names, it));
    let how = match policy {
        Policy::IfUnchanged => "",
        Policy::Overwrite => ", whatever was there",
    };
    match by {
        Node::World => format!("holds {id} = {held} from the start"),
        Node::Remote(_) => format!("has {id} = {held} again"),
        Node::Device(_) | Node::Worker(_) | Node::Processor(_) | Node::Volume | Node::Intruder => {
            format!("stores {id} = {held} from {}{how}", names.host(by))
        }
    }
}

/// A row was removed.
pub(super) fn removed(names: &Names<'_>, id: RecordId, by: Node) -> String {
    match by.remote() {
        Some(_) => format!("has {id} no more"),
        None => format!("removes {id} for {}", names.host(by)),
    }
}

/// A page was served; if asked about one record, what it has of that.
pub(super) fn served(names: &Names<'_>, page: &Page, about: Option<RecordId>) -> String {
    let Page { to, rows, since, end, .. } = page;
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

/// A row as it was found at some time.
pub(super) fn found(
    id: RecordId,
    contents: Option<&Contents>,
    values: &[(FieldId, Value)],
    when: &str,
) -> String {
    match contents {
        None => format!("holds {id}{when}, sealed"),
        Some(contents) if !contents.live => format!("holds {id}{when}, deleted"),
        Some(_) => format!("holds {id}{when}: {}", fields(id, values)),
    }
}
