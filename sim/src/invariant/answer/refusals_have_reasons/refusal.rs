//! INV-32 `refusals-have-reasons`: an operation that does not end well has a fault on its path, or
//! is wrong by the rules.
//!
//! Wrong by the rules are: a field that does not exist or does not hold such a value; a sign-out
//! while a remote lacks something; anything but a sign-in where no user is signed in. An operation
//! before the gate of a login opens waits for it. Whether an answer came in time, and whether one that was
//! never given was due before its device died, is judged in `late_answer`.

use engine::device::Reason;
use engine::id::{AccountField, Build, DeviceId, FieldId, RecordId, Remote};
use engine::record::Value;
use engine::remote::Tag;
use engine::schema::{self, Holds};
use engine::seal::OpenError;

use crate::history::{Answered, Asked, Contents, WriteKind};
use crate::invariant::Invariant::RefusalsHaveReasons;
use crate::invariant::evidence::keys::{has_a_key, may_lack};
use crate::invariant::evidence::{Evidence, ObservedOperation, file_refusals};
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::reason_name;
use crate::plan::{Errand, Node, ProcessorCommand};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for op in evidence.operations.iter() {
        let Some((_, asked)) = evidence.history[op.asked].fact.asked() else { continue };
        let answer = op.answered.map(|at| (at, evidence.history[at].fact.answered()));
        let (at, site, what) = match answer {
            Some((at, Some((_, Answered::Refused(reason))))) => {
                if is_right(evidence, op, at, asked, *reason) {
                    continue;
                }
                (at, "refused", format!("was refused without a reason: {}", reason_name(*reason)))
            }
            Some(_) => continue,
            None => {
                if !evidence.has_settled() || op.over(evidence).is_some() {
                    continue;
                }
                (op.asked, "unanswered", "was never answered, with no fault in its way".to_owned())
            }
        };
        let record = asked.record();
        let message = format!(
            "{}: {} {what}.",
            evidence.device_name(op.device),
            evidence.request_name(asked)
        );
        let about = About { record, token: None };
        findings.report(evidence, (RefusalsHaveReasons, site), at, about, message, [op.asked]);
    }
}

fn is_right(
    evidence: &Evidence<'_>,
    op: &ObservedOperation,
    at: usize,
    asked: &Asked,
    reason: Reason,
) -> bool {
    match (reason, asked) {
        (Reason::WrongField, Asked::Write { id, set, kind, .. }) => {
            !fits(*id, set, *kind)
                || has_new_field(*id, set) && evidence.ran_previous_build(op.device, op.asked, at)
        }
        (Reason::WrongField, Asked::Errand { errand: Errand::Patch(fields), .. }) => {
            !is_patch(fields)
        }
        (Reason::Unsent(_), Asked::SignOut) => {
            has_unsent(evidence, op.device, at) || has_errands(evidence, op.device, at)
        }
        (Reason::SignedOut, _) => evidence.sign_ins.may_be_out(op.device, op.asked, at),
        // Which dates can be told is judged with dates.
        (Reason::Date(_), Asked::Work { command: ProcessorCommand::Ingest(_), .. }) => true,
        (Reason::Keyless, Asked::Work { .. }) => !has_a_key(evidence, op.device, at),
        (Reason::Sealed(OpenError::NoKey(key)), Asked::Work { .. }) => {
            may_lack(evidence, op.device, key.generation, at)
        }
        (Reason::NoServer, Asked::Work { .. }) => evidence.context.server.is_none(),
        (_, Asked::File { ask, .. }) => file_refusals::is_right(evidence, op, at, ask, reason),
        (Reason::NoServer, Asked::Errand { .. }) => evidence.context.server.is_none(),
        (
            Reason::WrongField
            | Reason::Unsent(_)
            | Reason::NoServer
            | Reason::Internal
            | Reason::File(_)
            | Reason::BadName(_)
            | Reason::Date(_)
            | Reason::Sealed(_)
            | Reason::Keyless,
            _,
        ) => false,
    }
}

fn fits(id: RecordId, set: &[(FieldId, Value)], kind: WriteKind) -> bool {
    kind == WriteKind::Delete
        || !set.is_empty()
            && set.iter().all(|(field, value)| {
                schema::field_of(id.kind, *field).is_some_and(|field| {
                    if kind == WriteKind::Increment {
                        return field.holds == Holds::Count;
                    }
                    matches!(
                        (field.holds, value),
                        (Holds::Int | Holds::Count, Value::Int(_))
                            | (Holds::Text, Value::Text(_))
                            | (Holds::Set, Value::Set(_))
                            | (Holds::Draft, Value::Draft { .. } | Value::Text(_))
                    )
                })
            })
}

/// Does it set a field that the previous build lacks?
fn has_new_field(id: RecordId, set: &[(FieldId, Value)]) -> bool {
    set.iter().any(|(field, _)| Build::Previous.field_of(id.kind, *field).is_none())
}

/// Does it set one field at least, each once, to a text?
fn is_patch(fields: &[(AccountField, Value)]) -> bool {
    let named = |field: AccountField| fields.iter().filter(|(set, _)| *set == field).count();
    !fields.is_empty()
        && fields.iter().all(|(field, value)| matches!(value, Value::Text(_)) && named(*field) == 1)
}

/// Does the sync server still owe the device an answer?
fn has_errands(evidence: &Evidence<'_>, device: DeviceId, at: usize) -> bool {
    let waits = |own: DeviceId, asked: usize, answered: Option<usize>| {
        own == device && asked < at && answered.is_none_or(|answered| answered > at)
    };
    let server = &evidence.server;
    server.requests.iter().any(|it| waits(it.device, it.asked, it.answer.map(|it| it.0)))
        || server
            .file_operations
            .iter()
            .any(|it| waits(it.device, it.asked, it.answer.map(|it| it.0)))
        || evidence.work.operations.iter().any(|it| {
            let Node::Device(own) = it.node else { return false };
            waits(own, it.asked, it.answer.map(|it| it.0))
        })
}

/// Does the device hold anything that it has not recorded as held by every remote, a row that a remote
/// has lost and that it cannot open, or a write of a file that the feed has not shown yet? Whether
/// that was durable does not matter: a sign-out is refused for what the device knows then, and a power
/// cut may take back what it had only just learned.
fn has_unsent(evidence: &Evidence<'_>, device: DeviceId, at: usize) -> bool {
    let held = evidence.in_memory(device, at);
    let is_mirrored = |remote: Remote, id: RecordId, local: &Contents| {
        held.mirrors.get(&(remote, id)).is_some_and(|mirrored| **mirrored == *local)
    };
    let remotes = &evidence.context.remotes;
    held.records.iter().any(|(id, local)| !remotes.iter().all(|it| is_mirrored(*it, *id, local)))
        || held.sealed.values().any(|tag| *tag == Tag(0))
        || !held.uploads.is_empty()
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::device::Reason;
    use engine::id::{Dot, FieldId, NodeId, Remote, ReplicaId, Token};
    use engine::remote::Tag;

    use crate::history::{Answered, Asked, BlobId, Change};
    use crate::invariant::case::{Case, GOALS, KCAL, MEAL};

    /// A right write is refused as wrong.
    pub(crate) fn broken() -> Case {
        let mut case = Case::new();
        let (op, _) = case.phone().asks_to_write(MEAL, &[KCAL], Vec::new());
        case.phone().answers(op, Answered::Refused(Reason::WrongField));
        case.ends()
    }

    #[test]
    fn a_right_write_is_not_refused() {
        assert_eq!(broken().violations()[0].site, "refused");
    }

    #[test]
    fn a_request_in_quiet_times_is_answered() {
        let mut case = Case::new();
        case.phone().asks(Asked::Status);
        assert_eq!(case.ends().violations()[0].site, "unanswered");
    }

    #[test]
    fn a_sign_out_is_not_refused_once_all_is_sent() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        let op = case.phone().asks(Asked::SignOut);
        case.phone().answers(op, Answered::Refused(Reason::Unsent(1)));
        assert_eq!(case.violations()[0].site, "refused");
    }

    /// The phone has sent its meal to both remotes and asks to sign out. A commit that changes what it
    /// has recorded is handed to the disk before the phone refuses, or not.
    fn refused_after(changes: &[Change]) -> Case {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        if !changes.is_empty() {
            case.phone().hands_over(changes.to_vec());
        }
        refuses_to_sign_out(&mut case);
        case
    }

    fn refuses_to_sign_out(case: &mut Case) {
        let op = case.phone().asks(Asked::SignOut);
        case.phone().answers(op, Answered::Refused(Reason::Unsent(1)));
    }

    #[test]
    fn a_sign_out_may_be_refused_for_what_a_power_cut_then_takes_back() {
        // The listing hides the meal, and the phone takes Supabase to lack it.
        let mut case = refused_after(&[Change::Mirror(Remote::Rows, MEAL, None)]);
        case.phone().crashes(3);
        case.passes();
        // After the crash the phone has the meal recorded on both remotes again.
        refuses_to_sign_out(&mut case);
        assert_eq!(case.violations()[0].site, "refused");
        // An own write of a file.
        let dot = Dot { replica: ReplicaId(1), n: 1 };
        let upload = Change::Upload(dot, Some((Token([b'#'; 16]), NodeId(7))));
        let mut case = refused_after(&[upload]);
        case.phone().crashes(3);
        case.passes();
    }

    #[test]
    fn a_sign_out_is_not_refused_for_what_only_the_disk_still_lacks() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        for remote in Remote::ALL {
            case.phone().at(remote).saves(MEAL);
            let mirrored = case.phone().at(remote).mirrors(MEAL);
            case.phone().hands_over(vec![mirrored]);
        }
        refuses_to_sign_out(&mut case);
        // The disk never has the two bookings.
        case.phone().crashes(1);
        assert_eq!(case.violations()[0].site, "refused");
    }

    #[test]
    fn a_sealed_row_keeps_a_device_signed_in_only_once_its_remote_has_lost_it() {
        let row = |tag| Change::Sealed(Remote::Rows, GOALS, Some((tag, BlobId(0))));
        refused_after(&[row(Tag(0))]).passes();
        assert_eq!(refused_after(&[row(Tag(7))]).violations()[0].site, "refused");
    }

    #[test]
    fn a_signed_in_device_does_not_call_itself_signed_out() {
        let mut case = Case::new();
        let op = case.phone().asks(Asked::List);
        case.phone().answers(op, Answered::Refused(Reason::SignedOut));
        assert_eq!(case.violations()[0].site, "refused");
    }

    #[test]
    fn a_wrong_write_is_refused_and_a_dead_device_says_nothing() {
        let mut case = Case::new();
        let (op, _) = case.phone().asks_to_write(MEAL, &[FieldId(77)], Vec::new());
        case.phone().answers(op, Answered::Refused(Reason::WrongField));
        case.phone().asks(Asked::Status);
        case.phone().crashes(0);
        case.phone().signs_out();
        let op = case.phone().asks(Asked::List);
        case.phone().answers(op, Answered::Refused(Reason::SignedOut));
        case.ends().passes();
    }
}
