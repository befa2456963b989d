//! The network: whether, when and how often each message arrives.
//!
//! All its draws are keyed by a message's lineage: who sent it in which incarnation, to whom, for which
//! call and attempt, there or back, which copy. A reply belongs to the connection of its request: a
//! host that restarted meanwhile does not get it.

use std::collections::BTreeMap;

use engine::id::DeviceId;
use engine::message;
use harness::network::delay;
use harness::random::{Chance, Draw, Lineage};
use harness::time::Time;

use crate::fault::Conditions;
use crate::history::{Incarnation, Lost, MessageId};
use crate::message::{Asker, Body, Message};
use crate::plan::{Network as Links, Node, Plan, WorkerId};

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost(Lost),
    /// Arrives then, in this place among the messages of its millisecond, and perhaps once more.
    Arrives((Time, Draw), Option<Time>),
}

/// The rules of delivery.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    links: Links,
    /// How many workers the address of the sync server stands for.
    workers: u16,
    /// How many hints the saves of each host have caused.
    hints: BTreeMap<Node, u32>,
    draws: Draws,
}

/// What is drawn about a message, each from a root of its own.
#[derive(Clone, Debug)]
struct Draws {
    loss: Draw,
    reply_loss: Draw,
    hint_loss: Draw,
    duplicate: Draw,
    latency: Draw,
    order: Draw,
    worker: Draw,
}

impl Draws {
    fn of(nature: u64) -> Self {
        let root = |concern| Draw::new(nature, concern);
        Self {
            loss: root("loss"),
            reply_loss: root("reply loss"),
            hint_loss: root("hint loss"),
            duplicate: root("duplicate"),
            latency: root("latency"),
            order: root("order"),
            worker: root("worker"),
        }
    }
}

impl Network {
    /// The network of a plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        let workers = plan.server.as_ref().map_or(0, |server| server.workers.len());
        let workers = u16::try_from(workers).expect("workers are few");
        Self::with(plan.nature, plan.network, workers)
    }

    fn with(nature: u64, links: Links, workers: u16) -> Self {
        Self { links, workers, hints: BTreeMap::new(), draws: Draws::of(nature) }
    }

    /// From now on everything is drawn from this nature.
    pub(crate) fn redraw(&mut self, nature: u64) {
        self.draws = Draws::of(nature);
    }

    /// Nothing is lost or doubled by chance any more.
    pub(crate) fn heal(&mut self) {
        let none = Chance(0);
        self.links =
            Links { loss: none, duplicate: none, reply_loss: none, hint_loss: none, ..self.links };
    }

    /// Decides about a message that is being sent.
    pub(crate) fn decide(&self, now: Time, conditions: &Conditions, message: &Message) -> Fate {
        if let Some(why) = message.stopped_by(conditions) {
            return Fate::Lost(why);
        }
        let lineage = lineage(message);
        if self.is_lost(message, &lineage) {
            return Fate::Lost(Lost::Chance);
        }
        let slow = u64::from(message.slowness(conditions));
        let arrival =
            |copy| self.arrival(now, slow, self.draws.latency.and_all(&lineage).and(copy));
        let first = (arrival(0), self.draws.order.and_all(&lineage).and(0));
        let doubled = strikes(self.draws.duplicate, &lineage, self.links.duplicate);
        Fate::Arrives(first, doubled.then(|| arrival(1)))
    }

    /// A request to the sync server: its address stands for any worker, drawn again for every try. `None`
    /// where there is no sync server.
    pub(crate) fn address(
        &self,
        (from, incarnation): (Node, Incarnation),
        request: Box<message::Request>,
    ) -> Option<Message> {
        let message_id = Message::message_id_of(&request);
        let to = self.worker(Asker { node: from, incarnation, message_id }, 0)?;
        Some(Message { from, to, message_id, incarnation, body: Body::Request(request) })
    }

    /// A copy of a message, and its place among the messages of its millisecond. That of a request reaches
    /// any worker.
    pub(crate) fn copy(&self, message: &Message) -> (Message, Draw) {
        let is_request = matches!(message.body, Body::Request(_));
        let to = if is_request { self.worker(message.asker(), 1) } else { None };
        let copy = Message { to: to.unwrap_or(message.to), ..message.clone() };
        let order = self.draws.order.and_all(&lineage(&copy)).and(1);
        (copy, order)
    }

    fn worker(&self, asker: Asker, copy: u64) -> Option<Node> {
        if self.workers == 0 {
            return None;
        }
        let n = asker.lineage(self.draws.worker).and(copy).below(u64::from(self.workers));
        Some(Node::Worker(WorkerId(u16::try_from(n).expect("workers are few"))))
    }

    /// The hints that a save causes, to each of these devices. Their number is the saving device and the
    /// count of its saves.
    pub(crate) fn hints(&mut self, from: Node, saver: Node, to: &[DeviceId]) -> Vec<Message> {
        let count = self.hints.entry(saver).or_default();
        *count += 1;
        assert!(*count < 1 << 20, "a run has no room for more saves of one device");
        let number = saver.device().map_or(0, |device| u32::from(device.0) + 1) << 20 | *count;
        let hint = |device: &DeviceId| Some(Message::hint(from.remote()?, *device, number));
        to.iter().filter_map(hint).collect()
    }

    fn is_lost(&self, message: &Message, lineage: &Lineage<5>) -> bool {
        let Self { links, draws, .. } = self;
        match message.body {
            Body::Hint => strikes(draws.hint_loss, lineage, links.hint_loss),
            Body::Call(_) | Body::Request(_) => strikes(draws.loss, lineage, links.loss),
            Body::Return(_) | Body::Response(_) => {
                strikes(draws.loss, lineage, links.loss)
                    || strikes(draws.reply_loss, lineage, links.reply_loss)
            }
        }
    }

    fn arrival(&self, now: Time, slow: u64, draw: Draw) -> Time {
        let latency = delay(self.links.typical, self.links.p99, draw);
        let grain = self.links.grain.0.max(1);
        let at = now.0 + (latency.0.saturating_mul(slow)).max(1);
        Time(at.next_multiple_of(grain))
    }
}

/// Does this happen to a message? What cannot happen is not drawn for.
fn strikes(root: Draw, lineage: &Lineage<5>, chance: Chance) -> bool {
    chance.0 > 0 && root.and_all(lineage).happens(chance)
}

/// The lineage of a message, which several draws share.
fn lineage(message: &Message) -> Lineage<5> {
    let MessageId { call, attempt, message_kind, answer } = message.message_id;
    Lineage::of([
        message.from.lineage(),
        message.to.lineage(),
        u64::from(message.incarnation),
        u64::from(attempt) << 32 | u64::from(call.0),
        (message_kind as u64) << 1 | u64::from(answer),
    ])
}

#[cfg(test)]
mod tests {
    use engine::id::{DeviceId, Remote, VaultId};
    use engine::remote::{Call, CallId, Reply, Request, Return};
    use harness::time::Span;

    use super::*;
    use crate::fault::{Cut, GoOffline};
    use crate::plan::MessageKind;

    const PHONE: Node = Node::Device(DeviceId(0));
    const ROWS: Node = Node::Remote(Remote::Rows);

    fn links() -> Links {
        Links {
            grain: Span(10),
            typical: Span(40),
            p99: Span(400),
            loss: Chance(0),
            duplicate: Chance(0),
            reply_loss: Chance(0),
            hint_loss: Chance(0),
        }
    }

    fn call(n: u32) -> Message {
        let request = Request::Fetch { vault: VaultId(0), ids: Vec::new() };
        Message {
            from: PHONE,
            to: ROWS,
            message_id: MessageId {
                call: CallId(n),
                attempt: 0,
                message_kind: MessageKind::Fetch,
                answer: false,
            },
            incarnation: 0,
            body: Body::Call(Call { id: CallId(n), attempt: 0, credential: None, request }.into()),
        }
    }

    fn answer(n: u32) -> Message {
        Message {
            from: ROWS,
            to: PHONE,
            message_id: MessageId {
                call: CallId(n),
                attempt: 0,
                message_kind: MessageKind::Fetch,
                answer: true,
            },
            incarnation: 0,
            body: Body::Return(Return { id: CallId(n), attempt: 0, reply: Reply::Done }.into()),
        }
    }

    fn first(fate: Fate) -> Time {
        match fate {
            Fate::Arrives((at, _), _) => at,
            Fate::Lost(why) => panic!("lost by {why:?}"),
        }
    }

    #[test]
    fn arrivals_are_later_than_now_and_rounded_up_to_the_grain() {
        let network = Network::with(1, links(), 0);
        for n in 0..500 {
            let at = first(network.decide(Time(1_003), &Conditions::default(), &call(n)));
            assert!(at > Time(1_003) && at.0.is_multiple_of(10), "{at:?}");
        }
    }

    #[test]
    fn messages_overtake_each_other_and_their_delays_keep_to_the_quantiles() {
        let network = Network::with(1, Links { grain: Span(1), ..links() }, 0);
        let mut delays: Vec<_> = (0..2_000)
            .map(|n| first(network.decide(Time(0), &Conditions::default(), &call(n))).0)
            .collect();
        assert!(delays.windows(2).any(|pair| pair[0] > pair[1]));
        delays.sort_unstable();
        assert!((35..=50).contains(&delays[1_000]), "{}", delays[1_000]);
        assert!((200..=600).contains(&delays[1_979]), "{}", delays[1_979]);
    }

    #[test]
    fn the_delay_of_a_message_does_not_depend_on_the_others() {
        let (network, conditions) = (Network::with(1, links(), 0), Conditions::default());
        let alone = network.decide(Time(0), &conditions, &call(7));
        for n in 0..7 {
            network.decide(Time(0), &conditions, &call(n));
        }
        assert_eq!(network.decide(Time(0), &conditions, &call(7)), alone);
    }

    #[test]
    fn a_cut_takes_one_direction_and_leaves_the_other() {
        let network = Network::with(1, links(), 0);
        let conditions = Conditions::of(&[Cut { from: PHONE, to: ROWS }.into()]);
        assert_eq!(network.decide(Time(0), &conditions, &call(1)), Fate::Lost(Lost::Cut));
        assert!(first(network.decide(Time(0), &conditions, &answer(1))) > Time(0));
    }

    #[test]
    fn an_offline_device_neither_sends_nor_gets() {
        let network = Network::with(1, links(), 0);
        let conditions = Conditions::of(&[GoOffline { device: DeviceId(0) }.into()]);
        for message in [call(1), answer(1)] {
            assert_eq!(network.decide(Time(0), &conditions, &message), Fate::Lost(Lost::Cut));
        }
    }

    #[test]
    fn after_healing_nothing_is_lost_or_doubled_by_chance() {
        let always = Chance(1_000_000);
        let mut network = Network::with(1, Links { loss: always, duplicate: always, ..links() }, 0);
        let conditions = Conditions::default();
        assert_eq!(network.decide(Time(0), &conditions, &call(1)), Fate::Lost(Lost::Chance));
        network.heal();
        assert!(matches!(network.decide(Time(0), &conditions, &call(1)), Fate::Arrives(_, None)));
    }

    #[test]
    fn a_reply_goes_back_to_the_incarnation_that_asked() {
        let asked = Message { incarnation: Incarnation::MAX, ..call(u32::MAX) };
        let answered = Message::reply(ROWS, asked.asker(), answer(0).body);
        assert_eq!((answered.to, answered.incarnation), (asked.from, asked.incarnation));
        assert_eq!(answered.message_id, MessageId { answer: true, ..asked.message_id });
    }
}
