//! Dates as people and services write them, by a reckoning of its own: what each stands for is known
//! without asking the code that reads dates.
//!
//! Everybody lives by Central European Time. A day of the civil calendar is counted from 1970-01-01
//! as in Hinnant, *chrono-Compatible Low-Level Date Algorithms*, 2013.

use harness::random::Stream;

use crate::plan::{Began, Day};

/// A moment, in minutes since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(i64);

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// 1970-01-01 was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// So many days after 1970-01-01.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The civil date of a day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, date)
}

/// The last Sunday of a month with 31 days.
fn last_sunday(year: i64, month: i64) -> i64 {
    let last = days(year, month, 31);
    last - (last + 4).rem_euclid(7)
}

/// How far clocks are ahead of UTC, at home: an hour, and another one in summer (2000/84/EC).
fn ahead(moment: i64) -> i64 {
    let (year, ..) = civil(moment.div_euclid(DAY));
    let change = |month| last_sunday(year, month) * DAY + HOUR;
    if (change(3)..change(10)).contains(&moment) { 2 * HOUR } else { HOUR }
}

impl Moment {
    /// A moment of a day, in UTC.
    pub(super) fn on(day: Day, minute: i64) -> Self {
        Self(days(day.year.into(), day.month.into(), day.day.into()) * DAY + minute)
    }

    /// The day, at home.
    pub(super) fn day(self) -> Day {
        let (year, month, day) = civil((self.0 + ahead(self.0)).div_euclid(DAY));
        Day {
            year: u16::try_from(year).expect("people live now"),
            month: u8::try_from(month).expect("there are twelve"),
            day: u8::try_from(day).expect("there are 31"),
        }
    }

    /// Date and time on a clock that is so far ahead of UTC.
    fn shown(self, ahead: i64) -> (String, String) {
        let local = self.0 + ahead;
        let (year, month, day) = civil(local.div_euclid(DAY));
        let minute = local.rem_euclid(DAY);
        let time = format!("{:02}:{:02}:00", minute / HOUR, minute % HOUR);
        (format!("{year:04}-{month:02}-{day:02}"), time)
    }

    /// As one of many would write it.
    pub(super) fn written(self, stream: &mut Stream) -> Began {
        let Day { year, month, day } = self.day();
        let name = MONTHS[usize::from(month) - 1];
        let home = ahead(self.0);
        let abroad = *stream.pick(&[-4 * HOUR, 5 * HOUR + 30, 9 * HOUR, -8 * HOUR]);
        let stamped = |ahead: i64| {
            let (date, time) = self.shown(ahead);
            format!("{date}T{time}{}", offset(ahead, ":"))
        };
        let with_words = |ahead: i64| {
            let local = self.0 + ahead;
            let (year, month, day) = civil(local.div_euclid(DAY));
            let weekday =
                WEEKDAYS[usize::try_from(local.div_euclid(DAY).rem_euclid(7)).unwrap_or(0)];
            let month = &MONTHS[usize::try_from(month - 1).unwrap_or(0)][..3];
            let (_, time) = self.shown(ahead);
            format!("{weekday}, {day} {month} {year} {time} {}", offset(ahead, ""))
        };
        let (small, large) = (day.min(month), day.max(month));
        let text = match stream.below(16) {
            0 => self.day().iso(),
            1 => format!("{year:04}{month:02}{day:02}"),
            2 => format!("{year}/{month:02}/{day:02}"),
            3 => {
                let (date, time) = self.shown(home);
                format!("{date}T{time}")
            }
            4 => stamped(home),
            5 => {
                let (date, time) = self.shown(0);
                format!("{date}T{time}Z")
            }
            6 => stamped(abroad),
            7 => with_words(home),
            8 => with_words(abroad),
            9 => format!("{day} {} {year}", &name[..3]),
            10 => format!("{name} {day}, {year}"),
            11 => (self.0 * 60).to_string(),
            12 => (self.0 * 60_000).to_string(),
            // With a slash nobody can tell the day from the month, unless it is too large for one.
            _ if large > 12 && stream.chance(500_000) => format!("{large}/{small:02}/{year}"),
            _ => {
                let written = format!("{month:02}/{day:02}/{year}");
                let told = large > 12 || day == month;
                return Began { written, day: told.then(|| self.day()) };
            }
        };
        Began { written: text, day: Some(self.day()) }
    }
}

fn offset(ahead: i64, mark: &str) -> String {
    let sign = if ahead < 0 { '-' } else { '+' };
    let ahead = ahead.abs();
    format!("{sign}{:02}{mark}{:02}", ahead / HOUR, ahead % HOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::of_iso(text).unwrap()
    }

    #[test]
    fn days_are_counted_and_named() {
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11_017);
        for n in -40_000..40_000 {
            let (year, month, day) = civil(n);
            assert_eq!(days(year, month, day), n);
        }
    }

    #[test]
    fn clocks_change_on_the_last_sundays_of_march_and_october() {
        let at = |text: &str, hour: i64, minute: i64| {
            ahead(Moment::on(day(text), hour * HOUR + minute).0) / HOUR
        };
        assert_eq!([at("2024-03-31", 0, 59), at("2024-03-31", 1, 0)], [1, 2]);
        assert_eq!([at("2024-10-27", 0, 59), at("2024-10-27", 1, 0)], [2, 1]);
        assert_eq!([at("2024-01-05", 12, 0), at("2024-07-05", 12, 0)], [1, 2]);
    }

    #[test]
    fn an_evening_in_utc_is_the_next_day_at_home() {
        assert_eq!(Moment::on(day("2024-07-05"), 22 * HOUR).day(), day("2024-07-06"));
        assert_eq!(Moment::on(day("2024-12-31"), 23 * HOUR).day(), day("2025-01-01"));
        assert_eq!(Moment::on(day("2024-12-31"), 22 * HOUR).day(), day("2024-12-31"));
    }

    #[test]
    fn what_is_written_is_read_as_what_was_meant() {
        use engine::date::{Calendar, DateError};
        let calendar = Calendar::new("Europe/Berlin").unwrap();
        let mut stream = harness::random::stream(7, "dates");
        for n in 0..20_000 {
            let moment = Moment(days(1999, 1, 1) * DAY + n * 997);
            let began = moment.written(&mut stream);
            match (calendar.day(&began.written), began.day) {
                (Ok(read), Some(meant)) => assert_eq!(read.to_string(), meant.iso(), "{began:?}"),
                (Err(DateError::Ambiguous { .. }), None) => {}
                (told, _) => panic!("{began:?} is read as {told:?}"),
            }
        }
    }
}
