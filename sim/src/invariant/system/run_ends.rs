//! INV-34 `run-ends`: a run comes to its end within what it may use, and tells who kept whom busy if not.
//!
//! Whatever was under way when a run was ended is open, so no judge of what must hold at the end speaks about
//! such a run.

use std::collections::BTreeMap;

use crate::history::{Entry, Fact};
use crate::invariant::Invariant::RunEnds;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};
use crate::plan::{Excess, MessageKind, Node, grouped};

/// The most facts at the end of a history in which it is counted who kept whom busy.
const STRETCH: usize = 100_000;

/// The number of remotes and workers that are named, each with those that it talks to.
const NAMED: usize = 3;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let cut_off = |entry: &Entry| matches!(entry.fact, Fact::CutOff { .. });
    let Some(at) = evidence.history.iter().rposition(cut_off) else { return };
    let Fact::CutOff { excess, given } = &evidence.history[at].fact else { return };
    let stretch = &evidence.history[(at / 2).max(at.saturating_sub(STRETCH))..at];
    let exceeds =
        || format!("The run comes to no end: it exceeds {excess}. {}", busy(evidence, stretch));
    let (site, message) = match excess {
        Excess::Turn => ("hung", hangs(evidence.host_at(at), given, *excess)),
        Excess::Time => ("time", exceeds()),
        Excess::Events(_) | Excess::Facts(_) | Excess::Bytes(_) | Excess::Simulated(_) => {
            ("exceeded", exceeds())
        }
    };
    findings.report(evidence, (RunEnds, site), at, About::default(), message, []);
}

/// A host that does not come to the end of a turn, and what it was given in it.
fn hangs(host: &str, given: &[String], excess: Excess) -> String {
    let given = if given.is_empty() { "nothing".to_owned() } else { given.join(" and ") };
    format!("In {host}, one turn comes to no end: given {given}, it exceeds {excess}.")
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Became {
    Sent,
    Answered,
    PartlyRefused,
    Refused,
}

impl Became {
    const fn text(self) -> &'static str {
        match self {
            Self::Sent => "",
            Self::Answered => " answered",
            Self::PartlyRefused => " answered with refused rows",
            Self::Refused => " refused",
        }
    }
}

/// What went between a service and the hosts that it talks to.
#[derive(Debug, Default)]
struct Exchange {
    count: u64,
    hosts: BTreeMap<Node, u64>,
    by: BTreeMap<(MessageKind, Became), u64>,
}

impl Exchange {
    /// Which hosts, the busiest first, and how often each kind of message.
    fn tell(&self, service: Node, name: impl Fn(Node) -> String) -> String {
        let busiest = self.hosts.iter().max_by_key(|(_, count)| **count);
        let busiest = busiest.map_or_else(String::new, |(host, _)| name(*host));
        let others = match self.hosts.len() - 1 {
            0 => String::new(),
            others => format!(" (with {others} more)"),
        };
        let by = self.by.iter().map(|((message_kind, became), n)| {
            format!("{} × {message_kind}{}", grouped(*n), became.text())
        });
        let by = by.collect::<Vec<_>>().join(", ");
        format!("{busiest}{others} and {}: {by}", name(service))
    }
}

/// Who kept whom busy in a stretch of the history, in a sentence.
fn busy(evidence: &Evidence<'_>, stretch: &[Entry]) -> String {
    let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else {
        return "Nothing had happened.".to_owned();
    };
    let mut services: BTreeMap<Node, Exchange> = BTreeMap::new();
    for entry in stretch {
        let Some((one, other, what)) = exchanged(entry) else { continue };
        let (host, service) = if is_service(one) { (other, one) } else { (one, other) };
        let exchange = services.entry(service).or_default();
        exchange.count += 1;
        *exchange.hosts.entry(host).or_default() += 1;
        *exchange.by.entry(what).or_default() += 1;
    }
    let mut services: Vec<(Node, Exchange)> = services.into_iter().collect();
    services.sort_by_key(|(_, exchange)| std::cmp::Reverse(exchange.count));
    let name = |host| evidence.context.name(host).to_owned();
    let told = services.iter().take(NAMED).map(|(service, it)| it.tell(*service, name));
    let told = told.collect::<Vec<_>>().join("; ");
    let told = if told.is_empty() { "no message between hosts".to_owned() } else { told };
    let facts = grouped(stretch.len() as u64);
    format!("In its last {}, {facts} facts: {told}.", last.at - first.at)
}

/// Is it one that others ask?
fn is_service(host: Node) -> bool {
    matches!(host, Node::Remote(_) | Node::Worker(_))
}

/// Who asks whom for what, and what became of it, if this fact tells of that.
fn exchanged(entry: &Entry) -> Option<(Node, Node, (MessageKind, Became))> {
    if let Fact::Sent { to, message_id, .. } = &entry.fact {
        return (!message_id.answer).then_some((
            entry.node,
            *to,
            (message_id.message_kind, Became::Sent),
        ));
    }
    let Fact::Delivered { from, message_id, refused, rows_refused } = &entry.fact else {
        return None;
    };
    let became = match (refused, rows_refused.is_empty()) {
        (Some(_), _) => Became::Refused,
        (None, false) => Became::PartlyRefused,
        (None, true) => Became::Answered,
    };
    message_id.answer.then_some((entry.node, *from, (message_id.message_kind, became)))
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::id::Remote;
    use engine::remote::CallId;

    use super::*;
    use crate::history::{MessageId, Refused};
    use crate::invariant::case::{Case, KCAL, MEAL, PHONE};

    const ZONE: Node = Node::Remote(Remote::Zone);

    /// The phone saves the same row again and again, and is refused each time.
    fn ping_pong(times: u32) -> Case {
        let mut case = Case::new();
        for n in 0..times {
            let call = CallId(1_000 + n);
            let ask =
                MessageId { call, attempt: 0, message_kind: MessageKind::Push, answer: false };
            let answer = MessageId { answer: true, ..ask };
            let (rows, plaintext, server) = ([].into(), false, None);
            case.fact(
                PHONE,
                Fact::Sent { to: ZONE, message_id: ask, size: 40, rows, plaintext, server },
            );
            let rows_refused = [(MEAL, Refused::Changed)].into();
            let (from, refused) = (ZONE, None);
            case.fact(PHONE, Fact::Delivered { from, message_id: answer, refused, rows_refused });
            case.wait(1_000);
        }
        case
    }

    pub(crate) fn broken() -> Case {
        let mut case = ping_pong(2_000);
        let excess = Excess::Facts(4_000);
        case.fact(Node::World, Fact::CutOff { excess, given: Vec::new() });
        case
    }

    #[test]
    fn it_is_told_who_kept_whom_busy() {
        let violations = broken().violations();
        let message = &violations[0].message;
        assert!(
            message.starts_with("The run comes to no end: it exceeds 4,000 facts."),
            "{message}"
        );
        let pair = "phone and zone: 1,001 × push, 1,001 × push answered with refused rows.";
        assert!(message.contains(pair), "{message}");
    }

    #[test]
    fn what_is_open_when_a_run_is_ended_is_nobodys_fault() {
        let mut case = Case::new();
        case.phone().edits(MEAL, &[KCAL]);
        let excess = Excess::Time;
        case.fact(Node::World, Fact::CutOff { excess, given: Vec::new() });
        assert_eq!(
            case.broken(),
            [RunEnds],
            "the edit is at no remote, and no device has shown it"
        );
    }

    #[test]
    fn a_turn_without_an_end_is_told_with_its_host_and_what_that_was_given() {
        let mut case = Case::new();
        let given = vec!["the push of zone".to_owned(), "its deadline".to_owned()];
        case.fact(PHONE, Fact::CutOff { excess: Excess::Turn, given });
        let violations = case.violations();
        assert_eq!((violations[0].site, violations[0].node), ("hung", Node::Device(PHONE)));
        assert!(violations[0].message.starts_with(
            "In phone, one turn comes to no end: given the push of zone and its deadline"
        ));
    }

    /// As busy, but over: the end is as it must be.
    #[test]
    fn a_busy_run_that_ends_is_none_of_its_business() {
        assert!(!ping_pong(2_000).ends().broken().contains(&RunEnds));
    }
}
