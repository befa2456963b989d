//! Where two runs of one plan differ.

use std::fmt::{self, Write as _};

use super::{BAD, BOLD, styled};
use crate::report::Nondeterminism;
use crate::report::story::time;

pub(super) fn write_nondeterminism(out: &mut String, found: &Nondeterminism<'_>) -> fmt::Result {
    let Nondeterminism { scenario, seed, difference, again } = found;
    let head = styled(BAD, "✘ NOT DETERMINISTIC");
    writeln!(out, "{head}  {scenario}   seed {seed}   runs-are-deterministic")?;
    let at = time(difference.at);
    writeln!(out, "  Two runs of one plan differ at fact {}, at {at}:", difference.index)?;
    for (run, fact) in ["first", "second"].iter().zip(&difference.facts) {
        writeln!(out, "    {run:<6}  {}", fact.as_deref().unwrap_or("(its history has ended)"))?;
    }
    writeln!(out, "\n  reproduce: {}", styled(BOLD, again))
}
