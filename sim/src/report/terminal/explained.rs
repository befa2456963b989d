//! Why a run fails, for people.

use std::fmt::{self, Write};

use super::fold::pad;
use super::{BAD, BOLD, DIM, LANE, percent, styled};
use crate::report::explanation::{Chances, Explanation, Jump, Needs, Point};
use crate::report::story::{Station, count, time};

/// How many facts of a path are told; of a longer one the middle is left out.
const PATH: usize = 20;

/// How many lines of a list are told.
const LIST: usize = 12;

pub(super) fn write_sentence(out: &mut String, it: &Explanation) -> fmt::Result {
    let with = if it.flaws.is_empty() {
        String::new()
    } else {
        format!("   with {}", it.flaws.join(", "))
    };
    let name = styled(BOLD, it.invariant.name());
    writeln!(out, "{}  {}   seed {}{with}   {name}", styled(BAD, "WHY"), it.scenario, it.seed)?;
    writeln!(out, "  {}\n", it.sentence)?;
    let cut = it.path.len().saturating_sub(PATH);
    for (nth, passage) in it.path.iter().enumerate() {
        if cut > 0 && nth == PATH / 2 {
            writeln!(out, "{:>11}  {}", "…", styled(DIM, count(cut, "more fact")))?;
        }
        if cut > 0 && (PATH / 2..PATH / 2 + cut).contains(&nth) {
            continue;
        }
        let at = styled(DIM, format_args!("{:>11}", time(passage.at)));
        let lane = pad(&passage.host, LANE);
        let mark = match passage.what {
            Station::Dropped => styled(BAD, "   ◀ dropped here"),
            Station::Asked
            | Station::Acknowledged
            | Station::Held
            | Station::Served
            | Station::Proof => String::new(),
        };
        writeln!(out, "{at}  {lane}   {}{mark}", passage.text)?;
    }
    if let Some(until) = it.whole_until {
        writeln!(out, "\n  Until {} every place that held it kept it.", time(until))?;
    }
    Ok(())
}

pub(super) fn write_reasons(out: &mut String, it: &Explanation) -> fmt::Result {
    if let Some(needs) = &it.needs {
        write_needs(out, needs)?;
    }
    match &it.chances {
        Some(chances) => write_chances(out, chances),
        None => Ok(()),
    }
}

fn write_needs(out: &mut String, needs: &Needs) -> fmt::Result {
    let Needs { needed, not_needed, sometimes, together, tries } = needs;
    let head = |text: &str| styled(BOLD, text);
    writeln!(out, "{} (without any one of these it does not happen)", head("NEEDED"))?;
    write_list(out, needed)?;
    together.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    if !sometimes.is_empty() {
        writeln!(out, "{} (otherwise it happens in some runs only)", head("MATTERS"))?;
        let lines: Vec<String> = sometimes
            .iter()
            .map(|(text, fails, of)| format!("{text}: it happens in {fails} of {of} runs"))
            .collect();
        write_list(out, &lines)?;
    }
    writeln!(out, "{} (without it, or with it otherwise, it still happens)", head("NOT NEEDED"))?;
    write_list(out, not_needed)?;
    writeln!(out, "  {} run\n", count(usize::try_from(*tries).unwrap_or(usize::MAX), "plan"))
}

fn write_list(out: &mut String, lines: &[String]) -> fmt::Result {
    if lines.is_empty() {
        return writeln!(out, "  nothing");
    }
    lines.iter().take(LIST).try_for_each(|line| writeln!(out, "  {line}"))?;
    match lines.len().saturating_sub(LIST) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

/// A bar for each point, two columns wide, in three rows of eight levels; then what made it rise.
fn write_chances(out: &mut String, chances: &Chances) -> fmt::Result {
    let (Some(first), Some(last)) = (chances.points.first(), chances.points.last()) else {
        return Ok(());
    };
    let head = styled(BOLD, "CHANCE");
    let runs = count(first.of as usize, "run");
    if chances.points.iter().all(|point| point.fails == point.of) {
        return writeln!(
            out,
            "{head}  it happens whatever is drawn: the script alone decides it ({runs} from each of {})",
            count(chances.points.len(), "moment"),
        );
    }
    writeln!(
        out,
        "{head} that it happens, if all that comes before a moment stays and the rest is drawn again \
         ({runs} for each)"
    )?;
    for (row, label) in ["100 %", " 50 %", "  0 %"].iter().enumerate() {
        let bars: String = chances.points.iter().map(|point| bar(point, 2 - row)).collect();
        writeln!(out, "  {label} ┤{}", bars.trim_end())?;
    }
    let width = chances.points.len() * 2;
    let (from, to) = (time(first.at), time(last.at));
    let room = width.saturating_sub(from.len()).max(to.len() + 1);
    writeln!(out, "         {from}{}", pad_left(&to, room))?;
    for (nth, Jump { from, to }) in chances.jumps().iter().enumerate() {
        let (rise, at) =
            (format!("{} → {}", percent(from.share()), percent(to.share())), time(from.at));
        writeln!(out, "  jump {} ({rise}) at {at}: {}", nth + 1, from.event)?;
    }
    match chances.no_return() {
        Some(point) => {
            writeln!(out, "  from {} on nothing prevents it: {}", time(point.at), point.event)
        }
        None if chances.jumps().is_empty() => {
            writeln!(out, "  it rises nowhere by a quarter: no single moment decides it")
        }
        None => Ok(()),
    }
}

/// Eight levels of a row; the lowest row shows even nothing as a line.
fn bar(point: &Point, row: usize) -> String {
    const LEVELS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
    let height = (point.share() * 24.0).round() as usize;
    let level = height.saturating_sub(row * 8).min(8);
    let level = if row == 0 { level.max(1) } else { level };
    LEVELS[level].repeat(2)
}

fn pad_left(text: &str, width: usize) -> String {
    format!("{text:>width$}")
}
