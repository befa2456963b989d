//! The numbers that Seawall stands by. Prints and asserts nothing: a test asserts behaviour.
//!
//! All speeds are per second of CPU time, on one core.

mod exchange;
mod gauge;
mod log;
mod runs;

use std::io::{self, Write};
use std::time::Duration;

use crate::runs::count;

// As the binary `seawall` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What is measured, the smaller first: the peak of memory never falls again.
const SCENARIOS: [(&str, u32); 2] =
    [("scenarios/everyday/small-world.toml", 200), ("scenarios/everyday/everyday.toml", 100)];

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for (path, seeds) in SCENARIOS {
        match runs::measure(path, seeds) {
            Ok(costs) => print_runs(&mut out, path, &costs)?,
            Err(error) => writeln!(out, "{path}: not measured: {error}\n")?,
        }
    }
    print_exchange(&mut out, &exchange::measure())?;
    print_log(&mut out, &log::measure())
}

fn print_runs(out: &mut impl Write, path: &str, costs: &runs::Costs) -> io::Result<()> {
    let seeds = f64::from(costs.seeds);
    let spent = costs.madsim.as_secs_f64();
    let counts = costs.counts;
    writeln!(out, "{path}: {seeds} seeds, all judges on")?;
    writeln!(out, "  seeds per CPU-second              {:>10.1}", seeds / spent)?;
    let simulated = costs.simulated.as_secs_f64() / spent;
    writeln!(out, "  simulated seconds per CPU-second  {simulated:>10.0}")?;
    let bare = spent / costs.bare.as_secs_f64();
    writeln!(out, "  cost against the bare loop        {bare:>10.2}")?;
    match costs.peak_memory_mb {
        Some(peak) => writeln!(out, "  peak memory so far, MB            {peak:>10.0}")?,
        None => writeln!(out, "  peak memory so far, MB            {:>10}", "unknown")?,
    }
    writeln!(out, "  crypto share of the CPU time, %   {:>10.1}", costs.crypto_share() * 100.0)?;
    let opens = count(counts.opened) / count(counts.sealed);
    writeln!(out, "  opens per row                     {opens:>10.2}")?;
    let bytes = count(costs.fact_bytes) / count(counts.facts);
    writeln!(out, "  bytes per fact                    {bytes:>10.1}")?;
    writeln!(out, "  events per seed                   {:>10.0}", count(counts.events) / seeds)?;
    if !costs.differing.is_empty() {
        let differing = &costs.differing;
        writeln!(out, "  the bare loop has another history of seeds {differing:?}: this is a bug")?;
    }
    writeln!(out)
}

fn print_exchange(out: &mut impl Write, costs: &exchange::Costs) -> io::Result<()> {
    let micros = |cost: Duration| cost.as_secs_f64() * 1e6;
    let (devices, operations) = (exchange::DEVICES, exchange::OPERATIONS);
    writeln!(out, "exchange: {devices} devices, {operations} operations each, 4 messages each")?;
    for (driver, cost) in
        [("bare loop", costs.bare), ("madsim", costs.madsim), ("turmoil", costs.turmoil)]
    {
        let ratio = micros(cost) / micros(costs.madsim);
        let micros = micros(cost);
        writeln!(out, "  {driver:<10} {micros:>8.2} µs CPU per operation {ratio:>8.2} of madsim")?;
    }
    Ok(())
}

fn print_log(out: &mut impl Write, costs: &log::Costs) -> io::Result<()> {
    let speed = f64::from(log::COMMITS) / costs.all.as_secs_f64();
    writeln!(out, "\ncommit log: {} commits by one worker", log::COMMITS)?;
    writeln!(out, "  commits per CPU-second            {speed:>10.0}")?;
    writeln!(out, "  the last {} against the first  {:>10.2}", log::PART, costs.growth)
}
