//! What a device and a remote exchange in a case.

use std::sync::Arc;

use engine::id::{DeviceId, RecordId, Remote, VaultId};
use engine::remote::{CallId, Cursor, Order, Policy, Tag};
use harness::time::Span;

use super::Case;
use super::device::Device;
use super::model::StoredRow;
use crate::fault::{Age, RestoreRemote};
use crate::history::{BlobId, Change, Fact, MessageId, Page, Refused};
use crate::plan::{MessageKind, Node};

/// A device of a case and one of its remotes.
#[derive(Debug)]
pub(crate) struct AtRemote<'a> {
    pub(super) case: &'a mut Case,
    pub(super) device: DeviceId,
    pub(super) remote: Remote,
}

impl Device<'_> {
    /// What it exchanges with one remote.
    pub(crate) fn at(&mut self, remote: Remote) -> AtRemote<'_> {
        AtRemote { case: self.case, device: self.id, remote }
    }
}

impl AtRemote<'_> {
    fn device(&mut self) -> Device<'_> {
        self.case.device(self.device)
    }

    fn vault(&self) -> VaultId {
        VaultId::from(self.case.user(self.device))
    }

    fn message_id(&mut self) -> MessageId {
        let call = CallId(self.case.fresh());
        MessageId { call, attempt: 0, message_kind: MessageKind::Push, answer: false }
    }

    /// A device sends a request with these rows.
    pub(super) fn sends(&mut self, message_id: MessageId, rows: Box<[(RecordId, BlobId)]>) {
        let to = Node::Remote(self.remote);
        let sent = Fact::Sent { to, message_id, size: 9, rows, plaintext: false, server: None };
        self.case.fact(self.device, sent);
    }

    /// A device pushes its copy, and hears that it is stored.
    pub(crate) fn pushes(&mut self, id: RecordId) {
        let tag = self.saves(id);
        let contents = Arc::new(self.case.contents(&self.case.copies[&(self.device, id)]));
        let mirror = Change::Mirror(self.remote, id, Some((tag, Some(contents))));
        self.device().persists(vec![mirror]);
    }

    /// A remote stores a device's copy; the device does not hear of it.
    pub(crate) fn saves(&mut self, id: RecordId) -> Tag {
        let blob = self.sends_copy(id);
        self.stores(id, blob)
    }

    /// A device sends its copy.
    pub(crate) fn sends_copy(&mut self, id: RecordId) -> BlobId {
        let blob = BlobId(self.case.fresh());
        let message_id = self.message_id();
        self.sends(message_id, [(id, blob)].into());
        blob
    }

    /// The remote stores what a device has sent.
    pub(crate) fn stores(&mut self, id: RecordId, blob: BlobId) -> Tag {
        let vault = self.vault();
        let copy = self.case.copies[&(self.device, id)].clone();
        let contents = Some(Arc::new(self.case.contents(&copy)));
        let rows = self.case.rows.keys().filter(|key| key.0 == self.remote).count() as u64;
        let pos =
            self.case.rows.iter().filter(|(key, _)| key.0 == self.remote).map(|(_, row)| row.pos);
        let pos = pos.max().unwrap_or(rows) + 1;
        let tag = Tag(u64::from(self.case.fresh()));
        let (by, policy) = (Node::Device(self.device), Policy::IfUnchanged);
        self.case
            .fact(self.remote, Fact::Committed { vault, id, pos, tag, blob, by, contents, policy });
        self.case.rows.insert((self.remote, vault, id), StoredRow { pos, tag, copy });
        tag
    }

    /// The row as it is stored.
    pub(crate) fn stored(&self, id: RecordId) -> StoredRow {
        self.case.rows[&(self.remote, self.vault(), id)].clone()
    }

    /// The remote is set back to a backup: it has the row again as it was, or no more.
    pub(crate) fn is_set_back(&mut self, id: RecordId, backup: Option<StoredRow>) {
        let fault = RestoreRemote { remote: self.remote, by: Age(Span::from_secs(1)) };
        self.case.fact(self.remote, Fact::Faulted(fault.into()));
        self.falls_back(id, backup);
    }

    /// It has the row again as it was, or no more, and no fault is known.
    pub(crate) fn falls_back(&mut self, id: RecordId, backup: Option<StoredRow>) {
        let (key, by) = ((self.remote, self.vault(), id), Node::Remote(self.remote));
        let vault = key.1;
        let Some(row) = backup else {
            let pos = self.stored(id).pos;
            self.case.rows.remove(&key);
            self.case.fact(self.remote, Fact::Removed { vault, id, pos, by });
            return;
        };
        let (contents, policy) = (Some(Arc::new(self.case.contents(&row.copy))), Policy::Overwrite);
        let (pos, tag, blob) = (row.pos, row.tag, BlobId(self.case.fresh()));
        self.case
            .fact(self.remote, Fact::Committed { vault, id, pos, tag, blob, by, contents, policy });
        self.case.rows.insert(key, row);
    }

    /// The row is gone with its zone, of which there is no other fact.
    pub(crate) fn is_taken_away(&mut self, id: RecordId) {
        self.case.rows.remove(&(self.remote, self.vault(), id));
    }

    /// A device sends its copy; nothing is stored.
    pub(crate) fn sends_save(&mut self, id: RecordId) -> MessageId {
        let (message_id, blob) = (self.message_id(), BlobId(self.case.fresh()));
        self.sends(message_id, [(id, blob)].into());
        message_id
    }

    /// A remote's answer to a save of one record arrives.
    pub(crate) fn answers_save(
        &mut self,
        message_id: MessageId,
        id: RecordId,
        refused: &[Refused],
    ) {
        let (from, message_id) =
            (Node::Remote(self.remote), MessageId { answer: true, ..message_id });
        let rows_refused = refused.iter().map(|why| (id, *why)).collect();
        self.case
            .fact(self.device, Fact::Delivered { from, message_id, refused: None, rows_refused });
        self.case.now -= 10; // What the device makes of it happens at once.
    }

    /// A device pulls to the head.
    pub(crate) fn pulls(&mut self) {
        let (ids, next) = self.is_served();
        let mut changes = Vec::new();
        for id in ids {
            changes.push(self.mirrors(id));
            changes.push(self.joins(id));
        }
        changes.push(Change::Cursor(self.remote, Some(next)));
        self.device().persists(changes);
    }

    /// A remote serves a page; the device has not kept anything of it yet.
    pub(crate) fn is_served(&mut self) -> (Vec<RecordId>, Cursor) {
        let vault = self.vault();
        let floor = self.case.cursors.get(&(self.device, self.remote)).copied().unwrap_or_default();
        let news: Vec<_> = self
            .case
            .rows
            .iter()
            .filter(|((at, whose, _), row)| {
                *at == self.remote && *whose == vault && row.pos > floor
            })
            .map(|((.., id), row)| (vault, *id, row.tag, row.pos))
            .collect();
        let head = news.iter().map(|row| row.3).max().unwrap_or(floor);
        self.case.cursors.insert((self.device, self.remote), head);
        let next = Cursor::Token(head);
        let served = Page {
            to: self.device.into(),
            call: CallId(self.case.fresh()),
            vault,
            order: Order::Token,
            since: (floor > 0).then_some(Cursor::Token(floor)),
            rows: news.clone(),
            next: Some(next),
            never_again_below: head,
            end: true,
        };
        self.case.fact(self.remote, Fact::Served(served.into()));
        (news.into_iter().map(|row| row.1).collect(), next)
    }

    /// The change that records a row.
    pub(crate) fn mirrors(&self, id: RecordId) -> Change {
        let vault = self.vault();
        let row = &self.case.rows[&(self.remote, vault, id)];
        Change::Mirror(
            self.remote,
            id,
            Some((row.tag, Some(Arc::new(self.case.contents(&row.copy))))),
        )
    }

    /// The change that keeps a row sealed.
    pub(crate) fn seals(&self, id: RecordId) -> Change {
        let vault = self.vault();
        Change::Sealed(
            self.remote,
            id,
            Some((self.case.rows[&(self.remote, vault, id)].tag, BlobId(0))),
        )
    }

    /// The change that joins a row.
    pub(crate) fn joins(&mut self, id: RecordId) -> Change {
        let vault = self.vault();
        let row = self.case.rows[&(self.remote, vault, id)].copy.clone();
        let copy = self.case.copies.entry((self.device, id)).or_default();
        if copy.made != row.made || row.lie.is_some() {
            copy.lie = row.lie;
        }
        copy.made.extend(row.made);
        self.device().record(id)
    }

    /// A device sends a try of its one request that never succeeds.
    pub(crate) fn sends_try(&mut self, attempt: u16) -> MessageId {
        let message_id =
            MessageId { call: CallId(1), attempt, message_kind: MessageKind::Pull, answer: false };
        self.sends(message_id, [].into());
        message_id
    }

    /// A remote refuses a request.
    pub(crate) fn refuses(&mut self, message_id: MessageId, why: Refused) {
        let message_id = MessageId { answer: true, ..message_id };
        let refused = Some(why.into());
        let from = Node::Remote(self.remote);
        self.case.fact(
            self.device,
            Fact::Delivered { from, message_id, refused, rows_refused: [].into() },
        );
    }
}
