//! The command `report`.

use std::path::{Path, PathBuf};

use harness::pool::Pool;
use harness::stop::Urgency;

use super::console::Console;
use super::drawn::{Drawn, drawn, flaws, one, outcome_of, told};
use super::setup::{pool, stopped, writable};
use super::{Complaint, Exit, Level, ReportArgs};
use crate::capsule::FOLDER;
use crate::explain::{Case, complete, sentence};
use crate::invariant::Violation;
use crate::plan::Plan;
use crate::report::excused::excused;
use crate::report::explanation::Explanation;
use crate::report::html::{self, Page};
use crate::report::{Focus, Paged, Size, Story, Told};
use crate::run::Outcome;
use crate::shrink;
use crate::signature::Signature;
use crate::sweep::shown;
use crate::trial::Chosen;

pub(super) fn report(args: &ReportArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let given = (args.no_flaws || !args.flaws.is_empty()).then(|| flaws(&args.flaws));
    let chosen = one(&args.target, Path::new(FOLDER))?;
    let it = drawn(&chosen, args.seed, given)?;
    let file = match &args.output {
        Some(file) => file.clone(),
        None => usual_file(&chosen, &it.plan, "html")?,
    };
    writable(&file, "-o FILE")?;
    let pool = pool(args.jobs, args.time, console)?;
    let outcome = outcome_of(&pool, &it.plan, Some(Level::Debug))?;
    let size = shrink::size(&it.plan, &outcome);
    let story = story((&chosen, &it), (&outcome, size));
    let violation = told(&chosen.scenario, it.plan.flaws, &outcome);
    let capsule = it.head.is_some().then_some(&*chosen.path);
    // A capsule's own title says no more than where it comes from.
    let title = if capsule.is_some() { "" } else { &chosen.scenario.about.title };
    let explanation = match violation {
        Some(violation) => Some(explained(args, &pool, (&story, violation), console)?),
        None => None,
    };
    let explanation = explanation.as_ref();
    let origin = it.head.as_ref().and_then(|head| head.origin.as_ref()).map(|from| (from, size));
    let page = Page { story: &story, title, violation, capsule, explanation, origin };
    let text = html::render(&page);
    let what = "page";
    let bytes = write(&file, &text)?;
    console.tell(&Told::Page(&Paged { what, story: &story, violation, file: shown(&file), bytes }));
    Ok(if violation.is_none() { Exit::Met } else { Exit::Violated })
}

/// A run as a story, with its size.
pub(super) fn story<'a>(
    (chosen, it): (&'a Chosen, &'a Drawn),
    (outcome, size): (&'a Outcome, Size),
) -> Story<'a> {
    Story {
        plan: &it.plan,
        outcome,
        focus: Focus::default(),
        log: false,
        source: it.source(size),
        promised: it.head.as_ref().map(|head| (Signature::from(head), head.digest.clone())),
        again: it.again.clone(),
        excused: excused(&it.plan, outcome, |step| chosen.scenario.line_of(step)),
        path: chosen.path.clone(),
    }
}

/// Writes a file, all of it or nothing, and says how large it is.
pub(super) fn write(file: &Path, text: &str) -> Result<usize, Complaint> {
    harness::capsule::write(file, text).map_err(|error| {
        Complaint::usage(format!("cannot write {}: {error}", file.display()))
            .help("`-o FILE` names another file")
    })?;
    Ok(text.len())
}

/// Why the run fails. Unless it is to be quick, that is found by running again.
fn explained(
    args: &ReportArgs,
    pool: &Pool,
    (story, violation): (&Story<'_>, &Violation),
    console: &mut Console,
) -> Result<Explanation, Complaint> {
    let (plan, outcome) = (story.plan.clone(), story.outcome.clone());
    let case = Case { plan, outcome, violation: violation.clone() };
    let mut explanation = sentence(&case);
    if !args.quick && !violation.is_of_time() {
        console.start_progress("runs");
        complete(pool, &case, &mut explanation, || console.tick());
        console.end_progress();
    }
    match pool.stop.urgency() {
        Urgency::None => Ok(explanation),
        Urgency::Finish | Urgency::Abandon => {
            let what = "interrupted before the page was written".to_owned();
            Err(Complaint { exit: stopped(pool), what, help: None })
        }
    }
}

/// Beside a capsule, under its name; of a seed, in the folder of capsules.
pub(super) fn usual_file(
    chosen: &Chosen,
    plan: &Plan,
    extension: &str,
) -> Result<PathBuf, Complaint> {
    if chosen.scenario.capsule.is_some() {
        return Ok(Path::new(&chosen.path).with_extension(extension));
    }
    std::fs::create_dir_all(FOLDER).map_err(|error| {
        Complaint::usage(format!("cannot make {FOLDER}: {error}"))
            .help("`-o FILE` names another file")
    })?;
    let flaws: String = plan.flaws.iter().map(|flaw| format!("-{}", flaw.id())).collect();
    Ok(Path::new(FOLDER).join(format!("{}-{}{flaws}.{extension}", plan.scenario, plan.seed)))
}
