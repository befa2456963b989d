//! What work needs before it begins: workers that can be stopped, and a place for capsules.

use std::path::Path;

use harness::fresh::cores;
use harness::pool::Pool;
use harness::stop::{Signal, Stop, Urgency};

use crate::capsule::{FOLDER, Store};
use crate::cli::console::Console;
use crate::cli::{Complaint, Exit, TimeArgs, WorkArgs};
use crate::report::{Detail, Met, Sweep};

/// Workers that signals stop, and a console that nobody listens to any more.
pub(super) fn pool(
    jobs: Option<usize>,
    time: TimeArgs,
    console: &mut Console,
) -> Result<Pool, Complaint> {
    let stop = Stop::on_signals()
        .map_err(|error| Complaint::internal(format!("cannot listen to Ctrl-C: {error}")))?;
    console.stops(stop.clone());
    let mut pool = Pool::new(jobs.unwrap_or_else(cores), stop);
    pool.patience = time.seed_timeout;
    Ok(pool)
}

/// A folder that takes capsules.
pub(super) fn store(folder: &Path) -> Result<Store, Complaint> {
    Store::open(folder).map_err(|error| {
        Complaint::usage(format!("cannot keep anything in {}: {error}", folder.display()))
            .help("`--out DIR` names another folder")
    })
}

/// Where capsules are kept. A folder that was asked for must take them; where nothing fails, the usual one
/// need not.
pub(super) fn store_if_possible(work: &WorkArgs, console: &Console) -> Result<Store, Complaint> {
    if work.out != Path::new(FOLDER) {
        return store(&work.out);
    }
    let store = Store::open_if_possible(&work.out);
    if let Some(trouble) = store.trouble() {
        console.say(&format!("warning: no capsule will be kept: {trouble}"));
        console.say("  help: `--out DIR` names another folder");
    }
    Ok(store)
}

/// The exit code after an interrupt; without a signal it was the console that had enough.
pub(super) fn stopped(pool: &Pool) -> Exit {
    match pool.stop.signal() {
        Some(Signal::Terminate) => Exit::Terminated,
        Some(Signal::HangUp) => Exit::HungUp,
        Some(Signal::Interrupt) => Exit::Interrupted,
        None => Exit::Internal,
    }
}

/// How much of a summary to tell.
pub(super) fn detail(is_verbose: bool) -> Detail {
    if is_verbose { Detail::Full } else { Detail::Brief }
}

/// What the exit code says of a sweep.
pub(super) fn exit_of(swept: &Sweep, pool: &Pool) -> Exit {
    let has =
        |is: fn(Met) -> bool| swept.rows.iter().flat_map(|row| &row.demands).any(|it| is(it.met));
    match () {
        () if pool.stop.urgency() > Urgency::None => stopped(pool),
        () if swept.nondeterministic > 0 => Exit::Nondeterministic,
        () if !swept.bugs.is_empty() => Exit::Violated,
        () if has(|met| matches!(met, Met::Exceeded(_))) => Exit::Violated,
        () if has(|met| met == Met::No) || swept.seeds() == 0 => Exit::Inconclusive,
        () => Exit::Met,
    }
}

/// Complains, before any work is done, if a file cannot be written. Only a file may be replaced:
/// who may do everything would replace a device too.
pub(super) fn writable(file: &Path, option: &str) -> Result<(), Complaint> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let what = if file.exists() && !file.is_file() {
        format!("{} is not a file", file.display())
    } else if let Err(error) = harness::capsule::probe(folder) {
        format!("cannot write into {}: {error}", folder.display())
    } else {
        return Ok(());
    };
    Err(Complaint::usage(what).help(format!("`{option}` names another file")))
}
