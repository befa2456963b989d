//! What a user asks of a device.

use engine::id::{FieldId, Kind, RecordId, Token};
use engine::record::Value;
use serde::Serialize;

use super::FileAsked;
use crate::plan::{Custom, Errand, ProcessorCommand};

/// What was asked of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Asked {
    /// To show a record. `last` marks the reads after everything has settled.
    Read {
        /// Which record.
        id: RecordId,
        /// Is it one of the final reads?
        last: bool,
    },
    /// To name all records.
    List,
    /// A write of several fields, an increment or a delete.
    Write {
        /// Which record.
        id: RecordId,
        /// The unique label of this write.
        token: Token,
        /// What it sets; empty for a delete.
        set: Vec<(FieldId, Value)>,
        /// How it builds on what was read.
        kind: WriteKind,
        /// What the user API had shown to the writer: each token with its field. What a write
        /// replaces is what it was shown of the same field; a delete, and a write by someone who
        /// saw the record deleted, replace all of it.
        exposed: Vec<(FieldId, Token)>,
        /// Was the writer shown that the record is deleted?
        saw_deleted: bool,
    },
    /// To sign in.
    SignIn,
    /// To sign out.
    SignOut,
    /// To make a new key.
    RotateKey,
    /// To show a field by a custom strategy from now on.
    Register(Kind, FieldId, Custom),
    /// Something of the sync server.
    Errand {
        /// What.
        errand: Errand,
        /// The unique label of this write, if it is one.
        token: Option<Token>,
        /// Is it one of the final reads?
        last: bool,
    },
    /// To sync.
    Sync,
    /// To tell how things stand.
    Status,
    /// Something about files.
    File {
        /// What.
        ask: FileAsked,
        /// The path that its user had in mind; empty for none.
        path: String,
        /// Is it one of the final reads?
        last: bool,
    },
    /// Something about conversations, of a processor or a device.
    Work {
        /// What.
        command: ProcessorCommand,
        /// Is it one of the final reads?
        last: bool,
    },
}

impl Asked {
    /// The record that it is about, if it is about one.
    pub fn record(&self) -> Option<RecordId> {
        if let Self::Read { id, .. } | Self::Write { id, .. } = self { Some(*id) } else { None }
    }

    /// The label of the write, if it is one.
    pub fn token(&self) -> Option<Token> {
        match self {
            Self::Write { token, .. } => Some(*token),
            Self::Errand { token, .. } => *token,
            Self::File { ask, .. } => ask.token(),
            Self::Read { .. }
            | Self::List
            | Self::SignIn
            | Self::SignOut
            | Self::RotateKey
            | Self::Register(..)
            | Self::Work { .. }
            | Self::Sync
            | Self::Status => None,
        }
    }
}

/// Kinds of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum WriteKind {
    /// Sets fields.
    Set,
    /// Counts; exposes only the device's own previous cell.
    Increment,
    /// Deletes.
    Delete,
}
