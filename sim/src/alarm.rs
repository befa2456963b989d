//! Alarms: a panic, or an `error!` event, inside a machine is a fact of the run, not noise on the
//! terminal. Both are caught here and nowhere else.
//!
//! Whoever panics outside of [`quietly`] is none of our business: the hook that was there before
//! hears of it.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    /// What happened on this thread since it is quiet; `None`: it is not.
    static HEARD: RefCell<Option<Heard>> = const { RefCell::new(None) };
}

#[derive(Debug, Default)]
struct Heard {
    /// The last panic. It counts only if it was not contained on the way.
    panic: String,
    /// The first error.
    error: Option<String>,
}

/// Runs something; what it panicked with or logged as an error is the error returned.
pub(crate) fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    install_hook();
    HEARD.set(Some(Heard::default()));
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let heard = HEARD.take().unwrap_or_default();
    match (outcome, heard.error) {
        (Ok(value), None) => Ok(value),
        (Ok(_), Some(error)) => Err(error),
        (Err(_), _) => Err(heard.panic),
    }
}

/// While this is held, errors that are logged on this thread are heard.
pub(crate) fn listen() -> tracing::subscriber::DefaultGuard {
    tracing::subscriber::set_default(Listener)
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

/// Hears errors and nothing else.
struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() == Level::ERROR
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }

    fn event(&self, event: &Event<'_>) {
        hear(|heard| {
            let mut text = String::from("an error was logged:");
            event.record(&mut Text(&mut text));
            heard.error.get_or_insert(text);
        });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Writes an event's fields one after the other.
struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = match field.name() {
            "message" => format!(" {value:?}"),
            name => format!(" {name}={value:?}"),
        };
        self.0.push_str(&text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_is_caught_with_its_message_and_place() {
        let caught = quietly(|| -> () { panic!("boom {}", 7) }).expect_err("it panics");
        assert!(caught.starts_with("boom 7 (sim/src/alarm.rs:"), "{caught}");
        assert_eq!(quietly(|| 3), Ok(3));
    }

    #[test]
    fn an_error_that_is_logged_is_as_bad_as_a_panic_and_a_warning_is_not() {
        let _listening = listen();
        let caught = quietly(|| tracing::error!(row = 7, "lost it")).expect_err("it logs");
        assert_eq!(caught, "an error was logged: lost it row=7");
        assert_eq!(quietly(|| tracing::warn!("careful")), Ok(()));
    }

    #[test]
    fn a_contained_panic_raises_no_alarm() {
        let contained = quietly(|| {
            // What a strategy of the application does is contained by the engine.
            let _ = catch_unwind(|| panic!("inside"));
            1
        });
        assert_eq!(contained, Ok(1));
    }
}
