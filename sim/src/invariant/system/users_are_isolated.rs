//! INV-31 `users-are-isolated`: nothing that one user wrote is shown on, or stored by, a device of
//! another, sealed or open; and an intruder is served nothing.
//!
//! A token carries its owner, a row its vault. A row of another vault may be served (a policy can be
//! dropped), but a device refuses it.

use engine::id::{AccountField, FieldId, RecordId, Token, UserId, VaultId};

use crate::history::table::Table;
use crate::history::{Answered, BlobId, Change, Fact, Said};
use crate::invariant::Invariant::UsersAreIsolated;
use crate::invariant::evidence::account::ShownAccount;
use crate::invariant::evidence::server::LogEffect;
use crate::invariant::evidence::writes::owner;
use crate::invariant::evidence::{Evidence, tokens};
use crate::invariant::findings::{About, Findings};
use crate::plan::Node;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    records_are(evidence, findings);
    if evidence.context.server.is_some() {
        accounts_are(evidence, findings);
    }
    files_are(evidence, findings);
}

fn records_are(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut vaults: Table<BlobId, VaultId> = Table::default();
    for &(at, entry) in &evidence.off_wire {
        match (&entry.fact, entry.node) {
            (Fact::Committed { vault, blob, .. }, _) => {
                vaults.or_insert_with(*blob, || *vault);
            }
            (Fact::Persisted { changes, .. }, Node::Device(device)) => {
                let user = evidence.user(device);
                for change in changes {
                    stored(evidence, findings, at, user, change, &vaults);
                }
            }
            (Fact::Answered(_, answered), Node::Device(device)) => {
                let Answered::Read(shown) = &**answered else { continue };
                let user = evidence.user(device);
                let about = foreign(user, tokens(shown)).map(|token| About::write(shown.id, token));
                report(evidence, findings, at, "shown", about);
            }
            (Fact::Served(page), _) if page.to == Node::Intruder => {
                let about = page.rows.first().map(|row| About::record(row.1));
                report(evidence, findings, at, "served-to-an-intruder", about);
            }
            _ => {}
        }
    }
}

fn stored(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    user: UserId,
    change: &Change,
    vaults: &Table<BlobId, VaultId>,
) {
    let (site, about) = match change {
        Change::Record(id, Some(held)) | Change::Mirror(_, id, Some((_, Some(held)))) => {
            let token = foreign(user, held.cells.iter().copied());
            ("stored", token.map(|token| About::write(*id, token)))
        }
        Change::Sealed(_, id, Some((_, blob))) => {
            let other = vaults.get(*blob).is_some_and(|vault| *vault != VaultId::from(user));
            ("sealed", other.then(|| About::record(*id)))
        }
        Change::Record(_, None)
        | Change::Mirror(_, _, None | Some((_, None)))
        | Change::Sealed(_, _, None)
        | Change::Parked(..)
        | Change::Cursor(..)
        | Change::Node(..)
        | Change::Upload(..)
        | Change::Feed(_)
        | Change::Key(_)
        | Change::Meta => return,
    };
    report(evidence, findings, at, site, about);
}

fn foreign(user: UserId, cells: impl Iterator<Item = (FieldId, Token)>) -> Option<Token> {
    cells.map(|cell| cell.1).find(|token| *token != Token::NONE && owner(*token) != user)
}

fn report(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    site: &'static str,
    about: Option<About>,
) {
    let Some(about) = about else { return };
    let id: RecordId = about.record.expect("every leak is of a record");
    let what = match site {
        "shown" => "was shown",
        "served-to-an-intruder" => "served an intruder",
        "sealed" => "stored, sealed,",
        _ => "stored",
    };
    let message = format!("{} {what} {id} of another user.", evidence.host_at(at));
    findings.report(evidence, (UsersAreIsolated, site), at, about, message, []);
}

fn accounts_are(evidence: &Evidence<'_>, findings: &mut Findings) {
    for account in &evidence.server.accounts {
        shown_to_its_owner(evidence, findings, account);
    }
    for (user, space) in evidence.epochs.spaces() {
        for effect in &space.effects {
            let LogEffect::Account { at, made, .. } = effect else { continue };
            if let Some((field, token)) = made.iter().find(|cell| owner(cell.1) != *user) {
                let message = format!(
                    "A commit set {} of {}'s account to {} of another user.",
                    field.name(),
                    evidence.user_name(*user),
                    evidence.write_name(*token)
                );
                let about = About { record: None, token: Some(*token) };
                let place = (UsersAreIsolated, "account-changed");
                findings.report(evidence, place, *at, about, message, []);
            }
        }
    }
    strangers_are_refused(evidence, findings);
}

fn shown_to_its_owner(evidence: &Evidence<'_>, findings: &mut Findings, shown: &ShownAccount<'_>) {
    let stranger = |cell: &&(AccountField, Token)| owner(cell.1) != shown.request.user;
    if let Some(&(field, token)) = shown.versions.iter().find(stranger) {
        let message = format!(
            "{} was shown {} of another user's account ({}).",
            evidence.device_name(shown.request.device),
            field.name(),
            evidence.write_name(token)
        );
        let about = About { record: None, token: Some(token) };
        findings.report(
            evidence,
            (UsersAreIsolated, "account-shown"),
            shown.at,
            about,
            message,
            [],
        );
    }
}

/// A user who asks for what is another user's receives nothing.
fn strangers_are_refused(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (at, entry) in evidence.history.iter().enumerate() {
        if let Fact::Sent { to: Node::Intruder, server: Some(said), message_id, .. } = &entry.fact
            && let Said::Answers { refused: None, .. } = **said
        {
            let mut asks = evidence.server.requests_of(Node::Intruder, *message_id, at);
            if asks.any(|ask| ask.by == Some(ask.space) && ask.about == ask.space) {
                continue;
            }
            let message = format!(
                "{} answered an intruder's request for another user's space instead of refusing it.",
                evidence.host_at(at)
            );
            let place = (UsersAreIsolated, "served-an-intruder");
            findings.report(evidence, place, at, About::default(), message, []);
        }
    }
}

/// No device is shown a version of a file that another user wrote.
fn files_are(evidence: &Evidence<'_>, findings: &mut Findings) {
    for operation in &evidence.server.file_operations {
        let Some((at, _)) = operation.answer else { continue };
        for (_, head) in operation.shown_heads() {
            let Some(token) = head.token else { continue };
            if owner(token) != operation.user {
                let about = About { record: None, token: Some(token) };
                let message = format!(
                    "{} was shown {} of another user's file.",
                    evidence.device_name(operation.device),
                    evidence.write_name(token)
                );
                let place = (UsersAreIsolated, "file-shown");
                findings.report(evidence, place, at, about, message, [operation.asked]);
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::AccountField::{Email, Phone};
    use engine::id::Remote;

    use crate::history::{Change, Said};
    use crate::invariant::Invariant;
    use crate::invariant::case::{Case, GOALS, KCAL, MEAL};
    use crate::plan::{Node, WorkerId};

    /// Another user's laptop keeps a row of the phone's user, sealed.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().pulls();
        let Change::Mirror(_, _, Some((tag, _))) = case.phone().at(Remote::Rows).mirrors(MEAL)
        else {
            unreachable!("a mirror was asked for");
        };
        let blob = case.last_blob();
        case.laptop().persists(vec![Change::Sealed(Remote::Rows, MEAL, Some((tag, blob)))]);
        case.ends()
    }

    #[test]
    fn a_row_of_another_vault_is_not_even_kept_sealed() {
        assert_eq!(broken().violations()[0].site, "sealed");
    }

    #[test]
    fn a_value_of_another_user_is_not_shown() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        let shown = case.phone().shown(MEAL);
        case.laptop().shows(shown.into(), false);
        assert_eq!(case.violations()[0].site, "shown");
    }

    #[test]
    fn two_users_may_have_records_of_the_same_name() {
        let mut case = Case::new();
        case.phone().edits(GOALS, &[KCAL]);
        case.laptop().edits(GOALS, &[KCAL]);
        case.phone().pushes(GOALS);
        case.laptop().pushes(GOALS);
        case.tablet().pulls();
        case.ends().passes();
    }

    fn patched() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.phone().account().patches(&[Email, Phone]);
        case
    }

    #[test]
    fn an_account_is_its_owners_alone() {
        let mut case = patched();
        let account = case.phone().account().contents();
        case.laptop().account().shows(account, false);
        case.breaks(Invariant::UsersAreIsolated, "account-shown");

        let mut case = patched();
        let message_id = case.phone().session().requests();
        let worker = Node::Worker(WorkerId(0));
        let served = Said::Answers { seq: 1, refused: None };
        case.sends_message(worker, Node::Intruder, message_id, served);
        case.breaks(Invariant::UsersAreIsolated, "served-an-intruder");
    }
}
