//! From a seed of each known bug to its cause: the first catch is shrunk, kept, explained, and replayed by another
//! process; and a short sweep with the bug on says how many bugs it counts.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use engine::flaw::{Flaw, Flaws};
use harness::fresh::fresh;
use harness::pool::Pool;

use super::{Caught, SHRINK, Wish, in_turn, is_whole, named};
use crate::capsule::{BUILD, Store};
use crate::report::{Catches, Counted, Detail, Kept, Replay, Replays, Retold};
use crate::shrink::{self, Failing, Place};
use crate::sweep::{self, News, each_seed, shown};
use crate::trial::Chosen;

/// How many seeds of each scenario are swept to see as how many bugs one is counted.
const SWEPT: u64 = 5;

/// What is made of a file, or why nothing is.
pub type Replayer = fn(&Path) -> Result<Retold, String>;

/// Finds, shrinks, keeps and replays each flaw. The flag says whether it was interrupted; then the flaw that it
/// was about and those after it have no row.
pub fn replays(
    wish: &Wish,
    pool: &Pool,
    store: &Store,
    replayer: Replayer,
    mut hear: impl FnMut(News<'_>),
) -> Result<(Replays, bool), String> {
    let mut rows = Vec::new();
    for &flaw in &wish.flaws {
        hear(News::Measuring(flaw));
        let mut on = wish.general.clone();
        let mut caught = first_catch(&on, wish.seeds, flaw, pool, &mut hear)?;
        if let Found::Nothing = caught {
            on = wish.naming(flaw);
            caught = first_catch(&on, wish.seeds, flaw, pool, &mut hear)?;
        }
        let (caught, counted) = match caught {
            Found::Interrupted => return Ok((Replays { build: BUILD.to_owned(), rows }, true)),
            Found::Nothing => (None, None),
            Found::Catch(failing) => {
                let kept = kept(&failing, pool, store, replayer, &mut hear)?;
                (Some(kept), Some(counted(on, flaw, pool, store, &mut hear)?))
            }
        };
        rows.push(Replay { flaw, caught, counted });
    }
    Ok((Replays { build: BUILD.to_owned(), rows }, false))
}

/// As how many bugs a short sweep counts one.
fn counted(
    chosen: Vec<Chosen>,
    flaw: Flaw,
    pool: &Pool,
    store: &Store,
    hear: &mut impl FnMut(News<'_>),
) -> Result<Counted, String> {
    let wish = sweep::Wish {
        chosen,
        flaws: Flaws::only(flaw),
        seeds: Some(0..SWEPT),
        time: None,
        stop_after: None,
        shrink: true,
        detail: Detail::Brief,
        judges_demands: true,
    };
    // What the sweep finds is no news: the flaw is known, and the table tells it.
    let listen = |news: News<'_>| {
        if matches!(news, News::Idle | News::Shrinking(_) | News::Slow(..)) {
            hear(news);
        }
    };
    let (swept, trouble) = sweep::sweep(&wish, pool, store, listen);
    trouble.map_or(Ok(()), Err)?;
    Ok(Counted {
        seeds: swept.rows.iter().map(|row| row.seeds).sum(),
        failed: swept.rows.iter().map(|row| row.failed).sum(),
        bugs: swept.bugs.len(),
    })
}

/// What a search for a first catch came to.
enum Found {
    Interrupted,
    Nothing,
    Catch(Box<Failing>),
}

fn first_catch(
    scenarios: &[Chosen],
    seeds: u64,
    flaw: Flaw,
    pool: &Pool,
    hear: &mut impl FnMut(News<'_>),
) -> Result<Found, String> {
    let runs = in_turn(scenarios, seeds);
    let trials = runs.map(|(chosen, seed)| ((), chosen.trial(seed, Flaws::only(flaw))));
    let (mut catches, mut first): (Catches, Caught) = (Catches::default(), None);
    let ended = each_seed(pool, trials, None, hear, |(), tried, _, _| {
        first = catches.take(flaw, tried.failed);
        if first.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(match first {
        Some(failing) => Found::Catch(Box::new(failing)),
        None if is_whole(ended) => Found::Nothing,
        None => Found::Interrupted,
    })
}

fn kept(
    failing: &Failing,
    pool: &Pool,
    store: &Store,
    replayer: Replayer,
    hear: &mut impl FnMut(News<'_>),
) -> Result<Kept, String> {
    hear(News::Shrinking(&failing.signature()));
    let began = Instant::now();
    let small = shrink::shrink(pool, failing, Some(SHRINK), || hear(News::Idle));
    let took = began.elapsed();
    let (plan, signature) = (small.plan.clone(), failing.signature());
    let named = fresh(move || named(&plan, &signature))?;
    let file = small.keep(pool, Place::Folder(store));
    let (file, replayed) = match file {
        Ok(file) => (shown(&file), replayer(&file)),
        Err(error) => (String::new(), Err(error.to_string())),
    };
    Ok(Kept {
        scenario: failing.plan.scenario.clone(),
        seed: failing.plan.seed,
        shrunk: small.told(failing.size, file),
        took,
        replayed,
        named: named.is_some_and(|it| it.is_marked),
    })
}
