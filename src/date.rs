//! The day of a conversation, read from whatever form people and services write: one type, one
//! constructor.
//!
//! A day is a day of the vault's home zone. A date alone is that day. An instant is the day on
//! which it falls in that zone. A local time without a zone is a time in that zone: of a time that
//! happens twice the first is meant, and a time that a clock change skips is read as later by the
//! length of the skip. A form that can be read in two ways is refused and never guessed. The zones
//! come with the engine, so every host agrees.

use jiff::civil::{Date, DateTime};
use jiff::fmt::rfc2822;
use jiff::fmt::temporal::{DateTimeParser, DateTimePrinter, Pieces};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

/// A day. [`Calendar::day`] is its only constructor, so equal days have equal keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DateKey {
    year: i16,
    month: i8,
    day: i8,
}

impl std::fmt::Display for DateKey {
    /// As in `2024-04-03`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Why a text does not name one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DateError {
    /// The text is in no known form.
    Unreadable,
    /// There is no such day, or the home zone skipped it.
    NoSuchDay,
    /// The year is out of range, most likely because the text is in another unit.
    FarAway,
    /// The text can be read with the month first and with the day first.
    Ambiguous {
        /// The day, if the month is first.
        month_first: DateKey,
        /// The day, if the day is first.
        day_first: DateKey,
    },
}

impl std::fmt::Display for DateError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreadable => f.write_str("no known way to write a date"),
            Self::NoSuchDay => f.write_str("there is no such day"),
            Self::FarAway => write!(f, "not in the years {FIRST_YEAR} to {LAST_YEAR}"),
            Self::Ambiguous { month_first, day_first } => {
                write!(f, "either {month_first} or {day_first}")
            }
        }
    }
}

impl std::error::Error for DateError {}

/// The years that a conversation can be of.
const FIRST_YEAR: i16 = 1900;
const LAST_YEAR: i16 = 2199;

const _: () = assert!(FIRST_YEAR < LAST_YEAR, "there are years");
const _: () = assert!(1000 <= FIRST_YEAR && LAST_YEAR <= 9999, "a year is written in four digits");

/// Digits alone are seconds since 1970 if their number is in this range, …
const SECONDS: std::ops::RangeInclusive<usize> = 9..=10;
/// … and milliseconds in this one. Eight digits are a date; any other number of digits is refused.
const MILLIS: std::ops::RangeInclusive<usize> = 12..=13;

const _: () = assert!(8 < *SECONDS.start(), "eight digits are a date and no instant");
const _: () = assert!(*SECONDS.end() < *MILLIS.start(), "a count of digits names one unit");

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

const WEEKDAYS: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// A form to write a day in. [`Calendar::day`] reads it back as that day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `2024-04-03`.
    Iso,
    /// `20240403`.
    Compact,
    /// `2024/04/03`.
    YearFirst,
    /// `2024-04-03T00:00:00`, a local time.
    Local,
    /// `2024-04-03T00:00:00+02:00`.
    Offset,
    /// `2024-04-02T22:00:00Z`.
    Utc,
    /// `2024-04-03T00:00:00+02:00[Europe/Berlin]` (RFC 9557).
    Zoned,
    /// `Wed, 3 Apr 2024 00:00:00 +0200`.
    Rfc2822,
    /// `3 Apr 2024`.
    DayFirst,
    /// `April 3, 2024`.
    MonthFirst,
    /// `1712095200`.
    EpochSeconds,
    /// `1712095200000`.
    EpochMillis,
}

impl Format {
    /// Every format, in order.
    pub const ALL: [Self; 12] = [
        Self::Iso,
        Self::Compact,
        Self::YearFirst,
        Self::Local,
        Self::Offset,
        Self::Utc,
        Self::Zoned,
        Self::Rfc2822,
        Self::DayFirst,
        Self::MonthFirst,
        Self::EpochSeconds,
        Self::EpochMillis,
    ];
}

/// Reads and writes days, in the home zone of a vault.
#[derive(Clone, Debug)]
pub struct Calendar {
    zones: TimeZoneDatabase,
    home: TimeZone,
}

impl Calendar {
    /// A calendar of the zone of this name, as in `Europe/Berlin`; `None` if there is none.
    pub fn new(home: &str) -> Option<Self> {
        let zones = TimeZoneDatabase::bundled();
        let home = zones.get(home).ok()?;
        Some(Self { zones, home })
    }

    /// The day that a text names.
    pub fn day(&self, written: &str) -> Result<DateKey, DateError> {
        let written = written.trim();
        let digits = written.strip_prefix('-').unwrap_or(written);
        if digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() != 8 {
            return self.of_epoch(written, digits.len());
        }
        if let Ok(pieces) = Pieces::parse(written) {
            return self.of_iso(written, &pieces);
        }
        if let Ok(instant) = rfc2822::DateTimeParser::new().parse_timestamp(written) {
            return self.of_instant(instant);
        }
        match self.of_numbers(written) {
            Err(DateError::Unreadable) => self.of_words(written),
            told => told,
        }
    }

    /// Writes a day; `None` if this form cannot express it.
    pub fn render(&self, key: DateKey, format: Format) -> Option<String> {
        let date = Date::new(key.year, key.month, key.day).ok()?;
        let start = date.to_zoned(self.home.clone()).ok()?;
        let month = MONTHS[usize::try_from(date.month() - 1).ok()?];
        let month = format!("{}{}", month[..1].to_uppercase(), &month[1..]);
        let (year, day) = (date.year(), date.day());
        let count = |n: i64, digits: std::ops::RangeInclusive<usize>| {
            let text = n.to_string();
            (n >= 0 && digits.contains(&text.len())).then_some(text)
        };
        match format {
            Format::Iso => Some(key.to_string()),
            Format::Compact => Some(format!("{year:04}{:02}{day:02}", date.month())),
            Format::YearFirst => Some(format!("{year:04}/{:02}/{day:02}", date.month())),
            Format::Local => Some(start.datetime().to_string()),
            Format::Offset => {
                let printer = DateTimePrinter::new();
                Some(printer.timestamp_with_offset_to_string(&start.timestamp(), start.offset()))
            }
            Format::Utc => Some(start.timestamp().to_string()),
            Format::Zoned => Some(start.to_string()),
            Format::Rfc2822 => rfc2822::DateTimePrinter::new().zoned_to_string(&start).ok(),
            Format::DayFirst => Some(format!("{day} {} {year:04}", &month[..3])),
            Format::MonthFirst => Some(format!("{month} {day}, {year:04}")),
            Format::EpochSeconds => count(start.timestamp().as_second(), SECONDS),
            Format::EpochMillis => count(start.timestamp().as_millisecond(), MILLIS),
        }
    }

    fn of_epoch(&self, written: &str, digits: usize) -> Result<DateKey, DateError> {
        let count = written.parse::<i64>().map_err(|_| DateError::Unreadable)?;
        let instant = if SECONDS.contains(&digits) {
            Timestamp::from_second(count)
        } else if MILLIS.contains(&digits) {
            Timestamp::from_millisecond(count)
        } else {
            return Err(DateError::Unreadable);
        };
        self.of_instant(instant.map_err(|_| DateError::FarAway)?)
    }

    fn of_iso(&self, written: &str, pieces: &Pieces<'_>) -> Result<DateKey, DateError> {
        let Some(time) = pieces.time() else { return self.of_date(pieces.date()) };
        let parser = DateTimeParser::new();
        if pieces.time_zone_annotation().is_some() {
            // An offset that the named zone never had is refused.
            let zoned = parser.parse_zoned_with(&self.zones, written);
            return self.of_instant(zoned.map_err(|_| DateError::Unreadable)?.timestamp());
        }
        if pieces.offset().is_some() {
            let instant = parser.parse_timestamp(written);
            return self.of_instant(instant.map_err(|_| DateError::FarAway)?);
        }
        self.of_local(DateTime::from_parts(pieces.date(), time))
    }

    fn of_local(&self, local: DateTime) -> Result<DateKey, DateError> {
        let meant = self.home.to_ambiguous_zoned(local).compatible();
        self.of_zoned(&meant.map_err(|_| DateError::FarAway)?)
    }

    fn of_instant(&self, instant: Timestamp) -> Result<DateKey, DateError> {
        self.of_zoned(&instant.to_zoned(self.home.clone()))
    }

    fn of_zoned(&self, at_home: &Zoned) -> Result<DateKey, DateError> {
        self.of_date(at_home.date())
    }

    /// A zone that moved across the date line has skipped a day, which is refused.
    fn of_date(&self, date: Date) -> Result<DateKey, DateError> {
        if !(FIRST_YEAR..=LAST_YEAR).contains(&date.year()) {
            return Err(DateError::FarAway);
        }
        let start = date.to_zoned(self.home.clone()).map_err(|_| DateError::FarAway)?;
        if start.date() != date {
            return Err(DateError::NoSuchDay);
        }
        let key = DateKey { year: date.year(), month: date.month(), day: date.day() };
        assert!((1..=12).contains(&key.month), "a calendar has twelve months");
        assert!((1..=31).contains(&key.day), "no month is longer");
        Ok(key)
    }

    fn of_parts(&self, year: i16, month: i8, day: i8) -> Result<DateKey, DateError> {
        self.of_date(Date::new(year, month, day).map_err(|_| DateError::NoSuchDay)?)
    }

    /// Three numbers: the year is the one of four digits, at one end. If the year is last, only a
    /// number above 12 sets the day apart from the month.
    fn of_numbers(&self, written: &str) -> Result<DateKey, DateError> {
        let mark = written.chars().find(|it| ['/', '.', '-'].contains(it));
        let mark = mark.ok_or(DateError::Unreadable)?;
        let parts: Vec<&str> = written.split(mark).map(str::trim).collect();
        let [one, two, three] = parts[..] else { return Err(DateError::Unreadable) };
        if let (Some(year), Some(month), Some(day)) = (year(one), small(two), small(three)) {
            return self.of_parts(year, month, day);
        }
        let (Some(one), Some(two), Some(year)) = (small(one), small(two), year(three)) else {
            return Err(DateError::Unreadable);
        };
        match (self.of_parts(year, one, two), self.of_parts(year, two, one)) {
            (Ok(month_first), Ok(day_first)) if month_first != day_first => {
                Err(DateError::Ambiguous { month_first, day_first })
            }
            (Ok(key), _) | (Err(_), Ok(key)) => Ok(key),
            (Err(why), Err(_)) => Err(why),
        }
    }

    /// A day, a month by its English name and a year; the weekday before them must be right.
    fn of_words(&self, written: &str) -> Result<DateKey, DateError> {
        let words = written.split(|it: char| it.is_whitespace() || it == ',');
        let mut words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
        let weekday = words.first().and_then(|word| named(word, &WEEKDAYS));
        if weekday.is_some() {
            words.remove(0);
        }
        let [one, two, three] = words[..] else { return Err(DateError::Unreadable) };
        let parts = match (named(one, &MONTHS), named(two, &MONTHS)) {
            (Some(month), None) => (ordinal(two), month),
            (None, Some(month)) => (ordinal(one), month),
            (Some(_), Some(_)) | (None, None) => return Err(DateError::Unreadable),
        };
        let (Some(day), month, Some(year)) = (parts.0, parts.1, year(three)) else {
            return Err(DateError::Unreadable);
        };
        let key = self.of_parts(year, month, day)?;
        let date = Date::new(year, month, day).map_err(|_| DateError::NoSuchDay)?;
        let right = weekday.is_none_or(|it| it == date.weekday().to_monday_one_offset());
        if right { Ok(key) } else { Err(DateError::NoSuchDay) }
    }
}

/// The position of a word in a list, from 1. The word is whole or its first three letters, in any
/// case.
fn named(word: &str, names: &[&str]) -> Option<i8> {
    let word = word.strip_suffix('.').unwrap_or(word).to_ascii_lowercase();
    let at = names.iter().position(|name| word == **name || word == name[..3])?;
    assert!(at < names.len(), "a position is within its list");
    i8::try_from(at + 1).ok()
}

fn year(text: &str) -> Option<i16> {
    if text.len() == 4 { number(text) } else { None }
}

/// One digit or two.
fn small(text: &str) -> Option<i8> {
    if (1..=2).contains(&text.len()) { number(text) } else { None }
}

/// `3`, `3.` or `3rd`.
fn ordinal(text: &str) -> Option<i8> {
    let ends = [".", "st", "nd", "rd", "th"];
    small(ends.iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text))
}

fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
