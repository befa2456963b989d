//! Small stories of the tree, of versions and of batches, in every order in which the volume can
//! serve two workers.

use std::panic::AssertUnwindSafe;

use engine::blob::Address;
use engine::flaw::{Flaw, Flaws};
use engine::id::{Dot, NodeId, ReplicaId};
use engine::log::{Doc, FileDoc, FileKey, Key, NodeKind};
use engine::message::{FileAction, FileRefusal, FileReply, Move, Refusal, Reply};
use engine::worker::Ticket;

use super::desk::{
    Desk, ROOT, at, done, folder, intent, is_sane, is_whole, moved, name, new_file, node, publish,
    published, refused, seen, version, write,
};
use super::lab::{Fate, Lab, explore};

/// What both were answered, in the order of asking.
fn answers(lab: &Lab, tickets: [Ticket; 2]) -> [Option<Reply>; 2] {
    tickets.map(|ticket| lab.answer(ticket))
}

/// Both ask at once; how often do these answers and this tree come out?
fn race(
    mut desk: Desk,
    asked: [FileAction; 2],
    mishaps: u32,
    mut ends_well: impl FnMut(&Lab, [Reply; 2]) -> bool,
) -> (u64, u64) {
    desk.catch_up();
    let [one, other] = asked;
    let tickets = [desk.ask(0, one), desk.ask(1, other)];
    explore(&desk.lab, mishaps, &mut |lab| {
        let sane = is_sane(&lab.clone().state()) && is_whole(lab);
        match answers(lab, tickets) {
            [Some(one), Some(other)] => ends_well(lab, [one, other]) && sane,
            [None, _] | [_, None] => false,
        }
    })
}

/// Two folders and a file.
fn furnished(flaws: Flaws) -> Desk {
    let mut desk = Desk::new(flaws);
    assert_eq!(desk.does(0, folder(1, "one")), done());
    assert_eq!(desk.does(1, folder(2, "two")), done());
    let put = desk.publishes(0, b"first content", intent(new_file(3, "three"), 1));
    assert_eq!(put, published(1));
    desk
}

fn all_of((all, well): (u64, u64)) {
    assert!(all > 150, "only {all} orders");
    assert_eq!(well, all);
}

fn renamed(node: u64, text: &str) -> FileAction {
    FileAction::Move(vec![Move { node: NodeId(node), parent: None, name: Some(name(text)) }])
}

const MOVED: Reply = Reply::File(FileReply::Moved);

#[test]
fn one_of_two_gets_a_name_and_the_other_learns_who_has_it() {
    let asked = [folder(5, "Same"), folder(6, "same")];
    all_of(race(furnished(Flaws::NONE), asked, 2, |_, answers| {
        answers == [done(), refused(FileRefusal::NameTaken(NodeId(5)))]
            || answers == [refused(FileRefusal::NameTaken(NodeId(6))), done()]
    }));
}

#[test]
fn a_rename_and_a_move_of_one_node_both_happen() {
    let asked = [renamed(3, "drei"), FileAction::Move(vec![moved(3, NodeId(1))])];
    all_of(race(furnished(Flaws::NONE), asked, 2, |lab, answers| {
        let there = node(&lab.clone().state(), 3).expect("it is not deleted").place;
        answers == [MOVED, MOVED] && there == at(NodeId(1), "drei")
    }));
}

#[test]
fn nothing_is_moved_into_a_folder_that_is_deleted() {
    let asked =
        [FileAction::Move(vec![moved(3, NodeId(1))]), FileAction::Delete(NodeId(1), Vec::new())];
    all_of(race(furnished(Flaws::NONE), asked, 2, |_, answers| {
        answers == [MOVED, refused(FileRefusal::NotEmpty)]
            || answers == [refused(FileRefusal::NoFolder), done()]
    }));
}

/// Each folder is moved into the other.
fn into_each_other(flaws: Flaws) -> (u64, u64) {
    let into = |one, other| FileAction::Move(vec![moved(one, NodeId(other))]);
    race(furnished(flaws), [into(1, 2), into(2, 1)], 2, |_, answers| {
        let refused = refused(FileRefusal::Cycle);
        answers == [MOVED, refused.clone()] || answers == [refused, MOVED]
    })
}

#[test]
fn two_folders_are_never_in_each_other() {
    all_of(into_each_other(Flaws::NONE));
    assert_eq!(into_each_other(Flaws::only(Flaw::Fb10)).1, 0);
}

#[test]
fn a_delete_does_not_take_a_version_that_its_author_has_not_seen() {
    let mut desk = furnished(Flaws::NONE);
    desk.uploads(0, b"second content", intent(version(3, &[1]), 2));
    let asked = [publish(b"second content"), FileAction::Delete(NodeId(3), vec![write(1)])];
    all_of(race(desk, asked, 1, |_, answers| {
        answers == [published(2), refused(FileRefusal::Outdated)]
            || answers == [refused(FileRefusal::Deleted), done()]
    }));
}

#[test]
fn a_name_that_a_delete_has_freed_can_be_taken_and_an_undelete_gives_another() {
    let mut desk = furnished(Flaws::NONE);
    assert_eq!(desk.does(0, FileAction::Delete(NodeId(3), vec![write(1)])), done());
    assert_eq!(desk.does(1, folder(4, "Three")), done());
    let taken = refused(FileRefusal::NameTaken(NodeId(4)));
    assert_eq!(desk.does(0, FileAction::Undelete(NodeId(3), None)), taken);
    let elsewhere = Some(at(NodeId(1), "three"));
    assert_eq!(desk.does(0, FileAction::Undelete(NodeId(3), elsewhere)), done());
    assert_eq!(desk.reads(1, 3, 1), b"first content");
    assert!(is_sane(&desk.lab.state()));
}

#[test]
fn two_nodes_change_places_in_one_batch() {
    let mut desk = furnished(Flaws::NONE);
    let named = |node, text| Move { node: NodeId(node), parent: None, name: Some(name(text)) };
    let swap = FileAction::Move(vec![named(1, "two"), named(2, "one")]);
    assert_eq!(desk.does(0, swap), MOVED);
    assert!(is_sane(&desk.lab.state()));
    let twice = FileAction::Move(vec![named(1, "a"), named(1, "b")]);
    assert_eq!(desk.does(0, twice), Reply::Refused(Refusal::Invalid));
}

/// Three nodes are moved while another device takes the name of one of them.
fn batch(flaws: Flaws) -> (u64, u64) {
    let mut desk = furnished(flaws);
    assert_eq!(desk.does(0, folder(4, "four")), done());
    let moves = vec![moved(2, NodeId(1)), moved(3, NodeId(1)), moved(4, NodeId(1))];
    let same = FileAction::CreateFolder(NodeId(5), at(NodeId(1), "three"));
    race(desk, [FileAction::Move(moves), same], 2, |lab, answers| {
        let state = lab.clone().state();
        let inside = |id: u64| node(&state, id).is_some_and(|it| it.place.parent == NodeId(1));
        let many = [2, 3, 4].into_iter().filter(|id| inside(*id)).count();
        answers == [MOVED, refused(FileRefusal::NameTaken(NodeId(3)))] && many == 3
            || answers == [refused(FileRefusal::NameTaken(NodeId(5))), done()] && many == 0
    })
}

#[test]
fn a_batch_is_moved_whole_or_not_at_all() {
    all_of(batch(Flaws::NONE));
    let (all, well) = batch(Flaws::only(Flaw::VfBatchHalf));
    assert!(well < all);
}

/// Two writers of one version that both have seen.
fn two_versions(flaws: Flaws) -> (u64, u64) {
    let mut desk = furnished(flaws);
    desk.uploads(0, b"anna", intent(version(3, &[1]), 2));
    desk.uploads(1, b"both", intent(version(3, &[1]), 3));
    let asked = [publish(b"anna"), publish(b"both")];
    race(desk, asked, 2, |lab, answers| {
        let kind = node(&lab.clone().state(), 3).expect("it is there").kind;
        let apart = NodeKind::File { latest: 3, heads: vec![2, 3] };
        let numbers =
            answers == [published(2), published(3)] || answers == [published(3), published(2)];
        numbers && kind == apart
    })
}

#[test]
fn two_versions_at_once_have_two_numbers_and_both_are_shown() {
    all_of(two_versions(Flaws::NONE));
    assert_eq!(two_versions(Flaws::only(Flaw::VfVersionRace)).1, 0);
}

fn restores(n: u32, on: &[u32], write: u64) -> FileAction {
    let content: &[u8] = if n == 1 { b"first content" } else { b"third content" };
    FileAction::Restore {
        node: NodeId(3),
        version: n,
        blob: Address::of(content),
        seen: seen(on),
        write: Dot { replica: ReplicaId(1), n: write },
        sealed: [9][..].into(),
    }
}

#[test]
fn a_restore_beside_an_upload_makes_a_head_of_its_own() {
    let mut desk = furnished(Flaws::NONE);
    desk.uploads(0, b"second content", intent(version(3, &[1]), 2));
    let asked = [publish(b"second content"), restores(1, &[1], 3)];
    all_of(race(desk.clone(), asked.clone(), 1, |lab, answers| {
        let mut numbers = answers;
        numbers.sort_by_key(|reply| *reply == published(3));
        let state = lab.clone().state();
        let heads = NodeKind::File { latest: 3, heads: vec![2, 3] };
        numbers == [published(2), published(3)]
            && node(&state, 3).is_some_and(|it| it.kind == heads)
    }));
    for (who, asked) in asked.into_iter().enumerate() {
        desk.does(who, asked);
    }
    // A version that replaces all heads ends the conflict.
    let both = intent(version(3, &[2, 3]), 4);
    assert_eq!(desk.publishes(1, b"of both", both), published(4));
    let resolved = NodeKind::File { latest: 4, heads: vec![4] };
    assert_eq!(node(&desk.lab.state(), 3).map(|it| it.kind), Some(resolved));
}

/// Restores one version, writes another, and restores that.
fn restored_twice(flaws: Flaws) -> Vec<u8> {
    let mut desk = furnished(flaws);
    assert_eq!(desk.does(0, restores(1, &[1], 2)), published(2));
    // Asked for again by a life that knows no receipt, it is the same version.
    assert_eq!(desk.does(1, restores(1, &[1], 2)), published(2));
    let third = desk.publishes(0, b"third content", intent(version(3, &[2]), 3));
    assert_eq!(third, published(3));
    desk.publishes(0, b"fourth content", intent(version(3, &[3]), 4));
    assert_eq!(desk.does(1, restores(3, &[4], 5)), published(5));
    let Reply::File(FileReply::Versions(all)) = desk.does(0, FileAction::ReadVersions(NodeId(3)))
    else {
        panic!("versions are listed")
    };
    assert_eq!(all.len(), 5);
    desk.reads(0, 3, 5)
}

#[test]
fn a_restore_brings_back_exactly_the_version_that_was_asked_for() {
    assert_eq!(restored_twice(Flaws::NONE), b"third content");
    assert_eq!(restored_twice(Flaws::only(Flaw::VfRestoreIndex)), b"fourth content");
}

#[test]
fn a_second_version_makes_no_worker_panic() {
    let second = |flaws| {
        let mut desk = furnished(flaws);
        desk.publishes(0, b"second content", intent(version(3, &[1]), 2))
    };
    assert_eq!(second(Flaws::NONE), published(2));
    let flawed = || second(Flaws::only(Flaw::VfNestedBorrow));
    assert!(std::panic::catch_unwind(AssertUnwindSafe(flawed)).is_err());
}

/// Is a file still found at a place that it was moved away from at another worker?
fn found_where_it_was(flaws: Flaws) -> bool {
    let mut desk = furnished(flaws);
    let lookup = || FileAction::Lookup(ROOT, name("three").key);
    let found = |reply| matches!(reply, Reply::File(FileReply::Found(Some(_))));
    assert!(found(desk.does(1, lookup())));
    assert_eq!(desk.does(0, FileAction::Move(vec![moved(3, NodeId(1))])), MOVED);
    found(desk.does(1, lookup()))
}

#[test]
fn a_look_up_finds_nothing_where_nothing_is() {
    assert!(!found_where_it_was(Flaws::NONE));
    assert!(found_where_it_was(Flaws::only(Flaw::VfCacheStale)));
}

/// Eight moves of which one cannot be done, with the limit at three.
fn long_batch(desk: &mut Desk) -> FileAction {
    let mut moves = Vec::new();
    for id in 10..18 {
        assert_eq!(desk.does(0, folder(id, &format!("f{id}"))), done());
        moves.push(moved(id, NodeId(1)));
    }
    let same = FileAction::CreateFolder(NodeId(20), at(NodeId(1), "f13"));
    assert_eq!(desk.does(0, same), done());
    FileAction::Move(moves)
}

#[test]
fn a_job_is_finished_by_a_worker_that_is_awake_with_a_receipt_for_each_item() {
    let mut ready = furnished(Flaws::NONE);
    let batch = long_batch(&mut ready);
    ready.catch_up();
    for steps in 0..12 {
        let mut desk = ready.clone();
        let request = desk.request(0, batch.clone());
        let ticket = desk.lab.ask(0, request.clone());
        for _ in 0..steps {
            if !desk.lab.asked[0].is_empty() {
                desk.lab.settle(0, Fate::Works);
            }
        }
        let before = desk.lab.answer(ticket);
        desk.lab.crash(0);
        // The device asks again, elsewhere.
        let answer = desk.lab.ask_and_wait(1, request);
        let Reply::File(FileReply::Accepted(job)) = answer.clone() else {
            panic!("it is a job, and not {answer:?}")
        };
        assert!(before.is_none_or(|before| before == answer));
        let Reply::File(FileReply::Job(items, total)) = desk.does(1, FileAction::ReadJob(job))
        else {
            panic!("there is a job")
        };
        assert_eq!((items.len(), total), (8, 8), "after {steps} steps");
        let failed: Vec<usize> = (0..8).filter(|n| items[*n].is_err()).collect();
        assert_eq!(failed, [3]);
        assert_eq!(items[3], Err(FileRefusal::NameTaken(NodeId(20))));
        assert!(is_sane(&desk.lab.state()));
    }
}

/// How often the log has a receipt of each item of a job.
fn receipts(lab: &mut Lab) -> Vec<u32> {
    let mut receipts = vec![0; 8];
    for (key, doc) in lab.log().iter().flat_map(|it| &it.ops).flat_map(|op| &op.puts) {
        if let (Key::File(FileKey::Item(_, n)), Some(Doc::File(FileDoc::Item(_, Some(_))))) =
            (key, doc)
        {
            receipts[*n as usize] += 1;
        }
    }
    receipts
}

#[test]
fn two_workers_at_one_job_do_each_item_once() {
    let mut desk = furnished(Flaws::NONE);
    let batch = long_batch(&mut desk);
    desk.catch_up();
    let request = desk.request(0, batch);
    for worker in [0, 1] {
        desk.lab.ask(worker, request.clone());
    }
    // Whose turn it is repeats after eight turns, in every way that there is.
    for turns in 0u8..=u8::MAX {
        let mut lab = desk.lab.clone();
        for turn in (0..8).cycle() {
            let at = usize::from(turns >> turn & 1);
            let busy = [at, 1 - at].into_iter().find(|at| !lab.asked[*at].is_empty());
            let Some(busy) = busy else { break };
            lab.settle(busy, Fate::Works);
        }
        assert_eq!(receipts(&mut lab), [1; 8], "turns {turns:08b}");
        assert!(is_sane(&lab.state()));
    }
}
