//! The command `zoo`.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use engine::flaw::Flaws;

use super::console::Console;
use super::drawn::choose;
use super::news::{banner, hear};
use super::select::{Shelf, only_good};
use super::setup::{pool, stopped, store, writable};
use super::{Complaint, Exit, ZooArgs};
use crate::capsule::FOLDER;
use crate::report::{Beast, Likeness, Replay, Retold, Told, terminal};
use crate::sweep::News;
use crate::zoo;

pub(super) fn zoo(args: ZooArgs, console: &mut Console) -> Result<Exit, Complaint> {
    if let Some(file) = &args.write {
        writable(file, "--write FILE")?;
    }
    let wish = wish(&args)?;
    let pool = pool(args.jobs, args.time, console)?;
    banner(console, &wish.general, Flaws::NONE, &pool);
    let write = args.write.as_deref();
    if args.replay {
        let store = store(&args.out)?;
        let listen = |news: News<'_>| hear(console, &news);
        let replayed = zoo::replays(&wish, &pool, &store, in_another_process, listen);
        console.end_progress();
        let (replays, interrupted) = replayed.map_err(Complaint::internal)?;
        let is_good = replays.rows.iter().all(Replay::is_reproduced);
        let done = (!interrupted).then_some(is_good).ok_or((replays.rows.len(), stopped(&pool)));
        return finish(&Told::Replays(&replays), done, &wish, write, console);
    }
    let listen = |news: News<'_>| hear(console, &news);
    let measured = zoo::measure(&wish, &pool, listen);
    console.end_progress();
    let (zoo, interrupted) = measured.map_err(Complaint::internal)?;
    let is_good = zoo.rows.iter().all(Beast::is_caught);
    let done = (!interrupted).then_some(is_good).ok_or((zoo.rows.len(), stopped(&pool)));
    finish(&Told::Zoo(&zoo), done, &wish, write, console)
}

fn wish(args: &ZooArgs) -> Result<zoo::Wish, Complaint> {
    let shelf = Shelf::look(Path::new(FOLDER))?;
    let general = if args.scenarios.is_empty() {
        let (chosen, checks) = shelf.read(&shelf.part("everyday"), Console::has_color())?;
        only_good(&checks)?;
        chosen
    } else {
        choose(&shelf, &args.scenarios, None)?
    };
    if general.is_empty() {
        return Err(Complaint::nothing("there is no folder `everyday` of scenarios here")
            .help("`--scenario` names others"));
    }
    let (all, _) = shelf.read(shelf.all(), Console::has_color())?;
    let is_other = |it: &_| !general.iter().any(|other| is_same(other, it));
    let all = all.into_iter().filter(is_other).collect();
    let flaws = if args.flaws.is_empty() { zoo::flaws().collect() } else { args.flaws.clone() };
    Ok(zoo::Wish { flaws, general, all, seeds: args.seeds })
}

fn is_same(one: &crate::trial::Chosen, other: &crate::trial::Chosen) -> bool {
    one.path == other.path
}

/// Tells a table, and writes it if all of it is there. How that went: whether all is as it should be, or after
/// how many flaws it was interrupted.
fn finish(
    told: &Told<'_>,
    done: Result<bool, (usize, Exit)>,
    wish: &zoo::Wish,
    write: Option<&Path>,
    console: &mut Console,
) -> Result<Exit, Complaint> {
    console.tell(told);
    let is_good = match done {
        Ok(is_good) => is_good,
        Err((done, exit)) => {
            let all = wish.flaws.len();
            console
                .say(&format!("interrupted: {done} of {all} flaws are done, nothing is written"));
            return Ok(exit);
        }
    };
    if let Some(file) = write {
        let text = anstream::adapter::strip_str(&terminal::render(told, usize::MAX)).to_string();
        harness::capsule::write(file, &text).map_err(|error| {
            Complaint::usage(format!("cannot write {}: {error}", file.display()))
        })?;
    }
    Ok(if is_good { Exit::Met } else { Exit::Violated })
}

/// What other processes make of a capsule.
fn in_another_process(file: &Path) -> Result<Retold, String> {
    let output = replay(file, &["--format", "jsonl"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().and_then(|line| serde_json::from_str(line).ok());
    let last: serde_json::Value = last.unwrap_or_default();
    let word = last["replayed"].as_str();
    let likeness = word.and_then(|word| Likeness::ALL.into_iter().find(|it| it.word() == word));
    let likeness = likeness.ok_or_else(|| {
        let words = String::from_utf8_lossy(&output.stderr);
        format!("the replay ended with {}: {}", output.status, words.trim().replace('\n', " "))
    })?;
    let lines = String::from_utf8_lossy(&replay(file, &[])?.stdout).lines().count();
    Ok(Retold { likeness, lines })
}

fn replay(file: &Path, options: &[&str]) -> Result<Output, String> {
    let failed = |error: std::io::Error| format!("this program could not start itself: {error}");
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command.arg("replay").arg(file).args(options).stdin(Stdio::null());
    command.stderr(Stdio::piped()).output().map_err(failed)
}
