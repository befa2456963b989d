//! What each write of a file was built on: what its author had been shown, and what that was built on, by
//! what users were shown and never by what a version says of itself.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{Dot, Token};

use super::Evidence;
use crate::history::file::FileAsked;

/// The writes that each write of a file was built on.
#[derive(Debug)]
pub(crate) struct Lineage(BTreeMap<Dot, BTreeSet<Dot>>);

impl Lineage {
    /// That of every write whose label a device kept or showed.
    pub(crate) fn of(evidence: &Evidence<'_>) -> Self {
        let server = &evidence.server;
        let shown = server.file_operations.iter().flat_map(|it| it.shown_heads());
        let shown = shown.filter_map(|(_, head)| Some((head.write, head.token?)));
        let labels: BTreeMap<Dot, Token> = shown.chain(evidence.epochs.labels()).collect();
        let built_on = |(dot, token): (Dot, Token)| match server.file_write(token)?.ask {
            FileAsked::Write { exposed, .. } | FileAsked::Restore { exposed, .. } => {
                Some((dot, server.shown_by(exposed)))
            }
            FileAsked::List
            | FileAsked::Read(_)
            | FileAsked::Versions(_)
            | FileAsked::MakeFolder(..)
            | FileAsked::Move(_)
            | FileAsked::Delete { .. }
            | FileAsked::Undelete(_)
            | FileAsked::Job(_) => None,
        };
        Self(labels.into_iter().filter_map(built_on).collect())
    }

    /// Was a write built on another? `None` if nobody knows whose write it is.
    pub(crate) fn is_on(&self, write: Dot, other: Dot) -> Option<bool> {
        self.0.get(&write).map(|seen| seen.contains(&other))
    }
}
