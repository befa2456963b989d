//! Files on devices: what was saved is kept whatever happens, and all devices show the same.

use engine::device::{Answer, Ask, FileAnswer, FileTarget, Reason, Relocation};
use engine::flaw::{Flaw, Flaws};
use engine::id::{NodeId, Token};
use engine::ingest::Path;
use engine::message::FileRefusal;
use engine::name::of_copy;
use engine::record::Vv;

use super::home::{Home, Mishap, ROOT, new, over, says};
use super::plant::part;

fn token(n: u8) -> Token {
    Token([n; 16])
}

/// A file that both devices know.
fn home_with_a_file(flaws: Flaws) -> (Home, NodeId) {
    let mut home = Home::new(flaws);
    let op = home.writes(0, new("list.txt"), 1);
    assert_eq!(home.answer(op), Some(Answer::Saved));
    home.rest();
    let node = home.file(1, "list.txt").node;
    (home, node)
}

/// Both devices write the file, each without having seen the other's write.
fn in_conflict(flaws: Flaws) -> (Home, NodeId) {
    let (mut home, node) = home_with_a_file(flaws);
    for (who, content) in [(0, 2), (1, 3)] {
        let target = over(&home.file(who, "list.txt"));
        home.writes(who, target, content);
    }
    home.rest();
    (home, node)
}

#[test]
fn what_one_device_writes_the_other_reads() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    assert_eq!(home.reads(1, node), [token(1)]);
    assert_eq!(home.lists(0), home.lists(1));
}

#[test]
fn edits_at_once_are_one_file_and_one_copy_of_the_same_name_everywhere() {
    let (mut home, node) = in_conflict(Flaws::NONE);
    let files = home.lists(0);
    assert_eq!(files, home.lists(1));
    let [file] = files.as_slice() else { panic!("one file, and not {files:?}") };
    let [first, second] = file.heads.as_slice() else { panic!("two heads in {file:?}") };
    assert_eq!(file.copies, [of_copy("list.txt", second.write)]);
    assert_eq!((first.version, second.version), (Some(2), Some(3)));
    let mut read = home.reads(0, node);
    assert_eq!(read, home.reads(1, node));
    read.sort();
    assert_eq!(read, [token(2), token(3)]);
}

#[test]
fn a_write_over_all_heads_resolves_a_conflict() {
    let (mut home, node) = in_conflict(Flaws::NONE);
    let target = over(&home.file(1, "list.txt"));
    home.writes(1, target, 4);
    home.rest();
    assert_eq!(home.file(0, "list.txt").heads.len(), 1);
    assert_eq!(home.reads(0, node), [token(4)]);
    assert_eq!(home.versions(0, node).len(), 4);
}

#[test]
fn writes_made_offline_are_sent_in_their_order_as_one_line_of_versions() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    home.offline[0] = true;
    for content in [2, 3, 4] {
        let target = over(&home.file(0, "list.txt"));
        home.writes(0, target, content);
        assert_eq!(home.reads_here(0, node), [token(content)]);
    }
    assert_eq!(home.uploads(0), 3);
    home.offline[0] = false;
    home.rest();
    let tokens = home.versions(1, node).into_iter().map(|head| head.token);
    assert_eq!(tokens.collect::<Vec<_>>(), [1, 2, 3, 4].map(|n| Some(token(n))));
    assert_eq!(home.reads(1, node), [token(4)]);
    assert_eq!(home.uploads(0), 0);
}

/// A device writes a new file and a version of another, and crashes after that number of effects. What it
/// said that it had saved must be there afterwards, once.
fn writes_and_crashes(after: Option<usize>, flaws: Flaws) -> Result<usize, String> {
    let (mut home, node) = home_with_a_file(flaws);
    home.offline[1] = true;
    let before = home.effects;
    home.crashes_after = after.map(|after| before + after);
    let target = over(&home.file(0, "list.txt"));
    let ops = [(home.writes(0, target, 2), 2), (home.writes(0, new("other.txt"), 3), 3)];
    home.rest();
    let effects = home.effects - before;
    if after.is_some() && !home.has_crashed(0) {
        return Err("it did not crash".to_owned());
    }
    home.crashes_after = None;
    home.starts(0);
    home.offline[1] = false;
    home.rest();
    let files = home.lists(1);
    if files != home.lists(0) {
        return Err(format!("the devices differ: {files:?}"));
    }
    let mut found = Vec::new();
    for file in &files {
        found.extend(home.versions(1, file.node).into_iter().filter_map(|head| head.token));
        home.reads(1, file.node);
    }
    for (op, content) in ops {
        let count = found.iter().filter(|it| **it == token(content)).count();
        let saved = home.answer(op) == Some(Answer::Saved);
        if count > 1 || saved && count == 0 {
            return Err(format!("{content} is there {count} times after effect {after:?}"));
        }
    }
    assert!(files.iter().any(|file| file.node == node));
    Ok(effects)
}

#[test]
fn saved_writes_survive_a_crash_after_every_effect() {
    let effects = writes_and_crashes(None, Flaws::NONE).expect("nothing happened");
    assert!(effects > 20, "{effects} effects are too few for two uploads in pieces");
    for after in 1..effects {
        writes_and_crashes(Some(after), Flaws::NONE).expect("all is there once");
    }
}

#[test]
fn without_a_sync_a_crash_loses_saved_writes() {
    let flaw = Flaws::only(Flaw::VfNoFsync);
    assert!((1..6).any(|after| writes_and_crashes(Some(after), flaw).is_err()));
}

/// A device reads the feed and crashes after that number of effects; afterwards it has all of it.
fn reads_and_crashes(after: usize, flaws: Flaws) -> bool {
    let mut home = Home::new(flaws);
    home.rest();
    home.offline[0] = true;
    for name in ["a", "b", "c"] {
        home.writes(1, new(name), 1);
    }
    home.rest();
    home.offline[0] = false;
    home.crashes_after = Some(home.effects + after);
    home.rest();
    home.crashes_after = None;
    home.starts(0);
    home.rest();
    home.lists(0) == home.lists(1)
}

#[test]
fn a_crash_while_the_feed_is_read_leaves_nothing_out() {
    assert!((1..30).all(|after| reads_and_crashes(after, Flaws::NONE)));
}

#[test]
fn a_cursor_that_is_committed_before_its_page_leaves_nodes_out() {
    let flaw = Flaws::only(Flaw::VfStateTwoFiles);
    assert!(!(1..30).all(|after| reads_and_crashes(after, flaw)));
}

#[test]
fn two_files_of_one_name_are_both_kept() {
    let mut home = Home::new(Flaws::NONE);
    home.writes(0, new("Notes.txt"), 1);
    home.writes(1, new("notes.TXT"), 2);
    home.rest();
    let files = home.lists(0);
    assert_eq!(files, home.lists(1));
    let mut names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    names.sort_by_key(|name| name.len());
    assert!(names[0].eq_ignore_ascii_case("notes.txt") && names[1].contains(" ("), "{names:?}");
    let nodes: Vec<NodeId> = files.iter().map(|file| file.node).collect();
    let mut read: Vec<Token> = nodes.into_iter().flat_map(|node| home.reads(0, node)).collect();
    read.sort();
    assert_eq!(read, [token(1), token(2)]);
}

/// One device deletes the file, and something else; the other has written it meanwhile.
fn written_and_deleted(home: &mut Home, node: NodeId, then: impl FnOnce(&mut Home)) {
    home.offline[1] = true;
    let target = over(&home.lists(1).into_iter().find(|it| it.node == node).expect("it is there"));
    home.writes(1, target, 2);
    assert_eq!(
        home.does(0, Ask::DeleteFile { node, seen: 1 }),
        Answer::File(FileAnswer::Done),
        "the server knows nothing of the write"
    );
    then(home);
    home.offline[1] = false;
    home.rest();
    assert_eq!(home.lists(0), home.lists(1));
    let file = home.lists(0).into_iter().find(|it| it.node == node).expect("it is there");
    assert!(!file.deleted, "an edit beats a delete");
    assert_eq!(home.reads(0, node), [token(2)]);
}

#[test]
fn an_edit_beats_a_delete() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    written_and_deleted(&mut home, node, |_| {});
    assert_eq!(home.file(0, "list.txt").node, node);
}

#[test]
fn a_file_that_comes_back_to_a_taken_name_gets_that_of_a_copy() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    written_and_deleted(&mut home, node, |home| {
        home.writes(0, new("list.txt"), 9);
        home.rest();
    });
    assert_ne!(home.file(0, "list.txt").node, node);
    assert_eq!(home.lists(0).len(), 2);
}

#[test]
fn a_file_whose_folder_is_gone_comes_back_to_the_root() {
    let mut home = Home::new(Flaws::NONE);
    let answer = home.does(0, Ask::CreateFolder(ROOT, "things".to_owned()));
    let Answer::File(FileAnswer::Created(folder)) = answer else { panic!("{answer:?}") };
    home.writes(0, FileTarget::New { parent: folder, name: "list.txt".to_owned() }, 1);
    home.rest();
    let node = home.file(1, "list.txt").node;
    home.offline[1] = true;
    home.writes(1, FileTarget::New { parent: folder, name: "more.txt".to_owned() }, 5);
    written_and_deleted(&mut home, node, |home| {
        let gone = home.does(0, Ask::DeleteFile { node: folder, seen: 0 });
        assert_eq!(gone, Answer::File(FileAnswer::Done));
    });
    assert_eq!(home.file(0, "list.txt").parent, ROOT);
    assert_eq!(home.file(0, "more.txt").parent, ROOT);
}

#[test]
fn a_delete_covers_what_the_same_user_has_written_before() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    home.offline[0] = true;
    let target = over(&home.file(0, "list.txt"));
    home.writes(0, target, 2);
    home.writes(0, new("draft.txt"), 3);
    let draft = home.file(0, "draft.txt").node;
    let ops =
        [(node, 1), (draft, 0)].map(|(node, seen)| home.ask(0, Ask::DeleteFile { node, seen }));
    home.offline[0] = false;
    home.rest();
    for op in ops {
        assert_eq!(home.answer(op), Some(Answer::File(FileAnswer::Done)));
    }
    assert!(home.lists(1).iter().all(|file| file.deleted));
}

#[test]
fn a_delete_is_refused_where_another_device_has_written() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    home.offline[1] = true;
    let target = over(&home.file(0, "list.txt"));
    home.writes(0, target, 2);
    home.rest();
    home.offline = [true, false];
    let reason = home.is_refused(1, Ask::DeleteFile { node, seen: 1 });
    assert_eq!(reason, Reason::File(FileRefusal::Outdated));
}

/// Everything is done with one mishap, and is there once.
fn fares_with(mishap: Option<Mishap>) -> usize {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    let before = home.requests;
    home.mishap = mishap.map(|mishap| match mishap {
        Mishap::RequestLost(n) => Mishap::RequestLost(before + n),
        Mishap::AnswerLost(n) => Mishap::AnswerLost(before + n),
        Mishap::Twice(n) => Mishap::Twice(before + n),
    });
    let target = over(&home.file(0, "list.txt"));
    home.writes(0, target, 2);
    home.writes(1, new("other.txt"), 3);
    let made = home.ask(1, Ask::CreateFolder(ROOT, "things".to_owned()));
    home.rest();
    let Some(Answer::File(FileAnswer::Created(parent))) = home.answer(made) else {
        panic!("no folder with {mishap:?}")
    };
    let to = Relocation { node, parent: Some(parent), name: Some("moved.txt".to_owned()) };
    assert_eq!(home.does(1, Ask::MoveFiles(vec![to])), Answer::File(FileAnswer::Moved));
    home.rest();
    assert_eq!(home.lists(0), home.lists(1), "{mishap:?}");
    assert_eq!(home.file(0, "moved.txt").parent, parent);
    assert_eq!(home.versions(0, node).len(), 2, "{mishap:?}");
    assert_eq!(home.reads(1, node), [token(2)]);
    let other = home.file(0, "other.txt").node;
    assert_eq!(home.versions(0, other).len(), 1, "{mishap:?}");
    home.requests - before
}

#[test]
fn what_is_lost_or_comes_twice_is_done_once() {
    let requests = fares_with(None);
    for n in 1..requests {
        fares_with(Some(Mishap::RequestLost(n)));
        fares_with(Some(Mishap::AnswerLost(n)));
        fares_with(Some(Mishap::Twice(n)));
    }
}

#[test]
fn nobody_signs_out_while_a_file_is_unsent() {
    let (mut home, _) = home_with_a_file(Flaws::NONE);
    home.offline[0] = true;
    home.writes(0, new("other.txt"), 2);
    let op = home.ask(0, Ask::SignOut);
    assert_eq!(home.answer(op), Some(Answer::Refused(Reason::Unsent(1))));
    home.offline[0] = false;
    home.rest();
    let op = home.ask(0, Ask::SignOut);
    assert_eq!(home.answer(op), Some(Answer::SignedOut));
    assert_eq!(home.lists_if_signed_in(0), None);
}

#[test]
fn a_copy_of_a_device_sends_its_writes_once_with_it() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    home.offline[0] = true;
    let target = over(&home.file(0, "list.txt"));
    home.writes(0, target, 2);
    home.writes(0, new("other.txt"), 3);
    home.clones(0, 1);
    home.rest();
    home.offline[0] = false;
    home.rest();
    assert_eq!(home.lists(0), home.lists(1));
    assert_eq!(home.versions(0, node).len(), 2);
    let other = home.file(0, "other.txt").node;
    assert_eq!(home.versions(0, other).len(), 1);
    assert_eq!(home.uploads(0), 0);
}

#[test]
fn what_cannot_be_opened_yet_is_listed_as_sealed_and_opens_later() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    home.loses_keys(1);
    home.rest();
    let files = home.lists(1);
    assert!(files[0].sealed && files[0].heads[0].token.is_none(), "{files:?}");
    let op = home.writes(1, new("other.txt"), 2);
    assert_eq!(home.answer(op), Some(Answer::Saved));
    home.gets_key(1);
    home.rest();
    assert_eq!(home.lists(1), home.lists(0));
    assert_eq!(home.reads(1, node), [token(1)]);
    assert_eq!(home.lists(0).len(), 2);
}

#[test]
fn an_old_version_is_restored_under_a_label_of_its_own() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    let target = over(&home.file(0, "list.txt"));
    home.writes(0, target, 2);
    home.rest();
    for (version, latest) in [(1, 2), (3, 3)] {
        let seen = home.file(1, "list.txt").seen;
        let token = token(10 + u8::try_from(latest).expect("few"));
        let ask = Ask::RestoreVersion { node, version, seen, token };
        assert_eq!(home.does(1, ask), Answer::File(FileAnswer::Published(latest + 1)));
    }
    let tokens: Vec<_> = home.versions(0, node).into_iter().map(|head| head.token).collect();
    assert_eq!(tokens, [1, 2, 12, 13].map(|n| Some(token(n))));
    assert_eq!(home.reads(0, node), [token(1)]);
    let answer = home.does(0, Ask::ReadVersion(node, 2));
    let Answer::File(FileAnswer::Content(read)) = answer else { panic!("{answer:?}") };
    assert_eq!(read[0].1, Ok(says(2)));
    let reason = home.is_refused(0, Ask::ReadVersion(node, 9));
    assert_eq!(reason, Reason::File(FileRefusal::NoVersion));
}

#[test]
fn a_long_batch_is_a_job_that_tells_how_far_it_is() {
    let mut home = Home::new(Flaws::NONE);
    for n in 0..4 {
        home.writes(0, new(&format!("{n}.txt")), n);
    }
    let answer = home.does(0, Ask::CreateFolder(ROOT, "all".to_owned()));
    let Answer::File(FileAnswer::Created(folder)) = answer else { panic!("{answer:?}") };
    let files = home.lists(0).into_iter().filter(|it| !it.is_folder);
    let moves = files.map(|it| Relocation { node: it.node, parent: Some(folder), name: None });
    let answer = home.does(0, Ask::MoveFiles(moves.collect()));
    let Answer::File(FileAnswer::Accepted(job)) = answer else { panic!("{answer:?}") };
    let answer = home.does(1, Ask::ReadJob(job));
    let Answer::File(FileAnswer::Job(items, 4)) = answer else { panic!("{answer:?}") };
    assert!(items.iter().all(Result::is_ok));
    home.rest();
    assert!(home.lists(1).iter().all(|it| it.is_folder || it.parent == folder));
}

#[test]
fn a_file_that_the_server_has_lost_comes_back_with_the_next_write() {
    let mut home = Home::new(Flaws::NONE);
    let backup = home.lab.volume.clone();
    home.writes(0, new("list.txt"), 1);
    home.rest();
    let target = over(&home.file(1, "list.txt"));
    home.lab.volume = backup;
    (0..2).for_each(|worker| home.lab.crash(worker));
    home.writes(1, target, 2);
    home.rest();
    let node = home.file(0, "list.txt").node;
    assert_eq!(home.lists(0), home.lists(1));
    assert_eq!(home.reads(0, node), [token(2)]);
}

#[test]
fn a_number_of_another_log_is_no_version_of_this_one() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    let backup = home.lab.volume.clone();
    let target = over(&home.file(0, "list.txt"));
    home.writes(0, target, 2);
    home.rest();
    // Both are shown version 2, and only one of them will hear that there is another.
    let over_it = over(&home.file(1, "list.txt"));
    home.offline[1] = true;
    home.lab.set_back(&backup);
    home.writes(1, over_it, 4);
    home.rest();
    let target = over(&home.file(0, "list.txt"));
    home.writes(0, target, 3);
    home.rest();
    assert_eq!(home.reads(0, node), [token(3)]);
    home.offline[1] = false;
    home.rest();
    assert_eq!(home.lists(0), home.lists(1));
    let mut read = home.reads(1, node);
    read.sort();
    assert_eq!(read, [token(3), token(4)], "nobody had seen the other's");
}

#[test]
fn what_is_gone_with_the_volume_is_gone_everywhere_and_what_a_device_has_comes_back() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    let backup = home.lab.volume.clone();
    home.writes(0, new("gone.txt"), 2);
    home.rest();
    home.offline[1] = true;
    home.writes(1, new("kept.txt"), 3);
    home.lab.set_back(&backup);
    home.offline[1] = false;
    home.rest();
    assert_eq!(home.lists(0), home.lists(1));
    let names: Vec<_> = home.lists(0).into_iter().map(|it| it.name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&"kept.txt".to_owned()));
    assert_eq!(home.reads(0, node), [token(1)]);
}

#[test]
fn what_cannot_be_is_refused_at_once() {
    let (mut home, node) = home_with_a_file(Flaws::NONE);
    let write = |target| Ask::WriteFile { target, content: says(2) };
    assert!(matches!(home.is_refused(0, write(new("a/b"))), Reason::BadName(_)));
    let unknown = FileTarget::Version { node: NodeId(5), seen: Vv::default() };
    assert_eq!(home.is_refused(0, write(unknown)), Reason::File(FileRefusal::NoNode));
    let inside = FileTarget::New { parent: node, name: "x".to_owned() };
    assert_eq!(home.is_refused(0, write(inside)), Reason::File(FileRefusal::NoFolder));
    assert_eq!(home.is_refused(0, Ask::ReadFile(NodeId(5))), Reason::File(FileRefusal::NoNode));
    let bad = Ask::CreateFolder(ROOT, "..".to_owned());
    assert!(matches!(home.is_refused(0, bad), Reason::BadName(_)));
}

/// So many files there are in the end after one conflict.
fn files_after_a_conflict(flaws: Flaws) -> usize {
    let (mut home, _) = in_conflict(flaws);
    home.rest();
    home.lists(0).len()
}

#[test]
fn copies_made_by_every_device_are_a_storm() {
    assert_eq!(files_after_a_conflict(Flaws::NONE), 1);
    assert!(files_after_a_conflict(Flaws::only(Flaw::Fb09)) > 2);
}

/// Both devices delete the file; the second has more to do.
fn deleted_twice(flaws: Flaws) -> (Option<Answer>, usize) {
    let (mut home, node) = home_with_a_file(flaws);
    home.does(0, Ask::DeleteFile { node, seen: 1 });
    let again = home.ask(1, Ask::DeleteFile { node, seen: 1 });
    home.ask(1, Ask::CreateFolder(ROOT, "things".to_owned()));
    home.rest();
    (home.answer(again), home.lists(0).iter().filter(|it| it.is_folder).count())
}

#[test]
fn a_second_delete_is_a_delete() {
    assert_eq!(deleted_twice(Flaws::NONE), (Some(Answer::File(FileAnswer::Done)), 1));
    let flawed = deleted_twice(Flaws::only(Flaw::CvDeleteNilErr));
    assert_eq!(flawed, (Some(Answer::Refused(Reason::Internal)), 0));
}

#[test]
fn a_conversation_that_comes_by_two_devices_is_joined() {
    let mut home = Home::new(Flaws::NONE);
    let first = home.ask(0, Ask::Ingest { path: Path::Upload, conversation: part("soup", 1..=4) });
    let second = home.ask(1, Ask::Ingest { path: Path::Daily, conversation: part("soup", 3..=6) });
    home.rest();
    let versions = [first, second].map(|op| match home.answer(op) {
        Some(Answer::Ingested(key, version)) => (key, version),
        other => panic!("it comes in, and not {other:?}"),
    });
    assert_eq!(versions[0].0, versions[1].0);
    let again = home.does(0, Ask::Ingest { path: Path::Upload, conversation: part("soup", 1..=6) });
    assert_eq!(again, Answer::Ingested(versions[0].0, 2), "there is nothing new in it");
    let mut odd = part("soup", 1..=1);
    odd.began = "some day".to_owned();
    let ask = Ask::Ingest { path: Path::Upload, conversation: odd };
    assert!(matches!(home.is_refused(0, ask), Reason::Date(_)));
}
