//! What shrinking did, in a few lines.

use std::fmt::{self, Write};

use crate::report::Shrunk;
use crate::report::story::count;
use crate::report::terminal::{BOLD, styled};

pub(super) fn write_shrunk(out: &mut String, shrunk: &Shrunk) -> fmt::Result {
    writeln!(out, "{}   {}", styled(BOLD, "MINIMISED"), shrunk.signature)?;
    writeln!(out, "  {}", change(shrunk))?;
    let proof = match (shrunk.minimal, shrunk.cut_short) {
        (true, _) => "1-minimal: removing any one of its steps passes (each was tried)".to_owned(),
        (false, Some(why)) => {
            format!("not minimal yet: stopped by {why}; `seawall shrink {}` goes on", shrunk.file)
        }
        (false, None) => "not minimal".to_owned(),
    };
    writeln!(out, "  {proof}; {} run", count(shrunk.tries as usize, "plan"))?;
    writeln!(out, "  reproduce: {}", styled(BOLD, format_args!("seawall replay {}", shrunk.file)))?;
    writeln!(out, "  why:       seawall explain {}", shrunk.file)
}

pub(super) fn change(shrunk: &Shrunk) -> String {
    let Shrunk { before, after, .. } = shrunk;
    format!(
        "{} → {} steps, {} → {} faults, {} → {} devices, {} → {} seed records, {} → {} messages",
        before.steps,
        after.steps,
        before.faults,
        after.faults,
        before.devices,
        after.devices,
        before.given,
        after.given,
        before.messages,
        after.messages,
    )
}
