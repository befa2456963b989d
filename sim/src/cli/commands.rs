//! What each command does: select, work, tell, and say by the exit code how it went.

use std::path::{Path, PathBuf};

use engine::flaw::{Flaw, Flaws};
use engine::id::RecordId;
use harness::pool::{Failure, Pool, Urgency, fresh};

use crate::capsule::{self, BUILD, FOLDER, Store};
use crate::cli::console::Console;
use crate::cli::doctor;
use crate::cli::select::{Shelf, only_good};
use crate::cli::setup::{pool, stopped, store, store_if_possible};
use crate::cli::words::closest;
use crate::cli::{
    Command, Complaint, DoctorArgs, Exit, Level, ReplayArgs, RunArgs, ScenarioCommand, SeedArgs,
    ShrinkArgs, SweepArgs, WorkArgs, ZooArgs,
};
use crate::plan::{Node, Plan, WorkerId};
use crate::report::{Focus, Listed, Mark, Met, Size, Story, Told, story};
use crate::run::{Driver, Outcome, run_before, run_watched};
use crate::scenario::{CapsuleHead, draw};
use crate::shrink::{self, Failing};
use crate::signature::Signature;
use crate::trial::Chosen;
use crate::{sweep, verdict, zoo};

pub(super) fn dispatch(command: Command, console: &mut Console) -> Result<Exit, Complaint> {
    match command {
        Command::Run(args) => run_lines(args, console),
        Command::Sweep(args) => run_sweep(args, console),
        Command::Replay(args) => replay(&args, console),
        Command::Shrink(args) => run_shrink(args, console),
        Command::Zoo(args) => run_zoo(args, console),
        Command::Doctor(args) => run_doctor(&args, console),
        Command::Scenario(ScenarioCommand::Check { files }) => check(&files, console),
        Command::Scenario(ScenarioCommand::List { tag }) => list(tag.as_deref(), console),
    }
}

fn flaws(ids: &[Flaw]) -> Flaws {
    ids.iter().fold(Flaws::NONE, |flaws, flaw| flaws.with(*flaw))
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

/// Reads what the words name; all of it must be right.
fn choose(shelf: &Shelf, words: &[String], tag: Option<&str>) -> Result<Vec<Chosen>, Complaint> {
    let files = shelf.find(words)?;
    let (mut chosen, checks) = shelf.read(&files, Console::has_color())?;
    only_good(&checks)?;
    if let Some(tag) = tag {
        chosen.retain(|it| it.scenario.about.tags.iter().any(|own| own == tag));
        if chosen.is_empty() {
            return Err(Complaint::nothing(format!("no scenario has the tag `{tag}`"))
                .help("`seawall scenario list` shows the tags"));
        }
    }
    Ok(chosen)
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

fn banner(console: &Console, chosen: &[Chosen], flaws: Flaws, pool: &Pool) {
    let with: String = flaws.iter().map(|flaw| format!(" · with {}", flaw.id())).collect();
    console.say(&format!(
        "seawall {} · build {BUILD} · {} · {}{with}",
        env!("CARGO_PKG_VERSION"),
        story::count(chosen.len(), "scenario"),
        story::count(pool.jobs, "job"),
    ));
    if std::env::var_os("CARGO").is_some() {
        console.say("(below, `seawall` stands for `cargo run --release --`)");
    }
}

fn hear(console: &mut Console, news: &sweep::News<'_>) {
    match news {
        sweep::News::Measuring(flaw) => {
            console.start_progress("seeds");
            console.say(&format!("{}: {}", flaw.id(), flaw.wrong()));
        }
        sweep::News::Expect(goal) => console.expect(*goal),
        sweep::News::Done { failed } => console.done(*failed),
        sweep::News::Slow(label, running) => {
            console.say(&format!("slow: {label} has been running for {} s", running.as_secs()));
        }
        sweep::News::Idle => console.tick(),
        sweep::News::Bug(_, failure) => {
            console.tell(&Told::Failure(failure));
            if console.is_human() {
                console.print("\n");
            }
        }
        sweep::News::Unkept(error) => {
            console.complain_on(&format!("a capsule could not be written: {error}"));
        }
        sweep::News::Nondeterministic(found) => console.tell(&Told::Nondeterministic(found)),
        sweep::News::Shrinking(signature) => {
            console.start_progress("plans tried");
            console.say(&format!("shrinking {signature}"));
        }
    }
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
    console.tell(&Told::Lines(&found.lines));
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
    let wish = sweep::Wish {
        chosen,
        flaws: flaws(&args.flaws),
        seeds,
        time: args.time,
        stop_after: args.stop_after.map(|bugs| bugs as usize),
        shrink: !args.no_shrink,
    };
    banner(console, &wish.chosen, wish.flaws, &pool);
    console.start_progress("seeds");
    let (swept, panic) = sweep::sweep(&wish, &pool, &store, |news| hear(console, &news));
    console.end_progress();
    console.tell(&Told::Sweep(&swept));
    if let Some(panic) = panic {
        return Err(Complaint::internal(panic));
    }
    let has =
        |is: fn(Met) -> bool| swept.rows.iter().flat_map(|row| &row.demands).any(|it| is(it.met));
    Ok(match () {
        () if pool.stop.urgency() > Urgency::None => stopped(&pool),
        () if swept.nondeterministic > 0 => Exit::Nondeterministic,
        () if !swept.bugs.is_empty() => Exit::Violated,
        () if has(|met| matches!(met, Met::Exceeded(_))) => Exit::Violated,
        () if has(|met| met == Met::No) || swept.seeds() == 0 => Exit::Inconclusive,
        () => Exit::Met,
    })
}

/// A plan, where it came from, and how to get it again.
struct Drawn {
    plan: Plan,
    head: Option<CapsuleHead>,
    again: String,
}

/// The one scenario or capsule that is named.
fn one(target: &str, capsules: &Path) -> Result<Chosen, Complaint> {
    let mut chosen = choose(&Shelf::look(capsules)?, &[target.to_owned()], None)?;
    match (chosen.pop(), chosen.is_empty()) {
        (Some(it), true) => Ok(it),
        (Some(_) | None, _) => {
            Err(Complaint::usage(format!("`{target}` is a folder; name one file of it")))
        }
    }
}

/// Draws a plan: a capsule's own, or that of a scenario and a seed.
fn drawn(it: &Chosen, seed: Option<u64>, given: Option<Flaws>) -> Result<Drawn, Complaint> {
    let head = it.scenario.capsule.clone();
    let path = &it.path;
    let seed = match (&it.scenario.fixed, seed) {
        (Some(fixed), None) => fixed.seed,
        (Some(fixed), Some(seed)) if seed == fixed.seed => seed,
        (Some(_), Some(_)) => {
            return Err(Complaint::usage(format!("{path} is a plan: it has no other seed"))
                .help("leave --seed out"));
        }
        (None, Some(seed)) => seed,
        (None, None) => {
            return Err(Complaint::usage(format!("{path} is a scenario; which seed of it?"))
                .help(it.again(0, given.unwrap_or(Flaws::NONE))));
        }
    };
    let own = head.as_ref().map_or(Flaws::NONE, |head| flaws(&head.flaws));
    let flaws = given.unwrap_or(own);
    let scenario = it.scenario.clone();
    let plan = fresh(move || draw(&scenario, seed, flaws)).map_err(Complaint::internal)?;
    Ok(Drawn { plan, head, again: again(it, seed, given) })
}

/// The command that draws this plan again.
fn again(it: &Chosen, seed: u64, given: Option<Flaws>) -> String {
    let no_flaws = if given == Some(Flaws::NONE) { " --no-flaws" } else { "" };
    it.again(seed, given.unwrap_or(Flaws::NONE)) + no_flaws
}

fn outcome_of(pool: &Pool, plan: &Plan, log: Option<Level>) -> Result<Outcome, Complaint> {
    let level = log.map_or(tracing::Level::ERROR, Into::into);
    let ran = pool.one(plan.clone(), "replay", move |plan, watch| {
        run_watched(&plan, Driver::of(&plan), level, watch)
    });
    let outcome = match ran {
        Some(Ok(outcome)) => Ok(outcome),
        Some(Err(Failure::Hung(hung))) => {
            let plan = plan.clone();
            fresh(move || run_before(&plan, hung.place))
        }
        Some(Err(Failure::Panic(panic))) => Err(panic),
        None => {
            let what = "interrupted before the run was over".to_owned();
            return Err(Complaint { exit: stopped(pool), what, help: None });
        }
    };
    outcome.map_err(|panic| Complaint::internal(format!("the harness panicked: {panic}")))
}

fn replay(args: &ReplayArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let given = (args.no_flaws || !args.flaws.is_empty()).then(|| flaws(&args.flaws));
    let it = drawn(&one(&args.target, Path::new(FOLDER))?, args.seed, given)?;
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
        source: source(it.head.as_ref(), size),
        promised: it.head.as_ref().map(|head| (Signature::from(head), head.digest.clone())),
        again: it.again.clone(),
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

fn source(head: Option<&CapsuleHead>, size: Size) -> String {
    let Size { steps, faults, .. } = size;
    let plan = format!("{}, {}", story::count(steps, "step"), story::count(faults, "fault"));
    match head {
        None => format!("replayed by seed: the plan ({plan}) is drawn by build {BUILD}"),
        Some(head) if head.build == BUILD => format!("replayed by plan ({plan}) · build {BUILD}"),
        Some(head) => format!(
            "replayed by plan ({plan}) · recorded by build {}, run by {BUILD}: they differ",
            head.build
        ),
    }
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

fn run_shrink(args: ShrinkArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let given = (!args.flaws.is_empty()).then(|| flaws(&args.flaws));
    let chosen = one(&args.capsule, &args.work.out)?;
    let Some(head) = &chosen.scenario.capsule else {
        return Err(Complaint::usage(format!("{} is a scenario, not a capsule", chosen.path))
            .help("`seawall sweep` keeps a capsule of every bug that it finds"));
    };
    let it = drawn(&chosen, None, given)?;
    let store = store(&args.work.out)?;
    let pool = pool(args.work.jobs, args.work.time, console)?;
    if let Some(file) = &args.output {
        writable(file, "-o FILE")?;
    }
    let signature = Signature::from(head);
    let whole = outcome_of(&pool, &it.plan, None)?;
    let Some(violation) = signature.find(&whole) else {
        console.say(&format!("{} does not violate {signature} in build {BUILD}", args.capsule));
        console.say(&format!("  it was recorded by build {}; nothing was written", head.build));
        return Ok(Exit::Violated);
    };
    let failing = Failing::of(&it.plan, &whole, violation);
    drop(whole);
    if !failing.can_be_shrunk() {
        return Err(Complaint::usage(format!(
            "{} hangs: each try would take as long",
            args.capsule
        ))
        .help("leave steps out by hand, and run what is left"));
    }
    console.start_progress("plans tried");
    let hear = || console.tick();
    let small = shrink::shrink(&pool, &failing, Some(args.budget), hear);
    console.end_progress();
    let file = keep_small(&small, &store, args.output.as_deref())?;
    console.tell(&Told::Shrunk(&small.told(failing.size, sweep::shown(&file))));
    Ok(match small.cut_short {
        Some(_) if pool.stop.urgency() > Urgency::None => stopped(&pool),
        Some(_) => Exit::Inconclusive,
        None => Exit::Met,
    })
}

/// Complains, before any work is done, if a file cannot be written. Only a file may be replaced:
/// who may do everything would replace a device too.
fn writable(file: &Path, option: &str) -> Result<(), Complaint> {
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

fn keep_small(
    small: &shrink::Smaller,
    store: &Store,
    output: Option<&Path>,
) -> Result<PathBuf, Complaint> {
    let kept = match output {
        Some(file) => capsule::readable(&small.plan, &small.found)
            .and_then(|text| harness::capsule::write(file, &text))
            .map(|()| file.to_owned()),
        None => store.keep(&small.plan, &small.found),
    };
    kept.map_err(|error| {
        Complaint::usage(format!("the capsule could not be written: {error}"))
            .help("`-o FILE` and `--out DIR` name other places")
    })
}

fn run_zoo(args: ZooArgs, console: &mut Console) -> Result<Exit, Complaint> {
    if let Some(file) = &args.write {
        writable(file, "--write FILE")?;
    }
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
    let flaws = if args.flaws.is_empty() { zoo::flaws().collect() } else { args.flaws };
    let pool = pool(args.jobs, args.time, console)?;
    let all_but_general = |it: &Chosen| !general.iter().any(|other| other.path == it.path);
    let all = all.into_iter().filter(all_but_general).collect();
    let wish = zoo::Wish { flaws, general, all, seeds: args.seeds };
    banner(console, &wish.general, Flaws::NONE, &pool);
    let measured = zoo::measure(&wish, &pool, |news| hear(console, &news));
    console.end_progress();
    let (zoo, interrupted) = measured.map_err(Complaint::internal)?;
    console.tell(&Told::Zoo(&zoo));
    if interrupted {
        let (done, all) = (zoo.rows.len(), wish.flaws.len());
        console
            .say(&format!("interrupted: {done} of {all} flaws are measured, nothing is written"));
        return Ok(stopped(&pool));
    }
    if let Some(file) = &args.write {
        let text = anstream::adapter::strip_str(&crate::report::terminal::render(
            &Told::Zoo(&zoo),
            usize::MAX,
        ))
        .to_string();
        harness::capsule::write(file, &text).map_err(|error| {
            Complaint::usage(format!("cannot write {}: {error}", file.display()))
        })?;
    }
    let caught = zoo.rows.iter().all(crate::report::Beast::is_caught);
    Ok(if caught { Exit::Met } else { Exit::Violated })
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
