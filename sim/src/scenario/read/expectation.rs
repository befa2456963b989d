//! `at-end` of `[expect]`: what hosts are to show, at the end or at a moment.

use std::collections::BTreeSet;

use engine::id::{AccountField, UserId};
use engine::record::Value;
use engine::schema::field_of;
use harness::time::Time;

use super::conversation::talk;
use super::hosts::{name_of, showers, users_of};
use super::path::paths;
use super::table::{Item, Reader, Table};
use crate::plan::expectation::{Aspect, Claim, Form, Shower, Subject, SubjectKind, Wanted};
use crate::plan::{Expectation, Node, StepId};
use crate::scenario::problem::Code;
use crate::scenario::{Scenario, Unit};

/// The keys of every line.
const KEYS: &[&str] = &["on", "user", "at", "id", "line"];

/// A scenario expects no more than this number of things, each on one host.
const MOST: usize = 100_000;

/// Reads the lines.
pub(super) fn read_all(reader: &mut Reader<'_>, scenario: &mut Scenario, item: Item<'_>) {
    let mut left = MOST;
    for item in reader.list(item) {
        read(reader, scenario, item, &mut left);
    }
}

/// Reads a line, which stands for an expectation for each of its paths and of its hosts' users.
fn read(reader: &mut Reader<'_>, scenario: &mut Scenario, item: Item<'_>, left: &mut usize) {
    let before = reader.problems.len();
    let Some(mut table) = reader.table(item, "a line of `at-end`") else { return };
    let Some(kind) = kind(reader, &table) else { return };
    if kind.needs_server() {
        reader.need_server(scenario, item, kind.declaration().plural);
    }
    let id = id(reader, scenario, &mut table);
    let at = moment(reader, scenario, &mut table);
    let line = line(reader, &mut table, item);
    let subjects = subjects(reader, &mut table, kind);
    let on = hosts(reader, scenario, &mut table, kind);
    let claims = claims(reader, &mut table, kind, subjects.first());
    let keys = kind.declaration().keys.iter().map(|(key, _)| *key);
    let says: Vec<&str> = kind.aspects().flat_map(Aspect::keys).collect();
    let known = KEYS.iter().copied().chain(keys).chain(says.iter().copied());
    table.finish(reader, &known.collect::<Vec<_>>());
    if claims.is_empty() && reader.problems.len() == before {
        let message = "a line of `at-end` does not say what is expected";
        let help = format!("add one of {}", says.join(", "));
        reader.tell(Code::Missing, item.span(), message, "what is it to be?", help);
    }
    let hosts = on.iter().map(|(_, on)| on.len()).sum::<usize>();
    match left.checked_sub(subjects.len().saturating_mul(hosts)) {
        Some(now) => *left = now,
        None => reader.tell(
            Code::TooMuch,
            item.span(),
            format!("with this line the file expects more than {MOST} things, each on one host"),
            "too much to be asked",
            "name fewer hosts, or fewer paths",
        ),
    }
    if reader.problems.len() > before {
        return;
    }
    let all = subjects
        .into_iter()
        .flat_map(|subject| on.iter().map(move |(user, on)| (subject.clone(), *user, on.clone())));
    for (id, (subject, user, on)) in (id..).zip(all) {
        let claims = claims.clone();
        scenario.expected.at_end.push(Expectation { id, on, user, at, subject, claims, line });
    }
}

/// What a line is about, by its keys.
fn kind(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<SubjectKind> {
    let has = |key: &str| table.key_span(key);
    let named = |kind: &SubjectKind| has(key_of(*kind)?);
    let others = SubjectKind::ALL.iter().filter(|kind| **kind != SubjectKind::Field);
    let mut found = others.filter_map(|kind| Some((*kind, named(kind)?)));
    let Some((kind, _)) = found.next() else {
        let keys: BTreeSet<&str> =
            SubjectKind::ALL.iter().filter_map(|kind| key_of(*kind)).collect();
        reader.tell(
            Code::Missing,
            table.span.clone(),
            "a line of `at-end` says of nothing what it is to be",
            "what is this about?",
            format!("add one of {}", keys.into_iter().collect::<Vec<_>>().join(", ")),
        );
        return None;
    };
    if let Some((_, span)) = found.next() {
        reader.tell(
            Code::Contradiction,
            span,
            "a line of `at-end` is about one thing",
            "this is another one",
            "write a line for each",
        );
        return None;
    }
    let is_of_field = |aspect: Aspect| aspect.keys().any(|key| has(key).is_some());
    let of_field = has("field").is_some() || SubjectKind::Field.aspects().any(is_of_field);
    let is_field = kind == SubjectKind::Record && of_field;
    Some(if is_field { SubjectKind::Field } else { kind })
}

/// The key by which a line is known to be about something.
fn key_of(kind: SubjectKind) -> Option<&'static str> {
    let names = kind.declaration().keys.iter().map(|(key, _)| *key);
    names.chain(kind.aspects().map(|aspect| aspect.declaration().key)).next()
}

/// `id`: the ids of expectations rise.
fn id(reader: &mut Reader<'_>, scenario: &Scenario, table: &mut Table<'_>) -> u32 {
    let next = scenario.expected.at_end.last().map_or(0, |last| last.id.saturating_add(1));
    let most = u64::from(StepId::END / 2);
    let said = table.take("id").and_then(|item| reader.number(item, u64::from(next), most));
    said.and_then(|said| u32::try_from(said).ok()).unwrap_or(next)
}

/// `line`: where it stands in the file that it was printed from.
fn line(reader: &mut Reader<'_>, table: &mut Table<'_>, item: Item<'_>) -> u32 {
    let here = reader.line(&item.span());
    let said = table.take("line").and_then(|item| reader.number(item, 0, u64::from(u32::MAX)));
    said.and_then(|line| u32::try_from(line).ok()).unwrap_or(here)
}

/// `at`: a moment before the faults end; at the end of the run if nothing is said.
fn moment(reader: &mut Reader<'_>, scenario: &Scenario, table: &mut Table<'_>) -> Option<Time> {
    let item = table.take("at")?;
    let at = Time(u64::try_from(reader.exact(Unit::Span, item)?).ok()?);
    if at.0 > scenario.lasts.0 {
        let end = i64::try_from(scenario.lasts.0).unwrap_or(i64::MAX);
        reader.tell(
            Code::AfterTheEnd,
            item.span(),
            "this moment comes after the end of the storm",
            format!("the storm ends at {}", Unit::Span.show(end)),
            "make `lasts` of [scenario] longer, the moment earlier, or leave `at` out",
        );
    }
    Some(at)
}

/// What the line is about: a line with several paths is about each of them.
fn subjects(reader: &mut Reader<'_>, table: &mut Table<'_>, kind: SubjectKind) -> Vec<Subject> {
    let keys = kind.declaration().keys.iter();
    let items: Vec<_> = keys.map(|(key, example)| table.need(reader, key, example)).collect();
    let (first, second) = (items.first().copied().flatten(), items.get(1).copied().flatten());
    let subject = match (kind, first) {
        (SubjectKind::Session, _) => Some(Subject::Session),
        (_, None) => None,
        (SubjectKind::Record, Some(item)) => reader.row(item).map(Subject::Record),
        (SubjectKind::Field, Some(item)) => field(reader, item, second),
        (SubjectKind::File, Some(item)) => {
            let paths = paths(reader, item).unwrap_or_default();
            return paths.into_iter().map(Subject::File).collect();
        }
        (SubjectKind::Folder, Some(item)) => {
            reader.text(item).map(|path| Subject::Folder(path.to_owned()))
        }
        (SubjectKind::Account, Some(item)) => {
            let names = AccountField::ALL.map(|field| (field.name(), field));
            reader.word(item, &names, Code::UnknownField).map(Subject::Account)
        }
        (SubjectKind::Conversation, Some(item)) => talk(reader, item).map(Subject::Conversation),
    };
    subject.into_iter().collect()
}

fn field(reader: &mut Reader<'_>, row: Item<'_>, field: Option<Item<'_>>) -> Option<Subject> {
    let id = reader.row(row)?;
    let field = reader.field(id.kind, field?)?;
    Some(Subject::Field(id, field))
}

/// Who is to show it, by user: a device shows what is its user's.
fn hosts(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    table: &mut Table<'_>,
    kind: SubjectKind,
) -> Vec<(UserId, Vec<Node>)> {
    let Some(item) = table.need(reader, "on", "[\"phone\"]") else { return Vec::new() };
    let before = reader.problems.len();
    let said = table.take("user").map(|item| reader.user(scenario, item));
    let named = named(reader, scenario, item, kind);
    if reader.problems.len() > before {
        return Vec::new();
    }
    let users = match said {
        Some(user) => user.into_iter().collect(),
        None => users(reader, scenario, table, &named),
    };
    if let [user] = users[..] {
        let is_stranger = |named: &&Named<'_>| !shows_what_is_of(scenario, named.node, user);
        for Named { node, item, .. } in named.iter().filter(is_stranger).filter(|it| it.alone) {
            stranger(reader, scenario, item, (*node, user));
        }
    }
    let of = |user: UserId| {
        let all = named.iter().map(|named| named.node);
        (user, all.filter(|node| shows_what_is_of(scenario, *node, user)).collect::<Vec<_>>())
    };
    let all: Vec<_> = users.into_iter().map(of).filter(|(_, on)| !on.is_empty()).collect();
    if all.is_empty() && reader.problems.len() == before {
        let message = "none of these shows what is the user's";
        reader.tell(Code::Missing, item.span(), message, "nobody", "name a device of that user");
    }
    all
}

/// A host that a line names.
struct Named<'d> {
    node: Node,
    item: Item<'d>,
    /// Does the line name it alone, rather than with others?
    alone: bool,
}

/// The hosts that a line names, each of which can show what the line is about.
fn named<'d>(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    item: Item<'d>,
    kind: SubjectKind,
) -> Vec<Named<'d>> {
    let (before, about) = (reader.problems.len(), kind.declaration());
    let (mut named, mut seen) = (Vec::new(), BTreeSet::new());
    for item in reader.one_or_many(item) {
        let found = showers(reader, scenario, item, about.shown_by);
        let alone = found.len() == 1;
        let news = found.into_iter().filter(|node| seen.insert(*node));
        named.extend(news.map(|node| Named { node, item, alone }));
    }
    for Named { node, item, .. } in &named {
        if !Shower::of(*node).is_some_and(|shower| about.shown_by.contains(&shower)) {
            let shown_by: Vec<&str> = about.shown_by.iter().map(|it| it.plural()).collect();
            let shown_by = shown_by.join(" and ");
            reader.tell(
                Code::Contradiction,
                item.span(),
                format!("`{}` shows no {}", name_of(scenario, *node), about.plural),
                format!("{} are shown by {shown_by}", about.plural),
                format!("name one of the {shown_by}"),
            );
        }
    }
    if named.is_empty() && reader.problems.len() == before {
        reader.tell(Code::Missing, item.span(), "on what?", "nobody", "write [\"phone\"]");
    }
    named
}

/// Whose it is where the line does not say: that of the hosts, of which each shows its own user's. What is on a
/// remote is one user's.
fn users(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    table: &mut Table<'_>,
    named: &[Named<'_>],
) -> Vec<UserId> {
    let all = || named.iter().map(|named| users_of(scenario, named.node));
    let owners: BTreeSet<UserId> = all().flatten().collect();
    let is_clear = owners.len() == 1 || all().all(|of| !of.is_empty());
    if is_clear && !owners.is_empty() {
        return owners.into_iter().collect();
    }
    reader.owner(scenario, table, "user").into_iter().collect()
}

/// Can a host show what is a user's? A device shows what is its own user's, in the seeds in which it is theirs.
fn shows_what_is_of(scenario: &Scenario, node: Node, user: UserId) -> bool {
    let users = users_of(scenario, node);
    users.is_empty() || users.contains(&user)
}

/// What is another user's cannot be shown, so that it is not says nothing.
fn stranger(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    item: Item<'_>,
    (node, user): (Node, UserId),
) {
    let user = &scenario.users[usize::from(user.0)];
    reader.tell(
        Code::Contradiction,
        item.span(),
        format!("`{}` never shows what is {user}'s", name_of(scenario, node)),
        "it is another user's",
        format!(
            "leave `user` out, or name a device of {user}; that nobody is shown what is another user's is judged \
             in every run, by users-are-isolated"
        ),
    );
}

/// What is expected of it.
fn claims(
    reader: &mut Reader<'_>,
    table: &mut Table<'_>,
    kind: SubjectKind,
    subject: Option<&Subject>,
) -> Vec<Claim> {
    let mut claims = Vec::new();
    for aspect in kind.aspects() {
        let said: Vec<_> = aspect.keys().filter_map(|key| Some((key, table.take(key)?))).collect();
        if let [_, (key, item), ..] = said[..] {
            let message = format!("`{key}` is said in two ways");
            reader.tell(Code::Contradiction, item.span(), message, "again", "remove one of them");
            continue;
        }
        let Some((key, item)) = said.first().copied() else { continue };
        let contrary = aspect.declaration().contrary.as_ref().filter(|(other, _)| *other == key);
        let wanted = match contrary {
            Some((_, wanted)) => {
                let says_so = reader.flag(item);
                says_so.and_then(|so| if so { Some(wanted.clone()) } else { opposite(wanted) })
            }
            None => wanted(reader, item, aspect.declaration().form, subject),
        };
        claims.extend(wanted.map(|wanted| Claim { aspect, wanted }));
    }
    claims
}

/// The contrary of what a flag says, if that is anything.
fn opposite(wanted: &Wanted) -> Option<Wanted> {
    if let Wanted::Exists(exists) = wanted { Some(Wanted::Exists(!exists)) } else { None }
}

fn wanted(
    reader: &mut Reader<'_>,
    item: Item<'_>,
    form: Form,
    subject: Option<&Subject>,
) -> Option<Wanted> {
    match form {
        Form::Flag => reader.flag(item).map(Wanted::Exists),
        Form::Count(_) | Form::Size => reader.range(form.unit()?, item).map(Wanted::Number),
        Form::Word(words) => {
            let words: Vec<(&str, &'static str)> = words.iter().map(|it| (*it, *it)).collect();
            reader.word(item, &words, Code::UnknownWord).map(Wanted::Word)
        }
        Form::Value => match subject? {
            Subject::Field(id, field) => {
                reader.value(field_of(id.kind, *field)?.holds, item).map(Wanted::Value)
            }
            Subject::Record(_)
            | Subject::File(_)
            | Subject::Folder(_)
            | Subject::Account(_)
            | Subject::Conversation(_)
            | Subject::Session => {
                reader.text(item).map(|text| Wanted::Value(Value::Text(text.to_owned())))
            }
        },
    }
}
