//! Pushing: what a remote lacks is sealed and saved, on the condition that the remote still holds
//! what its mirror says.
//!
//! An acknowledgement books exactly the state that was sent, so an edit made meanwhile stays
//! unsent by itself. A row refused for good is parked and blocks no other.

use super::Device;
use super::lane::{Purpose, Sent};
use super::store::Mirror;
use crate::Bytes;
use crate::flaw::Flaw;
use crate::id::{RecordId, Remote};
use crate::point::Point;
use crate::record::Encoded;
use crate::remote::{Ending, Policy, Put, Refusal, Request, Row, Served, Tag};
use crate::seal::KeyName;
use crate::time::Now;

/// The result of saving one row.
type Saved = (RecordId, Result<Tag, Refusal>);

/// A state as it was sealed for one remote, kept until the other is sent it.
#[derive(Clone, Debug)]
pub(super) struct Sealing {
    remote: Remote,
    key: KeyName,
    state: Encoded,
    blob: Bytes,
}

impl Device {
    /// Saves the first rows that the remote lacks, as many as go into one batch.
    pub(super) fn push(&mut self, now: Now, remote: Remote) {
        let limit = self.lane(remote).and_then(|lane| lane.batch).unwrap_or(self.boot.timing.batch);
        let mut ids: Vec<_> = self.store.unsent(remote).iter().copied().collect();
        if self.boot.flaws.has(Flaw::SealOverwrite) {
            ids.extend(self.edited_under_seal(remote));
        }
        if let Some(blocker) = self.blocker.filter(|blocker| ids.contains(blocker)) {
            ids = vec![blocker];
        }
        ids.truncate(usize::from(limit.max(1)));
        let (mut puts, mut sent) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for id in ids {
            if let Some((put, state)) = self.put_of(remote, id) {
                puts.push(put);
                sent.push(Sent { id, state });
            }
        }
        if !puts.is_empty() {
            let request = Request::Save { vault: self.vault(), policy: Policy::IfUnchanged, puts };
            self.call(now, remote, request, Purpose::Save(sent));
        }
    }

    /// The put of a row, and the state that it carries. `None` without a key to seal it.
    fn put_of(&mut self, remote: Remote, id: RecordId) -> Option<(Put, Option<Encoded>)> {
        let vault = self.vault();
        let side = self.store.side(remote);
        let overwrite = self.boot.flaws.has(Flaw::SealOverwrite);
        if let Some(row) = side.sealed.get(&id).filter(|row| row.tag.is_none() || !overwrite) {
            // The remote lost a row that cannot be opened here: put back what is kept of it.
            let row = Row { id, vault, blob: row.blob.clone() };
            return Some((Put { row, expect: None }, None));
        }
        let sealed_tag = side.sealed.get(&id).and_then(|row| row.tag);
        let expect = sealed_tag.or_else(|| side.mirrors.get(&id).map(|mirror| mirror.tag));
        let state = self.store.record(id)?.clone();
        let blob = self.sealed(remote, id, &state)?;
        Some((Put { row: Row { id, vault, blob }, expect }, Some(state)))
    }

    /// A state sealed for a remote. Both get the same blob: sealing is what a push costs most.
    fn sealed(&mut self, remote: Remote, id: RecordId, state: &Encoded) -> Option<Bytes> {
        let key = self.store.keyring().current()?;
        let for_other = |it: &Sealing| it.remote != remote && it.key == key && it.state == *state;
        if let Some(sealing) = self.sealings.remove(&id).filter(for_other) {
            return Some(sealing.blob);
        }
        let nonce = self.entropy.bytes();
        let blob = self.store.keyring().seal(self.vault(), id, state, nonce)?;
        if self.boot.remotes.len() > 1 {
            let (state, blob) = (state.clone(), blob.clone());
            self.sealings.insert(id, Sealing { remote, key, state, blob });
        }
        Some(blob)
    }

    fn edited_under_seal(&self, remote: Remote) -> Vec<RecordId> {
        let side = self.store.side(remote);
        let edited = |id: &&RecordId| {
            let mirrored = side.mirrors.get(id).and_then(|mirror| mirror.state.as_ref());
            let parked = side.parked.get(id);
            self.store
                .record(**id)
                .is_some_and(|local| mirrored != Some(local) && parked != Some(local.bytes()))
        };
        side.sealed.keys().filter(edited).copied().collect()
    }

    /// Takes the results of a save, one by one.
    pub(super) fn take_results(
        &mut self,
        now: Now,
        remote: Remote,
        sent: &[Sent],
        results: Vec<Saved>,
    ) {
        let failed = results.iter().filter(|(_, result)| result.is_err()).count();
        if failed > 0 && results.len() > 1 {
            self.reach(Point::BatchPartial);
        }
        for (id, result) in results {
            let Some(sent) = sent.iter().find(|sent| sent.id == id) else { continue };
            match result {
                Ok(tag) => self.book(remote, sent, tag),
                Err(_) if self.boot.flaws.has(Flaw::Fb04) => {
                    let tag = self.store.side(remote).mirrors.get(&id).map_or(Tag(0), |m| m.tag);
                    self.book(remote, sent, tag);
                }
                Err(refusal) => self.take_row_refusal(now, remote, sent, refusal),
            }
        }
    }

    /// The remote holds exactly what was sent.
    fn book(&mut self, remote: Remote, sent: &Sent, tag: Tag) {
        let Some(state) = &sent.state else {
            if let Some(row) = self.store.side(remote).sealed.get(&sent.id).cloned() {
                let row = super::store::SealedRow { tag: Some(tag), ..row };
                self.store.set_sealed(remote, sent.id, row);
            }
            return;
        };
        let local = self.store.record(sent.id).cloned();
        let state = match local.filter(|_| self.boot.flaws.has(Flaw::Fb18)) {
            Some(local) => local,
            None => state.clone(),
        };
        self.store.set_mirror(remote, sent.id, Mirror { tag, state: Some(state) });
        self.store.unpark(remote, sent.id);
    }

    fn take_row_refusal(&mut self, now: Now, remote: Remote, sent: &Sent, refusal: Refusal) {
        let id = sent.id;
        match refusal {
            Refusal::Changed(served) => self.take_newer(now, remote, sent, &served),
            // Gone: whether it is put back is decided by what is here, as for any other row.
            Refusal::UnknownItem => self.note_missing(remote, id),
            Refusal::Exists | Refusal::NoRowMatched => {
                if let Some(lane) = self.lane(remote) {
                    lane.look_up.insert(id);
                }
            }
            Refusal::Rejected if self.boot.flaws.has(Flaw::Fb12) => {
                self.blocker = Some(id);
                let rest = self.boot.timing.retry_cap;
                if let Some(lane) = self.lane(remote) {
                    lane.rest_until = now.mono + rest;
                }
            }
            Refusal::Rejected => {
                self.reach(Point::RowParked);
                self.store.park(remote, id);
            }
            // Another row was at fault: this one goes with the next batch.
            Refusal::BatchFailed => {}
            Refusal::RateLimited(_)
            | Refusal::Unavailable(_)
            | Refusal::CursorExpired
            | Refusal::ZoneNotFound(_)
            | Refusal::LimitExceeded
            | Refusal::NotAuthenticated => {}
        }
    }

    /// The remote holds something newer: join that, and what is still lacking is sent again.
    fn take_newer(&mut self, now: Now, remote: Remote, sent: &Sent, served: &Served) {
        self.reach(Point::SaveConflict);
        if self.boot.flaws.has(Flaw::Fb25) && self.inflate(remote, sent.id, served) {
            return;
        }
        self.take_row(now, remote, served, false);
        let stored = self.store.side(remote).mirrors.get(&sent.id).and_then(|m| m.state.as_ref());
        if stored.is_some() && stored == sent.state.as_ref() {
            self.reach(Point::SaveRepeated);
        }
    }

    /// The wrong way to get past a conflict: take over the version vector and the tag, and leave
    /// the content to the next pull.
    fn inflate(&mut self, remote: Remote, id: RecordId, served: &Served) -> bool {
        let row = &served.row;
        let Ok(theirs) = self.store.keyring().open(row.vault, row.id, &row.blob) else {
            return false;
        };
        let mut ours = self.store.state(id);
        crate::flaw::inflate(&mut ours, theirs.record());
        self.store.set_record(id, Encoded::new(ours));
        self.store.set_mirror(remote, id, Mirror { tag: served.tag, state: None });
        true
    }

    /// Takes the answer of a look at single rows: those not shown are gone, or hidden. A hidden
    /// one refuses to be put back, and is then left alone until the next listing.
    ///
    /// An answer is capped without a word, so only an empty one says that what it lacks is not shown.
    pub(super) fn take_found(
        &mut self,
        now: Now,
        remote: Remote,
        ids: &[RecordId],
        rows: Vec<Served>,
    ) {
        let answered_in_full = rows.is_empty();
        for id in ids {
            match rows.iter().find(|served| served.row.id == *id) {
                Some(served) => self.take_row(now, remote, served, false),
                None if !answered_in_full => {
                    if let Some(lane) = self.lane(remote) {
                        lane.look_up.insert(*id);
                    }
                }
                None if self.store.side(remote).mirrors.contains_key(id) => {
                    self.note_missing(remote, *id);
                }
                None => {
                    self.reach(Point::RowParked);
                    self.store.park(remote, *id);
                }
            }
        }
    }

    /// Too many rows in one save.
    pub(super) fn halve_batch(&mut self, now: Now, remote: Remote) {
        self.reach(Point::BatchSplit);
        let batch = self.boot.timing.batch;
        let Some(lane) = self.lane(remote) else { return };
        let size = match lane.call.as_ref().map(|call| &call.purpose) {
            Some(Purpose::Save(sent)) => u16::try_from(sent.len()).unwrap_or(u16::MAX),
            Some(
                Purpose::Page { .. } | Purpose::LookUp(_) | Purpose::CreateZone | Purpose::Remove,
            )
            | None => batch,
        };
        if size <= 1 {
            self.wait_to_retry(now, remote, None);
            return;
        }
        lane.batch = Some(size / 2);
        lane.call = None;
    }

    /// The zone is gone. What that means for what is here depends on why.
    pub(super) fn lose_zone(&mut self, now: Now, remote: Remote, ending: Ending) {
        self.drop_call(remote);
        let (point, purged) = match ending {
            Ending::Deleted => (Point::ZoneDeleted, false),
            Ending::Purged => (Point::ZonePurged, true),
            Ending::EncryptedDataReset => (Point::ZoneReset, self.boot.flaws.has(Flaw::Fb28)),
        };
        self.reach(point);
        let side = self.store.side(remote);
        if purged {
            let mirrored: Vec<_> = side.mirrors.keys().copied().collect();
            mirrored.into_iter().for_each(|id| self.erase_mirrored(now, remote, id));
            let sealed: Vec<_> = self.store.side(remote).sealed.keys().copied().collect();
            sealed.into_iter().for_each(|id| self.store.drop_sealed(remote, id));
        } else {
            let sealed: Vec<_> = side.sealed.keys().copied().collect();
            sealed.into_iter().for_each(|id| self.note_missing(remote, id));
        }
        self.store.forget_side(remote);
        if let Some(lane) = self.lane(remote) {
            lane.zone_missing = true;
        }
    }
}
