//! The kinds of problems of a scenario file. A code never changes its meaning; people search for it.

pub use harness::problem::render;
pub(super) use harness::problem::{nearest, suggest};

/// A problem of a scenario file.
pub type Problem = harness::problem::Problem<Code>;

/// No more problems are listed: a file with that many has one mistake many times.
pub(super) const MOST_TOLD: usize = 100;

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
    TooMany = "E030", "There are more problems than are listed.";
    TooMuch = "E031", "The scenario asks for more than can be run.";
    NotGiven = "W101", "A step touches a record that nobody has made.";
    NothingClaimed = "W102", "The scenario does not say what it is about.";
    CannotHappen = "W103", "What must happen cannot happen here.";
    Estimated = "W104", "The moment at which a fault ends is estimated.";
    NothingHappens = "W105", "Nobody does anything and nothing goes wrong.";
    NoStory = "W106", "The scenario has no title or story.";
    TooLate = "W107", "Answers come after they have been given up.";
    CannotCome = "W108", "A step can do nothing here.";
}

impl harness::problem::Kind for Code {
    fn code(self) -> Option<&'static str> {
        Some(self.text())
    }

    fn is_error(self) -> bool {
        self.text().starts_with('E')
    }
}

/// All that is wrong with a file: the first of it in full, and how much more there is.
#[derive(Debug)]
pub(super) struct Problems {
    kept: Vec<Problem>,
    /// How many are not kept.
    more: usize,
    /// The last of those, to which its finder may add.
    unkept: Problem,
}

impl Default for Problems {
    fn default() -> Self {
        Self { kept: Vec::new(), more: 0, unkept: Problem::new(Code::TooMany, "", 0..0, "") }
    }
}

impl Problems {
    /// Adds a problem. One that is not kept is not even made: to find its line takes time.
    pub(super) fn add(&mut self, problem: impl FnOnce() -> Problem) -> &mut Problem {
        if self.kept.len() == MOST_TOLD {
            self.more += 1;
            return &mut self.unkept;
        }
        self.kept.push(problem());
        self.kept.last_mut().expect("one was just put there")
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.kept.len() + self.more
    }

    /// Is any of them an error?
    pub(super) fn has_errors(&self) -> bool {
        self.more > 0 || self.kept.iter().any(Problem::is_error)
    }

    /// Those that are kept, and how many more there are.
    pub(super) fn into_vec(mut self, text: &str) -> Vec<Problem> {
        if self.more > 0 {
            let message = format!("and {} more problems", self.more);
            let problem = Problem::new(Code::TooMany, text, text.len()..text.len(), message);
            let help = "mend what stands above; most of the others will be gone with it";
            self.kept.push(problem.help(help));
        }
        self.kept
    }
}

/// The bytes of a line, without the spaces around it.
pub(super) fn line_span(text: &str, line: u32) -> std::ops::Range<usize> {
    let lines = text.split_inclusive('\n');
    let start: usize = lines.take((line.max(1) - 1) as usize).map(str::len).sum();
    let rest = &text[start..];
    let content = rest.lines().next().unwrap_or_default();
    let indent = content.len() - content.trim_start().len();
    start + indent..start + content.trim_end().len().max(indent)
}

#[cfg(test)]
mod tests {
    use super::{Code, MOST_TOLD, Problem, Problems};

    #[test]
    fn of_many_problems_a_hundred_are_kept_and_the_rest_is_counted() {
        let mut problems = Problems::default();
        for n in 0..20_000 {
            problems.add(|| {
                assert!(n < MOST_TOLD, "no more are made");
                Problem::new(Code::Syntax, "text", 0..1, n.to_string())
            });
        }
        assert_eq!(problems.len(), 20_000);
        let kept = problems.into_vec("text");
        assert_eq!(kept.len(), MOST_TOLD + 1);
        assert_eq!(kept[MOST_TOLD].message, "and 19900 more problems");
    }
}
