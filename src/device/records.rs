//! Records as the user sees and edits them: reads that show all siblings, and writes that name what
//! they build on.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ask::{Answer, FieldReading, Presence, Reading, Reason};
use super::core::Core;
use crate::flaw::{Flaw, Flaws};
use crate::id::{Dot, FieldId, Kind, RecordId, Remote, Token};
use crate::point::Point;
use crate::record::{Encoded, Handle, Payload, Record, Value};
use crate::schema::Holds;
use crate::time::Hlc;
use crate::view::{Registry, Strategy};

/// The strategies by which fields are shown.
#[derive(Clone, Debug)]
pub(super) struct Records {
    registry: Registry,
}

impl Records {
    pub(super) fn new(flaws: Flaws) -> Self {
        Self { registry: Registry::new(flaws) }
    }

    /// The records that are there, deleted and sealed ones included.
    pub(super) fn list(core: &Core) -> Vec<RecordId> {
        let sealed = Remote::ALL.into_iter().flat_map(|it| core.store.side(it).sealed().keys());
        let ids: BTreeSet<_> = core.store.records().keys().chain(sealed).copied().collect();
        ids.into_iter().collect()
    }

    /// Shows a field by another strategy from now on.
    pub(super) fn register(
        &mut self,
        core: &mut Core,
        (kind, field): (Kind, FieldId),
        strategy: Arc<dyn Strategy>,
    ) -> Answer {
        let siblings = |(id, record): (&RecordId, &Encoded)| {
            id.kind == kind && record.record().field(field).len() > 1
        };
        if core.store.records().iter().any(siblings) {
            core.reach(Point::StrategyLate);
        }
        self.registry.register(kind, field, strategy);
        Answer::Registered
    }

    /// Shows a record: every sibling of every field. `partial` says that a remote is not merged yet.
    pub(super) fn read(&mut self, core: &mut Core, id: RecordId, partial: bool) -> Reading {
        let remotes = core.boot.remotes.iter();
        let sealed = remotes.into_iter().any(|it| core.store.side(*it).sealed().contains_key(&id));
        let Some(encoded) = core.store.record(id).cloned() else {
            // Never written, as far as this device knows.
            let (presence, handle) = (Presence::Absent, Handle::blind());
            let (fields, deletes) = (Vec::new(), Vec::new());
            return Reading { id, presence, fields, deletes, sealed, partial, handle };
        };
        let record = encoded.record();
        let presence = match (record.is_live(), record.is_empty()) {
            (true, _) => Presence::Live,
            (false, true) => Presence::Absent,
            (false, false) => Presence::Deleted,
        };
        let own = core.store.meta().replica;
        let mut fields = Vec::new();
        for (field, cells) in record.fields().filter(|(field, _)| *field != FieldId::HEADSTONE) {
            if cells.len() > 1 {
                tracing::debug!(%id, ?field, siblings = cells.len(), "shows siblings");
            }
            let view = || self.registry.view(id.kind, field, cells);
            #[cfg(feature = "flaws")]
            let view = || core.view_by_arrival(cells).unwrap_or_else(view);
            let view = view();
            if view.panicked {
                core.reach(Point::StrategyPanicked);
            }
            let contributors = view.contributors.iter().map(|payload| payload.token).collect();
            let (value, conflicts) = (view.value, view.conflicts);
            let known = core.boot.build.field_of(id.kind, field);
            let counts = known.is_some_and(|known| known.holds == Holds::Count);
            let here = cells.iter().rfind(|cell| counts && cell.dot.replica == own);
            let counted = here.map(|cell| cell.payload.token);
            fields.push(FieldReading { field, value, contributors, conflicts, counted });
        }
        let headstones = record.field(FieldId::HEADSTONE).iter();
        let deletes = headstones.map(|cell| cell.payload.token).collect();
        Reading { id, presence, fields, deletes, sealed, partial, handle: record.handle() }
    }
}

/// An edit of a record by the user.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) id: RecordId,
    /// The read that it builds on.
    pub(super) handle: Handle,
    /// The application's label of the write.
    pub(super) token: Token,
    /// Is a save of this record in flight?
    pub(super) during_save: bool,
}

impl Edit {
    /// Sets fields.
    pub(super) fn write(self, core: &mut Core, changes: Vec<(FieldId, Value)>) -> Answer {
        let fits = |(field, value): &(FieldId, Value)| {
            let known = core.boot.build.field_of(self.id.kind, *field);
            known.is_some_and(|field| field.takes(value))
        };
        if changes.is_empty() || !changes.iter().all(fits) {
            return Answer::Refused(Reason::WrongField);
        }
        let Self { token, .. } = self;
        let payloads = changes.into_iter().map(|(field, value)| (field, Payload { token, value }));
        self.make(core, |record, handle, dot, hlc| record.write(handle, dot, hlc, payloads))
    }

    /// Counts up or down, in place of what this replica has counted before.
    pub(super) fn increment(self, core: &mut Core, field: FieldId, by: i64) -> Answer {
        let Self { id, token, .. } = self;
        let known = core.boot.build.field_of(id.kind, field);
        if known.is_none_or(|field| field.holds != Holds::Count) {
            return Answer::Refused(Reason::WrongField);
        }
        self.make(core, |record, handle, dot, hlc| {
            record.write_own(handle, dot, hlc, field, |counted| {
                let before = match counted.map(|payload| &payload.value) {
                    Some(Value::Int(n)) => *n,
                    // Not counted yet, or a copy from elsewhere has something else in this field.
                    Some(Value::Text(_) | Value::Set(_) | Value::Draft { .. }) | None => 0,
                };
                Payload { token, value: Value::Int(before.saturating_add(by)) }
            });
        })
    }

    /// Deletes what the handle covers.
    pub(super) fn delete(self, core: &mut Core) -> Answer {
        let token = self.token;
        self.make(core, |record, handle, dot, hlc| record.delete(handle, dot, hlc, token))
    }

    /// Makes one write under one new dot, durable before it is answered.
    fn make(self, core: &mut Core, change: impl FnOnce(&mut Record, &Handle, Dot, Hlc)) -> Answer {
        let Self { id, handle, during_save, .. } = self;
        if during_save {
            core.reach(Point::EditDuringSave);
        }
        let mut record = core.store.state(id);
        let was_deleted = !record.is_empty() && !record.is_live();
        let (dot, hlc) = core.next_write();
        tracing::debug!(%id, ?dot, during_save, was_deleted, "makes a write");
        assert!(!record.context().covers(dot), "no copy has seen a write that is made only now");
        change(&mut record, &handle, dot, hlc);
        if core.has(Flaw::Fb32) {
            let build = core.boot.build;
            record.retain(|field, _| {
                field == FieldId::HEADSTONE || build.field_of(id.kind, field).is_some()
            });
        }
        assert!(record.context().covers(dot), "a record has seen the writes that it is made of");
        if was_deleted && record.is_live() {
            core.reach(Point::Recreated);
        }
        core.store.set_record(id, Encoded::new(record));
        if core.has(Flaw::WriteUnsynced) {
            core.store.without_sync();
        }
        Answer::Saved
    }
}
