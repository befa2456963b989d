//! The verdict lines of scenarios: a table, and what is to be known of its lines.

use std::fmt::{self, Write as _};

use anstyle::Style;

use super::demand::write_unmet;
use super::excused::write_of_lines;
use super::{mark, style_of, table};
use crate::report::excused::{causes, tell};
use crate::report::story::count;
use crate::report::{Detail, Line, Mark};

pub(super) fn write_lines(
    out: &mut String,
    lines: &[Line],
    (detail, width): (Detail, usize),
) -> fmt::Result {
    let rows: Vec<(Style, Vec<String>)> = lines
        .iter()
        .map(|line| {
            let Line { scenario, of, expected, seeds, mark, .. } = line;
            let excused = tell(&causes(&line.excused));
            let found = [Some(line.found.clone()), excused].into_iter().flatten();
            let found = found.collect::<Vec<_>>().join("; ");
            let seeds = seeds.to_string();
            let cells = [mark.word(), scenario, of, expected, &found, &seeds];
            let style = if *mark == Mark::Pass { Style::new() } else { style_of(*mark) };
            (style, cells.map(str::to_owned).to_vec())
        })
        .collect();
    table(out, width, &["verdict", "scenario", "of", "expected", "found", "seeds"], &rows)?;
    write_unmet(out, lines.iter().flat_map(|line| &line.demands))?;
    write_of_lines(out, lines, (detail, width))?;
    let failed = lines.iter().filter(|line| line.mark == Mark::Fail).count();
    let unsure = lines.iter().filter(|line| line.mark == Mark::Inconclusive).count();
    let as_expected = lines.len() - failed - unsure;
    let all = if failed + unsure == 0 {
        Mark::Pass
    } else if failed > 0 {
        Mark::Fail
    } else {
        Mark::Inconclusive
    };
    writeln!(out, "\n{} {as_expected} of {} as expected", mark(all), count(lines.len(), "line"))?;
    for line in lines.iter().filter(|line| line.mark == Mark::Pass) {
        if let Some(again) = &line.again {
            writeln!(out, "  {}, {}: {again}", line.scenario, line.of)?;
        }
    }
    Ok(())
}
