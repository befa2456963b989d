//! Readings: how far each device was shown each remote's feed, from facts alone: requests sent, pages served
//! and answers delivered.
//!
//! A *listing* is a feed that was shown from the start to the end within one incarnation. A device that goes
//! on behind a page of an earlier incarnation is shown less than everything, wherever it ends.
//!
//! A save that is under way may yet change what the remote holds, even where both hold the same by now: a row that
//! was damaged may be whole again while the device still mends it.

use engine::id::{DeviceId, Remote};
use engine::remote::CallId;
use harness::time::Time;

use crate::history::{self, Fact};
use crate::plan::{MessageKind, Node};

/// A page that was served and may be delivered.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// When it was served, if it begins at the start of the feed.
    from_start: Option<Time>,
    /// Does it tell that nothing is behind it?
    end: bool,
}

/// Does a page tell its reader that nothing is behind it? A zone says so. A table does not count what is
/// behind a page: only an empty page is known to be the last.
fn tells_the_end(remote: Remote, page: &history::Page) -> bool {
    match remote {
        Remote::Zone => page.end,
        Remote::Rows => page.rows.is_empty(),
    }
}

/// How far one device was shown one feed, in its present incarnation.
#[derive(Clone, Copy, Debug, Default)]
struct Reading {
    /// The latest request. The answer to an earlier one counts for nothing.
    asked: Option<CallId>,
    /// Is that a save, and not answered?
    saves: bool,
    page: Option<Page>,
    /// When the first page of a listing under way was served.
    began: Option<Time>,
    /// Has the last page that was shown another one behind it?
    has_more: bool,
    /// When the first page of the last listing that was shown to its end was served.
    listed: Option<Time>,
}

impl Reading {
    /// A page that begins at the start, or does not, is shown.
    fn show(&mut self, Page { from_start, end }: Page) {
        self.began = from_start.or(self.began);
        self.has_more = !end;
        if end {
            self.listed = self.began.take().or(self.listed);
        }
    }
}

/// How far all devices were shown all feeds.
#[derive(Clone, Debug)]
pub(super) struct Readings {
    by_device: Vec<[Reading; 2]>,
}

impl Readings {
    /// Nothing was shown to any of this number of devices.
    pub(super) fn new(devices: usize) -> Self {
        Self { by_device: vec![<[Reading; 2]>::default(); devices] }
    }

    /// Takes a fact of the history.
    pub(super) fn observe(&mut self, at: Time, node: Node, fact: &Fact) {
        match (node, fact) {
            (Node::Device(device), Fact::Sent { to: Node::Remote(remote), message_id, .. }) => {
                let reading = self.get_mut(device, *remote);
                if reading.asked != Some(message_id.call) {
                    (reading.asked, reading.page) = (Some(message_id.call), None);
                    reading.saves = message_id.message_kind == MessageKind::Push;
                }
            }
            (Node::Remote(remote), Fact::Served(page)) => {
                let Some(device) = page.to.device() else { return };
                let reading = self.get_mut(device, remote);
                if reading.asked == Some(page.call) && reading.page.is_none() {
                    let from_start = page.since.is_none().then_some(at);
                    reading.page = Some(Page { from_start, end: tells_the_end(remote, page) });
                }
            }
            (
                Node::Device(device),
                Fact::Delivered { from: Node::Remote(remote), message_id, .. },
            ) => {
                let reading = self.get_mut(device, *remote);
                if message_id.answer && reading.asked == Some(message_id.call) {
                    reading.saves = false;
                    if let Some(page) = reading.page.take() {
                        reading.show(page);
                    }
                }
            }
            (Node::Device(device), Fact::Started { .. }) => {
                self.by_device[usize::from(device.0)] = <[Reading; 2]>::default();
            }
            (_, _) => {}
        }
    }

    /// Has the last page that a device was shown another one behind it?
    pub(super) fn has_more(&self, device: DeviceId, remote: Remote) -> bool {
        self.get(device, remote).has_more
    }

    /// Has a device sent a save that is not answered?
    pub(super) fn saves(&self, device: DeviceId, remote: Remote) -> bool {
        self.get(device, remote).saves
    }

    /// When the first page of the last listing that a device was shown to its end was served.
    pub(super) fn listed(&self, device: DeviceId, remote: Remote) -> Option<Time> {
        self.get(device, remote).listed
    }

    fn get(&self, device: DeviceId, remote: Remote) -> &Reading {
        &self.by_device[usize::from(device.0)][remote.index()]
    }

    fn get_mut(&mut self, device: DeviceId, remote: Remote) -> &mut Reading {
        &mut self.by_device[usize::from(device.0)][remote.index()]
    }
}

#[cfg(test)]
mod tests {
    use engine::id::{Kind, RecordId, VaultId};
    use engine::remote::{Cursor, Order, Tag};

    use super::*;
    use crate::history::{Boot, MessageId, Page as Served};

    const PHONE: DeviceId = DeviceId(0);
    const ZONE: Remote = Remote::Zone;

    /// Facts about the phone and the zone, a second apart.
    struct Facts {
        readings: Readings,
        at: Time,
    }

    impl Facts {
        fn new() -> Self {
            Self { readings: Readings::new(1), at: Time(0) }
        }

        fn note(&mut self, node: Node, fact: &Fact) {
            self.at = Time(self.at.0 + 1_000);
            self.readings.observe(self.at, node, fact);
        }

        fn asks(&mut self, call: u32) {
            self.sends(message_id(call, false));
        }

        fn sends(&mut self, message_id: MessageId) {
            let to = ZONE.into();
            let (rows, server) = (Box::default(), None);
            let fact = Fact::Sent { to, message_id, size: 0, rows, plaintext: false, server };
            self.note(PHONE.into(), &fact);
        }

        fn is_served(&mut self, call: u32, since: Option<u64>, end: bool) {
            let page = Served {
                to: PHONE.into(),
                call: CallId(call),
                vault: VaultId(0),
                order: Order::Token,
                since: since.map(Cursor::Token),
                rows: Vec::new(),
                next: None,
                never_again_below: 0,
                end,
            };
            self.note(ZONE.into(), &Fact::Served(page.into()));
        }

        fn is_shown(&mut self, call: u32) {
            let (from, message_id) = (ZONE.into(), message_id(call, true));
            let fact =
                Fact::Delivered { from, message_id, refused: None, rows_refused: Box::default() };
            self.note(PHONE.into(), &fact);
        }

        fn reads(&mut self, call: u32, since: Option<u64>, end: bool) {
            self.asks(call);
            self.is_served(call, since, end);
            self.is_shown(call);
        }

        fn listed(&self) -> Option<Time> {
            self.readings.listed(PHONE, ZONE)
        }
    }

    fn message_id(call: u32, answer: bool) -> MessageId {
        MessageId { call: CallId(call), attempt: 0, message_kind: MessageKind::Pull, answer }
    }

    #[test]
    fn a_save_is_under_way_until_it_is_answered_or_another_request_is_made() {
        let save = MessageId { message_kind: MessageKind::Push, ..message_id(1, false) };
        let saves = |facts: &Facts| facts.readings.saves(PHONE, ZONE);
        let mut facts = Facts::new();
        facts.sends(save);
        facts.sends(MessageId { attempt: 1, ..save });
        assert!(saves(&facts));
        let mut restarted = Facts { readings: facts.readings.clone(), ..facts };
        facts.is_shown(1);
        assert!(!saves(&facts));
        restarted.asks(2);
        assert!(!saves(&restarted));
    }

    #[test]
    fn a_listing_is_a_feed_from_its_first_page_to_its_last() {
        let mut facts = Facts::new();
        facts.reads(1, None, false);
        assert!(facts.readings.has_more(PHONE, ZONE) && facts.listed().is_none());
        facts.reads(2, Some(5), true);
        assert_eq!(facts.listed(), Some(Time(2_000)), "since its first page was served");
        facts.reads(3, Some(9), true);
        assert_eq!(facts.listed(), Some(Time(2_000)), "a pull from a cursor is none");
    }

    #[test]
    fn a_table_tells_its_end_by_an_empty_page() {
        let (vault, id) = (VaultId(0), RecordId { kind: Kind::Meal, key: 1 });
        let row = (vault, id, Tag(1), 1);
        for (rows, is_last) in [(vec![row], false), (Vec::new(), true)] {
            let page = Served {
                to: PHONE.into(),
                call: CallId(1),
                vault,
                order: Order::CommitSeq,
                since: None,
                rows,
                next: None,
                never_again_below: 1,
                end: true,
            };
            assert!(tells_the_end(ZONE, &page), "a zone says so");
            assert_eq!(tells_the_end(Remote::Rows, &page), is_last);
        }
    }

    #[test]
    fn what_goes_on_after_a_crash_is_no_listing() {
        let mut facts = Facts::new();
        facts.reads(1, None, false);
        let (boot, holds) = (Boot::Restart, Vec::new());
        facts.note(PHONE.into(), &Fact::Started { boot, hash: 0, commit: 0, holds });
        facts.reads(1, Some(5), true);
        assert_eq!(facts.listed(), None);
    }

    #[test]
    fn a_page_that_does_not_arrive_or_is_not_waited_for_counts_for_nothing() {
        let mut facts = Facts::new();
        facts.asks(1);
        facts.is_served(1, None, true);
        assert_eq!(facts.listed(), None, "it is on its way");
        facts.asks(2);
        facts.is_shown(1);
        assert_eq!(facts.listed(), None, "by now it waits for another one");
        facts.is_served(1, None, true);
        facts.is_shown(2);
        assert_eq!(facts.listed(), None, "a copy of the first request was served late");
    }
}
