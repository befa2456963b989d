//! A processor: an enrolled device without a user. It brings conversations in, and has each of them
//! processed by an expensive step (a language model, say) that may be slow or fail.
//!
//! A state machine with the same contract as a device. It keeps nothing durably: if it crashes, its
//! work stays claimed until the claim expires, and then another processor may claim it. A result is
//! accepted only under the claim that it was made under.

mod line;
mod work;

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use self::line::{Heard, Line, Speaker};
use self::work::Work;
use crate::date::{DateError, DateKey};
use crate::dedup::{DedupKey, Origin, Thread};
use crate::entropy::Entropy;
use crate::id::{OpId, UserId};
use crate::ingest::{Conversation, Ingest, Path, Trouble, Vault};
use crate::job::{Item, Summary, Why};
use crate::message::{Client, DeviceKey, Part, Refusal, Request, Response, WorkAction};
use crate::point::Point;
use crate::record::Payload;
use crate::remote::Credential;
use crate::seal::{Key, KeyName, OpenError};
use crate::time::{Now, Span, Time};

/// What a processor is started with.
#[derive(Clone, Debug)]
pub struct Boot {
    /// A fresh seed for this incarnation.
    pub entropy: [u8; 32],
    /// The user whose conversations it processes.
    pub user: UserId,
    /// The device's key at the server.
    pub device: DeviceKey,
    /// The client that it is. The caller counts the incarnations.
    pub client: Client,
    /// What it has to know of the vault.
    pub vault: Vault,
    /// Its time-outs and waits.
    pub timing: Timing,
}

/// The time-outs and waits of a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// A request without an answer is given up after this long.
    pub timeout: Span,
    /// The wait after the first failure is between half of this and all of it, doubled with each.
    pub retry_base: Span,
    /// No such wait is longer than this.
    pub retry_cap: Span,
    /// The step is given up after this long.
    pub patience: Span,
    /// It looks for work after a wait between half of this and all of it.
    pub poll: Span,
}

impl Timing {
    fn backoff(&self, failures: u32, entropy: &mut Entropy) -> Span {
        entropy.backoff(self.retry_base, self.retry_cap, failures)
    }
}

/// An order to a processor.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// Brings a conversation in.
    Ingest(Path, Box<Conversation>),
    /// Processes all open work, of the day that this text names or of any.
    Process(Option<String>),
    /// Gives a conversation that has failed all its attempts new ones.
    Reset(Origin),
    /// Reads a conversation, or the result of the work on it.
    Read(Origin, Part),
    /// Reads a day.
    ReadDay(String),
    /// Closes the session, and looks for no work until the next order.
    Stop,
}

/// The answer to an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// This version holds all of the conversation.
    Saved(DedupKey, u32),
    /// Nothing of what was ordered is left to do.
    Processed,
    /// It has new attempts.
    WasReset,
    /// There is no such conversation.
    Nothing,
    /// The content of a version, and the state of the work on it.
    Thread(Item, Box<Thread>),
    /// The result of the work.
    Result(Item, Payload),
    /// A day: its summary and its items.
    Day(Summary, Vec<(DedupKey, Item)>),
    /// The session is closed.
    Stopped,
    /// The order was refused and had no effect.
    Refused(Reason),
}

/// Why an order was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reason {
    /// The text does not name one day.
    Date(DateError),
    /// The stored blob cannot be opened.
    Sealed(OpenError),
    /// There is no key to seal with.
    Keyless,
    /// The server refused.
    Server(Refusal),
}

impl From<Trouble> for Reason {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Sealed(why) => Self::Sealed(why),
            Trouble::Keyless => Self::Keyless,
            Trouble::Refused(refusal) => Self::Server(refusal),
        }
    }
}

/// The number of a step within one incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StepId(pub u64);

/// An input of a processor.
#[derive(Clone, Debug)]
pub enum Input {
    /// An order. It is answered by at most one [`Output::Answer`].
    Ask(OpId, Ask),
    /// A response of a worker.
    Response(Response),
    /// A step has ended: with this result, or without one.
    Stepped(StepId, Option<Payload>),
    /// A key of the vault.
    Key(KeyName, Key),
    /// A credential for the server.
    Credential(Credential),
    /// The time of [`Processor::poll_wakeup`] has come.
    Wakeup,
}

/// An output of a processor.
#[derive(Clone, Debug)]
pub enum Output {
    /// A request to the server.
    Request(Box<Request>),
    /// Asks for a credential.
    NeedCredential,
    /// Starts a step. It is answered by at most one [`Input::Stepped`].
    Step(StepId, Box<Thread>),
    /// Answers an order.
    Answer(OpId, Answer),
    /// Reports a coverage point.
    Reached(Point),
}

/// One processor.
#[derive(Clone, Debug)]
pub struct Processor {
    timing: Timing,
    vault: Vault,
    entropy: Entropy,
    line: Line,
    orders: VecDeque<(OpId, Order)>,
    /// The work under way, and the order that it is for; none if the processor looked for work by
    /// itself.
    work: Option<(Option<OpId>, Work)>,
    /// The number of failed attempts in a row.
    failures: u32,
    /// After a failure: when it goes on.
    rests_until: Time,
    poll_due: Time,
    asked_credential: bool,
    next_step: u64,
    outputs: VecDeque<Output>,
}

/// An order, with its names resolved.
#[derive(Clone, Debug)]
enum Order {
    Ingest(Ingest),
    Process(Option<DateKey>),
    Show(WorkAction),
    Stop,
}

impl Processor {
    /// Starts a processor, which has nothing to do.
    pub fn start(now: Now, boot: Boot) -> Self {
        let Boot { entropy, user, device, client, vault, timing } = boot;
        let mut entropy = Entropy::new(entropy);
        let poll_due = now.mono + poll_wait(timing, &mut entropy);
        Self {
            timing,
            vault,
            entropy,
            line: Line::new(Speaker { user, device, client, timing }),
            orders: VecDeque::new(),
            work: None,
            failures: 0,
            rests_until: Time(0),
            poll_due,
            asked_credential: false,
            next_step: 0,
            outputs: VecDeque::new(),
        }
    }

    /// Handles one input.
    ///
    /// # Panics
    ///
    /// If the outputs of the input before were not drained.
    pub fn handle(&mut self, now: Now, input: Input) {
        assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        match input {
            Input::Ask(op, ask) => match self.order(ask) {
                Ok(order) => self.orders.push_back((op, order)),
                Err(why) => self.answer(Some(op), Answer::Refused(Reason::Date(why))),
            },
            Input::Response(response) => match self.line.take(now, response, &mut self.entropy) {
                Heard::Nothing => {}
                Heard::Busy => self.turn_away(now),
                Heard::Answer(answer) => self.advance(now, answer),
                Heard::Closed => {
                    let op = self.work.take().and_then(|(op, _)| op);
                    self.end(now, op, Answer::Stopped);
                }
            },
            Input::Stepped(step, result) => self.end_step(now, step, result.ok_or(Why::StepFailed)),
            Input::Key(name, key) => {
                self.vault.keyring.add(name, key);
            }
            Input::Credential(credential) => {
                self.asked_credential = false;
                self.line.trust(credential);
            }
            Input::Wakeup => {
                if let Some((_, Work::Step { step, gives_up, .. })) = self.work
                    && gives_up <= now.mono
                {
                    tracing::debug!(step = step.0, "the step took too long and is given up");
                    self.outputs.push_back(Output::Reached(Point::StepLate));
                    self.end_step(now, step, Err(Why::StepLate));
                }
            }
        }
        self.proceed(now);
    }

    /// The next output; drain to `None` before the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to give it [`Input::Wakeup`], and why.
    pub fn poll_wakeup(&self) -> Option<(Time, &'static str)> {
        let work = match &self.work {
            None if self.orders.is_empty() => (self.poll_due.max(self.rests_until), "poll"),
            None => (self.rests_until, "retry"),
            Some((_, Work::Step { gives_up, .. })) => (*gives_up, "step timeout"),
            Some((
                _,
                Work::Ingest(_)
                | Work::Claim(_)
                | Work::Read(..)
                | Work::Finish(_)
                | Work::Show
                | Work::Stop,
            )) => return self.line.wakeup(),
        };
        Some(work)
    }

    /// Has it nothing to do?
    pub fn is_idle(&self) -> bool {
        self.work.is_none() && self.orders.is_empty()
    }

    /// Asserts what holds between two inputs, once the outputs are drained. Takes constant time.
    ///
    /// # Panics
    ///
    /// If it does not hold: the processor has a bug. Nothing that it is sent can do that.
    pub fn check(&self) {
        let speaks = self.line.wakeup().is_some();
        match &self.work {
            None => assert!(!speaks, "a processor that is at nothing asks nothing"),
            Some((_, Work::Step { step, .. })) => {
                assert!(
                    !speaks,
                    "a processor waits for its step or for the server, never for both"
                );
                assert_eq!(step.0 + 1, self.next_step, "the step under way is the latest");
            }
            Some((op, Work::Ingest(_) | Work::Show | Work::Stop)) => {
                assert!(op.is_some(), "only work on conversations is taken up without an order");
            }
            Some((_, Work::Claim(_) | Work::Read(..) | Work::Finish(_))) => {}
        }
        assert!(
            self.asked_credential || !self.line.needs_credential(),
            "a processor that needs a credential has asked for one"
        );
    }

    fn order(&self, ask: Ask) -> Result<Order, DateError> {
        let key = |origin: &Origin| self.vault.key(origin);
        let day = |written: &String| self.vault.calendar.day(written);
        Ok(match ask {
            Ask::Ingest(path, conversation) => {
                Order::Ingest(Ingest::new(&self.vault, path, *conversation)?)
            }
            Ask::Process(written) => Order::Process(written.as_ref().map(day).transpose()?),
            Ask::Reset(origin) => Order::Show(WorkAction::Reset(key(&origin))),
            Ask::Read(origin, part) => Order::Show(WorkAction::Read(key(&origin), part)),
            Ask::ReadDay(written) => Order::Show(WorkAction::ReadDay(day(&written)?)),
            Ask::Stop => Order::Stop,
        })
    }

    /// Starts the next work, and sends what is to be sent.
    fn proceed(&mut self, now: Now) {
        if self.work.is_none() && self.rests_until <= now.mono {
            self.take_up(now);
        }
        if let Some(request) = self.line.proceed(now, &mut self.entropy) {
            self.outputs.push_back(Output::Request(request.into()));
        }
        if self.line.needs_credential() && !self.asked_credential {
            self.asked_credential = true;
            self.outputs.push_back(Output::NeedCredential);
        }
    }

    fn take_up(&mut self, now: Now) {
        assert!(self.work.is_none(), "a processor is at one thing at a time");
        match self.orders.pop_front() {
            Some((op, Order::Ingest(ingest))) => {
                self.line.want(ingest.begin());
                self.work = Some((Some(op), Work::Ingest(ingest)));
            }
            Some((op, Order::Process(day))) => self.claim(Some(op), day),
            Some((op, Order::Show(action))) => {
                self.line.want(action);
                self.work = Some((Some(op), Work::Show));
            }
            Some((op, Order::Stop)) => {
                self.poll_due = Time(u64::MAX);
                if self.line.is_closed() {
                    return self.answer(Some(op), Answer::Stopped);
                }
                self.line.want_close();
                self.work = Some((Some(op), Work::Stop));
            }
            None if self.poll_due <= now.mono => self.claim(None, None),
            None => {}
        }
    }

    fn end(&mut self, now: Now, op: Option<OpId>, answer: Answer) {
        assert!(self.line.wakeup().is_none(), "what has ended waits for no response");
        self.work = None;
        if op.is_none() && self.poll_due != Time(u64::MAX) {
            self.poll_due = now.mono + poll_wait(self.timing, &mut self.entropy);
        }
        self.answer(op, answer);
    }

    fn answer(&mut self, op: Option<OpId>, answer: Answer) {
        if let Some(op) = op {
            self.outputs.push_back(Output::Answer(op, answer));
        }
    }
}

fn poll_wait(timing: Timing, entropy: &mut Entropy) -> Span {
    entropy.span(Span(timing.poll.0.div_ceil(2)), timing.poll)
}
