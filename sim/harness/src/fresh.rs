//! The only module that starts threads.
//!
//! Every piece of work gets a fresh one, since a simulation must not find what an earlier one left in a
//! thread-local.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::watch::Watch;

/// Simulated machines nest deeper than the default stack of a thread.
const STACK: usize = 16 << 20;

/// Runs one piece of work on a fresh thread and waits for it.
pub fn fresh<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    fresh_for(&Watch::default(), "fresh", work)
}

/// The same for a run that is watched; the thread bears this name.
pub fn fresh_for<T: Send + 'static>(
    watch: &Watch,
    label: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    let (sender, receiver) = mpsc::channel();
    let watch = watch.clone();
    spawn(label.to_owned(), move || {
        let _ = sender.send(caught(|| watch.work(work)));
    });
    receiver.recv().unwrap_or_else(|_| Err("the thread ended without a word".to_owned()))
}

/// Does something on a fresh thread and waits for it for so long. If that is too short, the thread is left to
/// itself. `None` also if it panics.
pub fn fresh_within<T: Send + 'static>(
    patience: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::channel();
    spawn("fresh".to_owned(), move || {
        let _ = sender.send(caught(work));
    });
    receiver.recv_timeout(patience).ok()?.ok()
}

/// Starts a thread of this name.
pub(crate) fn spawn(label: String, work: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .name(label)
        .stack_size(STACK)
        .spawn(work)
        .expect("the system grants as many threads as there are workers");
}

/// Does something, and says what it said if it panics.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
    })
}

/// As many workers as the machine has cores for us.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
