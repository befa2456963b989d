//! Text to scenario. Walks the parsed document itself and reports every problem, not the first.
//!
//! Strict: what is not understood is an error and never ignored. A value that could not be read is
//! replaced by a harmless one so that reading goes on; a scenario is handed out only if there was
//! no error at all.

mod arguments;
mod capsule;
mod chance;
mod conversation;
mod expect;
mod expectation;
mod fault;
mod file;
mod heal;
mod hosts;
mod names;
mod operation;
mod parameters;
mod path;
mod pipeline;
mod sections;
mod server;
mod step;
mod table;
mod targets;
mod values;
mod weights;
mod when;

use harness::time::Span;
use toml::de::DeTable;

use self::table::{Reader, Table};
use super::problem::{Code, Problem};
use super::words::{HEADINGS, Parameter};
use super::{About, Choice, Expected, Scenario, Unit, check};
use crate::plan::Limits;

/// No scenario that people write is larger than this many bytes.
const MAX_BYTES: usize = 4_000_000;

/// No printed plan is larger than this many bytes: an hour of `everyday` has some three million.
pub const MAX_PRINTED_BYTES: usize = 64_000_000;

/// How many bytes a file may have that begins like this: a printed plan says what it is in its first lines.
pub fn most_bytes(beginning: &[u8]) -> usize {
    const HEADING: &[u8] = b"\n[capsule]\n";
    let first = &beginning[..beginning.len().min(MAX_BYTES)];
    let is_printed = first.windows(HEADING.len()).any(|window| window == HEADING);
    if is_printed { MAX_PRINTED_BYTES } else { MAX_BYTES }
}

/// Reads a scenario and its warnings, or all that is wrong with it, sorted by place.
pub fn read(
    name: &str,
    path_shown: &str,
    bytes: &[u8],
) -> Result<(Scenario, Vec<Problem>), Vec<Problem>> {
    let text = text_of(path_shown, bytes).map_err(|problem| vec![*problem])?;
    let (document, syntax) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(text);
    for error in &syntax {
        reader.syntax(error);
    }
    let mut scenario = blank(name);
    let mut root = Table::new(&mut reader, &document, "this file");
    sections::read(&mut reader, &mut root, &mut scenario);
    root.finish_headings(&mut reader, HEADINGS);
    let is_right = !reader.problems.has_errors();
    let mut problems = reader.problems.into_vec(text);
    if is_right {
        problems.extend(check::check(&scenario, text));
    }
    problems.sort_by_key(|problem| (problem.span.start, problem.code));
    if problems.iter().any(|problem| problem.is_error()) {
        Err(problems)
    } else {
        Ok((scenario, problems))
    }
}

fn text_of<'t>(path_shown: &str, bytes: &'t [u8]) -> Result<&'t str, Box<Problem>> {
    let fail = |code, message: String, help: &str| {
        Err(Box::new(Problem::new(code, "", 0..0, message).help(help)))
    };
    let most = most_bytes(bytes);
    if bytes.len() > most {
        let has = bytes.len();
        let message =
            format!("{path_shown} has at least {has} bytes, and such a file {most} at most");
        return fail(Code::TooLarge, message, "is this really a scenario file?");
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        let message = format!("{path_shown} is not a text in UTF-8");
        return fail(Code::NotText, message, "save it as UTF-8, without a byte order mark");
    };
    if text.trim().is_empty() {
        let message = format!("{path_shown} is empty");
        return fail(
            Code::Empty,
            message,
            "a scenario needs at least the headings [remotes], [devices], and [script] or [mix]",
        );
    }
    if let Some(at) = text.find('\0') {
        let message = format!("{path_shown} is a binary file");
        let problem = Problem::new(Code::NotText, text, at..at + 1, message);
        return Err(Box::new(problem.help("a scenario is a text file in TOML")));
    }
    Ok(text)
}

fn blank(name: &str) -> Scenario {
    let settings = Parameter::ALL
        .iter()
        .map(|parameter| {
            let unit: Unit = parameter.unit();
            Choice(vec![unit.parse(parameter.default()).expect("the defaults are well written")])
        })
        .collect();
    Scenario {
        name: name.to_owned(),
        about: About::default(),
        seeds: 20,
        expected: Expected::default(),
        capsule: None,
        fixed: None,
        users: Vec::new(),
        remotes: Vec::new(),
        devices: Vec::new(),
        server: None,
        processors: Vec::new(),
        given_talks: Vec::new(),
        given: Vec::new(),
        make: Vec::new(),
        settings,
        mix: None,
        trouble: Vec::new(),
        script: Vec::new(),
        lasts: Span::ZERO,
        limits: Limits::default(),
    }
}
