//! INV-13 `fences-hold`: a client changes the account, files or work only as long as the session of
//! its device has not been granted to another client, whatever its own clock or memory say.
//!
//! Sources: Kleppmann, *How to do distributed locking*, 2016; Burrows, *Chubby*, 2006.

use std::collections::BTreeMap;

use engine::id::UserId;
use engine::job::{Item, Job};
use engine::message::{Client, DeviceKey, Reply, WorkReply};

use crate::invariant::Invariant::FencesHold;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::epochs::Epoch;
use crate::invariant::evidence::server::{LogEffect, Space};
use crate::invariant::evidence::work::{Conversations, ItemChange, item_of};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::job_state;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (_, space) in evidence.epochs.spaces() {
        judge_space(evidence, findings, space);
    }
    for epoch in evidence.epochs.iter() {
        for (user, conversations) in &epoch.conversations {
            results_are_fenced(evidence, findings, epoch, (*user, conversations));
        }
    }
}

fn judge_space(evidence: &Evidence<'_>, findings: &mut Findings, space: &Space) {
    let mut newest: BTreeMap<DeviceKey, (usize, Client)> = BTreeMap::new();
    let mut granted: BTreeMap<Client, DeviceKey> = BTreeMap::new();
    for effect in &space.effects {
        let (at, client, what, token) = match effect {
            LogEffect::Session { at, key, session: Some(session), .. } => {
                newest.insert(*key, (*at, session.client));
                granted.insert(session.client, *key);
                continue;
            }
            LogEffect::Session { session: None, .. } | LogEffect::Account { receipt: None, .. } => {
                continue;
            }
            LogEffect::Account { at, receipt: Some((client, _)), made, .. } => {
                (*at, client, "the account", made.first().map(|made| made.1))
            }
            LogEffect::Action { at, client, .. } => (*at, client, "files or conversations", None),
        };
        let holder = granted.get(client).and_then(|key| newest.get(key));
        let (site, why) = match holder {
            None => ("no-session", "which never held a session".to_owned()),
            Some((since, holder)) if holder != client => (
                "old-session",
                format!(
                    "whose session had been granted to {} at {}",
                    evidence.client_name(*holder),
                    evidence.time(*since)
                ),
            ),
            Some(_) => continue,
        };
        let write = token.map_or_else(String::new, |it| format!(" ({})", evidence.write_name(it)));
        let message =
            format!("A commit changed {what}{write} for {}, {why}.", evidence.client_name(*client));
        let about = About { record: None, token };
        let with = holder.map(|holder| holder.0);
        findings.report(evidence, (FencesHold, site), at, about, message, with);
    }
}

fn is_finished(item_change: &ItemChange<'_>) -> bool {
    matches!(item_change.reply, Reply::Work(WorkReply::Finished))
}

/// What a processor makes counts under the newest claim of the item, and that was granted to it.
fn results_are_fenced(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    epoch: &Epoch<'_>,
    (user, conversations): (UserId, &Conversations<'_>),
) {
    for item_change in
        conversations.item_changes.iter().filter(|item_change| is_finished(item_change))
    {
        let Some((client, _)) = item_change.receipt else { continue };
        let claims = epoch.claims.get(&client).map_or(&[][..], Vec::as_slice);
        let Some((granted, claim)) = claims.iter().rfind(|(at, _)| *at <= item_change.at) else {
            continue;
        };
        let holds = match item_change.before.as_ref().and_then(item_of) {
            Some(Item { content, job: Job::Processing { fence, .. } }) => {
                claim.key == item_change.key
                    && claim.fence == fence
                    && claim.version == content.version
            }
            Some(_) | None => false,
        };
        if !holds {
            let now = item_change.now.as_ref().and_then(item_of);
            let name = now.map_or("a conversation".to_owned(), |item| {
                evidence.conversation_name(user, conversations, &item)
            });
            let before = item_change.before.as_ref().and_then(item_of);
            let message = format!(
                "A result of {name} was committed for {} under its claim with fencing token {}, although \
                 the conversation was {}.",
                evidence.client_name(client),
                claim.fence.0.seq,
                before.map_or("absent".to_owned(), |item| job_state(item.job))
            );
            let place = (FencesHold, "result-of-an-older-claim");
            findings.report(evidence, place, item_change.at, About::default(), message, [*granted]);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::AccountField::Email;

    use crate::invariant::Invariant;
    use crate::invariant::case::talks::{SOUP, part};
    use crate::invariant::case::tree::{LETTERS, PHOTOS, ROOT};
    use crate::invariant::case::{Case, TABLET};

    /// The phone's session expires and is taken over; then the phone makes a change.
    pub(crate) fn broken() -> Case {
        let mut case = Case::served();
        case.phone().session().is_shared_with(TABLET);
        case.phone().session().opens();
        case.wait(30_000);
        case.tablet().session().opens();
        case.phone().account().patches(&[Email]);
        case.ends()
    }

    #[test]
    fn who_lost_a_session_changes_nothing() {
        assert_eq!(broken().violations()[0].site, "old-session");
    }

    #[test]
    fn who_lost_a_session_changes_no_files() {
        let mut case = Case::served();
        case.phone().session().is_shared_with(TABLET);
        case.phone().files().makes_folder(LETTERS, ROOT, "letters");
        case.wait(30_000);
        case.tablet().session().opens();
        case.phone().files().makes_folder(PHOTOS, ROOT, "photos");
        assert_eq!(case.violations()[0].site, "old-session");
    }

    #[test]
    fn who_never_had_a_session_changes_nothing() {
        let mut case = Case::served();
        case.phone().account().patches(&[Email]);
        assert_eq!(case.violations()[0].site, "no-session");
    }

    #[test]
    fn time_alone_takes_nothing_from_an_owner() {
        let mut case = Case::served();
        case.phone().session().opens();
        case.wait(90_000);
        case.phone().account().patches(&[Email]);
        case.phone().session().opens();
        case.phone().account().patches(&[Email]);
        case.ends().passes();
    }

    #[test]
    fn a_result_counts_under_the_newest_claim_only() {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 3));
        case.reader().claims(SOUP);
        case.wait(21_000);
        case.scholar().claims(SOUP);
        case.reader().has_done(SOUP, true);
        case.reader().finishes(SOUP, true);
        assert_eq!(case.ends().broken(), [Invariant::FencesHold]);
    }
}
