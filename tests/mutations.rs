//! Scenario files as nobody would write them: each is refused with its problems, or can be run.
//!
//! `SEAWALL_MUTATIONS=10000 cargo test --release mutations` tries that number of files, and runs one in twenty
//! of that number of those that are accepted.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use harness::random::{Stream, Streams};
use sim::scenario;

use super::scenarios::files;

/// How many files are tried unless the environment says otherwise.
const USUAL: u64 = 400;

/// One in this number of accepted files is run.
const RUN_ONE_IN: u64 = 20;

/// How long one file may be read, and how long its run may take; a debug build is slower.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 200 } else { 20 });

/// The memory that a run may take, in kilobytes.
const MEMORY: &str = "1048576";

/// In place of a number.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "-1",
    "7",
    "100",
    "999999",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "0.000001",
    "1e308",
    "nan",
];

/// In place of any value.
const VALUES: &[&str] = &[
    "\"36500d\"",
    "\"1ms\"",
    "\"0s\"",
    "\"100%\"",
    "\"1..1000000\"",
    "\"-10y..+10y\"",
    "[]",
    "{}",
    "true",
    "\"\"",
    "[\"0s\", \"1s..10s\"]",
    "[[]]",
    "\"𝕊\\u0000\"",
];

/// The files that others are made of.
struct Sources(Vec<String>);

impl Sources {
    fn new() -> Self {
        let read = |path: &PathBuf| std::fs::read_to_string(path).expect("it is text");
        let small = |text: &String| text.len() < 60_000;
        Self(files("scenarios").iter().map(read).filter(small).collect())
    }

    /// A file with up to three changes, the same for the same number.
    fn mutated(&self, number: u64) -> Vec<u8> {
        let draws = &mut Streams::new(number).stream("mutation");
        let mut text = draws.pick(&self.0).clone();
        for _ in 0..=draws.below(3) {
            text = self.changed(&text, draws);
        }
        if draws.chance(50_000) {
            return flipped(text, draws);
        }
        text.into_bytes()
    }

    fn changed(&self, text: &str, draws: &mut Stream) -> String {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if lines.is_empty() {
            return text.to_owned();
        }
        let at = draws.below(lines.len() as u64) as usize;
        let to = draws.below(lines.len() as u64) as usize;
        match draws.below(10) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(to, lines[at].clone()),
            2 => lines.swap(at, to),
            3 => lines.insert(at, self.line(draws)),
            4 => lines.truncate(at),
            5 => lines[at] = word_replaced(&lines[at], &self.word(draws), draws),
            6 => lines[at] = key_renamed(&lines[at], &lines[to]),
            7 => lines[at] = nested(&lines[at], draws),
            8 => lines[at] = value_replaced(&lines[at], draws.pick::<&str>(VALUES)),
            _ => return number_replaced(text, draws),
        }
        lines.join("\n")
    }

    fn line(&self, draws: &mut Stream) -> String {
        let lines: Vec<&str> = draws.pick(&self.0).lines().collect();
        (*draws.pick(&lines)).to_owned()
    }

    fn word(&self, draws: &mut Stream) -> String {
        let line = self.line(draws);
        let words = words(&line);
        if words.is_empty() {
            "all".to_owned()
        } else {
            line[draws.pick(&words).clone()].to_owned()
        }
    }
}

/// Where the runs of such characters are in a text.
fn runs(text: &str, is_part: fn(char) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| is_part(*c)) {
        match found.last_mut() {
            Some(run) if run.end == at => run.end = at + c.len_utf8(),
            Some(_) | None => found.push(at..at + c.len_utf8()),
        }
    }
    found
}

fn words(line: &str) -> Vec<std::ops::Range<usize>> {
    runs(line, |c| c.is_ascii_alphabetic() || c == '-')
}

fn word_replaced(line: &str, word: &str, draws: &mut Stream) -> String {
    let mut line = line.to_owned();
    let words = words(&line);
    if !words.is_empty() {
        line.replace_range(draws.pick(&words).clone(), word);
    }
    line
}

fn number_replaced(text: &str, draws: &mut Stream) -> String {
    let mut text = text.to_owned();
    let numbers = runs(&text, |c| c.is_ascii_digit());
    if !numbers.is_empty() {
        text.replace_range(draws.pick(&numbers).clone(), draws.pick::<&str>(NUMBERS));
    }
    text
}

fn key_renamed(line: &str, other: &str) -> String {
    let (Some((_, value)), Some((key, _))) = (line.split_once('='), other.split_once('=')) else {
        return other.to_owned();
    };
    format!("{key}={value}")
}

fn value_replaced(line: &str, value: &str) -> String {
    line.split_once('=').map_or(value.to_owned(), |(key, _)| format!("{key}= {value}"))
}

fn nested(line: &str, draws: &mut Stream) -> String {
    let depth = 1 << draws.below(16);
    let (open, shut) = *draws.pick(&[("[", "]"), ("{ a = ", " }"), ("a.", "b")]);
    let key = line.split_once('=').map_or("x", |(key, _)| key);
    format!("{key}= {}{}", open.repeat(depth), shut.repeat(depth))
}

fn flipped(text: String, draws: &mut Stream) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    if !bytes.is_empty() {
        let at = draws.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << draws.below(8);
    }
    bytes
}

/// Is a file accepted? Its problems are rendered too.
fn is_accepted(number: u64, bytes: &[u8]) -> bool {
    let since = Instant::now();
    let read = scenario::read("mutated", "mutated.toml", bytes);
    let problems = read.as_ref().map_or_else(|problems| problems, |(_, warnings)| warnings);
    let rendered =
        scenario::render(problems, "mutated.toml", &String::from_utf8_lossy(bytes), false);
    assert!(read.is_ok() || !rendered.is_empty(), "file {number} is refused without a reason");
    assert!(since.elapsed() < PATIENCE, "file {number} takes {:?} to be read", since.elapsed());
    read.is_ok()
}

/// What one seed of a file comes to: nothing to complain of, or what is wrong.
fn trouble(file: &Path) -> Option<String> {
    // `timeout` ends what hangs, and the shell's limit what takes too much memory.
    let run = "ulimit -v $1; exec timeout $2 $3 sweep --seeds 1 -j 1 --no-shrink --format jsonl --out $4 $5";
    let mut command = Command::new("sh");
    command.args(["-c", run, "sh", MEMORY, &PATIENCE.as_secs().to_string()]);
    command.args([
        env!("CARGO_BIN_EXE_seawall").as_ref(),
        file.with_extension("out").as_path(),
        file,
    ]);
    let output = command.output().expect("there is a shell");
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    // A file may expect what does not come true; it is no reason to panic, nor to go on for ever.
    let is_broken = ["run-ends", "nothing-panics"]
        .iter()
        .any(|it| out.contains(&format!("\"invariant\":\"{it}\"")));
    let has_ended_well = matches!(output.status.code(), Some(0 | 1 | 3)) && !is_broken;
    (!has_ended_well).then(|| format!("{}: {err}{out}", output.status))
}

#[cfg(unix)]
#[test]
fn a_mutated_file_is_refused_or_can_be_run() {
    let count =
        std::env::var("SEAWALL_MUTATIONS").map_or(USUAL, |it| it.parse().expect("a number"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mutations");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder for tests takes folders");
    let sources = Sources::new();
    let mut accepted = 0;
    let mut wrong = Vec::new();
    for number in 0..count {
        let bytes = sources.mutated(number);
        if !is_accepted(number, &bytes) {
            continue;
        }
        accepted += 1;
        if accepted * RUN_ONE_IN > count {
            continue;
        }
        let file = folder.join(format!("{number}.toml"));
        std::fs::write(&file, bytes).expect("the file can be written");
        match trouble(&file) {
            Some(trouble) => wrong.push(format!("{}: {trouble}", file.display())),
            None => std::fs::remove_file(&file).expect("it is there"),
        }
    }
    assert!(accepted * RUN_ONE_IN >= count, "only {accepted} of {count} files are accepted");
    assert!(wrong.is_empty(), "{} of them cannot be run:\n{}", wrong.len(), wrong.join("\n"));
}
