//! INV-11 `server-is-linearizable` and INV-12 `sessions-are-exclusive`, for whose a session is: an
//! answer tells how it stood at some moment between question and answer, and there is always one.

use engine::log::Session;

use crate::history::{Answered, Done};
use crate::invariant::Invariant::ServerIsLinearizable;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::server_request::ServerRequest;
use crate::invariant::findings::{About, Findings};
use crate::plan::Node;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for request in evidence.server.session_status() {
        let Some((at, Answered::Done(Done::Session(told)))) = request.answer else { continue };
        if !was_so(evidence, request, at, *told) {
            let message = format!(
                "{} received the answer that {}, which was never so since it asked at {}.",
                evidence.device_name(request.device),
                match told {
                    None => "no client holds its session",
                    Some(true) => "it holds its session itself",
                    Some(false) => "another client holds its session",
                },
                evidence.time(request.asked)
            );
            let place = (ServerIsLinearizable, "status-never-so");
            findings.report(evidence, place, at, About::default(), message, [request.asked]);
        }
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

    use crate::invariant::case::{Case, TABLET};

    #[test]
    fn a_session_is_told_as_it_is() {
        let mut case = Case::served();
        case.phone().session().is_shared_with(TABLET);
        case.phone().session().asks_status(None);
        case.phone().session().opens();
        case.phone().session().asks_status(Some(true));
        case.tablet().session().asks_status(Some(false));
        case.phone().session().closes();
        case.tablet().session().asks_status(None);
        case.passes();
        case.phone().session().asks_status(Some(true));
        assert_eq!(case.violations()[0].site, "status-never-so");
    }
}
