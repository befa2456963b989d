//! Intake: the rows of a remote on their way into the store. Every state that a remote serves comes in
//! here, by whichever answer, and is merged by the one [`Record::join`]; so it does not matter which
//! remote answers first.
//!
//! A row that cannot be opened is kept sealed and tried again. It is never dropped.

use super::core::Core;
use super::store::{Mirror, SealedRow};
use crate::flaw::Flaw;
#[cfg(feature = "flaws")]
use crate::id::Kind;
use crate::id::{RecordId, Remote};
use crate::point::Point;
use crate::record::{Encoded, Record};
use crate::remote::Served;
use crate::seal::OpenError;

/// Takes in what one remote serves.
#[derive(Debug)]
pub(super) struct Intake<'c> {
    core: &'c mut Core,
    remote: Remote,
}

impl<'c> Intake<'c> {
    pub(super) fn new(core: &'c mut Core, remote: Remote) -> Self {
        Self { core, remote }
    }

    /// Takes one row as served.
    pub(super) fn take_row(&mut self, served: &Served) {
        let (row, remote) = (&served.row, self.remote);
        if row.vault != self.core.vault() && !self.core.has(Flaw::RlsOff) {
            // Hostile or misconfigured: row-level security is off at the remote.
            self.core.reach(Point::ForeignRow);
            tracing::warn!(?remote, id = %row.id, "a row of another vault was served");
            return;
        }
        match self.core.store.keyring().open(row.vault, row.id, &row.blob) {
            Ok(theirs) => {
                let mut side = self.core.store.side_mut(remote);
                let opened = side.drop_sealed(row.id);
                side.unpark(row.id);
                if opened {
                    self.core.reach(Point::RowOpened);
                }
                self.take_state(row.id, &theirs);
                let mirror = Mirror { tag: served.tag, state: Some(theirs) };
                self.core.store.side_mut(remote).set_mirror(row.id, mirror);
                let sealed = self.core.store.side(remote).sealed();
                assert!(!sealed.contains_key(&row.id), "a row that was opened is not sealed");
            }
            Err(error) => self.keep_sealed(served, error),
        }
    }

    /// Joins what a remote holds into what is here.
    fn take_state(&mut self, id: RecordId, theirs: &Encoded) {
        self.core.hear(theirs.record());
        #[cfg(feature = "flaws")]
        if let Some(private) = self.core.flawed.private_snapshot(self.remote) {
            private.take(id, theirs);
            return;
        }
        let ours = self.core.store.record(id).cloned();
        #[cfg(feature = "flaws")]
        let ours = ours.filter(|_| !self.remote_wins(id));
        let Some(ours) = ours else {
            // The first state of this record that is seen here.
            tracing::debug!(remote = ?self.remote, %id, "takes the first state of a record");
            self.core.store.set_record(id, theirs.clone());
            return;
        };
        if ours == *theirs || ours.record().includes(theirs.record()) {
            return;
        }
        if theirs.record().includes(ours.record()) {
            // A record taken unchanged shares its bytes with the mirror.
            tracing::debug!(remote = ?self.remote, %id, "takes a newer state of a record");
            self.core.store.set_record(id, theirs.clone());
            return;
        }
        tracing::debug!(remote = ?self.remote, %id, "joins concurrent states of a record");
        let merged = self.merge(ours.record(), theirs.record());
        self.core.store.set_record(id, Encoded::new(merged));
    }

    /// The flaws DEEP-SYNC-003 and -003b: is the local state replaced instead of joined?
    #[cfg(feature = "flaws")]
    fn remote_wins(&self, id: RecordId) -> bool {
        let looked_before = || self.core.flawed.page_overwrites(self.remote, id);
        (self.core.has(Flaw::DeepSync003b) && looked_before())
            || (self.core.has(Flaw::DeepSync003) && id.kind == Kind::DailyLog)
    }

    fn merge(&mut self, ours: &Record, theirs: &Record) -> Record {
        let mut merged = ours.clone();
        merged.join(theirs);
        assert!(
            merged.context().includes(ours.context())
                && merged.context().includes(theirs.context()),
            "a join has seen all that either side has seen"
        );
        if merged.fields().any(|(field, cells)| {
            cells.len() > ours.field(field).len().max(theirs.field(field).len())
        }) {
            self.core.reach(Point::Conflict);
        }
        if merged.is_live() && !(ours.is_live() && theirs.is_live()) {
            self.core.reach(Point::EditBeatDelete);
        }
        #[cfg(feature = "flaws")]
        if self.core.has(Flaw::Fb01) {
            super::wrong::latest_wins(&mut merged);
        }
        #[cfg(feature = "flaws")]
        if self.core.has(Flaw::Fb11) && !(ours.is_live() && theirs.is_live()) {
            merged.cover_all();
        }
        merged
    }

    /// A row that does not open now. If its key is known and a mirror knows what that tag stood
    /// for, the row is damaged and will be put back; else it is kept as it is and tried again.
    fn keep_sealed(&mut self, served: &Served, error: OpenError) {
        let (id, remote) = (served.row.id, self.remote);
        let lost_key = error != OpenError::Corrupt;
        tracing::debug!(?remote, %id, %error, "a row does not open");
        if self.core.has(Flaw::DeepSync002) || (self.core.has(Flaw::Fb19) && lost_key) {
            return;
        }
        if !lost_key {
            self.core.reach(Point::RowCorrupt);
            let mirror = self.core.store.side(remote).mirror(id);
            if mirror.is_some_and(|mirror| mirror.tag == served.tag) {
                self.core.reach(Point::RowHealed);
                tracing::warn!(?remote, %id, "a row is damaged, and what it held is put back");
                let mirror = Mirror { tag: served.tag, state: None };
                self.core.store.side_mut(remote).set_mirror(id, mirror);
                return;
            }
        }
        self.core.reach(Point::RowSealed);
        let row = SealedRow { tag: Some(served.tag), blob: served.row.blob.clone() };
        #[cfg(feature = "flaws")]
        if self.core.has(Flaw::DeepSync002e) {
            return self.core.store.side_mut(remote).set_sealed_in_memory(id, row);
        }
        self.core.store.side_mut(remote).set_sealed(id, row);
        let sealed = self.core.store.side(remote).sealed();
        assert!(sealed.contains_key(&id), "the cursor passes a row that is applied or kept sealed");
    }

    /// The remote does not have this row, or does not show it. A sealed copy of it is put back as it
    /// is, since it may be the last one.
    pub(super) fn note_missing(&mut self, id: RecordId) {
        let remote = self.remote;
        let side = self.core.store.side(remote);
        let (sealed, mirrored) = (side.sealed().get(&id).cloned(), side.mirror(id).is_some());
        let mut side = self.core.store.side_mut(remote);
        if let Some(row) = sealed {
            side.set_sealed(id, SealedRow { tag: None, ..row });
        }
        if mirrored {
            side.drop_mirror(id);
            self.core.reach(Point::RowMissing);
        }
    }

    /// Opens what can be opened by now.
    pub(super) fn retry_sealed(&mut self) {
        let (vault, remote) = (self.core.vault(), self.remote);
        let side = self.core.store.side(remote);
        let rows: Vec<_> = side.sealed().iter().map(|(id, row)| (*id, row.clone())).collect();
        for (id, row) in rows {
            tracing::debug!(?remote, %id, "tries a sealed row again");
            match self.core.store.keyring().open(vault, id, &row.blob) {
                Ok(theirs) => {
                    self.core.reach(Point::RowOpened);
                    self.take_state(id, &theirs);
                    let mut side = self.core.store.side_mut(remote);
                    if let Some(tag) = row.tag {
                        side.set_mirror(id, Mirror { tag, state: Some(theirs) });
                    }
                    side.drop_sealed(id);
                }
                #[cfg(feature = "flaws")]
                Err(OpenError::NoKey(_)) if self.core.flawed_gives_up(remote, id) => {
                    self.core.store.side_mut(remote).drop_sealed(id);
                }
                Err(OpenError::NoKey(_) | OpenError::Corrupt) => {}
            }
        }
    }
}
