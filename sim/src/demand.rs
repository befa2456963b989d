//! What a scenario demands of its seeds together, beside that each of them holds: what must happen
//! happens often enough, what must not happen does not, and each step of the script does something in
//! some seed. A green line of a scenario whose demands are not met says nothing.

use std::cmp::Reverse;

use engine::flaw::Flaws;

use crate::plan::StepId;
use crate::report::terminal::percent;
use crate::report::{Demand, Met, Miss, Reached, Row, story, wilson};
use crate::scenario::{self, Bound, Line, Occurrence, draw};
use crate::trial::Chosen;

/// Everything that a scenario demands, and whether these seeds met it. A capsule demands nothing: it
/// records what happened.
pub fn demands(chosen: &Chosen, row: &Row) -> Vec<Demand> {
    if chosen.is_fixed() || row.seeds == 0 {
        return Vec::new();
    }
    let scenario = &chosen.scenario;
    let place = |line: u32| format!("{}:{line}", chosen.path);
    let occurrences =
        scenario.expected.occurrences.iter().map(|it| of_occurrence(it, row, place(it.line)));
    let lines = scenario.script.iter().filter(|_| !row.missed.is_empty());
    let steps = lines.filter_map(|line| of_line(chosen, line, row, &place(line.line)));
    occurrences.chain(steps).collect()
}

fn of_occurrence(occurrence: &Occurrence, row: &Row, place: String) -> Demand {
    let Occurrence { what, bound, .. } = occurrence;
    let reached = row.coverage.get(what.as_str()).copied().unwrap_or_default();
    let Reached { seeds, times, most, .. } = reached;
    let least = if seeds == row.seeds { reached.least } else { 0 };
    let share = seeds as f64 / row.seeds as f64;
    let in_seeds = format!("{} of seeds", percent(share));
    let yes_or = |met, otherwise| if met { Met::Yes } else { otherwise };
    let (measured, demanded, met) = match *bound {
        Bound::AtLeast(n) => (times.to_string(), n.to_string(), yes_or(times >= n, Met::No)),
        Bound::AtLeastInEach(n) => (
            format!("at least {least} in each seed"),
            format!("{n} in each seed"),
            yes_or(least >= n, Met::No),
        ),
        Bound::AtLeastInShare(chance) => {
            let wanted = f64::from(chance.0) / 1e6;
            let met = match share >= wanted {
                true => Met::Yes,
                false if seeds > 0 && wilson(seeds, row.seeds).1 >= wanted => Met::TooFewSeeds,
                false => Met::No,
            };
            (in_seeds, percent(wanted), met)
        }
        Bound::AtMostInEach(n) => (
            format!("at most {most} in each seed"),
            format!("at most {n} in each seed"),
            yes_or(most <= n, Met::Exceeded(reached.most_at)),
        ),
        Bound::AtMostInShare(chance) => {
            let wanted = f64::from(chance.0) / 1e6;
            let met = match share <= wanted {
                true => Met::Yes,
                false if wilson(seeds, row.seeds).0 <= wanted => Met::TooFewSeeds,
                false => Met::Exceeded(reached.most_at),
            };
            (in_seeds, format!("at most {}", percent(wanted)), met)
        }
    };
    Demand { what: what.clone(), measured, demanded, met, why: None, place }
}

/// What a line did, if some of its steps came to nothing. It has a step for each host that it names, and is
/// met by the seeds in which one of them did something.
fn of_line(chosen: &Chosen, line: &Line, row: &Row, place: &str) -> Option<Demand> {
    let ids = (line.id..line.next_id()).filter(|_| !line.optional).map(StepId);
    let missed: Vec<(StepId, Miss)> =
        ids.clone().filter_map(|id| Some((id, *row.missed.get(&id)?))).collect();
    let (id, Miss { seeds, why, .. }) =
        *missed.iter().max_by_key(|(id, miss)| (miss.seeds, Reverse(*id)))?;
    let never = missed.iter().filter(|(_, miss)| miss.seeds == row.seeds).count();
    let met = if never == ids.count() { Met::No } else { Met::Sometimes };
    let plan = draw(&chosen.scenario, 0, Flaws::NONE);
    let step = scenario::print_step(&plan, &plan.steps[plan.place_of(id)?]);
    let others = match missed.len() - 1 {
        0 => String::new(),
        others => format!(" and {} of this line", story::count(others, "other step")),
    };
    Some(Demand {
        what: format!("{step}{others}"),
        measured: format!(
            "in {} of {}",
            row.seeds - seeds,
            story::count(row.seeds as usize, "seed")
        ),
        demanded: "in a seed".to_owned(),
        met,
        why: Some(why.tell(&plan)),
        place: place.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use harness::random::Chance;

    use super::*;

    fn measured(hit: u64, of: u64, bound: Bound) -> Met {
        let mut row = Row { seeds: of, ..Row::default() };
        let most = if hit > 0 { 2 } else { 0 };
        let reached = Reached { seeds: hit, times: 2 * hit, least: most, most, most_at: 7 };
        row.coverage.insert("conflict".into(), reached);
        let occurrence = Occurrence { what: "conflict".into(), bound, line: 1 };
        of_occurrence(&occurrence, &row, "lunch.toml:1".to_owned()).met
    }

    #[test]
    fn a_share_is_missed_only_if_chance_cannot_explain_it() {
        let half = Bound::AtLeastInShare(Chance(500_000));
        assert_eq!(measured(50, 100, half), Met::Yes);
        assert_eq!(measured(4, 10, half), Met::TooFewSeeds);
        assert_eq!(measured(400, 1_000, half), Met::No);
        assert_eq!(measured(0, 2, half), Met::No);
    }

    #[test]
    fn totals_and_each_seed_are_counted() {
        assert_eq!(measured(3, 10, Bound::AtLeast(6)), Met::Yes);
        assert_eq!(measured(3, 10, Bound::AtLeast(7)), Met::No);
        assert_eq!(measured(10, 10, Bound::AtLeastInEach(2)), Met::Yes);
        assert_eq!(measured(9, 10, Bound::AtLeastInEach(1)), Met::No);
    }

    #[test]
    fn what_must_not_happen_names_a_seed_in_which_it_did() {
        assert_eq!(measured(0, 10, Bound::AtMostInEach(0)), Met::Yes);
        assert_eq!(measured(1, 10, Bound::AtMostInEach(0)), Met::Exceeded(7));
        assert_eq!(measured(1, 10, Bound::AtMostInEach(2)), Met::Yes);
        let rarely = Bound::AtMostInShare(Chance(10_000));
        assert_eq!(measured(1, 100, rarely), Met::Yes);
        assert_eq!(measured(2, 100, rarely), Met::TooFewSeeds);
        assert_eq!(measured(50, 100, rarely), Met::Exceeded(7));
    }
}
