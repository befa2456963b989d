//! INV-30 `outcomes-are-honest`, about the form of answers: an answer fits its question and comes
//! once; and a save that was done in part says of each row how it went, and is believed.
//!
//! A row that a save does not name as refused is stored. A row that was refused is not recorded from
//! that answer, unless the answer brought along what the remote holds instead.

use std::collections::BTreeMap;

use engine::id::{DeviceId, RecordId, Remote};
use engine::remote::CallId;

use crate::history::{Answered, BlobId, Change, Fact, Refused};
use crate::invariant::Invariant::OutcomesAreHonest;
use crate::invariant::evidence::answers::fits;
use crate::invariant::evidence::cell_set::Set;
use crate::invariant::evidence::{Evidence, ObservedOperation};
use crate::invariant::findings::{About, Findings};
use crate::plan::{MessageKind, Node};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let refused = vec![None; evidence.context.devices.len()];
    let mut saves = Saves { refused, ..Saves::default() };
    for (at, entry) in evidence.history.iter().enumerate() {
        match (&entry.fact, entry.node) {
            (Fact::Committed { blob, .. }, _) => {
                saves.stored.insert(blob.0);
            }
            (Fact::Answered(op, answer), Node::Device(device)) => {
                let question = evidence.operations.named(device, *op).filter(|it| it.asked < at);
                is_an_answer(evidence, findings, at, question, answer);
            }
            (Fact::Started { .. }, Node::Device(device)) => saves.forget(device),
            (
                Fact::Sent { to: Node::Remote(remote), message_id, rows, .. },
                Node::Device(device),
            ) if message_id.message_kind == MessageKind::Push && !message_id.answer => {
                saves.sent.insert((device, *remote, message_id.call), (at, rows));
            }
            (
                Fact::Delivered { from: Node::Remote(remote), message_id, refused, rows_refused },
                Node::Device(device),
            ) => {
                saves.refused[usize::from(device.0)] = None;
                if message_id.message_kind == MessageKind::Push
                    && message_id.answer
                    && refused.is_none()
                {
                    let save = (device, *remote, message_id.call);
                    saves.answered(evidence, findings, at, save, rows_refused);
                }
            }
            (Fact::Persisted { changes, .. }, Node::Device(device)) => {
                if let Some(refused) = saves.refused[usize::from(device.0)].take() {
                    refused.is_believed(evidence, findings, (at, device), changes);
                }
            }
            _ => {}
        }
    }
}

fn is_an_answer(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    at: usize,
    question: Option<&ObservedOperation>,
    answer: &Answered,
) {
    let (site, message, with) = match question {
        None => {
            let message =
                format!("{} answered a request that no host had sent.", evidence.host_at(at));
            ("never-asked", message, None)
        }
        Some(question @ ObservedOperation { answered: Some(first), .. }) if *first < at => {
            let message = format!(
                "{} answered {} a second time; the first answer was at {}.",
                evidence.host_at(at),
                evidence.operation_name(question),
                evidence.time(*first)
            );
            ("answered-twice", message, Some(*first))
        }
        Some(question) => {
            let asked = evidence.history[question.asked].fact.asked();
            if asked.is_some_and(|(_, asked)| fits(asked, answer)) {
                return;
            }
            let message = format!(
                "{} answered {} with an answer to another kind of request.",
                evidence.host_at(at),
                evidence.operation_name(question)
            );
            ("answers-another-question", message, Some(question.asked))
        }
    };
    let place = (OutcomesAreHonest, site);
    findings.report(evidence, place, at, About::default(), message, with);
}

type SavedRows<'e> = (usize, &'e [(RecordId, BlobId)]);

/// The saves under way.
#[derive(Debug, Default)]
struct Saves<'e> {
    /// The blobs that any remote has stored.
    stored: Set,
    sent: BTreeMap<(DeviceId, Remote, CallId), SavedRows<'e>>,
    /// What the answer that each device handled last had refused, until it commits.
    refused: Vec<Option<RefusedRows<'e>>>,
}

/// The rows that an answer refused.
#[derive(Clone, Copy, Debug)]
struct RefusedRows<'e> {
    at: usize,
    remote: Remote,
    rows: &'e [(RecordId, Refused)],
}

impl<'e> Saves<'e> {
    /// A new incarnation counts its requests from the start.
    fn forget(&mut self, device: DeviceId) {
        self.sent.retain(|save, _| save.0 != device);
        self.refused[usize::from(device.0)] = None;
    }

    /// A late or second answer tells the same, and is none to the device.
    fn answered(
        &mut self,
        evidence: &Evidence<'_>,
        findings: &mut Findings,
        at: usize,
        save: (DeviceId, Remote, CallId),
        refused: &'e [(RecordId, Refused)],
    ) {
        let Some((sent, rows)) = self.sent.remove(&save) else { return };
        let named = |id: RecordId| refused.iter().any(|(refused, _)| *refused == id);
        for (id, blob) in rows {
            if !named(*id) && !self.stored.has(blob.0) {
                let message = format!(
                    "{} did not refuse {id} in its answer to a save of {}, but does not store it.",
                    evidence.remote_name(save.1),
                    evidence.device_name(save.0)
                );
                let place = (OutcomesAreHonest, "saved-and-not-stored");
                findings.report(evidence, place, at, About::record(*id), message, [sent]);
            }
        }
        if let Some((id, _)) =
            refused.iter().find(|(id, _)| !rows.iter().any(|(sent, _)| sent == id))
        {
            let message = format!(
                "{} refused {id} in its answer to a save of {}, which had not sent it.",
                evidence.remote_name(save.1),
                evidence.device_name(save.0)
            );
            let place = (OutcomesAreHonest, "refused-and-not-sent");
            findings.report(evidence, place, at, About::record(*id), message, [sent]);
        }
        let refused = RefusedRows { at, remote: save.1, rows: refused };
        self.refused[usize::from(save.0.0)] = Some(refused);
    }
}

impl RefusedRows<'_> {
    fn is_believed(
        &self,
        evidence: &Evidence<'_>,
        findings: &mut Findings,
        (at, device): (usize, DeviceId),
        changes: &[Change],
    ) {
        if evidence.time(at) != evidence.time(self.at) {
            return;
        }
        for change in changes {
            let Change::Mirror(remote, id, Some((tag, contents))) = change else { continue };
            let refused = |(row, why): &(RecordId, Refused)| row == id && *why != Refused::Changed;
            // A key may arrive in the same turn: then the device learns what it had kept sealed.
            let vault = evidence.vault(device);
            let stored = evidence.remotes[remote.index()].tagged(vault, *id, *tag);
            let is_stored = stored.is_some_and(|row| row.contents == *contents);
            if *remote == self.remote && self.rows.iter().any(refused) && !is_stored {
                let message = format!(
                    "{} recorded {id} as held by {}, which had refused it at {}.",
                    evidence.host_at(at),
                    evidence.remote_name(self.remote),
                    evidence.time(self.at)
                );
                let place = (OutcomesAreHonest, "refused-and-booked");
                findings.report(evidence, place, at, About::record(*id), message, [self.at]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::id::Remote;

    use crate::history::{Answered, Asked, Change, Refused};
    use crate::invariant::case::{Case, KCAL, MEAL, PHOTO};

    fn sites(case: &Case) -> Vec<&'static str> {
        case.violations().iter().map(|violation| violation.site).collect()
    }

    #[test]
    fn an_answer_fits_its_question() {
        let mut case = Case::new();
        let op = case.phone().asks(Asked::List);
        case.phone().answers(op, Answered::Syncing);
        assert_eq!(sites(&case), ["answers-another-question"]);
    }

    #[test]
    fn an_answer_comes_once() {
        let mut case = Case::new();
        let op = case.phone().asks(Asked::Sync);
        case.phone().answers(op, Answered::Syncing);
        case.phone().answers(op, Answered::Syncing);
        assert_eq!(sites(&case), ["answered-twice"]);
    }

    /// The phone wrote twice; of the second save the zone says this.
    fn second_save(refused: &[Refused]) -> (Case, Change) {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        case.phone().pushes(MEAL);
        let mirrored = case.phone().at(Remote::Zone).mirrors(MEAL);
        case.phone().edits(MEAL, &[PHOTO]);
        let message_id = case.phone().at(Remote::Zone).sends_save(MEAL);
        case.phone().at(Remote::Zone).answers_save(message_id, MEAL, refused);
        (case, mirrored)
    }

    #[test]
    fn a_row_that_was_refused_is_not_booked() {
        let (mut case, mirrored) = second_save(&[Refused::Rejected]);
        let Change::Mirror(remote, id, Some((tag, _))) = mirrored else { panic!("it is stored") };
        let Change::Record(_, sent) = case.phone().record(MEAL) else { panic!("it was edited") };
        case.phone().persists(vec![Change::Mirror(remote, id, Some((tag, sent)))]);
        assert!(sites(&case).contains(&"refused-and-booked"));
    }

    #[test]
    fn what_the_remote_stores_is_booked_also_after_a_refusal() {
        let (mut case, mirrored) = second_save(&[Refused::Rejected]);
        case.phone().persists(vec![mirrored]);
        case.passes();
    }

    #[test]
    fn a_row_that_had_changed_is_booked_as_the_remote_has_it() {
        let (mut case, mirrored) = second_save(&[Refused::Changed]);
        case.phone().persists(vec![mirrored]);
        case.passes();
    }

    #[test]
    fn a_save_in_part_names_each_row_that_it_left_out() {
        let (case, _) = second_save(&[]);
        assert_eq!(sites(&case), ["saved-and-not-stored"]);
    }
}
