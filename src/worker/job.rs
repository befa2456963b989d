//! The decisions of the pipeline: saves of conversations, claims of the work on them, and results.
//!
//! An item and the summary of its day always change in one commit. Time decides when a processor
//! may claim work that another holds; whether a result is accepted is decided by the fencing token
//! alone.

use std::collections::BTreeSet;

use super::Rules;
use super::known::{Known, Stop};
use crate::Bytes;
use crate::date::DateKey;
use crate::dedup::DedupKey;
use crate::flaw::{Flaw, Flaws};
use crate::job::{
    BlobHash, BlobName, Claim, Content, Item, Job, MOST_TRIES, Place, Stored, Summary, Why,
};
use crate::log::{Doc, Draft, Key};
use crate::message::{Fence, Found, Part, Refusal, WorkAction, WorkReply};
use crate::point::Point;
use crate::time::{Span, Time};
use crate::volume;

/// Decides an action. A blob is created before the commit that names it, so what is named is there.
/// Its key contains its hash, so two writers never overwrite each other.
pub(super) fn act(
    draft: &mut Draft<'_>,
    action: &WorkAction,
    known: &Known,
    rules: Rules,
) -> Result<WorkReply, Stop> {
    let written = |key: DedupKey, version: u32, blob: &Bytes| {
        let hash = BlobHash::of(blob);
        let name = BlobName { key, version, hash };
        let create = volume::Request::Create(name.object(rules.space), blob.clone());
        known.replies(vec![create]).map(|_| hash).map_err(Stop::Needs)
    };
    match action {
        WorkAction::Save { key, expected, day, messages, blob } => {
            check_version(draft, *key, *expected, rules)?;
            let version = expected.map_or(0, |(version, _)| version);
            let hash = written(*key, version.saturating_add(1), blob)?;
            Ok(save(draft, *key, version, (*day, *messages, hash), rules))
        }
        WorkAction::Claim(day) => Ok(claim(draft, *day, rules)?),
        WorkAction::Finish { key, version, fence, outcome } => {
            let held = held(draft, (*key, *version), *fence, rules)?;
            let outcome = match outcome {
                Ok(blob) => Ok(written(*key, *version, blob)?),
                Err(why) => Err(*why),
            };
            Ok(finish(draft, *key, held, outcome, rules))
        }
        WorkAction::Reset(key) => Ok(reset(draft, *key, rules)?),
        WorkAction::Read(key, part) => match find(draft, *key, *part, rules) {
            Some((item, name)) => {
                let blob = fetch(name, known, rules)?;
                Ok(WorkReply::Item(Some(Found { item, name, blob }.into())))
            }
            None => Ok(WorkReply::Item(None)),
        },
        WorkAction::ReadDay(day) => Ok(read_day(draft, *day, rules)),
    }
}

/// Reads a blob by its exact name.
fn fetch(name: BlobName, known: &Known, rules: Rules) -> Result<Bytes, Stop> {
    let asked = vec![volume::Request::Get(name.object(rules.space))];
    tracing::debug!(key = %name.key, version = name.version, "reads the object of a version");
    #[cfg(feature = "flaws")]
    let asked =
        if rules.flaws.has(Flaw::BpPrefixRead) { by_prefix(name, known, rules) } else { asked };
    match known.replies(asked).map_err(Stop::Needs)?.last() {
        Some(volume::Reply::Found(blob)) => Ok(blob.clone()),
        // The volume was restored to a state without the blob.
        Some(_) | None => Err(Stop::Refused(Refusal::Internal)),
    }
}

/// BP-PREFIX-READ: the first blob whose key begins like that of the version.
#[cfg(feature = "flaws")]
fn by_prefix(name: BlobName, known: &Known, rules: Rules) -> Vec<volume::Request> {
    let list = volume::Request::List(name.version_prefix(rules.space));
    match known.first() {
        Some(volume::Reply::Listed(keys)) if !keys.is_empty() => {
            vec![list, volume::Request::Get(keys[0].clone())]
        }
        Some(_) | None => vec![list],
    }
}

/// Is this the current version?
fn check_version(
    draft: &mut Draft<'_>,
    key: DedupKey,
    expected: Option<(u32, BlobHash)>,
    rules: Rules,
) -> Result<(), Refusal> {
    let current = item(draft, key, rules.flaws).map(|was| (was.content.version, was.content.blob));
    tracing::debug!(%key, ?expected, ?current, "compares the version that is saved over");
    if current == expected || rules.flaws.has(Flaw::BpSilentOverwrite) {
        return Ok(());
    }
    draft.reach(Point::ItemChanged);
    Err(Refusal::Changed(current.map_or(0, |(version, _)| version)))
}

/// Saves the next version, which is new work. The version before stays readable, with its result.
fn save(
    draft: &mut Draft<'_>,
    key: DedupKey,
    expected: u32,
    content: (DateKey, u32, BlobHash),
    rules: Rules,
) -> WorkReply {
    if let Some(was) = item(draft, key, rules.flaws) {
        let place = Place::Was(key, was.content.version);
        draft.put(Key::Work(place), Some(Doc::Work(Stored::Item(was))));
    }
    let (version, since) = (expected.saturating_add(1), draft.seq());
    assert!(version > 0, "versions are numbered from 1");
    let (day, messages, blob) = content;
    let content = Content { version, since, day, messages, blob };
    put(draft, key, Item { content, job: Job::NEW }, rules.flaws);
    tracing::debug!(%key, version, "saved a version of a conversation");
    WorkReply::Saved(version)
}

/// A conversation, and the name of the blob that is asked for.
fn find(draft: &Draft<'_>, key: DedupKey, part: Part, rules: Rules) -> Option<(Item, BlobName)> {
    item(draft, key, rules.flaws).and_then(|item| {
        let Content { version, blob, .. } = item.content;
        let (item, version, hash) = match (part, item.job) {
            (Part::Current, _) => (item, version, blob),
            (Part::Version(n), _) if n == version => (item, version, blob),
            (Part::Version(n), _) => {
                let was = of_doc(draft.get(Key::Work(Place::Was(key, n)))?, rules.flaws)?;
                (was, n, was.content.blob)
            }
            (Part::Result, Job::Success { result, .. }) => (item, version, result),
            (Part::Result, Job::Pending { .. } | Job::Processing { .. } | Job::Failed { .. }) => {
                return None;
            }
        };
        Some((item, BlobName { key, version, hash }))
    })
}

/// Grants the oldest open work. Work whose claim has expired is open again, or has failed if no
/// attempt is left.
fn claim(draft: &mut Draft<'_>, day: Option<DateKey>, rules: Rules) -> Result<WorkReply, Refusal> {
    let flaws = rules.flaws;
    let wanted = |item: &Item| day.is_none_or(|day| item.content.day == day);
    let items: Vec<(DedupKey, Item)> =
        items(draft, flaws).into_iter().filter(|(_, item)| wanted(item)).collect();
    let overdue = |job: Job| job.is_overdue(rules.wall) && !flaws.has(Flaw::BpStuckProcessing);
    let open = |job: Job| match job {
        Job::Pending { .. } => true,
        Job::Failed { tries, .. } => has_tries(tries, flaws),
        Job::Processing { tries, .. } => {
            overdue(job) && has_tries(tries, flaws) || flaws.has(Flaw::BpNolock)
        }
        Job::Success { .. } => false,
    };
    let taken = |job: Job| match job {
        Job::Processing { until, .. } if !overdue(job) => Some(until),
        Job::Processing { .. } | Job::Pending { .. } | Job::Success { .. } | Job::Failed { .. } => {
            None
        }
    };
    let oldest = items.iter().filter(|(_, item)| open(item.job));
    let oldest = oldest.min_by_key(|(key, item)| (item.content.since, *key)).copied();
    let until: Option<Time> = items.iter().filter_map(|(_, item)| taken(item.job)).min();
    if !items.is_empty() {
        let open = oldest.as_ref().map(|(key, _)| tracing::field::display(key));
        tracing::debug!(items = items.len(), open, ?until, "looks for the oldest open work");
    }
    if let (None, Some(until)) = (oldest, until) {
        assert!(
            until > rules.wall || flaws.has(Flaw::BpStuckProcessing),
            "a claim that ran out is open"
        );
        draft.reach(Point::WorkBusy);
        return Err(Refusal::Busy(until - rules.wall));
    }
    for (key, item) in items.iter().filter(|(_, item)| overdue(item.job)) {
        let tries = item.job.tries();
        let job = if has_tries(tries, flaws) {
            tracing::debug!(%key, tries, "the claim ran out; the work is open again");
            draft.reach(Point::WorkReclaimed);
            Job::Pending { tries }
        } else {
            tracing::debug!(%key, tries, "the claim ran out; no tries are left");
            draft.reach(Point::WorkFailed);
            Job::Failed { tries, why: Why::Abandoned }
        };
        put(draft, *key, Item { job, ..*item }, flaws);
    }
    Ok(WorkReply::Claimed(oldest.map(|(key, item)| grant(draft, key, item, rules))))
}

fn grant(draft: &mut Draft<'_>, key: DedupKey, item: Item, rules: Rules) -> Claim {
    if let Job::Failed { tries, .. } = item.job {
        put(draft, key, Item { job: Job::Pending { tries }, ..item }, rules.flaws);
    }
    if matches!(draft.get(Key::Work(Place::Item(key))), Some(Doc::Work(Stored::Old(_)))) {
        draft.reach(Point::OldItemMigrated);
    }
    // BP-LOCK-TTL: the lease is shorter than the work.
    let lease =
        if rules.flaws.has(Flaw::BpLockTtl) { Span(rules.session.0 / 16) } else { rules.session };
    let (tries, fence) = (item.job.tries().saturating_add(1), Fence(draft.position()));
    let until = rules.wall + lease;
    assert!(tries > 0, "a try is counted when it begins");
    let job = Job::Processing { tries, fence, until };
    put(draft, key, Item { job, ..item }, rules.flaws);
    assert_eq!(self::item(draft, key, rules.flaws).map(|it| it.job), Some(job), "a grant is kept");
    tracing::debug!(%key, tries, fence = fence.0.seq, %until, "granted a claim");
    Claim { key, version: item.content.version, fence, tries, until }
}

/// Is an attempt left?
fn has_tries(tries: u8, flaws: Flaws) -> bool {
    tries < MOST_TRIES || flaws.has(Flaw::BpRetry4) && tries == MOST_TRIES
}

/// The item, if this claim is still the one on it.
fn held(
    draft: &mut Draft<'_>,
    (key, version): (DedupKey, u32),
    fence: Fence,
    rules: Rules,
) -> Result<Item, Refusal> {
    let unfenced = [Flaw::BpNolock, Flaw::BpLockTtl, Flaw::Fb16, Flaw::Fb17];
    let unfenced = unfenced.into_iter().any(|flaw| rules.flaws.has(flaw));
    let holds = |item: &Item| match item.job {
        Job::Processing { fence: held, .. } => held == fence && item.content.version == version,
        Job::Pending { .. } | Job::Success { .. } | Job::Failed { .. } => false,
    };
    let current = item(draft, key, rules.flaws);
    let (fence, job) = (fence.0.seq, current.map(|item| item.job));
    tracing::debug!(%key, version, fence, ?job, "compares the claim of a result");
    let held = current.filter(|item| holds(item) || unfenced);
    if held.is_none() {
        draft.reach(Point::LeaseLost);
    }
    held.ok_or(Refusal::LeaseLost)
}

/// Ends a claim: with its result, or as failed.
fn finish(
    draft: &mut Draft<'_>,
    key: DedupKey,
    held: Item,
    outcome: Result<BlobHash, Why>,
    rules: Rules,
) -> WorkReply {
    let flaws = rules.flaws;
    let tries = held.job.tries();
    let job = match outcome {
        Ok(result) => Job::Success { tries, result },
        Err(_) if flaws.has(Flaw::BpFailedProcessed) => {
            Job::Success { tries, result: BlobHash::default() }
        }
        Err(why) => {
            if !has_tries(tries, flaws) {
                draft.reach(Point::WorkFailed);
            }
            Job::Failed { tries, why }
        }
    };
    assert_eq!(job.tries(), tries, "a try is counted when it begins, and once");
    put(draft, key, Item { job, ..held }, flaws);
    tracing::debug!(%key, tries, failure = ?outcome.err(), "finished a claim");
    WorkReply::Finished
}

/// Gives an item that has failed new attempts. Only the user asks for that.
fn reset(draft: &mut Draft<'_>, key: DedupKey, rules: Rules) -> Result<WorkReply, Refusal> {
    match item(draft, key, rules.flaws) {
        Some(item @ Item { job: Job::Failed { .. }, .. }) => {
            tracing::debug!(%key, "gives work new tries");
            put(draft, key, Item { job: Job::NEW, ..item }, rules.flaws);
            Ok(WorkReply::WasReset)
        }
        Some(_) | None => Err(Refusal::Invalid),
    }
}

/// Reads a day.
fn read_day(draft: &Draft<'_>, day: DateKey, rules: Rules) -> WorkReply {
    let summary = match draft.get(Key::Work(Place::Day(day))) {
        Some(Doc::Work(Stored::Day(summary))) => *summary,
        // A day whose items are all of the old format has no summary yet.
        Some(_) | None => Summary::of(of_day(items(draft, rules.flaws), day)),
    };
    let items = items(draft, rules.flaws).into_iter();
    WorkReply::Day(summary, items.filter(|(_, item)| item.content.day == day).collect())
}

/// Stores an item and, in the same commit, the summary of its day; of both days if it moves.
fn put(draft: &mut Draft<'_>, key: DedupKey, new: Item, flaws: Flaws) {
    let was = item(draft, key, flaws).map(|was| was.content.day);
    draft.put(Key::Work(Place::Item(key)), Some(Doc::Work(Stored::Item(new))));
    let days: BTreeSet<DateKey> = was.into_iter().chain([new.content.day]).collect();
    for day in days {
        let now = items(draft, flaws);
        assert!(now.is_sorted_by(|one, next| one.0 < next.0), "a conversation is one item");
        #[cfg(feature = "flaws")]
        let now =
            if flaws.has(Flaw::BpSummaryBefore) { before(draft, (key, new), flaws) } else { now };
        let summary = Summary::of(of_day(now, day));
        tracing::debug!(%key, %day, ?summary, "sums up a day");
        let doc = (summary != Summary::default()).then_some(Doc::Work(Stored::Day(summary)));
        draft.put(Key::Work(Place::Day(day)), doc);
    }
}

fn of_day(items: Vec<(DedupKey, Item)>, day: DateKey) -> impl Iterator<Item = Item> {
    items.into_iter().map(|(_, item)| item).filter(move |item| item.content.day == day)
}

fn item(draft: &Draft<'_>, key: DedupKey, flaws: Flaws) -> Option<Item> {
    of_doc(draft.get(Key::Work(Place::Item(key)))?, flaws)
}

fn every_item() -> std::ops::RangeInclusive<Key> {
    let [first, last] = DedupKey::ENDS;
    Key::Work(Place::Item(first))..=Key::Work(Place::Item(last))
}

fn items(draft: &Draft<'_>, flaws: Flaws) -> Vec<(DedupKey, Item)> {
    let mut items = named(draft.range(every_item()), flaws);
    items.sort_unstable_by_key(|(key, _)| *key);
    items
}

/// BP-SUMMARY-BEFORE: the items before this commit, and the one that is saved.
#[cfg(feature = "flaws")]
fn before(draft: &Draft<'_>, saved: (DedupKey, Item), flaws: Flaws) -> Vec<(DedupKey, Item)> {
    let mut items = named(draft.base().range(every_item()), flaws);
    items.retain(|(key, _)| *key != saved.0);
    items.push(saved);
    items
}

fn named<'d>(
    docs: impl Iterator<Item = (&'d Key, &'d Doc)>,
    flaws: Flaws,
) -> Vec<(DedupKey, Item)> {
    docs.filter_map(|(key, doc)| match *key {
        Key::Work(Place::Item(key)) => Some((key, of_doc(doc, flaws)?)),
        Key::File(_)
        | Key::Session(_)
        | Key::Receipt(_)
        | Key::Account(_)
        | Key::Was(..)
        | Key::Work(Place::Was(..))
        | Key::Work(Place::Day(_)) => None,
    })
    .collect()
}

/// The item in a document. One of the old format, which has no state, is new work.
fn of_doc(doc: &Doc, flaws: Flaws) -> Option<Item> {
    match doc {
        Doc::Work(Stored::Item(item)) => Some(*item),
        Doc::Work(Stored::Old(content)) if flaws.has(Flaw::BpMigrateAsSuccess) => {
            let job = Job::Success { tries: 0, result: BlobHash::default() };
            Some(Item { content: *content, job })
        }
        Doc::Work(Stored::Old(content)) => Some(Item { content: *content, job: Job::NEW }),
        Doc::File(_)
        | Doc::Session(_)
        | Doc::Receipt(_)
        | Doc::Field(..)
        | Doc::Version(_)
        | Doc::Work(Stored::Day(_)) => None,
    }
}
