//! Reading the tree: sources with their comments and strings blanked, and what they name.

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust source.
pub(super) struct Source {
    /// From the root of the workspace.
    pub(super) path: String,
    /// As it stands.
    pub(super) text: String,
    /// The same with comments, and the insides of strings, replaced by spaces.
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: blanked(text) }
    }

    /// Is it this module or inside of it? `sim/src/report` covers the file and the folder.
    pub(super) fn is_within(&self, place: &str) -> bool {
        let rest = self.path.strip_prefix(place);
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    }

    /// The lines of code, from 1, that have this word.
    pub(super) fn lines_with_word(&self, word: &str) -> Vec<(usize, String)> {
        let found =
            self.code.match_indices(word).filter(|(at, _)| stands_alone(&self.code, *at, word));
        found.map(|(at, _)| (line_of(&self.code, at), word.to_owned())).collect()
    }

    /// The lines, from 1, that have this text.
    pub(super) fn lines_with_text(&self, text: &str) -> Vec<(usize, String)> {
        let found = self.text.match_indices(text);
        found.map(|(at, _)| (line_of(&self.text, at), text.to_owned())).collect()
    }

    /// The modules right below `root` that are named, also in groups: of `crate::{a::B, c}` both.
    pub(super) fn modules_named_of(&self, root: &str) -> Vec<(usize, String)> {
        let root = format!("{root}::");
        let mut named = Vec::new();
        for (at, _) in self.code.match_indices(&root) {
            if !stands_alone(&self.code, at, &root) {
                continue;
            }
            let line = line_of(&self.code, at);
            let rest = &self.code[at + root.len()..];
            match rest.strip_prefix('{') {
                None => named.push((line, first_name(rest))),
                Some(group) => named.extend(members(group).into_iter().map(|name| (line, name))),
            }
        }
        named
    }
}

/// The first name of each member of a group, up to its closing brace.
fn members(group: &str) -> Vec<String> {
    let mut depth = 1;
    let mut starts = vec![0];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => starts.push(at + 1),
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    let names = starts.into_iter().map(|at| first_name(group[at..].trim_start()));
    names.filter(|name| !name.is_empty()).collect()
}

fn first_name(text: &str) -> String {
    text.chars().take_while(|c| is_part_of_name(*c)).collect()
}

fn is_part_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Is this occurrence not a part of a longer name? A word that ends in `_` is a beginning.
fn stands_alone(code: &str, at: usize, word: &str) -> bool {
    let before = code[..at].chars().next_back();
    let after = code[at + word.len()..].chars().next();
    let begins = !word.starts_with(is_part_of_name) || !before.is_some_and(is_part_of_name);
    let open = word.ends_with('_') || !word.ends_with(is_part_of_name);
    begins && (open || !after.is_some_and(is_part_of_name))
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Replaces comments and the insides of strings by spaces; lines stay where they are.
fn blanked(text: &str) -> String {
    #[derive(PartialEq)]
    enum In {
        Code,
        Comment,
        Text,
        Raw(usize),
    }
    let mut state = In::Code;
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        let (keep, next) = match state {
            In::Code if rest.starts_with("//") => (false, In::Comment),
            In::Code if raw_string(rest).is_some() => {
                let hashes = raw_string(rest).expect("just seen");
                taken = hashes + 2;
                (true, In::Raw(hashes))
            }
            In::Code if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") => {
                taken = rest[1..].find('\'').expect("it ends so") + 2;
                (true, In::Code)
            }
            In::Code => (true, if c == '"' { In::Text } else { In::Code }),
            In::Comment => (c == '\n', if c == '\n' { In::Code } else { In::Comment }),
            In::Text if c == '\\' => {
                taken += rest[1..].chars().next().map_or(0, char::len_utf8);
                (false, In::Text)
            }
            In::Text => (c == '"', if c == '"' { In::Code } else { In::Text }),
            In::Raw(hashes) => {
                let end = c == '"' && rest[1..].starts_with(&"#".repeat(hashes));
                if end {
                    taken += hashes;
                }
                (end, if end { In::Code } else { In::Raw(hashes) })
            }
        };
        for c in rest[..taken].chars() {
            code.push(if keep || c == '\n' { c } else { ' ' });
        }
        state = next;
        rest = &rest[taken..];
    }
    code
}

/// How many hashes the raw string has that begins here, if one does.
fn raw_string(rest: &str) -> Option<usize> {
    let hashes = rest.strip_prefix('r')?;
    let quote = hashes.trim_start_matches('#');
    quote.starts_with('"').then(|| hashes.len() - quote.len())
}

/// The root of the workspace.
pub(super) fn root() -> PathBuf {
    let sim = Path::new(env!("CARGO_MANIFEST_DIR"));
    sim.parent().expect("sim/ is in the workspace").to_owned()
}

/// The folders of all Rust sources.
const FOLDERS: [&str; 5] = ["src", "sim/harness", "sim/src", "tests", "bench/src"];

/// Every Rust source of the workspace, by path.
pub(super) fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    for folder in FOLDERS {
        collect(folder, &mut sources);
    }
    sources.sort_by(|one, other| one.path.cmp(&other.path));
    sources
}

fn collect(folder: &str, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(root().join(folder)).expect("the folder exists") {
        let entry = entry.expect("it can be listed");
        let path = format!("{folder}/{}", entry.file_name().to_str().expect("names are ASCII"));
        if entry.path().is_dir() {
            collect(&path, sources);
        } else if path.ends_with(".rs") {
            let text = fs::read_to_string(entry.path()).expect("sources are UTF-8");
            sources.push(Source::new(&path, &text));
        }
    }
}

#[test]
fn comments_and_strings_are_blanked_and_lines_stay() {
    let code = blanked("a // b \"c\nd \"e \\\" // f\" g '\"' h r#\"i \" j\"# k\n");
    assert_eq!(code, "a        \nd \"         \" g '\"' h r#\"     \"# k\n");
}

#[test]
fn words_are_found_whole() {
    let source = Source::new("src/a.rs", "async_thing();\nx.await;\nfn test_it() {}\nmyasync");
    assert_eq!(source.lines_with_word("async"), []);
    assert_eq!(source.lines_with_word(".await"), [(2, ".await".to_owned())]);
    assert_eq!(source.lines_with_word("fn test_"), [(3, "fn test_".to_owned())]);
}

#[test]
fn names_are_found_in_paths_and_in_groups() {
    let source =
        Source::new("src/a.rs", "use crate::{a::{B, c}, d,\n e as f};\nmycrate::g; crate::h::i;");
    let names: Vec<_> = source.modules_named_of("crate").into_iter().map(|(_, it)| it).collect();
    assert_eq!(names, ["a", "d", "e", "h"]);
}
