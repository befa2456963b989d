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

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Instant;

use harness::pool::{Ended, Pool};

use self::chunk::{Chunk, Part};
use self::folder::{Kept, Trouble, Writer};
use crate::signature::Signature;
use crate::sweep::{Goal, News, Wish, each_seed};
use crate::triage::Failed;
use crate::trial::{Trial, Tried};

/// Why a sweep into a folder ended before its time.
#[derive(Debug)]
pub enum Broken {
    /// Results cannot be kept.
    Trouble(Trouble),
    /// The harness panicked.
    Panic(String),
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
    /// The chunk that is under way: results come in order.
    under_way: Option<Chunk>,
    /// What came first in a seed that failed.
    bugs: BTreeSet<Signature>,
}

/// Runs the parts that are not done. Says why it ended.
pub fn sweep_into(
    wish: &Wish,
    writer: &mut Writer,
    pool: &Pool,
    mut hear: impl FnMut(News<'_>),
) -> Result<Ended, Broken> {
    let parts = left(writer, &mut hear)?;
    hear(News::Expect(match wish.time {
        Some(time) => Goal::Time(time),
        None => Goal::Seeds(parts.iter().map(|(_, part)| part.count()).sum()),
    }));
    let until = wish.time.and_then(|time| Instant::now().checked_add(time));
    let mut night = Night { wish, writer, under_way: None, bugs: BTreeSet::new() };
    let trials = parts
        .iter()
        .enumerate()
        .flat_map(|(nth, (at, part))| part.seeds().map(move |seed| (nth, trial(wish, *at, seed))));
    let mut trouble = None;
    let ended = each_seed(pool, trials, until, &mut hear, |nth, tried, _, hear| {
        match night.take(parts[nth].0, &parts[nth].1, &tried, hear) {
            Ok(flow) => flow,
            Err(it) => {
                trouble = Some(it);
                ControlFlow::Break(())
            }
        }
    });
    match trouble {
        Some(trouble) => Err(trouble.into()),
        None => ended.map_err(Broken::Panic),
    }
}

/// One seed of the scenario at this place, with the digest of its run.
fn trial(wish: &Wish, at: usize, seed: u64) -> Trial {
    Trial { digest: true, ..wish.chosen[at].trial(seed, wish.flaws) }
}

/// The parts that are not done, each with the place of its scenario.
fn left(writer: &Writer, hear: &mut impl FnMut(News<'_>)) -> Result<Vec<(usize, Part)>, Trouble> {
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
        left.push((at.expect("parts are of the manifest's scenarios"), part));
    }
    if left.len() < all {
        let done = all - left.len();
        hear(News::Note(&format!("{done} of {all} chunks are done, {} are left", left.len())));
    }
    Ok(left)
}

impl Night<'_> {
    /// Takes the next seed in order, and keeps its chunk if that was the last one.
    fn take(
        &mut self,
        at: usize,
        part: &Part,
        tried: &Tried,
        hear: &mut impl FnMut(News<'_>),
    ) -> Result<ControlFlow<()>, Trouble> {
        let chunk = self.under_way.get_or_insert_with(|| Chunk::new(part.clone()));
        if let Some(failed) = chunk.add(tried) {
            self.writer.note(&part.scenario, failed)?;
            let again = self.wish.chosen[at].again(failed.seed, self.wish.flaws);
            if let Some(told) = news_of(&mut self.bugs, failed, &again) {
                hear(News::Note(&told));
            }
        }
        if tried.seed < part.last {
            return Ok(ControlFlow::Continue(()));
        }
        if let Some(done) = self.under_way.take() {
            self.writer.keep(&done)?;
        }
        let enough = self.wish.stop_after.is_some_and(|enough| self.bugs.len() >= enough);
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

/// A line about a failure, the first symptom of which never came first before.
fn news_of(bugs: &mut BTreeSet<Signature>, failed: &Failed, again: &str) -> Option<String> {
    let first = failed.violations.first()?;
    let is_new = bugs.insert(first.signature.clone());
    is_new.then(|| format!("new: {} — {again}", first.signature))
}
