//! What may be refused about files, and why: what the refusal says was so at some moment between
//! question and answer, by the log and by the names as they are when they are opened.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use engine::device::Reason;
use engine::id::NodeId;
use engine::log::{FileKey, NodeKind};
use engine::message::FileRefusal;
use engine::seal::OpenError;

use super::epochs::Epoch;
use super::file_names::{fold, unfit};
use super::files::Files;
use super::keys::{has_a_key, may_lack};
use super::{Evidence, ObservedOperation};
use crate::history::file::{FileAsked, Goal};

/// Refusals that the previous build does not know, each with the one that it hears in its place.
const TOLD_AS: [(FileRefusal, FileRefusal); 2] =
    [(FileRefusal::Cycle, FileRefusal::NoFolder), (FileRefusal::NotEmpty, FileRefusal::Outdated)];

/// Is it right to refuse this about files for that reason?
pub(crate) fn is_right(
    evidence: &Evidence<'_>,
    op: &ObservedOperation,
    at: usize,
    ask: &FileAsked,
    reason: Reason,
) -> bool {
    match reason {
        Reason::File(refusal) => {
            let told_as =
                TOLD_AS.iter().find(|(_, told)| *told == refusal).map(|(meant, _)| *meant);
            let meant = told_as.filter(|_| evidence.ran_previous_build(op.device, op.asked, at));
            iter::once(refusal).chain(meant).any(|refusal| {
                let mut epochs = evidence.epochs.between(op.asked, at);
                epochs.any(|epoch| was_so(evidence, epoch, (op, at), (ask, refusal)))
                    || is_of_another_log(evidence, op, at, (ask, refusal))
            })
        }
        Reason::BadName(_) => ask.names().any(|name| unfit(name).is_some()),
        Reason::Keyless => !has_a_key(evidence, op.device, at),
        Reason::Sealed(OpenError::NoKey(key)) => may_lack(evidence, op.device, key.generation, at),
        Reason::NoServer => evidence.context.server.is_none(),
        Reason::Sealed(OpenError::Corrupt)
        | Reason::WrongField
        | Reason::Unsent(_)
        | Reason::SignedOut
        | Reason::Internal
        | Reason::Date(_) => false,
    }
}

/// Was it so in this log at some moment between question and answer?
fn was_so(
    evidence: &Evidence<'_>,
    epoch: &Epoch<'_>,
    (op, at): (&ObservedOperation, usize),
    (ask, refusal): (&FileAsked, FileRefusal),
) -> bool {
    let nothing = Files::default();
    let files = epoch.files.get(&evidence.user(op.device)).unwrap_or(&nothing);
    let mut moments = files.moments(op.asked, at);
    moments.any(|moment| is_so(&FilesAt { files, moment }, ask, refusal))
        || files.between(op.asked, at).any(|entry| entry.is_stirred())
}

/// Did a log that is no more have a version of a file that this one lacks? A device that has not heard
/// of that asks for it, and its user has seen another one of the same number. To restore a version, the
/// device looks it up first: it may have found it in any log that there was since it was asked.
fn is_of_another_log(
    evidence: &Evidence<'_>,
    op: &ObservedOperation,
    at: usize,
    (ask, refusal): (&FileAsked, FileRefusal),
) -> bool {
    let user = evidence.user(op.device);
    let node = match (ask, refusal) {
        (FileAsked::Read(node), FileRefusal::NoVersion)
        | (FileAsked::Delete { node, .. }, FileRefusal::Outdated) => node,
        (FileAsked::Restore { node, version, .. }, FileRefusal::NoVersion) => {
            let content = |epoch: &Epoch<'_>| {
                let version = epoch.files.get(&user)?.version(*node, *version, at)?;
                Some(version.blob)
            };
            let contents: Vec<_> = evidence.epochs.between(op.asked, at).map(content).collect();
            let answered_by = |n: usize| &contents[n + 1..];
            let mut looked_up = contents.iter().enumerate().filter(|(_, found)| found.is_some());
            return looked_up.any(|(n, found)| answered_by(n).iter().any(|it| it != found));
        }
        (_, _) => return false,
    };
    // A version is named by its number and the entry that made it: the same content that is published
    // again in another log is another version.
    let versions = |epoch: &Epoch<'_>| -> BTreeSet<(u32, usize)> {
        let files = epoch.files.get(&user).into_iter();
        let versions = files.flat_map(|files| files.versions(*node));
        let made = versions.flat_map(|(n, line)| line.iter().map(move |(made, _)| (n, made)));
        made.filter(|(_, made)| *made <= at).collect()
    };
    // Any log that there was meanwhile may have answered.
    evidence.epochs.between(op.asked, at).any(|now| {
        let mut before = evidence.epochs.iter().take_while(|epoch| epoch.from < now.from);
        before.any(|epoch| !versions(epoch).is_subset(&versions(now)))
    })
}

/// Was it so before it was asked?
pub(crate) fn was_right(
    evidence: &Evidence<'_>,
    op: &ObservedOperation,
    ask: &FileAsked,
    reason: Reason,
) -> bool {
    let Reason::File(refusal) = reason else { return false };
    let files = &evidence.epochs.at(op.asked).files;
    let Some(files) = files.get(&evidence.user(op.device)) else { return false };
    files.moments(0, op.asked).any(|moment| is_so(&FilesAt { files, moment }, ask, refusal))
}

/// All files at a moment.
struct FilesAt<'f, 'a> {
    files: &'f Files<'a>,
    moment: usize,
}

impl FilesAt<'_, '_> {
    fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.files.node(id, self.moment).map(|node| node.place.parent)
    }

    fn is_file(&self, id: NodeId) -> bool {
        let node = self.files.node(id, self.moment);
        node.is_some_and(|node| matches!(node.kind, NodeKind::File { .. }))
    }

    fn latest(&self, id: NodeId) -> u32 {
        match self.files.node(id, self.moment).map(|node| &node.kind) {
            Some(NodeKind::File { latest, .. }) => *latest,
            Some(NodeKind::Folder) | None => 0,
        }
    }

    /// Has a node a name in this folder that can be taken for that one?
    fn has_name(&self, id: NodeId, folder: NodeId, name: &str) -> bool {
        let there = self.files.live(id, self.moment);
        there.is_some_and(|node| node.place.parent == folder)
            && self.files.name(id, self.moment).is_some_and(|own| fold(own) == fold(name))
    }

    fn is_empty(&self, folder: NodeId) -> bool {
        !self.files.docs().any(|(key, _)| {
            let FileKey::Node(id) = key else { return false };
            let node = self.files.live(id, self.moment);
            node.is_some_and(|node| node.place.parent == folder)
        })
    }
}

/// The nodes that a request is about.
fn nodes(ask: &FileAsked) -> Vec<NodeId> {
    match ask {
        FileAsked::Write { goal: Goal::Version(node), .. }
        | FileAsked::Read(node)
        | FileAsked::Versions(node)
        | FileAsked::Delete { node, .. }
        | FileAsked::Undelete(node)
        | FileAsked::Restore { node, .. } => vec![*node],
        FileAsked::Move(all) => all.iter().map(|one| one.0).collect(),
        FileAsked::Write { goal: Goal::New(..), .. }
        | FileAsked::MakeFolder(..)
        | FileAsked::List
        | FileAsked::Job(_) => Vec::new(),
    }
}

/// Where a request is to put something: a node that is there already, in which folder, and under
/// which name.
fn places(scene: &FilesAt<'_, '_>, ask: &FileAsked) -> Vec<(Option<NodeId>, NodeId, String)> {
    let own = |id: NodeId| scene.files.name(id, scene.moment).unwrap_or_default().to_owned();
    let folder = |id: NodeId| scene.parent(id).unwrap_or(NodeId::ROOT);
    match ask {
        FileAsked::MakeFolder(parent, name)
        | FileAsked::Write { goal: Goal::New(parent, name), .. } => {
            vec![(None, *parent, name.clone())]
        }
        FileAsked::Move(all) => all
            .iter()
            .map(|(id, to, name)| {
                (Some(*id), to.unwrap_or(folder(*id)), name.clone().unwrap_or_else(|| own(*id)))
            })
            .collect(),
        FileAsked::Undelete(id) => vec![(Some(*id), folder(*id), own(*id))],
        FileAsked::Write { goal: Goal::Version(_), .. }
        | FileAsked::List
        | FileAsked::Read(_)
        | FileAsked::Versions(_)
        | FileAsked::Delete { .. }
        | FileAsked::Restore { .. }
        | FileAsked::Job(_) => Vec::new(),
    }
}

fn is_so(scene: &FilesAt<'_, '_>, ask: &FileAsked, refusal: FileRefusal) -> bool {
    let (files, moment) = (scene.files, scene.moment);
    match refusal {
        FileRefusal::NameTaken(other) => is_taken(scene, ask, other),
        FileRefusal::NoNode => nodes(ask).iter().any(|id| files.node(*id, moment).is_none()),
        FileRefusal::Deleted => {
            nodes(ask).iter().any(|id| files.node(*id, moment).is_some_and(|node| node.deleted))
        }
        FileRefusal::NoFolder => {
            places(scene, ask).iter().any(|(_, folder, _)| !files.is_folder(*folder, moment))
        }
        FileRefusal::NoFile => nodes(ask).iter().any(|id| !scene.is_file(*id)),
        FileRefusal::NotEmpty => nodes(ask).iter().any(|id| !scene.is_empty(*id)),
        FileRefusal::Cycle => goes_round(scene, ask),
        FileRefusal::Outdated => {
            matches!(ask, FileAsked::Delete { node, seen, .. } if scene.latest(*node) > *seen)
        }
        FileRefusal::NoVersion => {
            matches!(ask, FileAsked::Restore { node, version, .. }
                if files.version(*node, *version, moment).is_none())
        }
        FileRefusal::NoJob => {
            matches!(ask, FileAsked::Job(id) if files.job(*id, moment).is_none())
        }
        // Devices name what they make, cut what they send and begin again by themselves.
        FileRefusal::NodeExists
        | FileRefusal::NoPiece
        | FileRefusal::NoUpload
        | FileRefusal::Incomplete(_)
        | FileRefusal::Damaged
        | FileRefusal::CursorExpired => false,
    }
}

/// Does another node have a name that is asked for, or is another one of a batch to have it too?
fn is_taken(scene: &FilesAt<'_, '_>, ask: &FileAsked, other: NodeId) -> bool {
    let places = places(scene, ask);
    places.iter().any(|(id, folder, name)| {
        let to = |it: &(Option<NodeId>, NodeId, String)| {
            it.0 == Some(other) && it.1 == *folder && fold(&it.2) == fold(name)
        };
        *id != Some(other) && (scene.has_name(other, *folder, name) || places.iter().any(to))
    })
}

/// Would a folder be inside of itself after all these moves?
fn goes_round(scene: &FilesAt<'_, '_>, ask: &FileAsked) -> bool {
    let moved: BTreeMap<NodeId, NodeId> =
        places(scene, ask).into_iter().filter_map(|(id, folder, _)| Some((id?, folder))).collect();
    moved.keys().any(|id| {
        let mut seen = BTreeSet::new();
        let above = |id: &NodeId| moved.get(id).copied().or_else(|| scene.parent(*id));
        !std::iter::successors(Some(*id), above).all(|id| seen.insert(id))
    })
}

#[cfg(test)]
mod tests {
    use engine::device::Reason;
    use engine::id::{Dot, ReplicaId};
    use engine::message::FileRefusal as Why;

    use super::FileAsked;
    use crate::history::Answered;
    use crate::invariant::case::Case;
    use crate::invariant::case::tree::{DRAFT, LETTERS, NOTES, PHOTOS, ROOT};

    fn filed() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().files().makes_folder(LETTERS, ROOT, "letters");
        case.phone().files().makes_folder(PHOTOS, LETTERS, "photos");
        case.phone().files().makes_file((DRAFT, LETTERS, "draft.txt"), "words");
        case
    }

    fn sites(mut case: Case, ask: FileAsked, why: Why) -> Vec<&'static str> {
        let op = case.tablet().files().asks(ask);
        case.tablet().answers(op, Answered::Refused(Reason::File(why)));
        case.violations().iter().map(|violation| violation.site).collect()
    }

    #[test]
    fn what_a_refusal_says_is_so() {
        let make = |folder, name: &str| FileAsked::MakeFolder(folder, name.into());
        let to = |id, folder| FileAsked::Move(vec![(id, Some(folder), None)]);
        let delete = |node, seen| FileAsked::Delete { node, seen, exposed: Vec::new() };
        let token = engine::id::Token([b'#'; 16]);
        let restore =
            |version| FileAsked::Restore { node: DRAFT, version, token, exposed: Vec::new() };
        for (ask, why, is_right) in [
            (make(LETTERS, "Draft.TXT"), Why::NameTaken(DRAFT), true),
            (make(ROOT, "draft.txt"), Why::NameTaken(DRAFT), false),
            (make(NOTES, "draft.txt"), Why::NoFolder, true),
            (make(LETTERS, "other"), Why::NoFolder, false),
            (to(LETTERS, PHOTOS), Why::Cycle, true),
            (to(PHOTOS, ROOT), Why::Cycle, false),
            (FileAsked::Read(NOTES), Why::NoNode, true),
            (FileAsked::Read(DRAFT), Why::NoNode, false),
            (FileAsked::Versions(LETTERS), Why::NoFile, true),
            (FileAsked::Versions(DRAFT), Why::NoFile, false),
            (delete(LETTERS, 0), Why::NotEmpty, true),
            (delete(PHOTOS, 0), Why::NotEmpty, false),
            (delete(DRAFT, 0), Why::Outdated, true),
            (delete(DRAFT, 1), Why::Outdated, false),
            (restore(2), Why::NoVersion, true),
            (restore(1), Why::NoVersion, false),
            (to(DRAFT, ROOT), Why::Deleted, false),
            (to(DRAFT, ROOT), Why::Damaged, false),
        ] {
            let sites = sites(filed(), ask.clone(), why);
            assert_eq!(sites.contains(&"refused"), !is_right, "{ask:?}: {why:?}");
        }
    }

    #[test]
    fn what_is_no_longer_so_is_a_stale_reason() {
        let mut case = filed();
        case.phone().files().moves(&[(DRAFT, ROOT, "draft.txt")]);
        let ask = FileAsked::MakeFolder(LETTERS, "draft.txt".into());
        let mut found = sites(case, ask, Why::NameTaken(DRAFT));
        found.sort_unstable();
        assert_eq!(found, ["refused", "stale-refusal"]);
    }

    /// A device looks version 2 up and asks for what it says; meanwhile the volume is set back to where
    /// version 2 is another one, or the same.
    fn restores_amid_a_request(to_another: bool) -> Case {
        let mut case = filed();
        let before = case.backs_up();
        case.phone().files().revises((DRAFT, 2), "other words");
        let other = case.backs_up();
        case.restores_volume(&before);
        case.phone().files().revises((DRAFT, 2), "more words");
        let same = case.backs_up();
        let token = engine::id::Token([b'#'; 16]);
        let ask = FileAsked::Restore { node: DRAFT, version: 2, token, exposed: Vec::new() };
        let op = case.tablet().files().asks(ask);
        case.restores_volume(if to_another { &other } else { &same });
        case.tablet().answers(op, Answered::Refused(Reason::File(Why::NoVersion)));
        case
    }

    #[test]
    fn a_log_that_was_restored_again_may_have_answered() {
        for lacked in [true, false] {
            let mut case = Case::served();
            let empty = case.backs_up();
            case.phone().session().opens();
            case.phone().files().makes_folder(LETTERS, ROOT, "letters");
            case.phone().files().makes_file((DRAFT, LETTERS, "draft.txt"), "words");
            let full = case.backs_up();
            if lacked {
                case.restores_volume(&empty);
                case.tablet().session().opens();
            }
            let op = case.tablet().files().asks(FileAsked::Read(DRAFT));
            case.restores_volume(&full);
            case.tablet().answers(op, Answered::Refused(Reason::File(Why::NoVersion)));
            let sites: Vec<_> = case.violations().iter().map(|violation| violation.site).collect();
            assert_eq!(sites.contains(&"refused"), !lacked, "{sites:?}");
        }
    }

    #[test]
    fn a_version_that_is_published_again_in_another_log_is_another_one() {
        for is_restored in [true, false] {
            let mut case = filed();
            let before = case.backs_up();
            let write = Dot { replica: ReplicaId(7), n: 2 };
            case.files.next_write_is(write);
            case.phone().files().revises((DRAFT, 2), "other words");
            if is_restored {
                case.restores_volume(&before);
                case.files.next_write_is(write);
                case.phone().files().revises((DRAFT, 2), "other words");
            }
            let ask = FileAsked::Delete { node: DRAFT, seen: 2, exposed: Vec::new() };
            let found = sites(case, ask, Why::Outdated);
            assert_eq!(found.contains(&"refused"), !is_restored, "{found:?}");
        }
    }

    #[test]
    fn a_version_that_went_with_the_log_it_was_looked_up_in_is_no_more() {
        let sites = |case: Case| -> Vec<_> {
            let is_refused = |site: &&str| *site == "refused" || *site == "stale-refusal";
            case.violations().iter().map(|it| it.site).filter(is_refused).collect()
        };
        assert_eq!(sites(restores_amid_a_request(true)), [""; 0]);
        let found = sites(restores_amid_a_request(false));
        assert!(found.contains(&"refused"), "{found:?}");
    }
}
