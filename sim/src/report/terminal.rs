//! For people at a terminal. Colours are always written and are taken out again on the way to
//! anything that does not show them; so nothing is said by colour alone.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use engine::id::Token;

use crate::history::Entry;
use crate::invariant::Violation;
use crate::report::story::{Scene, count, time};
use crate::report::{
    Beast, Bug, Catches, Check, Demand, Failure, FileCheck, Line, Listed, Mark, Met, Parted, Row,
    Shrunk, Size, Story, Sweep, Told, Zoo, wilson,
};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const UNSURE: Style = AnsiColor::Yellow.on_default().bold();

/// How many facts of its evidence a failure shows.
const EVIDENCE: usize = 14;

/// Renders what there is to tell.
pub fn render(told: &Told<'_>) -> String {
    let mut text = String::new();
    let written = match told {
        Told::Failure(failure) => write_failure(&mut text, failure),
        Told::Parted(parted) => write_parted(&mut text, parted),
        Told::Lines(lines) => write_lines(&mut text, lines),
        Told::Sweep(sweep) => write_sweep(&mut text, sweep),
        Told::Story(story) => write_story(&mut text, story),
        Told::Shrunk(shrunk) => write_shrunk(&mut text, shrunk),
        Told::Zoo(zoo) => write_zoo(&mut text, zoo),
        Told::Health(checks) => write_health(&mut text, checks),
        Told::Catalogue(listed) => write_catalogue(&mut text, listed),
        Told::Checked(files) => write_checked(&mut text, files),
    };
    written.expect("a string takes whatever is written to it");
    text
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
    if let Some(write) = violation.token.and_then(|token| scene.tell_write(token)) {
        writeln!(out, "  {write}")?;
    }
    writeln!(out)?;
    write_evidence(out, failure, &scene)?;
    let user = scene.user_of(violation.token, violation.node);
    if let (Some(id), Some(user)) = (violation.record, user) {
        let copies = scene.copies(user, id).into_iter();
        let copies: Vec<String> = copies.map(|(place, held)| format!("{place}: {held}")).collect();
        if !copies.is_empty() {
            writeln!(out, "  {id} at the end   {}", copies.join(" · "))?;
        }
    }
    write_others(out, &outcome.violations, violation)?;
    writeln!(out, "\n  again:   {}", styled(BOLD, &failure.again))?;
    if let Some(id) = violation.record {
        writeln!(out, "  closer:  {} --row {id}", failure.again)?;
    }
    if let Some(capsule) = &failure.capsule {
        writeln!(out, "  kept:    {capsule}")?;
        writeln!(out, "  smaller: seawall shrink {capsule}")?;
    }
    Ok(())
}

/// The facts that prove it; in the middle some are left out if there are many.
fn write_evidence(out: &mut String, failure: &Failure<'_>, scene: &Scene<'_>) -> fmt::Result {
    let history = &failure.outcome.history;
    let proof = evidence(failure, scene);
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
        write_fact(out, failure.plan.name(history[index].node), &history[index], scene, &note)?;
    }
    Ok(())
}

/// What proves a violation. A judge that names nothing leaves the last facts about the record.
fn evidence(failure: &Failure<'_>, scene: &Scene<'_>) -> Vec<usize> {
    let Failure { outcome, violation, .. } = failure;
    let history = &outcome.history;
    let mut proof: Vec<usize> =
        violation.evidence.iter().copied().filter(|&index| index < history.len()).collect();
    if proof.is_empty()
        && let Some(record) = violation.record
    {
        let about = |index: &usize| {
            history[*index].at <= violation.at && scene.is_about(&history[*index], record)
        };
        proof = (0..history.len()).filter(about).collect();
        proof.drain(..proof.len().saturating_sub(EVIDENCE));
    }
    if let Some(write) = violation.token.and_then(|token| scene.write(token))
        && !proof.contains(&write.index)
    {
        proof.insert(0, write.index);
    }
    proof
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
    note: &str,
) -> fmt::Result {
    let note = if note.is_empty() { String::new() } else { styled(BAD, note) };
    let at = styled(DIM, format_args!("{:>11}", time(entry.at)));
    writeln!(out, "{at}  {lane:<10}  {}{note}", scene.tell(entry))
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

fn write_parted(out: &mut String, parted: &Parted<'_>) -> fmt::Result {
    let Parted { scenario, seed, parting, again } = parted;
    let head = styled(BAD, "✘ NOT DETERMINISTIC");
    writeln!(out, "{head}  {scenario}   seed {seed}   runs-are-deterministic")?;
    let at = time(parting.at);
    writeln!(out, "  Two runs of one plan part at fact {}, at {at}:", parting.index)?;
    for (run, fact) in ["first", "second"].iter().zip(&parting.facts) {
        writeln!(out, "    {run:<6}  {}", fact.as_deref().unwrap_or("(its history has ended)"))?;
    }
    writeln!(out, "\n  again:   {}", styled(BOLD, again))
}

/// Pads cells to the widest of their column. Cells must hold no colour.
fn table(out: &mut String, head: &[&str], rows: &[(Style, Vec<String>)]) -> fmt::Result {
    let width = |column: usize| {
        let cells = rows.iter().map(|(_, row)| row[column].chars().count());
        cells.chain([head[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut line = |cells: &mut dyn Iterator<Item = &str>, style: Style| {
        let padded: Vec<String> =
            cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, " {}", styled(style, padded.join("   ").trim_end()))
    };
    line(&mut head.iter().copied(), DIM)?;
    rows.iter().try_for_each(|(style, row)| line(&mut row.iter().map(String::as_str), *style))
}

fn write_lines(out: &mut String, lines: &[Line]) -> fmt::Result {
    let rows: Vec<(Style, Vec<String>)> = lines
        .iter()
        .map(|line| {
            let Line { scenario, of, expected, found, seeds, mark, .. } = line;
            let seeds = seeds.to_string();
            let cells = [mark.word(), scenario, of, expected, found, &seeds];
            let style = if *mark == Mark::Pass { Style::new() } else { style_of(*mark) };
            (style, cells.map(str::to_owned).to_vec())
        })
        .collect();
    table(out, &["verdict", "scenario", "of", "expected", "found", "seeds"], &rows)?;
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

fn write_sweep(out: &mut String, sweep: &Sweep) -> fmt::Result {
    writeln!(out, "SWEEP   stopped: {}   build {}\n", sweep.stopped, sweep.build)?;
    let rows: Vec<(Style, Vec<String>)> = sweep.rows.iter().map(sweep_row).collect();
    let head =
        ["scenario", "seeds", "pass", "fail", "bugs", "fault-free", "fails in", "slowest seed"];
    table(out, &head, &rows)?;
    write_demands(out, &sweep.rows)?;
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
    let slowest =
        row.slowest.map_or("–".to_owned(), |(seed, took)| format!("{seed} ({})", ms(took)));
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

fn ms(took: Duration) -> String {
    if took < Duration::from_secs(2) {
        format!("{:.1} ms", took.as_secs_f64() * 1e3)
    } else {
        format!("{:.1} s", took.as_secs_f64())
    }
}

fn write_demands(out: &mut String, rows: &[Row]) -> fmt::Result {
    let demands: Vec<(Style, Vec<String>)> =
        rows.iter().flat_map(|row| row.demands.iter().map(|it| demand(row, it))).collect();
    if demands.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    table(out, &["scenario", "must happen", "measured", "demanded", ""], &demands)
}

fn demand(row: &Row, demand: &Demand) -> (Style, Vec<String>) {
    let (style, met) = match demand.met {
        Met::Yes => (Style::new(), "reached"),
        Met::TooFewSeeds => (UNSURE, "below, but too few seeds to tell"),
        Met::No => (BAD, "NOT REACHED"),
    };
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
    wrap(out, "   ", &missing)
}

/// Words with commas between them, in lines of a readable length.
fn wrap(out: &mut String, indent: &str, words: &[&str]) -> fmt::Result {
    const WIDTH: usize = 96;
    let mut line = String::new();
    for (at, word) in words.iter().enumerate() {
        let comma = if at + 1 < words.len() { "," } else { "." };
        if !line.is_empty() && line.len() + word.len() + 2 > WIDTH {
            writeln!(out, "{indent}{line}")?;
            line.clear();
        }
        let space = if line.is_empty() { "" } else { " " };
        line = format!("{line}{space}{word}{comma}");
    }
    writeln!(out, "{indent}{line}")
}

fn write_bug(out: &mut String, number: usize, bug: &Bug) -> fmt::Result {
    let head = styled(BAD, format_args!("BUG {number}"));
    writeln!(
        out,
        "\n {head}  {}   first in {}, seen in {}",
        bug.signature,
        bug.scenario,
        count(bug.seeds as usize, "seed")
    )?;
    writeln!(out, "   {}", bug.message)?;
    for example in &bug.examples {
        writeln!(out, "   again:   {}", styled(BOLD, example))?;
    }
    if let Some(capsule) = &bug.capsule {
        writeln!(out, "   kept:    {capsule}")?;
    }
    if let Some(shrunk) = &bug.shrunk {
        writeln!(out, "   shrunk:  seawall replay {}", shrunk.file)?;
        writeln!(out, "            {}", change(shrunk))?;
    }
    Ok(())
}

fn write_twice(out: &mut String, sweep: &Sweep) -> fmt::Result {
    let Sweep { twice, parted, .. } = sweep;
    match parted {
        0 => writeln!(out, " {} run twice: the same digests.", count(*twice as usize, "seed")),
        _ => writeln!(out, " {twice} seeds run twice: in {parted} the runs parted."),
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
    if seeds < 3 {
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
    let took = sweep.took.as_secs_f64().max(0.001);
    let simulated = sweep.simulated_ms as f64 / 1e3;
    let speed = sweep.cpu.filter(|cpu| cpu.as_secs_f64() > 0.05).map_or(String::new(), |cpu| {
        format!(", {:.0} per CPU-second", seeds as f64 / cpu.as_secs_f64())
    });
    writeln!(
        out,
        " {seeds} seeds in {took:.1} s: {:.0} per second{speed}; simulated {:.0} h, {:.0} × real time.",
        seeds as f64 / took,
        simulated / 3600.0,
        simulated / took,
    )
}

fn write_story(out: &mut String, story: &Story<'_>) -> fmt::Result {
    let Story { plan, outcome, focus, .. } = story;
    let scene = Scene::new(plan, &outcome.history);
    let flaws: Vec<&str> = plan.flaws.iter().map(|flaw| flaw.id()).collect();
    let with =
        if flaws.is_empty() { String::new() } else { format!(" · with {}", flaws.join(", ")) };
    writeln!(out, "{} · seed {}{with}", styled(BOLD, &plan.scenario), plan.seed)?;
    writeln!(out, "{}\n", story.source)?;
    let mut told = 0;
    for (index, entry) in outcome.history.iter().enumerate() {
        let proves: Vec<&Violation> =
            outcome.violations.iter().filter(|it| it.evidence.last() == Some(&index)).collect();
        let late = focus.until.is_some_and(|until| entry.at > until);
        if late || (proves.is_empty() && !scene.is_told(entry, focus)) {
            continue;
        }
        told += 1;
        let note: String = proves.iter().map(|violation| note(violation, &scene)).collect();
        write_fact(out, plan.name(entry.node), entry, &scene, &note)?;
    }
    let left_out = outcome.history.len() - told;
    writeln!(out, "\n{told} of {} facts told, {left_out} left out.", outcome.history.len())?;
    writeln!(out, "digest {:032x}", outcome.digest)?;
    write_violations(out, &scene, story)?;
    write_promise(out, story)?;
    writeln!(out, "again:   {}", styled(BOLD, &story.again))
}

fn write_violations(out: &mut String, scene: &Scene<'_>, story: &Story<'_>) -> fmt::Result {
    let violations = &story.outcome.violations;
    if violations.is_empty() {
        return writeln!(out, "{} all invariants hold", mark(Mark::Pass));
    }
    const SHOWN: usize = 8;
    for violation in violations.iter().take(SHOWN) {
        let name = violation.invariant.name();
        let at = time(violation.at);
        let place = story.plan.name(violation.node);
        writeln!(out, "{} {name} at {at} on {place}: {}", mark(Mark::Fail), violation.message)?;
        if let Some(write) = violation.token.and_then(|token| scene.tell_write(token)) {
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
    let Some((signature, digest)) = &story.promised else {
        return Ok(());
    };
    let word = if signature.is_in(story.outcome) { "reproduced" } else { "not reproduced" };
    let same = format!("{:032x}", story.outcome.digest) == *digest;
    let same = if same { "the history is the recorded one" } else { "the history is another one" };
    writeln!(out, "{word}: {signature}; {same}")
}

fn write_shrunk(out: &mut String, shrunk: &Shrunk) -> fmt::Result {
    writeln!(out, "{}   {}", styled(BOLD, "SHRUNK"), shrunk.signature)?;
    writeln!(out, "  {}", change(shrunk))?;
    let proof = match (shrunk.minimal, shrunk.cut_short) {
        (true, _) => "1-minimal: removing any one of its steps passes (each was tried)".to_owned(),
        (false, Some(why)) => format!("not minimal yet: stopped by {why}; run it again to go on"),
        (false, None) => "not minimal".to_owned(),
    };
    writeln!(out, "  {proof}; {} plans were run", shrunk.tries)?;
    writeln!(out, "  again:   {}", styled(BOLD, format_args!("seawall replay {}", shrunk.file)))
}

fn change(shrunk: &Shrunk) -> String {
    let Shrunk { before, after, .. } = shrunk;
    format!(
        "{} → {} steps, {} → {} faults, {} → {} devices, {} → {} given records, {} → {} messages",
        before.steps,
        after.steps,
        before.faults,
        after.faults,
        before.devices,
        after.devices,
        before.given,
        after.given,
        before.messages,
        after.messages,
    )
}

/// The kill matrix, as the Markdown that the repository keeps.
fn write_zoo(out: &mut String, zoo: &Zoo) -> fmt::Result {
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
         - *first, median, p95*: seeds to a catch. The seeds between one catch and the next are \
         disjoint windows; median and 95th percentile are taken over them.\n\
         - *by*: in how many seeds each judge found something, named for it or not.\n\
         - *smallest*: one caught plan, shrunk; it must pass with the flaw off.\n",
        zoo.enough,
    )?;
    writeln!(
        out,
        "| flaw | named judges | caught | first | median | p95 | by | scenarios that name it | smallest |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
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
        "| {} | {} | {} | {first} | {median} | {p95} | {} | {} | {smallest} |",
        beast.flaw.id(),
        named.join(", "),
        caught(&beast.general),
        if by.is_empty() { "nobody".to_owned() } else { by.join(", ") },
        beast.named.as_ref().map_or("–".to_owned(), caught),
    )
}

fn caught(catches: &Catches) -> String {
    let (hits, of) = (catches.at.len() as u64, catches.seeds);
    let (low, high) = wilson(hits, of);
    format!("{hits} of {of} ({}–{})", percent(low), percent(high))
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

fn write_catalogue(out: &mut String, listed: &[Listed]) -> fmt::Result {
    let cells = |it: &Listed| {
        vec![it.name.clone(), it.seeds.to_string(), it.tags.join(" "), it.title.clone()]
    };
    let rows: Vec<(Style, Vec<String>)> =
        listed.iter().map(|it| (Style::new(), cells(it))).collect();
    table(out, &["scenario", "seeds", "tags", "title"], &rows)
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
