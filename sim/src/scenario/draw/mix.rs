//! `[mix]`: what users do when nobody tells them what.
//!
//! Few records, few fields and bursts on one record make conflicts likely without aiming at any
//! bug. Two openings of one record on one device never overlap: which one a save builds on would
//! be ambiguous. Texts of drafts share their lines, so that some merge and some do not.

mod file;

use std::collections::{BTreeMap, BTreeSet};

use engine::id::{AccountField, DeviceId, FieldId, Kind, RecordId, UserId};
use engine::record::Value;
use engine::schema::{Field, Holds, fields};
use harness::random::{Stream, Streams};
use harness::time::Time;

use super::pipeline::Talks;
use super::timing::{Timed, active, between};
use super::to_span;
use crate::plan::operation::{self, Argument};
use crate::plan::{Act, Custom, Given, Operation, Plan, UserOperation};
use crate::scenario::shared::stored;
use crate::scenario::{Fields, Ingredient, Make, Mix, Range};

/// A feature of the mix is in a seed with this chance.
const FEATURE: u32 = 750_000;
/// A text is empty with this chance.
const EMPTY: u32 = 80_000;
/// Devices that took part in a burst sync right after it with this chance.
const SYNC_AFTER: u32 = 500_000;
/// Bytes of a field of an account: a word, or several pages.
const ACCOUNT_SIZES: Range = Range { low: 1, high: 6_000 };
/// No mix has more operations.
const MOST: u64 = 1_000_000;

/// Draws the operations of all users, and makes the seed data.
pub(super) fn draw(mix: &Mix, make: &[Make], plan: &mut Plan, streams: Streams) -> Vec<Timed> {
    let features = Features::draw(mix, streams);
    give(make, plan, &features.sizes, streams);
    let talks = Talks::of_all(plan, streams);
    let mut mixer = Mixer { mix, features, talks, opens: BTreeMap::new(), out: Vec::new() };
    let worlds: Vec<World> = (0..plan.users.len())
        .map(|user| World::draw(mix, &mixer.features, &plan.users[user], streams))
        .collect();
    let active: Vec<(DeviceId, UserId, Time)> = active(plan).collect();
    let share = mix.burst_share.value(&mut streams.stream("workload/shares"));
    let each = (mix.lasts.0 / mix.every.0.max(1)).min(MOST);
    let in_bursts = each * u64::try_from(share).unwrap_or(0) / 1_000_000;
    for (device, user, start) in &active {
        let name = &plan.devices[usize::from(device.0)].name;
        let mut stream = streams.stream(&format!("workload/{name}"));
        for _ in in_bursts..each {
            let at = between(&mut stream, *start, mix.lasts.0);
            let ingredient = mixer.features.ingredient(&mut stream);
            let row = worlds[usize::from(user.0)].row(&mut stream);
            mixer.add(&mut stream, at, (*device, *user), ingredient, row);
        }
    }
    bursts(&mut mixer, &worlds, &active, in_bursts * active.len() as u64, streams);
    mixer.out.retain(|(at, _)| at.0 <= plan.storm.0);
    mixer.out.extend(mix.files.iter().flat_map(|files| file::draw(mix, files, plan, streams)));
    mixer.out
}

/// Makes the seed data where there is no mix.
pub(super) fn make(make: &[Make], plan: &mut Plan, streams: Streams) {
    give(make, plan, &Range { low: 1, high: 32 }, streams);
}

fn give(make: &[Make], plan: &mut Plan, sizes: &Range, streams: Streams) {
    let users: BTreeSet<UserId> = active(plan).map(|(_, user, _)| user).collect();
    for user in users {
        let name = &plan.users[usize::from(user.0)];
        let mut stream = streams.stream(&format!("plan/given/{name}"));
        for line in make {
            for key in line.low..=line.high {
                let id = RecordId { kind: line.kind, key };
                if plan.given.iter().any(|given| given.user == user && given.id == id) {
                    continue;
                }
                let settable = fields(line.kind).iter().filter(|field| field.holds != Holds::Count);
                let set = settable
                    .map(|field| (field.id, stored(field, value(&mut stream, field, sizes))))
                    .collect();
                plan.given.push(Given { user, id, set });
            }
        }
    }
}

/// What a seed leaves in of the mix.
struct Features {
    weights: Vec<(Ingredient, u32)>,
    kinds: Vec<(Kind, u32)>,
    /// The fields that edits touch, by kind.
    focus: BTreeMap<Kind, Vec<&'static Field>>,
    /// The fields of the account that updates touch.
    account: Vec<AccountField>,
    sizes: Range,
}

impl Features {
    fn draw(mix: &Mix, streams: Streams) -> Self {
        let mut stream = streams.stream("workload/features");
        let mut weights = keep(&mut stream, &mix.weights);
        if !weights.iter().any(|(ingredient, _)| writes(*ingredient)) {
            let writing = mix.weights.iter().find(|(one, weight)| writes(*one) && *weight > 0);
            weights.extend(writing.copied());
        }
        let mut kinds = keep(&mut stream, &mix.kinds);
        if kinds.is_empty() {
            let possible: Vec<_> = mix.kinds.iter().filter(|(_, weight)| *weight > 0).collect();
            kinds.push(**stream.pick(&possible));
        }
        if weights.is_empty() {
            let possible: Vec<_> = mix.weights.iter().filter(|(_, weight)| *weight > 0).collect();
            weights.push(**stream.pick(&possible));
        }
        let focus = Kind::ALL.into_iter().map(|kind| (kind, focus(&mut stream, kind))).collect();
        let sizes = mix.size.range(&mut stream);
        let account = few(&mut stream, AccountField::ALL.to_vec());
        Self { weights, kinds, focus, account, sizes }
    }

    fn ingredient(&self, stream: &mut Stream) -> Ingredient {
        self.weights[stream.weighted(self.weights.iter().map(|(_, weight)| *weight))].0
    }
}

fn keep<T: Copy>(stream: &mut Stream, of: &[(T, u32)]) -> Vec<(T, u32)> {
    of.iter().copied().filter(|(_, weight)| stream.chance(FEATURE) && *weight > 0).collect()
}

fn focus(stream: &mut Stream, kind: Kind) -> Vec<&'static Field> {
    few(stream, fields(kind).iter().filter(|field| field.holds != Holds::Count).collect())
}

/// In half of the seeds writes touch few fields.
fn few<T>(stream: &mut Stream, mut all: Vec<T>) -> Vec<T> {
    if stream.chance(500_000) {
        stream.shuffle(&mut all);
        all.truncate(2);
    }
    all
}

const fn writes(ingredient: Ingredient) -> bool {
    matches!(
        ingredient,
        Ingredient::OpenSave
            | Ingredient::One(Operation::Edit | Operation::Overwrite | Operation::Increment)
    )
}

const fn is_deletion(ingredient: Ingredient) -> bool {
    matches!(ingredient, Ingredient::One(Operation::Delete | Operation::Undelete))
}

/// The records of one user, the hot ones first.
struct World {
    rows: Vec<RecordId>,
    hot: usize,
    hot_share: u32,
}

impl World {
    fn draw(mix: &Mix, features: &Features, user: &str, streams: Streams) -> Self {
        let mut stream = streams.stream(&format!("workload/rows/{user}"));
        let count = mix.rows.value(&mut stream).max(1);
        let hot = mix.hot_rows.value(&mut stream).clamp(1, count);
        let rows = (1..=count)
            .map(|n| {
                let at = stream.weighted(features.kinds.iter().map(|(_, weight)| *weight));
                let key = u32::try_from(n).expect("the reader limits the number of rows");
                RecordId { kind: features.kinds[at].0, key }
            })
            .collect();
        let hot = usize::try_from(hot).expect("not above the number of rows");
        let share = mix.hot_share.value(&mut stream);
        Self { rows, hot, hot_share: u32::try_from(share).unwrap_or(0) }
    }

    fn row(&self, stream: &mut Stream) -> RecordId {
        if stream.chance(self.hot_share) { self.hot_row(stream) } else { *stream.pick(&self.rows) }
    }

    fn hot_row(&self, stream: &mut Stream) -> RecordId {
        *stream.pick(&self.rows[..self.hot])
    }
}

/// Makes operations.
struct Mixer<'m> {
    mix: &'m Mix,
    features: Features,
    /// The conversations of each user.
    talks: Vec<Talks>,
    /// From when to when a device keeps a record open.
    opens: BTreeMap<(DeviceId, RecordId), Vec<(Time, Time)>>,
    out: Vec<Timed>,
}

impl Mixer<'_> {
    fn push(&mut self, at: Time, device: DeviceId, operation: UserOperation) {
        self.out.push((at, Act::User(device, operation)));
    }

    /// A user does something, or a user or a processor about a conversation.
    fn add(
        &mut self,
        stream: &mut Stream,
        at: Time,
        (device, user): (DeviceId, UserId),
        ingredient: Ingredient,
        row: RecordId,
    ) {
        match ingredient {
            Ingredient::One(Operation::Increment) => self.increment(stream, at, device, row),
            Ingredient::One(operation) => {
                let rest = operation.declaration().rest().iter();
                let rest: Vec<operation::Value> =
                    rest.filter_map(|it| self.argument(stream, *it, row)).collect();
                let act =
                    operation.make([operation::Value::Device(device)].into_iter().chain(rest));
                self.out.push((at, act.expect("an ingredient is asked of a device")));
            }
            Ingredient::OpenSave => self.open_save(stream, at, device, row),
            Ingredient::LogoutLogin => {
                let pause = to_span(self.mix.pause.value(stream));
                self.push(at, device, UserOperation::SignOut);
                self.push(at + pause, device, UserOperation::SignIn);
            }
            Ingredient::Conversations => {
                self.talks[usize::from(user.0)].add(stream, at, device, &mut self.out);
            }
        }
    }

    /// An argument of an operation with a record; none if the mix has nothing to choose it from.
    fn argument(
        &self,
        stream: &mut Stream,
        argument: Argument,
        row: RecordId,
    ) -> Option<operation::Value> {
        Some(match argument {
            Argument::Row => operation::Value::Row(row),
            Argument::Set => operation::Value::Set(self.set(stream, row.kind)),
            Argument::Kind => operation::Value::Kind(row.kind),
            Argument::Field => {
                operation::Value::Field(stream.pick(&self.features.focus[&row.kind]).id)
            }
            Argument::Strategy => {
                let strategies = [Custom::Longest, Custom::First, Custom::PanicsOnEmpty];
                operation::Value::Strategy(*stream.pick(&strategies))
            }
            Argument::Account => operation::Value::Account(self.patch(stream)),
            Argument::Device
            | Argument::Processor
            | Argument::Counter
            | Argument::By
            | Argument::Talk
            | Argument::Part
            | Argument::Excerpt
            | Argument::Day
            | Argument::AnyDay
            | Argument::Path
            | Argument::NewFolder
            | Argument::Content
            | Argument::Paths
            | Argument::Folder
            | Argument::Name
            | Argument::Version => return None,
        })
    }

    /// A record without a counter is edited instead.
    fn increment(&mut self, stream: &mut Stream, at: Time, device: DeviceId, row: RecordId) {
        let set = self.set(stream, row.kind);
        let by = *stream.pick(&[1, 1, 2, 5, -1]);
        let counted = fields(row.kind).iter().find(|field| field.holds == Holds::Count);
        let operation = match counted {
            Some(field) => UserOperation::Increment(row, field.id, by),
            None => UserOperation::Edit(row, set),
        };
        self.push(at, device, operation);
    }

    fn open_save(&mut self, stream: &mut Stream, at: Time, device: DeviceId, row: RecordId) {
        let set = self.set(stream, row.kind);
        let end = at + to_span(self.mix.pause.value(stream));
        let open = self.opens.entry((device, row)).or_default();
        if open.iter().any(|(from, to)| at <= *to && *from <= end) {
            self.push(at, device, UserOperation::Edit(row, set));
            return;
        }
        open.push((at, end));
        self.push(at, device, UserOperation::Open(row));
        self.push(end, device, UserOperation::Save(row, set));
    }

    /// New values, of very different sizes, for one or two fields of the account.
    fn patch(&self, stream: &mut Stream) -> Vec<(AccountField, Value)> {
        let mut of = self.features.account.clone();
        stream.shuffle(&mut of);
        of.truncate(usize::try_from(stream.between(1, 2)).expect("one or two"));
        let value = |field| (field, Value::Text(text(stream, &ACCOUNT_SIZES)));
        let mut set: Vec<(AccountField, Value)> = of.into_iter().map(value).collect();
        set.sort();
        set
    }

    /// New values for one to three fields.
    fn set(&self, stream: &mut Stream, kind: Kind) -> Fields {
        let mut of = self.features.focus[&kind].clone();
        stream.shuffle(&mut of);
        let count = usize::try_from(stream.between(1, 3)).expect("one to three");
        of.truncate(count);
        let mut set: Vec<(FieldId, Value)> = of
            .into_iter()
            .map(|field| (field.id, value(stream, field, &self.features.sizes)))
            .collect();
        set.sort();
        set
    }
}

/// Several devices of one user touch one record, or the account, within a short time.
fn bursts(
    mixer: &mut Mixer<'_>,
    worlds: &[World],
    active: &[(DeviceId, UserId, Time)],
    operations: u64,
    streams: Streams,
) {
    let mut stream = streams.stream("workload/bursts");
    let writing: Vec<(Ingredient, u32)> = mixer
        .features
        .weights
        .iter()
        .copied()
        .filter(|(one, _)| writes(*one) || is_deletion(*one))
        .collect();
    let account = mixer.features.weights.iter().copied();
    let account: Vec<(Ingredient, u32)> =
        account.filter(|(one, _)| *one == Ingredient::One(Operation::UpdateAccount)).collect();
    if active.is_empty() || writing.is_empty() && account.is_empty() {
        return;
    }
    let weight = |of: &[(Ingredient, u32)]| of.iter().map(|(_, weight)| weight).sum::<u32>();
    let choices = [weight(&writing), weight(&account)];
    let mut left = operations;
    while left > 0 {
        let (_, user, _) = *stream.pick(active);
        let mut devices: Vec<(DeviceId, Time)> = active
            .iter()
            .filter(|(_, other, _)| *other == user)
            .map(|(device, _, start)| (*device, *start))
            .collect();
        stream.shuffle(&mut devices);
        let count = mixer.mix.burst_devices.value(&mut stream).max(1);
        devices.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        let start = devices.iter().map(|(_, start)| *start).max().unwrap_or_default();
        let at = between(&mut stream, start, mixer.mix.lasts.0);
        let within = mixer.mix.burst_within.value(&mut stream);
        let row = worlds[usize::from(user.0)].hot_row(&mut stream);
        // Without an account to race for there is nothing to choose.
        let of_account = choices[1] > 0 && stream.weighted(choices.into_iter()) == 1;
        let writing = if of_account { &account } else { &writing };
        for (device, _) in devices {
            let at = at + to_span(stream.magnitude(0, within));
            let which = stream.weighted(writing.iter().map(|(_, weight)| *weight));
            mixer.add(&mut stream, at, (device, user), writing[which].0, row);
            if stream.chance(SYNC_AFTER) {
                let soon = to_span(stream.magnitude(1, 500));
                mixer.push(at + soon, device, UserOperation::Sync);
            }
            left = left.saturating_sub(1);
        }
    }
}

const MEALS: [&str; 8] =
    ["oatmeal", "apple", "soup", "curry", "salad", "toast", "lentils", "yoghurt"];
const TAGS: [&str; 10] =
    ["vegan", "quick", "home", "canteen", "late", "spicy", "raw", "party", "sport", "rest"];
const TIMES: [&str; 3] = ["morning", "noon", "evening"];

/// A new value for a field.
fn value(stream: &mut Stream, field: &Field, sizes: &Range) -> Value {
    match field.holds {
        Holds::Int | Holds::Count => Value::Int(stream.between(-999, 99_999)),
        Holds::Set => {
            let count = stream.between(0, 4);
            Value::Set((0..count).map(|_| (*stream.pick(&TAGS)).to_owned()).collect())
        }
        Holds::Draft => {
            let line = |time: &&str| format!("{time}: {}\n", stream.pick(&MEALS));
            Value::Text(TIMES.iter().map(line).collect())
        }
        Holds::Text => Value::Text(text(stream, sizes)),
    }
}

fn text(stream: &mut Stream, sizes: &Range) -> String {
    if stream.chance(EMPTY) {
        return String::new();
    }
    let size = stream.magnitude(sizes.low.max(1), sizes.high.max(1));
    let size = usize::try_from(size).expect("a size is not negative");
    let mut text = few_words(stream);
    // What follows costs no draws: long texts only have to be long.
    let more = " and more";
    text.push_str(&more.repeat(size.saturating_sub(text.len()).div_ceil(more.len())));
    text.truncate(size);
    text
}

fn few_words(stream: &mut Stream) -> String {
    format!("{} {}", stream.pick(&MEALS), stream.below(100_000))
}
