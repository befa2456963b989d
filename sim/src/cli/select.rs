//! From the words of a command line to scenarios: paths, folders and names of files.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use harness::fresh::fresh_within;

use crate::cli::words::closest;
use crate::cli::{Complaint, Exit};
use crate::report::FileCheck;
use crate::scenario::{self, Scenario};
use crate::trial::{Chosen, quoted};

/// The folder of scenarios, looked for from the current one upwards.
const FOLDER: &str = "scenarios";

/// How long to wait for what comes out of a pipe.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where scenarios are looked for.
#[derive(Debug)]
pub(super) struct Shelf {
    /// All files of the default folder, by path.
    files: Vec<PathBuf>,
    root: Option<PathBuf>,
    /// Where capsules are found by name.
    capsules: PathBuf,
}

impl Shelf {
    /// Looks at the default folder, and at a folder of capsules.
    pub(super) fn look(capsules: &Path) -> Result<Self, Complaint> {
        let root = root();
        let files = match &root {
            Some(root) => files_in(root)?,
            None => Vec::new(),
        };
        Ok(Self { files, root, capsules: capsules.to_owned() })
    }

    /// The files that these words name; without words, all of the default folder.
    pub(super) fn find(&self, words: &[String]) -> Result<Vec<PathBuf>, Complaint> {
        let mut found: Vec<PathBuf> = Vec::new();
        if words.is_empty() {
            found.clone_from(&self.files);
        }
        for word in words {
            for file in self.files_of(word)? {
                if !found.contains(&file) {
                    found.push(file);
                }
            }
        }
        if found.is_empty() {
            let place = match (&self.root, words) {
                (None, []) => "scenarios/ here or in any folder above".to_owned(),
                (Some(root), []) => root.display().to_string(),
                (_, words) => words.join(", "),
            };
            return Err(Complaint::nothing(format!("there is no scenario in {place}"))
                .help("name a file, or a folder of files that end in .toml"));
        }
        Ok(found)
    }

    /// The files of one part of the default folder.
    pub(super) fn part(&self, name: &str) -> Vec<PathBuf> {
        let in_part = |file: &&PathBuf| file.parent().is_some_and(|dir| dir.ends_with(name));
        self.files.iter().filter(in_part).cloned().collect()
    }

    /// All files of the default folder.
    pub(super) fn all(&self) -> &[PathBuf] {
        &self.files
    }

    fn files_of(&self, word: &str) -> Result<Vec<PathBuf>, Complaint> {
        let path = Path::new(word);
        if path.is_dir() {
            return files_in(path);
        }
        if path.exists() {
            return Ok(vec![path.to_owned()]);
        }
        let named: Vec<PathBuf> =
            self.files.iter().filter(|file| is_named(file, word)).cloned().collect();
        match named.len() {
            1 => return Ok(named),
            0 => {}
            _ => {
                let paths: Vec<String> = named.iter().map(|it| it.display().to_string()).collect();
                return Err(Complaint::usage(format!("`{word}` names several scenarios"))
                    .help(format!("write one of: {}", paths.join(", "))));
            }
        }
        let capsule = self.capsules.join(format!("{word}.toml"));
        if capsule.is_file() {
            return Ok(vec![capsule]);
        }
        Err(self.unknown(word))
    }

    fn unknown(&self, word: &str) -> Complaint {
        let looks_like_a_path = word.contains('/') || word.ends_with(".toml");
        let what = if looks_like_a_path { "no such file or folder" } else { "no such scenario" };
        let stems: Vec<String> = self.files.iter().map(|file| stem(file)).collect();
        let name = stem(Path::new(word));
        let help = match closest(&name, stems.iter().map(String::as_str)) {
            Some(close) => format!("did you mean `{close}`?"),
            None => "`seawall scenario list` tells which there are".to_owned(),
        };
        Complaint::usage(format!("{what}: {}", quoted(word))).help(help)
    }

    /// Reads these files; complains about all that is wrong with all of them.
    pub(super) fn read(
        &self,
        files: &[PathBuf],
        color: bool,
    ) -> Result<(Vec<Chosen>, Vec<FileCheck>), Complaint> {
        let mut chosen = Vec::new();
        let mut checks = Vec::new();
        for file in files {
            let (scenario, check) = read(file, color)?;
            checks.push(check);
            if let Some(scenario) = scenario {
                chosen.push(self.chosen(file, scenario));
            }
        }
        Ok((chosen, checks))
    }

    fn chosen(&self, file: &Path, scenario: Scenario) -> Chosen {
        let path = file.display().to_string();
        let name = stem(file);
        let only = self.files.iter().filter(|it| stem(it) == name).count() == 1;
        let known = only && self.files.iter().any(|it| it == file);
        let argument = if known { name } else { path.clone() };
        Chosen { scenario: Arc::new(scenario), argument, path }
    }
}

fn root() -> Option<PathBuf> {
    let here = std::env::current_dir().ok()?;
    let depth = here.ancestors().position(|dir| dir.join(FOLDER).is_dir())?;
    // Shown in every message, so as short as can be.
    let up: PathBuf = std::iter::repeat_n("..", depth).collect();
    Some(up.join(FOLDER))
}

fn stem(file: &Path) -> String {
    file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Is this its stem, or its path below the default folder without the ending?
fn is_named(file: &Path, word: &str) -> bool {
    stem(file) == word || (word.contains('/') && file.with_extension("").ends_with(word))
}

/// A file that a command can name. What is found in any other could not be run again.
fn nameable(file: PathBuf) -> Result<PathBuf, Complaint> {
    let shown = file.display().to_string();
    let complaint = || Complaint::usage(format!("the name of {shown} is no UTF-8"));
    file.to_str().is_some().then_some(file).ok_or_else(|| complaint().help("rename the file"))
}

/// All scenario files in a folder and below it, in order. Hidden folders are passed over.
fn files_in(folder: &Path) -> Result<Vec<PathBuf>, Complaint> {
    let failed = |error: io::Error| {
        Complaint::usage(format!("cannot look into {}: {error}", folder.display()))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && !path.is_symlink() {
            files.extend(files_in(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "toml")
            && !hidden
            && path.exists()
        {
            // A link to nothing is no scenario.
            files.push(nameable(path)?);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path, color: bool) -> Result<(Option<Scenario>, FileCheck), Complaint> {
    let path = file.display().to_string();
    let bytes = bytes_of(file)?;
    let (scenario, problems) = match scenario::read(&stem(file), &path, &bytes) {
        Ok((scenario, warnings)) => (Some(scenario), warnings),
        Err(problems) => (None, problems),
    };
    let source = String::from_utf8_lossy(&bytes);
    let text = if problems.is_empty() {
        String::new()
    } else {
        scenario::render(&problems, &path, &source, color)
    };
    let errors = problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = problems.len() - errors;
    Ok((scenario, FileCheck { path, text, errors, warnings }))
}

/// The file's bytes. What is no plain file may never end, or never begin.
fn bytes_of(file: &Path) -> Result<Vec<u8>, Complaint> {
    let path = file.to_owned();
    let read = if file.is_file() {
        read_some(&path)
    } else {
        let never =
            || io::Error::other(format!("nothing has come from it for {} s", PATIENCE.as_secs()));
        fresh_within(PATIENCE, move || read_some(&path)).unwrap_or_else(|| Err(never()))
    };
    read.map_err(|error| {
        Complaint::usage(format!("cannot read {}: {error}", file.display()))
            .help("a scenario is a TOML file; `seawall scenario list` tells which there are")
    })
}

/// The bytes of a file, but for those beyond the size that no such file has. How large it may be is said by its
/// beginning.
fn read_some(file: &Path) -> io::Result<Vec<u8>> {
    let (mut file, mut bytes) = (File::open(file)?, Vec::new());
    loop {
        let most = scenario::most_bytes(&bytes);
        let wanted = (most + 1 - bytes.len()) as u64;
        let read = file.by_ref().take(wanted).read_to_end(&mut bytes)? as u64;
        if read < wanted || scenario::most_bytes(&bytes) == most {
            return Ok(bytes);
        }
    }
}

/// Complains if any file is wrong, with all that is wrong.
pub(super) fn only_good(checks: &[FileCheck]) -> Result<(), Complaint> {
    let errors: usize = checks.iter().map(|check| check.errors).sum();
    if errors == 0 {
        return Ok(());
    }
    let text: String = checks.iter().map(|check| check.text.as_str()).collect();
    let wrong = checks.iter().filter(|check| check.errors > 0).count();
    let files = crate::report::story::count(wrong, "file");
    Err(Complaint {
        exit: Exit::Usage,
        what: format!("{files} cannot be run\n\n{}", text.trim_end()),
        help: Some("`seawall scenario check` tells the problems of all files".to_owned()),
    })
}
