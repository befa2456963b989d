//! The command `export`.

use std::path::Path;

use super::console::Console;
use super::drawn::{drawn, flaws, one, outcome_of, told};
use super::page::{story, usual_file, write};
use super::setup::{pool, writable};
use super::{Complaint, Exit, ExportArgs};
use crate::capsule::FOLDER;
use crate::report::export::render;
use crate::report::{Paged, Told};
use crate::shrink;
use crate::sweep::shown;

pub(super) fn export(args: &ExportArgs, console: &mut Console) -> Result<Exit, Complaint> {
    let given = (args.no_flaws || !args.flaws.is_empty()).then(|| flaws(&args.flaws));
    let chosen = one(&args.target, Path::new(FOLDER))?;
    let it = drawn(&chosen, args.seed, given)?;
    let file = match &args.output {
        Some(file) => file.clone(),
        None => usual_file(&chosen, &it.plan, args.form.extension())?,
    };
    let is_printed = file == Path::new("-");
    if !is_printed {
        writable(&file, "-o FILE")?;
    }
    let pool = pool(None, args.time, console)?;
    let outcome = outcome_of(&pool, &it.plan, None)?;
    let story = story((&chosen, &it), (&outcome, shrink::size(&it.plan, &outcome)));
    let violation = told(&chosen.scenario, it.plan.flaws, &outcome);
    let text = render(args.form, &story, violation);
    if is_printed {
        console.print(&text);
    } else {
        let (what, bytes) = ("export", write(&file, &text)?);
        let file = shown(&file);
        console.tell(&Told::Page(&Paged { what, story: &story, violation, file, bytes }));
    }
    Ok(if violation.is_none() { Exit::Met } else { Exit::Violated })
}
