//! The command `explain`.

use std::path::Path;

use harness::stop::Urgency;

use super::console::Console;
use super::drawn::{drawn, flaws, one, outcome_of, told};
use super::setup::{pool, stopped};
use super::{Complaint, Exit, ExplainArgs, Level};
use crate::capsule::{BUILD, FOLDER};
use crate::explain::{Case, complete, sentence};
use crate::invariant::Violation;
use crate::report::{Told, explanation};
use crate::signature::Signature;

pub(super) fn explain(args: &ExplainArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let given = (!args.flaws.is_empty()).then(|| flaws(&args.flaws));
    let chosen = one(&args.target, Path::new(FOLDER))?;
    let it = drawn(&chosen, args.seed, given)?;
    let pool = pool(args.jobs, args.time, console)?;
    let outcome = outcome_of(&pool, &it.plan, Some(Level::Debug))?;
    let promised = it.head.as_ref().map(Signature::from);
    let is_it =
        |violation: &&Violation| promised.as_ref().is_none_or(|it| *it == Signature::of(violation));
    let found = told(&chosen.scenario, it.plan.flaws, &outcome).filter(is_it);
    let Some(violation) = found.cloned() else {
        let what =
            promised.map_or("violates nothing".to_owned(), |it| format!("does not violate {it}"));
        return Err(Complaint::nothing(format!("{} {what} in build {BUILD}", chosen.path))
            .help("`seawall sweep` looks for seeds that violate something"));
    };
    let case = Case { plan: it.plan, outcome, violation };
    let mut explanation = sentence(&case);
    if args.mermaid {
        console.print(&explanation::mermaid(&explanation));
        return Ok(Exit::Met);
    }
    console.tell(&Told::Sentence(&explanation));
    if args.quick || case.violation.is_of_time() {
        return Ok(Exit::Met);
    }
    console.start_progress("runs");
    let is_whole = complete(&pool, &case, &mut explanation, || console.tick());
    console.end_progress();
    console.tell(&Told::Reasons(&explanation));
    Ok(match () {
        () if is_whole => Exit::Met,
        () if pool.stop.urgency() > Urgency::None => stopped(&pool),
        () => Exit::Inconclusive,
    })
}
