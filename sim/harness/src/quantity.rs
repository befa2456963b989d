//! Quantities: durations, chances, counts and sizes, each written with its unit, alone, as a range
//! or as a list to choose from.
//!
//! All are whole numbers inside (milliseconds, parts per million, bytes). Durations are read by
//! `jiff`, which refuses `250` and `1M`; days are ours, since `jiff` wants to know which day.

use std::fmt::Write as _;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serializer, de};

use crate::random::{Chance, Stream};
use crate::time::{Span, SpanRange};

/// What a number counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds, not negative.
    Span,
    /// Milliseconds of either sign.
    Shift,
    /// Parts per million, written in per cent.
    Chance,
    /// Parts per million of either sign, written `20ppm`.
    Drift,
    /// Bytes.
    Size,
    /// A plain number.
    Count,
}

/// Two bounds, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub low: i64,
    /// The most.
    pub high: i64,
}

impl Range {
    /// Only this.
    pub const fn only(value: i64) -> Self {
        Self { low: value, high: value }
    }

    /// The value that says the least: the one nearest to 0.
    pub fn plainest(self) -> i64 {
        0.clamp(self.low, self.high)
    }

    /// A uniform draw.
    pub fn draw(self, stream: &mut Stream) -> i64 {
        stream.between(self.low, self.high)
    }
}

/// A difference in milliseconds, of either sign, between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift(pub Range);

/// Parts per million, of either sign, between two bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift(pub Range);

impl Shift {
    /// No difference.
    pub const NONE: Self = Self(Range::only(0));
}

impl Drift {
    /// No drift.
    pub const NONE: Self = Self(Range::only(0));
}

/// A type that people write as a quantity.
pub trait Quantity: Sized {
    /// What it counts.
    const UNIT: Unit;

    /// The value, if one of this type can be in this range.
    fn of(range: Range) -> Option<Self>;

    /// The value as a range.
    fn range(&self) -> Range;
}

impl Quantity for Span {
    const UNIT: Unit = Unit::Span;

    fn of(range: Range) -> Option<Self> {
        (range.low == range.high).then(|| Self(range.low.unsigned_abs()))
    }

    fn range(&self) -> Range {
        Range::only(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl Quantity for SpanRange {
    const UNIT: Unit = Unit::Span;

    fn of(range: Range) -> Option<Self> {
        Some(Self { low: Span(range.low.unsigned_abs()), high: Span(range.high.unsigned_abs()) })
    }

    fn range(&self) -> Range {
        Range { low: self.low.range().low, high: self.high.range().low }
    }
}

impl Quantity for Chance {
    const UNIT: Unit = Unit::Chance;

    fn of(range: Range) -> Option<Self> {
        let ppm = u32::try_from(range.low).ok()?;
        (range.low == range.high).then_some(Self(ppm))
    }

    fn range(&self) -> Range {
        Range::only(self.0.into())
    }
}

impl Quantity for Shift {
    const UNIT: Unit = Unit::Shift;

    fn of(range: Range) -> Option<Self> {
        Some(Self(range))
    }

    fn range(&self) -> Range {
        self.0
    }
}

impl Quantity for Drift {
    const UNIT: Unit = Unit::Drift;

    fn of(range: Range) -> Option<Self> {
        let is_drift = |ppm| i32::try_from(ppm).is_ok();
        (is_drift(range.low) && is_drift(range.high)).then_some(Self(range))
    }

    fn range(&self) -> Range {
        self.0
    }
}

/// For `#[serde(with = "Text")]`: a quantity as people write it.
#[derive(Debug)]
pub struct Text;

impl Text {
    /// Writes it with its unit.
    pub fn serialize<Q: Quantity, S: Serializer>(value: &Q, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&Q::UNIT.show_range(value.range()))
    }

    /// Reads it, and says what to write instead of what cannot be read.
    pub fn deserialize<'d, Q: Quantity, D: Deserializer<'d>>(from: D) -> Result<Q, D::Error> {
        let text = String::deserialize(from)?;
        let range = Q::UNIT.parse(&text).map_err(|why| de::Error::custom(why.help(Q::UNIT)))?;
        Q::of(range).ok_or_else(|| {
            de::Error::custom(format!("one value is needed here, as {}", Q::UNIT.example()))
        })
    }
}

/// Ranges from which each seed picks one. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(pub Vec<Range>);

impl Choice {
    /// Only this.
    pub fn only(value: i64) -> Self {
        Self(vec![Range::only(value)])
    }

    /// One of the ranges.
    pub fn range(&self, stream: &mut Stream) -> Range {
        *stream.pick(&self.0)
    }

    /// One value of one of the ranges.
    pub fn value(&self, stream: &mut Stream) -> i64 {
        self.range(stream).draw(stream)
    }

    /// The least of all.
    pub fn low(&self) -> i64 {
        self.0.iter().map(|range| range.low).min().expect("a choice is never empty")
    }

    /// The most of all.
    pub fn high(&self) -> i64 {
        self.0.iter().map(|range| range.high).max().expect("a choice is never empty")
    }
}

/// Why a text is not a quantity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// A number stands alone.
    NoUnit(String),
    /// It cannot be read.
    Unreadable(String),
    /// The second bound is below the first.
    Reversed(String),
    /// It is below zero.
    Negative,
    /// It is beyond what a simulation can do.
    TooLarge,
}

impl Mistake {
    /// What is wrong, and what to write instead.
    pub fn help(&self, unit: Unit) -> String {
        let example = unit.example();
        match self {
            Self::NoUnit(write) => format!("a quantity needs its unit: {write}"),
            Self::Unreadable(why) => format!("{why}: write {example}"),
            Self::Reversed(write) => {
                format!("a range begins with its lower bound: write \"{write}\"")
            }
            Self::Negative => format!("it cannot be below zero: write {example}"),
            Self::TooLarge => format!("it is beyond what can be simulated: write {example}"),
        }
    }
}

/// Nothing lasts longer than this, in milliseconds (a hundred years).
const LONGEST: i64 = 100 * 366 * DAY;
const DAY: i64 = 24 * 60 * 60 * 1_000;

impl Unit {
    /// What people write.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Span => "\"250ms\", \"1.5s\", \"2h30m\", \"1d\" or a range as \"20ms..400ms\"",
            Self::Shift => "\"-3s..+3s\"",
            Self::Chance => "\"0.2%\" or \"1%..5%\"",
            Self::Drift => "\"-20ppm..+20ppm\"",
            Self::Size => "\"1B..4KB\"",
            Self::Count => "5 or \"1..5\"",
        }
    }

    /// Reads one value or a range.
    pub fn parse(self, text: &str) -> Result<Range, Mistake> {
        let range = match text.split_once("..") {
            Some((low, high)) => Range { low: self.one(low)?, high: self.one(high)? },
            None => Range::only(self.one(text)?),
        };
        if range.low > range.high {
            let (low, high) = (self.show(range.high), self.show(range.low));
            return Err(Mistake::Reversed(format!("{low}..{high}")));
        }
        if range.low < 0 && !matches!(self, Self::Shift | Self::Drift) {
            return Err(Mistake::Negative);
        }
        Ok(range)
    }

    fn one(self, text: &str) -> Result<i64, Mistake> {
        let text = text.trim();
        let bare = text.parse::<f64>().is_ok();
        let unreadable = |why: &str| Mistake::Unreadable(why.to_owned());
        match self {
            Self::Span | Self::Shift if bare => Err(Mistake::NoUnit(match text {
                "0" => "write \"0s\"".to_owned(),
                _ => format!("write \"{text}ms\" or \"{text}s\""),
            })),
            Self::Span | Self::Shift => duration(text),
            Self::Chance if bare => Err(Mistake::NoUnit(percent_hint(text))),
            Self::Chance => {
                let number =
                    text.strip_suffix('%').ok_or_else(|| unreadable("this is no share"))?;
                let ppm = decimal(number.trim_end(), 4)?;
                if ppm > 1_000_000 { Err(unreadable("more than 100%")) } else { Ok(ppm) }
            }
            Self::Drift if bare => Err(Mistake::NoUnit(format!("write \"{text}ppm\""))),
            Self::Drift => {
                let number =
                    text.strip_suffix("ppm").ok_or_else(|| unreadable("this is no drift"))?;
                decimal(number.trim_end(), 0)
            }
            Self::Size if bare => Err(Mistake::NoUnit(format!("write \"{text}B\""))),
            Self::Size => {
                let (number, times) = match text.strip_suffix("KB") {
                    Some(number) => (number, 1_000),
                    None => (text.strip_suffix('B').ok_or_else(|| unreadable("no size"))?, 1),
                };
                decimal(number.trim_end(), 0)?.checked_mul(times).ok_or(Mistake::TooLarge)
            }
            Self::Count => {
                text.replace('_', "").parse().map_err(|_| unreadable("this is no whole number"))
            }
        }
    }

    /// Writes one value so that [`Unit::parse`] reads it back.
    pub fn show(self, value: i64) -> String {
        match self {
            Self::Span => show_duration(value),
            Self::Shift if value > 0 => format!("+{}", show_duration(value)),
            Self::Shift => show_duration(value),
            Self::Chance => {
                let text = format!("{}.{:04}", value / 10_000, value % 10_000);
                format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
            }
            Self::Drift => format!("{value}ppm"),
            Self::Size => format!("{value}B"),
            Self::Count => value.to_string(),
        }
    }

    /// Writes a range so that [`Unit::parse`] reads it back.
    pub fn show_range(self, range: Range) -> String {
        if range.low == range.high {
            self.show(range.low)
        } else {
            format!("{}..{}", self.show(range.low), self.show(range.high))
        }
    }
}

fn percent_hint(text: &str) -> String {
    let number: f64 = text.parse().unwrap_or_default();
    if (0.0..1.0).contains(&number) && number > 0.0 {
        let ppm = format!("{:.0}", number * 1e6).parse().unwrap_or_default();
        format!("write \"{}\" or \"{text}%\"", Unit::Chance.show(ppm))
    } else {
        format!("write \"{text}%\"")
    }
}

/// A decimal number, times ten to the power of `places`.
fn decimal(text: &str, places: u32) -> Result<i64, Mistake> {
    let unreadable = || Mistake::Unreadable(format!("`{text}` is no number"));
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(part) {
        return Err(unreadable());
    }
    if part.len() > places as usize {
        return Err(Mistake::Unreadable(format!("`{text}` is finer than can be drawn")));
    }
    let text = format!("{whole}{part:0<width$}", width = places as usize);
    text.parse::<i64>().map(|number| sign * number).map_err(|_| Mistake::TooLarge)
}

fn duration(text: &str) -> Result<i64, Mistake> {
    let unreadable = || Mistake::Unreadable("this is no duration".to_owned());
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = rest.split_at(digits);
    let (days, rest) = match unit.strip_prefix('d') {
        Some(rest) if digits > 0 => (number.parse().map_err(|_| Mistake::TooLarge)?, rest),
        _ => (0i64, rest),
    };
    let millis = if rest.is_empty() && digits > 0 {
        0
    } else {
        if rest.starts_with(['-', '+', 'P', 'p']) {
            return Err(unreadable());
        }
        let exact: SignedDuration = rest.trim_start().parse().map_err(|_| unreadable())?;
        // The sign stands in front; `5s ago` would be another one.
        if exact.is_negative() {
            return Err(unreadable());
        }
        if exact.subsec_nanos() % 1_000_000 != 0 {
            return Err(Mistake::Unreadable("finer than a millisecond".to_owned()));
        }
        i64::try_from(exact.as_millis()).map_err(|_| Mistake::TooLarge)?
    };
    let total = days.checked_mul(DAY).and_then(|days| days.checked_add(millis));
    match total {
        Some(total) if total <= LONGEST => Ok(sign * total),
        _ => Err(Mistake::TooLarge),
    }
}

fn show_duration(millis: i64) -> String {
    let mut text = String::new();
    if millis < 0 {
        text.push('-');
    }
    let mut rest = millis.unsigned_abs();
    if rest < 1_000 {
        let unit = if rest == 0 { "s" } else { "ms" };
        let _ = write!(text, "{rest}{unit}");
        return text;
    }
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000)] {
        if rest >= size {
            let _ = write!(text, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    if rest > 0 {
        let seconds = format!("{}.{:03}", rest / 1_000, rest % 1_000);
        let _ = write!(text, "{}s", seconds.trim_end_matches('0').trim_end_matches('.'));
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("250ms", 250),
            ("1.5s", 1_500),
            ("0s", 0),
            ("2h", 7_200_000),
            ("2h30m", 9_000_000),
            ("1 hour, 5 mins", 3_900_000),
            ("1d", DAY),
            ("2d12h", 2 * DAY + DAY / 2),
        ] {
            assert_eq!(Unit::Span.parse(text), Ok(Range::only(millis)), "{text}");
        }
        let range = Range { low: -3_000, high: 3_000 };
        assert_eq!(Unit::Shift.parse("-3s..+3s"), Ok(range));
    }

    #[test]
    fn quantities_without_a_unit_or_a_meaning_are_refused() {
        let longest_of_all = "9223372036854775808ms ago";
        let texts = ["250", "1M", "0", "", "..", "s", "d", "1s..", "--1s", "1e9999s", "P1D"];
        for text in texts.into_iter().chain(["5s ago", "-5s ago", "1d 2h ago", longest_of_all]) {
            assert!(Unit::Span.parse(text).is_err(), "{text}");
        }
        for text in ["0.3", "30", "-1%", "101%", "%", "0.00001%"] {
            assert!(Unit::Chance.parse(text).is_err(), "{text}");
        }
        assert_eq!(Unit::Span.parse("5s..2s"), Err(Mistake::Reversed("2s..5s".to_owned())));
        assert_eq!(Unit::Span.parse("-5s"), Err(Mistake::Negative));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in 0i64..=LONGEST, ppm in 0i64..=1_000_000) {
            prop_assert_eq!(Unit::Span.parse(&Unit::Span.show(value)), Ok(Range::only(value)));
            prop_assert_eq!(Unit::Shift.parse(&Unit::Shift.show(-value)), Ok(Range::only(-value)));
            prop_assert_eq!(Unit::Chance.parse(&Unit::Chance.show(ppm)), Ok(Range::only(ppm)));
            prop_assert_eq!(Unit::Drift.parse(&Unit::Drift.show(-ppm)), Ok(Range::only(-ppm)));
            prop_assert_eq!(Unit::Size.parse(&Unit::Size.show(ppm)), Ok(Range::only(ppm)));
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,20}") {
            for unit in [Unit::Span, Unit::Shift, Unit::Chance, Unit::Drift, Unit::Size, Unit::Count] {
                let _ = unit.parse(&text);
            }
        }
    }
}
