//! What a story says of conversations and of the work on them.

use engine::job::BlobName;

use super::words::count;
use crate::history::{Filed, Talk, Worked};

/// What was answered.
pub(super) fn worked(answer: &Worked) -> String {
    match answer {
        Worked::Saved(_, version) => format!("all of it is in version {version}"),
        Worked::Processed => "nothing is left to be done".to_owned(),
        Worked::WasReset => "it can be tried again".to_owned(),
        Worked::Nothing => "sees nothing".to_owned(),
        Worked::Thread(_, of) => format!("sees {}", talk(of)),
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
pub(super) fn talk(of: &Talk) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for &(n, ..) in &of.messages {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == n => *last = n,
            Some(_) | None => ranges.push((n, n)),
        }
    }
    let ranges: Vec<String> =
        ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
    let held = if ranges.is_empty() { "no messages".to_owned() } else { ranges.join(", ") };
    format!("{} of {} ({held})", of.id.trim(), of.day)
}

/// A version of a conversation that was stored.
pub(super) fn filed(name: BlobName, holds: Option<&Filed>) -> String {
    let what = match holds {
        Some(Filed::Thread(of)) => talk(of),
        Some(Filed::Result(_)) => "a result".to_owned(),
        None => "what nobody can open".to_owned(),
    };
    format!("stores version {} of a conversation: {what}", name.version)
}
