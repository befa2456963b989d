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
mod budget;
mod comparison;
mod damage;
mod ended;
mod event;
mod faults;
mod happening;
mod hit;
mod host;
mod hosts;
mod incurable;
mod intruder;
mod item;
mod last_reads;
mod ledger;
mod looks;
mod owners;
mod phase;
mod planned;
mod queue;
mod quiescence;
mod readings;
mod recorder;
mod remotes;
mod script;
mod seed;
mod server;
mod services;
mod settling;
mod stage;
mod storage;
mod supervision;

use std::sync::Arc;

use harness::time::{Span, Time};
use harness::watch::Watch;

use self::accounts::Accounts;
use self::action::Action;
use self::bounds::patience;
pub use self::bounds::settle_bound;
pub(crate) use self::ended::Ended;
use self::ended::shells;
use self::event::Event;
use self::host::Host;
use self::hosts::Hosts;
pub(crate) use self::hosts::Order;
use self::last_reads::LastReads;
use self::phase::Phase;
use self::script::Script;
use self::seed::Seeds;
use self::services::Services;
use self::settling::{Next, Settling};
use self::stage::Stage;
use self::supervision::{Early, Supervision};
use crate::history::{Asked, Fact, Skip};
use crate::mailbox::{Effect, Mailbox};
use crate::message::{Body, Message};
use crate::plan::{Effect as EffectKind, Excess, Node, Plan};
use crate::shell::ShellMaker;
use crate::workload;

/// The world of one run.
#[derive(Clone, Debug)]
pub(crate) struct World {
    stage: Stage,
    script: Script,
    services: Services,
    settling: Settling,
    /// How many facts the script has seen.
    observed: usize,
    /// Serves again to take what a host has put out.
    effects: Vec<Effect>,
    supervision: Supervision,
}

impl World {
    /// The world of a plan, before anything has happened.
    pub(crate) fn new(plan: Arc<Plan>, watch: Watch) -> Self {
        let accounts = Accounts::of(&plan);
        let Seeds { doubles, stored, images } = Seeds::of(&plan, &accounts);
        let hosts = Hosts::of(&plan, images);
        let mut world = Self {
            stage: Stage::new(plan.clone(), hosts, &accounts),
            script: Script::of(&plan),
            services: Services::new(&plan, accounts, doubles),
            settling: Settling::new(plan.nature),
            observed: 0,
            effects: Vec::new(),
            supervision: Supervision::begin(&plan, watch),
        };
        for (from, effect) in stored {
            world.carry_out(from, effect);
        }
        world.open();
        world
    }

    /// Everything that is planned becomes due.
    fn open(&mut self) {
        self.stage.hosts.plan_first_starts(&mut self.stage.out);
        self.services.store_seed_data(&mut self.stage.out);
        self.script.open(&mut self.stage.out);
        looks::open(&self.stage.plan, &mut self.stage.out);
        self.settling.enter(Phase::Faults, (Time(0), self.stage.plan.storm), &mut self.stage.out);
        self.stage.hand_on();
    }

    /// A world that is as this one, and goes on by itself. Nothing is shared but what is never changed,
    /// and the memory of opened blobs, whose contents are a function of their bytes.
    pub(crate) fn fork(&self) -> Self {
        let (services, supervision) = (self.services.fork(), self.supervision.fork());
        Self { services, supervision, ..self.clone() }
    }

    /// From now on what is left to chance is drawn from this nature. What names or opens things stays.
    pub(crate) fn redraw(&mut self, nature: u64) {
        self.stage.redraw(nature);
        self.services.redraw(nature);
    }

    /// When something happens next; `None` when the run is over, or ends here.
    pub(crate) fn next_due(&mut self) -> Option<Time> {
        if self.settling.phase() == Phase::Over {
            return None;
        }
        let due = self.stage.queue.next_due();
        self.end_if_it_must();
        due.filter(|_| self.settling.phase() != Phase::Over)
    }

    /// Lets happen what is due next.
    pub(crate) fn begin_turn(&mut self) {
        self.stage.queue.advance();
        self.supervision.begin_turn(self.stage.now());
        while let Some(event) = self.stage.queue.take() {
            self.happen(event);
        }
        self.stage.hosts.gather();
    }

    /// What the driver has to do before the hosts of a turn work, in order.
    pub(crate) fn take_orders(&mut self) -> Vec<Order> {
        self.stage.hosts.take_orders()
    }

    /// The hosts that have something to do in this turn, in order.
    pub(crate) fn ready(&self) -> &[usize] {
        self.stage.hosts.ready()
    }

    /// The mailbox of a host, which goes to work on it.
    pub(crate) fn mailbox(&mut self, host: usize) -> &mut Mailbox {
        self.supervision.begin_work(host);
        self.stage.hosts.mailbox(host)
    }

    /// Carries out the effects of the hosts of this turn.
    pub(crate) fn end_turn(&mut self) {
        self.supervision.end_work();
        let worked = self.stage.hosts.take_ready();
        for &place in &worked {
            let mut effects = std::mem::take(&mut self.effects);
            let from = self.stage.hosts.take_effects(place, &mut effects);
            self.carry_out_all(from, &mut effects);
            effects.clear();
            self.effects = effects;
        }
        self.stage.hosts.end_turn(worked);
        self.show_script();
        self.advance_phase(false);
    }

    /// Hands an event to the owner that it concerns.
    fn happen(&mut self, event: Event) {
        let now = self.stage.now();
        match event {
            Event::Step(step) => return self.take_step(step),
            Event::Look(place) => looks::look((&mut self.stage, &self.services), place),
            Event::Start(node, start) => {
                if self.stage.hosts.get(node).is_planned(start) {
                    self.start(node);
                }
            }
            Event::Resume(node, incarnation) => {
                self.stage.hosts.resume((now, node), incarnation, &mut self.stage.out);
            }
            Event::EndFault(step) => happening::end((&mut self.stage, &mut self.services), step),
            Event::Durable(node, incarnation, commit) => {
                if self.stage.hosts.get_mut(node).make_durable(incarnation, commit) {
                    self.stage.note(node, Fact::Durable(commit));
                    if !self.crashes_after(node, EffectKind::Durable) {
                        self.stage.hosts.get(node).answer_commit_later(
                            now,
                            commit,
                            &mut self.stage.out,
                        );
                    }
                }
            }
            Event::Persisted(node, incarnation, commit) => {
                if self.stage.hosts.get_mut(node).answer_commit(incarnation, commit) {
                    self.stage.hosts.call(now, node, Mailbox::tell_persisted);
                }
            }
            Event::QuietEnough(step) => {
                self.script.stop_waiting_for_quiet(now, step, &mut self.stage.out);
            }
            Event::EndPhase(phase) => {
                if phase == self.settling.phase() {
                    self.advance_phase(true);
                }
            }
            Event::AtVolume(worker, incarnation, call) => {
                let (circumstances, _, out) = self.stage.circumstances(self.settling.has_faults());
                let request = (worker, incarnation, &call);
                self.services.reach_volume(request, circumstances, out);
            }
            Event::Arrive(message) => self.arrive(message),
            Event::Give(to, incarnation, inbound) => self.stage.give(to, incarnation, inbound),
            Event::Wake(place) => self.stage.hosts.wake(now, place),
        }
        self.stage.hand_on();
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
                    self.stage.note(from, Fact::Skipped(step, Skip::Interrupted));
                }
            }
            if !survives {
                let now = self.stage.now();
                self.stage.cut(&mut self.services.server, from, |host, out| host.fail(now, out));
            }
            return;
        }
    }

    /// Hands an effect to the owner that it concerns; false if the machine crashed instead.
    fn carry_out(&mut self, from: Node, effect: Effect) -> bool {
        let now = self.stage.now();
        let mut survives = true;
        match effect {
            Effect::Fact(fact) => self.note_of_user(from, fact),
            Effect::Persist(batch) => {
                let surroundings =
                    (self.stage.faults.conditions(), self.stage.recorder.facts_mut());
                survives = self.stage.hosts.get_mut(from).persist(
                    now,
                    &batch,
                    surroundings,
                    &mut self.stage.out,
                );
            }
            Effect::Send(remote, call) => {
                let asker = (from, self.stage.hosts.incarnation(from));
                self.stage.send(Message::call(asker, remote, call));
            }
            Effect::Request(request) => {
                let incarnation = self.stage.hosts.incarnation(from);
                self.stage.out.push(Action::Request(from, incarnation, request));
            }
            Effect::Reply(to, answer) => {
                self.stage.send(Message::reply(from, to, Body::Return(answer)));
            }
            Effect::Respond(to, response) => {
                self.stage.send(Message::reply(from, to, Body::Response(response)));
            }
            Effect::Hint(vault, saver) => {
                let others = self.stage.hosts.others_of(vault, saver);
                self.stage
                    .network
                    .hints(from, saver, &others)
                    .into_iter()
                    .for_each(|it| self.stage.send(it));
            }
            Effect::Call(call) => {
                let (circumstances, hosts, out) =
                    self.stage.circumstances(self.settling.has_faults());
                self.services.take_call((hosts, from), call, circumstances, out);
            }
            Effect::Remote(fact) => {
                let keychain = self.services.accounts.keychain();
                let fact = self.stage.recorder.done_by_remote(fact, keychain);
                self.stage.note(from, fact);
            }
            Effect::Hit(hit) => self.stage.strike(hit),
            Effect::Reached(point) => self.stage.recorder.reach(point),
            Effect::Wake(at) => self.stage.set_alarm(from, at),
            Effect::Logged(logged) => {
                let host = (from, self.stage.hosts.incarnation(from));
                self.stage.recorder.log(now, host, logged);
            }
            Effect::Crashed(message) => {
                self.stage.note(from, Fact::Panicked(message));
                // A remote never loses power: it goes on.
                survives = from.remote().is_some();
            }
        }
        self.stage.hand_on();
        survives
    }

    /// Notes what a user asked or was answered, and what follows from it outside of the host.
    fn note_of_user(&mut self, from: Node, fact: Fact) {
        let signs_in = matches!(fact.asked(), Some((_, Asked::SignIn)));
        if let Fact::Asked(..) | Fact::Answered(..) = fact {
            self.stage.hosts.get_mut(from).observe(&fact);
            self.services.server.observe(from, &fact);
        }
        self.stage.note(from, fact);
        if signs_in {
            self.stage.send_keys(&self.services.accounts, from);
        }
    }

    /// A message reaches its receiver, or what is left of it.
    fn arrive(&mut self, message: Message) {
        if let Some(why) = message.stopped_by(self.stage.faults.conditions()) {
            return self.stage.lose(&message, why);
        }
        match message.to {
            Node::World | Node::Volume | Node::Intruder => {
                self.stage.note(message.to, message.delivered());
                if let Body::Response(response) = &message.body {
                    self.services.intruder.receive(response, &mut self.stage.out);
                }
            }
            Node::Device(_) | Node::Remote(_) | Node::Worker(_) | Node::Processor(_) => {
                self.stage.hosts.receive(self.stage.now(), message, &mut self.stage.out);
            }
        }
        self.stage.hand_on();
    }

    /// Starts a host, in a new incarnation.
    fn start(&mut self, node: Node) {
        let is_first =
            self.stage.hosts.start(node, self.stage.recorder.facts_mut(), &mut self.stage.out);
        self.stage.hand_on();
        let Stage { hosts, faults, .. } = &self.stage;
        let given = self.services.accounts.start(hosts.get(node), is_first, faults.conditions());
        self.stage.hosts.call(self.stage.now(), node, |mailbox| {
            given.into_iter().for_each(|inbound| mailbox.put(inbound));
        });
        self.stage.send_keys(&self.services.accounts, node);
    }

    /// An effect of a host has reached beyond it; true if the host lost power at it.
    fn crashes_after(&mut self, node: Node, effect: EffectKind) -> bool {
        happening::count_effect((&mut self.stage, &mut self.services), node, effect)
    }

    /// A step happens, unless the faults have ended before.
    fn take_step(&mut self, step: usize) {
        self.script.schedule_next(&mut self.stage.out);
        self.stage.hand_on();
        if !self.settling.has_faults() {
            return;
        }
        let now = self.stage.now();
        let planned = self.script.take(now, step, &mut self.stage.out);
        self.stage.hand_on();
        if let Some(planned) = planned
            && let Err(need) = happening::begin((&mut self.stage, &mut self.services), planned)
        {
            self.stage.note(Node::World, Fact::Skipped(planned.step, Skip::Needs(need)));
        }
        let facts = self.stage.recorder.history().len();
        self.script.prepare(step + 1, (now, facts), &mut self.stage.out);
        self.stage.hand_on();
    }

    /// Shows the script what has happened in this turn.
    fn show_script(&mut self) {
        if !self.script.is_unarmed() {
            let facts = &self.stage.recorder.history()[self.observed..];
            self.script.observe(facts, self.observed, &mut self.stage.out);
            self.stage.hand_on();
        }
        self.observed = self.stage.recorder.history().len();
    }

    /// Begins the next phase, if what this one waits for has come, or the time that it may take has passed.
    fn advance_phase(&mut self, is_late: bool) {
        let now = self.stage.now();
        let Self { stage, services, settling, script, .. } = self;
        let owners = stage.owners(services);
        match settling.next(owners, script.awaits_quiet(), is_late) {
            None => {}
            Some(Next::Quiet) => self.script.quiet_has_come(now, &mut self.stage.out),
            Some(Next::FaultsEnd) => self.end_faults(),
            Some(Next::Settled(pending)) => {
                self.stage.note(Node::World, Fact::Settled { pending });
                let rest = Span(self.stage.plan.timing.pull_every.0.saturating_mul(2));
                self.settling.enter(Phase::Resting, (now, rest), &mut self.stage.out);
            }
            Some(Next::LastReads) => {
                let owners = self.stage.owners(&self.services);
                let LastReads { readers, at_most } = LastReads::of(owners);
                for (node, inbound) in readers {
                    self.stage.hosts.call(now, node, |mailbox| mailbox.put(inbound));
                }
                self.settling.enter(Phase::Reading, (now, at_most), &mut self.stage.out);
            }
            Some(Next::Over) => self.finish(),
        }
        self.stage.hand_on();
    }

    /// The faults of the plan end: what can come back does, and the run waits for quiescence.
    fn end_faults(&mut self) {
        let now = self.stage.now();
        self.script.close(&mut self.stage.out);
        let at_most = patience(&self.stage.plan);
        self.settling.enter(Phase::Settling, (now, at_most), &mut self.stage.out);
        self.stage.hand_on();
        self.stage.network.heal();
        for step in self.stage.faults.that_can_end() {
            happening::end((&mut self.stage, &mut self.services), step);
        }
        self.stage.note(Node::World, Fact::FaultsEnded);
        let hosts: Vec<Node> = self.stage.hosts.all().iter().map(Host::node).collect();
        for node in hosts {
            let runs = self.stage.hosts.bring_back((now, node), &mut self.stage.out);
            self.stage.hand_on();
            if runs {
                self.stage.send_keys(&self.services.accounts, node);
            }
        }
    }

    /// Ends the run if it must end before it is over.
    fn end_if_it_must(&mut self) {
        match self.supervision.ends(self.stage.used()) {
            None => {}
            Some(Early::Excess(excess)) => self.cut_off(Node::World, excess, Vec::new()),
            Some(Early::Hangs(host)) => self.hang(host),
            Some(Early::Left) => self.settling.end(),
        }
    }

    /// The run is known to hang in the work of this host in the next turn.
    fn hang(&mut self, host: usize) {
        self.begin_turn();
        let (node, given) = self.stage.hosts.given_to(host);
        self.cut_off(node, Excess::Turn, given);
    }

    /// Ends the run before it is over. Nothing is noted of how it would have ended.
    fn cut_off(&mut self, node: Node, excess: Excess, given: Vec<String>) {
        self.stage.note(node, Fact::CutOff { excess, given });
        self.settling.end();
    }

    /// Notes what the remotes hold, and stops.
    fn finish(&mut self) {
        looks::look_into_all((&mut self.stage, &self.services));
        self.settling.end();
    }

    /// All hosts, with the shells that belong to them.
    pub(crate) fn nodes(&self) -> Vec<(String, ShellMaker)> {
        shells(self.stage.owners(&self.services))
    }

    /// Ends the world and tells what there is to judge.
    pub(crate) fn end(self) -> Ended {
        Ended::of(self.stage, &self.services, self.script)
    }
}
