//! Sweeps that are kept in a folder.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use harness::pool::{Ended, Pool};

use super::console::Console;
use super::news::{banner, hear};
use super::setup::exit_of;
use super::{Complaint, Exit, words};
use crate::capsule::Store;
use crate::night::folder::{Trouble, Writer};
use crate::night::gather::{Faults, Gathered};
use crate::night::manifest::Manifest;
use crate::night::{Broken, sweep_into};
use crate::report::{Told, story};
use crate::sweep::{self, Wish};

/// Where a sweep is kept.
#[derive(Args, Clone, Debug)]
pub(super) struct ResultArgs {
    /// Keep the results of all seeds in this folder as they come; needs --seeds.
    #[arg(long, value_name = "DIR")]
    pub(super) results: Option<PathBuf>,
    /// How many seeds of one scenario are kept together, and run again together if that was not done.
    #[arg(long, value_name = "N", default_value = "256", value_parser = words::how_many)]
    #[arg(requires = "results", allow_hyphen_values = true)]
    chunk: u64,
    /// Go on with the sweep that the folder has, if it has one.
    #[arg(long, requires = "results")]
    resume: bool,
}

impl From<Trouble> for Complaint {
    fn from(trouble: Trouble) -> Self {
        let exit = match &trouble {
            Trouble::Io { .. } => Exit::Internal,
            Trouble::Contradiction { .. } => Exit::Nondeterministic,
            Trouble::Taken(_)
            | Trouble::Differs(..)
            | Trouble::Locked(_)
            | Trouble::None(_)
            | Trouble::Unreadable(..) => Exit::Usage,
        };
        let help = match &trouble {
            Trouble::Io { .. } => "what is done is kept: once that is mended, `--resume` goes on",
            Trouble::Taken(_) => "`--resume` goes on with it; another folder begins a new one",
            Trouble::Differs(..) => {
                "sweep the same with the same build, or name another folder with `--results DIR`"
            }
            Trouble::Locked(_) => "wait until it has ended, or name another folder",
            Trouble::None(_) => "`seawall sweep --results DIR --seeds N` begins one",
            Trouble::Unreadable(..) => "name another folder with `--results DIR`",
            Trouble::Contradiction { .. } => {
                "nothing may differ between two runs of a plan: `seawall doctor` tries this machine"
            }
        };
        Self { exit, what: trouble.to_string(), help: Some(help.to_owned()) }
    }
}

/// Sweeps into a folder, and tells what the folder has then.
pub(super) fn sweep_kept(
    args: &ResultArgs,
    folder: &Path,
    wish: &Wish,
    (pool, store): (&Pool, &Store),
    console: &mut Console,
) -> Result<Exit, Complaint> {
    let manifest = manifest(wish, args.chunk)?;
    let mut writer = Writer::open(folder, manifest, args.resume)?;
    banner(console, &wish.chosen, wish.flaws, pool);
    console.start_progress("seeds");
    let started = Instant::now();
    let ended = sweep_into(wish, &mut writer, pool, |news| hear(console, &news));
    console.end_progress();
    let ended = ended.map_err(|broken| match broken {
        Broken::Trouble(trouble) => Complaint::from(trouble),
        Broken::Panic(panic) => Complaint::internal(panic),
    })?;
    console.say(&format!("swept for {:.1} s", started.elapsed().as_secs_f64()));
    let gathered = Gathered::of(&writer.results)?;
    let manifest = &writer.results.manifest;
    let faults = gathered.faults(manifest);
    tell_faults(&faults, console);
    if !faults.missing.is_empty() {
        console.say("  help: the same command with `--resume` goes on");
    }
    let stopped = if faults.missing.is_empty() { Ended::Exhausted } else { ended };
    let exit = sum_up(&gathered, manifest, wish, stopped, (pool, store), console)?;
    Ok(if faults.contradictory.is_empty() { exit } else { Exit::Nondeterministic })
}

/// What a command asks to be swept.
fn manifest(wish: &Wish, chunk: u64) -> Result<Manifest, Complaint> {
    let Some(seeds): Option<&Range<u64>> = wish.seeds.as_ref() else {
        return Err(Complaint::usage("a sweep that is kept must know its seeds").help(
            "`--seeds 100_000`; `--for 8h` beside it ends the sweep before if that is over",
        ));
    };
    let manifest = Manifest::of(&wish.chosen, wish.flaws, seeds, chunk)
        .map_err(|error| Complaint::usage(format!("cannot read what is to be swept: {error}")))?;
    if let Some(name) = manifest.ambiguous() {
        return Err(Complaint::usage(format!("two scenarios are called `{name}`"))
            .help("a folder of results tells scenarios by their names: sweep one of the two"));
    }
    match manifest.is_too_long() {
        Some(why) => Err(Complaint::usage(why).help("`--chunk N` makes larger ones")),
        None => Ok(manifest),
    }
}

/// Says what is wrong with what there is.
fn tell_faults(faults: &Faults, console: &Console) {
    for broken in &faults.broken {
        console.complain_on(&format!("{broken}; it counts as missing"));
    }
    for part in &faults.contradictory {
        console
            .complain_on(&format!("the chunk {part} was computed twice and came out differently"));
    }
    if let Some(first) = faults.missing.first() {
        let (missing, of) = (faults.missing.len(), story::count(faults.of, "chunk"));
        console.complain_on(&format!("{missing} of {of} are missing, the first is {first}"));
    }
}

/// Sums up what there is, and tells it.
fn sum_up(
    gathered: &Gathered,
    manifest: &Manifest,
    wish: &Wish,
    ended: Ended,
    (pool, store): (&Pool, &Store),
    console: &mut Console,
) -> Result<Exit, Complaint> {
    let stopped = wish.why(ended, wish.stop_after.unwrap_or(0));
    let past = gathered.past(manifest, stopped).map_err(Complaint::internal)?;
    console.start_progress("seeds");
    let swept = sweep::sum_up(wish, pool, store, past, |news| hear(console, &news));
    console.end_progress();
    let swept = swept.map_err(Complaint::internal)?;
    console.tell(&Told::Sweep(&swept));
    Ok(exit_of(&swept, pool))
}
