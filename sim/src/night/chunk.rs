//! A chunk: some seeds of one scenario that were run, and all that is kept of them.
//!
//! The bytes of a chunk are decided by the build, the scenario and the seeds: no clock, thread, machine or order
//! of work is in them. A chunk that is computed twice has the same bytes, or a plan had two histories.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::difference::Difference;
use crate::invariant::{Invariant, Violation};
use crate::report::Row;
use crate::signature::Signature;
use crate::sweep::tally;
use crate::triage::{Failed, Seen};
use crate::trial::Tried;

/// The version of the lines below.
const VERSION: u32 = 1;

/// Which seeds of which scenario.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Part {
    /// The scenario's name.
    pub scenario: String,
    /// The first seed.
    pub first: u64,
    /// The last seed.
    pub last: u64,
}

impl Part {
    /// Its seeds.
    pub fn seeds(&self) -> RangeInclusive<u64> {
        self.first..=self.last
    }

    /// How many seeds it has.
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}-{}", self.scenario, self.first, self.last)
    }
}

/// What came of some seeds of one scenario.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Which seeds.
    pub part: Part,
    /// Counts and coverage.
    pub row: Row,
    /// How many seeds were run twice and compared.
    pub twice: u64,
    /// Simulated milliseconds in all.
    pub simulated_ms: u64,
    /// Events in all.
    pub events: u64,
    /// The sum of the digests of all runs.
    digest: u128,
    /// The seeds that failed, in order.
    pub failed: Vec<Failed>,
    /// The seeds of which two runs differ, in order.
    pub differing: Vec<(u64, Difference)>,
}

/// The first line of a chunk.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    v: u32,
    r#type: String,
    /// The digest of the manifest that the chunk belongs to.
    sweep: String,
    #[serde(flatten)]
    part: Part,
    counts: Counts,
    digest: String,
    failures: usize,
    differences: usize,
}

/// In an object of its own: what is flattened cannot have numbers as keys, and steps are numbers.
#[derive(Debug, Serialize, Deserialize)]
struct Counts {
    row: Row,
    twice: u64,
    simulated_ms: u64,
    events: u64,
}

/// A line for each seed that failed.
#[derive(Debug, Serialize, Deserialize)]
struct FailureLine {
    v: u32,
    r#type: String,
    scenario: String,
    #[serde(flatten)]
    failed: Failed,
}

/// A line for each seed of which two runs differ.
#[derive(Debug, Serialize, Deserialize)]
struct DifferenceLine {
    v: u32,
    r#type: String,
    scenario: String,
    seed: u64,
    difference: Difference,
}

/// The last line: without it, or with another length or digest, the rest is not all there.
#[derive(Debug, Serialize, Deserialize)]
struct End {
    v: u32,
    r#type: String,
    bytes: usize,
    digest: String,
}

impl Chunk {
    /// A chunk before its first seed.
    pub fn new(part: Part) -> Self {
        let row = Row { scenario: part.scenario.clone(), ..Row::default() };
        let (failed, differing) = (Vec::new(), Vec::new());
        Self { part, row, twice: 0, simulated_ms: 0, events: 0, digest: 0, failed, differing }
    }

    /// Adds a seed. Returns what is kept of it if it failed.
    pub fn add(&mut self, tried: &Tried) -> Option<&Failed> {
        self.twice += u64::from(tried.twice);
        if let Some(difference) = &tried.difference {
            self.differing.push((tried.seed, difference.clone()));
        }
        let failed = tried.failed.as_deref();
        let late = failed.and_then(|(_, outcome)| outcome.violations.iter().find(is_late));
        if let Some(late) = late {
            self.row.seeds += 1;
            self.row.failed += 1;
            self.failed.push(self.out_of_time(tried.seed, late));
            return self.failed.last();
        }
        tally(&mut self.row, tried, Duration::ZERO);
        self.row.slowest = None;
        self.simulated_ms += tried.counts.simulated.0;
        self.events += tried.counts.events;
        let own = failed.map(|(_, outcome)| outcome.digest()).or(tried.digest).unwrap_or(0);
        self.digest = self.digest.wrapping_add(mixed(tried.seed, own));
        let (plan, outcome) = failed?;
        self.failed.push(Failed {
            seed: tried.seed,
            events: tried.counts.events,
            stuck: tried.stuck,
            died: tried.died.clone(),
            violations: Seen::all(plan, outcome),
        });
        self.failed.last()
    }

    /// Where a run was when its processor time was over depends on the machine: nothing is kept of that.
    fn out_of_time(&self, seed: u64, late: &Violation) -> Failed {
        let seen = Seen {
            signature: Signature::of(late),
            at_ms: 0,
            host: String::new(),
            token: None,
            proof: None,
            message: format!(
                "Seed {seed} of {} comes to no end in the processor time that it may take.",
                self.part.scenario
            ),
        };
        Failed { seed, events: 0, stuck: None, died: None, violations: vec![seen] }
    }

    /// As it is kept, in JSON lines; `sweep` names the sweep that it belongs to.
    pub fn text(&self, sweep: &str) -> String {
        let Self { part, row, twice, simulated_ms, events, .. } = self.clone();
        let scenario = &self.part.scenario;
        let mut text = line(&Head {
            v: VERSION,
            r#type: "chunk".to_owned(),
            sweep: sweep.to_owned(),
            part,
            counts: Counts { row, twice, simulated_ms, events },
            digest: hex(self.digest),
            failures: self.failed.len(),
            differences: self.differing.len(),
        });
        self.failed.iter().for_each(|failed| text += &failure_line(scenario, failed));
        for (seed, difference) in &self.differing {
            text += &line(&DifferenceLine {
                v: VERSION,
                r#type: "difference".to_owned(),
                scenario: scenario.clone(),
                seed: *seed,
                difference: difference.clone(),
            });
        }
        let (bytes, digest) = (text.len(), hex(xxh3_128(text.as_bytes())));
        text + &line(&End { v: VERSION, r#type: "end".to_owned(), bytes, digest })
    }

    /// Reads a chunk of this sweep, or says why it is none.
    pub fn read(text: &str, sweep: &str) -> Result<Self, String> {
        let short = || "it is cut short".to_owned();
        let whole = text.strip_suffix('\n').ok_or_else(short)?;
        let start = whole.rfind('\n').map_or(0, |at| at + 1);
        let (body, end) = (&text[..start], &whole[start..]);
        let end: End = serde_json::from_str(end).map_err(|_| short())?;
        if (end.bytes, end.digest) != (body.len(), hex(xxh3_128(body.as_bytes()))) {
            return Err("its bytes are not those that were written".to_owned());
        }
        let mut lines = body.lines();
        let head: Head = parsed(lines.next())?;
        if head.sweep != sweep {
            return Err(format!("it is of another sweep: {}, not {sweep}", head.sweep));
        }
        let failed = lines.by_ref().take(head.failures).map(|it| parsed::<FailureLine>(Some(it)));
        let failed = failed.map(|it| it.map(|it| it.failed)).collect::<Result<Vec<_>, _>>()?;
        let differing = lines.map(|it| parsed::<DifferenceLine>(Some(it)));
        let differing = differing.map(|it| it.map(|it| (it.seed, it.difference)));
        let Counts { row, twice, simulated_ms, events } = head.counts;
        let digest = u128::from_str_radix(&head.digest, 16)
            .map_err(|_| format!("`{}` is no digest", head.digest))?;
        Ok(Self {
            part: head.part,
            row,
            twice,
            simulated_ms,
            events,
            digest,
            failed,
            differing: differing.collect::<Result<Vec<_>, _>>()?,
        })
    }
}

/// A failure in a line.
pub fn failure_line(scenario: &str, failed: &Failed) -> String {
    line(&FailureLine {
        v: VERSION,
        r#type: "failure".to_owned(),
        scenario: scenario.to_owned(),
        failed: failed.clone(),
    })
}

/// The scenario and the failure of a line.
pub fn read_failure(line: &str) -> Result<(String, Failed), String> {
    parsed::<FailureLine>(Some(line)).map(|it| (it.scenario, it.failed))
}

fn line<T: Serialize>(of: &T) -> String {
    serde_json::to_string(of).expect("lines have keys that JSON has") + "\n"
}

fn parsed<'a, T: Deserialize<'a>>(line: Option<&'a str>) -> Result<T, String> {
    serde_json::from_str(line.unwrap_or_default()).map_err(|error| error.to_string())
}

/// Was a run ended since its processor time was over?
fn is_late(violation: &&Violation) -> bool {
    violation.invariant == Invariant::RunEnds && violation.site == "time"
}

/// The digest of a run under its seed, so that two seeds cannot change places.
fn mixed(seed: u64, digest: u128) -> u128 {
    let mut bytes = [0; 24];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..].copy_from_slice(&digest.to_le_bytes());
    xxh3_128(&bytes)
}

pub(super) fn hex(digest: u128) -> String {
    format!("{digest:032x}")
}

#[cfg(test)]
mod tests {
    use harness::time::Time;

    use super::*;
    use crate::outcome::Missed;
    use crate::plan::StepId;
    use crate::report::{Miss, Reached};

    fn chunk() -> Chunk {
        let mut chunk = Chunk::new(Part { scenario: "lunch".to_owned(), first: 4, last: 7 });
        let reached = Reached { seeds: 3, times: 9, least: 2, most: 4, most_at: 5 };
        chunk.row.coverage.insert("conflict".into(), reached);
        let miss = Miss { seeds: 1, first: 6, why: Missed::HitNothing };
        chunk.row.missed.insert(StepId(3), miss);
        chunk.row.longest = Some((5, 900));
        let signature =
            Signature { invariant: Invariant::NoLostWrites, site: "account".to_owned() };
        let seen = Seen {
            signature,
            at_ms: 7,
            host: "phone".to_owned(),
            token: Some("0b".to_owned()),
            proof: Some(12),
            message: "A write\nis \"gone\".".to_owned(),
        };
        chunk.failed =
            vec![Failed { seed: 6, events: 900, stuck: None, died: None, violations: vec![seen] }];
        let difference = Difference { index: 3, at: Time(9), facts: [None, Some("x".to_owned())] };
        chunk.differing = vec![(7, difference)];
        chunk
    }

    #[test]
    fn a_chunk_is_read_as_it_was_written() {
        let text = chunk().text("night");
        let read = Chunk::read(&text, "night").expect("it is whole");
        assert_eq!(read.text("night"), text);
        assert_eq!((read.failed, read.differing), (chunk().failed, chunk().differing));
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn a_chunk_that_was_cut_or_changed_at_any_byte_is_noticed() {
        let text = chunk().text("night");
        for length in 0..text.len() {
            assert!(Chunk::read(&text[..length], "night").is_err(), "cut after {length} bytes");
        }
        let changed = text.replacen("900", "901", 1);
        assert!(Chunk::read(&changed, "night").is_err_and(|why| why.contains("bytes")));
        let other = Chunk::read(&text, "day").expect_err("it is of another sweep");
        assert!(other.contains("another sweep"), "{other}");
    }
}
