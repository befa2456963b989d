//! A processor's host: the machine, and the operator who tells it what to do.

use engine::id::{OpId, UserId};
use engine::ingest::Path;
use engine::message::Part;
use engine::processor::{self, Answer, Ask, Output, Processor};
use harness::time::Time;

use super::OUTPUTS_PER_INPUT;
use crate::history::{Answered, Asked, Fact, Worked};
use crate::mailbox::{Effect, Inbound, Mailbox, ServiceCall, StartProcessor};
use crate::message::{Body, Message};
use crate::plan::{ProcessorCommand, TalkId, TalkPart};
use crate::time::{ToEngine, ToSimulated};
use crate::workload::first_own_op;
use crate::workload::talk::{conversation, origin};

/// A running processor.
#[derive(Clone, Debug)]
pub(crate) struct ProcessorShell {
    processor: Processor,
    user: UserId,
    canary: [u8; 8],
    /// The last number of an ask that no step of the plan names: no two lives use one.
    own_op: u32,
    wake: Option<Time>,
}

/// Takes the events out of the mailbox of a processor.
pub(super) fn work(shell: &mut Option<Box<ProcessorShell>>, mailbox: &mut Mailbox) {
    while let Some(arrival) = mailbox.next() {
        match (arrival, shell.as_mut()) {
            (Inbound::StartProcessor(start), _) => {
                *shell = Some(Box::new(ProcessorShell::start(*start, mailbox)));
            }
            (Inbound::Message(message), Some(shell)) => shell.receive(mailbox, message),
            (Inbound::ProcessorInput(input), Some(shell)) => shell.give(mailbox, *input),
            (Inbound::Command(step, command), Some(shell)) => {
                shell.ask(mailbox, step.first_op(), command, false);
            }
            (Inbound::LastCommands(commands), Some(shell)) => shell.ask_last(mailbox, commands),
            (
                Inbound::Message(_)
                | Inbound::ProcessorInput(_)
                | Inbound::Command(..)
                | Inbound::LastCommands(_)
                | Inbound::Start(_)
                | Inbound::StartWorker(_)
                | Inbound::Operation(..)
                | Inbound::SignIn
                | Inbound::Last(_)
                | Inbound::Input(_)
                | Inbound::Control(_)
                | Inbound::Volume(_),
                _,
            ) => unreachable!("a processor is started before it receives anything"),
        }
    }
    let Some(shell) = shell else { return };
    if mailbox.take_time() {
        shell.wake = None;
        if shell
            .processor
            .poll_wakeup()
            .is_some_and(|(at, _)| at.to_simulated() <= mailbox.now().mono)
        {
            shell.give(mailbox, processor::Input::Wakeup);
        }
    }
    let wake = shell.processor.poll_wakeup().map(|(at, _)| at.to_simulated());
    if shell.wake != wake {
        shell.wake = wake;
        mailbox.emit(Effect::Wake(wake));
    }
}

impl ProcessorShell {
    fn start(start: StartProcessor, mailbox: &mut Mailbox) -> Self {
        let StartProcessor { boot, last_op, canary } = start;
        let user = boot.user;
        let processor = Processor::start(mailbox.now().to_engine(), boot);
        let own_op = first_own_op(last_op);
        let mut shell = Self { processor, user, canary, own_op, wake: None };
        shell.drain(mailbox);
        shell
    }

    fn ask_last(&mut self, mailbox: &mut Mailbox, commands: Vec<ProcessorCommand>) {
        for command in commands {
            self.own_op += 1;
            self.ask(mailbox, OpId(self.own_op), command, true);
        }
    }

    fn ask(&mut self, mailbox: &mut Mailbox, op: OpId, command: ProcessorCommand, last: bool) {
        let ask = self.spell(&command);
        mailbox.emit(Effect::Fact(Fact::Asked(op, Asked::Work { command, last }.into())));
        self.give(mailbox, processor::Input::Ask(op, ask));
    }

    /// A command as the engine takes it.
    fn spell(&self, command: &ProcessorCommand) -> Ask {
        let origin = |talk: &TalkId| origin(*talk, 0);
        match command {
            ProcessorCommand::Ingest(excerpt) => {
                let comes = conversation(self.canary, self.user, excerpt);
                Ask::Ingest(Path::Daily, Box::new(comes))
            }
            ProcessorCommand::Process(day) => {
                Ask::Process(day.as_ref().map(|day| day.written.clone()))
            }
            ProcessorCommand::Reset(talk) => Ask::Reset(origin(talk)),
            ProcessorCommand::Read(talk, part) => Ask::Read(
                origin(talk),
                match part {
                    TalkPart::Current => Part::Current,
                    TalkPart::Version(n) => Part::Version(*n),
                    TalkPart::Result => Part::Result,
                },
            ),
            ProcessorCommand::ReadDay(day) => Ask::ReadDay(day.written.clone()),
        }
    }

    fn receive(&mut self, mailbox: &mut Mailbox, message: Message) {
        mailbox.emit(Effect::Fact(message.delivered()));
        let Body::Response(response) = message.body else {
            unreachable!("only workers write to a processor, and they answer")
        };
        self.give(mailbox, processor::Input::Response(*response));
    }

    fn give(&mut self, mailbox: &mut Mailbox, input: processor::Input) {
        self.processor.handle(mailbox.now().to_engine(), input);
        mailbox.take_log();
        self.drain(mailbox);
    }

    fn drain(&mut self, mailbox: &mut Mailbox) {
        for _ in 0..OUTPUTS_PER_INPUT {
            let Some(output) = self.processor.poll_output() else { return self.processor.check() };
            mailbox.emit(match output {
                Output::Request(request) => Effect::Request(request),
                Output::NeedCredential => Effect::Call(ServiceCall::NeedCredential),
                Output::Step(step, thread) => Effect::Call(ServiceCall::Step(step, thread)),
                Output::Answer(op, answer) => Effect::Fact(answered(op, &answer)),
                Output::Reached(point) => Effect::Reached(point),
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
