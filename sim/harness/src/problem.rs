//! Problems of a file that people write: what, where, and what to write instead. Every span lies inside
//! the file.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

/// A kind of problem.
pub trait Kind: Copy {
    /// What people search for, if problems of this file have such codes.
    fn code(self) -> Option<&'static str>;

    /// Does the file not count because of it?
    fn is_error(self) -> bool;
}

/// The only kind of problem of a file that has no codes and no warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistake;

impl Kind for Mistake {
    fn code(self) -> Option<&'static str> {
        None
    }

    fn is_error(self) -> bool {
        true
    }
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem<K = Mistake> {
    /// Its kind.
    pub code: K,
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
    pub beside: Option<Box<(Range<usize>, String)>>,
    /// What to do.
    pub help: Option<String>,
}

impl<K> Problem<K> {
    /// A problem at these bytes of the text; bytes beyond its end are cut off.
    pub fn new(code: K, text: &str, span: Range<usize>, message: impl Into<String>) -> Self {
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
        self.beside = Some(Box::new((within(text, span), label.into())));
        self
    }
}

impl<K: Kind> Problem<K> {
    /// Does the file not count because of it?
    pub fn is_error(&self) -> bool {
        self.code.is_error()
    }
}

fn within(text: &str, span: Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let start = floor(span.start).unwrap_or(0);
    start..floor(span.end).unwrap_or(0).max(start)
}

/// Line and column of a byte, from 1.
fn place(text: &str, at: usize) -> (u32, u32) {
    let before = &text[..at];
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |last| last.chars().count()) + 1;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    (number(line), number(column))
}

/// Renders problems with their lines and carets.
pub fn render<K: Kind>(
    problems: &[Problem<K>],
    path_shown: &str,
    text: &str,
    color: bool,
) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for problem in problems {
        let level = if problem.is_error() { Level::ERROR } else { Level::WARNING };
        // A span was cut to another text than this one only by a caller's mistake; cut it again.
        let primary = AnnotationKind::Primary.span(within(text, problem.span.clone()));
        let mut snippet =
            Snippet::source(text).path(path_shown).annotation(if problem.label.is_empty() {
                primary
            } else {
                primary.label(&problem.label)
            });
        if let Some((span, label)) = problem.beside.as_deref() {
            let span = within(text, span.clone());
            snippet = snippet.annotation(AnnotationKind::Context.span(span).label(label));
        }
        let mut title = level.primary_title(&problem.message);
        if let Some(code) = problem.code.code() {
            title = title.id(code);
        }
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
pub fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    names
        .into_iter()
        .map(|other| (strsim::jaro_winkler(&name, &other.to_lowercase()), other))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, other)| other)
}

/// Did the writer mean another name? And what are the names, unless they would fill the screen?
pub fn suggest<'a>(name: &str, names: impl IntoIterator<Item = &'a str> + Clone) -> String {
    let all: Vec<&str> = names.clone().into_iter().collect();
    match nearest(name, names) {
        Some(other) if all.len() > 20 => format!("did you mean \"{other}\"?"),
        Some(other) => format!("did you mean \"{other}\"? Possible: {}", all.join(", ")),
        None if all.is_empty() => "there is none".to_owned(),
        None => format!("possible: {}", all.join(", ")),
    }
}
