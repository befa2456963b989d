//! What the judges report. Violations are kept short: the earliest few of each invariant and how many more.
//! Of what a plan justifies everything is kept, each write once.

use engine::id::{RecordId, Token};

use crate::history::Fact;
use crate::invariant::evidence::Evidence;
use crate::invariant::{Excused, Invariant, Judgement, Violation};

/// How many violations of one invariant are reported in full.
const TOLD: usize = 4;

/// All that was reported.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    violations: Vec<Violation>,
    excused: Vec<Excused>,
}

/// What a violation is about, beside its place and sentence.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct About {
    pub(crate) record: Option<RecordId>,
    pub(crate) token: Option<Token>,
}

impl About {
    pub(crate) fn record(record: RecordId) -> Self {
        Self { record: Some(record), token: None }
    }

    pub(crate) fn write(record: RecordId, token: Token) -> Self {
        Self { record: Some(record), token: Some(token) }
    }
}

impl Findings {
    /// Reports what the fact at `at` shows not to hold; other facts that prove it are `with`.
    pub(crate) fn report(
        &mut self,
        evidence: &Evidence<'_>,
        (invariant, site): (Invariant, &'static str),
        at: usize,
        about: About,
        message: String,
        with: impl IntoIterator<Item = usize>,
    ) {
        let entry = &evidence.history[at];
        let mut facts: Vec<usize> = with.into_iter().chain([at]).collect();
        facts.sort_unstable();
        facts.dedup();
        self.violations.push(Violation {
            invariant,
            at: entry.at,
            node: entry.node,
            record: about.record,
            token: about.token,
            site,
            message,
            evidence: facts,
        });
    }

    /// Notes that a write is gone, or is where nobody sees it, because of the fault that began at `by`.
    /// Where the write was asked for the history says.
    pub(crate) fn excuse(
        &mut self,
        evidence: &Evidence<'_>,
        (write, object): (String, String),
        asked: usize,
        by: usize,
    ) {
        let (asked, began) = (&evidence.history[asked], &evidence.history[by]);
        let Fact::Faulted(fault) = began.fact else {
            panic!("what excuses a loss is a fault, and not fact {by}: {:?}", began.fact);
        };
        let (node, asked, at) = (asked.node, asked.at, began.at);
        let excused = Excused { write, object, node, asked, fault, at };
        let is_known =
            |known: &Excused| (&known.write, &known.object) == (&excused.write, &excused.object);
        if !self.excused.iter().any(is_known) {
            self.excused.push(excused);
        }
    }

    /// The earliest violations of each invariant, by time, and all excuses by the time of the write.
    pub(crate) fn into_judgement(mut self) -> Judgement {
        let mut excused = std::mem::take(&mut self.excused);
        excused.sort_by_key(|excused| excused.asked);
        Judgement { violations: self.into_violations(), excused }
    }

    /// The earliest of each invariant, by time.
    fn into_violations(self) -> Vec<Violation> {
        let mut violations = self.violations;
        violations.sort_by_key(|violation| (violation.invariant, violation.at));
        // What two logs begin with is judged with each.
        let mut told: Vec<Violation> = Vec::with_capacity(violations.len());
        for violation in violations {
            let same = told
                .iter()
                .rev()
                .take_while(|it| (it.invariant, it.at) == (violation.invariant, violation.at));
            if !same.clone().any(|it| is_same(it, &violation)) {
                told.push(violation);
            }
        }
        let violations = told;
        let mut told = Vec::with_capacity(violations.len().min(TOLD));
        for group in violations.chunk_by(|one, next| one.invariant == next.invariant) {
            let from = told.len();
            told.extend_from_slice(&group[..group.len().min(TOLD)]);
            if let (Some(first), true) = (told.get_mut(from), group.len() > TOLD) {
                let more = group.len() - TOLD;
                let are = if more == 1 { "is" } else { "are" };
                first.message.push_str(&format!(" ({more} more like this {are} not listed.)"));
            }
        }
        told.sort_by_key(|violation| (violation.at, violation.invariant));
        causes_first(told)
    }
}

/// Sites that are reported once for a fact, a record and a write, at however many fields, files or
/// conversations they are found: their messages name the first.
const ONCE: &[&str] = &[
    "another-key",
    "content-forgotten",
    "content-garbled",
    "content-of-another",
    "conversation-of-nobody",
    "copies-of-a-write",
    "done-without-result",
    "edit-dropped",
    "edit-hidden",
    "ended-by-another",
    "file-never-written",
    "granted-twice",
    "illegal",
    "item-changed",
    "item-done",
    "item-not-done",
    "job-begun",
    "job-shrank",
    "moved-later",
    "no-job",
    "no-session",
    "nothing-moved",
    "old-fence",
    "old-field-revived",
    "old-session",
    "record-unseen",
    "refused-in-part",
    "replaced-and-shown",
    "result-of-an-older-claim",
    "taken-before-its-end",
    "tried-too-often",
    "unreadable",
    "version-twice",
    "write-unseen",
];

/// Are two violations of one invariant and one moment the same?
fn is_same(one: &Violation, other: &Violation) -> bool {
    let key = |it: &Violation| (it.site, it.node, it.record, it.token);
    key(one) == key(other)
        && one.evidence == other.evidence
        && (one.message == other.message || ONCE.contains(&one.site))
}

/// Puts a lost write before the cursor that passed its row: that the merge dropped the write is the
/// cause, and it may be known only later.
fn causes_first(told: Vec<Violation>) -> Vec<Violation> {
    let is_cause = |violation: &Violation, of: &Violation| {
        let invariants = [Invariant::NoLostWrites, Invariant::CopiesConverge];
        invariants.contains(&violation.invariant)
            && violation.record == of.record
            && (violation.token.is_none() || violation.token == of.token)
    };
    let mut sorted: Vec<Violation> = Vec::with_capacity(told.len());
    for violation in told {
        let effect = |it: &Violation| it.site == "row-not-joined" && is_cause(&violation, it);
        let place = sorted.iter().position(effect).unwrap_or(sorted.len());
        sorted.insert(place, violation);
    }
    sorted
}
