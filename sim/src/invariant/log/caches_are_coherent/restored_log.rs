//! INV-26 `caches-are-coherent`, of what workers say of their logs: a worker refuses a request since
//! the log was restored only if the log lacks the commit that the asker had heard of.
//!
//! A worker that lags behind its log must read on instead: it knows less than its asker, and nothing
//! of a backup.

use crate::invariant::Invariant::CachesAreCoherent;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for &(at, to, message_id) in &evidence.server.other_log_answers {
        let mut asks = evidence.server.requests_of(to, message_id, at).peekable();
        let Some((asked, heard)) = asks.peek().map(|ask| (ask.at, ask.heard)) else { continue };
        let lacks = asks.any(|ask| {
            let mut epochs = evidence.epochs.between(ask.at, at);
            epochs.any(|epoch| !epoch.has(ask.space, ask.heard))
        });
        if !lacks {
            let message = format!(
                "{} refused a request of {} because the log had been restored, but the log has commit {}, \
                 the newest that {} had heard of.",
                evidence.host_at(at),
                evidence.name(to),
                heard.seq,
                evidence.name(to)
            );
            let (place, about) = ((CachesAreCoherent, "no-restore"), About::default());
            findings.report(evidence, place, at, about, message, [asked]);
        }
    }
}

#[cfg(test)]
mod tests {
    use engine::message::Refusal;

    use crate::invariant::case::Case;

    #[test]
    fn a_log_that_has_what_was_heard_of_was_not_restored() {
        let mut case = Case::served();
        case.phone().session().opens();
        let message_id = case.phone().session().requests();
        case.phone().session().is_answered(message_id, Some(Refusal::AnotherLog));
        assert_eq!(case.violations()[0].site, "no-restore");
    }

    #[test]
    fn a_log_that_was_set_back_behind_what_was_heard_of_was_restored() {
        let mut case = Case::served();
        let backup = case.backs_up();
        case.phone().session().opens();
        let message_id = case.phone().session().requests();
        case.restores_volume(&backup);
        case.phone().session().opens();
        case.phone().session().is_answered(message_id, Some(Refusal::AnotherLog));
        case.passes();
    }

    #[test]
    fn a_log_that_was_set_back_to_after_what_was_heard_of_was_not_restored_for_its_asker() {
        let mut case = Case::served();
        case.phone().session().opens();
        let message_id = case.phone().session().requests();
        let backup = case.backs_up();
        case.phone().account().patches(&[engine::id::AccountField::Email]);
        case.restores_volume(&backup);
        case.phone().session().is_answered(message_id, Some(Refusal::AnotherLog));
        assert_eq!(case.violations()[0].site, "no-restore");
    }
}
