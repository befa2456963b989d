//! Pushing: what a remote lacks is sealed and saved, on the condition that the remote still holds
//! what its mirror says.
//!
//! An acknowledgement records exactly the state that was sent, so an edit made meanwhile stays unsent. A row
//! that a full listing lacks is put back as a new row: if the remote only hides it, it refuses, and the row
//! is parked until the next listing. A sealed row that a remote lost is put back as the bytes that it is,
//! since it may be the last copy. A row refused for good is parked and blocks no other.

use std::collections::BTreeSet;

use super::super::core::Core;
use super::super::intake::Intake;
use super::super::store::{Mirror, SealedRow};
use crate::flaw::Flaw;
use crate::id::{RecordId, Remote};
use crate::point::Point;
use crate::record::Encoded;
use crate::remote::{Policy, Put, Refusal, Request, Row, Served, Tag};

/// The result of saving one row.
type Saved = (RecordId, Result<Tag, Refusal>);

/// What a save sent of a record.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) id: RecordId,
    /// The state sealed; `None` if a blob was put back unopened.
    pub(super) state: Option<Encoded>,
}

/// What is to be saved at a remote, beside what is unsent.
#[derive(Clone, Debug, Default)]
pub(super) struct Push {
    /// Rows in one save, halved when the remote says that it was too many; at least 1. `None` for the
    /// configured number.
    batch: Option<u16>,
    /// Rows to look at singly, since a save of them met something that it was not shown.
    look_up: BTreeSet<RecordId>,
}

impl Push {
    /// A save of the first rows that the remote lacks, as many as go into one batch. `None` if it lacks
    /// none, or if there is no key to seal them.
    pub(super) fn request(
        &mut self,
        core: &mut Core,
        remote: Remote,
    ) -> Option<(Request, Vec<Sent>)> {
        let limit = usize::from(self.batch.unwrap_or(core.boot.timing.batch).max(1));
        let unsent = core.store.side(remote).unsent().iter();
        #[cfg(not(feature = "flaws"))]
        let ids: Vec<_> = unsent.copied().take(limit).collect();
        #[cfg(feature = "flaws")]
        let ids = core.choose_rows(remote, unsent.copied().collect(), limit);
        assert!(ids.len() <= limit, "a save has at most as many rows as the remote allows");
        if ids.is_empty() {
            return None;
        }
        let (mut puts, mut sent) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
        for id in ids {
            if let Some((put, state)) = put_of(core, remote, id) {
                puts.push(put);
                sent.push(Sent { id, state });
            }
        }
        assert_eq!(puts.len(), sent.len(), "what is booked later is what is sent now");
        let request = Request::Save { vault: core.vault(), policy: Policy::IfUnchanged, puts };
        (!sent.is_empty()).then_some((request, sent))
    }

    /// The remote takes no more rows than this in one save.
    pub(super) fn limit_batch(&mut self, rows: usize) {
        assert!(rows > 0, "a save of one row is not split");
        self.batch = Some(u16::try_from(rows).unwrap_or(u16::MAX));
    }

    /// The rows to look at singly, if there are any.
    pub(super) fn take_look_ups(&mut self) -> Option<Vec<RecordId>> {
        let some = !self.look_up.is_empty();
        some.then(|| std::mem::take(&mut self.look_up).into_iter().collect())
    }

    /// Takes the results of a save, one by one.
    pub(super) fn take_results(
        &mut self,
        core: &mut Core,
        remote: Remote,
        sent: &[Sent],
        results: Vec<Saved>,
    ) {
        let failed = results.iter().filter(|(_, result)| result.is_err()).count();
        if failed > 0 && results.len() > 1 {
            core.reach(Point::BatchPartial);
        }
        for (id, result) in results {
            let Some(sent) = sent.iter().find(|sent| sent.id == id) else {
                // Hostile, or broken: the result of a row that was not sent.
                continue;
            };
            tracing::debug!(?remote, %id, saved = result.is_ok(), "takes the result of a save");
            match result {
                Ok(tag) => book(core, remote, sent, tag),
                Err(_) if core.has(Flaw::Fb04) => {
                    let mirror = core.store.side(remote).mirror(id);
                    let tag = mirror.map_or(Tag(0), |mirror| mirror.tag);
                    book(core, remote, sent, tag);
                }
                Err(refusal) => self.take_row_refusal(core, remote, sent, refusal),
            }
        }
    }

    fn take_row_refusal(&mut self, core: &mut Core, remote: Remote, sent: &Sent, refusal: Refusal) {
        let id = sent.id;
        match refusal {
            Refusal::Changed(served) => take_newer(core, remote, sent, &served),
            // Gone: whether it is put back is decided by what is here, as for any other row.
            Refusal::UnknownItem => Intake::new(core, remote).note_missing(id),
            Refusal::Exists | Refusal::NoRowMatched => {
                self.look_up.insert(id);
            }
            #[cfg(feature = "flaws")]
            Refusal::Rejected if core.has(Flaw::Fb12) => core.flawed.block_on(id),
            Refusal::Rejected => {
                core.reach(Point::RowParked);
                core.store.side_mut(remote).park(id);
            }
            // Another row was at fault: this one goes with the next batch.
            Refusal::BatchFailed => {}
            // Hostile, or broken: refusals of whole requests never come for a single row. The row stays
            // unsent.
            Refusal::RateLimited(_)
            | Refusal::Unavailable(_)
            | Refusal::CursorExpired
            | Refusal::ZoneNotFound(_)
            | Refusal::LimitExceeded
            | Refusal::NotAuthenticated => {}
        }
    }

    /// Takes the answer of a look at single rows: those not shown are gone, or hidden. A hidden
    /// one refuses to be put back, and is then left alone until the next listing.
    ///
    /// An answer is capped without a word, so only an empty one says that what it lacks is not shown.
    pub(super) fn take_found(
        &mut self,
        core: &mut Core,
        remote: Remote,
        ids: &[RecordId],
        rows: &[Served],
    ) {
        let answered_in_full = rows.is_empty();
        for id in ids {
            tracing::debug!(?remote, %id, rows = rows.len(), "takes the answer of a look-up");
            match rows.iter().find(|served| served.row.id == *id) {
                Some(served) => Intake::new(core, remote).take_row(served),
                None if !answered_in_full => {
                    self.look_up.insert(*id);
                }
                None if core.store.side(remote).mirror(*id).is_some() => {
                    Intake::new(core, remote).note_missing(*id);
                }
                None => {
                    core.reach(Point::RowParked);
                    core.store.side_mut(remote).park(*id);
                }
            }
        }
    }
}

/// The put of a row, and the state that it carries. `None` without a key to seal it.
fn put_of(core: &mut Core, remote: Remote, id: RecordId) -> Option<(Put, Option<Encoded>)> {
    let vault = core.vault();
    let side = core.store.side(remote);
    let sealed = side.sealed().get(&id);
    tracing::debug!(?remote, %id, sealed = sealed.is_some(), "asks to save a row");
    let overwrites = core.has(Flaw::SealOverwrite);
    if let Some(row) = sealed.filter(|row| row.tag.is_none() || !overwrites) {
        assert!(
            row.tag.is_none(),
            "a row that the remote has and that cannot be opened here is not unsent"
        );
        // The remote lost a row that cannot be opened here: put back what is kept of it.
        let row = Row { id, vault, blob: row.blob.clone() };
        return Some((Put { row, expect: None }, None));
    }
    let sealed_tag = sealed.and_then(|row| row.tag);
    let expect = sealed_tag.or_else(|| side.mirror(id).map(|mirror| mirror.tag));
    let state = core.store.record(id).expect("what is unsent and not sealed is here").clone();
    let sealer = (core.store.keyring(), &mut core.entropy);
    let blob = core.sealings.seal(sealer, remote, (vault, id), &state)?;
    Some((Put { row: Row { id, vault, blob }, expect }, Some(state)))
}

/// The remote holds exactly what was sent.
fn book(core: &mut Core, remote: Remote, sent: &Sent, tag: Tag) {
    let id = sent.id;
    let Some(state) = &sent.state else {
        // A blob was put back unopened. If its key came meanwhile, it is not sealed any more.
        if let Some(row) = core.store.side(remote).sealed().get(&id).cloned() {
            let row = SealedRow { tag: Some(tag), ..row };
            core.store.side_mut(remote).set_sealed(id, row);
        }
        return;
    };
    let local = core.store.record(id).filter(|_| core.has(Flaw::Fb18));
    let state = local.unwrap_or(state).clone();
    let mut side = core.store.side_mut(remote);
    side.set_mirror(id, Mirror { tag, state: Some(state) });
    side.unpark(id);
}

/// The remote holds something newer: join that, and what is still lacking is sent again.
fn take_newer(core: &mut Core, remote: Remote, sent: &Sent, served: &Served) {
    core.reach(Point::SaveConflict);
    #[cfg(feature = "flaws")]
    if core.has(Flaw::Fb25) && core.inflate(remote, sent.id, served) {
        return;
    }
    Intake::new(core, remote).take_row(served);
    let stored = core.store.side(remote).mirrored(sent.id);
    if stored.is_some() && stored == sent.state.as_ref() {
        core.reach(Point::SaveRepeated);
    }
}
