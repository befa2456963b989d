//! What is told of conversations and of the work on them.

use engine::job::BlobName;

use super::words::count;
use crate::history::{Filed, Talk, Worked};
use crate::plan::{Began, Excerpt, Order, TalkPart};

pub(super) fn tell_excerpt(excerpt: &Excerpt) -> String {
    let Excerpt { talk, began, first, last, edit, .. } = excerpt;
    let edited = if *edit == 0 { String::new() } else { format!(" as changed {edit} times") };
    let began = &began.written;
    format!("messages {first} to {last}{edited} of conversation {}, of \"{began}\"", talk.0)
}

pub(super) fn tell_order(order: &Order, last: bool) -> String {
    let end = if last { " at the end" } else { "" };
    let day = |day: &Began| format!("the day \"{}\"", day.written);
    match order {
        Order::Ingest(excerpt) => format!("brings in {}", tell_excerpt(excerpt)),
        Order::Process(None) => "works on all there is".to_owned(),
        Order::Process(Some(of)) => format!("works on {}", day(of)),
        Order::Reset(talk) => format!("gives conversation {} again", talk.0),
        Order::Read(talk, TalkPart::Current) => format!("reads conversation {}{end}", talk.0),
        Order::Read(talk, TalkPart::Version(n)) => {
            format!("reads version {n} of conversation {}{end}", talk.0)
        }
        Order::Read(talk, TalkPart::Result) => {
            format!("reads what came of conversation {}{end}", talk.0)
        }
        Order::ReadDay(of) => format!("reads {}{end}", day(of)),
    }
}

pub(super) fn tell_worked(worked: &Worked) -> String {
    match worked {
        Worked::Saved(_, version) => format!("all of it is in version {version}"),
        Worked::Processed => "nothing is left to be done".to_owned(),
        Worked::WasReset => "it can be tried again".to_owned(),
        Worked::Nothing => "sees nothing".to_owned(),
        Worked::Thread(_, talk) => format!("sees {}", tell_talk(talk)),
        Worked::Result(..) => "sees what came of it".to_owned(),
        Worked::Day(sum, _) => format!(
            "sees {}: {} done, {} failed, {} waiting",
            count(sum.items as usize, "conversation"),
            sum.success,
            sum.failed,
            sum.pending + sum.processing,
        ),
        Worked::Refused(reason) => format!("is refused: {reason:?}"),
    }
}

/// A conversation, with the ranges of its messages.
pub(super) fn tell_talk(talk: &Talk) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &(n, ..) in &talk.messages {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            Some(_) | None => ranges.push((n, n)),
        }
    }
    let ranges: Vec<String> =
        ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
    let held = if ranges.is_empty() { "no messages".to_owned() } else { ranges.join(", ") };
    format!("{} of {} ({held})", talk.id.trim(), talk.day)
}

pub(super) fn tell_filed(name: BlobName, holds: Option<&Filed>) -> String {
    let what = match holds {
        Some(Filed::Thread(talk)) => tell_talk(talk),
        Some(Filed::Result(_)) => "a result".to_owned(),
        None => "what nobody can open".to_owned(),
    };
    format!("stores version {} of a conversation: {what}", name.version)
}
