//! Uploads and versions: which objects are there before what is committed, and what a failure of the
//! volume holds up.

use super::*;
use crate::blob::{Address, Manifest, cut};
use crate::id::{Dot, NodeId};
use crate::log::{Version, pieces_of};
use crate::message::{Intent, Name, Piece, Place, Target};
use crate::name::NameKey;
use crate::record::Vv;

const PIECE: usize = 4;

/// A blob that is uploaded, and how.
#[derive(Clone)]
struct Upload {
    manifest: Manifest,
    pieces: Vec<Bytes>,
    intent: Intent,
    number: u64,
}

impl Upload {
    fn of(content: &str, target: Target, n: u64) -> Self {
        let sealed = Bytes::default();
        Self {
            manifest: Manifest::of(content.as_bytes(), PIECE),
            pieces: cut(content.as_bytes(), PIECE).into_iter().map(Bytes::from).collect(),
            intent: Intent { target, write: written(n), seen: Vv::default(), sealed },
            number: 0,
        }
    }

    /// Built on these writes.
    fn on(mut self, writes: &[u64]) -> Self {
        writes.iter().for_each(|n| self.intent.seen.add(written(*n)));
        self
    }

    fn begins(&self) -> FileAction {
        FileAction::Begin(self.manifest.clone(), self.intent.clone())
    }

    fn piece(&self, n: u32) -> Piece {
        Piece { upload: self.number, n, bytes: self.pieces[n as usize].clone() }
    }

    fn puts(&self, n: u32) -> FileAction {
        FileAction::PutPiece(self.manifest.address, self.piece(n))
    }

    /// With its last piece.
    fn publishes(&self) -> FileAction {
        let last = self.pieces.len() as u32 - 1;
        FileAction::Publish(self.manifest.address, Some(self.piece(last)))
    }

    /// The object of a piece.
    fn object(&self, n: u32) -> String {
        format!("{}{n}", pieces_of(ANNA, self.manifest.address, self.number))
    }
}

/// The write of this number.
fn written(n: u64) -> Dot {
    Dot { replica: ReplicaId(1), n }
}

/// The file of this number, of that name.
fn file(n: u64, name: &str) -> Target {
    let key = NameKey::new(&crate::seal::Key([0; 32]), name, Flaws::NONE).expect("a name");
    let name = Name { key, sealed: Bytes::from(name.as_bytes()) };
    Target::New(NodeId(n), Place { parent: NodeId::ROOT, name })
}

/// A device with a session, which has begun this upload with its first action.
fn begun(mut upload: Upload) -> (Pair, Act, Upload) {
    let mut pair = Pair::new();
    let act = pair.open(Device(1));
    let reply = pair.done(act.files(1, upload.begins())).reply;
    let Reply::File(FileReply::Begun(number, _)) = reply else { panic!("it begins: {reply:?}") };
    upload.number = number;
    (pair, act, upload)
}

/// Uploads and publishes a blob of one piece; returns its version.
fn publish(pair: &mut Pair, act: Act, n: u32, mut upload: Upload) -> u32 {
    let reply = pair.done(act.files(n, upload.begins())).reply;
    let Reply::File(FileReply::Begun(number, _)) = reply else { panic!("it begins: {reply:?}") };
    upload.number = number;
    let reply = pair.done(act.files(n + 1, upload.publishes())).reply;
    let Reply::File(FileReply::Published(version)) = reply else { panic!("it ends: {reply:?}") };
    version
}

fn kept() -> Reply {
    Reply::File(FileReply::PieceKept)
}

fn versions(pair: &mut Pair) -> Vec<Version> {
    let all = FileAction::ReadVersions(NodeId(1));
    let reply = pair.done(Device(1).reads(Action::File(all))).reply;
    let Reply::File(FileReply::Versions(all)) = reply else { panic!("all versions: {reply:?}") };
    all
}

#[test]
fn a_piece_is_an_object_before_it_is_acknowledged_and_no_commit() {
    let (mut pair, act, upload) = begun(Upload::of("one two", file(1, "a"), 1));
    let entries = pair.log().len();
    let ticket = pair.ask(act.files(2, upload.puts(0)));
    assert!(pair.is_open(ticket));
    let create = format!("create {}", upload.object(0));
    // The entry after the last is looked for: the upload may have been given up meanwhile.
    pair.exchange(&[(&create, Works), ("get log/0/000000000003", Works)]);
    assert_eq!(pair.reply(ticket), kept());
    assert_eq!(pair.log().len(), entries);
}

#[test]
fn a_piece_whose_create_failed_is_created_again_and_holds_nobody_up() {
    let (mut pair, act, upload) = begun(Upload::of("one two", file(1, "a"), 1));
    let ticket = pair.ask(act.files(2, upload.puts(0)));
    let call = pair.calls.pop_front().expect("a create");
    pair.give(Input::Volume(volume::Return { id: call.id, reply: volume::Reply::Failed }));
    let other = pair.ask(Device(2).sends(Command::Status));
    pair.exchange(&[("get log/0/000000000003", Works)]);
    assert!(pair.is_open(ticket) && !pair.is_open(other));
    pair.wait(RETRY);
    let create = format!("create {}", upload.object(0));
    pair.exchange(&[(&create, Works), ("get log/0/000000000003", Works)]);
    assert_eq!(pair.reply(ticket), kept());
}

#[test]
fn a_piece_without_an_answer_in_time_is_created_again_and_a_late_answer_does_no_harm() {
    let (mut pair, act, upload) = begun(Upload::of("one two", file(1, "a"), 1));
    let ticket = pair.ask(act.files(2, upload.puts(0)));
    let id = pair.calls[0].id;
    let create = format!("create {}", upload.object(0));
    pair.exchange(&[(&create, Silent)]);
    pair.wait(TIMEOUT);
    pair.give(Input::Volume(volume::Return { id, reply: volume::Reply::Done }));
    assert!(pair.is_open(ticket));
    pair.wait(RETRY);
    pair.exchange(&[(&create, Works), ("get log/0/000000000003", Works)]);
    assert_eq!(pair.reply(ticket), kept());
}

#[test]
fn a_version_is_committed_after_all_of_its_pieces_are_there() {
    let (mut pair, act, upload) = begun(Upload::of("one two", file(1, "a"), 1));
    pair.done(act.files(2, upload.puts(0)));
    let ticket = pair.ask(act.files(3, upload.publishes()));
    let (get, create) =
        (format!("get {}", upload.object(0)), format!("create {}", upload.object(1)));
    pair.exchange(&[(&get, Works), (&create, Works), ("create log/0/000000000003", Works)]);
    assert_eq!(pair.reply(ticket), Reply::File(FileReply::Published(1)));
}

#[test]
fn a_blob_with_a_missing_or_damaged_piece_is_not_published() {
    for (there, refusal) in [(None, FileRefusal::Incomplete(0)), (Some("?"), FileRefusal::Damaged)]
    {
        let (mut pair, act, upload) = begun(Upload::of("one two", file(1, "a"), 1));
        let bytes = there.map(|it| Bytes::from(it.as_bytes()));
        pair.volume.0.extend(bytes.map(|bytes| (upload.object(0).into(), bytes)));
        let reply = pair.done(act.files(2, upload.publishes())).reply;
        assert_eq!(reply, refused(refusal));
        assert_eq!(pair.log().len(), 2, "nothing is committed");
    }
}

#[test]
fn a_piece_that_is_not_what_the_manifest_says_is_refused_without_a_call() {
    let (mut pair, act, upload) = begun(Upload::of("one two", file(1, "a"), 1));
    let wrong = Piece { bytes: Bytes::from(&b"?"[..]), ..upload.piece(0) };
    let beyond = Piece { n: 2, ..upload.piece(0) };
    for (piece, refusal) in [(wrong, FileRefusal::Damaged), (beyond, FileRefusal::NoPiece)] {
        let put = FileAction::PutPiece(upload.manifest.address, piece);
        let ticket = pair.ask(act.files(2, put));
        pair.exchange(&[("get log/0/000000000003", Works)]);
        assert_eq!(pair.reply(ticket), refused(refusal));
    }
}

#[test]
fn an_upload_that_nobody_renews_is_given_up_before_its_objects_are_deleted() {
    let (mut pair, act, upload) = begun(Upload::of("one", file(1, "a"), 1));
    pair.done(act.files(2, upload.puts(0)));
    pair.wait(LEASE);
    pair.ask(Device(2).sends(Command::Status));
    let delete = format!("delete {}", upload.object(0));
    pair.exchange(&[
        ("create log/0/000000000003", Works),
        (&delete, Works),
        ("create log/0/000000000004", Works),
    ]);
    let uploaded = FileAction::Uploaded(upload.manifest.address);
    let reply = pair.done(Device(1).reads(Action::File(uploaded))).reply;
    assert_eq!(reply, refused(FileRefusal::NoUpload));
}

/// ```text
/// worker:  creates the piece ..................... finds the upload given up: deletes the piece
/// another:              gives the upload up, sweeps
/// ```
#[test]
fn a_piece_that_arrives_after_its_upload_was_given_up_is_deleted_again() {
    let (mut pair, act, upload) = begun(Upload::of("one two", file(1, "a"), 1));
    let ticket = pair.ask(act.files(2, upload.puts(0)));
    let mut other = Pair::new();
    (other.volume, other.now) = (pair.volume.clone(), pair.now + LEASE);
    other.done(Device(2).sends(Command::Status));
    pair.volume = other.volume;
    let (create, delete) =
        (format!("create {}", upload.object(0)), format!("delete {}", upload.object(0)));
    pair.exchange(&[
        (&create, Works),
        ("get log/0/000000000003", Works),
        ("get log/0/000000000004", Works),
        ("get log/0/000000000005", Works),
        (&delete, Works),
        ("get log/0/000000000005", Works),
    ]);
    assert_eq!(pair.reply(ticket), refused(FileRefusal::NoUpload));
    assert!(!pair.volume.0.contains_key(upload.object(0).as_str()));
}

/// ```text
/// worker:  ............................... creates the last piece, refuses the number: deletes the piece
/// another: gives the upload up, sweeps, takes the number for another action
/// ```
#[test]
fn a_piece_is_deleted_again_for_whatever_reason_its_request_is_refused() {
    let (mut pair, act, upload) = begun(Upload::of("one", file(1, "a"), 1));
    let ticket = pair.ask(act.files(2, upload.publishes()));
    let mut other = Pair::new();
    (other.volume, other.now) = (pair.volume.clone(), pair.now + LEASE);
    other.done(act.does(3, phone("1")));
    pair.volume = other.volume;
    pair.finish();
    assert_eq!(pair.reply(ticket), Reply::Refused(Refusal::Misnumbered));
    assert!(!pair.volume.0.contains_key(upload.object(0).as_str()));
}

#[test]
fn a_publication_that_is_sent_twice_makes_one_version() {
    let (mut pair, act, upload) = begun(Upload::of("one", file(1, "a"), 1));
    let first = pair.done(act.files(2, upload.publishes()));
    let again = pair.done(act.files(3, upload.publishes()));
    assert_eq!(again.reply, first.reply);
    assert_eq!(versions(&mut pair).len(), 1);
}

#[test]
fn a_write_that_is_sealed_again_and_sent_again_makes_one_version() {
    let mut pair = Pair::new();
    let act = pair.open(Device(1));
    assert_eq!(publish(&mut pair, act, 1, Upload::of("one", file(1, "a"), 1)), 1);
    let sealed_again = Upload::of("eno", file(1, "a"), 1);
    let reply = pair.done(act.files(3, sealed_again.begins())).reply;
    assert_eq!(reply, Reply::File(FileReply::Published(1)));
}

#[test]
fn versions_that_do_not_replace_each_other_are_both_heads_until_one_replaces_both() {
    let mut pair = Pair::new();
    let act = pair.open(Device(1));
    let version = || Target::Version(NodeId(1));
    let steps = [
        Upload::of("1", file(1, "a"), 1),
        Upload::of("2", version(), 2).on(&[1]),
        Upload::of("3", version(), 3).on(&[1]),
        Upload::of("4", version(), 4).on(&[2, 3]),
    ];
    let mut heads = Vec::new();
    for (n, upload) in (0..).zip(steps) {
        publish(&mut pair, act, 2 * n + 1, upload);
        heads.push(heads_of(&mut pair));
    }
    assert_eq!(heads, [vec![1], vec![2], vec![2, 3], vec![4]]);
}

/// The heads of the only file.
fn heads_of(pair: &mut Pair) -> Vec<u32> {
    let feed = pair.done(Device(1).reads(Action::File(FileAction::Feed(None, 9)))).reply;
    let Reply::File(FileReply::Page { changed, .. }) = feed else { panic!("a page: {feed:?}") };
    changed[0].heads.iter().map(|(n, _)| *n).collect()
}

/// A log that was set back gets the writes of its files again: the third, which was built on the two
/// before, then the second. And a fourth, which was built on the first alone.
#[test]
fn what_a_version_was_built_on_is_no_head_in_whatever_order_the_log_gets_them() {
    let mut pair = Pair::new();
    let act = pair.open(Device(1));
    let version = || Target::Version(NodeId(1));
    let other = |n| Dot { replica: ReplicaId(2), n };
    let mut by_other = Upload::of("4", version(), 4).on(&[1]);
    by_other.intent.write = other(1);
    let steps = [
        Upload::of("1", file(1, "a"), 1),
        Upload::of("3", version(), 3).on(&[1, 2]),
        Upload::of("2", version(), 2).on(&[1]),
        by_other,
    ];
    let mut heads = Vec::new();
    for (n, upload) in (0..).zip(steps) {
        publish(&mut pair, act, 2 * n + 1, upload);
        heads.push(heads_of(&mut pair));
    }
    assert_eq!(heads, [vec![1], vec![2], vec![2], vec![2, 4]]);
    assert_eq!(versions(&mut pair).len(), 4, "every one of them can be read");
}

/// An edit beats a delete; but not one that was replaced before the delete, and comes again.
#[test]
fn a_delete_stands_against_what_was_replaced_before_it() {
    let mut pair = Pair::new();
    let act = pair.open(Device(1));
    let version = || Target::Version(NodeId(1));
    publish(&mut pair, act, 1, Upload::of("1", file(1, "a"), 1));
    publish(&mut pair, act, 3, Upload::of("3", version(), 3).on(&[1, 2]));
    pair.done(act.files(5, FileAction::Delete(NodeId(1), vec![written(3)])));
    assert_eq!(publish(&mut pair, act, 6, Upload::of("2", version(), 2).on(&[1])), 3);
    let reply = pair.done(act.files(8, Upload::of("4", version(), 4).on(&[1]).begins())).reply;
    assert_eq!(reply, refused(FileRefusal::Deleted));
}

#[test]
fn a_name_is_taken_once_whichever_upload_ends_first() {
    let (mut pair, act, mut first) = begun(Upload::of("one", file(1, "a"), 1));
    let mut second = Upload::of("two", file(2, "A"), 2);
    let reply = pair.done(act.files(2, second.begins())).reply;
    assert_eq!(reply, Reply::File(FileReply::Begun(3, pair.now + LEASE)), "it takes nothing yet");
    (first.number, second.number) = (2, 3);
    pair.done(act.files(3, second.publishes()));
    let reply = pair.done(act.files(4, first.publishes())).reply;
    assert_eq!(reply, refused(FileRefusal::NameTaken(NodeId(2))));
}

#[test]
fn a_version_is_restored_by_its_number_and_content() {
    let mut pair = Pair::new();
    let act = pair.open(Device(1));
    publish(&mut pair, act, 1, Upload::of("one", file(1, "a"), 1));
    let restore = |blob: Address| FileAction::Restore {
        node: NodeId(1),
        version: 1,
        blob,
        seen: Upload::of("", file(1, "a"), 2).on(&[1]).intent.seen,
        write: written(2),
        sealed: Bytes::default(),
    };
    let reply = pair.done(act.files(3, restore(Address::of(b"two")))).reply;
    assert_eq!(reply, refused(FileRefusal::NoVersion));
    let reply = pair.done(act.files(4, restore(Address::of(b"one")))).reply;
    assert_eq!(reply, Reply::File(FileReply::Published(2)));
    let restores: Vec<Option<u32>> = versions(&mut pair).iter().map(|it| it.restores).collect();
    assert_eq!(restores, [None, Some(1)]);
}

/// The third and fourth moves are done by a worker that was not there when the batch came.
#[test]
fn a_long_batch_is_worked_off_by_whichever_worker_is_awake() {
    let mut pair = Pair::new();
    let act = pair.open(Device(1));
    let mut moves = Vec::new();
    for (n, name) in (1..=4).zip(["a", "b", "c", "d"]) {
        let Target::New(node, place) = file(n, name) else { unreachable!("a new file") };
        pair.done(act.files(n as u32, FileAction::CreateFolder(node, place)));
        let Target::New(_, place) = file(n, &format!("{name}2")) else {
            unreachable!("a new file")
        };
        moves.push(crate::message::Move { node, parent: None, name: Some(place.name) });
    }
    let ticket = pair.ask(act.files(5, FileAction::Move(moves)));
    pair.exchange(&[("create log/0/000000000006", Works), ("create log/0/000000000007", Silent)]);
    let Reply::File(FileReply::Accepted(job)) = pair.reply(ticket) else { panic!("a job") };
    pair.restart(2);
    let read = || Device(1).reads(Action::File(FileAction::ReadJob(job)));
    pair.done(read());
    let reply = pair.done(read()).reply;
    let Reply::File(FileReply::Job(items, total)) = reply else { panic!("a job: {reply:?}") };
    assert_eq!((items.len(), total), (4, 4));
    assert!(items.iter().all(Result::is_ok));
}

/// A client that is updated while it waits for an answer gets all of it, from the receipt.
#[test]
fn a_client_of_the_previous_build_is_told_what_it_can_read() {
    let mut pair = Pair::new();
    let act = pair.open(Device(1));
    let folder = |n, parent, name| {
        let Target::New(node, place) = file(n, name) else { unreachable!("a new file") };
        FileAction::CreateFolder(node, Place { parent, ..place })
    };
    pair.done(act.files(1, folder(1, NodeId::ROOT, "outer")));
    pair.done(act.files(2, folder(2, NodeId(1), "inner")));
    let into_itself = crate::message::Move { node: NodeId(1), parent: Some(NodeId(2)), name: None };
    let delete = FileAction::Delete(NodeId(1), Vec::new());
    for (n, action, then, now) in [
        (3, FileAction::Move(vec![into_itself]), FileRefusal::NoFolder, FileRefusal::Cycle),
        (4, delete, FileRefusal::Outdated, FileRefusal::NotEmpty),
    ] {
        let asks = |build| Request { build, ..act.files(n, action.clone()) };
        assert_eq!(pair.done(asks(Build::Previous)).reply, refused(then));
        assert_eq!(pair.done(asks(Build::Current)).reply, refused(now));
    }
}
