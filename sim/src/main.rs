//! The command `seawall`. Everything it does is in the library, where tests can see it.

use std::process::ExitCode;

// Many short-lived small values, freed by the thread that made them: what this allocator is for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sim::cli::panics_told(sim::cli::main)
}
