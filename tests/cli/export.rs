//! `export`: each format is read back by a reader of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use edn_format::{Keyword, Value as Edn, parse_str};
use regex::Regex;
use serde_json::Value;

use super::folder::Folder;

/// A folder with an incident.
fn incident(name: &str, of: &str) -> Folder {
    let folder = Folder::new(&format!("export-{name}"));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/incidents");
    let file = format!("{of}.toml");
    let scenario = fs::read(shipped.join(&file)).expect("it is shipped");
    folder.put(&format!("scenarios/{file}"), scenario);
    folder
}

/// An incident with its bug, as printed.
fn exported(name: &str, of: &str, flaw: &str, form: &str) -> String {
    let folder = incident(name, of);
    let print = || {
        let said = folder
            .command(&["export", of, "--seed", "0", "--flaw", flaw, "--as", form, "-o", "-"])
            .output()
            .expect("the command starts");
        assert_eq!(said.status.code(), Some(1), "it violates something: {said:?}");
        String::from_utf8(said.stdout).expect("it is text")
    };
    let once = print();
    assert_eq!(once, print(), "the same bytes each time");
    once
}

#[test]
fn a_trace_has_tracks_whose_slices_do_not_overlap_and_arrows_with_two_ends() {
    let text = exported("trace", "deep-sync-001", "DEEP-SYNC-001", "perfetto");
    let trace: Value = serde_json::from_str(&text).expect("it is JSON");
    let events = trace["traceEvents"].as_array().expect("it has events");
    let number = |event: &Value, of: &str| {
        event[of].as_u64().unwrap_or_else(|| panic!("{of} is a number in {event}"))
    };
    let of = |ph: &'static str| events.iter().filter(move |it| it["ph"] == ph);
    let track = |event: &Value| (number(event, "pid"), number(event, "tid"));
    let named: BTreeSet<_> = of("M").filter(|it| it["name"] == "thread_name").map(track).collect();
    let mut ends: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut slices = BTreeSet::new();
    for slice in of("X") {
        assert!(named.contains(&track(slice)), "its track has a name: {slice}");
        let begin = number(slice, "ts");
        let end = ends.entry(track(slice)).or_default();
        assert!(*end <= begin, "it begins after the one before: {slice}");
        *end = begin + number(slice, "dur");
        slices.insert((track(slice), begin));
    }
    let flows = |ph| -> BTreeMap<u64, (u64, (u64, u64))> {
        of(ph).map(|it| (number(it, "id"), (number(it, "ts"), track(it)))).collect()
    };
    let (sent, arrived) = (flows("s"), flows("f"));
    assert!(sent.len() > 20 && sent.keys().eq(arrived.keys()), "each arrow has two ends");
    for (id, (begin, from)) in &sent {
        let (end, to) = arrived[id];
        assert!(*begin <= end, "message {id} arrives after it was sent");
        assert!(slices.contains(&(*from, *begin)) && slices.contains(&(to, end)));
    }
    let begun: BTreeSet<u64> = of("b").map(|it| number(it, "id")).collect();
    let over: BTreeSet<u64> = of("e").map(|it| number(it, "id")).collect();
    assert!(!begun.is_empty() && begun == over, "faults begin and end");
    assert_eq!(of("i").filter(|it| it["cat"] == "violation").count(), 1);
    assert!(of("X").any(|it| it["cat"] == "path") && of("X").any(|it| it["cat"] == "proof"));
}

#[test]
fn a_log_has_vector_clocks_that_messages_carry() {
    let text = exported("log", "deep-sync-003", "DEEP-SYNC-003", "shiviz");
    let (expression, log) = text.split_once("\n\n").expect("the first line is the expression");
    let expression = Regex::new(expression).expect("it is a regular expression");
    let mut known: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut events = 0;
    let mut learnt = 0;
    for found in expression.captures_iter(log) {
        events += 1;
        let (host, clock) = (found["host"].to_owned(), &found["clock"]);
        let clock: BTreeMap<String, u64> = serde_json::from_str(clock).expect("it is a clock");
        let before = known.entry(host.clone()).or_default();
        assert_eq!(clock[&host], before.get(&host).copied().unwrap_or_default() + 1, "{host}");
        for (other, count) in before.iter() {
            assert!(clock[other] >= *count, "{host} forgets nothing of {other}");
        }
        learnt +=
            usize::from(clock.iter().any(|(of, it)| *of != host && before.get(of) != Some(it)));
        *before = clock.clone();
        for (other, count) in clock {
            let own = known.get(&other).and_then(|it| it.get(&other)).copied().unwrap_or_default();
            assert!(count <= own, "{host} knows of {other} only what has happened there");
        }
    }
    assert_eq!(log.lines().count(), 2 * events, "each event has two lines, and each is read");
    assert!(learnt > 20, "messages bring what was known elsewhere");
}

/// A member of a map.
fn member<'v>(value: &'v Edn, name: &str) -> &'v Edn {
    let Edn::Map(members) = value else { panic!("{value:?} is a map") };
    let key = Edn::Keyword(Keyword::from_name(name));
    members.get(&key).unwrap_or_else(|| panic!("{name} is in {value:?}"))
}

#[test]
fn a_history_has_one_end_for_each_operation_of_a_process() {
    let text = exported("edn", "deep-sync-003", "DEEP-SYNC-003", "edn");
    let mut busy: BTreeMap<Edn, Edn> = BTreeMap::new();
    let mut gone: BTreeSet<Edn> = BTreeSet::new();
    let mut times = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        let op = parse_str(line).unwrap_or_else(|error| panic!("{line}: {error:?}"));
        assert_eq!(member(&op, "index"), &Edn::from(i64::try_from(nth).expect("few")));
        let Edn::Integer(time) = member(&op, "time") else { panic!("a time is a number: {line}") };
        times.push(*time);
        let (process, f) = (member(&op, "process").clone(), member(&op, "f").clone());
        let Edn::Keyword(kind) = member(&op, "type") else { panic!("a type is a keyword: {line}") };
        match kind.name() {
            "invoke" => {
                assert!(!gone.contains(&process), "nobody knows what it did last: {line}");
                assert_eq!(busy.insert(process, f), None, "it does one thing at a time: {line}");
            }
            end => {
                assert_eq!(busy.remove(&process), Some(f), "it was asked for: {line}");
                assert!(["ok", "fail", "info"].contains(&end), "{line}");
                gone.extend((end == "info").then_some(process));
            }
        }
    }
    assert!(busy.is_empty() && times.len() > 10 && times.is_sorted());
}

#[test]
fn a_checker_that_knows_only_the_history_sees_the_lost_write() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/checker/check.py");
    let folder = incident("checker", "deep-sync-003");
    let check = |flaws: &[&str], code| {
        let arguments = ["export", "deep-sync-003", "--seed", "0", "--as", "edn", "-o", "it.edn"];
        let said = folder.seawall(&[&arguments[..], flaws].concat());
        assert_eq!(said.code, Some(code), "{said:?}");
        Command::new("python3").arg(&script).arg(folder.0.join("it.edn")).output().ok()
    };
    let Some(sound) = check(&[], 0) else {
        eprintln!("there is no python3 here; 2 histories were not checked by another program");
        return;
    };
    let told = |it: &std::process::Output| String::from_utf8_lossy(&it.stdout).into_owned();
    assert_eq!(sound.status.code(), Some(0), "{}", told(&sound));
    assert!(told(&sound).contains("nothing is lost"), "{}", told(&sound));
    let flawed = check(&["--flaw", "DEEP-SYNC-003"], 1).expect("it was there before");
    assert_eq!(flawed.status.code(), Some(1), "{}", told(&flawed));
    assert!(told(&flawed).contains("w2 (daily-log/7.mood) is nowhere"), "{}", told(&flawed));
}

#[test]
fn what_cannot_be_exported_is_said() {
    let folder = Folder::with_scenario("export-wrong");
    folder.seawall(&["export", "lunch", "--seed", "0", "--as", "xml"]).is_wrong_usage("perfetto");
    folder.seawall(&["export", "nowhere", "--as", "edn"]).is_wrong_usage("nowhere");
    let into = ["export", "lunch", "--seed", "0", "--as", "edn", "-o", "no/such/folder/it.edn"];
    folder.seawall(&into).is_wrong_usage("no/such/folder");
    let said = folder.seawall(&["export", "lunch", "--seed", "0", "--as", "edn"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("export:    .seawall/capsules/lunch-0.edn ("), "{}", said.out);
    assert!(folder.0.join(".seawall/capsules/lunch-0.edn").is_file());
}
