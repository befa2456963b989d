//! Accounts: what a device was shown or had acknowledged before it asked, it is shown again.

use std::collections::BTreeMap;

use engine::id::DeviceId;

use crate::invariant::Invariant::ReadsNeverGoBack;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::account::Versions;
use crate::invariant::evidence::server_request::ServerRequest;
use crate::invariant::findings::{About, Findings};

/// What a device was shown or had acknowledged before it asked, it is shown again; until the disk
/// of another takes its place, or the user signs out, or the volume is set back.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let shown = &evidence.server.accounts;
    let mut floors: BTreeMap<DeviceId, Vec<(usize, &ServerRequest<'_>, Versions)>> =
        BTreeMap::new();
    for request in &evidence.server.requests {
        let Some(at) = request.patched() else { continue };
        let Some(token) = request.token else { continue };
        let cells = request.fields().iter().map(|(field, _)| (*field, token)).collect();
        floors.entry(request.device).or_default().push((at, request, cells));
    }
    for account in shown {
        let request = &account.request;
        floors.entry(request.device).or_default().push((
            account.at,
            request,
            account.versions.clone(),
        ));
    }
    for account in shown {
        let request = &account.request;
        let since = evidence.disk(request.device).replaced_before(request.asked);
        let epoch = evidence.epochs.at(account.at).from;
        let earlier = floors.get(&request.device).map_or(&[][..], Vec::as_slice);
        let earlier = earlier
            .iter()
            .filter(|(at, by, _)| by.asked >= epoch && (since..request.asked).contains(at));
        for (at, by, versions) in earlier {
            if let Some(&(field, token)) = versions.difference(&account.versions).next() {
                let message = format!(
                    "{} no longer shows {} of {}, which it showed or had acknowledged at {}.",
                    evidence.device_name(request.device),
                    field.name(),
                    evidence.write_name(token),
                    evidence.time(*at)
                );
                let about = About { record: None, token: Some(token) };
                let place = (ReadsNeverGoBack, "account-unseen");
                findings.report(evidence, place, account.at, about, message, [by.asked, *at]);
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::id::AccountField::Email;

    use crate::invariant::Invariant;
    use crate::invariant::case::Case;

    #[test]
    fn a_device_does_not_un_see_a_field() {
        let mut case = Case::served();
        case.phone().session().opens();
        let before = case.phone().account().contents();
        case.phone().account().patches(&[Email]);
        case.phone().account().shows(before, false);
        case.breaks(Invariant::ReadsNeverGoBack, "account-unseen");
    }
}
