//! Writes that are gone as the plan will have it: each with its cause, and counted.

use std::borrow::Cow;
use std::collections::BTreeMap;

use harness::time::Time;
use serde::{Deserialize, Serialize};

use super::story::count;
use crate::outcome::Outcome;
use crate::plan::{Plan, StepId};

/// A write that is gone, or is where nobody sees it, as the plan will have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excused {
    /// Of which seed.
    pub seed: u64,
    /// What stories call it, such as `w3`.
    pub write: String,
    /// What it was about.
    pub object: String,
    /// The host that it was asked of.
    pub host: String,
    /// When it was asked for.
    pub asked: Time,
    /// Why it is gone, in two words.
    pub cause: &'static str,
    /// The fault that took it, in a sentence.
    pub fault: String,
    /// When the fault began.
    pub at: Time,
    /// The line of the scenario that has the fault; none if it was drawn.
    pub line: Option<u32>,
}

/// How often a cause excused a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// In how many seeds.
    pub seeds: u64,
    /// How many writes.
    pub writes: u64,
}

/// How often each cause excused a write.
pub type Causes = BTreeMap<Cow<'static, str>, Times>;

/// All writes that are excused in a run, with the lines of a scenario that steps come from.
pub fn excused(
    plan: &Plan,
    outcome: &Outcome,
    line_of: impl Fn(StepId) -> Option<u32>,
) -> Vec<Excused> {
    let told = outcome.excused.iter().map(|it| Excused {
        seed: plan.seed,
        write: it.write.clone(),
        object: it.object.clone(),
        host: plan.name(it.node).to_owned(),
        asked: it.asked,
        cause: it.cause(),
        fault: it.fault.tell(plan),
        at: it.at,
        line: outcome.step_of(plan, it).and_then(&line_of),
    });
    told.collect()
}

/// How often each cause excused one of these.
pub fn causes(excused: &[Excused]) -> Causes {
    let mut causes = Causes::new();
    let mut last = BTreeMap::new();
    for Excused { cause, seed, .. } in excused {
        let times = causes.entry(Cow::Borrowed(*cause)).or_default();
        times.writes += 1;
        times.seeds += u64::from(last.insert(*cause, *seed) != Some(*seed));
    }
    causes
}

/// Adds what one part of a sweep has to what others have.
pub fn add(all: &mut Causes, part: &Causes) {
    for (cause, Times { seeds, writes }) in part {
        let times = all.entry(cause.clone()).or_default();
        times.seeds += seeds;
        times.writes += writes;
    }
}

/// The counts in a clause, as in `3 writes excused: 2 destroyed device, 1 restored volume`; none if there is
/// nothing to count.
pub fn tell(causes: &Causes) -> Option<String> {
    let writes: u64 = causes.values().map(|times| times.writes).sum();
    let all = count(writes as usize, "write");
    let each = match causes.len() {
        0 => return None,
        1 => causes.keys().map(ToString::to_string).collect::<Vec<_>>(),
        _ => causes.iter().map(|(cause, times)| format!("{} {cause}", times.writes)).collect(),
    };
    Some(format!("{all} excused: {}", each.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excused(seed: u64, cause: &'static str) -> Excused {
        let (write, object, host) = ("w1".into(), "meal/1".into(), "phone".into());
        let (asked, at, line, fault) = (Time(1), Time(2), None, String::new());
        Excused { seed, write, object, host, asked, cause, fault, at, line }
    }

    #[test]
    fn writes_and_seeds_are_counted_by_cause() {
        let (volume, device) = ("restored volume", "destroyed device");
        let all = [excused(0, volume), excused(0, device), excused(0, volume), excused(4, volume)];
        let mut counted = causes(&all);
        let times = |seeds, writes| Times { seeds, writes };
        assert_eq!(
            counted,
            Causes::from([(volume.into(), times(2, 3)), (device.into(), times(1, 1))])
        );
        let told = tell(&counted).expect("there are some");
        assert_eq!(told, "4 writes excused: 1 destroyed device, 3 restored volume");
        add(&mut counted, &causes(&all[3..]));
        assert_eq!(counted[volume], times(3, 4));
        assert_eq!(tell(&causes(&all[3..])).as_deref(), Some("1 write excused: restored volume"));
        assert_eq!(tell(&Causes::new()), None);
    }
}
