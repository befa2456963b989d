//! The numbers that Seawall stands by. Prints and asserts nothing: a test asserts behaviour.

mod exchange;
mod gauge;

use std::io::{self, Write};
use std::time::Duration;

// As the binary `seawall` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    print_exchange(&mut out)
}

fn print_exchange(out: &mut impl Write) -> io::Result<()> {
    let costs = exchange::measure();
    let micros = |cost: Duration| cost.as_secs_f64() * 1e6;
    writeln!(
        out,
        "exchange: {} devices, {} operations each, 4 messages an operation",
        exchange::DEVICES,
        exchange::OPERATIONS
    )?;
    for (driver, cost) in
        [("bare loop", costs.bare), ("madsim", costs.madsim), ("turmoil", costs.turmoil)]
    {
        let ratio = micros(cost) / micros(costs.madsim);
        let micros = micros(cost);
        writeln!(out, "  {driver:<10} {micros:>8.2} µs CPU per operation {ratio:>8.2} of madsim")?;
    }
    Ok(())
}
