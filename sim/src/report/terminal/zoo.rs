//! The kill matrix, as the Markdown that the repository keeps.

use std::fmt::{self, Write};

use crate::report::story::count;
use crate::report::terminal::percent;
use crate::report::{Beast, Catches, Counted, Kept, Replay, Replays, Size, Zoo, wilson};

/// The columns of the matrix.
const COLUMNS: [&str; 11] = [
    "flaw",
    "named judges",
    "caught",
    "not seen",
    "not reached",
    "first",
    "median",
    "p95",
    "by",
    "scenarios that name it",
    "smallest",
];

/// The columns of the table of replays.
const REPLAYED: [&str; 11] = [
    "flaw",
    "caught in",
    "shows",
    "before",
    "smallest",
    "messages",
    "time",
    "story",
    "replayed",
    "named",
    "bugs",
];

pub(super) fn write_zoo(out: &mut String, zoo: &Zoo) -> fmt::Result {
    writeln!(out, "# The zoo, measured\n")?;
    writeln!(out, "Each flaw was switched on alone, with all judges on; build {}.", zoo.build)?;
    writeln!(
        out,
        "General scenarios: {}, in turn, seed by seed, at most {} seeds for a flaw.",
        zoo.on.join(", "),
        zoo.seeds
    )?;
    writeln!(
        out,
        "\n- *caught*: seeds in which a judge that is named for the flaw found something, with the \
         Wilson interval at 95 %. A flaw is left after {} catches.\n\
         - *not seen*: seeds whose history differs from the one without the flaw, and no judge found anything.\n\
         - *not reached*: seeds whose history is the one without the flaw. Seeds in which only other judges \
         found something are in none of the three.\n\
         - *first, median, p95*: seeds to a catch. The seeds between one catch and the next are \
         disjoint windows; median and 95th percentile are taken over them.\n\
         - *by*: in how many seeds each judge found something, named for it or not.\n\
         - *smallest*: one caught plan, shrunk; it must pass with the flaw off.\n",
        zoo.enough,
    )?;
    writeln!(out, "| {} |", COLUMNS.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(COLUMNS.len()))?;
    for beast in &zoo.rows {
        writeln!(out, "{}", beast_row(beast))?;
    }
    let caught = zoo.rows.iter().filter(|beast| !beast.general.at.is_empty()).count();
    let anywhere = zoo.rows.iter().filter(|beast| beast.is_caught()).count();
    let all = count(zoo.rows.len(), "flaw");
    writeln!(
        out,
        "\n{anywhere} of {all} caught by a judge named for it, {caught} of them on the general scenarios alone."
    )
}

fn beast_row(beast: &Beast) -> String {
    let named: Vec<String> =
        beast.expected.iter().map(|it| format!("{:02}", it.number())).collect();
    let by: Vec<String> = beast
        .general
        .by
        .iter()
        .map(|(it, seeds)| format!("{:02} × {seeds}", it.number()))
        .collect();
    let smallest = beast.shrunk.as_ref().map_or("–".to_owned(), |tamed| {
        let Size { steps, faults, .. } = tamed.size;
        let passes = if tamed.passes_without { "passes without" } else { "FAILS WITHOUT" };
        let minimal = if tamed.minimal { "" } else { ", not minimal" };
        format!("{}, {}; {passes}{minimal}", count(steps, "step"), count(faults, "fault"))
    });
    let [first, median, p95] =
        beast.general.seeds_to_catch().map(|n| n.map_or("–".to_owned(), |n| n.to_string()));
    format!(
        "| {} | {} | {} | {} | {} | {first} | {median} | {p95} | {} | {} | {smallest} |",
        beast.flaw.id(),
        named.join(", "),
        caught(&beast.general),
        beast.general.not_seen,
        beast.general.not_reached,
        if by.is_empty() { "nobody".to_owned() } else { by.join(", ") },
        beast.named.as_ref().map_or("–".to_owned(), caught),
    )
}

fn caught(catches: &Catches) -> String {
    let (hits, of) = (catches.at.len() as u64, catches.seeds);
    let (low, high) = wilson(hits, of);
    format!("{hits} of {of} ({}–{})", percent(low), percent(high))
}

/// What another process made of the shrunk file of each flaw, as the Markdown that the repository keeps.
pub(super) fn write_replays(out: &mut String, replays: &Replays) -> fmt::Result {
    writeln!(out, "# Known bugs, found, shrunk and replayed\n")?;
    writeln!(
        out,
        "The first catch of each flaw was shrunk and kept, and another process replayed the file."
    )?;
    writeln!(
        out,
        "Build {}.\n\n\
         - *replayed*: exact, if the history is the recorded one.\n\
         - *named*: the sentence of `explain` names the place in the engine where the bug is.\n\
         - *bugs*: as how many a short sweep counts it, and in how many of its seeds something was violated.\n",
        replays.build
    )?;
    writeln!(out, "| {} |", REPLAYED.join(" | "))?;
    writeln!(out, "|{}", "---|".repeat(REPLAYED.len()))?;
    for Replay { flaw, caught, counted } in &replays.rows {
        match caught {
            Some(kept) => {
                let cells = kept_cells(kept).join(" | ");
                writeln!(out, "| {} | {cells} | {} |", flaw.id(), counted_cell(*counted))?;
            }
            None => {
                let rest = " – |".repeat(REPLAYED.len() - 2);
                writeln!(out, "| {} | not caught |{rest}", flaw.id())?;
            }
        }
    }
    let reproduced = replays.rows.iter().filter(|it| it.is_reproduced()).count();
    writeln!(out, "\n{reproduced} of {} reproduced.", count(replays.rows.len(), "flaw"))?;
    write_usual(out, replays)?;
    let named = replays.kept().filter(|it| it.named).count();
    let bugs = replays.rows.iter().filter_map(|it| it.counted).map(|it| it.bugs);
    let most = bugs.clone().max().unwrap_or_default();
    writeln!(
        out,
        "The place of {named} of {} is named. {} of {} are counted as one bug, none as more than {most}.",
        count(replays.rows.len(), "flaw"),
        bugs.clone().filter(|it| *it == 1).count(),
        bugs.filter(|it| *it > 0).count(),
    )
}

fn counted_cell(counted: Option<Counted>) -> String {
    counted.map_or("–".to_owned(), |Counted { seeds, failed, bugs }| {
        format!("{bugs} ({failed} of {seeds} seeds failed)")
    })
}

/// How small the plans are, and how soon they were.
fn write_usual(out: &mut String, replays: &Replays) -> fmt::Result {
    let [steps, most_steps] = replays.usual(|it| it.shrunk.after.steps);
    let [faults, most_faults] = replays.usual(|it| it.shrunk.after.faults);
    let lines = |it: &Kept| it.replayed.as_ref().map_or(0, |it| it.lines);
    let ([_, most_lines], [_, most_seconds]) = (replays.usual(lines), replays.usual(seconds));
    let longest = replays.kept().map(seconds).max().unwrap_or_default();
    let minimal = replays.kept().filter(|it| it.shrunk.minimal).count();
    writeln!(
        out,
        "Half of them have at most {} and {}, nine of ten at most {} and {}. {minimal} of {} are 1-minimal.",
        count(steps, "step"),
        count(faults, "fault"),
        count(most_steps, "step"),
        count(most_faults, "fault"),
        replays.kept().count(),
    )?;
    writeln!(
        out,
        "Nine of ten stories have at most {}. Nine of ten took at most {most_seconds} s, and the longest took {longest} s.",
        count(most_lines, "line"),
    )
}

/// How long it took to shrink, in whole seconds: begun ones count.
fn seconds(kept: &Kept) -> usize {
    usize::try_from(kept.took.as_millis().div_ceil(1_000)).unwrap_or(usize::MAX)
}

fn kept_cells(kept: &Kept) -> [String; 9] {
    let Kept { scenario, seed, shrunk, replayed, named, .. } = kept;
    let parts =
        |size: Size| format!("{}, {}", count(size.steps, "step"), count(size.faults, "fault"));
    let minimal = if shrunk.minimal { "" } else { ", not minimal" };
    let lines = replayed.as_ref().map_or("–".to_owned(), |it| count(it.lines, "line"));
    [
        format!("{scenario}, seed {seed}"),
        shrunk.signature.to_string(),
        parts(shrunk.before),
        format!("{}{minimal}", parts(shrunk.after)),
        shrunk.after.messages.to_string(),
        format!("{} s", seconds(kept)),
        lines,
        replayed
            .clone()
            .map_or_else(|why| format!("FAILED: {why}"), |it| it.likeness.word().to_owned()),
        if *named { "yes" } else { "no" }.to_owned(),
    ]
}
