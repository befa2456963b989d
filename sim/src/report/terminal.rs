//! For people at a terminal. Colours are always written and are taken out again on the way to
//! anything that does not show them; so nothing is said by colour alone.

mod demand;
mod excused;
mod explained;
mod fold;
mod nondeterminism;
mod repeats;
mod shrunk;
mod sweep;
mod verdicts;
mod zoo;

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write};

use anstyle::{AnsiColor, Style};
use engine::id::{RecordId, Token};
use textwrap::core::display_width;
use tracing::Level;

use self::nondeterminism::write_nondeterminism;
use self::repeats::Repeats;
use crate::history::Entry;
use crate::invariant::Violation;
use crate::report::story::{EVIDENCE, Scene, count, time};
use crate::report::{Check, Failure, FileCheck, Likeness, Listed, Mark, Paged, Story, Told};
use crate::run::LogLine;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default().bold();

/// What stands left of a value takes no more than this.
const WIDE: usize = 32;

/// How wide the names of hosts are, as a rule.
const LANE: usize = 9;

/// Renders what there is to tell in lines of this width, where that can be.
pub fn render(told: &Told<'_>, width: usize) -> String {
    let mut text = String::new();
    let written = match told {
        Told::Failure(failure) => write_failure(&mut text, failure),
        Told::Nondeterministic(found) => write_nondeterminism(&mut text, found),
        Told::Lines(lines, detail) => verdicts::write_lines(&mut text, lines, (*detail, width)),
        Told::Sweep(sweep) => sweep::write_sweep(&mut text, sweep, width),
        Told::Story(story) => write_story(&mut text, story),
        Told::Page(paged) => write_paged(&mut text, paged),
        Told::Shrunk(shrunk) => shrunk::write_shrunk(&mut text, shrunk),
        Told::Sentence(it) => explained::write_sentence(&mut text, it),
        Told::Reasons(it) => explained::write_reasons(&mut text, it),
        Told::Zoo(zoo) => zoo::write_zoo(&mut text, zoo),
        Told::Replays(replays) => zoo::write_replays(&mut text, replays),
        Told::Health(checks) => write_health(&mut text, checks),
        Told::Catalogue(listed) => write_catalogue(&mut text, listed, width),
        Told::Checked(files) => write_checked(&mut text, files),
    };
    written.expect("a string takes whatever is written to it");
    match told {
        // Their lines are not ours to break: the source of a file, and Markdown.
        Told::Checked(_) | Told::Zoo(_) | Told::Replays(_) => text,
        Told::Failure(_)
        | Told::Nondeterministic(_)
        | Told::Lines(..)
        | Told::Sweep(_)
        | Told::Story(_)
        | Told::Page(_)
        | Told::Shrunk(_)
        | Told::Sentence(_)
        | Told::Reasons(_)
        | Told::Health(_)
        | Told::Catalogue(_) => fold::fold(&text, width),
    }
}

fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

const fn style_of(mark: Mark) -> Style {
    match mark {
        Mark::Pass => GOOD,
        Mark::Fail => BAD,
        Mark::Inconclusive => UNSURE,
    }
}

fn mark(mark: Mark) -> String {
    styled(style_of(mark), format_args!("{:<4}", mark.word()))
}

fn write_failure(out: &mut String, failure: &Failure<'_>) -> fmt::Result {
    let Failure { plan, outcome, violation, .. } = failure;
    let scene = Scene::new(plan, &outcome.history);
    let (sign, word) = if failure.expected { ("✔", "CAUGHT") } else { ("✘", "FAIL") };
    let head = styled(if failure.expected { GOOD } else { BAD }, format_args!("{sign} {word}"));
    let flaws: Vec<&str> = plan.flaws.iter().map(|flaw| flaw.id()).collect();
    let with =
        if flaws.is_empty() { String::new() } else { format!("   with {}", flaws.join(", ")) };
    let name = styled(BOLD, violation.invariant.name());
    writeln!(out, "{head}  {}   seed {}{with}   {name}", plan.scenario, plan.seed)?;
    writeln!(out, "  {}", violation.message)?;
    if let Some(write) = violation.token.and_then(|token| scene.evidence().tell_write(token)) {
        writeln!(out, "  {write}")?;
    }
    writeln!(out)?;
    write_evidence(out, failure, &scene)?;
    let user = scene.evidence().user_of(violation.token, violation.node);
    if let (Some(id), Some(user)) = (violation.record, user) {
        let copies =
            scene.evidence().copies(user, id, &scene.evidence().fields_of(violation.token));
        write_copies(out, &id.to_string(), copies)?;
    }
    if let Some((user, of)) =
        violation.token.and_then(|token| scene.evidence().account_write(token))
    {
        write_copies(out, "the account", scene.evidence().accounts(user, &of))?;
    }
    write_others(out, &outcome.violations, violation)?;
    writeln!(out, "\n  reproduce: {}", styled(BOLD, &failure.again))?;
    if let Some(id) = violation.record {
        writeln!(out, "  focus:     {} --row {id}", failure.again)?;
    }
    if let Some(capsule) = &failure.capsule {
        writeln!(out, "  capsule:   {capsule}")?;
        if !violation.is_of_time() {
            writeln!(out, "  minimise:  seawall shrink {capsule}")?;
        }
        writeln!(out, "  why:       seawall explain {capsule}")?;
        writeln!(out, "  page:      seawall report {capsule}")?;
    }
    Ok(())
}

/// Where a record or an account was at the end, and as what; equal copies in one line.
fn write_copies(out: &mut String, what: &str, copies: Vec<(String, String)>) -> fmt::Result {
    let mut held: Vec<(String, Vec<String>)> = Vec::new();
    for (place, value) in copies {
        match held.iter_mut().find(|(known, _)| *known == value) {
            Some((_, places)) => places.push(place),
            None => held.push((value, vec![place])),
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  {what} at the end")?;
    let places = held.iter().map(|(_, places)| places.join(", "));
    let widest = places.map(|places| display_width(&places)).max().unwrap_or(0).min(WIDE);
    held.iter().try_for_each(|(value, places)| {
        writeln!(out, "    {}   {value}", fold::pad(&places.join(", "), widest))
    })
}

/// The facts that prove it; in the middle some are left out if there are many.
fn write_evidence(out: &mut String, failure: &Failure<'_>, scene: &Scene<'_>) -> fmt::Result {
    let history = &failure.outcome.history;
    let (proof, about) = (scene.proof(failure.violation), failure.violation.record);
    let cut = proof.len().saturating_sub(EVIDENCE);
    for (place, &index) in proof.iter().enumerate() {
        if cut > 0 && place == EVIDENCE / 2 {
            writeln!(out, "{:>11}  {}", "…", styled(DIM, format_args!("{cut} more facts")))?;
        }
        if cut > 0 && (EVIDENCE / 2..EVIDENCE / 2 + cut).contains(&place) {
            continue;
        }
        let last = place + 1 == proof.len();
        let note = if last { note(failure.violation, scene) } else { String::new() };
        write_fact(
            out,
            failure.plan.name(history[index].node),
            &history[index],
            scene,
            (about, &note),
        )?;
    }
    Ok(())
}

/// A run was written as a page: what it shows, and where it is.
fn write_paged(out: &mut String, paged: &Paged<'_>) -> fmt::Result {
    let plan = paged.story.plan;
    writeln!(out, "{} · seed {}", styled(BOLD, &plan.scenario), plan.seed)?;
    match paged.violation {
        None => writeln!(out, "{} all invariants hold", mark(Mark::Pass))?,
        Some(it) => writeln!(out, "{} {}: {}", mark(Mark::Fail), it.invariant.name(), it.message)?,
    }
    let what = format!("{}:", paged.what);
    writeln!(out, "\n  {what:<10} {} ({} kB)", paged.file, paged.bytes.div_ceil(1000))
}

fn note(violation: &Violation, scene: &Scene<'_>) -> String {
    let of = violation.token.filter(|token| *token != Token::NONE);
    let of = of.map_or(String::new(), |token| format!(", {}", scene.label(token)));
    format!("   ◀ {}{of}", violation.invariant.name())
}

fn write_fact(
    out: &mut String,
    lane: &str,
    entry: &Entry,
    scene: &Scene<'_>,
    (about, note): (Option<RecordId>, &str),
) -> fmt::Result {
    let note = if note.is_empty() { String::new() } else { styled(BAD, note) };
    let at = styled(DIM, format_args!("{:>11}", time(entry.at)));
    let lane = fold::pad(lane, LANE);
    writeln!(out, "{at}  {lane}   {}{note}", scene.tell(entry, about))
}

fn write_others(out: &mut String, all: &[Violation], told: &Violation) -> fmt::Result {
    let mut names: Vec<(&str, usize)> = Vec::new();
    for violation in all.iter().filter(|it| *it != told) {
        let name = violation.invariant.name();
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => *times += 1,
            None => names.push((name, 1)),
        }
    }
    if names.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = names.iter().map(|(name, n)| format!("{name} × {n}")).collect();
    writeln!(out, "  also violated   {}", names.join(" · "))
}

/// Pads cells to the widest of their column, and folds them where the table is too wide. Cells must
/// hold no colour.
fn table(
    out: &mut String,
    wide: usize,
    head: &[&str],
    rows: &[(Style, Vec<String>)],
) -> fmt::Result {
    const GAP: &str = "   ";
    let width = |column: usize| {
        let cells = rows.iter().map(|(_, row)| display_width(&row[column]));
        cells.chain([display_width(head[column])]).max().unwrap_or(0)
    };
    let mut widths: Vec<usize> = (0..head.len()).map(width).collect();
    let room = wide.saturating_sub(1 + GAP.len() * (head.len() - 1));
    let longest_word = |column: usize| {
        let cells = rows.iter().map(|(_, row)| row[column].as_str()).chain([head[column]]);
        let words = cells.flat_map(|cell| cell.split(' '));
        words.map(display_width).max().unwrap_or(0)
    };
    let least: Vec<usize> = (0..head.len()).map(longest_word).collect();
    fold::narrow(&mut widths, &least, room);
    if widths.iter().sum::<usize>() > room {
        return stack(out, head, rows);
    }
    let mut line = |cells: &mut dyn Iterator<Item = &str>, style: Style| {
        let cells: Vec<Vec<String>> =
            cells.zip(&widths).map(|(cell, width)| fold::words(cell, *width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        (0..height).try_for_each(|at| {
            let part = |(cell, width): (&Vec<String>, &usize)| {
                fold::pad(cell.get(at).map_or("", String::as_str), *width)
            };
            let padded: Vec<String> = cells.iter().zip(&widths).map(part).collect();
            writeln!(out, " {}", styled(style, padded.join(GAP).trim_end()))
        })
    };
    line(&mut head.iter().copied(), DIM)?;
    rows.iter().try_for_each(|(style, row)| line(&mut row.iter().map(String::as_str), *style))
}

/// A table for which there is no room: one line for each cell.
fn stack(out: &mut String, head: &[&str], rows: &[(Style, Vec<String>)]) -> fmt::Result {
    let widest = head.iter().map(|name| display_width(name)).max().unwrap_or(0);
    for (at, (style, row)) in rows.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        for (name, cell) in head.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
            let name = styled(DIM, fold::pad(name, widest));
            writeln!(out, " {name}   {}", styled(*style, cell))?;
        }
    }
    Ok(())
}

/// A share of one, short.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || percent >= 10.0 {
        format!("{percent:.0} %")
    } else if percent >= 1.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.2} %")
    }
}

fn write_story(out: &mut String, story: &Story<'_>) -> fmt::Result {
    let Story { plan, outcome, focus, .. } = story;
    let scene = Scene::new(plan, &outcome.history);
    let flaws: Vec<&str> = plan.flaws.iter().map(|flaw| flaw.id()).collect();
    let with =
        if flaws.is_empty() { String::new() } else { format!(" · with {}", flaws.join(", ")) };
    writeln!(out, "{} · seed {}{with}", styled(BOLD, &plan.scenario), plan.seed)?;
    writeln!(out, "{}\n", story.source)?;
    let (mut told, mut repeats) = (0, Repeats::default());
    let log = if story.log { &outcome.log[..] } else { &[] };
    let mut log = log.iter().filter(|line| focus.has_line(line)).peekable();
    for (index, entry) in outcome.history.iter().enumerate() {
        while let Some(line) = log.next_if(|line| line.after <= index) {
            write_line_of_log(out, plan.name(line.node), line)?;
        }
        let proves: Vec<&Violation> =
            outcome.violations.iter().filter(|it| it.evidence.last() == Some(&index)).collect();
        let late = focus.until.is_some_and(|until| entry.at > until);
        if late || (proves.is_empty() && !scene.is_told(entry, focus)) {
            continue;
        }
        let sentence = scene.tell(entry, focus.row);
        if !proves.is_empty() {
            repeats.end(out)?;
        } else if repeats.takes(out, (entry.at, entry.node, &sentence))? {
            continue;
        }
        told += 1;
        let note: String = proves.iter().map(|violation| note(violation, &scene)).collect();
        write_fact(out, plan.name(entry.node), entry, &scene, (focus.row, &note))?;
    }
    repeats.end(out)?;
    log.try_for_each(|line| write_line_of_log(out, plan.name(line.node), line))?;
    let left_out = outcome.history.len() - told;
    writeln!(out, "\n{told} of {} facts told, {left_out} left out.", outcome.history.len())?;
    writeln!(out, "digest {:032x}", outcome.digest())?;
    write_violations(out, &scene, story)?;
    excused::write_of_story(out, &story.excused, &story.path)?;
    write_promise(out, story)?;
    writeln!(out, "reproduce: {}", styled(BOLD, &story.again))
}

/// An event that a machine logged. An error is a fact, and told as one.
fn write_line_of_log(out: &mut String, lane: &str, line: &LogLine) -> fmt::Result {
    let LogLine { at, level, target, text, .. } = line;
    if *level == Level::ERROR {
        return Ok(());
    }
    let at = styled(DIM, format_args!("{:>11}", time(*at)));
    let said = styled(DIM, format_args!("{level:<5} {target}: {text}"));
    writeln!(out, "{at}  {}   {said}", fold::pad(lane, LANE))
}

fn write_violations(out: &mut String, scene: &Scene<'_>, story: &Story<'_>) -> fmt::Result {
    let violations = &story.outcome.violations;
    if violations.is_empty() {
        return writeln!(out, "{} all invariants hold", mark(Mark::Pass));
    }
    const SHOWN: usize = 8;
    let mut told = BTreeSet::new();
    for violation in violations.iter().take(SHOWN) {
        let name = violation.invariant.name();
        let at = time(violation.at);
        let place = story.plan.name(violation.node);
        writeln!(out, "{} {name} at {at} on {place}: {}", mark(Mark::Fail), violation.message)?;
        // Once is enough, however much is wrong about a write.
        let token = violation.token.filter(|token| told.insert(*token));
        if let Some(write) = token.and_then(|token| scene.evidence().tell_write(token)) {
            writeln!(out, "     {write}")?;
        }
    }
    match violations.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "     and {more} more"),
    }
}

/// Whether a capsule shows what it was kept for.
fn write_promise(out: &mut String, story: &Story<'_>) -> fmt::Result {
    let (Some((signature, _)), Some(likeness)) = (&story.promised, story.likeness()) else {
        return Ok(());
    };
    let (word, history) = match likeness {
        Likeness::Exact => ("reproduced", "the history is the recorded one"),
        Likeness::Similar => ("reproduced", "the history is another one"),
        Likeness::Different => ("not reproduced", "the history is another one"),
    };
    writeln!(out, "{word}: {signature}; {history}")
}

fn write_health(out: &mut String, checks: &[Check]) -> fmt::Result {
    for Check { what, mark: how, note } in checks {
        let padding = " ".repeat(Mark::Inconclusive.word().len() - how.word().len().max(4));
        writeln!(out, "{}{padding}  {what:<12}  {note}", mark(*how))?;
    }
    let content = checks.iter().all(|check| check.mark != Mark::Fail);
    let verdict =
        if content { "content: this machine and build can reproduce a run" } else { "not content" };
    writeln!(out, "\nThe doctor is {}.", styled(if content { GOOD } else { BAD }, verdict))
}

fn write_catalogue(out: &mut String, listed: &[Listed], width: usize) -> fmt::Result {
    let cells = |it: &Listed| {
        vec![
            it.name.clone(),
            it.seeds.to_string(),
            it.tags.join(" "),
            it.title.replace(char::is_control, "\u{fffd}"),
        ]
    };
    let rows: Vec<(Style, Vec<String>)> =
        listed.iter().map(|it| (Style::new(), cells(it))).collect();
    table(out, width, &["scenario", "seeds", "tags", "title"], &rows)
}

fn write_checked(out: &mut String, files: &[FileCheck]) -> fmt::Result {
    files.iter().try_for_each(|file| out.write_str(&file.text))?;
    let errors: usize = files.iter().map(|file| file.errors).sum();
    let warnings: usize = files.iter().map(|file| file.warnings).sum();
    let good = files.iter().filter(|file| file.errors == 0).count();
    let how = if errors == 0 { Mark::Pass } else { Mark::Fail };
    writeln!(
        out,
        "{} {}: {good} good, {}, {}",
        mark(how),
        count(files.len(), "file"),
        count(errors, "error"),
        count(warnings, "warning"),
    )
}
