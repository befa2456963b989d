//! Parts of conversations, and their dates.

use super::table::{Item, Reader, Table};
use crate::plan::talk::{MOST_EDITS, MOST_MESSAGES, MOST_TALKS, SPELLINGS};
use crate::plan::{Began, Day, Excerpt, TalkId, TalkPart};
use crate::scenario::Unit;
use crate::scenario::problem::Code;

/// What `day` says of a date that can be read in two ways.
const AMBIGUOUS: &str = "ambiguous";

/// A conversation, by its number.
pub(super) fn talk(reader: &mut Reader<'_>, item: Item<'_>) -> Option<TalkId> {
    let talk = reader.number(item, 0, MOST_TALKS.into())?;
    u16::try_from(talk).ok().map(TalkId)
}

/// `began`, and `day` where the former is no plain date.
pub(super) fn began(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Began> {
    let day = table.take("day");
    let item = table.need(reader, "began", "\"2024-04-03\"")?;
    let written = reader.text(item)?.to_owned();
    let Some(place) = day else {
        let plain = Day::of_iso(&written);
        if plain.is_none() {
            reader.tell(
                Code::Missing,
                item.span(),
                "which day is this, where everybody lives?",
                "not a day from 1900 to 2199, written as 2024-04-03",
                "add day = \"2024-04-03\", or day = \"ambiguous\" if nobody can tell",
            );
        }
        return plain.map(|day| Began { written, day: Some(day) });
    };
    let text = reader.text(place)?;
    if text == AMBIGUOUS {
        return Some(Began { written, day: None });
    }
    let day = Day::of_iso(text);
    if day.is_none() {
        let help = "write a day from 1900 to 2199 as 2024-04-03, or \"ambiguous\"";
        reader.tell(Code::NotAQuantity, place.span(), "this is no day", "cannot be read", help);
    }
    day.map(|day| Began { written, day: Some(day) })
}

/// A part of a conversation, with its date.
pub(super) fn excerpt(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Excerpt> {
    let talk = table.need(reader, "conversation", "7").and_then(|item| talk(reader, item));
    let range = table.need(reader, "messages", "\"1..5\"");
    let most = i64::from(MOST_MESSAGES);
    let range = range.and_then(|item| reader.bounded(Unit::Count, item, 1, most));
    let range = range.and_then(|choice| choice.0.first().copied());
    let began = began(reader, table);
    let mut small = |key: &str, most: u8| match table.take(key) {
        Some(item) => {
            reader.number(item, 0, most.into()).and_then(|number| u8::try_from(number).ok())
        }
        None => Some(0),
    };
    let spelling = small("spelling", SPELLINGS - 1);
    let edit = small("edit", MOST_EDITS);
    let range = range?;
    Some(Excerpt {
        talk: talk?,
        spelling: spelling?,
        began: began?,
        first: u32::try_from(range.low).ok()?,
        last: u32::try_from(range.high).ok()?,
        edit: edit?,
    })
}

/// `part`, or `version`: what of a conversation.
pub(super) fn part(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<TalkPart> {
    const PARTS: &[(&str, TalkPart)] =
        &[("current", TalkPart::Current), ("result", TalkPart::Result)];
    match (table.take("part"), table.take("version")) {
        (Some(item), _) => reader.word(item, PARTS, Code::UnknownWord),
        (None, Some(item)) => {
            let version = reader.number(item, 1, u32::MAX.into())?;
            u32::try_from(version).ok().map(TalkPart::Version)
        }
        (None, None) => Some(TalkPart::Current),
    }
}
