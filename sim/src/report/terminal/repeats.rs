//! Messages that are lost again and again: a story tells the first of them, and how many more there are.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use harness::time::Time;

use super::{DIM, styled};
use crate::history::{Entry, Fact};
use crate::plan::Node;
use crate::report::story::{count, time};

/// So many are told of one link.
const TOLD: usize = 3;

/// The messages that were lost since anything else was told.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    lost: BTreeMap<(Node, Node), usize>,
    untold: usize,
    last: Time,
}

impl Repeats {
    /// Is this fact one more message that is lost as those before it, and proves nothing? Otherwise the fact is to
    /// be told, and how many were not stands before it.
    pub(super) fn takes(
        &mut self,
        out: &mut String,
        entry: &Entry,
        is_proof: bool,
    ) -> Result<bool, fmt::Error> {
        let lost_to = if let Fact::Lost { to, .. } = entry.fact { Some(to) } else { None };
        let Some(to) = lost_to.filter(|_| !is_proof) else {
            self.end(out)?;
            return Ok(false);
        };
        let lost = self.lost.entry((entry.node, to)).or_default();
        *lost += 1;
        let takes = *lost > TOLD;
        if takes {
            self.untold += 1;
            self.last = entry.at;
        }
        Ok(takes)
    }

    /// Writes how many were not told, if any were.
    pub(super) fn end(&mut self, out: &mut String) -> fmt::Result {
        let Self { untold, last, .. } = std::mem::take(self);
        if untold == 0 {
            return Ok(());
        }
        let more = format!("{} like these, until {}", count(untold, "more message"), time(last));
        writeln!(out, "{:>11}  {}", "", styled(DIM, format_args!("… {more}")))
    }
}
