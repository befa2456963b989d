//! A processor's node: the machine, and the operator who tells it what to do.

use engine::id::{OpId, UserId};
use engine::ingest::Path;
use engine::message::Part;
use engine::processor::{self, Answer, Ask, Output, Processor};
use engine::time::Time;

use super::OUTPUTS_PER_INPUT;
use crate::desk::{Arrival, Desk, Emitted, ForProcessor, StartProcessor};
use crate::history::{Answered, Asked, Fact, Worked};
use crate::message::{Body, Message};
use crate::plan::{Order, TalkId, TalkPart};
use crate::workload::talk::{conversation, origin};
use crate::workload::{ASKS_PER_STEP, first_own_op};

/// A running processor.
#[derive(Clone, Debug)]
pub(crate) struct ProcessorShell {
    processor: Processor,
    user: UserId,
    needle: [u8; 8],
    /// The last number of an ask that no step of the plan names: no two lives use one.
    own_op: u32,
    wake: Option<Time>,
}

/// Works off the desk of a processor.
pub(super) fn work(shell: &mut Option<Box<ProcessorShell>>, desk: &mut Desk) {
    while let Some(arrival) = desk.arrivals.pop_front() {
        match (arrival, shell.as_mut()) {
            (Arrival::ForProcessor(ForProcessor::Start(start)), _) => {
                *shell = Some(Box::new(ProcessorShell::start(*start, desk)));
            }
            (Arrival::ForProcessor(what), Some(shell)) => shell.take(desk, what),
            (Arrival::Message(mail), Some(shell)) => shell.receive(desk, mail),
            (
                Arrival::ForProcessor(_)
                | Arrival::Message(_)
                | Arrival::Start(_)
                | Arrival::Deed(..)
                | Arrival::SignIn
                | Arrival::Last(_)
                | Arrival::Input(_)
                | Arrival::Control(_)
                | Arrival::StartWorker(_)
                | Arrival::Volume(_),
                _,
            ) => unreachable!("a processor is started before it is told anything"),
        }
    }
    let Some(shell) = shell else { return };
    if std::mem::take(&mut desk.woken) {
        shell.wake = None;
        if shell.processor.poll_wakeup().is_some_and(|(at, _)| at <= desk.now.mono) {
            shell.give(desk, processor::Input::Wakeup);
        }
    }
    let wake = shell.processor.poll_wakeup().map(|(at, _)| at);
    if shell.wake != wake {
        shell.wake = wake;
        desk.emitted.push(Emitted::Wake(wake));
    }
}

impl ProcessorShell {
    fn start(start: StartProcessor, desk: &mut Desk) -> Self {
        let StartProcessor { boot, last_op, needle } = start;
        let user = boot.user;
        let processor = Processor::start(desk.now, boot);
        let own_op = first_own_op(last_op);
        let mut shell = Self { processor, user, needle, own_op, wake: None };
        shell.drain(desk);
        shell
    }

    fn take(&mut self, desk: &mut Desk, what: ForProcessor) {
        match what {
            ForProcessor::Order(step, order) => {
                self.ask(desk, OpId(step.0 * ASKS_PER_STEP), order, false);
            }
            ForProcessor::Last(orders) => {
                for order in orders {
                    self.own_op += 1;
                    self.ask(desk, OpId(self.own_op), order, true);
                }
            }
            ForProcessor::Input(input) => self.give(desk, *input),
            ForProcessor::Start(_) => unreachable!("it was taken before"),
        }
    }

    fn ask(&mut self, desk: &mut Desk, op: OpId, order: Order, last: bool) {
        let ask = self.spell(&order);
        desk.emitted.push(Emitted::Fact(Fact::Asked(op, Asked::Work { order, last }.into())));
        self.give(desk, processor::Input::Ask(op, ask));
    }

    /// An order as the engine takes it.
    fn spell(&self, order: &Order) -> Ask {
        let origin = |talk: &TalkId| origin(*talk, 0);
        match order {
            Order::Ingest(excerpt) => {
                let comes = conversation(self.needle, self.user, excerpt);
                Ask::Ingest(Path::Daily, Box::new(comes))
            }
            Order::Process(day) => Ask::Process(day.as_ref().map(|day| day.written.clone())),
            Order::Reset(talk) => Ask::Reset(origin(talk)),
            Order::Read(talk, part) => Ask::Read(
                origin(talk),
                match part {
                    TalkPart::Current => Part::Current,
                    TalkPart::Version(n) => Part::Version(*n),
                    TalkPart::Result => Part::Result,
                },
            ),
            Order::ReadDay(day) => Ask::ReadDay(day.written.clone()),
        }
    }

    fn receive(&mut self, desk: &mut Desk, mail: Message) {
        desk.emitted.push(Emitted::Fact(mail.delivered()));
        let Body::Response(response) = mail.body else {
            unreachable!("only workers write to a processor, and they answer")
        };
        self.give(desk, processor::Input::Response(*response));
    }

    fn give(&mut self, desk: &mut Desk, input: processor::Input) {
        self.processor.handle(desk.now, input);
        desk.take_log();
        self.drain(desk);
    }

    fn drain(&mut self, desk: &mut Desk) {
        for _ in 0..OUTPUTS_PER_INPUT {
            let Some(output) = self.processor.poll_output() else { return self.processor.check() };
            desk.emitted.push(match output {
                Output::Request(request) => Emitted::Request(request),
                Output::NeedCredential => Emitted::NeedCredential,
                Output::Step(step, thread) => Emitted::Step(step, thread),
                Output::Answer(op, answer) => Emitted::Fact(answered(op, &answer)),
                Output::Reached(point) => Emitted::Reached(point),
            });
        }
        panic!(
            "the processor put out {OUTPUTS_PER_INPUT} outputs after one input and did not stop"
        );
    }
}

fn answered(op: OpId, answer: &Answer) -> Fact {
    let worked = Worked::of(answer).expect("nobody tells a processor to stop");
    Fact::Answered(op, Answered::Worked(worked).into())
}
