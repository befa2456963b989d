//! Capsules of older builds: each still shows its bug, and means what it meant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::flaw::Flaws;
use sim::run::run;
use sim::scenario::{self, Parameter, Scenario};
use sim::signature::Signature;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/capsules");
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("it is listed").path()).collect();
    files.sort();
    files
}

fn read(text: &str) -> Scenario {
    scenario::read("capsule", "capsule.toml", text.as_bytes()).expect("it can be read").0
}

/// The first were made when a capsule spelled out all settings, the others leave out those that are plain; all
/// of them by a program that was built elsewhere.
#[test]
fn capsules_of_older_builds_show_their_bugs() {
    let files = files();
    let mut said_to_be_plain = 0;
    for file in &files {
        let text = std::fs::read_to_string(file).expect("it can be read");
        said_to_be_plain += usize::from(text.contains("settings = \"plain\""));
        let scenario = read(&text);
        let head = scenario.capsule.as_ref().expect("it is a capsule");
        let flaws = head.flaws.iter().fold(Flaws::NONE, |flaws, flaw| flaws.with(*flaw));
        let outcome = run(&scenario::draw(&scenario, 0, flaws));
        let bug = Signature::from(head);
        assert!(bug.is_in(&outcome), "{}: {bug} is gone", file.display());
    }
    assert!(said_to_be_plain > 0 && said_to_be_plain < files.len(), "there are some of both kinds");
}

/// A plan that says nothing of its settings.
const SILENT: &str = r#"
[scenario]
title = "Silent"
story = "One run, written out: nothing in it is left to draw."
users = ["anna"]
lasts = "1s"

[capsule]
scenario = "silent"
seed = 1
nature = "0x1"
settings = "plain"

[remotes]
cloudkit = { kind = "zone", page = 200, batch = 200, commit = "1ms" }

[devices]
phone = { user = "anna" }

[processors]
reader = { user = "anna", clock = "0s", drift = "0ppm" }

[server]
workers.north = { clock = "0s", drift = "0ppm" }
"#;

/// What it has meant since there were such plans.
const PLAIN: &str = r#"
[network]
grain = "1ms"
latency.typical = "40ms"
latency.p99 = "40ms"
loss = "0%"
duplicates = "0%"
reply-loss = "0%"
hint-loss = "0%"

[disk]
commit = "1ms"
answer = "1ms"

[timing]
pull-every = "5s"
relist-every = "40s"
feed-every = "10s"
login-patience = "10s"
timeout = "3s"
retry-base = "500ms"
retry-cap = "15s"
page = 100
batch = 50

[keychain]
delay = "50ms"

[sign-in]
delay = "20ms"
valid = "1h"
expired-first = "0%"
foreign-first = "0%"

[pipeline]
poll = "2s"
patience = "1s"
step-takes = "100ms"
step-failure = "0%"
step-silence = "0%"
"#;

const PLAIN_SERVER: &str = r#"
volume.delay = "2ms"
volume.failure = "0%"
volume.reply-loss = "0%"
volume.list-lag = "0s"
session = "2s"
timeout = "300ms"
retry-base = "20ms"
retry-cap = "500ms"
queue = 4
snapshot-every = 2
upload = "10m"
batch = 50
piece = "1000B"
"#;

#[test]
fn plain_settings_are_what_they_have_always_been() {
    let written_out = SILENT.replace("settings = \"plain\"\n", "") + PLAIN_SERVER + PLAIN;
    for parameter in Parameter::ALL {
        let (_, key) = parameter.place();
        assert!(written_out.contains(&format!("\n{key} = ")), "{key} is written out");
    }
    let [silent, said] =
        [SILENT, &written_out].map(|text| scenario::draw(&read(text), 0, Flaws::NONE));
    assert_eq!(silent, said);
    let printed = scenario::print(&silent, None);
    let lines: BTreeMap<&str, &str> =
        printed.lines().filter_map(|line| line.split_once(" = ")).collect();
    for parameter in Parameter::ALL {
        let (_, key) = parameter.place();
        assert_eq!(lines.get(key), None, "what is plain is not printed");
    }
}
