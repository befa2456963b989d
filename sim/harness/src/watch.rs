//! What a run and those who wait for it tell each other while it goes on: the run, how far it has come and on
//! which host it works; the others, that it is to end.
//!
//! A run looks here between two turns. A machine that loops within one transition never does: then the place
//! says at which host it is, and the processor time that the run's threads have used says for how long.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// What a run is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// To go on.
    GoOn,
    /// To end here, and to be judged as a run that was over its time.
    End,
    /// To leave: nobody waits for what comes of it.
    Leave,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// How many turns it has begun.
    pub turn: u64,
    /// The simulated time.
    pub at: Time,
    /// The number of the host that works; `None` between hosts.
    pub host: Option<usize>,
}

/// The link between a run and those who wait for it. A clone is the same link.
#[derive(Clone, Debug)]
pub struct Watch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    call: AtomicU8,
    /// The run ends before the turn of this place, since it is known to hang there.
    hangs: Option<Place>,
    /// What hears of each piece of work before it is done.
    tells: Option<Tells>,
    turn: AtomicU64,
    at: AtomicU64,
    /// One more than the number of the host that works.
    host: AtomicU64,
    threads: Mutex<Threads>,
}

/// What hears of each piece of work before it is done.
struct Tells(Box<dyn Fn(Place) + Send + Sync>);

impl fmt::Debug for Tells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tells")
    }
}

/// The threads of a run, and the processor time of those that have ended.
#[derive(Debug, Default)]
struct Threads {
    ended: Duration,
    at_work: Vec<Thread>,
}

/// A thread, and since when it works for this run.
#[derive(Clone, Debug)]
struct Thread {
    /// Where the system counts its processor time, if it does.
    stat: Option<PathBuf>,
    since: Instant,
}

impl Default for Watch {
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl Watch {
    /// A watch over a run that is known to hang at this place: it ends just before.
    pub fn before(place: Place) -> Self {
        Self::new(Some(place), None)
    }

    /// A watch that tells of each piece of work before it is done, for a run that may end the process.
    pub fn telling(tells: impl Fn(Place) + Send + Sync + 'static) -> Self {
        Self::new(None, Some(Tells(Box::new(tells))))
    }

    fn new(hangs: Option<Place>, tells: Option<Tells>) -> Self {
        Self(Arc::new(Shared {
            call: AtomicU8::new(Call::GoOn as u8),
            hangs,
            tells,
            turn: AtomicU64::new(0),
            at: AtomicU64::new(0),
            host: AtomicU64::new(0),
            threads: Mutex::default(),
        }))
    }

    /// Tells the run something; what is more urgent stays said.
    pub fn tell(&self, call: Call) {
        self.0.call.fetch_max(call as u8, Ordering::Relaxed);
    }

    /// What the run is asked to do. It looks between two turns.
    pub fn call(&self) -> Call {
        match self.0.call.load(Ordering::Relaxed) {
            0 if !self.is_before_its_end() => Call::GoOn,
            0 | 1 => Call::End,
            _ => Call::Leave,
        }
    }

    fn is_before_its_end(&self) -> bool {
        let next = self.0.turn.load(Ordering::Relaxed) + 1;
        self.0.hangs.is_some_and(|place| next >= place.turn)
    }

    /// The host in which the run is known to hang.
    pub fn hangs_at(&self) -> Option<usize> {
        self.0.hangs.and_then(|place| place.host)
    }

    /// A run begins; there may be several under one watch, one after the other.
    pub fn begin_run(&self) {
        self.0.turn.store(0, Ordering::Relaxed);
        self.end_work();
    }

    /// A turn begins.
    pub fn begin_turn(&self, at: Time) {
        self.0.turn.fetch_add(1, Ordering::Relaxed);
        self.0.at.store(at.0, Ordering::Relaxed);
    }

    /// The machine of this host goes to work.
    pub fn begin_work(&self, host: usize) {
        self.0.host.store(host as u64 + 1, Ordering::Relaxed);
        if let Some(Tells(tell)) = &self.0.tells {
            tell(self.place());
        }
    }

    /// The machine has worked.
    pub fn end_work(&self) {
        self.0.host.store(0, Ordering::Relaxed);
    }

    /// How far the run has come.
    pub fn place(&self) -> Place {
        let host = self.0.host.load(Ordering::Relaxed);
        Place {
            turn: self.0.turn.load(Ordering::Relaxed),
            at: Time(self.0.at.load(Ordering::Relaxed)),
            host: host.checked_sub(1).map(|host| host as usize),
        }
    }

    /// Does something on this thread, the time of which is the run's.
    pub fn work<T>(&self, work: impl FnOnce() -> T) -> T {
        let thread = Thread::current();
        self.threads().at_work.push(thread.clone());
        // A panic leaves the thread in the list; it has ended then, and counts for nothing.
        let done = work();
        let mut threads = self.threads();
        threads.ended += thread.time();
        threads.at_work.retain(|it| it.since != thread.since || it.stat != thread.stat);
        drop(threads);
        done
    }

    /// The processor time that the run has used, or where the system does not tell, the time.
    pub fn spent(&self) -> Duration {
        let threads = self.threads();
        threads.ended + threads.at_work.iter().map(Thread::time).sum::<Duration>()
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.0.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Thread {
    fn current() -> Self {
        let task = std::fs::read_link("/proc/thread-self").ok();
        let stat = task.map(|task| PathBuf::from("/proc").join(task).join("stat"));
        Self { stat, since: Instant::now() }
    }

    /// A thread that is no more has no time; where the system counts none, it is the time since.
    fn time(&self) -> Duration {
        match &self.stat {
            Some(stat) => time_in(stat).unwrap_or_default(),
            None => self.since.elapsed(),
        }
    }
}

/// The processor time that this process has used, where the system tells.
pub fn cpu_time() -> Option<Duration> {
    time_in("/proc/self/stat".as_ref())
}

fn time_in(stat: &std::path::Path) -> Option<Duration> {
    let stat = std::fs::read_to_string(stat).ok()?;
    // The second field is the program's name in parentheses and may hold anything.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
    // Linux shows times in hundredths of a second to every program.
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_more_urgent_stays_said() {
        let watch = Watch::default();
        assert_eq!(watch.call(), Call::GoOn);
        watch.tell(Call::Leave);
        watch.tell(Call::End);
        assert_eq!(watch.clone().call(), Call::Leave);
    }

    #[test]
    fn a_run_ends_before_the_place_at_which_it_is_known_to_hang() {
        let watch = Watch::default();
        watch.begin_turn(Time(1));
        watch.begin_turn(Time(7));
        watch.begin_work(3);
        let place = watch.place();
        assert_eq!(place, Place { turn: 2, at: Time(7), host: Some(3) });
        watch.end_work();
        assert_eq!(watch.place().host, None);
        let again = Watch::before(place);
        assert_eq!(again.call(), Call::GoOn);
        again.begin_turn(Time(1));
        assert_eq!((again.call(), again.hangs_at()), (Call::End, Some(3)));
    }

    #[test]
    fn time_is_that_of_the_threads_that_work_for_the_run() {
        let watch = Watch::default();
        let while_at_work = watch.work(|| {
            let mut sum = 0_u64;
            while watch.spent() < Duration::from_millis(20) {
                sum = std::hint::black_box(sum + 1);
            }
            watch.spent()
        });
        assert!(watch.spent() >= while_at_work);
        assert!(watch.threads().at_work.is_empty());
    }
}
