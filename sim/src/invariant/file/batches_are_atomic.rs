//! INV-09 `batches-are-atomic`: a batch of moves is done in one commit or not at all, and the answer
//! says which. A job, which is a batch that is too long for that, grows item by item; each item says
//! what became of it, and in the end all do.

use engine::log::{FileDoc, FileKey, Job, Op};
use engine::message::{FileReply, JobId, Move, Reply};

use crate::history::file::FileAsked;
use crate::invariant::Invariant::BatchesAreAtomic;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::file_answers::{AnswerFault, answer_fault};
use crate::invariant::evidence::files::{Files, Logged, ObservedFileOperation, puts};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::count;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for operation in &evidence.server.file_operations {
        if matches!(operation.ask, FileAsked::Move(_) | FileAsked::Job(_)) {
            answer_is_so(evidence, findings, operation);
        }
    }
    log_is_atomic(evidence, findings);
}

/// What a device answered about a batch or a job is in the log.
fn answer_is_so(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    operation: &ObservedFileOperation<'_>,
) {
    let Some((at, fault)) = answer_fault(evidence, operation) else { return };
    let (site, what) = match fault {
        AnswerFault::BatchNotWhole { nodes } => (
            "batch-not-whole",
            format!(
                "a batch of {} was acknowledged as moved, but no single commit moved all of them",
                count(nodes, "node")
            ),
        ),
        AnswerFault::AnotherJob { job, asked, has } => (
            "another-job",
            format!(
                "a batch of {} was accepted as job {job}, which has {} in the log, not those that \
                 were asked for",
                count(asked, "node"),
                count(has, "item")
            ),
        ),
        AnswerFault::JobToldOtherwise { job, done, told } => (
            "job-told-otherwise",
            format!(
                "job {job} was shown with {} done; the log says {}",
                count(told, "item"),
                done.map_or("that there is no such job".to_owned(), |done| {
                    format!("{done} done, or another outcome for one of them")
                })
            ),
        ),
        AnswerFault::NotMade { .. }
        | AnswerFault::NotDeleted { .. }
        | AnswerFault::NotUndeleted { .. }
        | AnswerFault::NotRestored { .. }
        | AnswerFault::RestoredAnother { .. } => return,
    };
    let message = format!("{}: {what}.", evidence.device_name(operation.device));
    let about = About { record: None, token: operation.ask.token() };
    findings.report(evidence, (BatchesAreAtomic, site), at, about, message, [operation.asked]);
}

fn log_is_atomic(evidence: &Evidence<'_>, findings: &mut Findings) {
    let epochs =
        evidence.epochs.iter().flat_map(|epoch| epoch.files.values().map(move |it| (epoch, it)));
    for (epoch, files) in epochs {
        // No worker does what is left of a job whose log was lost in a restore.
        let rests = epoch.from == evidence.epochs.last().from && evidence.settled.is_some();
        for entry in &files.entries {
            for op in &entry.commit.ops {
                does_as_it_says(evidence, findings, entry.at, op);
                items_are_done(evidence, findings, (files, *entry), op);
            }
        }
        for (key, line) in files.docs() {
            match key {
                FileKey::Job(id) => {
                    let jobs = line.iter().map(|(at, doc)| (at, job(*doc)));
                    grows(evidence, findings, (files, rests), id, jobs);
                }
                FileKey::Item(job, n) => {
                    let items = line.iter().map(|(at, doc)| (at, *doc));
                    is_settled_once(evidence, findings, (job, n), items);
                }
                FileKey::Node(_)
                | FileKey::Named(..)
                | FileKey::Changed(..)
                | FileKey::Version(..)
                | FileKey::Upload(_)
                | FileKey::Blob(_)
                | FileKey::Doomed(..)
                | FileKey::Unfinished(_) => {}
            }
        }
    }
}

fn job(doc: Option<&FileDoc>) -> Option<Job> {
    if let Some(FileDoc::Job(job)) = doc { Some(*job) } else { None }
}

/// What was refused changes nothing; what was moved was moved, and not put off.
fn does_as_it_says(evidence: &Evidence<'_>, findings: &mut Findings, at: usize, op: &Op) {
    let changes = puts(op).count();
    let moves = puts(op).filter(|(key, _)| matches!(key, FileKey::Node(_))).count();
    let jobs = puts(op).filter(|(key, _)| matches!(key, FileKey::Job(_))).count();
    let (site, what) = match op.reply {
        Reply::Refused(_) if changes > 0 => {
            ("refused-in-part", "was refused, but changes part of what it asked for")
        }
        Reply::File(FileReply::Moved) if moves == 0 => {
            ("nothing-moved", "was acknowledged as moved, but moves no node")
        }
        Reply::File(FileReply::Moved) if jobs > 0 => {
            ("moved-later", "was acknowledged as moved, but became a job")
        }
        Reply::File(FileReply::Accepted(_)) if moves > 0 => {
            ("job-begun", "became a job, but moves nodes in the same commit")
        }
        Reply::File(FileReply::Accepted(_)) if jobs == 0 => {
            ("no-job", "was accepted as a job, but no job is committed")
        }
        Reply::Opened(_)
        | Reply::Closed
        | Reply::Status(_)
        | Reply::Patched
        | Reply::Account(_)
        | Reply::Refused(_)
        | Reply::Work(_)
        | Reply::File(_) => return,
    };
    let by = op.receipt.map_or("a worker", |(client, _)| evidence.client_name(client));
    let message = format!("A request of {by} {what}.");
    findings.report(evidence, (BatchesAreAtomic, site), at, About::default(), message, []);
}

/// An item that says that it was done was done in that very commit, and one that says that it was
/// not did nothing.
fn items_are_done(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (files, entry): (&Files<'_>, Logged<'_>),
    op: &Op,
) {
    for (key, doc) in puts(op) {
        let (FileKey::Item(job, n), Some(FileDoc::Item(one, Some(became)))) = (key, doc) else {
            continue;
        };
        let (site, what) = match became {
            Ok(seq) if *seq != entry.commit.seq || !moves(op, one) => {
                ("item-not-done", "is recorded as done, but the commit does not move")
            }
            Err(_) if puts(op).any(|(key, _)| key == FileKey::Node(one.node)) => {
                ("item-done", "is recorded as refused, but the commit changes")
            }
            Ok(_) | Err(_) => continue,
        };
        let path = files.path(one.node, entry.at);
        let message = format!("Item {n} of job {} {what} {path}.", job.n);
        let place = (BatchesAreAtomic, site);
        findings.report(evidence, place, entry.at, About::default(), message, []);
    }
}

/// Does an op put a node where it is to be?
fn moves(op: &Op, one: &Move) -> bool {
    puts(op).any(|(key, doc)| match doc {
        Some(FileDoc::Node(node)) => {
            key == FileKey::Node(one.node)
                && one.parent.is_none_or(|parent| parent == node.place.parent)
                && one.name.as_ref().is_none_or(|name| *name == node.place.name)
        }
        Some(
            FileDoc::Holder(_)
            | FileDoc::Version(_)
            | FileDoc::Upload(_)
            | FileDoc::Blob(..)
            | FileDoc::Doomed(_)
            | FileDoc::Job(_)
            | FileDoc::Item(..)
            | FileDoc::Mark,
        )
        | None => false,
    })
}

/// A job keeps its length, goes forwards only, and as many items as it says are done; in the end all.
fn grows(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (files, rests): (&Files<'_>, bool),
    id: JobId,
    states: impl Iterator<Item = (usize, Option<Job>)>,
) {
    let mut was: Option<(usize, Job)> = None;
    for (at, job) in states {
        let before = was.map(|(_, job)| job);
        let is_right = job.is_some_and(|job| {
            before.map_or(job.done == 0, |was| was.total == job.total && was.done <= job.done)
                && job.done <= job.total
        });
        let Some(job) = job.filter(|_| is_right) else {
            let tell = |job: Option<Job>| {
                job.map_or("gone".to_owned(), |job| format!("{} of {} done", job.done, job.total))
            };
            let message = format!(
                "Job {} went from {} to {}.",
                id.n,
                before.map_or("its start".to_owned(), |before| tell(Some(before))),
                tell(job)
            );
            let place = (BatchesAreAtomic, "job-shrank");
            findings.report(evidence, place, at, About::default(), message, was.map(|was| was.0));
            return;
        };
        let settled = |n: &u32| {
            let item = files.doc(FileKey::Item(id, *n)).and_then(|line| line.at(at));
            matches!(item, Some(Some(FileDoc::Item(_, Some(_)))))
        };
        let from = before.map_or(0, |was| was.done);
        if let Some(open) = (from..job.done).find(|n| !settled(n)) {
            let message = format!(
                "Job {} counts {} as done, but item {open} has no outcome.",
                id.n,
                count(job.done as usize, "item")
            );
            let place = (BatchesAreAtomic, "item-passed-over");
            findings.report(evidence, place, at, About::default(), message, was.map(|was| was.0));
        }
        was = Some((at, job));
    }
    if let Some((at, job)) = was
        && rests
        && job.done < job.total
    {
        let message = format!(
            "Job {} stopped at {} of {}.",
            id.n,
            job.done,
            count(job.total as usize, "item")
        );
        let place = (BatchesAreAtomic, "job-unfinished");
        findings.report(evidence, place, at, About::default(), message, []);
    }
}

/// What became of an item stays so, and the item stays what it is.
fn is_settled_once<'a>(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (job, n): (JobId, u32),
    states: impl Iterator<Item = (usize, Option<&'a FileDoc>)>,
) {
    let mut was: Option<(usize, &Move, bool)> = None;
    for (at, doc) in states {
        let (one, became) = match doc {
            Some(FileDoc::Item(one, became)) => (Some(one), became.is_some()),
            Some(
                FileDoc::Node(_)
                | FileDoc::Holder(_)
                | FileDoc::Version(_)
                | FileDoc::Upload(_)
                | FileDoc::Blob(..)
                | FileDoc::Doomed(_)
                | FileDoc::Job(_)
                | FileDoc::Mark,
            )
            | None => (None, false),
        };
        let is_same = was.is_none_or(|(_, old, settled)| one == Some(old) && !settled);
        let Some(one) = one.filter(|_| is_same) else {
            let message = format!(
                "Item {n} of job {} changed after it was committed{}.",
                job.n,
                if was.is_some_and(|was| was.2) { ", and it already had an outcome" } else { "" }
            );
            let place = (BatchesAreAtomic, "item-changed");
            findings.report(evidence, place, at, About::default(), message, was.map(|was| was.0));
            return;
        };
        was = Some((at, one, became));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::NodeId;
    use engine::message::{FileRefusal, FileReply, JobId, Move, Refusal, Reply};

    use crate::history::file::{FileAsked, FileDone};
    use crate::invariant::case::Case;
    use crate::invariant::case::tree::{DRAFT, LETTERS, NOTES, PHOTOS, ROOT, name};

    fn filed() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().files().makes_folder(LETTERS, ROOT, "letters");
        case.phone().files().makes_folder(PHOTOS, ROOT, "photos");
        case.phone().files().makes_file((DRAFT, LETTERS, "draft.txt"), "words");
        case
    }

    /// The first of two moves is done, and the batch refused.
    pub(crate) fn broken() -> Case {
        let mut case = filed();
        let puts = case.files.moving(DRAFT, PHOTOS, "draft.txt");
        let refused = Refusal::File(FileRefusal::NoNode);
        case.phone().files().does(puts, Reply::Refused(refused));
        case.phone().files().tells_name(DRAFT, Some("draft.txt"));
        case.ends()
    }

    #[test]
    fn what_was_refused_was_not_done_in_part() {
        broken().rejects("refused-in-part");
        let mut case = filed();
        case.phone().files().moves(&[(DRAFT, PHOTOS, "draft.txt"), (LETTERS, PHOTOS, "letters")]);
        case.ends().passes();
    }

    #[test]
    fn what_was_moved_was_moved_then() {
        let mut case = filed();
        let job = case.phone().files().accepts(moves());
        let puts = vec![case.files.so_far(job, 0)];
        case.phone().files().does(puts, Reply::File(FileReply::Moved));
        case.rejects("nothing-moved");
    }

    fn moves() -> Vec<Move> {
        let to = |node: NodeId, of: &str| Move { node, parent: Some(PHOTOS), name: Some(name(of)) };
        vec![to(DRAFT, "first.txt"), to(NOTES, "second.txt"), to(LETTERS, "third")]
    }

    fn accepted() -> (Case, JobId) {
        let mut case = filed();
        let job = case.phone().files().accepts(moves());
        case.phone().files().does_item((job, 0), (DRAFT, PHOTOS, "first.txt"));
        (case, job)
    }

    #[test]
    fn a_job_does_each_item_once_and_all_in_the_end() {
        let (mut case, job) = accepted();
        let refused = case.files.became(job, 1, Err(FileRefusal::NoNode));
        let puts = vec![refused, case.files.so_far(job, 2)];
        case.phone().files().works(puts);
        case.phone().files().does_item((job, 2), (LETTERS, PHOTOS, "third"));
        case.ends().passes();
    }

    #[test]
    fn a_job_does_not_rest_half_way() {
        let (case, _) = accepted();
        case.ends().rejects("job-unfinished");
    }

    #[test]
    fn a_job_goes_forwards_and_keeps_its_items() {
        let (mut case, job) = accepted();
        let puts = vec![case.files.so_far(job, 0)];
        case.phone().files().works(puts);
        case.rejects("job-shrank");

        let (mut case, job) = accepted();
        let puts = vec![case.files.so_far(job, 2)];
        case.phone().files().works(puts);
        case.rejects("item-passed-over");

        let (mut case, job) = accepted();
        let puts = vec![case.files.became(job, 0, Err(FileRefusal::NoNode))];
        case.phone().files().works(puts);
        case.rejects("item-changed");
    }

    #[test]
    fn an_item_is_done_where_it_says_so() {
        let (mut case, job) = accepted();
        let seq = case.log(engine::id::UserId(0)).next_seq();
        let puts = vec![case.files.became(job, 1, Ok(seq)), case.files.so_far(job, 2)];
        case.phone().files().works(puts);
        case.rejects("item-not-done");

        let mut case = filed();
        let job = case.phone().files().accepts(moves());
        let mut puts = case.files.moving(DRAFT, PHOTOS, "first.txt");
        puts.push(case.files.became(job, 0, Err(FileRefusal::NoNode)));
        puts.push(case.files.so_far(job, 1));
        case.phone().files().works(puts);
        case.rejects("item-done");
    }

    #[test]
    fn a_batch_is_moved_in_one_commit() {
        for at_once in [true, false] {
            let mut case = filed();
            let all = vec![
                (LETTERS, None, Some("old letters".to_owned())),
                (PHOTOS, Some(LETTERS), None),
            ];
            let op = case.phone().files().asks(FileAsked::Move(all));
            let (letters, photos) = ((LETTERS, ROOT, "old letters"), (PHOTOS, LETTERS, "photos"));
            if at_once {
                case.phone().files().moves(&[letters, photos]);
            } else {
                case.phone().files().moves(&[letters]);
                case.phone().files().moves(&[photos]);
            }
            case.phone().answers(op, crate::history::Answered::File(FileDone::Moved));
            let sites: Vec<_> = case.violations().iter().map(|it| it.site).collect();
            assert_eq!(sites, if at_once { vec![] } else { vec!["batch-not-whole"] });
        }
    }
}
