//! Expectations: what is to be shown at the end of a run, or at a moment within it. What a line can be
//! about, and what it can say of that, is declared once, by [`subjects!`] and [`aspects!`].
//!
//! Reader, printer, minimiser, the judge and the page on scenarios handle expectations through these
//! declarations.

use std::collections::BTreeMap;

use engine::id::{AccountField, FieldId, RecordId, UserId};
use engine::record::Value;
use harness::quantity::{Range, Unit};
use harness::time::Time;

use super::file::{self, FileOperation};
use super::operation::Key;
use super::{
    Act, Errand, Node, Plan, ProcessorCommand, Step, StepId, TalkId, TalkPart, UserOperation,
};

/// What some hosts are to show.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    /// Its name; the ids of a plan's expectations rise.
    pub id: u32,
    /// The hosts that are to show it.
    pub on: Vec<Node>,
    /// Whose it is.
    pub user: UserId,
    /// When; at the end if nothing is said.
    pub at: Option<Time>,
    /// What it is about.
    pub subject: Subject,
    /// What is expected of that.
    pub claims: Vec<Claim>,
    /// The line of the scenario, from 1.
    pub line: u32,
}

/// One thing that is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Of what.
    pub aspect: Aspect,
    /// What it is to be.
    pub wanted: Wanted,
}

/// What something is to be, or was found to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// Nothing is shown.
    Nothing,
    /// This value.
    Value(Value),
    /// It is there, or it is not.
    Exists(bool),
    /// A number, or one within a range.
    Number(Range),
    /// One of the words that the aspect knows.
    Word(&'static str),
}

impl Wanted {
    /// This number.
    pub fn number(n: usize) -> Self {
        Self::Number(Range::only(i64::try_from(n).unwrap_or(i64::MAX)))
    }

    /// Is what was found as it is to be?
    pub fn fits(&self, found: &Self) -> bool {
        match (self, found) {
            (Self::Number(wanted), Self::Number(found)) => {
                wanted.low <= found.low && found.high <= wanted.high
            }
            // A draft is what its author left.
            (Self::Value(wanted), Self::Value(found)) => text_of(wanted) == text_of(found),
            (
                Self::Nothing | Self::Value(_) | Self::Exists(_) | Self::Number(_) | Self::Word(_),
                _,
            ) => self == found,
        }
    }
}

fn text_of(value: &Value) -> Value {
    match value {
        Value::Draft { text, .. } => Value::Text(text.clone()),
        Value::Int(_) | Value::Text(_) | Value::Set(_) => value.clone(),
    }
}

/// The kinds of hosts that show something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shower {
    /// A device, to its user.
    Device,
    /// A remote, to those who have the keys.
    Remote,
    /// A processor, to its operator.
    Processor,
}

impl Shower {
    /// The kind of a host, if it shows anything.
    pub fn of(host: Node) -> Option<Self> {
        match host {
            Node::Device(_) => Some(Self::Device),
            Node::Remote(_) => Some(Self::Remote),
            Node::Processor(_) => Some(Self::Processor),
            Node::World | Node::Worker(_) | Node::Volume | Node::Intruder => None,
        }
    }

    /// The word for some of them.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Device => "devices",
            Self::Remote => "remotes",
            Self::Processor => "processors",
        }
    }
}

/// What is declared of what a line can be about.
#[derive(Clone, Copy, Debug)]
pub struct SubjectDeclaration {
    /// What it is, in a sentence.
    pub meaning: &'static str,
    /// The keys that name it, with examples.
    pub keys: &'static [Key],
    /// The word for some of them.
    pub plural: &'static str,
    /// Who shows them.
    pub shown_by: &'static [Shower],
    /// The place in the judge at which one is found to be otherwise.
    pub site: &'static str,
}

macro_rules! subjects {
    ($(
        $(#[doc = $meaning:literal])+
        $name:ident$(($($type:ty),+))? = [$($key:expr),*], $plural:literal on [$($shower:ident),+], $site:literal;
    )+) => {
        /// What an expectation is about.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Subject { $($(#[doc = $meaning])+ $name$(($($type),+))?,)+ }

        /// The kinds of what expectations are about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum SubjectKind { $($(#[doc = $meaning])+ $name,)+ }

        impl SubjectKind {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// What is declared of it.
            pub const fn declaration(self) -> &'static SubjectDeclaration {
                match self {
                    $(Self::$name => const { &SubjectDeclaration {
                        meaning: concat!($($meaning),+).trim_ascii(),
                        keys: &[$($key),*],
                        plural: $plural,
                        shown_by: &[$(Shower::$shower),+],
                        site: $site,
                    } },)+
                }
            }
        }

        impl Subject {
            /// Its kind.
            pub const fn kind(&self) -> SubjectKind {
                match self { $(Self::$name { .. } => SubjectKind::$name,)+ }
            }
        }
    };
}

const ROW: Key = ("row", "\"meal/42\"");

subjects! {
    /// A record.
    Record(RecordId) = [ROW], "records" on [Device, Remote], "at-end";
    /// A field of a record. On a remote, the only value that the field has there, or the sum of all counts of a counter.
    Field(RecordId, FieldId) = [ROW, ("field", "\"kcal\"")], "records" on [Device, Remote], "at-end";
    /// A file or a folder, under the path that the device lists it under.
    File(String) = [("path", "\"plans/may.txt\"")], "files" on [Device], "file-at-end";
    /// What is in a folder; `""` is the one that holds everything.
    Folder(String) = [("folder", "\"plans\"")], "folders" on [Device], "folder-at-end";
    /// A field of the account at the sync server.
    Account(AccountField) = [("account", "\"email\"")], "accounts" on [Device], "account-at-end";
    /// A conversation, as the sync server has it.
    Conversation(TalkId) = [("conversation", "7")], "conversations" on [Processor], "conversation-at-end";
    /// The session lease of the user at the sync server.
    Session = [], "sessions" on [Device], "session-at-end";
}

/// How what is expected of something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A value, as its field has it.
    Value,
    /// `true` or `false`.
    Flag,
    /// A number of such things, or a range.
    Count(&'static str),
    /// A number of bytes, or a range.
    Size,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// What is declared of what can be expected of something.
#[derive(Clone, Debug)]
pub struct AspectDeclaration {
    /// The key in scenarios.
    pub key: &'static str,
    /// Another key for the same.
    pub synonym: Option<&'static str>,
    /// The key that, with `true`, says the contrary of it.
    pub contrary: Option<(&'static str, Wanted)>,
    /// How it is written.
    pub form: Form,
    /// Of what it can be said.
    pub of: &'static [SubjectKind],
    /// What it says, in a sentence.
    pub meaning: &'static str,
}

macro_rules! aspects {
    ($(
        $(#[doc = $meaning:literal])+
        $name:ident = $key:literal $(or $synonym:literal)? $(not $contrary:literal $opposite:expr)?, $form:expr, [$($of:ident),+];
    )+) => {
        /// What can be expected of something.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Aspect { $($(#[doc = $meaning])+ $name,)+ }

        impl Aspect {
            /// Every aspect, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// What is declared of it.
            pub const fn declaration(self) -> &'static AspectDeclaration {
                match self {
                    $(Self::$name => const { &AspectDeclaration {
                        key: $key,
                        synonym: [$(Some($synonym),)? None][0],
                        contrary: aspects!(@contrary $($contrary, $opposite)?),
                        form: $form,
                        of: &[$(SubjectKind::$of),+],
                        meaning: concat!($($meaning),+).trim_ascii(),
                    } },)+
                }
            }
        }
    };
    (@contrary) => { None };
    (@contrary $contrary:literal, $opposite:expr) => { Some(($contrary, $opposite)) };
}

/// The states of the work on a conversation.
pub const STATES: &[&str] = &["pending", "processing", "processed", "failed"];

/// Who may have the session lease: the device that is asked, another one, or nobody.
pub const HOLDERS: &[&str] = &["own", "other", "none"];

aspects! {
    /// What is shown: the value of a field, or the text that was written to a file, whatever `size` made of it.
    Is = "is" or "text" not "empty" Wanted::Nothing, Form::Value, [Field, File, Account];
    /// Is it there? What was deleted is not, and what never was is not.
    Exists = "exists" not "gone" Wanted::Exists(false), Form::Flag, [Record, File, Conversation];
    /// How many values conflict with the one that is shown.
    Conflicts = "conflicts", Form::Count("conflicting sibling"), [Field, File];
    /// How many versions the sync server has of it.
    Versions = "versions", Form::Count("version"), [File, Conversation];
    /// How many bytes the content has.
    Size = "size", Form::Size, [File];
    /// How many files are in the folder itself; one in conflict is one file.
    Files = "files", Form::Count("file"), [Folder];
    /// How many messages it has.
    Messages = "messages", Form::Count("message"), [Conversation];
    /// How far the work on its latest version is.
    State = "state", Form::Word(STATES), [Conversation];
    /// Whose it is: the device's own, another one's, or nobody's.
    Session = "session", Form::Word(HOLDERS), [Session];
}

impl SubjectKind {
    /// What can be expected of it.
    pub fn aspects(self) -> impl Iterator<Item = Aspect> {
        Aspect::ALL.iter().copied().filter(move |it| it.declaration().of.contains(&self))
    }

    /// Does the sync server have it?
    pub const fn needs_server(self) -> bool {
        match self {
            Self::Record | Self::Field => false,
            Self::File | Self::Folder | Self::Account | Self::Conversation | Self::Session => true,
        }
    }
}

impl Aspect {
    /// The keys under which a line can say it.
    pub fn keys(self) -> impl Iterator<Item = &'static str> {
        let declared = self.declaration();
        let contrary = declared.contrary.as_ref().map(|(key, _)| *key);
        [declared.key].into_iter().chain(declared.synonym).chain(contrary)
    }
}

impl Form {
    /// What is counted.
    pub const fn unit(self) -> Option<Unit> {
        match self {
            Self::Count(_) => Some(Unit::Count),
            Self::Size => Some(Unit::Size),
            Self::Value | Self::Flag | Self::Word(_) => None,
        }
    }

    /// A number of what is counted, or a range.
    pub fn tell(self, range: Range) -> String {
        let number = match self {
            Self::Count(_) if range.low < range.high => format!("{} to {}", range.low, range.high),
            Self::Count(_) => range.high.to_string(),
            Self::Size | Self::Value | Self::Flag | Self::Word(_) => Unit::Size.show_range(range),
        };
        let Self::Count(thing) = self else { return number };
        format!("{number} {thing}{}", if range.high == 1 { "" } else { "s" })
    }
}

impl Subject {
    /// The record that it is or belongs to.
    pub const fn record(&self) -> Option<RecordId> {
        if let Self::Record(id) | Self::Field(id, _) = self { Some(*id) } else { None }
    }
}

impl Expectation {
    /// When it is to be shown, after the name of the host that is to show it; nothing of the end.
    pub fn moment(&self) -> String {
        let at = self.at.and_then(|at| i64::try_from(at.0).ok());
        at.map_or_else(String::new, |at| format!(" at {}", Unit::Span.show(at)))
    }

    /// The id under which hosts are asked for it, which no step of a plan has.
    pub fn look(&self) -> StepId {
        StepId(StepId::END + self.id)
    }

    /// What a host is asked at the moment of the expectation, if anything: the last reads show all records
    /// without being asked, and a remote is looked into.
    pub fn asks(&self, host: Node) -> Option<Act> {
        let operation = match (&self.subject, host) {
            (Subject::Conversation(talk), Node::Processor(processor)) => {
                return Some(Act::Processor(
                    processor,
                    ProcessorCommand::Read(*talk, TalkPart::Current),
                ));
            }
            (Subject::Conversation(_), _) => return None,
            (Subject::Record(id) | Subject::Field(id, _), _) => {
                self.at?;
                UserOperation::Read(*id)
            }
            (Subject::File(path), _) if self.is_about_content() => {
                UserOperation::File(FileOperation::Read(path.clone()))
            }
            (Subject::File(_) | Subject::Folder(_), _) => UserOperation::File(FileOperation::List),
            (Subject::Account(_), _) => UserOperation::Errand(Errand::ReadAccount),
            (Subject::Session, _) => UserOperation::Errand(Errand::SessionStatus),
        };
        Some(Act::User(host.device()?, operation))
    }

    /// How many hosts are asked.
    pub fn looks(&self) -> u64 {
        self.on.iter().filter(|host| self.asks(**host).is_some()).count() as u64
    }

    fn is_about_content(&self) -> bool {
        self.claims.iter().any(|claim| matches!(claim.aspect, Aspect::Is | Aspect::Size))
    }
}

impl Plan {
    /// The texts that the steps write to files, by the hashes of the contents made of them, if any text of a
    /// file is expected.
    pub fn expected_texts(&self) -> BTreeMap<u64, String> {
        let is_of_text = |it: &Expectation| {
            matches!(it.subject, Subject::File(_))
                && it.claims.iter().any(|claim| claim.aspect == Aspect::Is)
        };
        if !self.at_end.iter().any(is_of_text) {
            return BTreeMap::new();
        }
        let text = |step: &Step| match &step.act {
            Act::User(_, UserOperation::File(FileOperation::Write(_, content))) => {
                Some((file::hash(&content.whole()), content.text.clone()))
            }
            Act::User(..) | Act::Processor(..) | Act::Fault(..) | Act::Wait => None,
        };
        self.steps.iter().filter_map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_says_two_things_of_one_subject() {
        for kind in SubjectKind::ALL {
            let keys: Vec<&str> = kind.aspects().flat_map(Aspect::keys).collect();
            assert!(!keys.is_empty(), "{kind:?}");
            for (n, key) in keys.iter().enumerate() {
                assert!(!keys[..n].contains(key), "{key} of {kind:?}");
                assert!(kind.declaration().keys.iter().all(|(name, _)| name != key), "{key}");
            }
        }
    }

    #[test]
    fn a_range_and_a_size_are_told_in_their_units() {
        let range = |low, high| Range { low, high };
        assert_eq!(Form::Count("version").tell(range(1, 1)), "1 version");
        assert_eq!(Form::Count("version").tell(range(1, 3)), "1 to 3 versions");
        assert_eq!(Form::Size.tell(range(4, 9)), "4B..9B");
    }

    #[test]
    fn a_number_fits_within_its_range_and_a_draft_is_what_its_author_left() {
        let number = |low, high| Wanted::Number(Range { low, high });
        assert!(number(1, 3).fits(&number(3, 3)) && !number(1, 3).fits(&number(4, 4)));
        let text = |text: &str| Wanted::Value(Value::Text(text.into()));
        let draft = Value::Draft { base: "milk".into(), text: "tea".into() };
        assert!(text("tea").fits(&Wanted::Value(draft.clone())));
        assert!(!text("milk").fits(&Wanted::Value(draft)) && !text("tea").fits(&Wanted::Nothing));
    }
}
