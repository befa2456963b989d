//! Accounts of the sync server by the laws that records have too: nothing acknowledged is lost
//! (INV-01), nothing is shown that nobody wrote, nor half of what somebody did (INV-02), a device
//! does not un-see (INV-23), what was refused has no effect (INV-30), and nothing is shown to
//! strangers (INV-31).
//!
//! An account shows every version of every field, so nothing ever has a reason to vanish from it.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{AccountField, DeviceId, Token, UserId};

use super::Invariant::{
    NoLostWrites, NoPhantomValues, OutcomesAreHonest, ReadsNeverGoBack, UsersAreIsolated,
};
use super::evidence::Evidence;
use super::evidence::server::{LogEffect, ServerRequest};
use super::findings::{About, Findings};
use super::writes::owner;
use crate::history::{Account, Answered, Fact, Said};
use crate::plan::Node;

type Cells = BTreeSet<(AccountField, Token)>;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    if evidence.context.server.is_none() {
        return;
    }
    let shown: Vec<Shown<'_>> = evidence.server.requests.iter().filter_map(Shown::by).collect();
    for account in &shown {
        shown_to_its_owner(evidence, findings, account);
        written_by_somebody(evidence, findings, account.at, account.request.user, &account.cells);
        as_written(evidence, findings, account);
    }
    logged_as_asked(evidence, findings);
    nothing_is_unseen(evidence, findings, &shown);
    refusals_have_no_effect(evidence, findings);
    nothing_is_lost(evidence, findings, &shown);
    strangers_are_refused(evidence, findings);
}

/// An account that was shown.
#[derive(Debug)]
struct Shown<'e> {
    request: &'e ServerRequest<'e>,
    at: usize,
    account: &'e Account,
    cells: Cells,
}

impl<'e> Shown<'e> {
    fn by(request: &'e ServerRequest<'e>) -> Option<Self> {
        let (at, account) = request.shown()?;
        let of = |(field, versions): &(AccountField, Vec<(Token, _)>)| {
            let field = *field;
            versions.iter().map(|version| (field, version.0)).collect::<Vec<_>>()
        };
        Some(Self { request, at, account, cells: account.iter().flat_map(of).collect() })
    }
}

fn shown_to_its_owner(evidence: &Evidence<'_>, findings: &mut Findings, shown: &Shown<'_>) {
    let stranger = |cell: &&(AccountField, Token)| owner(cell.1) != shown.request.user;
    if let Some(&(field, token)) = shown.cells.iter().find(stranger) {
        let message = format!("The {} of another user was shown.", field.name());
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

/// Every value is of a patch, which shows in all the fields that it set.
fn written_by_somebody(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    user: UserId,
    cells: &Cells,
) {
    for &(field, token) in cells.iter().filter(|cell| owner(cell.1) == user) {
        let about = About { record: None, token: Some(token) };
        let patch = evidence.server.patch(token).filter(|patch| {
            patch.asked < at && patch.fields().iter().any(|(set, _)| *set == field)
        });
        let Some(patch) = patch else {
            let message = format!("The account has a {} that nobody wrote.", field.name());
            let place = (NoPhantomValues, "account-never-written");
            findings.report(evidence, place, at, about, message, []);
            continue;
        };
        let mut fields = patch.fields().iter();
        if let Some((torn, _)) = fields.find(|(field, _)| !cells.contains(&(*field, token))) {
            let message = format!(
                "The account has the {} of a change, and not its {}.",
                field.name(),
                torn.name()
            );
            let place = (NoPhantomValues, "account-torn");
            findings.report(evidence, place, at, about, message, [patch.asked]);
        }
    }
}

fn as_written(evidence: &Evidence<'_>, findings: &mut Findings, shown: &Shown<'_>) {
    for (field, versions) in shown.account {
        for (token, value) in versions {
            let Some(patch) = evidence.server.patch(*token) else { continue };
            let wrote = patch.fields().iter().find(|(set, _)| set == field);
            if wrote.is_some_and(|(_, wrote)| wrote != value) {
                let message = format!("The {} was shown other than as written.", field.name());
                let about = About { record: None, token: Some(*token) };
                let place = (NoPhantomValues, "account-garbled");
                findings.report(evidence, place, shown.at, about, message, [patch.asked]);
            }
        }
    }
}

/// What a commit puts into an account is whole, and of somebody whose account it is.
fn logged_as_asked(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (user, space) in evidence.epochs.spaces() {
        for effect in &space.effects {
            let LogEffect::Account { at, made, .. } = effect else { continue };
            let cells: Cells = made.iter().copied().collect();
            written_by_somebody(evidence, findings, *at, *user, &cells);
            if let Some((field, token)) = made.iter().find(|cell| owner(cell.1) != *user) {
                let message = format!("A user set the {} of another.", field.name());
                let about = About { record: None, token: Some(*token) };
                let place = (UsersAreIsolated, "account-changed");
                findings.report(evidence, place, *at, about, message, []);
            }
        }
    }
}

/// What a device was shown or had acknowledged before it asked, it is shown again; until the disk
/// of another takes its place, or somebody signs out, or the volume is set back.
fn nothing_is_unseen(evidence: &Evidence<'_>, findings: &mut Findings, shown: &[Shown<'_>]) {
    let mut floors: BTreeMap<DeviceId, Vec<(usize, &ServerRequest<'_>, Cells)>> = BTreeMap::new();
    for request in &evidence.server.requests {
        let Some(at) = request.patched() else { continue };
        let Some(token) = request.token else { continue };
        let cells = request.fields().iter().map(|(field, _)| (*field, token)).collect();
        floors.entry(request.device).or_default().push((at, request, cells));
    }
    for account in shown {
        let request = account.request;
        floors.entry(request.device).or_default().push((
            account.at,
            request,
            account.cells.clone(),
        ));
    }
    for account in shown {
        let request = account.request;
        let since = evidence.disk(request.device).replaced_before(request.asked);
        let epoch = evidence.epochs.at(account.at).from;
        let earlier = floors.get(&request.device).map_or(&[][..], Vec::as_slice);
        let earlier = earlier
            .iter()
            .filter(|(at, by, _)| by.asked >= epoch && (since..request.asked).contains(at));
        for (at, by, cells) in earlier {
            if let Some(&(field, token)) = cells.difference(&account.cells).next() {
                let message =
                    format!("The account no longer shows a {} that it showed.", field.name());
                let about = About { record: None, token: Some(token) };
                let place = (ReadsNeverGoBack, "account-unseen");
                findings.report(evidence, place, account.at, about, message, [by.asked, *at]);
                break;
            }
        }
    }
}

fn refusals_have_no_effect(evidence: &Evidence<'_>, findings: &mut Findings) {
    for request in &evidence.server.requests {
        let Some((at, Answered::Refused(_))) = request.answer else { continue };
        if let Some(made) = evidence.epochs.places(request).next() {
            let message = "A change of the account was refused and made.".into();
            let about = About { record: None, token: request.token };
            let place = (OutcomesAreHonest, "refused-and-made");
            let with = [request.asked, at, made.at];
            findings.report(evidence, place, at.max(made.at), about, message, with);
        }
    }
}

/// Every change that was acknowledged, or is in the log, is in what everybody is shown at the end;
/// where nobody looks any more, it is in the log.
fn nothing_is_lost(evidence: &Evidence<'_>, findings: &mut Findings, shown: &[Shown<'_>]) {
    let Some(settled) = evidence.settled else { return };
    for patch in &evidence.server.requests {
        let Some(token) = patch.token else { continue };
        let made = evidence.epochs.places(patch).next();
        if patch.patched().is_none() && made.is_none() {
            continue;
        }
        // Nobody but the volume holds what has been acknowledged.
        let end = evidence.history.len();
        let lost = evidence.epochs.lost(end, |epoch| !epoch.places(patch).is_empty());
        if lost.is_some_and(|lost| patch.asked < lost) {
            continue;
        }
        let space = evidence.epochs.last().spaces.get(&patch.user);
        let mut last = shown
            .iter()
            .filter(|shown| shown.request.last && shown.request.user == patch.user)
            .peekable();
        let lost = patch.fields().iter().map(|(field, _)| *field).find_map(|field| {
            let kept = || space.is_some_and(|space| space.holds(field, token));
            if last.peek().is_none() {
                return (!kept()).then_some((field, settled));
            }
            let mut lacking = last.clone().filter(|it| !it.cells.contains(&(field, token)));
            lacking.next().map(|shown| (field, shown.at))
        });
        if let Some((field, at)) = lost {
            let message = format!("A change of {} is lost.", field.name());
            let about = About { record: None, token: Some(token) };
            let with = [Some(patch.asked), patch.patched(), made.map(|made| made.at)];
            let with = with.into_iter().flatten();
            findings.report(evidence, (NoLostWrites, "account-lost"), at, about, message, with);
        }
    }
}

/// Whoever asks for what is not their own is told nothing.
fn strangers_are_refused(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (at, entry) in evidence.history.iter().enumerate() {
        if let Fact::Sent { to: Node::Intruder, server: Some(said), letter, .. } = &entry.fact
            && let Said::Answers { refused: None, .. } = **said
        {
            let mut asks = evidence.server.requests_of(Node::Intruder, *letter, at);
            if asks.any(|ask| ask.by == Some(ask.space) && ask.about == ask.space) {
                continue;
            }
            let message = "A worker did as somebody from outside asked.".into();
            let place = (UsersAreIsolated, "served-an-intruder");
            findings.report(evidence, place, at, About::default(), message, []);
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::device::Reason;
    use engine::id::AccountField::{Email, Phone};
    use engine::id::UserId;
    use engine::record::Value;

    use super::super::Invariant;
    use super::super::case::{Case, LAPTOP, PHONE, TABLET};
    use crate::history::{Answered, Said};
    use crate::plan::{Node, WorkerId};

    #[track_caller]
    fn rejects(case: &Case, invariant: Invariant, site: &str) {
        let violations = case.violations();
        let found = violations.iter().any(|it| it.invariant == invariant && it.site == site);
        assert!(found, "{violations:#?}");
    }

    fn patched() -> Case {
        let mut case = Case::served();
        case.opens(PHONE);
        case.patches(PHONE, &[Email, Phone]);
        case
    }

    #[test]
    fn a_change_that_was_acknowledged_is_not_written_over() {
        let mut case = patched();
        case.patches(PHONE, &[Email]);
        case.sets_back(UserId(0), Email, 1);
        rejects(&case.ends(), Invariant::NoLostWrites, "account-lost");
    }

    #[test]
    fn where_nobody_looks_any_more_the_log_tells_what_is_kept() {
        let mut case = patched();
        case.patches(PHONE, &[Email]);
        case.is_lost(PHONE);
        case.is_lost(TABLET);
        case.ends().passes();
    }

    #[test]
    fn an_account_shows_what_somebody_wrote_as_it_was_written_and_whole() {
        let mut case = patched();
        let account = case.account(TABLET);

        let mut garbled = account.clone();
        garbled[0].1[0].1 = Value::Text("other words".into());
        case.shows_account(TABLET, garbled, false);
        rejects(&case, Invariant::NoPhantomValues, "account-garbled");

        let mut torn = account.clone();
        torn.pop();
        case.shows_account(TABLET, torn, false);
        rejects(&case, Invariant::NoPhantomValues, "account-torn");

        let mut invented = account;
        invented[0].1[0].0.0[15] ^= 0xff;
        case.shows_account(TABLET, invented, false);
        rejects(&case, Invariant::NoPhantomValues, "account-never-written");
    }

    #[test]
    fn a_device_does_not_un_see_a_field() {
        let mut case = Case::served();
        case.opens(PHONE);
        let before = case.account(PHONE);
        case.patches(PHONE, &[Email]);
        case.shows_account(PHONE, before, false);
        rejects(&case, Invariant::ReadsNeverGoBack, "account-unseen");
    }

    #[test]
    fn a_change_that_was_refused_is_never_made() {
        let mut case = Case::served();
        case.opens(PHONE);
        let (op, token) = case.asks_to_patch(PHONE, &[Email]);
        case.answers(PHONE, op, Answered::Refused(Reason::Internal));
        case.commits_patch(PHONE, token, &[Email]);
        rejects(&case, Invariant::OutcomesAreHonest, "refused-and-made");
        rejects(&case, Invariant::RefusalsHaveReasons, "refused");
    }

    #[test]
    fn an_account_is_its_owners_alone() {
        let mut case = patched();
        let account = case.account(PHONE);
        case.shows_account(LAPTOP, account, false);
        rejects(&case, Invariant::UsersAreIsolated, "account-shown");

        let mut case = patched();
        let letter = case.sends_request(PHONE);
        let worker = Node::Worker(WorkerId(0));
        let served = Said::Answers { seq: 1, refused: None };
        case.sends_letter(worker, Node::Intruder, letter, served);
        rejects(&case, Invariant::UsersAreIsolated, "served-an-intruder");
    }
}
