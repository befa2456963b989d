//! One run in the formats of other tools. The same run gives the same bytes.

mod edn;
mod perfetto;
mod shiviz;

use super::Story;
use crate::invariant::Violation;

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A trace for [Perfetto](https://ui.perfetto.dev), in the
    /// [trace event format](https://perfetto.dev/docs/getting-started/other-formats): a track for each host.
    Perfetto,
    /// A log with vector clocks for [ShiViz](https://bestchai.bitbucket.io/shiviz/), with the expression that reads it
    /// in its first line.
    Shiviz,
    /// What users asked and were answered, as a history of [Jepsen](https://github.com/jepsen-io/history).
    Edn,
}

impl Format {
    /// What its files end with.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Perfetto => "trace.json",
            Self::Shiviz => "shiviz.log",
            Self::Edn => "edn",
        }
    }
}

/// The run in a format, with the violation that it is about marked.
pub fn render(format: Format, story: &Story<'_>, violation: Option<&Violation>) -> String {
    match format {
        Format::Perfetto => perfetto::render(story, violation),
        Format::Shiviz => shiviz::render(story, violation),
        Format::Edn => edn::render(story),
    }
}
