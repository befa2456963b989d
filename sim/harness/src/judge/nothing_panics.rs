//! `nothing-panics`: no machine panics or logs an error.

use crate::judge::{Evidence, Finding, Judge};
use crate::observation::{Alarm, Event};

/// No machine panics or logs an error.
pub const NOTHING_PANICS: Judge =
    Judge { name: "nothing-panics", meaning: "No machine panics or logs an error.", check };

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let observations = evidence.observations.iter().enumerate();
    observations
        .filter_map(|(at, observation)| {
            let Event::Alarm { alarm, message } = &observation.event else { return None };
            let (site, did) = match alarm {
                Alarm::Panic => ("panic", "panicked"),
                Alarm::Error => ("error", "logged an error"),
            };
            let host = evidence.names.host(observation.host);
            let message = format!("{host} {did}: expected none, found “{message}”.");
            Some(Finding { site, at, key: None, token: None, message, with: Vec::new() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::judge::case::{Case, HUB, PHONE};
    use crate::observation::Alarm;

    #[test]
    fn a_panic_and_an_error_are_reported() {
        let mut case = Case::new();
        case.warns(PHONE, Alarm::Panic);
        case.warns(HUB, Alarm::Error);
        let case = case.ends(&[]);
        assert_eq!(case.broken(), [("nothing-panics", "panic"), ("nothing-panics", "error")]);
        let message = "host 2 logged an error: expected none, found “out of ideas”.";
        assert_eq!(case.violations()[1].message, message);
    }

    #[test]
    fn a_crash_by_the_plan_is_no_panic() {
        let mut case = Case::new();
        case.crashes(PHONE);
        case.ends(&[]).passes();
    }
}
