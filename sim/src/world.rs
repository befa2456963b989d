//! The world: everything that is not a machine, and the loop that takes a run through its turns.
//!
//! One simulated millisecond with something due is a *turn*. [`World::begin_turn`] lets happen what
//! is due, the world's own events first, and puts what hosts are given into their mailboxes; each host
//! that was called works by itself; [`World::end_turn`] carries out their effects, host by host.
//! The driver of the turns decides nothing but the order in which the hosts of one turn work, and that
//! cannot be observed.
//!
//! The world has *owners*, and does nothing by itself: it hands events and effects to the owner that they
//! concern, and what that decides, as [`Action`]s, to the next.

mod accounts;
mod action;
mod ai_step;
mod bounds;
mod damage;
mod event;
mod faults;
mod host;
mod hosts;
mod intruder;
mod item;
mod last_reads;
mod ledger;
mod owners;
mod queue;
mod quiescence;
mod recorder;
mod remotes;
mod script;
mod seed;
mod server;
mod settling;
mod trouble;

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::id::{UserId, VaultId};
use engine::time::{Span, Time};

use self::accounts::Accounts;
use self::action::{Action, Actions};
use self::ai_step::AiStep;
use self::bounds::patience;
pub use self::bounds::settle_bound;
use self::event::Event;
use self::faults::Faults;
use self::hosts::Hosts;
pub(crate) use self::hosts::Order;
use self::intruder::Intruder;
use self::last_reads::LastReads;
use self::owners::Owners;
use self::queue::Queue;
use self::recorder::Recorder;
use self::remotes::Remotes;
use self::script::Script;
use self::server::Server;
use self::settling::{Phase, Settling, have_read};
use crate::history::{Asked, Entry, Fact, Incarnation, Lost};
use crate::invariant::{HostNames, JudgeContext};
use crate::mailbox::{Effect, Inbound, Mailbox};
use crate::message::{Body, Message};
use crate::network::{Fate, Network};
use crate::outcome::{Counts, LogLine};
use crate::plan::{Effect as EffectKind, Node, Plan};
use crate::remote::RemoteFact;
use crate::shell::{ShellMaker, report};
use crate::workload;

/// The world of one run.
#[derive(Clone, Debug)]
pub(crate) struct World {
    plan: Arc<Plan>,
    queue: Queue,
    network: Network,
    hosts: Hosts,
    faults: Faults,
    script: Script,
    accounts: Accounts,
    remotes: Remotes,
    server: Server,
    ai_step: AiStep,
    intruder: Intruder,
    settling: Settling,
    recorder: Recorder,
    /// How many facts the script has seen.
    observed: usize,
    /// Serves again to take what a host has put out.
    effects: Vec<Effect>,
}

impl World {
    /// The world of a plan, before anything has happened.
    pub(crate) fn new(plan: Arc<Plan>) -> Self {
        let accounts = Accounts::of(&plan);
        let mut doubles: Vec<_> = plan.remotes.iter().map(|it| seed::double(&plan, it)).collect();
        let (needle, keychain) = (accounts.needle(), accounts.keychain());
        let rooted = seed::give(&plan, needle, keychain, &mut doubles);
        let hosts = Hosts::of(&plan, |device, install| {
            seed::image(&plan.devices[device], install, keychain, &rooted, &doubles)
        });
        let mut stored = Vec::new();
        for double in &mut doubles {
            let from = Node::Remote(double.remote());
            let mut effects = Vec::new();
            report(double.as_mut(), &mut effects);
            stored.push((from, effects));
        }
        let mut world = Self {
            queue: Queue::new(&plan),
            network: Network::new(&plan),
            hosts,
            faults: Faults::new(plan.nature),
            script: Script::of(&plan),
            remotes: Remotes::new(doubles),
            server: Server::of(&plan),
            ai_step: AiStep::of(&plan, needle),
            intruder: Intruder::of(&plan),
            settling: Settling::new(plan.nature),
            recorder: Recorder::new(&plan, needle),
            observed: 0,
            effects: Vec::new(),
            accounts,
            plan,
        };
        for (from, effects) in stored {
            for effect in effects {
                world.carry_out(from, effect);
            }
        }
        world.open();
        world
    }

    /// Everything that is planned becomes due.
    fn open(&mut self) {
        let mut out = Actions::new();
        self.hosts.plan_first_starts(&mut out);
        self.server.store_seed_data(&self.accounts, &mut out);
        self.script.open(&mut out);
        self.settling.enter(Phase::Faults, (Time(0), self.plan.storm), &mut out);
        self.hand_on(out);
        if self.script.needs_quiet() {
            self.watch();
        }
    }

    /// A world that is as this one, and goes on by itself. Nothing is shared but what is never changed,
    /// and the memory of opened blobs, whose contents are a function of their bytes.
    pub(crate) fn fork(&self) -> Self {
        Self { remotes: self.remotes.fork(), ..self.clone() }
    }

    /// When something happens next; `None` when the run is over.
    pub(crate) fn next_due(&mut self) -> Option<Time> {
        if self.settling.phase() == Phase::Over {
            return None;
        }
        let hosts = &self.hosts;
        self.queue.next_due(
            |event| matches!(event, Event::Wake(place, was) if !hosts.at(*place).is_deadline(*was)),
        )
    }

    /// Lets happen what is due next.
    pub(crate) fn begin_turn(&mut self) {
        self.queue.advance();
        while let Some(event) = self.queue.take() {
            self.happen(event);
        }
        if self.queue.is_endless() {
            self.give_up();
        }
        self.hosts.gather();
    }

    /// What the driver has to do before the hosts of a turn work, in order.
    pub(crate) fn take_orders(&mut self) -> Vec<Order> {
        self.hosts.take_orders()
    }

    /// The hosts that have something to do in this turn, in order.
    pub(crate) fn ready(&self) -> &[usize] {
        self.hosts.ready()
    }

    /// The mailbox of a host.
    pub(crate) fn mailbox(&mut self, host: usize) -> &mut Mailbox {
        self.hosts.mailbox(host)
    }

    /// Carries out the effects of the hosts of this turn.
    pub(crate) fn end_turn(&mut self) {
        let worked = self.hosts.take_ready();
        for &place in &worked {
            let mut effects = std::mem::take(&mut self.effects);
            let from = self.hosts.take_effects(place, &mut effects);
            self.carry_out_all(from, &mut effects);
            effects.clear();
            self.effects = effects;
        }
        self.hosts.end_turn(worked);
        self.show_script();
        self.advance_phase();
    }

    /// Hands an event to the owner that it concerns.
    fn happen(&mut self, event: Event) {
        let now = self.queue.now();
        let mut out = Actions::new();
        match event {
            Event::Step(step) => return self.take_step(step),
            Event::Start(node, start) => {
                if self.hosts.get(node).is_planned(start) {
                    self.start(node);
                }
            }
            Event::Resume(node, incarnation) => {
                self.hosts.resume((now, node), incarnation, &mut out);
            }
            Event::EndFault(step) => self.end_fault(step),
            Event::Durable(node, incarnation, commit) => {
                if self.hosts.get_mut(node).make_durable(incarnation, commit) {
                    self.note(node, Fact::Durable(commit));
                    if !self.crashes_after(node, EffectKind::Durable) {
                        self.hosts.get(node).answer_commit_later(now, commit, &mut out);
                    }
                }
            }
            Event::Persisted(node, incarnation, commit) => {
                if self.hosts.get_mut(node).answer_commit(incarnation, commit) {
                    self.hosts.call(now, node, Mailbox::tell_persisted);
                }
            }
            Event::QuietEnough(step) => self.script.stop_waiting_for_quiet(now, step, &mut out),
            Event::EndPhase(phase) => self.end_phase(phase),
            Event::AtVolume(worker, incarnation, call) => {
                let conditions = (self.faults.active().volume, self.settling.has_faults());
                let from = (worker, incarnation, &call);
                self.server.handle(now, from, conditions, &self.accounts, &mut out);
            }
            Event::Arrive(message) => self.arrive(message),
            Event::Give(to, incarnation, inbound) => self.give(to, incarnation, inbound),
            Event::Wake(place, deadline) => self.hosts.wake(now, place, deadline),
        }
        self.hand_on(out);
    }

    /// Hands what an owner decided to those who carry it out, in order. What follows from an action comes
    /// before the next one.
    fn hand_on(&mut self, actions: Actions) {
        for action in actions {
            match action {
                Action::Note(node, fact) => self.note(node, fact),
                Action::Count(name) => self.recorder.count(name),
                Action::Schedule(at, order, event) => self.queue.schedule(at, order, event),
                Action::Send(message) => self.send(message),
                Action::Request(from, incarnation, request) => {
                    if let Some(message) = self.network.address((from, incarnation), request) {
                        self.send(message);
                    }
                }
                Action::Lose(message, why) => self.lose(&message, why),
            }
        }
    }

    /// Carries out what a host put out, up to the effect at which its machine crashed or its power was
    /// lost: nothing that follows took effect.
    fn carry_out_all(&mut self, from: Node, effects: &mut Vec<Effect>) {
        let mut effects = effects.drain(..);
        while let Some(effect) = effects.next() {
            let kind = effect.kind();
            let survives = self.carry_out(from, effect);
            if survives && !kind.is_some_and(|kind| self.crashes_after(from, kind)) {
                continue;
            }
            for effect in effects {
                if let Effect::Fact(Fact::Asked(op, _)) = effect
                    && from.device().is_some()
                    && let Some(step) = workload::step_of(op)
                {
                    self.note(from, Fact::Skipped(step));
                }
            }
            if !survives {
                let now = self.queue.now();
                self.cut(from, |host, out| host.fail(now, out));
            }
            return;
        }
    }

    /// Hands an effect to the owner that it concerns; false if the machine crashed instead.
    fn carry_out(&mut self, from: Node, effect: Effect) -> bool {
        let (now, incarnation) = (self.queue.now(), self.hosts.incarnation(from));
        let mut out = Actions::new();
        let mut survives = true;
        match effect {
            Effect::Fact(fact) => self.note_of_user(from, fact),
            Effect::Persist(batch) => {
                let surroundings = (self.faults.active(), self.recorder.facts_mut());
                survives = self.hosts.get_mut(from).persist(now, &batch, surroundings, &mut out);
            }
            Effect::Send(remote, call) => {
                self.send(Message::call((from, incarnation), remote, call));
            }
            Effect::Request(request) => out.push(Action::Request(from, incarnation, request)),
            Effect::Reply(to, answer) => {
                self.send(Message::reply(from, to, Body::Return(answer)));
            }
            Effect::Respond(to, response) => {
                self.send(Message::reply(from, to, Body::Response(response)));
            }
            Effect::Hint(vault, saver) => self.hint(from, vault, saver),
            Effect::Volume(call) => {
                let (worker, weather) = (self.hosts.get(from), self.faults.active().volume);
                self.server.send((now, worker), weather, call, &mut out);
            }
            Effect::StoreKey(name, key) => {
                self.accounts.store_key(now, (&self.hosts, from), (name, &key), &mut out);
            }
            Effect::NeedCredential => {
                if let Some(user) = self.hosts.user_of(from) {
                    self.accounts.issue_credential(now, self.hosts.get(from), user, &mut out);
                }
            }
            Effect::Step(step, thread) => {
                let conditions = (self.faults.active().step, self.settling.has_faults());
                let processor = (now, self.hosts.get(from));
                self.ai_step.begin(processor, (step, &thread), conditions, &mut out);
            }
            Effect::Remote(fact) => self.note_of_remote(from, fact),
            Effect::Reached(point) => self.recorder.reach(point),
            Effect::Wake(at) => out.extend(self.hosts.set_deadline((now, from), at)),
            Effect::Logged(logged) => self.recorder.log(now, (from, incarnation), logged),
            Effect::Crashed(message) => {
                self.note(from, Fact::Panicked(message));
                // A remote never loses power: it goes on.
                survives = from.remote().is_some();
            }
        }
        self.hand_on(out);
        survives
    }

    /// Adds a fact to the history.
    fn note(&mut self, node: Node, fact: Fact) {
        let host = (node, self.hosts.incarnation(node));
        self.recorder.note(self.queue.now(), host, fact);
    }

    /// Notes what a user asked or was answered, and what follows from it outside of the host.
    fn note_of_user(&mut self, from: Node, fact: Fact) {
        let signs_in = matches!(fact.asked(), Some((_, Asked::SignIn)));
        if let Fact::Asked(..) | Fact::Answered(..) = fact {
            self.hosts.get_mut(from).observe(&fact);
            self.server.observe(from, &fact);
        }
        self.note(from, fact);
        if signs_in {
            self.send_keys(from);
        }
    }

    /// Notes what a remote did; the oracle opens what it stored.
    fn note_of_remote(&mut self, from: Node, fact: RemoteFact) {
        let fact = match fact {
            RemoteFact::Committed { served, pos, by, policy } => {
                let (vault, id) = (served.row.vault, served.row.id);
                let opened = self.accounts.keychain().open(vault, id, &served.row.blob);
                let facts = self.recorder.facts_mut();
                let contents = opened.map(|record| facts.contents(&record));
                let (blob, _) = facts.blob(&served.row.blob);
                Fact::Committed { vault, id, pos, tag: served.tag, blob, by, contents, policy }
            }
            RemoteFact::Removed { vault, id, pos, by } => Fact::Removed { vault, id, pos, by },
            RemoteFact::Served(page) => Fact::Served(page),
            RemoteFact::Declined(who, call, refused) => Fact::Declined(who, call, refused),
        };
        self.note(from, fact);
    }

    /// Gives a message to the network.
    fn send(&mut self, message: Message) {
        let fact = self.recorder.sent(&message);
        self.note(message.from, fact);
        match self.network.decide(self.queue.now(), self.faults.active(), &message) {
            Fate::Lost(why) => self.lose(&message, why),
            Fate::Arrives(first, second) => {
                if let Some(second) = second {
                    self.recorder.count("message duplicated");
                    let copy = self.network.copy(&message);
                    let order = self.network.order(&copy, 1);
                    self.queue.schedule(second, order, Event::Arrive(copy));
                }
                let order = self.network.order(&message, 0);
                self.queue.schedule(first, order, Event::Arrive(message));
            }
        }
    }

    fn lose(&mut self, message: &Message, why: Lost) {
        let fact = self.recorder.lost(message, why);
        self.note(message.from, fact);
    }

    /// Hints to all running devices of a vault but the one that saved.
    fn hint(&mut self, from: Node, vault: VaultId, saver: Node) {
        let (Some(remote), number) = (from.remote(), self.network.number_hint(saver)) else {
            return;
        };
        for device in self.hosts.devices_of(vault) {
            if Node::Device(device) != saver && self.hosts.get(Node::Device(device)).is_up() {
                self.send(Message::hint(remote, device, number));
            }
        }
    }

    /// A message reaches its receiver, or what is left of it.
    fn arrive(&mut self, message: Message) {
        if let Some(why) = self.faults.active().stops(&message) {
            return self.lose(&message, why);
        }
        let mut out = Actions::new();
        match message.to {
            Node::World | Node::Volume | Node::Intruder => {
                self.note(message.to, message.delivered());
                if let Body::Response(response) = &message.body {
                    self.intruder.receive(response, &mut out);
                }
            }
            Node::Device(_) | Node::Remote(_) | Node::Worker(_) | Node::Processor(_) => {
                self.hosts.receive(self.queue.now(), message, &mut out);
            }
        }
        self.hand_on(out);
    }

    /// Gives a host something from outside of the network. A key that is held back does not reach it.
    fn give(&mut self, to: Node, incarnation: Option<Incarnation>, inbound: Inbound) {
        if inbound.is_new_key()
            && to.device().is_some_and(|device| self.faults.active().holds_keys(device))
        {
            return;
        }
        let mut out = Actions::new();
        self.hosts.give((self.queue.now(), to), incarnation, inbound, &mut out);
        self.hand_on(out);
    }

    /// Starts a host, in a new incarnation.
    fn start(&mut self, node: Node) {
        let mut out = Actions::new();
        let is_first = self.hosts.start(node, self.recorder.facts_mut(), &mut out);
        self.hand_on(out);
        let given = self.accounts.start(self.hosts.get(node), is_first);
        self.hosts.call(self.queue.now(), node, |mailbox| {
            given.into_iter().for_each(|inbound| mailbox.put(inbound));
        });
        self.send_keys(node);
    }

    /// Brings all keys of its user to a device.
    fn send_keys(&mut self, node: Node) {
        let (Some(_), Some(user)) = (node.device(), self.hosts.user_of(node)) else { return };
        let mut out = Actions::new();
        self.accounts.send_keys(self.queue.now(), self.hosts.get(node), user, &mut out);
        self.hand_on(out);
    }

    /// Does something to a host that costs it its power, if it runs.
    fn cut(&mut self, node: Node, cut: impl FnOnce(&mut host::Host, &mut Actions)) {
        let mut out = Actions::new();
        if self.hosts.get(node).is_up() {
            self.server.lose(node, &mut out);
        }
        self.hosts.change(node, |host| cut(host, &mut out));
        self.hand_on(out);
    }

    /// A step happens, unless the faults have ended before.
    fn take_step(&mut self, step: usize) {
        if !self.settling.has_faults() {
            return;
        }
        let now = self.queue.now();
        let mut out = Actions::new();
        let fault = self.script.take(now, step, &mut out);
        self.hand_on(out);
        if let Some((id, fault)) = fault
            && !self.begin_fault(id, &fault)
        {
            self.note(Node::World, Fact::Skipped(id));
        }
        let mut out = Actions::new();
        self.script.prepare(step + 1, (now, self.recorder.history().len()), &mut out);
        self.hand_on(out);
    }

    /// Shows the script what has happened in this turn.
    fn show_script(&mut self) {
        if !self.script.is_unarmed() {
            let mut out = Actions::new();
            let facts = &self.recorder.history()[self.observed..];
            self.script.observe(facts, self.observed, &mut out);
            self.hand_on(out);
        }
        self.observed = self.recorder.history().len();
    }

    /// Ends a phase early whose aim is reached, at the end of a turn.
    fn advance_phase(&mut self) {
        match self.settling.phase() {
            Phase::Faults => {
                if self.script.awaits_quiet() && self.has_settled() {
                    let mut out = Actions::new();
                    self.script.quiet_has_come(self.queue.now(), &mut out);
                    self.hand_on(out);
                }
            }
            Phase::Settling => {
                if self.has_settled() {
                    self.settle(Vec::new());
                }
            }
            Phase::Reading => {
                if have_read(self.owners()) {
                    self.finish();
                }
            }
            Phase::Resting | Phase::Over => {}
        }
    }

    /// The longest that a phase may take has passed.
    fn end_phase(&mut self, phase: Phase) {
        if phase != self.settling.phase() {
            return;
        }
        match phase {
            Phase::Faults => self.end_faults(),
            Phase::Settling => {
                let pending = self.settling.pending(self.owners());
                self.settle(pending);
            }
            Phase::Resting => self.read_for_the_last_time(),
            Phase::Reading | Phase::Over => self.finish(),
        }
    }

    /// The faults of the plan end: what can come back does, and the run waits for quiescence.
    fn end_faults(&mut self) {
        let now = self.queue.now();
        let mut out = Actions::new();
        self.script.close(&mut out);
        self.settling.enter(Phase::Settling, (now, patience(&self.plan)), &mut out);
        self.hand_on(out);
        self.network.heal();
        self.faults.that_can_end().into_iter().for_each(|step| self.end_fault(step));
        self.note(Node::World, Fact::Healed);
        let nodes: Vec<Node> = self.hosts.all().iter().map(host::Host::node).collect();
        for node in nodes {
            let mut out = Actions::new();
            if self.hosts.bring_back((now, node), &mut out) {
                self.hand_on(out);
                self.send_keys(node);
            } else {
                self.hand_on(out);
            }
        }
        self.watch();
    }

    /// From now on devices say how they stand whenever they have worked.
    fn watch(&mut self) {
        self.hosts.watch(self.queue.now());
    }

    fn has_settled(&mut self) -> bool {
        let Self { plan, hosts, remotes, server, accounts, faults, settling, .. } = self;
        settling.has_settled(Owners { plan, hosts, remotes, server, accounts, faults })
    }

    fn settle(&mut self, pending: Vec<String>) {
        self.note(Node::World, Fact::Settled { pending });
        let rest = Span(self.plan.timing.pull_every.0.saturating_mul(2));
        let mut out = Actions::new();
        self.settling.enter(Phase::Resting, (self.queue.now(), rest), &mut out);
        self.hand_on(out);
    }

    fn read_for_the_last_time(&mut self) {
        let LastReads { readers, at_most } = LastReads::of(self.owners());
        let now = self.queue.now();
        for (node, inbound) in readers {
            self.hosts.call(now, node, |mailbox| mailbox.put(inbound));
        }
        let mut out = Actions::new();
        self.settling.enter(Phase::Reading, (now, at_most), &mut out);
        self.hand_on(out);
    }

    /// A run that makes no end is ended.
    fn give_up(&mut self) {
        let settled = |entry: &Entry| matches!(entry.fact, Fact::Settled { .. });
        if !self.recorder.history().iter().any(settled) {
            let mut pending = vec![quiescence::endless(&self.plan)];
            pending.extend(self.settling.pending(self.owners()));
            self.note(Node::World, Fact::Settled { pending });
        }
        self.finish();
    }

    /// Notes what the remotes hold, and stops.
    fn finish(&mut self) {
        for (remote, row) in self.remotes.rows() {
            let (vault, id) = (row.row.vault, row.row.id);
            let opened = self.accounts.keychain().open(vault, id, &row.row.blob);
            let values = opened.iter().flat_map(|record| record.record().cells());
            let values = values.map(|(field, cell)| (field, cell.payload.value.clone())).collect();
            let facts = self.recorder.facts_mut();
            let contents = opened.as_ref().map(|record| facts.contents(record));
            self.note(Node::Remote(remote), Fact::Found { vault, id, contents, values });
        }
        self.settling.end();
    }

    /// All owners, to look at.
    fn owners(&self) -> Owners<'_> {
        let Self { plan, hosts, remotes, server, accounts, faults, .. } = self;
        Owners { plan, hosts, remotes, server, accounts, faults }
    }

    /// All hosts, with the shells that belong to them.
    pub(crate) fn nodes(&self) -> Vec<(String, ShellMaker)> {
        let accounts: Arc<[UserId]> = self.plan.devices.iter().map(|device| device.user).collect();
        let shell = |node: Node| match node {
            Node::Device(_) => Some(ShellMaker::Device),
            Node::Remote(remote) => {
                Some(ShellMaker::Remote(self.remotes.shared(remote)?.clone(), accounts.clone()))
            }
            Node::Worker(_) => Some(ShellMaker::Worker),
            Node::Processor(_) => Some(ShellMaker::Processor),
            Node::World | Node::Volume | Node::Intruder => None,
        };
        let named = |host: &host::Host| {
            let node = host.node();
            Some((self.plan.name(node).to_owned(), shell(node)?))
        };
        self.hosts.all().iter().filter_map(named).collect()
    }

    /// Ends the world and tells what there is to judge.
    pub(crate) fn end(self) -> Ended {
        let plan = &self.plan;
        let context = JudgeContext {
            devices: plan.devices.iter().map(|device| device.user).collect(),
            remotes: plan.remotes.iter().map(|remote| remote.kind).collect(),
            timing: plan.timing,
            incurable: quiescence::incurable(self.owners()),
            server: plan.server.clone(),
            at_end: plan.at_end.clone(),
            healed_at: Time(plan.storm.0),
            names: HostNames::of(plan),
        };
        let counts = Counts {
            events: self.queue.taken(),
            messages: self.hosts.received(),
            sealed: self.recorder.blobs(),
            opened: self.accounts.opened(),
            ..Counts::default()
        };
        let (history, log, coverage) = self.recorder.end();
        Ended { context, history, log, coverage, counts, moments: self.script.into_moments() }
    }
}

/// What is left when a world has ended: the history, and what its judges have to know.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) context: JudgeContext,
    pub(crate) history: Vec<Entry>,
    pub(crate) log: Vec<LogLine>,
    pub(crate) coverage: BTreeMap<&'static str, u64>,
    pub(crate) counts: Counts,
    pub(crate) moments: Vec<Option<Time>>,
}
