//! What a worker of a night does: it runs chunks, seed by seed, in a process that a seed may end.

use std::io::{self, Write};
use std::time::Duration;

use engine::flaw::Flaws;
use harness::crew::{Voice, limit};
use harness::fresh::fresh_for;
use harness::pool::{Failure, Pool};
use harness::watch::{Place, Watch};
use serde::{Deserialize, Serialize};

use super::chunk::{Chunk, Part, failure_line};
use crate::trial::{Chosen, Trial, Tried};

/// What a worker is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// The place of the scenario.
    pub at: usize,
    /// The seeds.
    pub part: Part,
    /// The seeds of these that are known to end their process. They are not run to that point.
    pub dead: Vec<Dead>,
    /// The one seed to run instead, alone and slowly: each piece of a host's work is announced before it is done.
    pub probe: Option<u64>,
}

/// A seed that ends its process, or comes to no end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dead {
    /// Which.
    pub seed: u64,
    /// The turn in which it does; none if it does so in no host.
    pub place: Option<Place>,
    /// How it ends the process; none if it comes to no end.
    pub how: Option<String>,
}

/// What a worker says beside what it begins.
#[derive(Debug, Serialize, Deserialize)]
pub enum Note {
    /// A seed failed: its line.
    Failed(String),
    /// A seed comes to no end. The worker ends with it, since its thread cannot be ended.
    Stuck(Dead),
    /// The harness panicked.
    Panic(String),
}

/// A worker.
#[derive(Debug)]
pub struct Worker<W> {
    /// The scenarios.
    pub chosen: Vec<Chosen>,
    /// The known bugs that are switched on.
    pub flaws: Flaws,
    /// Names the sweep.
    pub sweep: String,
    /// What bounds a seed.
    pub pool: Pool,
    /// The output of this process.
    pub output: fn() -> W,
}

impl<W: Write + 'static> Worker<W> {
    /// Does a task. Returns the text of the chunk, or nothing of a probe.
    pub fn work(&self, task: &Task, voice: &mut Voice<W>) -> io::Result<String> {
        let trial = |seed| Trial {
            digest: true,
            ..self.chosen[task.at.min(self.chosen.len() - 1)].trial(seed, self.flaws)
        };
        if let Some(seed) = task.probe {
            return self.probe(trial(seed).once()).map(|()| String::new());
        }
        let mut chunk = Chunk::new(task.part.clone());
        for seed in task.part.seeds() {
            // Of two runs each may take this long, and a third one shows where they differ.
            limit::processor_time(self.pool.patience.saturating_mul(4))?;
            voice.begins(&seed.to_string())?;
            let tried = match task.dead.iter().find(|dead| dead.seed == seed) {
                Some(dead) => known(&trial(seed), dead),
                None => match self
                    .pool
                    .one(trial(seed), &trial(seed).label(), |it, watch| it.run(watch))
                {
                    Some(Ok(tried)) => Ok(tried),
                    Some(Err(Failure::Hung(hung))) => {
                        let dead = Dead { seed, place: Some(hung.place), how: None };
                        return self.leave(voice, &Note::Stuck(dead));
                    }
                    Some(Err(Failure::Panic(panic))) => Err(panic),
                    None => Err("nobody asked it to leave".to_owned()),
                },
            };
            match tried {
                Ok(tried) => {
                    if let Some(failed) = chunk.add(&tried) {
                        let line = failure_line(&task.part.scenario, failed);
                        voice.says(&text(&Note::Failed(line))?)?;
                    }
                }
                Err(panic) => return self.leave(voice, &Note::Panic(panic)),
            }
        }
        Ok(chunk.text(&self.sweep))
    }

    /// Says why it does no more.
    fn leave(&self, voice: &mut Voice<W>, note: &Note) -> io::Result<String> {
        voice.says(&text(note)?)?;
        Err(io::Error::other("this worker does no more"))
    }

    /// Runs a seed that has ended a process, and announces each piece of a host's work.
    fn probe(&self, trial: Trial) -> io::Result<()> {
        limit::processor_time(self.pool.patience.saturating_mul(2))?;
        let output = self.output;
        let watch = Watch::telling(move |place| {
            // Nobody waits for a worker that cannot say anything any more.
            if let Ok(text) = text(&place) {
                let _ = Voice::through(output()).begins(&text);
            }
        });
        let (own, label) = (watch.clone(), trial.label());
        fresh_for(&watch, &label, move || trial.run(&own)).map(|_| ()).map_err(io::Error::other)
    }
}

/// What there is of a seed that is known to end its process.
fn known(trial: &Trial, dead: &Dead) -> Result<Tried, String> {
    match (&dead.how, dead.place) {
        (Some(how), place) => trial.died(place, how),
        (None, Some(place)) => trial.hung(harness::pool::Hung { place, spent: Duration::ZERO }),
        (None, None) => trial.died(None, "it comes to no end"),
    }
}

fn text<T: Serialize>(of: &T) -> io::Result<String> {
    serde_json::to_string(of).map_err(io::Error::other)
}
