//! What users have beside their devices: the keychain that carries their keys from device to device, the
//! sign-in service, and a home whose calendar their days are of. Hosts are started with these.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::date::Calendar;
use engine::device::{Boot as DeviceBoot, Input};
use engine::flaw::Flaws;
use engine::id::{DeviceId, ReplicaId, UserId};
use engine::ingest::Vault;
use engine::message::{Client, DeviceKey};
use engine::processor::{Boot as ProcessorBoot, Input as ProcessorInput};
use engine::seal::{Key, KeyName, Memo};
use engine::worker::Boot as WorkerBoot;
use harness::random::Draw;
use harness::time::{Span, SpanRange, Time};

use super::action::{Action, Actions};
use super::event::Event;
use super::host::Host;
use super::hosts::Hosts;
use crate::fault::Conditions;
use crate::keychain::{HOME, Keychain, SignInDesk};
use crate::mailbox::{Inbound, Start, StartProcessor};
use crate::plan::{self, Node, Plan, ProcessorId};

/// What users have beside their devices.
#[derive(Clone, Debug)]
pub(super) struct Accounts {
    plan: Arc<Plan>,
    /// What the sign-in service does is drawn from it.
    nature: u64,
    keychain: Keychain,
    /// The sign-in service, as each host has met it in its incarnation.
    sign_ins: BTreeMap<Node, SignInDesk>,
    calendar: Calendar,
    /// What was opened, of all hosts: a function of the bytes.
    memo: Memo,
    /// The prefix of all tokens of the run.
    canary: [u8; 8],
}

impl Accounts {
    pub(super) fn of(plan: &Arc<Plan>) -> Self {
        let memo = Memo::default();
        Self {
            plan: plan.clone(),
            nature: plan.nature,
            keychain: Keychain::new(plan.nature, plan.users.len(), &memo),
            sign_ins: BTreeMap::new(),
            calendar: Calendar::new(HOME).expect("the engine knows this zone"),
            memo,
            canary: Draw::new(plan.nature, "needle").bytes(),
        }
    }

    /// From now on what the sign-in service does is drawn from this nature.
    pub(super) fn redraw(&mut self, nature: u64) {
        self.nature = nature;
    }

    /// All keys. The oracle opens with them what no single device may be able to open.
    pub(super) fn keychain(&self) -> &Keychain {
        &self.keychain
    }

    /// The prefix of all tokens of the run.
    pub(super) fn canary(&self) -> [u8; 8] {
        self.canary
    }

    /// What was opened and decoded in this run.
    pub(super) fn memo(&self) -> Memo {
        self.memo.clone()
    }

    /// How many blobs were really opened.
    pub(super) fn opened(&self) -> u64 {
        self.memo.opened()
    }

    /// What an enrolled machine knows of a user's vault.
    pub(super) fn vault_of(&self, user: UserId, flaws: Flaws) -> Vault {
        Vault {
            id: user.into(),
            secret: Keychain::secret(self.plan.nature, user),
            keyring: self.keychain.ring(user),
            calendar: self.calendar.clone(),
            flaws,
        }
    }

    /// What a host that has just begun an incarnation is started with. The sign-in service has not met it.
    /// On a device that is new a user signs in.
    pub(super) fn start(
        &mut self,
        host: &Host,
        is_first: bool,
        active: &Conditions,
    ) -> Vec<Inbound> {
        self.sign_ins.remove(&host.node());
        match host.node() {
            Node::Device(device) => {
                let start = Inbound::Start(Box::new(self.device_start(device, host, active)));
                let planned = &self.plan.devices[usize::from(device.0)].start;
                let signs_in = is_first && matches!(planned, plan::Start::Fresh(_));
                [start].into_iter().chain(signs_in.then_some(Inbound::SignIn)).collect()
            }
            Node::Worker(_) => vec![Inbound::StartWorker(Box::new(self.worker_boot(host)))],
            Node::Processor(processor) => {
                vec![Inbound::StartProcessor(Box::new(self.processor_start(processor, host)))]
            }
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => Vec::new(),
        }
    }

    fn device_start(&self, device: DeviceId, host: &Host, active: &Conditions) -> Start {
        let plan = &self.plan;
        let user = plan.devices[usize::from(device.0)].user;
        let storage = host.storage().expect("a device has a disk");
        let boot = DeviceBoot {
            device,
            user,
            install: storage.install(),
            entropy: host.draw("entropy").bytes(),
            build: active.build_of(device),
            remotes: plan.remotes.iter().map(|remote| remote.kind).collect(),
            server: plan.server.is_some(),
            secret: Keychain::secret(plan.nature, user),
            calendar: self.calendar.clone(),
            piece: plan.server.as_ref().map_or(1, |server| server.piece as usize),
            timing: plan.timing,
            flaws: plan.flaws,
            memo: Some(self.memo.clone()),
        };
        let snapshot = storage.contents().clone();
        Start { boot, last_op: host.last_op(), snapshot, canary: self.canary }
    }

    fn worker_boot(&self, host: &Host) -> WorkerBoot {
        let timing = self.plan.server.as_ref().expect("a worker is of a server").timing;
        let entropy = host.draw("worker entropy").bytes();
        WorkerBoot { entropy, timing, flaws: self.plan.flaws }
    }

    /// The keys are all that a processor knows.
    fn processor_start(&self, processor: ProcessorId, host: &Host) -> StartProcessor {
        let plan = &self.plan;
        let user = plan.processors()[usize::from(processor.0)].user;
        let name = |concern| Draw::new(plan.nature, concern).and(u64::from(processor.0)).value();
        let replica = ReplicaId(name("processor replica"));
        let boot = ProcessorBoot {
            entropy: host.draw("processor entropy").bytes(),
            user,
            device: DeviceKey(name("processor key")),
            client: Client { replica, life: host.incarnation() + 1 },
            vault: self.vault_of(user, plan.flaws),
            timing: plan.server.as_ref().expect("a processor has a server").pipeline.timing,
        };
        StartProcessor { boot, last_op: host.last_op(), canary: self.canary }
    }

    /// The sign-in service issues a credential to a host.
    pub(super) fn issue_credential(
        &mut self,
        now: Time,
        host: &Host,
        user: UserId,
        out: &mut Actions,
    ) {
        let (nature, users) = (self.nature, self.plan.users.len());
        let node = host.node();
        let (who, order) = match node {
            Node::Processor(it) => (1 << 32 | u64::from(it.0), host.draw("processor sign-in")),
            Node::Device(it) => (u64::from(it.0), host.draw("sign-in order")),
            Node::World | Node::Remote(_) | Node::Worker(_) | Node::Volume | Node::Intruder => {
                unreachable!("only users sign in")
            }
        };
        let who = (nature, who, host.incarnation());
        let desk = self.sign_ins.entry(node).or_default();
        let (after, credential) = desk.issue(who, &self.plan.sign_in, now, user, users);
        let inbound = if node.device().is_some() {
            Inbound::Input(Input::Credential(credential).into())
        } else {
            Inbound::ProcessorInput(ProcessorInput::Credential(credential).into())
        };
        let event = Event::Give(node, Some(host.incarnation()), inbound);
        out.push(Action::Schedule(now + Span(after.0.max(1)), order.and(now.0), event));
    }

    /// Brings all keys of its user to a device, each after its own while.
    pub(super) fn send_keys(&self, now: Time, device: &Host, user: UserId, out: &mut Actions) {
        for (name, key) in self.keychain.keys(user) {
            self.send_key(now, device, (*name, key), out);
        }
    }

    fn send_key(&self, now: Time, to: &Host, (name, key): (KeyName, &Key), out: &mut Actions) {
        let key = key.clone();
        let (draw, inbound) = if to.node().device().is_some() {
            let inbound = Inbound::Input(Input::KeyArrived(name, key).into());
            (to.draw("keychain"), inbound)
        } else {
            let inbound = Inbound::ProcessorInput(ProcessorInput::Key(name, key).into());
            (to.draw("processor key arrives"), inbound)
        };
        let draw = draw.and(u64::from(name.generation)).and(name.draw);
        let draw = if to.node().device().is_some() { draw.and(now.0) } else { draw };
        let after = draw.span(self.plan.keychain);
        let event = Event::Give(to.node(), None, inbound);
        out.push(Action::Schedule(now + Span(after.0.max(1)), draw, event));
    }

    /// The keychain takes a key of a device, tells it so, and sends the key to all else that its user has.
    pub(super) fn store_key(
        &mut self,
        now: Time,
        (hosts, from): (&Hosts, Node),
        (name, key): (KeyName, &Key),
        out: &mut Actions,
    ) {
        let Some(user) = hosts.user_of(from) else { return };
        self.keychain.accept(user, name, key.clone());
        let host = hosts.get(from);
        let draw = host.draw("key stored").and(u64::from(name.generation));
        let after = draw.span(SpanRange { low: Span(1), high: Span(50) });
        let inbound = Inbound::Input(Input::KeyStored(name).into());
        let event = Event::Give(from, Some(host.incarnation()), inbound);
        out.push(Action::Schedule(now + Span(after.0.max(1)), draw, event));
        for other in hosts.devices().iter().chain(hosts.processors()) {
            if other.node() != from && hosts.user_of(other.node()) == Some(user) {
                self.send_key(now, other, (name, key), out);
            }
        }
    }
}
