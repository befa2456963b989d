//! INV-11 `server-is-linearizable` and INV-12 `sessions-are-exclusive`, for whose a session is: an
//! answer tells how it stood at some moment between question and answer, and there is always one.

use engine::device::Reason;
use engine::log::Session;

use super::Invariant::{ServerIsLinearizable, SessionsAreExclusive};
use super::evidence::Evidence;
use super::evidence::server::ServerRequest;
use super::findings::{About, Findings};
use crate::history::{Answered, Done};
use crate::plan::{self, Node};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let status = |request: &&ServerRequest<'_>| *request.what == plan::Errand::SessionStatus;
    for request in evidence.server.requests.iter().filter(status) {
        let Some((at, answer)) = request.answer else { continue };
        let (place, message) = if *answer == Answered::Refused(Reason::Internal) {
            ((SessionsAreExclusive, "status-failed"), "Whose a session is could not be told.")
        } else if let Answered::Done(Done::Session(told)) = answer
            && !was_so(evidence, request, at, *told)
        {
            ((ServerIsLinearizable, "status-never-so"), "A session was never as it was told.")
        } else {
            continue;
        };
        findings.report(evidence, place, at, About::default(), message.into(), [request.asked]);
    }
}

/// Did the session of a device stand so at some moment since it was asked about?
fn was_so(
    evidence: &Evidence<'_>,
    request: &ServerRequest<'_>,
    at: usize,
    told: Option<bool>,
) -> bool {
    let asks = evidence.server.sent.get(&Node::Device(request.device));
    let mut sent = asks.into_iter().flatten().rev();
    let Some(ask) = sent.find(|ask| (request.asked..at).contains(&ask.at)) else { return false };
    let is_told = |session: Option<Session>| {
        session.map(|session| session.client.replica == ask.client.replica) == told
    };
    evidence.epochs.between(request.asked, at).any(|epoch| match epoch.spaces.get(&ask.space) {
        Some(space) => space.holders(ask.device, request.asked, at).any(|(_, it)| is_told(it)),
        None => is_told(None),
    })
}

#[cfg(test)]
mod tests {
    use engine::device::Reason;

    use super::super::case::{Case, PHONE, TABLET};
    use crate::history::{Answered, Asked};
    use crate::plan::Errand;

    #[test]
    fn whose_a_session_is_can_always_be_told() {
        let mut case = Case::served();
        let status = Asked::Errand { errand: Errand::SessionStatus, token: None, last: false };
        let op = case.asks(PHONE, status);
        case.answers(PHONE, op, Answered::Refused(Reason::Internal));
        assert!(case.violations().iter().any(|violation| violation.site == "status-failed"));
    }

    #[test]
    fn a_session_is_told_as_it_is() {
        let mut case = Case::served();
        case.shares_its_session(PHONE, TABLET);
        case.asks_whose(PHONE, None);
        case.opens(PHONE);
        case.asks_whose(PHONE, Some(true));
        case.asks_whose(TABLET, Some(false));
        case.closes(PHONE);
        case.asks_whose(TABLET, None);
        case.passes();
        case.asks_whose(PHONE, Some(true));
        assert_eq!(case.violations()[0].site, "status-never-so");
    }
}
