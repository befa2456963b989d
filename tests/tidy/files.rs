//! Rules about files: each opens with its responsibility, is declared, and is of a sane size; the
//! engine depends on what was decided and no more.

use std::fs;

use crate::tidy::source::{Source, root, sources};

/// The most production lines of a file; tests, at its foot or in files of their own, do not count.
const MOST_LINES: usize = 500;

/// Files that may be longer, how long, and why. These numbers only ever fall.
const LONG: &[(&str, usize, &str)] = &[];

/// Names that say nothing.
const EMPTY_NAMES: &[&str] =
    &["common", "helper", "helpers", "manager", "misc", "mod", "types", "util", "utils"];

/// What the engine may depend on; CONTRIBUTING.md says what for.
const ENGINE_DEPENDENCIES: &[&str] = &[
    "blake3",
    "caseless",
    "chacha20poly1305",
    "diffy",
    "hex",
    "itoa",
    "jiff",
    "postcard",
    "rand_chacha",
    "rand_core",
    "serde",
    "smol_str",
    "tracing",
    "unicode-normalization",
    "xxhash-rust",
];

impl Source {
    /// What its header lacks.
    fn header_fault(&self) -> Option<&'static str> {
        let header = self.text.lines().take_while(|line| line.starts_with("//!")).count();
        match header {
            0 => Some("open with `//!` and say what this file is responsible for"),
            1..=10 => None,
            _ => Some("say it in ten lines of `//!`, or move it to docs/decisions/"),
        }
    }

    /// Lines before the tests at its foot.
    fn production_lines(&self) -> usize {
        self.text.lines().take_while(|line| *line != "#[cfg(test)]").count()
    }

    fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().expect("a path has a last part");
        name.strip_suffix(".rs").expect("it is a Rust source")
    }

    /// The files that may declare it as a module.
    fn parents(&self) -> Vec<String> {
        let (folder, _) = self.path.rsplit_once('/').expect("sources are in folders");
        vec![format!("{folder}.rs"), format!("{folder}/lib.rs"), format!("{folder}/main.rs")]
    }

    fn declares(&self, module: &str) -> bool {
        let declaration = format!("mod {module};");
        !self.lines_with_word(&declaration).is_empty()
    }
}

/// Folders in which each file is a program of its own.
const PROGRAMS: &[&str] = &["sim/harness/examples", "sim/harness/tests"];

fn is_declared(source: &Source, all: &[Source]) -> bool {
    let parents = source.parents();
    let is_program =
        PROGRAMS.iter().any(|folder| source.path == format!("{folder}/{}.rs", source.stem()));
    matches!(source.stem(), "lib" | "main")
        || is_program
        || all.iter().any(|it| parents.contains(&it.path) && it.declares(source.stem()))
}

fn size_fault(source: &Source, long: &[(&str, usize, &str)]) -> Option<String> {
    let lines = source.production_lines();
    let listed = long.iter().find(|(path, ..)| *path == source.path).map(|(_, most, _)| *most);
    match listed {
        None if lines > MOST_LINES => {
            Some(format!("has {lines} lines: split it, or list it with a reason"))
        }
        Some(most) if lines > most => Some(format!("has grown to {lines} lines: split it")),
        Some(_) if lines <= MOST_LINES => Some("is short: take it off the list".to_owned()),
        None | Some(_) => None,
    }
}

#[test]
fn every_file_opens_with_its_responsibility() {
    for source in sources() {
        assert_eq!(source.header_fault(), None, "{}", source.path);
    }
    assert!(Source::new("src/a.rs", "use b;").header_fault().is_some());
    assert!(Source::new("src/a.rs", &"//! Long.\n".repeat(11)).header_fault().is_some());
    assert_eq!(Source::new("src/a.rs", "//! Short.\n").header_fault(), None);
}

#[test]
fn no_module_is_forgotten() {
    let all = sources();
    for source in &all {
        assert!(is_declared(source, &all), "no `mod {};` for {}", source.stem(), source.path);
    }
    let orphan = Source::new("tests/orphan.rs", "");
    assert!(!is_declared(&orphan, &all), "a test that nobody runs");
}

#[test]
fn files_are_of_a_sane_size() {
    for source in sources().iter().filter(|source| !source.path.starts_with("tests/")) {
        assert_eq!(size_fault(source, LONG), None, "{}", source.path);
    }
    let long = Source::new("src/a.rs", &"x\n".repeat(MOST_LINES + 1));
    assert!(size_fault(&long, &[]).is_some());
    assert_eq!(size_fault(&long, &[("src/a.rs", MOST_LINES + 1, "a table")]), None);
    assert!(size_fault(&long, &[("src/a.rs", MOST_LINES, "a table")]).is_some());
    let short = Source::new("src/a.rs", &format!("x\n#[cfg(test)]\n{}", "y\n".repeat(MOST_LINES)));
    assert_eq!(size_fault(&short, &[]), None);
    assert!(size_fault(&short, &[("src/a.rs", 600, "a table")]).is_some());
}

#[test]
fn files_are_named_after_what_they_hold() {
    for source in sources() {
        assert!(!EMPTY_NAMES.contains(&source.stem()), "{}: name what is in it", source.path);
    }
}

#[test]
fn the_engine_depends_on_what_was_decided() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("it is being built");
    let manifest: toml::Table = manifest.parse().expect("cargo has read it");
    let names = |table: &str| -> Vec<String> {
        let table = manifest[table].as_table().expect("a table");
        table.keys().cloned().collect()
    };
    assert_eq!(names("dependencies"), ENGINE_DEPENDENCIES, "see CONTRIBUTING.md, Dependencies");
    assert_eq!(names("dev-dependencies"), ["proptest"]);
    assert!(!manifest["features"].as_table().expect("a table").contains_key("default"));
}
