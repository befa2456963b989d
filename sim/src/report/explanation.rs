//! Why a run fails, as plain data.

use harness::time::Time;

use super::story::{Station, time};
use crate::invariant::Invariant;

/// Why a run fails.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// Which scenario.
    pub scenario: String,
    /// Which seed.
    pub seed: u64,
    /// The known bugs that were on.
    pub flaws: Vec<String>,
    /// What is violated.
    pub invariant: Invariant,
    /// When.
    pub at: Time,
    /// All of it in one sentence: which write, whose, acknowledged when, lost where, and by what.
    pub sentence: String,
    /// The path of the write, and what proves the violation.
    pub path: Vec<Passage>,
    /// Until when every place that held the write held it, if one of them dropped it.
    pub whole_until: Option<Time>,
    /// What the machine decided where it went wrong, if it logged anything.
    pub decision: Option<Decision>,
    /// What the violation needs of its plan, once that was tried.
    pub needs: Option<Needs>,
    /// How likely it was at each moment, once that was tried.
    pub chances: Option<Chances>,
}

/// A fact on the path of a write.
#[derive(Clone, Debug)]
pub struct Passage {
    /// Which, as an index into the history.
    pub fact: usize,
    /// What became of the write.
    pub what: Station,
    /// When.
    pub at: Time,
    /// Where.
    pub host: String,
    /// What happened, in a sentence without a subject.
    pub text: String,
}

/// What a machine decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The host.
    pub host: String,
    /// When.
    pub at: Time,
    /// The module that decided it.
    pub module: String,
    /// The line of its source.
    pub line: u32,
    /// What it logged.
    pub text: String,
}

/// What a violation needs of its plan.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Without any one of these it does not happen.
    pub needed: Vec<String>,
    /// Without all of these together, or with each of them otherwise, it still happens.
    pub not_needed: Vec<String>,
    /// With these otherwise it happens in some of the runs: in a number of a number.
    pub sometimes: Vec<(String, u32, u32)>,
    /// Faults or flaws of which more than one is needed, in a sentence.
    pub together: Vec<String>,
    /// How many plans were run.
    pub tries: u64,
}

/// How likely a violation was over the time of its run.
#[derive(Clone, Debug)]
pub struct Chances {
    /// By time.
    pub points: Vec<Point>,
}

/// In how many forks of a run a violation comes, if everything before a moment stays and the rest is drawn again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The moment.
    pub at: Time,
    /// The first fact of that moment that may have mattered, as an index into the history.
    pub fact: usize,
    /// What that says, in a sentence.
    pub event: String,
    /// So many show the violation.
    pub fails: u32,
    /// Of this number.
    pub of: u32,
}

impl Point {
    /// As a share of one.
    pub fn share(&self) -> f64 {
        f64::from(self.fails) / f64::from(self.of.max(1))
    }
}

/// A rise of the chances: what happened between two points made the violation more likely.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Jump<'c> {
    /// Where it rises.
    pub from: &'c Point,
    /// To what it has risen at the next point.
    pub to: &'c Point,
}

/// What counts as a jump: a quarter of all forks. Of 64, less can be luck in one of some hundred points.
const JUMP: f64 = 0.25;

impl Chances {
    /// The rises that are no luck.
    pub fn jumps(&self) -> Vec<Jump<'_>> {
        let pairs = self.points.windows(2).map(|pair| Jump { from: &pair[0], to: &pair[1] });
        pairs.filter(|jump| jump.to.share() - jump.from.share() >= JUMP).collect()
    }

    /// The last fact before which a fork could still escape: from its moment on, none does.
    pub fn no_return(&self) -> Option<&Point> {
        let escapes = self.points.iter().rposition(|point| point.fails < point.of)?;
        (escapes + 1 < self.points.len()).then(|| &self.points[escapes])
    }
}

/// The most messages of a sequence diagram that a reader still follows.
const MESSAGES: usize = 25;

/// The path of the write as a sequence diagram in Mermaid.
pub fn mermaid(it: &Explanation) -> String {
    let mut out = String::from("sequenceDiagram\n");
    let mut hosts: Vec<&str> = Vec::new();
    for passage in it.path.iter().take(MESSAGES) {
        if !hosts.contains(&passage.host.as_str()) {
            hosts.push(&passage.host);
        }
    }
    for (nth, host) in hosts.iter().enumerate() {
        out += &format!("    participant h{nth} as {}\n", plain(host));
    }
    for Passage { what, at, host, text, .. } in it.path.iter().take(MESSAGES) {
        let nth = hosts.iter().position(|known| known == host).unwrap_or_default();
        let mark = if *what == Station::Dropped { " ✗" } else { "" };
        out += &format!("    Note over h{nth}: {} {}{mark}\n", time(*at), plain(text));
    }
    out
}

/// Without what Mermaid takes for the end of a text or for its own signs.
fn plain(text: &str) -> String {
    let short: String = text.chars().take(90).collect();
    let short = if short.len() < text.len() { short + "…" } else { short };
    short.replace(['\n', ';', '#'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chances(fails: &[u32]) -> Chances {
        let points = fails.iter().enumerate();
        let event = String::new();
        let point = |(nth, &fails): (usize, &u32)| {
            let at = Time(nth as u64);
            Point { at, fact: nth, event: event.clone(), fails, of: 64 }
        };
        Chances { points: points.map(point).collect() }
    }

    #[test]
    fn jumps_are_rises_of_a_quarter_and_the_last_escape_is_the_point_of_no_return() {
        let risen = chances(&[0, 2, 40, 30, 64, 64]);
        let jumps = risen.jumps();
        let jumps: Vec<(u64, u32)> = jumps.iter().map(|it| (it.from.at.0, it.to.fails)).collect();
        assert_eq!(jumps, [(1, 40), (3, 64)]);
        assert_eq!(risen.no_return().map(|point| point.at), Some(Time(3)));
    }

    #[test]
    fn what_never_rises_has_no_jump_and_what_can_always_escape_no_point_of_no_return() {
        assert_eq!(chances(&[64, 64]).jumps(), []);
        assert_eq!(chances(&[64, 64]).no_return(), None);
        assert_eq!(chances(&[0, 63]).no_return(), None);
    }
}
