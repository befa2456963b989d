//! Verbs: whom each names and which keys it has, by the declaration of its operation or its fault.

use super::{Verb, Who};
use crate::fault::{Argument, ArgumentKind, FaultKind, Lasts};
use crate::plan::Operation;
use crate::plan::operation::{self, Key};

/// The longest wait of [`Verb::WaitUntilQuiet`].
const AT_MOST: Key = ("at-most", "\"5s\"");

/// What people write instead of a word that ends a fault; other synonyms are declared with the word.
const ENDS: &[(&str, FaultKind)] = &[("online", FaultKind::GoOffline)];

impl Verb {
    /// Every verb, in order; the one that ends a fault comes after the one that begins it.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        let operations = Operation::ALL.iter().map(|it| Self::Do(*it));
        let faults = FaultKind::ALL.iter().flat_map(|kind| {
            let end = kind.declaration().ended_by().map(|_| Self::End(*kind));
            [Self::Begin(*kind)].into_iter().chain(end)
        });
        operations.chain([Self::WaitUntilQuiet]).chain(faults)
    }

    /// The verb of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::all().find(|verb| verb.name() == name)
    }

    /// The verb that this word is another name of.
    pub(in crate::scenario) fn of_synonym(word: &str) -> Option<Self> {
        let end = ENDS.iter().find(|(other, _)| *other == word).map(|(_, kind)| Self::End(*kind));
        let mut operations = Operation::ALL.iter().copied();
        let operation = operations.find(|it| it.declaration().synonyms.contains(&word));
        let mut kinds = FaultKind::ALL.iter().copied();
        let fault = kinds.find(|kind| kind.declaration().synonyms.contains(&word));
        end.or(operation.map(Self::Do)).or(fault.map(Self::Begin))
    }

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Do(operation) => operation.word(),
            Self::WaitUntilQuiet => "wait-until-quiet",
            Self::Begin(kind) => kind.word(),
            Self::End(kind) => {
                kind.declaration().ended_by().expect("only what lasts is ended by a verb")
            }
        }
    }

    /// What happens, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Do(operation) => operation.declaration().meaning,
            Self::WaitUntilQuiet => "Waits until nothing is unsent, sealed or behind.",
            Self::Begin(kind) => kind.declaration().meaning,
            Self::End(_) => "Ends the fault.",
        }
    }

    /// Who does it, or whom it happens to.
    pub fn who(self) -> Who {
        let target = match self {
            Self::Do(operation) => {
                let target = operation.declaration().target();
                target.and_then(|it| it.needs().first()).map(|(key, _)| *key)
            }
            Self::WaitUntilQuiet => None,
            Self::Begin(kind) | Self::End(kind) => kind.declaration().target().map(|it| it.key),
        };
        let Some(target) = target else { return Who::Nobody };
        let named = [Who::Device, Who::Remote, Who::Worker, Who::Processor, Who::User];
        let named = named.into_iter().find(|who| who.key() == Some(target));
        named.expect("a target is under the key of its kind")
    }

    /// The keys that it needs.
    pub fn needs(self) -> Vec<&'static str> {
        self.keys(true).into_iter().map(|(key, _)| key).collect()
    }

    /// The keys that it may have.
    pub fn takes(self) -> Vec<&'static str> {
        self.keys(false).into_iter().map(|(key, _)| key).collect()
    }

    /// Does it need a sync server?
    pub fn needs_server(self) -> bool {
        match self {
            Self::Do(operation) => operation.declaration().needs_server(),
            Self::WaitUntilQuiet => false,
            Self::Begin(kind) | Self::End(kind) => kind.declaration().needs_server,
        }
    }

    /// The operation that it asks for.
    pub fn operation(self) -> Option<Operation> {
        if let Self::Do(operation) = self { Some(operation) } else { None }
    }

    /// The fault that it begins.
    pub fn begins(self) -> Option<FaultKind> {
        if let Self::Begin(kind) = self { Some(kind) } else { None }
    }

    /// The fault that it ends.
    pub fn ends(self) -> Option<FaultKind> {
        if let Self::End(kind) = self { Some(kind) } else { None }
    }

    /// The fault that it begins or ends.
    pub(in crate::scenario) fn fault(self) -> Option<FaultKind> {
        self.begins().or(self.ends())
    }

    /// A line with this verb, as errors show it.
    pub fn example(self) -> String {
        let who = match self.who() {
            Who::Device => "device = \"phone\", ",
            Who::Remote => "remote = \"cloudkit\", ",
            Who::Worker => "worker = \"worker-1\", ",
            Who::Processor => "processor = \"reader\", ",
            Who::User => "user = \"anna\", ",
            Who::Nobody => "",
        };
        let mut line = format!("{{ at = \"2s\", {who}do = \"{}\"", self.name());
        for (key, example) in self.keys(true).into_iter().chain(self.keys(false)) {
            line.push_str(&format!(", {key} = {example}"));
        }
        line.push_str(" }");
        line
    }

    /// The keys of its arguments, with examples: those that it needs, or the others.
    pub(in crate::scenario) fn keys(self, needed: bool) -> Vec<Key> {
        match self {
            Self::Do(operation) => {
                let keys =
                    if needed { operation::Argument::needs } else { operation::Argument::takes };
                operation.declaration().rest().iter().flat_map(|it| keys(*it)).copied().collect()
            }
            Self::WaitUntilQuiet => Vec::from_iter(needed.then_some(AT_MOST)),
            Self::Begin(kind) | Self::End(kind) => {
                keys_of_fault(kind, self.ends().is_some(), needed)
            }
        }
    }
}

/// The keys of a fault's arguments and of its length: those that are needed, or the others. What ends a
/// fault does not say how strong that is.
fn keys_of_fault(kind: FaultKind, ends: bool, needed: bool) -> Vec<Key> {
    let arguments = kind.declaration().rest().iter();
    let arguments = arguments.filter(|it| !ends || it.kind.strength().is_none());
    let arguments = arguments.filter(|it| is_optional(it) != needed);
    let mut keys: Vec<Key> = arguments.map(|it| (it.key, example_of(it))).collect();
    let says_how_long = match kind.lasts() {
        Lasts::AtOnce => false,
        Lasts::UntilBack => needed,
        Lasts::Until(..) => !needed && !ends,
    };
    keys.extend(says_how_long.then_some(("for", "\"5s\"")));
    keys
}

/// May an argument of a fault be left out?
fn is_optional(argument: &Argument) -> bool {
    match argument.kind {
        ArgumentKind::User | ArgumentKind::SeenBy | ArgumentKind::Effects => true,
        ArgumentKind::Device
        | ArgumentKind::Remote
        | ArgumentKind::Worker
        | ArgumentKind::Processor
        | ArgumentKind::Host
        | ArgumentKind::Row
        | ArgumentKind::Spare
        | ArgumentKind::Ending
        | ArgumentKind::Times
        | ArgumentKind::Wait
        | ArgumentKind::Age
        | ArgumentKind::Shift => false,
    }
}

/// What can stand for an argument of a fault.
fn example_of(argument: &Argument) -> &'static str {
    match argument.kind {
        ArgumentKind::Host if argument.key == "from" => "\"phone\"",
        ArgumentKind::Device | ArgumentKind::SeenBy => "\"phone\"",
        ArgumentKind::Remote | ArgumentKind::Host => "\"cloudkit\"",
        ArgumentKind::Worker => "\"worker-1\"",
        ArgumentKind::Processor => "\"reader\"",
        ArgumentKind::User => "\"anna\"",
        ArgumentKind::Row => "\"meal/42\"",
        ArgumentKind::Spare => "\"tablet\"",
        ArgumentKind::Ending => "\"purged\"",
        ArgumentKind::Times => "10",
        ArgumentKind::Wait | ArgumentKind::Age => "\"5s\"",
        ArgumentKind::Shift => "\"-90s\"",
        ArgumentKind::Effects => "3",
    }
}
