//! What a panic outside of all runs comes to: a process of its own has one on its main path.

use std::env;
use std::process::{Command, ExitCode};

use sim::cli::panics_told;

/// Set in the process that panics.
const PANICS: &str = "SEAWALL_TEST_PANICS";

#[test]
fn a_panic_on_the_main_thread_is_told_and_has_its_own_code() {
    if env::var_os(PANICS).is_some() {
        assert_eq!(panics_told(|| panic!("nobody thought of this")), ExitCode::from(70));
        return;
    }
    let this = "cli::panics::a_panic_on_the_main_thread_is_told_and_has_its_own_code";
    let mut command = Command::new(env::current_exe().expect("this test is in a file"));
    command.args(["--exact", this, "--nocapture"]).env(PANICS, "1");
    let output = command.output().expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("complaints are text");
    let (said, told) = (text(output.stderr), text(output.stdout));
    assert!(output.status.success() && told.contains("1 passed"), "{told}\n{said}");
    let sentence = "Seawall itself failed: nobody thought of this (";
    assert!(said.contains(sentence) && said.contains("Please report this"), "{said}");
    assert!(!said.contains("stack backtrace"), "{said}");
}
