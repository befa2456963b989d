//! Small stories of the commit log in every order in which the volume can serve two workers, with
//! answers lost and requests failing wherever they can.

use engine::flaw::{Flaw, Flaws};
use engine::id::{AccountField, Token};
use engine::log::{Doc, Key};
use engine::message::{Action, Command, Refusal, Reply, Response};
use engine::record::{Payload, Value};

use super::lab::{Asker, Lab, explore};

fn patch(field: AccountField, label: u8) -> Action {
    let value = Value::Text(format!("{label}"));
    Action::Patch(vec![(field, Payload { token: Token([label; 16]), value })])
}

/// Two devices with their sessions, each about to set a field at another worker.
fn two_patches(flaws: Flaws, fields: [AccountField; 2]) -> Lab {
    let mut lab = Lab::new(2, flaws);
    for (n, field) in fields.into_iter().enumerate() {
        let asker = Asker::new(n as u64 + 1);
        // The other worker learns of everything before the race.
        let fence = lab.opens(n, asker);
        let label = u8::try_from(n + 1).expect("two");
        lab.ask(n, asker.acts(fence, 1, patch(field, label)));
        if n == 0 {
            lab.finish();
        }
    }
    lab
}

/// Race: both patches are asked before either worker has committed.
fn race(flaws: Flaws, fields: [AccountField; 2]) -> Lab {
    let mut lab = Lab::new(2, flaws);
    let askers = [Asker::new(1), Asker::new(2)];
    let fences = [lab.opens(0, askers[0]), lab.opens(1, askers[1])];
    // Both know the same log.
    for worker in [0, 1] {
        lab.ask_and_wait(worker, askers[worker].acts(fences[worker], 1, Action::ReadAccount));
    }
    for (n, field) in fields.into_iter().enumerate() {
        let label = u8::try_from(n + 1).expect("two");
        lab.ask(n, askers[n].acts(fences[n], 2, patch(field, label)));
    }
    lab
}

/// Both are in the account, once, and were answered so.
fn both_are_kept(lab: &Lab) -> bool {
    let mut lab = lab.clone();
    let log = lab.log();
    let once = |label: u8| {
        let bears = |doc: &Option<Doc>| matches!(doc, Some(Doc::Field(_, payload)) if payload.token == Token([label; 16]));
        let puts = log.iter().flat_map(|entry| &entry.ops).flat_map(|op| &op.puts);
        puts.filter(|(_, doc)| bears(doc)).count() == 1
    };
    let state = lab.state();
    let kept = |label: u8| {
        AccountField::ALL.into_iter().any(|field| {
            let current = state.get(Key::Account(field));
            let Some(Doc::Field(n, payload)) = current else { return false };
            let was = (1..*n).any(|n| {
                matches!(state.get(Key::Was(field, n)),
                    Some(Doc::Version(payload)) if payload.token == Token([label; 16]))
            });
            was || payload.token == Token([label; 16])
        })
    };
    let contiguous = log.iter().zip(1..).all(|(entry, n)| entry.seq == n);
    let patched = lab.answers.iter().filter(|(_, it)| it.reply == Reply::Patched).count();
    contiguous && patched == 2 && [1, 2].into_iter().all(|label| once(label) && kept(label))
}

const APART: [AccountField; 2] = [AccountField::Email, AccountField::Phone];
const SAME: [AccountField; 2] = [AccountField::Email, AccountField::Email];

#[test]
fn two_patches_at_once_both_survive_whatever_the_volume_does() {
    for fields in [APART, SAME] {
        let (all, well) = explore(&race(Flaws::NONE, fields), 3, &mut both_are_kept);
        assert!(all > 1_000, "only {all} orders");
        assert_eq!(well, all);
        let (all, well) = explore(&two_patches(Flaws::NONE, fields), 2, &mut both_are_kept);
        assert_eq!(well, all);
    }
}

#[test]
fn a_worker_that_does_not_decide_anew_loses_a_patch_in_some_order() {
    for flaw in [Flaw::I42Rmw, Flaw::I42RetryStale, Flaw::I42WorkerCache, Flaw::I42TailRace] {
        let (all, well) = explore(&race(Flaws::only(flaw), APART), 1, &mut both_are_kept);
        assert!(well < all, "{} is never seen in {all} orders", flaw.id());
    }
}

#[test]
fn a_request_that_arrives_twice_at_two_workers_takes_effect_once() {
    let mut lab = Lab::new(2, Flaws::NONE);
    let asker = Asker::new(1);
    let fence = lab.opens(0, asker);
    for worker in [0, 1] {
        lab.ask(worker, asker.acts(fence, 1, patch(AccountField::Email, 1)));
    }
    let mut once = |lab: &Lab| {
        let mut lab = lab.clone();
        let patched = lab.answers.iter().filter(|(_, it)| it.reply == Reply::Patched).count();
        let version = lab.state().get(Key::Account(AccountField::Email)).cloned();
        patched == 2 && matches!(version, Some(Doc::Field(1, _)))
    };
    let (all, well) = explore(&lab, 2, &mut once);
    assert!(all > 500, "only {all} orders");
    assert_eq!(well, all);
}

#[test]
fn of_two_copies_of_a_device_one_has_the_session() {
    let mut lab = Lab::new(2, Flaws::NONE);
    let [mut one, mut other] = [Asker::new(1), Asker::new(2)];
    (one.device, other.device) = (Asker::new(7).device, Asker::new(7).device);
    lab.ask(0, one.asks(Command::Open));
    lab.ask(1, other.asks(Command::Open));
    let mut one_has_it = |lab: &Lab| {
        let granted = lab.answers.iter().filter(|(_, it)| matches!(it.reply, Reply::Opened(_)));
        let busy = |(_, it): &&(_, Response)| matches!(it.reply, Reply::Refused(Refusal::Busy(_)));
        granted.count() == 1 && lab.answers.iter().filter(busy).count() == 1
    };
    let (all, well) = explore(&lab, 2, &mut one_has_it);
    assert!(all > 500, "only {all} orders");
    assert_eq!(well, all);
}

#[test]
fn a_session_that_was_taken_over_commits_nothing() {
    let mut lab = Lab::new(2, Flaws::NONE);
    let asker = Asker::new(1);
    let fence = lab.opens(0, asker);
    let mut reborn = asker;
    reborn.client.life = 2;
    lab.opens(1, reborn);
    // The first life's request was on its way all the time, and its worker knows of no other.
    let late = asker.acts(fence, 1, patch(AccountField::Email, 1));
    assert_eq!(lab.ask_and_wait(0, late), Reply::Refused(Refusal::Fenced));
    // Nor can it end the session of the second life, or start its own again.
    assert_eq!(lab.ask_and_wait(0, asker.asks(Command::Open)), Reply::Refused(Refusal::Fenced));
    lab.ask_and_wait(0, asker.asks(Command::Close(fence)));
    assert_eq!(lab.state().get(Key::Account(AccountField::Email)), None);
    assert!(lab.state().get(Key::Session(asker.device)).is_some());
}

#[test]
fn a_late_end_of_a_session_makes_nothing_happen_twice() {
    let mut lab = Lab::new(2, Flaws::NONE);
    let asker = Asker::new(1);
    let fence = lab.opens(0, asker);
    // The end was given up by the device, which goes on under the session, and arrives all the same.
    lab.ask(0, asker.asks(Command::Close(fence)));
    lab.ask(1, asker.acts(fence, 1, patch(AccountField::Email, 1)));
    let mut once = |lab: &Lab| {
        let mut lab = lab.clone();
        let fence = lab.opens(0, asker);
        let again = lab.ask_and_wait(0, asker.acts(fence, 1, patch(AccountField::Email, 1)));
        let version = lab.state().get(Key::Account(AccountField::Email)).cloned();
        again == Reply::Patched && matches!(version, Some(Doc::Field(1, _)))
    };
    let (all, well) = explore(&lab, 2, &mut once);
    assert!(all > 100, "only {all} orders");
    assert_eq!(well, all);
}
