//! Plans with plainer settings, with which a plan is made smaller.

use super::with_settings;
use crate::plan::Plan;
use crate::scenario::setting::{MOST_PULLS, answers_in_time, plain, setting};
use crate::scenario::{Choice, Parameter};
use crate::time::ToSimulated;

/// The parameters whose settings are not plain.
fn odd(plan: &Plan) -> Vec<Parameter> {
    let is_odd = |it: &Parameter| setting(plan, *it).is_some_and(|now| now != plain(*it));
    Parameter::ALL.iter().copied().filter(is_odd).collect()
}

/// How many settings are not plain.
pub fn count_odd_settings(plan: &Plan) -> usize {
    odd(plan).len()
}

/// The plan with plain settings, but for some of those that are not; the plan as it is, if the reader would
/// refuse the other.
pub fn with_plain_settings(plan: &Plan, kept: &[usize]) -> Plan {
    let odd = odd(plan);
    let stays = |it: &Parameter| kept.iter().any(|&at| odd[at] == *it);
    let choice = |it: &Parameter| {
        let now = setting(plan, *it).filter(|_| stays(it));
        Choice(vec![now.unwrap_or_else(|| plain(*it))])
    };
    let choices: Vec<Choice> = Parameter::ALL.iter().map(choice).collect();
    Some(with_settings(plan, &choices)).filter(can_be_read).unwrap_or_else(|| plan.clone())
}

fn can_be_read(plan: &Plan) -> bool {
    let volume = |parameter| setting(plan, parameter).map_or(0, |range| range.low);
    let pulls = plan.storm.0 / plan.timing.pull_every.to_simulated().0.max(1);
    let is_served = plan.server.is_none()
        || answers_in_time(volume(Parameter::VolumeDelay), volume(Parameter::VolumeTimeout));
    is_served && pulls <= MOST_PULLS
}
