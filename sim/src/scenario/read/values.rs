//! Rows, their fields, lengths of time, and the names of people and nodes.

use std::collections::BTreeSet;

use engine::flaw::Flaw;
use engine::id::{AccountField, DeviceId, FieldId, Kind, RecordId, Remote, UserId};
use engine::record::Value;
use engine::schema::{Holds, fields};
use harness::time::Span;
use toml::de::DeValue;

use super::table::{Item, Reader, Table};
use crate::invariant::Invariant;
use crate::plan::{Node, ProcessorId, WorkerId};
use crate::scenario::problem::Code;
use crate::scenario::words::{field_named, kind_of};
use crate::scenario::{Fields, Scenario, Unit};

/// The longest time that a file can name: a hundred years, in milliseconds.
pub(super) const FOREVER: i64 = 100 * 366 * 24 * 60 * 60 * 1_000;

/// The names of all kinds.
pub(super) fn kind_names() -> Vec<&'static str> {
    Kind::ALL.iter().map(|kind| kind.name()).collect()
}

impl Reader<'_> {
    /// A row, as `meal/42`.
    pub(super) fn row(&mut self, item: Item<'_>) -> Option<RecordId> {
        let text = self.text(item)?;
        let Some((kind, key)) = text.split_once('/') else {
            return self.not_a_row(item, text, "there is no `/`");
        };
        let Some(kind) = kind_of(kind) else {
            self.unknown(Code::NotARow, item, kind, kind_names());
            return None;
        };
        match key.parse() {
            Ok(key) => Some(RecordId { kind, key }),
            Err(_) => self.not_a_row(item, text, "after `/` comes a whole number"),
        }
    }

    /// Rows of one kind, as `meal/1..20`.
    pub(super) fn rows(&mut self, item: Item<'_>) -> Option<(Kind, u32, u32)> {
        let text = self.text(item)?;
        let Some((low, high)) = text.split_once("..") else {
            return self.row(item).map(|id| (id.kind, id.key, id.key));
        };
        let Some((kind, low)) = low.split_once('/') else {
            return self.not_a_row(item, text, "there is no `/`");
        };
        let Some(kind) = kind_of(kind) else {
            self.unknown(Code::NotARow, item, kind, kind_names());
            return None;
        };
        match (low.parse::<u32>(), high.parse::<u32>()) {
            (Ok(low), Ok(high)) if low > high => {
                self.tell(
                    Code::Reversed,
                    item.span(),
                    format!("the range \"{text}\" is reversed"),
                    "the first bound is above the second",
                    format!("write \"{}/{high}..{low}\"", kind.name()),
                );
                None
            }
            (Ok(low), Ok(high)) if high - low >= 100_000 => {
                self.out_of_bounds(item.span(), "1 and 100000 rows");
                None
            }
            (Ok(low), Ok(high)) => Some((kind, low, high)),
            _ => self.not_a_row(item, text, "a range of whole numbers comes after `/`"),
        }
    }

    fn not_a_row<T>(&mut self, item: Item<'_>, text: &str, why: &str) -> Option<T> {
        let shown: String = text.chars().take(40).collect();
        self.tell(
            Code::NotARow,
            item.span(),
            format!("\"{shown}\" is not a row"),
            why,
            format!("write \"meal/42\"; the kinds are {}", kind_names().join(", ")),
        );
        None
    }

    /// A kind of record.
    pub(super) fn kind(&mut self, item: Item<'_>) -> Option<Kind> {
        let text = self.text(item)?;
        let kind = kind_of(text);
        if kind.is_none() {
            self.unknown(Code::UnknownWord, item, text, kind_names());
        }
        kind
    }

    /// A field of a kind.
    pub(super) fn field(&mut self, kind: Kind, item: Item<'_>) -> Option<FieldId> {
        let text = self.text(item)?;
        let field = field_named(kind, text);
        if field.is_none() {
            self.unknown(Code::UnknownField, item, text, field_names(kind));
        }
        field.map(|field| field.id)
    }

    /// Values by field, as `{ kcal = 350 }`, sorted by field. A draft is given by its text.
    pub(super) fn fields(&mut self, kind: Kind, item: Item<'_>) -> Option<Fields> {
        let mut table = self.table(item, "this")?;
        let mut set = Vec::new();
        let mut whole = true;
        for (name, span, item) in table.rest() {
            let Some(field) = field_named(kind, name) else {
                whole = false;
                self.tell(
                    Code::UnknownField,
                    span,
                    format!("a {} has no field `{name}`", kind.name()),
                    "unknown field",
                    super::super::problem::suggest(name, field_names(kind)),
                );
                continue;
            };
            match self.value(field.holds, item) {
                Some(value) => set.push((field.id, value)),
                None => whole = false,
            }
        }
        if whole && set.is_empty() {
            self.tell(
                Code::Missing,
                item.span(),
                "no field is set",
                "empty",
                format!("the fields are {}", field_names(kind).join(", ")),
            );
            return None;
        }
        set.sort();
        whole.then_some(set)
    }

    /// Values of an account, as `{ email = "…" }`, sorted by field.
    pub(super) fn account(&mut self, item: Item<'_>) -> Option<Vec<(AccountField, Value)>> {
        let mut table = self.table(item, "this")?;
        let names = AccountField::ALL.map(AccountField::name);
        let mut set = Vec::new();
        let mut whole = true;
        for (name, span, item) in table.rest() {
            let Some(field) = AccountField::ALL.into_iter().find(|field| field.name() == name)
            else {
                whole = false;
                self.tell(
                    Code::UnknownField,
                    span,
                    format!("an account has no field `{name}`"),
                    "unknown field",
                    super::super::problem::suggest(name, names),
                );
                continue;
            };
            match self.text(item) {
                Some(text) => set.push((field, Value::Text(text.to_owned()))),
                None => whole = false,
            }
        }
        if whole && set.is_empty() {
            let help = format!("the fields are {}", names.join(", "));
            self.tell(Code::Missing, item.span(), "no field is set", "empty", help);
            return None;
        }
        set.sort();
        whole.then_some(set)
    }

    /// A value as a field holds it.
    pub(super) fn value(&mut self, holds: Holds, item: Item<'_>) -> Option<Value> {
        match holds {
            Holds::Int | Holds::Count => self.integer(item).map(Value::Int),
            Holds::Text | Holds::Draft => self.text(item).map(|text| Value::Text(text.to_owned())),
            Holds::Set => {
                let words = self.list(item);
                if !matches!(item.get_ref(), DeValue::Array(_)) {
                    return None;
                }
                let words: Vec<Option<&str>> =
                    words.into_iter().map(|item| self.text(item)).collect();
                let set: Option<BTreeSet<String>> =
                    words.into_iter().map(|word| word.map(str::to_owned)).collect();
                set.map(Value::Set)
            }
        }
    }

    /// A person of the scenario.
    pub(super) fn user(&mut self, scenario: &Scenario, item: Item<'_>) -> Option<UserId> {
        let text = self.text(item)?;
        let at = scenario.users.iter().position(|user| user == text);
        if at.is_none() {
            let shown: String = text.chars().take(40).collect();
            self.tell(
                Code::UnknownName,
                item.span(),
                format!("no user is called \"{shown}\""),
                "unknown user",
                super::super::problem::suggest(text, scenario.users.iter().map(String::as_str)),
            );
        }
        at.map(user_id)
    }

    /// Whose row: as `key` says, or the only user's.
    pub(super) fn owner(
        &mut self,
        scenario: &Scenario,
        table: &mut Table<'_>,
        key: &str,
    ) -> Option<UserId> {
        match table.take(key) {
            Some(item) => self.user(scenario, item),
            None if scenario.users.len() == 1 => Some(UserId(0)),
            None => {
                self.tell(
                    Code::Missing,
                    table.span.clone(),
                    "whose row is this?",
                    "there are several users",
                    format!("add {key} = \"…\"; users: {}", scenario.users.join(", ")),
                );
                None
            }
        }
    }

    /// A length of time of at least `low` milliseconds.
    pub(super) fn span(&mut self, item: Item<'_>, low: i64) -> Option<Span> {
        let millis = self.exact(Unit::Span, item)?;
        if millis < low {
            self.out_of_bounds(item.span(), "1ms and a hundred years");
            return None;
        }
        u64::try_from(millis).ok().map(Span)
    }

    /// A device, a remote or a worker.
    pub(super) fn node(&mut self, scenario: &Scenario, item: Item<'_>) -> Option<Node> {
        let text = self.text(item)?;
        let node = scenario.node(text);
        if node.is_none() {
            self.unknown_name(item, what_nodes_are(scenario), text, node_names(scenario));
        }
        node
    }

    /// A device.
    pub(super) fn device(&mut self, scenario: &Scenario, item: Item<'_>) -> Option<DeviceId> {
        let text = self.text(item)?;
        match scenario.node(text) {
            Some(Node::Device(device)) => Some(device),
            Some(_) | None => {
                let names = scenario.devices.iter().map(|device| device.name.as_str()).collect();
                self.unknown_name(item, "device", text, names);
                None
            }
        }
    }

    /// A remote.
    pub(super) fn remote(&mut self, scenario: &Scenario, item: Item<'_>) -> Option<Remote> {
        let text = self.text(item)?;
        match scenario.node(text) {
            Some(Node::Remote(remote)) => Some(remote),
            Some(_) | None => {
                let names = scenario.remotes.iter().map(|remote| remote.name.as_str()).collect();
                self.unknown_name(item, "remote", text, names);
                None
            }
        }
    }

    /// A worker that every seed has.
    pub(super) fn worker(&mut self, scenario: &Scenario, item: Item<'_>) -> Option<WorkerId> {
        let text = self.text(item)?;
        match scenario.node(text) {
            Some(Node::Worker(worker)) => Some(worker),
            Some(_) | None => {
                let names = scenario.workers().iter().map(|worker| worker.name.as_str()).collect();
                self.unknown_name(item, "worker", text, names);
                None
            }
        }
    }

    /// A processor.
    pub(super) fn processor(&mut self, scenario: &Scenario, item: Item<'_>) -> Option<ProcessorId> {
        let text = self.text(item)?;
        match scenario.node(text) {
            Some(Node::Processor(processor)) => Some(processor),
            Some(_) | None => {
                let names = scenario.processors.iter().map(|it| it.name.as_str()).collect();
                self.unknown_name(item, "processor", text, names);
                None
            }
        }
    }

    pub(super) fn unknown_name(
        &mut self,
        item: Item<'_>,
        what: &str,
        text: &str,
        names: Vec<&str>,
    ) {
        let shown: String = text.chars().take(40).collect();
        let near = super::super::problem::nearest(text, names.iter().copied());
        let all = names.join(", ");
        self.tell(
            Code::UnknownName,
            item.span(),
            format!("no {what} is called \"{shown}\""),
            format!("unknown {what}"),
            match near {
                Some(name) => format!("did you mean \"{name}\"? This scenario has: {all}"),
                None => format!("this scenario has: {all}"),
            },
        );
    }
}

/// A flaw by its id.
pub(super) fn flaw(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Flaw> {
    let text = reader.text(item)?;
    let flaw = text.parse().ok();
    if flaw.is_none() {
        reader.unknown(Code::UnknownFlaw, item, text, Flaw::ALL.iter().map(|flaw| flaw.id()));
    }
    flaw
}

/// An invariant by its name.
pub(super) fn invariant(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Invariant> {
    let text = reader.text(item)?;
    let found = Invariant::ALL.iter().copied().find(|invariant| invariant.name() == text);
    if found.is_none() {
        let names = Invariant::ALL.iter().map(|invariant| invariant.name());
        reader.unknown(Code::UnknownInvariant, item, text, names);
    }
    found
}

/// The names of the fields of a kind.
pub(super) fn field_names(kind: Kind) -> Vec<&'static str> {
    fields(kind).iter().map(|field| field.name).collect()
}

/// The names of all nodes.
pub(super) fn node_names(scenario: &Scenario) -> Vec<&str> {
    let devices = scenario.devices.iter().map(|device| device.name.as_str());
    let remotes = scenario.remotes.iter().map(|remote| remote.name.as_str());
    let workers = scenario.workers().iter().map(|worker| worker.name.as_str());
    let processors = scenario.processors.iter().map(|processor| processor.name.as_str());
    devices.chain(remotes).chain(workers).chain(processors).collect()
}

/// What a node can be.
pub(super) fn what_nodes_are(scenario: &Scenario) -> &'static str {
    match scenario.server {
        Some(_) if scenario.processors.is_empty() => "device, remote or worker",
        Some(_) => "device, remote, worker or processor",
        None => "device or remote",
    }
}

/// The user of this index.
pub(super) fn user_id(at: usize) -> UserId {
    UserId(u16::try_from(at).expect("the reader limits the number of users"))
}
