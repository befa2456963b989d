//! The strict table: every key is asked for by name, and what nobody asked for is a problem.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the types of TOML are another crate's: all but the right one are the same mistake"
)]

use std::borrow::Cow;
use std::ops::Range as Bytes;

use harness::quantity::{Choice, Mistake, Range, Unit};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::scenario::problem::{Code, Problem, Problems, nearest, suggest};
use crate::scenario::words::HEADINGS;

/// A value with its place.
pub(super) type Item<'d> = &'d Spanned<DeValue<'d>>;

/// Collects problems.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) problems: Problems,
    /// Where the lines of the text end.
    line_ends: Vec<usize>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_ends = line_ends.map(|(at, _)| at).collect();
        Self { text, problems: Problems::default(), line_ends }
    }

    /// Notes a problem; the caller may add to it.
    pub(super) fn problem(
        &mut self,
        code: Code,
        span: Bytes<usize>,
        message: impl Into<String>,
    ) -> &mut Problem {
        self.problems.add(|| Problem::new(code, self.text, span, message))
    }

    /// Notes a problem with what the caret shows and what to do.
    pub(super) fn tell(
        &mut self,
        code: Code,
        span: Bytes<usize>,
        message: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = self.problem(code, span, message);
        problem.label = label.into();
        problem.help = Some(help.into());
    }

    pub(super) fn line(&self, span: &Bytes<usize>) -> u32 {
        let before = self.line_ends.partition_point(|end| *end < span.start);
        u32::try_from(before + 1).unwrap_or(u32::MAX)
    }

    pub(super) fn syntax(&mut self, error: &toml::de::Error) {
        let end = self.text.len();
        let span = error.span().unwrap_or(end..end);
        if error.message().contains("duplicate key") {
            let name = self.text.get(span.clone()).unwrap_or_default().to_owned();
            self.tell(
                Code::Duplicate,
                span,
                format!("`{name}` is there twice"),
                "the second one",
                "rename one of them, or remove it",
            );
        } else {
            let message = error.message().to_owned();
            self.problem(Code::Syntax, span, message).label = "here".to_owned();
        }
    }

    fn wrong_type(&mut self, item: Item<'_>, needed: &str) {
        let found = match item.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.tell(
            Code::WrongType,
            item.span(),
            format!("{needed} is needed here, not {found}"),
            format!("this is {found}"),
            format!("write {needed}"),
        );
    }

    /// A text in quotes.
    pub(super) fn text<'d>(&mut self, item: Item<'d>) -> Option<&'d str> {
        let text = item.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(item, "a text in quotes");
        }
        text
    }

    /// True or false.
    pub(super) fn flag(&mut self, item: Item<'_>) -> Option<bool> {
        let flag = item.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(item, "true or false");
        }
        flag
    }

    /// A whole number of either sign.
    pub(super) fn integer(&mut self, item: Item<'_>) -> Option<i64> {
        let DeValue::Integer(number) = item.get_ref() else {
            self.wrong_type(item, "a whole number");
            return None;
        };
        let value = i64::from_str_radix(number.as_str(), number.radix()).ok();
        if value.is_none() {
            self.out_of_bounds(item.span(), "0 and 9223372036854775807");
        }
        value
    }

    /// A whole number within bounds.
    pub(super) fn number(&mut self, item: Item<'_>, low: u64, high: u64) -> Option<u64> {
        let number = self.integer(item)?;
        let found = u64::try_from(number).ok().filter(|number| (low..=high).contains(number));
        if found.is_none() {
            self.out_of_bounds(item.span(), &format!("{low} and {high}"));
        }
        found
    }

    /// A 64-bit number: a whole number, or a text of one, decimal or after `0x`.
    pub(super) fn wide(&mut self, item: Item<'_>) -> Option<u64> {
        let found = match item.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            DeValue::String(text) => match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16).ok(),
                None => text.parse().ok(),
            },
            _ => {
                self.wrong_type(item, "a whole number");
                return None;
            }
        };
        if found.is_none() {
            self.out_of_bounds(item.span(), "0 and 18446744073709551615");
        }
        found
    }

    pub(super) fn out_of_bounds(&mut self, span: Bytes<usize>, bounds: &str) {
        self.tell(
            Code::OutOfBounds,
            span,
            "this number is beyond what is possible",
            "too small or too large",
            format!("write a number between {bounds}"),
        );
    }

    /// A list, or what stands alone as a list of one.
    pub(super) fn one_or_many<'d>(&mut self, item: Item<'d>) -> Vec<Item<'d>> {
        match item.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![item],
        }
    }

    /// A list.
    pub(super) fn list<'d>(&mut self, item: Item<'d>) -> Vec<Item<'d>> {
        match item.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => {
                self.wrong_type(item, "a list in [ ]");
                Vec::new()
            }
        }
    }

    /// A table.
    pub(super) fn table<'d>(&mut self, item: Item<'d>, what: &str) -> Option<Table<'d>> {
        match item.get_ref() {
            DeValue::Table(table) => Some(Table::of(table, item.span(), what)),
            _ => {
                self.wrong_type(item, "a table in { }");
                None
            }
        }
    }

    /// A quantity: a value, a range, or a list of these from which each seed picks one.
    pub(super) fn choice(&mut self, unit: Unit, item: Item<'_>) -> Option<Choice> {
        let ranges: Vec<Option<Range>> =
            self.one_or_many(item).into_iter().map(|item| self.range(unit, item)).collect();
        if ranges.is_empty() {
            self.tell(
                Code::NotAQuantity,
                item.span(),
                "there is nothing to choose from",
                "an empty list",
                format!("write {}", unit.example()),
            );
        }
        let ranges: Option<Vec<Range>> = ranges.into_iter().collect();
        ranges.filter(|ranges| !ranges.is_empty()).map(Choice)
    }

    /// A quantity within bounds.
    pub(super) fn bounded(
        &mut self,
        unit: Unit,
        item: Item<'_>,
        low: i64,
        high: i64,
    ) -> Option<Choice> {
        let choice = self.choice(unit, item)?;
        if choice.low() < low || choice.high() > high {
            let bounds = format!("{} and {}", unit.show(low), unit.show(high));
            self.out_of_bounds(item.span(), &bounds);
            return None;
        }
        Some(choice)
    }

    /// One value, without a range.
    pub(super) fn exact(&mut self, unit: Unit, item: Item<'_>) -> Option<i64> {
        let range = self.range(unit, item)?;
        if range.low != range.high {
            self.tell(
                Code::NotAQuantity,
                item.span(),
                "a range is not possible here",
                "two values",
                format!("write one value, as \"{}\"", unit.show(range.low)),
            );
            return None;
        }
        Some(range.low)
    }

    /// One value, or a range.
    pub(super) fn range(&mut self, unit: Unit, item: Item<'_>) -> Option<Range> {
        let text: Cow<'_, str> = match item.get_ref() {
            DeValue::String(text) => text.clone(),
            DeValue::Integer(number) => Cow::Borrowed(number.as_str()),
            DeValue::Float(number) => Cow::Borrowed(number.as_str()),
            _ => {
                self.wrong_type(item, unit.example());
                return None;
            }
        };
        let mistake = match unit.parse(&text) {
            Ok(range) => return Some(range),
            Err(mistake) => mistake,
        };
        let span = item.span();
        let example = format!("write {}", unit.example());
        let shown: String = text.chars().take(40).collect();
        match mistake {
            Mistake::NoUnit(help) => self.tell(
                Code::NoUnit,
                span,
                format!("\"{shown}\" needs a unit"),
                if unit == Unit::Span { "how long is this?" } else { "of what?" },
                help,
            ),
            Mistake::Unreadable(why) => self.tell(
                Code::NotAQuantity,
                span,
                format!("\"{shown}\" cannot be read"),
                why,
                example,
            ),
            Mistake::Reversed(right) => self.tell(
                Code::Reversed,
                span,
                format!("the range \"{shown}\" is reversed"),
                "the first bound is above the second",
                format!("write \"{right}\""),
            ),
            Mistake::Negative => self.tell(
                Code::OutOfBounds,
                span,
                format!("\"{shown}\" is below zero"),
                "this cannot be negative",
                example,
            ),
            Mistake::TooLarge => self.tell(
                Code::OutOfBounds,
                span,
                format!("\"{shown}\" is beyond what is possible"),
                "too large",
                example,
            ),
        }
        None
    }

    /// A word out of a closed list.
    pub(super) fn word<T: Copy>(
        &mut self,
        item: Item<'_>,
        words: &[(&str, T)],
        code: Code,
    ) -> Option<T> {
        let text = self.text(item)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            self.unknown(code, item, text, words.iter().map(|(word, _)| *word));
        }
        found
    }

    /// Notes that a text is none of these.
    pub(super) fn unknown<'w>(
        &mut self,
        code: Code,
        item: Item<'_>,
        text: &str,
        words: impl IntoIterator<Item = &'w str> + Clone,
    ) {
        let shown: String = text.chars().take(40).collect();
        self.tell(
            code,
            item.span(),
            format!("\"{shown}\" is not known"),
            "unknown",
            suggest(text, words),
        );
    }
}

/// A table of which every key must be asked for.
#[derive(Debug)]
pub(super) struct Table<'d> {
    /// In the order of the file.
    entries: Vec<Entry<'d>>,
    pub(super) span: Bytes<usize>,
    what: String,
}

#[derive(Debug)]
struct Entry<'d> {
    key: &'d str,
    span: Bytes<usize>,
    item: Item<'d>,
    asked: bool,
}

impl<'d> Table<'d> {
    pub(super) fn new(
        reader: &mut Reader<'_>,
        document: &'d Spanned<DeTable<'d>>,
        what: &str,
    ) -> Self {
        let end = reader.text.len();
        Self::of(document.get_ref(), 0..end, what)
    }

    fn of(table: &'d DeTable<'d>, span: Bytes<usize>, what: &str) -> Self {
        let mut entries: Vec<Entry<'d>> = table
            .iter()
            .map(|(key, item)| Entry { key: key.get_ref(), span: key.span(), item, asked: false })
            .collect();
        entries.sort_by_key(|entry| entry.span.start);
        Self { entries, span, what: what.to_owned() }
    }

    /// The value of this key, if it is there.
    pub(super) fn take(&mut self, key: &str) -> Option<Item<'d>> {
        let entry = self.entries.iter_mut().find(|entry| entry.key == key)?;
        entry.asked = true;
        Some(entry.item)
    }

    /// The value of this key, which must be there.
    pub(super) fn need(
        &mut self,
        reader: &mut Reader<'_>,
        key: &str,
        example: &str,
    ) -> Option<Item<'d>> {
        let item = self.take(key);
        if item.is_none() {
            reader.tell(
                Code::Missing,
                self.span.clone(),
                format!("{} has no `{key}`", self.what),
                format!("`{key}` is missing"),
                format!("add {key} = {example}"),
            );
        }
        item
    }

    /// All keys that nobody has asked for, with their values, in the order of the file.
    pub(super) fn rest(&mut self) -> Vec<(&'d str, Bytes<usize>, Item<'d>)> {
        let rest = self.entries.iter_mut().filter(|entry| !entry.asked);
        rest.map(|entry| {
            entry.asked = true;
            (entry.key, entry.span.clone(), entry.item)
        })
        .collect()
    }

    /// The place of a key.
    pub(super) fn key_span(&self, key: &str) -> Option<Bytes<usize>> {
        self.entries.iter().find(|entry| entry.key == key).map(|entry| entry.span.clone())
    }

    /// What nobody has asked for is unknown.
    pub(super) fn finish(self, reader: &mut Reader<'_>, known: &[&str]) {
        for entry in self.entries.iter().filter(|entry| !entry.asked) {
            let key = entry.key;
            let home = HEADINGS.iter().find(|(heading, keys)| {
                keys.contains(&key) && *heading != self.what.trim_matches(['[', ']'])
            });
            let under_heading = self.what.starts_with('[');
            match home {
                Some((heading, _)) if under_heading && nearest_key(key, known).is_none() => {
                    let text = reader.text;
                    let what = &self.what;
                    let problem = Problem::new(
                        Code::WrongHeading,
                        text,
                        entry.span.clone(),
                        format!("`{key}` is under {what}, so it would be ignored there"),
                    )
                    .label("… and so does this")
                    .help(format!("put the line [{heading}] above it"));
                    let heading = reader.text.find(what.as_str());
                    reader.problems.add(|| match heading {
                        Some(at) => problem.beside(
                            text,
                            at..at + what.len(),
                            "everything below this heading belongs to it …",
                        ),
                        None => problem,
                    });
                }
                _ => reader.tell(
                    Code::UnknownKey,
                    entry.span.clone(),
                    format!("{} has no key `{key}`", self.what),
                    "unknown key",
                    suggest(key, known.iter().copied()),
                ),
            }
        }
    }

    /// At the top of the file only headings are possible.
    pub(super) fn finish_headings(self, reader: &mut Reader<'_>, headings: &[(&str, &[&str])]) {
        for entry in self.entries.iter().filter(|entry| !entry.asked) {
            let key = entry.key;
            let home = headings.iter().find(|(_, keys)| keys.contains(&key));
            match home {
                Some((heading, _)) => reader.tell(
                    Code::WrongHeading,
                    entry.span.clone(),
                    format!("`{key}` is under no heading"),
                    "this would be ignored",
                    format!("put the line [{heading}] above it"),
                ),
                None => reader.tell(
                    Code::UnknownHeading,
                    entry.span.clone(),
                    format!("there is no heading [{key}]"),
                    "unknown heading",
                    suggest(key, headings.iter().map(|(heading, _)| *heading)),
                ),
            }
        }
    }
}

fn nearest_key(key: &str, known: &[&str]) -> Option<String> {
    nearest(key, known.iter().copied()).map(str::to_owned)
}
