//! INV-32 `refusals-have-reasons`, for what users want of the sync server: it is done soon, but for
//! as long as something is in the way.
//!
//! Errands of a device are run one after the other, each under a session that may have to be
//! started. In the way are the faults between the device and the server, what these left behind,
//! and being told to come back; whether there was a reason for that is for INV-12 to say. What a
//! volume fails at by chance is in no fact, so a storm over such a volume is one disturbance.

use engine::time::{Span, Time};

use super::Invariant::RefusalsHaveReasons;
use super::evidence::Evidence;
use super::evidence::server::Errand;
use super::findings::{About, Findings};
use super::late::{PROMPTNESS, disturbances};
use crate::plan::ServerPlan;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(plan) = &evidence.brief.server else { return };
    for errand in &evidence.server.errands {
        is_in_time(evidence, findings, plan, errand);
    }
}

fn is_in_time(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    plan: &ServerPlan,
    errand: &Errand<'_>,
) {
    let Some((answered, _)) = errand.answer else { return };
    let (from, to) = (evidence.time(errand.asked), evidence.time(answered));
    let timing = &evidence.brief.timing;
    // A session and the errand itself, each asked for twice; before it what was still to be done.
    let one = Span(2 * (timing.timeout.0 + timing.retry_cap.0));
    let bound = Span(one.0 * (1 + ahead(evidence, errand))) + PROMPTNESS;
    if to - from <= bound {
        return;
    }
    let mut disturbed = disturbances(evidence, errand.device, errand.asked, answered);
    if plan.volume.failure.0 > 0 || plan.volume.reply_loss.0 > 0 {
        let after = plan.timing.timeout + plan.timing.retry_cap;
        disturbed.push((Time(0), evidence.brief.healed_at + after + one));
    }
    disturbed.sort_unstable();
    let mut quiet_from = from;
    let mut longest = Span::ZERO;
    for (start, end) in disturbed {
        longest = longest.max(start.min(to) - quiet_from);
        quiet_from = quiet_from.max(end);
    }
    longest = longest.max(to - quiet_from);
    if longest > bound {
        let message = format!("The server's answer took {}, with nothing in its way.", to - from);
        let place = (RefusalsHaveReasons, "served-late");
        let about = About { record: None, token: errand.token };
        findings.report(evidence, place, answered, about, message, [errand.asked]);
    }
}

/// How many errands of the same device were still to be done when this was asked.
fn ahead(evidence: &Evidence<'_>, errand: &Errand<'_>) -> u64 {
    let open = |other: &&Errand<'_>| {
        other.device == errand.device
            && other.asked < errand.asked
            && other.answer.is_none_or(|(at, _)| at > errand.asked)
    };
    evidence.server.errands.iter().filter(open).count() as u64
}
