//! Looks: what hosts answered when they were asked for what is expected, and what remotes held at those moments.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{DeviceId, OpId, RecordId, Remote, VaultId};
use harness::time::Time;

use super::sight::{Instead, Names, Sight};
use crate::history::file::Print;
use crate::history::{Answered, Done, Fact, FileDone, Skip, Worked};
use crate::invariant::evidence::{Evidence, FoundRow, Observation};
use crate::invariant::wording::{order_refusal, reason_name};
use crate::plan::expectation::Subject;
use crate::plan::{Expectation, Node, StepId};

/// A row of a remote at a moment.
type RowAt = (Time, Remote, VaultId, RecordId);

/// What came of looking for what is expected.
pub(super) struct Looks<'e, 'a> {
    evidence: &'e Evidence<'a>,
    asked: BTreeSet<(Node, OpId)>,
    answers: BTreeMap<(Node, OpId), (usize, &'a Answered)>,
    skipped: BTreeMap<(Node, StepId), Skip>,
    rows: BTreeMap<RowAt, FoundRow<'a>>,
    /// What the last list of each device names.
    listed: BTreeMap<DeviceId, (usize, &'a [RecordId])>,
}

impl<'e, 'a> Looks<'e, 'a> {
    /// Gathers them from a history.
    pub(super) fn of(evidence: &'e Evidence<'a>) -> Self {
        let mut looks = Self {
            evidence,
            asked: BTreeSet::new(),
            answers: BTreeMap::new(),
            skipped: BTreeMap::new(),
            rows: BTreeMap::new(),
            listed: BTreeMap::new(),
        };
        for &(at, entry) in &evidence.off_wire {
            let node = entry.node;
            if let Some((op, _)) = entry.fact.asked() {
                if StepId::of(op).is_look() {
                    looks.asked.insert((node, op));
                }
            } else if let Fact::Answered(op, answered) = &entry.fact {
                looks.take_answer((node, *op), at, answered);
            } else if let Fact::Skipped(step, why) = &entry.fact {
                looks.skipped.insert((node, *step), *why);
            } else if let (Fact::Looked { vault, id, contents, values }, Some(remote)) =
                (&entry.fact, node.remote())
            {
                let row = FoundRow { at, contents: contents.as_deref(), values };
                looks.rows.insert((entry.at, remote, *vault, *id), row);
            }
        }
        looks
    }

    fn take_answer(&mut self, (node, op): (Node, OpId), at: usize, answered: &'a Answered) {
        if StepId::of(op).is_look() {
            self.answers.insert((node, op), (at, answered));
        }
        if let (Some(device), Answered::Listed(ids)) = (node.device(), answered) {
            self.listed.insert(device, (at, ids));
        }
    }

    /// What a host shows of what is expected.
    pub(super) fn sight(&self, it: &Expectation, node: Node) -> Sight {
        match (&it.subject, node) {
            (Subject::Record(id) | Subject::Field(id, _), Node::Remote(remote)) => {
                let (key, vault) = (*id, it.user.into());
                let row = match it.at {
                    Some(at) => self.rows.get(&(at, remote, vault, key)),
                    None => self.evidence.found(remote).get(&(vault, key)),
                };
                self.names().row(&it.subject, row)
            }
            (Subject::Record(id) | Subject::Field(id, _), Node::Device(device))
                if it.at.is_none() =>
            {
                self.last_read(&it.subject, device, *id)
            }
            (
                Subject::Record(_)
                | Subject::Field(..)
                | Subject::File(_)
                | Subject::Folder(_)
                | Subject::Account(_)
                | Subject::Conversation(_)
                | Subject::Session,
                _,
            ) => self.answered(it, node),
        }
    }

    /// The last read of a record. What the last list does not name is not there.
    fn last_read(&self, subject: &Subject, device: DeviceId, id: RecordId) -> Sight {
        let mut reads = self.evidence.observations.iter().rev();
        let is_it = |it: &&Observation| it.last && it.device == device && it.shown.id == id;
        if let Some(read) = reads.find(is_it) {
            return self.names().record(subject, Some(&read.shown)).seen_at(read.at);
        }
        match self.listed.get(&device) {
            Some((at, ids)) if !ids.contains(&id) => {
                self.names().record(subject, None).seen_at(*at)
            }
            Some(_) => Sight::unknown("it had not answered when the run ended".to_owned()),
            None => Sight::unknown("it did not run, or nobody was signed in".to_owned()),
        }
    }

    /// What a host answered when it was asked.
    fn answered(&self, it: &Expectation, node: Node) -> Sight {
        let op = it.look().first_op();
        let Some((at, answered)) = self.answers.get(&(node, op)) else {
            return Sight::unknown(self.why_unanswered(it, node, op).to_owned());
        };
        let names = self.names();
        let sight = match (&it.subject, answered) {
            (Subject::Record(_) | Subject::Field(..), Answered::Read(shown)) => {
                names.record(&it.subject, Some(shown))
            }
            (Subject::File(path), Answered::Files(files)) => {
                let content = self.content(it, node, OpId(op.0 + 1));
                names.file(files, path, content)
            }
            (Subject::Folder(path), Answered::Files(files)) => names.folder(files, path),
            (Subject::Account(field), Answered::Done(Done::Account(fields))) => {
                names.account(fields, *field)
            }
            (Subject::Session, Answered::Done(Done::Session(held))) => Sight::session(*held),
            (Subject::Conversation(_), Answered::Worked(Worked::Nothing)) => {
                Sight::conversation(None)
            }
            (Subject::Conversation(_), Answered::Worked(Worked::Thread(item, talk))) => {
                Sight::conversation(Some((item, talk)))
            }
            (_, Answered::Refused(why)) => Sight::unknown(reason_name(*why)),
            (_, Answered::Worked(Worked::Refused(why))) => Sight::unknown(order_refusal(*why)),
            (_, _) => Sight::unknown("it answered something else".to_owned()),
        };
        sight.seen_at(*at)
    }

    /// The content of the first head of a file, if the host had to read it.
    fn content(&self, it: &Expectation, node: Node, op: OpId) -> Result<Print, Instead> {
        match self.answers.get(&(node, op)) {
            Some((_, Answered::File(FileDone::Content(heads)))) => {
                let content = heads.first().and_then(|(_, content)| *content);
                content.ok_or_else(|| Instead::Other("a content that it cannot open".to_owned()))
            }
            Some((_, Answered::Refused(why))) => Err(Instead::Silence(reason_name(*why))),
            Some(_) | None => Err(Instead::Silence(self.why_unanswered(it, node, op).to_owned())),
        }
    }

    fn why_unanswered(&self, it: &Expectation, node: Node, op: OpId) -> &'static str {
        match self.skipped.get(&(node, it.look())) {
            Some(Skip::Interrupted) => "it lost power just then",
            Some(Skip::Off | Skip::NotDue | Skip::Nothing | Skip::Needs(_)) => "it did not run",
            None if self.asked.contains(&(node, op)) => "it had not answered when the run ended",
            None => "it was not asked, since it did not run",
        }
    }

    fn names(&self) -> Names<'_, 'a> {
        Names(self.evidence)
    }
}
