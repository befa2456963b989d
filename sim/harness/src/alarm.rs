//! What machines say outside of their outputs: panics, and events of `tracing`. Both are caught here
//! and nowhere else.
//!
//! A panic or an `error!` of a machine is a fact of the run, not noise on the terminal. Events of
//! lower levels are collected if the run was started with such a level, for people who read its
//! story. Nothing of the run depends on the level: a machine cannot ask for it, and what is collected
//! goes beside the history.
//!
//! Panics outside of [`quietly`] are left to the hook that was there before; events outside of it
//! are dropped.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, Once};

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::fmt::{FormatFields, FormattedFields};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

thread_local! {
    /// What was caught on this thread since it is quiet; `None`: it is not.
    static HEARD: RefCell<Option<Heard>> = const { RefCell::new(None) };
    /// Is there anything in the log? It is asked after each input of a machine.
    static HAS_LOG: Cell<bool> = const { Cell::new(false) };
}

/// What was caught.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The last panic. It counts only if it was not contained on the way.
    pub panic: String,
    /// What was logged and not taken yet.
    pub log: Vec<Logged>,
}

/// An event that a machine logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// How severe it is.
    pub level: Level,
    /// The module that logged it.
    pub target: &'static str,
    /// The line of its source.
    pub line: u32,
    /// Its spans, its message and its fields in one line.
    pub text: String,
}

/// Runs something; if it panics, what it said is the error returned. What it logs is dropped unless
/// it takes that itself.
pub fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, Heard> {
    install_hook();
    HEARD.replace(Some(Heard::default()));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let heard = HEARD.take().unwrap_or_default();
    outcome.map_err(|_| heard)
}

/// Takes what was logged on this thread since it was last taken; most often that is nothing.
#[inline]
pub fn take_log() -> Vec<Logged> {
    if !HAS_LOG.get() {
        return Vec::new();
    }
    HAS_LOG.set(false);
    HEARD.with_borrow_mut(|heard| {
        heard.as_mut().map_or(Vec::new(), |it| std::mem::take(&mut it.log))
    })
}

/// While this is held, events of this level and above are heard on this thread.
pub fn listen(level: Level) -> tracing::subscriber::DefaultGuard {
    /// One for all sweeps: each that is made has `tracing` look at all its callsites again.
    static ERRORS: LazyLock<Dispatch> = LazyLock::new(|| dispatch(Level::ERROR));
    if level == Level::ERROR {
        return tracing::dispatcher::set_default(&ERRORS);
    }
    tracing::dispatcher::set_default(&dispatch(level))
}

fn dispatch(level: Level) -> Dispatch {
    Dispatch::new(tracing_subscriber::registry().with(Alarm { level }))
}

/// Notes what happened; false if this thread is not quiet.
fn hear(note: impl FnOnce(&mut Heard)) -> bool {
    HEARD.with_borrow_mut(|heard| heard.as_mut().map(note).is_some())
}

/// Once per process.
fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = || {
                let text = info.payload_as_str().unwrap_or("a panic without a message");
                // A path from outside of the workspace would name this machine.
                let ours = info.location().filter(|place| !place.file().starts_with('/'));
                let place = ours.map(|place| format!(" ({}:{})", place.file(), place.line()));
                format!("{text}{}", place.unwrap_or_default())
            };
            if !hear(|heard| heard.panic = message()) {
                before(info);
            }
        }));
    });
}

/// Hears events down to a level, and keeps the fields of the spans that they fall into.
struct Alarm {
    level: Level,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Alarm {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // The executor has spans of its own for nodes and tasks, at the level of errors.
        *metadata.level() <= self.level && !metadata.target().starts_with("madsim")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.level))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = FormattedFields::<DefaultFields>::new(String::new());
        if let Some(span) = context.span(id)
            && DefaultFields::new().format_fields(fields.as_writer(), attributes).is_ok()
        {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        hear(|heard| {
            let mut text = String::new();
            for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
                text.push_str(span.name());
                match span.extensions().get::<FormattedFields<DefaultFields>>() {
                    Some(fields) if !fields.is_empty() => text.push_str(&format!("{{{fields}}}: ")),
                    Some(_) | None => text.push_str(": "),
                }
            }
            // A string takes whatever is written to it.
            let _ = DefaultFields::new().format_fields(Writer::new(&mut text), event);
            let about = event.metadata();
            let (level, target) = (*about.level(), about.target());
            heard.log.push(Logged { level, target, line: about.line().unwrap_or(0), text });
            HAS_LOG.set(true);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(level: Level, work: impl FnOnce()) -> Vec<(Level, String)> {
        let _listening = listen(level);
        let log = quietly(|| {
            work();
            take_log()
        });
        let log = log.expect("it does not panic");
        log.into_iter().map(|it| (it.level, it.text)).collect()
    }

    #[test]
    fn a_panic_inside_is_caught_with_its_message_and_place() {
        let caught = quietly(|| -> () { panic!("boom {}", 7) }).expect_err("it panics").panic;
        assert!(caught.starts_with("boom 7 (sim/harness/src/alarm.rs:"), "{caught}");
        assert_eq!(quietly(|| 3), Ok(3));
    }

    #[test]
    fn events_are_heard_down_to_the_level_that_was_asked_for() {
        let work = || {
            tracing::error!(row = 7, "lost it");
            tracing::debug!("careful");
            tracing::trace!("every step");
        };
        let error = (Level::ERROR, "lost it row=7".to_owned());
        assert_eq!(logged(Level::ERROR, work), std::slice::from_ref(&error));
        assert_eq!(logged(Level::DEBUG, work), [error, (Level::DEBUG, "careful".to_owned())]);
        tracing::error!("nobody works here, so nobody hears it");
        assert_eq!(take_log(), []);
    }

    #[test]
    fn an_event_bears_the_spans_that_it_falls_into() {
        let heard = logged(Level::INFO, || {
            let _pull = tracing::info_span!("pull", remote = "zone").entered();
            let _page = tracing::info_span!("page").entered();
            tracing::info!(rows = 3, "taken");
        });
        assert_eq!(heard, [(Level::INFO, "pull{remote=\"zone\"}: page: taken rows=3".to_owned())]);
    }

    #[test]
    fn spans_of_the_executor_are_not_kept() {
        let _listening = listen(Level::TRACE);
        assert!(tracing::error_span!(target: "madsim::task", "node").is_disabled());
        assert!(!tracing::trace_span!("ours").is_disabled());
    }

    #[test]
    fn a_contained_panic_raises_no_alarm() {
        let contained = quietly(|| {
            // A machine may contain what code of others does inside it.
            let _ = catch_unwind(|| panic!("inside"));
            1
        });
        assert_eq!(contained, Ok(1));
    }
}
