//! Writes that are gone as a plan will have it: for each cause there is a scenario that passes, and that tells
//! which writes it took.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use engine::flaw::Flaws;
use sim::report::excused::{Excused, excused};
use sim::run::run;
use sim::scenario;

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/excused");
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("it is listed").path()).collect();
    files.sort();
    files
}

/// The writes that are excused in a scenario, which has to pass.
fn excused_in(path: &Path) -> Vec<Excused> {
    let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
    let bytes = std::fs::read(path).expect("it can be read");
    let (scenario, warnings) = scenario::read(name, name, &bytes).expect("it is right");
    assert_eq!(warnings, [], "{name}");
    let plan = scenario::draw(&scenario, 0, Flaws::NONE);
    let outcome = run(&plan);
    assert_eq!(outcome.violations, [], "{name}");
    excused(&plan, &outcome, |step| scenario.line_of(step))
}

#[test]
fn each_cause_takes_what_it_alone_could_reach() {
    let mut text = String::new();
    for path in files() {
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
        let excused = excused_in(&path);
        let causes: BTreeSet<String> =
            excused.iter().map(|it| it.cause.replace(' ', "-")).collect();
        assert!(causes.contains(name), "{name} has {excused:#?}");
        text.push_str(&format!("{name}\n"));
        for Excused { write, object, host, cause, fault, line, .. } in excused {
            let line = line.expect("the fault is scripted");
            text.push_str(&format!(
                "  {write} of {object} on {host}: {cause}, line {line}: {fault}\n"
            ));
        }
    }
    insta::with_settings!({
        snapshot_path => "../snapshots", prepend_module_to_snapshot => false, omit_expression => true,
    }, {
        insta::assert_snapshot!("excused", text);
    });
}
