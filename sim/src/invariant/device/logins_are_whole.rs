//! INV-33 `logins-are-whole`: from a login until its gate opens nothing of the vault is shown. When
//! it opens, what was at both remotes' heads at the login is merged or kept sealed, or the view
//! says *partial*, and becomes whole.

use std::collections::BTreeMap;

use engine::id::{DeviceId, VaultId};

use crate::history::{Answered, Boot, Fact, Fault};
use crate::invariant::Invariant::LoginsAreWhole;
use crate::invariant::evidence::causes::was_beyond_cure;
use crate::invariant::evidence::sign_ins::{SignInState, SignIns};
use crate::invariant::evidence::{Evidence, Held, Observation, RemoteRow};
use crate::invariant::findings::{About, Findings};
use crate::plan::Node;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let sign_ins = &evidence.sign_ins;
    // The login whose wholeness is still to be seen, by device.
    let mut unproven: BTreeMap<DeviceId, usize> = BTreeMap::new();
    let mut observations = evidence.observations.iter().peekable();
    for &(at, entry) in &evidence.off_wire {
        let Node::Device(device) = entry.node else { continue };
        if let Some((_, Answered::SignedIn { partial })) = entry.fact.answered()
            && let Some(SignInState::SigningIn(asked)) = before(sign_ins, device, at)
        {
            unproven.insert(device, asked);
            if !partial {
                unproven.remove(&device);
                is_whole(evidence, findings, at, device, asked);
            }
        }
        let replaced = matches!(&entry.fact, Fact::Started { boot, .. } if *boot != Boot::Restart);
        if replaced || matches!(entry.fact.answered(), Some((_, Answered::SignedOut))) {
            unproven.remove(&device);
        }
        let Some(observation) = observations.next_if(|observation| observation.at == at) else {
            continue;
        };
        match sign_ins.at(device, at) {
            SignInState::SigningIn(asked) if has_content(observation) => {
                let message = format!(
                    "{} showed {} before the login that was asked for at {} had opened its gate.",
                    evidence.device_name(device),
                    observation.shown.id,
                    evidence.time(asked)
                );
                let place = (LoginsAreWhole, "shown-before-the-gate");
                let about = About::record(observation.shown.id);
                findings.report(evidence, place, at, about, message, [asked]);
            }
            SignInState::Resuming(asked) => {
                unproven.entry(device).or_insert(asked);
            }
            SignInState::Out
            | SignInState::SigningIn(_)
            | SignInState::Unclear
            | SignInState::In
            | SignInState::SigningOut => {}
        }
        if !observation.shown.partial
            && let Some(asked) = unproven.remove(&device)
        {
            is_whole(evidence, findings, at, device, asked);
        }
        if observation.last && observation.shown.partial && evidence.is_core(device) {
            let message = format!(
                "{} still shows {} as partial at the end.",
                evidence.device_name(device),
                observation.shown.id
            );
            let place = (LoginsAreWhole, "partial-at-the-end");
            findings.report(evidence, place, at, About::record(observation.shown.id), message, []);
        }
    }
}

/// How a device stood right before a moment.
fn before(sign_ins: &SignIns, device: DeviceId, at: usize) -> Option<SignInState> {
    at.checked_sub(1).map(|before| sign_ins.at(device, before))
}

fn has_content(observation: &Observation) -> bool {
    observation.shown.sealed || !observation.shown.fields.is_empty()
}

/// Every row that was there when a user asked to sign in, and was visible all along, is joined
/// or sealed.
fn is_whole(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    device: DeviceId,
    asked: usize,
) {
    let vault = evidence.vault(device);
    for &remote in &evidence.context.remotes {
        let stored = evidence.stored_on(remote);
        for ((_, id), _) in stored.rows.sorted().filter(|(row, _)| row.0 == vault) {
            let Some(version) =
                stored.row(vault, id, asked).filter(|_| stored.stood(vault, id, asked, at))
            else {
                continue;
            };
            let hides = |fault: &Fault| {
                matches!(fault, Fault::HideRow(it)
                    if (VaultId::from(it.user), it.row) == (vault, id))
            };
            let mut faults = evidence.faults.iter();
            let row = RemoteRow { remote, vault, id, version };
            if evidence.holds(device, &row, at) == Held::Yes
                // What a device believes of a remote may not be durable yet; what it shows is.
                || evidence.joined(device, &row, at) == Held::Yes
                || faults.any(|fault| hides(&fault.kind) && fault.overlaps(asked, at))
                || was_beyond_cure(evidence, (remote, vault, id), at)
            {
                continue;
            }
            let message = format!(
                "{}: the login that was asked for at {} opened its gate without {id}, which {} held then.",
                evidence.device_name(device),
                evidence.time(asked),
                evidence.remote_name(remote)
            );
            let token = version.contents.as_ref().and_then(|contents| contents.cells.first());
            let about = About { record: Some(id), token: token.map(|cell| cell.1) };
            let place = (LoginsAreWhole, "opened-without-a-row");
            findings.report(evidence, place, at, about, message, [version.at, asked]);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::Remote;

    use crate::history::{Answered, Asked};
    use crate::invariant::case::{Case, KCAL, MEAL, PHOTO};

    /// The tablet opens its gate with one of two remotes merged, and gets the other afterwards.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        case.tablet().signs_out();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().at(Remote::Rows).pushes(MEAL);
        let op = case.tablet().asks(Asked::SignIn);
        case.tablet().at(Remote::Zone).pulls();
        case.tablet().answers(op, Answered::SignedIn { partial: false });
        case.phone().at(Remote::Zone).pushes(MEAL);
        case.tablet().pulls();
        case.ends()
    }

    #[test]
    fn a_gate_does_not_open_on_one_remote() {
        assert_eq!(broken().violations()[0].site, "opened-without-a-row");
    }

    #[test]
    fn nothing_is_shown_before_the_gate_opens() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        case.tablet().asks(Asked::SignIn);
        case.tablet().pulls();
        case.tablet().reads(MEAL);
        assert_eq!(case.violations()[0].site, "shown-before-the-gate");
    }

    #[test]
    fn a_login_that_says_partial_may_open_and_becomes_whole() {
        let mut case = Case::new();
        case.tablet().signs_out();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        let op = case.tablet().asks(Asked::SignIn);
        case.tablet().at(Remote::Zone).pulls();
        case.tablet().answers(op, Answered::SignedIn { partial: true });
        let mut partial = case.tablet().shown(MEAL);
        partial.partial = true;
        case.tablet().shows(partial.into(), false);
        case.tablet().at(Remote::Rows).pulls();
        case.ends().passes();
    }

    #[test]
    fn a_login_need_not_bring_what_a_remote_lost_meanwhile() {
        for is_set_back in [true, false] {
            let mut case = Case::new();
            case.tablet().signs_out();
            case.phone().edits(MEAL, &[KCAL]);
            case.phone().pushes(MEAL);
            let backup = case.phone().at(Remote::Zone).stored(MEAL);
            case.phone().edits(MEAL, &[PHOTO]);
            case.phone().at(Remote::Zone).pushes(MEAL);
            let op = case.tablet().asks(Asked::SignIn);
            if is_set_back {
                case.tablet().at(Remote::Zone).is_set_back(MEAL, Some(backup));
            }
            case.tablet().at(Remote::Rows).pulls();
            case.tablet().answers(op, Answered::SignedIn { partial: false });
            let violations = case.violations();
            let without = |site| violations.iter().any(|violation| violation.site == site);
            assert_eq!(without("opened-without-a-row"), !is_set_back);
        }
    }
}
