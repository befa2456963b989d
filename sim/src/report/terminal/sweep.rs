//! The summary of a sweep: what was run, what was found, and what it means.

use std::fmt::{self, Write};
use std::time::Duration;

use anstyle::Style;

use crate::report::story::count;
use crate::report::terminal::demand::{met, write_unmet};
use crate::report::terminal::excused::write_of_sweep;
use crate::report::terminal::shrunk::change;
use crate::report::terminal::{BAD, BOLD, percent, styled, table};
use crate::report::{Bug, Demand, Row, Sweep, wilson};

pub(super) fn write_sweep(out: &mut String, sweep: &Sweep, width: usize) -> fmt::Result {
    writeln!(out, "SWEEP   stopped: {}   build {}\n", sweep.stopped, sweep.build)?;
    let rows: Vec<(Style, Vec<String>)> = sweep.rows.iter().map(sweep_row).collect();
    let head =
        ["scenario", "seeds", "pass", "fail", "bugs", "fault-free", "fails in", "slowest seed"];
    table(out, width, &head, &rows)?;
    write_demands(out, &sweep.rows, width)?;
    write_of_sweep(out, &sweep.rows, (sweep.detail, width))?;
    write_unreached(out, &sweep.rows)?;
    for (number, bug) in sweep.bugs.iter().enumerate() {
        write_bug(out, number + 1, bug)?;
    }
    writeln!(out)?;
    write_twice(out, sweep)?;
    write_meaning(out, sweep)?;
    write_speed(out, sweep)
}

fn sweep_row(row: &Row) -> (Style, Vec<String>) {
    let style = if row.failed == 0 { Style::new() } else { BAD };
    let slowest = match (row.slowest, row.longest) {
        (Some((seed, took)), _) => format!("{seed} ({})", ms(took)),
        (None, Some((seed, events))) => format!("{seed} ({events} events)"),
        (None, None) => "–".to_owned(),
    };
    let cells = vec![
        row.scenario.clone(),
        row.seeds.to_string(),
        (row.seeds - row.failed).to_string(),
        row.failed.to_string(),
        row.bugs.len().to_string(),
        row.calm.to_string(),
        rate(row.failed, row.seeds),
        slowest,
    ];
    (style, cells)
}

/// What a count of failures says about the rate, with 95 % confidence.
fn rate(failed: u64, seeds: u64) -> String {
    if seeds == 0 {
        return "not run".to_owned();
    }
    if failed == 0 {
        let below = 3.0 / seeds as f64;
        return if below < 1.0 { format!("< {}", percent(below)) } else { "–".to_owned() };
    }
    let (low, high) = wilson(failed, seeds);
    format!("{} ({}–{})", percent(failed as f64 / seeds as f64), percent(low), percent(high))
}

fn ms(took: Duration) -> String {
    if took < Duration::from_secs(2) {
        format!("{:.1} ms", took.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}

fn write_demands(out: &mut String, rows: &[Row], width: usize) -> fmt::Result {
    let demands: Vec<(Style, Vec<String>)> =
        rows.iter().flat_map(|row| occurrences(row).map(|it| demand(row, it))).collect();
    if !demands.is_empty() {
        writeln!(out)?;
        table(out, width, &["scenario", "must happen", "measured", "demanded", ""], &demands)?;
    }
    write_unmet(out, rows.iter().flat_map(|row| &row.demands).filter(|it| it.why.is_some()))
}

/// What must happen or must not, without the steps of the script.
fn occurrences(row: &Row) -> impl Iterator<Item = &Demand> {
    row.demands.iter().filter(|it| it.why.is_none())
}

fn demand(row: &Row, demand: &Demand) -> (Style, Vec<String>) {
    let (style, met) = met(demand);
    let Demand { what, measured, demanded, .. } = demand;
    let cells = [row.scenario.as_str(), what, measured, demanded, met];
    (style, cells.map(str::to_owned).to_vec())
}

/// Names that no seed of any scenario reached: what this sweep says nothing about.
fn write_unreached(out: &mut String, rows: &[Row]) -> fmt::Result {
    let reached = |name: &str| rows.iter().any(|row| row.coverage.contains_key(name));
    let points = engine::point::Point::ALL.iter().map(|point| point.name());
    let missing: Vec<&str> = points.filter(|name| !reached(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n Never reached:")?;
    writeln!(out, "   {}.", missing.join(", "))
}

fn write_bug(out: &mut String, number: usize, bug: &Bug) -> fmt::Result {
    let head = styled(BAD, format_args!("BUG {number}"));
    let (low, high) = bug.rate();
    writeln!(
        out,
        "\n {head}  {}   first in {}, seen in {} of {} ({}–{})",
        bug.signature,
        bug.scenario,
        bug.seeds,
        count(bug.of as usize, "seed"),
        percent(low),
        percent(high),
    )?;
    writeln!(out, "   {}", bug.message)?;
    if !bug.also.is_empty() {
        let also: Vec<String> = bug.also.iter().map(ToString::to_string).collect();
        writeln!(out, "   also seen as {}", also.join(", "))?;
    }
    for example in &bug.examples {
        writeln!(out, "   reproduce: {}", styled(BOLD, example))?;
    }
    if !bug.examples.contains(&bug.cheapest) {
        writeln!(out, "   cheapest:  {}", bug.cheapest)?;
    }
    if let Some(capsule) = &bug.capsule {
        writeln!(out, "   capsule:   {capsule}")?;
    }
    if let Some(shrunk) = &bug.shrunk {
        writeln!(out, "   shrunk:    seawall replay {}", shrunk.file)?;
        writeln!(out, "              {}", change(shrunk))?;
    }
    let smallest = bug.shrunk.as_ref().map(|it| &it.file).or(bug.capsule.as_ref());
    if let Some(file) = smallest {
        writeln!(out, "   why:       seawall explain {file}")?;
        writeln!(out, "   page:      seawall report {file}")?;
    }
    Ok(())
}

fn write_twice(out: &mut String, sweep: &Sweep) -> fmt::Result {
    let Sweep { twice, nondeterministic, .. } = sweep;
    match nondeterministic {
        0 if *twice == 0 => Ok(()),
        0 => writeln!(out, " {} run twice: the same digests.", count(*twice as usize, "seed")),
        _ => writeln!(out, " {twice} seeds run twice: in {nondeterministic} the runs differed."),
    }
}

/// What a green sweep means, and no more: the rule of three.
fn write_meaning(out: &mut String, sweep: &Sweep) -> fmt::Result {
    let seeds: u64 = sweep.rows.iter().map(|row| row.seeds).sum();
    let failed: u64 = sweep.rows.iter().map(|row| row.failed).sum();
    if failed > 0 || seeds == 0 {
        return Ok(());
    }
    let all = count(seeds as usize, "seed");
    if seeds < 6 {
        return writeln!(out, " No violation in {all}: too few to say anything about others.");
    }
    writeln!(
        out,
        " No violation in {all}: with 95 % confidence fewer than 1 in {} such seeds fail (3/n).",
        seeds / 3,
    )?;
    writeln!(out, " That is said of this mix of scenarios, and of nothing else.")
}

fn write_speed(out: &mut String, sweep: &Sweep) -> fmt::Result {
    let seeds: u64 = sweep.rows.iter().map(|row| row.seeds).sum();
    let simulated = sweep.simulated_ms as f64 / 1e3;
    let Some(took) = sweep.took else {
        return writeln!(out, " {} simulated {}.", count(seeds as usize, "seed"), long(simulated));
    };
    let took = took.as_secs_f64().max(0.001);
    let speed = sweep.cpu.filter(|cpu| cpu.as_secs_f64() > 0.05).map_or(String::new(), |cpu| {
        format!(", {:.0} per CPU-second", seeds as f64 / cpu.as_secs_f64())
    });
    writeln!(
        out,
        " {} in {took:.1} s: {:.0} per second{speed}; simulated {}, {:.0} × real time.",
        count(seeds as usize, "seed"),
        seeds as f64 / took,
        long(simulated),
        simulated / took,
    )
}

/// A long time, in the unit that people would use.
fn long(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
