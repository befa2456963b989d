//! Conversations of a plan: what is known of them where, who works on them, and what happens to those.
//!
//! A conversation is a number here. How a service spells its name, and in which form a date is
//! written, is drawn with the plan, and so what they stand for is known without asking the engine.

use std::fmt;

use engine::id::UserId;
use engine::processor;
use harness::random::Chance;
use harness::time::{Span, SpanRange};
use serde::Serialize;

/// Conversations, and those who work on them.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelinePlan {
    /// The processors, by [`ProcessorId`].
    pub processors: Vec<ProcessorPlan>,
    /// How patient they are.
    pub timing: processor::Timing,
    /// The step that they have done.
    pub step: StepPlan,
    /// What is there before the start, in the format from before there were statuses.
    pub given: Vec<GivenTalk>,
}

/// One processor, as the plan has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessorPlan {
    /// What people call it.
    pub name: String,
    /// Whose conversations it works on.
    pub user: UserId,
    /// How far its wall clock is off at the start, in milliseconds.
    pub clock_offset_ms: i64,
    /// How fast its wall clock runs away, in parts per million.
    pub clock_drift_ppm: i32,
}

/// The expensive step that a processor has done by an outside service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepPlan {
    /// How long it takes.
    pub takes: SpanRange,
    /// It ends without a result.
    pub failure: Chance,
    /// It never ends.
    pub silence: Chance,
}

/// A conversation that is there before the start.
#[derive(Clone, Debug, PartialEq)]
pub struct GivenTalk {
    /// Whose.
    pub user: UserId,
    /// Which messages of which.
    pub excerpt: Excerpt,
}

/// Names a conversation of a user, whatever its service calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TalkId(pub u16);

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Day {
    /// The year.
    pub year: u16,
    /// The month, from 1.
    pub month: u8,
    /// The day, from 1.
    pub day: u8,
}

/// When a conversation began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Began {
    /// As its service writes it.
    pub written: String,
    /// Which day of the vault's home zone that is; none if it can be read in two ways.
    pub day: Option<Day>,
}

/// A part of a conversation, as it comes to the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// Of which conversation.
    pub talk: TalkId,
    /// In which way its name is spelled this time.
    pub spelling: u8,
    /// When it began.
    pub began: Began,
    /// The first message.
    pub first: u32,
    /// The last message.
    pub last: u32,
    /// How often their authors have changed these messages.
    pub edit: u8,
}

/// What a processor is commanded to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum ProcessorCommand {
    /// To bring in what the service of a conversation has.
    Ingest(Excerpt),
    /// To work on all there is, of this day or of any.
    Process(Option<Began>),
    /// To give a conversation that has failed its tries again.
    Reset(TalkId),
    /// To show a conversation.
    Read(TalkId, TalkPart),
    /// To show a day.
    ReadDay(Began),
}

/// What of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum TalkPart {
    /// What it says.
    Current,
    /// What an earlier version of it said.
    Version(u32),
    /// What came of the work on it.
    Result,
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iso())
    }
}

impl fmt::Display for TalkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conversation {}", self.0)
    }
}

impl fmt::Display for Began {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the day \"{}\"", self.written)
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { talk, began, first, last, edit, .. } = self;
        let edited = if *edit == 0 { String::new() } else { format!(" as changed {edit} times") };
        write!(f, "messages {first} to {last}{edited} of {talk}, of \"{}\"", began.written)
    }
}

impl TalkPart {
    /// This of a conversation, in words.
    pub fn of(self, talk: TalkId) -> String {
        match self {
            Self::Current => talk.to_string(),
            Self::Version(n) => format!("version {n} of {talk}"),
            Self::Result => format!("what came of {talk}"),
        }
    }
}

impl Day {
    /// As in `2024-04-03`.
    pub fn iso(self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// Reads what [`Day::iso`] writes of a day that the calendar has, in the years that the sync
    /// server knows: 1900 to 2199.
    pub fn of_iso(text: &str) -> Option<Self> {
        let (year, rest) = text.split_once('-')?;
        let (month, day) = rest.split_once('-')?;
        let (year, month, day) = (digits(year, 4)?, digits(month, 2)?, digits(day, 2)?);
        let day = Self { year, month: u8::try_from(month).ok()?, day: u8::try_from(day).ok()? };
        let is_there = (1900..=2199).contains(&year) && (1..=day.last()).contains(&day.day);
        is_there.then_some(day)
    }

    /// The last day of its month; 0 if there is no such month.
    fn last(self) -> u8 {
        let is_leap = self.year.is_multiple_of(4)
            && (!self.year.is_multiple_of(100) || self.year.is_multiple_of(400));
        match self.month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u8::from(is_leap),
            _ => 0,
        }
    }
}

/// A number written in exactly that number of digits.
fn digits(text: &str, count: usize) -> Option<u16> {
    let is_plain = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_plain { text.parse().ok() } else { None }
}

impl Began {
    /// A day as the engine writes it.
    pub fn on(day: Day) -> Self {
        Self { written: day.iso(), day: Some(day) }
    }
}

impl PipelinePlan {
    /// Nobody works, and nothing is there.
    pub const fn none() -> Self {
        let long = engine::time::Span::from_secs(10);
        let timing = processor::Timing {
            timeout: long,
            retry_base: engine::time::Span::from_millis(500),
            retry_cap: long,
            patience: long,
            poll: long,
        };
        let short = Span::from_millis(500);
        let takes = SpanRange { low: short, high: short };
        let step = StepPlan { takes, failure: Chance(0), silence: Chance(0) };
        Self { processors: Vec::new(), timing, step, given: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_one_of_the_calendar() {
        for day in ["1900-01-01", "2000-02-29", "2024-02-29", "2024-04-30", "2199-12-31"] {
            assert_eq!(Day::of_iso(day).expect("it is one").iso(), day);
        }
        let none = ["1900-02-29", "2023-02-29", "2024-02-30", "2024-04-31", "2024-13-01"];
        let odd = ["2024-00-10", "2024-01-00", "1899-12-31", "2200-01-01", "2024-4-3", ""];
        let more = ["2024-+1-01", "2024-01-01-", "-2024-01-01", "2024-01", "02024-01-01"];
        for day in none.into_iter().chain(odd).chain(more) {
            assert_eq!(Day::of_iso(day), None, "{day}");
        }
    }
}
