//! What the command says when it is asked for something wrong.

use super::folder::{Folder, LUNCH, Said};

#[test]
fn wrong_seeds_are_wrong_usage_with_what_to_write() {
    let folder = Folder::with_scenario("seeds");
    let seeds = |text: &str| folder.seawall(&["sweep", "--seeds", text]);
    seeds("18446744073709551616").is_wrong_usage("the largest seed is 18446744073709551615");
    seeds("9..3").is_wrong_usage("did you mean 3..9?");
    seeds("7..7").is_wrong_usage("--seed 7");
    seeds("-1").is_wrong_usage("whole number");
    seeds("many").is_wrong_usage("such as 42");
    folder.seawall(&["sweep", "--for", "8"]).is_wrong_usage("90s, 10m or 8h");
}

#[test]
fn an_unknown_flaw_is_wrong_usage_with_the_one_that_was_meant() {
    let folder = Folder::with_scenario("flaw");
    for command in ["run", "sweep", "replay", "shrink"] {
        let said = folder.seawall(&[command, "lunch", "--flaw", "DEEPSYNC-003"]);
        said.is_wrong_usage("did you mean DEEP-SYNC-003?");
    }
}

#[test]
fn a_missing_file_is_wrong_usage() {
    let folder = Folder::with_scenario("missing");
    folder.seawall(&["run", "nowhere/at-all.toml"]).is_wrong_usage("no such file or folder");
    folder.seawall(&["sweep", "lunhc"]).is_wrong_usage("did you mean `lunch`?");
    folder.seawall(&["scenario", "check", "supper"]).is_wrong_usage("no such scenario: supper");
}

#[test]
fn a_folder_that_takes_nothing_is_found_out_before_any_work() {
    let folder = Folder::with_scenario("unwritable");
    // A file stands where the folder should be: not even root can write into it.
    for command in ["run", "sweep"] {
        let said = folder.seawall(&[command, "lunch", "--out", "scenarios/lunch.toml/capsules"]);
        said.is_wrong_usage("cannot keep anything in scenarios/lunch.toml/capsules");
        assert!(!said.err.contains(" · build "), "it began to work: {}", said.err);
    }
}

#[test]
fn a_broken_scenario_is_wrong_usage_and_says_where() {
    let folder = Folder::with_scenario("broken");
    folder.put("scenarios/bad.toml", LUNCH.replace("do = \"edit\"", "do = \"edti\""));
    let check = folder.seawall(&["scenario", "check"]);
    assert_eq!(check.code, Some(2), "{check:?}");
    assert!(check.out.contains("bad.toml:19:"), "{}", check.out);
    assert!(check.out.contains("FAIL 2 files: 1 good"), "{}", check.out);
    folder.seawall(&["sweep"]).is_wrong_usage("bad.toml:19:");
}

#[test]
fn strange_files_are_wrong_usage_and_never_a_panic() {
    let folder = Folder::new("strange");
    folder.put("empty.toml", "");
    folder.put("binary.toml", [0xff, 0xfe, 0, 1, 2, 0x80]);
    folder.put("large.toml", vec![b'#'; 10_000_000]);
    folder.put("folder.toml/inside", "");
    for file in ["empty.toml", "binary.toml", "large.toml"] {
        folder.seawall(&["run", file]).is_wrong_usage(file);
        assert_eq!(folder.seawall(&["scenario", "check", file]).code, Some(2), "{file}");
    }
    let said = folder.seawall(&["run", "folder.toml"]);
    assert_eq!(said.code, Some(4), "{said:?}");
}

#[test]
fn a_replay_needs_a_seed_unless_it_is_of_a_capsule() {
    let folder = Folder::with_scenario("seedless");
    folder.seawall(&["replay", "lunch"]).is_wrong_usage("seawall replay lunch --seed 0");
    let said = folder.seawall(&["shrink", "lunch"]);
    said.is_wrong_usage("is a scenario, not a capsule");
}

#[test]
fn the_list_names_what_there_is() {
    let folder = Folder::with_scenario("list");
    let said = folder.seawall(&["scenario", "list", "--tag", "smoke"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("lunch") && said.out.contains("Lunch"), "{}", said.out);
    let lines = folder.seawall(&["scenario", "list", "--format", "jsonl"]);
    let first = lines.out.lines().next().expect("there is one");
    let object: serde_json::Value = serde_json::from_str(first).expect("each line is JSON");
    assert_eq!((&object["v"], &object["type"]), (&1.into(), &"scenario".into()));
}

#[test]
fn a_scenario_that_the_product_passes_is_a_success_and_tells_the_same_story_twice() {
    let folder = Folder::with_scenario("success");
    let run = folder.seawall(&["run", "lunch", "--seeds", "2"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.contains("PASS 1 of 1 line as expected"), "{}", run.out);
    let replay = || folder.seawall(&["replay", "lunch", "--seed", "1"]);
    let (one, two) = (replay(), replay());
    assert_eq!(one.code, Some(0), "{one:?}");
    assert_eq!(one.out, two.out);
    assert!(one.out.contains("edits meal/42 kcal = 350"), "{}", one.out);
}

#[test]
fn a_seed_below_zero_is_told_as_a_wrong_seed() {
    let folder = Folder::with_scenario("negative");
    for command in ["run", "replay"] {
        folder.seawall(&[command, "lunch", "--seed", "-1"]).is_wrong_usage("whole number from 0");
    }
    folder.seawall(&["zoo", "--seeds", "0"]).is_wrong_usage("at least 1");
}

#[test]
fn a_world_that_is_too_large_is_refused_with_what_is_possible() {
    let folder = Folder::new("absurd");
    let devices: String = (0..501).map(|n| format!("d{n} = {{ user = \"anna\" }}\n")).collect();
    folder.put("crowd.toml", LUNCH.replace("tablet = { user = \"anna\" }\n", &devices));
    folder.seawall(&["run", "crowd.toml"]).is_wrong_usage("keep 500 of them");
    let for_ever = LUNCH.replace("[remotes]", "lasts = \"36500d\"\n\n[remotes]");
    folder.put("century.toml", for_ever);
    folder.seawall(&["run", "century.toml"]).is_wrong_usage("100000 pulls at most");
}

#[test]
fn a_quiet_day_is_not_taken_for_a_run_without_an_end() {
    let folder = Folder::new("day");
    folder.put("day.toml", LUNCH.replace("[remotes]", "lasts = \"1d\"\n\n[remotes]"));
    let said = folder.seawall(&["run", "day.toml", "--seeds", "1"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

#[test]
fn the_doctor_needs_something_to_compare() {
    let folder = Folder::new("doctor");
    folder.put("scenarios/notes.txt", "no scenario");
    let said = folder.seawall(&["doctor"]);
    assert_eq!(said.code, Some(4), "{said:?}");
    folder.seawall(&["doctor", "nobody"]).is_wrong_usage("no such scenario: nobody");
}

#[test]
fn a_row_that_is_not_in_the_run_is_wrong_usage() {
    let folder = Folder::with_scenario("row");
    let replay = |row: &str| folder.seawall(&["replay", "lunch", "--seed", "0", "--row", row]);
    replay("meal/43").is_wrong_usage("nothing in this run is about meal/43");
    replay("meal/43").is_wrong_usage("there are: meal/42");
    assert_eq!(replay("meal/42").code, Some(0));
}

#[test]
fn a_capsule_that_lacks_a_line_says_which() {
    let folder = Folder::new("capsule");
    let head = "[capsule]\nscenario = \"lunch\"\nseed = 1\nnature = 2\nbuild = \"b\"\n\
                site = \"s\"\ndigest = \"d\"\n\n[remotes]";
    folder.put("capsule.toml", LUNCH.replace("[remotes]", head));
    let said = folder.seawall(&["replay", "capsule.toml"]);
    said.is_wrong_usage("[capsule] has no `invariant`");
    assert!(!said.err.contains("E007"), "{}", said.err);
}

/// But for what is there to be copied: a command in a line of its own, or a path.
#[test]
fn results_fit_the_columns_that_there_are() {
    let folder = Folder::with_scenario("columns");
    let end = r#"at-end = [{ on = ["phone"], row = "meal/42", field = "kcal", is = 1 }]"#;
    folder.put("scenarios/wrong.toml", LUNCH.replace("[expect]", &format!("[expect]\n{end}")));
    let commands: [&[&str]; 4] = [
        &["replay", "lunch", "--seed", "0"],
        &["replay", "wrong", "--seed", "0"],
        &["run", "wrong", "--seeds", "1"],
        &["sweep", "lunch", "wrong", "--seeds", "2"],
    ];
    for (columns, arguments) in [40, 60].into_iter().flat_map(|n| commands.map(|it| (n, it))) {
        let mut command = folder.command(arguments);
        let output = command.env("COLUMNS", columns.to_string()).output();
        let said = Said::from(output.expect("the command starts"));
        let long = said.out.lines().filter(|line| line.chars().count() > columns);
        for line in long {
            let before = line.split_once("seawall ").map(|(before, _)| before.trim());
            let is_command = before.is_some_and(|it| it.is_empty() || it.ends_with(':'));
            let is_path = line.split_whitespace().count() == 1 && line.contains('/');
            assert!(is_command || is_path, "{arguments:?} in {columns} columns: {line:?}");
        }
    }
}

#[test]
fn strange_numbers_and_nests_are_wrong_usage_and_never_a_panic() {
    let folder = Folder::new("numbers");
    let strange = [
        "nan",
        "-inf",
        "1e400",
        "-0.0",
        "true",
        "[]",
        "{}",
        "2026-01-01",
        "99999999999999999999",
        "\"-5s\"",
        "\"5\"",
        "\"\"",
        "\"1e9d\"",
        "\"999999999999999999d\"",
        "\"9..3s\"",
        "\"\u{ff15}s\"",
    ];
    for text in strange {
        folder.put("number.toml", LUNCH.replace("at = \"2s\"", &format!("at = {text}")));
        folder.seawall(&["run", "number.toml"]).is_wrong_usage("number.toml");
    }
    let nests = [("[", "]"), ("{ a = ", "}"), ("\"", ""), ("[[", "")];
    for (open, close) in nests {
        let deep = format!("x = {}1{}", open.repeat(10_000), close.repeat(10_000));
        folder.put("nest.toml", deep);
        folder.seawall(&["run", "nest.toml"]).is_wrong_usage("nest.toml");
    }
    let late = LUNCH.replace("[remotes]", "lasts = \"1m\"\n\n[remotes]");
    folder.put("late.toml", late.replace("at = \"2s\"", "at = \"2h\""));
    folder.seawall(&["run", "late.toml"]).is_wrong_usage("late.toml");
}
