//! What messages call hosts, users, writes, fields, files and conversations: as reports do.

use engine::id::{DeviceId, Dot, FieldId, NodeId, Remote, Token, UserId};
use engine::job::Item;
use engine::message::Client;

use super::files::ObservedFileOperation;
use super::work::Conversations;
use super::{Evidence, ObservedOperation, Table};
use crate::history::file::{FileAsked, Goal};
use crate::history::{Asked, Contents, Entry, WriteKind};
use crate::invariant::wording::{field_name, visible};
use crate::plan::{Errand, Node, ProcessorCommand, TalkPart};

impl Evidence<'_> {
    /// What a host is called.
    pub(crate) fn name(&self, host: Node) -> &str {
        self.context.name(host)
    }

    /// What a device is called.
    pub(crate) fn device_name(&self, device: DeviceId) -> &str {
        self.context.name(Node::Device(device))
    }

    /// What a remote is called.
    pub(crate) fn remote_name(&self, remote: Remote) -> &str {
        self.context.name(Node::Remote(remote))
    }

    /// What a user is called.
    pub(crate) fn user_name(&self, user: UserId) -> &str {
        self.context.names.users.get(usize::from(user.0)).map_or("a user", String::as_str)
    }

    /// What a write is called, in all reports: `w7` is the seventh write that was asked for.
    pub(crate) fn write_name(&self, token: Token) -> String {
        if token == Token::NONE {
            return "a purge".to_owned();
        }
        let numbers = self.on_demand.write_numbers.get_or_init(|| number_writes(self.history));
        numbers.get(token).map_or_else(|| "seed data".to_owned(), |number| format!("w{number}"))
    }

    /// What the write of a version is called, if a device kept it.
    pub(crate) fn file_write_name(&self, write: Dot) -> String {
        let label = self.epochs.label(write);
        label.map_or_else(|| "an unknown write".to_owned(), |label| self.write_name(label))
    }

    /// The host that a fact is about.
    pub(crate) fn host_at(&self, at: usize) -> &str {
        self.name(self.history[at].node)
    }

    /// A cell, as in `w7 (meal/1.kcal)`.
    pub(crate) fn cell_name(&self, record_key: usize, cell: u32) -> String {
        let record = &self.writes.records[record_key];
        let write = self.write_name(self.writes.author(record_key, cell).token);
        match record.cells[cell as usize].field {
            FieldId::HEADSTONE => format!("{write} (delete of {})", record.id),
            field => format!("{write} ({}.{})", record.id, field_name(record.id, field)),
        }
    }

    /// The host that a write was asked of.
    pub(crate) fn author_name(&self, token: Token) -> &str {
        let write = self.writes.find(token).map(|number| &self.writes.all[number]);
        write.and_then(|write| write.device).map_or("no device", |device| self.device_name(device))
    }

    /// The writes of these cells that are in a field, as in `w7, w9`.
    pub(crate) fn write_names(
        &self,
        cells: impl IntoIterator<Item = (FieldId, Token)>,
        of: FieldId,
    ) -> String {
        let cells = cells.into_iter().filter(|(field, _)| *field == of);
        let names: Vec<String> = cells.map(|(_, token)| self.write_name(token)).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    }

    /// The writes that a copy holds in a field.
    pub(crate) fn held_in(&self, contents: &Contents, field: FieldId) -> String {
        self.write_names(contents.cells.iter().copied(), field)
    }

    /// The path of the file that an operation is about, after a moment.
    pub(crate) fn operation_path(
        &self,
        operation: &ObservedFileOperation<'_>,
        moment: usize,
    ) -> String {
        let files = self.epochs.at(moment).files.get(&operation.user);
        let path = |id| files.map_or_else(|| "a file".to_owned(), |files| files.path(id, moment));
        match operation.ask {
            FileAsked::Write { goal: Goal::New(folder, name), .. }
            | FileAsked::MakeFolder(folder, name) => match files {
                Some(files) => files.path_in(*folder, name, moment),
                None => visible(name),
            },
            FileAsked::Write { goal: Goal::Version(node), .. }
            | FileAsked::Read(node)
            | FileAsked::Versions(node)
            | FileAsked::Delete { node, .. }
            | FileAsked::Undelete(node)
            | FileAsked::Restore { node, .. } => path(*node),
            FileAsked::Move(all) => all.first().map_or("nothing".to_owned(), |one| path(one.0)),
            FileAsked::List => "all files".to_owned(),
            FileAsked::Job(job) => format!("job {}", job.n),
        }
    }

    /// The path of a user's file after a moment.
    pub(crate) fn node_path(&self, user: UserId, node: NodeId, moment: usize) -> String {
        let files = self.epochs.at(moment).files.get(&user);
        files.map_or_else(|| format!("node {:x}", node.0), |files| files.path(node, moment))
    }

    /// What was asked of a host, as in `the edit of meal/1 (w7)`.
    pub(crate) fn request_name(&self, asked: &Asked) -> String {
        let label = |token: Option<Token>| {
            token.map_or_else(String::new, |token| format!(" ({})", self.write_name(token)))
        };
        match asked {
            Asked::Read { id, .. } => format!("the read of {id}"),
            Asked::List => "the list of all records".to_owned(),
            Asked::Write { id, token, kind, .. } => {
                let verb = if *kind == WriteKind::Delete { "delete" } else { "edit" };
                format!("the {verb} of {id}{}", label(Some(*token)))
            }
            Asked::SignIn => "the sign-in".to_owned(),
            Asked::SignOut => "the sign-out".to_owned(),
            Asked::RotateKey => "the rotation of the key".to_owned(),
            Asked::Register(..) => "the registration of a strategy".to_owned(),
            Asked::Errand { errand: Errand::Patch(_), token, .. } => {
                format!("the change of the account{}", label(*token))
            }
            Asked::Errand { errand: Errand::ReadAccount, .. } => {
                "the read of the account".to_owned()
            }
            Asked::Errand { errand: Errand::SessionStatus, .. } => {
                "the status request for the session".to_owned()
            }
            Asked::Sync => "the request to sync".to_owned(),
            Asked::Status => "the request for the status".to_owned(),
            Asked::File { ask, path, .. } => {
                let path = if path.is_empty() { "files" } else { path };
                let verb = match ask {
                    FileAsked::List => return "the list of all files".to_owned(),
                    FileAsked::Write { .. } => "the write of",
                    FileAsked::Read(_) => "the read of",
                    FileAsked::Versions(_) => "the list of the versions of",
                    FileAsked::MakeFolder(..) => "the creation of",
                    FileAsked::Move(_) => "the move of",
                    FileAsked::Delete { .. } => "the delete of",
                    FileAsked::Undelete(_) => "the undelete of",
                    FileAsked::Restore { .. } => "the restore of",
                    FileAsked::Job(job) => return format!("the request for job {}", job.n),
                };
                format!("{verb} {}{}", visible(path), label(ask.token()))
            }
            Asked::Work { command, .. } => command_name(command),
        }
    }

    /// What was asked by an operation of a user.
    pub(crate) fn operation_name(&self, operation: &ObservedOperation) -> String {
        let asked = self.history[operation.asked].fact.asked();
        asked.map_or("a request".to_owned(), |(_, asked)| self.request_name(asked))
    }

    /// The host that speaks to the server as this client.
    pub(crate) fn client_name(&self, client: Client) -> &str {
        let mut sent = self.server.sent.iter();
        let host = sent.find(|(_, all)| all.iter().any(|it| it.client.replica == client.replica));
        host.map_or("an unknown client", |(host, _)| self.name(*host))
    }

    /// A conversation and its version, as in `conversation 3 v2`.
    pub(crate) fn conversation_name(
        &self,
        user: UserId,
        conversations: &Conversations<'_>,
        item: &Item,
    ) -> String {
        let talk = conversations.thread(item);
        let talk = talk.and_then(|talk| self.work.talk(self.context, user, talk));
        let version = item.content.version;
        talk.map_or_else(
            || format!("a conversation that cannot be opened, v{version}"),
            |talk| format!("conversation {} v{version}", talk.0),
        )
    }
}

/// What was asked about conversations, as in `the save of conversation 3`.
pub(crate) fn command_name(command: &ProcessorCommand) -> String {
    match command {
        ProcessorCommand::Ingest(part) => {
            let (first, last, talk) = (part.first, part.last, part.talk.0);
            format!("the save of messages {first} to {last} of conversation {talk}")
        }
        ProcessorCommand::Process(None) => "the request to process all conversations".to_owned(),
        ProcessorCommand::Process(Some(began)) => {
            format!("the request to process the day \"{}\"", visible(&began.written))
        }
        ProcessorCommand::Reset(talk) => format!("the reset of conversation {}", talk.0),
        ProcessorCommand::Read(talk, TalkPart::Current) => {
            format!("the read of conversation {}", talk.0)
        }
        ProcessorCommand::Read(talk, TalkPart::Version(n)) => {
            format!("the read of conversation {} v{n}", talk.0)
        }
        ProcessorCommand::Read(talk, TalkPart::Result) => {
            format!("the read of the result of conversation {}", talk.0)
        }
        ProcessorCommand::ReadDay(began) => {
            format!("the read of the day \"{}\"", visible(&began.written))
        }
    }
}

/// Numbers the writes in the order in which they were asked for, from 1.
pub(super) fn number_writes(history: &[Entry]) -> Table<Token, usize> {
    let mut numbers = Table::default();
    for (_, asked) in history.iter().filter_map(|entry| entry.fact.asked()) {
        if let Some(token) = asked.token() {
            let number = numbers.len() + 1;
            numbers.insert(token, number);
        }
    }
    numbers
}
