//! Files, folders and readers that nobody wishes for: each has its answer, and none of them hangs.

use std::fs;
use std::process::{Command, Stdio};

use super::folder::{Folder, LUNCH, Said};

/// Lunch in a world that nobody promised: each seed has something to tell.
fn wrong() -> String {
    let end = r#"at-end = [{ on = ["phone"], row = "meal/42", field = "kcal", is = 1 }]"#;
    LUNCH.replace("[expect]", &format!("[expect]\n{end}"))
}

/// More seeds than any test has time for: only what ends a sweep ends it.
const ENDLESS: [&str; 4] = ["sweep", "wrong", "--seeds", "1_000_000_000"];

#[cfg(target_os = "linux")]
#[test]
fn a_sweep_ends_when_its_results_cannot_be_written() {
    let folder = Folder::new("full-sweep");
    folder.put("scenarios/wrong.toml", wrong());
    let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = folder.command(&ENDLESS).stdout(full).output();
    let said = Said::from(output.expect("the command starts"));
    assert_eq!(said.code, Some(70), "{said:?}");
    assert!(said.err.contains("results could not be written"), "{}", said.err);
}

#[test]
fn a_sweep_ends_when_its_reader_has_left() {
    let folder = Folder::new("left-sweep");
    folder.put("scenarios/wrong.toml", wrong());
    let mut command = folder.command(&ENDLESS);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = Said::from(child.wait_with_output().expect("the command ends"));
    assert_eq!(said.code, Some(70), "{said:?}");
    assert!(said.err.contains("nothing more is run"), "{}", said.err);
}

#[cfg(unix)]
#[test]
fn a_pipe_out_of_which_nothing_comes_is_no_scenario() {
    let folder = Folder::new("silent-pipe");
    let made = Command::new("mkfifo").arg(folder.0.join("pipe.toml")).status();
    assert!(made.expect("there is a command to make pipes").success());
    folder.seawall(&["scenario", "check", "pipe.toml"]).is_wrong_usage("nothing has come from it");
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_costs_a_folder_nothing_else() {
    let folder = Folder::with_scenario("dangling");
    let link = folder.0.join("scenarios/gone.toml");
    std::os::unix::fs::symlink("nowhere.toml", link).expect("links can be made");
    let said = folder.seawall(&["scenario", "check"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("1 file: 1 good"), "{}", said.out);
}

/// No command could run again what is found in it.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_no_command_can_name_is_to_be_renamed() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::with_scenario("unnameable");
    let odd = std::ffi::OsStr::from_bytes(b"scenarios/l\xfcnch.toml");
    fs::write(folder.0.join(odd), LUNCH).expect("Linux takes any bytes");
    for command in [&["scenario", "check"][..], &["run"], &["sweep", "--seeds", "1"]] {
        folder.seawall(command).is_wrong_usage("rename the file");
    }
}

#[test]
fn where_nothing_fails_nothing_need_be_kept() {
    let folder = Folder::with_scenario("nowhere-to-keep");
    // A file stands where the folder would be: not even root can write into it.
    folder.put(".seawall", "");
    for command in ["run", "sweep"] {
        let said = folder.seawall(&[command, "lunch", "--seeds", "1"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert!(said.err.contains("no capsule will be kept"), "{}", said.err);
    }
    folder.put("scenarios/wrong.toml", wrong());
    let said = folder.seawall(&["run", "wrong", "--seeds", "1"]);
    assert_eq!(said.code, Some(1), "what is found is reported all the same: {said:?}");
    assert!(said.err.contains("a capsule could not be written"), "{}", said.err);
}

#[test]
fn what_a_file_or_an_argument_brings_along_moves_no_terminal() {
    let folder = Folder::new("terminal");
    let title = r#"title = "\u001b]0;pwned\u0007\u001b[2J\u202Eevil""#;
    folder.put("scenarios/evil.toml", LUNCH.replace("title = \"Lunch\"", title));
    let listed = folder.seawall(&["--color", "always", "scenario", "list"]);
    let asked = folder.seawall(&["--color", "always", "run", "\u{1b}]0;pwned\u{7}"]);
    let wrong = folder.seawall(&["--color", "always", "run", "--seed", "\u{1b}[2J"]);
    for said in [listed.out, asked.err, wrong.err] {
        for obeyed in ["\u{1b}]", "\u{1b}[2J", "\u{7}", "\u{202e}"] {
            assert!(!said.contains(obeyed), "{said:?} has {obeyed:?}");
        }
    }
}
