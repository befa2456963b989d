//! Quiescence: what keeps a run from being settled, and what a plan made incurable. Both follow from facts:
//! what hosts were asked and answered, what is on disks, what remotes and the server's logs hold, and which
//! pages were shown. No machine is asked how it stands: one that is wrong about itself would decide when it is
//! judged.
//!
//! Reading the feed of files keeps no device busy: each device reads it again and again, and among many
//! there is always one that does. Whether all have read all is decided by when each last reached the head.

use std::iter;

use engine::id::{DeviceId, Remote, UserId, VaultId};
use harness::time::Time;

use super::comparison::Comparison;
use super::host::{Host, Power};
use super::incurable;
use super::owners::Owners;
use super::storage::Storage;
use crate::history::Pending;
use crate::invariant::Incurable;
use crate::plan::Node;

/// A look at the owners of a run, to find out whether anything is pending. As long as there are faults,
/// what is down may stay so.
#[derive(Clone, Copy)]
pub(super) struct Quiescence<'w> {
    pub(super) owners: Owners<'w>,
    pub(super) has_faults: bool,
}

impl<'w> Quiescence<'w> {
    /// What is pending; of a device and a remote that differ, the first record.
    pub(super) fn pending(self) -> Vec<Pending> {
        self.all().collect()
    }

    /// Is nothing pending? What kept the run from being settled when this was last asked is looked at first:
    /// mostly it still does.
    pub(super) fn is_reached(self, last: &mut Option<Pending>) -> bool {
        *last = last.and_then(|pending| self.look(pending)).or_else(|| self.all().next());
        last.is_none()
    }

    /// All that is pending. What costs little to look at comes first.
    fn all(self) -> impl Iterator<Item = Pending> + use<'w> {
        let Owners { plan, hosts, .. } = self.owners;
        let servers = hosts.workers().chain(hosts.processors()).map(Host::node);
        let at_work = servers.flat_map(|host| [Pending::Down(host), Pending::Unanswered(host, 0)]);
        let devices = || hosts.devices().iter().filter_map(|host| host.node().device());
        let on_devices = devices().flat_map(|device| {
            [
                Pending::Down(device.into()),
                Pending::Unanswered(device.into(), 0),
                Pending::NotDurable(device),
                Pending::FilesSealed(device),
                Pending::FilesUnsent(device, 0),
                Pending::FilesUnread(device),
            ]
        });
        let pairs = devices().flat_map(|it| plan.remotes.iter().map(move |other| (it, other.kind)));
        let between = pairs.flat_map(move |(device, remote)| {
            let exchange: [fn(DeviceId, Remote) -> Pending; 3] =
                [Pending::Behind, Pending::Unlisted, Pending::Saving];
            let differs = iter::once_with(move || self.difference(device, remote)).flatten();
            exchange.into_iter().filter_map(move |it| self.look(it(device, remote))).chain(differs)
        });
        let all = at_work.chain([Pending::Unprocessed(0)]).chain(on_devices);
        all.filter_map(move |it| self.look(it)).chain(between)
    }

    /// Is this pending? With the numbers of now.
    fn look(self, pending: Pending) -> Option<Pending> {
        let Owners { hosts, services, faults, readings, plan } = self.owners;
        let (is_pending, now) = match pending {
            Pending::Down(host) => (self.is_missed(hosts.get(host)), pending),
            Pending::Unanswered(host, _) => {
                let owed = owed_by(self.waited_for(host)?, self.owners);
                (owed > 0, Pending::Unanswered(host, number(owed)))
            }
            Pending::Unprocessed(_) => {
                let open = services.server.ledger().open_conversations();
                let are_processed = hosts.processors().next().is_some();
                (open > 0 && are_processed, Pending::Unprocessed(number(open)))
            }
            Pending::NotDurable(device) => {
                (self.waited_for(device.into())?.storage()?.is_busy(), pending)
            }
            Pending::FilesSealed(device) => {
                let (storage, user) = self.signed_in(device)?;
                let keyless = faults.conditions().holds_keys(device);
                let can_open = services.server.ledger().can_open_files(user, storage);
                (!keyless && !can_open, pending)
            }
            Pending::FilesUnsent(device, _) => {
                let (storage, user) = self.signed_in(device)?;
                let ledger = services.server.ledger();
                let unsent = storage.uploads().filter(|it| !ledger.is_published(user, *it)).count();
                // Without any key there is nothing that it can send.
                let mute = faults.conditions().holds_keys(device) && !storage.has_any_key();
                (unsent > 0 && !mute, Pending::FilesUnsent(device, number(unsent)))
            }
            Pending::FilesUnread(device) => {
                let (storage, user) = self.signed_in(device)?;
                (!services.server.ledger().has_read_files(user, storage), pending)
            }
            Pending::Behind(device, remote) => (!self.is_at_head(device, remote)?, pending),
            Pending::Unlisted(device, remote) => {
                let (_, user) = self.signed_in(device)?;
                let must_list =
                    !self.has_faults && faults.damage().is_unlisted(remote, user.into());
                let listed = readings.listed(device, remote) >= Some(Time(plan.storm.0));
                (must_list && !listed, pending)
            }
            Pending::Saving(device, remote) => {
                let is_saving = readings.saves(device, remote);
                (is_saving && self.signed_in(device).is_some(), pending)
            }
            Pending::Differs(device, remote, id) => {
                (self.compared(device, remote)?.differs(id), pending)
            }
        };
        is_pending.then_some(now)
    }

    /// Does the run wait for a host, and that is down?
    fn is_missed(self, host: &Host) -> bool {
        match host.power() {
            Power::Off => !self.has_faults,
            // A device may be switched on later, or never; all else is on its way from the beginning.
            Power::New => host.node().device().is_none() && !self.has_faults,
            Power::Gone | Power::Running => false,
        }
    }

    /// A host, if it runs and the run waits for what it does.
    fn waited_for(self, host: Node) -> Option<&'w Host> {
        let is_isolated = host.device().is_some_and(|device| self.owners.is_isolated(device));
        Some(self.owners.hosts.get(host)).filter(|host| host.is_up() && !is_isolated)
    }

    /// A device that the run waits for, if a user is signed in on it: its disk, and the user.
    fn signed_in(self, device: DeviceId) -> Option<(&'w Storage, UserId)> {
        let storage = self.waited_for(device.into())?.storage()?;
        Some((storage, storage.signed_in()?))
    }

    /// A device that the run waits for and a remote, to be compared.
    fn compared(self, device: DeviceId, remote: Remote) -> Option<Comparison<'w>> {
        let (storage, user) = self.signed_in(device)?;
        Some(Comparison::of(self.owners, (device, storage), (remote, user.into())))
    }

    /// The first record that keeps a device and a remote apart.
    fn difference(self, device: DeviceId, remote: Remote) -> Option<Pending> {
        let id = self.compared(device, remote)?.first_difference()?;
        Some(Pending::Differs(device, remote, id))
    }

    /// Was a device shown a remote's feed to its head, and does it know? Of an empty feed there is no cursor:
    /// then it must have been shown that there is nothing.
    fn is_at_head(self, device: DeviceId, remote: Remote) -> Option<bool> {
        let (storage, user) = self.signed_in(device)?;
        let Owners { services, readings, .. } = self.owners;
        let double = services.remotes.find(remote)?;
        let at_head = match storage.cursor(remote) {
            Some(cursor) => double.is_at_head(user.into(), cursor),
            None => {
                double.stored_of(user.into()).is_empty()
                    && readings.listed(device, remote).is_some()
            }
        };
        Some(at_head && !readings.has_more(device, remote))
    }
}

/// How many answers a host owes. A device makes no new key before it has opened every row, and there may be
/// some that it never can.
pub(super) fn owed_by(host: &Host, owners: Owners<'_>) -> usize {
    let (all, new_keys) = host.unanswered();
    let waits_for_ever = || {
        let vault = owners.hosts.user_of(host.node()).map(VaultId::from);
        let keyless =
            host.node().device().is_some_and(|it| owners.faults.conditions().holds_keys(it));
        keyless || incurable::rows(owners).iter().any(|(_, whose, _)| Some(*whose) == vault)
    };
    if new_keys > 0 && waits_for_ever() { all - new_keys } else { all }
}

/// What the plan made incurable, as the run ended.
pub(super) fn incurable(owners: Owners<'_>) -> Vec<Incurable> {
    let mut all = Vec::new();
    for host in owners.hosts.devices() {
        let Node::Device(device) = host.node() else { continue };
        let signed_in = host.storage().is_some_and(|storage| storage.signed_in().is_some());
        if !host.is_up() || !signed_in || owners.is_isolated(device) {
            all.push(Incurable::Device(device));
        }
        if owners.faults.conditions().holds_keys(device) {
            all.push(Incurable::Keyless(device));
        }
    }
    let rows = incurable::rows(owners).into_iter();
    all.extend(rows.map(|(remote, vault, id)| Incurable::Row(remote, vault, id)));
    all.sort_unstable();
    all
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use engine::device::{Batch, StoreKey, Stored};
    use engine::flaw::Flaws;
    use engine::id::{Dot, Kind, RecordId, ReplicaId};
    use engine::remote::CallId;
    use harness::watch::Watch;

    use super::super::{Order, World};
    use super::*;
    use crate::history::{Fact, MessageId};
    use crate::plan::MessageKind;
    use crate::scenario;
    use crate::shell::{Shell, ShellMaker};

    const PHONE: DeviceId = DeviceId(0);
    const MEAL: RecordId = RecordId { kind: Kind::Meal, key: 1 };

    const TEXT: &[u8] = br#"
        [scenario]
        title = "Nothing happens"
        [remotes]
        cloudkit = { kind = "cloudkit" }
        supabase = { kind = "supabase" }
        [devices]
        phone = { user = "anna" }
        [given]
        make = [{ rows = "meal/1" }]
    "#;

    /// A phone has just been switched on, with the rows of both remotes on its disk. Its machine reads the
    /// disk as it is now, and will not see what is put there afterwards.
    fn world() -> World {
        let scenario = scenario::read("rest", "rest", TEXT).expect("it is right").0;
        let mut world =
            World::new(Arc::new(scenario::draw(&scenario, 0, Flaws::NONE)), Watch::default());
        while !world.stage.hosts.get(PHONE.into()).is_up() {
            assert!(world.next_due().is_some(), "the phone is switched on");
            world.begin_turn();
        }
        world
    }

    fn pending(world: &World) -> Vec<Pending> {
        Quiescence { owners: world.stage.owners(&world.services), has_faults: false }.pending()
    }

    fn put(world: &mut World, places: &[StoreKey], stored: &Stored) {
        let puts = places.iter().map(|place| (*place, Some(stored.clone()))).collect();
        let facts = world.stage.recorder.facts_mut();
        world.stage.hosts.storage_mut(PHONE).commit(&Batch { puts, sync: false }, facts);
    }

    fn other() -> Stored {
        Stored { tag: 1, bytes: [7][..].into() }
    }

    #[test]
    fn a_device_that_holds_what_the_remotes_hold_keeps_no_run_waiting() {
        assert_eq!(pending(&world()), []);
    }

    #[test]
    fn a_record_is_at_a_remote_when_it_is_there_and_not_when_the_device_says_so() {
        let mut world = world();
        let mirrors = Remote::ALL.map(|remote| StoreKey::Mirror(remote, MEAL));
        put(&mut world, &[StoreKey::Record(MEAL), mirrors[0], mirrors[1]], &other());
        let differs = Remote::ALL.map(|remote| Pending::Differs(PHONE, remote, MEAL));
        assert_eq!(pending(&world), differs);
    }

    #[test]
    fn what_a_device_keeps_sealed_it_does_not_have() {
        let mut world = world();
        put(&mut world, &[StoreKey::Sealed(Remote::Zone, MEAL)], &other());
        assert_eq!(pending(&world), [Pending::Differs(PHONE, Remote::Zone, MEAL)]);
    }

    #[test]
    fn a_save_under_way_keeps_a_run_waiting_though_both_hold_the_same() {
        let mut world = world();
        let message_kind = MessageKind::Push;
        let message_id = MessageId { call: CallId(9), attempt: 0, message_kind, answer: false };
        let (to, rows) = (Remote::Rows.into(), [].into());
        let sent = Fact::Sent { to, message_id, size: 9, rows, plaintext: false, server: None };
        world.stage.note(PHONE.into(), sent);
        assert_eq!(pending(&world), [Pending::Saving(PHONE, Remote::Rows)]);
    }

    /// Plays the turn that has begun, and all that follow.
    fn play(world: &mut World) {
        let makers: Vec<ShellMaker> = world.nodes().into_iter().map(|(_, maker)| maker).collect();
        let mut shells: Vec<Shell> = makers.iter().map(ShellMaker::make).collect();
        loop {
            for order in world.take_orders() {
                let (Order::Kill(host) | Order::Start(host)) = order;
                shells[host] = makers[host].make();
            }
            for at in 0..world.ready().len() {
                let host = world.ready()[at];
                shells[host].work(world.mailbox(host));
            }
            world.end_turn();
            if world.next_due().is_none() {
                return;
            }
            world.begin_turn();
        }
    }

    /// What was pending when the wait for quiescence ended.
    fn pending_at_the_end(mut world: World) -> Vec<Pending> {
        play(&mut world);
        let settled = world.end().history.into_iter().find_map(|entry| {
            let Fact::Settled { pending } = entry.fact else { return None };
            Some(pending)
        });
        settled.expect("every run comes to that")
    }

    #[test]
    fn a_device_that_believes_to_be_done_and_is_not_lets_no_run_settle() {
        assert_eq!(pending_at_the_end(world()), []);
        let mut world = world();
        put(&mut world, &[StoreKey::Record(MEAL)], &other());
        let differs = Remote::ALL.map(|remote| Pending::Differs(PHONE, remote, MEAL));
        assert_eq!(pending_at_the_end(world), differs);
    }

    #[test]
    fn what_keeps_a_run_from_being_settled_is_remembered_for_as_long_as_it_does() {
        let mut world = world();
        let is_reached = |world: &World, last: &mut Option<Pending>| {
            Quiescence { owners: world.stage.owners(&world.services), has_faults: false }
                .is_reached(last)
        };
        let place = StoreKey::Record(MEAL);
        let before = world.stage.hosts.storage_mut(PHONE).contents()[&place].clone();
        put(&mut world, &[place], &other());
        let mut last = None;
        assert!(!is_reached(&world, &mut last) && !is_reached(&world, &mut last));
        assert_eq!(last, Some(Pending::Differs(PHONE, Remote::Zone, MEAL)));
        put(&mut world, &[place], &before);
        assert!(is_reached(&world, &mut last) && last.is_none());
    }

    #[test]
    fn a_file_is_sent_when_the_servers_log_has_it() {
        let mut world = world();
        let write = Dot { replica: ReplicaId(5), n: 1 };
        put(&mut world, &[StoreKey::Upload(write)], &other());
        assert_eq!(pending(&world), [Pending::FilesUnsent(PHONE, 1)]);
    }
}
