//! The post: what becomes of a message. It decides whether, when and how often each one arrives.
//!
//! All its draws are keyed by a message's lineage: who sent it in which life, to whom, for which
//! call and attempt, there or back, which copy. A reply belongs to the connection of its request: a
//! device that restarted meanwhile does not get it.

use engine::id::{DeviceId, Remote, UserId};
use engine::message;
use engine::record::Value;
use engine::remote::{Call, Refusal, Reply, Request, Return};
use harness::random::{Chance, Draw};
use harness::time::{Span, SpanRange, Time};

use crate::fault::Conditions;
use crate::history::{Incarnation, Letter, Lost, Refused, Said, Wants};
use crate::plan::{Network, Node, Parcel};

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) from: Node,
    pub(crate) to: Node,
    pub(crate) letter: Letter,
    /// The life of the device or processor that asked.
    pub(crate) life: Incarnation,
    pub(crate) body: Body,
}

/// Who has sent a request, and which one: all that it takes to bring the reply back, and the lineage of
/// what is drawn about it. A duplicate of a request has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The machine.
    pub node: Node,
    /// The life of it that hears the reply.
    pub life: Incarnation,
    /// The request.
    pub letter: Letter,
}

/// What a message says: as large as it may be, it goes from hand to hand as a pointer.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Call(Box<Call>),
    Return(Box<Return>),
    Hint,
    /// A device asks a worker.
    Request(Box<message::Request>),
    /// A worker answers.
    Response(Box<message::Response>),
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost(Lost),
    /// Arrives then, and perhaps once more.
    Arrives(Time, Option<Time>),
}

/// The rules of delivery.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    network: Network,
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
}

impl Post {
    pub(crate) fn new(nature: u64, network: Network) -> Self {
        let root = |concern| Draw::new(nature, concern);
        let draws = Draws {
            loss: root("loss"),
            reply_loss: root("reply loss"),
            hint_loss: root("hint loss"),
            duplicate: root("duplicate"),
            latency: root("latency"),
            order: root("order"),
        };
        Self { network, draws }
    }

    /// Nothing is lost or doubled by chance any more.
    pub(crate) fn heal(&mut self) {
        let none = Chance(0);
        self.network = Network {
            loss: none,
            duplicate: none,
            reply_loss: none,
            hint_loss: none,
            ..self.network
        };
    }

    /// Decides about a message that is being sent.
    pub(crate) fn dispatch(&self, now: Time, conditions: &Conditions, mail: &Mail) -> Fate {
        if let Some(why) = mail.stopped_by(conditions) {
            return Fate::Lost(why);
        }
        if self.is_lost(mail) {
            return Fate::Lost(Lost::Chance);
        }
        let first = self.arrival(now, conditions, mail, 0);
        let doubled = strikes(self.draws.duplicate, mail, self.network.duplicate);
        Fate::Arrives(first, doubled.then(|| self.arrival(now, conditions, mail, 1)))
    }

    /// The place of a message among those of its millisecond.
    pub(crate) fn order(&self, mail: &Mail, copy: u64) -> Draw {
        about(self.draws.order, mail).and(copy)
    }

    fn is_lost(&self, mail: &Mail) -> bool {
        let Self { network, draws } = self;
        match mail.body {
            Body::Hint => strikes(draws.hint_loss, mail, network.hint_loss),
            Body::Call(_) | Body::Request(_) => strikes(draws.loss, mail, network.loss),
            Body::Return(_) | Body::Response(_) => {
                strikes(draws.loss, mail, network.loss)
                    || strikes(draws.reply_loss, mail, network.reply_loss)
            }
        }
    }

    fn arrival(&self, now: Time, conditions: &Conditions, mail: &Mail, copy: u64) -> Time {
        let latency = self.latency(about(self.draws.latency, mail).and(copy));
        let slow = u64::from(mail.slowness(conditions));
        let grain = self.network.grain.0.max(1);
        let at = now.0 + (latency.0.saturating_mul(slow)).max(1);
        Time(at.next_multiple_of(grain))
    }

    /// Shaped like the logarithmic normal distribution of real networks, in whole numbers, so that
    /// every machine draws the same: half are typical, 49 of 100 rise steeply to `p99`, and the
    /// last may take three times as long.
    fn latency(&self, draw: Draw) -> Span {
        let Network { typical, p99, .. } = self.network;
        let tail = p99.0.saturating_sub(typical.0);
        let place = draw.and(1).below(1_000);
        let percent = draw.below(100);
        Span(match percent {
            0..50 => {
                return draw.and(1).span(SpanRange { low: Span(typical.0 / 4), high: typical });
            }
            50..99 => {
                let part = (percent - 50) * 1_000 + place;
                typical.0 + cube(tail, part, 49_000)
            }
            _ => p99.0 + cube(p99.0 * 2, place, 1_000),
        })
    }
}

/// Does this happen to a message? What cannot happen is not drawn for.
fn strikes(root: Draw, mail: &Mail, chance: Chance) -> bool {
    chance.0 > 0 && about(root, mail).happens(chance)
}

/// Adds a message to the lineage of a draw.
fn about(root: Draw, mail: &Mail) -> Draw {
    let Letter { call, attempt, parcel, answer } = mail.letter;
    root.and(mail.from.lineage())
        .and(mail.to.lineage())
        .and(u64::from(mail.life))
        .and(u64::from(attempt) << 32 | u64::from(call.0))
        .and((parcel as u64) << 1 | u64::from(answer))
}

/// `of * (part / whole)³`, in whole numbers.
fn cube(of: u64, part: u64, whole: u64) -> u64 {
    let (of, part, whole) = (u128::from(of), u128::from(part), u128::from(whole));
    u64::try_from(of * part * part * part / (whole * whole * whole)).expect("it is at most `of`")
}

impl Asker {
    /// A machine that calls a remote in this life.
    pub fn new(node: Node, life: Incarnation, call: &Call) -> Self {
        let parcel = parcel_of(&call.request);
        let letter = Letter { call: call.id, attempt: call.attempt, parcel, answer: false };
        Self { node, life, letter }
    }

    /// Adds a request to the lineage of a draw.
    pub(crate) fn lineage(&self, root: Draw) -> Draw {
        let Letter { call, attempt, .. } = self.letter;
        root.and(self.node.lineage())
            .and(u64::from(self.life))
            .and(u64::from(attempt) << 32 | u64::from(call.0))
    }
}

impl Mail {
    /// A call of a remote.
    pub(crate) fn call((node, life): (Node, Incarnation), to: Remote, call: Box<Call>) -> Self {
        let Asker { letter, .. } = Asker::new(node, life, &call);
        Self { from: node, to: Node::Remote(to), letter, life, body: Body::Call(call) }
    }

    /// A reply to a request.
    pub(crate) fn reply(from: Node, to: Asker, body: Body) -> Self {
        let letter = Letter { answer: true, ..to.letter };
        Self { from, to: to.node, letter, life: to.life, body }
    }

    /// Who asks, if this is a request.
    pub(crate) fn asker(&self) -> Asker {
        Asker { node: self.from, life: self.life, letter: self.letter }
    }

    /// The device at one of its ends, if there is one.
    pub(crate) fn device(&self) -> Option<DeviceId> {
        self.from.device().or(self.to.device())
    }

    /// The remote at one of its ends, if there is one.
    pub(crate) fn remote(&self) -> Option<Remote> {
        self.from.remote().or(self.to.remote())
    }

    /// Why it does not get through under these conditions, if it does not.
    pub(crate) fn stopped_by(&self, conditions: &Conditions) -> Option<Lost> {
        let cut = conditions.is_cut(self.from, self.to);
        if cut || self.device().is_some_and(|device| conditions.is_offline(device)) {
            return Some(Lost::Cut);
        }
        let taken = self.remote().is_some_and(|remote| match self.body {
            Body::Call(_) | Body::Request(_) | Body::Response(_) => false,
            Body::Return(_) => conditions.loses_replies(remote),
            Body::Hint => conditions.loses_hints(remote),
        });
        taken.then_some(Lost::Fault)
    }

    /// How many times as long it takes under these conditions.
    fn slowness(&self, conditions: &Conditions) -> u16 {
        let link = self.device().zip(self.remote());
        link.map_or(1, |(device, remote)| conditions.link_slowness(device, remote))
    }

    /// The rows in it, with their blobs.
    pub(crate) fn rows(&self) -> Vec<&engine::remote::Row> {
        match &self.body {
            Body::Hint | Body::Request(_) | Body::Response(_) => Vec::new(),
            Body::Call(call) => match &call.request {
                Request::Save { puts, .. } => puts.iter().map(|put| &put.row).collect(),
                Request::Changes { .. }
                | Request::Fetch { .. }
                | Request::Remove { .. }
                | Request::CreateZone { .. } => Vec::new(),
            },
            Body::Return(answer) => match &answer.reply {
                Reply::Page { rows, .. } | Reply::Found(rows) => {
                    rows.iter().map(|served| &served.row).collect()
                }
                Reply::Saved(results) => results
                    .iter()
                    .filter_map(|(_, result)| match result {
                        Err(Refusal::Changed(served)) => Some(&served.row),
                        Ok(_) | Err(_) => None,
                    })
                    .collect(),
                Reply::Done | Reply::Refused(_) => Vec::new(),
            },
        }
    }
}

/// What a request is about.
fn parcel_of(request: &Request) -> Parcel {
    match request {
        Request::Changes { .. } => Parcel::Pull,
        Request::Save { .. } => Parcel::Push,
        Request::Fetch { .. } => Parcel::Fetch,
        Request::Remove { .. } | Request::CreateZone { .. } => Parcel::Other,
    }
}

/// What a message between a machine and a worker brings that must be sealed.
pub(crate) fn sealed(body: &Body) -> Option<&engine::Bytes> {
    match body {
        Body::Request(request) => match request.command.action()? {
            message::Action::Work(
                message::WorkAction::Save { blob, .. }
                | message::WorkAction::Finish { outcome: Ok(blob), .. },
            ) => Some(blob),
            message::Action::Work(
                message::WorkAction::Finish { outcome: Err(_), .. }
                | message::WorkAction::Read(..)
                | message::WorkAction::Claim(_)
                | message::WorkAction::Reset(_)
                | message::WorkAction::ReadDay(_),
            )
            | message::Action::Patch(_)
            | message::Action::ReadAccount
            | message::Action::File(_) => None,
        },
        Body::Response(response) => {
            let message::Reply::Work(message::WorkReply::Item(Some(found))) = &response.reply
            else {
                return None;
            };
            Some(&found.blob)
        }
        Body::Call(_) | Body::Return(_) | Body::Hint => None,
    }
}

/// What a message between a device and a worker says, and about how many bytes it has.
pub(crate) fn said(body: &Body) -> (Option<Said>, u32) {
    let size = |values: &mut dyn Iterator<Item = &Value>| {
        values.map(|value| text_size(value).saturating_add(24)).fold(0, u32::saturating_add)
    };
    match body {
        Body::Request(request) => {
            let (device, client) = (request.device, request.client);
            let (by, space) = (request.credential.map(|it| it.user), request.space);
            let about = named(request);
            let more = match request.command.action() {
                Some(message::Action::Patch(fields)) => {
                    size(&mut fields.iter().map(|(_, payload)| &payload.value))
                }
                // What is sealed counts by its bytes.
                Some(
                    message::Action::ReadAccount
                    | message::Action::Work(_)
                    | message::Action::File(_),
                )
                | None => 0,
            };
            let wants = wants(&request.command);
            let heard = request.heard;
            (Some(Said::Asks { device, client, by, space, about, heard, wants }), more)
        }
        Body::Response(response) => {
            let (refused, more) = match &response.reply {
                message::Reply::Refused(refusal) => (Some(*refusal), 0),
                message::Reply::Account(fields) => {
                    let versions = fields.iter().flat_map(|(_, versions)| versions);
                    (None, size(&mut versions.map(|payload| &payload.value)))
                }
                message::Reply::Opened(_)
                | message::Reply::Closed
                | message::Reply::Status(_)
                | message::Reply::Patched
                | message::Reply::Work(_)
                | message::Reply::File(_) => (None, 0),
            };
            (Some(Said::Answers { seq: response.at.seq, refused }), more)
        }
        Body::Call(_) | Body::Return(_) | Body::Hint => (None, 0),
    }
}

/// Whose things a request is about. A cursor names somebody too.
fn named(request: &message::Request) -> UserId {
    match request.command.action() {
        Some(message::Action::File(message::FileAction::Feed(Some(since), _))) => since.space,
        Some(_) | None => request.space,
    }
}

/// The bytes of a message about files or conversations: all that people know of them is sealed.
pub(crate) fn sealed_bytes(body: &Body, buffer: Vec<u8>) -> Vec<u8> {
    let bytes = match body {
        Body::Request(request) => match request.command.action() {
            Some(message::Action::File(action)) => postcard::to_extend(action, buffer),
            Some(message::Action::Work(action)) => postcard::to_extend(action, buffer),
            Some(message::Action::Patch(_) | message::Action::ReadAccount) | None => return buffer,
        },
        Body::Response(response) => match &response.reply {
            message::Reply::File(reply) => postcard::to_extend(reply, buffer),
            message::Reply::Work(reply) => postcard::to_extend(reply, buffer),
            message::Reply::Opened(_)
            | message::Reply::Closed
            | message::Reply::Status(_)
            | message::Reply::Patched
            | message::Reply::Account(_)
            | message::Reply::Refused(_) => return buffer,
        },
        Body::Call(_) | Body::Return(_) | Body::Hint => return buffer,
    };
    bytes.expect("memory is the only limit")
}

fn text_size(value: &Value) -> u32 {
    match value {
        Value::Text(text) => u32::try_from(text.len()).unwrap_or(u32::MAX),
        Value::Int(_) | Value::Set(_) | Value::Draft { .. } => 8,
    }
}

/// Did the request that this answers take effect?
pub(crate) fn had_effect(reply: &Reply) -> bool {
    match reply {
        Reply::Saved(results) => results.iter().any(|(_, result)| result.is_ok()),
        Reply::Done => true,
        Reply::Page { .. } | Reply::Found(_) | Reply::Refused(_) => false,
    }
}

/// What a reply refuses: as a whole, and row by row.
pub(crate) fn refusals(reply: &Reply) -> (Option<Refused>, Vec<(engine::id::RecordId, Refused)>) {
    match reply {
        Reply::Refused(refusal) => (Some(Refused::of(refusal)), Vec::new()),
        Reply::Saved(results) => {
            let rows = results
                .iter()
                .filter_map(|(id, result)| Some((*id, Refused::of(result.as_ref().err()?))))
                .collect();
            (None, rows)
        }
        Reply::Page { .. } | Reply::Found(_) | Reply::Done => (None, Vec::new()),
    }
}

const fn wants(command: &message::Command) -> Wants {
    match command {
        message::Command::Open => Wants::Session,
        message::Command::Close(fence) => Wants::End(*fence),
        message::Command::Status => Wants::Status,
        message::Command::Read(_) => Wants::Read,
        message::Command::Act { fence, n, .. } => Wants::Act(*fence, *n),
    }
}

#[cfg(test)]
mod tests {
    use engine::id::VaultId;

    use engine::remote::CallId;

    use super::*;
    use crate::fault::{Cut, GoOffline};

    const PHONE: Node = Node::Device(DeviceId(0));
    const ROWS: Node = Node::Remote(Remote::Rows);

    fn network() -> Network {
        Network {
            grain: Span(10),
            typical: Span(40),
            p99: Span(400),
            loss: Chance(0),
            duplicate: Chance(0),
            reply_loss: Chance(0),
            hint_loss: Chance(0),
        }
    }

    fn call(n: u32) -> Mail {
        let request = Request::Fetch { vault: VaultId(0), ids: Vec::new() };
        Mail {
            from: PHONE,
            to: ROWS,
            letter: Letter { call: CallId(n), attempt: 0, parcel: Parcel::Fetch, answer: false },
            life: 0,
            body: Body::Call(Call { id: CallId(n), attempt: 0, credential: None, request }.into()),
        }
    }

    fn answer(n: u32) -> Mail {
        Mail {
            from: ROWS,
            to: PHONE,
            letter: Letter { call: CallId(n), attempt: 0, parcel: Parcel::Fetch, answer: true },
            life: 0,
            body: Body::Return(Return { id: CallId(n), attempt: 0, reply: Reply::Done }.into()),
        }
    }

    fn first(fate: Fate) -> Time {
        match fate {
            Fate::Arrives(at, _) => at,
            Fate::Lost(why) => panic!("lost by {why:?}"),
        }
    }

    #[test]
    fn arrivals_are_later_than_now_and_rounded_up_to_the_grain() {
        let post = Post::new(1, network());
        for n in 0..500 {
            let at = first(post.dispatch(Time(1_003), &Conditions::default(), &call(n)));
            assert!(at > Time(1_003) && at.0.is_multiple_of(10), "{at:?}");
        }
    }

    #[test]
    fn messages_overtake_each_other_and_their_delays_keep_to_the_quantiles() {
        let post = Post::new(1, Network { grain: Span(1), ..network() });
        let mut delays: Vec<_> = (0..2_000)
            .map(|n| first(post.dispatch(Time(0), &Conditions::default(), &call(n))).0)
            .collect();
        assert!(delays.windows(2).any(|pair| pair[0] > pair[1]));
        delays.sort_unstable();
        assert!((35..=50).contains(&delays[1_000]), "{}", delays[1_000]);
        assert!((200..=600).contains(&delays[1_979]), "{}", delays[1_979]);
    }

    #[test]
    fn the_delay_of_a_message_does_not_depend_on_the_others() {
        let (post, conditions) = (Post::new(1, network()), Conditions::default());
        let alone = post.dispatch(Time(0), &conditions, &call(7));
        for n in 0..7 {
            post.dispatch(Time(0), &conditions, &call(n));
        }
        assert_eq!(post.dispatch(Time(0), &conditions, &call(7)), alone);
    }

    #[test]
    fn a_cut_takes_one_direction_and_leaves_the_other() {
        let post = Post::new(1, network());
        let conditions = Conditions::of(&[Cut { from: PHONE, to: ROWS }.into()]);
        assert_eq!(post.dispatch(Time(0), &conditions, &call(1)), Fate::Lost(Lost::Cut));
        assert!(first(post.dispatch(Time(0), &conditions, &answer(1))) > Time(0));
    }

    #[test]
    fn an_offline_device_neither_sends_nor_gets() {
        let post = Post::new(1, network());
        let conditions = Conditions::of(&[GoOffline { device: DeviceId(0) }.into()]);
        for mail in [call(1), answer(1)] {
            assert_eq!(post.dispatch(Time(0), &conditions, &mail), Fate::Lost(Lost::Cut));
        }
    }

    #[test]
    fn after_healing_nothing_is_lost_or_doubled_by_chance() {
        let always = Chance(1_000_000);
        let mut post = Post::new(1, Network { loss: always, duplicate: always, ..network() });
        let conditions = Conditions::default();
        assert_eq!(post.dispatch(Time(0), &conditions, &call(1)), Fate::Lost(Lost::Chance));
        post.heal();
        assert!(matches!(post.dispatch(Time(0), &conditions, &call(1)), Fate::Arrives(_, None)));
    }

    #[test]
    fn a_reply_goes_back_to_the_life_that_asked() {
        let asked = Mail { life: Incarnation::MAX, ..call(u32::MAX) };
        let answered = Mail::reply(ROWS, asked.asker(), answer(0).body);
        assert_eq!((answered.to, answered.life), (asked.from, asked.life));
        assert_eq!(answered.letter, Letter { answer: true, ..asked.letter });
    }
}
