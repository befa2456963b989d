//! Conversations of a plan: who works on them, and in the mix how they come by both paths, in parts
//! that overlap, under names and dates that are written in many ways.

use engine::id::DeviceId;
use engine::processor;
use harness::random::{Stream, Streams};
use harness::time::Time;

use super::date::Moment;
use super::timing::{Timed, shortly_after};
use super::{Settings, drift, skew};
use crate::plan::talk::{MOST_EDITS, SPELLINGS};
use crate::plan::{
    Act, Day, Excerpt, PipelinePlan, Plan, ProcessorCommand, ProcessorId, ProcessorPlan, StepPlan,
    TalkId, TalkPart, UserOperation,
};
use crate::scenario::{Parameter, ProcessorSpec, Scenario};
use crate::time::ToEngine;

/// Days of which conversations are: ordinary ones, those on which clocks change, the turn of a year.
const DAYS: [&str; 8] = [
    "2024-03-31",
    "2024-04-03",
    "2024-06-05",
    "2024-07-15",
    "2024-10-27",
    "2024-12-31",
    "2025-01-09",
    "2025-02-07",
];
/// The most conversations that a user has, and how many of them are touched most.
const MOST_TALKS: i64 = 8;
const HOT: usize = 2;
const HOT_SHARE: u32 = 650_000;
/// The most messages that a conversation has, and the most that come at once.
const MOST_MESSAGES: i64 = 14;
const MOST_AT_ONCE: i64 = 6;
/// Messages come changed with this chance.
const EDITED: u32 = 150_000;
/// A conversation comes by the other path too, at about the same time, with this chance.
const TWICE: u32 = 400_000;
/// The longest time after that, in milliseconds.
const AT_ONCE: i64 = 400;

impl Settings<'_> {
    /// Conversations, and those who work on them; without any, nothing is drawn.
    pub(super) fn pipeline(&self, scenario: &Scenario) -> PipelinePlan {
        let specs = &scenario.processors;
        if specs.is_empty() {
            return PipelinePlan::none();
        }
        PipelinePlan {
            processors: specs.iter().map(|spec| processor_plan(spec, self.streams)).collect(),
            timing: self.processor_timing(),
            step: self.step(),
            given: scenario.given_talks.clone(),
        }
    }

    pub(super) fn processor_timing(&self) -> processor::Timing {
        processor::Timing {
            timeout: self.span(Parameter::Timeout).to_engine(),
            retry_base: self.span(Parameter::RetryBase).to_engine(),
            retry_cap: self.span(Parameter::RetryCap).to_engine(),
            patience: self.span(Parameter::Patience).to_engine(),
            poll: self.span(Parameter::Poll).to_engine(),
        }
    }

    pub(super) fn step(&self) -> StepPlan {
        StepPlan {
            takes: self.span_range(Parameter::StepTakes),
            failure: self.chance(Parameter::StepFailure),
            silence: self.chance(Parameter::StepSilence),
        }
    }
}

fn processor_plan(spec: &ProcessorSpec, streams: Streams) -> ProcessorPlan {
    let mut stream = streams.stream(&format!("plan/processors/{}", spec.name));
    ProcessorPlan {
        name: spec.name.clone(),
        user: spec.user,
        clock_offset_ms: skew(&spec.clock, &mut stream),
        clock_drift_ppm: drift(&spec.drift, &mut stream),
    }
}

/// A conversation as it was held.
#[derive(Clone, Copy, Debug)]
struct Held {
    talk: TalkId,
    began: Moment,
    messages: i64,
}

/// The conversations of a user, and who works on them.
#[derive(Clone, Debug)]
pub(super) struct Talks {
    held: Vec<Held>,
    processors: Vec<ProcessorId>,
}

impl Talks {
    /// Of every user, in order.
    pub(super) fn of_all(plan: &Plan, streams: Streams) -> Vec<Self> {
        (0..plan.users.len()).map(|user| Self::of(plan, user, streams)).collect()
    }

    fn of(plan: &Plan, user: usize, streams: Streams) -> Self {
        let mut stream = streams.stream(&format!("workload/conversations/{}", plan.users[user]));
        let whose = |id: &(usize, &ProcessorPlan)| usize::from(id.1.user.0) == user;
        let processors = plan.processors().iter().enumerate().filter(whose);
        let processors = processors.map(|(n, _)| ProcessorId(n as u16)).collect();
        let mut days: Vec<Day> = DAYS.iter().filter_map(|day| Day::of_iso(day)).collect();
        stream.shuffle(&mut days);
        days.truncate(usize::try_from(stream.between(1, 3)).expect("few"));
        let count = stream.between(2, MOST_TALKS);
        let held = (0..count).map(|n| Held {
            talk: TalkId(u16::try_from(n).expect("few")),
            began: Moment::on(*stream.pick(&days), stream.between(0, 24 * 60 - 1)),
            messages: stream.between(1, MOST_MESSAGES),
        });
        Self { held: held.collect(), processors }
    }

    fn pick(&self, stream: &mut Stream) -> Held {
        let hot = &self.held[..HOT.min(self.held.len())];
        let among = if stream.chance(HOT_SHARE) { hot } else { &self.held };
        *stream.pick(among)
    }

    /// A user or a processor does something about a conversation.
    pub(super) fn add(
        &self,
        stream: &mut Stream,
        at: Time,
        device: DeviceId,
        out: &mut Vec<Timed>,
    ) {
        if self.processors.is_empty() {
            return;
        }
        let held = self.pick(stream);
        let processor = *stream.pick(&self.processors);
        let command = |command| Act::Processor(processor, command);
        let act = match stream.weighted([36, 36, 8, 7, 6, 4, 3].into_iter()) {
            0 => Act::User(device, UserOperation::Upload(held.part(stream))),
            1 => command(ProcessorCommand::Ingest(held.part(stream))),
            2 => command(ProcessorCommand::Process(None)),
            3 => command(ProcessorCommand::Process(Some(held.began.written(stream)))),
            4 => command(ProcessorCommand::Read(held.talk, held.some_part(stream))),
            5 => command(ProcessorCommand::ReadDay(held.began.written(stream))),
            _ => command(ProcessorCommand::Reset(held.talk)),
        };
        let brings = matches!(act, Act::User(..) | Act::Processor(_, ProcessorCommand::Ingest(_)));
        if brings && stream.chance(TWICE) {
            let other = match act {
                Act::User(..) => command(ProcessorCommand::Ingest(held.part(stream))),
                Act::Processor(..) | Act::Fault(..) | Act::Wait => {
                    Act::User(device, UserOperation::Upload(held.part(stream)))
                }
            };
            out.push((shortly_after(stream, at, AT_ONCE), other));
        }
        out.push((at, act));
    }
}

impl Held {
    /// Some of its messages, as some service writes of them.
    fn part(self, stream: &mut Stream) -> Excerpt {
        let first = stream.between(1, self.messages);
        let last = (first + stream.between(0, MOST_AT_ONCE - 1)).min(self.messages);
        let number = |n: i64| u32::try_from(n).expect("messages are few");
        let edit = if stream.chance(EDITED) { stream.between(1, 3) } else { 0 };
        Excerpt {
            talk: self.talk,
            spelling: u8::try_from(stream.below(SPELLINGS.into())).expect("few"),
            began: self.began.written(stream),
            first: number(first),
            last: number(last),
            edit: u8::try_from(edit).expect("few").min(MOST_EDITS),
        }
    }

    fn some_part(self, stream: &mut Stream) -> TalkPart {
        match stream.below(3) {
            0 => TalkPart::Current,
            1 => TalkPart::Result,
            _ => TalkPart::Version(u32::try_from(stream.between(1, 12)).expect("few")),
        }
    }
}
