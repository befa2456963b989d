//! The network: whether, when and how often a message arrives.
//!
//! Messages are reordered since each draws its own delay. All draws are keyed by what a message descends
//! from, never by how many were sent before.

use serde::{Deserialize, Serialize};

use crate::conditions::{Conditions, Lost};
use crate::observation::HostId;
use crate::quantity::Text;
use crate::random::{Chance, Draw};
use crate::time::{Span, SpanRange, Time};

/// How the links between hosts are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Links {
    /// The longest time that half of all messages take.
    #[serde(with = "Text")]
    pub typical: Span,
    /// The longest time that 99 of 100 messages take.
    #[serde(with = "Text")]
    pub p99: Span,
    /// A message is lost.
    #[serde(with = "Text")]
    pub loss: Chance,
    /// A message arrives twice.
    #[serde(with = "Text")]
    pub duplicates: Chance,
}

impl Default for Links {
    fn default() -> Self {
        Self { typical: Span(40), p99: Span(400), loss: Chance(0), duplicates: Chance(0) }
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It does not arrive.
    Lost(Lost),
    /// It arrives then, and perhaps once more.
    Arrives(Time, Option<Time>),
}

/// The rules of delivery.
#[derive(Clone, Debug)]
pub struct Network {
    links: Links,
    loss: Draw,
    duplicates: Draw,
    delay: Draw,
}

impl Network {
    /// Links like these.
    pub fn new(nature: u64, links: Links) -> Self {
        let root = |concern| Draw::new(nature, concern);
        Self { links, loss: root("loss"), duplicates: root("duplicate"), delay: root("latency") }
    }

    /// Nothing is lost or doubled by chance any more.
    pub fn calm(&mut self) {
        (self.links.loss, self.links.duplicates) = (Chance(0), Chance(0));
    }

    /// Decides about a message that is being sent. `lineage` is what it descends from.
    pub fn fate(
        &self,
        now: Time,
        conditions: &Conditions,
        (from, to): (HostId, HostId),
        lineage: Draw,
    ) -> Fate {
        if let Some(why) = conditions.stop(from, to) {
            return Fate::Lost(why);
        }
        let about = |root: Draw| root.and(lineage.value());
        if about(self.loss).happens(self.links.loss) {
            return Fate::Lost(Lost::Chance);
        }
        let times = conditions.slowness(from, to);
        let arrival = |copy| {
            let delay = delay(self.links.typical, self.links.p99, about(self.delay).and(copy));
            now + Span(delay.0.saturating_mul(times).max(1))
        };
        let doubled = about(self.duplicates).happens(self.links.duplicates);
        Fate::Arrives(arrival(0), doubled.then(|| arrival(1)))
    }
}

/// How long a message takes: shaped like the logarithmic normal distribution of real networks, in whole
/// numbers, so that every machine draws the same. Half are typical, 49 of 100 rise steeply to `p99`, and
/// the last may take three times as long.
pub fn delay(typical: Span, p99: Span, draw: Draw) -> Span {
    let tail = p99.0.saturating_sub(typical.0);
    let place = draw.and(1).below(1_000);
    let percent = draw.below(100);
    Span(match percent {
        0..50 => return draw.and(1).span(SpanRange { low: Span(typical.0 / 4), high: typical }),
        50..99 => typical.0 + cube(tail, (percent - 50) * 1_000 + place, 49_000),
        _ => p99.0 + cube(p99.0 * 2, place, 1_000),
    })
}

/// `of * (part / whole)³`, in whole numbers.
fn cube(of: u64, part: u64, whole: u64) -> u64 {
    let (of, part, whole) = (u128::from(of), u128::from(part), u128::from(whole));
    u64::try_from(of * part * part * part / (whole * whole * whole)).expect("it is at most `of`")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: (HostId, HostId) = (HostId(0), HostId(1));

    fn fates(links: Links) -> Vec<Fate> {
        let network = Network::new(7, links);
        let lineage = |n| Draw::new(7, "message").and(n);
        let calm = Conditions::default();
        (0..1_000).map(|n| network.fate(Time(0), &calm, ENDS, lineage(n))).collect()
    }

    #[test]
    fn half_are_typical_and_one_in_a_hundred_is_late() {
        let links = Links { typical: Span(40), p99: Span(400), ..Links::default() };
        let took = |fate: &Fate| match fate {
            Fate::Arrives(Time(at), None) => *at,
            Fate::Arrives(_, Some(_)) | Fate::Lost(_) => panic!("nothing is lost or doubled"),
        };
        let mut all: Vec<u64> = fates(links).iter().map(took).collect();
        all.sort_unstable();
        assert!((30..=50).contains(&all[500]), "{}", all[500]);
        assert!((200..=400).contains(&all[980]), "{}", all[980]);
        assert!(all[999] > 400 && all[999] <= 1_200, "{}", all[999]);
    }

    #[test]
    fn messages_are_lost_and_doubled_about_as_often_as_is_said() {
        let links = Links { loss: Chance(100_000), duplicates: Chance(50_000), ..Links::default() };
        let fates = fates(links);
        let lost = fates.iter().filter(|fate| **fate == Fate::Lost(Lost::Chance)).count();
        let doubled = fates.iter().filter(|fate| matches!(fate, Fate::Arrives(_, Some(_)))).count();
        assert!((70..130).contains(&lost), "{lost} of 1,000 at 10 %");
        assert!((25..75).contains(&doubled), "{doubled} of 1,000 at 5 %");
    }

    #[test]
    fn a_calm_network_loses_and_doubles_nothing() {
        let all = Chance(1_000_000);
        let mut network = Network::new(7, Links { loss: all, duplicates: all, ..Links::default() });
        let lineage = Draw::new(7, "message");
        let calm = Conditions::default();
        assert_eq!(network.fate(Time(0), &calm, ENDS, lineage), Fate::Lost(Lost::Chance));
        network.calm();
        assert!(matches!(
            network.fate(Time(0), &calm, ENDS, lineage),
            Fate::Arrives(Time(1..), None)
        ));
    }
}
