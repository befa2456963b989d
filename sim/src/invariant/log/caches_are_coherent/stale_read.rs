//! Readings: an account is shown with all that had been acknowledged before it was asked for.

use crate::invariant::Invariant::CachesAreCoherent;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::account_order::AccountFault;
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for fault in evidence.account_faults() {
        let AccountFault::Stale { number, patch, field } = *fault else { continue };
        let requests = &evidence.server.requests;
        let (reading, patch) = (&requests[number], &requests[patch]);
        let Some((at, _)) = reading.shown() else { continue };
        let message = format!(
            "Stale read: {} was shown the account without {} of {} ({}), acknowledged at {} before the read \
             was asked for at {}.",
            evidence.device_name(reading.device),
            patch.token.map_or_else(String::new, |token| evidence.write_name(token)),
            evidence.device_name(patch.device),
            field.name(),
            evidence.time(patch.patched().unwrap_or(patch.asked)),
            evidence.time(reading.asked)
        );
        let about = About { record: None, token: patch.token };
        let with = [reading.asked, patch.asked].into_iter().chain(patch.patched());
        findings.report(evidence, (CachesAreCoherent, "stale-read"), at, about, message, with);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::AccountField::Email;

    use crate::invariant::case::Case;

    /// A worker shows what it knew before a change was acknowledged.
    pub(crate) fn broken() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        let before = case.tablet().account().contents();
        case.phone().account().patches(&[Email]);
        case.tablet().account().shows(before, false);
        case.ends()
    }

    #[test]
    fn what_was_acknowledged_is_shown_at_every_worker() {
        broken().rejects("stale-read");
    }
}
