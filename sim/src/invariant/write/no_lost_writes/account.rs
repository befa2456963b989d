//! Accounts: every change that was acknowledged, or is in the log, is in what every device shows at
//! the end; where no device is left to show it, it is in the log.
//!
//! An account shows every version of every field, so nothing ever has a reason to vanish from it.

use crate::invariant::Invariant::NoLostWrites;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::causes::was_told_before;
use crate::invariant::findings::{About, Findings};

/// Every change that was acknowledged, or is in the log, is in what everybody is shown at the end;
/// where no device shows the account any more, it is in the log.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let shown = &evidence.server.accounts;
    let Some(settled) = evidence.settled else { return };
    for patch in &evidence.server.requests {
        let Some(token) = patch.token else { continue };
        let made = evidence.epochs.places(patch).next();
        if patch.patched().is_none() && made.is_none() {
            continue;
        }
        // Only the volume holds what has been acknowledged.
        let end = evidence.history.len();
        let lost = evidence.epochs.lost(end, |epoch| !epoch.places(patch).is_empty());
        let was_told = |lost: usize| {
            let says = patch.patched();
            says.is_none_or(|says| was_told_before(evidence, patch.device.into(), (lost, says)))
        };
        if let Some(lost) = lost.filter(|lost| was_told(*lost)) {
            let object = format!("account of {}", evidence.user_name(patch.user));
            findings.excuse(evidence, (evidence.write_name(token), object), patch.asked, lost);
            continue;
        }
        let space = evidence.epochs.last().spaces.get(&patch.user);
        let mut last = shown
            .iter()
            .filter(|shown| shown.request.last && shown.request.user == patch.user)
            .peekable();
        let lost = patch.fields().iter().map(|(field, _)| *field).find_map(|field| {
            let kept = || space.is_some_and(|space| space.holds(field, token));
            if last.peek().is_none() {
                return (!kept()).then_some((field, settled));
            }
            let mut lacking = last.clone().filter(|it| !it.versions.contains(&(field, token)));
            lacking.next().map(|shown| (field, shown.at))
        });
        if let Some((field, at)) = lost {
            let host = if at == settled { "the log" } else { evidence.host_at(at) };
            let message = format!(
                "Lost change: {} of {} set {} of {}'s account, which {host} does not have at the end.",
                evidence.write_name(token),
                evidence.device_name(patch.device),
                field.name(),
                evidence.user_name(patch.user)
            );
            let about = About { record: None, token: Some(token) };
            let with = [Some(patch.asked), patch.patched(), made.map(|made| made.at)];
            let with = with.into_iter().flatten();
            findings.report(evidence, (NoLostWrites, "account-lost"), at, about, message, with);
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::id::AccountField::{Email, Phone};
    use engine::id::UserId;

    use crate::invariant::Invariant;
    use crate::invariant::case::Case;

    fn patched() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().account().patches(&[Email, Phone]);
        case
    }

    #[test]
    fn a_change_that_was_acknowledged_is_not_written_over() {
        let mut case = patched();
        case.phone().account().patches(&[Email]);
        case.log(UserId(0)).sets_back(Email, 1);
        case.ends().breaks(Invariant::NoLostWrites, "account-lost");
    }

    #[test]
    fn where_nobody_looks_any_more_the_log_tells_what_is_kept() {
        let mut case = patched();
        case.phone().account().patches(&[Email]);
        case.phone().is_lost();
        case.tablet().is_lost();
        case.ends().passes();
    }
}
