//! The feed: which nodes have changed since a cursor, as they are now.
//!
//! A node is listed at its last change, so it is in the feed once, and moves to the end when it
//! changes while a device reads. A page is taken from the state before the entry that is being
//! decided: what that entry adds has no position yet that a cursor could hold.

use super::version;
use crate::flaw::Flaw;
use crate::id::NodeId;
use crate::log::{Draft, FileKey, Key, State};
use crate::message::{FeedCursor, FileRefusal, FileReply, Shown};
use crate::point::Point;
use crate::volume;
use crate::worker::Rules;
use crate::worker::known::{Known, Stop};

pub(super) fn page(
    draft: &mut Draft<'_>,
    since: Option<FeedCursor>,
    limit: u16,
    known: &mut Known,
    rules: Rules,
) -> Result<FileReply, Stop> {
    let at = draft.base().position();
    let before = Draft::new(draft.base(), at.entry);
    if since.is_none_or(|since| since.at != at) {
        // A page that brings nothing is no decision.
        tracing::debug!(since = since.map(|it| it.at.seq), upto = at.seq, "reads the feed");
    }
    if let Some(since) = since
        && !is_known(since, draft.base(), known, rules)?
    {
        tracing::debug!(seq = since.at.seq, "the cursor is of another log");
        draft.reach(Point::FeedExpired);
        return Err(FileRefusal::CursorExpired.into());
    }
    let start = since.map_or((0, NodeId::ROOT), |since| since.upto);
    let end = (at.seq, NodeId(u64::MAX));
    let key = |(seq, id)| Key::File(FileKey::Changed(seq, id));
    let changes = draft.base().range(key(start)..=key(end.max(start)));
    let mut changes = changes
        .map(|(key, _)| {
            let Key::File(FileKey::Changed(seq, id)) = key else {
                unreachable!("between two keys of changes there are changes alone: {key:?}")
            };
            (*seq, *id)
        })
        .filter(|at| *at > start);
    let page: Vec<(u64, NodeId)> = changes.by_ref().take(usize::from(limit.max(1))).collect();
    let more = changes.next().is_some();
    assert!(page.len() <= usize::from(limit.max(1)), "a page is no longer than it was asked for");
    assert!(
        page.is_sorted_by(|one, next| one < next),
        "a node is listed once, in the order of changes"
    );
    let changed: Vec<Shown> =
        page.iter().filter_map(|(_, id)| Some(*version::shown(&before, *id)?)).collect();
    assert!(changed.len() <= page.len(), "a page shows the nodes that it lists");
    let upto = if more { page.last().copied().unwrap_or(end) } else { end };
    Ok(FileReply::Page { changed, next: FeedCursor { space: rules.space, at, upto }, more })
}

/// Is the commit that the cursor was read at part of this log? A volume that was restored from a
/// backup has other entries under the same numbers, or none. The log of another user is refused
/// alike, so that a cursor reveals nothing about it.
fn is_known(
    since: FeedCursor,
    state: &State,
    known: &mut Known,
    rules: Rules,
) -> Result<bool, Vec<volume::Request>> {
    if since.space != rules.space {
        return Ok(false);
    }
    Ok(rules.flaws.has(Flaw::Fb23) || known.is_logged(since.at, state, rules)?)
}
