//! What devices and remotes do in a case, as the facts tell it.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::id::{DeviceId, FieldId, RecordId, Remote, Token, VaultId};
use engine::remote::{CallId, Cursor, Ending, Order, Policy, Tag};

use super::model::{Copy, Image, StoredRow};
use super::{Case, W};
use crate::fault::{CopyDisk, Crash, Destroy, Effects, RestoreImage, SaveImage, Spare};
use crate::history::{
    Answered, Asked, BlobId, Boot, Change, Contents, Fact, Letter, Page, Refused,
};
use crate::invariant::Incurable;
use crate::plan::{Node, Parcel};

impl Case {
    // Devices.

    /// A device's copy takes a write, durably.
    pub(crate) fn makes(&mut self, device: DeviceId, id: RecordId, write: W) {
        let copy = self.copies.entry((device, id)).or_default();
        copy.made.insert(write);
        copy.lie = None;
        let change = self.record(device, id);
        self.persists(device, vec![change]);
    }

    /// From now on a device's copy holds these writes, whatever it was made from: the lie.
    pub(crate) fn holds(&mut self, device: DeviceId, id: RecordId, writes: &[W]) -> Change {
        let made: BTreeSet<W> = writes.iter().copied().collect();
        let lie = Arc::new(self.contents(&Copy { made: made.clone(), lie: None }));
        let copy = self.copies.entry((device, id)).or_default();
        copy.made.extend(made);
        copy.lie = Some(lie);
        self.record(device, id)
    }

    pub(crate) fn record(&self, device: DeviceId, id: RecordId) -> Change {
        let contents = self.contents(&self.copies[&(device, id)]);
        Change::Record(id, (!contents.cells.is_empty()).then(|| Arc::new(contents)))
    }

    /// A commit that is durable at once.
    pub(crate) fn persists(&mut self, device: DeviceId, changes: Vec<Change>) -> usize {
        let commit = self.hands_over(device, changes);
        self.fact(device, Fact::Durable(commit))
    }

    /// A commit handed to the disk.
    pub(crate) fn hands_over(&mut self, device: DeviceId, changes: Vec<Change>) -> u32 {
        let commit = self.commits.entry(device).or_default();
        *commit += 1;
        let commit = *commit;
        let hash = u64::from(device.0) << 32 | u64::from(commit);
        self.fact(device, Fact::Persisted { commit, sync: true, hash, changes });
        commit
    }

    pub(crate) fn starts(&mut self, device: DeviceId, boot: Boot, commit: u32, holds: Vec<Change>) {
        let hash = u64::from(device.0) << 32 | u64::from(commit);
        if boot != Boot::First {
            *self.incarnations.entry(device).or_default() += 1;
        }
        self.commits.insert(device, 0);
        self.fact(device, Fact::Started { boot, hash, commit, holds });
    }

    /// A device loses power, keeping its commits up to this, and starts again.
    pub(crate) fn crashes(&mut self, device: DeviceId, keeps: u32) {
        self.fact(device, Fact::Faulted(Crash { device, effects: Effects(0) }.into()));
        self.fact(device, Fact::Killed { keeps, between: false });
        self.starts(device, Boot::Restart, keeps, Vec::new());
        self.fact(device, Fact::Ended(Crash { device, effects: Effects(0) }.into()));
    }

    /// A backup of a device is made.
    pub(crate) fn saves_image(&mut self, device: DeviceId) {
        self.fact(device, Fact::Faulted(SaveImage { device }.into()));
        let image = self.image(device);
        self.images.insert(device, image);
    }

    /// A device is set back to its backup.
    pub(crate) fn restores_image(&mut self, device: DeviceId) {
        self.fact(device, Fact::Faulted(RestoreImage { device }.into()));
        let image = self.images[&device].clone();
        self.starts_on(device, Boot::Restored, image);
    }

    /// A new device starts on the disk of another.
    pub(crate) fn clones(&mut self, from: DeviceId) -> DeviceId {
        let to = DeviceId(u16::try_from(self.context.devices.len()).expect("a case is small"));
        self.context.devices.push(self.context.devices[usize::from(from.0)]);
        self.fact(from, Fact::Faulted(CopyDisk { device: from, to: Spare(to) }.into()));
        let image = self.image(from);
        self.starts_on(to, Boot::Cloned(from), image);
        to
    }

    fn image(&self, device: DeviceId) -> Image {
        let copies = self.copies.iter().filter(|(key, _)| key.0 == device);
        let cursors = self.cursors.iter().filter(|(key, _)| key.0 == device);
        Image {
            copies: copies.map(|(key, copy)| (key.1, copy.clone())).collect(),
            cursors: cursors.map(|(key, at)| (key.1, *at)).collect(),
        }
    }

    fn starts_on(&mut self, device: DeviceId, boot: Boot, image: Image) {
        self.copies.retain(|key, _| key.0 != device);
        self.cursors.retain(|key, _| key.0 != device);
        let mut holds = vec![Change::Key(true), Change::Meta];
        for (id, copy) in image.copies {
            self.copies.insert((device, id), copy);
            holds.push(self.record(device, id));
        }
        for (remote, at) in image.cursors {
            self.cursors.insert((device, remote), at);
            holds.push(Change::Cursor(remote, Some(Cursor::Token(at))));
        }
        self.starts(device, boot, 0, holds);
    }

    /// A device is gone for ever, by the plan.
    pub(crate) fn is_lost(&mut self, device: DeviceId) {
        self.fact(device, Fact::Faulted(Destroy { device }.into()));
        self.context.incurable.push(Incurable::Device(device));
    }

    /// A device pushes its copy to both remotes.
    pub(crate) fn pushes(&mut self, device: DeviceId, id: RecordId) {
        for remote in Remote::ALL {
            self.pushes_to(remote, device, id);
        }
    }

    pub(crate) fn pushes_to(&mut self, remote: Remote, device: DeviceId, id: RecordId) {
        let tag = self.saves(remote, device, id);
        let contents = Arc::new(self.contents(&self.copies[&(device, id)]));
        let mirror = Change::Mirror(remote, id, Some((tag, Some(contents))));
        self.persists(device, vec![mirror]);
    }

    /// A remote stores a device's copy; the device does not hear of it.
    pub(crate) fn saves(&mut self, remote: Remote, device: DeviceId, id: RecordId) -> Tag {
        let vault = VaultId::from(self.context.devices[usize::from(device.0)]);
        let blob = BlobId(self.fresh());
        let letter = self.letter();
        let to = Node::Remote(remote);
        self.fact(
            device,
            Fact::Sent {
                to,
                letter,
                size: 9,
                rows: [(id, blob)].into(),
                plaintext: false,
                server: None,
            },
        );
        let copy = self.copies[&(device, id)].clone();
        let contents = Some(Arc::new(self.contents(&copy)));
        let rows = self.rows.keys().filter(|key| key.0 == remote).count() as u64;
        let pos = self.rows.iter().filter(|(key, _)| key.0 == remote).map(|(_, row)| row.pos);
        let pos = pos.max().unwrap_or(rows) + 1;
        let tag = Tag(u64::from(self.fresh()));
        let (by, policy) = (Node::Device(device), Policy::IfUnchanged);
        self.fact(to, Fact::Committed { vault, id, pos, tag, blob, by, contents, policy });
        self.rows.insert((remote, vault, id), StoredRow { pos, tag, copy });
        tag
    }

    /// A device sends its copy; nothing is stored.
    pub(crate) fn sends_save(&mut self, remote: Remote, device: DeviceId, id: RecordId) -> Letter {
        let (letter, blob) = (self.letter(), BlobId(self.fresh()));
        let (to, rows) = (Node::Remote(remote), [(id, blob)].into());
        self.fact(device, Fact::Sent { to, letter, size: 9, rows, plaintext: false, server: None });
        letter
    }

    /// A remote's answer to a save of one record arrives.
    pub(crate) fn answers_save(
        &mut self,
        remote: Remote,
        device: DeviceId,
        letter: Letter,
        id: RecordId,
        refused: &[Refused],
    ) {
        let (from, letter) = (Node::Remote(remote), Letter { answer: true, ..letter });
        let rows_refused = refused.iter().map(|why| (id, *why)).collect();
        self.fact(device, Fact::Delivered { from, letter, refused: None, rows_refused });
        self.now -= 10; // What the device makes of it happens at once.
    }

    fn letter(&mut self) -> Letter {
        let call = CallId(self.fresh());
        Letter { call, attempt: 0, parcel: Parcel::Push, answer: false }
    }

    /// A device pulls both remotes to their heads.
    pub(crate) fn pulls(&mut self, device: DeviceId) {
        for remote in Remote::ALL {
            self.pulls_from(remote, device);
        }
    }

    pub(crate) fn pulls_from(&mut self, remote: Remote, device: DeviceId) {
        let (ids, next) = self.is_served(remote, device);
        let mut changes = Vec::new();
        for id in ids {
            changes.push(self.mirrors(remote, device, id));
            changes.push(self.joins(remote, device, id));
        }
        changes.push(Change::Cursor(remote, Some(next)));
        self.persists(device, changes);
    }

    /// A remote serves a page; the device has not kept anything of it yet.
    pub(crate) fn is_served(
        &mut self,
        remote: Remote,
        device: DeviceId,
    ) -> (Vec<RecordId>, Cursor) {
        let vault = VaultId::from(self.context.devices[usize::from(device.0)]);
        let floor = self.cursors.get(&(device, remote)).copied().unwrap_or_default();
        let news: Vec<_> = self
            .rows
            .iter()
            .filter(|((at, whose, _), row)| *at == remote && *whose == vault && row.pos > floor)
            .map(|((.., id), row)| (vault, *id, row.tag, row.pos))
            .collect();
        let head = news.iter().map(|row| row.3).max().unwrap_or(floor);
        self.cursors.insert((device, remote), head);
        let next = Cursor::Token(head);
        let served = Page {
            to: device.into(),
            call: CallId(self.fresh()),
            vault,
            order: Order::Token,
            since: (floor > 0).then_some(Cursor::Token(floor)),
            rows: news.clone(),
            next: Some(next),
            never_again_below: head,
            end: true,
        };
        self.fact(remote, Fact::Served(served.into()));
        (news.into_iter().map(|row| row.1).collect(), next)
    }

    /// The change that books a row.
    pub(crate) fn mirrors(&self, remote: Remote, device: DeviceId, id: RecordId) -> Change {
        let vault = VaultId::from(self.context.devices[usize::from(device.0)]);
        let row = &self.rows[&(remote, vault, id)];
        Change::Mirror(remote, id, Some((row.tag, Some(Arc::new(self.contents(&row.copy))))))
    }

    /// The change that keeps a row sealed.
    pub(crate) fn seals(&self, remote: Remote, device: DeviceId, id: RecordId) -> Change {
        let vault = VaultId::from(self.context.devices[usize::from(device.0)]);
        Change::Sealed(remote, id, Some((self.rows[&(remote, vault, id)].tag, BlobId(0))))
    }

    /// The change that joins a row.
    pub(crate) fn joins(&mut self, remote: Remote, device: DeviceId, id: RecordId) -> Change {
        let vault = VaultId::from(self.context.devices[usize::from(device.0)]);
        let row = self.rows[&(remote, vault, id)].copy.clone();
        let copy = self.copies.entry((device, id)).or_default();
        if copy.made != row.made || row.lie.is_some() {
            copy.lie = row.lie;
        }
        copy.made.extend(row.made);
        self.record(device, id)
    }

    /// A device pulls, and takes the rows of one record as they are instead of joining them.
    pub(crate) fn takes_rows_as_they_are(&mut self, device: DeviceId, id: RecordId) {
        for remote in Remote::ALL {
            let (_, next) = self.is_served(remote, device);
            let mirror = self.mirrors(remote, device, id);
            self.joins(remote, device, id);
            let Change::Mirror(_, _, Some((_, row))) = mirror.clone() else {
                unreachable!("a mirror was just made");
            };
            self.copies.entry((device, id)).or_default().lie = row;
            let record = self.record(device, id);
            self.persists(device, vec![mirror, record, Change::Cursor(remote, Some(next))]);
        }
    }

    /// A device joins the rows of one record and takes the record for deleted.
    pub(crate) fn joins_as_dead(&mut self, device: DeviceId, id: RecordId) {
        self.joins(Remote::Zone, device, id);
        let contents = self.contents(&self.copies[&(device, id)]);
        let dead = Contents { live: false, ..contents };
        self.copies.entry((device, id)).or_default().lie = Some(Arc::new(dead));
        let changes = vec![self.mirrors(Remote::Zone, device, id), self.record(device, id)];
        self.persists(device, changes);
    }

    /// A device takes a delete of its record, durably, goes on showing it, and crashes before it
    /// can say so.
    pub(crate) fn keeps_a_delete_without_effect(&mut self, device: DeviceId, id: RecordId, of: W) {
        let seen = self.told[of].fields.iter().map(|&field| (field, self.told[of].token)).collect();
        let (_, delete) = self.asks_to_write(device, id, &[], seen);
        let copy = self.copies.entry((device, id)).or_default();
        copy.made.insert(delete);
        let lie = Contents { live: true, ..self.contents(&self.copies[&(device, id)]) };
        self.copies.entry((device, id)).or_default().lie = Some(Arc::new(lie));
        let record = self.record(device, id);
        let commit = self.hands_over(device, vec![record]);
        self.crashes(device, commit);
    }

    /// A device is told that the user purged the zone, and deletes what its mirror held of a record
    /// in nobody's name.
    pub(crate) fn hears_of_purge(&mut self, device: DeviceId, id: RecordId) {
        let asks = Letter { parcel: Parcel::Pull, ..self.letter() };
        let (zone, rows) = (Node::Remote(Remote::Zone), [].into());
        self.fact(
            device,
            Fact::Sent { to: zone, letter: asks, size: 9, rows, plaintext: false, server: None },
        );
        let letter = Letter { answer: true, ..asks };
        let (refused, rows_refused) =
            (Some(Refused::ZoneNotFound(Ending::Purged).into()), [].into());
        self.fact(device, Fact::Delivered { from: zone, letter, refused, rows_refused });
        let mut held = self.contents(&self.copies[&(device, id)]);
        held.live = false;
        held.cells.insert(0, (FieldId::HEADSTONE, Token::NONE));
        held.cells.sort_unstable();
        let record = Change::Record(id, Some(Arc::new(held)));
        let changes = vec![
            record,
            Change::Mirror(Remote::Zone, id, None),
            Change::Cursor(Remote::Zone, None),
        ];
        self.persists(device, changes);
    }

    /// A device's record changes, and shows a field of an old write besides.
    pub(crate) fn revives(&mut self, device: DeviceId, record: Change, old: W, field: FieldId) {
        let Change::Record(id, Some(contents)) = record else {
            unreachable!("only a record that is there can show a field again");
        };
        let mut contents = Contents::clone(&contents);
        contents.cells.push((field, self.told[old].token));
        self.persists(device, vec![Change::Record(id, Some(Arc::new(contents)))]);
    }

    /// A device signs out and is empty.
    pub(crate) fn signs_out(&mut self, device: DeviceId) {
        let op = self.asks(device, Asked::SignOut);
        let keys: Vec<_> = self.copies.keys().filter(|key| key.0 == device).copied().collect();
        let mut changes = vec![Change::Key(false), Change::Meta];
        for (_, id) in keys {
            self.copies.remove(&(device, id));
            changes.push(Change::Record(id, None));
            changes.extend(Remote::ALL.map(|remote| Change::Mirror(remote, id, None)));
        }
        for remote in Remote::ALL {
            self.cursors.remove(&(device, remote));
            changes.push(Change::Cursor(remote, None));
        }
        self.persists(device, changes);
        self.answers(device, op, Answered::SignedOut);
    }

    // Remotes.

    /// The blob that was saved last.
    pub(crate) fn last_blob(&self) -> BlobId {
        let mut blob = None;
        for entry in &self.history {
            if let Fact::Committed { blob: saved, .. } = &entry.fact {
                blob = Some(*saved);
            }
        }
        blob.expect("something was saved")
    }

    /// A device sends a try of its one request that never succeeds.
    pub(crate) fn sends_try(&mut self, remote: Remote, device: DeviceId, attempt: u16) -> Letter {
        let letter = Letter { call: CallId(1), attempt, parcel: Parcel::Pull, answer: false };
        let to = Node::Remote(remote);
        self.fact(
            device,
            Fact::Sent { to, letter, size: 9, rows: [].into(), plaintext: false, server: None },
        );
        letter
    }

    pub(crate) fn refuses(
        &mut self,
        remote: Remote,
        device: DeviceId,
        letter: Letter,
        why: Refused,
    ) {
        let letter = Letter { answer: true, ..letter };
        let refused = Some(why.into());
        let from = Node::Remote(remote);
        self.fact(device, Fact::Delivered { from, letter, refused, rows_refused: [].into() });
    }
}
