//! The exit code of each end that a command can come to, and what is kept and told then.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::folder::{Folder, LUNCH, Said};
use crate::expectations::world;

/// Lunch, with one line more about what is expected.
fn expecting(line: &str) -> String {
    LUNCH.replace("[expect]", &format!("[expect]\n{line}"))
}

/// Lunch in a world that nobody promised.
fn wrong() -> String {
    let end = r#"at-end = [{ on = ["phone"], row = "meal/42", field = "kcal", is = 1 }]"#;
    expecting(end)
}

#[test]
fn a_violation_is_told_with_its_seed_and_the_command_that_repeats_it() {
    let folder = Folder::new("violated");
    folder.put("scenarios/wrong.toml", wrong());
    let again = "seawall replay wrong --seed 0";
    for command in ["run", "sweep"] {
        for format in ["human", "jsonl"] {
            let said = folder.seawall(&[command, "wrong", "--seeds", "2", "--format", format]);
            assert_eq!(said.code, Some(1), "{said:?}");
            assert!(said.out.contains(again), "{}", said.out);
        }
    }
    assert_eq!(folder.seawall(&["replay", "wrong", "--seed", "0"]).code, Some(1));
}

/// The message names the file and its line, the host, the object, what was expected and what was found.
#[test]
fn what_is_not_shown_as_expected_is_a_violation() {
    let folder = Folder::new("expectations");
    let holds = world(&[r#"on = "phone", path = "plans/may.txt", is = "tea""#]);
    let fails = world(&[r#"on = "phone", path = "plans/may.txt", is = "milk""#]);
    folder.put("scenarios/holds.toml", &holds);
    folder.put("scenarios/fails.toml", &fails);
    assert_eq!(folder.seawall(&["run", "holds", "--seeds", "1"]).code, Some(0));
    let said = folder.seawall(&["run", "fails", "--seeds", "1"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let line = fails.lines().position(|line| line.contains("is = \"milk\"")).expect("it is there");
    let place =
        format!("fails.toml:{}: on phone, plans/may.txt: expected \"milk\", found", line + 1);
    let told = said.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains(&place), "{}", said.out);
}

#[test]
fn an_expected_violation_that_does_not_happen_is_a_failure() {
    let folder = Folder::new("expected");
    let line = "product = \"pass\"\n\"with FB-12\" = \"violates system-settles\"";
    folder.put("scenarios/calm.toml", LUNCH.replace("product = \"pass\"", line));
    let said = folder.seawall(&["run", "calm", "--flaw", "FB-12"]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[test]
fn what_must_happen_and_does_not_is_inconclusive() {
    let folder = Folder::new("inconclusive");
    let line = r#"must-happen = [{ what = "conflict", at-least = 1, each-seed = true }]"#;
    folder.put("scenarios/quiet.toml", expecting(line));
    for command in ["run", "sweep"] {
        let said = folder.seawall(&[command, "quiet", "--seeds", "2"]);
        assert_eq!(said.code, Some(3), "{said:?}");
    }
}

/// A folder with a capsule of [`wrong`], and the capsule's name.
fn with_capsule(name: &str, scenario: &str, flaws: &[&str]) -> (Folder, String) {
    let folder = Folder::new(name);
    folder.put("scenarios/wrong.toml", scenario);
    folder.seawall(&[&["run", "wrong", "--seeds", "1"], flaws].concat());
    let capsules = fs::read_dir(folder.0.join(".seawall/capsules")).expect("one is kept");
    let names = capsules.map(|file| file.expect("it can be read").file_name());
    let mut names = names.map(|name| name.into_string().expect("it is ASCII"));
    let capsule = names.find(|name| name.ends_with(".toml")).expect("one is kept");
    let capsule = capsule.trim_end_matches(".toml").to_owned();
    (folder, capsule)
}

#[test]
fn a_shrink_without_time_keeps_the_plan_as_it_is_and_is_inconclusive() {
    let (folder, capsule) = with_capsule("hasty", &wrong(), &[]);
    let said = folder.seawall(&["shrink", &capsule, "--budget", "1ns", "-o", "small.toml"]);
    assert_eq!(said.code, Some(3), "{said:?}");
    assert!(said.out.contains("`seawall shrink small.toml` goes on"), "{}", said.out);
    assert_eq!(folder.seawall(&["replay", "small.toml"]).code, Some(1));
    let said = folder.seawall(&["shrink", &capsule, "-o", "small.toml"]);
    assert_eq!(said.code, Some(0), "{said:?}");
}

/// A program reads in one word how like a replay is to what was recorded.
#[test]
fn a_replay_is_exact_similar_or_different() {
    let (folder, capsule) = with_capsule("likeness", &wrong(), &[]);
    let place = format!(".seawall/capsules/{capsule}.toml");
    let text = fs::read_to_string(folder.0.join(&place)).expect("it is kept");
    let digest = text.lines().find(|line| line.starts_with("digest = ")).expect("it has one");
    let zeros = format!("digest = \"{}\"", "0".repeat(32));
    let calmed = text.replacen("is = 1,", "is = 350,", 1);
    assert_ne!(calmed, text, "{text}");
    for (text, word, reproduced, code) in [
        (text.clone(), "exact", true, 1),
        (text.replace(digest, &zeros), "similar", true, 1),
        (calmed, "different", false, 0),
    ] {
        folder.put("again.toml", text);
        let said = folder.seawall(&["replay", "again.toml", "--format", "jsonl"]);
        let fields = format!("\"replayed\":\"{word}\",\"reproduced\":{reproduced}");
        assert!(said.out.contains(&fields), "{word}: {}", said.out);
        assert_eq!(said.code, Some(code), "{word}: {}", said.out);
    }
}

#[test]
fn a_smaller_plan_is_not_replaced_by_a_larger_one() {
    let (folder, capsule) = with_capsule("smallest", &wrong(), &[]);
    let read = || fs::read_to_string(folder.0.join("small.toml")).expect("it is written");
    folder.seawall(&["shrink", &capsule, "-o", "small.toml"]);
    let small = read();
    let said = folder.seawall(&["shrink", &capsule, "--budget", "1ns", "-o", "small.toml"]);
    assert_eq!((said.code, read()), (Some(3), small), "{said:?}");
    assert!(said.err.contains("it goes on from there"), "{}", said.err);
}

/// A smaller capsule leads back to the plan that was found first, also if it was made in two steps.
#[test]
fn a_smaller_capsule_says_what_it_was_shrunk_from() {
    let (folder, capsule) = with_capsule("origin", &noted_twice(), &["--flaw", "FB-01"]);
    let line = |file: &str, key: &str| {
        let text = fs::read_to_string(folder.0.join(file)).expect("it is written");
        let line = text.lines().find(|line| line.starts_with(&format!("{key} = ")));
        line.map(str::to_owned)
    };
    let whole = format!(".seawall/capsules/{capsule}.toml");
    assert_eq!(line(&whole, "shrunk-from"), None);
    let digest = line(&whole, "digest").expect("it has one");
    folder.seawall(&["shrink", &capsule, "-o", "small.toml"]);
    let from = line("small.toml", "shrunk-from").expect("it was shrunk");
    assert!(
        from.starts_with(&format!("shrunk-from = {{ {digest}, steps = 2, faults = 0, ")),
        "{from}"
    );
    let writes = line("small.toml", "writes").expect("some are left");
    assert!(writes.contains("w1 = \"w"), "{writes}");
    folder.seawall(&["shrink", "small.toml", "-o", "again.toml"]);
    assert_eq!(line("again.toml", "shrunk-from"), Some(from));
    assert_eq!(line("again.toml", "writes"), Some(writes));
}

#[test]
fn a_replay_says_if_the_capsule_is_of_another_machine() {
    let (folder, capsule) = with_capsule("machine", &wrong(), &[]);
    let text = fs::read_to_string(folder.0.join(format!(".seawall/capsules/{capsule}.toml")));
    let text = text.expect("it is kept");
    let machine = text.lines().find(|line| line.starts_with("machine = ")).expect("it says so");
    folder.put("moved.toml", text.replace(machine, "machine = \"vax-vms\""));
    let here = folder.seawall(&["replay", &capsule]).out;
    assert!(here.contains("replayed by plan") && !here.contains("they differ"), "{here}");
    let moved = folder.seawall(&["replay", "moved.toml"]).out;
    assert!(moved.contains(" on vax-vms, ") && moved.contains("they differ"), "{moved}");
}

/// Lunch that is noted on two devices at the same time.
fn noted_twice() -> String {
    let (before, after) = LUNCH.split_once("steps = [").expect("it has steps");
    let (step, after) = after.split_once("]\n").expect("they end");
    let other = step.replace("phone", "tablet").replace("350", "370");
    format!("{before}steps = [{step}, {other}]\n{after}")
}

#[test]
fn a_flaw_is_caught_shrunk_and_replayed_by_another_process() {
    let folder = Folder::new("replays");
    folder.put("scenarios/noted.toml", noted_twice());
    let zoo = ["zoo", "--replay", "FB-01", "--scenario", "noted", "--out", "kept"];
    let said = folder.seawall(&[&zoo[..], &["--write", "replays.md"]].concat());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.out.contains("| exact |") && said.out.contains("1 of 1 flaw reproduced"),
        "{said:?}"
    );
    let kept = fs::read_to_string(folder.0.join("replays.md")).expect("it is written");
    assert_eq!(kept, said.out);
    let said = folder.seawall(&[&zoo[..], &["--format", "jsonl"]].concat());
    assert!(said.out.contains("\"replayed\":\"exact\""), "{said:?}");
    let said =
        folder.seawall(&["zoo", "--replay", "BP-NOLOCK", "--scenario", "noted", "--seeds", "2"]);
    assert_eq!(said.code, Some(1), "there is nothing to catch: {said:?}");
}

#[test]
fn a_capsule_that_passes_says_which_flaws_are_missing() {
    let (folder, capsule) = with_capsule("missing", &noted_twice(), &["--flaw", "FB-01"]);
    let said = folder.seawall(&["run", &capsule]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let note = "without FB-01, with which it was recorded;";
    assert!(said.out.contains(note), "{}", said.out);
    assert_eq!(folder.seawall(&["replay", &capsule]).code, Some(1));
    let said = folder.seawall(&["run", &capsule, "--flaw", "FB-01"]);
    assert_eq!(said.code, Some(1), "{said:?}");
}

#[test]
fn nothing_selected_is_said_and_has_its_own_code() {
    let folder = Folder::with_scenario("nothing");
    let tagged = folder.seawall(&["sweep", "--tag", "nightly"]);
    assert_eq!(tagged.code, Some(4), "{tagged:?}");
    assert!(tagged.err.contains("no scenario has the tag `nightly`"), "{}", tagged.err);
    folder.put("none/notes.txt", "no scenario");
    assert_eq!(folder.seawall(&["run", "none"]).code, Some(4));
}

/// Two pipes stand where the doctor looks for files, so that each process can be given another
/// text. One pipe would not do: only once a process has opened the second is it done with the first.
#[cfg(unix)]
#[test]
fn two_processes_that_disagree_are_not_deterministic() {
    let folder = Folder::new("disagree");
    let pipes = ["one.toml", "two.toml"].map(|name| folder.0.join(name));
    let made = Command::new("mkfifo").args(&pipes).status();
    assert!(made.expect("there is a command to make pipes").success());
    let texts = [LUNCH.to_owned(), LUNCH.to_owned(), LUNCH.replace("350", "351")];
    std::thread::spawn(move || {
        for text in texts {
            for pipe in &pipes {
                fs::write(pipe, &text).expect("the other end is read");
            }
        }
    });
    let said = folder.seawall(&["doctor", "."]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.out.contains("two processes disagree"), "{}", said.out);
}

#[test]
fn a_reader_that_has_left_is_not_an_error() {
    let folder = Folder::with_scenario("pipe");
    let commands: [&[&str]; 4] = [
        &["scenario", "list"],
        &["sweep", "lunch", "--seeds", "2"],
        &["replay", "lunch", "--seed", "0"],
        &["--help"],
    ];
    for arguments in commands {
        let mut command = folder.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let said = Said::from(child.wait_with_output().expect("the command ends"));
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        assert!(!said.err.contains("error"), "{arguments:?}: {said:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn results_that_cannot_be_written_are_an_error() {
    let folder = Folder::with_scenario("full");
    let commands: [&[&str]; 4] = [
        &["scenario", "list"],
        &["run", "lunch", "--seeds", "1"],
        &["replay", "lunch", "--seed", "0"],
        &["--help"],
    ];
    for arguments in commands {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
        let output = folder.command(arguments).stdout(full).output();
        let said = Said::from(output.expect("the command starts"));
        assert_eq!(said.code, Some(70), "{arguments:?}: {said:?}");
    }
}

/// Starts it, sends a signal once it listens to signals, and waits for its end.
#[cfg(unix)]
fn interrupted(folder: &Folder, signal: &str, arguments: &[&str]) -> Said {
    let mut command = folder.command(arguments);
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    // The first line of progress comes once signals are listened to.
    let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
    said.read_line(&mut String::new()).expect("it says that it begins");
    let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill.expect("there is a command to send signals").success());
    Said::from(child.wait_with_output().expect("the command ends"))
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_sweep_and_keeps_what_is_done() {
    let folder = Folder::with_scenario("interrupt");
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129)] {
        let said = interrupted(&folder, signal, &["sweep", "lunch", "--for", "10m"]);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.out.contains("stopped: interrupted"), "{}", said.out);
    }
}

#[cfg(unix)]
#[test]
fn a_zoo_that_is_interrupted_replaces_no_matrix() {
    let folder = Folder::with_scenario("zoo");
    folder.put("zoo.md", "the whole matrix");
    let zoo = ["zoo", "--scenario", "lunch", "--seeds", "1_000_000", "--write", "zoo.md"];
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        assert_eq!(interrupted(&folder, signal, &zoo).code, Some(code));
    }
    let there = fs::read_to_string(folder.0.join("zoo.md")).expect("it is still there");
    assert_eq!(there, "the whole matrix");
}

#[cfg(unix)]
#[test]
fn only_a_file_is_replaced_by_a_file() {
    let folder = Folder::with_scenario("device");
    let made = Command::new("mkfifo").arg(folder.0.join("pipe")).status();
    assert!(made.expect("there is a command to make pipes").success());
    for place in ["pipe", "scenarios"] {
        let said = folder.seawall(&["zoo", "FB-12", "--scenario", "lunch", "--write", place]);
        said.is_wrong_usage(&format!("{place} is not a file"));
    }
}

#[test]
fn colours_are_for_terminals_and_on_demand() {
    let folder = Folder::with_scenario("colour");
    let is_colourful = |arguments: &[&str], name: &str| {
        let mut command = folder.command(arguments);
        let output = command.env_remove("NO_COLOR").env(name, "1").output();
        Said::from(output.expect("the command starts")).out.contains('\u{1b}')
    };
    let replay = ["replay", "lunch", "--seed", "0"];
    assert!(!is_colourful(&replay, "NO_COLOR"));
    assert!(is_colourful(&replay, "CLICOLOR_FORCE"));
    assert!(is_colourful(&[&replay[..], &["--color", "always"]].concat(), "NO_COLOR"));
    assert!(!is_colourful(&[&replay[..], &["--color", "never"]].concat(), "CLICOLOR_FORCE"));
}
