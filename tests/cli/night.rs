//! Sweeps that are kept in a folder: what ends them costs the chunks that were under way, and cannot be seen in the
//! result.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use engine::flaw::Flaws;
use harness::pool::{Ended, Pool};
use harness::stop::Stop;
use sim::night::folder::{Results, Writer};
use sim::night::gather::Gathered;
use sim::night::shard::Shard;
use sim::night::sweep_into;
use sim::report::Detail;
use sim::scenario;
use sim::sweep::{News, Wish};
use sim::trial::Chosen;

use super::folder::{Folder, LUNCH, Said};

/// The arguments of a sweep into this folder.
fn sweep<'a>(results: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let plain = ["sweep", "lunch", "--seeds", "40", "--chunk", "4", "--results", results];
    [&plain, more].concat()
}

/// The names and bytes of all chunks.
fn chunks(folder: &Folder, results: &str) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(folder.0.join(results).join("chunks")) else {
        return BTreeMap::new();
    };
    let read = |path: PathBuf| {
        let name =
            path.file_name().expect("it is a file").to_str().expect("it is ASCII").to_owned();
        (name, fs::read_to_string(path).unwrap_or_default())
    };
    let all = entries.map(|entry| read(entry.expect("it can be listed").path()));
    all.filter(|(name, _)| !name.starts_with('.')).collect()
}

/// Lunch in a world that nobody promised.
fn wrong() -> String {
    let end = "at-end = [{ on = [\"phone\"], row = \"meal/42\", field = \"kcal\", is = 1 }]";
    LUNCH.replace("[expect]", &format!("[expect]\n{end}"))
}

#[test]
fn a_sweep_that_is_killed_goes_on_and_comes_to_the_same_bytes() {
    let folder = Folder::with_scenario("night-killed");
    let whole = folder.seawall(&sweep("whole", &[]));
    assert_eq!(whole.code, Some(0), "{whole:?}");
    assert_eq!(chunks(&folder, "whole").len(), 10);
    let mut killed = folder.command(&sweep("killed", &["--jobs", "1"]));
    let mut killed = killed.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    while chunks(&folder, "killed").len() < 2 && killed.try_wait().expect("it runs").is_none() {
        std::thread::yield_now();
    }
    killed.kill().expect("it can be killed");
    killed.wait().expect("it ends");
    let resumed = folder.seawall(&sweep("killed", &["--resume"]));
    assert_eq!((resumed.code, &resumed.out), (Some(0), &whole.out), "{resumed:?}");
    assert!(resumed.err.contains("of 10 chunks are done"), "{}", resumed.err);
    assert_eq!(chunks(&folder, "killed"), chunks(&folder, "whole"));
}

#[test]
fn a_chunk_that_was_cut_short_is_named_and_computed_again() {
    let folder = Folder::with_scenario("night-cut");
    folder.seawall(&sweep("night", &[]));
    let before = chunks(&folder, "night");
    let name = "night/chunks/lunch.8-11.jsonl";
    folder.put(name, &before["lunch.8-11.jsonl"][..200]);
    let said = folder.seawall(&sweep("night", &["--resume"]));
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(
        said.err.contains(&format!("{name}: it is cut short; it is computed again")),
        "{said:?}"
    );
    assert_eq!(chunks(&folder, "night"), before);
}

#[test]
fn a_folder_takes_one_sweep_by_one_process() {
    let folder = Folder::with_scenario("night-refused");
    folder.seawall(&["sweep", "lunch", "--results", "night"]).is_wrong_usage("must know its seeds");
    assert_eq!(folder.seawall(&sweep("night", &[])).code, Some(0));
    folder.seawall(&sweep("night", &[])).is_wrong_usage("night has a sweep already");
    let more = sweep("night", &["--resume", "--flaw", "DEEP-SYNC-003"]);
    folder.seawall(&more).is_wrong_usage("flaws: there none; here DEEP-SYNC-003");
    let more =
        ["sweep", "lunch", "--seeds", "41", "--chunk", "4", "--results", "night", "--resume"];
    folder.seawall(&more).is_wrong_usage("seeds: there 0..40; here 0..41");
    folder.put("scenarios/lunch.toml", LUNCH.replace("kcal = 350", "kcal = 351"));
    folder.seawall(&sweep("night", &["--resume"])).is_wrong_usage("scenarios: there lunch (");
    folder.put("scenarios/lunch.toml", LUNCH);
    folder.put("night/manifest.json", "{");
    folder.seawall(&sweep("night", &["--resume"])).is_wrong_usage("night/manifest.json: EOF");
    let lock = fs::File::create(folder.0.join("night/lock")).expect("it is there");
    lock.lock().expect("nobody has it");
    folder.seawall(&sweep("night", &["--resume"])).is_wrong_usage("another process sweeps into");
    folder.put("other/lunch.toml", LUNCH);
    let both = ["sweep", "scenarios", "other", "--seeds", "4", "--results", "both"];
    folder.seawall(&both).is_wrong_usage("two scenarios are called `lunch`");
    let many = ["sweep", "--seeds", "18446744073709551615", "--results", "many"];
    folder.seawall(&many).is_wrong_usage("chunks of 256 seeds are more than");
}

#[test]
fn failures_are_noted_at_once_and_only_once() {
    let folder = Folder::new("night-failures");
    folder.put("scenarios/lunch.toml", wrong());
    let first = folder.seawall(&sweep("night", &["--no-shrink"]));
    assert_eq!(first.code, Some(1), "{first:?}");
    assert!(first.err.contains("new: values-are-as-expected"), "{}", first.err);
    assert!(first.out.contains("seawall replay lunch --seed 0"), "{}", first.out);
    let noted = || fs::read_to_string(folder.0.join("night/failures.jsonl")).expect("it is there");
    assert_eq!(noted().lines().count(), 40);
    // A line that was cut short, of a chunk that is gone.
    folder.put("night/failures.jsonl", noted().trim_end().rsplit_once(',').expect("it is long").0);
    fs::remove_file(folder.0.join("night/chunks/lunch.36-39.jsonl")).expect("it is there");
    let again = folder.seawall(&sweep("night", &["--no-shrink", "--resume"]));
    assert_eq!((again.code, &again.out), (Some(1), &first.out), "{again:?}");
    assert_eq!(noted().lines().count(), 41);
    let parsed =
        noted().lines().filter(|it| serde_json::from_str::<serde_json::Value>(it).is_ok()).count();
    assert_eq!(parsed, 40);
}

/// What was found in a chunk that was not done is in the summary.
#[test]
fn what_was_noted_counts_before_its_chunk_is_done() {
    let folder = Folder::new("night-loose");
    folder.put("scenarios/lunch.toml", wrong());
    let said: Said = folder.seawall(&sweep("night", &["--no-shrink", "--stop-after", "1"]));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("stopped: 1 distinct bug"), "{}", said.out);
    assert!(said.err.contains("chunks are missing"), "{}", said.err);
    for chunk in chunks(&folder, "night").keys() {
        fs::remove_file(folder.0.join("night/chunks").join(chunk)).expect("it is there");
    }
    let said = folder.seawall(&sweep("night", &["--no-shrink", "--resume", "--for", "1ms"]));
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.contains("BUG 1"), "{}", said.out);
}

/// Two scenarios, one of which fails, in three folders of a shard each and in one folder as a whole.
fn sharded(name: &str) -> Folder {
    let folder = Folder::with_scenario(name);
    folder.put("scenarios/wrong.toml", wrong());
    let command = |results, more: &[&'static str]| {
        let plain = ["sweep", "--seeds", "14", "--chunk", "3", "--no-shrink", "--results", results];
        folder.seawall(&[&plain, more].concat())
    };
    assert_eq!(command("whole", &[]).code, Some(1));
    for (results, shard) in [("a", "0/3"), ("b", "1/3"), ("c", "2/3")] {
        let said = command(results, &["--shard", shard]);
        assert_eq!(said.code, Some(1), "each has chunks of both: {said:?}");
    }
    folder
}

#[test]
fn shards_that_are_merged_are_the_sweep_of_one_process_byte_for_byte() {
    let folder = sharded("night-merged");
    let merge = |folders: &[&'static str]| {
        folder.seawall(&[&["merge", "--no-shrink", "--write", "all.jsonl"], folders].concat())
    };
    let written = || fs::read(folder.0.join("all.jsonl")).expect("it was written");
    let whole = merge(&["whole"]);
    let bytes = written();
    assert_eq!(whole.code, Some(1), "{whole:?}");
    for folders in [["c", "a", "b"].as_slice(), &["a", "b", "c", "a"], &["whole", "b"]] {
        let merged = merge(folders);
        assert_eq!((merged.code, &merged.out), (Some(1), &whole.out), "{merged:?}");
        assert!(written() == bytes, "{folders:?} has other bytes");
    }
    let plain = ["sweep", "--seeds", "14", "--chunk", "3", "--no-shrink", "--resume", "--results"];
    let swept = folder.seawall(&[&plain, ["whole"].as_slice()].concat());
    assert_eq!((swept.code, &swept.out), (Some(1), &whole.out), "a sweep says the same");
    // All shards in one folder, two of them by what the engine sets.
    for index in ["4", "5"] {
        let mut command = folder.command(&[&plain, ["d", "--shard", "env"].as_slice()].concat());
        command.env("SLURM_ARRAY_TASK_ID", index).env("SLURM_ARRAY_TASK_MIN", "3");
        command.env("SLURM_ARRAY_TASK_COUNT", "3").env("SLURM_ARRAY_TASK_STEP", "1");
        assert_eq!(Said::from(command.output().expect("it starts")).code, Some(1));
    }
    let missing = merge(&["d"]);
    assert_eq!((missing.code, missing.out.as_str()), (Some(6), ""), "{missing:?}");
    assert!(
        missing.err.contains("4 of 10 chunks are missing, the first is lunch.0-2"),
        "{missing:?}"
    );
    let some = merge(&["d", "--allow-missing"]);
    assert!(some.code == Some(1) && some.out.contains("4 of 10 chunks are missing"), "{some:?}");
    folder.seawall(&[&plain, ["d", "--shard", "0/3"].as_slice()].concat());
    assert_eq!(merge(&["d"]).out, whole.out);
}

#[test]
fn a_chunk_that_came_out_differently_is_non_determinism() {
    let folder = sharded("night-contradiction");
    let path = "c/chunks/lunch.6-8.jsonl";
    let text = fs::read_to_string(folder.0.join(path)).expect("it is of the third shard");
    let (body, _) = text.trim_end().rsplit_once('\n').expect("it has two lines");
    let body = body.replacen("\"twice\":0", "\"twice\":1", 1) + "\n";
    let digest = xxhash_rust::xxh3::xxh3_128(body.as_bytes());
    let (bytes, digest) = (body.len(), format!("{digest:032x}"));
    let end = format!("{{\"v\":1,\"type\":\"end\",\"bytes\":{bytes},\"digest\":\"{digest}\"}}\n");
    folder.put(path, body + &end);
    let said = folder.seawall(&["merge", "a", "b", "c", "whole", "--no-shrink"]);
    assert_eq!(said.code, Some(5), "{said:?}");
    assert!(said.err.contains("the chunk lunch.6-8 was computed twice"), "{}", said.err);
}

#[test]
fn what_cannot_be_merged_is_said() {
    let folder = sharded("night-unmerged");
    folder.seawall(&["merge", "nowhere"]).is_wrong_usage("there is no sweep in nowhere");
    folder.seawall(&sweep("other", &[]));
    folder.seawall(&["merge", "a", "other"]).is_wrong_usage("other is not of the sweep of a");
    let wrong = sweep("a", &["--shard", "3/3"]);
    folder.seawall(&wrong).is_wrong_usage("there is no shard 3 of 3");
    let lock = fs::File::create(folder.0.join("a/lock-0-of-3")).expect("it is there");
    lock.lock().expect("nobody has it");
    let plain = ["sweep", "--seeds", "14", "--chunk", "3", "--results", "a", "--shard"];
    folder.seawall(&[&plain, ["0/3"].as_slice()].concat()).is_wrong_usage("another process");
    folder.seawall(&[&plain[..7], ["--resume"].as_slice()].concat());
    folder.put("scenarios/lunch.toml", LUNCH.replace("kcal = 350", "kcal = 351"));
    let said = folder.seawall(&["merge", "a", "b", "c"]);
    said.is_wrong_usage("what was swept is not what is here");
    assert!(said.err.contains("scenarios: there lunch ("), "{}", said.err);
}

/// A worker that is ended in seed 5 when that runs first, and as the words say also in the first turn from 20 to 29 of
/// the seed that it runs alone.
const WORKER: &str = r#"
program=$1; mark=$2; alone=$3; shift 3
"$program" "$@" | while IFS= read -r line; do
    printf '%s\n' "$line"
    case "$alone $line" in
        *'"Begins":"5"'*) [ -e "$mark" ] && continue; : > "$mark" ;;
        ends*'"Begins":"{\"turn\":2'[0-9],*) ;;
        *) continue ;;
    esac
    kill -ABRT $$
    exit
done
"#;

/// A sweep in a folder, with workers that are ended.
fn with_mortal_workers(folder: &Folder, results: &str, alone: &str) -> (Gathered, Vec<String>) {
    let path = folder.0.join("scenarios/lunch.toml").display().to_string();
    let scenario = scenario::read("lunch", &path, LUNCH.as_bytes()).expect("it is right").0;
    let chosen = Chosen { scenario: Arc::new(scenario), argument: "lunch".to_owned(), path };
    // As the program has it: this test is another one.
    let manifest = Results::open(&folder.0.join("whole")).expect("it was swept").manifest;
    let (seeds, chunk) = (manifest.first..manifest.last + 1, manifest.chunk.to_string());
    let command = || {
        let mut command = Command::new("sh");
        command.arg("worker.sh").arg(env!("CARGO_BIN_EXE_seawall"));
        command.args([format!("{results}.mark").as_str(), alone]);
        command.args(["worker", "--sweep", &manifest.id(), "--chunk", &chunk, "--memory", "2048"]);
        command.args(["--seeds", "0..40", "scenarios/lunch.toml"]).current_dir(&folder.0);
        command
    };
    let wish = Wish {
        chosen: vec![chosen],
        flaws: Flaws::NONE,
        seeds: Some(seeds),
        time: None,
        stop_after: None,
        shrink: false,
        detail: Detail::Brief,
        judges_demands: true,
    };
    let place = folder.0.join(results);
    let mut writer = Writer::open(&place, &manifest, Shard::ALL, false).expect("it is free");
    let mut notes = Vec::new();
    let pool = Pool::new(2, Stop::default());
    let ended = sweep_into(&wish, &mut writer, &pool, command, |news| {
        if let News::Note(note) = news {
            notes.push(note.to_owned());
        }
    });
    assert_eq!(ended.expect("it comes to an end"), Ended::Exhausted);
    (Gathered::of(&writer.results, Shard::ALL).expect("it can be read"), notes)
}

#[test]
fn a_seed_that_ends_its_process_costs_that_seed_and_is_told_with_its_host() {
    let folder = Folder::with_scenario("night-died");
    folder.put("worker.sh", WORKER);
    assert_eq!(folder.seawall(&sweep("whole", &[])).code, Some(0));
    let manifest = Results::open(&folder.0.join("whole")).expect("it was swept").manifest;
    let (gathered, notes) = with_mortal_workers(&folder, "died", "ends");
    assert!(notes.iter().any(|it| it.contains("new: run-ends · died")), "{notes:?}");
    let past = gathered.past(&manifest, String::new()).expect("they are chunks");
    assert_eq!((past.rows[0].seeds, past.rows[0].failed), (40, 1));
    let [(0, failed)] = &past.failed[..] else { panic!("{:?}", past.failed) };
    assert_eq!((failed.seed, failed.died.as_deref()), (5, Some("it was aborted")));
    assert!(failed.stuck.is_some_and(|it| (20..30).contains(&it.turn)), "{failed:?}");
    let message = &failed.violations[0].message;
    let host = &failed.violations[0].host;
    let told = format!("In {host}, one turn ends the process: it was aborted. It was given ");
    assert!(message.starts_with(&told), "{message}");
    let (again, _) = with_mortal_workers(&folder, "again", "ends");
    assert_eq!(again.text(), gathered.text());
}

#[test]
fn a_worker_that_no_seed_has_ended_costs_nothing() {
    let folder = Folder::with_scenario("night-strange");
    folder.put("worker.sh", WORKER);
    assert_eq!(folder.seawall(&sweep("whole", &[])).code, Some(0));
    let (_, notes) = with_mortal_workers(&folder, "strange", "lives");
    let told = "a worker ended in lunch seed 5, which alone ends none: its chunk is run again";
    assert_eq!(notes, [told]);
    assert_eq!(chunks(&folder, "strange"), chunks(&folder, "whole"));
}

/// Where it was when its time was over depends on the machine, and is not kept.
#[test]
fn a_seed_whose_time_is_over_leaves_the_same_bytes_wherever_it_was() {
    let folder = Folder::with_scenario("night-late");
    let late = |results| {
        let late = ["sweep", "lunch", "--seeds", "1", "--seed-timeout", "1ms", "--no-shrink"];
        folder.seawall(&[&late, ["--results", results].as_slice()].concat())
    };
    let (one, other) = (late("one"), late("other"));
    assert!(one.code == other.code && [Some(0), Some(1)].contains(&one.code), "{one:?}");
    assert_eq!(chunks(&folder, "one").len(), 1);
    if one.code == Some(1) {
        assert_eq!(chunks(&folder, "one"), chunks(&folder, "other"));
    }
}

#[test]
fn a_worker_is_refused_if_what_is_swept_has_changed() {
    let folder = Folder::with_scenario("night-changed");
    let worker = ["worker", "--sweep", "0", "--seeds", "0..4", "--chunk", "4", "--memory", "2048"];
    let said = folder.seawall(&[&worker, ["lunch"].as_slice()].concat());
    said.is_wrong_usage("have changed since the sweep began");
}
