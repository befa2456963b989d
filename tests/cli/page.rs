//! `report`: a run as a page. What a browser makes of it is tested in `web/test`.

use std::fs;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde_json::Value;

use super::folder::{Folder, LUNCH};

/// The element that carries the data: its type and its content.
fn element(page: &str) -> (&str, &str) {
    let (_, rest) = page.split_once("<script type=\"").expect("there is an element of data");
    let (kind, rest) = rest.split_once("\" id=\"data\">").expect("it has a name");
    (kind, rest.split_once("</script>").expect("it ends").0)
}

/// The data of a page.
fn data(page: &str) -> Value {
    let (kind, content) = element(page);
    if kind == "application/json" {
        return serde_json::from_str(content).expect("it is JSON");
    }
    assert_eq!(kind, "application/gzip");
    let packed = STANDARD.decode(content).expect("it is base64");
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("it is packed text");
    serde_json::from_str(&text).expect("it is JSON")
}

/// A lunch whose change is never sent, since the phone is destroyed: nothing is wrong with that.
fn excused(name: &str) -> Folder {
    let folder = Folder::new(name);
    let lost = "steps = [{ at = \"2.01s\", device = \"phone\", do = \"destroy\" }, ";
    folder.put("scenarios/lunch.toml", LUNCH.replace("steps = [", lost));
    folder
}

#[test]
fn a_page_of_a_capsule_is_beside_it_and_has_the_same_bytes_each_time() {
    let folder = Folder::with_scenario("page-capsule");
    let wrong = LUNCH.replace(
        "[expect]",
        "[expect]\nat-end = [{ on = [\"phone\"], row = \"meal/42\", field = \"kcal\", is = 1 }]",
    );
    folder.put("scenarios/wrong.toml", wrong);
    folder.seawall(&["run", "wrong", "--seed", "0"]);
    let files = || fs::read_dir(folder.0.join(".seawall/capsules")).expect("capsules are kept");
    let names = files().map(|file| file.expect("it is listed").file_name());
    let names: Vec<String> =
        names.map(|name| name.into_string().expect("names are texts")).collect();
    let capsule = names.iter().find(|name| name.ends_with(".toml")).expect("it fails");
    let capsule = format!(".seawall/capsules/{capsule}");
    let page = || {
        let said = folder.seawall(&["report", &capsule, "--quick"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let file = capsule.replace(".toml", ".html");
        assert!(said.out.contains(&format!("page:      {file}")), "{}", said.out);
        fs::read_to_string(folder.0.join(file)).expect("it is written")
    };
    let (one, other) = (page(), page());
    assert_eq!(one, other);
    let data = data(&one);
    assert_eq!(data["run"]["replayed"], "exact");
    assert_eq!(data["verdict"]["invariant"], "values-are-as-expected");
    let commands = data["commands"].as_array().expect("a list").iter();
    let commands: Vec<&str> = commands.filter_map(|it| it[1].as_str()).collect();
    assert!(commands.contains(&&*format!("seawall shrink {capsule}")), "{commands:?}");
}

#[test]
fn a_page_loads_nothing_and_runs_only_its_own_program() {
    let folder = excused("page-policy");
    let said = folder.seawall(&["report", "lunch", "--seed", "0", "-o", "lunch.html"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let page = fs::read_to_string(folder.0.join("lunch.html")).expect("it is written");
    let policy = page.split("Content-Security-Policy\" content=\"").nth(1).expect("it has one");
    let policy = policy.split('"').next().expect("it ends");
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    for loads in [" src=", " href=", "@import", "url(http"] {
        let (head, _) = page.split_once("<footer").expect("it has a foot");
        assert!(!head.contains(loads), "{loads}");
    }
    let data = data(&page);
    assert_eq!((&data["verdict"], &data["cone"]), (&Value::Null, &Value::Array(Vec::new())));
}

#[test]
fn programs_learn_where_a_page_is() {
    let folder = excused("page-records");
    let said = folder.seawall(&["report", "lunch", "--seed", "0", "--format", "jsonl"]);
    let told: Value = serde_json::from_str(&said.out).expect("it is one line");
    assert_eq!((&told["type"], &told["invariant"]), (&"report".into(), &Value::Null));
    let file = told["file"].as_str().expect("a text");
    assert_eq!(file, ".seawall/capsules/lunch-0.html");
    assert_eq!(told["bytes"], fs::read(folder.0.join(file)).expect("it is written").len());
}

#[test]
fn a_page_that_cannot_be_written_is_wrong_usage() {
    let folder = Folder::with_scenario("page-nowhere");
    let said = folder.seawall(&["report", "lunch", "--seed", "0", "-o", "no/such/lunch.html"]);
    said.is_wrong_usage("cannot write into no/such");
    folder.seawall(&["report", "lunch"]).is_wrong_usage("which seed of it?");
}

#[test]
fn a_long_run_is_packed() {
    let folder = Folder::with_scenario("page-long");
    let long = LUNCH.replace("[script]", "[timing]\npull-every = \"20ms\"\n\n[script]");
    folder.put("scenarios/long.toml", long.replace("tags =", "lasts = \"8m\"\ntags ="));
    let said = folder.seawall(&["report", "long", "--seed", "0", "-o", "long.html"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let page = fs::read_to_string(folder.0.join("long.html")).expect("it is written");
    assert_eq!(element(&page).0, "application/gzip");
    let facts = data(&page)["events"]["at"].as_array().expect("a list").len();
    assert!(facts > 20_000 && page.len() < 1_000_000, "{facts} facts, {} bytes", page.len());
}
