//! About how much memory a history keeps.

use std::mem::size_of;

use engine::id::RecordId;

use super::{Answered, Asked, BlobId, Change, Entry, Fact, Page, Pending, Refused, Said};

impl Entry {
    /// About how many bytes it keeps. What it shares with others is counted where it comes from.
    pub(super) fn weight(&self) -> u64 {
        (size_of::<Self>() + self.fact.beside()) as u64
    }
}

impl Fact {
    /// About how many bytes it keeps beside its own size.
    fn beside(&self) -> usize {
        match self {
            Self::Sent { rows, server, .. } => {
                rows.len() * size_of::<(RecordId, BlobId)>()
                    + server.as_ref().map_or(0, |_| size_of::<Said>())
            }
            Self::Delivered { refused, rows_refused, .. } => {
                rows_refused.len() * size_of::<(RecordId, Refused)>()
                    + refused.as_ref().map_or(0, |_| size_of::<Refused>())
            }
            Self::Persisted { changes, .. } | Self::Started { holds: changes, .. } => {
                changes.len() * size_of::<Change>()
            }
            Self::Served(page) => {
                size_of::<Page>()
                    + page.rows.first().map_or(0, |row| page.rows.len() * size_of_val(row))
            }
            Self::Asked(..) => size_of::<Asked>(),
            Self::Answered(..) => size_of::<Answered>(),
            Self::Settled { pending } => pending.len() * size_of::<Pending>(),
            Self::CutOff { given, .. } => given.iter().map(String::len).sum(),
            Self::Found { values, .. } | Self::Looked { values, .. } => {
                values.first().map_or(0, |value| values.len() * size_of_val(value))
            }
            Self::Panicked(text) | Self::ErrorLogged(text) => text.len(),
            Self::Skipped(..)
            | Self::Struck(_)
            | Self::Durable(_)
            | Self::PersistFailed(_)
            | Self::Lost { .. }
            | Self::Committed { .. }
            | Self::Removed { .. }
            | Self::Declined(..)
            | Self::Logged { .. }
            | Self::Faulted(_)
            | Self::Ended(_)
            | Self::FaultsEnded
            | Self::Killed { .. }
            | Self::Filed { .. }
            | Self::StepBegan(..)
            | Self::StepEnded(..)
            | Self::Named { .. }
            | Self::Kept { .. } => 0,
        }
    }
}
