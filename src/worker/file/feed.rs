//! The feed: which nodes have changed since a cursor, as they are now.
//!
//! A node is listed at its last change, so it is in the feed once, and moves to its end when it
//! changes while somebody reads. Pages are taken from the state before this commit: what it adds
//! has no name yet that a cursor could hold.

use super::version;
use crate::flaw::Flaw;
use crate::id::NodeId;
use crate::log::{self, Draft, Entry, FileKey, Key, State};
use crate::message::{FeedCursor, FileRefusal, FileReply};
use crate::point::Point;
use crate::volume;
use crate::worker::Rules;
use crate::worker::prepare::{Known, Stop};

pub(super) fn page(
    draft: &mut Draft<'_>,
    since: Option<FeedCursor>,
    limit: u16,
    known: &Known,
    rules: Rules,
) -> Result<FileReply, Stop> {
    let before = Draft::new(draft.base());
    let (seq, entry) = (draft.base().seq, draft.base().last());
    if let Some(since) = since
        && !is_known(since, draft.base(), known, rules)?
    {
        draft.reach(Point::FeedExpired);
        return Err(FileRefusal::CursorExpired.into());
    }
    let start = since.map_or((0, NodeId::ROOT), |since| since.upto);
    let end = (seq, NodeId(u64::MAX));
    let key = |(seq, id)| Key::File(FileKey::Changed(seq, id));
    let changes = draft.base().range(key(start)..=key(end.max(start)));
    let mut changes = changes
        .filter_map(|(key, _)| {
            let Key::File(FileKey::Changed(seq, id)) = key else { return None };
            Some((*seq, *id))
        })
        .filter(|at| *at > start);
    let page: Vec<(u64, NodeId)> = changes.by_ref().take(usize::from(limit.max(1))).collect();
    let more = changes.next().is_some();
    let changed = page.iter().filter_map(|(_, id)| Some(*version::shown(&before, *id)?)).collect();
    let upto = if more { page.last().copied().unwrap_or(end) } else { end };
    Ok(FileReply::Page { changed, next: FeedCursor { space: rules.space, seq, entry, upto }, more })
}

/// Is the log that the cursor was read from a part of this one? A volume that was restored from a
/// backup has other entries under the same numbers, or none. So has the log of somebody else, whose
/// cursors are told no more than those of a log that is no more.
fn is_known(
    since: FeedCursor,
    state: &State,
    known: &Known,
    rules: Rules,
) -> Result<bool, Vec<volume::Request>> {
    if since.space != rules.space {
        return Ok(false);
    }
    if since.seq == 0 || rules.flaws.has(Flaw::Fb23) {
        return Ok(true);
    }
    if let Some(name) = state.name_of(since.seq) {
        return Ok(name == since.entry);
    }
    let key = log::entry_key(rules.space, since.seq);
    let replies = known.replies(vec![volume::Request::Get(key)])?;
    let [volume::Reply::Found(bytes)] = replies else { return Ok(false) };
    let there = Entry::decode(bytes);
    Ok(since.seq <= state.seq && there.is_some_and(|there| there.id == since.entry))
}
