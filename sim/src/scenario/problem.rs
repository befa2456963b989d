//! Problems of a scenario file: what, where, and what to write instead.
//!
//! A code never changes its meaning; people search for it. Every span lies inside the file.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

macro_rules! codes {
    ($($name:ident = $text:literal, $meaning:literal;)+) => {
        /// The stable name of a kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $meaning] $name,)+ }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// What people search for.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }
        }
    };
}

codes! {
    NotText = "E001", "The file is not a text in UTF-8.";
    Syntax = "E002", "The file is not valid TOML.";
    WrongHeading = "E003", "The key belongs under another heading and would be ignored here.";
    TooLarge = "E004", "The file is larger than any scenario.";
    Empty = "E005", "The file says nothing.";
    UnknownHeading = "E006", "There is no such heading.";
    UnknownKey = "E007", "There is no such key here.";
    WrongType = "E008", "A value of another type is needed.";
    Missing = "E009", "Something that is needed is not there.";
    Duplicate = "E010", "Two things have the same name.";
    UnknownVerb = "E011", "There is no such verb.";
    UnknownName = "E012", "Nothing in this scenario has that name.";
    UnknownInvariant = "E013", "There is no such invariant.";
    UnknownFlaw = "E014", "There is no such flaw.";
    UnknownField = "E015", "Records of this kind have no such field.";
    NotARow = "E016", "A row is written as kind/number.";
    UnknownWord = "E017", "Only some words are possible here.";
    UnknownEvent = "E018", "Nothing of that name is counted.";
    NotAnEvent = "E019", "A `when` has a fixed grammar.";
    BadName = "E020", "A name is made of letters, digits, `-` and `_`.";
    NoUnit = "E021", "A quantity needs its unit.";
    NotAQuantity = "E022", "The quantity cannot be read.";
    Reversed = "E023", "A range begins with its lower bound.";
    BadWeights = "E024", "Weights are whole numbers, not all zero.";
    AfterTheEnd = "E025", "The step comes after the end of the storm.";
    NothingToHeal = "E026", "Nothing that this step could end has begun before it.";
    TwoTimes = "E027", "A step has one moment.";
    OutOfBounds = "E028", "The number is beyond what is possible.";
    Contradiction = "E029", "Two things in this file exclude each other.";
    NotGiven = "W101", "A step touches a record that nobody has made.";
    NothingClaimed = "W102", "The scenario does not say what it is about.";
    CannotHappen = "W103", "What must happen cannot happen here.";
    Estimated = "W104", "The moment at which a fault ends is estimated.";
    NothingHappens = "W105", "Nobody does anything and nothing goes wrong.";
    NoStory = "W106", "The scenario has no title or story.";
}

impl Code {
    /// Does the file not count because of it?
    pub fn is_error(self) -> bool {
        self.text().starts_with('E')
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Its kind.
    pub code: Code,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// The bytes of the file that are at fault.
    pub span: Range<usize>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What to write at the caret.
    pub label: String,
    /// Another place that matters, and why.
    pub beside: Option<(Range<usize>, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Problem {
    /// A problem at these bytes of the text; bytes beyond its end are cut off.
    pub fn new(code: Code, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
        let span = within(text, span);
        let (line, column) = place(text, span.start);
        Self {
            code,
            message: message.into(),
            span,
            line,
            column,
            label: String::new(),
            beside: None,
            help: None,
        }
    }

    /// Says what the caret shows.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Shows another place.
    #[must_use]
    pub fn beside(mut self, text: &str, span: Range<usize>, label: impl Into<String>) -> Self {
        self.beside = Some((within(text, span), label.into()));
        self
    }
}

fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let start = floor(span.start).unwrap_or(0);
    start..floor(span.end).unwrap_or(0).max(start)
}

/// Line and column of a byte, from 1.
pub(super) fn place(text: &str, at: usize) -> (u32, u32) {
    let before = &text[..at];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(line), number(column))
}

/// Renders problems with their lines and carets.
pub fn render(problems: &[Problem], path_shown: &str, text: &str, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for problem in problems {
        let level = if problem.code.is_error() { Level::ERROR } else { Level::WARNING };
        // A span was cut to another text than this one only by a caller's mistake; cut it again.
        let primary = AnnotationKind::Primary.span(within(text, problem.span.clone()));
        let mut snippet =
            Snippet::source(text).path(path_shown).annotation(if problem.label.is_empty() {
                primary
            } else {
                primary.label(&problem.label)
            });
        if let Some((span, label)) = &problem.beside {
            let span = within(text, span.clone());
            snippet = snippet.annotation(AnnotationKind::Context.span(span).label(label));
        }
        let title = level.primary_title(&problem.message).id(problem.code.text());
        let mut groups: Vec<Group<'_>> = vec![title.element(snippet)];
        if let Some(help) = &problem.help {
            groups[0] = std::mem::replace(&mut groups[0], Group::with_level(Level::HELP))
                .element(Level::HELP.message(help));
        }
        out.push_str(&renderer.render(&groups));
        out.push_str("\n\n");
    }
    out
}

/// The nearest of these names, if any is near: what the writer probably meant.
pub(super) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    names
        .into_iter()
        .map(|other| (strsim::jaro_winkler(&name, &other.to_lowercase()), other))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

/// Did the writer mean another name? And what are the names, unless they would fill the screen?
pub(super) fn suggest<'a>(name: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let all: Vec<&str> = names.clone().into_iter().collect();
    match nearest(name, names) {
        Some(other) if all.len() > 20 => format!("did you mean \"{other}\"?"),
        Some(other) => format!("did you mean \"{other}\"? Possible: {}", all.join(", ")),
        None if all.is_empty() => "there is none".to_owned(),
        None => format!("possible: {}", all.join(", ")),
    }
}
