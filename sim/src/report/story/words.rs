//! The words for values, fields, moments and refusals, as every report uses them.

use engine::device::Presence;
use engine::id::{AccountField, FieldId, RecordId, Token};
use engine::record::Value;
use engine::schema;
use harness::time::{Span, Time};
use textwrap::core::display_width;

use crate::fault::ending as ending_words;
use crate::history::{Asked, Lost, MessageId, Refused, Shown, WriteKind};
use crate::plan::Errand;
use crate::time::ToSimulated;

/// Said of a commit that changes nothing of what users see.
pub(super) const NOTHING_SHOWN: &str = "nothing that a user sees";

/// The name of a field.
pub fn field_name(id: RecordId, field: FieldId) -> String {
    if field == FieldId::HEADSTONE {
        return "headstone".to_owned();
    }
    schema::field_of(id.kind, field).map_or(format!("field {}", field.0), |it| it.name.to_owned())
}

pub(super) fn fields(id: RecordId, set: &[(FieldId, Value)]) -> String {
    let told: Vec<String> = set
        .iter()
        .map(|(field, it)| format!("{} = {}", field_name(id, *field), value(it)))
        .collect();
    told.join(", ")
}

fn account(set: &[(AccountField, Value)]) -> String {
    let told: Vec<String> =
        set.iter().map(|(field, it)| format!("{} = {}", field.name(), value(it))).collect();
    told.join(", ")
}

/// What a write does, without its label; nothing of what is none.
pub(super) fn write(asked: &Asked) -> Option<String> {
    if let Asked::Errand { errand: Errand::Patch(set), .. } = asked {
        return Some(format!("sets {} of the account", account(set)));
    }
    let Asked::Write { id, set, kind, saw_deleted, .. } = asked else {
        return None;
    };
    let verb = match kind {
        WriteKind::Set if *saw_deleted => "writes again",
        WriteKind::Set => "edits",
        WriteKind::Increment => "counts",
        WriteKind::Delete => "deletes",
    };
    Some(format!("{verb} {id} {}", fields(*id, set)).trim_end().to_owned())
}

/// Without a list, every field is named.
pub(super) fn is_among(of: &[FieldId], field: FieldId) -> bool {
    of.is_empty() || of.contains(&field)
}

pub(super) fn shown_fields(
    shown: &Shown,
    of: &[FieldId],
    by: impl Fn(&[Token]) -> String,
) -> String {
    let tell = |(field, it, tokens, beside): &(FieldId, Value, Vec<Token>, Vec<Token>)| {
        let others = match beside.len() {
            0 => String::new(),
            n => format!(" beside {n}{}", by(beside)),
        };
        format!("{} = {}{}{others}", field_name(shown.id, *field), value(it), by(tokens))
    };
    let mut told = match shown.presence {
        Presence::Absent => "nothing".to_owned(),
        Presence::Deleted => "deleted".to_owned(),
        Presence::Live => {
            let fields = shown.fields.iter().filter(|(field, ..)| is_among(of, *field));
            let fields: Vec<String> = fields.map(tell).collect();
            if fields.is_empty() { "nothing there".to_owned() } else { fields.join(", ") }
        }
    };
    if shown.sealed {
        told += " · partly sealed";
    }
    if shown.partial {
        told += " · partial";
    }
    told
}

/// A value, short.
pub fn value(value: &Value) -> String {
    match value {
        Value::Int(n) => n.to_string(),
        Value::Text(text) | Value::Draft { text, .. } => quoted(text),
        Value::Set(words) => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            format!("{{{}}}", list(&words))
        }
    }
}

/// A text in quotes, as wide as it is shown: the start of a long one, with its size.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 32;
    let fits = |text: &str, columns: usize| display_width(&format!("{text:?}")) <= columns + 2;
    if fits(text, SHOWN) {
        return format!("{text:?}");
    }
    let starts = text.char_indices().map(|(end, _)| &text[..end]);
    let start = starts.take_while(|start| fits(start, SHOWN - 8)).last().unwrap_or_default();
    format!("{start:?}… ({} bytes)", text.len())
}

pub(super) fn list(words: &[String]) -> String {
    const SHOWN: usize = 6;
    match words.len().checked_sub(SHOWN) {
        None | Some(0) => words.join(", "),
        Some(more) => format!("{} and {more} more", words[..SHOWN].join(", ")),
    }
}

pub(super) fn message_kind(message_id: &MessageId) -> String {
    let answer = if message_id.answer { " answer" } else { "" };
    let again = if message_id.attempt == 0 {
        String::new()
    } else {
        format!(", try {}", message_id.attempt + 1)
    };
    format!("{}{answer}{again}", message_id.message_kind)
}

pub(super) const fn lost(why: Lost) -> &'static str {
    match why {
        Lost::Chance => "by chance",
        Lost::Cut => "the link is cut",
        Lost::Dead => "nobody is there",
        Lost::Fault => "the remote's messages are being lost",
    }
}

pub(super) fn refusal(refused: Refused) -> String {
    match refused {
        Refused::RateLimited(wait) => format!("too many requests, wait {}", span(wait)),
        Refused::Unavailable(None) => "out of order".to_owned(),
        Refused::Unavailable(Some(wait)) => format!("out of order, wait {}", span(wait)),
        Refused::CursorExpired => "the cursor has expired".to_owned(),
        Refused::ZoneNotFound(ending) => format!("no zone: {}", ending_words(ending)),
        Refused::LimitExceeded => "too many rows at once".to_owned(),
        Refused::NotAuthenticated => "no valid credential".to_owned(),
        Refused::Changed => "another version is stored".to_owned(),
        Refused::UnknownItem => "there is no such row".to_owned(),
        Refused::Exists => "the row exists".to_owned(),
        Refused::NoRowMatched => "no row matched".to_owned(),
        Refused::BatchFailed => "another row of the batch was at fault".to_owned(),
        Refused::Rejected => "never acceptable".to_owned(),
        Refused::Server(refusal) => server_refusal(refusal),
    }
}

fn server_refusal(refusal: engine::message::Refusal) -> String {
    use engine::message::Refusal;
    match refusal {
        Refusal::Busy(wait) => format!("busy, wait {}", span(wait.to_simulated())),
        Refusal::Fenced => "the session is not its own any more".to_owned(),
        Refusal::AnotherLog => {
            "the log was restored without the commit that it had heard of".to_owned()
        }
        Refusal::Misnumbered => "the number was used for something else".to_owned(),
        Refusal::NotAuthenticated => "no valid credential".to_owned(),
        Refusal::Forbidden => "not its own space".to_owned(),
        Refusal::Invalid => "never acceptable".to_owned(),
        Refusal::Internal => "it failed inside".to_owned(),
        Refusal::Changed(version) => format!("version {version} is the current one"),
        Refusal::LeaseLost => "the claim is not its own any more".to_owned(),
        Refusal::File(refusal) => file_refusal(refusal),
    }
}

pub(super) fn file_refusal(refusal: engine::message::FileRefusal) -> String {
    use engine::message::FileRefusal;
    match refusal {
        FileRefusal::NameTaken(node) => format!("the name is taken by node {:x}", node.0),
        FileRefusal::NoNode => "there is no such node".to_owned(),
        FileRefusal::NodeExists => "there is such a node".to_owned(),
        FileRefusal::Deleted => "it is deleted".to_owned(),
        FileRefusal::NoFolder => "there is no such folder".to_owned(),
        FileRefusal::NoFile => "it is no file".to_owned(),
        FileRefusal::NotEmpty => "the folder is not empty".to_owned(),
        FileRefusal::Cycle => "the folder would be inside of itself".to_owned(),
        FileRefusal::Outdated => "there is a newer version".to_owned(),
        FileRefusal::NoVersion => "there is no such version".to_owned(),
        FileRefusal::NoPiece => "there is no such piece".to_owned(),
        FileRefusal::NoUpload => "there is no such upload".to_owned(),
        FileRefusal::Incomplete(piece) => format!("piece {piece} is not there"),
        FileRefusal::Damaged => "the content is damaged".to_owned(),
        FileRefusal::CursorExpired => "the cursor is of another log".to_owned(),
        FileRefusal::NoJob => "there is no such job".to_owned(),
    }
}

/// A number of things.
pub fn count(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// A moment, in seconds.
pub fn time(at: Time) -> String {
    at.to_string()
}

pub(super) fn span(span: Span) -> String {
    span.to_string()
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_long_text_is_cut_by_the_columns_that_it_takes() {
        assert_eq!(quoted("soup and more"), "\"soup and more\"");
        assert_eq!(quoted(&"汤".repeat(16)), format!("\"{}\"", "汤".repeat(16)));
        let wide = format!("\"{}\"… (60 bytes)", "汤".repeat(12));
        assert_eq!(quoted(&"汤".repeat(20)), wide);
    }
}
