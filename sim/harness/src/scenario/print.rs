//! Capsules: a plan as a file, from which it can be replayed, edited and made smaller.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Head, Times};
use crate::plan::{Act, Plan};
use crate::quantity::Unit;
use crate::step::Step;
use crate::system::System;
use crate::word::{HostSpec, Kind};

/// The capsule of a plan. Read back, it is the same plan.
pub(super) fn print<S: System>(title: &str, plan: &Plan<S>, head: &Head) -> String {
    let times = Times { lasts: plan.lasts, rests_within: plan.rests_within };
    let mut text = format!("title = {}\n", quoted(title));
    section(&mut text, "capsule", head);
    section(&mut text, "system", &plan.system);
    section(&mut text, "network", &plan.surroundings.network);
    section(&mut text, "disk", &plan.surroundings.disk);
    section(&mut text, "clocks", &plan.surroundings.clocks);
    section(&mut text, "time", &times);
    text.push_str("\n[script]\nsteps = [\n");
    let hosts = plan.system.hosts();
    for step in &plan.steps {
        let _ = writeln!(text, "    {{ {} }},", line::<S>(step, &hosts));
    }
    text.push_str("]\n");
    text
}

fn section(text: &mut String, name: &str, content: &impl Serialize) {
    let content = toml::to_string(content).expect("settings are plain tables");
    let _ = write!(text, "\n[{name}]\n{content}");
}

fn line<S: System>(step: &Step, hosts: &[HostSpec]) -> String {
    let at = quoted(&Unit::Span.show(i64::try_from(step.at.0).unwrap_or(i64::MAX)));
    let mut line = format!("id = {}, at = {at}, do = {}", step.id.0, quoted(step.word));
    let act = Act::<S>::of(step.word).expect("words are checked when a plan is read or drawn");
    for (parameter, value) in act.word().parameters.iter().zip(&step.values) {
        let shown = match parameter.kind {
            Kind::Quantity(Unit::Count, _) => value.to_string(),
            Kind::Quantity(..) | Kind::Host(_) => quoted(&parameter.show(*value, hosts)),
        };
        let _ = write!(line, ", {} = {shown}", parameter.name);
    }
    line
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
