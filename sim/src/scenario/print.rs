//! Plan to text: a scenario in which every range is one value and every step is written out.
//!
//! One step is one line, with its keys aligned, so that a person can read, cut and change it.

mod expectation;
mod operation;
mod pipeline;
mod script;

use std::fmt::Write as _;

use engine::flaw::Flaw;
use engine::id::{DeviceId, Kind, RecordId, UserId};
use engine::record::Value;
use harness::quantity::{Range, Unit};
use harness::time::{Span, SpanRange, Time};
use toml_writer::{ToTomlValue as _, TomlStringBuilder};

use super::setting::{PLAIN, plain, setting};
use super::words::{field_name, kind_word};
use super::{CapsuleHead, Fields, Origin, Parameter};
use crate::plan::{DevicePlan, Node, Plan, Start, Step};

/// Writes a plan as a scenario. Reading and drawing it gives the same plan, whatever the seed.
pub fn print(plan: &Plan, head: Option<&CapsuleHead>) -> String {
    let mut out = String::new();
    let page = Page { plan };
    page.about(&mut out);
    page.capsule(head, &mut out);
    page.cast(&mut out);
    page.processors(&mut out);
    page.given(&mut out);
    page.settings(&mut out);
    page.script(&mut out);
    page.limits(&mut out);
    page.expect(&mut out);
    out
}

/// Writes what one step of a plan does as the line of a script, without its moment.
pub fn print_step(plan: &Plan, step: &Step) -> String {
    Page { plan }.line(step)
}

/// The keys of a step, in the order of the columns.
type Keys = Vec<(&'static str, String)>;

/// A text in quotes, on one line.
fn quote(text: &str) -> String {
    TomlStringBuilder::new(text).as_basic().to_toml_value()
}

fn millis(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn span(span: Span) -> String {
    quote(&Unit::Span.show(millis(span.0)))
}

fn time(time: Time) -> String {
    span(Span(time.0))
}

fn span_range(range: SpanRange) -> String {
    let range = Range { low: millis(range.low.0), high: millis(range.high.0) };
    quote(&Unit::Span.show_range(range))
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

fn value(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) | Value::Draft { text, .. } => quote(text),
        Value::Set(words) => list(words.iter().map(|word| quote(word))),
    }
}

fn fields(kind: Kind, set: &Fields) -> String {
    assigned(set.iter().map(|(id, value)| (field_name(kind, *id), value)))
}

/// Values by name.
fn assigned<'v>(values: impl Iterator<Item = (&'static str, &'v Value)>) -> String {
    let cells = values.map(|(name, of)| format!("{name} = {}", value(of)));
    format!("{{ {} }}", cells.collect::<Vec<_>>().join(", "))
}

struct Page<'p> {
    plan: &'p Plan,
}

impl Page<'_> {
    fn user(&self, user: UserId) -> String {
        quote(&self.plan.users[usize::from(user.0)])
    }

    fn node(&self, node: Node) -> String {
        quote(self.plan.name(node))
    }

    fn device(&self, device: DeviceId) -> String {
        self.node(Node::Device(device))
    }

    fn about(&self, out: &mut String) {
        let plan = self.plan;
        let title = quote(&format!("{}, seed {}", plan.scenario, plan.seed));
        let users = list(plan.users.iter().map(|user| quote(user)));
        let _ = write!(
            out,
            "[scenario]\ntitle = {title}\nstory = \"One run, written out: nothing in it is left to \
             draw.\"\nusers = {users}\nlasts = {}\n",
            span(plan.storm)
        );
    }

    fn capsule(&self, head: Option<&CapsuleHead>, out: &mut String) {
        let plan = self.plan;
        let flaws: Vec<Flaw> = match head {
            Some(head) => head.flaws.clone(),
            None => plan.flaws.iter().collect(),
        };
        let flaws = list(flaws.into_iter().map(|flaw| quote(flaw.id())));
        let _ = write!(
            out,
            "\n[capsule]\nscenario = {}\nseed = {}\nnature = \"{:#x}\"\nflaws = {flaws}\nsettings = \"{PLAIN}\"\n",
            quote(&plan.scenario),
            // Numbers beyond those of TOML are written as texts.
            i64::try_from(plan.seed)
                .map_or_else(|_| quote(&plan.seed.to_string()), |seed| seed.to_string()),
            plan.nature,
        );
        if let Some(head) = head {
            found(head, out);
        }
    }

    fn cast(&self, out: &mut String) {
        out.push_str("\n[remotes]\n");
        for remote in &self.plan.remotes {
            let _ = writeln!(
                out,
                "{} = {{ kind = {}, page = {}, batch = {}, commit = {} }}",
                remote.name,
                quote(kind_word(remote.kind)),
                remote.page,
                remote.batch,
                span_range(remote.commit),
            );
        }
        out.push_str("\n[devices]\n");
        for device in &self.plan.devices {
            let _ = writeln!(out, "{} = {{ {} }}", device.name, self.beginning(device).join(", "));
        }
    }

    /// Whose a device is, and what else is not as usual when it begins.
    fn beginning(&self, device: &DevicePlan) -> Vec<String> {
        let (state, start) = match device.start {
            Start::Prepared(at) => (None, at),
            Start::Fresh(at) => (Some("fresh"), at),
            Start::Cloned => (Some("cloned"), Time(0)),
        };
        let (clock, drift) = (device.clock_offset_ms, device.clock_drift_ppm);
        let mut keys = vec![format!("user = {}", self.user(device.user))];
        keys.extend(state.map(|state| format!("state = \"{state}\"")));
        keys.extend((start != Time(0)).then(|| format!("start = {}", time(start))));
        let clock = (clock != 0).then(|| quote(&Unit::Shift.show(clock)));
        keys.extend(clock.map(|clock| format!("clock = {clock}")));
        let drift = (drift != 0).then(|| quote(&Unit::Drift.show(drift.into())));
        keys.extend(drift.map(|drift| format!("drift = {drift}")));
        keys
    }

    fn given(&self, out: &mut String) {
        let talks = self.given_talks();
        if self.plan.given.is_empty() && talks.is_empty() {
            return;
        }
        let _ = write!(out, "\n[given]\n{talks}rows = [\n");
        for given in &self.plan.given {
            let _ = writeln!(
                out,
                "  {{ row = {}, owner = {}, everywhere = {} }},",
                row(given.id),
                self.user(given.user),
                fields(given.id.kind, &given.set),
            );
        }
        out.push_str("]\n");
    }

    /// The settings that are not plain, below their headings. A server is there also if all of its are.
    fn settings(&self, out: &mut String) {
        let mut heading = "";
        for parameter in Parameter::ALL.iter().copied() {
            let (home, key) = parameter.place();
            let Some(range) = setting(self.plan, parameter) else { continue };
            let is_said = self.must_say(parameter);
            if home != heading && (is_said || home == "server") {
                heading = home;
                let _ = write!(out, "\n[{heading}]\n");
                if heading == "server" {
                    self.workers(out);
                }
            }
            if is_said {
                let value = parameter.unit().show_range(range);
                let is_bare = parameter.unit() == Unit::Count;
                let _ = writeln!(out, "{key} = {}", if is_bare { value } else { quote(&value) });
            }
        }
    }

    /// Is it not plain? Of a latency both keys are there or none.
    fn must_say(&self, parameter: Parameter) -> bool {
        const LATENCY: [Parameter; 2] = [Parameter::Typical, Parameter::P99];
        let differs = |it: &Parameter| setting(self.plan, *it) != Some(plain(*it));
        differs(&parameter) || (LATENCY.contains(&parameter) && LATENCY.iter().any(differs))
    }

    /// The workers, each with its clock.
    fn workers(&self, out: &mut String) {
        for worker in self.plan.server.iter().flat_map(|server| &server.workers) {
            let _ = writeln!(
                out,
                "workers.{} = {{ clock = {}, drift = {} }}",
                worker.name,
                quote(&Unit::Shift.show(worker.clock_offset_ms)),
                quote(&Unit::Drift.show(i64::from(worker.clock_drift_ppm))),
            );
        }
    }

    fn limits(&self, out: &mut String) {
        let limits = self.plan.limits;
        let bytes = limits.bytes.map(|bytes| quote(&Unit::Size.show(millis(bytes))));
        let set = [
            ("events", limits.events.map(|events| events.to_string())),
            ("facts", limits.facts.map(|facts| facts.to_string())),
            ("bytes", bytes),
            ("simulated", limits.simulated.map(span)),
        ];
        if set.iter().any(|(_, value)| value.is_some()) {
            out.push_str("\n[limits]\n");
        }
        for (key, value) in set {
            if let Some(value) = value {
                let _ = writeln!(out, "{key} = {value}");
            }
        }
    }

    fn expect(&self, out: &mut String) {
        let plan = self.plan;
        if plan.at_end.is_empty() && plan.settle_within.is_none() {
            return;
        }
        out.push_str("\n[expect]\n");
        if let Some(within) = plan.settle_within {
            let _ = writeln!(out, "settle-within = {}", span(within));
        }
        if !plan.at_end.is_empty() {
            out.push_str("at-end = [\n");
            for line in &plan.at_end {
                let _ = writeln!(out, "  {{ {} }},", self.expectation(line));
            }
            out.push_str("]\n");
        }
    }
}

/// What was found, by what, and what the plan was before it was shrunk.
fn found(head: &CapsuleHead, out: &mut String) {
    let mut keys = vec![
        ("invariant", quote(head.invariant.name())),
        ("site", quote(&head.site)),
        ("build", quote(&head.build)),
        ("digest", quote(&head.digest)),
    ];
    keys.extend(head.record_kind.map(|kind| ("record-kind", quote(kind.name()))));
    keys.extend(head.lost.as_ref().map(|lost| ("lost", quote(lost))));
    keys.extend(head.machine.as_ref().map(|machine| ("machine", quote(machine))));
    if let Some(Origin { digest, steps, faults, messages, writes }) = &head.origin {
        let from = format!(
            "{{ digest = {}, steps = {steps}, faults = {faults}, messages = {messages} }}",
            quote(digest)
        );
        keys.push(("shrunk-from", from));
        let writes = writes.iter().map(|(now, before)| format!("{now} = {}", quote(before)));
        let writes = writes.collect::<Vec<_>>().join(", ");
        keys.extend((!writes.is_empty()).then(|| ("writes", format!("{{ {writes} }}"))));
    }
    for (key, value) in keys {
        let _ = writeln!(out, "{key} = {value}");
    }
}

fn row(id: RecordId) -> String {
    quote(&id.to_string())
}

#[cfg(test)]
mod tests {
    use super::quote;

    #[test]
    fn a_quoted_text_is_one_line_and_reads_as_what_it_was() {
        for text in
            ["", "plain", "\"said\" it's", "C:\\temp", "two\nlines\r\n", "\u{1b}[1m\t\u{7f}"]
        {
            let quoted = quote(text);
            assert!(!quoted.chars().any(char::is_control), "{quoted:?}");
            let read: toml::Table = format!("it = {quoted}").parse().expect("it is TOML");
            assert_eq!(read["it"].as_str(), Some(text), "{quoted}");
        }
    }
}
