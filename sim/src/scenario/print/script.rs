//! The script of a plan: one line for each step.

use std::fmt::Write as _;

use engine::id::RecordId;
use harness::quantity::Unit;

use super::{Keys, Page, fields, millis, pipeline, quote, row, span, time, value};
use crate::plan::{
    Act, Deed, Errand, Fault, Lasting, Node, PipeFault, ServerFault, Step, Trigger, VolumeFault,
    When, WorkerId,
};
use crate::scenario::words::{
    back_after, ending_word, field_name, lasting, parcel_word, strategy_word,
};
use crate::scenario::{Fields, Verb};

impl Page<'_> {
    pub(super) fn script(&self, out: &mut String) {
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
        let mut keys = self.saying(step);
        // Last, so that the first columns say what people look for.
        keys.push(("id", step.id.0.to_string()));
        keys
    }

    /// When it happens, and what it does.
    fn saying(&self, step: &Step) -> Keys {
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
            Act::Order(processor, order) => {
                let (verb, rest) = pipeline::spell(order);
                keys.push(("processor", self.processor(*processor)));
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
            Fault::Crash(device, _, effects) => (Some(self.device(*device)), fuse(*effects)),
            Fault::Offline(device, _)
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
            Fault::Server(fault) => self.server_fault(fault),
            Fault::Pipe(fault) => self.pipe_fault(fault),
            Fault::Intrude(remote, user) => {
                (Some(self.node(Node::Remote(*remote))), vec![("user", self.user(*user))])
            }
        };
        keys.extend(verb.who().key().zip(who));
        keys.push(("do", quote(verb.name())));
        keys.extend(rest);
        keys.extend(for_how_long(fault).map(|text| ("for", quote(&text))));
    }

    /// Whom a fault of the pipeline happens to, and its keys.
    fn pipe_fault(&self, fault: &PipeFault) -> (Option<String>, Keys) {
        match *fault {
            PipeFault::Crash(id, _, effects) => (Some(self.processor(id)), fuse(effects)),
            PipeFault::Pause(id, _) => (Some(self.processor(id)), Vec::new()),
            PipeFault::ClockJump(id, by) => {
                (Some(self.processor(id)), vec![("by", quote(&Unit::Shift.show(by)))])
            }
            PipeFault::SlowStep(times, _) => (None, vec![("times", times.to_string())]),
            PipeFault::FailingStep(_) => (None, Vec::new()),
        }
    }

    /// Whom a fault of the sync server happens to, and its keys.
    fn server_fault(&self, fault: &ServerFault) -> (Option<String>, Keys) {
        let worker = |worker: WorkerId| Some(self.node(Node::Worker(worker)));
        match *fault {
            ServerFault::Crash(id, _, effects) => (worker(id), fuse(effects)),
            ServerFault::Pause(id, _) => (worker(id), Vec::new()),
            ServerFault::ClockJump(id, by) => {
                (worker(id), vec![("by", quote(&Unit::Shift.show(by)))])
            }
            ServerFault::Volume(VolumeFault::Outage | VolumeFault::LoseReplies, _) => {
                (None, Vec::new())
            }
            ServerFault::Volume(VolumeFault::Slow(times), _) => {
                (None, vec![("times", times.to_string())])
            }
            ServerFault::Volume(VolumeFault::LateList(by), _) => (None, vec![("by", span(by))]),
            ServerFault::Restore(by, _) => (None, vec![("by", span(by))]),
            ServerFault::Intrude(user) => (Some(self.user(user)), Vec::new()),
        }
    }
}

/// How many effects come first, if any.
fn fuse(effects: u16) -> Keys {
    if effects == 0 { Vec::new() } else { vec![("effects", effects.to_string())] }
}

/// What `for` says of a fault; nothing if it cannot last.
fn for_how_long(fault: &Fault) -> Option<String> {
    let mut fault = fault.clone();
    if let Some(back) = back_after(&mut fault) {
        return Some(Unit::Span.show(millis(back.0)));
    }
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
        Deed::Errand(Errand::Patch(set)) => {
            let cells = set.iter().map(|(field, to)| format!("{} = {}", field.name(), value(to)));
            let set = format!("{{ {} }}", cells.collect::<Vec<_>>().join(", "));
            (Verb::UpdateAccount, vec![("set", set)])
        }
        Deed::Upload(excerpt) => (Verb::UploadConversation, pipeline::excerpt(excerpt)),
        Deed::Errand(Errand::ReadAccount) => (Verb::ReadAccount, Vec::new()),
        Deed::Errand(Errand::SessionStatus) => (Verb::SessionStatus, Vec::new()),
        Deed::File(deed) => super::file::spell(deed),
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
