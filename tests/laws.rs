//! The laws of the pure parts: exhaustively where cases are few, by random draws beyond.
//!
//! What is compared with what: `record` against a model that knows only sets of operations, `view`
//! against the promises of each strategy, `date` with plain arithmetic, `dedup` with sets of numbers,
//! `seal` with what a thief could try. Only `swap` runs simulations: it is a law of pairs of runs.

use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

mod choices;
mod date;
mod dedup;
mod name;
mod record;
mod seal;
mod swap;
mod time;
mod view;

/// So many random cases, the same in every run: a test that fails here fails everywhere.
fn drawn(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(2),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}
