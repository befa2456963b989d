//! What the mix does with files. Few names in few folders, so that devices meet; spelled in more
//! than one way, so that what people take for one name meets too.
//!
//! All draws are from streams of their own: a mix without files is drawn as if there were none.

use engine::id::{DeviceId, UserId};
use harness::random::{Stream, Streams};
use harness::time::{Span, Time};

use super::{FEATURE, few_words};
use crate::plan::file::{Content, FileOperation, split_path};
use crate::plan::operation::{Argument, Value};
use crate::plan::{Act, Operation, Plan, UserOperation};
use crate::scenario::draw::timing::{Timed, active, between};
use crate::scenario::draw::to_span;
use crate::scenario::{FileMix, Mix, Range};

/// A seed does without files with this chance.
const WITHOUT: u32 = 80_000;
/// An operation is about a hot path with this chance.
const HOT: u32 = 700_000;
/// A name is spelled otherwise with this chance.
const OTHERWISE: u32 = 80_000;
/// Such a spelling is an odd one with this chance.
const ODD: u32 = 300_000;
/// Odd spellings of a name, which stands where the star is: some file systems drop their ends, ignore what shows
/// nothing, open a device, or take a part for something else.
const ODDITIES: [&str; 6] = ["*.", "* ", "\u{200d}*", "aux.*", "Com1", "a:*"];
/// A move is one of a folder with this chance.
const FOLDER: u32 = 200_000;
/// A move takes all of a folder with this chance.
const WHOLE_FOLDER: u32 = 400_000;
/// The most times that a user tidies up in a run.
const ROUNDS: u64 = 5;

const NAMES: [&str; 10] = [
    "menu.txt",
    "café.txt",
    "diary.md",
    "photo.jpg",
    "Straße.csv",
    "receipts",
    "résumé.txt",
    "sleep.csv",
    "weight",
    "Übung.md",
];
const FOLDERS: [&str; 3] = ["plans", "Archiv", "été"];

/// Draws what all users do with files.
pub(super) fn draw(mix: &Mix, files: &FileMix, plan: &Plan, streams: Streams) -> Vec<Timed> {
    let mut stream = streams.stream("workload/files");
    if stream.chance(WITHOUT) {
        return Vec::new();
    }
    let kept = |(operation, weight): &(Operation, u32)| {
        let kept = stream.chance(FEATURE) || *operation == Operation::WriteFile;
        kept && *weight > 0
    };
    let weights: Vec<(Operation, u32)> = files.weights.iter().copied().filter(kept).collect();
    if weights.is_empty() {
        return Vec::new();
    }
    let sizes = files.size.range(&mut stream);
    let share = u64::try_from(files.bursts.value(&mut stream)).unwrap_or(0);
    let mut mixer = Mixer { weights, sizes, out: Vec::new() };
    let trees: Vec<Tree> = plan.users.iter().map(|user| Tree::draw(files, user, streams)).collect();
    let active: Vec<(DeviceId, UserId, Time)> = active(plan).collect();
    let each = (mix.lasts.0 / files.every.0.max(1)).min(super::MOST);
    let in_bursts = each * share / 1_000_000;
    for (device, user, start) in &active {
        let name = &plan.devices[usize::from(device.0)].name;
        let mut stream = streams.stream(&format!("workload/files of {name}"));
        for _ in in_bursts..each {
            let at = between(&mut stream, *start, mix.lasts.0);
            let tree = &trees[usize::from(user.0)];
            let path = tree.path(&mut stream);
            let operation = mixer.pick(&mut stream);
            mixer.add(&mut stream, (at, *device), operation, (tree, path));
        }
    }
    bursts(&mut mixer, mix, &trees, &active, in_bursts * active.len() as u64, streams);
    if files.weights.iter().any(|(it, weight)| *it == Operation::MoveFiles && *weight > 0) {
        tidy_up(&mut mixer, mix, &trees, &active, streams);
    }
    mixer.out.retain(|(at, _)| at.0 <= plan.storm.0);
    mixer.out
}

/// Several devices of one user do something to one file within a short time.
fn bursts(
    mixer: &mut Mixer,
    mix: &Mix,
    trees: &[Tree],
    active: &[(DeviceId, UserId, Time)],
    operations: u64,
    streams: Streams,
) {
    let mut stream = streams.stream("workload/bursts of files");
    let mut left = if active.is_empty() { 0 } else { operations };
    while left > 0 {
        let (_, user, _) = *stream.pick(active);
        let mut devices: Vec<(DeviceId, Time)> = active
            .iter()
            .filter(|(_, other, _)| *other == user)
            .map(|(device, _, start)| (*device, *start))
            .collect();
        stream.shuffle(&mut devices);
        let count = mix.burst_devices.value(&mut stream).max(1);
        devices.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        let start = devices.iter().map(|(_, start)| *start).max().unwrap_or_default();
        let at = between(&mut stream, start, mix.lasts.0);
        let within = mix.burst_within.value(&mut stream);
        let tree = &trees[usize::from(user.0)];
        let path = tree.hot_path(&mut stream);
        for (device, _) in devices {
            let at = at + to_span(stream.magnitude(0, within));
            let operation = mixer.pick(&mut stream);
            mixer.add(&mut stream, (at, device), operation, (tree, path.clone()));
            left = left.saturating_sub(1);
        }
    }
}

/// Some users tidy up now and then: what they have just put into one folder is moved to another at
/// once, and sometimes another device moves one of the two folders into the other, or back.
fn tidy_up(
    mixer: &mut Mixer,
    mix: &Mix,
    trees: &[Tree],
    active: &[(DeviceId, UserId, Time)],
    streams: Streams,
) {
    let mut stream = streams.stream("workload/tidying up");
    let rounds = if active.is_empty() { 0 } else { 1 + stream.below(ROUNDS) };
    for _ in 0..rounds {
        let (device, user, start) = *stream.pick(active);
        let mut folders = FOLDERS;
        stream.shuffle(&mut folders);
        let [from, to, _] = folders;
        // There is time left for all of it.
        let at = between(&mut stream, start, mix.lasts.0 / 2);
        let mut does = |at: Time, device, operation| {
            mixer.out.push((at, Act::User(device, UserOperation::File(operation))));
        };
        does(at, device, FileOperation::MakeFolder(from.to_owned()));
        does(at, device, FileOperation::MakeFolder(to.to_owned()));
        for (n, name) in (1..).zip(&trees[usize::from(user.0)].names) {
            let text = few_words(&mut stream);
            let write = FileOperation::Write(format!("{from}/{name}"), Content { size: 0, text });
            does(at + Span(n * 500), device, write);
        }
        let moves = at + Span(4_000 + stream.below(12_000));
        does(moves, device, FileOperation::Move(vec![format!("{from}/*")], to.to_owned()));
        let others = active.iter().filter(|(_, other, _)| *other == user);
        let others: Vec<DeviceId> = others.map(|(device, ..)| *device).collect();
        let other = *stream.pick(&others);
        let within = mix.burst_within.value(&mut stream);
        let meets = moves + to_span(stream.magnitude(0, within));
        let is_folder =
            |inner: &str, outer: &str| FileOperation::Move(vec![inner.into()], outer.into());
        match stream.below(3) {
            0 => does(meets, other, FileOperation::Move(vec![format!("{to}/*")], from.to_owned())),
            1 => {
                does(meets, other, is_folder(from, to));
                does(meets, device, is_folder(to, from));
            }
            _ => {}
        }
    }
}

/// The names and folders of one user.
struct Tree {
    names: Vec<&'static str>,
    folders: Vec<&'static str>,
    hot: Vec<String>,
}

impl Tree {
    fn draw(files: &FileMix, user: &str, streams: Streams) -> Self {
        let mut stream = streams.stream(&format!("workload/tree of {user}"));
        let some = |stream: &mut Stream, of: &[&'static str], count: usize| {
            let mut of = of.to_vec();
            stream.shuffle(&mut of);
            of.truncate(count);
            of
        };
        let count = usize::try_from(files.paths.value(&mut stream).max(1)).unwrap_or(1);
        let names = some(&mut stream, &NAMES, count);
        let folders = usize::try_from(stream.below(FOLDERS.len() as u64)).expect("they are few");
        let folders = some(&mut stream, &FOLDERS, folders);
        let mut tree = Self { names, folders, hot: Vec::new() };
        let hot = stream.between(1, 2);
        tree.hot = (0..hot).map(|_| tree.any_path(&mut stream)).collect();
        tree
    }

    /// A folder, or the root.
    fn folder(&self, stream: &mut Stream) -> &'static str {
        let at = usize::try_from(stream.below(self.folders.len() as u64 + 1)).expect("few");
        self.folders.get(at).copied().unwrap_or("")
    }

    fn any_path(&self, stream: &mut Stream) -> String {
        let (folder, name) = (self.folder(stream), *stream.pick(&self.names));
        if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
    }

    fn hot_path(&self, stream: &mut Stream) -> String {
        stream.pick(&self.hot).clone()
    }

    fn path(&self, stream: &mut Stream) -> String {
        if stream.chance(HOT) { self.hot_path(stream) } else { self.any_path(stream) }
    }
}

/// Makes operations.
struct Mixer {
    weights: Vec<(Operation, u32)>,
    sizes: Range,
    out: Vec<Timed>,
}

impl Mixer {
    fn pick(&self, stream: &mut Stream) -> Operation {
        self.weights[stream.weighted(self.weights.iter().map(|(_, weight)| *weight))].0
    }

    fn add(
        &mut self,
        stream: &mut Stream,
        (at, device): (Time, DeviceId),
        operation: Operation,
        (tree, path): (&Tree, String),
    ) {
        let path = if stream.chance(OTHERWISE) { otherwise(stream, &path) } else { path };
        let act = if operation == Operation::MoveFiles {
            Some(Act::User(device, UserOperation::File(moved(stream, tree, path))))
        } else {
            let rest = operation.declaration().rest().iter();
            let rest: Vec<Value> =
                rest.filter_map(|it| self.value(stream, *it, (tree, &path))).collect();
            operation.make([Value::Device(device)].into_iter().chain(rest))
        };
        self.out.push((at, act.expect("the mix has all that an operation with files is about")));
    }

    /// An argument of an operation with the file at this path; none if it is not about files.
    fn value(
        &self,
        stream: &mut Stream,
        argument: Argument,
        (tree, path): (&Tree, &str),
    ) -> Option<Value> {
        Some(match argument {
            Argument::Path => Value::Path(path.to_owned()),
            Argument::NewFolder => {
                let folder = tree.folder(stream);
                let folder = if folder.is_empty() { "new folder" } else { folder };
                Value::NewFolder(folder.to_owned())
            }
            Argument::Content => Value::Content(content(stream, &self.sizes)),
            Argument::Name => Value::Name((*stream.pick(&tree.names)).to_owned()),
            Argument::Version => {
                Value::Version(u32::try_from(stream.between(1, 3)).expect("one to three"))
            }
            // A move chooses together what it moves and where to.
            Argument::Paths
            | Argument::Folder
            | Argument::Device
            | Argument::Processor
            | Argument::Row
            | Argument::Set
            | Argument::Counter
            | Argument::By
            | Argument::Kind
            | Argument::Field
            | Argument::Strategy
            | Argument::Account
            | Argument::Talk
            | Argument::Part
            | Argument::Excerpt
            | Argument::Day
            | Argument::AnyDay => return None,
        })
    }
}

/// One file, or all that is in its folder, to another folder; now and then a folder, into another or
/// into one that is in it.
fn moved(stream: &mut Stream, tree: &Tree, path: String) -> FileOperation {
    let to = tree.folder(stream).to_owned();
    if !tree.folders.is_empty() && stream.chance(FOLDER) {
        let from = (*stream.pick(&tree.folders)).to_owned();
        let to = if to == from { format!("{from}/{}", stream.pick(&FOLDERS)) } else { to };
        return FileOperation::Move(vec![from], to);
    }
    let whole = stream.chance(WHOLE_FOLDER);
    let folder = split_path(&path).map_or("", |(folder, _)| folder);
    let from = if whole && folder != to {
        format!("{folder}/*").trim_start_matches('/').to_owned()
    } else {
        path
    };
    FileOperation::Move(vec![from], to)
}

/// A name that some people or file systems may take for this one, or cannot have.
fn otherwise(stream: &mut Stream, path: &str) -> String {
    if !stream.chance(ODD) {
        return spelled_otherwise(path);
    }
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let slash = if folder.is_empty() { "" } else { "/" };
    let odd = *stream.pick(&ODDITIES);
    format!("{folder}{slash}{}", odd.replace('*', name))
}

/// The same name to people and to some file systems: in capitals, or with its accents apart.
fn spelled_otherwise(path: &str) -> String {
    match split_path(path) {
        Some((folder, name)) => {
            let apart = name.replace('é', "e\u{301}").replace('Ü', "U\u{308}");
            let name = if apart == name { name.to_uppercase() } else { apart };
            if folder.is_empty() { name } else { format!("{folder}/{name}") }
        }
        None => path.to_owned(),
    }
}

fn content(stream: &mut Stream, sizes: &Range) -> Content {
    let size = stream.magnitude(sizes.low.max(1), sizes.high.max(1));
    let text = few_words(stream);
    let size = u32::try_from(size).expect("the reader limits sizes");
    Content { size: if size as usize > text.len() { size } else { 0 }, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_spelled_otherwise_differ_and_fold_to_one() {
        for name in NAMES {
            let other = spelled_otherwise(name);
            assert_ne!(name, other);
            assert_eq!(engine::name::fold(name), engine::name::fold(&other));
        }
    }

    #[test]
    fn odd_spellings_are_no_names_or_are_taken_for_the_same() {
        for odd in ODDITIES {
            let name = odd.replace('*', "menu.txt");
            let is_same = engine::name::fold(&name) == engine::name::fold("menu.txt");
            assert_eq!(engine::name::instead(&name) == name, is_same, "{name:?}");
        }
    }
}
