//! The only module with threads, and with signals to stop them.
//!
//! Every piece of work gets a fresh thread, since a simulation must not find what an earlier one
//! left in a thread-local. Results are handed over in the order of the items, whichever finishes
//! first: what a command prints and keeps must not depend on how many workers there are.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// How long to wait for a result before looking at signals and at slow work.
const BEAT: Duration = Duration::from_millis(100);

/// Work that runs longer than this is named, then again after each doubling.
const SLOW: Duration = Duration::from_secs(10);

/// How many finished results may wait for an earlier one, per worker.
const AHEAD: usize = 256;

/// Simulated machines nest deeper than the default stack of a thread.
const STACK: usize = 16 << 20;

/// What the user asked for by signals: at first to finish what is running, then to leave it.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    interrupt: Arc<AtomicBool>,
    terminate: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
    asked: Arc<AtomicUsize>,
    impatient: Arc<AtomicBool>,
}

/// How urgently to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Not at all.
    None,
    /// Start nothing new; what runs may finish.
    Finish,
    /// Leave what runs and keep what is done.
    Abandon,
}

impl Stop {
    /// Listens to Ctrl-C and to the request to terminate. A third Ctrl-C ends the process.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&stop.impatient))?;
        flag::register(SIGINT, Arc::clone(&stop.interrupt))?;
        flag::register(SIGTERM, Arc::clone(&stop.terminate))?;
        Ok(stop)
    }

    /// How urgently to stop, as of now.
    pub fn urgency(&self) -> Urgency {
        if self.terminate.swap(false, Ordering::SeqCst) {
            self.terminated.store(true, Ordering::SeqCst);
            self.asked.fetch_add(1, Ordering::SeqCst);
        }
        if self.interrupt.swap(false, Ordering::SeqCst) {
            self.asked.fetch_add(1, Ordering::SeqCst);
        }
        match self.asked.load(Ordering::SeqCst) {
            0 => Urgency::None,
            1 => Urgency::Finish,
            _ => {
                self.impatient.store(true, Ordering::SeqCst);
                Urgency::Abandon
            }
        }
    }

    /// Was it the request to terminate rather than Ctrl-C?
    pub fn is_terminated(&self) -> bool {
        self.terminated.load(Ordering::SeqCst)
    }
}

/// What a pool reports while it works.
#[derive(Debug)]
pub enum Event<'a, T> {
    /// The next item in order is done.
    Done {
        /// Its place among the items, from 0.
        index: usize,
        /// How long it took.
        took: Duration,
        /// Its result, or its label and what it panicked with.
        result: Result<T, String>,
    },
    /// An item has been running for long.
    Slow(&'a str, Duration),
    /// Nothing happened for a moment.
    Idle,
}

/// Why a pool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All items are done.
    Exhausted,
    /// The listener had enough.
    Enough,
    /// The user asked to stop.
    Stopped,
}

/// Workers.
#[derive(Clone, Debug)]
pub struct Pool {
    /// How many work at a time.
    pub jobs: usize,
    /// What can stop them.
    pub stop: Stop,
}

struct Running {
    label: String,
    since: Instant,
    warn_at: Duration,
}

type Results<T> = BTreeMap<usize, (Duration, Result<T, String>)>;

impl Pool {
    /// Works on the items and reports, until they are exhausted, the listener breaks off or the
    /// user stops it. Items are taken from the iterator only when a worker is free.
    pub fn each<I, T>(
        &self,
        items: impl IntoIterator<Item = I>,
        label: impl Fn(&I) -> String,
        work: impl Fn(I) -> T + Send + Sync + 'static,
        mut hear: impl FnMut(Event<'_, T>) -> ControlFlow<()>,
    ) -> Ended
    where
        I: Send + 'static,
        T: Send + 'static,
    {
        let work = Arc::new(work);
        let (sender, receiver) = mpsc::channel();
        let mut items = items.into_iter().enumerate().fuse();
        let mut running = BTreeMap::<usize, Running>::new();
        let mut waiting = Results::new();
        let mut next = 0;
        loop {
            let urgency = self.stop.urgency();
            if urgency == Urgency::Abandon {
                return Ended::Stopped;
            }
            while urgency == Urgency::None
                && running.len() < self.jobs
                && waiting.len() < self.jobs * AHEAD
                && let Some((index, item)) = items.next()
            {
                let label = label(&item);
                running.insert(
                    index,
                    Running { label: label.clone(), since: Instant::now(), warn_at: SLOW },
                );
                let (work, sender, name) = (Arc::clone(&work), sender.clone(), label.clone());
                spawn(label, move || {
                    let started = Instant::now();
                    let result = caught(|| work(item)).map_err(|panic| format!("{name}: {panic}"));
                    // Nobody listens any more if the listener had enough.
                    let _ = sender.send((index, started.elapsed(), result));
                });
            }
            if running.is_empty() {
                return if urgency == Urgency::None { Ended::Exhausted } else { Ended::Stopped };
            }
            match receiver.recv_timeout(BEAT) {
                Ok((index, took, result)) => {
                    running.remove(&index);
                    waiting.insert(index, (took, result));
                }
                Err(_) => {
                    if hear(Event::Idle).is_break() {
                        return Ended::Enough;
                    }
                }
            }
            while let Some((took, result)) = waiting.remove(&next) {
                if hear(Event::Done { index: next, took, result }).is_break() {
                    return Ended::Enough;
                }
                next += 1;
            }
            for slow in running.values_mut().filter(|it| it.since.elapsed() >= it.warn_at) {
                slow.warn_at *= 2;
                if hear(Event::Slow(&slow.label, slow.since.elapsed())).is_break() {
                    return Ended::Enough;
                }
            }
        }
    }
}

/// Runs one piece of work on a fresh thread and waits for it.
pub fn fresh<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (sender, receiver) = mpsc::channel();
    spawn("fresh".to_owned(), move || {
        let _ = sender.send(caught(work));
    });
    receiver.recv().unwrap_or_else(|_| Err("the thread ended without a word".to_owned()))
}

fn spawn(label: String, work: impl FnOnce() + Send + 'static) {
    thread::Builder::new()
        .name(label)
        .stack_size(STACK)
        .spawn(work)
        .expect("the system grants as many threads as there are workers");
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned()
    })
}

/// As many workers as the machine has cores for us.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The processor time that this process has used, where the system tells.
pub fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // Linux shows times in hundredths of a second to every program.
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(jobs: usize) -> Pool {
        Pool { jobs, stop: Stop::default() }
    }

    fn squares(jobs: usize) -> Vec<usize> {
        let mut heard = Vec::new();
        let ended = pool(jobs).each(
            0..50_usize,
            usize::to_string,
            |n| n * n,
            |event| {
                if let Event::Done { result, .. } = event {
                    heard.push(result.expect("squaring does not panic"));
                }
                ControlFlow::Continue(())
            },
        );
        assert_eq!(ended, Ended::Exhausted);
        heard
    }

    #[test]
    fn results_come_in_order_whatever_the_number_of_workers() {
        let expected: Vec<usize> = (0..50).map(|n| n * n).collect();
        assert_eq!(squares(1), expected);
        assert_eq!(squares(7), expected);
    }

    #[test]
    fn a_panic_is_a_result_and_does_not_end_the_pool() {
        let mut failed = Vec::new();
        pool(2).each(
            0..5,
            i32::to_string,
            |n| assert_ne!(n, 3, "three"),
            |event| {
                if let Event::Done { index, result: Err(text), .. } = event {
                    failed.push((index, text.contains("three")));
                }
                ControlFlow::Continue(())
            },
        );
        assert_eq!(failed, [(3, true)]);
    }

    #[test]
    fn asked_once_it_finishes_and_asked_twice_it_abandons() {
        let stop = Stop::default();
        assert_eq!(stop.urgency(), Urgency::None);
        stop.interrupt.store(true, Ordering::SeqCst);
        assert_eq!(stop.urgency(), Urgency::Finish);
        assert_eq!(stop.urgency(), Urgency::Finish);
        stop.terminate.store(true, Ordering::SeqCst);
        assert_eq!(stop.urgency(), Urgency::Abandon);
        assert!(stop.is_terminated());
    }

    #[test]
    fn a_stopped_pool_takes_no_more_items() {
        let pool = pool(2);
        pool.stop.interrupt.store(true, Ordering::SeqCst);
        let ended = pool.each(0.., i32::to_string, |n| n, |_| ControlFlow::Continue(()));
        assert_eq!(ended, Ended::Stopped);
    }
}
