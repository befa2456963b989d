//! What one device of a case does, with its user and its disk, as the facts tell it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::device::Presence;
use engine::id::{DeviceId, FieldId, OpId, RecordId, Remote, Token};
use engine::record::Value;
use engine::remote::Cursor;

use super::model::{Image, RecordCopy, ToldWrite};
use super::{Case, W};
use crate::fault::{CopyDisk, Crash, Destroy, Effects, RestoreImage, SaveImage, Spare};
use crate::history::{Answered, Asked, Boot, Change, Fact, Shown, WriteKind};
use crate::invariant::Incurable;
use crate::plan::{Errand, Excerpt};

/// A device of a case, which its methods let act.
#[derive(Debug)]
pub(crate) struct Device<'a> {
    pub(super) case: &'a mut Case,
    pub(super) id: DeviceId,
}

impl Device<'_> {
    /// Its user brings a part of a conversation in.
    pub(crate) fn brings(&mut self, excerpt: Excerpt) {
        self.case.actor(self.id).brings(excerpt);
    }

    // Its user.

    /// A user asks the device for something.
    pub(crate) fn asks(&mut self, asked: Asked) -> OpId {
        let op = OpId(self.case.fresh());
        self.case.fact(self.id, Fact::Asked(op, asked.into()));
        op
    }

    pub(crate) fn answers(&mut self, op: OpId, answer: Answered) {
        self.case.fact(self.id, Fact::Answered(op, answer.into()));
    }

    /// A device is asked for a record and shows its copy.
    pub(crate) fn reads(&mut self, id: RecordId) -> Arc<Shown> {
        let shown = Arc::new(self.shown(id));
        self.shows(shown.clone(), false);
        shown
    }

    pub(crate) fn shows(&mut self, shown: Arc<Shown>, last: bool) {
        let op = self.asks(Asked::Read { id: shown.id, last });
        self.answers(op, Answered::Read(shown));
    }

    pub(crate) fn shown(&self, id: RecordId) -> Shown {
        let copy = self.case.copies.get(&(self.id, id)).cloned().unwrap_or_default();
        let contents = self.case.contents(&copy);
        let mut fields: BTreeMap<FieldId, Vec<Token>> = BTreeMap::new();
        for &(field, token) in &contents.cells {
            if field != FieldId::HEADSTONE {
                fields.entry(field).or_default().push(token);
            }
        }
        let presence = match (contents.live, contents.cells.is_empty()) {
            (true, _) => Presence::Live,
            (false, true) => Presence::Absent,
            (false, false) => Presence::Deleted,
        };
        let fields = fields
            .into_iter()
            .map(|(field, mut of)| {
                let beside = of.split_off(1);
                (field, Value::Int(1), of, beside)
            })
            .collect();
        Shown { id, presence, fields, sealed: false, partial: false }
    }

    /// A user reads and writes; the device saves it durably and says so.
    pub(crate) fn edits(&mut self, id: RecordId, fields: &[FieldId]) -> W {
        let shown = self.reads(id);
        self.writes(id, fields, crate::invariant::evidence::tokens(&shown).collect())
    }

    pub(crate) fn deletes(&mut self, id: RecordId) -> W {
        self.edits(id, &[])
    }

    fn writes(&mut self, id: RecordId, fields: &[FieldId], seen: Vec<(FieldId, Token)>) -> W {
        let (op, write) = self.asks_to_write(id, fields, seen);
        self.makes(id, write);
        self.answers(op, Answered::Saved);
        write
    }

    pub(crate) fn asks_to_write(
        &mut self,
        id: RecordId,
        fields: &[FieldId],
        seen: Vec<(FieldId, Token)>,
    ) -> (OpId, W) {
        let op = self.case.fresh() + 1;
        let token = self.label(op);
        let kind = if fields.is_empty() { WriteKind::Delete } else { WriteKind::Set };
        let set = fields.iter().map(|&field| (field, Value::Int(1))).collect();
        let saw_deleted = kind == WriteKind::Set
            && self.case.copies.get(&(self.id, id)).is_some_and(|copy| {
                let held = self.case.contents(copy);
                !held.live && !held.cells.is_empty() && !seen.is_empty()
            });
        let asked = Asked::Write { id, token, set, kind, exposed: seen.clone(), saw_deleted };
        let op = self.asks(asked);
        let delete = kind == WriteKind::Delete;
        let fields = if delete { vec![FieldId::HEADSTONE] } else { fields.to_vec() };
        self.case.told.push(ToldWrite { token, fields, seen, clears: saw_deleted });
        (op, self.case.told.len() - 1)
    }

    fn label(&self, op: u32) -> Token {
        let user = self.case.user(self.id);
        let mut token = [b'#'; 16];
        token[8..10].copy_from_slice(&user.0.to_be_bytes());
        token[10..12].copy_from_slice(&self.id.0.to_be_bytes());
        token[12..].copy_from_slice(&op.to_be_bytes());
        Token(token)
    }

    /// The label of what its user asks to write next.
    pub(crate) fn next_label(&self) -> Token {
        self.label(self.case.counter + 1)
    }

    /// A user asks for something that only the sync server can do.
    pub(super) fn asks_of_server(
        &mut self,
        errand: Errand,
        token: Option<Token>,
        last: bool,
    ) -> OpId {
        self.asks(Asked::Errand { errand, token, last })
    }

    // Its disk.

    /// A device's copy takes a write, durably.
    pub(crate) fn makes(&mut self, id: RecordId, write: W) {
        let copy = self.case.copies.entry((self.id, id)).or_default();
        copy.made.insert(write);
        copy.lie = None;
        let change = self.record(id);
        self.persists(vec![change]);
    }

    /// From now on a device's copy holds these writes, whatever it was made from: the lie.
    pub(crate) fn holds(&mut self, id: RecordId, writes: &[W]) -> Change {
        let made: BTreeSet<W> = writes.iter().copied().collect();
        let lie = Arc::new(self.case.contents(&RecordCopy { made: made.clone(), lie: None }));
        let copy = self.case.copies.entry((self.id, id)).or_default();
        copy.made.extend(made);
        copy.lie = Some(lie);
        self.record(id)
    }

    pub(crate) fn record(&self, id: RecordId) -> Change {
        let contents = self.case.contents(&self.case.copies[&(self.id, id)]);
        Change::Record(id, (!contents.cells.is_empty()).then(|| Arc::new(contents)))
    }

    /// A commit that is durable at once.
    pub(crate) fn persists(&mut self, changes: Vec<Change>) -> usize {
        let commit = self.hands_over(changes);
        self.case.fact(self.id, Fact::Durable(commit))
    }

    /// A commit handed to the disk.
    pub(crate) fn hands_over(&mut self, changes: Vec<Change>) -> u32 {
        let commit = self.case.commits.entry(self.id).or_default();
        *commit += 1;
        let commit = *commit;
        let hash = u64::from(self.id.0) << 32 | u64::from(commit);
        self.case.fact(self.id, Fact::Persisted { commit, sync: true, hash, changes });
        commit
    }

    pub(crate) fn starts(&mut self, boot: Boot, commit: u32, holds: Vec<Change>) {
        let hash = u64::from(self.id.0) << 32 | u64::from(commit);
        if boot != Boot::First {
            *self.case.incarnations.entry(self.id).or_default() += 1;
        }
        self.case.commits.insert(self.id, 0);
        self.case.fact(self.id, Fact::Started { boot, hash, commit, holds });
    }

    /// A device loses power, keeping its commits up to this, and starts again.
    pub(crate) fn crashes(&mut self, keeps: u32) {
        self.case
            .fact(self.id, Fact::Faulted(Crash { device: self.id, effects: Effects(0) }.into()));
        self.case.fact(self.id, Fact::Killed { keeps, between: false });
        self.starts(Boot::Restart, keeps, Vec::new());
        self.case.fact(self.id, Fact::Ended(Crash { device: self.id, effects: Effects(0) }.into()));
    }

    /// A backup of a device is made.
    pub(crate) fn saves_image(&mut self) {
        self.case.fact(self.id, Fact::Faulted(SaveImage { device: self.id }.into()));
        let image = self.image();
        self.case.images.insert(self.id, image);
    }

    /// A device is set back to its backup.
    pub(crate) fn restores_image(&mut self) {
        self.case.fact(self.id, Fact::Faulted(RestoreImage { device: self.id }.into()));
        let image = self.case.images[&self.id].clone();
        self.starts_on(Boot::Restored, image);
    }

    /// A new device starts on the disk of another.
    pub(crate) fn clones(&mut self) -> DeviceId {
        let to = DeviceId(u16::try_from(self.case.context.devices.len()).expect("a case is small"));
        self.case.context.devices.push(self.case.user(self.id));
        self.case.fact(self.id, Fact::Faulted(CopyDisk { device: self.id, to: Spare(to) }.into()));
        let image = self.image();
        self.case.device(to).starts_on(Boot::Cloned(self.id), image);
        to
    }

    fn image(&self) -> Image {
        let copies = self.case.copies.iter().filter(|(key, _)| key.0 == self.id);
        let cursors = self.case.cursors.iter().filter(|(key, _)| key.0 == self.id);
        Image {
            copies: copies.map(|(key, copy)| (key.1, copy.clone())).collect(),
            cursors: cursors.map(|(key, at)| (key.1, *at)).collect(),
        }
    }

    fn starts_on(&mut self, boot: Boot, image: Image) {
        self.case.copies.retain(|key, _| key.0 != self.id);
        self.case.cursors.retain(|key, _| key.0 != self.id);
        let mut holds = vec![Change::Key(true), Change::Meta];
        for (id, copy) in image.copies {
            self.case.copies.insert((self.id, id), copy);
            holds.push(self.record(id));
        }
        for (remote, at) in image.cursors {
            self.case.cursors.insert((self.id, remote), at);
            holds.push(Change::Cursor(remote, Some(Cursor::Token(at))));
        }
        self.starts(boot, 0, holds);
    }

    /// A device is gone for ever, by the plan.
    pub(crate) fn is_lost(&mut self) {
        self.case.fact(self.id, Fact::Faulted(Destroy { device: self.id }.into()));
        self.case.context.incurable.push(Incurable::Device(self.id));
    }

    // Its remotes.

    /// A device pushes its copy to both remotes.
    pub(crate) fn pushes(&mut self, id: RecordId) {
        for remote in Remote::ALL {
            self.at(remote).pushes(id);
        }
    }

    /// A device pulls both remotes to their heads.
    pub(crate) fn pulls(&mut self) {
        for remote in Remote::ALL {
            self.at(remote).pulls();
        }
    }

    /// A device signs out and is empty.
    pub(crate) fn signs_out(&mut self) {
        let wiping = self.begins_to_sign_out();
        self.is_signed_out(wiping);
    }

    /// It signs out, and its wipe is on its way to the disk.
    pub(crate) fn begins_to_sign_out(&mut self) -> (OpId, u32) {
        let op = self.asks(Asked::SignOut);
        let keys: Vec<_> =
            self.case.copies.keys().filter(|key| key.0 == self.id).copied().collect();
        let mut changes = vec![Change::Key(false), Change::Meta];
        for (_, id) in keys {
            self.case.copies.remove(&(self.id, id));
            changes.push(Change::Record(id, None));
            changes.extend(Remote::ALL.map(|remote| Change::Mirror(remote, id, None)));
        }
        for remote in Remote::ALL {
            self.case.cursors.remove(&(self.id, remote));
            changes.push(Change::Cursor(remote, None));
        }
        (op, self.hands_over(changes))
    }

    /// The wipe is durable.
    pub(crate) fn is_signed_out(&mut self, (op, commit): (OpId, u32)) {
        self.case.fact(self.id, Fact::Durable(commit));
        self.answers(op, Answered::SignedOut);
    }
}
