//! Where results, progress and complaints go.
//!
//! Results go to standard output and nothing else does. Progress is a bar if standard error is a
//! terminal, and a line now and then if it is not. A reader that has left is not an error: what was
//! found is still kept, and still in the exit code; but what is still to be done is left undone.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use harness::stop::Stop;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::Format;
use crate::report::{Told, json, terminal};
use crate::sweep::Goal;

/// The first plain line of progress comes after this long; the wait doubles up to [`RARELY`].
const SOON: Duration = Duration::from_secs(5);
const RARELY: Duration = Duration::from_secs(30);

/// Where a command speaks.
#[derive(Debug)]
pub(super) struct Console {
    format: Format,
    /// The reader of the results has left.
    deaf: bool,
    /// Results were lost that a reader waits for.
    unwritten: bool,
    progress: Option<Progress>,
    /// What ends the work whose results nobody hears.
    stop: Option<Stop>,
}

#[derive(Debug)]
struct Progress {
    bar: Option<ProgressBar>,
    what: &'static str,
    started: Instant,
    next: Duration,
    wait: Duration,
    goal: Goal,
    done: u64,
    failed: u64,
}

impl Console {
    pub(super) const fn new(format: Format) -> Self {
        Self { format, deaf: false, unwritten: false, progress: None, stop: None }
    }

    /// Ends this work as soon as its results cannot be written.
    pub(super) fn stops(&mut self, stop: Stop) {
        self.stop = Some(stop);
    }

    pub(super) fn is_human(&self) -> bool {
        self.format == Format::Human
    }

    /// Are standard output's colours shown?
    pub(super) fn has_color() -> bool {
        anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never
    }

    /// Tells a result.
    pub(super) fn tell(&mut self, told: &Told<'_>) {
        let text = match self.format {
            Format::Human => terminal::render(told, width()),
            Format::Jsonl => json::render(told),
        };
        self.print(&text);
    }

    /// Were results lost, to a full disk or the like?
    pub(super) const fn has_lost_results(&self) -> bool {
        self.unwritten
    }

    /// Prints to standard output.
    pub(super) fn print(&mut self, text: &str) {
        if self.deaf {
            return;
        }
        let text = if self.is_human() { plain(text) } else { Cow::Borrowed(text) };
        let write = || {
            let mut out = anstream::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush())
        };
        let written = match self.progress.as_ref().and_then(|progress| progress.bar.as_ref()) {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        if let Err(error) = written {
            self.deaf = true;
            let stop = self.stop.as_ref().filter(|_| self.progress.is_some());
            let is_over = stop.inspect(|stop| stop.abandon()).is_none();
            if error.kind() == io::ErrorKind::BrokenPipe && !is_over {
                self.complain_on("the reader of the results has left: nothing more is run");
            }
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.unwritten = true;
                self.complain_on(&format!("results could not be written: {error}"));
            }
        }
    }

    /// Says something that is not a result.
    pub(super) fn say(&self, line: &str) {
        let write = || say(line);
        match self.progress.as_ref().and_then(|progress| progress.bar.as_ref()) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Says what went wrong, while the work goes on.
    pub(super) fn complain_on(&self, what: &str) {
        let red = anstyle::AnsiColor::Red.on_default().bold();
        self.say(&format!("{red}error{red:#}: {what}"));
    }

    /// Says why a command did not do its work.
    pub(super) fn complain(&mut self, what: &str, help: Option<&str>) {
        self.end_progress();
        self.complain_on(what);
        if let Some(help) = help {
            self.say(&format!("  help: {help}"));
        }
    }

    /// Begins to show how far something has come.
    pub(super) fn start_progress(&mut self, what: &'static str) {
        self.end_progress();
        let bar = io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(style("{spinner} {elapsed} {msg}"));
            bar
        });
        let started = Instant::now();
        let (next, wait) = (SOON, SOON);
        let (goal, done, failed) = (Goal::Unknown, 0, 0);
        self.progress = Some(Progress { bar, what, started, next, wait, goal, done, failed });
    }

    /// So much is to be done in all.
    pub(super) fn expect(&mut self, goal: Goal) {
        let Some(progress) = &mut self.progress else {
            return;
        };
        progress.goal = goal;
        if let (Some(bar), true) = (&progress.bar, goal != Goal::Unknown) {
            bar.set_length(100);
            bar.set_style(style("{bar:34} {percent:>3}%  {elapsed}  {msg}"));
        }
    }

    /// One more is done.
    pub(super) fn done(&mut self, failed: bool) {
        if let Some(progress) = &mut self.progress {
            progress.done += 1;
            progress.failed += u64::from(failed);
        }
        self.tick();
    }

    /// Nothing is done, but time has passed.
    pub(super) fn tick(&mut self) {
        let Some(progress) = &mut self.progress else {
            return;
        };
        let elapsed = progress.started.elapsed();
        let line = progress.line(elapsed);
        let share = progress.share(elapsed);
        if let Some(bar) = &progress.bar {
            bar.set_position(share.unwrap_or(0));
            bar.set_message(line);
        } else if elapsed >= progress.next {
            progress.wait = (progress.wait * 2).min(RARELY);
            progress.next = elapsed + progress.wait;
            let total = share.map_or(String::new(), |share| format!(" {share}%"));
            let seconds = elapsed.as_secs();
            let clock =
                format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
            self.say(&format!("[{clock}]{total} {line}"));
        }
    }

    /// Stops showing progress.
    pub(super) fn end_progress(&mut self) {
        if let Some(Progress { bar: Some(bar), .. }) = self.progress.take() {
            bar.finish_and_clear();
        }
    }
}

/// Says something on standard error.
pub(super) fn say(line: &str) {
    // Nobody is left to tell that nobody listens.
    let _ = writeln!(anstream::stderr().lock(), "{}", plain(line));
}

/// A text without anything that a terminal obeys, other than colours: what files and arguments bring along is
/// shown as it is written.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if c == ESCAPE { color(rest) } else { 0 };
        let length = length.max(c.len_utf8());
        if length == c.len_utf8() && is_obeyed(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push_str(&rest[..length]);
        }
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

const ESCAPE: char = '\u{1b}';

/// How many bytes the change of colour has with which a text begins; 0 if it begins with none.
fn color(text: &str) -> usize {
    let Some(numbers) = text.strip_prefix("\u{1b}[") else { return 0 };
    let end = numbers.find(|c: char| !c.is_ascii_digit() && c != ';');
    end.filter(|end| numbers[*end..].starts_with('m')).map_or(0, |end| end + 3)
}

/// Does a terminal do something else with it than to show it?
fn is_obeyed(c: char) -> bool {
    let turns_the_line =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && c != '\n' && c != '\t') || turns_the_line
}

/// How wide results are: as the terminal, as COLUMNS says, or as a page.
fn width() -> usize {
    const PAGE: usize = 100;
    let terminal = terminal_size::terminal_size_of(io::stdout()).map(|(width, _)| width.0.into());
    let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(columns).unwrap_or(PAGE).clamp(40, 160)
}

impl Progress {
    /// How much is done, in hundredths.
    fn share(&self, elapsed: Duration) -> Option<u64> {
        match self.goal {
            Goal::Unknown => None,
            Goal::Seeds(seeds) => Some(self.done * 100 / seeds.max(1)),
            Goal::Time(time) => Some((elapsed.as_secs_f64() * 100.0 / time.as_secs_f64()) as u64),
        }
    }

    fn line(&self, elapsed: Duration) -> String {
        let Self { done, failed, what, .. } = self;
        if *done == 0 {
            return "at work".to_owned();
        }
        let per_second = *done as f64 / elapsed.as_secs_f64().max(0.001);
        let violated = if *failed == 0 { String::new() } else { format!("  {failed} violated") };
        format!("{done} {what}  {per_second:.0}/s{violated}")
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are right")
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_a_terminal_would_obey_is_shown_but_for_colours() {
        assert_eq!(
            plain("two\nlines\tand \u{1b}[1;31mred\u{1b}[0m"),
            "two\nlines\tand \u{1b}[1;31mred\u{1b}[0m"
        );
        assert_eq!(plain("\u{1b}]0;pwned\u{7}"), "\\u{1b}]0;pwned\\u{7}");
        assert_eq!(plain("\u{1b}[2J\u{202e}live"), "\\u{1b}[2J\\u{202e}live");
        assert_eq!(plain("\u{1b}"), "\\u{1b}");
    }
}
