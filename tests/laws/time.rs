//! Clocks: hybrid logical readings move forward, and no stranger's clock can run away with them.

use engine::time::{Hlc, Time};
use proptest::prelude::*;

use crate::laws::drawn;

/// Readings and wall clocks near each other, near the bound of patience, and at the very end.
fn millis() -> impl Strategy<Value = u64> {
    let ahead = Hlc::MAX_AHEAD.0;
    prop_oneof![0..5u64, ahead - 2..ahead + 3, 2 * ahead - 2..2 * ahead + 3, Just(u64::MAX - 1)]
}

fn reading() -> impl Strategy<Value = Hlc> {
    (millis(), prop_oneof![0..3u32, Just(u32::MAX)]).prop_map(|(wall, count)| Hlc { wall, count })
}

proptest! {
    #![proptest_config(drawn(2_000))]

    #[test]
    fn a_write_is_later_than_all_that_was_heard_before(
        own in reading(),
        other in reading(),
        wall in millis(),
    ) {
        let heard = own.hear(other, Time(wall));
        let written = heard.tick(Time(wall));
        prop_assert!(written > heard && written > own);
        prop_assert!(written.wall >= wall);
        prop_assert!(written > other || other.wall > wall + Hlc::MAX_AHEAD.0);
    }

    #[test]
    fn a_reading_never_goes_back(own in reading(), other in reading(), wall in millis()) {
        prop_assert!(own.hear(other, Time(wall)) >= own);
        prop_assert!(own.tick(Time(wall)) > own);
    }

    #[test]
    fn hearing_again_or_in_another_order_changes_nothing(
        own in reading(),
        [one, two] in [reading(), reading()],
        wall in millis(),
    ) {
        let wall = Time(wall);
        let there = own.hear(one, wall).hear(two, wall);
        prop_assert_eq!(there, own.hear(two, wall).hear(one, wall));
        prop_assert_eq!(there, there.hear(one, wall));
    }

    #[test]
    fn a_clock_too_far_ahead_is_not_followed(own in reading(), wall in millis(), count: u32) {
        prop_assume!(wall < u64::MAX - 2 * Hlc::MAX_AHEAD.0);
        let (edge, beyond) = (wall + Hlc::MAX_AHEAD.0, wall + Hlc::MAX_AHEAD.0 + 1);
        prop_assert_eq!(own.hear(Hlc { wall: beyond, count }, Time(wall)), own);
        let followed = own.hear(Hlc { wall: edge, count }, Time(wall));
        prop_assert!(followed.wall >= edge);
    }

    #[test]
    fn spans_and_moments_never_wrap(at in millis(), span in millis()) {
        let (at, span) = (Time(at), engine::time::Span(span));
        prop_assert!(at + span >= at);
        prop_assert_eq!(at - (at + span), engine::time::Span::ZERO);
        prop_assert!((at + span) - at <= span);
    }
}
