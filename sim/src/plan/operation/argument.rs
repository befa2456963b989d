//! What an operation is about: each kind of argument has its keys and a type. What is generic over
//! operations (reader, printer, mixes, minimiser) handles arguments by kind.

use engine::id::{AccountField, DeviceId, FieldId, Kind, RecordId};
use engine::record;

use crate::plan::file::Content;
use crate::plan::{Began, Custom, Excerpt, ProcessorId, TalkId, TalkPart};

/// A key of a scenario, and an example of what stands under it.
pub type Key = (&'static str, &'static str);

macro_rules! arguments {
    ($($(#[doc = $doc:literal])+ $kind:ident($type:ty): needs [$($needed:expr),*], takes [$($taken:expr),*];)+) => {
        /// The kinds of arguments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Argument { $($(#[doc = $doc])+ $kind,)+ }

        /// An argument of an operation.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Value { $($(#[doc = $doc])+ $kind($type),)+ }

        impl Argument {
            /// The keys that have to be there.
            pub const fn needs(self) -> &'static [Key] {
                match self { $(Self::$kind => &[$($needed),*],)+ }
            }

            /// The keys that may be left out.
            pub const fn takes(self) -> &'static [Key] {
                match self { $(Self::$kind => &[$($taken),*],)+ }
            }
        }
    };
}

const BEGAN: Key = ("began", "\"2024-04-03\"");
const DAY: Key = ("day", "\"2024-04-03\"");
const CONVERSATION: Key = ("conversation", "7");

arguments! {
    /// The device on which a user does it.
    Device(DeviceId): needs [("device", "\"phone\"")], takes [];
    /// The processor that does it.
    Processor(ProcessorId): needs [("processor", "\"reader\"")], takes [];
    /// A record.
    Row(RecordId): needs [("row", "\"meal/42\"")], takes [];
    /// Values for fields of the record.
    Set(Vec<(FieldId, record::Value)>): needs [("set", "{ kcal = 350 }")], takes [];
    /// A field of the record that is counted.
    Counter(FieldId): needs [("field", "\"portions\"")], takes [];
    /// By how much it is counted up or down.
    By(i64): needs [("by", "1")], takes [];
    /// A kind of record.
    Kind(Kind): needs [("kind", "\"meal\"")], takes [];
    /// A field of the kind.
    Field(FieldId): needs [("field", "\"portions\"")], takes [];
    /// A custom strategy.
    Strategy(Custom): needs [("strategy", "\"longest\"")], takes [];
    /// Values for fields of the account.
    Account(Vec<(AccountField, record::Value)>): needs [("set", "{ email = \"anna@example.org\" }")], takes [];
    /// A conversation.
    Talk(TalkId): needs [CONVERSATION], takes [];
    /// What of the conversation.
    Part(TalkPart): needs [], takes [("part", "\"result\""), ("version", "1")];
    /// A part of a conversation, with its date.
    Excerpt(Excerpt): needs [CONVERSATION, ("messages", "\"1..5\""), BEGAN], takes [DAY, ("spelling", "1"), ("edit", "1")];
    /// A day.
    Day(Began): needs [BEGAN], takes [DAY];
    /// A day, or any.
    AnyDay(Option<Began>): needs [], takes [BEGAN, DAY];
    /// The path of a file or a folder. A line may name several, each for an operation of its own.
    Path(String): needs [("path", "\"plans/may.txt\"")], takes [];
    /// The path of a folder that is made.
    NewFolder(String): needs [("path", "\"plans\"")], takes [];
    /// What is written to the file; its path, if nothing is said.
    Content(Content): needs [], takes [("text", "\"milk\""), ("size", "\"4KB\"")];
    /// Paths of files and folders, and what stands for all in a folder.
    Paths(Vec<String>): needs [("files", "[\"may.txt\", \"inbox/*\"]")], takes [];
    /// The path of a folder to which files are moved.
    Folder(String): needs [("to", "\"plans\"")], takes [];
    /// The name of a file or a folder.
    Name(String): needs [("name", "\"june.txt\"")], takes [];
    /// A version of the file, counted from 1.
    Version(u32): needs [("version", "1")], takes [];
}

impl Value {
    /// The kind of record that it names: that of the fields which come after it.
    pub const fn kind_of_record(&self) -> Option<Kind> {
        if let Self::Row(RecordId { kind, .. }) | Self::Kind(kind) = self {
            Some(*kind)
        } else {
            None
        }
    }
}
