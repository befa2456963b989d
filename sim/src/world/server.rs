//! The sync server's storage: the volume that its workers share, and what is known of what is on it.
//!
//! A worker and the volume exchange no messages in the history: what matters is what the volume then holds,
//! and the history has that; the messages would be half of all facts. A request takes effect on its way,
//! whatever becomes of its worker.

use std::sync::Arc;

use engine::blob::Address;
use engine::id::UserId;
use engine::log::Entry;
use engine::volume::{Call, Reply, Request, Return};
use harness::random::{Chance, Draw};
use harness::time::{Span, Time};

use super::accounts::Accounts;
use super::action::{Action, Actions};
use super::event::Event;
use super::host::Host;
use super::ledger::Ledger;
use super::{item, seed};
use crate::fault::{Age, Fault, Hit, VolumeConditions};
use crate::history::{Fact, Incarnation};
use crate::mailbox::Inbound;
use crate::plan::{Act, Node, Plan, Step, WorkerId};
use crate::volume::Volume;

/// The volume, and what is known of what is on it.
#[derive(Clone, Debug)]
pub(super) struct Server {
    plan: Arc<Plan>,
    nature: u64,
    volume: Volume,
    ledger: Ledger,
}

impl Server {
    pub(super) fn of(plan: &Arc<Plan>) -> Self {
        let volume = Volume::new(restores(plan));
        Self { plan: plan.clone(), nature: plan.nature, volume, ledger: Ledger::default() }
    }

    /// From now on what the volume does is drawn from this nature.
    pub(super) fn redraw(&mut self, nature: u64) {
        self.nature = nature;
    }

    /// What the logs say.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Stores the conversations that are there before the start.
    pub(super) fn store_seed_data(&mut self, accounts: &Accounts, out: &mut Actions) {
        for seed::Conversation { space, objects, entry } in
            seed::conversations(&self.plan, accounts)
        {
            for (key, bytes) in objects {
                out.extend(item::filed(&self.plan, accounts, (Node::World, &key, &bytes)));
                self.volume.handle(Time(0), &Request::Create(key, bytes), Span::ZERO);
            }
            self.ledger.take(space, &entry);
            out.push(Action::Note(Node::World, Fact::Logged { space, entry: entry.into() }));
        }
    }

    /// A worker asks the volume.
    pub(super) fn send(
        &self,
        (now, worker): (Time, &Host),
        conditions: VolumeConditions,
        call: Call,
        out: &mut Actions,
    ) {
        let Node::Worker(id) = worker.node() else { unreachable!("only workers ask the volume") };
        let draw = worker.draw("to the volume").and(call.id.0);
        let at = now + self.delay(draw, conditions);
        out.push(Action::Schedule(at, draw, Event::AtVolume(id, worker.incarnation(), call)));
    }

    fn delay(&self, draw: Draw, conditions: VolumeConditions) -> Span {
        let plan = self.plan.server.as_ref().expect("a worker is of a server");
        let times = u64::from(conditions.times.max(1));
        Span(draw.span(plan.volume.delay).0.saturating_mul(times).max(1))
    }

    /// A request has reached the volume, whether or not its worker still lives. By chance it fails only
    /// while there are faults.
    pub(super) fn handle(
        &mut self,
        now: Time,
        (worker, incarnation, call): (WorkerId, Incarnation, &Call),
        (conditions, chances): (VolumeConditions, bool),
        accounts: &Accounts,
        out: &mut Actions,
    ) {
        let plan = self.plan.server.as_ref().expect("a worker is of a server").volume;
        let nature = self.nature;
        let draw =
            |root: Draw| root.and(u64::from(worker.0)).and(u64::from(incarnation)).and(call.id.0);
        // What cannot happen is not drawn for.
        let happens =
            |root, chance: Chance| chances && chance > Chance(0) && draw(root).happens(chance);
        if conditions.times > 1 {
            out.push(Action::Hit(Hit::VolumeSlowed));
        }
        let mut reply =
            if conditions.is_out || happens(Draw::new(nature, "volume fails"), plan.failure) {
                out.push(Action::Count("volume failed"));
                out.extend(conditions.is_out.then_some(Action::Hit(Hit::VolumeFailed)));
                self.interrupt(out);
                Reply::Failed
            } else {
                let lag = plan.list_lag.max(conditions.list_lag);
                let deletes = matches!(call.request, Request::Delete(_));
                let was_there = deletes && self.volume.has(&call.request);
                let reply = self.volume.handle(now, &call.request, lag);
                let is_list = matches!(call.request, Request::List(_));
                if is_list && lag > plan.list_lag {
                    let sooner = self.volume.handle(now, &call.request, plan.list_lag);
                    out.extend((reply != sooner).then_some(Action::Hit(Hit::ListLagged)));
                }
                if reply == Reply::Done {
                    self.note_entry(worker, &call.request, accounts, out);
                    self.note_content(worker, (&call.request, was_there), accounts, out);
                }
                reply
            };
        let lost = conditions.loses_replies
            || happens(Draw::new(nature, "volume answer lost"), plan.reply_loss);
        if lost && reply != Reply::Failed {
            out.push(Action::Count("volume answer lost"));
            out.extend(conditions.loses_replies.then_some(Action::Hit(Hit::VolumeAnswerLost)));
            self.interrupt(out);
            reply = Reply::Failed;
        }
        let back = draw(Draw::new(nature, "from the volume"));
        let at = now + self.delay(back, conditions);
        let answer = Inbound::Volume(Return { id: call.id, reply });
        let event = Event::Give(Node::Worker(worker), Some(incarnation), answer);
        out.push(Action::Schedule(at, back, event));
    }

    /// Notes an entry of a log that was created just now.
    fn note_entry(
        &mut self,
        worker: WorkerId,
        request: &Request,
        accounts: &Accounts,
        out: &mut Actions,
    ) {
        let Request::Create(key, bytes) = request else { return };
        let Some((space, entry)) = entry_of(key, bytes) else { return };
        self.ledger.take(space, &entry);
        let names = self.ledger.names_in((space, &entry), accounts.keychain());
        let worker = Node::Worker(worker);
        out.push(Action::Note(worker, Fact::Logged { space, entry: entry.into() }));
        for (node, name) in names {
            out.push(Action::Note(worker, Fact::Named { space, node, name }));
        }
    }

    /// Notes what has become of an object with content just now.
    fn note_content(
        &self,
        worker: WorkerId,
        (request, was_there): (&Request, bool),
        accounts: &Accounts,
        out: &mut Actions,
    ) {
        let (key, bytes) = match request {
            Request::Create(key, bytes) | Request::Put(key, bytes) => (key, Some(bytes)),
            Request::Delete(key) if was_there => (key, None),
            Request::Delete(_) | Request::Get(_) | Request::List(_) => return,
        };
        let worker = Node::Worker(worker);
        if let Some(space) = space_of("blob/", key) {
            let hash = bytes.map(|bytes| Box::new(Address::of(bytes)));
            let fact = Fact::Kept { space, key: key.as_str().into(), hash };
            out.push(Action::Note(worker, fact));
        }
        if let Request::Create(key, bytes) = request {
            out.extend(item::filed(&self.plan, accounts, (worker, key, bytes)));
        }
    }

    /// Takes note of what a user asked and was answered.
    pub(super) fn observe(&mut self, node: Node, fact: &Fact) {
        self.ledger.observe(node, fact);
    }

    /// A host lost power: several files may have been on their way from one folder to another.
    pub(super) fn lose(&mut self, node: Node, out: &mut Actions) {
        match node {
            Node::Device(_) if self.ledger.forget_moves_of(node) => {
                out.push(Action::Count("batch interrupted"));
            }
            Node::Worker(_) => self.interrupt(out),
            Node::Device(_)
            | Node::Processor(_)
            | Node::Remote(_)
            | Node::World
            | Node::Volume
            | Node::Intruder => {}
        }
    }

    /// Something of the server fails: it counts if several files are being moved.
    fn interrupt(&self, out: &mut Actions) {
        if self.ledger.is_moving() {
            out.push(Action::Count("batch interrupted"));
        }
    }

    /// The volume becomes what it was so long ago, and all that follows from its logs with it.
    pub(super) fn restore(&mut self, now: Time, age: Age, accounts: &Accounts, out: &mut Actions) {
        if self.volume.restore(now, age.before(now)) > 0 {
            out.push(Action::Hit(Hit::VolumeSetBack));
        }
        self.ledger.clear();
        for (key, bytes) in self.volume.named("log/") {
            if let Some((space, entry)) = entry_of(key, bytes) {
                self.ledger.take(space, &entry);
                self.ledger.names_in((space, &entry), accounts.keychain());
            }
        }
    }
}

/// Is the volume set back to what it was?
fn restores(plan: &Plan) -> bool {
    let restores = |step: &Step| matches!(step.act, Act::Fault(Fault::RestoreVolume(_), _));
    plan.steps.iter().any(restores)
}

/// The entry of a log that an object is, if it is one.
fn entry_of(key: &str, bytes: &engine::Bytes) -> Option<(UserId, Entry)> {
    Some((space_of("log/", key)?, Entry::decode(bytes)?))
}

/// Whose an object of this kind is, if it is of this kind.
fn space_of(kind: &str, key: &str) -> Option<UserId> {
    key.strip_prefix(kind)?.split_once('/')?.0.parse().ok().map(UserId)
}
