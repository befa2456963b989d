//! The user's requests: reads that show all siblings, and writes that name what they build on.

use super::errand::{Errand, Then, Wanted};
use super::{Answer, Ask, Device, FieldReading, Presence, Reading, Reason};
use crate::flaw::Flaw;
use crate::id::{Dot, FieldId, OpId, RecordId, Remote, Token};
use crate::message::Action;
use crate::point::Point;
use crate::record::{Encoded, Handle, Payload, Record, Value};
use crate::schema::{self, Holds};
use crate::time::{Hlc, Now};

impl Device {
    /// Answers the user, or keeps the request until the gate is open.
    pub(super) fn handle_ask(&mut self, now: Now, op: OpId, ask: Ask) {
        if self.must_wait(&ask) {
            self.waiting.push_back((op, ask));
            return;
        }
        if self.store.session().is_none()
            && !matches!(ask, Ask::SignIn | Ask::Register { .. } | Ask::Status)
        {
            self.answer(op, Answer::Refused(Reason::SignedOut));
            return;
        }
        match ask {
            Ask::Read(id) => {
                let reading = self.read(id);
                self.answer(op, Answer::Read(reading));
            }
            Ask::List => {
                let sealed = Remote::ALL.into_iter().flat_map(|r| self.store.side(r).sealed.keys());
                let ids: std::collections::BTreeSet<_> =
                    self.store.records().keys().chain(sealed).copied().collect();
                self.answer(op, Answer::Listed(ids.into_iter().collect()));
            }
            Ask::Write { id, handle, changes, token } => {
                self.write(now, op, id, &handle, changes, token);
            }
            Ask::Increment { id, handle, field, by, token } => {
                self.increment(now, op, id, &handle, field, by, token);
            }
            Ask::Delete { id, handle, token } => {
                self.change(now, op, id, |record, dot, hlc| {
                    record.delete(&handle, dot, hlc, token);
                });
            }
            Ask::SignIn => self.sign_in(now, op),
            Ask::SignOut => self.sign_out(op),
            Ask::RotateKey => self.ask_rotation(now, op),
            Ask::Register { kind, field, strategy } => {
                let siblings = |(id, record): (&RecordId, &Encoded)| {
                    id.kind == kind && record.record().field(field).len() > 1
                };
                if self.store.records().iter().any(siblings) {
                    self.reach(Point::StrategyLate);
                }
                self.registry.register(kind, field, strategy);
                self.answer(op, Answer::Registered);
            }
            Ask::Patch(fields) => self.run_errand(op, Ok(act(Action::Patch(fields)))),
            Ask::ReadAccount => self.run_errand(op, Ok(act(Action::ReadAccount))),
            Ask::SessionStatus => {
                let errand = Errand { wanted: Wanted::Status, then: Then::Tell };
                self.run_errand(op, Ok(errand));
            }
            Ask::ListFiles => {
                let files = self.list_files();
                self.answer(op, Answer::Files(files));
            }
            Ask::WriteFile { target, content } => self.write_file(now, op, target, content),
            Ask::ReadFile(node) => {
                let errand = self.read_file(node);
                self.run_errand(op, errand);
            }
            Ask::ReadVersion(node, n) => self.run_errand(op, Ok(Self::read_version(node, n))),
            Ask::ReadVersions(node) => self.run_errand(op, Ok(Self::read_versions(node))),
            Ask::CreateFolder(parent, name) => {
                let errand = self.create_folder(parent, &name);
                self.run_errand(op, errand);
            }
            Ask::MoveFiles(relocations) => {
                let errand = self.move_files(relocations);
                self.run_errand(op, errand);
            }
            Ask::DeleteFile { node, seen } => {
                let errand = self.delete_file(node, seen);
                self.run_errand(op, Ok(errand));
            }
            Ask::UndeleteFile(node) => self.run_errand(op, Ok(Self::undelete_file(node))),
            Ask::RestoreVersion { node, version, replaces, token } => {
                let errand = Self::restore_version(node, version, replaces, token);
                self.run_errand(op, Ok(errand));
            }
            Ask::ReadJob(id) => self.run_errand(op, Ok(Self::read_job(id))),
            Ask::Ingest { path, conversation } => {
                let errand = self.ingest(path, *conversation);
                self.run_errand(op, errand);
            }
            Ask::Sync => {
                for lane in &mut self.lanes {
                    lane.pull_due = Some(now.mono);
                }
                self.pull_feed_soon(now);
                self.answer(op, Answer::Syncing);
            }
            Ask::Status => {
                let status = self.status();
                self.answer(op, Answer::Status(status));
            }
        }
    }

    fn read(&mut self, id: RecordId) -> Reading {
        let partial = self.status().partial;
        let sealed = self.lanes.iter().any(|l| self.store.side(l.remote).sealed.contains_key(&id));
        let Some(encoded) = self.store.record(id).cloned() else {
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
        let own = self.store.meta().replica;
        let mut fields = Vec::new();
        for (field, cells) in record.fields().filter(|(field, _)| *field != FieldId::HEADSTONE) {
            let view = self.registry.view(own, id.kind, field, cells);
            if view.panicked {
                self.reach(Point::StrategyPanicked);
            }
            let contributors = view.contributors.iter().map(|payload| payload.token).collect();
            let (value, conflicts) = (view.value, view.conflicts);
            let counts = schema::field_of(id.kind, field).is_some_and(|f| f.holds == Holds::Count);
            let here = cells.iter().rfind(|cell| counts && cell.dot.replica == own);
            let counted = here.map(|cell| cell.payload.token);
            fields.push(FieldReading { field, value, contributors, conflicts, counted });
        }
        let headstones = record.field(FieldId::HEADSTONE).iter();
        let deletes = headstones.map(|cell| cell.payload.token).collect();
        Reading { id, presence, fields, deletes, sealed, partial, handle: record.handle() }
    }

    fn write(
        &mut self,
        now: Now,
        op: OpId,
        id: RecordId,
        handle: &Handle,
        changes: Vec<(FieldId, Value)>,
        token: Token,
    ) {
        let fits = |(field, value): &(FieldId, Value)| {
            schema::field_of(id.kind, *field).is_some_and(|field| field.takes(value))
        };
        if changes.is_empty() || !changes.iter().all(fits) {
            self.answer(op, Answer::Refused(Reason::WrongField));
            return;
        }
        let payloads = changes.into_iter().map(|(field, value)| (field, Payload { token, value }));
        self.change(now, op, id, |record, dot, hlc| record.write(handle, dot, hlc, payloads));
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one request")]
    fn increment(
        &mut self,
        now: Now,
        op: OpId,
        id: RecordId,
        handle: &Handle,
        field: FieldId,
        by: i64,
        token: Token,
    ) {
        if schema::field_of(id.kind, field).is_none_or(|field| field.holds != Holds::Count) {
            self.answer(op, Answer::Refused(Reason::WrongField));
            return;
        }
        self.change(now, op, id, |record, dot, hlc| {
            record.write_own(handle, dot, hlc, field, |counted| {
                let before = match counted.map(|payload| &payload.value) {
                    Some(Value::Int(n)) => *n,
                    Some(Value::Text(_) | Value::Set(_) | Value::Draft { .. }) | None => 0,
                };
                Payload { token, value: Value::Int(before.saturating_add(by)) }
            });
        });
    }

    /// Makes one write under one new dot, durable before it is answered.
    fn change(
        &mut self,
        now: Now,
        op: OpId,
        id: RecordId,
        change: impl FnOnce(&mut Record, Dot, Hlc),
    ) {
        if self.lanes.iter().any(|lane| lane.is_saving(id)) {
            self.reach(Point::EditDuringSave);
        }
        let mut record = self.store.state(id);
        let was_deleted = !record.is_empty() && !record.is_live();
        let (dot, hlc) = self.next_write(now);
        change(&mut record, dot, hlc);
        if was_deleted && record.is_live() {
            self.reach(Point::Recreated);
        }
        self.store.set_record(id, Encoded::new(record));
        if self.boot.flaws.has(Flaw::WriteUnsynced) {
            self.store.without_sync();
        }
        self.answer(op, Answer::Saved);
    }

    pub(super) fn next_write(&mut self, now: Now) -> (Dot, Hlc) {
        let meta = self.store.meta();
        let (dot, hlc) = (Dot { replica: meta.replica, n: meta.next_n }, meta.hlc.tick(now.wall));
        self.store.change_meta(|meta| {
            meta.next_n += 1;
            meta.hlc = hlc;
        });
        (dot, hlc)
    }

    /// Deletes all that is here of a record, in nobody's name.
    pub(super) fn erase(&mut self, now: Now, id: RecordId) {
        let handle = self.store.state(id).handle();
        self.erase_covered(now, id, &handle);
    }

    /// Deletes what a remote's mirror held of a record, in nobody's name.
    pub(super) fn erase_mirrored(&mut self, now: Now, remote: Remote, id: RecordId) {
        let mirror = self.store.side(remote).mirrors.get(&id).and_then(|m| m.state.clone());
        // Of a damaged row only the tag is known; what stood there is what is here.
        let handle = match mirror {
            Some(state) => state.record().handle(),
            None => self.store.state(id).handle(),
        };
        self.erase_covered(now, id, &handle);
    }

    fn erase_covered(&mut self, now: Now, id: RecordId, handle: &Handle) {
        let mut record = self.store.state(id);
        if record.is_live() {
            let (dot, hlc) = self.next_write(now);
            record.delete(handle, dot, hlc, Token::NONE);
            self.store.set_record(id, Encoded::new(record));
        }
    }

    /// The flaw FB-03: forgets deleted records after a while, here and on the remotes.
    pub(super) fn collect_tombstones(&mut self, now: Now) {
        let age = self.boot.timing.pull_every.0.saturating_mul(4);
        let old = |record: &Record| {
            let headstone = record.field(FieldId::HEADSTONE).iter().map(|cell| cell.hlc.wall).max();
            !record.is_live() && headstone.is_some_and(|wall| wall + age < now.wall.0)
        };
        let records = self.store.records().iter();
        let ids: Vec<_> =
            records.filter(|(_, encoded)| old(encoded.record())).map(|(id, _)| *id).collect();
        for id in ids {
            self.store.drop_record(id);
            for remote in self.boot.remotes.clone() {
                self.store.drop_mirror(remote, id);
                if let Some(lane) = self.lane(remote) {
                    lane.remove.insert(id);
                }
            }
        }
    }
}

fn act(action: Action) -> Errand {
    Errand { wanted: Wanted::Act(action), then: Then::Tell }
}
