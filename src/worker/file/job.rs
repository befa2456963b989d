//! Jobs: batches of moves that are too long for one commit.
//!
//! The moves are in the log before the first of them is done, and each leaves its outcome in the
//! commit that does it. So any worker can go on with a job, and no move is done twice.

use std::ops::RangeInclusive;

use super::{get, put, remove, tree};
use crate::id::ReplicaId;
use crate::log::{Doc, Draft, FileDoc, FileKey, Job, Key};
use crate::message::{Client, FileRefusal, FileReply, JobId, Move, Reply};
use crate::point::Point;
use crate::worker::Rules;
use crate::worker::known::Stop;

const FIRST: JobId = JobId { client: Client { replica: ReplicaId(0), life: 0 }, n: 0 };
const LAST: JobId =
    JobId { client: Client { replica: ReplicaId(u64::MAX), life: u32::MAX }, n: u32::MAX };

/// The keys of the jobs that have moves left.
pub(super) const UNFINISHED: RangeInclusive<Key> =
    Key::File(FileKey::Unfinished(FIRST))..=Key::File(FileKey::Unfinished(LAST));

/// The job to work on next.
pub(super) fn next<'d>(unfinished: impl Iterator<Item = (&'d Key, &'d Doc)>) -> Option<JobId> {
    let jobs = unfinished.map(|(key, _)| {
        let Key::File(FileKey::Unfinished(id)) = key else {
            unreachable!("between two keys of jobs there are jobs alone: {key:?}")
        };
        *id
    });
    let next = jobs.min();
    assert!(next.is_none_or(|id| FIRST <= id && id <= LAST), "all jobs were looked at");
    next
}

/// Turns a batch into a job.
pub(super) fn accept(draft: &mut Draft<'_>, id: JobId, moves: &[Move]) -> FileReply {
    assert!(!moves.is_empty(), "a batch moves something");
    let mut total = 0;
    for one in moves {
        put(draft, FileKey::Item(id, total), FileDoc::Item(one.clone(), None));
        total += 1;
    }
    put(draft, FileKey::Job(id), FileDoc::Job(Job { total, done: 0 }));
    put(draft, FileKey::Unfinished(id), FileDoc::Mark);
    assert_eq!(total as usize, moves.len(), "a job has an item for each move");
    tracing::debug!(replica = id.client.replica.0, n = id.n, total, "a batch became a job");
    draft.reach(Point::JobAccepted);
    FileReply::Accepted(id)
}

/// Does the next moves of a job, each as one operation.
pub(super) fn go_on(draft: &mut Draft<'_>, rules: Rules) {
    let Some(id) = next(draft.range(UNFINISHED)) else { return };
    let _job = tracing::debug_span!("job", replica = id.client.replica.0, n = id.n).entered();
    for _ in 0..rules.batch.max(1) {
        assert!(!draft.has_effect(), "each item is one operation");
        // A damaged log may have lost the job.
        let Some(FileDoc::Job(job)) = get(draft, FileKey::Job(id)).cloned() else { return };
        let at = FileKey::Item(id, job.done);
        // The last item was done in this very loop.
        let Some(FileDoc::Item(one, None)) = get(draft, at).cloned() else { return };
        let moved = tree::relocate(draft, std::slice::from_ref(&one), rules.flaws);
        if let Err(refusal) = &moved {
            tracing::debug!(item = job.done, ?refusal, "an item of the job cannot be done");
            draft.abandon_op();
        }
        let seq = draft.seq();
        put(draft, at, FileDoc::Item(one, Some(moved.map(|()| seq))));
        let done = job.done + 1;
        put(draft, FileKey::Job(id), FileDoc::Job(Job { done, ..job }));
        if done == job.total {
            remove(draft, FileKey::Unfinished(id));
            tracing::debug!(done, "the job is finished");
            draft.reach(Point::JobFinished);
        }
        draft.end_op(None, &Reply::File(FileReply::Done));
    }
}

/// The outcomes of the moves so far.
pub(super) fn read(draft: &Draft<'_>, id: JobId) -> Result<FileReply, Stop> {
    let Some(FileDoc::Job(job)) = get(draft, FileKey::Job(id)) else {
        return Err(FileRefusal::NoJob.into());
    };
    // A damaged log may lack a move: the outcomes of the others are shown.
    let items = (0..job.done).filter_map(|n| {
        let Some(FileDoc::Item(_, became)) = get(draft, FileKey::Item(id, n)) else { return None };
        *became
    });
    let items: Vec<_> = items.collect();
    assert!(items.len() <= job.done as usize, "an item that is shown was dealt with");
    Ok(FileReply::Job(items, job.total))
}
