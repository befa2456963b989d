//! Plans with plainer settings, with which a plan is made smaller.

use super::with_settings;
use crate::plan::Plan;
use crate::scenario::setting::{MOST_PULLS, answers_in_time, plain, setting};
use crate::scenario::{Choice, Parameter};
use crate::time::ToSimulated;

/// The plan with plain settings: all of them, and those under each heading. None that the reader would refuse
/// is among them.
pub fn with_plain_settings(plan: &Plan) -> Vec<Plan> {
    let mut headings: Vec<&str> = Parameter::ALL.iter().map(|it| it.place().0).collect();
    headings.dedup();
    let under = headings.into_iter().map(|heading| with_plain(plan, |it| it.place().0 == heading));
    [with_plain(plan, |_| true)].into_iter().chain(under).filter(can_be_read).collect()
}

/// The plan with one plain setting, each in turn. None that the reader would refuse is among them.
pub fn with_a_plain_setting(plan: &Plan) -> Vec<Plan> {
    let each = Parameter::ALL.iter().map(|only| with_plain(plan, |it| it == *only));
    each.filter(can_be_read).collect()
}

fn with_plain(plan: &Plan, is_chosen: impl Fn(Parameter) -> bool) -> Plan {
    let choice = |parameter: &Parameter| {
        let now = setting(plan, *parameter).filter(|_| !is_chosen(*parameter));
        Choice(vec![now.unwrap_or_else(|| plain(*parameter))])
    };
    with_settings(plan, &Parameter::ALL.iter().map(choice).collect::<Vec<_>>())
}

fn can_be_read(plan: &Plan) -> bool {
    let volume = |parameter| setting(plan, parameter).map_or(0, |range| range.low);
    let pulls = plan.storm.0 / plan.timing.pull_every.to_simulated().0.max(1);
    let is_served = plan.server.is_none()
        || answers_in_time(volume(Parameter::VolumeDelay), volume(Parameter::VolumeTimeout));
    is_served && pulls <= MOST_PULLS
}
