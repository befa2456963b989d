//! `[processors]`, and the conversations of `[given]`.

use engine::id::UserId;

use super::conversation::excerpt;
use super::names::check_node;
use super::table::{Item, Reader, Table};
use super::values::FOREVER;
use crate::plan::GivenTalk;
use crate::scenario::problem::Code;
use crate::scenario::words::PROCESSOR_KEYS;
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
