//! Small stories of the work on conversations: claims that race, claims that run out, steps that
//! fail or are late, copies that come by two paths at once, and a crash after every effect.
//!
//! Each case is run on the product, and on the flaws that it must show.

use engine::dedup::DedupKey;
use engine::flaw::{Flaw, Flaws};
use engine::id::Token;
use engine::ingest::Path;
use engine::job::{BlobHash, BlobName, Claim, Content, Item, Job, Place, Stored, Summary, Why};
use engine::log::{Doc, Entry, EntryId, Key, Op, entry_key};
use engine::message::{Action, Fence, Part, Refusal, Reply, WorkAction, WorkReply};
use engine::processor::{Answer, Ask, Reason};
use engine::volume;
use harness::time::{Span, Time};

use super::lab::{ANNA, Asker, Lab, explore};
use super::plant::{Plant, Steps, books, origin, part, vault};

fn flawed(flaw: Flaw) -> Flaws {
    Flaws::only(flaw)
}

fn key(n: u8) -> DedupKey {
    vault(Flaws::NONE).key(&origin(&format!("c{n}")))
}

fn save(n: u8, expected: u32, blob: u8) -> Action {
    let day = vault(Flaws::NONE).calendar.day("2024-04-03").expect("a day");
    let blob = [blob; 8].into();
    let expected = (expected > 0).then(|| (expected, BlobHash::of(&[n; 8])));
    Action::Work(WorkAction::Save { key: key(n), expected, day, messages: 1, blob })
}

const CLAIM: Action = Action::Work(WorkAction::Claim(None));

fn finish(claim: &Claim, result: u8) -> Action {
    let Claim { key, version, fence, .. } = *claim;
    let outcome = Ok([result; 8].into());
    Action::Work(WorkAction::Finish { key, version, fence, outcome })
}

/// Two devices with their sessions at two workers, and these conversations.
fn two(flaws: Flaws, items: u8) -> (Lab, [Asker; 2], [Fence; 2]) {
    let mut lab = Lab::new(2, flaws);
    let askers = [Asker::new(1), Asker::new(2)];
    let fences = [lab.opens(0, askers[0]), lab.opens(1, askers[1])];
    for n in 1..=items {
        let saved = lab.ask_and_wait(0, askers[0].acts(fences[0], n.into(), save(n, 0, n)));
        assert_eq!(saved, Reply::Work(WorkReply::Saved(1)));
    }
    // Both workers know the same log.
    lab.ask_and_wait(1, askers[1].acts(fences[1], 1, Action::ReadAccount));
    (lab, askers, fences)
}

fn claims(lab: &Lab) -> Vec<Claim> {
    let of = |reply: &Reply| {
        let Reply::Work(WorkReply::Claimed(claim)) = reply else { return None };
        *claim
    };
    lab.answers.iter().filter_map(|(_, response)| of(&response.reply)).collect()
}

fn right(lab: &Lab) -> bool {
    books(&lab.clone().log()).is_ok()
}

fn job_of(lab: &Lab, n: u8) -> Option<Job> {
    match lab.clone().state().get(Key::Work(Place::Item(key(n)))) {
        Some(Doc::Work(Stored::Item(item))) => Some(item.job),
        _ => None,
    }
}

/// Two claim the one item there is, at the same time.
fn two_claims(flaws: Flaws) -> Lab {
    let (mut lab, askers, fences) = two(flaws, 1);
    for n in [0, 1] {
        lab.ask(n, askers[n].acts(fences[n], 9, CLAIM));
    }
    lab
}

fn one_has_it(lab: &Lab) -> bool {
    let busy = |reply: &Reply| matches!(reply, Reply::Refused(Refusal::Busy(_)));
    let busy = lab.answers.iter().filter(|(_, response)| busy(&response.reply)).count();
    claims(lab).len() == 1 && busy == 1 && right(lab)
}

#[test]
fn of_two_claims_of_one_item_one_is_granted() {
    let (all, well) = explore(&two_claims(Flaws::NONE), 3, &mut one_has_it);
    assert!(all > 500, "only {all} orders");
    assert_eq!(well, all);
    let (all, well) = explore(&two_claims(flawed(Flaw::BpNolock)), 1, &mut one_has_it);
    assert!(well < all, "a claim without a lease is seen in {all} orders");
}

#[test]
fn two_claims_of_two_items_take_one_each() {
    let (mut lab, askers, fences) = two(Flaws::NONE, 2);
    for n in [0, 1] {
        lab.ask(n, askers[n].acts(fences[n], 9, CLAIM));
    }
    let mut one_each = |lab: &Lab| {
        let claims = claims(lab);
        claims.len() == 2 && claims[0].key != claims[1].key && right(lab)
    };
    let (all, well) = explore(&lab, 2, &mut one_each);
    assert_eq!(well, all);
}

/// A claim runs out under its holder, another processor is granted the item, and both save.
fn zombie(flaws: Flaws, wait: u64) -> Lab {
    let (mut lab, askers, fences) = two(flaws, 1);
    for n in [0, 1] {
        lab.ask_and_wait(n, askers[n].acts(fences[n], 8, CLAIM));
        lab.now += wait;
    }
    let claims = claims(&lab);
    for (n, claim) in claims.iter().enumerate() {
        let label = u8::try_from(n + 1).expect("two");
        lab.ask(n, askers[n].acts(fences[n], 9, finish(claim, label)));
    }
    lab
}

const FINISHED: Reply = Reply::Work(WorkReply::Finished);

/// What counts is the result of the processor that was granted the item last.
fn the_last_grant_counts(lab: &Lab) -> bool {
    let newest = claims(lab).iter().map(|claim| claim.fence).max();
    let first_is_newest = claims(lab).first().map(|claim| claim.fence) == newest;
    let result = BlobHash::of(&[if first_is_newest { 1 } else { 2 }; 8]);
    let finished = lab.answers.iter().filter(|(_, response)| response.reply == FINISHED).count();
    match job_of(lab, 1) {
        Some(Job::Success { result: held, .. }) => held == result && finished == 1 && right(lab),
        _ => false,
    }
}

#[test]
fn a_result_counts_under_the_last_grant_only() {
    let (all, well) = explore(&zombie(Flaws::NONE, 1_001), 2, &mut the_last_grant_counts);
    assert!(all > 500, "only {all} orders");
    assert_eq!(well, all);
    for flaw in [Flaw::Fb16, Flaw::Fb17, Flaw::BpNolock] {
        let story = zombie(flawed(flaw), 1_001);
        let (all, well) = explore(&story, 0, &mut the_last_grant_counts);
        assert!(well < all, "{} is never seen in {all} orders", flaw.id());
    }
    // A lease that is shorter than the work runs out when nothing is wrong.
    let (all, well) = explore(&zombie(Flaws::NONE, 100), 0, &mut the_last_grant_counts);
    assert_eq!(well, all);
    let story = zombie(flawed(Flaw::BpLockTtl), 100);
    let (all, well) = explore(&story, 0, &mut the_last_grant_counts);
    assert!(well < all, "BP-LOCK-TTL is never seen in {all} orders");
}

#[test]
fn a_save_from_an_older_version_is_refused_with_the_current_one() {
    let race = |flaws| {
        let (mut lab, askers, fences) = two(flaws, 1);
        for n in [0, 1] {
            let blob = 10 + u8::try_from(n).expect("two");
            lab.ask(n, askers[n].acts(fences[n], 9, save(1, 1, blob)));
        }
        lab
    };
    let mut one_is_told = |lab: &Lab| {
        let saved = lab
            .answers
            .iter()
            .filter(|(_, response)| response.reply == Reply::Work(WorkReply::Saved(2)))
            .count();
        let told = Reply::Refused(Refusal::Changed(2));
        let told = lab.answers.iter().filter(|(_, response)| response.reply == told).count();
        saved == 1 && told == 1 && right(lab)
    };
    let (all, well) = explore(&race(Flaws::NONE), 2, &mut one_is_told);
    assert!(all > 500, "only {all} orders");
    assert_eq!(well, all);
    let (all, well) = explore(&race(flawed(Flaw::BpSilentOverwrite)), 0, &mut one_is_told);
    assert!(well < all, "BP-SILENT-OVERWRITE is never seen in {all} orders");
}

#[test]
fn a_claim_that_arrives_twice_at_two_workers_is_granted_once() {
    let (mut lab, askers, fences) = two(Flaws::NONE, 2);
    for worker in [0, 1] {
        lab.ask(worker, askers[0].acts(fences[0], 9, CLAIM));
    }
    let mut once = |lab: &Lab| {
        let claims = claims(lab);
        claims.len() == 2 && claims[0] == claims[1] && claims[0].tries == 1 && right(lab)
    };
    let (all, well) = explore(&lab, 2, &mut once);
    assert_eq!(well, all);
}

#[test]
fn a_day_is_what_its_items_amount_to_when_saves_share_a_commit() {
    let share = |flaws| {
        let (mut lab, askers, fences) = two(flaws, 1);
        lab.ask(0, askers[0].acts(fences[0], 9, save(2, 0, 2)));
        lab.ask(0, askers[1].acts(fences[1], 9, save(3, 0, 3)));
        lab
    };
    let (all, well) = explore(&share(Flaws::NONE), 1, &mut right);
    assert_eq!(well, all);
    let (all, well) = explore(&share(flawed(Flaw::BpSummaryBefore)), 1, &mut right);
    assert!(well < all, "BP-SUMMARY-BEFORE is never seen in {all} orders");
}

/// The same conversation comes by both paths at once: messages 1 to 5 and 3 to 8.
fn overlapping(flaws: Flaws) -> Plant {
    let mut plant = Plant::new(flaws);
    for (who, id) in [(0, "a"), (1, "b")] {
        plant.ingests(who, Path::Upload, part(id, 1..=1));
    }
    plant.ask(0, Ask::Ingest(Path::Upload, part("c", 1..=5)));
    plant.ask(1, Ask::Ingest(Path::Daily, part("c", 3..=8)));
    plant
}

fn merged(plant: &Plant) -> bool {
    let mut plant = plant.clone();
    let right = plant.books().is_ok();
    let items = plant.ask_and_wait(1, Ask::ReadDay("2024-04-03".to_owned()));
    let three = matches!(items, Answer::Day(Summary { items: 3, .. }, _));
    right && three && plant.messages("c") == (1..=8).collect::<Vec<_>>()
}

#[test]
fn copies_that_come_by_two_paths_at_once_become_one() {
    let (all, well) = explore(&overlapping(Flaws::NONE), 1, &mut merged);
    assert!(all > 500, "only {all} orders");
    assert_eq!(well, all);
    for flaw in [Flaw::BpSilentOverwrite, Flaw::BpMergeDup, Flaw::BpDedupSplit] {
        let (all, well) = explore(&overlapping(flawed(flaw)), 0, &mut merged);
        assert!(well < all, "{} is never seen in {all} orders", flaw.id());
    }
}

#[test]
fn a_copy_that_brings_nothing_new_is_not_saved() {
    let mut plant = Plant::new(Flaws::NONE);
    assert_eq!(plant.ingests(0, Path::Upload, part("c", 1..=5)), 1);
    assert_eq!(plant.ingests(1, Path::Daily, part("c", 2..=4)), 1);
    assert_eq!(plant.ingests(1, Path::Daily, part("c", 5..=6)), 2);
    assert_eq!(plant.messages("c"), (1..=6).collect::<Vec<_>>());
}

/// All of a processor's work, from the conversation's arrival on.
fn work(flaws: Flaws, crashes_after: Option<usize>) -> Plant {
    let mut plant = Plant::new(flaws);
    (plant.effects, plant.crashes_after) = (0, crashes_after);
    let ingest = || Ask::Ingest(Path::Upload, part("c", 1..=3));
    plant.ask(0, ingest());
    plant.ask(0, Ask::Process(None));
    plant.ask(0, Ask::Stop);
    plant.run(true);
    if plant.has_crashed(0) {
        plant.passes(5_000);
        plant.starts(0);
        plant.ask(0, ingest());
        plant.ask(0, Ask::Process(None));
        plant.run(true);
    }
    plant
}

fn is_worked_on(plant: &mut Plant) -> bool {
    let done = plant.ask_and_wait(1, Ask::Read(origin("c"), Part::Result));
    let result = matches!(done, Answer::Result(_, payload) if payload.token == Token([103; 16]));
    result && plant.books().is_ok() && plant.messages("c") == [1, 2, 3]
}

#[test]
fn a_processor_may_crash_after_any_of_its_effects() {
    let mut whole = work(Flaws::NONE, None);
    assert!(is_worked_on(&mut whole));
    let effects = whole.effects;
    assert!(effects >= 8, "a session, a save, a claim, a read, a step, a result: {effects}");
    for after in 1..=effects {
        let mut plant = work(Flaws::NONE, Some(after));
        assert!(is_worked_on(&mut plant), "crashed after effect {after} of {effects}");
    }
    let stuck = |after| !is_worked_on(&mut work(flawed(Flaw::BpStuckProcessing), Some(after)));
    assert!((1..=effects).any(stuck), "what a crash leaves is taken up by nobody");
}

#[test]
fn a_step_that_always_fails_is_tried_three_times_and_then_seen_to_have_failed() {
    let fails = |flaws| {
        let mut plant = Plant::new(flaws);
        plant.ingests(0, Path::Upload, part("c", 1..=3));
        plant.steps = Steps::Fail;
        assert_eq!(plant.ask_and_wait(0, Ask::Process(None)), Answer::Processed);
        plant
    };
    let mut plant = fails(Flaws::NONE);
    assert_eq!(plant.begun, 3);
    let failed = Some(Job::Failed { tries: 3, why: Why::StepFailed });
    assert_eq!(plant.item("c").map(|item| item.job), failed);
    let Answer::Day(summary, items) = plant.ask_and_wait(1, Ask::ReadDay("3 Apr 2024".to_owned()))
    else {
        panic!("a day is shown");
    };
    assert_eq!((summary.failed, items.len()), (1, 1));
    // The user says to try again.
    plant.steps = Steps::Work;
    assert_eq!(plant.ask_and_wait(1, Ask::Process(None)), Answer::Processed);
    assert_eq!(plant.begun, 3, "for good");
    assert_eq!(plant.ask_and_wait(1, Ask::Reset(origin("c"))), Answer::WasReset);
    assert_eq!(plant.ask_and_wait(1, Ask::Process(None)), Answer::Processed);
    assert!(is_worked_on(&mut plant));
    let refused = Answer::Refused(Reason::Server(Refusal::Invalid));
    assert_eq!(plant.ask_and_wait(1, Ask::Reset(origin("c"))), refused);

    assert!(fails(flawed(Flaw::BpRetry4)).books().is_err());
    assert!(fails(flawed(Flaw::BpFailedProcessed)).books().is_err());
}

#[test]
fn crashes_count_as_tries() {
    let mut plant = Plant::new(Flaws::NONE);
    plant.ingests(0, Path::Upload, part("c", 1..=3));
    plant.steps = Steps::Hang;
    for _ in 0..3 {
        plant.ask(0, Ask::Process(None));
        plant.run(true);
        plant.crash(0);
        plant.passes(5_000);
        plant.starts(0);
    }
    assert_eq!(plant.begun, 3);
    assert_eq!(plant.ask_and_wait(1, Ask::Process(None)), Answer::Processed);
    assert_eq!(plant.begun, 3);
    let failed = Some(Job::Failed { tries: 3, why: Why::Abandoned });
    assert_eq!(plant.item("c").map(|item| item.job), failed);
    assert_eq!(plant.books(), Ok(()));
}

#[test]
fn a_step_that_ends_after_its_claim_has_gone_changes_nothing() {
    let late = |flaws, behind| {
        let mut plant = Plant::new(flaws);
        plant.behind[0] = behind;
        plant.ingests(0, Path::Upload, part("c", 1..=3));
        plant.steps = Steps::Hang;
        let first = plant.ask(0, Ask::Process(None));
        plant.run(true);
        plant.passes(2_000);
        plant.ask(1, Ask::Process(None));
        plant.run(true);
        assert_eq!(plant.under_way.len(), 2);
        // The first one's comes while the second is at it.
        plant.ends_step(0, true);
        plant.run(false);
        (plant, first)
    };
    let (mut plant, first) = late(Flaws::NONE, 0);
    let held = plant.item("c").expect("there").job;
    assert!(matches!(held, Job::Processing { tries: 2, .. }), "by the second");
    assert_eq!(plant.answer(first), None, "the work is not done");
    plant.ends_step(0, true);
    plant.run(true);
    assert_eq!(plant.answer(first), Some(Answer::Processed));
    assert!(is_worked_on(&mut plant));

    let is_taken =
        |(plant, _): (Plant, _)| matches!(plant.item("c").expect("there").job, Job::Success { .. });
    assert!(is_taken(late(flawed(Flaw::Fb17), 0)));
    assert!(!is_taken(late(flawed(Flaw::Fb16), 0)), "its own clock tells it");
    assert!(is_taken(late(flawed(Flaw::Fb16), 10_000)), "and may be wrong");
}

#[test]
fn a_processor_that_is_refused_as_busy_does_not_take_the_work_for_done() {
    let two = |flaws| {
        let mut plant = Plant::new(flaws);
        plant.ingests(0, Path::Upload, part("c", 1..=3));
        plant.steps = Steps::Hang;
        plant.ask(0, Ask::Process(None));
        plant.run(false);
        let second = plant.ask(1, Ask::Process(Some("2024-04-03".to_owned())));
        plant.run(false);
        (plant, second)
    };
    let (mut plant, second) = two(Flaws::NONE);
    assert_eq!(plant.answer(second), None);
    let Job::Processing { until, .. } = plant.item("c").expect("there").job else {
        panic!("the first is at it");
    };
    assert!(plant.wakes_at(1) > until, "it asks no sooner than the answer allowed");
    plant.ends_step(0, true);
    plant.run(true);
    assert_eq!(plant.answer(second), Some(Answer::Processed));
    assert_eq!(plant.begun, 1);
    let (plant, second) = two(flawed(Flaw::Bp409Done));
    assert_eq!(plant.answer(second), Some(Answer::Processed), "while the other is at it");
}

#[test]
fn new_messages_are_new_work_and_what_was_made_of_the_old_stays() {
    let mut plant = Plant::new(Flaws::NONE);
    plant.ingests(0, Path::Upload, part("c", 1..=3));
    plant.steps = Steps::Hang;
    let first = plant.ask(0, Ask::Process(None));
    plant.run(true);
    // More messages while a processor is at the old ones.
    assert_eq!(plant.ingests(1, Path::Daily, part("c", 3..=5)), 2);
    plant.ends_step(0, true);
    plant.run(true);
    assert_eq!(plant.item("c").expect("there").job.tries(), 1);
    plant.ends_step(0, true);
    plant.run(true);
    assert_eq!(plant.answer(first), Some(Answer::Processed));
    let done = plant.ask_and_wait(1, Ask::Read(origin("c"), Part::Result));
    assert!(matches!(done, Answer::Result(_, payload) if payload.token == Token([105; 16])));
    let was = plant.ask_and_wait(1, Ask::Read(origin("c"), Part::Version(1)));
    assert!(matches!(was, Answer::Thread(_, thread) if thread.messages().len() == 3));
    assert_eq!(plant.books(), Ok(()));
}

/// An item as it was written before there were statuses.
fn given_old(flaws: Flaws) -> Plant {
    let mut source = Plant::new(Flaws::NONE);
    source.ingests(0, Path::Upload, part("c", 1..=3));
    let content = source.item("c").expect("it is there").content;
    let key = source.key("c");
    let blob = BlobName { key, version: 1, hash: content.blob }.object(ANNA);
    let get = volume::Request::Get(blob.clone());
    let volume::Reply::Found(bytes) = source.lab.volume.handle(Time(0), &get, Span::ZERO) else {
        panic!("the blob is there");
    };
    let mut plant = Plant::new(flaws);
    let puts = vec![(
        Key::Work(Place::Item(key)),
        Some(Doc::Work(Stored::Old(Content { since: 1, ..content }))),
    )];
    let ops = vec![Op { receipt: None, puts, reply: Reply::Work(WorkReply::Saved(1)) }];
    let entry = Entry { seq: 1, id: EntryId(1), ops };
    let entry = postcard::to_allocvec(&entry).expect("it is small").into();
    for (key, bytes) in [(blob, bytes), (entry_key(ANNA, 1), entry)] {
        let put = volume::Request::Create(key, bytes);
        plant.lab.volume.handle(Time(0), &put, Span::ZERO);
    }
    plant
}

#[test]
fn items_of_the_old_format_are_worked_on() {
    let mut plant = given_old(Flaws::NONE);
    let shown = plant.ask_and_wait(1, Ask::ReadDay("2024-04-03".to_owned()));
    assert!(matches!(shown, Answer::Day(Summary { items: 1, pending: 1, .. }, _)));
    assert_eq!(plant.ask_and_wait(0, Ask::Process(None)), Answer::Processed);
    assert!(is_worked_on(&mut plant));

    let mut plant = given_old(Flaws::NONE);
    assert_eq!(plant.ingests(0, Path::Daily, part("c", 4..=4)), 2, "also by a save");
    assert_eq!(plant.item("c").map(|item| item.job), Some(Job::NEW));
    assert_eq!(plant.books(), Ok(()));

    let mut plant = given_old(flawed(Flaw::BpMigrateAsSuccess));
    assert_eq!(plant.ask_and_wait(0, Ask::Process(None)), Answer::Processed);
    assert_eq!(plant.begun, 0, "and nobody ever looks at it");
}

#[test]
fn a_version_is_read_by_its_exact_name() {
    let versions = |flaws| {
        let mut plant = Plant::new(flaws);
        for n in 1..=10 {
            assert_eq!(plant.ingests(0, Path::Upload, part("c", n..=n)), n);
        }
        let read = |plant: &mut Plant, n| {
            let answer = plant.ask_and_wait(1, Ask::Read(origin("c"), Part::Version(n)));
            matches!(answer, Answer::Thread(_, thread) if thread.messages().len() == n as usize)
        };
        (1..=10).all(|n| read(&mut plant, n))
    };
    assert!(versions(Flaws::NONE));
    assert!(!versions(flawed(Flaw::BpPrefixRead)), "version 1 begins like version 10");
}

#[test]
fn a_date_that_can_be_read_in_two_ways_is_refused_on_both_paths() {
    let days = |flaws| {
        let mut plant = Plant::new(flaws);
        let came = |plant: &mut Plant, path| {
            let mut part = part("c", 1..=3);
            part.began = "03/04/2024".to_owned();
            plant.ask_and_wait(0, Ask::Ingest(path, part));
            plant.item("c").map(|item: Item| item.content.day.to_string())
        };
        [came(&mut plant, Path::Upload), came(&mut plant, Path::Daily)]
    };
    assert_eq!(days(Flaws::NONE), [None, None]);
    let [upload, daily] = days(flawed(Flaw::BpDateLocale));
    assert_ne!(upload, daily);
}
