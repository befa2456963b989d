//! Uploads: the pieces of a blob come first, and one commit publishes them at the end.
//!
//! An upload is registered before its first object is written, and leaves the log only as the blob
//! of a version, or doomed. Objects are deleted only while their upload is doomed, and their keys
//! contain its number, so a worker that is paused in the middle of deleting does no harm:
//!
//! ```text
//! A: dooms X (no. 5), pauses   B: deletes X/5/*, forgets   device: begins X again (no. 9)
//! A: deletes X/5/*, of which there is none; X/9/* is another matter
//! ```

use super::{get, put, remove, tree, version};
use crate::Bytes;
use crate::blob::{Address, Manifest};
use crate::flaw::Flaw;
use crate::id::NodeId;
use crate::log::{
    self, Doc, Draft, FileDoc, FileKey, Key, Node, NodeKind, State, Stored, Upload, Version,
};
use crate::message::{FileAction, FileRefusal, FileReply, Intent, Piece, Refusal, Reply, Target};
use crate::point::Point;
use crate::time::Time;
use crate::volume;
use crate::worker::Rules;
use crate::worker::known::{Known, Stop};

/// The key of a piece's object. VF-BLOB-INPLACE uses one for all versions of a file.
fn piece_key(stored: &Stored, piece: u32, rules: Rules) -> volume::Key {
    if rules.flaws.has(Flaw::VfBlobInplace) {
        return smol_str::format_smolstr!("blob/{}/{}/{piece}", rules.space.0, stored.node.0);
    }
    log::piece_key(rules.space, stored.manifest.address, stored.upload, piece)
}

fn keys(stored: &Stored, rules: Rules) -> impl Iterator<Item = volume::Key> {
    let all = 0..u32::try_from(stored.manifest.pieces.len()).unwrap_or(u32::MAX);
    all.map(move |piece| piece_key(stored, piece, rules))
}

fn under_way<'d>(draft: &'d Draft<'_>, blob: Address) -> Result<&'d Upload, FileRefusal> {
    let Some(FileDoc::Upload(upload)) = get(draft, FileKey::Upload(blob)) else {
        return Err(FileRefusal::NoUpload);
    };
    Ok(upload)
}

/// The file and the version that a blob has become.
fn published(draft: &Draft<'_>, blob: Address) -> Option<(NodeId, u32)> {
    let Some(FileDoc::Blob(stored, n)) = get(draft, FileKey::Blob(blob)) else { return None };
    Some((stored.node, *n))
}

/// Could this be published if the blob were there?
fn check(draft: &Draft<'_>, intent: &Intent, rules: Rules) -> Result<(), Stop> {
    match &intent.target {
        Target::New(id, place) => {
            tree::is_named(place)?;
            if *id == NodeId::ROOT || tree::node(draft, *id).is_ok() {
                return Err(FileRefusal::NodeExists.into());
            }
            Ok(tree::check(draft, *id, place)?)
        }
        Target::Version(id) => Ok(version::check(draft, *id, intent.write, rules.flaws)?),
    }
}

/// Registers an upload, or renews it. Whether it can be published is checked now, so that no device
/// uploads in vain, and again at the end. Until then it takes neither a name nor a version number.
pub(super) fn begin(
    draft: &mut Draft<'_>,
    manifest: &Manifest,
    intent: &Intent,
    rules: Rules,
) -> Result<FileReply, Stop> {
    let blob = manifest.address;
    if let Some((node, n)) = published(draft, blob) {
        // A fresh sealing has a fresh address, so this is the same upload, begun again.
        let own = node == intent.target.node();
        return if own { Ok(FileReply::Published(n)) } else { Err(Refusal::Invalid.into()) };
    }
    if manifest.pieces.is_empty() {
        return Err(Refusal::Invalid.into());
    }
    if let Some(n) = version::of_write(draft, intent.target.node(), intent.write) {
        return Ok(FileReply::Published(n));
    }
    check(draft, intent, rules)?;
    let mut intent = intent.clone();
    let node = intent.target.node();
    let stored = match under_way(draft, blob) {
        Ok(Upload { stored, .. }) => {
            let stored = stored.clone();
            if stored.manifest != *manifest || stored.node != node {
                return Err(Refusal::Invalid.into());
            }
            if let Target::New(_, place) = &mut intent.target
                && rules.flaws.has(Flaw::VfPartialMove)
            {
                place.name.sealed = Bytes::default();
            }
            draft.reach(Point::UploadRenewed);
            stored
        }
        Err(_) => Stored { manifest: manifest.clone(), upload: draft.seq(), node },
    };
    if let Target::New(id, place) = &intent.target
        && rules.flaws.has(Flaw::VfNameBurn)
    {
        put(draft, FileKey::Named(place.parent, place.name.key), FileDoc::Holder(*id));
    }
    assert_eq!(stored.manifest.address, blob, "an upload is known by its blob");
    assert!(!stored.manifest.pieces.is_empty(), "a blob has at least one piece");
    let (number, until) = (stored.upload, rules.wall + rules.upload);
    tracing::debug!(upload = number, node = node.0, %until, "registered an upload");
    put(draft, FileKey::Upload(blob), FileDoc::Upload(Upload { stored, until, intent }.into()));
    Ok(FileReply::Begun(number, until))
}

/// The state of an upload.
enum Stage<'d> {
    UnderWay(&'d Upload),
    /// The blob is the content of this version.
    Published(u32),
}

/// The upload of a blob. If a piece is given, the upload must be the one that the piece is of.
fn stage<'d>(
    draft: &'d Draft<'_>,
    blob: Address,
    piece: Option<&Piece>,
) -> Result<Stage<'d>, FileRefusal> {
    let is_meant = |stored: &Stored| piece.is_none_or(|piece| piece.upload == stored.upload);
    match (get(draft, FileKey::Upload(blob)), get(draft, FileKey::Blob(blob))) {
        (Some(FileDoc::Upload(upload)), _) if is_meant(&upload.stored) => {
            Ok(Stage::UnderWay(upload))
        }
        (_, Some(FileDoc::Blob(stored, n))) if is_meant(stored) => Ok(Stage::Published(*n)),
        (Some(_) | None, Some(_) | None) => Err(FileRefusal::NoUpload),
    }
}

/// The object that was created for a request, if its upload was given up meanwhile. The number of an upload is never
/// used again, so an object that was created after the sweep, or in the middle of it, would stay for ever.
pub(super) fn stray<'k>(
    draft: &Draft<'_>,
    action: &FileAction,
    known: &'k Known,
) -> Option<&'k volume::Key> {
    let (FileAction::PutPiece(blob, piece) | FileAction::Publish(blob, Some(piece))) = action
    else {
        return None;
    };
    known.created().filter(|_| stage(draft, *blob, Some(piece)).is_err())
}

/// The call that stores a piece, if the piece is what the manifest says.
fn keep(stored: &Stored, piece: &Piece, rules: Rules) -> Result<volume::Request, FileRefusal> {
    let expected = stored.manifest.pieces.get(piece.n as usize).ok_or(FileRefusal::NoPiece)?;
    tracing::debug!(node = stored.node.0, upload = stored.upload, piece = piece.n, "takes a piece");
    if Address::of(&piece.bytes) != *expected {
        return Err(FileRefusal::Damaged);
    }
    let key = piece_key(stored, piece.n, rules);
    Ok(if rules.flaws.has(Flaw::VfTakeThenValidate) {
        volume::Request::Create(key, Bytes::default())
    } else if rules.flaws.has(Flaw::VfBlobInplace) {
        volume::Request::Put(key, piece.bytes.clone())
    } else {
        volume::Request::Create(key, piece.bytes.clone())
    })
}

/// Stores a piece. Nothing is committed.
pub(super) fn put_piece(
    draft: &Draft<'_>,
    blob: Address,
    piece: &Piece,
    known: &Known,
    rules: Rules,
) -> Result<FileReply, Stop> {
    if let Stage::UnderWay(upload) = stage(draft, blob, Some(piece))? {
        known.replies(vec![keep(&upload.stored, piece, rules)?])?;
    }
    Ok(FileReply::PieceKept)
}

/// Lists the pieces that are there.
pub(super) fn uploaded(
    draft: &Draft<'_>,
    blob: Address,
    known: &Known,
    rules: Rules,
) -> Result<FileReply, Stop> {
    if let Some((_, n)) = published(draft, blob) {
        return Ok(FileReply::Published(n));
    }
    let Upload { stored, .. } = under_way(draft, blob)?;
    let folder = log::pieces_of(rules.space, blob, stored.upload);
    let replies = known.replies(vec![volume::Request::List(folder.clone())])?;
    // The volume answered another question than it was asked.
    let [volume::Reply::Listed(there)] = replies else { return Err(Refusal::Internal.into()) };
    let piece = |key: &volume::Key| key.strip_prefix(folder.as_str())?.parse().ok();
    let mut pieces: Vec<u32> = there.iter().filter_map(piece).collect();
    pieces.sort_unstable();
    Ok(FileReply::Pieces(stored.upload, pieces))
}

/// Is the whole blob there, with the piece that the client brings?
fn verify(stored: &Stored, last: Option<&Piece>, known: &Known, rules: Rules) -> Result<(), Stop> {
    let mut asked: Vec<_> = keys(stored, rules).map(volume::Request::Get).collect();
    if let Some(last) = last {
        let kept = keep(stored, last, rules)?;
        assert!((last.n as usize) < asked.len(), "a piece that is kept is one of the manifest");
        asked[last.n as usize] = kept;
    }
    let replies = known.replies(asked)?;
    assert_eq!(replies.len(), stored.manifest.pieces.len(), "each piece was asked for");
    let mut pieces = Vec::new();
    for (reply, n) in replies.iter().zip(0..) {
        match (reply, last.filter(|last| last.n == n)) {
            (volume::Reply::Found(bytes), None) => pieces.push(bytes),
            (volume::Reply::Done | volume::Reply::Exists, Some(last)) => pieces.push(&last.bytes),
            (_, _) => return Err(FileRefusal::Incomplete(n).into()),
        }
    }
    assert_eq!(pieces.len(), stored.manifest.pieces.len(), "no piece is missing here");
    tracing::debug!(node = stored.node.0, pieces = pieces.len(), "compares content and manifest");
    if stored.manifest.is(&pieces) || rules.flaws.has(Flaw::VfTakeThenValidate) {
        Ok(())
    } else {
        Err(FileRefusal::Damaged.into())
    }
}

/// Publishes a blob that was found whole: name and version become visible in one commit. If a
/// worker has given the upload up meanwhile, this decision sees it, because giving up is committed
/// before the first delete.
pub(super) fn publish(
    draft: &mut Draft<'_>,
    blob: Address,
    last: Option<&Piece>,
    known: &Known,
    rules: Rules,
) -> Result<FileReply, Stop> {
    let Upload { stored, intent, .. } = match stage(draft, blob, last)? {
        Stage::UnderWay(upload) => upload.clone(),
        Stage::Published(n) => return Ok(FileReply::Published(n)),
    };
    let _publish = tracing::debug_span!("publish", upload = stored.upload).entered();
    if let Some(n) = version::of_write(draft, intent.target.node(), intent.write) {
        return Ok(FileReply::Published(n));
    }
    check(draft, &intent, rules)?;
    verify(&stored, last, known, rules)?;
    let Intent { target, write, seen, sealed } = intent;
    let id = target.node();
    if let Target::New(_, place) = target {
        assert_ne!(id, NodeId::ROOT, "the root is no node");
        let kind = NodeKind::File { latest: 0, heads: Vec::new() };
        tree::settle(draft, id, Node { place, kind, deleted: false, changed: 0 })?;
    }
    let made = Version { blob, write, sealed, seen, restores: None };
    let n = version::add(draft, id, made, rules.flaws)?;
    remove(draft, FileKey::Upload(blob));
    put(draft, FileKey::Blob(blob), FileDoc::Blob(stored, n));
    assert!(under_way(draft, blob).is_err(), "a blob that was published is under way no more");
    assert_eq!(published(draft, blob).map(|(_, n)| n), Some(n), "its upload became the version");
    tracing::debug!(node = id.0, version = n, "published a version");
    draft.reach(Point::FilePublished);
    Ok(FileReply::Published(n))
}

/// Reads a piece of a version's content.
pub(super) fn read_piece(
    draft: &Draft<'_>,
    (blob, piece): (Address, u32),
    known: &Known,
    rules: Rules,
) -> Result<FileReply, Stop> {
    let Some(FileDoc::Blob(stored, _)) = get(draft, FileKey::Blob(blob)) else {
        return Err(FileRefusal::NoVersion.into());
    };
    if piece as usize >= stored.manifest.pieces.len() {
        return Err(FileRefusal::NoPiece.into());
    }
    tracing::debug!(node = stored.node.0, upload = stored.upload, piece, "reads a piece");
    let key = piece_key(stored, piece, rules);
    let replies = known.replies(vec![volume::Request::Get(key)])?;
    // A restored volume may lack the object of a version that its log has.
    let [volume::Reply::Found(bytes)] = replies else { return Err(Refusal::Internal.into()) };
    Ok(FileReply::Piece(bytes.clone()))
}

/// The uploads whose lease has ended.
pub(super) fn lapsed(state: &State, wall: Time) -> impl Iterator<Item = (Address, u64)> {
    let all =
        Key::File(FileKey::Upload(Address::FIRST))..=Key::File(FileKey::Upload(Address::LAST));
    state.range(all).filter_map(move |(_, doc)| {
        // A damaged log may have another document there.
        let Doc::File(FileDoc::Upload(upload)) = doc else { return None };
        let Upload { stored, until, .. } = upload.as_ref();
        (*until <= wall).then_some((stored.manifest.address, stored.upload))
    })
}

/// Gives up the uploads whose lease has ended. An upload that was renewed in this entry stays.
pub(super) fn doom(draft: &mut Draft<'_>, rules: Rules) {
    for (blob, _) in lapsed(draft.base(), rules.wall) {
        // An upload of the base may have been published earlier in this very commit.
        let Ok(Upload { stored, until, .. }) = under_way(draft, blob).cloned() else { continue };
        assert!(!draft.has_effect(), "each upload is given up by an operation of its own");
        if until <= rules.wall && !rules.flaws.has(Flaw::Fb14) {
            remove(draft, FileKey::Upload(blob));
            let upload = stored.upload;
            put(draft, FileKey::Doomed(blob, upload), FileDoc::Doomed(stored));
            assert!(under_way(draft, blob).is_err(), "an upload that was given up is not renewed");
            tracing::debug!(upload, %until, "gave up an upload that nobody renewed");
            draft.reach(Point::UploadLapsed);
            draft.end_op(None, &Reply::File(FileReply::Done));
        }
    }
}

/// The blobs whose objects are to be deleted. FB-14 deletes before giving up is committed.
pub(super) fn garbage(state: &State, rules: Rules) -> impl Iterator<Item = (Address, u64)> {
    let all = Key::File(FileKey::Doomed(Address::FIRST, 0))
        ..=Key::File(FileKey::Doomed(Address::LAST, u64::MAX));
    let doomed = state.range(all).map(|(key, _)| {
        let Key::File(FileKey::Doomed(blob, upload)) = key else {
            unreachable!("between two keys of doomed blobs there are doomed blobs alone: {key:?}")
        };
        (*blob, *upload)
    });
    let early = rules.flaws.has(Flaw::Fb14).then(|| lapsed(state, rules.wall));
    doomed.chain(early.into_iter().flatten())
}

/// Removes the document of a doomed blob, once all its objects are deleted.
pub(super) fn forget(
    draft: &mut Draft<'_>,
    (blob, number): (Address, u64),
    known: &Known,
    rules: Rules,
) -> Result<(), Vec<volume::Request>> {
    let (key, stored) = match get(draft, FileKey::Doomed(blob, number)) {
        Some(FileDoc::Doomed(stored)) => (FileKey::Doomed(blob, number), stored),
        Some(_) | None => match under_way(draft, blob) {
            Ok(Upload { stored, .. }) if rules.flaws.has(Flaw::Fb14) => {
                (FileKey::Upload(blob), stored)
            }
            // Another worker has swept it since this one took the background task up.
            Ok(_) | Err(_) => return Ok(()),
        },
    };
    let node = stored.node.0;
    tracing::debug!(node, upload = number, "deletes the objects of an upload");
    known.replies(keys(stored, rules).map(volume::Request::Delete).collect())?;
    remove(draft, key);
    assert!(get(draft, key).is_none(), "what was swept is forgotten");
    tracing::debug!(upload = number, "swept the objects of an upload");
    draft.reach(Point::BlobSwept);
    draft.end_op(None, &Reply::File(FileReply::Done));
    Ok(())
}
