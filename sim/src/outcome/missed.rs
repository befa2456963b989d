//! The steps of a run that came to nothing: those that never happened, and faults that hit nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Outcome;
use crate::history::{Fact, Need, Skip};
use crate::plan::{Act, Plan, StepId};

/// Why a step came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Missed {
    /// It was not done.
    Skipped(Skip),
    /// It is a fault that waits for this number of effects of its host, and there were fewer.
    TooFewEffects(u16),
    /// It is a fault, and nothing met it.
    HitNothing,
}

/// The steps that came to nothing, in the order of the plan.
pub fn missed(plan: &Plan, outcome: &Outcome) -> Vec<(StepId, Missed)> {
    let skipped = outcome.history.iter().filter_map(|entry| {
        if let Fact::Skipped(step, why) = entry.fact { Some((step, why)) } else { None }
    });
    let skipped: BTreeMap<StepId, Skip> = skipped.collect();
    let steps = plan.steps.iter().zip(&outcome.moments);
    let missed = steps.filter_map(|(step, moment)| {
        let why = match (skipped.get(&step.id), &step.act) {
            (Some(why), _) => Missed::Skipped(*why),
            (None, _) if moment.is_none() => Missed::Skipped(Skip::NotDue),
            (None, Act::Fault(fault, _)) if !outcome.struck.contains(&step.id) => {
                match fault.effects() {
                    0 => Missed::HitNothing,
                    effects => Missed::TooFewEffects(effects),
                }
            }
            (None, Act::Fault(..) | Act::User(..) | Act::Processor(..) | Act::Wait) => return None,
        };
        Some((step.id, why))
    });
    missed.collect()
}

impl Missed {
    /// Why, in a clause.
    pub fn tell(self, plan: &Plan) -> String {
        match self {
            Self::Skipped(Skip::NotDue) => {
                "what it waits for had not come when the faults ended".to_owned()
            }
            Self::Skipped(Skip::Off) => "its host was not running".to_owned(),
            Self::Skipped(Skip::Interrupted) => "its host lost power just then".to_owned(),
            Self::Skipped(Skip::Nothing) => {
                "its user was shown nothing that it could be done to".to_owned()
            }
            Self::Skipped(Skip::Needs(need)) => tell_need(need, plan),
            Self::TooFewEffects(effects) => format!("its host had fewer than {effects} effects"),
            Self::HitNothing => "it hit nothing".to_owned(),
        }
    }
}

/// What is not as a fault needs it.
fn tell_need(need: Need, plan: &Plan) -> String {
    let name = |node| plan.name(node);
    match need {
        Need::Up(host) => format!("{} was not running", name(host)),
        Need::Awake(host) => format!("{} was not running, or stood still already", name(host)),
        Need::Exists(device) => format!("{} was gone", name(device.into())),
        Need::HasDisk(device) => format!("{} had no disk", name(device.into())),
        Need::HasImage(device) => format!("there was no backup of {}", name(device.into())),
        Need::CanBeCopyOf(copy, original) => {
            format!("{} could not become a copy of {}", name(copy.into()), name(original.into()))
        }
        Need::Remote(remote) => format!("there is no {}", name(remote.into())),
        Need::Server => "there is no sync server".to_owned(),
        Need::Processors => "there are no processors".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use engine::flaw::Flaws;

    use super::*;
    use crate::run::run;
    use crate::scenario::{draw, read};

    const HEAD: &str = r#"
[scenario]
title = "Steps"
story = "Some of them come to nothing."
lasts = "40s"

[remotes]
cloudkit = { kind = "cloudkit" }
supabase = { kind = "supabase" }

[devices]
phone = { user = "anna" }
watch = { user = "anna" }

[timing]
pull-every   = "1h"
relist-every = "1h"

[server]
workers = 2

[given]
rows = [{ row = "meal/1", everywhere = { name = "Oatmeal" } }]

[script]
steps = [
"#;

    /// Why each of these steps came to nothing, or nothing if it did not.
    fn fates(steps: &str) -> Vec<Option<Missed>> {
        let text = format!("{HEAD}{steps}\n]\n");
        let (scenario, _) = read("steps", "steps.toml", text.as_bytes()).expect("it can be read");
        let plan = draw(&scenario, 0, Flaws::NONE);
        let outcome = run(&plan);
        let missed: BTreeMap<StepId, Missed> = missed(&plan, &outcome).into_iter().collect();
        plan.steps.iter().map(|step| missed.get(&step.id).copied()).collect()
    }

    #[test]
    fn a_fault_that_meets_nothing_hits_nothing() {
        let fates = fates(
            r#"
  { at = "1s",  device = "phone", do = "edit", row = "meal/1", set = { name = "Soup" } },
  { at = "15s", do = "cut", from = "phone", to = "supabase", for = "2s" },
  { at = "18s", remote = "supabase", do = "break-decryption", row = "meal/9", for = "3s" },
  { at = "19s", remote = "supabase", do = "reject-row", row = "meal/9", for = "3s" },
  { at = "24s", device = "watch", do = "hold-keys", for = "2s" },
  { at = "26s", remote = "cloudkit", do = "lose-replies", for = "2s" },
  { at = "33s", device = "watch", do = "pause", for = "500ms" },"#,
        );
        assert_eq!(fates[0], None);
        assert_eq!(fates[1..], [Some(Missed::HitNothing); 6]);
    }

    #[test]
    fn the_same_faults_hit_what_meets_them() {
        let fates = fates(
            r#"
  { at = "1s", do = "cut", from = "phone", to = "supabase", for = "8s" },
  { at = "1s", remote = "cloudkit", do = "lose-replies", for = "8s" },
  { at = "2s", device = "watch", do = "hold-keys", for = "20s" },
  { at = "3s", device = "phone", do = "edit", row = "meal/1", set = { name = "Soup" } },
  { at = "4s", device = "phone", do = "rotate-key" },
  { at = "8s", device = "phone", do = "pause", for = "4s" },
  { at = "9s", device = "phone", do = "read", row = "meal/1" },"#,
        );
        assert_eq!(fates, [None; 7]);
    }

    #[test]
    fn what_is_not_done_says_why() {
        let fates = fates(
            r#"
  { at = "1s",  device = "watch", do = "destroy" },
  { at = "2s",  device = "watch", do = "crash", for = "1s" },
  { at = "3s",  device = "watch", do = "clock-jump", by = "+1h" },
  { at = "4s",  device = "watch", do = "edit", row = "meal/1", set = { name = "Soup" } },
  { at = "5s",  device = "phone", do = "rename-file", path = "a/raport.txt", name = "x.txt" },
  { at = "6s",  device = "phone", do = "restore-image", for = "1s" },
  { at = "7s",  device = "phone", do = "crash", for = "1s", effects = 500 },
  { when = "watch sent push to cloudkit", device = "phone", do = "crash", for = "2s" },"#,
        );
        let (phone, watch) = (engine::id::DeviceId(0), engine::id::DeviceId(1));
        let skipped = |why| Some(Missed::Skipped(why));
        assert_eq!(
            fates,
            [
                None,
                skipped(Skip::Needs(Need::Up(watch.into()))),
                skipped(Skip::Needs(Need::Exists(watch))),
                skipped(Skip::Off),
                skipped(Skip::Nothing),
                skipped(Skip::Needs(Need::HasImage(phone))),
                Some(Missed::TooFewEffects(500)),
                skipped(Skip::NotDue),
            ]
        );
    }
}
