//! Readings: they need no session, and what no later commit can make wrong needs no look at the log.

use engine::blob::Address;
use engine::flaw::Flaws;
use engine::id::NodeId;
use engine::message::{Action, Command, FileAction, FileReply, Refusal, Reply, WorkAction};
use engine::volume;

use super::desk::{Desk, ROOT, folder, intent, name, new_file};
use super::lab::{Asker, Fate};

const TEXT: &[u8] = b"soup";

/// Two devices that have sessions, a file of theirs, and one that has none.
fn story() -> (Desk, Asker) {
    let mut desk = Desk::new(Flaws::NONE);
    desk.publishes(0, TEXT, intent(new_file(3, "three"), 1));
    desk.catch_up();
    (desk, Asker::new(9))
}

#[test]
fn reading_needs_no_session_and_leaves_nothing_in_the_log() {
    let (mut desk, reader) = story();
    let before = desk.lab.log().len();
    for about in [
        FileAction::Lookup(ROOT, name("three").key),
        FileAction::ReadVersions(NodeId(3)),
        FileAction::ReadPiece(Address::of(TEXT), 0),
        FileAction::Feed(None, 9),
    ] {
        let reply = desk.lab.ask_and_wait(1, reader.asks(Command::Read(Action::File(about))));
        assert!(matches!(reply, Reply::File(_)), "{reply:?}");
    }
    let reply = desk.lab.ask_and_wait(0, reader.asks(Command::Read(Action::ReadAccount)));
    assert_eq!(reply, Reply::Account(Vec::new()));
    assert_eq!(desk.lab.log().len(), before);
}

#[test]
fn nothing_is_changed_by_what_says_that_it_only_reads() {
    let (mut desk, reader) = story();
    let before = desk.lab.log().len();
    for action in [
        Action::File(folder(4, "four")),
        Action::File(FileAction::Publish(Address::of(TEXT), None)),
        Action::Work(WorkAction::Claim(None)),
        Action::Patch(Vec::new()),
    ] {
        let reply = desk.lab.ask_and_wait(0, reader.asks(Command::Read(action)));
        assert_eq!(reply, Reply::Refused(Refusal::Invalid));
    }
    assert_eq!(desk.lab.log().len(), before);
}

#[test]
fn a_piece_is_answered_without_another_look_at_the_log() {
    let (mut desk, reader) = story();
    let piece = Action::File(FileAction::ReadPiece(Address::of(TEXT), 0));
    let ticket = desk.lab.ask(1, reader.asks(Command::Read(piece)));
    let asked: Vec<_> = desk.lab.asked[1].iter().map(|call| &call.request).collect();
    assert!(matches!(asked[..], [volume::Request::Get(key)] if key.starts_with("blob/")));
    desk.lab.settle(1, Fate::Works);
    assert_eq!(desk.lab.answer(ticket), Some(Reply::File(FileReply::Piece(TEXT.into()))));
}
