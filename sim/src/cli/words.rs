//! The words of a command line: seeds, times, records and flaws, and what to say about a wrong one.

use std::ops::Range;
use std::time::Duration;

use engine::flaw::Flaw;
use engine::id::{Kind, RecordId};
use harness::time::Time;

use crate::report::export::Format;
use crate::zoo;

/// More jobs than this are a slip of the finger.
const MOST_JOBS: usize = 1024;

/// What a run is exported as.
pub(super) fn export(text: &str) -> Result<Format, String> {
    let known = [("perfetto", Format::Perfetto), ("shiviz", Format::Shiviz), ("edn", Format::Edn)];
    let found = known.iter().find(|(word, _)| *word == text).map(|(_, format)| *format);
    found.ok_or_else(|| "the formats are `perfetto`, `shiviz` and `edn`".to_owned())
}

/// One seed: a decimal or `0x` number, `_` allowed between digits.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    let digits = text.replace('_', "");
    let (digits, radix) = match digits.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None => (digits.as_str(), 10),
    };
    let fine = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
    if !fine {
        return Err("a seed is a whole number from 0, such as 42 or 10_000".to_owned());
    }
    u64::from_str_radix(digits, radix)
        .map_err(|_| format!("too large; the largest seed is {}", u64::MAX))
}

/// A number of seeds.
pub(super) fn how_many(text: &str) -> Result<u64, String> {
    match seed(text)? {
        0 => Err("no seeds; write at least 1".to_owned()),
        n => Ok(n),
    }
}

/// Seeds: `N` are the first N, `A..B` are those from A up to but not including B.
pub(super) fn seeds(text: &str) -> Result<Range<u64>, String> {
    let Some((from, to)) = text.split_once("..") else {
        return match seed(text)? {
            0 => Err("no seeds; `--seeds 1` is the first one".to_owned()),
            n => Ok(0..n),
        };
    };
    if let Some(last) = to.strip_prefix('=') {
        return Err(format!("the end of a range is not included; write {from}..{}", next(last)));
    }
    let (from, to) = (seed(from)?, seed(to)?);
    match from.cmp(&to) {
        std::cmp::Ordering::Less => Ok(from..to),
        std::cmp::Ordering::Equal => Err(format!(
            "an empty range, since its end is not included; `--seed {from}` is one seed"
        )),
        std::cmp::Ordering::Greater => {
            Err(format!("the range runs backwards; did you mean {to}..{from}?"))
        }
    }
}

fn next(last: &str) -> String {
    let next = seed(last).ok().and_then(|last| last.checked_add(1));
    next.map_or("the number after it".to_owned(), |next| next.to_string())
}

/// A length of time with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    const HELP: &str = "a length of time has a unit, as in 90s, 10m or 8h";
    let read: jiff::SignedDuration = text.parse().map_err(|_| HELP.to_owned())?;
    match Duration::try_from(read) {
        Ok(Duration::ZERO) => Err("no time at all".to_owned()),
        Ok(duration) => Ok(duration),
        Err(_) => Err("time does not run backwards".to_owned()),
    }
}

/// A moment of a run.
pub(super) fn moment(text: &str) -> Result<Time, String> {
    let millis = duration(text)?.as_millis();
    u64::try_from(millis).map(Time).map_err(|_| "that late is never".to_owned())
}

/// A number of jobs: seeds that run at once.
pub(super) fn jobs(text: &str) -> Result<usize, String> {
    let jobs = text.parse().ok().filter(|jobs| (1..=MOST_JOBS).contains(jobs));
    jobs.ok_or_else(|| format!("a number of jobs from 1 to {MOST_JOBS}"))
}

/// A flaw, by its id.
pub(super) fn flaw(text: &str) -> Result<Flaw, String> {
    let known = text.parse().ok().filter(|flaw| zoo::flaws().any(|it| it == *flaw));
    known.ok_or_else(|| {
        let close = closest(&text.to_uppercase(), zoo::flaws().map(Flaw::id));
        let close = close.map_or(String::new(), |close| format!("; did you mean {close}?"));
        let ids: Vec<&str> = zoo::flaws().map(Flaw::id).collect();
        format!("there is no such flaw{close}\n  There are: {}", ids.join(", "))
    })
}

/// A record, as in `meal/42`.
pub(super) fn row(text: &str) -> Result<RecordId, String> {
    let kinds = Kind::ALL.map(Kind::name);
    let (kind, key) = text.split_once('/').ok_or("a record is written as in meal/42")?;
    let Some(found) = Kind::ALL.into_iter().find(|it| it.name() == kind) else {
        let close = closest(kind, kinds.into_iter());
        let close = close.map_or(String::new(), |close| format!("did you mean {close}/{key}? "));
        return Err(format!(
            "there is no kind of record `{kind}`; {close}There are: {}",
            kinds.join(", ")
        ));
    };
    let key = key.parse().map_err(|_| format!("`{key}` is not the number of a record"))?;
    Ok(RecordId { kind: found, key })
}

/// The name that was probably meant.
pub(super) fn closest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const ALIKE: f64 = 0.8;
    let scored = names.map(|name| (strsim::jaro_winkler(text, name), name));
    let best = scored.max_by(|one, two| one.0.total_cmp(&two.0));
    best.filter(|(score, _)| *score >= ALIKE).map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_numbers_and_ranges() {
        assert_eq!(seeds("500"), Ok(0..500));
        assert_eq!(seeds("0..10_000"), Ok(0..10_000));
        assert_eq!(seeds("0x10..0x20"), Ok(16..32));
        assert_eq!(seed("18446744073709551615"), Ok(u64::MAX));
    }

    #[test]
    fn wrong_seeds_say_what_to_write() {
        let wrong = |text| seeds(text).expect_err("it is wrong");
        assert!(wrong("18446744073709551616").contains("the largest seed is 18446744073709551615"));
        assert!(wrong("9..3").contains("did you mean 3..9"));
        assert!(wrong("4..4").contains("--seed 4"));
        assert!(wrong("1..=4").contains("1..5"));
        assert!(wrong("0").contains("--seeds 1"));
        assert_eq!(how_many("2_000"), Ok(2_000));
        assert!(how_many("0").is_err_and(|text| text.contains("at least 1")));
        assert!(wrong("-3").contains("whole number"));
        assert!(wrong("").contains("whole number"));
        assert!(wrong("..").contains("whole number"));
    }

    #[test]
    fn times_need_a_unit() {
        assert_eq!(duration("8h"), Ok(Duration::from_secs(8 * 3600)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(moment("10.4s"), Ok(Time(10_400)));
        assert!(duration("8").is_err_and(|text| text.contains("90s")));
        assert!(duration("0s").is_err());
        assert!(duration("-1s").is_err());
    }

    #[test]
    fn a_misspelt_flaw_or_kind_is_recognised() {
        assert_eq!(flaw("deep-sync-003"), Ok(Flaw::DeepSync003));
        assert!(
            flaw("DEEPSYNC-003").is_err_and(|text| text.contains("did you mean DEEP-SYNC-003"))
        );
        assert!(row("mael/4").is_err_and(|text| text.contains("meal/4")));
        assert!(row("meal").is_err());
        assert_eq!(row("meal/42").map(|id| id.to_string()), Ok("meal/42".to_owned()));
    }
}
