//! What a machine decided where it went wrong: from a fact to the event of a log in which a machine says what it
//! decided.
//!
//! A fact is seldom where it was decided. What a remote stores was decided by the device that saved it, what a
//! crash takes away by the commit that did not wait for the disk, and what is in a log by the round before. So a
//! fact is followed to the host that decided it, and to what its log must speak of.

use engine::device::Reason;
use engine::id::RecordId;
use engine::message::Refusal;
use harness::time::Time;
use tracing::Level;

use super::Case;
use crate::history::{Answered, Change, Entry, Fact, MessageId, Page, Pending, Said};
use crate::outcome::LogLine;
use crate::plan::{MessageKind, Node};
use crate::report::explanation::Decision;
use crate::report::story::{Station, Stop, loss};

/// How a device says what it asks next. The changes of a turn are decided before that.
const ASKS: &str = "asks to ";

/// Finds it: where the write was lost, or else at the last fact of the proof that a machine has decided.
pub(super) fn find(case: &Case, path: &[Stop]) -> Option<Decision> {
    let proof = case.violation.evidence.iter().rev().copied();
    lost_at(case, path).into_iter().chain(proof).find_map(|fact| {
        let entry = &case.outcome.history[fact];
        panicked(case, entry).or_else(|| {
            let source = source(case, fact)?;
            decided(case, &source).map(|line| of_line(case, line))
        })
    })
}

/// The fact by which a write was lost. Copies that drop it one after the other follow the first of them. If no
/// place has ever held it, it was lost when it was acknowledged.
fn lost_at(case: &Case, path: &[Stop]) -> Option<usize> {
    let Some(lost) = loss(path, &case.outcome.history, &case.violation) else {
        case.violation.token?;
        let is_answer = |stop: &Stop| case.outcome.history[stop.fact].fact.answered().is_some();
        let (acknowledged, held) = (Station::Acknowledged, Station::Held);
        let is_held = path.iter().any(|stop| stop.what == held && !is_answer(stop));
        let answers = |stop: &&Stop| [acknowledged, held].contains(&stop.what) && is_answer(stop);
        let answer = path.iter().find(answers).filter(|_| !is_held)?;
        // What becomes of a conversation is in the version that an answer names.
        let answered = case.outcome.history[answer.fact].fact.answered();
        return answered
            .is_none_or(|(_, it)| !matches!(it, Answered::Worked(_)))
            .then_some(answer.fact);
    };
    let history = &case.outcome.history;
    let before = path.iter().rev().filter(|stop| stop.fact < lost.fact);
    let dropped = before.take_while(|stop| stop.what != Station::Held);
    let dropped = dropped.filter(|stop| stop.what == Station::Dropped);
    let first = dropped.fold(lost.fact, |first, stop| {
        if follows(&history[first], &history[stop.fact]) { stop.fact } else { first }
    });
    Some(first)
}

/// Can a host have dropped a write because an earlier one had? A device follows a remote, and a remote the device
/// that saves; what one device saves at two remotes was decided once.
fn follows(later: &Entry, earlier: &Entry) -> bool {
    let author = |entry: &Entry| {
        if let Fact::Committed { by, .. } | Fact::Removed { by, .. } = entry.fact {
            return by;
        }
        entry.node
    };
    let is_remote = |entry: &Entry| matches!(entry.node, Node::Remote(_));
    author(later) == author(earlier) || !is_remote(later) && is_remote(earlier)
}

/// Where a fact was decided.
#[derive(Debug)]
struct Source {
    host: Node,
    /// Not before this moment.
    since: Time,
    /// Not after this many facts.
    before: usize,
    /// What the event is about, in the words of logs. If none is about any of it, the last one counts.
    about: Vec<String>,
}

/// Follows a fact to where it was decided; `None` if no machine has.
fn source(case: &Case, fact: usize) -> Option<Source> {
    let history = &case.outcome.history;
    let entry = &history[fact];
    let host = entry.node;
    let of = |about| Some(Source { host, since: Time(0), before: fact, about });
    match &entry.fact {
        Fact::Persisted { changes, .. } => Some(persisted(case, fact, changes)),
        // A crash decides nothing: what it took away had not been made durable.
        Fact::Started { commit: keeps, .. } | Fact::Killed { keeps, .. } => {
            source(case, taken_away(case, fact, *keeps)?)
        }
        // A remote stores what the last commit of the device has made of a record.
        Fact::Committed { id, by, .. } | Fact::Removed { id, by, .. } => {
            let made = |it: &Entry| it.node == *by && changes_record(it, *id);
            source(case, history[..fact].iter().rposition(made)?)
        }
        // What a remote has at the end was stored before.
        Fact::Found { id, .. } | Fact::Looked { id, .. } => {
            let stored = |it: &Entry| {
                it.node == host && matches!(&it.fact, Fact::Committed { id: of, .. } if of == id)
            };
            source(case, history[..fact].iter().rposition(stored)?)
        }
        Fact::Served(page) => served(case, fact, page),
        Fact::Answered(op, answered) => answer(case, fact, op.0, answered),
        Fact::Sent { message_id: MessageId { call, answer: true, .. }, .. } => {
            of(vec![format!("call={}", call.0)])
        }
        // What is sent again was decided when the try before had failed.
        Fact::Sent { message_id: MessageId { attempt: attempt @ 1.., .. }, .. } => {
            of(vec![format!("failures={}", attempt - 1)])
        }
        Fact::Logged { entry, .. } => of(vec![format!("round{{seq={}}}", entry.seq)]),
        // A conversation is joined by who sends it: a worker cannot read it.
        Fact::Filed { name, .. } => {
            let before = history[..fact].iter().rposition(|it| is_work(it, |to| to == host))?;
            let (host, about) = (history[before].node, vec![name.key.to_string()]);
            Some(Source { host, since: Time(0), before, about })
        }
        Fact::Settled { pending } => pending.iter().find_map(|it| waits(case, it, fact)),
        Fact::Asked(..)
        | Fact::Skipped(..)
        | Fact::Durable(_)
        | Fact::PersistFailed(_)
        | Fact::Sent { .. }
        | Fact::Delivered { .. }
        | Fact::Lost { .. }
        | Fact::Declined(..)
        | Fact::Faulted(_)
        | Fact::Struck(_)
        | Fact::Ended(_)
        | Fact::FaultsEnded
        | Fact::Panicked(_)
        | Fact::StepBegan(..)
        | Fact::StepEnded(..)
        | Fact::Named { .. }
        | Fact::Kept { .. }
        | Fact::ErrorLogged(_)
        | Fact::CutOff { .. } => of(Vec::new()),
    }
}

/// A device commits what it has decided in the same turn: about the record, or else that its cursor passes it.
fn persisted(case: &Case, fact: usize, changes: &[Change]) -> Source {
    let entry = &case.outcome.history[fact];
    let record = case.violation.record;
    let is_of_record = record.is_some_and(|id| changes_record(entry, id));
    let cursor = changes.iter().any(|it| matches!(it, Change::Cursor(..)));
    let cursor = (cursor && !is_of_record).then(|| "cursor".to_owned());
    let about = record.map(|id| id.to_string()).into_iter().chain(cursor).collect();
    Source { host: entry.node, since: entry.at, before: fact, about }
}

/// What a page means is decided by the device that takes it.
fn served(case: &Case, fact: usize, page: &Page) -> Option<Source> {
    let history = &case.outcome.history;
    let remote = history[fact].node;
    let arrives = |it: &Entry| it.node == page.to && is_answer(it, remote, page.call);
    let taken = fact + history[fact..].iter().position(arrives)?;
    let before = end_of(history, taken);
    let record = case.violation.record.map(|id| id.to_string());
    let about = record.into_iter().chain(["cursor".to_owned()]).collect();
    Some(Source { host: page.to, since: Time(0), before, about })
}

/// What a user was answered. A record is as the last commit left it, unless showing it was a decision too. What
/// the sync server did was decided by the worker that answered.
fn answer(case: &Case, fact: usize, op: u32, answered: &Answered) -> Option<Source> {
    let history = &case.outcome.history;
    let entry = &history[fact];
    let source_of = |about| Source { host: entry.node, since: Time(0), before: fact, about };
    if let (Answered::Read(_), Some(id)) = (answered, case.violation.record) {
        let shown = source_of(vec![id.to_string()]);
        if decided(case, &shown).is_some_and(|line| line.at == entry.at) {
            return Some(shown);
        }
        let changes = |it: &Entry| it.node == entry.node && changes_record(it, id);
        return history[..fact].iter().rposition(changes).and_then(|at| source(case, at));
    }
    let told = told_by(history, fact, answered).and_then(|at| source(case, at));
    told.or_else(|| Some(source_of(vec![format!("op={op}")])))
}

/// The answer of a worker that says what the user was answered.
fn told_by(history: &[Entry], fact: usize, answered: &Answered) -> Option<usize> {
    let says = |id: &MessageId, refused: &Option<Refusal>| match (answered, refused) {
        // The start of a session does nothing for a user.
        (Answered::Done(_) | Answered::Worked(_) | Answered::File(_), None) => {
            id.message_kind != MessageKind::Session
        }
        (Answered::Refused(Reason::File(told)), Some(Refusal::File(said))) => told == said,
        (Answered::Refused(told), Some(Refusal::Internal)) => *told == Reason::Internal,
        (_, _) => false,
    };
    let entry = &history[fact];
    let arrived = history[..fact].iter().rev().take_while(|it| it.at == entry.at);
    let mut arrived = arrived.filter(|it| it.node == entry.node);
    let (from, id) = arrived.find_map(|it| {
        let Fact::Delivered { from: from @ Node::Worker(_), message_id, .. } = &it.fact else {
            return None;
        };
        Some((from, message_id))
    })?;
    let said = |it: &Entry| {
        it.node == *from
            && matches!(&it.fact, Fact::Sent { to, message_id, server: Some(said), .. }
                if to == &entry.node && message_id == id
                    && matches!(&**said, Said::Answers { refused, .. } if says(id, refused)))
    };
    history[..fact].iter().rposition(said)
}

/// The first commit about the write or record that a start lacks, or else the first one.
fn taken_away(case: &Case, fact: usize, keeps: u32) -> Option<usize> {
    let history = &case.outcome.history;
    let (host, started) = (history[fact].node, matches!(history[fact].fact, Fact::Started { .. }));
    let incarnation = history[fact].incarnation;
    let of_before = if started { incarnation.checked_sub(1)? } else { incarnation };
    let is_gone = |it: &Entry| {
        (it.node, it.incarnation) == (host, of_before)
            && matches!(it.fact, Fact::Persisted { commit, .. } if commit > keeps)
    };
    let gone = || (0..fact).filter(|&at| is_gone(&history[at]));
    let is_about = |at: &usize| match (case.violation.record, case.violation.token) {
        (Some(id), _) => changes_record(&history[*at], id),
        (None, Some(token)) => matches!(&history[*at].fact, Fact::Persisted { changes, .. }
            if changes.iter().any(|it| matches!(it, Change::Upload(_, Some((of, _))) if *of == token))),
        (None, None) => false,
    };
    gone().find(is_about).or_else(|| gone().next())
}

/// Of what keeps a run from settling: the host that has to get on.
fn waits(case: &Case, pending: &Pending, fact: usize) -> Option<Source> {
    let (host, about) = match *pending {
        Pending::Down(host) | Pending::Unanswered(host, _) => (host, Vec::new()),
        Pending::NotDurable(device)
        | Pending::FilesSealed(device)
        | Pending::FilesUnsent(device, _)
        | Pending::FilesUnread(device) => (Node::Device(device), Vec::new()),
        Pending::Behind(device, remote) | Pending::Unlisted(device, remote) => {
            (Node::Device(device), vec![format!("pull{{remote={remote:?}")])
        }
        Pending::Saving(device, remote) => {
            (Node::Device(device), vec![format!("push{{remote={remote:?}")])
        }
        Pending::Differs(device, remote, id) => {
            (Node::Device(device), vec![format!("remote={remote:?} id={id}")])
        }
        // Workers give out the work: what one answered last to who asked for some.
        Pending::Unprocessed(_) => {
            let history = &case.outcome.history[..fact];
            let answers = |it: &Entry| matches!(it.node, Node::Worker(_)) && is_work(it, |_| true);
            return source(case, history.iter().rposition(answers)?);
        }
    };
    Some(Source { host, since: Time(0), before: fact, about })
}

/// The event of the log that a source means. Of what the host logged in the last moment in which it spoke of this,
/// it is the last event about it that no event of a part of its module makes more exact.
fn decided<'c>(case: &'c Case, source: &Source) -> Option<&'c LogLine> {
    let is_meant = |line: &&LogLine| {
        line.node == source.host
            && line.at >= source.since
            && line.after <= source.before
            && line.level <= Level::DEBUG
            && !line.text.contains(ASKS)
    };
    let lines = || case.outcome.log.iter().filter(is_meant);
    let about = |line: &&LogLine| source.about.iter().position(|it| mentions(&line.text, it));
    let last = lines().rfind(|line| about(line).is_some()).or_else(|| lines().next_back())?;
    let here = || lines().filter(|line| line.at == last.at);
    let best = here().filter_map(|line| about(&line)).min();
    let meant = || here().filter(|line| about(line) == best);
    let is_exact = |line: &&LogLine| !meant().any(|other| is_part_of(other.target, line.target));
    meant().rfind(is_exact)
}

/// Is a word in a text, and not as a part of a longer one?
fn mentions(text: &str, word: &str) -> bool {
    let is_within = |next: Option<char>| next.is_some_and(|it| it.is_ascii_alphanumeric());
    text.match_indices(word).any(|(at, _)| {
        !is_within(text[..at].chars().next_back())
            && !is_within(text[at + word.len()..].chars().next())
    })
}

/// Is a module inside another?
fn is_part_of(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"))
}

/// A panic inside the engine names its place itself.
fn panicked(case: &Case, entry: &Entry) -> Option<Decision> {
    let Fact::Panicked(message) = &entry.fact else { return None };
    let (_, place) = message.rsplit_once('(')?;
    let (file, line) = place.split_once(':')?;
    let (module, line) = (module_of(file)?, line.trim_end_matches(')').parse().ok()?);
    let host = case.plan.name(entry.node).to_owned();
    Some(Decision { host, at: entry.at, module, line, text: message.clone() })
}

/// The module in a file of the engine.
pub(crate) fn module_of(file: &str) -> Option<String> {
    let path = file.strip_prefix("src/")?.strip_suffix(".rs")?;
    Some(format!("engine::{}", path.replace('/', "::")))
}

/// An event without the spans that it falls into: they say for whom, and not what.
fn of_line(case: &Case, line: &LogLine) -> Decision {
    let text = line.text.rsplit("}: ").next().unwrap_or(&line.text);
    Decision {
        host: case.plan.name(line.node).to_owned(),
        at: line.at,
        module: line.target.to_owned(),
        line: line.line,
        text: text.to_owned(),
    }
}

fn changes_record(entry: &Entry, id: RecordId) -> bool {
    let is_about = |it: &Change| matches!(it, Change::Record(of, _) if *of == id);
    matches!(&entry.fact, Fact::Persisted { changes, .. } if changes.iter().any(is_about))
}

/// Is it a message about conversations or the work on them, to such a host?
fn is_work(entry: &Entry, is_meant: impl Fn(Node) -> bool) -> bool {
    matches!(&entry.fact, Fact::Sent { to, message_id, .. }
        if message_id.message_kind == MessageKind::Work && is_meant(*to))
}

fn is_answer(entry: &Entry, of: Node, to: engine::remote::CallId) -> bool {
    matches!(entry.fact, Fact::Delivered { from, message_id: MessageId { call, answer: true, .. }, .. }
        if from == of && call == to)
}

/// The number of facts up to the end of the moment of a fact.
fn end_of(history: &[Entry], fact: usize) -> usize {
    let at: Time = history[fact].at;
    history.partition_point(|it| it.at <= at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_no_part_of_a_longer_one() {
        assert!(mentions("saves a row id=meal/1 sealed=false", "meal/1"));
        assert!(mentions("request{call=4}: refused", "call=4"));
        assert!(!mentions("saves a row id=meal/12", "meal/1"));
        assert!(!mentions("recall=4", "call=4"));
    }

    #[test]
    fn a_module_is_part_of_those_around_it() {
        assert!(is_part_of("engine::worker::session", "engine::worker"));
        assert!(!is_part_of("engine::worker", "engine::worker"));
        assert!(!is_part_of("engine::workers", "engine::worker"));
    }

    #[test]
    fn a_file_of_the_engine_is_a_module() {
        let module = module_of("src/worker/file/tree.rs");
        assert_eq!(module.as_deref(), Some("engine::worker::file::tree"));
        assert_eq!(module_of("sim/src/world.rs"), None);
    }
}
