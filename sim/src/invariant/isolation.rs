//! INV-31 `users-are-isolated`: nothing that one user wrote is shown on, or stored by, a device of
//! another, sealed or open; and nobody outside is served anything.
//!
//! A token carries its owner, a row its vault. A row of another vault may be served (a policy can be
//! dropped), but a device refuses it.

use std::collections::BTreeMap;

use engine::id::{FieldId, RecordId, Token, UserId, VaultId};

use super::Invariant::UsersAreIsolated;
use super::evidence::{Evidence, tokens};
use super::findings::{About, Findings};
use super::writes::owner;
use crate::history::{Answered, BlobId, Change, Fact};
use crate::plan::Node;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let mut vaults: BTreeMap<BlobId, VaultId> = BTreeMap::new();
    for &(at, entry) in &evidence.off_wire {
        match (&entry.fact, entry.node) {
            (Fact::Committed { vault, blob, .. }, _) => {
                vaults.entry(*blob).or_insert(*vault);
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
    vaults: &BTreeMap<BlobId, VaultId>,
) {
    let (site, about) = match change {
        Change::Record(id, Some(held)) | Change::Mirror(_, id, Some((_, Some(held)))) => {
            let token = foreign(user, held.cells.iter().copied());
            ("stored", token.map(|token| About::write(*id, token)))
        }
        Change::Sealed(_, id, Some((_, blob))) => {
            let other = vaults.get(blob).is_some_and(|vault| *vault != VaultId::from(user));
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
    let message = format!("{id} of another user was {}.", site.replace('-', " "));
    findings.report(evidence, (UsersAreIsolated, site), at, about, message, []);
}

#[cfg(test)]
pub(super) mod tests {
    use engine::id::Remote;

    use super::super::case::{Case, GOALS, KCAL, LAPTOP, MEAL, PHONE, TABLET};
    use crate::history::Change;

    /// Another user's laptop keeps a row of the phone's user, sealed.
    pub(in super::super) fn broken() -> Case {
        let mut case = Case::new();
        case.edits(PHONE, MEAL, &[KCAL]);
        case.pushes(PHONE, MEAL);
        case.pulls(TABLET);
        let Change::Mirror(_, _, Some((tag, _))) = case.mirrors(Remote::Rows, PHONE, MEAL) else {
            unreachable!("a mirror was asked for");
        };
        let blob = case.last_blob();
        case.persists(LAPTOP, vec![Change::Sealed(Remote::Rows, MEAL, Some((tag, blob)))]);
        case.ends()
    }

    #[test]
    fn a_row_of_another_vault_is_not_even_kept_sealed() {
        assert_eq!(broken().violations()[0].site, "sealed");
    }

    #[test]
    fn a_value_of_another_user_is_not_shown() {
        let mut case = Case::new();
        case.edits(PHONE, MEAL, &[KCAL]);
        let shown = case.shown(PHONE, MEAL);
        case.shows(LAPTOP, shown.into(), false);
        assert_eq!(case.violations()[0].site, "shown");
    }

    #[test]
    fn two_users_may_have_records_of_the_same_name() {
        let mut case = Case::new();
        case.edits(PHONE, GOALS, &[KCAL]);
        case.edits(LAPTOP, GOALS, &[KCAL]);
        case.pushes(PHONE, GOALS);
        case.pushes(LAPTOP, GOALS);
        case.pulls(TABLET);
        case.ends().passes();
    }
}
