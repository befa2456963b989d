//! Downloads: the content of versions, piece by piece, and what is made of a list of versions.

use std::collections::VecDeque;

use super::super::errand::{Errand, Next, Then};
use super::super::{Answer, Device, FileAnswer, Head, Reason};
use super::sealed::Label;
use crate::Bytes;
use crate::id::{Dot, NodeId, Token};
use crate::log::Version;
use crate::message::{FileAction, FileRefusal, FileReply, Refusal, Reply};
use crate::record::Payload;
use crate::seal::OpenError;
use crate::time::Now;

/// What a version says.
pub(super) type Content = (Head, Result<Payload, OpenError>);

/// A download under way.
#[derive(Clone, Debug)]
pub(in crate::device) struct Download {
    pub(super) node: NodeId,
    /// The versions that are still to be read.
    wanted: VecDeque<(u32, Version)>,
    /// The pieces of the first of these.
    pieces: Vec<Bytes>,
    /// What has been read.
    read: Vec<Content>,
    /// What was here already.
    own: Vec<Content>,
}

/// What a list of versions is wanted for.
#[derive(Clone, Debug)]
pub(in crate::device) enum Purpose {
    Tell,
    Read(u32),
    Restore { version: u32, replaces: Vec<Dot>, token: Token },
}

impl Device {
    /// Reads every head of a file.
    pub(in crate::device) fn read_file(&mut self, node: NodeId) -> Result<Errand, Answer> {
        let refused = |why| Answer::Refused(Reason::File(why));
        let listed = self.look_up(node).ok_or(refused(FileRefusal::NoNode))?;
        if listed.is_folder {
            return Err(refused(FileRefusal::NoFile));
        }
        let (mut wanted, mut own) = (VecDeque::new(), Vec::new());
        let there = self.store.nodes().get(&node).map_or(&[][..], |shown| &shown.heads);
        for head in listed.heads {
            if let Some(write) = self.store.uploads().get(&head.write) {
                own.push((head, Ok(write.content.clone())));
            } else if let Some(found) = there.iter().find(|(n, _)| Some(*n) == head.version) {
                wanted.push_back(found.clone());
            }
        }
        match self.read_on(Download { node, wanted, pieces: Vec::new(), read: Vec::new(), own }) {
            Next::Ask(errand) => Ok(errand),
            Next::Answer(answer) => Err(answer),
            Next::End => Err(Answer::Refused(Reason::Internal)),
        }
    }

    /// Asks for the next piece, or opens what is there.
    fn read_on(&self, mut download: Download) -> Next {
        let node = download.node;
        while let Some((n, version)) = download.wanted.front().cloned() {
            let label = self.open_label(node, &version);
            if let Ok(label) = label
                && (download.pieces.len() as u64) < u64::from(label.pieces)
            {
                let piece = u32::try_from(download.pieces.len()).unwrap_or(u32::MAX);
                let asked = FileAction::ReadPiece(version.blob, piece);
                return Next::Ask(Errand::file(asked, Then::Download(download)));
            }
            let content =
                label.and_then(|label| self.open_content(node, &version, label, &download.pieces));
            let token = label.ok().map(|label| label.token);
            download.read.push((Head { version: Some(n), write: version.write, token }, content));
            download.pieces.clear();
            download.wanted.pop_front();
        }
        let Download { mut read, own, .. } = download;
        read.extend(own);
        Next::Answer(Answer::File(FileAnswer::Content(read)))
    }

    /// Takes a piece.
    pub(in crate::device) fn take_piece(
        &mut self,
        mut download: Download,
        answer: Result<Reply, Refusal>,
    ) -> Next {
        match answer {
            Ok(Reply::File(FileReply::Piece(bytes))) => {
                download.pieces.push(bytes);
                self.read_on(download)
            }
            Ok(_) => Next::Answer(Answer::Refused(Reason::Internal)),
            Err(refusal) => Next::Answer(Answer::told(Err(refusal))),
        }
    }

    /// Takes the list of all versions of a file.
    pub(in crate::device) fn take_versions(
        &mut self,
        now: Now,
        node: NodeId,
        purpose: Purpose,
        answer: Result<Reply, Refusal>,
    ) -> Next {
        let versions = match answer {
            Ok(Reply::File(FileReply::Versions(versions))) => versions,
            Ok(_) => return Next::Answer(Answer::Refused(Reason::Internal)),
            Err(refusal) => return Next::Answer(Answer::told(Err(refusal))),
        };
        let numbered = || (1..).zip(versions.iter());
        let find = |wanted| numbered().find(|(n, _)| *n == wanted);
        let none = || Next::Answer(Answer::Refused(Reason::File(FileRefusal::NoVersion)));
        match purpose {
            Purpose::Tell => {
                let head = |(n, version): (u32, &Version)| {
                    let token = self.open_label(node, version).ok().map(|label| label.token);
                    Head { version: Some(n), write: version.write, token }
                };
                Next::Answer(Answer::File(FileAnswer::Versions(numbered().map(head).collect())))
            }
            Purpose::Read(n) => {
                let Some((n, version)) = find(n) else { return none() };
                let wanted = VecDeque::from([(n, version.clone())]);
                let (pieces, read, own) = (Vec::new(), Vec::new(), Vec::new());
                self.read_on(Download { node, wanted, pieces, read, own })
            }
            Purpose::Restore { version: n, replaces, token } => {
                let Some((version, old)) = find(n) else { return none() };
                let label = match self.open_label(node, old) {
                    Ok(label) => Label { token, ..label },
                    Err(why) => return Next::Answer(Answer::Refused(Reason::Sealed(why))),
                };
                let (write, _) = self.next_write(now);
                let Some(sealed) = self.seal_label(node, write, label) else {
                    return Next::Answer(Answer::Refused(Reason::Keyless));
                };
                let blob = old.blob;
                let restore = FileAction::Restore { node, version, blob, replaces, write, sealed };
                Next::Ask(Errand::file(restore, Then::Tree(None)))
            }
        }
    }
}
