//! What faults do, seen in the facts of whole runs.

use std::collections::BTreeSet;
use std::path::Path;

use engine::device::Reason;
use engine::flaw::Flaws;
use engine::id::{DeviceId, FieldId, Kind, RecordId, Remote};
use engine::message::{FileRefusal, Refusal};
use engine::record::Value;
use sim::history::{Answered, Asked, Change, Entry, Fact, Refused};
use sim::plan::Node;
use sim::run::{Outcome, run};
use sim::scenario;

const PHONE: Node = Node::Device(DeviceId(0));
const FIRST: RecordId = RecordId { kind: Kind::Meal, key: 1 };
const KCAL: FieldId = FieldId(1);

fn outcomes(name: &str) -> impl Iterator<Item = Outcome> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/regressions");
    let bytes = std::fs::read(folder.join(format!("{name}.toml"))).expect("it is shipped");
    let scenario = scenario::read(name, name, &bytes).expect("shipped files are right").0;
    (0..scenario.seeds).map(move |seed| run(&scenario::draw(&scenario, seed, Flaws::NONE)))
}

/// What a remote itself puts back or takes away when it is set back: each record, and whether it is there.
fn set_back(history: &[Entry], remote: Remote) -> Vec<(RecordId, bool)> {
    let changed = history.iter().filter_map(|entry| match (&entry.fact, entry.node) {
        (Fact::Committed { id, by: Node::Remote(_), .. }, Node::Remote(at)) if at == remote => {
            Some((*id, true))
        }
        (Fact::Removed { id, by: Node::Remote(_), .. }, Node::Remote(at)) if at == remote => {
            Some((*id, false))
        }
        _ => None,
    });
    changed.collect()
}

/// The records that devices saved at a remote from a moment on.
fn saved_after(history: &[Entry], remote: Remote, from: usize) -> BTreeSet<RecordId> {
    let saved = history[from..].iter().filter_map(|entry| match (&entry.fact, entry.node) {
        (Fact::Committed { id, by: Node::Device(_), .. }, Node::Remote(at)) if at == remote => {
            Some(*id)
        }
        _ => None,
    });
    saved.collect()
}

/// Where a device begins or ceases to keep the first meal of a remote sealed.
fn kept_sealed(history: &[Entry], remote: Remote, is_kept: bool) -> Option<usize> {
    history.iter().position(|entry| {
        let Fact::Persisted { changes, .. } = &entry.fact else { return false };
        let is_it = |change: &Change| {
            matches!(change, Change::Sealed(at, id, kept)
                if (*at, *id) == (remote, FIRST) && kept.is_some() == is_kept)
        };
        entry.node == PHONE && changes.iter().any(is_it)
    })
}

/// The calories of the first meal as the phone shows them, each time.
fn shown(history: &[Entry]) -> Vec<Value> {
    let shows = |entry: &Entry| {
        let Some((_, Answered::Read(shown))) = entry.fact.answered() else { return None };
        let field = shown.fields.iter().find(|(field, ..)| *field == KCAL)?;
        (entry.node == PHONE && shown.id == FIRST).then(|| field.1.clone())
    };
    history.iter().filter_map(shows).collect()
}

#[test]
fn an_object_in_the_wrong_place_is_kept_sealed_until_the_right_one_is_served() {
    for outcome in outcomes("an-object-of-another-row-is-kept-sealed") {
        let history = &outcome.history;
        let sealed = kept_sealed(history, Remote::Rows, true).expect("the phone notices");
        let opened = kept_sealed(history, Remote::Rows, false).expect("it asks again");
        assert!(sealed < opened);
        let shown = shown(history);
        assert_eq!(shown.first(), Some(&Value::Int(320)), "what it knew");
        assert_eq!(shown.last(), Some(&Value::Int(350)), "the change");
        assert!(!shown.contains(&Value::Int(640)), "never the other meal");
        assert_eq!(outcome.violations, []);
    }
}

#[test]
fn a_remote_that_is_set_back_is_what_it_was_until_devices_fill_it_again() {
    let meal = |key| RecordId { kind: Kind::Meal, key };
    for outcome in outcomes("a-remote-that-is-set-back-is-filled-again") {
        let history = &outcome.history;
        let at = history.iter().position(|entry| {
            matches!(entry.fact, Fact::Faulted(sim::plan::Fault::RestoreRemote(_)))
        });
        let at = at.expect("the step is in the script");
        let lost = [(meal(1), false), (meal(2), true), (meal(3), true)];
        assert_eq!(set_back(history, Remote::Rows), lost);
        assert_eq!(set_back(history, Remote::Zone), [], "the other remote is as it was");
        let expired = |entry: &&Entry| {
            matches!(&entry.fact, Fact::Declined(Node::Device(_), _, Refused::CursorExpired))
        };
        assert!(history[at..].iter().filter(expired).count() >= 2, "each device is refused");
        let filled = saved_after(history, Remote::Rows, at);
        assert_eq!(filled, BTreeSet::from([1, 2, 3, 4].map(meal)));
        assert_eq!(outcome.violations, []);
    }
}

#[test]
fn an_older_build_keeps_and_saves_a_field_that_it_does_not_write() {
    const TABLET: Node = Node::Device(DeviceId(0));
    const PHOTO: FieldId = FieldId(5);
    for outcome in outcomes("a-field-that-an-older-build-lacks-is-kept") {
        let history = &outcome.history;
        let writes = history.iter().filter(|entry| entry.node == TABLET).filter_map(|entry| {
            let Asked::Write { set, token, .. } = entry.fact.asked()?.1 else { return None };
            Some((set.iter().any(|(field, _)| *field == PHOTO), *token))
        });
        let writes: Vec<_> = writes.collect();
        let refused: Vec<bool> = history
            .iter()
            .filter(|entry| entry.node == TABLET)
            .filter_map(|entry| {
                let answered = entry.fact.answered()?.1;
                let is_refused = *answered == Answered::Refused(Reason::WrongField);
                (is_refused || *answered == Answered::Saved).then_some(is_refused)
            })
            .collect();
        let of_photo: Vec<bool> = writes.iter().map(|(photo, _)| *photo).collect();
        assert_eq!(of_photo, [false, true, false, true]);
        assert_eq!(refused, [false, true, false, false], "until the tablet is updated");

        // The tablet saved its own change of the calories together with the photo of the phone.
        let calories = writes[2].1;
        let photo = |entry: &Entry| {
            let Fact::Committed { by, contents: Some(contents), .. } = &entry.fact else {
                return None;
            };
            let has = |token| contents.cells.iter().any(|cell| cell.1 == token);
            let photo = contents.cells.iter().any(|cell| cell.0 == PHOTO);
            (*by == TABLET && has(calories)).then_some(photo)
        };
        let saved: Vec<bool> = history.iter().filter_map(photo).collect();
        assert!(!saved.is_empty() && saved.iter().all(|photo| *photo), "{saved:?}");
        assert_eq!(outcome.violations, []);
    }
}

/// How the server refused what devices asked about files, in the order of its answers.
fn refused_by_the_server(history: &[Entry]) -> Vec<(Node, FileRefusal)> {
    let refused = history.iter().filter_map(|entry| {
        let Fact::Delivered { refused: Some(why), .. } = &entry.fact else { return None };
        let Refused::Server(Refusal::File(why)) = **why else { return None };
        Some((entry.node, why))
    });
    refused.collect()
}

#[test]
fn an_older_build_is_told_what_it_can_read_and_the_reason_once_it_is_updated() {
    const TABLET: Node = Node::Device(DeviceId(1));
    for outcome in outcomes("an-older-build-is-told-what-it-can-read") {
        let refused = refused_by_the_server(&outcome.history);
        let of = |node| refused.iter().filter(move |it| it.0 == node).map(|it| it.1);
        let reason = [FileRefusal::Cycle, FileRefusal::NotEmpty];
        let told = [FileRefusal::NoFolder, FileRefusal::Outdated];
        assert!(of(PHONE).eq(reason), "{refused:?}");
        assert!(of(TABLET).eq(told.into_iter().chain(reason)), "{refused:?}");
        assert_eq!(outcome.violations, []);
    }
}
