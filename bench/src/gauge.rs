//! What a piece of work costs: CPU time of this process, and memory.
//!
//! CPU time and not wall time, since machines are shared; minima and not means, since whatever
//! disturbs a measurement makes it longer.

use std::fs;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this process so far.
pub(crate) fn cpu_now() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    spent.try_into().expect("a process has not spent less than nothing")
}

/// What the work returns, and the CPU time that it took.
pub(crate) fn cpu_of<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = cpu_now();
    let result = work();
    (result, cpu_now().saturating_sub(before))
}

/// The most memory that this process has had at once, in MB, where the system says.
pub(crate) fn peak_memory_mb() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// Runs work as a simulation is run: on a thread that no other simulation has used.
pub(crate) fn on_a_fresh_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(work).join()).expect("what is measured does not panic")
}
