//! Days: a day is shown as it stood at some moment since it was asked for.

use std::collections::BTreeMap;

use engine::dedup::DedupKey;
use engine::job::{Item, Stored};

use crate::history::Worked;
use crate::invariant::Invariant::ServerIsLinearizable;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::epochs::Epoch;
use crate::invariant::evidence::naming::command_name;
use crate::invariant::evidence::work::of_day;
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::count;
use crate::plan::ProcessorCommand;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for operation in &evidence.work.operations {
        let (ProcessorCommand::ReadDay(began), Some((at, Worked::Day(_, items)))) =
            (operation.command, operation.worked())
        else {
            continue;
        };
        let shown: BTreeMap<DedupKey, Item> = items.iter().copied().collect();
        let stood = |items: &BTreeMap<DedupKey, Stored>| of_day(items, began.day) == shown;
        let was_so = |epoch: &Epoch<'_>| match epoch.conversations.get(&operation.user) {
            Some(conversations) => conversations.was_ever((operation.asked, at), stood),
            None => shown.is_empty(),
        };
        if !evidence.epochs.between(operation.asked, at).any(was_so) {
            let message = format!(
                "{}: {} shows {}, which the day never had since it was asked for at {}.",
                evidence.name(operation.node),
                command_name(operation.command),
                count(items.len(), "conversation"),
                evidence.time(operation.asked)
            );
            let place = (ServerIsLinearizable, "day-never-so");
            findings.report(evidence, place, at, About::default(), message, [operation.asked]);
        }
    }
}
