//! Power: devices are switched on, in ever new lives, and lose power at any moment.

use engine::device::{Boot as DeviceBoot, Input};
use engine::id::DeviceId;
use engine::seal::{Key, KeyName};
use engine::time::Span;

use super::{Event, Order, State, World};
use crate::desk::{Arrival, Start};
use crate::history::{Boot, Fact, Incarnation, Lost, Trouble};
use crate::keychain::{Keychain, SignInDesk};
use crate::plan::{self, Node};

impl World {
    /// Starts a device, in a new life.
    pub(super) fn switch_on(&mut self, device: DeviceId) {
        let first_life = self.site(device).state == State::New;
        let site = self.site_mut(device);
        if !first_life {
            site.incarnation += 1;
        }
        site.state = State::Running;
        site.paused = false;
        site.sign_in = SignInDesk::default();
        let boot = std::mem::replace(&mut site.boot, Boot::Restart);
        let (hash, commit) = (site.disk.hash(), std::mem::take(&mut site.kept));
        let ended = std::mem::take(&mut site.troubles);
        let snapshot = site.disk.image().clone();
        let holds = match boot {
            Boot::Restart => Vec::new(),
            Boot::First | Boot::Restored | Boot::Cloned(_) => {
                let entries = snapshot.iter();
                entries.map(|(key, stored)| self.recorder.change(key, Some(stored))).collect()
            }
        };
        for trouble in ended {
            self.note(Node::Device(device), Fact::Ended(trouble));
        }
        self.note(Node::Device(device), Fact::Started { boot, hash, commit, holds });
        let start = Start {
            boot: self.device_boot(device),
            last_op: self.last_op(Node::Device(device)),
            snapshot,
            needle: self.needle,
        };
        let index = usize::from(device.0);
        let fresh = first_life && matches!(self.plan.devices[index].start, plan::Start::Fresh(_));
        self.orders.push(Order::Start(index));
        self.call(index, |desk| {
            desk.arrivals.push_back(Arrival::Start(Box::new(start)));
            if fresh {
                desk.arrivals.push_back(Arrival::SignIn);
            }
        });
        self.send_keys(device);
    }

    fn device_boot(&self, device: DeviceId) -> DeviceBoot {
        let site = self.site(device);
        DeviceBoot {
            device,
            user: site.user,
            install: site.install,
            entropy: self.draw_for("entropy", device).bytes(),
            remotes: self.plan.remotes.iter().map(|remote| remote.kind).collect(),
            server: self.plan.server.is_some(),
            secret: Keychain::secret(self.plan.nature, site.user),
            calendar: self.pipeline.calendar.clone(),
            piece: self.plan.server.as_ref().map_or(1, |server| server.piece as usize),
            timing: self.plan.timing,
            flaws: self.plan.flaws,
            memo: Some(self.memo.clone()),
        }
    }

    /// Brings all keys of its user to a device, each after its own while.
    pub(super) fn send_keys(&mut self, device: DeviceId) {
        let user = self.site(device).user;
        let keys: Vec<_> =
            self.keychain.keys(user).iter().map(|(name, key)| (*name, key.clone())).collect();
        for (name, key) in keys {
            self.send_key(device, name, key);
        }
    }

    pub(super) fn send_key(&mut self, device: DeviceId, name: KeyName, key: Key) {
        let draw = self
            .draw_for("keychain", device)
            .and(u64::from(name.generation))
            .and(name.draw)
            .and(self.now.0);
        let after = draw.span(self.plan.keychain);
        let arrival = Arrival::Input(Input::KeyArrived(name, key).into());
        self.file_gift(device, None, after, draw, arrival);
    }

    /// A device loses power now. What its user was about to do is not done.
    pub(super) fn cut_power(&mut self, device: DeviceId) {
        let draw = self.draw_for("crash", device);
        let site = self.site_mut(device);
        let wreck = site.disk.crash(draw);
        site.kept = wreck.keeps;
        let fact = Fact::Killed { keeps: wreck.keeps, between: wreck.unanswered };
        self.note(Node::Device(device), fact);
        let batches = self.batches.len();
        self.batches.retain(|(of, _)| *of != device);
        if self.batches.len() < batches {
            self.cover("batch interrupted");
        }
        if wreck.unanswered || wreck.under_way {
            self.cover("crash between two durable steps");
        }
        let index = usize::from(device.0);
        let unread = self.stations[index].desk.clear();
        self.stations[index].called = false;
        self.stations[index].deadline += 1;
        for arrival in unread {
            match arrival {
                Arrival::Message(mail) => self.lose(&mail, Lost::Dead),
                Arrival::Deed(step, _) => self.note(Node::Device(device), Fact::Skipped(step)),
                Arrival::Start(_)
                | Arrival::SignIn
                | Arrival::Last(_)
                | Arrival::Input(_)
                | Arrival::StartWorker(_)
                | Arrival::Volume(_)
                | Arrival::ForProcessor(_)
                | Arrival::Control(_) => {}
            }
        }
        let site = self.site_mut(device);
        site.state = State::Off;
        if std::mem::take(&mut site.paused) {
            self.note(Node::Device(device), Fact::Ended(Trouble::Pause(device)));
        }
        self.orders.push(Order::Kill(index));
    }

    /// Plans the next start of a device, in place of any other that was planned.
    pub(super) fn plan_start(&mut self, device: DeviceId, after: Span) {
        let site = self.site_mut(device);
        site.start += 1;
        let start = site.start;
        let order = self.draw_for("start", device).and(u64::from(start));
        self.file(self.now + Span(after.0.max(1)), order, Event::Start(device, start));
    }

    pub(super) fn resume(&mut self, device: DeviceId, life: Incarnation) {
        if self.lives(device, life) && self.site(device).paused {
            self.site_mut(device).paused = false;
            self.note(Node::Device(device), Fact::Ended(Trouble::Pause(device)));
            self.call(usize::from(device.0), |_| {});
        }
    }
}
