//! Words that the messages of judges share: fields, values, paths, numbers and reasons, as reports have
//! them.

use engine::device::Reason;
use engine::id::{FieldId, RecordId};
use engine::job::Job;
use engine::message::{FileRefusal, Refusal};
use engine::processor;
use engine::record::Value;
use engine::schema;

use crate::history::Pending;
use crate::plan::Node;

/// A number of things, in the right plural.
pub(crate) fn count(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// The name of a field of a record.
pub(crate) fn field_name(id: RecordId, field: FieldId) -> String {
    if field == FieldId::HEADSTONE {
        return "headstone".to_owned();
    }
    let known = schema::field_of(id.kind, field);
    known.map_or_else(|| format!("field {}", field.0), |known| known.name.to_owned())
}

/// A value, short. Text is quoted, and what cannot be seen in it is escaped.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::Int(number) => number.to_string(),
        Value::Text(text) | Value::Draft { text, .. } => quoted(text),
        Value::Set(words) => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            format!("{{{}}}", words.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.escape_debug())
}

/// A name with everything in it that cannot be seen, or can be taken for something else, escaped.
pub(crate) fn visible(name: &str) -> String {
    let is_plain = |it: char| it.is_ascii_graphic() || it == ' ';
    name.chars()
        .map(|it| if is_plain(it) { it.to_string() } else { it.escape_default().to_string() })
        .collect()
}

/// Where the work on a conversation stands.
pub(crate) fn job_state(job: Job) -> String {
    match job {
        Job::Pending { tries } => format!("pending after {}", count(tries.into(), "attempt")),
        Job::Processing { tries, fence, .. } => {
            format!("processing (fencing token {}, attempt {tries})", fence.0.seq)
        }
        Job::Success { .. } => "processed".to_owned(),
        Job::Failed { tries, .. } => format!("failed after {}", count(tries.into(), "attempt")),
    }
}

/// What keeps a run from being settled; `name` is what a host is called.
pub(crate) fn pending<'n>(pending: Pending, name: impl Fn(Node) -> &'n str) -> String {
    let of = |device| name(Node::Device(device));
    let at = |remote| name(Node::Remote(remote));
    match pending {
        Pending::Down(host) => format!("{} is down", name(host)),
        Pending::Unanswered(host, n) => {
            format!("{} has not answered {}", name(host), count(n as usize, "request"))
        }
        Pending::NotDurable(device) => format!("{} has a commit that is not durable", of(device)),
        Pending::FilesSealed(device) => format!("{} lacks a key of files", of(device)),
        Pending::FilesUnsent(device, n) => {
            format!("{} has {} of files to send", of(device), count(n as usize, "write"))
        }
        Pending::FilesUnread(device) => format!("{} is behind the feed of files", of(device)),
        Pending::Unprocessed(n) => {
            format!("{} not worked on to the end", count(n as usize, "conversation"))
        }
        Pending::Behind(device, remote) => {
            format!("{} is behind the feed of {}", of(device), at(remote))
        }
        Pending::Unlisted(device, remote) => {
            format!("{} has not listed {} since the faults ended", of(device), at(remote))
        }
        Pending::Differs(device, remote, id) => {
            format!("{} and {} hold different states of {id}", of(device), at(remote))
        }
        Pending::Saving(device, remote) => {
            format!("{} has sent {} a save that is not answered", of(device), at(remote))
        }
    }
}

/// Why a device refused a request.
pub(crate) fn reason_name(why: Reason) -> String {
    match why {
        Reason::WrongField => "the field does not take this value".to_owned(),
        Reason::Unsent(n) => format!("{} not sent", count(n as usize, "change")),
        Reason::SignedOut => "no user is signed in".to_owned(),
        Reason::NoServer => "there is no server".to_owned(),
        Reason::Internal => "internal error".to_owned(),
        Reason::File(why) => file_refusal(why).to_owned(),
        Reason::BadName(why) => why.to_string(),
        Reason::Date(why) => why.to_string(),
        Reason::Sealed(why) => why.to_string(),
        Reason::Keyless => "the device has no key".to_owned(),
    }
}

/// Why a processor refused an order.
pub(crate) fn order_refusal(why: processor::Reason) -> String {
    match why {
        processor::Reason::Date(_) => "the date cannot be read".to_owned(),
        processor::Reason::Sealed(why) => why.to_string(),
        processor::Reason::Keyless => "it has no key".to_owned(),
        processor::Reason::Server(why) => server_refusal(why).to_owned(),
    }
}

/// Why the server refused a request.
pub(crate) fn server_refusal(why: Refusal) -> &'static str {
    match why {
        Refusal::Busy(_) => "the server is busy",
        Refusal::Fenced => "the session is held by another client",
        Refusal::AnotherLog => "the log was restored",
        Refusal::Misnumbered => "the request number was used before",
        Refusal::NotAuthenticated => "no valid credential",
        Refusal::Forbidden => "the space is another user's",
        Refusal::Invalid => "the request is invalid",
        Refusal::Internal => "internal error",
        Refusal::Changed(_) => "there is a newer version",
        Refusal::LeaseLost => "the claim is held by another processor",
        Refusal::File(why) => file_refusal(why),
    }
}

/// Why a request about files was refused.
pub(crate) fn file_refusal(why: FileRefusal) -> &'static str {
    match why {
        FileRefusal::NameTaken(_) => "the name is taken",
        FileRefusal::NoNode => "there is no such node",
        FileRefusal::NodeExists => "the node exists",
        FileRefusal::Deleted => "the node is deleted",
        FileRefusal::NoFolder => "there is no such folder",
        FileRefusal::NoFile => "it is not a file",
        FileRefusal::NotEmpty => "the folder is not empty",
        FileRefusal::Cycle => "a folder would be inside itself",
        FileRefusal::Outdated => "there is a newer version",
        FileRefusal::NoVersion => "there is no such version",
        FileRefusal::NoPiece => "there is no such piece",
        FileRefusal::NoUpload => "there is no such upload",
        FileRefusal::Incomplete(_) => "a piece is missing",
        FileRefusal::Damaged => "the content is damaged",
        FileRefusal::CursorExpired => "the cursor has expired",
        FileRefusal::NoJob => "there is no such job",
    }
}
