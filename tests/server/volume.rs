//! The model of the volume against two stores that it stands for: the crate `object_store` in
//! memory and on a local folder. What the engine asks must be what all of them offer, and answer
//! alike.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use engine::volume::{Key, Reply, Request};
use harness::time::{Span, Time};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use proptest::prelude::*;
use sim::volume::Volume;

/// A store of one kind or the other.
#[derive(Debug)]
enum Store {
    Model(Volume),
    Real(Box<dyn ObjectStore>),
}

/// These stores answer without waiting for anything.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a local store does not wait"),
    }
}

impl Store {
    fn ask(&mut self, request: &Request) -> Reply {
        match self {
            Self::Model(volume) => volume.handle(Time(0), request, Span(0)),
            Self::Real(store) => ask_real(store.as_ref(), request),
        }
    }
}

fn ask_real(store: &dyn ObjectStore, request: &Request) -> Reply {
    let put = |key: &Key, bytes: &[u8], mode: PutMode| {
        let payload = bytes.to_vec().into();
        match at_once(store.put_opts(&Path::from(&**key), payload, PutOptions::from(mode))) {
            Ok(_) => Reply::Done,
            Err(Error::AlreadyExists { .. }) => Reply::Exists,
            Err(_) => Reply::Failed,
        }
    };
    match request {
        Request::Create(key, bytes) => put(key, bytes, PutMode::Create),
        Request::Put(key, bytes) => put(key, bytes, PutMode::Overwrite),
        Request::Get(key) => {
            let found = at_once(async { store.get(&Path::from(&**key)).await?.bytes().await });
            match found {
                Ok(bytes) => Reply::Found(bytes[..].into()),
                Err(Error::NotFound { .. }) => Reply::NotFound,
                Err(_) => Reply::Failed,
            }
        }
        Request::List(folder) => {
            let mut names = Vec::new();
            let mut listed = store.list(Some(&Path::from(&**folder)));
            let mut next = || {
                let mut context = Context::from_waker(Waker::noop());
                match listed.as_mut().poll_next(&mut context) {
                    Poll::Ready(next) => next,
                    Poll::Pending => panic!("a local store does not wait"),
                }
            };
            while let Some(Ok(found)) = next() {
                names.push(Key::from(found.location.as_ref()));
            }
            names.sort();
            Reply::Listed(names)
        }
        Request::Delete(key) => match at_once(store.delete(&Path::from(&**key))) {
            Ok(()) | Err(Error::NotFound { .. }) => Reply::Done,
            Err(_) => Reply::Failed,
        },
    }
}

/// A folder of its own, which goes with it.
#[derive(Debug)]
struct Folder(std::path::PathBuf);

impl Folder {
    fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let n = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("seawall-volume-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left in a temporary folder does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The answers of every store to these requests, by store.
fn answers(requests: &[Request]) -> BTreeMap<&'static str, Vec<Reply>> {
    let folder = Folder::new();
    let local = LocalFileSystem::new_with_prefix(&folder.0).expect("the folder is there");
    let stores = [
        ("model", Store::Model(Volume::new(false))),
        ("in memory", Store::Real(Box::new(InMemory::new()))),
        ("local folder", Store::Real(Box::new(local))),
    ];
    let ask = |(name, mut store): (&'static str, Store)| {
        (name, requests.iter().map(|request| store.ask(request)).collect())
    };
    stores.into_iter().map(ask).collect()
}

/// All stores give these answers.
fn expect(story: &[(Request, Reply)]) {
    let requests: Vec<Request> = story.iter().map(|(request, _)| request.clone()).collect();
    let expected: Vec<Reply> = story.iter().map(|(_, reply)| reply.clone()).collect();
    for (name, answers) in answers(&requests) {
        assert_eq!(answers, expected, "{name}");
    }
}

fn create(key: &str, text: &str) -> Request {
    Request::Create(key.into(), text.as_bytes().into())
}

fn get(key: &str) -> Request {
    Request::Get(key.into())
}

fn found(text: &str) -> Reply {
    Reply::Found(text.as_bytes().into())
}

fn listed(keys: &[&str]) -> Reply {
    Reply::Listed(keys.iter().map(|key| (*key).into()).collect())
}

#[test]
fn an_object_is_created_once_and_stays_as_it_was() {
    expect(&[
        (create("log/0/1", "a"), Reply::Done),
        (create("log/0/1", "b"), Reply::Exists),
        (get("log/0/1"), found("a")),
    ]);
}

#[test]
fn a_put_replaces() {
    let put = Request::Put("blob/0/1".into(), b"b".as_slice().into());
    expect(&[
        (create("blob/0/1", "a"), Reply::Done),
        (put, Reply::Done),
        (get("blob/0/1"), found("b")),
    ]);
}

#[test]
fn a_key_is_not_found_by_a_part_of_it() {
    expect(&[
        (create("blob/0/10", "a"), Reply::Done),
        (get("blob/0/1"), Reply::NotFound),
        (get("blob/0"), Reply::NotFound),
        (get("blob/0/10"), found("a")),
    ]);
}

#[test]
fn a_list_names_what_is_in_a_folder_in_order() {
    expect(&[
        (create("log/1/0002", "b"), Reply::Done),
        (create("log/10/0001", "c"), Reply::Done),
        (create("log/1/0001", "a"), Reply::Done),
        (Request::List("log/1/".into()), listed(&["log/1/0001", "log/1/0002"])),
        (Request::List("log/2/".into()), listed(&[])),
    ]);
}

#[test]
fn what_is_deleted_is_gone_and_may_be_deleted_again() {
    let delete = || Request::Delete("snapshot/0/1".into());
    expect(&[
        (create("snapshot/0/1", "a"), Reply::Done),
        (delete(), Reply::Done),
        (delete(), Reply::Done),
        (get("snapshot/0/1"), Reply::NotFound),
        (create("snapshot/0/1", "b"), Reply::Done),
    ]);
}

fn any_request() -> impl Strategy<Value = Request> {
    let key = prop::sample::select(vec!["a/1", "a/10", "a/2", "b/1"]);
    let bytes = prop::collection::vec(any::<u8>(), 0..4);
    (0u8..5, key, bytes).prop_map(|(kind, key, bytes)| match kind {
        0 => Request::Create(key.into(), bytes.into()),
        1 => Request::Put(key.into(), bytes.into()),
        2 => Request::Get(key.into()),
        3 => Request::Delete(key.into()),
        _ => Request::List(format!("{}/", &key[..1]).into()),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_asked_all_stores_answer_alike(
        requests in prop::collection::vec(any_request(), 1..24),
    ) {
        let answers = answers(&requests);
        for (name, others) in &answers {
            prop_assert_eq!(others, &answers["model"], "{}", name);
        }
    }
}
