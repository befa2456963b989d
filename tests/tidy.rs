//! The house rules that a compiler does not check: who may know whom, and what never lands.
//!
//! A rule is a row of [`RULES`]: where it holds, what it bans, what to do instead, and a small bad
//! source. The sources are read with comments and the insides of strings blanked, so a word in a
//! sentence is no offence. The test that every rule bites keeps this file honest.

mod circles;
mod documents;
mod files;
mod limits;
mod map;
mod source;
mod tree;

use source::{Source, sources};

/// A house rule.
struct Rule {
    /// The modules that it holds for: `sim/src/report` is that file and its folder.
    of: &'static [&'static str],
    /// Those that it does not hold for.
    but: &'static [&'static str],
    check: Check,
    instead: &'static str,
    /// Where the rule holds, a source that breaks it once.
    bad: (&'static str, &'static str),
}

enum Check {
    /// These words do not occur in code.
    NoWord(&'static [&'static str]),
    /// These do not occur anywhere, comments included.
    NoText(&'static [&'static str]),
    /// Of this crate, nothing but these modules is named.
    Only(&'static str, &'static [&'static str]),
    /// Of this crate, these modules are not named.
    Never(&'static str, &'static [&'static str]),
}

const EVERYWHERE: &[&str] = &["src", "sim", "tests", "bench"];
/// The modules that play a run.
const STAGE: &[&str] = &[
    "keychain", "mailbox", "message", "network", "remote", "shell", "store", "volume", "workload",
    "world",
];

/// All that takes part in a run. Only `run` itself sleeps, on the runtime's clock.
const IN_A_RUN: &[&str] = &[
    "sim/harness/src/alarm",
    "sim/harness/src/clock",
    "sim/harness/src/conditions",
    "sim/harness/src/digest",
    "sim/harness/src/disk",
    "sim/harness/src/fault",
    "sim/harness/src/history",
    "sim/harness/src/host",
    "sim/harness/src/judge",
    "sim/harness/src/network",
    "sim/harness/src/observation",
    "sim/harness/src/observer",
    "sim/harness/src/plan",
    "sim/harness/src/queue",
    "sim/harness/src/random",
    "sim/harness/src/run",
    "sim/harness/src/scenario",
    "sim/harness/src/settling",
    "sim/harness/src/step",
    "sim/harness/src/system",
    "sim/harness/src/time",
    "sim/harness/src/word",
    "sim/harness/src/world",
    "sim/src/fault",
    "sim/src/history",
    "sim/src/invariant",
    "sim/src/journal",
    "sim/src/keychain",
    "sim/src/mailbox",
    "sim/src/message",
    "sim/src/network",
    "sim/src/outcome",
    "sim/src/plan",
    "sim/src/remote",
    "sim/src/scenario",
    "sim/src/shell",
    "sim/src/store",
    "sim/src/time",
    "sim/src/volume",
    "sim/src/workload",
    "sim/src/world",
];

const RULES: &[Rule] = &[
    // 1. The engine is pure.
    Rule {
        of: &["src"],
        but: &[],
        check: Check::NoWord(&["madsim", "tokio", "clap", "insta", "anstream"]),
        instead: "the engine does not know who drives it: return an output",
        bad: ("src/device.rs", "use madsim::time::sleep;"),
    },
    Rule {
        of: &["src"],
        but: &[],
        check: Check::Never("std", &["env", "fs", "net", "os", "process", "thread"]),
        instead: "the engine has no world of its own: take it as an input, return an output",
        bad: ("src/device/pull.rs", "use std::{fmt, fs::File};"),
    },
    Rule {
        of: &["src"],
        but: &[],
        check: Check::NoWord(&["Instant", "SystemTime"]),
        instead: "the engine is told the time: take `now` as an argument",
        bad: ("src/time.rs", "let now = std::time::Instant::now();"),
    },
    Rule {
        of: &["src"],
        but: &[],
        check: Check::NoWord(&["async", ".await", "Future"]),
        instead: "what takes time comes back as an input",
        bad: ("src/device.rs", "pub async fn pull() {}"),
    },
    // 2. A judge hears testimony and was not at the scene.
    Rule {
        of: &["sim/src/invariant"],
        but: &[],
        check: Check::Only("crate", &["fault", "history", "invariant", "plan", "time"]),
        instead: "judge by what the history says; if it does not say it, add a fact",
        bad: ("sim/src/invariant/evidence/writes.rs", "use crate::{history::Fact, world::World};"),
    },
    Rule {
        of: &["sim/src/invariant"],
        but: &[],
        check: Check::Only(
            "engine",
            &[
                "blob",
                "dedup",
                "device",
                "id",
                "job",
                "log",
                "message",
                "processor",
                "record",
                "remote",
                "schema",
                "seal",
                "time",
                "worker",
            ],
        ),
        instead: "share ids, values and times with the engine, and none of its decisions",
        bad: ("sim/src/invariant.rs", "let shown = engine::view::Registry::new(none);"),
    },
    Rule {
        of: &["sim/src/invariant"],
        but: &[],
        check: Check::Only("engine::record", &["Payload", "Value"]),
        instead: "keep sets of tokens: a judge that merges as the engine does excuses its bugs",
        bad: ("sim/src/invariant.rs", "use engine::record::{Record, Value};"),
    },
    Rule {
        of: &["sim/src/invariant"],
        but: &[],
        check: Check::Only("engine::dedup", &["DedupKey"]),
        instead: "know a conversation by what its service calls it, and messages by their labels",
        bad: ("sim/src/invariant.rs", "use engine::dedup::Thread;"),
    },
    Rule {
        of: &["sim/src/invariant"],
        but: &[],
        check: Check::Only("engine::seal", &["OpenError"]),
        instead: "the stage opens what is sealed, and the history says what it holds",
        bad: ("sim/src/invariant.rs", "use engine::seal::Keyring;"),
    },
    Rule {
        of: &["sim/src/invariant"],
        // The histories of the judges' own tests come from plans with chances.
        but: &["sim/src/invariant/case"],
        check: Check::Only("harness", &["judge", "observation", "time"]),
        instead: "judge by what the history says; if it does not say it, add a fact",
        bad: ("sim/src/invariant/evidence/disk.rs", "use harness::disk::Disk;"),
    },
    // 3. A report shows what was found and finds nothing.
    Rule {
        of: &["sim/src/report"],
        but: &[],
        check: Check::Never("crate", STAGE),
        instead: "a report reads the history, the plan and the outcome",
        bad: ("sim/src/report/story.rs", "use crate::message::Message;"),
    },
    Rule {
        of: &["sim/src/report"],
        but: &[],
        check: Check::Never(
            "crate",
            &["cli", "night", "shrink", "sweep", "trial", "verdict", "zoo"],
        ),
        instead: "the modules that run many runs hand plain data to a report",
        bad: ("sim/src/report.rs", "use crate::trial::Tried;"),
    },
    Rule {
        of: &[
            "sim/src/capsule",
            "sim/src/cli",
            "sim/src/plan",
            "sim/src/report",
            "sim/src/scenario",
            "sim/src/shrink",
            "sim/src/sweep",
            "sim/src/trial",
            "sim/src/verdict",
            "sim/src/zoo",
        ],
        but: &[],
        check: Check::Never("harness", &["alarm", "clock", "disk", "queue"]),
        instead: "read what a run has left: its outcome, its history",
        bad: ("sim/src/report/story.rs", "use harness::{disk::Disk, time::Time};"),
    },
    // 4. A scenario is plain data and does not know its interpreter.
    Rule {
        of: &["sim/src/scenario", "sim/src/plan"],
        but: &[],
        check: Check::Never("crate", STAGE),
        instead: "say it in the plan and let the stage act on it",
        bad: ("sim/src/scenario/draw.rs", "use crate::world::World;"),
    },
    Rule {
        of: &["sim/src/scenario/draw"],
        but: &[],
        check: Check::Never("crate::scenario", &["read"]),
        instead: "what reading and drawing share stands in sim/src/scenario/shared.rs",
        bad: ("sim/src/scenario/draw/mix.rs", "use crate::scenario::read::OF_A_PATH;"),
    },
    Rule {
        of: &["sim/src/scenario/read"],
        but: &[],
        check: Check::Never("crate::scenario", &["draw"]),
        instead: "what reading and drawing share stands in sim/src/scenario/shared.rs",
        bad: ("sim/src/scenario/read/step.rs", "use crate::scenario::draw::draw;"),
    },
    Rule {
        of: &["sim/src/scenario", "sim/src/plan"],
        but: &[],
        check: Check::Never("engine", &["entropy", "message", "seal", "view"]),
        instead: "a scenario names devices, records and values, nothing inside them",
        bad: ("sim/src/scenario/draw.rs", "use engine::seal::Keyring;"),
    },
    // 5. A workload is a user.
    Rule {
        of: &["sim/src/workload"],
        but: &[],
        check: Check::Never("engine", &["flaw", "seal"]),
        instead: "a user can read, write and wait: go through Ask and Answer",
        bad: ("sim/src/workload.rs", "let key = engine::seal::Key([0; 32]);"),
    },
    // 6. Faults happen to the environment.
    Rule {
        of: &["sim/src/fault"],
        but: &[],
        check: Check::Never("engine", &["device", "record", "seal", "view", "flaw"]),
        instead: "act on links, disks, clocks, remotes and nodes; a bug of the engine is a flaw",
        bad: ("sim/src/fault.rs", "use engine::device::Device;"),
    },
    Rule {
        of: &["sim/src/fault", "sim/src/host"],
        but: &[],
        check: Check::Only("crate", &["fault", "host"]),
        instead: "declare what a fault does, and let the stage act on it",
        bad: ("sim/src/fault/cut.rs", "use crate::world::World;"),
    },
    // 7. The modules that run many runs know only `run`.
    Rule {
        of: &[
            "sim/src/capsule",
            "sim/src/cli",
            "sim/src/main",
            "sim/src/night",
            "sim/src/shrink",
            "sim/src/sweep",
            "sim/src/trial",
            "sim/src/verdict",
            "sim/src/zoo",
        ],
        but: &[],
        check: Check::Never("crate", STAGE),
        instead: "a run is a function from a plan to an outcome: call run::run",
        bad: ("sim/src/shrink.rs", "use crate::mailbox;"),
    },
    // 8. One place for the runtime, for threads, for printing, for randomness, for real time.
    Rule {
        of: &["sim", "bench"],
        but: &["sim/src/run", "bench/src/exchange"],
        check: Check::NoWord(&["madsim::"]),
        instead: "only run knows the runtime (and what compares it, in bench)",
        bad: ("sim/src/network.rs", "let now = madsim::time::Instant::now();"),
    },
    Rule {
        of: &["sim"],
        but: &["sim/harness/src/fresh"],
        check: Check::NoWord(&["thread::spawn", "thread::Builder", "thread::scope"]),
        instead: "hand the work to the pool",
        bad: ("sim/src/sweep.rs", "std::thread::spawn(work);"),
    },
    Rule {
        of: &["sim"],
        // A build script speaks to cargo by printing, and a crew has the pipes of its workers.
        but: &[
            "sim/build",
            "sim/harness/examples/perils",
            "sim/harness/src/cli",
            "sim/harness/src/crew",
            "sim/src/cli",
            "sim/src/main",
            "sim/src/report",
        ],
        check: Check::NoWord(&["print!", "println!", "eprint!", "eprintln!", "stdout", "stderr"]),
        instead: "return a value and let the command line or a report print it",
        bad: ("sim/src/world.rs", "println!(\"here\");"),
    },
    Rule {
        of: &["src", "sim"],
        but: &["src/entropy", "sim/harness/src/random"],
        check: Check::NoWord(&["rand", "rand_chacha", "rand_core", "ChaCha8Rng", "SeedableRng"]),
        instead: "draw from engine::entropy, or from a stream or a keyed draw of harness::random",
        bad: ("sim/src/network.rs", "use rand_chacha::ChaCha8Rng;"),
    },
    Rule {
        of: IN_A_RUN,
        but: &[],
        check: Check::NoWord(&["Instant", "SystemTime"]),
        instead: "a run has only simulated time: take harness::time::Time as an argument",
        bad: ("sim/harness/src/clock.rs", "let now = Instant::now();"),
    },
    // 9. Judges, users, faults and doubles do not know which bug is switched on.
    Rule {
        of: &[
            "sim/harness",
            "sim/src/fault",
            "sim/src/invariant",
            "sim/src/keychain",
            "sim/src/message",
            "sim/src/network",
            "sim/src/remote",
            "sim/src/workload",
        ],
        but: &[],
        check: Check::NoWord(&["Flaw", "Flaws", "flaw", "flaws"]),
        instead: "judge, use, break and serve the product as if it had no switches",
        bad: ("sim/src/invariant/evidence/writes.rs", "if plan.flaws.has(Flaw::Fb01) {}"),
    },
    // 10. The harness fits any system.
    Rule {
        of: &["sim/harness"],
        but: &[],
        check: Check::NoText(&["engine", "Engine"]),
        instead: "the harness knows no system: take it as a parameter of the traits of a system",
        bad: ("sim/harness/src/time.rs", "// As the engine has it."),
    },
    // What never lands.
    Rule {
        of: EVERYWHERE,
        but: &[],
        check: Check::NoWord(&["HashMap", "HashSet", "RandomState", "DefaultHasher"]),
        instead: "iteration order is part of a run: use BTreeMap, BTreeSet or a sorted Vec",
        bad: ("bench/src/main.rs", "let seen = std::collections::HashSet::new();"),
    },
    Rule {
        of: EVERYWHERE,
        but: &[],
        check: Check::NoWord(&["select!", "join!"]),
        instead: "wait for one thing: the order of branches is not drawn from the seed",
        bad: ("sim/src/shell.rs", "tokio::select! { a = b => {} }"),
    },
    Rule {
        of: EVERYWHERE,
        but: &[],
        check: Check::NoWord(&["todo!", "unimplemented!", "dbg!"]),
        instead: "finish it, or leave the room empty",
        bad: ("src/view.rs", "fn show() { todo!() }"),
    },
    Rule {
        of: EVERYWHERE,
        but: &["tests/tidy"],
        check: Check::NoText(&["FIXME", "TODO", "XXX", "HACK"]),
        instead: "fix it, or write down the scenario that shows it",
        bad: ("sim/src/network.rs", "// FIXME: sometimes lost"),
    },
    // The documents have a longer list, in tests/tidy/documents.rs; sources come up to it folder by folder.
    Rule {
        of: EVERYWHERE,
        but: &["tests/tidy"],
        check: Check::NoText(&[
            "hoever",
            " anew",
            "befall",
            "how-manieth",
            "goes round",
            "at the most",
            " heed",
            "omebody",
            "nybody",
            " is told",
            " was told",
            " so many ",
            "parted",
            "bookkeeping",
            "Parcel",
            "parcel",
            "Letter {",
            "Deed",
            "Chore",
            "chore",
        ]),
        instead: "name who does what, in the field's terms: again, happens to, the count, at most",
        bad: ("sim/src/world.rs", "// Whoever comes second is sent anew."),
    },
    Rule {
        of: EVERYWHERE,
        but: &[],
        check: Check::NoWord(&["#[allow(", "#![allow("]),
        instead: "write #[expect(lint, reason = \"…\")], which says when it is no longer needed",
        bad: ("src/seal.rs", "#[allow(dead_code)] fn f() {}"),
    },
    Rule {
        of: EVERYWHERE,
        but: &[],
        check: Check::NoWord(&["#[ignore", "#[should_panic", "thread::sleep", "fn test_"]),
        instead: "a test runs, asserts, does not wait, and says in its name what must hold",
        bad: ("tests/laws.rs", "#[test] #[ignore] fn deletes_stay() {}"),
    },
];

impl Rule {
    fn holds_for(&self, source: &Source) -> bool {
        let within = |places: &[&str]| places.iter().any(|place| source.is_within(place));
        within(self.of) && !within(self.but)
    }

    /// What this source has that the rule bans, with the line.
    fn offences(&self, source: &Source) -> Vec<(usize, String)> {
        match self.check {
            Check::NoWord(words) => {
                words.iter().flat_map(|word| source.lines_with_word(word)).collect()
            }
            Check::NoText(texts) => {
                texts.iter().flat_map(|text| source.lines_with_text(text)).collect()
            }
            Check::Only(root, names) => {
                let named = source.modules_named_of(root).into_iter();
                named.filter(|(_, name)| !names.contains(&name.as_str())).collect()
            }
            Check::Never(root, names) => {
                let named = source.modules_named_of(root).into_iter();
                named.filter(|(_, name)| names.contains(&name.as_str())).collect()
            }
        }
    }
}

#[test]
fn the_sources_keep_the_house_rules() {
    let mut complaints = Vec::new();
    for source in sources() {
        for rule in RULES.iter().filter(|rule| rule.holds_for(&source)) {
            for (line, what) in rule.offences(&source) {
                complaints.push(format!("{}:{line}: `{what}`: {}", source.path, rule.instead));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_place_that_a_house_rule_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for place in RULES.iter().flat_map(|rule| rule.of.iter().chain(rule.but)) {
        let module = root.join(place);
        let is_there = module.is_dir() || module.with_extension("rs").is_file();
        assert!(is_there, "a rule names {place}, and there is no such module");
    }
}

#[test]
fn every_house_rule_bites() {
    for rule in RULES {
        let (path, text) = rule.bad;
        let bad = Source::new(path, text);
        assert!(rule.holds_for(&bad), "{path} is not a place where this holds: {}", rule.instead);
        assert!(!rule.offences(&bad).is_empty(), "{text:?} should break: {}", rule.instead);
        for place in rule.but {
            let excused = Source::new(&format!("{place}.rs"), text);
            assert!(!rule.holds_for(&excused), "{place} is excused");
        }
        if !matches!(rule.check, Check::NoText(_)) {
            let said = Source::new(path, &format!("//! {text}\nfn f() -> &str {{ {text:?} }}"));
            assert_eq!(rule.offences(&said), [], "a word in a sentence is no offence");
        }
    }
}
