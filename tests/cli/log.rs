//! `replay --log`: what machines log, between the lines of the story.

use super::folder::{Folder, LUNCH};

/// A lunch that a remote is not there for.
fn outage(name: &str) -> Folder {
    let folder = Folder::new(name);
    let fault = "steps = [{ at = \"1s\", remote = \"supabase\", do = \"outage\", for = \"9s\" }, ";
    folder.put("scenarios/lunch.toml", LUNCH.replace("steps = [", fault));
    folder
}

#[test]
fn a_story_tells_what_machines_log_down_to_a_level() {
    let folder = outage("log-story");
    let told = |more: &[&str]| {
        let said = folder.seawall(&[&["replay", "lunch", "--seed", "0"], more].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out
    };
    let silent = told(&[]);
    let spoken = told(&["--log", "debug"]);
    let logged = |line: &&str| line.contains("DEBUG engine::");
    let lines: Vec<&str> = spoken.lines().filter(|line| !logged(line)).collect();
    // A long event is folded, so that the rest of one may stand in a line of its own.
    assert!(silent.lines().all(|line| lines.contains(&line)), "{spoken}");
    let waits = spoken.lines().find(|line| line.contains("waits before it tries again"));
    let waits = waits.unwrap_or_else(|| panic!("nobody waits in {spoken}"));
    assert!(waits.contains("phone") || waits.contains("tablet"), "{waits}");
    assert_eq!(told(&["--log", "warn", "--until", "1s"]), told(&["--until", "1s"]));
}

#[test]
fn programs_get_what_machines_log_as_records() {
    let said = outage("log-records").seawall(&[
        "replay", "lunch", "--seed", "0", "--log", "debug", "--only", "phone", "--format", "jsonl",
    ]);
    let records: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let timed = records.iter().filter(|it| it["type"] == "log" || it["type"] == "fact");
    assert!(timed.is_sorted_by_key(|it| it["at_ms"].as_u64()), "{}", said.out);
    let log: Vec<_> = records.iter().filter(|it| it["type"] == "log").collect();
    assert!(log.iter().all(|it| it["lane"] == "phone" && it["life"] == 0), "{log:?}");
    let waits = |it: &&&serde_json::Value| it["target"] == "engine::device::core";
    let waits = log.iter().find(waits).expect("the phone waits for the remote");
    assert_eq!((&waits["level"], &waits["v"]), (&"DEBUG".into(), &1.into()));
}

#[test]
fn a_level_that_there_is_not_is_wrong_usage() {
    let said = outage("log-level").seawall(&["replay", "lunch", "--seed", "0", "--log", "loud"]);
    said.is_wrong_usage("[possible values: error, warn, info, debug, trace]");
}
