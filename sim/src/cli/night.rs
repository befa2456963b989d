//! Sweeps that are kept in a folder.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Args;
use engine::flaw::Flaw;
use harness::crew::{limit, serve};
use harness::pool::{Ended, Pool};
use harness::stop::Stop;

use super::console::Console;
use super::drawn::choose;
use super::news::{banner, hear};
use super::select::Shelf;
use super::setup::{detail, exit_of, pool, store_if_possible, writable};
use super::{Complaint, Exit, TimeArgs, WorkArgs, words};
use crate::capsule::{FOLDER, Store};
use crate::night::folder::{Results, Trouble, Writer};
use crate::night::gather::{Faults, Gathered};
use crate::night::manifest::Manifest;
use crate::night::shard::Shard;
use crate::night::task::Worker;
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
    /// Run part K of N of the chunks, from 0; `env` takes both from the variables of Slurm, Kubernetes and others.
    #[arg(long, value_name = "K/N|env", requires = "results")]
    shard: Option<String>,
    /// How many megabytes of memory a seed may take, with what its process needs anyway.
    #[arg(long, value_name = "MB", default_value = "2048", requires = "results")]
    #[arg(value_parser = clap::value_parser!(u64).range(1536..))]
    memory: u64,
}

impl ResultArgs {
    /// Which part of the chunks is run.
    pub(super) fn shard(&self) -> Result<Shard, Complaint> {
        let read = match self.shard.as_deref() {
            None => Ok(Shard::ALL),
            Some("env") => Shard::of_environment(|name| std::env::var(name).ok()),
            Some(text) => Shard::read(text),
        };
        read.map_err(|why| Complaint::usage(format!("--shard: {why}")))
    }
}

/// What a worker is to know of the sweep that it works for.
#[derive(Args, Debug)]
pub(super) struct WorkerArgs {
    /// The files of the scenarios.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// The known bugs that are switched on.
    #[arg(long = "flaw", value_name = "ID", value_parser = words::flaw)]
    flaws: Vec<Flaw>,
    /// All seeds of the sweep.
    #[arg(long, value_name = "A..B", value_parser = words::seeds)]
    seeds: Range<u64>,
    /// How many seeds a chunk has.
    #[arg(long, value_name = "N")]
    chunk: u64,
    /// The digest of the manifest.
    #[arg(long, value_name = "DIGEST")]
    sweep: String,
    /// How many megabytes of memory it may take.
    #[arg(long, value_name = "MB")]
    memory: u64,
    #[command(flatten)]
    time: TimeArgs,
}

/// Works for a sweep, until it has no more to do.
pub(super) fn work(args: &WorkerArgs) -> Result<Exit, Complaint> {
    let shelf = Shelf::look(Path::new(FOLDER))?;
    let chosen = choose(&shelf, &args.scenarios, None)?;
    let flaws = super::drawn::flaws(&args.flaws);
    let manifest = Manifest::of(&chosen, flaws, &args.seeds, args.chunk);
    if manifest.is_ok_and(|it| it.id() != args.sweep) {
        return Err(Complaint::usage("build or scenario files have changed since the sweep began"));
    }
    let mut pool = Pool::new(1, Stop::default());
    pool.patience = args.time.seed_timeout;
    let sweep = args.sweep.clone();
    let worker = Worker { chosen, flaws, sweep, pool, output: std::io::stdout };
    let failed = |error: std::io::Error| Complaint::internal(error.to_string());
    limit::memory(args.memory.saturating_mul(1 << 20)).map_err(failed)?;
    let tasks = std::io::stdin().lock();
    serve(tasks, std::io::stdout(), |task, voice| worker.work(&task, voice)).map_err(failed)?;
    Ok(Exit::Met)
}

/// The command of a worker: this very program, also if its file has been replaced meanwhile.
fn command(args: &ResultArgs, wish: &Wish, (manifest, pool): (&Manifest, &Pool)) -> Command {
    let same = Path::new("/proc/self/exe");
    let program = if same.exists() { Ok(same.to_owned()) } else { std::env::current_exe() };
    let mut command = Command::new(program.unwrap_or_else(|_| PathBuf::from("seawall")));
    let seeds = format!("{}..{}", manifest.first, manifest.last.saturating_add(1));
    let patience = format!("{}ms", pool.patience.as_millis());
    command.args(["worker", "--sweep", &manifest.id(), "--seeds", &seeds]);
    command.args(["--chunk", &manifest.chunk.to_string(), "--seed-timeout", &patience]);
    command.args(["--memory", &args.memory.to_string()]);
    command.args(wish.flaws.iter().flat_map(|flaw| ["--flaw", flaw.id()]));
    command.arg("--").args(wish.chosen.iter().map(|it| &it.path));
    command
}

/// What to sum up.
#[derive(Args, Debug)]
pub(super) struct MergeArgs {
    /// The folders of one sweep.
    #[arg(value_name = "DIR", required = true)]
    folders: Vec<PathBuf>,
    /// Sum up what there is, though chunks are missing.
    #[arg(long)]
    allow_missing: bool,
    /// Write all chunks to this file too, in order, as JSON lines.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Do not shrink what was found.
    #[arg(long)]
    no_shrink: bool,
    /// Tell more: in which share of the seeds writes are excused, and why.
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    work: WorkArgs,
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
    let shard = args.shard()?;
    let mut writer = Writer::open(folder, &manifest, shard, args.resume)?;
    banner(console, &wish.chosen, wish.flaws, pool);
    console.start_progress("seeds");
    let started = Instant::now();
    let worker = || command(args, wish, (&manifest, pool));
    let ended = sweep_into(wish, &mut writer, pool, worker, |news| hear(console, &news));
    console.end_progress();
    let ended = ended.map_err(|broken| match broken {
        Broken::Trouble(trouble) => Complaint::from(trouble),
        Broken::Worker(error) => Complaint::internal(format!("no worker can be started: {error}")),
        Broken::Failed(what) => {
            Complaint::internal(what).help("what is done is kept: `--resume` goes on with it")
        }
    })?;
    console.say(&format!("swept for {:.1} s", started.elapsed().as_secs_f64()));
    let gathered = Gathered::of(&writer.results, shard)?;
    let manifest = &writer.results.manifest;
    let faults = gathered.faults(manifest, shard);
    tell_faults(&faults, console);
    if !faults.missing.is_empty() {
        console.say("  help: the same command with `--resume` goes on");
    }
    if shard.is_part() {
        console.say("`seawall merge DIR…` sums up all shards, and judges what must happen");
    }
    let ended = if faults.missing.is_empty() { Ended::Exhausted } else { ended };
    let stopped = wish.why(ended, wish.stop_after.unwrap_or(0));
    let exit = sum_up(&gathered, manifest, wish, stopped, (pool, store), console)?;
    Ok(if faults.contradictory.is_empty() { exit } else { Exit::Nondeterministic })
}

/// Sums up what folders have of one sweep.
pub(super) fn merge(args: &MergeArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let (manifest, gathered) = gathered(&args.folders)?;
    let wish = wish(args, &manifest)?;
    let faults = gathered.faults(&manifest, Shard::ALL);
    tell_faults(&faults, console);
    if let Some(file) = &args.write {
        writable(file, "--write FILE")?;
        harness::capsule::write_durably(file, &gathered.text()).map_err(|error| {
            Complaint::internal(format!("cannot write {}: {error}", file.display()))
        })?;
    }
    if !faults.missing.is_empty() && !args.allow_missing {
        console.say("  help: sweep them with `--resume`; `--allow-missing` sums up the others");
        let is_sound = faults.contradictory.is_empty();
        return Ok(if is_sound { Exit::Incomplete } else { Exit::Nondeterministic });
    }
    let store = store_if_possible(&args.work, console)?;
    let pool = pool(args.work.jobs, args.work.time, console)?;
    let stopped = match faults.missing.len() {
        0 => wish.why(Ended::Exhausted, 0),
        missing => format!("{missing} of {} are missing", story::count(faults.of, "chunk")),
    };
    let exit = sum_up(&gathered, &manifest, &wish, stopped, (&pool, &store), console)?;
    Ok(if faults.contradictory.is_empty() { exit } else { Exit::Nondeterministic })
}

/// What these folders have, and of which sweep.
fn gathered(folders: &[PathBuf]) -> Result<(Manifest, Gathered), Complaint> {
    let mut all: Option<(Manifest, Gathered)> = None;
    for folder in folders {
        let results = Results::open(folder)?;
        let own = Gathered::of(&results, Shard::ALL)?;
        let Some((manifest, gathered)) = &mut all else {
            all = Some((results.manifest, own));
            continue;
        };
        let differences = manifest.differences(&results.manifest);
        if !differences.is_empty() {
            let first = folders[0].display();
            let told: String = differences.iter().map(|it| format!("\n  {it}")).collect();
            let what = format!("{} is not of the sweep of {first}:{told}", folder.display());
            return Err(Complaint::usage(what).help(format!("\"there\" is {first}")));
        }
        gathered.join(own);
    }
    all.ok_or_else(|| Complaint::nothing("there is no folder to sum up"))
}

/// What was swept, as this build and these files have it: of each bug a seed is run again.
fn wish(args: &MergeArgs, manifest: &Manifest) -> Result<Wish, Complaint> {
    let shelf = Shelf::look(&args.work.out)?;
    let mut chosen = Vec::new();
    for listed in &manifest.scenarios {
        let is_there = Path::new(&listed.path).is_file();
        let word = if is_there { &listed.path } else { &listed.name };
        chosen.extend(choose(&shelf, std::slice::from_ref(word), None)?);
    }
    let flaws: Result<Vec<_>, String> = manifest.flaws.iter().map(|it| words::flaw(it)).collect();
    let flaws = flaws.map_err(|why| Complaint::usage(format!("the manifest's flaws: {why}")))?;
    let flaws = super::drawn::flaws(&flaws);
    let seeds = manifest.first..manifest.last.saturating_add(1);
    let here = Manifest::of(&chosen, flaws, &seeds, manifest.chunk)
        .map_err(|error| Complaint::usage(format!("cannot read what was swept: {error}")))?;
    let differences = manifest.differences(&here);
    if !differences.is_empty() {
        let told: String = differences.iter().map(|it| format!("\n  {it}")).collect();
        return Err(Complaint::usage(format!("what was swept is not what is here:{told}"))
            .help("sum up with the build and the scenario files of the sweep"));
    }
    Ok(Wish {
        chosen,
        flaws,
        seeds: Some(seeds),
        time: None,
        stop_after: None,
        shrink: !args.no_shrink,
        detail: detail(args.verbose),
        judges_demands: true,
    })
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
    stopped: String,
    (pool, store): (&Pool, &Store),
    console: &mut Console,
) -> Result<Exit, Complaint> {
    let past = gathered.past(manifest, stopped).map_err(Complaint::internal)?;
    console.start_progress("seeds");
    let swept = sweep::sum_up(wish, pool, store, past, |news| hear(console, &news));
    console.end_progress();
    let swept = swept.map_err(Complaint::internal)?;
    console.tell(&Told::Sweep(&swept));
    Ok(exit_of(&swept, pool))
}
