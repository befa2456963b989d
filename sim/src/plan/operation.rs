//! Operations: what a step asks of a user or of a processor. Each is declared once, by [`operations!`], in
//! the order in which people see them: what it means, its word and what people write instead, whom it is
//! asked of and what it is about, what it does in a plan, and its sentence.
//!
//! Reader, printer, mixes, lint, minimiser, story and the page on scenarios handle operations through
//! their declarations. None of them has a list of its own.

mod argument;

use engine::id::RecordId;
use engine::schema::field_of;

pub use self::argument::{Argument, Key, Value};
use super::{Act, Errand, FileOperation, ProcessorCommand, UserOperation};
use crate::fault::Names;

/// What is declared of an operation.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The word in scenarios.
    pub word: &'static str,
    /// What people write instead of the word.
    pub synonyms: &'static [&'static str],
    /// What happens, in a sentence.
    pub meaning: &'static str,
    /// What it belongs to.
    pub group: Group,
    /// Whom it is asked of, if anyone, and then what it is about.
    pub arguments: &'static [Argument],
}

/// What operations belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Records, keys and sessions of a device.
    Device,
    /// The account on the sync server.
    Account,
    /// Conversations, and what processors do with them.
    Conversations,
    /// Files.
    Files,
    /// Nothing happens.
    Wait,
}

macro_rules! operations {
    ($([$group:ident] $(
        $(#[doc = $meaning:literal])+
        $name:ident = $word:literal $(or $synonym:literal)*;
        ($($field:ident: $kind:ident),*) => { $($act:tt)+ }, $($sentence:expr),+;
    )+)+) => {
        /// The operations that there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Operation { $($($(#[doc = $meaning])+ $name,)+)+ }

        impl Operation {
            /// Every operation, in order.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)+)+];

            /// What is declared of it.
            pub const fn declaration(self) -> &'static Declaration {
                match self {
                    $($(Self::$name => const { &Declaration {
                        word: $word,
                        synonyms: &[$($synonym),*],
                        meaning: concat!($($meaning),+).trim_ascii(),
                        group: Group::$group,
                        arguments: &[$(Argument::$kind),*],
                    } },)+)+
                }
            }

            /// The operation of a step and its arguments, in the order of its declaration; none if the
            /// step is a fault.
            pub fn of(act: &Act) -> Option<(Self, Vec<Value>)> {
                Some(match act {
                    $($($($act)+ => (Self::$name, vec![$(Value::$kind($field.to_owned())),*]),)+)+
                    Act::Fault(..) => return None,
                })
            }

            /// What a step with these arguments does, one for each of the declaration.
            pub fn make(self, values: impl IntoIterator<Item = Value>) -> Option<Act> {
                let mut values = values.into_iter();
                match self {
                    $($(Self::$name => {
                        $(let Value::$kind($field) = values.next()? else { return None };)*
                        Some($($act)+)
                    })+)+
                }
            }
        }

        /// What is done, in a sentence without its subject.
        fn sentence(act: &Act, names: &dyn Names) -> String {
            match act {
                $($($($act)+ => {
                    $(let _ = $field;)*
                    format!($($sentence),+)
                })+)+
                Act::Fault(fault, _) => fault.tell(names),
            }
        }
    };
}

operations! {
    [Device]
    /// Reads a record and at once writes these fields.
    Edit = "edit" or "write" or "set" or "change" or "update" or "add";
        (device: Device, row: Row, set: Set) => { Act::User(device, UserOperation::Edit(row, set)) },
        "edits {row}";
    /// Reads a record and keeps it open.
    Open = "open";
        (device: Device, row: Row) => { Act::User(device, UserOperation::Open(row)) },
        "opens {row}";
    /// Writes these fields on top of what was last opened.
    Save = "save";
        (device: Device, row: Row, set: Set) => { Act::User(device, UserOperation::Save(row, set)) },
        "saves {row} over what it was when opened";
    /// Writes these fields without having read anything.
    Overwrite = "overwrite";
        (device: Device, row: Row, set: Set) => { Act::User(device, UserOperation::Overwrite(row, set)) },
        "overwrites {row}";
    /// Raises or lowers a counter.
    Increment = "increment" or "count";
        (device: Device, row: Row, field: Counter, by: By) => { Act::User(device, UserOperation::Increment(row, field, by)) },
        "counts {} of {row} by {by:+}", field_of(row.kind, *field).map_or("?", |field| field.name);
    /// Reads a record and deletes it.
    Delete = "delete" or "remove";
        (device: Device, row: Row) => { Act::User(device, UserOperation::Delete(row)) },
        "deletes {row}";
    /// Reads a deleted record and writes its fields back.
    Undelete = "undelete" or "restore";
        (device: Device, row: Row) => { Act::User(device, UserOperation::Undelete(row)) },
        "undeletes {row}";
    /// Reads a record.
    Read = "read";
        (device: Device, row: Row) => { Act::User(device, UserOperation::Read(row)) },
        "reads {row}";
    /// Asks to sync now.
    Sync = "sync" or "background-sync" or "pull";
        (device: Device) => { Act::User(device, UserOperation::Sync) },
        "asks to sync";
    /// Signs in, or starts the app again with its saved session.
    Login = "login" or "sign-in" or "log-in";
        (device: Device) => { Act::User(device, UserOperation::SignIn) },
        "signs in";
    /// Signs out.
    Logout = "logout" or "sign-out" or "log-out";
        (device: Device) => { Act::User(device, UserOperation::SignOut) },
        "signs out";
    /// Makes a new key.
    RotateKey = "rotate-key" or "rotate-keys";
        (device: Device) => { Act::User(device, UserOperation::RotateKey) },
        "makes a new key";
    /// Shows a field by a custom strategy from now on.
    RegisterStrategy = "register-strategy";
        (device: Device, kind: Kind, field: Field, strategy: Strategy) => { Act::User(device, UserOperation::Register(kind, field, strategy)) },
        "shows {} of {} by {strategy:?} from now on", field_of(*kind, *field).map_or("?", |field| field.name), kind.name();

    [Account]
    /// Sets fields of the account on the sync server.
    UpdateAccount = "update-account" or "update-profile" or "patch-account";
        (device: Device, set: Account) => { Act::User(device, UserOperation::Errand(Errand::Patch(set))) },
        "updates the account";
    /// Asks the sync server for the account.
    ReadAccount = "read-account";
        (device: Device) => { Act::User(device, UserOperation::Errand(Errand::ReadAccount)) },
        "reads the account";
    /// Asks the sync server who holds the device's session.
    SessionStatus = "session-status";
        (device: Device) => { Act::User(device, UserOperation::Errand(Errand::SessionStatus)) },
        "asks whose the session is";

    [Conversations]
    /// Saves a part of a conversation.
    UploadConversation = "upload-conversation";
        (device: Device, excerpt: Excerpt) => { Act::User(device, UserOperation::Upload(excerpt)) },
        "brings in {excerpt}";
    /// A processor brings in what a service has of a conversation.
    IngestConversation = "ingest-conversation";
        (processor: Processor, excerpt: Excerpt) => { Act::Processor(processor, ProcessorCommand::Ingest(excerpt)) },
        "brings in {excerpt}";
    /// A processor works on all that is waiting, or on that of one day.
    Process = "process";
        (processor: Processor, day: AnyDay) => { Act::Processor(processor, ProcessorCommand::Process(day)) },
        "works on {}", day.as_ref().map_or("all there is".to_owned(), ToString::to_string);
    /// A conversation whose attempts have all failed may be attempted again.
    ResetConversation = "reset-conversation";
        (processor: Processor, talk: Talk) => { Act::Processor(processor, ProcessorCommand::Reset(talk)) },
        "gives {talk} again";
    /// A processor shows a conversation, or what came of it.
    ReadConversation = "read-conversation";
        (processor: Processor, talk: Talk, part: Part) => { Act::Processor(processor, ProcessorCommand::Read(talk, part)) },
        "reads {}", part.of(*talk);
    /// A processor shows a day.
    ReadDay = "read-day";
        (processor: Processor, day: Day) => { Act::Processor(processor, ProcessorCommand::ReadDay(day)) },
        "reads {day}";

    [Files]
    /// Saves content under a path, in folders that are made if they are missing.
    WriteFile = "write-file" or "upload" or "upload-file" or "save-file" or "edit-file";
        (device: Device, path: Path, content: Content) => { Act::User(device, UserOperation::File(FileOperation::Write(path, content))) },
        "writes {path}";
    /// Reads a file: all that it holds at once, if there is a conflict.
    ReadFile = "read-file" or "open-file" or "download";
        (device: Device, path: Path) => { Act::User(device, UserOperation::File(FileOperation::Read(path))) },
        "reads {path}";
    /// Makes a folder, and those on the way that are missing.
    MakeFolder = "make-folder" or "mkdir" or "create-folder";
        (device: Device, path: NewFolder) => { Act::User(device, UserOperation::File(FileOperation::MakeFolder(path))) },
        "makes the folder {path}";
    /// Moves files and folders, or all that is in a folder, into a folder at once.
    MoveFiles = "move-files" or "move-file" or "move";
        (device: Device, paths: Paths, to: Folder) => { Act::User(device, UserOperation::File(FileOperation::Move(paths, to))) },
        "moves {} to {}", paths.join(", "), if to.is_empty() { "the root" } else { to };
    /// Gives a file or a folder another name.
    RenameFile = "rename-file" or "rename";
        (device: Device, path: Path, name: Name) => { Act::User(device, UserOperation::File(FileOperation::Rename(path, name))) },
        "renames {path} to `{name}`";
    /// Deletes a file or an empty folder.
    DeleteFile = "delete-file" or "remove-file" or "delete-folder";
        (device: Device, path: Path) => { Act::User(device, UserOperation::File(FileOperation::Delete(path))) },
        "deletes {path}";
    /// Brings a deleted file or folder back.
    UndeleteFile = "undelete-file" or "restore-file";
        (device: Device, path: Path) => { Act::User(device, UserOperation::File(FileOperation::Undelete(path))) },
        "undeletes {path}";
    /// Makes an old version, counted from 1, the current one again.
    RestoreVersion = "restore-version" or "revert";
        (device: Device, path: Path, version: Version) => { Act::User(device, UserOperation::File(FileOperation::Restore(path, version))) },
        "restores version {version} of {path}";
    /// Lists all files and folders.
    ListFiles = "list-files" or "list";
        (device: Device) => { Act::User(device, UserOperation::File(FileOperation::List)) },
        "lists all files";
    /// Lists all versions of a file.
    ReadVersions = "read-versions" or "versions";
        (device: Device, path: Path) => { Act::User(device, UserOperation::File(FileOperation::Versions(path))) },
        "lists the versions of {path}";

    [Wait]
    /// Does nothing; later steps count from it.
    Wait = "wait" or "sleep";
        () => { Act::Wait },
        "waits";
}

impl Declaration {
    /// The argument that says whom it is asked of.
    pub fn target(&self) -> Option<Argument> {
        let is_target = |it: &Argument| matches!(it, Argument::Device | Argument::Processor);
        self.arguments.first().copied().filter(is_target)
    }

    /// The other arguments.
    pub fn rest(&self) -> &'static [Argument] {
        &self.arguments[usize::from(self.target().is_some())..]
    }

    /// Does it need the sync server?
    pub const fn needs_server(&self) -> bool {
        match self.group {
            Group::Account | Group::Conversations | Group::Files => true,
            Group::Device | Group::Wait => false,
        }
    }
}

impl Operation {
    /// The word in scenarios.
    pub const fn word(self) -> &'static str {
        self.declaration().word
    }

    /// What is done with files.
    pub fn of_files() -> impl Iterator<Item = Self> + Clone {
        Self::ALL.iter().copied().filter(|it| it.declaration().group == Group::Files)
    }
}

impl Act {
    /// What is done, in a sentence: of an operation without its subject.
    pub fn tell(&self, names: &dyn Names) -> String {
        sentence(self, names)
    }

    /// The record that it is about, if it is about one.
    pub fn record(&self) -> Option<RecordId> {
        if let Self::Fault(fault, _) = self {
            return fault.record();
        }
        let (_, values) = Operation::of(self)?;
        record_in(&values)
    }

    /// Does it need the sync server?
    pub fn needs_server(&self) -> bool {
        match Operation::of(self) {
            Some((operation, _)) => operation.declaration().needs_server(),
            None => {
                matches!(self, Self::Fault(fault, _) if fault.kind().declaration().needs_server)
            }
        }
    }

    /// The same operation with other arguments of the same kinds; a fault stays as it is.
    pub fn change(&mut self, change: impl FnMut(&mut Value)) {
        if let Some((operation, mut values)) = Operation::of(self) {
            values.iter_mut().for_each(change);
            *self = operation.make(values).expect("they are of the same kinds");
        }
    }
}

/// The record among the arguments of an operation, if it is about one.
pub(crate) fn record_in(values: &[Value]) -> Option<RecordId> {
    values.iter().find_map(|it| if let Value::Row(id) = it { Some(*id) } else { None })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine::id::{DeviceId, Kind};

    use super::*;
    use crate::fault::FaultKind;

    #[test]
    fn no_word_stands_for_two_things() {
        let operations = Operation::ALL.iter().map(|it| it.declaration());
        let operations = operations.map(|it| (it.word, it.synonyms));
        let faults = FaultKind::ALL.iter().map(|it| it.declaration());
        let faults = faults.map(|it| (it.word, it.synonyms));
        let mut seen = BTreeSet::new();
        for (word, synonyms) in operations.chain(faults) {
            for word in [word].iter().chain(synonyms) {
                assert!(seen.insert(*word), "`{word}` is there twice");
            }
        }
    }

    #[test]
    fn an_operation_is_what_its_arguments_say() {
        let row = |key| RecordId { kind: Kind::Meal, key };
        let mut act = Act::User(DeviceId(1), UserOperation::Delete(row(7)));
        assert_eq!((act.record(), act.needs_server()), (Some(row(7)), false));
        act.change(|it| {
            if let Value::Row(id) = it {
                *id = row(8);
            }
        });
        assert_eq!(act, Act::User(DeviceId(1), UserOperation::Delete(row(8))));
        let other = [Value::Device(DeviceId(1)), Value::By(1)];
        assert_eq!(Operation::Delete.make(other), None, "it is about a record");
        assert_eq!(Operation::Delete.make([]), None);
    }

    #[test]
    fn a_sentence_names_what_an_operation_is_about() {
        let row = RecordId { kind: Kind::Meal, key: 7 };
        let portions = engine::schema::fields(Kind::Meal).iter().find(|it| it.name == "portions");
        let portions = portions.expect("meals have portions").id;
        let act = Act::User(DeviceId(0), UserOperation::Increment(row, portions, -2));
        let names = |act: &Act| act.tell(&Nameless);
        assert_eq!(names(&act), "counts portions of meal/7 by -2");
        let act = Act::User(
            DeviceId(0),
            UserOperation::File(FileOperation::Move(vec!["a".into()], "".into())),
        );
        assert_eq!(names(&act), "moves a to the root");
    }

    struct Nameless;

    impl Names for Nameless {
        fn host(&self, _: crate::host::Node) -> &str {
            "host"
        }

        fn user(&self, _: engine::id::UserId) -> &str {
            "user"
        }
    }
}
