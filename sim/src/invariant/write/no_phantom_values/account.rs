//! Accounts: every version of a field is of a change that a user asked for, as it was asked for, and
//! the fields of one change show together.

use engine::id::UserId;

use crate::invariant::Invariant::NoPhantomValues;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::account::{ShownAccount, Versions};
use crate::invariant::evidence::server::LogEffect;
use crate::invariant::evidence::writes::owner;
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::value;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for account in &evidence.server.accounts {
        let user = account.request.user;
        has_a_write_each(evidence, findings, account.at, user, &account.versions);
        as_written(evidence, findings, account);
    }
    for (user, space) in evidence.epochs.spaces() {
        for effect in &space.effects {
            let LogEffect::Account { at, made, .. } = effect else { continue };
            let versions: Versions = made.iter().copied().collect();
            has_a_write_each(evidence, findings, *at, *user, &versions);
        }
    }
}

/// Every value is of a patch, which shows in all the fields that it set.
fn has_a_write_each(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    user: UserId,
    versions: &Versions,
) {
    for &(field, token) in versions.iter().filter(|cell| owner(cell.1) == user) {
        let about = About { record: None, token: Some(token) };
        let patch = evidence.server.patch(token).filter(|patch| {
            patch.asked < at && patch.fields().iter().any(|(set, _)| *set == field)
        });
        let Some(patch) = patch else {
            let message = format!(
                "{}: {}'s account has a version of {} that no change set.",
                evidence.host_at(at),
                evidence.user_name(user),
                field.name()
            );
            let place = (NoPhantomValues, "account-never-written");
            findings.report(evidence, place, at, about, message, []);
            continue;
        };
        let mut fields = patch.fields().iter();
        if let Some((torn, _)) = fields.find(|(field, _)| !versions.contains(&(*field, token))) {
            let message = format!(
                "{}: {}'s account has {} of {}, but not {} of it.",
                evidence.host_at(at),
                evidence.user_name(user),
                field.name(),
                evidence.write_name(token),
                torn.name()
            );
            let place = (NoPhantomValues, "account-torn");
            findings.report(evidence, place, at, about, message, [patch.asked]);
        }
    }
}

fn as_written(evidence: &Evidence<'_>, findings: &mut Findings, shown: &ShownAccount<'_>) {
    for (field, versions) in shown.account {
        for (token, shown_value) in versions {
            let Some(patch) = evidence.server.patch(*token) else { continue };
            let wrote = patch.fields().iter().find(|(set, _)| set == field);
            if wrote.is_some_and(|(_, wrote)| wrote != shown_value) {
                let message = format!(
                    "{} was shown {} of {} as {}; {} was written.",
                    evidence.device_name(shown.request.device),
                    field.name(),
                    evidence.write_name(*token),
                    value(shown_value),
                    wrote.map_or_else(|| "nothing".to_owned(), |(_, wrote)| value(wrote))
                );
                let about = About { record: None, token: Some(*token) };
                let place = (NoPhantomValues, "account-garbled");
                findings.report(evidence, place, shown.at, about, message, [patch.asked]);
            }
        }
    }
}

#[cfg(test)]
mod tests {

    use engine::id::AccountField::{Email, Phone};

    use engine::record::Value;

    use crate::invariant::Invariant;
    use crate::invariant::case::Case;

    fn patched() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().account().patches(&[Email, Phone]);
        case
    }

    #[test]
    fn an_account_shows_what_was_written_as_it_was_written_and_whole() {
        let mut case = patched();
        let account = case.tablet().account().contents();

        let mut garbled = account.clone();
        garbled[0].1[0].1 = Value::Text("other words".into());
        case.tablet().account().shows(garbled, false);
        case.breaks(Invariant::NoPhantomValues, "account-garbled");

        let mut torn = account.clone();
        torn.pop();
        case.tablet().account().shows(torn, false);
        case.breaks(Invariant::NoPhantomValues, "account-torn");

        let mut invented = account;
        invented[0].1[0].0.0[15] ^= 0xff;
        case.tablet().account().shows(invented, false);
        case.breaks(Invariant::NoPhantomValues, "account-never-written");
    }
}
