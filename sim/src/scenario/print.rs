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
use harness::random::Chance;
use harness::time::{Span, SpanRange, Time};
use toml_writer::{ToTomlValue as _, TomlStringBuilder};

use super::words::{field_name, kind_word};
use super::{CapsuleHead, Fields, Parameter};
use crate::plan::{Node, Plan, Start, Step};
use crate::time::ToSimulated;

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

fn chance(chance: Chance) -> String {
    quote(&Unit::Chance.show(i64::from(chance.0)))
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
            "\n[capsule]\nscenario = {}\nseed = {}\nnature = \"{:#x}\"\nflaws = {flaws}\n",
            quote(&plan.scenario),
            // Numbers beyond those of TOML are written as texts.
            i64::try_from(plan.seed)
                .map_or_else(|_| quote(&plan.seed.to_string()), |seed| seed.to_string()),
            plan.nature,
        );
        let Some(head) = head else { return };
        let _ = write!(
            out,
            "invariant = {}\nsite = {}\n",
            quote(head.invariant.name()),
            quote(&head.site)
        );
        if let Some(kind) = head.record_kind {
            let _ = writeln!(out, "record-kind = {}", quote(kind.name()));
        }
        if let Some(lost) = &head.lost {
            let _ = writeln!(out, "lost = {}", quote(lost));
        }
        let _ = write!(out, "build = {}\ndigest = {}\n", quote(&head.build), quote(&head.digest));
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
            let (state, start) = match device.start {
                Start::Prepared(at) => ("prepared", at),
                Start::Fresh(at) => ("fresh", at),
                Start::Cloned => ("cloned", Time(0)),
            };
            let _ = writeln!(
                out,
                "{} = {{ user = {}, state = \"{state}\", start = {}, clock = {}, drift = {} }}",
                device.name,
                self.user(device.user),
                time(start),
                quote(&Unit::Shift.show(device.clock_offset_ms)),
                quote(&Unit::Drift.show(i64::from(device.clock_drift_ppm))),
            );
        }
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

    fn settings(&self, out: &mut String) {
        let mut heading = "";
        for parameter in Parameter::ALL.iter().copied() {
            let (home, key) = parameter.place();
            let Some(value) = self.setting(parameter) else { continue };
            if home != heading {
                heading = home;
                let _ = write!(out, "\n[{heading}]\n");
                if heading == "server" {
                    self.workers(out);
                }
            }
            let _ = writeln!(out, "{key} = {value}");
        }
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

    /// The value of a parameter; nothing of a server that is not there.
    fn setting(&self, parameter: Parameter) -> Option<String> {
        let plan = self.plan;
        let (network, timing, sign_in) = (&plan.network, &plan.timing, &plan.sign_in);
        let server = || plan.server.as_ref();
        let pipeline = || server().map(|it| &it.pipeline).filter(|it| !it.processors.is_empty());
        let volume = || server().map(|server| server.volume);
        let workers = || server().map(|server| server.timing);
        Some(match parameter {
            Parameter::Grain => span(network.grain),
            Parameter::Typical => span(network.typical),
            Parameter::P99 => span(network.p99),
            Parameter::Loss => chance(network.loss),
            Parameter::Duplicates => chance(network.duplicate),
            Parameter::ReplyLoss => chance(network.reply_loss),
            Parameter::HintLoss => chance(network.hint_loss),
            Parameter::DiskCommit => span_range(plan.disk.commit),
            Parameter::DiskAnswer => span_range(plan.disk.answer),
            Parameter::PullEvery => span(timing.pull_every.to_simulated()),
            Parameter::RelistEvery => span(timing.relist_every.to_simulated()),
            Parameter::FeedEvery => span(timing.feed_every.to_simulated()),
            Parameter::LoginPatience => span(timing.login_patience.to_simulated()),
            Parameter::Timeout => span(timing.timeout.to_simulated()),
            Parameter::RetryBase => span(timing.retry_base.to_simulated()),
            Parameter::RetryCap => span(timing.retry_cap.to_simulated()),
            Parameter::Page => timing.page.to_string(),
            Parameter::Batch => timing.batch.to_string(),
            Parameter::KeyDelay => span_range(plan.keychain),
            Parameter::SignInDelay => span_range(sign_in.delay),
            Parameter::Valid => span(sign_in.valid),
            Parameter::ExpiredFirst => chance(sign_in.expired_first),
            Parameter::ForeignFirst => chance(sign_in.foreign_first),
            Parameter::VolumeDelay => span_range(volume()?.delay),
            Parameter::VolumeFailure => chance(volume()?.failure),
            Parameter::VolumeReplyLoss => chance(volume()?.reply_loss),
            Parameter::VolumeListLag => span(volume()?.list_lag),
            Parameter::Session => span(workers()?.session.to_simulated()),
            Parameter::VolumeTimeout => span(workers()?.timeout.to_simulated()),
            Parameter::VolumeRetryBase => span(workers()?.retry_base.to_simulated()),
            Parameter::VolumeRetryCap => span(workers()?.retry_cap.to_simulated()),
            Parameter::Queue => workers()?.queue.to_string(),
            Parameter::SnapshotEvery => workers()?.snapshot_every.to_string(),
            Parameter::UploadLease => span(workers()?.upload.to_simulated()),
            Parameter::MoveBatch => workers()?.batch.to_string(),
            Parameter::Piece => quote(&Unit::Size.show(i64::from(server()?.piece))),
            Parameter::Poll => span(pipeline()?.timing.poll.to_simulated()),
            Parameter::Patience => span(pipeline()?.timing.patience.to_simulated()),
            Parameter::StepTakes => span_range(pipeline()?.step.takes),
            Parameter::StepFailure => chance(pipeline()?.step.failure),
            Parameter::StepSilence => chance(pipeline()?.step.silence),
        })
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
