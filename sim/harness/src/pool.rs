//! Workers, each piece of work on a fresh thread. Results are handed over in the order of the items, whichever
//! finishes first: what a command prints and keeps must not depend on how many workers there are.
//!
//! Each piece is watched. One that takes too long is asked to end, and so is all that runs when the time is
//! over or the user asks to stop. What does not listen cannot be killed: its thread is left behind, it is
//! reported, and another takes its place. A thread that was left goes on until the process ends, so there can
//! only be a few.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::fresh::{caught, spawn};
use crate::stop::{Stop, Urgency};
use crate::watch::{Call, Place, Watch};

/// How long to wait for a result before looking at signals and at slow work.
const BEAT: Duration = Duration::from_millis(100);

/// Work that runs longer than this is named, then again after each doubling.
const SLOW: Duration = Duration::from_secs(10);

/// The processor time that one piece of work may take, unless a pool has another limit.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The processor time that a machine may take for one turn; usual are some microseconds.
const TRANSITION: Duration = Duration::from_secs(10);

/// How soon work ends that was asked to.
const GRACE: Duration = Duration::from_secs(2);

/// Work that was asked to end, and has been in one turn of a machine for so much processor time, hangs in it.
const STUCK: Duration = Duration::from_millis(500);

/// After this number of threads that were left behind, a pool does no more.
const MOST_LEFT: usize = 4;

/// How many finished results may wait for an earlier one, per worker.
const AHEAD: usize = 256;

/// What a pool reports while it works.
#[derive(Debug)]
pub enum Event<'a, I, T> {
    /// The next item in order is done.
    Done {
        /// Its place among the items, from 0.
        index: usize,
        /// The item.
        item: I,
        /// How long it took.
        took: Duration,
        /// Its result.
        result: Result<T, Failure>,
    },
    /// An item has been running for long.
    Slow(&'a str, Duration),
    /// Nothing happened for a moment.
    Idle,
}

/// Why an item has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It panicked: its label, and what it said.
    Panic(String),
    /// It came to no end in its time, and has been left behind where it was.
    Hung(Hung),
}

/// Where work was that came to no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hung {
    /// How far it had come.
    pub place: Place,
    /// The processor time that it had used.
    pub spent: Duration,
}

/// Why a pool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All items are done.
    Exhausted,
    /// The listener had enough.
    Enough,
    /// The time is over.
    Late,
    /// The user asked to stop.
    Stopped,
    /// Too many threads had to be left behind.
    Hung,
}

/// Workers.
#[derive(Clone, Debug)]
pub struct Pool {
    /// How many work at a time.
    pub jobs: usize,
    /// What can stop them.
    pub stop: Stop,
    /// The processor time that an item may take.
    pub patience: Duration,
    /// How many threads were left behind.
    left: Arc<AtomicUsize>,
}

impl Pool {
    /// So many workers, that work until they are done or stopped.
    pub fn new(jobs: usize, stop: Stop) -> Self {
        Self { jobs, stop, patience: PATIENCE, left: Arc::default() }
    }

    /// Works on the items and reports, until they are exhausted, the listener breaks off, the time is over or
    /// the user stops it. Items are taken from the iterator only when a worker is free. Work that was asked to
    /// leave, and then has no result, is passed over.
    pub fn each<I, T>(
        &self,
        items: impl IntoIterator<Item = I>,
        until: Option<Instant>,
        label: impl Fn(&I) -> String,
        work: impl Fn(I, &Watch) -> Option<T> + Send + Sync + 'static,
        mut hear: impl FnMut(Event<'_, I, T>) -> ControlFlow<()>,
    ) -> Ended
    where
        I: Clone + Send + 'static,
        T: Send + 'static,
    {
        let work = Arc::new(work);
        let mut items = items.into_iter().enumerate().fuse();
        let mut floor = Floor::new();
        loop {
            let closing = self.closing(until);
            if closing == Some(Ended::Stopped) && self.stop.urgency() == Urgency::Abandon {
                return Ended::Stopped;
            }
            while closing.is_none()
                && floor.running.len() < self.jobs
                && floor.waiting.len() < self.jobs * AHEAD
                && let Some((index, item)) = items.next()
            {
                floor.begin(index, item.clone(), label(&item), &work);
            }
            if floor.running.is_empty() {
                return closing.unwrap_or(Ended::Exhausted);
            }
            if !floor.wait() && hear(Event::Idle).is_break() {
                return Ended::Enough;
            }
            let hung = floor.look_at_all(self.patience, closing.is_some());
            self.left.fetch_add(hung, Ordering::SeqCst);
            if floor.hand_over(&mut hear).is_break() {
                return Ended::Enough;
            }
        }
    }

    /// Does one piece of work and waits for it.
    pub fn one<I, T>(
        &self,
        item: I,
        label: &str,
        work: impl Fn(I, &Watch) -> Option<T> + Send + Sync + 'static,
    ) -> Option<Result<T, Failure>>
    where
        I: Clone + Send + 'static,
        T: Send + 'static,
    {
        let mut done = None;
        self.each(
            [item],
            None,
            |_| label.to_owned(),
            work,
            |event| {
                if let Event::Done { result, .. } = event {
                    done = Some(result);
                }
                ControlFlow::Continue(())
            },
        );
        done
    }

    /// Why nothing new begins, if nothing does.
    fn closing(&self, until: Option<Instant>) -> Option<Ended> {
        match () {
            () if self.stop.urgency() > Urgency::None => Some(Ended::Stopped),
            () if self.left.load(Ordering::SeqCst) >= MOST_LEFT => Some(Ended::Hung),
            () if until.is_some_and(|until| Instant::now() >= until) => Some(Ended::Late),
            () => None,
        }
    }
}

/// An item that is being worked on.
struct Running<I> {
    item: I,
    label: String,
    watch: Watch,
    since: Instant,
    warn_at: Duration,
    /// The turn in which it was last seen, and the processor time that it had used when it began.
    seen: (u64, Duration),
    /// The processor time that it had used when it was first asked to end.
    ending: Option<Duration>,
    /// Since when it has been asked to leave.
    leaving: Option<Instant>,
}

/// What became of an item, and how long that took. Nothing, if it was asked to leave.
type Finished<I, T> = (I, Duration, Option<Result<T, Failure>>);

/// What a thread says at its end.
type Word<T> = (usize, Option<Result<T, Failure>>);

/// What runs, and what has finished before an earlier one.
struct Floor<I, T> {
    running: BTreeMap<usize, Running<I>>,
    waiting: BTreeMap<usize, Finished<I, T>>,
    next: usize,
    sender: mpsc::Sender<Word<T>>,
    receiver: mpsc::Receiver<Word<T>>,
    looked: Instant,
}

/// Nobody waits any more for what still runs.
impl<I, T> Drop for Floor<I, T> {
    fn drop(&mut self) {
        self.running.values().for_each(|it| it.watch.tell(Call::Leave));
    }
}

impl<I: Clone + Send + 'static, T: Send + 'static> Floor<I, T> {
    fn new() -> Self {
        let (sender, receiver) = mpsc::channel();
        let (running, waiting) = (BTreeMap::new(), BTreeMap::new());
        Self { running, waiting, next: 0, sender, receiver, looked: Instant::now() }
    }

    fn begin(
        &mut self,
        index: usize,
        item: I,
        label: String,
        work: &Arc<impl Fn(I, &Watch) -> Option<T> + Send + Sync + 'static>,
    ) {
        let watch = Watch::default();
        let (own, sender, name) = (watch.clone(), self.sender.clone(), label.clone());
        let (work, given) = (Arc::clone(work), item.clone());
        spawn(label.clone(), move || {
            let done = caught(|| own.work(|| work(given, &own)));
            let done = done.map_err(|panic| Failure::Panic(format!("{name}: {panic}")));
            // Nobody listens any more if the listener had enough.
            let _ = sender.send((index, done.transpose()));
        });
        let (since, seen) = (Instant::now(), (0, Duration::ZERO));
        let running =
            Running { item, label, watch, since, warn_at: SLOW, seen, ending: None, leaving: None };
        self.running.insert(index, running);
    }

    /// Waits for a result; false if none came for a moment.
    fn wait(&mut self) -> bool {
        let Ok((index, result)) = self.receiver.recv_timeout(BEAT) else { return false };
        // What was left behind and comes to an end after all is not waited for any more.
        if let Some(running) = self.running.remove(&index) {
            let told = running.watch.call();
            let result =
                result.or_else(|| (told == Call::End).then(|| Err(Failure::Hung(running.hung()))));
            self.waiting.insert(index, (running.item, running.since.elapsed(), result));
        }
        true
    }

    /// Looks how far everything has come, now and then, and leaves behind what hangs. Says how many did.
    fn look_at_all(&mut self, patience: Duration, closing: bool) -> usize {
        if self.looked.elapsed() < BEAT {
            return 0;
        }
        self.looked = Instant::now();
        let mut over = Vec::new();
        for (&index, running) in &mut self.running {
            if let Some(ends) = running.look(patience, closing) {
                over.push((index, ends));
            }
        }
        let hung = over.len();
        for (index, result) in over {
            let running = self.running.remove(&index).expect("it was just looked at");
            running.watch.tell(Call::Leave);
            let result = result.map(|hung| Err(Failure::Hung(hung)));
            self.waiting.insert(index, (running.item, running.since.elapsed(), result));
        }
        hung
    }

    /// Reports what is done, in order, and what takes long.
    fn hand_over(
        &mut self,
        hear: &mut impl FnMut(Event<'_, I, T>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        while let Some((item, took, result)) = self.waiting.remove(&self.next) {
            let index = self.next;
            self.next += 1;
            if let Some(result) = result {
                hear(Event::Done { index, item, took, result })?;
            }
        }
        for slow in self.running.values_mut().filter(|it| it.since.elapsed() >= it.warn_at) {
            slow.warn_at *= 2;
            hear(Event::Slow(&slow.label, slow.since.elapsed()))?;
        }
        ControlFlow::Continue(())
    }
}

impl<I> Running<I> {
    /// Looks how far it has come. `Some` if it is to be left behind: with where it hangs, if it does.
    fn look(&mut self, patience: Duration, closing: bool) -> Option<Option<Hung>> {
        let (place, spent) = (self.watch.place(), self.watch.spent());
        if place.turn != self.seen.0 || place.host.is_none() {
            self.seen = (place.turn, spent);
        }
        let in_turn = spent.saturating_sub(self.seen.1);
        if closing {
            self.watch.tell(Call::Leave);
            let since = *self.leaving.get_or_insert_with(Instant::now);
            let hangs = in_turn >= STUCK;
            return (since.elapsed() >= GRACE).then(|| hangs.then(|| self.hung()));
        }
        if spent >= patience {
            self.watch.tell(Call::End);
        }
        let ending = (spent >= patience).then(|| *self.ending.get_or_insert(spent));
        let ends_late = ending.is_some_and(|asked| spent.saturating_sub(asked) >= patience);
        let hangs = in_turn >= TRANSITION.min(patience) || ends_late;
        hangs.then(|| Some(self.hung()))
    }

    fn hung(&self) -> Hung {
        Hung { place: self.watch.place(), spent: self.watch.spent() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;
    use crate::stop::Signal;

    fn pool(jobs: usize) -> Pool {
        Pool::new(jobs, Stop::default())
    }

    fn squares(jobs: usize) -> Vec<usize> {
        let mut heard = Vec::new();
        let ended = pool(jobs).each(
            0..50_usize,
            None,
            usize::to_string,
            |n, _| Some(n * n),
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
            None,
            i32::to_string,
            |n, _| {
                assert_ne!(n, 3, "three");
                Some(())
            },
            |event| {
                if let Event::Done { index, result: Err(Failure::Panic(text)), .. } = event {
                    failed.push((index, text.contains("three")));
                }
                ControlFlow::Continue(())
            },
        );
        assert_eq!(failed, [(3, true)]);
    }

    #[test]
    fn a_stopped_pool_takes_no_more_items() {
        let pool = pool(2);
        pool.stop.hears(Signal::Interrupt);
        let work = |n: i32, _: &Watch| Some(n);
        let ended = pool.each(0.., None, i32::to_string, work, |_| ControlFlow::Continue(()));
        assert_eq!(ended, Ended::Stopped);
    }

    /// Work that goes on until it is asked to end, as a run does.
    fn go_on(watch: &Watch) {
        while watch.call() == Call::GoOn {
            watch.begin_turn(watch.place().at + crate::time::Span(1));
            thread::yield_now();
        }
    }

    #[test]
    fn what_runs_ends_when_the_time_is_over_and_has_no_result() {
        let work = |_: i32, watch: &Watch| {
            go_on(watch);
            None::<()>
        };
        let mut done = 0;
        let ended = pool(2).each(0.., Some(Instant::now()), i32::to_string, work, |event| {
            done += u32::from(matches!(event, Event::Done { .. }));
            ControlFlow::Continue(())
        });
        assert_eq!((ended, done), (Ended::Late, 0));
    }

    #[test]
    fn what_takes_too_long_is_asked_to_end_and_reports_what_it_has() {
        let mut pool = pool(2);
        pool.patience = Duration::from_millis(50);
        let work = |n: i32, watch: &Watch| {
            go_on(watch);
            (n == 0).then_some(watch.call())
        };
        let mut done = Vec::new();
        let ended = pool.each(0..2, None, i32::to_string, work, |event| {
            if let Event::Done { item, result, .. } = event {
                done.push((item, result.is_ok_and(|call| call == Call::End)));
            }
            ControlFlow::Continue(())
        });
        assert_eq!((ended, done), (Ended::Exhausted, vec![(0, true), (1, false)]));
    }

    /// Two of ten never come to an end. They are named, each by the machine in which it hangs, and the other
    /// eight are done, by as many workers as there were.
    #[test]
    fn what_hangs_is_left_behind_and_named_and_all_else_is_done() {
        let over = Arc::new(AtomicBool::new(false));
        let mut pool = pool(2);
        pool.patience = Duration::from_millis(50);
        let hang = over.clone();
        let work = move |n: usize, watch: &Watch| {
            watch.begin_turn(crate::time::Time(n as u64));
            watch.begin_work(n);
            while (n == 2 || n == 5) && !hang.load(Ordering::SeqCst) {}
            watch.end_work();
            Some(n)
        };
        let (mut done, mut hung) = (Vec::new(), Vec::new());
        let ended = pool.each(0..10, None, usize::to_string, work, |event| {
            match event {
                Event::Done { result: Ok(n), .. } => done.push(n),
                Event::Done { item, result: Err(Failure::Hung(it)), .. } => {
                    hung.push((item, it.place.host));
                }
                Event::Done { result: Err(Failure::Panic(_)), .. } => unreachable!("none panics"),
                Event::Slow(..) | Event::Idle => {}
            }
            ControlFlow::Continue(())
        });
        over.store(true, Ordering::SeqCst);
        assert_eq!(ended, Ended::Exhausted);
        assert_eq!(done, [0, 1, 3, 4, 6, 7, 8, 9]);
        assert_eq!(hung, [(2, Some(2)), (5, Some(5))]);
    }

    #[test]
    fn a_pool_that_has_left_too_many_behind_takes_no_more() {
        let pool = pool(1);
        pool.left.store(MOST_LEFT, Ordering::SeqCst);
        let work = |n: i32, _: &Watch| Some(n);
        let ended = pool.each(0.., None, i32::to_string, work, |_| ControlFlow::Continue(()));
        assert_eq!(ended, Ended::Hung);
    }
}
