//! What no device of a case may do: each is a bug as the facts would show it.

use std::sync::Arc;

use engine::id::{DeviceId, FieldId, RecordId, Remote, Token};
use engine::remote::{CallId, Ending};

use super::device::Device;
use super::{Case, W};
use crate::history::{Answered, Change, Contents, MessageId, Refused};
use crate::plan::MessageKind;

/// A device of a case that does wrong.
#[derive(Debug)]
pub(crate) struct Wrongly<'a> {
    pub(super) case: &'a mut Case,
    pub(super) device: DeviceId,
}

impl Device<'_> {
    /// What no device may do.
    pub(crate) fn wrongly(&mut self) -> Wrongly<'_> {
        Wrongly { case: self.case, device: self.id }
    }
}

impl Wrongly<'_> {
    fn device(&mut self) -> Device<'_> {
        self.case.device(self.device)
    }

    /// What the device's copy of a record holds.
    fn held(&self, id: RecordId) -> Contents {
        self.case.contents(&self.case.copies[&(self.device, id)])
    }

    /// From now on the device's copy of a record holds this.
    fn lies(&mut self, id: RecordId, contents: Contents) {
        self.case.copies.entry((self.device, id)).or_default().lie = Some(Arc::new(contents));
    }

    /// A write without any reading, which wrongly replaces all that the copy holds.
    pub(crate) fn overwrites(&mut self, id: RecordId, fields: &[FieldId]) -> W {
        let (op, write) = self.device().asks_to_write(id, fields, Vec::new());
        let lie = self.device().holds(id, &[write]);
        self.device().persists(vec![lie]);
        self.device().answers(op, Answered::Saved);
        write
    }

    /// A device pulls, and takes the rows of one record as they are instead of joining them.
    pub(crate) fn takes_rows_as_they_are(&mut self, id: RecordId) {
        for remote in Remote::ALL {
            let (_, next) = self.device().at(remote).is_served();
            let mirror = self.device().at(remote).mirrors(id);
            self.device().at(remote).joins(id);
            let Change::Mirror(_, _, Some((_, row))) = mirror.clone() else {
                unreachable!("a mirror was just made");
            };
            self.lies(id, Contents::clone(&row.expect("the row can be read")));
            let record = self.device().record(id);
            self.device().persists(vec![mirror, record, Change::Cursor(remote, Some(next))]);
        }
    }

    /// A device joins the rows of one record and takes the record for deleted.
    pub(crate) fn joins_as_dead(&mut self, id: RecordId) {
        self.device().at(Remote::Zone).joins(id);
        self.lies(id, Contents { live: false, ..self.held(id) });
        let changes = vec![self.device().at(Remote::Zone).mirrors(id), self.device().record(id)];
        self.device().persists(changes);
    }

    /// A device takes a delete of its record, durably, goes on showing it, and crashes before it
    /// can say so.
    pub(crate) fn deletes_without_effect(&mut self, id: RecordId, of: W) {
        let seen = self.case.told[of]
            .fields
            .iter()
            .map(|&field| (field, self.case.told[of].token))
            .collect();
        let (_, delete) = self.device().asks_to_write(id, &[], seen);
        let copy = self.case.copies.entry((self.device, id)).or_default();
        copy.made.insert(delete);
        self.lies(id, Contents { live: true, ..self.held(id) });
        let record = self.device().record(id);
        let commit = self.device().hands_over(vec![record]);
        self.device().crashes(commit);
    }

    /// A device learns that the user purged the zone, and deletes what its mirror held of a record, as
    /// a delete without an author.
    pub(crate) fn deletes_for_nobody(&mut self, id: RecordId) {
        let call = CallId(self.case.fresh());
        let asks = MessageId { call, attempt: 0, message_kind: MessageKind::Pull, answer: false };
        let mut device = self.device();
        let mut zone = device.at(Remote::Zone);
        zone.sends(asks, [].into());
        zone.refuses(asks, Refused::ZoneNotFound(Ending::Purged));
        let mut held = self.held(id);
        held.live = false;
        held.cells.insert(0, (FieldId::HEADSTONE, Token::NONE));
        held.cells.sort_unstable();
        let record = Change::Record(id, Some(Arc::new(held)));
        let changes = vec![
            record,
            Change::Mirror(Remote::Zone, id, None),
            Change::Cursor(Remote::Zone, None),
        ];
        self.device().persists(changes);
    }

    /// A device's record changes, and shows a field of an old write besides.
    pub(crate) fn revives(&mut self, record: Change, old: W, field: FieldId) {
        let Change::Record(id, Some(contents)) = record else {
            unreachable!("only a record that is there can show a field again");
        };
        let mut contents = Contents::clone(&contents);
        contents.cells.push((field, self.case.told[old].token));
        self.device().persists(vec![Change::Record(id, Some(Arc::new(contents)))]);
    }
}
