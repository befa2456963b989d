//! The volume that the workers share, modelled: a conditional-put object store. Never flawed, and
//! never kinder than the real thing: a list may lack what was created lately.
//!
//! It is sans-IO: a request and the time go in, the answer comes out, and what it confirmed stays.

use std::collections::BTreeMap;

use engine::Bytes;
use engine::time::{Span, Time};
use engine::volume::{Key, Reply, Request};

/// All objects.
#[derive(Clone, Debug, Default)]
pub struct Volume {
    objects: BTreeMap<Key, Object>,
}

#[derive(Clone, Debug)]
struct Object {
    bytes: Bytes,
    created: Time,
}

impl Volume {
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
            Request::Create(key, _) if self.objects.contains_key(key) => Reply::Exists,
            Request::Create(key, bytes) | Request::Put(key, bytes) => {
                let created = self.objects.get(key).map_or(now, |object| object.created);
                self.objects.insert(key.clone(), Object { bytes: bytes.clone(), created });
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
                self.objects.remove(key);
                Reply::Done
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_exact_about_its_prefix_and_may_be_late() {
        let mut volume = Volume::default();
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
