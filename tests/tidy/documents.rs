//! Rules about documents: they name only what exists, say what is declared, and are written in plain words.

use std::fmt::Write as _;
use std::fs;

use sim::plan::expectation::{Aspect, Form, SubjectKind};
use sim::scenario::Verb;

use crate::tidy::source::root;

/// The documents at the root. Those in [`FOLDER`] are found.
const DOCUMENTS: &[&str] =
    &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "sim/harness/README.md"];

/// The folder of all other documents, at any depth.
const FOLDER: &str = "docs";

/// The folder of all scenarios, whose stories and comments are read like documents.
const SCENARIOS: &str = "scenarios";

/// Pages that are read as a whole, and the most lines that they may have.
const SHORT: &[(&str, usize)] = &[("README.md", 150), ("ARCHITECTURE.md", 150)];

/// Documents that tell of the past in its own words.
const HISTORY: &[&str] = &["CHANGELOG.md"];

/// Words that are not written, and what is written instead.
const BANNED: &[(&str, &str)] = &[
    ("whoever", "name who it is"),
    ("somebody", "name who it is"),
    ("anew", "again"),
    ("heed", "follow, or obey"),
    ("heeds", "follows, or obeys"),
    ("befall", "happen to"),
    ("befalls", "happens to"),
    ("how-manieth", "the count, or the ordinal"),
    ("goes round", "name what happens"),
    ("is told", "receives, or is shown"),
    ("at the most", "at most, before the number"),
    ("bookkeeping", "what was changed"),
    ("parted", "nondeterministic, or differs"),
    ("so many", "the number, or a count"),
];

/// The files of a folder with this ending, at any depth.
fn files_of(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).expect("the folder exists") {
            let entry = entry.expect("it can be listed");
            let path = format!("{folder}/{}", entry.file_name().to_str().expect("names are ASCII"));
            if entry.path().is_dir() {
                folders.push(path);
            } else if path.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The documents, by path.
fn documents() -> Vec<String> {
    let mut found: Vec<String> = DOCUMENTS.iter().map(|&path| path.to_owned()).collect();
    found.extend(files_of(FOLDER, ".md"));
    found.sort();
    found
}

fn text_of(document: &str) -> String {
    fs::read_to_string(root().join(document)).expect("documents are UTF-8")
}

/// The lines of prose, from 1: what is not fenced off as an example.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(nth, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((nth + 1, line))
    })
}

/// The paths that a document names in backticks, with the line.
fn paths_named(text: &str) -> Vec<(usize, String)> {
    let tops = [
        "src/",
        "sim/",
        "tests/",
        "scenarios/",
        "snapshots/",
        "bench/",
        "docs/",
        ".ci/",
        ".cargo/",
    ];
    let mut named = Vec::new();
    for (nth, line) in prose(text) {
        for span in line.split('`').skip(1).step_by(2) {
            let is_path = tops.iter().any(|top| span.starts_with(top))
                || (span.ends_with(".md") || span.ends_with(".toml")) && !span.contains(' ');
            let is_pattern = span.contains(|c: char| " *<>…{".contains(c));
            if is_path && !is_pattern {
                named.push((nth, span.trim_end_matches('/').to_owned()));
            }
        }
    }
    named
}

/// The banned words of a document, with the line and what to write instead. An example, or a name in
/// backticks, may have any words.
fn banned_words(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    // A phrase may be broken over two lines.
    let lines: Vec<(usize, String)> = prose(text)
        .map(|(nth, line)| {
            let said: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" _ ");
            let letters = |c: char| if c.is_alphanumeric() || "-_".contains(c) { c } else { ' ' };
            let words: String = said.to_lowercase().chars().map(letters).collect();
            (nth, words.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect();
    let mut found = Vec::new();
    for (at, (nth, line)) in lines.iter().enumerate() {
        let next = lines.get(at + 1).map_or("", |(_, next)| next);
        let both = format!(" {line} {next} ");
        for (word, instead) in BANNED {
            let padded = format!(" {word} ");
            // What lies within the next line alone is found there.
            if both.match_indices(&padded).any(|(start, _)| start <= line.len()) {
                found.push((*nth, *word, *instead));
            }
        }
    }
    found
}

#[test]
fn documents_name_only_paths_that_exist() {
    for document in documents() {
        for (line, path) in paths_named(&text_of(&document)) {
            assert!(root().join(&path).exists(), "{document}:{line}: `{path}` does not exist");
        }
    }
    let sample =
        "See `src/view.rs`, `sim/src/`, `a b`.\n```\n`src/not.rs`\n```\n`src/x/*.rs` `C.md`";
    let found: Vec<_> = paths_named(sample).into_iter().map(|(_, path)| path).collect();
    assert_eq!(found, ["src/view.rs", "sim/src", "C.md"]);
}

#[test]
fn documents_and_scenarios_are_written_in_plain_words() {
    let mut complaints = Vec::new();
    let read = documents().into_iter().chain(files_of(SCENARIOS, ".toml"));
    for document in &read.filter(|it| !HISTORY.contains(&it.as_str())).collect::<Vec<_>>() {
        for (line, word, instead) in banned_words(&text_of(document)) {
            complaints.push(format!("{document}:{line}: \"{word}\": write {instead}"));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn a_banned_word_is_found_whole_and_over_a_line_break() {
    let sample =
        "Whoever comes.\nIt is sent\nanew, ten at\nthe most.\n```\nsomebody\n```\nUnheeded.";
    let found: Vec<_> = banned_words(sample).into_iter().map(|(at, word, _)| (at, word)).collect();
    assert_eq!(found, [(1, "whoever"), (3, "anew"), (3, "at the most")]);
}

/// The verbs that are no faults, as rows of a table.
fn operations() -> String {
    let mut table = "| `do` | who | keys | what happens |\n|---|---|---|---|\n".to_owned();
    for verb in Verb::all().filter(|verb| verb.begins().is_none() && verb.ends().is_none()) {
        let (name, who, meaning) = (verb.name(), who(verb), verb.meaning());
        let _ = writeln!(table, "| `{name}` | {who} | {} | {meaning} |", keys(verb));
    }
    table
}

/// The faults, as rows of a table.
fn faults() -> String {
    let mut table =
        "| `do` | who | keys | ended by | what happens |\n|---|---|---|---|---|\n".to_owned();
    for verb in Verb::all() {
        let Some(kind) = verb.begins() else { continue };
        let ended_by = kind.declaration().ended_by();
        let ended_by = ended_by.map_or("–".to_owned(), |verb| format!("`{verb}`"));
        let (name, who, meaning) = (verb.name(), who(verb), verb.meaning());
        let _ = writeln!(table, "| `{name}` | {who} | {} | {ended_by} | {meaning} |", keys(verb));
    }
    table
}

/// What a line of `at-end` can be about, and what it can say of that, as rows of a table.
fn expectations() -> String {
    let mut table = "| about | says | on | what it is |\n|---|---|---|---|\n".to_owned();
    for kind in SubjectKind::ALL {
        let about = kind.declaration();
        let quoted = |keys: Vec<&str>| {
            let keys: Vec<String> = keys.into_iter().map(|key| format!("`{key}`")).collect();
            if keys.is_empty() { "–".to_owned() } else { keys.join(", ") }
        };
        let named = quoted(about.keys.iter().map(|(key, _)| *key).collect());
        let said = quoted(kind.aspects().flat_map(Aspect::keys).collect());
        let on: Vec<&str> = about.shown_by.iter().map(|it| it.plural()).collect();
        let (on, meaning) = (on.join(", "), about.meaning);
        let _ = writeln!(table, "| {named} | {said} | {on} | {meaning} |");
    }
    table
}

/// What can be said of it, as rows of a table.
fn aspects() -> String {
    let mut table = "| key | value | what it says |\n|---|---|---|\n".to_owned();
    for aspect in Aspect::ALL {
        let declared = aspect.declaration();
        let keys: Vec<String> = aspect.keys().map(|key| format!("`{key}`")).collect();
        let value = match declared.form {
            Form::Value => "a value, or `empty = true`".to_owned(),
            Form::Flag => "`true` or `false`, or `gone = true`".to_owned(),
            Form::Count(_) => "a number, or a range as `\"1..3\"`".to_owned(),
            Form::Size => "a size, or a range as `\"2KB..3KB\"`".to_owned(),
            Form::Word(words) => {
                words.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", ")
            }
        };
        let _ = writeln!(table, "| {} | {value} | {} |", keys.join(", "), declared.meaning);
    }
    table
}

fn who(verb: Verb) -> &'static str {
    verb.who().key().unwrap_or("–")
}

fn keys(verb: Verb) -> String {
    let needs = verb.needs().into_iter().map(|key| format!("`{key}`"));
    let takes = verb.takes().into_iter().map(|key| format!("[`{key}`]"));
    let keys: Vec<String> = needs.chain(takes).collect();
    if keys.is_empty() { "–".to_owned() } else { keys.join(", ") }
}

/// A page with this table in the place of the one that begins with the same line.
fn with_table(page: &str, table: &str) -> String {
    let head = table.lines().next().expect("a table has a head");
    let start = page.find(&format!("{head}\n")).expect("the page has this table");
    let rows = page[start..].lines().take_while(|line| line.starts_with('|'));
    let end = start + rows.map(|row| row.len() + 1).sum::<usize>();
    format!("{}{table}{}", &page[..start], &page[end..])
}

#[test]
fn the_page_on_scenarios_has_every_verb_and_expectation_as_it_is_declared() {
    let path = root().join("docs/scenarios.md");
    let page = text_of("docs/scenarios.md");
    let tables = [operations(), faults(), expectations(), aspects()];
    let declared = tables.iter().fold(page.clone(), |page, table| with_table(&page, table));
    if std::env::var_os("SEAWALL_BLESS").is_some_and(|value| value == "1") {
        fs::write(&path, &declared).expect("it can be written");
        return;
    }
    let row = declared.lines().zip(page.lines()).find(|(declared, row)| declared != row);
    assert!(
        declared == page,
        "docs/scenarios.md differs from what is declared: {row:?}\n\
         Write it with `SEAWALL_BLESS=1 cargo test tidy`."
    );
}

#[test]
fn pages_that_are_read_as_a_whole_are_short() {
    for &(document, most) in SHORT {
        let lines = text_of(document).lines().count();
        assert!(lines <= most, "{document} has {lines} lines: at most {most} are read");
    }
}

#[test]
fn a_table_takes_the_place_of_the_one_with_the_same_head() {
    let page = "text\n| a |\n|---|\n| old |\n\n| b |\n";
    assert_eq!(with_table(page, "| a |\n|---|\n"), "text\n| a |\n|---|\n\n| b |\n");
}
