//! Names that a scenario gives, and what it must have so that others can be used.

use std::ops::Range;

use super::table::{Item, Reader};
use crate::scenario::Scenario;
use crate::scenario::problem::Code;

/// No file names more people, tags or the like than this.
const MOST: usize = 20_000;

/// A list of names without doubles.
pub(super) fn names(reader: &mut Reader<'_>, item: Item<'_>, what: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for item in reader.list(item) {
        let Some(name) = reader.text(item) else { continue };
        if !check_name(reader, name, item.span(), what) {
            continue;
        }
        if names.iter().any(|other| other == name) {
            reader.tell(
                Code::Duplicate,
                item.span(),
                format!("`{name}` is there twice"),
                "the second one",
                "remove it",
            );
        } else if names.len() < MOST {
            names.push(name.to_owned());
        }
    }
    names
}

pub(super) fn check_name(
    reader: &mut Reader<'_>,
    name: &str,
    span: Range<usize>,
    what: &str,
) -> bool {
    let plain = !name.is_empty()
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !plain {
        reader.tell(
            Code::BadName,
            span,
            format!("this cannot be the name of a {what}"),
            "letters, digits, `-` and `_` only",
            "write a name as phone-2",
        );
    }
    plain
}

/// Words that cannot be a device, a remote or a worker.
const RESERVED: &[&str] =
    &["world", "intruder", "volume", "all", "everywhere", "quiet", "from", "to"];

pub(super) fn check_node(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    name: &str,
    span: Range<usize>,
    what: &str,
) -> bool {
    if !check_name(reader, name, span.clone(), what) {
        return false;
    }
    if RESERVED.contains(&name) {
        reader.tell(
            Code::BadName,
            span,
            format!("no {what} can be called `{name}`"),
            "this word has another meaning",
            format!("call it {name}-1"),
        );
        return false;
    }
    if scenario.node(name).is_some() {
        reader.tell(
            Code::Duplicate,
            span,
            format!("a {what} and something else are both called `{name}`"),
            "the second one",
            "rename one of them: devices, remotes and workers share their names",
        );
        return false;
    }
    true
}

impl Reader<'_> {
    /// What needs a server is a problem where there is none.
    pub(super) fn need_server(&mut self, scenario: &Scenario, place: Item<'_>, what: &str) -> bool {
        self.need_server_at(scenario, place.span(), what)
    }

    /// What needs a server is a problem where there is none.
    pub(super) fn need_server_at(
        &mut self,
        scenario: &Scenario,
        place: Range<usize>,
        what: &str,
    ) -> bool {
        if scenario.server.is_none() {
            self.tell(
                Code::Missing,
                place,
                format!("`{what}` needs the sync server, and this scenario has none"),
                "nobody is there to be asked",
                "add the heading [server] with the line workers = 4",
            );
        }
        scenario.server.is_some()
    }
}
