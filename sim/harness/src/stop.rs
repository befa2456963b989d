//! How a user stops what runs, by signals: at first it ends soon, then at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

/// The signals by which a user asks to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The terminal was closed.
    HangUp,
    /// Ctrl-C.
    Interrupt,
    /// The request to terminate.
    Terminate,
}

/// What the user asked for by signals: at first to end soon, then at once.
#[derive(Clone, Debug)]
pub struct Stop {
    signals: [Heard; 3],
    asked: Arc<AtomicUsize>,
    impatient: Arc<AtomicBool>,
}

/// What was heard of a signal.
#[derive(Clone, Debug)]
struct Heard {
    signal: Signal,
    /// Since it was last looked at.
    flag: Arc<AtomicBool>,
    /// At any time.
    said: Arc<AtomicBool>,
}

impl Default for Stop {
    fn default() -> Self {
        let signals = [Signal::HangUp, Signal::Interrupt, Signal::Terminate];
        let heard = |signal| Heard { signal, flag: Arc::default(), said: Arc::default() };
        Self { signals: signals.map(heard), asked: Arc::default(), impatient: Arc::default() }
    }
}

/// How urgently to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Not at all.
    None,
    /// Start nothing new, end what runs between two of its events, and keep what is done.
    Finish,
    /// Leave what runs as it is.
    Abandon,
}

impl Stop {
    /// Listens to Ctrl-C, to the request to terminate, and to a terminal that closes. A third Ctrl-C ends the
    /// process.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(&stop.impatient))?;
        for (heard, number) in stop.signals.iter().zip([SIGHUP, SIGINT, SIGTERM]) {
            flag::register(number, Arc::clone(&heard.flag))?;
        }
        Ok(stop)
    }

    /// How urgently to stop, as of now.
    pub fn urgency(&self) -> Urgency {
        for heard in &self.signals {
            if heard.flag.swap(false, Ordering::SeqCst) {
                heard.said.store(true, Ordering::SeqCst);
                self.asked.fetch_add(1, Ordering::SeqCst);
            }
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

    /// The signal by which the user asked, if it was one; of several, the last in their order.
    pub fn signal(&self) -> Option<Signal> {
        let said = self.signals.iter().rev().find(|it| it.said.load(Ordering::SeqCst));
        said.map(|it| it.signal)
    }

    /// Asks to stop at once: nobody is left to hear of what is still to be done.
    pub fn abandon(&self) {
        self.asked.fetch_add(2, Ordering::SeqCst);
    }
}

#[cfg(test)]
impl Stop {
    /// A signal comes.
    pub(crate) fn hears(&self, signal: Signal) {
        let heard = self.signals.iter().find(|heard| heard.signal == signal);
        heard.expect("it is heard").flag.store(true, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_once_it_finishes_and_asked_twice_it_abandons() {
        let stop = Stop::default();
        assert_eq!(stop.urgency(), Urgency::None);
        stop.hears(Signal::Interrupt);
        assert_eq!(stop.urgency(), Urgency::Finish);
        assert_eq!(stop.urgency(), Urgency::Finish);
        stop.hears(Signal::Terminate);
        assert_eq!(stop.urgency(), Urgency::Abandon);
        assert_eq!(stop.signal(), Some(Signal::Terminate));
    }
}
