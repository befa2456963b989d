//! Uploads: an own write becomes a version, piece by piece, and no obstacle loses it. A taken name
//! becomes that of a copy, a folder that is gone the root, and a deleted file is brought back: an edit
//! beats a delete. The last piece comes with the publication: most files have one piece and are there after
//! two requests. The worker checks that piece against the manifest and reads all others back.
//!
//! What was decided on the way is durable before it is asked for. The server knows a write by its dot, and
//! not only a blob by its address: a device that lost its seal, or a copy of it that seals the same write
//! again, would otherwise make a version twice.

use super::super::core::Core;
use super::super::next::Next;
use super::super::store::{OwnWrite, Published};
use super::listing::last_place;
use super::sealed::{label, seal_content, seal_label, seal_name};
use super::write::keep;
use super::{FileErrand, FileTask, Files, feed};
use crate::Bytes;
use crate::blob::{Address, Manifest, cut};
use crate::id::{Dot, NodeId};
use crate::log::Position;
use crate::message::{
    FileAction, FileRefusal, FileReply, Intent, Piece, Place, Refusal, Reply, Target,
};
use crate::name;
use crate::point::Point;

/// An upload under way.
#[derive(Clone, Debug)]
pub(in crate::device) struct Upload {
    write: Dot,
    node: NodeId,
    blob: Bytes,
    step: Step,
}

/// What was asked last.
#[derive(Clone, Debug)]
enum Step {
    /// That it begins. If it has begun before, some pieces may be there.
    Begin { again: bool },
    /// Which pieces are there.
    List,
    /// The first of these pieces, of an upload of this number.
    Put { number: u64, missing: Vec<u32> },
    /// That it becomes a version, with the last piece that was missing.
    Publish,
    /// That the file comes back, where it was or there.
    Revive(Option<(NodeId, String)>),
}

/// Goes on with an own write that the server lacks: what the user waits for, else the oldest.
pub(super) fn next(core: &mut Core, waited_for: Option<Dot>) -> Option<FileErrand> {
    let files = core.store.files();
    let dot = waited_for.or_else(|| files.unsent().next().map(|(dot, _)| dot))?;
    let write = files.write(dot).expect("what is waited for is an unsent write");
    assert!(write.published.is_none(), "what the server has is not sent again");
    let again = write.blob.is_some();
    begin(core, dot, again)
}

/// An own write that is being uploaded. It is here until its upload has ended: only a page of the feed
/// and a sign-out drop an own write, the device has one task of its own under way at a time, and a
/// sign-out forgets that task.
fn own_write(core: &Core, dot: Dot) -> OwnWrite {
    let write = core.store.files().write(dot).cloned();
    write.expect("an own write is kept until its upload has ended")
}

/// Asks for an upload to begin, or to be renewed; `None` without a key.
fn begin(core: &mut Core, dot: Dot, again: bool) -> Option<FileErrand> {
    let mut write = own_write(core, dot);
    let node = write.node;
    let blob = match write.blob.clone() {
        Some(blob) => blob,
        None => {
            let blob = seal_content(core, node, dot, &write.content)?;
            // Durable before it is asked for: a crash must not seal it a second time, since the pieces
            // of two blobs of one write do not fit together.
            write.blob = Some(blob.clone());
            keep(core, dot, write.clone());
            blob
        }
    };
    let target = match &write.place {
        Some((parent, name)) => {
            let name = name::shown(name.clone(), node, core.boot.flaws);
            let name = seal_name(core, node, &name).ok()?;
            Target::New(node, Place { parent: *parent, name })
        }
        None => Target::Version(node),
    };
    let manifest = Manifest::of(&blob, core.boot.piece);
    let sealed = seal_label(core, node, dot, label(&write.content, &manifest, dot))?;
    let intent = Intent { target, write: dot, seen: write.seen, sealed };
    let upload = Upload { write: dot, node, blob, step: Step::Begin { again } };
    tracing::debug!(node = node.0, pieces = manifest.pieces.len(), again, "an upload begins");
    Some(upload.asks(FileAction::Begin(manifest, intent)))
}

/// Changes what is kept of a write, and begins again.
fn begin_with(
    core: &mut Core,
    dot: Dot,
    again: bool,
    change: impl FnOnce(&mut OwnWrite),
) -> Next<FileErrand> {
    let mut write = own_write(core, dot);
    assert!(write.published.is_none(), "what the server has is not sent again");
    change(&mut write);
    keep(core, dot, write);
    Next::ask(begin(core, dot, again))
}

/// The blob is of no use: another one is made of the same content.
fn seal_again(core: &mut Core, dot: Dot) -> Next<FileErrand> {
    begin_with(core, dot, false, |write| write.blob = None)
}

/// Puts a write somewhere else, and begins again.
fn put_at(core: &mut Core, dot: Dot, place: Option<(NodeId, String)>) -> Next<FileErrand> {
    begin_with(core, dot, true, |write| write.place = place)
}

impl Upload {
    fn asks(self, action: FileAction) -> FileErrand {
        FileErrand { action, task: FileTask::Upload(self) }
    }

    fn asks_for(self, action: FileAction, step: Step) -> Next<FileErrand> {
        Next::Ask(Self { step, ..self }.asks(action))
    }

    /// Takes an answer about an upload.
    pub(super) fn take(
        self,
        files: &mut Files,
        core: &mut Core,
        heard: Position,
        answer: Result<Reply, Refusal>,
    ) -> Next<FileErrand> {
        let _span = tracing::debug_span!("upload", node = self.node.0, step = ?self.step).entered();
        let dot = self.write;
        let reply = match answer {
            Ok(Reply::File(FileReply::Published(n))) => {
                note_published(files, core, heard, dot, n);
                return Next::End;
            }
            Ok(Reply::File(reply)) => reply,
            Err(Refusal::File(refusal)) => return self.work_around(files, core, refusal),
            Err(Refusal::Invalid) => return seal_again(core, dot),
            // It failed inside. Hostile, or broken: an answer to another question.
            Ok(_) | Err(_) => return files.rest(core, None),
        };
        let pieces = cut(&self.blob, core.boot.piece).len();
        let all = 0..u32::try_from(pieces).unwrap_or(0);
        match (self.step.clone(), reply) {
            (Step::Begin { again: true }, FileReply::Begun(..)) => {
                let asked = FileAction::Uploaded(Address::of(&self.blob));
                self.asks_for(asked, Step::List)
            }
            (Step::Begin { again: false }, FileReply::Begun(number, _)) => {
                self.put_next(core, number, all.collect())
            }
            (Step::List, FileReply::Pieces(number, there)) => {
                let missing = all.filter(|it| !there.contains(it)).collect();
                self.put_next(core, number, missing)
            }
            (Step::Put { number, missing }, FileReply::PieceKept) => {
                assert!(missing.len() > 1, "the last missing piece comes with the publication");
                self.put_next(core, number, missing[1..].to_vec())
            }
            (Step::Revive(_), FileReply::Done) => {
                core.reach(Point::FileRevived);
                Next::ask(begin(core, dot, true))
            }
            // Hostile, or broken: an answer to another question.
            (_, _) => files.rest(core, None),
        }
    }

    /// Sends the next piece. The last one that is missing comes with the publication.
    fn put_next(self, core: &Core, number: u64, missing: Vec<u32>) -> Next<FileErrand> {
        let blob = Address::of(&self.blob);
        let pieces = cut(&self.blob, core.boot.piece);
        let next = missing.first().map(|n| {
            let bytes = pieces.get(*n as usize).expect("only pieces of this blob are missing");
            Piece { upload: number, n: *n, bytes: (*bytes).into() }
        });
        match next {
            Some(piece) if missing.len() > 1 => {
                self.asks_for(FileAction::PutPiece(blob, piece), Step::Put { number, missing })
            }
            last => self.asks_for(FileAction::Publish(blob, last), Step::Publish),
        }
    }

    /// Something stands in the way of a write.
    fn work_around(
        self,
        files: &mut Files,
        core: &mut Core,
        refusal: FileRefusal,
    ) -> Next<FileErrand> {
        tracing::debug!(node = self.node.0, ?refusal, "something stands in the way of a write");
        if let Step::Revive(place) = &self.step {
            let place = place.clone().unwrap_or_else(|| last_place(core, self.node));
            return self.revive_elsewhere(core, place, refusal);
        }
        let (dot, node) = (self.write, self.node);
        match refusal {
            FileRefusal::NameTaken(_) | FileRefusal::NoFolder => {
                let Some(place) = own_write(core, dot).place else {
                    // Hostile, or broken: only a new file takes a name and a folder.
                    return files.rest(core, None);
                };
                core.reach(Point::NameClashed);
                put_at(core, dot, Some(elsewhere(place, refusal, dot)))
            }
            FileRefusal::Deleted => self.revive(core, None),
            // The server has lost the file, or never had it.
            FileRefusal::NoNode => {
                let place = last_place(core, node);
                put_at(core, dot, Some(place))
            }
            // It has the file already, of which the feed has not told here yet.
            FileRefusal::NodeExists if core.store.files().node(node).is_none() => {
                let feed = feed::ask(core);
                files.rest(core, Some(feed))
            }
            FileRefusal::NodeExists => put_at(core, dot, None),
            FileRefusal::NoUpload | FileRefusal::Incomplete(_) => Next::ask(begin(core, dot, true)),
            FileRefusal::Damaged => seal_again(core, dot),
            // Hostile, or broken: nothing that an upload is refused for.
            FileRefusal::NoFile
            | FileRefusal::NotEmpty
            | FileRefusal::Cycle
            | FileRefusal::Outdated
            | FileRefusal::NoVersion
            | FileRefusal::NoPiece
            | FileRefusal::CursorExpired
            | FileRefusal::NoJob => files.rest(core, None),
        }
    }

    /// A file could not come back there.
    fn revive_elsewhere(
        self,
        core: &mut Core,
        place: (NodeId, String),
        refusal: FileRefusal,
    ) -> Next<FileErrand> {
        match refusal {
            FileRefusal::NameTaken(_) | FileRefusal::NoFolder => {
                let place = elsewhere(place, refusal, self.write);
                self.revive(core, Some(place))
            }
            // It is back already, or gone for good: the upload will tell.
            FileRefusal::NoNode
            | FileRefusal::NodeExists
            | FileRefusal::Deleted
            | FileRefusal::NoFile
            | FileRefusal::NotEmpty
            | FileRefusal::Cycle
            | FileRefusal::Outdated
            | FileRefusal::NoVersion
            | FileRefusal::NoPiece
            | FileRefusal::NoUpload
            | FileRefusal::Incomplete(_)
            | FileRefusal::Damaged
            | FileRefusal::CursorExpired
            | FileRefusal::NoJob => Next::ask(begin(core, self.write, true)),
        }
    }

    /// Brings back the file that a write is for.
    fn revive(self, core: &mut Core, place: Option<(NodeId, String)>) -> Next<FileErrand> {
        let node = self.node;
        let named = place.as_ref().and_then(|(parent, name)| {
            let name = seal_name(core, node, name).ok()?;
            Some(Place { parent: *parent, name })
        });
        self.asks_for(FileAction::Undelete(node, named), Step::Revive(place))
    }
}

/// An own write is a version now. It is kept until the feed shows that.
fn note_published(files: &mut Files, core: &mut Core, heard: Position, dot: Dot, version: u32) {
    let write = own_write(core, dot);
    files.succeed();
    files.pull_soon(core);
    let published = Some(Published { version, at: heard });
    keep(core, dot, OwnWrite { published, blob: None, ..write });
}

/// Where a write goes that cannot be where it was meant to.
fn elsewhere(
    (parent, name): (NodeId, String),
    refusal: FileRefusal,
    write: Dot,
) -> (NodeId, String) {
    if refusal == FileRefusal::NoFolder {
        (NodeId::ROOT, name)
    } else {
        (parent, name::of_copy(&name, write))
    }
}
