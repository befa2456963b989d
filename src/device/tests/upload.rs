//! Uploads: an own write of a file becomes a version, whatever the server answers on the way.

use super::*;
use crate::id::NodeId;
use crate::log::{EntryId, Position};
use crate::message::{
    Action, FeedCursor, Fence, FileAction, FileRefusal, FileReply, Refusal, Reply, Target,
};

fn fence(seq: u64) -> Reply {
    Reply::Opened(Fence(Position { seq, entry: EntryId(seq) }))
}

fn head(seq: u64) -> Reply {
    let at = Position { seq, entry: EntryId(seq) };
    let next = FeedCursor { space: ANNA, at, upto: (seq, NodeId::ROOT) };
    Reply::File(FileReply::Page { changed: Vec::new(), next, more: false })
}

fn begun() -> Reply {
    Reply::File(FileReply::Begun(5, Time(u64::MAX)))
}

/// A device without remotes that has read the feed of an empty space to its head.
fn pair() -> Pair {
    let mut pair = Pair::new(&[], true);
    pair.gives(Input::Credential(credential(ANNA)));
    let feed = pair.request();
    assert!(matches!(action(&feed), FileAction::Feed(None, _)));
    pair.responds(&feed, head(1));
    pair
}

fn action(request: &message::Request) -> FileAction {
    match request.command.action() {
        Some(Action::File(action)) => action.clone(),
        other => panic!("something about files, not {other:?}"),
    }
}

fn number(request: &message::Request) -> u32 {
    let Command::Act { n, .. } = request.command else { panic!("an action, not {request:?}") };
    n
}

/// The user writes a file; returns the request that begins the upload.
fn uploads(pair: &mut Pair, name: &str) -> message::Request {
    let target = FileTarget::New { parent: NodeId::ROOT, name: name.to_owned() };
    let content = Payload { token: Token([1; 16]), value: text("what it says") };
    assert_eq!(pair.is_answered(Ask::WriteFile { target, content }), Answer::Saved);
    let open = pair.request();
    assert_eq!(open.command, Command::Open);
    pair.responds(&open, fence(2));
    pair.request()
}

#[test]
fn a_file_of_one_piece_is_there_after_two_requests() {
    let mut pair = pair();
    let begin = uploads(&mut pair, "plan.txt");
    assert!(matches!(action(&begin), FileAction::Begin(..)));
    pair.responds(&begin, begun());
    let publish = pair.request();
    assert!(matches!(action(&publish), FileAction::Publish(_, Some(_))));
    pair.responds_at(&publish, 3, Reply::File(FileReply::Published(1)));
    assert_eq!(pair.unsent_files(), 0);
    assert_eq!((number(&begin), number(&publish)), (1, 2), "numbers have no gaps");
    // The feed shows it, and the write is done with.
    let feed = pair.request();
    pair.responds_at(&feed, 3, head(3));
    assert!(!pair.disk.keys().any(|key| matches!(key, StoreKey::Upload(_))));
    assert!(matches!(pair.request().command, Command::Close(_)), "nothing else is to do");
}

#[test]
fn a_write_is_durable_before_the_user_is_answered() {
    let mut pair = pair();
    uploads(&mut pair, "plan.txt");
    let kept = |key: &&StoreKey| matches!(key, StoreKey::Upload(_));
    assert_eq!(pair.disk.keys().filter(kept).count(), 1);
    pair.crashes();
    assert_eq!(pair.unsent_files(), 1, "and survives a crash");
}

#[test]
fn an_upload_of_many_pieces_sends_those_that_are_missing() {
    let mut pair = pair();
    pair.device.core.boot.piece = 20;
    let begin = uploads(&mut pair, "plan.txt");
    pair.responds(&begin, begun());
    let mut pieces = Vec::new();
    let mut request = pair.request();
    while let FileAction::PutPiece(_, piece) = action(&request) {
        pieces.push(piece.n);
        pair.responds(&request, Reply::File(FileReply::PieceKept));
        request = pair.request();
    }
    let FileAction::Publish(_, Some(last)) = action(&request) else { panic!("{request:?}") };
    pieces.push(last.n);
    assert!(pieces.len() > 2, "{pieces:?}");
    let in_order = pieces.iter().copied().eq(0..u32::try_from(pieces.len()).expect("few pieces"));
    assert!(in_order, "each once and in order: {pieces:?}");
}

#[test]
fn a_lost_answer_is_asked_for_under_the_same_number() {
    let mut pair = pair();
    let begin = uploads(&mut pair, "plan.txt");
    assert_eq!(pair.wakes(), "server timeout");
    assert_eq!(pair.wakes(), "server retry");
    let again = pair.request();
    assert_eq!((again.id, again.attempt), (begin.id, 1));
    assert_eq!(again.command, begin.command);
}

#[test]
fn a_stale_answer_of_the_server_counts_for_nothing() {
    let mut pair = pair();
    let mut begin = uploads(&mut pair, "plan.txt");
    begin.id = CallId(77);
    pair.responds_at(&begin, 9, Reply::File(FileReply::Published(1)));
    assert_eq!(pair.unsent_files(), 1);
    assert!(pair.outputs.is_empty(), "{:?}", pair.outputs);
}

#[test]
fn a_busy_server_is_left_alone_as_long_as_it_asks() {
    let mut pair = pair();
    let begin = uploads(&mut pair, "plan.txt");
    pair.responds(&begin, Reply::Refused(Refusal::Busy(Span::from_secs(40))));
    assert_eq!(pair.wakes(), "server retry");
    assert!(pair.now >= 41_000, "{}", pair.now);
    assert_eq!(pair.request().command, begin.command);
}

#[test]
fn a_lost_session_is_opened_again_and_the_same_action_sent() {
    let mut pair = pair();
    let begin = uploads(&mut pair, "plan.txt");
    pair.responds(&begin, Reply::Refused(Refusal::Fenced));
    let open = pair.request();
    assert_eq!(open.command, Command::Open);
    pair.responds(&open, fence(7));
    let again = pair.request();
    assert_eq!((number(&again), action(&again)), (number(&begin), action(&begin)));
}

#[test]
fn a_taken_name_becomes_that_of_a_copy() {
    let mut pair = pair();
    let begin = uploads(&mut pair, "plan.txt");
    let taken = Refusal::File(FileRefusal::NameTaken(NodeId(9)));
    pair.responds(&begin, Reply::Refused(taken));
    let again = pair.request();
    let name = |request: &message::Request| {
        let FileAction::Begin(_, intent) = action(request) else { panic!("{request:?}") };
        let Target::New(node, place) = intent.target else { panic!("it is a new file") };
        let opened = open_name(&ring(), VaultId::from(ANNA), node, &place.name);
        opened.expect("it has the key")
    };
    assert_eq!(name(&begin), "plan.txt");
    assert_ne!(name(&again), "plan.txt");
    assert!(name(&again).contains("plan"), "{}", name(&again));
}

#[test]
fn a_write_to_a_lost_folder_goes_to_the_root_and_one_to_a_deleted_file_brings_it_back() {
    let mut pair = pair();
    let begin = uploads(&mut pair, "plan.txt");
    pair.responds(&begin, Reply::Refused(Refusal::File(FileRefusal::Deleted)));
    let undelete = pair.request();
    assert!(matches!(action(&undelete), FileAction::Undelete(_, None)));
    pair.responds(&undelete, Reply::Refused(Refusal::File(FileRefusal::NoFolder)));
    let elsewhere = pair.request();
    let FileAction::Undelete(_, Some(place)) = action(&elsewhere) else { panic!("elsewhere") };
    assert_eq!(place.parent, NodeId::ROOT);
    pair.responds(&elsewhere, Reply::File(FileReply::Done));
    assert!(matches!(action(&pair.request()), FileAction::Begin(..)));
}

#[test]
fn another_log_is_sent_again_what_the_old_one_had_published() {
    let mut pair = pair();
    let begin = uploads(&mut pair, "plan.txt");
    pair.responds(&begin, begun());
    let publish = pair.request();
    pair.responds_at(&publish, 3, Reply::File(FileReply::Published(1)));
    let feed = pair.request();
    pair.responds_at(&feed, 1, Reply::Refused(Refusal::AnotherLog));
    assert_eq!(pair.unsent_files(), 1);
}

#[test]
fn a_failure_inside_is_tried_again_later_and_later() {
    let mut pair = pair();
    let mut begin = uploads(&mut pair, "plan.txt");
    let mut waits = Vec::new();
    for _ in 0..4 {
        let before = pair.now;
        pair.responds(&begin, Reply::Refused(Refusal::Internal));
        pair.wakes();
        waits.push(pair.now - before);
        begin = pair.request();
    }
    assert!(waits[3] > waits[0], "{waits:?}");
    assert_eq!(pair.unsent_files(), 1, "and is never given up");
}

#[test]
fn nothing_is_uploaded_without_a_key() {
    let disk = prepared(ANNA, 1, &BTreeMap::new(), &[], [None; 2]);
    let mut pair = Pair::with_disk(&[], true, disk);
    pair.gives(Input::Credential(credential(ANNA)));
    let feed = pair.request();
    pair.responds(&feed, head(1));
    let target = FileTarget::New { parent: NodeId::ROOT, name: "plan.txt".to_owned() };
    let content = Payload { token: Token([1; 16]), value: text("what it says") };
    assert_eq!(pair.is_answered(Ask::WriteFile { target, content }), Answer::Saved);
    assert!(pair.requests.is_empty(), "{:?}", pair.requests);
    pair.gives(Input::KeyArrived(KEY, key(KEY)));
    assert_eq!(pair.request().command, Command::Open);
}

#[test]
fn an_answer_of_a_later_build_counts_for_nothing_and_the_server_is_asked_again() {
    let mut pair = pair();
    pair.boot.build = Build::Previous;
    pair.crashes();
    pair.gives(Input::Credential(credential(ANNA)));
    let feed = pair.request();
    assert_eq!(feed.build, Build::Previous);
    pair.responds(&feed, Reply::Refused(Refusal::File(FileRefusal::Cycle)));
    assert_eq!(pair.wakes(), "server retry");
    assert_eq!(pair.request().command, feed.command);
}
