//! The volume that the workers share, modelled: a conditional-put object store. Never flawed, and
//! never kinder than the real thing: a list may lack what was created lately.
//!
//! It is sans-IO: a request and the time go in, the answer comes out, and what it confirmed stays.

use std::collections::BTreeMap;

use engine::Bytes;
use engine::volume::{Key, Reply, Request};
use harness::time::{Span, Time};

use crate::journal::Journal;

/// All objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    objects: BTreeMap<Key, Object>,
    journal: Journal<Key, Object>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Object {
    bytes: Bytes,
    created: Time,
}

impl Volume {
    /// An empty volume. One that is to be set back needs backups.
    pub fn new(backups: bool) -> Self {
        Self { objects: BTreeMap::new(), journal: Journal::new(backups) }
    }

    fn set(&mut self, now: Time, key: &Key, object: Option<Object>) {
        let before = match object {
            Some(object) => self.objects.insert(key.clone(), object),
            None => self.objects.remove(key),
        };
        self.journal.note(now, key.clone(), before);
    }

    /// Sets all objects back to what they were after all that had happened by then. A later backup
    /// may be older or younger than this one.
    /// Returns how many become what they were not.
    pub fn restore(&mut self, now: Time, then: Time) -> usize {
        let old = self.journal.at(then);
        let changed = old.iter().filter(|(key, object)| self.objects.get(*key) != object.as_ref());
        let changed = changed.count();
        for (key, object) in old {
            self.set(now, &key, object);
        }
        changed
    }

    /// What an object holds.
    pub fn get(&self, key: &Key) -> Option<&Bytes> {
        self.objects.get(key).map(|object| &object.bytes)
    }

    /// The objects whose names begin so.
    pub fn named<'v>(&'v self, prefix: &'v str) -> impl Iterator<Item = (&'v Key, &'v Bytes)> {
        let named = self.objects.range(Key::from(prefix)..);
        let named = named.take_while(move |(key, _)| key.starts_with(prefix));
        named.map(|(key, object)| (key, &object.bytes))
    }

    /// Is there the object that is asked for?
    pub fn has(&self, request: &Request) -> bool {
        match request {
            Request::Create(key, _)
            | Request::Put(key, _)
            | Request::Get(key)
            | Request::Delete(key) => self.objects.contains_key(key),
            Request::List(_) => false,
        }
    }

    /// Does what is asked, at once and durably. A list leaves out what is younger than `list_lag`.
    pub fn handle(&mut self, now: Time, request: &Request, list_lag: Span) -> Reply {
        match request {
            Request::Create(key, bytes) | Request::Put(key, bytes) => {
                let there = self.objects.get(key);
                if there.is_some() && matches!(request, Request::Create(..)) {
                    return Reply::Exists;
                }
                let created = there.map_or(now, |object| object.created);
                self.set(now, key, Some(Object { bytes: bytes.clone(), created }));
                Reply::Done
            }
            Request::Get(key) => match self.objects.get(key) {
                Some(object) => Reply::Found(object.bytes.clone()),
                None => Reply::NotFound,
            },
            Request::List(prefix) => {
                let named = self.objects.range(prefix.clone()..);
                let named = named.take_while(|(key, _)| key.starts_with(prefix.as_str()));
                let old = named.filter(|(_, object)| object.created + list_lag <= now);
                Reply::Listed(old.map(|(key, _)| key.clone()).collect())
            }
            Request::Delete(key) => {
                if self.objects.contains_key(key) {
                    self.set(now, key, None);
                }
                Reply::Done
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_volume_is_what_it_was() {
        let mut volume = Volume::new(true);
        let mut does = |at, request: Request| volume.handle(Time(at), &request, Span(0));
        does(1, Request::Create("kept".into(), [1][..].into()));
        does(2, Request::Put("changed".into(), [1][..].into()));
        does(5, Request::Put("changed".into(), [2][..].into()));
        does(6, Request::Put("changed".into(), [3][..].into()));
        does(6, Request::Create("new".into(), [4][..].into()));
        does(7, Request::Delete("kept".into()));
        let at = |volume: &Volume| {
            let all = volume.named("").map(|(key, bytes)| (key.to_string(), bytes[0]));
            all.collect::<Vec<_>>()
        };
        let latest = at(&volume);
        volume.restore(Time(9), Time(5));
        assert_eq!(at(&volume), [("changed".into(), 2), ("kept".into(), 1)]);
        volume.restore(Time(12), Time(1));
        assert_eq!(at(&volume), [("kept".into(), 1)]);
        volume.restore(Time(15), Time(8));
        assert_eq!(at(&volume), latest, "a backup that was made before the first restore");
    }

    #[test]
    fn a_list_is_exact_about_its_prefix_and_may_be_late() {
        let mut volume = Volume::new(false);
        let mut put = |key: &str, at| {
            let request = Request::Create(key.into(), [1][..].into());
            volume.handle(Time(at), &request, Span(0))
        };
        assert_eq!(put("log/1/2", 5), Reply::Done);
        assert_eq!(put("log/10/1", 5), Reply::Done);
        assert_eq!(put("log/1/1", 7), Reply::Done);
        assert_eq!(put("log/1/1", 8), Reply::Exists);
        let list = Request::List("log/1/".into());
        let keys = |keys: &[&str]| Reply::Listed(keys.iter().map(|key| (*key).into()).collect());
        assert_eq!(volume.handle(Time(8), &list, Span(0)), keys(&["log/1/1", "log/1/2"]));
        assert_eq!(volume.handle(Time(8), &list, Span(3)), keys(&["log/1/2"]));
    }
}
