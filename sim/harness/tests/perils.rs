//! A crew survives all that ends the processes of its workers, and names the piece of work that did it.
//!
//! The test is a program of its own, since it starts itself as a worker.

#[path = "../examples/perils.rs"]
#[expect(dead_code, reason = "the example is a program of its own")]
mod perils;

const NAME: &str = "each_way_to_end_a_process_costs_one_piece_of_work";

const EXPECTED: &[&str] = &[
    "0..: 0 1 4 16",
    "3: its stack overflowed",
    "5: it was aborted",
    "5..: 36 64 81",
    "7: it exited with code 0",
    "10..: 100 144 196",
    "11: its processor time was over",
    "13: it had no memory left",
    "15..: 225 256 289 324 361",
];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|it| it == "worker") {
        perils::work().expect("the pipes are there");
        return;
    }
    // Words that are no options are parts of the names of the tests that are asked for.
    let mut names = words.iter().filter(|it| !it.starts_with('-')).peekable();
    if names.peek().is_some() && !names.any(|it| NAME.contains(it.as_str())) {
        return;
    }
    assert_eq!(perils::hand_out().expect("workers can be started"), EXPECTED, "{NAME}");
}
