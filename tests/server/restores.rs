//! Restores of the volume at every point: a device, or a processor, does one thing after another before
//! a worker, and before any of the worker's requests to the volume the volume is set back to anything
//! that it has held until then; after that, maybe once more.
//!
//! Whatever was saved on the device when the volume was set back is in the log in the end, and so is
//! whatever the backup had. The device then shows what the log has, and nothing else.

use engine::device::{Ask, FileTarget, Relocation};
use engine::flaw::Flaws;
use engine::id::{AccountField, NodeId, Token};
use engine::ingest::Path;
use engine::job::Job;
use engine::message::Part;
use engine::processor;
use engine::record::{Payload, Value, Vv};
use sim::volume::Volume;

use super::home::{Home, ROOT, new, over};
use super::lab::Restore;
use super::plant::{Plant, origin, part};

/// All pairs of a request from this one on, and something else that the volume has held before it.
fn points(from: usize, was: &[Volume]) -> Vec<Restore> {
    let changed = |to: &usize| *to == 0 || was[*to] != was[to - 1];
    let to = |at: usize| (0..=at).filter(changed).map(move |to| Restore { at, to });
    (from..was.len()).flat_map(to).collect()
}

/// With this set to 1, all pairs of restores are played, and not a sample: that takes an hour.
const EXHAUSTIVE: &str = "SEAWALL_EXHAUSTIVE";

/// Each single restore, and a sample of the pairs.
fn every(
    run: impl Fn(&[Restore]) -> Result<(usize, Vec<Volume>), String>,
    one_in: usize,
) -> [usize; 2] {
    let fails = |restores: &[Restore], why| panic!("{restores:?}: {why}");
    let all = std::env::var_os(EXHAUSTIVE).is_some_and(|value| value == "1");
    let one_in = if all { 1 } else { one_in };
    let (from, was) = run(&[]).unwrap_or_else(|why| fails(&[], why));
    let (mut once, mut twice) = (0, 0);
    let mut turn = 0;
    for first in points(from, &was) {
        let (_, was) = run(&[first]).unwrap_or_else(|why| fails(&[first], why));
        once += 1;
        for second in points(first.at + 1, &was) {
            turn += 1;
            if turn % one_in == 0 {
                run(&[first, second]).unwrap_or_else(|why| fails(&[first, second], why));
                twice += 1;
            }
        }
    }
    [once, twice]
}

type Story = fn(&mut Home, NodeId);

/// What a device does with a file of two versions, a conversation and an account.
const STORIES: &[(&str, Story)] = &[
    ("a new file", |home, _| {
        home.writes(0, new("other.txt"), 3);
    }),
    ("a new version, and one over it before it is sent", |home, _| {
        for content in [3, 4] {
            let target = over(&home.file(0, "list.txt"));
            home.writes(0, target, content);
        }
    }),
    ("an old version restored", |home, node| {
        let (token, seen) = (Token([5; 16]), home.file(0, "list.txt").seen);
        home.ask(0, Ask::RestoreVersion { node, version: 1, seen, token });
    }),
    ("a file moved into a new folder", |home, node| {
        home.ask(0, Ask::CreateFolder(ROOT, "things".to_owned()));
        let name = Some("other.txt".to_owned());
        home.ask(0, Ask::MoveFiles(vec![Relocation { node, parent: None, name }]));
    }),
    ("a file deleted, brought back and written", |home, node| {
        home.ask(0, Ask::DeleteFile { node, seen: 2 });
        home.ask(0, Ask::UndeleteFile(node));
        home.writes(0, FileTarget::Version { node, seen: Vv::default() }, 3);
    }),
    ("a conversation and an account", |home, _| {
        let conversation = part("soup", 2..=4);
        home.ask(0, Ask::Ingest { path: Path::Upload, conversation });
        let value = Value::Text("anna@example.org".to_owned());
        let payload = Payload { token: Token([6; 16]), value };
        home.ask(0, Ask::Patch(vec![(AccountField::Email, payload)]));
    }),
];

/// Plays a story with these restores. The request at which it began, and what the volume was before
/// each request.
fn plays(story: Story, restores: &[Restore]) -> Result<(usize, Vec<Volume>), String> {
    let mut home = Home::new(Flaws::NONE);
    home.offline[1] = true;
    home.lab.keep_backups(restores);
    home.writes(0, new("list.txt"), 1);
    home.rest();
    let file = home.file(0, "list.txt");
    home.writes(0, over(&file), 2);
    let conversation = part("soup", 1..=2);
    home.ask(0, Ask::Ingest { path: Path::Upload, conversation });
    home.rest();
    let began = home.lab.was.len();
    let first = home.asked();
    story(&mut home, file.node);
    home.rest();
    if let Some(silent) = (first + 1..=home.asked()).find(|op| !home.is_answered(*op)) {
        return Err(format!("request {silent} was never answered"));
    }
    let was = std::mem::take(&mut home.lab.was);
    let there = home.lab.filed();
    if let Some(lost) = home.owed.iter().find(|dot| !there.contains(*dot)) {
        return Err(format!("{lost:?} was saved, and is not in the log"));
    }
    // Another device reads all that the log has.
    home.offline[1] = false;
    home.rest();
    let [shown, there] = [0, 1].map(|who| home.lists(who));
    if shown != there {
        return Err(format!("the device shows {shown:#?}, and the log has {there:#?}"));
    }
    Ok((began, was))
}

#[test]
fn what_is_saved_on_a_device_outlives_two_restores_of_the_volume_at_any_point() {
    for (name, story) in STORIES {
        let [once, twice] = every(|restores| plays(*story, restores), 1009);
        assert!(once > 50 && twice > 20, "{name}: only {once} and {twice} runs");
    }
}

/// A processor brings a conversation in, works on it, brings another part in and works on that.
fn works(restores: &[Restore]) -> Result<(usize, Vec<Volume>), String> {
    let mut plant = Plant::new(Flaws::NONE);
    plant.lab.keep_backups(restores);
    for messages in [1..=2, 3..=3, 4..=6] {
        plant.ask(0, processor::Ask::Ingest(Path::Daily, part("soup", messages)));
        plant.run(true);
        plant.ask(0, processor::Ask::Process(None));
        plant.run(true);
    }
    plant.ask_and_wait(1, processor::Ask::Process(None));
    plant.books()?;
    let was = std::mem::take(&mut plant.lab.was);
    let Some(item) = plant.item("soup") else {
        return if restores.is_empty() { Err("it is gone".to_owned()) } else { Ok((0, was)) };
    };
    if !matches!(item.job, Job::Success { .. }) {
        return Err(format!("all work is done, and it is {:?}", item.job));
    }
    let many = plant.messages("soup").len();
    let read = plant.ask_and_wait(1, processor::Ask::Read(origin("soup"), Part::Result));
    let processor::Answer::Result(_, result) = read else { return Err(format!("{read:?}")) };
    if result.value != Value::Text(format!("{many} read")) {
        return Err(format!("it has {many} messages, and its result is {:?}", result.value));
    }
    Ok((0, was))
}

#[test]
fn a_result_is_that_of_the_content_it_stands_at_after_two_restores_of_the_volume() {
    let [once, twice] = every(works, 101);
    assert!(once > 200 && twice > 1_000, "only {once} and {twice} runs");
}
