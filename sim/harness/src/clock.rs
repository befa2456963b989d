//! The clocks of a host: a true monotonic one, and a wall clock that is off, drifts and jumps.

use crate::time::{Now, Time};

/// What wall clocks count from, so that one that is behind still shows a date: 2024-01-01.
pub const EPOCH_MS: u64 = 1_704_067_200_000;

const MILLION: u64 = 1_000_000;

/// One host's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    offset_ms: i64,
    drift_ppm: i64,
}

impl Clock {
    /// A wall clock that is off by this much at the start, and drifts by parts per million.
    pub fn new(offset_ms: i64, drift_ppm: i32) -> Self {
        Self { offset_ms, drift_ppm: i64::from(drift_ppm) }
    }

    /// What both clocks show at this moment.
    pub fn show(&self, at: Time) -> Now {
        // Whole multiples of a million drift exactly: what is left to divide is small.
        let (millions, rest) = (at.0 / MILLION, (at.0 % MILLION) as i64);
        let drift = i128::from(millions) * i128::from(self.drift_ppm)
            + i128::from(rest * self.drift_ppm / MILLION as i64);
        let wall = i128::from(EPOCH_MS) + i128::from(at.0) + i128::from(self.offset_ms) + drift;
        Now { mono: at, wall: Time(u64::try_from(wall.max(0)).unwrap_or(u64::MAX)) }
    }

    /// Sets the wall clock forward or back.
    pub fn jump(&mut self, ms: i64) {
        self.offset_ms = self.offset_ms.saturating_add(ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_off_drifts_and_jumps_and_the_monotonic_one_does_not() {
        let mut clock = Clock::new(-2_000, 1_000);
        assert_eq!(clock.show(Time(0)).wall, Time(EPOCH_MS - 2_000));
        clock.jump(-500);
        let now = clock.show(Time(60_000));
        assert_eq!(now.wall, Time(EPOCH_MS + 60_000 - 2_500 + 60));
        assert_eq!(now.mono, Time(60_000));
    }

    #[test]
    fn a_clock_that_is_absurdly_far_off_stays_a_clock() {
        assert_eq!(Clock::new(i64::MIN, 0).show(Time(5)).wall, Time(0));
        let mut clock = Clock::new(i64::MAX, i32::MAX);
        clock.jump(i64::MAX);
        assert!(clock.show(Time(5)).wall > Time(EPOCH_MS));
    }
}
