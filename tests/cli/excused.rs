//! Writes that are gone as a plan will have it, as each command tells them.

use serde_json::Value;

use super::folder::{Folder, Said};

/// A volume that is restored, with three writes of before.
fn restored(name: &str) -> Folder {
    let folder = Folder::new(name);
    folder.put("scenarios/restored-volume.toml", include_str!("../excused/restored-volume.toml"));
    folder
}

#[track_caller]
fn says(said: &Said, parts: &[&str]) {
    assert_eq!(said.code, Some(0), "{said:?}");
    let words = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in parts {
        assert!(words.contains(part), "{part:?} is not in {}", said.out);
    }
}

/// The line of a type.
fn line(said: &Said, kind: &str) -> Value {
    let mut lines = said.out.lines().map(|line| serde_json::from_str(line).expect("it is JSON"));
    lines.find(|line: &Value| line["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {said:?}"))
}

#[test]
fn a_passing_verdict_says_which_writes_are_excused_and_by_what() {
    let folder = restored("excused-run");
    let said = folder.seawall(&["run", "restored-volume"]);
    let place = "scenarios/restored-volume.toml:29";
    says(&said, &["pass; 3 writes excused: restored volume", "w1 of menu.txt on phone", place]);
    let verdict = line(&folder.seawall(&["run", "--format", "jsonl"]), "verdict");
    let excused = &verdict["excused"][1];
    assert_eq!(excused["write"], "w2");
    assert_eq!(excused["object"], "account of anna");
    assert_eq!((&excused["cause"], &excused["seed"]), (&"restored volume".into(), &0.into()));
    assert!(excused["place"].as_str().is_some_and(|it| it.ends_with(place)), "{excused}");
}

#[test]
fn a_story_of_a_passing_seed_lists_what_is_excused() {
    let folder = restored("excused-replay");
    let replay = ["replay", "restored-volume", "--seed", "0"];
    let took = "the volume is set back to what it was 29.000s ago, at 30.000s";
    says(&folder.seawall(&replay), &["all invariants hold 3 writes excused", took]);
    let replayed =
        line(&folder.seawall(&[&replay[..], &["--format", "jsonl"]].concat()), "replayed");
    assert_eq!(replayed["excused"].as_array().map(Vec::len), Some(3), "{replayed}");
}

#[test]
fn a_sweep_counts_what_is_excused_and_tells_its_share_if_asked() {
    let folder = restored("excused-sweep");
    let sweep = ["sweep", "restored-volume", "--seeds", "2"];
    let share = "restored volume 6 100 % of 2 seeds";
    let brief = folder.seawall(&sweep);
    says(&brief, &["6 writes excused: restored volume."]);
    assert!(!brief.out.contains("100 % of 2 seeds"), "{}", brief.out);
    says(&folder.seawall(&[&sweep[..], &["-v"]].concat()), &[share]);
    let said = folder.seawall(&[&sweep[..], &["--format", "jsonl"]].concat());
    for kind in ["scenario-swept", "sweep"] {
        let counted = &line(&said, kind)["excused_causes"]["restored volume"];
        assert_eq!((&counted["seeds"], &counted["writes"]), (&2.into(), &6.into()));
    }
}
