//! Small stories of content: uploads that fail anywhere, are resumed, given up and swept, while
//! another device wants their names or their bytes.

use engine::blob::{Address, Manifest};
use engine::flaw::{Flaw, Flaws};
use engine::id::NodeId;
use engine::log::FileKey;
use engine::message::{FileAction, FileRefusal, FileReply, Piece, Reply};
use engine::time::{Span, Time};
use engine::volume;

use super::desk::{
    Desk, PIECE, ROOT, done, files, folder, intent, is_sane, is_whole, name, new_file, node, piece,
    publish, publish_with, published, put, refused, version,
};
use super::lab::explore;
use super::lab::{Fate, LEASE};
use sim::time::ToSimulated;

const TEXT: &[u8] = b"all of it";

/// The pieces are there, all of them or all but the last; the device asks for the rest at one worker,
/// and again at the other.
fn published_twice(brings: bool) -> (u64, u64) {
    let mut desk = Desk::new(Flaws::NONE);
    let upload = desk.begins(0, &TEXT[..7], intent(new_file(3, "three"), 1));
    desk.puts(0, &TEXT[..7], upload, 0);
    let about = if brings {
        publish_with(&TEXT[..7], upload, 1)
    } else {
        desk.puts(0, &TEXT[..7], upload, 1);
        publish(&TEXT[..7])
    };
    desk.catch_up();
    let request = desk.request(0, about);
    let tickets = [desk.lab.ask(0, request.clone()), desk.lab.ask(1, request)];
    explore(&desk.lab, 1, &mut |lab| {
        let state = lab.clone().state();
        let versions = files(&state).filter(|(key, _)| matches!(key, FileKey::Version(..)));
        tickets.iter().all(|ticket| lab.answer(*ticket) == Some(published(1)))
            && versions.count() == 1
            && is_sane(&state)
            && is_whole(lab)
    })
}

#[test]
fn a_version_is_published_once_however_often_it_is_asked_for() {
    for brings in [false, true] {
        let (all, well) = published_twice(brings);
        assert!(all > 500, "only {all} orders");
        assert_eq!(well, all);
    }
}

#[test]
fn an_upload_is_resumed_wherever_its_worker_died() {
    for steps in 0..20 {
        let mut desk = Desk::new(Flaws::NONE);
        desk.catch_up();
        let intent = || intent(new_file(3, "three"), 1);
        let mut left = steps;
        // The device does one thing after another until its worker dies.
        let begin = FileAction::Begin(Manifest::of(TEXT, PIECE), intent());
        let mut upload = 0;
        for n in 0..5 {
            let about = match n {
                0 => begin.clone(),
                1..4 => put(TEXT, upload, n - 1),
                _ => publish(TEXT),
            };
            let ticket = desk.ask(0, about);
            while left > 0 && !desk.lab.asked[0].is_empty() {
                desk.lab.settle(0, Fate::Works);
                left -= 1;
            }
            match desk.lab.answer(ticket) {
                Some(Reply::File(FileReply::Begun(number, _))) => upload = number,
                Some(_) => {}
                None => break,
            }
        }
        desk.lab.crash(0);
        // Whatever is visible by now is whole.
        assert!(is_whole(&desk.lab), "after {steps} steps");
        let begun = desk.does(1, begin);
        if let Reply::File(FileReply::Begun(upload, _)) = begun {
            let Reply::File(FileReply::Pieces(_, there)) =
                desk.does(1, FileAction::Uploaded(Address::of(TEXT)))
            else {
                panic!("it is under way")
            };
            for piece in (0..3).filter(|piece| !there.contains(piece)) {
                let kept = desk.puts(1, TEXT, upload, piece);
                assert_eq!(kept, Reply::File(FileReply::PieceKept));
            }
        }
        assert_eq!(desk.does(1, publish(TEXT)), published(1));
        assert_eq!(desk.reads(1, 3, 1), TEXT);
        assert!(is_sane(&desk.lab.state()) && is_whole(&desk.lab));
    }
}

/// An upload is begun and never ended; then another device wants the name.
fn name_after_a_failure(flaws: Flaws) -> Reply {
    let mut desk = Desk::new(flaws);
    desk.begins(0, TEXT, intent(new_file(3, "three"), 1));
    desk.lab.wait(LEASE);
    desk.does(1, folder(4, "three"))
}

#[test]
fn a_failed_upload_does_not_burn_its_name() {
    assert_eq!(name_after_a_failure(Flaws::NONE), done());
    let burnt = name_after_a_failure(Flaws::only(Flaw::VfNameBurn));
    assert_eq!(burnt, refused(FileRefusal::NameTaken(NodeId(3))));
}

#[test]
fn what_is_not_there_whole_is_not_published() {
    let mut desk = Desk::new(Flaws::NONE);
    let upload = desk.begins(0, TEXT, intent(new_file(3, "three"), 1));
    assert_eq!(desk.puts(0, TEXT, upload, 0), Reply::File(FileReply::PieceKept));
    assert_eq!(desk.does(0, publish(TEXT)), refused(FileRefusal::Incomplete(1)));
    let blob = Address::of(TEXT);
    let wrong = |n| Piece { upload, n, bytes: b"????".as_slice().into() };
    for (piece, why) in [
        (wrong(1), FileRefusal::Damaged),
        (wrong(3), FileRefusal::NoPiece),
        (piece(TEXT, upload + 1, 1), FileRefusal::NoUpload),
    ] {
        assert_eq!(desk.does(0, FileAction::PutPiece(blob, piece.clone())), refused(why));
        assert_eq!(desk.does(0, FileAction::Publish(blob, Some(piece))), refused(why));
    }
    assert_eq!(desk.does(0, publish_with(TEXT, upload, 1)), refused(FileRefusal::Incomplete(2)));
    assert_eq!(node(&desk.lab.state(), 3), None);
    let taken = desk.does(1, FileAction::Lookup(ROOT, name("three").key));
    assert_eq!(taken, Reply::File(FileReply::Found(None)));
}

#[test]
fn an_upload_whose_name_was_taken_meanwhile_is_published_under_another() {
    let mut desk = Desk::new(Flaws::NONE);
    desk.uploads(0, TEXT, intent(new_file(3, "three"), 1));
    assert_eq!(desk.does(1, folder(4, "Three")), done());
    assert_eq!(desk.does(0, publish(TEXT)), refused(FileRefusal::NameTaken(NodeId(4))));
    // Its pieces are still there.
    desk.begins(0, TEXT, intent(new_file(3, "third"), 1));
    assert_eq!(desk.does(1, publish(TEXT)), published(1));
    assert_eq!(desk.reads(0, 3, 1), TEXT);
    assert!(is_sane(&desk.lab.state()));
}

#[test]
fn what_was_uploaded_is_what_is_read() {
    let read = |flaws| {
        let mut desk = Desk::new(flaws);
        assert_eq!(desk.publishes(0, TEXT, intent(new_file(3, "three"), 1)), published(1));
        desk.reads(1, 3, 1)
    };
    assert_eq!(read(Flaws::NONE), TEXT);
    assert_eq!(read(Flaws::only(Flaw::VfTakeThenValidate)), b"");
    // Any piece may be the last.
    for last in 0..3 {
        let mut desk = Desk::new(Flaws::NONE);
        let upload = desk.begins(0, TEXT, intent(new_file(3, "three"), 1));
        for piece in (0..3).filter(|piece| *piece != last) {
            desk.puts(0, TEXT, upload, piece);
        }
        assert_eq!(desk.does(0, publish_with(TEXT, upload, last)), published(1));
        assert_eq!(desk.reads(1, 3, 1), TEXT);
    }
}

#[test]
fn a_version_stays_as_it_is_while_the_next_one_is_uploaded() {
    let read = |flaws| {
        let mut desk = Desk::new(flaws);
        assert_eq!(desk.publishes(0, TEXT, intent(new_file(3, "three"), 1)), published(1));
        let upload = desk.begins(0, b"another text", intent(version(3, &[1]), 2));
        assert_eq!(desk.puts(0, b"another text", upload, 0), Reply::File(FileReply::PieceKept));
        desk.reads(1, 3, 1)
    };
    assert_eq!(read(Flaws::NONE), TEXT);
    assert_ne!(read(Flaws::only(Flaw::VfBlobInplace)), TEXT);
}

#[test]
fn an_upload_that_is_tried_again_keeps_its_name() {
    let sealed = |flaws| {
        let mut desk = Desk::new(flaws);
        desk.begins(0, TEXT, intent(new_file(3, "three"), 1));
        desk.publishes(1, TEXT, intent(new_file(3, "three"), 1));
        node(&desk.lab.state(), 3).map(|node| node.place.name.sealed)
    };
    let kept = name("three").sealed;
    assert_eq!(sealed(Flaws::NONE), Some(kept.clone()));
    assert_ne!(sealed(Flaws::only(Flaw::VfPartialMove)), Some(kept));
}

/// All pieces are there and the time is over: one device publishes, at another worker a device
/// comes by.
fn lapse(flaws: Flaws) -> (u64, u64) {
    let mut desk = Desk::new(flaws);
    desk.uploads(0, &TEXT[..4], intent(new_file(3, "three"), 1));
    desk.catch_up();
    desk.lab.wait(LEASE);
    let ticket = desk.ask(0, publish(&TEXT[..4]));
    desk.ask(1, FileAction::Lookup(ROOT, name("three").key));
    explore(&desk.lab, 1, &mut |lab| {
        let answer = lab.answer(ticket);
        let known = answer == Some(published(1)) || answer == Some(refused(FileRefusal::NoUpload));
        known && is_sane(&lab.clone().state()) && is_whole(lab)
    })
}

#[test]
fn what_is_published_is_not_swept() {
    let (all, well) = lapse(Flaws::NONE);
    assert!(all > 500, "only {all} orders");
    assert_eq!(well, all);
    let (all, well) = lapse(Flaws::only(Flaw::Fb14));
    assert!(well < all, "never seen in {all} orders");
}

#[test]
fn a_piece_that_arrives_after_the_sweep_does_not_stay() {
    let text = &TEXT[..4];
    for brings in [put, publish_with] {
        let mut desk = Desk::new(Flaws::NONE);
        let upload = desk.begins(0, text, intent(new_file(3, "three"), 1));
        desk.catch_up();
        let ticket = desk.ask(0, brings(text, upload, 0));
        let late = std::mem::take(&mut desk.lab.asked[0]);
        assert!(matches!(late[0].request, volume::Request::Create(..)));
        desk.lab.wait(LEASE);
        desk.does(1, FileAction::Lookup(ROOT, name("three").key));
        // Whether or not the same bytes have been uploaded again by then.
        let mut again = desk.clone();
        again.publishes(1, text, intent(new_file(3, "three"), 1));
        for (mut desk, there) in [(desk, 0), (again, 1)] {
            desk.lab.asked[0].clone_from(&late);
            desk.lab.finish();
            assert_eq!(desk.lab.answer(ticket), Some(refused(FileRefusal::NoUpload)));
            let list = volume::Request::List("blob/".into());
            let listed = desk.lab.volume.handle(
                Time(u64::MAX).to_simulated(),
                &list,
                Span(0).to_simulated(),
            );
            assert!(matches!(listed, volume::Reply::Listed(keys) if keys.len() == there));
            assert!(is_whole(&desk.lab));
        }
    }
}

#[test]
fn what_was_published_may_be_asked_for_again_piece_and_all() {
    let mut desk = Desk::new(Flaws::NONE);
    let upload = desk.uploads(0, TEXT, intent(new_file(3, "three"), 1));
    assert_eq!(desk.does(1, publish(TEXT)), published(1));
    assert_eq!(desk.puts(0, TEXT, upload, 0), Reply::File(FileReply::PieceKept));
    assert_eq!(desk.does(0, publish_with(TEXT, upload, 0)), published(1));
    assert!(is_whole(&desk.lab));
}

/// The time is over, and the upload is resumed at one worker while another sweeps.
#[test]
fn an_upload_that_is_resumed_late_ends_whole_or_is_begun_anew() {
    let mut desk = Desk::new(Flaws::NONE);
    let begin =
        || FileAction::Begin(Manifest::of(&TEXT[..4], PIECE), intent(new_file(3, "three"), 1));
    desk.uploads(0, &TEXT[..4], intent(new_file(3, "three"), 1));
    desk.catch_up();
    desk.lab.wait(LEASE);
    let ticket = desk.ask(0, begin());
    desk.ask(1, FileAction::Lookup(ROOT, name("three").key));
    let (all, well) = explore(&desk.lab, 0, &mut |lab| {
        let Some(Reply::File(FileReply::Begun(upload, _))) = lab.answer(ticket) else {
            return false;
        };
        let mut desk = desk.clone();
        desk.lab = lab.clone();
        desk.puts(0, &TEXT[..4], upload, 0) == Reply::File(FileReply::PieceKept)
            && desk.does(1, publish(&TEXT[..4])) == published(1)
            && is_whole(&desk.lab)
    });
    assert!(all > 50, "only {all} orders");
    assert_eq!(well, all);
}

#[test]
fn a_worker_that_wakes_up_amid_a_sweep_hurts_nobody() {
    let mut desk = Desk::new(Flaws::NONE);
    let first = desk.uploads(0, TEXT, intent(new_file(3, "three"), 1));
    desk.catch_up();
    desk.lab.wait(LEASE);
    // The first worker gives the upload up, and falls asleep before the first delete.
    desk.ask(0, FileAction::Lookup(ROOT, name("three").key));
    let deletes = |desk: &Desk| {
        let asked = desk.lab.asked[0].iter();
        asked.filter(|call| matches!(call.request, volume::Request::Delete(_))).count()
    };
    while deletes(&desk) == 0 {
        desk.lab.settle(0, Fate::Works);
    }
    let asleep = std::mem::take(&mut desk.lab.asked[0]);
    // The second one sweeps, and the same bytes are uploaded again.
    desk.does(1, FileAction::Lookup(ROOT, name("three").key));
    let second = desk.uploads(1, TEXT, intent(new_file(3, "three"), 1));
    assert_ne!(first, second);
    assert_eq!(desk.does(1, publish(TEXT)), published(1));
    // The first wakes up.
    desk.lab.asked[0] = asleep;
    desk.lab.finish();
    assert_eq!(desk.reads(0, 3, 1), TEXT);
    let state = desk.lab.state();
    let doomed = |(key, _): &(FileKey, _)| matches!(key, FileKey::Doomed(..) | FileKey::Upload(_));
    assert_eq!(files(&state).filter(doomed).count(), 0);
    assert!(is_whole(&desk.lab));
}
