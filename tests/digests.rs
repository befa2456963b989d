//! What seeds 0 to 9 of every shipped scenario (of a large one: seed 0) do, kept as digests of their histories.
//!
//! A digest that changes is no failure by itself: it says that runs are not what they were. The
//! author of a change that was to do that blesses the new ones; any other author has found a bug.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use engine::flaw::Flaws;
use harness::fresh::cores;
use harness::pool::{Event, Pool};
use harness::stop::Stop;
use sim::run::run;
use sim::scenario::{self, Scenario};

const SEEDS: u64 = 10;

/// Set to write the file instead of comparing with it.
const BLESS: &str = "SEAWALL_BLESS";

const HEAD: &str = "\
# Digests of seeds 0 to 9 of every shipped scenario, without flaws. Written by
#
#     SEAWALL_BLESS=1 cargo test digests
#
# after a change of the engine, the stage or a scenario that is meant to change runs.
";

type Digests = BTreeMap<(String, u64), String>;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../snapshots/digests.txt")
}

fn shipped() -> Vec<Arc<Scenario>> {
    let mut scenarios = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a plain name");
            let bytes = std::fs::read(&path).expect("it can be read");
            let (scenario, _) =
                scenario::read(name, name, &bytes).expect("shipped files are right");
            scenarios.push(Arc::new(scenario));
        }
    }
    scenarios
}

fn measured() -> Digests {
    let scenarios = shipped();
    let runs = scenarios.iter().flat_map(|it| {
        let seeds = if it.about.tags.iter().any(|tag| tag == "scale") { 1 } else { SEEDS };
        (0..seeds).map(move |seed| (Arc::clone(it), seed))
    });
    let mut digests = Digests::new();
    let mut pool = Pool::new(cores(), Stop::default());
    // Without optimisation a large run takes long.
    pool.patience = Duration::from_secs(3_600);
    pool.each(
        runs,
        None,
        |(it, seed)| format!("{} seed {seed}", it.name),
        |(it, seed), _| {
            let digest = run(&scenario::draw(&it, seed, Flaws::NONE)).digest();
            Some(((it.name.clone(), seed), format!("{digest:032x}")))
        },
        |event| {
            if let Event::Done { result, .. } = event {
                let (key, digest) = result.expect("no run panics");
                assert_eq!(digests.insert(key, digest), None, "names are told apart");
            }
            ControlFlow::Continue(())
        },
    );
    digests
}

fn printed(digests: &Digests) -> String {
    let line =
        |((name, seed), digest): (&(String, u64), &String)| format!("{name} {seed} {digest}\n");
    digests.iter().map(line).collect()
}

fn parsed(text: &str) -> Digests {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let parse = |line: &str| {
        let [name, seed, digest] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("not a scenario, a seed and a digest: {line}");
        };
        ((name.to_owned(), seed.parse().expect("a seed is a number")), digest.to_owned())
    };
    lines.map(parse).collect()
}

/// Each difference in a line.
fn differences(kept: &Digests, measured: &Digests) -> Vec<String> {
    let mut keys: Vec<&(String, u64)> = kept.keys().chain(measured.keys()).collect();
    keys.sort();
    keys.dedup();
    let differing = keys.into_iter().filter_map(|key| {
        let (name, seed) = key;
        match (kept.get(key), measured.get(key)) {
            (Some(kept), Some(measured)) if kept == measured => None,
            (Some(kept), Some(measured)) => {
                Some(format!("{name} seed {seed}: kept {kept}, measured {measured}"))
            }
            (Some(_), None) => Some(format!("{name} seed {seed}: kept, but not shipped any more")),
            (None, _) => Some(format!("{name} seed {seed}: not kept yet")),
        }
    });
    differing.collect()
}

#[test]
fn digests_of_shipped_scenarios_are_the_kept_ones() {
    let measured = measured();
    if std::env::var_os(BLESS).is_some_and(|value| value == "1") {
        let text = format!("{HEAD}{}", printed(&measured));
        std::fs::write(file(), text).expect("the snapshots can be written");
        return;
    }
    let kept = parsed(&std::fs::read_to_string(file()).unwrap_or_default());
    let differing = differences(&kept, &measured);
    assert!(
        differing.is_empty(),
        "{} of {} runs are not what they were:\n  {}\n\
         If a change of the engine, the stage or a scenario was to change runs, write\n\
         \x20   {BLESS}=1 cargo test digests\n\
         and commit snapshots/digests.txt with it. If none was, find out what changed: \
         `cargo run --release -- replay SCENARIO --seed N` here and at the commit before.",
        differing.len(),
        measured.len(),
        differing.join("\n  "),
    );
}

#[test]
fn digests_that_differ_are_missing_or_are_new_are_each_told() {
    let key = |seed| ("lunch".to_owned(), seed);
    let kept = Digests::from([(key(0), "aa".into()), (key(1), "bb".into()), (key(2), "cc".into())]);
    let mut now = kept.clone();
    assert_eq!(differences(&kept, &now), Vec::<String>::new());
    assert_eq!(parsed(&format!("{HEAD}{}", printed(&now))), kept, "what is written is read back");
    now.insert(key(1), "b0".into());
    now.remove(&key(2));
    now.insert(key(3), "dd".into());
    let told = differences(&kept, &now);
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0], "lunch seed 1: kept bb, measured b0");
}
