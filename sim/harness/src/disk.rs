//! A host's disk. The contract is that of redb: commits are atomic and ordered, a synced one makes
//! itself and all earlier ones durable, and a crash loses a suffix of those that are not durable.
//!
//! The image always shows every commit, as a reader of the live store would see it; what a crash
//! takes back is undone, newest commit first.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::random::Draw;

/// What a system keeps on its disks: values under keys.
pub trait Layout: Clone + Debug + PartialEq {
    /// Where something is kept.
    type Key: Clone + Debug + Ord;
    /// What is kept there.
    type Value: Clone + Debug;

    /// The digest of an entry: of other keys or values it is another, but for chance.
    fn digest(key: &Self::Key, value: &Self::Value) -> u64;
}

/// Text keys and plain bytes: the layout of a system that needs no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plain;

impl Layout for Plain {
    type Key = String;
    type Value = Vec<u8>;

    fn digest(key: &String, value: &Vec<u8>) -> u64 {
        xxh3_64_with_seed(value, xxh3_64_with_seed(key.as_bytes(), 0))
    }
}

/// Everything that a disk holds.
pub type Image<L> = BTreeMap<<L as Layout>::Key, <L as Layout>::Value>;

/// What is put under a key, or `None`: what is there is removed.
pub type Put<L> = (<L as Layout>::Key, Option<<L as Layout>::Value>);

/// One disk.
#[derive(Clone, Debug)]
pub struct Disk<L: Layout> {
    image: Image<L>,
    hash: u64,
    /// The number of the last commit of this incarnation.
    last: u32,
    /// Commits that are not durable yet, oldest first.
    pending: VecDeque<Pending<L>>,
    /// The last commit that is durable.
    durable: u32,
    /// The synced commit that its host waits for.
    awaited: Option<u32>,
}

#[derive(Clone, Debug)]
struct Pending<L: Layout> {
    commit: u32,
    hash_before: u64,
    /// What stood under the keys of this commit before it.
    before: Vec<Put<L>>,
}

impl<L: Layout> Default for Disk<L> {
    fn default() -> Self {
        Self::new(Image::<L>::new())
    }
}

/// What is left after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wreck {
    /// The last commit that survives.
    pub keeps: u32,
    /// Was a commit durable whose answer had not been given?
    pub unanswered: bool,
    /// Was a commit under way while an earlier one of this incarnation was durable?
    pub under_way: bool,
}

impl<L: Layout> Disk<L> {
    /// A disk that holds this, and all of it durably.
    pub fn new(image: Image<L>) -> Self {
        let hash = image.iter().fold(0, |hash, (key, value)| hash ^ L::digest(key, value));
        let pending = VecDeque::new();
        Self { image, hash, last: 0, pending, durable: 0, awaited: None }
    }

    /// Everything as a reader sees it now.
    pub fn image(&self) -> &Image<L> {
        &self.image
    }

    /// The digest of [`Self::image`], whatever way led there: the exclusive or of its entries' digests,
    /// so that it can be kept up to date.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Is a synced commit under way?
    pub fn is_busy(&self) -> bool {
        self.awaited.is_some()
    }

    /// The number that the next commit gets.
    pub fn next_commit(&self) -> u32 {
        self.last + 1
    }

    /// Takes a commit, of which each key is put or removed at most once; returns its number. The host
    /// of a synced commit waits until it is durable.
    #[inline]
    pub fn commit(&mut self, puts: &[Put<L>], sync: bool) -> u32 {
        let hash_before = self.hash;
        let mut before = Vec::with_capacity(puts.len());
        for (key, value) in puts {
            let old = match value {
                Some(value) => {
                    self.hash ^= L::digest(key, value);
                    self.image.insert(key.clone(), value.clone())
                }
                None => self.image.remove(key),
            };
            if let Some(old) = &old {
                self.hash ^= L::digest(key, old);
            }
            before.push((key.clone(), old));
        }
        self.last += 1;
        self.pending.push_back(Pending { commit: self.last, hash_before, before });
        if sync {
            self.awaited = Some(self.last);
        }
        self.last
    }

    /// This commit and all earlier ones are durable from now on.
    pub fn make_durable(&mut self, commit: u32) {
        self.durable = commit;
        while self.pending.front().is_some_and(|pending| pending.commit <= commit) {
            self.pending.pop_front();
        }
    }

    /// The host has heard that this commit is durable.
    pub fn answer(&mut self, commit: u32) {
        if self.awaited == Some(commit) {
            self.awaited = None;
        }
    }

    /// Power is lost: of the commits that are not durable, a drawn number of the oldest survive. The
    /// next incarnation counts its commits from 1 again.
    pub fn crash(&mut self, draw: Draw) -> Wreck {
        let unanswered = self.awaited.is_some_and(|commit| commit <= self.durable);
        let under_way =
            self.durable > 0 && self.awaited.is_some_and(|commit| commit > self.durable);
        let kept = draw.below(self.pending.len() as u64 + 1);
        let keeps = match kept {
            0 => self.durable,
            n => self.durable.max(self.pending[n as usize - 1].commit),
        };
        while self.pending.len() as u64 > kept {
            let lost = self.pending.pop_back().expect("there are more than are kept");
            undo::<L>(&mut self.image, &lost.before);
            self.hash = lost.hash_before;
        }
        self.pending.clear();
        (self.last, self.durable, self.awaited) = (0, 0, None);
        Wreck { keeps, unanswered, under_way }
    }

    /// A copy of what is durable now.
    pub fn backup(&self) -> Image<L> {
        let mut image = self.image.clone();
        for pending in self.pending.iter().rev() {
            undo::<L>(&mut image, &pending.before);
        }
        image
    }
}

fn undo<L: Layout>(image: &mut Image<L>, before: &[Put<L>]) {
    for (key, old) in before {
        match old {
            Some(old) => image.insert(key.clone(), old.clone()),
            None => image.remove(key),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Disk = super::Disk<Plain>;

    fn key(n: u32) -> String {
        n.to_string()
    }

    fn put(n: u32, text: &str) -> Vec<Put<Plain>> {
        vec![(key(n), Some(text.as_bytes().to_vec())), (key(0), None)]
    }

    fn draw(n: u64) -> Draw {
        Draw::new(n, "crash")
    }

    #[test]
    fn a_durable_commit_and_all_before_it_survive_every_crash() {
        for nature in 0..50 {
            let mut disk = Disk::default();
            disk.commit(&put(1, "one"), false);
            let synced = disk.commit(&put(2, "two"), true);
            disk.make_durable(synced);
            disk.commit(&put(3, "three"), false);
            assert!(disk.crash(draw(nature)).keeps >= synced);
            assert!(disk.image().contains_key(&key(1)) && disk.image().contains_key(&key(2)));
        }
    }

    #[test]
    fn a_crash_loses_a_suffix_and_every_suffix_occurs() {
        let mut seen = std::collections::BTreeSet::new();
        for nature in 0..200 {
            let mut disk = Disk::default();
            let commits: Vec<_> = (1..=3).map(|n| disk.commit(&put(n, "x"), n == 3)).collect();
            let keeps = disk.crash(draw(nature)).keeps;
            for (n, commit) in (1..=3).zip(commits) {
                assert_eq!(disk.image().contains_key(&key(n)), commit <= keeps);
            }
            seen.insert(keeps);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3]);
    }

    #[test]
    fn commits_that_are_lost_leave_what_was_there_before() {
        let mut disk = Disk::default();
        let first = disk.commit(&put(1, "old"), true);
        disk.make_durable(first);
        let (hash, image) = (disk.hash(), disk.image().clone());
        disk.commit(&put(1, "new"), false);
        disk.commit(&[(key(1), None)], false);
        assert_ne!(disk.hash(), hash);
        let lost_all = (0..).find(|n| draw(*n).below(3) == 0).expect("one in three keeps none");
        disk.crash(draw(lost_all));
        assert_eq!((disk.hash(), disk.image()), (hash, &image));
    }

    #[test]
    fn the_digest_tells_the_content_and_not_the_way_to_it() {
        let mut one = Disk::default();
        one.commit(&put(1, "a"), false);
        one.commit(&put(2, "b"), false);
        let mut two = Disk::default();
        two.commit(&put(2, "x"), false);
        two.commit(&put(2, "b"), false);
        two.commit(&put(1, "a"), false);
        assert_eq!(one.hash(), two.hash());
        assert_eq!(one.hash(), Disk::new(one.image().clone()).hash());
        two.commit(&put(3, "a"), false);
        assert_ne!(one.hash(), two.hash());
    }

    #[test]
    fn a_crash_says_whether_it_fell_between_durable_and_answered() {
        let mut disk = Disk::default();
        let commit = disk.commit(&put(1, "x"), true);
        disk.make_durable(commit);
        let wreck = disk.crash(draw(1));
        assert_eq!(wreck, Wreck { keeps: commit, unanswered: true, under_way: false });

        let first = disk.commit(&put(1, "y"), true);
        disk.make_durable(first);
        disk.answer(first);
        disk.commit(&put(1, "z"), true);
        let wreck = disk.crash(draw(1));
        assert!(wreck.under_way && !wreck.unanswered);
    }

    #[test]
    fn a_backup_holds_what_is_durable_and_no_more() {
        let mut disk = Disk::default();
        let commit = disk.commit(&put(1, "x"), true);
        disk.make_durable(commit);
        let durable = disk.image().clone();
        disk.commit(&put(2, "y"), false);
        assert_eq!(disk.backup(), durable);
    }
}
