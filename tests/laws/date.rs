//! Dates: however a day is written, on whatever machine, it is the same day; what can be read in
//! two ways is not read at all.
//!
//! Days of instants are compared with plain arithmetic on fixed offsets, which knows no calendar
//! library.

use engine::date::{Calendar, DateError, DateKey, Format};
use proptest::prelude::*;

use crate::laws::drawn;

/// Clocks that change by an hour, by half an hour, at midnight, not at all; and by a whole day.
const HOMES: [&str; 9] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
];

fn calendar(home: &str) -> Calendar {
    Calendar::new(home).expect("the zone comes with the engine")
}

fn day(home: &str, written: &str) -> Result<String, DateError> {
    calendar(home).day(written).map(|key| key.to_string())
}

/// Year, month and day of a count of days since 1970 (Howard Hinnant, *chrono-compatible low-level
/// date algorithms*).
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1)
}

/// A moment as it is written by a person whose clock is that number of minutes ahead of UTC.
fn written_at(second: i64, ahead: i64) -> [String; 5] {
    let local = second + 60 * ahead;
    let (year, month, day) = civil(local.div_euclid(86_400));
    let time = local.rem_euclid(86_400);
    let (h, m, s) = (time / 3_600, time / 60 % 60, time % 60);
    let sign = if ahead < 0 { '-' } else { '+' };
    let (oh, om) = (ahead.abs() / 60, ahead.abs() % 60);
    let month_name =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
            [usize::try_from(month - 1).expect("from 1")];
    [
        format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}{sign}{oh:02}:{om:02}"),
        format!("{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}.000{sign}{oh:02}{om:02}"),
        format!("{day} {month_name} {year:04} {h:02}:{m:02}:{s:02} {sign}{oh:02}{om:02}"),
        format!("{second}"),
        format!("{second}000"),
    ]
}

/// Every way to write a day reads back as that day.
fn reads_back(calendar: &Calendar, key: DateKey) {
    for format in Format::ALL {
        if let Some(written) = calendar.render(key, format) {
            assert_eq!(calendar.day(&written), Ok(key), "{format:?}: {written}");
        }
    }
    assert_eq!(calendar.day(&key.to_string()), Ok(key));
}

#[test]
fn every_day_of_a_year_with_and_without_a_leap_reads_back_from_every_format() {
    for home in HOMES {
        let calendar = calendar(home);
        let days = (15_000..15_370).chain(19_700..20_100);
        for (year, month, day) in days.map(civil) {
            match calendar.day(&format!("{year}-{month:02}-{day:02}")) {
                Ok(key) => reads_back(&calendar, key),
                Err(why) => assert_eq!((home, why), ("Pacific/Apia", DateError::NoSuchDay)),
            }
        }
    }
}

#[test]
fn a_day_and_a_month_that_can_be_exchanged_are_refused() {
    let calendar = calendar("Europe/Berlin");
    for mark in ['/', '.', '-'] {
        for (one, two) in (1..=31).flat_map(|one| (1..=31).map(move |two| (one, two))) {
            let told = calendar.day(&format!("{one:02}{mark}{two}{mark}2024"));
            let both = one <= 12 && two <= 12 && one != two;
            match told {
                Err(DateError::Ambiguous { month_first, day_first }) => {
                    assert!(both);
                    assert_eq!(month_first.to_string(), format!("2024-{one:02}-{two:02}"));
                    assert_eq!(day_first.to_string(), format!("2024-{two:02}-{one:02}"));
                }
                Ok(key) => {
                    let (month, day) = (one.min(two), one.max(two));
                    assert!(!both);
                    assert_eq!(key.to_string(), format!("2024-{month:02}-{day:02}"));
                }
                Err(why) => {
                    let none = one > 12 && two > 12 || one.min(two) == 2 && one.max(two) > 29;
                    let short = [4, 6, 9, 11].contains(&one.min(two)) && one.max(two) == 31;
                    assert!(none || short, "{one}{mark}{two}");
                    assert_eq!(why, DateError::NoSuchDay);
                }
            }
        }
    }
}

#[test]
fn what_clocks_skip_is_later_and_what_they_repeat_is_the_first() {
    // Skipped at midnight: 00:30 is read as 01:30 of the same day.
    assert_eq!(day("America/Sao_Paulo", "2018-11-04T00:30:00"), Ok("2018-11-04".to_owned()));
    // Repeated before midnight: either is of the old day.
    assert_eq!(day("America/Sao_Paulo", "2018-02-17T23:30:00"), Ok("2018-02-17".to_owned()));
    assert_eq!(day("Europe/Berlin", "2024-03-31 02:30"), Ok("2024-03-31".to_owned()));
    assert_eq!(day("Europe/Berlin", "2024-10-27 02:30"), Ok("2024-10-27".to_owned()));
    // Samoa went from 29 to 31 December: there was no day between.
    assert_eq!(day("Pacific/Apia", "2011-12-30"), Err(DateError::NoSuchDay));
    assert_eq!(day("Pacific/Apia", "2011-12-30T10:00:00"), Ok("2011-12-31".to_owned()));
    assert_eq!(day("Pacific/Apia", "2011-12-30T10:00:00Z"), Ok("2011-12-31".to_owned()));
}

#[test]
fn what_people_write_is_read() {
    let written = [
        "2024-04-03",
        " 2024-04-03 ",
        "20240403",
        "2024/4/3",
        "2024.04.03",
        "3 Apr 2024",
        "3. April 2024",
        "Apr 3, 2024",
        "April 3rd, 2024",
        "Wed, 3 Apr 2024",
        "wednesday, april 3 2024",
        "Wed, 3 Apr 2024 10:00:00 +0200",
        "3 Apr 2024 10:00 GMT",
        "2024-04-03T10:00",
        "2024-04-03T10:00:00Z",
        "2024-04-03T10:00:00.123456789+02:00",
        "2024-04-03T10:00:00-07:00[America/Los_Angeles]",
        "1712131200",
        "1712131200000",
    ];
    for text in written {
        assert_eq!(day("Europe/Berlin", text), Ok("2024-04-03".to_owned()), "{text}");
    }
}

#[test]
fn what_is_no_date_is_refused() {
    use DateError as E;
    let written = [
        ("", E::Unreadable),
        ("soon", E::Unreadable),
        ("3.4.24", E::Unreadable),
        ("3 Apr", E::Unreadable),
        ("April 2024", E::Unreadable),
        ("3 Avril 2024", E::Unreadable),
        ("17121312", E::Unreadable),
        ("17121312000", E::Unreadable),
        ("2024-02-30", E::NoSuchDay),
        ("30 Feb 2024", E::NoSuchDay),
        ("2024/13/13", E::NoSuchDay),
        ("Tue, 3 Apr 2024", E::NoSuchDay),
        ("2024-04-03T10:00:00+05:00[Europe/Berlin]", E::Unreadable),
        ("0024-04-03", E::FarAway),
        ("3 Apr 2924", E::FarAway),
    ];
    for (text, why) in written {
        assert_eq!(day("Europe/Berlin", text), Err(why), "{text}");
    }
    assert!(Calendar::new("Europe/Atlantis").is_none());
}

proptest! {
    #![proptest_config(drawn(500))]

    #[test]
    fn a_day_reads_back_from_every_format(days in -20_000i64..80_000, home in 0..HOMES.len()) {
        let calendar = calendar(HOMES[home]);
        let (year, month, day) = civil(days);
        if let Ok(key) = calendar.day(&format!("{year:04}-{month:02}-{day:02}")) {
            reads_back(&calendar, key);
        }
    }

    #[test]
    fn a_moment_is_of_one_day_in_every_written_form(
        second in 1_000_000_000i64..4_000_000_000,
        quarters in -48i64..57,
        home in 0..HOMES.len(),
    ) {
        let calendar = calendar(HOMES[home]);
        let told = calendar.day(&second.to_string());
        prop_assert!(told.is_ok());
        for written in written_at(second, quarters * 15) {
            prop_assert_eq!(calendar.day(&written), told, "{}", written);
        }
    }

    #[test]
    fn the_day_of_a_moment_is_that_of_the_clock_at_home(
        second in 1_000_000_000i64..4_000_000_000,
        hours in -12i64..15,
    ) {
        // The names of these zones have the sign the other way round.
        let calendar = calendar(&format!("Etc/GMT{:+}", -hours));
        let (year, month, day) = civil((second + hours * 3_600).div_euclid(86_400));
        let told = calendar.day(&second.to_string()).map(|key| key.to_string());
        prop_assert_eq!(told, Ok(format!("{year:04}-{month:02}-{day:02}")));
    }

    #[test]
    fn no_text_makes_it_fall_over(written in "\\PC{0,24}", home in 0..HOMES.len()) {
        let calendar = calendar(HOMES[home]);
        if let Ok(key) = calendar.day(&written) {
            prop_assert_eq!(calendar.day(&key.to_string()), Ok(key));
        }
    }
}
