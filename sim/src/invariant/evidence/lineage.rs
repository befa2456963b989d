//! What each write of a file was built on: what its author had been shown, and what that was built on, by
//! what users were shown and never by what a version says of itself.

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{Dot, Token};

use super::Evidence;
use crate::history::file::{FileAsked, Head};

/// The writes that each write of a file was built on.
#[derive(Debug)]
pub(crate) struct Lineage(BTreeMap<Dot, Ancestors>);

/// The writes that one was built on.
#[derive(Debug, Default)]
struct Ancestors {
    seen: BTreeSet<Dot>,
    /// Is nobody known who made one of them? Then there may be others.
    may_lack: bool,
}

impl Lineage {
    /// That of every write whose label a device kept or showed. A device that shows a version without its
    /// label shows the version all the same: its user writes in its place.
    pub(super) fn of(evidence: &Evidence<'_>) -> Self {
        let shown = evidence.server.file_operations.iter().flat_map(|it| it.shown_heads());
        let shown = shown.filter_map(|(_, head)| Some((head.write, head.token?)));
        let labels: BTreeMap<Dot, Token> = shown.chain(evidence.epochs.labels()).collect();
        let exposed =
            labels.into_iter().filter_map(|(dot, it)| Some((dot, exposed(evidence, it)?)));
        let exposed: BTreeMap<Dot, &[Head]> = exposed.collect();
        Self(exposed.keys().map(|dot| (*dot, Ancestors::of(*dot, &exposed))).collect())
    }

    /// Was a write built on another? `None` if that cannot be told.
    pub(crate) fn is_on(&self, write: Dot, other: Dot) -> Option<bool> {
        let Ancestors { seen, may_lack } = self.0.get(&write)?;
        let is_seen = seen.contains(&other);
        (is_seen || !may_lack).then_some(is_seen)
    }
}

impl Ancestors {
    fn of(write: Dot, exposed: &BTreeMap<Dot, &[Head]>) -> Self {
        let (mut ancestors, mut open) = (Self::default(), vec![write]);
        while let Some(next) = open.pop() {
            let Some(heads) = exposed.get(&next) else {
                ancestors.may_lack = true;
                continue;
            };
            let shown = heads.iter().map(|head| head.write);
            open.extend(shown.filter(|dot| ancestors.seen.insert(*dot)));
        }
        ancestors
    }
}

/// The heads that the author of a write had been shown.
fn exposed<'e>(evidence: &'e Evidence<'_>, label: Token) -> Option<&'e [Head]> {
    match evidence.server.file_write(label)?.ask {
        FileAsked::Write { exposed, .. } | FileAsked::Restore { exposed, .. } => Some(exposed),
        FileAsked::List
        | FileAsked::Read(_)
        | FileAsked::Versions(_)
        | FileAsked::MakeFolder(..)
        | FileAsked::Move(_)
        | FileAsked::Delete { .. }
        | FileAsked::Undelete(_)
        | FileAsked::Job(_) => None,
    }
}
