//! What a host does again and again: a story says it a few times, and then how often it was.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use harness::time::Time;

use super::{DIM, styled};
use crate::plan::Node;
use crate::report::story::time;

/// So often a story says the same, as long as nothing else happens.
const TOLD: usize = 3;

/// What the story has said since something new happened.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    told: BTreeMap<(Node, String), usize>,
    untold: usize,
    last: Time,
}

impl Repeats {
    /// Does the story leave this out, since it has said the same before? If not, writes first how much it left out.
    pub(super) fn takes(
        &mut self,
        out: &mut String,
        (at, host, sentence): (Time, Node, &str),
    ) -> Result<bool, fmt::Error> {
        let key = (host, without_try(sentence));
        if !self.told.contains_key(&key) {
            self.end(out)?;
        }
        let told = self.told.entry(key).or_default();
        *told += 1;
        let takes = *told > TOLD;
        if takes {
            (self.untold, self.last) = (self.untold + 1, at);
        }
        Ok(takes)
    }

    /// Writes how much the story left out, if anything; it says again what comes next.
    pub(super) fn end(&mut self, out: &mut String) -> fmt::Result {
        if self.untold == 0 {
            return Ok(());
        }
        let Self { untold, last, .. } = std::mem::take(self);
        let more = format!("… {untold} more as above, until {}", time(last));
        writeln!(out, "{:>11}  {}", "", styled(DIM, more))
    }
}

/// The sentence without its `, try 7`: the next try is nothing new.
fn without_try(sentence: &str) -> String {
    let Some((before, after)) = sentence.split_once(", try ") else { return sentence.to_owned() };
    format!("{before}{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;
    use harness::time::Time;

    use super::*;

    #[test]
    fn what_happens_again_and_again_is_told_three_times() {
        let mut out = String::new();
        let mut repeats = Repeats::default();
        let tries = (2..30).map(|n| format!("→ zone   push, try {n} lost: the link is cut"));
        let more = ["edits meal/1".to_owned(), "→ zone   push lost: the link is cut".to_owned()];
        for (at, sentence) in (0..).zip(tries.chain(more)) {
            if !repeats.takes(&mut out, (Time(at), Node::World, &sentence)).expect("it is a text") {
                writeln!(out, "{sentence}").expect("it is a text");
            }
        }
        repeats.end(&mut out).expect("it is a text");
        let lines = strip_str(&out).to_string();
        let lines: Vec<&str> = lines.lines().map(str::trim).collect();
        let told = |n: u8| format!("→ zone   push, try {n} lost: the link is cut");
        assert_eq!(
            lines,
            [
                &told(2),
                &told(3),
                &told(4),
                "… 25 more as above, until 0.027s",
                "edits meal/1",
                "→ zone   push lost: the link is cut"
            ]
        );
    }

    #[test]
    fn what_differs_in_more_than_the_try_is_told() {
        let mut out = String::new();
        let mut repeats = Repeats::default();
        for n in 0..10 {
            let sentence = format!("commits no. {n}");
            assert!(!repeats.takes(&mut out, (Time(n), Node::World, &sentence)).expect("a text"));
        }
        assert_eq!(out, "");
    }
}
