//! What each command does: select, work, tell, and say by the exit code how it went.

use std::path::Path;

use engine::id::RecordId;
use harness::pool::Pool;

use crate::capsule::{FOLDER, Store};
use crate::cli::console::Console;
use crate::cli::doctor;
use crate::cli::drawn::{choose, drawn, flaws, one, outcome_of};
use crate::cli::news::{banner, hear};
use crate::cli::select::{Shelf, only_good};
use crate::cli::setup::{detail, exit_of, pool, stopped, store_if_possible};
use crate::cli::words::closest;
use crate::cli::{
    Command, Complaint, DoctorArgs, Exit, ReplayArgs, RunArgs, ScenarioCommand, SeedArgs,
    SweepArgs, WorkArgs,
};
use crate::cli::{explain, export, night, page, smaller, zoo};
use crate::plan::{Node, Plan, WorkerId};
use crate::report::excused::excused;
use crate::report::{Focus, Listed, Mark, Story, Told, story};
use crate::run::Outcome;
use crate::shrink;
use crate::signature::Signature;
use crate::trial::Chosen;
use crate::{sweep, verdict};

pub(super) fn dispatch(command: Command, console: &mut Console) -> Result<Exit, Complaint> {
    match command {
        Command::Run(args) => run_lines(args, console),
        Command::Sweep(args) => run_sweep(args, console),
        Command::Merge(args) => night::merge(&args, console),
        Command::Replay(args) => replay(&args, console),
        Command::Report(args) => page::report(&args, console),
        Command::Export(args) => export::export(&args, console),
        Command::Shrink(args) => smaller::shrink(&args, console),
        Command::Explain(args) => explain::explain(&args, console),
        Command::Zoo(args) => zoo::zoo(args, console),
        Command::Worker(args) => night::work(&args),
        Command::Doctor(args) => run_doctor(&args, console),
        Command::Scenario(ScenarioCommand::Check { files }) => check(&files, console),
        Command::Scenario(ScenarioCommand::List { tag }) => list(tag.as_deref(), console),
    }
}

impl SeedArgs {
    fn range(&self) -> Result<Option<std::ops::Range<u64>>, Complaint> {
        match self.seed {
            None => Ok(self.seeds.clone()),
            Some(u64::MAX) => Err(Complaint::usage("the largest seed cannot be swept")
                .help("`seawall replay` runs it")),
            Some(seed) => Ok(Some(seed..seed + 1)),
        }
    }
}

/// Everything that can be wrong before any work is done.
fn prepare(
    work: &WorkArgs,
    scenarios: &[String],
    tag: Option<&str>,
    console: &mut Console,
) -> Result<(Vec<Chosen>, Store, Pool), Complaint> {
    let chosen = choose(&Shelf::look(&work.out)?, scenarios, tag)?;
    Ok((chosen, store_if_possible(work, console)?, pool(work.jobs, work.time, console)?))
}

fn run_lines(args: RunArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let seeds = args.seeds.range()?;
    let (chosen, store, pool) = prepare(&args.work, &args.scenarios, None, console)?;
    let wish = verdict::Wish { chosen, flaws: flaws(&args.flaws), seeds };
    banner(console, &wish.chosen, wish.flaws, &pool);
    console.start_progress("seeds");
    let found = verdict::verdicts(&wish, &pool, &store, |news| hear(console, &news));
    console.end_progress();
    let found = found.map_err(Complaint::internal)?;
    console.tell(&Told::Lines(&found.lines, detail(args.verbose)));
    if found.stopped {
        console.say("interrupted: the last line above saw fewer seeds, and those after it none");
    }
    let has = |mark| found.lines.iter().any(|line| line.mark == mark);
    Ok(match () {
        () if found.stopped => stopped(&pool),
        () if found.nondeterministic => Exit::Nondeterministic,
        () if has(Mark::Fail) => Exit::Violated,
        () if has(Mark::Inconclusive) => Exit::Inconclusive,
        () => Exit::Met,
    })
}

fn run_sweep(args: SweepArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let seeds = args.seeds.range()?;
    let tag = args.tag.as_deref();
    let (chosen, store, pool) = prepare(&args.work, &args.scenarios, tag, console)?;
    let is_part = args.kept.shard()?.is_part();
    let wish = sweep::Wish {
        chosen,
        flaws: flaws(&args.flaws),
        seeds,
        time: args.time,
        stop_after: args.stop_after.map(|bugs| bugs as usize),
        shrink: !args.no_shrink && !is_part,
        detail: detail(args.verbose),
        judges_demands: !is_part,
    };
    if let Some(folder) = &args.kept.results {
        return night::sweep_kept(&args.kept, folder, &wish, (&pool, &store), console);
    }
    banner(console, &wish.chosen, wish.flaws, &pool);
    console.start_progress("seeds");
    let (swept, panic) = sweep::sweep(&wish, &pool, &store, |news| hear(console, &news));
    console.end_progress();
    console.tell(&Told::Sweep(&swept));
    if let Some(panic) = panic {
        return Err(Complaint::internal(panic));
    }
    Ok(exit_of(&swept, &pool))
}

fn replay(args: &ReplayArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let given = (args.no_flaws || !args.flaws.is_empty()).then(|| flaws(&args.flaws));
    let chosen = one(&args.target, Path::new(FOLDER))?;
    let it = drawn(&chosen, args.seed, given)?;
    let only = lanes(&it.plan, &args.only)?;
    let outcome = outcome_of(&pool(Some(1), args.time, console)?, &it.plan, args.log)?;
    if let Some(row) = args.row {
        is_there(row, &it.plan, &outcome)?;
    }
    let size = shrink::size(&it.plan, &outcome);
    let story = Story {
        plan: &it.plan,
        outcome: &outcome,
        focus: Focus { row: args.row, only, until: args.until },
        log: args.log.is_some(),
        source: it.source(size),
        promised: it.head.as_ref().map(|head| (Signature::from(head), head.digest.clone())),
        again: it.again.clone(),
        excused: excused(&it.plan, &outcome, |step| chosen.scenario.line_of(step)),
        path: chosen.path,
    };
    console.tell(&Told::Story(&story));
    Ok(if outcome.violations.is_empty() { Exit::Met } else { Exit::Violated })
}

/// Complains about a record that no fact is about.
fn is_there(row: RecordId, plan: &Plan, outcome: &Outcome) -> Result<(), Complaint> {
    let records = story::Scene::new(plan, &outcome.history).evidence().records();
    if records.contains(&row) {
        return Ok(());
    }
    let names: Vec<String> = records.iter().map(ToString::to_string).collect();
    Err(Complaint::usage(format!("nothing in this run is about {row}"))
        .help(format!("there are: {}", names.join(", "))))
}

fn lanes(plan: &Plan, names: &[String]) -> Result<Vec<Node>, Complaint> {
    let devices = (0..plan.devices.len()).map(|at| Node::Device(engine::id::DeviceId(at as u16)));
    let remotes = plan.remotes.iter().map(|remote| Node::Remote(remote.kind));
    let workers = plan.server.as_ref().map_or(0, |server| server.workers.len());
    let workers = (0..workers).map(|at| Node::Worker(WorkerId(at as u16)));
    let others = [Node::World, Node::Intruder];
    let all: Vec<Node> = devices.chain(remotes).chain(workers).chain(others).collect();
    let known: Vec<&str> = all.iter().map(|node| plan.name(*node)).collect();
    let find = |name: &String| {
        let at = known.iter().position(|known| known == name);
        at.map(|at| all[at]).ok_or_else(|| {
            let close = closest(name, known.iter().copied());
            let close = close.map_or(String::new(), |close| format!("did you mean `{close}`? "));
            Complaint::usage(format!("nobody in this run is called `{name}`"))
                .help(format!("{close}There are: {}", known.join(", ")))
        })
    };
    names.iter().map(find).collect()
}

fn run_doctor(args: &DoctorArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let shelf = Shelf::look(&args.out)?;
    let everyday = shelf.part("everyday");
    let files = if args.scenarios.is_empty() { everyday } else { shelf.find(&args.scenarios)? };
    let (chosen, checks) = shelf.read(&files, Console::has_color())?;
    only_good(&checks)?;
    if chosen.is_empty() {
        return Err(Complaint::nothing(
            "there is no folder `everyday` of scenarios here to compare",
        )
        .help("name a scenario, or go to a folder with scenarios/"));
    }
    if args.digests {
        console.print(&doctor::digests(&chosen).map_err(Complaint::internal)?);
        return Ok(Exit::Met);
    }
    let mut arguments = vec!["doctor".to_owned(), "--digests".to_owned(), "--".to_owned()];
    arguments.extend(args.scenarios.iter().cloned());
    let diagnosis = doctor::examine(&arguments, &args.out);
    console.tell(&Told::Health(&diagnosis.checks));
    Ok(match () {
        () if diagnosis.nondeterministic => Exit::Nondeterministic,
        () if diagnosis.checks.iter().any(|check| check.mark == Mark::Fail) => Exit::Violated,
        () => Exit::Met,
    })
}

fn check(words: &[String], console: &mut Console) -> Result<Exit, Complaint> {
    let shelf = Shelf::look(Path::new(FOLDER))?;
    let color = console.is_human() && Console::has_color();
    let (_, checks) = shelf.read(&shelf.find(words)?, color)?;
    console.tell(&Told::Checked(&checks));
    let wrong = checks.iter().any(|check| check.errors > 0);
    Ok(if wrong { Exit::Usage } else { Exit::Met })
}

fn list(tag: Option<&str>, console: &mut Console) -> Result<Exit, Complaint> {
    let shelf = Shelf::look(Path::new(FOLDER))?;
    let chosen = choose(&shelf, &[], tag)?;
    let listed: Vec<Listed> = chosen
        .iter()
        .map(|it| Listed {
            name: it.argument.clone(),
            title: it.scenario.about.title.clone(),
            tags: it.scenario.about.tags.clone(),
            path: it.path.clone(),
            seeds: it.scenario.seeds,
        })
        .collect();
    console.tell(&Told::Catalogue(&listed));
    Ok(Exit::Met)
}
