//! What a scenario demands of all its seeds together, and was not met.

use std::fmt::{self, Write as _};

use anstyle::Style;

use super::{BAD, UNSURE, styled};
use crate::report::{Demand, Met};

/// Whether a demand is met, in words.
pub(super) fn met(met: Met) -> (Style, &'static str) {
    match met {
        Met::Yes => (Style::new(), "reached"),
        Met::Sometimes => (UNSURE, "NOT IN EVERY SEED"),
        Met::TooFewSeeds => (UNSURE, "below, but too few seeds to tell"),
        Met::No => (BAD, "NOT REACHED"),
        Met::Exceeded(_) => (BAD, "TOO OFTEN"),
    }
}

/// Each demand that is not met in two lines: what, and what was found instead.
pub(super) fn write_unmet<'a>(
    out: &mut String,
    demands: impl IntoIterator<Item = &'a Demand>,
) -> fmt::Result {
    for demand in demands.into_iter().filter(|it| it.met != Met::Yes) {
        let Demand { what, measured, demanded, why, place, .. } = demand;
        let (style, word) = met(demand.met);
        writeln!(out, "\n{}  {place}  {what}", styled(style, word))?;
        match why {
            Some(why) => writeln!(out, "  did something {measured}: {why}")?,
            None => writeln!(out, "  happened {measured}; the file demands {demanded}")?,
        }
        if let Met::Exceeded(seed) = demand.met {
            writeln!(out, "  as in seed {seed}")?;
        }
    }
    Ok(())
}
