//! The doctor: can this machine and this build reproduce a run?
//!
//! The same seeds are run in two processes of their own. What differs between processes (addresses,
//! hash seeds, the order in which threads start) must not show in a digest.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::{Command, Stdio};

use engine::flaw::Flaws;
use harness::fresh::{cores, fresh};

use crate::capsule::{BUILD, Store};
use crate::report::{Check, Mark};
use crate::run::run;
use crate::scenario::draw;
use crate::trial::Chosen;

/// How many seeds of each scenario are compared.
const SEEDS: u64 = 3;

/// What the doctor found.
#[derive(Debug)]
pub(super) struct Diagnosis {
    /// Everything that was looked at.
    pub(super) checks: Vec<Check>,
    /// Did two processes disagree?
    pub(super) nondeterministic: bool,
}

/// The digests of some seeds, a line each: what each process of the comparison prints.
pub(super) fn digests(chosen: &[Chosen]) -> Result<String, String> {
    let mut lines = String::new();
    for it in chosen {
        for seed in 0..SEEDS {
            let scenario = it.scenario.clone();
            let digest = fresh(move || run(&draw(&scenario, seed, Flaws::NONE)).digest())?;
            lines += &format!("{} seed {seed}  {digest:032x}\n", it.scenario.name);
        }
    }
    Ok(lines)
}

/// Looks at everything. `arguments` make this program print [`digests`].
pub(super) fn examine(arguments: &[String], folder: &Path) -> Diagnosis {
    let (compared, nondeterministic) = compare(arguments);
    let checks = vec![build(), profile(), compared, disk(folder), terminal(), jobs()];
    Diagnosis { checks, nondeterministic }
}

const fn check(what: &'static str, mark: Mark, note: String) -> Check {
    Check { what, mark, note }
}

fn build() -> Check {
    let note = if BUILD.starts_with('v') {
        format!("{BUILD}, built without git: capsules name the version only")
    } else if BUILD.ends_with("+dirty") {
        format!("{BUILD}: the sources differ from the commit; seeds found now may draw other plans")
    } else {
        format!("{BUILD}, the simulator's cfg is on")
    };
    check("build", Mark::Pass, note)
}

fn profile() -> Check {
    if cfg!(debug_assertions) {
        let note = "a debug build: right, but many times slower; use `cargo run --release`";
        return check("speed", Mark::Inconclusive, note.to_owned());
    }
    check("speed", Mark::Pass, "a release build, overflows are caught".to_owned())
}

fn compare(arguments: &[String]) -> (Check, bool) {
    const WHAT: &str = "determinism";
    let (one, two) = match (in_a_process(arguments), in_a_process(arguments)) {
        (Ok(one), Ok(two)) => (one, two),
        (Err(error), _) | (_, Err(error)) => return (check(WHAT, Mark::Fail, error), false),
    };
    match one.lines().zip(two.lines()).find(|(one, two)| one != two) {
        Some((one, two)) => {
            let note = format!("two processes disagree: {one} in one, {two} in the other");
            (check(WHAT, Mark::Fail, note), true)
        }
        None if one == two => {
            let note = format!("{} seeds, the same digests in two processes", one.lines().count());
            (check(WHAT, Mark::Pass, note), false)
        }
        None => (check(WHAT, Mark::Fail, "one process ran fewer seeds".to_owned()), true),
    }
}

fn in_a_process(arguments: &[String]) -> Result<String, String> {
    let failed = |error: io::Error| format!("this program could not start itself: {error}");
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
    let output = command.output().map_err(failed)?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(format!("a run ended with {}: {}", output.status, words.trim()));
    }
    String::from_utf8(output.stdout).map_err(|_| "a run printed something strange".to_owned())
}

fn disk(folder: &Path) -> Check {
    match Store::open(folder) {
        Ok(_) => check("disk", Mark::Pass, format!("capsules can be kept in {}", folder.display())),
        Err(error) => {
            let note = format!("nothing can be kept in {}: {error}", folder.display());
            check("disk", Mark::Fail, note)
        }
    }
}

fn terminal() -> Check {
    let how = |is: bool| if is { "a terminal" } else { "not a terminal" };
    let (out, err) = (how(io::stdout().is_terminal()), how(io::stderr().is_terminal()));
    let names = ["LC_ALL", "LC_CTYPE", "LANG"];
    let locale = names.iter().filter_map(|name| std::env::var(name).ok()).find(|it| !it.is_empty());
    let locale = locale.unwrap_or_else(|| "not set".to_owned());
    let note = format!("output is {out}, progress is {err}, locale {locale}");
    check("terminal", Mark::Pass, note)
}

fn jobs() -> Check {
    let cores = crate::report::story::count(cores(), "core");
    check("jobs", Mark::Pass, format!("{cores} to run seeds on"))
}
