//! The folder of a sweep's results: what is swept, the chunks that are done, and every failure as soon as it is
//! found.
//!
//! A chunk is there whole or not at all, whatever ends the process: it is written beside its place, brought to the
//! disk, and renamed. One that is not whole in spite of that (a disk that lied, a copy that broke off) is noticed
//! and counts as not done.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use harness::capsule::write_durably;
use thiserror::Error;

use super::chunk::{Chunk, Part, failure_line, read_failure};
use super::manifest::Manifest;
use super::shard::Shard;
use crate::triage::Failed;

const MANIFEST: &str = "manifest.json";
const LOCK: &str = "lock";
const CHUNKS: &str = "chunks";

/// The failures of each shard stand in a file of its own: lines of several machines cannot be added to one.
fn failures(shard: Shard) -> String {
    if shard.is_part() {
        format!("failures-{}-of-{}.jsonl", shard.index, shard.of)
    } else {
        "failures.jsonl".to_owned()
    }
}

/// Why results cannot be kept or read.
#[derive(Debug, Error)]
pub enum Trouble {
    /// A file or a folder.
    #[error("cannot {what} {}: {error}", .path.display())]
    Io {
        /// What was to be done with it.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is a sweep in the folder, and nobody asked to go on with it.
    #[error("{} has a sweep already", .0.display())]
    Taken(PathBuf),
    /// The folder has another sweep.
    #[error("{} has another sweep, which cannot be gone on with{}", .0.display(), listed(.1))]
    Differs(PathBuf, Vec<String>),
    /// Another process works in the folder.
    #[error("another process sweeps into {}", .0.display())]
    Locked(PathBuf),
    /// There is no sweep in the folder.
    #[error("there is no sweep in {}: it has no {MANIFEST}", .0.display())]
    None(PathBuf),
    /// The manifest cannot be read.
    #[error("{}: {}", .0.display(), .1)]
    Unreadable(PathBuf, String),
    /// A chunk was computed twice, and came out differently.
    #[error(
        "the chunk {part} was computed twice and came out differently; {} and {} are both kept",
        .there.display(),
        .here.display()
    )]
    Contradiction {
        /// Which.
        part: Part,
        /// The chunk that was there.
        there: PathBuf,
        /// The one that came now.
        here: PathBuf,
    },
}

fn listed(differences: &[String]) -> String {
    differences.iter().map(|it| format!("\n  {it}")).collect()
}

fn io_trouble(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Trouble {
    let path = path.to_owned();
    move |error| Trouble::Io { what, path, error }
}

/// What a folder has of a part.
#[derive(Debug)]
pub enum Kept {
    /// Nothing.
    Missing,
    /// The chunk.
    Whole(Box<Chunk>),
    /// A file that is no such chunk, and why.
    Broken(PathBuf, String),
}

/// A folder of results that is read.
#[derive(Debug)]
pub struct Results {
    folder: PathBuf,
    /// What is swept.
    pub manifest: Manifest,
}

impl Results {
    /// A folder that has a sweep.
    pub fn open(folder: &Path) -> Result<Self, Trouble> {
        match manifest_in(folder)? {
            Some(manifest) => Ok(Self { folder: folder.to_owned(), manifest }),
            None => Err(Trouble::None(folder.to_owned())),
        }
    }

    /// Where the chunk of a part is kept.
    fn place(&self, part: &Part) -> PathBuf {
        self.folder.join(CHUNKS).join(format!("{part}.jsonl"))
    }

    /// What there is of a part.
    pub fn chunk(&self, part: &Part) -> Result<Kept, Trouble> {
        let path = self.place(part);
        let text = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::Missing),
            Err(error) => return Err(io_trouble("read", &path)(error)),
        };
        let read = String::from_utf8(text).map_err(|_| "it is not UTF-8".to_owned());
        let read = read.and_then(|text| Chunk::read(&text, &self.manifest.id()));
        Ok(match read {
            Ok(chunk) if chunk.part == *part => Kept::Whole(Box::new(chunk)),
            Ok(chunk) => Kept::Broken(path, format!("it is the chunk {}", chunk.part)),
            Err(why) => Kept::Broken(path, why),
        })
    }

    /// All failures that were found, also those of chunks that are not done. A last line that is cut short was
    /// about to be written.
    pub fn noted(&self) -> Result<BTreeMap<(String, u64), Failed>, Trouble> {
        let entries = fs::read_dir(&self.folder).map_err(io_trouble("list", &self.folder))?;
        let mut found = BTreeMap::new();
        for entry in entries {
            let path = entry.map_err(io_trouble("list", &self.folder))?.path();
            let name = path.file_name().map(|it| it.to_string_lossy().into_owned());
            let is_such = |it: &String| it.starts_with("failures") && it.ends_with(".jsonl");
            if !name.as_ref().is_some_and(is_such) {
                continue;
            }
            let bytes = fs::read(&path).map_err(io_trouble("read", &path))?;
            let text = String::from_utf8_lossy(&bytes);
            let read = text.lines().filter_map(|line| read_failure(line).ok());
            found.extend(read.map(|(scenario, failed)| ((scenario, failed.seed), failed)));
        }
        Ok(found)
    }
}

fn manifest_in(folder: &Path) -> Result<Option<Manifest>, Trouble> {
    let path = folder.join(MANIFEST);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io_trouble("read", &path)(error)),
    };
    let read = Manifest::read(&text).map_err(|why| Trouble::Unreadable(path, why))?;
    Ok(Some(read))
}

/// A folder of results that this process alone adds to.
#[derive(Debug)]
pub struct Writer {
    /// What is there.
    pub results: Results,
    /// The chunks that are run.
    pub shard: Shard,
    failures: File,
    /// The failures that are noted.
    known: BTreeSet<(String, u64)>,
    /// Given back when the process ends, however it does.
    _locks: Vec<File>,
}

impl Writer {
    /// Begins a sweep in a folder, or goes on with it if that is asked for.
    pub fn open(
        folder: &Path,
        manifest: &Manifest,
        shard: Shard,
        resume: bool,
    ) -> Result<Self, Trouble> {
        let chunks = folder.join(CHUNKS);
        fs::create_dir_all(&chunks).map_err(io_trouble("make", &chunks))?;
        let locks = lock(folder, shard)?;
        match manifest_in(folder)? {
            Some(_) if !resume && !shard.is_part() => {
                return Err(Trouble::Taken(folder.to_owned()));
            }
            Some(_) => {}
            None => {
                let path = folder.join(MANIFEST);
                write_durably(&path, &manifest.text()).map_err(io_trouble("write", &path))?;
            }
        }
        // Another shard may have written its own meanwhile.
        let results = Results::open(folder)?;
        let differences = results.manifest.differences(manifest);
        if !differences.is_empty() {
            return Err(Trouble::Differs(folder.to_owned(), differences));
        }
        let known = results.noted()?.into_keys().collect();
        let path = folder.join(failures(shard));
        let failures = open_at_new_line(&path).map_err(io_trouble("write", &path))?;
        if !shard.is_part() {
            remove_drafts(&chunks);
        }
        Ok(Self { results, shard, failures, known, _locks: locks })
    }

    /// Keeps a chunk. One that is there already must have the same bytes.
    pub fn keep(&mut self, chunk: &Chunk) -> Result<(), Trouble> {
        let path = self.results.place(&chunk.part);
        let text = chunk.text(&self.results.manifest.id());
        let other = match self.results.chunk(&chunk.part)? {
            Kept::Whole(there) => there.text(&self.results.manifest.id()) != text,
            Kept::Missing | Kept::Broken(..) => false,
        };
        let place = if other { path.with_extension("contradiction") } else { path.clone() };
        write_durably(&place, &text).map_err(io_trouble("write", &place))?;
        if other {
            let part = chunk.part.clone();
            return Err(Trouble::Contradiction { part, there: path, here: place });
        }
        Ok(())
    }

    /// Notes a failure at once. One that is noted already is not noted again.
    pub fn note(&mut self, scenario: &str, failed: &Failed) -> Result<(), Trouble> {
        if !self.known.insert((scenario.to_owned(), failed.seed)) {
            return Ok(());
        }
        let line = failure_line(scenario, failed);
        let written = self.failures.write_all(line.as_bytes());
        written
            .and_then(|()| self.failures.sync_data())
            .map_err(io_trouble("write", &self.results.folder.join(failures(self.shard))))
    }
}

/// Takes the folder for this process, or the part of it that its shard has. The system gives it back when the process
/// ends, however it does.
fn lock(folder: &Path, shard: Shard) -> Result<Vec<File>, Trouble> {
    let take = |name: &str, shared: bool| {
        let path = folder.join(name);
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(io_trouble("write", &path))?;
        let taken = if shared { file.try_lock_shared() } else { file.try_lock() };
        match taken {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Trouble::Locked(folder.to_owned())),
            Err(TryLockError::Error(error)) => Err(io_trouble("lock", &path)(error)),
        }
    };
    let mut locks = vec![take(LOCK, shard.is_part())?];
    if shard.is_part() {
        locks.push(take(&format!("{LOCK}-{}-of-{}", shard.index, shard.of), false)?);
    }
    Ok(locks)
}

/// Opens a file of lines to add to it. A last line that was cut short is closed.
fn open_at_new_line(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    if fs::read(path)?.last().is_some_and(|byte| *byte != b'\n') {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Removes what a process that was killed was about to write.
fn remove_drafts(chunks: &Path) {
    let Ok(entries) = fs::read_dir(chunks) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_draft = path.file_name().is_some_and(|it| it.to_string_lossy().starts_with('.'));
        if is_draft {
            // It takes room and is of no other harm.
            let _ = fs::remove_file(path);
        }
    }
}
