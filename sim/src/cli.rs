//! The command line: what can be asked, and what the exit code says.
//!
//! Results go to standard output, progress and complaints to standard error. Nothing here opens a
//! network connection.

mod commands;
mod console;
mod doctor;
mod drawn;
mod explain;
mod export;
mod news;
mod night;
mod page;
mod select;
mod setup;
mod smaller;
mod words;
mod zoo;

use std::io::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use engine::flaw::Flaw;
use engine::id::RecordId;
use harness::time::Time;

use crate::capsule::FOLDER;

/// What an exit code says. All stay below 126, where shells have meanings of their own, but for
/// those that shells themselves use after a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Every expectation is met.
    Met = 0,
    /// Something is violated, or an expected violation did not happen.
    Violated = 1,
    /// The command line or a scenario file is wrong.
    Usage = 2,
    /// Too little happened, or a shrink ran out of its budget: it cannot be said.
    Inconclusive = 3,
    /// Nothing was selected.
    Nothing = 4,
    /// One plan had two histories.
    Nondeterministic = 5,
    /// Chunks of a sweep are missing.
    Incomplete = 6,
    /// Seawall itself failed.
    Internal = 70,
    /// Ctrl-C; what was done is kept.
    Interrupted = 130,
    /// Asked to terminate; what was done is kept.
    Terminated = 143,
    /// The terminal was closed; what was done is kept.
    HungUp = 129,
}

/// Why a command did not do its work: for people, with what to do about it.
#[derive(Clone, Debug)]
pub struct Complaint {
    exit: Exit,
    what: String,
    help: Option<String>,
}

impl Complaint {
    fn usage(what: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, what: what.into(), help: None }
    }

    fn nothing(what: impl Into<String>) -> Self {
        Self { exit: Exit::Nothing, what: what.into(), help: None }
    }

    fn internal(what: impl Into<String>) -> Self {
        Self { exit: Exit::Internal, what: what.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Deterministic simulation of multi-device sync: storms, crashes and late keys, by seed.
///
/// A SCENARIO is a file, a folder of files, or the name of a file in `scenarios/`, which is looked
/// for from here upwards. Results go to standard output, progress to standard error. No command
/// opens a network connection.
#[derive(Debug, Parser)]
#[command(name = "seawall", version = version(), max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 as expected · 1 something is violated, or was expected to be \
    and is not · 2 wrong usage or a wrong file · 3 inconclusive · 4 nothing selected · 5 not \
    deterministic · 6 chunks are missing · 70 internal error · 129, 130, 143 interrupted"
)]
struct Seawall {
    #[command(subcommand)]
    command: Command,
    /// Colour; `auto` also honours NO_COLOR and CLICOLOR_FORCE.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    /// How results are written.
    #[arg(long, global = true, value_name = "HOW", default_value = "human")]
    format: Format,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON object per line.
    Jsonl,
}

fn version() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (build ", env!("SEAWALL_BUILD"), ")")
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios on their few default seeds and check every verdict line of their files.
    Run(RunArgs),
    /// Run many seeds of scenarios on all cores; without arguments some thousand of all.
    Sweep(SweepArgs),
    /// Sum up what folders have of one sweep, as if one process had run it.
    Merge(night::MergeArgs),
    /// Run one seed, or a capsule, again and tell it as a story.
    Replay(ReplayArgs),
    /// Write one seed, or a capsule, as a page for a browser: how a write was lost, in a diagram.
    Report(ReportArgs),
    /// Write one seed, or a capsule, for another tool: a trace, a log with vector clocks, or a history.
    Export(ExportArgs),
    /// Make a capsule smaller while it violates the same.
    Shrink(ShrinkArgs),
    /// Say why a run fails: which write, lost where and by what, what was needed, and when it became certain.
    Explain(ExplainArgs),
    /// Switch each known bug on alone and measure how well it is caught.
    Zoo(ZooArgs),
    /// Can this machine and this build reproduce a run?
    Doctor(DoctorArgs),
    /// What a process of `sweep --results` does: runs chunks that it reads from standard input.
    #[command(hide = true)]
    Worker(night::WorkerArgs),
    /// Work with scenario files.
    #[command(subcommand)]
    Scenario(ScenarioCommand),
}

/// Which seeds.
#[derive(Args, Clone, Debug)]
struct SeedArgs {
    /// One seed.
    #[arg(long, value_name = "N", value_parser = words::seed, conflicts_with = "seeds")]
    #[arg(allow_hyphen_values = true)]
    seed: Option<u64>,
    /// The first N seeds, or those from A up to but not including B.
    #[arg(long, value_name = "N|A..B", value_parser = words::seeds, allow_hyphen_values = true)]
    seeds: Option<Range<u64>>,
}

/// How long a seed may take.
#[derive(Args, Clone, Copy, Debug)]
struct TimeArgs {
    /// The processor time that one seed may take before it is reported as one that never ends.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = words::duration)]
    seed_timeout: Duration,
}

/// How to work.
#[derive(Args, Clone, Debug)]
struct WorkArgs {
    /// How many seeds run at the same time; all cores by default.
    #[arg(long, short, value_name = "N", value_parser = words::jobs)]
    jobs: Option<usize>,
    /// Where capsules of failures are kept.
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    out: PathBuf,
    #[command(flatten)]
    time: TimeArgs,
}

#[derive(Args, Debug)]
struct RunArgs {
    /// Which; all by default.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    #[command(flatten)]
    seeds: SeedArgs,
    /// Only with this known bug switched on; can be given more than once.
    #[arg(long = "flaw", value_name = "ID", value_parser = words::flaw)]
    flaws: Vec<Flaw>,
    /// Tell more: all writes that are excused, and in which share of the seeds.
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    work: WorkArgs,
}

#[derive(Args, Debug)]
struct SweepArgs {
    /// Which; all by default.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    #[command(flatten)]
    seeds: SeedArgs,
    /// For so long, as in `90s` or `8h`; with --seeds, whichever ends first.
    #[arg(long = "for", value_name = "TIME", value_parser = words::duration)]
    time: Option<Duration>,
    /// With this known bug switched on; can be given more than once.
    #[arg(long = "flaw", value_name = "ID", value_parser = words::flaw)]
    flaws: Vec<Flaw>,
    /// Stop after this number of distinct bugs.
    #[arg(long, value_name = "BUGS", value_parser = clap::value_parser!(u32).range(1..))]
    stop_after: Option<u32>,
    /// Do not shrink what is found.
    #[arg(long)]
    no_shrink: bool,
    /// Only scenarios with this tag.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Tell more: in which share of the seeds writes are excused, and why.
    #[arg(long, short)]
    verbose: bool,
    #[command(flatten)]
    kept: night::ResultArgs,
    #[command(flatten)]
    work: WorkArgs,
}

#[derive(Args, Debug)]
struct ReplayArgs {
    /// A capsule, or a scenario together with --seed.
    #[arg(value_name = "CAPSULE|SCENARIO")]
    target: String,
    /// The seed.
    #[arg(long, value_name = "N", value_parser = words::seed, allow_hyphen_values = true)]
    seed: Option<u64>,
    /// With this known bug switched on; can be given more than once.
    #[arg(long = "flaw", value_name = "ID", value_parser = words::flaw)]
    flaws: Vec<Flaw>,
    /// Without the known bugs that a capsule was recorded with.
    #[arg(long, conflicts_with = "flaws")]
    no_flaws: bool,
    /// Only what is about one record, as in `meal/42`.
    #[arg(long, value_name = "KIND/KEY", value_parser = words::row)]
    row: Option<RecordId>,
    /// Only what happens at these devices and remotes.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Only what happens up to this moment, as in `10.4s`.
    #[arg(long, value_name = "TIME", value_parser = words::moment)]
    until: Option<Time>,
    /// Tell also what machines log, down to this level. The run is the same.
    #[arg(long, value_name = "LEVEL")]
    log: Option<Level>,
    #[command(flatten)]
    time: TimeArgs,
}

/// How much machines log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Level {
    /// What must never happen.
    Error,
    /// What should not.
    Warn,
    /// What is worth a line in production.
    Info,
    /// Decisions.
    Debug,
    /// Everything.
    Trace,
}

impl From<Level> for tracing::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

#[derive(Args, Debug)]
struct ReportArgs {
    /// A capsule, or a scenario together with --seed.
    #[arg(value_name = "CAPSULE|SCENARIO")]
    target: String,
    /// The seed.
    #[arg(long, value_name = "N", value_parser = words::seed, allow_hyphen_values = true)]
    seed: Option<u64>,
    /// With this known bug switched on; can be given more than once.
    #[arg(long = "flaw", value_name = "ID", value_parser = words::flaw)]
    flaws: Vec<Flaw>,
    /// Without the known bugs that a capsule was recorded with.
    #[arg(long, conflicts_with = "flaws")]
    no_flaws: bool,
    /// The file to write; by default one beside the capsule, or in the folder of capsules.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Only what the history tells: run nothing again.
    #[arg(long)]
    quick: bool,
    /// How many runs at the same time; all cores by default.
    #[arg(long, short, value_name = "N", value_parser = words::jobs)]
    jobs: Option<usize>,
    #[command(flatten)]
    time: TimeArgs,
}

#[derive(Args, Debug)]
struct ExportArgs {
    /// A capsule, or a scenario together with --seed.
    #[arg(value_name = "CAPSULE|SCENARIO")]
    target: String,
    /// The format: for Perfetto, for ShiViz, or a history of Jepsen.
    #[arg(long = "as", value_name = "FORMAT", value_parser = words::export)]
    form: crate::report::export::Format,
    /// The seed.
    #[arg(long, value_name = "N", value_parser = words::seed, allow_hyphen_values = true)]
    seed: Option<u64>,
    /// With this known bug switched on; can be given more than once.
    #[arg(long = "flaw", value_name = "ID", value_parser = words::flaw)]
    flaws: Vec<Flaw>,
    /// Without the known bugs that a capsule was recorded with.
    #[arg(long, conflicts_with = "flaws")]
    no_flaws: bool,
    /// The file to write, or `-` to print it; by default one beside the capsule, or in the folder of capsules.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    time: TimeArgs,
}

#[derive(Args, Debug)]
struct ShrinkArgs {
    /// The capsule.
    #[arg(value_name = "CAPSULE")]
    capsule: String,
    /// The file to write; by default one beside the others in the folder of capsules.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How long to try at most.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = words::duration)]
    budget: Duration,
    /// With these known bugs instead of those that it was recorded with.
    #[arg(long = "flaw", value_name = "ID", value_parser = words::flaw)]
    flaws: Vec<Flaw>,
    #[command(flatten)]
    work: WorkArgs,
}

#[derive(Args, Debug)]
struct ExplainArgs {
    /// A capsule, or a scenario together with --seed.
    #[arg(value_name = "CAPSULE|SCENARIO")]
    target: String,
    /// The seed.
    #[arg(long, value_name = "N", value_parser = words::seed, allow_hyphen_values = true)]
    seed: Option<u64>,
    /// With this known bug switched on; can be given more than once.
    #[arg(long = "flaw", value_name = "ID", value_parser = words::flaw)]
    flaws: Vec<Flaw>,
    /// Only what the history tells: run nothing again.
    #[arg(long)]
    quick: bool,
    /// The path of the write as a sequence diagram in Mermaid, and nothing else.
    #[arg(long, conflicts_with = "quick")]
    mermaid: bool,
    /// How many runs at the same time; all cores by default.
    #[arg(long, short, value_name = "N", value_parser = words::jobs)]
    jobs: Option<usize>,
    #[command(flatten)]
    time: TimeArgs,
}

#[derive(Args, Debug)]
struct ZooArgs {
    /// Which flaws; all by default.
    #[arg(value_name = "FLAW", value_parser = words::flaw)]
    flaws: Vec<Flaw>,
    /// At most this number of seeds for each flaw, over all scenarios.
    #[arg(long, value_name = "N", default_value = "2000", value_parser = words::how_many)]
    #[arg(allow_hyphen_values = true)]
    seeds: u64,
    /// The scenarios that flaws are to be caught on; those of `everyday` by default.
    #[arg(long = "scenario", value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Instead of measuring: find each flaw once, shrink it, keep the capsule, and replay that in another process.
    #[arg(long)]
    replay: bool,
    /// Where the capsules of --replay are kept.
    #[arg(long, value_name = "DIR", default_value = FOLDER, requires = "replay")]
    out: PathBuf,
    /// Write the table to this file too.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// How many seeds run at the same time; all cores by default.
    #[arg(long, short, value_name = "N", value_parser = words::jobs)]
    jobs: Option<usize>,
    #[command(flatten)]
    time: TimeArgs,
}

#[derive(Args, Debug)]
struct DoctorArgs {
    /// What to compare; the `everyday` scenarios by default.
    #[arg(value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Where capsules would be kept.
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    out: PathBuf,
    /// What one of the two processes does: prints digests.
    #[arg(long, hide = true)]
    digests: bool,
}

#[derive(Debug, Subcommand)]
enum ScenarioCommand {
    /// Tell all problems of all files.
    Check {
        /// Which; all by default.
        #[arg(value_name = "FILE")]
        files: Vec<String>,
    },
    /// Tell which scenarios there are.
    List {
        /// Only those with this tag.
        #[arg(long, value_name = "TAG")]
        tag: Option<String>,
    },
}

/// Does something as this program does. A panic outside of a run is a fault of Seawall, and said to be one.
pub fn panics_told(work: fn() -> ExitCode) -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let said = info.payload_as_str().unwrap_or("a panic without a message");
        let place =
            info.location().map_or(String::new(), |it| format!(" ({}:{})", it.file(), it.line()));
        console::say(&format!(
            "Seawall itself failed: {said}{place}. Please report this, with the command and its files."
        ));
    }));
    std::panic::catch_unwind(work).unwrap_or(ExitCode::from(Exit::Internal as u8))
}

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let asked = match Seawall::try_parse() {
        Ok(asked) => asked,
        Err(answer) => return answered(&answer),
    };
    match asked.color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
    let mut console = console::Console::new(asked.format);
    let exit = commands::dispatch(asked.command, &mut console).unwrap_or_else(|complaint| {
        console.complain(&complaint.what, complaint.help.as_deref());
        complaint.exit
    });
    let exit = if console.has_lost_results() { Exit::Internal } else { exit };
    ExitCode::from(exit as u8)
}

/// Help, the version, or what is wrong with the command line.
fn answered(answer: &clap::Error) -> ExitCode {
    let rendered = answer.render().ansi().to_string();
    let text = console::plain(&rendered);
    let printed = if answer.use_stderr() {
        write!(anstream::stderr(), "{text}")
    } else {
        write!(anstream::stdout(), "{text}").and_then(|()| anstream::stdout().flush())
    };
    let lost = printed.is_err_and(|error| error.kind() != std::io::ErrorKind::BrokenPipe);
    ExitCode::from(match () {
        () if answer.use_stderr() => Exit::Usage,
        () if lost => Exit::Internal,
        () => Exit::Met,
    } as u8)
}
