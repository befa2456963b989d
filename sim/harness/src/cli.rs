//! The command line of a system under test: sweep a scenario, run one seed, replay a capsule.
//!
//! Exit codes: 0, everything holds; 1, something is violated; 2, the command or a file is wrong; 3, a
//! capsule no longer shows what it says.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::capsule::Folder;
use crate::fresh::{cores, fresh};
use crate::plan::Plan;
use crate::pool::Pool;
use crate::problem::render;
use crate::quantity::{Quantity as _, Unit};
use crate::run::{Outcome, run};
use crate::scenario::{Scenario, capsule, read};
use crate::shrink::shrink;
use crate::stop::Stop;
use crate::story::tell;
use crate::sweep::sweep;
use crate::system::System;
use crate::time::Span;

const HELD: u8 = 0;
const VIOLATED: u8 = 1;
const WRONG: u8 = 2;
const DIFFERS: u8 = 3;

/// How long one bug is shrunk.
const SHRINK: Duration = Duration::from_secs(30);

/// Deterministic simulation of a system: finds bugs, makes them small, replays them.
#[derive(Debug, Parser)]
struct Command {
    #[command(subcommand)]
    does: Does,
}

#[derive(Debug, Subcommand)]
enum Does {
    /// Runs many seeds, shrinks each bug that they show, and keeps it as a capsule
    Sweep {
        /// How many seeds, from 0
        #[arg(long, default_value_t = 400)]
        seeds: u64,
        /// Where capsules are kept
        #[arg(long, default_value = ".seawall/capsules")]
        keep: PathBuf,
        /// The processor time that one seed may take before it is reported as one that never ends
        #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
        seed_timeout: Duration,
        #[command(flatten)]
        on: On,
    },
    /// Runs one seed and tells what happens
    Run {
        /// The seed
        #[arg(long, default_value_t = 0)]
        seed: u64,
        #[command(flatten)]
        on: On,
    },
    /// Runs a capsule again, tells it, and compares it with what the capsule says
    Replay {
        /// The file
        capsule: PathBuf,
    },
}

/// What is run.
#[derive(Args, Debug)]
struct On {
    /// A scenario file, in the place of the one that is built in
    #[arg(long)]
    scenario: Option<PathBuf>,
    /// Changes a setting of the system, as `--set clients=4`
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

/// What a command has said, and its exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// For the output.
    pub out: String,
    /// For the error output.
    pub err: String,
    /// The exit code.
    pub code: u8,
}

/// What a command says, and its exit code; or what is wrong with the command or a file.
type Obeyed = Result<(String, u8), String>;

/// Runs the command that the process was started with. `scenario` is the one that is built in.
#[expect(clippy::print_stdout, reason = "this is the command line")]
pub fn main<S: System>(scenario: &str) -> ExitCode {
    let said = run_command::<S>(scenario, std::env::args_os());
    print!("{}", said.out);
    eprint!("{}", said.err);
    said.code.into()
}

/// Runs a command; the first of its words is the name of the program.
pub fn run_command<S: System>(
    scenario: &str,
    words: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Said {
    let obeyed = match Command::try_parse_from(words) {
        Ok(command) => command.does.obey::<S>(scenario),
        Err(usage) if usage.use_stderr() => Err(usage.to_string()),
        Err(help) => Ok((help.to_string(), HELD)),
    };
    match obeyed {
        Ok((out, code)) => Said { out, err: String::new(), code },
        Err(why) => Said { out: String::new(), err: format!("{}\n", why.trim_end()), code: WRONG },
    }
}

impl Does {
    fn obey<S: System>(self, built_in: &str) -> Obeyed {
        match self {
            Self::Sweep { seeds, keep, seed_timeout, on } => {
                let scenario = on.scenario::<S>(built_in)?;
                sweep_and_keep(&scenario, 0..seeds, (&keep, seed_timeout))
            }
            Self::Run { seed, on } => {
                let plan = on.scenario::<S>(built_in)?.draw(seed);
                let (plan, outcome) = play(plan)?;
                let found = outcome.violations.first();
                let code = if found.is_some() { VIOLATED } else { HELD };
                Ok((tell(&plan, &outcome, found), code))
            }
            Self::Replay { capsule } => replay::<S>(&capsule),
        }
    }
}

impl On {
    fn scenario<S: System>(&self, built_in: &str) -> Result<Scenario<S>, String> {
        let mut scenario = match &self.scenario {
            Some(path) => read_file(path)?,
            None => read(built_in)
                .map_err(|it| render(&[it], "the built-in scenario", built_in, false))?,
        };
        for setting in &self.set {
            let Some((name, value)) = setting.split_once('=') else {
                return Err(format!("`--set {setting}` names no value: write `--set NAME=VALUE`"));
            };
            scenario = scenario.with_setting(name, value)?;
        }
        Ok(scenario)
    }
}

/// A time as `90s` or `250ms`.
fn time(text: &str) -> Result<Duration, String> {
    let range = Unit::Span.parse(text).map_err(|mistake| mistake.help(Unit::Span))?;
    let span = Span::of(range).ok_or("one value is needed here, not a range")?;
    Ok(Duration::from_millis(span.0))
}

fn read_file<S: System>(path: &Path) -> Result<Scenario<S>, String> {
    let shown = path.display().to_string();
    let text =
        std::fs::read_to_string(path).map_err(|why| format!("cannot read {shown}: {why}"))?;
    read(&text).map_err(|problem| render(&[problem], &shown, &text, false))
}

/// Runs a plan on a thread of its own. `Err` is a panic of the harness.
fn play<S: System>(plan: Plan<S>) -> Result<(Plan<S>, Outcome<S>), String> {
    let outcome = fresh(move || {
        let outcome = run(&plan);
        (plan, outcome)
    });
    outcome.map_err(|panic| format!("the harness panicked: {panic}"))
}

fn sweep_and_keep<S: System>(
    scenario: &Scenario<S>,
    seeds: Range<u64>,
    (keep, patience): (&Path, Duration),
) -> Obeyed {
    let trouble =
        |why: std::io::Error| format!("cannot keep capsules in {}: {why}", keep.display());
    let stop = Stop::on_signals().map_err(|why| format!("cannot listen to signals: {why}"))?;
    let mut pool = Pool::new(cores(), stop);
    pool.patience = patience;
    let sweep = sweep(scenario, seeds, &pool, |_, _| {})?;
    let mut said = format!(
        "{}: {} seeds, {} facts, {} distinct bugs{}\n",
        scenario.title,
        sweep.seeds,
        sweep.facts,
        sweep.bugs.len(),
        if sweep.interrupted { ", interrupted" } else { "" }
    );
    for (seed, place) in &sweep.endless {
        let hosts = scenario.system.hosts();
        let host = place.host.and_then(|host| hosts.get(host)).map(|host| host.name.as_str());
        let host = host.unwrap_or("the run");
        said.push_str(&format!("\nseed {seed} comes to no end: at {} in {host}\n", place.at));
    }
    if sweep.bugs.is_empty() {
        return Ok((said, if sweep.endless.is_empty() { HELD } else { VIOLATED }));
    }
    let folder = Folder::open(keep).map_err(trouble)?;
    for bug in &sweep.bugs {
        let found = shrink(&pool, &bug.plan, &bug.signature, Some(SHRINK))?;
        let text = capsule(&scenario.title, &found.plan, &found.outcome, &found.violation);
        let digest = found.outcome.history.digest();
        let path = folder.keep(&bug.signature.invariant, digest, &text).map_err(trouble)?;
        said.push_str(&format!(
            "\n{} in {} of {} seeds, first in seed {}, shrunk from {} steps to {}:\n\n{}\nReplay it: replay {}\n",
            bug.signature,
            bug.seeds.len(),
            sweep.seeds,
            bug.plan.seed,
            bug.plan.steps.len(),
            found.plan.steps.len(),
            tell(&found.plan, &found.outcome, Some(&found.violation)),
            path.display()
        ));
    }
    Ok((said, VIOLATED))
}

fn replay<S: System>(path: &Path) -> Obeyed {
    let scenario = read_file::<S>(path)?;
    let Some(head) = &scenario.capsule else {
        let shown = path.display();
        return Err(format!("{shown} is no capsule: use `run --scenario {shown} --seed N`"));
    };
    let (plan, outcome) = play(scenario.draw(head.seed))?;
    let found = head.signature().find(&outcome);
    let mut said = tell(&plan, &outcome, found);
    let digest = format!("{:032x}", outcome.history.digest());
    let code = match found {
        Some(_) if digest == head.digest => {
            said.push_str(&format!("Replayed to the byte: digest {digest}.\n"));
            VIOLATED
        }
        Some(_) => {
            said.push_str(
                "The same bug, but not the same history: the system has changed, or the file.\n",
            );
            VIOLATED
        }
        None => {
            said.push_str(&format!("It no longer shows {}.\n", head.signature()));
            DIFFERS
        }
    };
    Ok((said, code))
}
