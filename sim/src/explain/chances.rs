//! How likely a violation was at each moment of a run: forks of it, whose remainder is drawn again.
//!
//! A point says in how many forks the violation comes, if everything before a moment stays as it was. Where that rises between two points, what happened between them made the violation more likely. The
//! same natures are used at every point, so that two points differ by what happened and not by their luck.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use harness::pool::{Event, Pool};
use harness::random::Draw;
use harness::time::Time;
use harness::watch::{Call, Watch};

use super::{Bug, Case};
use crate::history::{Entry, Fact};
use crate::report::explanation::{Chances, Passage, Point};
use crate::report::story::Scene;
use crate::run::BareRun;

/// The most forks of a point.
const FORKS: u32 = 64;

/// The fewest forks of a point, however long its run is.
const FEW_FORKS: u32 = 8;

/// The most points.
const POINTS: usize = 32;

/// The facts of all forks together, about: what two cores do in some twenty seconds.
const FACTS: u64 = 12_000_000;

/// The chances of a violation over the time of its run; none if they cannot be had, since the bare driver does
/// not show the violation or the search was interrupted.
pub(super) fn find(
    pool: &Pool,
    case: &Case,
    path: &[Passage],
    hear: &mut impl FnMut(),
) -> Option<Chances> {
    let facts = (case.outcome.history.len() as u64).max(1);
    let affordable = FACTS / facts;
    let most = usize::try_from(affordable / u64::from(FORKS)).unwrap_or(POINTS);
    let moments = moments(case, path, most.clamp(POINTS / 4, POINTS));
    let forks = u32::try_from(affordable / moments.len().max(1) as u64).unwrap_or(FORKS);
    let forks = forks.clamp(FEW_FORKS, FORKS);
    let (plan, bug) = (case.plan.clone(), case.bug());
    let scene = Scene::new(&case.plan, &case.outcome.history);
    let mut points = Vec::new();
    let wanted = moments.len();
    pool.each(
        moments,
        None,
        |(at, _)| format!("forks at {at:?}"),
        move |(at, _): (Time, usize), watch| fails(&plan, &bug, at, forks, watch),
        |event| {
            hear();
            if let Event::Done { item: (at, fact), result: Ok(fails), .. } = event {
                let entry = &case.outcome.history[fact];
                let host = case.plan.name(entry.node);
                let event = format!("{host} {}", scene.tell(entry, case.violation.record));
                points.push(Point { at, fact, event, fails, of: forks });
            }
            ControlFlow::Continue(())
        },
    );
    (points.len() == wanted).then_some(Chances { points })
}

/// In how many forks the bug shows, if all that comes before a moment stays.
fn fails(
    plan: &crate::plan::Plan,
    bug: &Bug,
    before: Time,
    forks: u32,
    watch: &Watch,
) -> Option<u32> {
    let mut run = BareRun::watched(plan, watch);
    while run.next_due().is_some_and(|due| due < before) {
        run.turn();
    }
    let mut fails = 0;
    for nth in 0..forks {
        let mut fork = run.clone();
        fork.redraw(Draw::new(plan.nature, "redraw").and(u64::from(nth)).value());
        while fork.turn() {}
        if watch.call() >= Call::Leave {
            return None;
        }
        fails += u32::from(bug.is_in(&fork.end()));
    }
    Some(fails)
}

/// The moments at which something happened that may have mattered, each with the fact: those of the path, faults
/// and what they did to hosts, and messages about the record. If there are too many, those of the path and some
/// of the others.
fn moments(case: &Case, path: &[Passage], most: usize) -> Vec<(Time, usize)> {
    let history = &case.outcome.history;
    let first = path.first().map_or(0, |it| it.fact);
    let last = case.violation.evidence.last().copied().unwrap_or(history.len());
    let matters = |(at, entry): &(usize, &Entry)| {
        (*at >= first || is_fault(&entry.fact))
            && *at <= last
            && (is_fault(&entry.fact) || carries(case, entry))
    };
    let others = history.iter().enumerate().filter(matters).map(|(at, _)| at);
    let others: Vec<usize> = others.collect();
    let path: BTreeSet<usize> = path.iter().map(|it| it.fact).collect();
    let room = most.saturating_sub(path.len());
    let every = others.len().div_ceil(room.max(1)).max(1);
    let others = others.into_iter().step_by(every).take(room);
    let mut moments: Vec<(Time, usize)> = Vec::new();
    for fact in path.into_iter().chain(others).collect::<BTreeSet<usize>>() {
        let at = history[fact].at;
        if moments.last().is_none_or(|(known, _)| *known < at) {
            moments.push((at, fact));
        }
    }
    // After the last of them everything has happened that proves the violation.
    let after = moments.last().map(|(at, fact)| (*at + harness::time::Span(1), *fact));
    moments.extend(after);
    moments
}

fn is_fault(fact: &Fact) -> bool {
    matches!(
        fact,
        Fact::Faulted(_)
            | Fact::Ended(_)
            | Fact::Killed { .. }
            | Fact::Panicked(_)
            | Fact::Struck(_)
    )
}

/// Is it about the record of the violation, on its way between hosts?
fn carries(case: &Case, entry: &Entry) -> bool {
    let Some(record) = case.violation.record else { return false };
    if let Fact::Sent { rows, .. } = &entry.fact {
        return rows.iter().any(|(id, _)| *id == record);
    }
    if let Fact::Served(page) = &entry.fact {
        return page.rows.iter().any(|(_, id, ..)| *id == record);
    }
    matches!(&entry.fact, Fact::Committed { id, .. } if *id == record)
}
