//! INV-05 `cursors-are-safe`: a durable cursor passes a row only if the row is durably applied or sealed,
//! and that stays so; and it passes a change of a file only if the device durably has it.

mod file;
mod kept_row;
pub(crate) mod passed_row;

use std::collections::BTreeMap;

use engine::id::{DeviceId, Remote};

use crate::invariant::evidence::{Evidence, Timeline};
use crate::invariant::findings::Findings;

/// Up to which position each device's durable cursors had passed each remote, over time.
type Reached = BTreeMap<(DeviceId, Remote), Timeline<u64>>;

pub(crate) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let reached = passed_row::judge(evidence, findings);
    kept_row::judge(evidence, findings, &reached);
    file::judge(evidence, findings);
}
