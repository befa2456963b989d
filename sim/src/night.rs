//! A sweep into a folder, which survives whatever ends its process, and the summary of what such folders have.
//!
//! The seeds are cut into chunks. A chunk is kept as soon as it is done and is then never run again, so that a
//! sweep that ended early costs the chunks that were under way. Nothing is summed up but what the folders have:
//! whether one process ran all of it or many ran parts of it cannot be seen in the result.

pub mod chunk;
pub mod folder;
pub mod gather;
pub mod manifest;
pub mod shard;
pub mod task;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::ops::ControlFlow;
use std::process::Command;
use std::time::Instant;

use harness::crew::{Crew, Died, Event};
use harness::pool::{Ended, Pool};

use self::chunk::{Chunk, Part, read_failure};
use self::folder::{Kept, Trouble, Writer};
use self::task::{Dead, Note, Task};
use crate::signature::Signature;
use crate::sweep::{Goal, News, Wish};

/// A chunk in which a worker died so often through no fault of a seed that is no chance.
const MOST_STRANGE: u32 = 3;

/// Why a sweep into a folder ended before its time.
#[derive(Debug)]
pub enum Broken {
    /// Results cannot be kept.
    Trouble(Trouble),
    /// A worker cannot be started, or cannot be talked to.
    Worker(io::Error),
    /// The harness panicked, or a worker ended for reasons of its own.
    Failed(String),
}

impl From<Trouble> for Broken {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// A sweep into a folder, as it goes on.
struct Night<'a> {
    wish: &'a Wish,
    writer: &'a mut Writer,
    /// The chunks that are under way, and whether the seed that runs has failed.
    under_way: BTreeMap<Part, bool>,
    /// The seeds that came to no end, by chunk, until their workers have ended.
    stuck: BTreeMap<Part, Dead>,
    /// How often workers died that no seed ended.
    strange: BTreeMap<Part, u32>,
    /// What came first in a seed that failed.
    bugs: BTreeSet<Signature>,
}

/// Runs the parts that are not done, in workers that this command starts. Says why it ended.
pub fn sweep_into(
    wish: &Wish,
    writer: &mut Writer,
    pool: &Pool,
    command: impl Fn() -> Command,
    mut hear: impl FnMut(News<'_>),
) -> Result<Ended, Broken> {
    let tasks = left(writer, &mut hear)?;
    hear(News::Expect(match wish.time {
        Some(time) => Goal::Time(time),
        None => Goal::Seeds(tasks.iter().map(|task| task.part.count()).sum()),
    }));
    let until = wish.time.and_then(|time| Instant::now().checked_add(time));
    let mut night = Night {
        wish,
        writer,
        under_way: BTreeMap::new(),
        stuck: BTreeMap::new(),
        strange: BTreeMap::new(),
        bugs: BTreeSet::new(),
    };
    let mut broken = None;
    let crew = Crew { jobs: pool.jobs, stop: pool.stop.clone(), command };
    let ended = crew.each(tasks, until, |event, again| {
        night.hear(event, again, &mut hear).unwrap_or_else(|it| {
            broken = Some(it);
            ControlFlow::Break(())
        })
    });
    broken.map_or(ended.map_err(Broken::Worker), Err)
}

/// The parts that are not done.
fn left(writer: &Writer, hear: &mut impl FnMut(News<'_>)) -> Result<Vec<Task>, Trouble> {
    let manifest = &writer.results.manifest;
    let mut parts = manifest.parts();
    parts.retain(|(number, _)| writer.shard.has(*number));
    let all = parts.len();
    let mut left = Vec::new();
    for (_, part) in parts {
        match writer.results.chunk(&part)? {
            Kept::Whole(_) => continue,
            Kept::Missing => {}
            Kept::Broken(path, why) => {
                hear(News::Note(&format!("{}: {why}; it is computed again", path.display())));
            }
        }
        let at = manifest.scenarios.iter().position(|it| it.name == part.scenario);
        let at = at.expect("parts are of the manifest's scenarios");
        left.push(Task { at, part, dead: Vec::new(), probe: None });
    }
    if left.len() < all {
        let done = all - left.len();
        hear(News::Note(&format!("{done} of {all} chunks are done, {} are left", left.len())));
    }
    Ok(left)
}

impl Night<'_> {
    fn hear(
        &mut self,
        event: Event<'_, Task>,
        again: &mut VecDeque<Task>,
        hear: &mut impl FnMut(News<'_>),
    ) -> Result<ControlFlow<()>, Broken> {
        match event {
            Event::Idle => hear(News::Idle),
            Event::Begins(Task { probe: Some(_), .. }, _) => {}
            Event::Begins(task, _) => {
                if let Some(failed) = self.under_way.insert(task.part.clone(), false) {
                    hear(News::Done { failed });
                }
            }
            Event::Says(task, text) => self.says(task, text, hear)?,
            Event::Done(task, _) if task.probe.is_some() => self.survived(task, again, hear)?,
            Event::Done(task, text) => {
                let failed = self.under_way.remove(&task.part).unwrap_or(false);
                hear(News::Done { failed });
                let chunk = Chunk::read(text, &self.writer.results.manifest.id());
                let chunk = chunk.map_err(|why| {
                    Broken::Failed(format!(
                        "what a worker returned for {} is no chunk: {why}",
                        task.part
                    ))
                })?;
                self.writer.keep(&chunk)?;
                let enough = self.wish.stop_after.is_some_and(|it| self.bugs.len() >= it);
                if enough {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Event::Died(died) => self.died(died, again)?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn says(
        &mut self,
        task: &Task,
        text: &str,
        hear: &mut impl FnMut(News<'_>),
    ) -> Result<(), Broken> {
        let note = serde_json::from_str(text);
        match note.map_err(|error| Broken::Failed(format!("a worker said {text:?}: {error}")))? {
            Note::Panic(panic) => Err(Broken::Failed(format!("the harness panicked: {panic}"))),
            Note::Stuck(dead) => {
                self.stuck.insert(task.part.clone(), dead);
                Ok(())
            }
            Note::Failed(line) => {
                let (_, failed) = read_failure(&line).map_err(Broken::Failed)?;
                self.under_way.insert(task.part.clone(), true);
                self.writer.note(&task.part.scenario, &failed)?;
                let first = failed.violations.first().map(|it| it.signature.clone());
                if let Some(first) = first.filter(|it| !self.bugs.contains(it)) {
                    let again = self.wish.chosen[task.at].again(failed.seed, self.wish.flaws);
                    hear(News::Note(&format!("new: {first} — {again}")));
                    self.bugs.insert(first);
                }
                Ok(())
            }
        }
    }

    /// A worker died: in which seed is known, and if that comes to no end also where. Otherwise the seed is run again
    /// alone, in a way that shows where, and then its chunk without what follows from there.
    fn died(&mut self, died: Died<Task>, again: &mut VecDeque<Task>) -> Result<(), Broken> {
        let Died { mut task, piece, how, complaint } = died;
        let part = task.part.clone();
        self.under_way.remove(&part);
        if let Some(seed) = task.probe.take() {
            let place = piece.as_deref().and_then(|it| serde_json::from_str(it).ok());
            task.dead.push(Dead { seed, place, how: Some(how) });
            again.push_back(task);
            return Ok(());
        }
        if let Some(dead) = self.stuck.remove(&part) {
            task.dead.push(dead);
            again.push_back(task);
            return Ok(());
        }
        let Some(seed) = piece.as_deref().and_then(|it| it.parse().ok()) else {
            if self.is_too_strange(&part) {
                let said = complaint.trim();
                let what = format!("workers end before they begin {part}: {how}\n{said}");
                return Err(Broken::Failed(what));
            }
            again.push_back(task);
            return Ok(());
        };
        match task.dead.iter_mut().find(|dead| dead.seed == seed) {
            None => task.probe = Some(seed),
            // It dies on its way to the place where it died before: as much as that is not known of it then.
            Some(dead) if dead.place.is_some() => dead.place = None,
            Some(_) => {
                let said = complaint.trim();
                let what = format!("{part}: seed {seed} ends every worker: {how}\n{said}");
                return Err(Broken::Failed(what));
            }
        }
        again.push_back(task);
        Ok(())
    }

    /// A worker ended that no seed has ended. Has that happened too often in this chunk?
    fn is_too_strange(&mut self, part: &Part) -> bool {
        let times = self.strange.entry(part.clone()).or_default();
        *times += 1;
        *times >= MOST_STRANGE
    }

    /// A seed in which a worker died was run again alone, and has not ended that one: something else did, such as a
    /// user, or a system that has no memory left.
    fn survived(
        &mut self,
        mut task: Task,
        again: &mut VecDeque<Task>,
        hear: &mut impl FnMut(News<'_>),
    ) -> Result<(), Broken> {
        let seed = task.probe.take().unwrap_or_default();
        let what = format!(
            "a worker ended in {} seed {seed}, which alone ends none: its chunk is run again",
            task.part.scenario
        );
        if self.is_too_strange(&task.part) {
            return Err(Broken::Failed(format!("{what}, but this was time no. {MOST_STRANGE}")));
        }
        hear(News::Note(&what));
        again.push_back(task);
        Ok(())
    }
}
