//! What the folders of one sweep have together.
//!
//! Gathering is a union: it does not matter in which order folders are read, in which groups, or how often.

use std::collections::{BTreeMap, BTreeSet};

use super::chunk::{Chunk, Part};
use super::folder::{Kept, Results, Trouble};
use super::manifest::Manifest;
use super::shard::Shard;
use crate::report::Row;
use crate::sweep::Past;
use crate::triage::Failed;

/// What there is of one sweep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gathered {
    /// The texts of each part: one, unless it was computed twice and came out differently.
    chunks: BTreeMap<Part, BTreeSet<String>>,
    /// Files that are no chunks, and why.
    broken: BTreeSet<String>,
    /// The failures that were noted at once, by scenario and seed.
    noted: BTreeMap<(String, u64), BTreeSet<Noted>>,
}

/// The parts of a shard.
fn parts(manifest: &Manifest, shard: Shard) -> Vec<Part> {
    let parts = manifest.parts().into_iter();
    parts.filter(|(number, _)| shard.has(*number)).map(|(_, part)| part).collect()
}

/// A failure that was noted at once. Those of one seed are the same, or one is as good as the other.
type Noted = String;

/// What is wrong with what there is.
#[derive(Debug, Default)]
pub struct Faults {
    /// Parts that no folder has.
    pub missing: Vec<Part>,
    /// How many parts there are.
    pub of: usize,
    /// Parts that were computed twice and came out differently.
    pub contradictory: Vec<Part>,
    /// Files that are no chunks, and why.
    pub broken: Vec<String>,
}

impl Gathered {
    /// What one folder has of the chunks of a shard.
    pub fn of(results: &Results, shard: Shard) -> Result<Self, Trouble> {
        let id = results.manifest.id();
        let mut gathered = Self::default();
        let parts = parts(&results.manifest, shard);
        for part in &parts {
            match results.chunk(part)? {
                Kept::Missing => {}
                Kept::Whole(chunk) => {
                    gathered.chunks.entry(part.clone()).or_default().insert(chunk.text(&id));
                }
                Kept::Broken(path, why) => {
                    gathered.broken.insert(format!("{}: {why}", path.display()));
                }
            }
        }
        for ((scenario, seed), failed) in results.noted()? {
            let has = |part: &Part| part.scenario == scenario && part.seeds().contains(&seed);
            if !parts.iter().any(has) {
                continue;
            }
            let line = super::chunk::failure_line(&scenario, &failed);
            gathered.noted.entry((scenario, seed)).or_default().insert(line);
        }
        Ok(gathered)
    }

    /// Adds what others have.
    pub fn join(&mut self, other: Self) {
        for (part, texts) in other.chunks {
            self.chunks.entry(part).or_default().extend(texts);
        }
        self.broken.extend(other.broken);
        for (seed, lines) in other.noted {
            self.noted.entry(seed).or_default().extend(lines);
        }
    }

    /// What is wrong with it, as the whole of a shard.
    pub fn faults(&self, manifest: &Manifest, shard: Shard) -> Faults {
        let parts = parts(manifest, shard);
        let of = parts.len();
        let mut faults = Faults { of, ..Faults::default() };
        for part in parts {
            match self.chunks.get(&part).map_or(0, BTreeSet::len) {
                0 => faults.missing.push(part),
                1 => {}
                _ => faults.contradictory.push(part),
            }
        }
        faults.broken = self.broken.iter().cloned().collect();
        faults
    }

    /// All chunks in order, as they are kept: the same bytes, whichever processes ran them.
    pub fn text(&self) -> String {
        self.chunks.values().flatten().map(String::as_str).collect()
    }

    /// What there is, as a sweep sums it up. Of a part that came out differently, one way is counted.
    pub fn past(&self, manifest: &Manifest, stopped: String) -> Result<Past, String> {
        let id = manifest.id();
        let mut past = Past {
            rows: Vec::new(),
            failed: Vec::new(),
            differing: Vec::new(),
            twice: 0,
            simulated_ms: 0,
            stopped,
        };
        let mut noted = self.noted.clone();
        for (at, listed) in manifest.scenarios.iter().enumerate() {
            let mut row = Row { scenario: listed.name.clone(), ..Row::default() };
            let own = self.chunks.iter().filter(|(part, _)| part.scenario == listed.name);
            for (part, texts) in own {
                let Some(text) = texts.first() else { continue };
                let chunk = Chunk::read(text, &id).map_err(|why| format!("{part}: {why}"))?;
                row.join(&chunk.row);
                past.twice += chunk.twice;
                past.simulated_ms += u128::from(chunk.simulated_ms);
                past.failed.extend(chunk.failed.into_iter().map(|failed| (at, failed)));
                let differing = chunk.differing.into_iter();
                past.differing.extend(differing.map(|(seed, difference)| (at, seed, difference)));
                noted.retain(|(name, seed), _| {
                    *name != part.scenario || !part.seeds().contains(seed)
                });
            }
            // Found in chunks that are not done: they count as far as they are known.
            let loose = noted.iter().filter(|((name, _), _)| *name == listed.name);
            for line in loose.filter_map(|(_, lines)| lines.first()) {
                let failed: Failed = super::chunk::read_failure(line)?.1;
                row.seeds += 1;
                row.failed += 1;
                past.failed.push((at, failed));
            }
            past.rows.push(row);
        }
        // As a sweep takes them in turn.
        past.failed.sort_by_key(|(at, failed)| (failed.seed, *at));
        past.differing.sort_by_key(|(at, seed, _)| (*seed, *at));
        Ok(past)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::night::manifest::tests::manifest;

    /// What folders could have of a sweep: some chunks, in one of two ways, and some failures.
    fn gathered() -> impl Strategy<Value = Gathered> {
        let chunk = (0..6_usize, 0..2_u64);
        let chunks = prop::collection::vec(chunk, 0..8);
        let noted = prop::collection::btree_map(0..20_u64, "[ab]", 0..4);
        (chunks, noted).prop_map(|(chunks, noted)| {
            let manifest = manifest(&["lunch", "dinner"], 0..9, 3);
            let parts = manifest.parts();
            let mut gathered = Gathered::default();
            for (at, way) in chunks {
                let part = parts[at].1.clone();
                let mut chunk = Chunk::new(part.clone());
                chunk.row.seeds = part.count();
                chunk.twice = way;
                gathered.chunks.entry(part).or_default().insert(chunk.text(&manifest.id()));
            }
            for (seed, line) in noted {
                gathered.noted.entry(("lunch".to_owned(), seed)).or_default().insert(line);
            }
            gathered
        })
    }

    fn joined(mut one: Gathered, other: &Gathered) -> Gathered {
        one.join(other.clone());
        one
    }

    proptest! {
        #[test]
        fn gathering_is_associative_commutative_and_idempotent(
            a in gathered(), b in gathered(), c in gathered(),
        ) {
            let left = joined(joined(a.clone(), &b), &c);
            let right = joined(a.clone(), &joined(b.clone(), &c));
            prop_assert_eq!(&left, &right);
            prop_assert_eq!(joined(a.clone(), &b), joined(b.clone(), &a));
            prop_assert_eq!(joined(a.clone(), &a), a.clone());
            prop_assert_eq!(&joined(left.clone(), &a), &left);
            prop_assert_eq!(left.text(), right.text());
        }
    }

    #[test]
    fn what_is_missing_and_what_contradicts_is_named() {
        let manifest = manifest(&["lunch", "dinner"], 0..9, 3);
        let mut gathered = Gathered::default();
        for (number, part) in manifest.parts().into_iter().take(5) {
            for way in 0..=u64::from(number == 0) {
                let mut chunk = Chunk::new(part.clone());
                chunk.row.seeds = part.count();
                chunk.twice = way;
                let text = chunk.text(&manifest.id());
                gathered.chunks.entry(part.clone()).or_default().insert(text);
            }
        }
        let faults = gathered.faults(&manifest, Shard::ALL);
        let told = |parts: &[Part]| parts.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!((told(&faults.missing), faults.of), (vec!["dinner.6-8".to_owned()], 6));
        assert_eq!(told(&faults.contradictory), ["lunch.0-2"]);
        let past = gathered.past(&manifest, String::new()).expect("they are chunks");
        assert_eq!(past.rows.iter().map(|row| row.seeds).collect::<Vec<_>>(), [9, 6]);
    }
}
