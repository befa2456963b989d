//! The line of a script that is being read: its verb, its keys, and how long what it begins lasts.

use super::table::{Item, Reader, Table};
use super::values::FOREVER;
use crate::plan::Lasting;
use crate::scenario::problem::Code;
use crate::scenario::words::Verb;
use crate::scenario::{Lasts, Scenario, Unit};

const STORM: &str = "rest of the storm";
const EVER: &str = "ever";

/// What the arguments of a verb are read from.
pub(super) struct Args<'r, 't, 'd> {
    pub(super) reader: &'r mut Reader<'t>,
    pub(super) scenario: &'r Scenario,
    pub(super) table: &'r mut Table<'d>,
    pub(super) verb: Verb,
}

impl<'d> Args<'_, '_, 'd> {
    /// The value of a key that has to be there.
    pub(super) fn need(&mut self, key: &str) -> Option<Item<'d>> {
        let mut keys = self.verb.keys(true).into_iter();
        let example = keys.find(|(known, _)| *known == key).map_or("…", |(_, example)| example);
        self.table.need(self.reader, key, example)
    }

    /// `for`: a span, the rest of the storm, or for ever.
    pub(super) fn lasts(&mut self) -> (Lasts, Lasting) {
        let needs = self.verb.needs().contains(&"for");
        let item = if needs {
            self.need("for")
        } else if self.verb.takes().contains(&"for") {
            self.table.take("for")
        } else {
            None
        };
        let usual = self.verb.fault().map_or(Lasting::AtOnce, Lasting::usual);
        let Some(item) = item else { return (Lasts::AsWritten, usual) };
        match item.get_ref().as_str() {
            Some(STORM) if !needs => (Lasts::AsWritten, Lasting::Storm),
            Some(EVER) if !needs => (Lasts::AsWritten, Lasting::Forever),
            _ => match self.reader.bounded(Unit::Span, item, 0, FOREVER) {
                Some(choice) => (Lasts::For(choice), usual),
                None => (Lasts::AsWritten, usual),
            },
        }
    }

    /// What stands under a key cannot be.
    pub(super) fn contradiction(&mut self, key: &str, message: &str) {
        let span = self.table.key_span(key).unwrap_or(self.table.span.clone());
        self.reader.tell(
            Code::Contradiction,
            span,
            message,
            "this cannot be",
            format!("as in {}", self.verb.example()),
        );
    }
}
