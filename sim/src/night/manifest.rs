//! What is swept into a folder: all that decides the bytes of its chunks.

use std::fs::File;
use std::io;
use std::ops::Range;

use engine::flaw::Flaws;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::chunk::{Part, hex};
use crate::capsule::BUILD;
use crate::trial::Chosen;

/// The version of the manifest.
const VERSION: u32 = 1;

/// More chunks than this are not kept in one folder.
const MOST_CHUNKS: u128 = 4_000_000;

/// What is swept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    v: u32,
    /// What runs it.
    pub build: String,
    /// The scenarios, in order.
    pub scenarios: Vec<Listed>,
    /// The known bugs that are switched on.
    pub flaws: Vec<String>,
    /// The first seed.
    pub first: u64,
    /// The last seed.
    pub last: u64,
    /// How many seeds a chunk has.
    pub chunk: u64,
}

/// A scenario of a sweep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its file, as it was named.
    pub path: String,
    /// The digest of the bytes of its file.
    pub digest: String,
    /// Are all seeds one, since nothing is left to draw?
    pub is_fixed: bool,
}

impl Manifest {
    /// What a command asks for.
    pub fn of(chosen: &[Chosen], flaws: Flaws, seeds: &Range<u64>, chunk: u64) -> io::Result<Self> {
        let listed = |it: &Chosen| {
            let digest = hex(xxh3_128(&std::fs::read(&it.path)?));
            let (name, path) = (it.scenario.name.clone(), it.path.clone());
            Ok(Listed { name, path, digest, is_fixed: it.is_fixed() })
        };
        Ok(Self {
            v: VERSION,
            build: build()?,
            scenarios: chosen.iter().map(listed).collect::<io::Result<_>>()?,
            flaws: flaws.iter().map(|flaw| flaw.id().to_owned()).collect(),
            first: seeds.start,
            last: seeds.end - 1,
            chunk,
        })
    }

    /// The first name that two scenarios bear, if any do: chunks are told by it.
    pub fn ambiguous(&self) -> Option<&str> {
        let names: Vec<&str> = self.scenarios.iter().map(|it| it.name.as_str()).collect();
        (1..names.len()).find(|&at| names[..at].contains(&names[at])).map(|at| names[at])
    }

    /// Why it has too many chunks, if it has.
    pub fn is_too_long(&self) -> Option<String> {
        let seeds = u128::from(self.last - self.first) + 1;
        let chunks = seeds.div_ceil(u128::from(self.chunk)) * self.scenarios.len() as u128;
        let says =
            || format!("{chunks} chunks of {} seeds are more than {MOST_CHUNKS}", self.chunk);
        (chunks > MOST_CHUNKS).then(says)
    }

    /// As it is kept.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("a manifest has keys that JSON has") + "\n"
    }

    /// Reads a manifest, or says why it is none.
    pub fn read(text: &str) -> Result<Self, String> {
        let read: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        match read.v {
            VERSION if read.chunk == 0 || read.first > read.last => {
                Err("it has no seeds".to_owned())
            }
            VERSION => match read.is_too_long() {
                Some(why) => Err(why),
                None => Ok(read),
            },
            other => Err(format!("it is of version {other}; this build reads version {VERSION}")),
        }
    }

    /// Names the sweep: the digest of all that decides its chunks. Where its files lie does not.
    pub fn id(&self) -> String {
        let mut same = self.clone();
        same.scenarios.iter_mut().for_each(|it| it.path.clear());
        hex(xxh3_128(same.text().as_bytes()))
    }

    /// What another sweep has otherwise, each in a clause.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let scenarios = |it: &Self| {
            let all = it
                .scenarios
                .iter()
                .map(|it| format!("{} ({})", it.name, it.digest.get(..8).unwrap_or("?")));
            all.collect::<Vec<_>>().join(", ")
        };
        let seeds = |it: &Self| format!("{}..{}", it.first, u128::from(it.last) + 1);
        let flaws = |it: &Self| {
            if it.flaws.is_empty() { "none".to_owned() } else { it.flaws.join(", ") }
        };
        let both = [
            ("build", self.build.clone(), other.build.clone()),
            ("scenarios", scenarios(self), scenarios(other)),
            ("flaws", flaws(self), flaws(other)),
            ("seeds", seeds(self), seeds(other)),
            ("chunk", self.chunk.to_string(), other.chunk.to_string()),
        ];
        let differ = both.into_iter().filter(|(_, there, here)| there != here);
        differ.map(|(what, there, here)| format!("{what}: there {there}; here {here}")).collect()
    }

    /// The parts of a scenario, by its place.
    fn parts_of(&self, at: usize) -> impl Iterator<Item = Part> {
        let it = &self.scenarios[at];
        let last = if it.is_fixed { self.first } else { self.last };
        let starts = (self.first..=last).step_by(usize::try_from(self.chunk).unwrap_or(usize::MAX));
        let end = move |first: u64| last.min(first.saturating_add(self.chunk - 1));
        starts.map(move |first| Part { scenario: it.name.clone(), first, last: end(first) })
    }

    /// All parts, each with its number. They come in the order of work, one of each scenario in turn, so that a sweep
    /// that ends early has seen all scenarios. They are numbered scenario by scenario.
    pub fn parts(&self) -> Vec<(u64, Part)> {
        let mut before = 0;
        let mut parts = Vec::new();
        for at in 0..self.scenarios.len() {
            let own: Vec<Part> = self.parts_of(at).collect();
            let count = own.len() as u64;
            let numbered = own.into_iter().enumerate();
            parts.extend(numbered.map(|(turn, part)| (turn, before + turn as u64, part)));
            before += count;
        }
        parts.sort_by_key(|(turn, number, _)| (*turn, *number));
        parts.into_iter().map(|(_, number, part)| (number, part)).collect()
    }
}

/// The build. One with changes that are in no commit has the digest of the program too: its commit does not name it.
fn build() -> io::Result<String> {
    if !BUILD.ends_with("dirty") {
        return Ok(BUILD.to_owned());
    }
    let mut digest = HashWriter(Xxh3::new());
    io::copy(&mut File::open(std::env::current_exe()?)?, &mut digest)?;
    Ok(format!("{BUILD} {}", &hex(digest.0.digest128())[..8]))
}

/// Digests what is written to it.
struct HashWriter(Xxh3);

impl io::Write for HashWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::*;

    pub(in crate::night) fn manifest(names: &[&str], seeds: Range<u64>, chunk: u64) -> Manifest {
        let listed = |name: &&str| Listed {
            name: (*name).to_owned(),
            path: format!("{name}.toml"),
            digest: hex(7),
            is_fixed: name.starts_with("fixed"),
        };
        let scenarios = names.iter().map(listed).collect();
        let (build, flaws) = ("7c1e9f2".to_owned(), Vec::new());
        let (first, last) = (seeds.start, seeds.end - 1);
        Manifest { v: VERSION, build, scenarios, flaws, first, last, chunk }
    }

    #[test]
    fn every_seed_is_in_one_part() {
        for (seeds, chunk) in [(0..10, 3), (7..8, 256), (5..21, 4), (u64::MAX - 5..u64::MAX, 4)] {
            let manifest = manifest(&["lunch", "fixed", "dinner"], seeds.clone(), chunk);
            let parts = manifest.parts();
            let of = |name: &str| {
                let own = parts.iter().filter(|(_, part)| part.scenario == name);
                own.flat_map(|(_, part)| part.seeds()).collect::<Vec<u64>>()
            };
            assert_eq!(of("lunch"), seeds.clone().collect::<Vec<_>>());
            assert_eq!(of("dinner"), of("lunch"));
            assert_eq!(of("fixed"), [seeds.start]);
            let numbers: BTreeSet<u64> = parts.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, (0..parts.len() as u64).collect());
        }
    }

    #[test]
    fn what_differs_is_named_with_both_sides() {
        let one = manifest(&["lunch"], 0..10, 3);
        let other = Manifest { chunk: 4, build: "5d02aa1".to_owned(), ..one.clone() };
        let told = ["build: there 7c1e9f2; here 5d02aa1", "chunk: there 3; here 4"];
        assert_eq!(one.differences(&other), told);
        assert_ne!(one.id(), other.id());
        let mut moved = one.clone();
        moved.scenarios[0].path = "elsewhere/lunch.toml".to_owned();
        assert_eq!(one.id(), moved.id());
    }
}
