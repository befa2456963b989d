//! Downloads: the content of versions, piece by piece, and what is made of a list of versions.
//!
//! A restored version has a label of its own, sealed again, which says which write its content is bound to;
//! the content is not uploaded again.

use std::collections::VecDeque;

use super::super::ask::{Answer, FileAnswer, Head, Reason};
use super::super::core::Core;
use super::super::next::Next;
use super::listing;
use super::sealed::{Label, open_content, open_label, seal_label};
use super::{FileErrand, FileTask, file_reply};
use crate::Bytes;
use crate::id::{Dot, NodeId, ReplicaId, Token};
use crate::log::Version;
use crate::message::{FileAction, FileRefusal, FileReply, Refusal, Reply};
use crate::record::{Payload, Vv};
use crate::seal::OpenError;

/// What a version says, or why it cannot be opened.
type Content = (Head, Result<Payload, OpenError>);

/// A download under way.
#[derive(Clone, Debug)]
pub(in crate::device) struct Download {
    node: NodeId,
    /// The versions that are still to be read.
    wanted: VecDeque<(u32, Version)>,
    /// The pieces of the first of these.
    pieces: Vec<Bytes>,
    /// What has been read.
    read: Vec<Content>,
    /// What was here already.
    own: Vec<Content>,
}

impl Download {
    fn new(node: NodeId, wanted: VecDeque<(u32, Version)>, own: Vec<Content>) -> Self {
        Self { node, wanted, pieces: Vec::new(), read: Vec::new(), own }
    }

    /// Begins to read every head of a file. `Err` if no request is needed.
    pub(super) fn begin(core: &Core, node: NodeId) -> Result<FileErrand, Answer> {
        let refused = |why| Answer::Refused(Reason::File(why));
        let listed = listing::look_up(core, node).ok_or(refused(FileRefusal::NoNode))?;
        if listed.is_folder {
            return Err(refused(FileRefusal::NoFile));
        }
        let (mut wanted, mut own) = (VecDeque::new(), Vec::new());
        let files = core.store.files();
        let there = files.node(node).map_or(&[][..], |shown| &shown.heads);
        for head in listed.heads {
            if let Some(write) = files.write(head.write) {
                own.push((head, Ok(write.content.clone())));
            } else {
                let found = there.iter().find(|(n, _)| Some(*n) == head.version);
                let found = found.expect("a head is an own write or a head of the mirror");
                wanted.push_back(found.clone());
            }
        }
        Self::new(node, wanted, own).ask(core)
    }

    /// Opens what is there, up to the next piece that has to be asked for.
    fn ask(mut self, core: &Core) -> Result<FileErrand, Answer> {
        while let Some((n, version)) = self.wanted.pop_front() {
            let label = open_label(core, self.node, &version);
            if let Ok(label) = label
                && (self.pieces.len() as u64) < u64::from(label.pieces)
            {
                let piece = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
                let action = FileAction::ReadPiece(version.blob, piece);
                self.wanted.push_front((n, version));
                return Ok(FileErrand { action, task: FileTask::Download(self) });
            }
            let content = label
                .and_then(|label| open_content(core, self.node, &version, label, &self.pieces));
            let token = label.ok().map(|label| label.token);
            self.read.push((Head { version: Some(n), write: version.write, token }, content));
            self.pieces.clear();
        }
        assert!(self.pieces.is_empty(), "pieces belong to a version that is still wanted");
        self.read.extend(self.own);
        Err(Answer::File(FileAnswer::Content(self.read)))
    }

    /// Takes a piece.
    pub(super) fn take(mut self, core: &Core, answer: Result<Reply, Refusal>) -> Next<FileErrand> {
        assert!(!self.wanted.is_empty(), "a piece was asked for, of the first wanted version");
        match file_reply(answer) {
            Ok(FileReply::Piece(bytes)) => {
                self.pieces.push(bytes);
                self.next(core)
            }
            // Hostile, or broken: an answer to another question.
            Ok(_) => Next::Answer(Answer::Refused(Reason::Internal)),
            Err(answer) => Next::Answer(answer),
        }
    }

    fn next(self, core: &Core) -> Next<FileErrand> {
        self.ask(core).map_or_else(Next::Answer, Next::Ask)
    }
}

/// What a list of versions is wanted for.
#[derive(Clone, Debug)]
pub(in crate::device) enum Purpose {
    /// The user is shown it.
    Tell,
    /// This version is read.
    Read(u32),
    /// A new version is made with the content of this one.
    Restore { version: u32, seen: Vv, token: Token },
}

impl Purpose {
    /// Takes the list of all versions of a file.
    pub(super) fn take(
        self,
        core: &mut Core,
        node: NodeId,
        answer: Result<Reply, Refusal>,
    ) -> Next<FileErrand> {
        let versions = match file_reply(answer) {
            Ok(FileReply::Versions(versions)) => versions,
            // Hostile, or broken: an answer to another question.
            Ok(_) => return Next::Answer(Answer::Refused(Reason::Internal)),
            Err(answer) => return Next::Answer(answer),
        };
        let numbered = || (1..).zip(versions.iter());
        let find = |wanted| numbered().find(|(n, _)| *n == wanted);
        let none = || Next::Answer(Answer::Refused(Reason::File(FileRefusal::NoVersion)));
        match self {
            Self::Tell => {
                let head = |(n, version): (u32, &Version)| {
                    let token = open_label(core, node, version).ok().map(|label| label.token);
                    Head { version: Some(n), write: version.write, token }
                };
                Next::Answer(Answer::File(FileAnswer::Versions(numbered().map(head).collect())))
            }
            Self::Read(n) => match find(n) {
                Some((n, version)) => {
                    let wanted = VecDeque::from([(n, version.clone())]);
                    Download::new(node, wanted, Vec::new()).next(core)
                }
                None => none(),
            },
            Self::Restore { version: n, seen, token } => match find(n) {
                Some((version, old)) => restore(core, node, (version, old), seen, token),
                None => none(),
            },
        }
    }
}

/// Asks for a new version with the content of an old one, under a label of its own.
fn restore(
    core: &mut Core,
    node: NodeId,
    (version, old): (u32, &Version),
    seen: Vv,
    token: Token,
) -> Next<FileErrand> {
    let label = match open_label(core, node, old) {
        Ok(label) => Label { token, ..label },
        Err(why) => return Next::Answer(Answer::Refused(Reason::Sealed(why))),
    };
    // Nothing is kept of it here, so it has an author of its own: no later write could tell whether it was
    // built on it.
    let write = Dot { replica: ReplicaId(core.entropy.next_u64()), ..core.next_write().0 };
    let sealed = seal_label(core, node, write, label);
    let sealed = sealed.expect("the old label was opened, so there is a key");
    let blob = old.blob;
    let action = FileAction::Restore { node, version, blob, seen, write, sealed };
    Next::Ask(FileErrand { action, task: FileTask::Tree(None) })
}
