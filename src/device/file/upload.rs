//! Uploads: an own write becomes a version, piece by piece, and whatever stands in its way is gone
//! round. A taken name becomes that of a copy, a folder that is gone the root, a deleted file is
//! brought back: an edit beats a delete.
//!
//! What was decided on the way is durable before it is asked for. The server knows a write by its
//! dot, so one that is sent again after a crash, or by a copy of this device, is there once.

use super::super::errand::{Errand, Next, Then};
use super::super::{Device, FileTarget};
use super::Published;
use super::tree::RECOVERED;
use crate::Bytes;
use crate::blob::{Address, Manifest, cut};
use crate::id::{Dot, NodeId};
use crate::message::{
    FileAction, FileRefusal, FileReply, Intent, Piece, Place, Refusal, Reply, Target,
};
use crate::name;
use crate::point::Point;
use crate::time::Now;

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

impl Device {
    /// Goes on with an own write that the server lacks: what the user waits for, else the oldest.
    pub(in crate::device) fn next_upload(&mut self) -> Option<Errand> {
        let waiting = self.front_errand().and_then(|errand| self.waits_for(errand).next());
        let dot = waiting.or_else(|| self.unsent().next().map(|(dot, _)| dot))?;
        let again = self.store.uploads().get(&dot)?.blob.is_some();
        self.begin_upload(dot, again)
    }

    /// Asks for an upload to begin, or to be renewed; `None` without a key.
    fn begin_upload(&mut self, dot: Dot, again: bool) -> Option<Errand> {
        let mut write = self.store.uploads().get(&dot)?.clone();
        let node = write.node;
        let blob = match write.blob.clone() {
            Some(blob) => blob,
            None => {
                let blob = self.seal_content(node, dot, &write.content)?;
                write.blob = Some(blob.clone());
                self.keep_write(dot, write.clone());
                blob
            }
        };
        let target = match &write.target {
            FileTarget::New { parent, name } => {
                let name = self.name(node, name);
                let name =
                    name.or_else(|_| self.name(node, &name::of_copy(RECOVERED, dot))).ok()?;
                Target::New(node, Place { parent: *parent, name })
            }
            FileTarget::Version { replaces, .. } => Target::Version(node, replaces.clone()),
        };
        let manifest = Manifest::of(&blob, self.boot.piece);
        let sealed = self.seal_label(node, dot, Self::label(&write.content, &manifest, dot))?;
        let intent = Intent { target, write: dot, sealed };
        let upload = Upload { write: dot, node, blob, step: Step::Begin { again } };
        Some(Errand::file(FileAction::Begin(manifest, intent), Then::Upload(upload)))
    }

    /// Takes an answer about an upload.
    pub(in crate::device) fn take_upload(
        &mut self,
        now: Now,
        upload: Upload,
        answer: Result<Reply, Refusal>,
    ) -> Next {
        let dot = upload.write;
        let reply = match answer {
            Ok(Reply::File(FileReply::Published(n))) => {
                self.note_published(now, dot, n);
                return Next::End;
            }
            Ok(Reply::File(reply)) => reply,
            Err(Refusal::File(refusal)) => return self.go_round(now, upload, refusal),
            Err(Refusal::Invalid) => return self.seal_anew(dot),
            Ok(_) | Err(_) => return self.rest(now),
        };
        let all = |blob: &Bytes, piece| 0..u32::try_from(cut(blob, piece).len()).unwrap_or(0);
        match (upload.step.clone(), reply) {
            (Step::Begin { again: true }, FileReply::Begun(..)) => {
                let asked = FileAction::Uploaded(Address::of(&upload.blob));
                Next::Ask(Errand::file(asked, Then::Upload(Upload { step: Step::List, ..upload })))
            }
            (Step::Begin { again: false }, FileReply::Begun(number, _)) => {
                let missing = all(&upload.blob, self.boot.piece).collect();
                self.put_next(upload, number, missing)
            }
            (Step::List, FileReply::Pieces(number, there)) => {
                let missing = all(&upload.blob, self.boot.piece).filter(|it| !there.contains(it));
                let missing = missing.collect();
                self.put_next(upload, number, missing)
            }
            (Step::Put { number, missing }, FileReply::PieceKept) => {
                self.put_next(upload, number, missing[1..].to_vec())
            }
            (Step::Revive(_), FileReply::Done) => {
                self.reach(Point::FileRevived);
                self.begin_again(dot)
            }
            // An answer to another question.
            (_, _) => self.rest(now),
        }
    }

    fn put_next(&mut self, upload: Upload, number: u64, missing: Vec<u32>) -> Next {
        let blob = Address::of(&upload.blob);
        let pieces = cut(&upload.blob, self.boot.piece);
        let next = missing.first().and_then(|n| {
            Some(Piece { upload: number, n: *n, bytes: (*pieces.get(*n as usize)?).into() })
        });
        let (asked, step) = match next {
            Some(piece) if missing.len() > 1 => {
                (FileAction::PutPiece(blob, piece), Step::Put { number, missing })
            }
            last => (FileAction::Publish(blob, last), Step::Publish),
        };
        Next::Ask(Errand::file(asked, Then::Upload(Upload { step, ..upload })))
    }

    fn begin_again(&mut self, dot: Dot) -> Next {
        self.begin_upload(dot, true).map_or(Next::End, Next::Ask)
    }

    /// The blob is of no use: another one is made of the same content.
    fn seal_anew(&mut self, dot: Dot) -> Next {
        let Some(mut write) = self.store.uploads().get(&dot).cloned() else { return Next::End };
        write.blob = None;
        self.keep_write(dot, write);
        self.begin_upload(dot, false).map_or(Next::End, Next::Ask)
    }

    /// Changes what a write is for, and begins again.
    fn aim_anew(&mut self, dot: Dot, target: FileTarget) -> Next {
        let Some(mut write) = self.store.uploads().get(&dot).cloned() else { return Next::End };
        write.target = target;
        self.keep_write(dot, write);
        self.begin_again(dot)
    }

    /// Something stands in the way of a write.
    fn go_round(&mut self, now: Now, upload: Upload, refusal: FileRefusal) -> Next {
        if let Step::Revive(place) = &upload.step {
            let place = place.clone().unwrap_or_else(|| self.last_place(upload.node));
            return self.revive_elsewhere(upload, place, refusal);
        }
        let (dot, node) = (upload.write, upload.node);
        match refusal {
            FileRefusal::NameTaken(_) | FileRefusal::NoFolder => {
                let target = self.store.uploads().get(&dot).map(|write| write.target.clone());
                let Some(FileTarget::New { parent, name }) = target else { return self.rest(now) };
                let (parent, name) = elsewhere((parent, name), refusal, dot);
                self.reach(Point::NameClashed);
                self.aim_anew(dot, FileTarget::New { parent, name })
            }
            FileRefusal::Deleted => self.revive(upload, None),
            // The server has lost the file, or never had it.
            FileRefusal::NoNode => {
                let (parent, name) = self.last_place(node);
                self.aim_anew(dot, FileTarget::New { parent, name })
            }
            // It has the file already, of which nobody here has heard yet: what it is called, say.
            FileRefusal::NodeExists if !self.store.nodes().contains_key(&node) => {
                self.rest(now);
                Next::Ask(self.ask_feed(now.mono))
            }
            // It has lost those versions, or it has the file already.
            FileRefusal::NoVersion | FileRefusal::NodeExists => {
                self.aim_anew(dot, FileTarget::Version { node, replaces: Vec::new() })
            }
            FileRefusal::NoUpload | FileRefusal::Incomplete(_) => self.begin_again(dot),
            FileRefusal::Damaged => self.seal_anew(dot),
            // Nothing that an upload is refused for.
            FileRefusal::NoFile
            | FileRefusal::NotEmpty
            | FileRefusal::Cycle
            | FileRefusal::Outdated
            | FileRefusal::NoPiece
            | FileRefusal::CursorExpired
            | FileRefusal::NoJob => self.rest(now),
        }
    }

    /// A file could not come back there.
    fn revive_elsewhere(
        &mut self,
        upload: Upload,
        place: (NodeId, String),
        refusal: FileRefusal,
    ) -> Next {
        match refusal {
            FileRefusal::NameTaken(_) | FileRefusal::NoFolder => {
                let place = elsewhere(place, refusal, upload.write);
                self.revive(upload, Some(place))
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
            | FileRefusal::NoJob => self.begin_again(upload.write),
        }
    }

    /// Brings back the file that a write is for.
    fn revive(&mut self, upload: Upload, place: Option<(NodeId, String)>) -> Next {
        let node = upload.node;
        let named = place.as_ref().and_then(|(parent, name)| {
            let name = self.name(node, name).ok()?;
            Some(Place { parent: *parent, name })
        });
        let step = Step::Revive(place);
        let then = Then::Upload(Upload { step, ..upload });
        Next::Ask(Errand::file(FileAction::Undelete(node, named), then))
    }

    /// An own write is a version now. It is kept until the feed shows that.
    pub(super) fn note_published(&mut self, now: Now, dot: Dot, version: u32) {
        let Some(write) = self.store.uploads().get(&dot).cloned() else { return };
        self.server.succeed();
        self.server.pull_feed(now.mono);
        let published = Some(Published { version, at: self.server.heard() });
        self.keep_write(dot, super::OwnWrite { published, blob: None, ..write });
    }
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
