//! Accounts: the log of a space has every number once, a commit adds versions to fields and takes none
//! away, and the order of the log agrees with what devices were acknowledged and shown.

use engine::id::UserId;

use crate::invariant::Invariant::ServerIsLinearizable;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::account_order::{AccountFault, Misread};
use crate::invariant::evidence::server::{LogEffect, Space};
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (user, space) in evidence.epochs.spaces() {
        log_has_no_gap(evidence, findings, *user, space);
        history_only_grows(evidence, findings, *user, space);
    }
    for fault in evidence.account_faults() {
        report(evidence, findings, *fault);
    }
}

fn log_has_no_gap(evidence: &Evidence<'_>, findings: &mut Findings, user: UserId, space: &Space) {
    let mut before = (None, 0);
    for &(at, seq) in &space.entries {
        if seq != before.1 + 1 {
            let message = format!(
                "The log of {} has a gap: commit {seq} follows commit {}.",
                evidence.user_name(user),
                before.1
            );
            let place = (ServerIsLinearizable, "log-gap");
            findings.report(evidence, place, at, About::default(), message, before.0);
        }
        before = (Some(at), seq);
    }
}

/// A commit adds versions to fields, and takes none away.
fn history_only_grows(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    user: UserId,
    space: &Space,
) {
    for effect in &space.effects {
        let LogEffect::Account { at, made, rewritten, .. } = effect else { continue };
        if let Some(field) = rewritten.first() {
            let message = format!(
                "A commit of {} removed or replaced a version of {} in the account of {}.",
                evidence.host_at(*at),
                field.name(),
                evidence.user_name(user)
            );
            let about = About { record: None, token: made.first().map(|made| made.1) };
            let place = (ServerIsLinearizable, "history-rewritten");
            findings.report(evidence, place, *at, about, message, []);
        }
    }
}

fn report(evidence: &Evidence<'_>, findings: &mut Findings, fault: AccountFault) {
    let requests = &evidence.server.requests;
    let (site, number, at, what, with) = match fault {
        AccountFault::AcknowledgedTooSoon { number, made } => {
            let what = format!("was acknowledged before its commit at {}", evidence.time(made));
            ("acknowledged-too-soon", number, Some(made), what, requests[number].patched())
        }
        AccountFault::OutOfOrder { number, made } => {
            let what = "stands in the log before a change that was acknowledged or shown before it was \
                        asked for";
            ("out-of-order", number, requests[number].patched(), what.to_owned(), Some(made))
        }
        AccountFault::Misread { number, kind } => {
            let (site, what) = match kind {
                Misread::NeverSo => ("never-so", "shows a state that the account never had"),
                Misread::GoesBack => {
                    ("goes-back", "shows an older state than had been shown before")
                }
                Misread::NotYetSo => ("not-yet-so", "shows a state that was committed only later"),
            };
            let at = requests[number].shown().map(|shown| shown.0);
            (site, number, at, what.to_owned(), None)
        }
        AccountFault::Stale { .. } => return, // A matter of caches.
    };
    let request = &requests[number];
    let (Some(at), Some((_, asked))) = (at, evidence.history[request.asked].fact.asked()) else {
        return;
    };
    let host = evidence.device_name(request.device);
    let message = format!("{host}: {} {what}.", evidence.request_name(asked));
    let about = About { record: None, token: request.token };
    let with = [request.asked].into_iter().chain(with);
    findings.report(evidence, (ServerIsLinearizable, site), at, about, message, with);
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::AccountField::{Email, Phone};
    use engine::id::UserId;

    use crate::history::{Answered, Done};
    use crate::invariant::case::Case;

    /// What one device was shown, another is not shown later, although it was acknowledged to none.
    pub(crate) fn broken() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        let (op, token) = case.phone().account().asks_to_patch(&[Email]);
        let before = case.phone().account().contents();
        case.phone().account().commits(token, &[Email]);
        case.tablet().account().reads();
        case.phone().account().shows(before, false);
        case.phone().answers(op, Answered::Done(Done::Patched));
        case.ends()
    }

    #[test]
    fn what_was_shown_to_one_is_shown_to_all() {
        broken().rejects("goes-back");
    }

    #[test]
    fn a_log_has_no_gap() {
        let mut case = Case::served();
        case.phone().session().opens();
        case.log(UserId(0)).skips_a_number();
        case.phone().account().patches(&[Email]);
        case.rejects("log-gap");
    }

    #[test]
    fn a_commit_takes_no_version_away() {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().account().patches(&[Email]);
        case.phone().account().patches(&[Email]);
        case.log(UserId(0)).sets_back(Email, 1);
        case.rejects("history-rewritten");
    }

    #[test]
    fn what_is_shown_was_once_so() {
        let mut case = Case::served();
        case.phone().session().opens();
        let (_, first) = case.phone().account().asks_to_patch(&[Email]);
        let (_, second) = case.phone().account().asks_to_patch(&[Phone]);
        case.phone().account().commits(first, &[Email]);
        case.phone().account().commits(second, &[Phone]);
        let mut odd = case.tablet().account().contents();
        odd.remove(0);
        case.tablet().account().shows(odd, false);
        case.rejects("never-so");
    }

    #[test]
    fn nothing_is_shown_or_acknowledged_before_it_is_committed() {
        let mut case = Case::served();
        case.phone().session().opens();
        let (op, token) = case.phone().account().asks_to_patch(&[Email]);
        case.phone().answers(op, Answered::Done(Done::Patched));
        case.phone().account().commits(token, &[Email]);
        case.rejects("acknowledged-too-soon");
    }

    #[test]
    fn a_reading_that_overlaps_a_change_shows_it_or_not() {
        let mut case = Case::served();
        case.phone().session().opens();
        let (op, token) = case.phone().account().asks_to_patch(&[Email]);
        case.tablet().account().reads();
        case.phone().account().commits(token, &[Email]);
        case.tablet().account().reads();
        case.phone().answers(op, Answered::Done(Done::Patched));
        case.ends().passes();
    }
}
