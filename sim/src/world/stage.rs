//! The stage: time, hosts, the messages between them, the faults among them, and the record of it all. It
//! carries out [`Action`]s.

use std::sync::Arc;

use harness::random::Draw;
use harness::time::{Span, Time};

use super::accounts::Accounts;
use super::action::{Action, Actions};
use super::budget::Used;
use super::event::Event;
use super::faults::Faults;
use super::hit::hit_of;
use super::host::Host;
use super::hosts::Hosts;
use super::owners::Owners;
use super::queue::Queue;
use super::readings::Readings;
use super::recorder::Recorder;
use super::server::Server;
use super::services::{Circumstances, Services};
use crate::fault::Hit;
use crate::history::{Fact, Incarnation, Lost};
use crate::mailbox::Inbound;
use crate::message::Message;
use crate::network::{Fate, Network};
use crate::plan::{Node, Plan};

/// Time, hosts, messages, faults, and the record of it all.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) plan: Arc<Plan>,
    pub(super) queue: Queue,
    pub(super) network: Network,
    pub(super) hosts: Hosts,
    pub(super) faults: Faults,
    pub(super) recorder: Recorder,
    readings: Readings,
    /// What an owner has just decided, until it is handed on.
    pub(super) out: Actions,
}

impl Stage {
    pub(super) fn new(plan: Arc<Plan>, hosts: Hosts, accounts: &Accounts) -> Self {
        Self {
            queue: Queue::default(),
            network: Network::new(&plan),
            hosts,
            faults: Faults::new(plan.nature),
            recorder: Recorder::new(&plan, accounts),
            readings: Readings::new(plan.devices.len()),
            out: Actions::new(),
            plan,
        }
    }

    /// From now on what is left to chance is drawn from this nature.
    pub(super) fn redraw(&mut self, nature: u64) {
        self.network.redraw(nature);
        self.hosts.redraw(nature);
    }

    /// The simulated time.
    pub(super) fn now(&self) -> Time {
        self.queue.now()
    }

    /// What the run has used so far.
    pub(super) fn used(&self) -> Used {
        let Self { queue, recorder, .. } = self;
        let facts = recorder.history().len() as u64;
        Used { events: queue.taken(), facts, bytes: recorder.bytes(), now: queue.now() }
    }

    /// All owners, to look at.
    pub(super) fn owners<'w>(&'w self, services: &'w Services) -> Owners<'w> {
        let Self { plan, hosts, faults, readings, .. } = self;
        Owners { plan, hosts, services, faults, readings }
    }

    /// When something happens now, and what active faults make of it; by chance things fail if there are
    /// `chances`. Also the hosts, and where to write down what is decided.
    pub(super) fn circumstances(
        &mut self,
        chances: bool,
    ) -> (Circumstances<'_>, &Hosts, &mut Actions) {
        let Self { queue, faults, hosts, out, .. } = self;
        (Circumstances { now: queue.now(), active: faults.conditions(), chances }, hosts, out)
    }

    /// Hands what an owner decided to those who carry it out, in order. What follows from an action comes
    /// before the next one.
    // Most often an owner has decided nothing, and that is worth no call.
    #[inline(always)]
    pub(super) fn hand_on(&mut self) {
        if !self.out.is_empty() {
            self.carry_out_all();
        }
    }

    #[inline(never)]
    fn carry_out_all(&mut self) {
        let mut actions = std::mem::take(&mut self.out);
        actions.drain(..).for_each(|action| self.carry_out(action));
        // The memory serves again.
        self.out = actions;
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Note(node, fact) => self.note(node, fact),
            Action::Hit(hit) => self.strike(hit),
            Action::Count(name) => self.recorder.count(name),
            Action::Wake(node, at) => self.set_alarm(node, at),
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

    /// A host is woken at this time and no other.
    pub(super) fn set_alarm(&mut self, node: Node, at: Option<Time>) {
        let Some(place) = self.hosts.place(node) else { return };
        let soonest = self.queue.now() + Span(1);
        let order = |at: Time| Draw::new(self.plan.nature, "wake").and(place as u64).and(at.0);
        self.queue.set_alarm(place, at.map(|at| (at.max(soonest), order(at))));
    }

    /// Adds a fact to the history.
    pub(super) fn note(&mut self, node: Node, fact: Fact) {
        let hit = self.faults.awaits_hit().then(|| self.observe(node, &fact)).flatten();
        let (now, host) = (self.queue.now(), (node, self.hosts.incarnation(node)));
        self.readings.observe(now, node, &fact);
        self.recorder.note(now, host, fact);
        if let Some(hit) = hit {
            self.strike(hit);
        }
    }

    /// Shows a fact to the faults that have hit nothing so far; returns what it shows.
    #[inline(never)]
    fn observe(&mut self, node: Node, fact: &Fact) -> Option<Hit> {
        if let Fact::Ended(fault) = fact {
            self.faults.has_ended(fault);
        }
        hit_of(node, fact)
    }

    /// Something was hit. A fault counts with the first thing that it hits.
    pub(super) fn strike(&mut self, hit: Hit) {
        for (step, fault) in self.faults.strike(hit) {
            self.recorder.count(fault.word());
            if hit != Hit::Happened {
                self.note(Node::World, Fact::Struck(step));
            }
        }
    }

    /// Gives a message to the network.
    pub(super) fn send(&mut self, message: Message) {
        let fact = self.recorder.sent(&message);
        self.note(message.from, fact);
        match self.network.decide(self.queue.now(), self.faults.conditions(), &message) {
            Fate::Lost(why) => self.lose(&message, why),
            Fate::Arrives((first, order), second) => {
                if let Some(second) = second {
                    self.recorder.count("message duplicated");
                    let (copy, order) = self.network.copy(&message);
                    self.queue.schedule(second, order, Event::Arrive(copy));
                }
                self.queue.schedule(first, order, Event::Arrive(message));
            }
        }
    }

    pub(super) fn lose(&mut self, message: &Message, why: Lost) {
        let fact = self.recorder.lost(message, why);
        self.note(message.from, fact);
    }

    /// Gives a host something from outside of the network. A key that is held back does not reach it.
    pub(super) fn give(&mut self, to: Node, incarnation: Option<Incarnation>, inbound: Inbound) {
        if inbound.is_new_key()
            && let Some(device) = to.device()
            && self.faults.conditions().holds_keys(device)
        {
            return self.strike(Hit::KeyHeld(device));
        }
        self.hosts.give((self.queue.now(), to), incarnation, inbound, &mut self.out);
        self.hand_on();
    }

    /// Does something to a host that costs it its power, if it runs.
    pub(super) fn cut(
        &mut self,
        server: &mut Server,
        node: Node,
        cut: impl FnOnce(&mut Host, &mut Actions),
    ) {
        let Self { hosts, out, .. } = self;
        if hosts.get(node).is_up() {
            server.lose(node, out);
        }
        hosts.change(node, |host| cut(host, out));
        self.hand_on();
    }

    /// Brings all keys of its user to a device.
    pub(super) fn send_keys(&mut self, accounts: &Accounts, node: Node) {
        let (Some(_), Some(user)) = (node.device(), self.hosts.user_of(node)) else { return };
        accounts.send_keys(self.queue.now(), self.hosts.get(node), user, &mut self.out);
        self.hand_on();
    }
}
