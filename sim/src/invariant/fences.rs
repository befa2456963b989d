//! INV-13 `fences-hold`: a client changes the account, files or work only as long as the session of
//! its device has not been granted anew to somebody else, whatever its own clock or memory say.
//!
//! Sources: Kleppmann, *How to do distributed locking*, 2016; Burrows, *Chubby*, 2006.

use std::collections::BTreeMap;

use engine::message::{Client, DeviceKey};

use super::Invariant::FencesHold;
use super::evidence::Evidence;
use super::evidence::server::{LogEffect, Space};
use super::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (_, space) in evidence.epochs.spaces() {
        judge_space(evidence, findings, space);
    }
}

fn judge_space(evidence: &Evidence<'_>, findings: &mut Findings, space: &Space) {
    let mut newest: BTreeMap<DeviceKey, (usize, Client)> = BTreeMap::new();
    let mut granted: BTreeMap<Client, DeviceKey> = BTreeMap::new();
    for effect in &space.effects {
        let (at, client, what, token) = match effect {
            LogEffect::Session { at, key, session: Some(session), .. } => {
                newest.insert(*key, (*at, session.client));
                granted.insert(session.client, *key);
                continue;
            }
            LogEffect::Session { session: None, .. } | LogEffect::Account { receipt: None, .. } => {
                continue;
            }
            LogEffect::Account { at, receipt: Some((client, _)), made, .. } => {
                (*at, client, "The account was", made.first().map(|made| made.1))
            }
            LogEffect::Action { at, client, .. } => (*at, client, "Files or work were", None),
        };
        let holder = granted.get(client).and_then(|key| newest.get(key));
        let (site, whom) = match holder {
            None => ("no-session", "that never had a session"),
            Some((_, holder)) if holder != client => {
                ("old-session", "whose session had been granted anew")
            }
            Some(_) => continue,
        };
        let message = format!("{what} changed by a device {whom}.");
        let about = About { record: None, token };
        let with = holder.map(|holder| holder.0);
        findings.report(evidence, (FencesHold, site), at, about, message, with);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use engine::id::AccountField::Email;

    use super::super::case::files::{LETTERS, PHOTOS, ROOT};
    use super::super::case::{Case, PHONE, TABLET};

    /// The phone's session expires and is taken over; then the phone makes a change.
    pub(in super::super) fn broken() -> Case {
        let mut case = Case::served();
        case.shares_its_session(PHONE, TABLET);
        case.opens(PHONE);
        case.wait(30_000);
        case.opens(TABLET);
        case.patches(PHONE, &[Email]);
        case.ends()
    }

    #[test]
    fn who_lost_a_session_changes_nothing() {
        assert_eq!(broken().violations()[0].site, "old-session");
    }

    #[test]
    fn who_lost_a_session_changes_no_files() {
        let mut case = Case::served();
        case.shares_its_session(PHONE, TABLET);
        case.makes_folder(PHONE, LETTERS, ROOT, "letters");
        case.wait(30_000);
        case.opens(TABLET);
        case.makes_folder(PHONE, PHOTOS, ROOT, "photos");
        assert_eq!(case.violations()[0].site, "old-session");
    }

    #[test]
    fn who_never_had_a_session_changes_nothing() {
        let mut case = Case::served();
        case.patches(PHONE, &[Email]);
        assert_eq!(case.violations()[0].site, "no-session");
    }

    #[test]
    fn time_alone_takes_nothing_from_an_owner() {
        let mut case = Case::served();
        case.opens(PHONE);
        case.wait(90_000);
        case.patches(PHONE, &[Email]);
        case.opens(PHONE);
        case.patches(PHONE, &[Email]);
        case.ends().passes();
    }
}
