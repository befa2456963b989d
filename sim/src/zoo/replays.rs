//! Does a capsule of each known bug show it again? The first catch is shrunk and kept, and another
//! process replays the file.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use engine::flaw::{Flaw, Flaws};
use harness::pool::Pool;

use super::{Caught, SHRINK, Wish, in_turn, is_whole};
use crate::capsule::{BUILD, Store};
use crate::report::{Catches, Kept, Replay, Replays, Retold};
use crate::shrink::{self, Failing, Place};
use crate::sweep::{News, each_seed, shown};

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
        let mut caught = first_catch(wish, flaw, pool, &mut hear)?;
        if let Found::Nothing = caught {
            let named =
                Wish { general: wish.naming(flaw), flaws: Vec::new(), all: Vec::new(), ..*wish };
            caught = first_catch(&named, flaw, pool, &mut hear)?;
        }
        let caught = match caught {
            Found::Interrupted => return Ok((Replays { build: BUILD.to_owned(), rows }, true)),
            Found::Nothing => None,
            Found::Catch(failing) => Some(kept(&failing, pool, store, replayer, &mut hear)),
        };
        rows.push(Replay { flaw, caught });
    }
    Ok((Replays { build: BUILD.to_owned(), rows }, false))
}

/// What a search for a first catch came to.
enum Found {
    Interrupted,
    Nothing,
    Catch(Box<Failing>),
}

fn first_catch(
    wish: &Wish,
    flaw: Flaw,
    pool: &Pool,
    hear: &mut impl FnMut(News<'_>),
) -> Result<Found, String> {
    let runs = in_turn(&wish.general, wish.seeds);
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
) -> Kept {
    hear(News::Shrinking(&failing.signature()));
    let began = Instant::now();
    let small = shrink::shrink(pool, failing, Some(SHRINK), || hear(News::Idle));
    let took = began.elapsed();
    let file = small.keep(pool, Place::Folder(store));
    let (file, replayed) = match file {
        Ok(file) => (shown(&file), replayer(&file)),
        Err(error) => (String::new(), Err(error.to_string())),
    };
    Kept {
        scenario: failing.plan.scenario.clone(),
        seed: failing.plan.seed,
        shrunk: small.told(failing.size, file),
        took,
        replayed,
    }
}
