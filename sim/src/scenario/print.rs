//! Plan to text: a scenario in which every range is one value and every step is written out.
//!
//! One step is one line, with its keys aligned, so that a person can read, cut and change it.

use std::fmt::Write as _;

use engine::flaw::Flaw;
use engine::id::{DeviceId, Kind, RecordId, UserId};
use engine::record::Value;
use engine::time::{Span, Time};

use super::quantity::{Range, Unit};
use super::words::{ending_word, field_name, kind_word, lasting, parcel_word, strategy_word};
use super::{CapsuleHead, Fields, Parameter, Verb};
use crate::plan::{
    Act, AtEnd, Chance, Deed, Fault, Lasting, Node, Plan, SpanRange, Start, Step, Trigger, When,
};

/// Writes a plan as a scenario. Reading and drawing it gives the same plan, whatever the seed.
pub fn print(plan: &Plan, head: Option<&CapsuleHead>) -> String {
    let mut out = String::new();
    let page = Page { plan };
    page.about(&mut out);
    page.capsule(head, &mut out);
    page.cast(&mut out);
    page.given(&mut out);
    page.settings(&mut out);
    page.script(&mut out);
    page.expect(&mut out);
    out
}

/// A text in quotes, on one line.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
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
    let cells = set.iter().map(|(id, of)| format!("{} = {}", field_name(kind, *id), value(of)));
    format!("{{ {} }}", cells.collect::<Vec<_>>().join(", "))
}

/// The keys of a step, in the order of the columns.
type Keys = Vec<(&'static str, String)>;

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
        if self.plan.given.is_empty() {
            return;
        }
        out.push_str("\n[given]\nrows = [\n");
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
            if home != heading {
                heading = home;
                let _ = write!(out, "\n[{heading}]\n");
            }
            let _ = writeln!(out, "{key} = {}", self.setting(parameter));
        }
    }

    fn setting(&self, parameter: Parameter) -> String {
        let plan = self.plan;
        let (network, timing, sign_in) = (&plan.network, &plan.timing, &plan.sign_in);
        match parameter {
            Parameter::Grain => span(network.grain),
            Parameter::Typical => span(network.typical),
            Parameter::P99 => span(network.p99),
            Parameter::Loss => chance(network.loss),
            Parameter::Duplicates => chance(network.duplicate),
            Parameter::ReplyLoss => chance(network.reply_loss),
            Parameter::HintLoss => chance(network.hint_loss),
            Parameter::DiskCommit => span_range(plan.disk.commit),
            Parameter::DiskAnswer => span_range(plan.disk.answer),
            Parameter::PullEvery => span(timing.pull_every),
            Parameter::RelistEvery => span(timing.relist_every),
            Parameter::LoginPatience => span(timing.login_patience),
            Parameter::Timeout => span(timing.timeout),
            Parameter::RetryBase => span(timing.retry_base),
            Parameter::RetryCap => span(timing.retry_cap),
            Parameter::Page => timing.page.to_string(),
            Parameter::Batch => timing.batch.to_string(),
            Parameter::KeyDelay => span_range(plan.keychain),
            Parameter::SignInDelay => span_range(sign_in.delay),
            Parameter::Valid => span(sign_in.valid),
            Parameter::ExpiredFirst => chance(sign_in.expired_first),
            Parameter::ForeignFirst => chance(sign_in.foreign_first),
        }
    }

    fn script(&self, out: &mut String) {
        if self.plan.steps.is_empty() {
            return;
        }
        let lines: Vec<Keys> = self.plan.steps.iter().map(|step| self.step(step)).collect();
        // The first columns are aligned: the moment, who, and what.
        let width = |column: usize| {
            lines
                .iter()
                .filter_map(|keys| keys.get(column))
                .map(|(key, value)| key.len() + value.len())
                .filter(|width| *width <= 30)
                .max()
                .unwrap_or(0)
        };
        let widths = [width(0), width(1)];
        out.push_str("\n[script]\nsteps = [\n");
        for keys in &lines {
            out.push_str("  {");
            for (at, (key, value)) in keys.iter().enumerate() {
                let last = at + 1 == keys.len();
                let used = key.len() + value.len();
                let pad = widths.get(at).map_or(0, |width| width.saturating_sub(used));
                let _ = write!(out, " {key} = {value}{}", if last { "" } else { "," });
                if !last {
                    let _ = write!(out, "{:pad$}", "");
                }
            }
            out.push_str(" },\n");
        }
        out.push_str("]\n");
    }

    fn step(&self, step: &Step) -> Keys {
        let mut keys: Keys = Vec::new();
        match &step.when {
            When::At(at) => keys.push(("at", time(*at))),
            When::After(after) => keys.push(("after", span(*after))),
            When::On(trigger, after) => {
                keys.push(("when", quote(&self.trigger(trigger))));
                if let Trigger::Quiet(limit) = trigger {
                    keys.push(("at-most", span(*limit)));
                }
                keys.push(("after", span(*after)));
            }
        }
        match &step.act {
            Act::Wait => keys.push(("do", quote(Verb::Wait.name()))),
            Act::User(device, deed) => {
                let (verb, rest) = spell(deed);
                keys.push(("device", self.device(*device)));
                keys.push(("do", quote(verb.name())));
                keys.extend(rest);
            }
            Act::Fault(fault) => self.fault(fault, &mut keys),
        }
        keys
    }

    fn trigger(&self, trigger: &Trigger) -> String {
        let name = |node: &Node| self.plan.name(*node);
        match trigger {
            Trigger::Got(to, parcel, from) => {
                format!("{} got {} from {}", name(to), parcel_word(*parcel), name(from))
            }
            Trigger::Sent(from, parcel, to) => {
                format!("{} sent {} to {}", name(from), parcel_word(*parcel), name(to))
            }
            Trigger::Lost(from, parcel, to) => {
                format!("{} lost {} to {}", name(from), parcel_word(*parcel), name(to))
            }
            Trigger::Committed(device) => format!("{} committed", name(&Node::Device(*device))),
            Trigger::Quiet(_) => "quiet".to_owned(),
        }
    }

    fn fault(&self, fault: &Fault, keys: &mut Keys) {
        let verb = Verb::of_fault(fault);
        let (who, rest): (Option<String>, Keys) = match fault {
            Fault::Cut(from, to, _) => {
                (None, vec![("from", self.node(*from)), ("to", self.node(*to))])
            }
            Fault::SlowLink(device, remote, times, _) => (
                Some(self.device(*device)),
                vec![("to", self.node(Node::Remote(*remote))), ("times", times.to_string())],
            ),
            Fault::DiskSlow(device, times, _) => {
                (Some(self.device(*device)), vec![("times", times.to_string())])
            }
            Fault::Clone(device, copy) => {
                (Some(self.device(*device)), vec![("to", self.device(*copy))])
            }
            Fault::ClockJump(device, by) => {
                (Some(self.device(*device)), vec![("by", quote(&Unit::Shift.show(*by)))])
            }
            Fault::Offline(device, _)
            | Fault::Crash(device, _)
            | Fault::Pause(device, _)
            | Fault::Destroy(device)
            | Fault::SaveImage(device)
            | Fault::RestoreImage(device, _)
            | Fault::DiskFull(device, _)
            | Fault::HoldKeys(device, _)
            | Fault::ExpireCredential(device) => (Some(self.device(*device)), Vec::new()),
            Fault::LoseReplies(remote, _)
            | Fault::LoseHints(remote, _)
            | Fault::Outage(remote, _)
            | Fault::ExpireCursors(remote) => (Some(self.node(Node::Remote(*remote))), Vec::new()),
            Fault::Throttle(remote, wait, _) => {
                (Some(self.node(Node::Remote(*remote))), vec![("wait", span(*wait))])
            }
            Fault::HideRow(user, id, _) => (Some(self.user(*user)), vec![("row", row(*id))]),
            Fault::CorruptRow(remote, user, id, seen_by, _) => {
                let mut rest = vec![("row", row(*id)), ("user", self.user(*user))];
                rest.extend(seen_by.map(|device| ("seen-by", self.device(device))));
                (Some(self.node(Node::Remote(*remote))), rest)
            }
            Fault::RejectRow(remote, user, id, _) => (
                Some(self.node(Node::Remote(*remote))),
                vec![("row", row(*id)), ("user", self.user(*user))],
            ),
            Fault::EndZone(user, how) => {
                (Some(self.user(*user)), vec![("how", quote(ending_word(*how)))])
            }
            Fault::DropPolicy(_) => (None, Vec::new()),
            Fault::SlowCommits(taking, _) => (None, vec![("taking", span(*taking))]),
            Fault::Server(_) => unreachable!(),
            Fault::Intrude(remote, user) => {
                (Some(self.node(Node::Remote(*remote))), vec![("user", self.user(*user))])
            }
        };
        keys.extend(verb.who().key().zip(who));
        keys.push(("do", quote(verb.name())));
        keys.extend(rest);
        keys.extend(for_how_long(fault).map(|text| ("for", quote(&text))));
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
                let _ = writeln!(out, "  {{ {} }},", self.at_end(line));
            }
            out.push_str("]\n");
        }
    }

    fn at_end(&self, line: &AtEnd) -> String {
        let on = list(line.on.iter().map(|node| self.node(*node)));
        let mut text =
            format!("on = {on}, user = {}, row = {}", self.user(line.user), row(line.id));
        match (line.field, &line.is) {
            (None, _) => text.push_str(", gone = true"),
            (Some(field), is) => {
                let _ = write!(text, ", field = {}", quote(field_name(line.id.kind, field)));
                match is {
                    Some(is) => {
                        let _ = write!(text, ", is = {}", value(is));
                    }
                    None => text.push_str(", empty = true"),
                }
            }
        }
        let _ = write!(text, ", line = {}", line.line);
        text
    }
}

fn row(id: RecordId) -> String {
    quote(&id.to_string())
}

/// What `for` says of a fault; nothing if it cannot last.
fn for_how_long(fault: &Fault) -> Option<String> {
    if let Fault::Crash(_, back) | Fault::Pause(_, back) | Fault::RestoreImage(_, back) = fault {
        return Some(Unit::Span.show(millis(back.0)));
    }
    let mut fault = fault.clone();
    lasting(&mut fault).map(|lasting| match lasting {
        Lasting::For(span) => Unit::Span.show(millis(span.0)),
        Lasting::Storm => "rest of the storm".to_owned(),
        Lasting::Forever => "ever".to_owned(),
    })
}

/// The verb of a deed, and its keys.
fn spell(deed: &Deed) -> (Verb, Keys) {
    let with = |id: &RecordId, set: &Fields| vec![("row", row(*id)), ("set", fields(id.kind, set))];
    match deed {
        Deed::Edit(id, set) => (Verb::Edit, with(id, set)),
        Deed::Open(id) => (Verb::Open, vec![("row", row(*id))]),
        Deed::Save(id, set) => (Verb::Save, with(id, set)),
        Deed::Overwrite(id, set) => (Verb::Overwrite, with(id, set)),
        Deed::Increment(id, field, by) => {
            let field = quote(field_name(id.kind, *field));
            (Verb::Increment, vec![("row", row(*id)), ("field", field), ("by", by.to_string())])
        }
        Deed::Delete(id) => (Verb::Delete, vec![("row", row(*id))]),
        Deed::Undelete(id) => (Verb::Undelete, vec![("row", row(*id))]),
        Deed::Read(id) => (Verb::Read, vec![("row", row(*id))]),
        Deed::Sync => (Verb::Sync, Vec::new()),
        Deed::SignIn => (Verb::Login, Vec::new()),
        Deed::SignOut => (Verb::Logout, Vec::new()),
        Deed::RotateKey => (Verb::RotateKey, Vec::new()),
        Deed::Errand(_) => unreachable!(),
        Deed::Register(kind, field, strategy) => (
            Verb::RegisterStrategy,
            vec![
                ("kind", quote(kind.name())),
                ("field", quote(field_name(*kind, *field))),
                ("strategy", quote(strategy_word(*strategy))),
            ],
        ),
    }
}
