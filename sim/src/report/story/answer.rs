//! What a story says of requests and answers. A write comes with its values and its label, any other
//! operation by the sentence of its declaration.

use engine::device::Reason;
use engine::id::OpId;
use engine::name::{BadName, instead};

use super::names::Names;
use super::words::{self, count, shown_fields, write};
use super::{file, pipeline, server};
use crate::history::{Answered, Asked, Entry};
use crate::plan::UserOperation;

/// What was asked.
pub(super) fn asked(names: &Names<'_>, asked: &Asked) -> String {
    let at_end = |last: bool| if last { " at the end" } else { "" };
    match asked {
        Asked::Read { id, last } => {
            format!("{}{}", names.operation(UserOperation::Read(*id)), at_end(*last))
        }
        Asked::List => "lists all records".to_owned(),
        Asked::Write { token, .. } | Asked::Errand { token: Some(token), .. } => {
            let write = write(asked).expect("what has a label is a write");
            format!("{write}   ({})", names.label(*token))
        }
        Asked::SignIn => names.operation(UserOperation::SignIn),
        Asked::SignOut => names.operation(UserOperation::SignOut),
        Asked::RotateKey => names.operation(UserOperation::RotateKey),
        Asked::Register(kind, field, custom) => {
            names.operation(UserOperation::Register(*kind, *field, *custom))
        }
        Asked::Errand { errand, last, .. } => {
            format!("{}{}", names.operation(UserOperation::Errand(errand.clone())), at_end(*last))
        }
        Asked::Work { command, last } => {
            format!("{}{}", names.command(command.clone()), at_end(*last))
        }
        Asked::File { ask, path, last } => file::asked(names, ask, path, *last),
        Asked::Sync => names.operation(UserOperation::Sync),
        Asked::Status => "asks how things stand".to_owned(),
    }
}

/// What was answered.
pub(super) fn answered(names: &Names<'_>, entry: &Entry, op: OpId, answered: &Answered) -> String {
    let subject = names.token_of(entry, op).map(|token| names.label(token));
    match answered {
        Answered::Read(shown) => {
            let values = shown_fields(shown, &[], |tokens| {
                let labels: Vec<String> = tokens.iter().map(|t| names.label(*t)).collect();
                format!(" ({})", labels.join(" "))
            });
            format!("sees {}: {values}", shown.id)
        }
        Answered::Listed(ids) => format!("sees {}", count(ids.len(), "record")),
        Answered::Saved => format!("{} is saved", subject.as_deref().unwrap_or("it")),
        Answered::SignedIn { partial: false } => "is signed in, both remotes merged".to_owned(),
        Answered::SignedIn { partial: true } => {
            "is signed in, with one remote not merged yet".to_owned()
        }
        Answered::SignedOut => "is signed out and empty".to_owned(),
        Answered::Rotated => "seals under the new key from now on".to_owned(),
        Answered::Registered => "shows the field by it from now on".to_owned(),
        Answered::Syncing => "syncs".to_owned(),
        Answered::Done(done) => server::done(names, done, subject.as_deref()),
        Answered::Worked(worked) => pipeline::worked(worked),
        Answered::Files(files) => file::listed(names, files),
        Answered::File(done) => file::done(names, done),
        Answered::Status(status) => format!(
            "is {}; unsent {:?}, sealed {:?}, parked {:?} (zone, rows)",
            if status.open { "open" } else { "not open" },
            status.unsent,
            status.sealed,
            status.parked
        ),
        Answered::Refused(reason) => {
            let why = match reason {
                Reason::SignedOut => "nobody is signed in".to_owned(),
                Reason::Unsent(n) => count(*n as usize, "record") + " not sent yet",
                Reason::WrongField => "the field does not take that".to_owned(),
                Reason::NoServer => "there is no sync server".to_owned(),
                Reason::Internal => "the sync server failed inside".to_owned(),
                Reason::File(refusal) => words::file_refusal(*refusal),
                Reason::BadName(why) => bad_name(names, entry, op, *why),
                Reason::Date(why) => why.to_string(),
                Reason::Sealed(why) => why.to_string(),
                Reason::Keyless => "there is no key yet".to_owned(),
            };
            format!("refuses {}: {why}", subject.as_deref().unwrap_or("it"))
        }
    }
}

/// Why a name was refused, and what to write instead.
fn bad_name(names: &Names<'_>, entry: &Entry, op: OpId, why: BadName) -> String {
    let Some(Asked::File { ask, .. }) = names.request(entry, op) else { return why.to_string() };
    let proposed = ask.names().map(|name| (name, instead(name))).find(|(name, it)| it != name);
    proposed.map_or_else(|| why.to_string(), |(_, it)| format!("{why}, as \"{it}\""))
}
