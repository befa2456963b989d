//! Files: every name was given by a user, every version that is shown is of a write to that file, and
//! its content is what was written.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{DeviceId, NodeId, UserId};
use engine::log::FileKey;

use crate::history::FileDone;
use crate::history::file::{FileAsked, Goal};
use crate::invariant::Invariant::NoPhantomValues;
use crate::invariant::evidence::file_names::composed;
use crate::invariant::evidence::files::{Files, ObservedFileOperation};
use crate::invariant::evidence::keys::may_lack_one_within;
use crate::invariant::evidence::writes::owner;
use crate::invariant::evidence::{Evidence, Timeline};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::{count, visible};

pub(super) fn judge_names(evidence: &Evidence<'_>, findings: &mut Findings) {
    let nothing = BTreeSet::new();
    let given = given(evidence);
    for (user, files) in evidence.epochs.files() {
        let given = given.get(user).unwrap_or(&nothing);
        names_were_given(evidence, findings, files, (*user, given));
    }
}

pub(super) fn judge_content(evidence: &Evidence<'_>, findings: &mut Findings) {
    for operation in &evidence.server.file_operations {
        heads_were_written(evidence, findings, operation);
        content_is_as_written(evidence, findings, operation);
    }
}

/// Every label that is shown is that of a write to this file.
fn heads_were_written(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ObservedFileOperation<'_>,
) {
    let Some((at, _)) = operation.answer else { return };
    for (node, head) in operation.shown_heads() {
        let Some(token) = head.token.filter(|token| owner(*token) == operation.user) else {
            continue; // A version of another user is a matter of isolation.
        };
        let write = evidence.server.file_write(token);
        if write.is_none_or(|write| write.asked > at || !is_to(write.ask, node)) {
            let about = About { record: None, token: Some(token) };
            let message = format!(
                "{} was shown {} as a version of {}, which no write to that file made.",
                evidence.device_name(operation.device),
                write.map_or("an unknown write".to_owned(), |_| evidence.write_name(token)),
                evidence.node_path(operation.user, node, at)
            );
            let place = (NoPhantomValues, "file-never-written");
            findings.report(evidence, place, at, about, message, write.map(|write| write.asked));
        }
    }
}

/// Content that is shown is what its label stands for, whole.
fn content_is_as_written(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ObservedFileOperation<'_>,
) {
    let Some((at, FileDone::Content(heads))) = operation.done() else { return };
    for (head, print) in heads {
        let (Some(token), Some(print)) = (head.token, print) else { continue };
        if evidence.server.content_of(print.token) != Some(*print) {
            let about = About { record: None, token: Some(token) };
            let message = format!(
                "{} was shown {} with {} that {} did not write.",
                evidence.device_name(operation.device),
                evidence.operation_path(operation, at),
                count(print.size as usize, "byte"),
                evidence.write_name(print.token)
            );
            let place = (NoPhantomValues, "content-garbled");
            findings.report(evidence, place, at, about, message, [operation.asked]);
        }
    }
}

/// May a write have become a version of this file?
fn is_to(ask: &FileAsked, node: NodeId) -> bool {
    match ask {
        FileAsked::Write { goal: Goal::Version(to), .. } | FileAsked::Restore { node: to, .. } => {
            *to == node
        }
        FileAsked::Write { goal: Goal::New(..), .. } => true,
        FileAsked::List
        | FileAsked::Read(_)
        | FileAsked::Versions(_)
        | FileAsked::MakeFolder(..)
        | FileAsked::Move(_)
        | FileAsked::Delete { .. }
        | FileAsked::Undelete(_)
        | FileAsked::Job(_) => false,
    }
}

fn names_were_given(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    files: &Files<'_>,
    (user, given): (UserId, &BTreeSet<String>),
) {
    for (key, _) in files.docs() {
        let FileKey::Node(id) = key else { continue };
        for (at, name) in files.names(id) {
            let Some(name) = name else { continue };
            let is_nameless =
                || name.starts_with(NAMELESS) && may_be_nameless(evidence, user, (id, at));
            if !is_given(given, name) && !is_nameless() {
                let message = format!(
                    "A node of {} is named \"{}\" from commit {} on, a name that no user gave.",
                    evidence.user_name(user),
                    visible(name),
                    files.seq_at(at)
                );
                let place = (NoPhantomValues, "name-never-given");
                findings.report(evidence, place, at, About::default(), message, []);
            }
        }
    }
}

/// Is it a name that was given, or that of a copy, which has a mark before its extension? Of a name
/// that is too long for a mark the end is left out.
fn is_given(given: &BTreeSet<String>, name: &str) -> bool {
    let mut name = composed(name);
    loop {
        if given.contains(&name) {
            return true;
        }
        let Some((from, to)) = mark(&name) else { return false };
        let (stem, end) = (&name[..from], &name[to..]);
        let cut = |it: &String| it.len() > 200 && it.starts_with(stem) && it.ends_with(end);
        if given.iter().any(cut) {
            return true;
        }
        name = format!("{stem}{end}");
    }
}

/// Where the last mark of a copy is in a name: ` (`, who wrote it, `-`, its number, `)`.
fn mark(name: &str) -> Option<(usize, usize)> {
    let from = name.rfind(" (")?;
    let to = from + name[from..].find(')')? + 1;
    let (replica, n) = name[from + 2..to - 1].split_once('-')?;
    let is_mark =
        replica.chars().all(|it| it.is_ascii_hexdigit()) && n.chars().all(|it| it.is_ascii_digit());
    is_mark.then_some((from, to))
}

/// Every name that a user ever gave, as it is composed.
fn given(evidence: &Evidence<'_>) -> BTreeMap<UserId, BTreeSet<String>> {
    let mut all: BTreeMap<UserId, BTreeSet<String>> = BTreeMap::new();
    for operation in &evidence.server.file_operations {
        let names = operation.ask.names().map(composed);
        all.entry(operation.user).or_default().extend(names);
    }
    all
}

/// What a device calls a file that it has to name and whose name it cannot open.
const NAMELESS: &str = "recovered";

/// Did a device have to name a file whose name it could not open? Then it had an own write of that file, and
/// lacked a key since.
fn may_be_nameless(evidence: &Evidence<'_>, user: UserId, (node, at): (NodeId, usize)) -> bool {
    devices_of(evidence, user).any(|device| {
        let own = evidence.disk(device).uploads.values().flat_map(Timeline::iter);
        let own = own.filter(|(_, own)| own.is_some_and(|(_, of)| of == node));
        let since = own.map(|(from, _)| from).filter(|from| *from <= at).min();
        since.is_some_and(|since| may_lack_one_within(evidence, device, (since, at)))
    })
}

fn devices_of(evidence: &Evidence<'_>, user: UserId) -> impl Iterator<Item = DeviceId> {
    let devices = (0..).map(DeviceId).zip(&evidence.context.devices);
    devices.filter(move |(_, whose)| **whose == user).map(|(device, _)| device)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine::message::{FileReply, Reply};

    use super::is_given;
    use crate::history::Answered;
    use crate::history::file::{FileAsked, FileDone};
    use crate::invariant::case::Case;
    use crate::invariant::case::files::{head, print};
    use crate::invariant::case::tree::FileWrite;
    use crate::invariant::case::tree::{DRAFT, LETTERS, NOTES, ROOT};

    #[test]
    fn what_is_shown_was_written_by_its_user() {
        let (mut case, filing) = Case::filed();
        let mut invented = filing;
        invented.token.0[15] ^= 0xff;
        let list = case.files.list_of(&[DRAFT], &[invented]);
        case.tablet().files().lists(list, false);
        case.rejects("file-never-written");

        let (mut case, filing) = Case::filed();
        let mut strange = filing;
        strange.token.0[9] ^= 1;
        let list = case.files.list_of(&[DRAFT], &[strange]);
        case.tablet().files().lists(list, false);
        case.rejects("file-shown");
    }

    #[test]
    fn content_is_shown_as_it_was_written_and_with_its_own_version() {
        let (mut case, filing) = Case::filed();
        let shown = |words: &str, of: FileWrite| {
            let content = Some(print(of.token, words));
            FileDone::Content(vec![(head(filing, Some(1)), content)])
        };
        case.tablet().files().is_answered(FileAsked::Read(DRAFT), shown("words", filing));
        case.passes();
        case.tablet().files().is_answered(FileAsked::Read(DRAFT), shown("wor", filing));
        case.rejects("content-garbled");

        let other = case.tablet().files().saves((NOTES, "notes.txt"), "other words");
        case.tablet().files().is_answered(FileAsked::Read(DRAFT), shown("other words", other));
        case.rejects("content-of-another");
    }

    #[test]
    fn names_are_given_by_users_or_those_of_copies() {
        let given: BTreeSet<String> = ["menu.txt".to_owned(), "m".repeat(255)].into();
        for (name, is_one) in [
            ("menu.txt", true),
            ("menu (1f-3).txt", true),
            ("menu (1f-3) (2e-12).txt", true),
            ("menu (of the day).txt", false),
            ("recipes.txt", false),
        ] {
            assert_eq!(is_given(&given, name), is_one, "{name}");
        }
        assert!(is_given(&given, &format!("{} (1f-3)", "m".repeat(240))));

        let mut case = Case::served();
        case.phone().session().opens();
        let op = case.phone().files().asks(FileAsked::MakeFolder(ROOT, "letters".into()));
        case.phone().files().makes_folder(LETTERS, ROOT, "letters");
        case.phone().answers(op, Answered::File(FileDone::Created(LETTERS)));
        let puts = case.files.moving(LETTERS, ROOT, "other");
        case.phone().files().does(puts, Reply::File(FileReply::Moved));
        case.phone().files().tells_name(LETTERS, Some("other"));
        case.rejects("name-never-given");
    }
}
