//! Pulling: pages of a remote's feed become local state, mirrors, sealed rows and a cursor, in one
//! commit.
//!
//! A cursor passes a row only if the row is applied or kept sealed. The time to the next listing counts
//! from the end of the last one: with small pages a listing can take longer than the time between two, and
//! would never end.

use std::collections::BTreeSet;

use super::super::core::Core;
use super::super::intake::Intake;
use crate::flaw::Flaw;
use crate::id::{RecordId, Remote};
use crate::point::Point;
use crate::remote::{Cursor, Order, Request, Served};
use crate::time::{Span, Time};

/// A page of the feed.
#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) rows: Vec<Served>,
    pub(super) deleted: Vec<RecordId>,
    /// *zone*: the token after this page.
    pub(super) token: Option<Cursor>,
    pub(super) more: bool,
    /// *rows*: raised when the database was restored from a backup.
    pub(super) epoch: u32,
}

/// When a remote is pulled and listed, and how far that is.
#[derive(Clone, Debug, Default)]
pub(super) struct Pull {
    /// When the next pull is due; `None` before the first head, and if only a hint brings one.
    due: Option<Time>,
    /// Has the feed been left before its end?
    behind: bool,
    /// When the next listing is due.
    relist_due: Time,
    /// A listing under way.
    listing: Option<Listing>,
    /// When the last pull that reached the head was asked for.
    head_at: Option<Time>,
}

/// A full listing: what it has shown so far.
#[derive(Clone, Debug)]
struct Listing {
    began: Time,
    seen: BTreeSet<RecordId>,
}

impl Pull {
    pub(super) fn head_at(&self) -> Option<Time> {
        self.head_at
    }

    /// When the next pull or listing is due, and which.
    pub(super) fn due(&self) -> (Time, &'static str) {
        let relist = (self.relist_due, "relist");
        self.due.map_or(relist, |at| relist.min((at, "pull")))
    }

    pub(super) fn pull_at(&mut self, at: Time) {
        self.due = Some(at);
    }

    /// The device starts with an open vault.
    pub(super) fn resume(&mut self, core: &mut Core) {
        let every = core.boot.timing.relist_every;
        let relist_due = core.now.mono + core.entropy.span(Span::ZERO, every);
        self.due = Some(core.now.mono);
        self.relist_due = if core.has(Flaw::Fb27) { Time(u64::MAX) } else { relist_due };
    }

    /// Begins a listing from the start: after a login, a new credential or a lost cursor, and from
    /// time to time. Rows that were hidden, or damaged in place, never come back in a feed.
    pub(super) fn start_listing(&mut self, core: &mut Core, remote: Remote) {
        tracing::debug!(?remote, "a listing begins");
        core.store.side_mut(remote).set_cursor(None);
        self.listing = Some(Listing { began: core.now.mono, seen: BTreeSet::new() });
        self.behind = true;
    }

    pub(super) fn is_listing_due(&self, now: Time) -> bool {
        self.relist_due <= now && self.listing.is_none()
    }

    /// Is a page to be asked for now?
    pub(super) fn wants_page(&self, now: Time) -> bool {
        self.behind || self.due.is_some_and(|due| due <= now)
    }

    /// Asks for the next page.
    pub(super) fn request(&self, core: &mut Core, remote: Remote) -> Request {
        let by_time = core.has(Flaw::Fb02) || core.has(Flaw::CvSinceClock);
        let order = match remote {
            Remote::Zone => Order::Token,
            Remote::Rows if by_time => Order::UpdatedAt,
            Remote::Rows => Order::CommitSeq,
        };
        #[cfg(feature = "flaws")]
        core.look_for_unsent(remote);
        let (vault, limit) = (core.vault(), core.boot.timing.page);
        Request::Changes { vault, since: core.store.side(remote).cursor(), order, limit }
    }

    /// Takes a page: everything it brings, and the cursor, in one commit. At the head of the feed,
    /// returns whether a full listing ended with it.
    pub(super) fn take_page(
        &mut self,
        core: &mut Core,
        remote: Remote,
        page: Page,
        asked_at: Time,
    ) -> Option<bool> {
        let next = cursor_after(core, remote, &page);
        if next != core.store.side(remote).cursor() {
            // A page that moves no cursor is no decision.
            tracing::debug!(?remote, rows = page.rows.len(), ?next, "moves the cursor");
        }
        #[cfg(feature = "flaws")]
        if core.has(Flaw::Fb13) && next != core.store.side(remote).cursor() {
            core.store.side_mut(remote).set_cursor(next);
            core.commit_early();
        }
        #[cfg(feature = "flaws")]
        core.flawed.begin_page(remote);
        let mut intake = Intake::new(core, remote);
        for served in &page.rows {
            if let Some(listing) = &mut self.listing {
                listing.seen.insert(served.row.id);
            }
            intake.take_row(served);
        }
        for id in page.deleted {
            tracing::debug!(?remote, %id, "a row was removed");
            intake.note_missing(id);
        }
        #[cfg(feature = "flaws")]
        core.flawed.end_page();
        core.store.side_mut(remote).set_cursor(next);
        self.behind = page.more;
        (!page.more).then(|| self.reach_head(core, remote, asked_at))
    }

    /// The end of the feed. Returns whether it is the end of a listing too.
    fn reach_head(&mut self, core: &mut Core, remote: Remote, asked_at: Time) -> bool {
        if self.head_at.is_none() {
            tracing::debug!(?remote, "has read the feed to its head for the first time");
        }
        let every = core.boot.timing.pull_every;
        let due = core.now.mono + core.shortened(every);
        self.due = (!core.has(Flaw::Fb27)).then_some(due);
        assert!(self.head_at <= Some(asked_at), "pulls are asked for one after the other");
        self.head_at = Some(asked_at);
        let Some(listing) = self.listing.take() else {
            // An ordinary pull, which began at a cursor.
            return false;
        };
        assert!(listing.began <= asked_at, "a listing begins before its last page is asked for");
        self.end_listing(core, remote, &listing.seen);
        true
    }

    /// What a mirror knows and the listing lacks is not there now, or not shown. It is put back; a
    /// row that is merely hidden will refuse that.
    fn end_listing(&mut self, core: &mut Core, remote: Remote, seen: &BTreeSet<RecordId>) {
        core.reach(Point::ListingDone);
        self.plan_listing(core);
        let side = core.store.side(remote);
        let known = side.mirrors().keys().chain(side.sealed().keys());
        let missing: BTreeSet<_> = known.filter(|id| !seen.contains(id)).copied().collect();
        tracing::debug!(?remote, seen = seen.len(), missing = missing.len(), "a listing ends");
        for id in missing {
            tracing::debug!(?remote, %id, "a listing lacks a row");
            Intake::new(core, remote).note_missing(id);
            #[cfg(feature = "flaws")]
            core.believe_missing(id);
        }
        core.store.side_mut(remote).unpark_all();
    }

    /// When the next listing is due. It counts from the end of the last one: a listing that takes
    /// longer than the time between two would be begun again for ever.
    fn plan_listing(&mut self, core: &mut Core) {
        let every = core.boot.timing.relist_every;
        let due = core.now.mono + core.shortened(every);
        self.relist_due = if core.has(Flaw::Fb27) { Time(u64::MAX) } else { due };
    }

    /// Asserts what must hold between two inputs, in constant time.
    pub(super) fn check(&self, core: &Core, remote: Remote) {
        assert!(
            self.listing.is_none() || self.behind,
            "a listing is under way until the head of the feed is reached"
        );
        assert!(
            self.listing.as_ref().is_none_or(|it| it.began <= core.now.mono),
            "{remote:?}: a listing does not begin in the future"
        );
        assert!(self.head_at <= Some(core.now.mono), "{remote:?}: nothing is asked in the future");
    }
}

/// Where the feed goes on: the zone says, for rows it is behind the last one served.
fn cursor_after(core: &Core, remote: Remote, page: &Page) -> Option<Cursor> {
    let own = core.store.side(remote).cursor();
    match (remote, page.rows.last()) {
        (Remote::Zone, _) => page.token.or(own),
        (Remote::Rows, None) if core.has(Flaw::CvSinceClock) => {
            Some(Cursor::After { epoch: page.epoch, stamp: core.now.wall.0, id: None })
        }
        // A feed without rows has an epoch too. A device that noted none would pull from the start without
        // knowing that the database was set back, and never save again what it had saved meanwhile.
        (Remote::Rows, None) => {
            own.or(Some(Cursor::After { epoch: page.epoch, stamp: 0, id: None }))
        }
        (Remote::Rows, Some(last)) => {
            let id = (!core.has(Flaw::Fb07)).then_some(last.row.id);
            Some(Cursor::After { epoch: page.epoch, stamp: last.stamp, id })
        }
    }
}
