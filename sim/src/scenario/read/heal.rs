//! The verbs that end faults: each ends the latest fault of its kind that was left open.

use super::table::{Item, Reader};
use crate::fault::FaultKind;
use crate::plan::{Act, Lasting};
use crate::scenario::problem::Code;
use crate::scenario::words::Verb;
use crate::scenario::{Lasts, Scenario};

/// Ends the faults that have begun and not ended before this line.
pub(super) fn heal(
    reader: &mut Reader<'_>,
    scenario: &mut Scenario,
    item: Item<'_>,
    verb: Verb,
    ends: &[(Act, Lasts)],
) {
    let here = scenario.script.len();
    for (act, _) in ends {
        let open = scenario.script.iter_mut().rev().find_map(|line| {
            line.acts
                .iter_mut()
                .find(|(begun, lasts)| *lasts == Lasts::AsWritten && is_ended_by(begun, act))
        });
        match open {
            Some((_, lasts)) => *lasts = Lasts::Until(here),
            None => {
                let begins = verb.ends().map_or("", FaultKind::word);
                reader.tell(
                    Code::NothingToHeal,
                    item.span(),
                    format!("there is nothing that `{}` could end", verb.name()),
                    format!("no `{begins}` like this goes on here"),
                    format!("put a `{begins}` without `for` before it, with the same names"),
                );
            }
        }
    }
}

fn is_ended_by(begun: &Act, end: &Act) -> bool {
    matches!((begun, end), (Act::Fault(begun, Lasting::Storm), Act::Fault(end, _))
        if end.ends(begun))
}
