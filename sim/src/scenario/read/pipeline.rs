//! `[processors]`, the conversations of `[given]`, and what is told to processors.

use engine::id::UserId;

use super::names::check_node;
use super::step::Args;
use super::table::{Item, Reader, Table};
use super::values::FOREVER;
use crate::plan::talk::{MOST_EDITS, MOST_MESSAGES, MOST_TALKS, SPELLINGS};
use crate::plan::{Began, Day, Excerpt, GivenTalk, Order, TalkId, TalkPart};
use crate::scenario::problem::Code;
use crate::scenario::words::{PROCESSOR_KEYS, Verb};
use crate::scenario::{Choice, ProcessorSpec, Range, Scenario, Unit};

/// No scenario has more of them.
const MOST_PROCESSORS: usize = 64;
const USUAL_CLOCK: Range = Range { low: -2_000, high: 2_000 };
const USUAL_DRIFT: Range = Range { low: -50, high: 50 };

pub(super) fn processors(reader: &mut Reader<'_>, mut table: Table<'_>, scenario: &mut Scenario) {
    reader.need_server_at(scenario, table.span.clone(), "processors");
    for (name, place, item) in table.rest() {
        let named = check_node(reader, scenario, name, place.clone(), "processor");
        let what = format!("the processor `{name}`");
        let Some(mut table) = reader.table(item, &what) else { continue };
        let user = reader.owner(scenario, &mut table, "user");
        let mut part = |key: &str, unit: Unit, most: i64, usual: Range| {
            let found = table.take(key).and_then(|item| reader.bounded(unit, item, -most, most));
            found.unwrap_or_else(|| Choice(vec![usual]))
        };
        let clock = part("clock", Unit::Shift, FOREVER, USUAL_CLOCK);
        let drift = part("drift", Unit::Drift, 500_000, USUAL_DRIFT);
        table.finish(reader, PROCESSOR_KEYS);
        if scenario.processors.len() >= MOST_PROCESSORS {
            reader.out_of_bounds(place, &format!("1 and {MOST_PROCESSORS} processors"));
            return;
        }
        if let Some(user) = user.filter(|_| named) {
            scenario.processors.push(ProcessorSpec { name: name.to_owned(), user, clock, drift });
        }
    }
}

/// `conversations = [{ owner = "anna", conversation = 7, messages = "1..5", began = "…" }]`.
pub(super) fn given(reader: &mut Reader<'_>, scenario: &mut Scenario, item: Item<'_>) {
    const KEYS: &[&str] =
        &["owner", "conversation", "messages", "began", "day", "spelling", "edit"];
    for item in reader.list(item) {
        if scenario.processors.is_empty() {
            reader.tell(
                Code::Missing,
                item.span(),
                "conversations need processors, and this scenario has none",
                "nobody would ever work on them",
                "add the heading [processors] with a line as reader = { user = \"anna\" }",
            );
            return;
        }
        let Some(mut table) = reader.table(item, "a given conversation") else { continue };
        let user: Option<UserId> = reader.owner(scenario, &mut table, "owner");
        let excerpt = excerpt(reader, &mut table);
        table.finish(reader, KEYS);
        let (Some(user), Some(excerpt)) = (user, excerpt) else { continue };
        if excerpt.began.day.is_none() {
            let message = "what is there already belongs to a day";
            reader.tell(Code::Contradiction, item.span(), message, "of no day", "write another");
        } else if scenario
            .given_talks
            .iter()
            .any(|other| other.user == user && other.excerpt.talk == excerpt.talk)
        {
            let message = "this conversation is there twice";
            reader.tell(Code::Duplicate, item.span(), message, "the second one", "remove it");
        } else {
            scenario.given_talks.push(GivenTalk { user, excerpt });
        }
    }
}

/// What `day` says of a date that can be read in two ways.
const AMBIGUOUS: &str = "ambiguous";

fn whole(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    key: &str,
    low: u64,
    high: u64,
) -> Option<u64> {
    let item = table.need(reader, key, "7")?;
    reader.number(item, low, high)
}

fn talk(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<TalkId> {
    let talk = whole(reader, table, "conversation", 0, MOST_TALKS.into())?;
    u16::try_from(talk).ok().map(TalkId)
}

/// `began`, and `day` where the former is no plain date.
fn began(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Began> {
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

fn excerpt(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Excerpt> {
    let talk = talk(reader, table);
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

impl Args<'_, '_, '_> {
    pub(super) fn excerpt(&mut self) -> Option<Excerpt> {
        excerpt(self.reader, self.table)
    }

    /// What a processor is told.
    #[expect(clippy::wildcard_enum_match_arm, reason = "only the verbs of orders come here")]
    pub(super) fn order(&mut self) -> Option<Order> {
        Some(match self.verb {
            Verb::IngestConversation => Order::Ingest(self.excerpt()?),
            Verb::Process if self.table.key_span("began").is_none() => Order::Process(None),
            Verb::Process => Order::Process(Some(began(self.reader, self.table)?)),
            Verb::ResetConversation => Order::Reset(talk(self.reader, self.table)?),
            Verb::ReadDay => Order::ReadDay(began(self.reader, self.table)?),
            Verb::ReadConversation => {
                let talk = talk(self.reader, self.table);
                let part = match (self.table.take("part"), self.table.take("version")) {
                    (Some(item), _) => {
                        const PARTS: &[(&str, TalkPart)] =
                            &[("current", TalkPart::Current), ("result", TalkPart::Result)];
                        self.reader.word(item, PARTS, Code::UnknownWord)?
                    }
                    (None, Some(item)) => {
                        let version = self.reader.number(item, 1, u32::MAX.into())?;
                        TalkPart::Version(u32::try_from(version).ok()?)
                    }
                    (None, None) => TalkPart::Current,
                };
                Order::Read(talk?, part)
            }
            _ => unreachable!("no other verb is an order"),
        })
    }
}
