//! INV-10 `effects-happen-once`: a patch of an account is in the log once if it was acknowledged,
//! and once or not at all if the client got no answer; however often it was sent, and to however
//! many workers.
//!
//! What bears its label is its effect. A number of a client is used for one effect.

use std::collections::BTreeMap;

use engine::message::Client;

use crate::invariant::Invariant::EffectsHappenOnce;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::server::LogEffect;
use crate::invariant::evidence::server_request::ServerRequest;
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for patch in evidence.server.requests.iter().filter(|request| request.token.is_some()) {
        is_there_once(evidence, findings, patch);
    }
    numbers_are_used_once(evidence, findings);
}

fn is_there_once(evidence: &Evidence<'_>, findings: &mut Findings, patch: &ServerRequest<'_>) {
    let about = About { record: None, token: patch.token };
    let epochs = evidence.epochs.iter().map(|epoch| epoch.places(patch));
    for (places, n) in epochs.flat_map(|places| (0..places.len()).map(move |n| (places, n))) {
        let place = &places[n];
        let first = places[..n].iter().find(|old| old.field == place.field);
        if let Some(first) = first {
            let message = format!(
                "{} of {} set {} twice in the log.",
                patch.token.map_or_else(String::new, |token| evidence.write_name(token)),
                evidence.device_name(patch.device),
                place.field.name()
            );
            let with = [patch.asked, first.at];
            findings.report(
                evidence,
                (EffectsHappenOnce, "made-twice"),
                place.at,
                about,
                message,
                with,
            );
        }
    }
    if let (Some(answered), None) = (patch.patched(), evidence.epochs.places(patch).next()) {
        let message = format!(
            "{} of {} was acknowledged at {}, but no commit makes it.",
            patch.token.map_or_else(String::new, |token| evidence.write_name(token)),
            evidence.device_name(patch.device),
            evidence.time(answered)
        );
        let place = (EffectsHappenOnce, "never-made");
        findings.report(evidence, place, answered, about, message, [patch.asked]);
    }
}

fn numbers_are_used_once(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (_, space) in evidence.epochs.spaces() {
        let mut used: BTreeMap<(Client, u32), usize> = BTreeMap::new();
        for effect in &space.effects {
            let (at, client, n, token) = match effect {
                LogEffect::Account { at, receipt: Some((client, n)), made, .. } => {
                    (at, client, n, made.first().map(|made| made.1))
                }
                LogEffect::Action { at, client, n } => (at, client, n, None),
                LogEffect::Account { receipt: None, .. } | LogEffect::Session { .. } => continue,
            };
            if let Some(first) = used.insert((*client, *n), *at) {
                let message = format!(
                    "Request {n} of {} took effect in two commits.",
                    evidence.client_name(*client)
                );
                let about = About { record: None, token };
                let place = (EffectsHappenOnce, "number-used-twice");
                findings.report(evidence, place, *at, about, message, [first]);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::AccountField::{Email, Phone};

    use crate::history::{Answered, Done};
    use crate::invariant::case::Case;

    /// A change whose answer was lost is sent under a new number and made again.
    pub(crate) fn broken() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        let (op, token) = case.phone().account().asks_to_patch(&[Email]);
        case.phone().account().commits(token, &[Email]);
        case.phone().account().commits(token, &[Email]);
        case.phone().answers(op, Answered::Done(Done::Patched));
        case.ends()
    }

    #[test]
    fn a_change_is_made_once() {
        assert_eq!(broken().violations()[0].site, "made-twice");
    }

    #[test]
    fn what_is_acknowledged_was_made() {
        let mut case = Case::served();
        let (op, _) = case.phone().account().asks_to_patch(&[Email]);
        case.phone().answers(op, Answered::Done(Done::Patched));
        assert!(case.violations().iter().any(|violation| violation.site == "never-made"));
    }

    #[test]
    fn a_change_that_nobody_answers_for_is_made_once_or_not_at_all() {
        let mut case = Case::served();
        case.phone().session().opens();
        let (_, token) = case.phone().account().asks_to_patch(&[Email, Phone]);
        case.phone().account().commits(token, &[Email, Phone]);
        case.phone().crashes(0);
        case.phone().account().asks_to_patch(&[Email]);
        case.phone().crashes(0);
        case.tablet().session().opens();
        case.tablet().account().patches(&[Email]);
        case.ends().passes();
    }
}
