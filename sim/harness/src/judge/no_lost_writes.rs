//! `no-lost-writes`: an acknowledged write is there at the end, or was replaced by one whose author had
//! been shown it. Excused is only what the plan destroyed wherever it was stored, and only if the plan
//! destroyed as many copies as the acknowledgement had promised.

use crate::judge::{Evidence, Finding, Judge, Written};
use crate::observation::{Promise, Token};

/// An acknowledged write is there at the end or was replaced by one whose author had observed it.
pub const NO_LOST_WRITES: Judge = Judge {
    name: "no-lost-writes",
    meaning: "An acknowledged write is there at the end or was replaced by one whose author had observed it.",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let states = evidence.final_states();
    let values = evidence.writes().filter(|written| !written.write.deletes);
    values
        .filter_map(|written| {
            let (shown, read) = states.get(&written.key)?;
            let (acknowledged, promise) = evidence.binding(written)?;
            let token = written.write.token;
            let is_accounted_for = shown.contains(&token)
                || is_replaced(evidence, token)
                || evidence.may_have_won(shown, token, *read);
            (!is_accounted_for).then(|| {
                let overwriter = shown.iter().find(|shown| !evidence.replaces(token, **shown));
                Finding {
                    site: if shown.is_empty() {
                        "gone"
                    } else if overwriter.is_some() {
                        "overwritten-unseen"
                    } else {
                        "went-back"
                    },
                    at: *read,
                    key: Some(written.key),
                    token: Some(token),
                    message: format!(
                        "Lost write: {}, acknowledged at {} as {}, is not there at the end: expected it or \
                         a write whose author had observed it, found {}.",
                        evidence.describe(written),
                        evidence.time(acknowledged),
                        promised(evidence, promise),
                        evidence.list(shown)
                    ),
                    with: proof(evidence, written, acknowledged, overwriter.copied()),
                }
            })
        })
        .collect()
}

/// Did any write that replaced this one, directly or not, take effect, and has it not been destroyed
/// since? If that one is missing, it is the one that is lost.
fn is_replaced(evidence: &Evidence<'_>, token: Token) -> bool {
    let mut newer = evidence.all_newer(token);
    newer.any(|newer| evidence.took_effect(newer) && !evidence.is_destroyed(newer))
}

fn promised(evidence: &Evidence<'_>, promise: Promise) -> String {
    match promise {
        Promise::Saved(place) => format!("saved at {}", evidence.names.place(place)),
        Promise::Copies(1) => "stored".to_owned(),
        Promise::Copies(count) => format!("stored at {count} places"),
    }
}

fn proof(
    evidence: &Evidence<'_>,
    written: &Written<'_>,
    acknowledged: usize,
    overwriter: Option<Token>,
) -> Vec<usize> {
    let by = overwriter.and_then(|by| evidence.written(by)).map(|by| by.asked);
    [written.asked, acknowledged].into_iter().chain(by).collect()
}

#[cfg(test)]
mod tests {
    use crate::judge::case::{Case, HUB, NOTE, PHONE, TABLET};
    use crate::observation::{Promise, Token};

    const LOST: &str = "no-lost-writes";

    #[test]
    fn a_write_that_is_gone_is_lost() {
        let mut case = Case::new();
        case.writes(PHONE, &[]);
        let case = case.ends(&[]).only(super::NO_LOST_WRITES);
        assert_eq!(case.broken(), [(LOST, "gone")]);
        assert_eq!(
            case.violations()[0].message,
            "Lost write: write w0 of key 0 on host 0, acknowledged at 0.002s as saved at place 0, is not there \
             at the end: expected it or a write whose author had observed it, found nothing."
        );
        assert_eq!(case.violations()[0].evidence, [0, 2, 8]);
    }

    #[test]
    fn a_write_replaced_by_an_author_who_had_not_observed_it_is_lost() {
        let mut case = Case::new();
        case.writes(PHONE, &[]);
        let over = case.writes(TABLET, &[]);
        assert_eq!(
            case.ends(&[over]).only(super::NO_LOST_WRITES).broken(),
            [(LOST, "overwritten-unseen")]
        );
    }

    #[test]
    fn a_write_replaced_by_an_author_who_had_observed_it_is_not_lost() {
        let mut case = Case::new();
        let first = case.writes(PHONE, &[]);
        let second = case.writes(TABLET, &[first]);
        let third = case.writes(PHONE, &[second]);
        case.ends(&[third]).passes();
    }

    #[test]
    fn only_the_last_of_a_chain_is_lost_with_it() {
        let mut case = Case::new();
        let first = case.writes(PHONE, &[]);
        let second = case.writes(PHONE, &[first]);
        let violations = case.ends(&[]).only(super::NO_LOST_WRITES).violations();
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0].token, Some(second));
    }

    #[test]
    fn concurrent_writes_that_are_both_shown_are_not_lost() {
        let mut case = Case::new();
        let one = case.writes(PHONE, &[]);
        let other = case.writes(TABLET, &[]);
        case.ends(&[one, other]).passes();
    }

    #[test]
    fn where_one_wins_the_other_concurrent_write_may_go() {
        let mut case = Case::last_writer_wins();
        case.writes(PHONE, &[]);
        let over = case.writes(TABLET, &[]);
        case.ends(&[over]).passes();
    }

    #[test]
    fn where_one_wins_a_concurrent_delete_may_win() {
        let mut case = Case::last_writer_wins();
        case.writes(PHONE, &[]);
        case.deletes(TABLET, &[]);
        case.ends(&[]).passes();
    }

    #[test]
    fn where_one_wins_what_a_write_replaced_may_not_win_over_it() {
        let mut case = Case::last_writer_wins();
        let old = case.writes(PHONE, &[]);
        case.writes(TABLET, &[old]);
        assert_eq!(case.ends(&[old]).only(super::NO_LOST_WRITES).broken(), [(LOST, "went-back")]);
    }

    #[test]
    fn where_one_wins_a_write_that_nothing_replaced_may_not_vanish() {
        let mut case = Case::last_writer_wins();
        case.writes(PHONE, &[]);
        assert_eq!(case.ends(&[]).only(super::NO_LOST_WRITES).broken(), [(LOST, "gone")]);
    }

    #[test]
    fn what_was_never_acknowledged_or_was_refused_may_go() {
        let mut case = Case::new();
        case.asks(PHONE, NOTE, &[]);
        case.crashes(PHONE);
        let refused = case.asks(PHONE, NOTE, &[]);
        case.refuses(PHONE, refused);
        let accepted = case.asks(PHONE, NOTE, &[]);
        case.acknowledges(PHONE, accepted, Promise::Copies(0));
        case.ends(&[]).only(super::NO_LOST_WRITES).passes();
    }

    #[test]
    fn what_died_with_its_only_place_is_excused() {
        let mut case = Case::new();
        case.writes(PHONE, &[]);
        case.is_gone(PHONE);
        case.ends_without_phone(&[]).passes();
    }

    #[test]
    fn what_another_place_still_has_is_not_excused() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.stores(HUB, write);
        case.is_gone(PHONE);
        assert_eq!(case.ends_without_phone(&[]).broken(), [(LOST, "gone")]);
    }

    /// A write that is promised to be at two places.
    fn promised_twice(stored: &[crate::observation::HostId]) -> (Case, Token) {
        let mut case = Case::new();
        let write = case.asks(PHONE, NOTE, &[]);
        for host in stored {
            case.stores(*host, write);
        }
        case.acknowledges(PHONE, write, Promise::Copies(2));
        (case, write)
    }

    #[test]
    fn two_destroyed_copies_excuse_a_promise_of_two() {
        let (mut case, _) = promised_twice(&[PHONE, HUB]);
        case.is_gone(PHONE);
        case.is_undone(HUB, 0);
        case.ends_without_phone(&[]).passes();
    }

    #[test]
    fn one_destroyed_copy_does_not_excuse_a_promise_of_two() {
        let (mut case, _) = promised_twice(&[PHONE]);
        case.is_gone(PHONE);
        assert_eq!(case.ends_without_phone(&[]).broken(), [(LOST, "gone")]);
    }

    #[test]
    fn what_was_stored_again_after_a_restore_is_not_excused() {
        let (mut case, write) = promised_twice(&[PHONE, HUB]);
        case.is_gone(PHONE);
        case.is_restored(HUB, 0);
        case.stores(HUB, write);
        assert_eq!(case.ends_without_phone(&[]).broken(), [(LOST, "gone")]);
    }

    #[test]
    fn a_restore_excuses_only_what_came_after_its_image() {
        let mut case = Case::new();
        case.writes(PHONE, &[]);
        let image = case.now();
        case.is_restored(PHONE, image);
        assert_eq!(case.ends(&[]).only(super::NO_LOST_WRITES).broken(), [(LOST, "gone")]);
    }

    #[test]
    fn a_write_that_never_took_effect_replaces_nothing() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        case.asks(PHONE, NOTE, &[write]);
        case.crashes(PHONE);
        assert_eq!(case.ends(&[]).only(super::NO_LOST_WRITES).broken(), [(LOST, "gone")]);
    }

    #[test]
    fn a_delete_that_was_destroyed_replaces_nothing() {
        let mut case = Case::new();
        let write = case.writes(TABLET, &[]);
        case.deletes(PHONE, &[write]);
        case.is_gone(PHONE);
        let case = case.ends_without_phone(&[]).only(super::NO_LOST_WRITES);
        assert_eq!(case.broken(), [(LOST, "gone")]);
    }
}
