//! Lines of `at-end`, by the declarations of what they are about and what they say.

use harness::quantity::Unit;

use super::{Keys, Page, field_name, list, quote, row, time, value};
use crate::plan::Expectation;
use crate::plan::expectation::{Claim, Subject, Wanted};

impl Page<'_> {
    /// All that a line says, between its braces.
    pub(super) fn expectation(&self, of: &Expectation) -> String {
        let mut keys: Keys = vec![
            ("on", list(of.on.iter().map(|node| self.node(*node)))),
            ("user", self.user(of.user)),
        ];
        keys.extend(of.at.map(|at| ("at", time(at))));
        keys.extend(subject(&of.subject));
        keys.extend(of.claims.iter().map(claim));
        keys.push(("id", of.id.to_string()));
        keys.push(("line", of.line.to_string()));
        let cells = keys.into_iter().map(|(key, value)| format!("{key} = {value}"));
        cells.collect::<Vec<_>>().join(", ")
    }
}

/// What a line is about.
fn subject(of: &Subject) -> Keys {
    match of {
        Subject::Record(id) => vec![("row", row(*id))],
        Subject::Field(id, field) => {
            vec![("row", row(*id)), ("field", quote(field_name(id.kind, *field)))]
        }
        Subject::File(path) => vec![("path", quote(path))],
        Subject::Folder(path) => vec![("folder", quote(path))],
        Subject::Account(field) => vec![("account", quote(field.name()))],
        Subject::Conversation(talk) => vec![("conversation", talk.0.to_string())],
        Subject::Session => Keys::new(),
    }
}

/// What a line says of it.
fn claim(claim: &Claim) -> (&'static str, String) {
    let declared = claim.aspect.declaration();
    if let Some((key, _)) = declared.contrary.as_ref().filter(|(_, it)| *it == claim.wanted) {
        return (key, "true".to_owned());
    }
    let text = match &claim.wanted {
        Wanted::Nothing => unreachable!("only the contrary of a value is nothing"),
        Wanted::Value(of) => value(of),
        Wanted::Exists(exists) => exists.to_string(),
        Wanted::Number(range) => {
            let unit = declared.form.unit().unwrap_or(Unit::Count);
            let shown = unit.show_range(*range);
            if shown.bytes().all(|byte| byte.is_ascii_digit()) { shown } else { quote(&shown) }
        }
        Wanted::Word(word) => quote(word),
    };
    (declared.key, text)
}
