//! When a step happens: at a moment, after the step before, or after an event of a fixed grammar.

use harness::time::Span;

use super::table::{Item, Reader, Table};
use super::values::{FOREVER, node_names};
use crate::plan::{MessageKind, Node, Trigger};
use crate::scenario::problem::{Code, suggest};
use crate::scenario::words::Verb;
use crate::scenario::{Choice, Moment, Scenario, Unit};

/// The moment of a step; `quiet` is its `at-most`.
pub(super) fn moment(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    table: &mut Table<'_>,
    quiet: Option<Item<'_>>,
    verb: Option<Verb>,
) -> Option<Moment> {
    let at = table.take("at");
    let after = table.take("after");
    let when = table.take("when");
    let mut span = |item| reader.bounded(Unit::Span, item, 0, FOREVER);
    let moment = match (at, after, when) {
        (Some(at), None, None) => span(at).map(Moment::At),
        (None, Some(after), None) => span(after).map(Moment::After),
        (None, after, Some(when)) => {
            let after = match after {
                Some(after) => span(after),
                None => Some(Choice::only(0)),
            };
            let trigger = trigger(reader, scenario, when, quiet);
            trigger.zip(after).map(|(trigger, after)| Moment::On(trigger, after))
        }
        (None, None, None) if verb == Some(Verb::WaitUntilQuiet) => {
            Some(Moment::After(Choice::only(0)))
        }
        (None, None, None) => {
            reader.tell(
                Code::Missing,
                table.span.clone(),
                "when does this happen?",
                "no `at`, `after` or `when`",
                "begin the step with at = \"2s\", after = \"0s\" or when = \"phone committed\"",
            );
            None
        }
        (Some(_), _, _) => {
            reader.tell(
                Code::TwoTimes,
                table.key_span("at").unwrap_or(table.span.clone()),
                "this step has two moments",
                "`at` stands alone",
                "keep one: `at` (since the start), `after` (since the previous step), or `when` \
                 with an optional `after`",
            );
            None
        }
    };
    let uses_quiet = verb == Some(Verb::WaitUntilQuiet)
        || when.is_some_and(|when| when.get_ref().as_str() == Some("quiet"));
    if let (Some(item), false) = (quiet, uses_quiet) {
        reader.tell(
            Code::UnknownKey,
            item.span(),
            "`at-most` has no meaning in this step",
            "nothing is waited for",
            "it belongs to do = \"wait-until-quiet\" or when = \"quiet\"",
        );
    }
    moment
}

/// What can be written, for those who wrote something else.
fn grammar() -> String {
    let kinds: Vec<&str> = MessageKind::ALL.iter().map(|kind| kind.word()).collect();
    format!(
        "write \"<who> got|sent|lost {} from|to <who>\", as \"phone got pull from supabase\", or \
         \"phone committed\", or \"quiet\"",
        kinds.join("|")
    )
}

fn trigger(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    item: Item<'_>,
    quiet: Option<Item<'_>>,
) -> Option<Trigger> {
    let text = reader.text(item)?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut node = |name: &str| {
        let node = scenario.node(name);
        if node.is_none() {
            let shown: String = name.chars().take(40).collect();
            let help = suggest(name, node_names(scenario));
            let message = format!("nobody is called \"{shown}\"");
            reader.tell(Code::UnknownName, item.span(), message, "unknown name", help);
        }
        node
    };
    type Make = fn(Node, MessageKind, Node) -> Trigger;
    let make = |verb: &str, link: Option<&str>| -> Option<Make> {
        match (verb, link) {
            ("got", None | Some("from")) => Some(Trigger::Got),
            ("sent", None | Some("to")) => Some(Trigger::Sent),
            ("lost", None | Some("to")) => Some(Trigger::Lost),
            _ => None,
        }
    };
    let fail = |reader: &mut Reader<'_>| {
        let message = "this is not an event that a step can wait for";
        reader.tell(Code::NotAnEvent, item.span(), message, "cannot be read", grammar());
        None
    };
    match words.as_slice() {
        ["quiet"] => {
            let Some(limit) = quiet else {
                let message = "how long at most?";
                let help = "add at-most = \"2m\"";
                reader.tell(Code::Missing, item.span(), message, "it may never be quiet", help);
                return None;
            };
            let limit = reader.exact(Unit::Span, limit)?;
            u64::try_from(limit).ok().map(|limit| Trigger::Quiet(Span(limit)))
        }
        [who, "committed"] => match node(who)? {
            Node::Device(device) => Some(Trigger::Committed(device)),
            Node::Remote(_)
            | Node::World
            | Node::Worker(_)
            | Node::Processor(_)
            | Node::Volume
            | Node::Intruder => fail(reader),
        },
        [who, verb, what] => {
            let link = (make(verb, None), MessageKind::of_word(what));
            let ((Some(make), Some(kind)), [only]) = (link, scenario.remotes.as_slice()) else {
                return fail(reader);
            };
            Some(make(node(who)?, kind, Node::Remote(only.kind)))
        }
        [who, verb, what, link, whom] => match (make(verb, Some(link)), MessageKind::of_word(what))
        {
            (Some(make), Some(kind)) => {
                let (who, whom) = (node(who), node(whom));
                Some(make(who?, kind, whom?))
            }
            _ => fail(reader),
        },
        _ => fail(reader),
    }
}
