//! INV-15 `summaries-match`: after every commit the sum of a day is what its items amount to, by a
//! fold of its own; and a day is shown as it stood at some moment since it was asked for.

use std::collections::{BTreeMap, BTreeSet};

use engine::dedup::DedupKey;
use engine::id::UserId;
use engine::job::{Item, Job, Stored, Summary};

use crate::history::Worked;
use crate::invariant::Invariant::SummariesMatch;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::work::{Conversations, day_of, item_of, of_day};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::count;
use crate::plan::{Day, ProcessorCommand};

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (user, conversations) in evidence.epochs.conversations() {
        sums_are_kept(evidence, findings, *user, conversations);
    }
    for operation in &evidence.work.operations {
        if let (ProcessorCommand::ReadDay(began), Some((at, Worked::Day(sum, items)))) =
            (operation.command, operation.worked())
        {
            let fold = fold(items.iter().map(|(_, item)| *item));
            if *sum != fold {
                let message = told(evidence.name(operation.node), began.day, *sum, fold);
                let place = (SummariesMatch, "shown-other-than-its-items");
                findings.report(evidence, place, at, About::default(), message, [operation.asked]);
            }
        }
    }
}

/// What items amount to.
fn fold(items: impl Iterator<Item = Item>) -> Summary {
    let zero = Summary { items: 0, messages: 0, pending: 0, processing: 0, success: 0, failed: 0 };
    items.fold(zero, |mut sum, item| {
        sum.items += 1;
        sum.messages += item.content.messages;
        match item.job {
            Job::Pending { .. } => sum.pending += 1,
            Job::Processing { .. } => sum.processing += 1,
            Job::Success { .. } => sum.success += 1,
            Job::Failed { .. } => sum.failed += 1,
        }
        sum
    })
}

fn told(place: &str, day: Option<Day>, sum: Summary, fold: Summary) -> String {
    let day = day.map_or_else(|| "a day".to_owned(), |day| day.to_string());
    let tell = |sum: Summary| {
        let Summary { items, messages, pending, processing, success, failed } = sum;
        format!(
            "{} with {} ({pending} pending, {processing} processing, {success} success, {failed} failed)",
            count(items as usize, "conversation"),
            count(messages as usize, "message")
        )
    };
    format!("{place}: the summary of {day} is {}; its items amount to {}.", tell(sum), tell(fold))
}

/// After every entry, the sums of the days that it is about.
fn sums_are_kept(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    user: UserId,
    conversations: &Conversations<'_>,
) {
    let mut items: BTreeMap<DedupKey, Stored> = BTreeMap::new();
    let mut sums: BTreeMap<Day, Summary> = BTreeMap::new();
    let entries: BTreeSet<usize> = conversations
        .item_changes
        .iter()
        .map(|item_change| item_change.at)
        .chain(conversations.sums.iter().map(|sum| sum.0))
        .collect();
    let (mut item_changes, mut changes) =
        (conversations.item_changes.iter().peekable(), conversations.sums.iter().peekable());
    for at in entries {
        let mut days = BTreeSet::new();
        while let Some(item_change) = item_changes.next_if(|item_change| item_change.at == at) {
            for stored in [&item_change.before, &item_change.now].into_iter().flatten() {
                days.extend(item_of(stored).as_ref().and_then(day_of));
            }
            match item_change.now {
                Some(stored) => items.insert(item_change.key, stored),
                None => items.remove(&item_change.key),
            };
        }
        while let Some((_, day, sum)) = changes.next_if(|change| change.0 == at) {
            days.insert(*day);
            match sum {
                Some(sum) => sums.insert(*day, *sum),
                None => sums.remove(day),
            };
        }
        for day in days {
            let is_old = |stored: &Stored| matches!(stored, Stored::Old(_));
            let now = of_day(&items, Some(day));
            let untouched = now.keys().all(|key| items.get(key).is_some_and(is_old));
            let fold = fold(now.into_values());
            let sum = sums.get(&day).copied();
            // Items of the old format have no sum until one of their day is touched.
            if sum.unwrap_or_default() != fold && !(sum.is_none() && untouched) {
                let place = format!("{}'s log", evidence.user_name(user));
                let message = told(&place, Some(day), sum.unwrap_or_default(), fold);
                let place = (SummariesMatch, "kept-other-than-its-items");
                findings.report(evidence, place, at, About::default(), message, []);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::invariant::case::Case;
    use crate::invariant::case::talks::{SOUP, part};
    use crate::plan::TalkId;

    /// A save and the sum of its day do not agree.
    pub(crate) fn broken() -> Case {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        case.talks.miscounts(1);
        case.tablet().brings(part(TalkId(2), 1, 2));
        case.ends()
    }

    #[test]
    fn a_day_says_what_is_in_it() {
        assert_eq!(broken().violations()[0].site, "kept-other-than-its-items");
    }

    #[test]
    fn a_day_is_shown_as_it_was_at_some_moment() {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        case.tablet().brings(part(TalkId(2), 1, 2));
        case.reader().works_on(SOUP, false);
        case.reader().shows_day();
        case.ends().passes();
    }
}
