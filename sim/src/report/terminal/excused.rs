//! Writes that are gone as the plan will have it.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use anstyle::Style;

use super::{percent, table};
use crate::report::excused::{Causes, Excused, Times, add, causes, tell};
use crate::report::story::{count, time};
use crate::report::{Detail, Line, Row};

/// How many writes of one line are told, unless all are asked for.
const TOLD: usize = 4;

/// The writes that are excused on verdict lines.
pub(super) fn write_of_lines(
    out: &mut String,
    lines: &[Line],
    (detail, width): (Detail, usize),
) -> fmt::Result {
    for line in lines.iter().filter(|line| !line.excused.is_empty()) {
        let causes = causes(&line.excused);
        let told = tell(&causes).expect("there are some");
        writeln!(out, "\n{}, {}: {told}", line.scenario, line.of)?;
        let seeds = (line.seeds > 1).then_some(());
        let most = if detail == Detail::Full { usize::MAX } else { TOLD };
        for it in line.excused.iter().take(most) {
            let seed = seeds.map_or_else(String::new, |()| format!("seed {}: ", it.seed));
            writeln!(out, "  {seed}{}", excused(it, &line.path))?;
        }
        match line.excused.len().saturating_sub(most) {
            0 => {}
            more => writeln!(out, "  and {more} more (-v lists them)")?,
        }
        if detail == Detail::Full {
            let shares: Vec<_> =
                causes.iter().map(|it| share(&line.scenario, line.seeds, it)).collect();
            write_shares(out, &shares, width)?;
        }
    }
    Ok(())
}

/// The writes that are excused in a run, after its verdict.
pub(super) fn write_of_story(out: &mut String, all: &[Excused], path: &str) -> fmt::Result {
    let Some(told) = tell(&causes(all)) else { return Ok(()) };
    writeln!(out, "     {told}")?;
    all.iter().try_for_each(|it| writeln!(out, "       {}", excused(it, path)))
}

/// How many writes are excused in a sweep; in full also in which share of the seeds.
pub(super) fn write_of_sweep(
    out: &mut String,
    rows: &[Row],
    (detail, width): (Detail, usize),
) -> fmt::Result {
    let mut all = Causes::new();
    rows.iter().for_each(|row| add(&mut all, &row.excused));
    let Some(told) = tell(&all) else { return Ok(()) };
    writeln!(out, "\n {told}.")?;
    if detail == Detail::Brief {
        return Ok(());
    }
    let of_row = |row: &Row| {
        let causes = row.excused.iter().map(|it| share(&row.scenario, row.seeds, it));
        causes.collect::<Vec<_>>()
    };
    let shares: Vec<_> = rows.iter().flat_map(of_row).collect();
    write_shares(out, &shares, width)
}

/// A write with its cause, in a sentence.
fn excused(it: &Excused, path: &str) -> String {
    let Excused { write, object, host, asked, fault, at, line, .. } = it;
    let place = line.map_or_else(String::new, |line| format!(" ({path}:{line})"));
    format!("{write} of {object} on {host} at {}: {fault}, at {}{place}", time(*asked), time(*at))
}

type Cells = (Style, Vec<String>);

/// In which share of the seeds a cause excused a write.
fn share(scenario: &str, seeds: u64, (cause, times): (&Cow<'static, str>, &Times)) -> Cells {
    let share = percent(times.seeds as f64 / seeds.max(1) as f64);
    let cells = vec![
        scenario.to_owned(),
        cause.to_string(),
        times.writes.to_string(),
        format!("{share} of {}", count(seeds as usize, "seed")),
    ];
    (Style::new(), cells)
}

fn write_shares(out: &mut String, shares: &[Cells], width: usize) -> fmt::Result {
    writeln!(out)?;
    table(out, width, &["scenario", "excused by", "writes", "in"], shares)
}
