//! The command `shrink`.

use std::path::Path;
use std::time::Instant;

use harness::pool::Pool;
use harness::stop::Urgency;

use super::console::Console;
use super::drawn::{drawn, flaws, one, outcome_of};
use super::setup::{pool, stopped, store, writable};
use super::{Complaint, Exit, ShrinkArgs};
use crate::capsule::BUILD;
use crate::report::{Size, Told, story};
use crate::shrink::{Failing, Place, shrink as smallest};
use crate::signature::Signature;
use crate::sweep::shown;

pub(super) fn shrink(args: &ShrinkArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let began = Instant::now();
    let store = store(&args.work.out)?;
    let pool = pool(args.work.jobs, args.work.time, console)?;
    let output = args.output.as_deref();
    if let Some(file) = output {
        writable(file, "-o FILE")?;
    }
    let (signature, build, found) = failing(&args.capsule, args, &pool)?;
    let Some(given) = found else {
        console.say(&format!("{} does not violate {signature} in build {BUILD}", args.capsule));
        console.say(&format!("  it was recorded by build {build}; nothing was written"));
        return Ok(Exit::Violated);
    };
    if !given.can_be_shrunk() {
        return Err(Complaint::usage(format!(
            "{} hangs: each try would take as long",
            args.capsule
        ))
        .help("leave steps out by hand, and run what is left"));
    }
    let earlier = output.and_then(|file| smaller(file, &given, args, &pool));
    if let (Some(it), Some(file)) = (&earlier, output) {
        let has = story::count(parts(it.size), "part");
        console.say(&format!("{} shows the same with {has}: it goes on from there", shown(file)));
    }
    console.start_progress("plans tried");
    let left = args.budget.saturating_sub(began.elapsed());
    let small = smallest(&pool, earlier.as_ref().unwrap_or(&given), Some(left), || console.tick());
    let small = small.since(&given);
    console.end_progress();
    let file = small.keep(&pool, output.map_or(Place::Folder(&store), Place::File));
    let file = file.map_err(|error| {
        Complaint::usage(format!("the capsule could not be written: {error}"))
            .help("`-o FILE` and `--out DIR` name other places")
    })?;
    console.tell(&Told::Shrunk(&small.told(given.size, shown(&file))));
    Ok(match small.cut_short {
        Some(_) if pool.stop.urgency() > Urgency::None => stopped(&pool),
        Some(_) => Exit::Inconclusive,
        None => Exit::Met,
    })
}

/// What a capsule promises, by which build, and the failing plan if it keeps its promise.
fn failing(
    capsule: &str,
    args: &ShrinkArgs,
    pool: &Pool,
) -> Result<(Signature, String, Option<Failing>), Complaint> {
    let given = (!args.flaws.is_empty()).then(|| flaws(&args.flaws));
    let chosen = one(capsule, &args.work.out)?;
    let Some(head) = &chosen.scenario.capsule else {
        return Err(Complaint::usage(format!("{} is a scenario, not a capsule", chosen.path))
            .help("`seawall sweep` keeps a capsule of every bug that it finds"));
    };
    let it = drawn(&chosen, None, given)?;
    let signature = Signature::from(head);
    let whole = outcome_of(pool, &it.plan, None)?;
    let failing = signature.find(&whole).map(|found| Failing::of(&it.plan, &whole, found));
    let failing = failing.map(|it| it.with_origin(head.origin.clone()));
    Ok((signature, head.build.clone(), failing))
}

/// What an earlier search has left in a file, if that is the same bug in a smaller plan: the search goes on from
/// there, so that no smaller result is replaced by a larger one.
fn smaller(file: &Path, given: &Failing, args: &ShrinkArgs, pool: &Pool) -> Option<Failing> {
    if !file.is_file() {
        return None;
    }
    // Whatever else is in the file is to be replaced.
    let (signature, _, found) = failing(&file.display().to_string(), args, pool).ok()?;
    let same = |it: &Failing| {
        signature == given.signature()
            && it.plan.flaws == given.plan.flaws
            && parts(it.size) <= parts(given.size)
    };
    found.filter(same)
}

/// How many parts of a plan can be left out.
fn parts(size: Size) -> usize {
    size.steps + size.faults + size.devices + size.given
}
