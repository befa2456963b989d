//! Five incidents through five commands, as people read them: `run`, `replay`, `shrink`, `explain` and `report`.

use std::fs;
use std::path::Path;

use super::folder::Folder;

/// What the commands print about an incident with its bug, one after the other.
#[track_caller]
fn check(incident: &str, flaw: &str) {
    let folder = Folder::new(&format!("commands-{incident}"));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/incidents");
    let file = format!("{incident}.toml");
    let scenario = fs::read(shipped.join(&file)).expect("it is shipped");
    folder.put(&format!("scenarios/{file}"), scenario);
    let mut told = String::new();
    let mut say = |arguments: &[&str]| {
        let said = folder.seawall(arguments);
        let lines: Vec<String> = said.out.lines().map(same_everywhere).collect();
        told.push_str(&format!("$ seawall {}\n{}\n\n", arguments.join(" "), lines.join("\n")));
        said.out
    };
    let ran = say(&["run", incident, "--flaw", flaw, "--seed", "0"]);
    let capsule = named(&ran, "capsule:");
    say(&["replay", &capsule]);
    let shrunk = say(&["shrink", &capsule, "-j", "2"]);
    let small = named(&shrunk, "seawall replay");
    say(&["replay", &small]);
    say(&["explain", &small, "--quick"]);
    say(&["report", &small, "--quick"]);
    insta::with_settings!({
        snapshot_path => "../../snapshots", prepend_module_to_snapshot => false, omit_expression => true,
    }, {
        insta::assert_snapshot!(format!("commands-{incident}"), told);
    });
}

/// A line without what another build or another number of workers changes: the build, how many plans were tried,
/// and how large a page is.
fn same_everywhere(line: &str) -> String {
    let marks = [" · build ", " (each was tried); ", ".html ("];
    let cut = marks.iter().find_map(|mark| line.find(mark).map(|at| at + mark.trim_end().len()));
    cut.map_or_else(|| line.to_owned(), |at| format!("{}…", &line[..at]))
}

/// What comes after a word, in the first line that has it.
#[track_caller]
fn named(told: &str, word: &str) -> String {
    let (_, rest) = told.split_once(word).unwrap_or_else(|| panic!("no {word} in {told}"));
    rest.lines().next().unwrap_or_default().trim().to_owned()
}

#[test]
fn two_clouds_that_are_pulled_at_once_read_well() {
    check("deep-sync-001", "DEEP-SYNC-001");
}

#[test]
fn a_row_that_does_not_open_reads_well() {
    check("deep-sync-002", "DEEP-SYNC-002");
}

#[test]
fn an_edit_that_is_overwritten_reads_well() {
    check("deep-sync-003", "DEEP-SYNC-003");
}

#[test]
fn a_history_that_is_rewritten_reads_well() {
    check("issue-42", "I42-RMW");
}

#[test]
fn a_batch_that_is_half_done_reads_well() {
    check("vaultfs-82445", "VF-BATCH-HALF");
}
