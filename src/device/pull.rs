//! Pulling: pages of a remote's feed become local state, mirrors, sealed rows and a cursor, in one
//! commit.
//!
//! A cursor passes a row only if the row is applied or kept sealed. Both remotes' rows go through
//! the one [`Record::join`], so it does not matter which remote is faster.

use std::collections::BTreeSet;

use super::lane::{Listing, Purpose};
use super::store::{Mirror, SealedRow};
use super::{Batch, Device};
use crate::flaw::Flaw;
use crate::id::{Kind, RecordId, Remote};
use crate::point::Point;
use crate::record::{Encoded, Record};
use crate::remote::{Cursor, Order, Request, Served};
use crate::seal::OpenError;
use crate::time::{Now, Span, Time};

/// What a page brought.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) rows: Vec<Served>,
    pub(super) deleted: Vec<RecordId>,
    pub(super) token: Option<Cursor>,
    pub(super) more: bool,
    pub(super) epoch: u32,
}

impl Device {
    /// Begins a listing from the start: after a login, a new credential or a lost cursor, and from
    /// time to time. Rows that were hidden, or damaged in place, never come back in a feed.
    pub(super) fn start_listing(&mut self, now: Now, remote: Remote) {
        self.store.set_cursor(remote, None);
        if let Some(lane) = self.lane(remote) {
            lane.listing = Some(Listing { began: now.mono, seen: BTreeSet::new() });
            lane.behind = true;
        }
    }

    /// When the next listing is due. It counts from the end of the last one: a listing that takes
    /// longer than the time between two must not be begun anew for ever.
    fn plan_listing(&mut self, now: Now, remote: Remote) {
        let every = self.boot.timing.relist_every;
        let due = now.mono + self.somewhat_less(every);
        let never = self.boot.flaws.has(Flaw::Fb27);
        if let Some(lane) = self.lane(remote) {
            lane.relist_due = if never { Time(u64::MAX) } else { due };
        }
    }

    /// The cursor means nothing any more: list from the start. Local edits are not touched.
    pub(super) fn lose_cursor(&mut self, now: Now, remote: Remote) {
        self.reach(Point::TokenExpired);
        self.drop_call(remote);
        if self.boot.flaws.has(Flaw::Fb06) {
            let ids: Vec<_> = self.store.records().keys().copied().collect();
            for id in ids {
                Remote::ALL.into_iter().for_each(|side| self.store.drop_mirror(side, id));
                self.store.drop_record(id);
            }
        }
        self.start_listing(now, remote);
    }

    pub(super) fn ask_for_page(&mut self, now: Now, remote: Remote) {
        let order = match remote {
            Remote::Zone => Order::Token,
            Remote::Rows if self.asks_by_time() => Order::UpdatedAt,
            Remote::Rows => Order::CommitSeq,
        };
        let request = Request::Changes {
            vault: self.vault(),
            since: self.store.side(remote).cursor,
            order,
            limit: self.boot.timing.page,
        };
        let unsent_before = if self.boot.flaws.has(Flaw::DeepSync003b) {
            self.store.unsent(remote).clone()
        } else {
            BTreeSet::new()
        };
        self.call(now, remote, request, Purpose::Page { asked_at: now.mono, unsent_before });
    }

    /// Takes a page: everything it brings, and the cursor, in one commit.
    pub(super) fn take_page(
        &mut self,
        now: Now,
        remote: Remote,
        page: Page,
        asked_at: Time,
        unsent_before: &BTreeSet<RecordId>,
    ) {
        let next = self.cursor_after(now, remote, &page);
        if self.boot.flaws.has(Flaw::Fb13) && next != self.store.side(remote).cursor {
            self.store.set_cursor(remote, next);
            if let Some(batch) = self.store.take_batch() {
                self.persist(Batch { sync: true, ..batch });
            }
        }
        for served in &page.rows {
            if let Some(listing) = self.lane(remote).and_then(|lane| lane.listing.as_mut()) {
                listing.seen.insert(served.row.id);
            }
            let overwrite =
                self.boot.flaws.has(Flaw::DeepSync003b) && !unsent_before.contains(&served.row.id);
            self.take_row(now, remote, served, overwrite);
        }
        for id in page.deleted {
            self.note_missing(remote, id);
        }
        self.store.set_cursor(remote, next);
        let Some(lane) = self.lane(remote) else { return };
        lane.behind = page.more;
        if !page.more {
            self.reach_head(now, remote, asked_at);
        }
    }

    /// The flaws FB-02 and CV-SINCE-CLOCK.
    fn asks_by_time(&self) -> bool {
        self.boot.flaws.has(Flaw::Fb02) || self.boot.flaws.has(Flaw::CvSinceClock)
    }

    /// Where the feed goes on: the zone says, for rows it is behind the last one served.
    fn cursor_after(&self, now: Now, remote: Remote, page: &Page) -> Option<Cursor> {
        let own = self.store.side(remote).cursor;
        match (remote, page.rows.last()) {
            (Remote::Zone, _) => page.token.or(own),
            (Remote::Rows, None) if self.boot.flaws.has(Flaw::CvSinceClock) => {
                Some(Cursor::After { epoch: page.epoch, stamp: now.wall.0, id: None })
            }
            (Remote::Rows, None) => own,
            (Remote::Rows, Some(last)) => {
                let id = (!self.boot.flaws.has(Flaw::Fb07)).then_some(last.row.id);
                Some(Cursor::After { epoch: page.epoch, stamp: last.stamp, id })
            }
        }
    }

    /// The end of the feed.
    fn reach_head(&mut self, now: Now, remote: Remote, asked_at: Time) {
        let every = self.boot.timing.pull_every;
        let pull_due = now.mono + self.somewhat_less(every);
        let hints_only = self.boot.flaws.has(Flaw::Fb27);
        let Some(lane) = self.lane(remote) else { return };
        lane.pull_due = (!hints_only).then_some(pull_due);
        lane.head_at = Some(asked_at);
        if let Some(listing) = lane.listing.take() {
            lane.listed_at = Some(listing.began);
            self.end_listing(now, remote, &listing.seen);
        }
        self.retry_sealed(now, remote);
        if self.boot.flaws.has(Flaw::Fb03) {
            self.collect_tombstones(now);
        }
    }

    /// What a mirror knows and the listing lacks is not there now, or not shown. It is put back; a
    /// row that is merely hidden will refuse that.
    fn end_listing(&mut self, now: Now, remote: Remote, seen: &BTreeSet<RecordId>) {
        self.reach(Point::ListingDone);
        self.plan_listing(now, remote);
        let side = self.store.side(remote);
        let known = side.mirrors.keys().chain(side.sealed.keys());
        let missing: BTreeSet<_> = known.filter(|id| !seen.contains(id)).copied().collect();
        for id in missing {
            self.note_missing(remote, id);
            if self.boot.flaws.has(Flaw::Fb21) {
                self.erase(now, id);
            }
            if self.boot.flaws.has(Flaw::AuthRestoreRace) && self.login.is_some() {
                Remote::ALL.into_iter().for_each(|side| self.store.drop_mirror(side, id));
                self.store.drop_record(id);
            }
        }
        let parked: Vec<_> = self.store.side(remote).parked.keys().copied().collect();
        parked.into_iter().for_each(|id| self.store.unpark(remote, id));
        self.merge_side(now, remote);
    }

    /// A remote does not have this row, or does not show it.
    pub(super) fn note_missing(&mut self, remote: Remote, id: RecordId) {
        if let Some(row) = self.store.side(remote).sealed.get(&id).cloned() {
            self.store.set_sealed(remote, id, SealedRow { tag: None, ..row });
        }
        if self.store.side(remote).mirrors.contains_key(&id) {
            self.reach(Point::RowMissing);
            self.store.drop_mirror(remote, id);
        }
    }

    /// Takes one row as served.
    pub(super) fn take_row(&mut self, now: Now, remote: Remote, served: &Served, overwrite: bool) {
        let row = &served.row;
        if row.vault != self.vault() && !self.boot.flaws.has(Flaw::RlsOff) {
            self.reach(Point::ForeignRow);
            return;
        }
        match self.store.keyring().open(row.vault, row.id, &row.blob) {
            Ok(theirs) => {
                if self.store.side(remote).sealed.contains_key(&row.id) {
                    self.reach(Point::RowOpened);
                    self.store.drop_sealed(remote, row.id);
                }
                self.store.unpark(remote, row.id);
                self.take_state(now, remote, row.id, &theirs, overwrite);
                let mirror = Mirror { tag: served.tag, state: Some(theirs) };
                self.store.set_mirror(remote, row.id, mirror);
            }
            Err(error) => self.keep_sealed(remote, served, error),
        }
    }

    /// Joins what a remote holds into what is here.
    fn take_state(
        &mut self,
        now: Now,
        remote: Remote,
        id: RecordId,
        theirs: &Encoded,
        overwrite: bool,
    ) {
        self.hear(now, theirs.record());
        if let Some(private) = self.private_snapshot(remote) {
            private.take(id, theirs);
            return;
        }
        let ours = self.store.record(id).cloned();
        let remote_wins =
            overwrite || (self.boot.flaws.has(Flaw::DeepSync003) && id.kind == Kind::DailyLog);
        let Some(ours) = ours.filter(|_| !remote_wins) else {
            self.store.set_record(id, theirs.clone());
            return;
        };
        if ours == *theirs || ours.record().includes(theirs.record()) {
            return;
        }
        if theirs.record().includes(ours.record()) {
            // A record taken unchanged shares its bytes with the mirror.
            self.store.set_record(id, theirs.clone());
            return;
        }
        let merged = self.merge(ours.record(), theirs.record());
        self.store.set_record(id, Encoded::new(merged));
    }

    fn merge(&mut self, ours: &Record, theirs: &Record) -> Record {
        let mut merged = ours.clone();
        merged.join(theirs);
        if merged.fields().any(|(field, cells)| {
            cells.len() > ours.field(field).len().max(theirs.field(field).len())
        }) {
            self.reach(Point::Conflict);
        }
        if merged.is_live() && !(ours.is_live() && theirs.is_live()) {
            self.reach(Point::EditBeatDelete);
        }
        if self.boot.flaws.has(Flaw::Fb01) {
            crate::flaw::latest_wins(&mut merged);
        }
        if self.boot.flaws.has(Flaw::Fb11) && !(ours.is_live() && theirs.is_live()) {
            crate::flaw::delete_wins(&mut merged);
        }
        merged
    }

    /// Follows the clocks of what was heard, and never counts below what bears the own name.
    fn hear(&mut self, now: Now, record: &Record) {
        let heard = record.cells().map(|(_, cell)| cell.hlc).max().unwrap_or_default();
        let own = record.context().count_of(self.store.meta().replica);
        let hlc = self.store.meta().hlc.hear(heard, now.wall);
        let next_n = self.store.meta().next_n.max(own + 1);
        if hlc != self.store.meta().hlc || next_n != self.store.meta().next_n {
            self.store.touch_meta(|meta| {
                meta.hlc = hlc;
                meta.next_n = next_n;
            });
        }
    }

    /// A row that does not open now. If its key is known and a mirror knows what that tag stood
    /// for, the row is damaged and will be put back; else it is kept as it is and tried again.
    fn keep_sealed(&mut self, remote: Remote, served: &Served, error: OpenError) {
        let id = served.row.id;
        let flaws = self.boot.flaws;
        let lost_key = error != OpenError::Corrupt;
        if flaws.has(Flaw::DeepSync002) || (flaws.has(Flaw::Fb19) && lost_key) {
            return;
        }
        if !lost_key {
            self.reach(Point::RowCorrupt);
            let known =
                self.store.side(remote).mirrors.get(&id).is_some_and(|m| m.tag == served.tag);
            if known {
                self.reach(Point::RowHealed);
                self.store.set_mirror(remote, id, Mirror { tag: served.tag, state: None });
                return;
            }
        }
        self.reach(Point::RowSealed);
        let row = SealedRow { tag: Some(served.tag), blob: served.row.blob.clone() };
        if flaws.has(Flaw::DeepSync002e) {
            self.store.set_sealed_in_memory(remote, id, row);
        } else {
            self.store.set_sealed(remote, id, row);
        }
    }

    /// Opens what can be opened by now.
    pub(super) fn retry_sealed(&mut self, now: Now, remote: Remote) {
        let vault = self.vault();
        let side = self.store.side(remote);
        let rows: Vec<_> = side.sealed.iter().map(|(id, row)| (*id, row.clone())).collect();
        for (id, row) in rows {
            match self.store.keyring().open(vault, id, &row.blob) {
                Ok(theirs) => {
                    self.reach(Point::RowOpened);
                    self.take_state(now, remote, id, &theirs, false);
                    if let Some(tag) = row.tag {
                        self.store.set_mirror(remote, id, Mirror { tag, state: Some(theirs) });
                    }
                    self.store.drop_sealed(remote, id);
                }
                Err(OpenError::NoKey(_)) if self.boot.flaws.has(Flaw::DeepSync002c) => {
                    let tries = self.sealed_tries.entry((remote, id)).or_default();
                    *tries += 1;
                    if *tries >= 3 {
                        self.store.drop_sealed(remote, id);
                    }
                }
                Err(OpenError::NoKey(_) | OpenError::Corrupt) => {}
            }
        }
    }

    /// A span shortened by up to a quarter, so that devices do not march in step.
    pub(super) fn somewhat_less(&mut self, span: Span) -> Span {
        self.entropy.span(Span(span.0 - span.0 / 4), span)
    }
}
