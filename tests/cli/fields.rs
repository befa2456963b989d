//! What `docs/commands.md` promises to programs: the type of each field, and the exit codes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

/// Their keys are data: names of events, judges and causes.
const MAPS: &[&str] = &["coverage", "by", "excused_causes"];

/// What is promised.
struct Promises {
    fields: BTreeMap<String, String>,
    codes: Vec<i32>,
}

static PROMISES: LazyLock<Promises> = LazyLock::new(|| {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/commands.md");
    let text = std::fs::read_to_string(page).expect("it is a text");
    let rows = |heading: &str| -> Vec<(String, String)> {
        let (_, table) = text.split_once(heading).expect("the table is there");
        let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| "));
        let cells = rows.map(|row| row.split_once(" | ").expect("it has two cells"));
        cells.map(|(one, other)| (one.to_owned(), other.to_owned())).collect()
    };
    let mut fields = BTreeMap::new();
    for (kind, names) in rows("| type | fields |") {
        for name in names.split('`').skip(1).step_by(2) {
            let other = fields.insert(name.to_owned(), kind.clone());
            assert_eq!(other, None, "`{name}` is listed twice");
        }
    }
    let codes = rows("| exit code | meaning |").into_iter();
    let codes = codes.flat_map(|(codes, _)| {
        codes.split(", ").map(|code| code.parse().expect("a number")).collect::<Vec<i32>>()
    });
    Promises { fields, codes: codes.collect() }
});

const fn kind(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("yes or no"),
        Value::Number(_) => Some("number"),
        Value::String(_) => Some("text"),
        Value::Array(_) => Some("list"),
        Value::Object(_) => Some("object"),
    }
}

/// The first field that is not as promised, if there is one.
fn broken(value: &Value, is_map: bool) -> Option<String> {
    match value {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let promised = PROMISES.fields.get(name).map(String::as_str);
            let is = kind(value);
            let is_kept = is_map || promised.is_some() && (is.is_none() || is == promised);
            let what = || format!("`{name}` is {value}, and docs/commands.md says {promised:?}");
            let is_map = !is_map && MAPS.contains(&name.as_str());
            (!is_kept).then(what).or_else(|| broken(value, is_map))
        }),
        Value::Array(items) => items.iter().find_map(|item| broken(item, false)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Each line that is JSON has its version and its type, and nothing but the fields that are promised.
#[track_caller]
pub(crate) fn check_lines(text: &str) {
    for line in text.lines().filter(|line| line.starts_with("{\"")) {
        let object: Value = serde_json::from_str(line).expect("each line is JSON");
        assert_eq!(object["v"], 1, "{line}");
        assert!(object["type"].is_string(), "{line}");
        assert_eq!(broken(&object, false), None, "{line}");
    }
}

/// Is it one of the codes that are promised, or is there none since a signal ended the process?
pub(super) fn is_promised(code: Option<i32>) -> bool {
    code.is_none_or(|code| PROMISES.codes.contains(&code))
}

#[test]
fn fields_of_another_type_or_name_and_other_exit_codes_break_the_promise() {
    let broken = |text| broken(&serde_json::from_str(text).expect("it is JSON"), false);
    assert_eq!(broken(r#"{"v": 1, "again": "seawall replay x", "capsule": null}"#), None);
    let of_type = broken(r#"{"v": 1, "again": []}"#).expect("it is a list");
    assert_eq!(of_type, "`again` is [], and docs/commands.md says Some(\"text\")");
    assert!(broken(r#"{"coverage": {"conflict": {"seeds": "3"}}}"#).is_some());
    assert!(broken(r#"{"coverage": {"conflict": {"seeds": 3}}, "agian": 1}"#).is_some());
    assert!(is_promised(Some(0)) && is_promised(Some(143)) && !is_promised(Some(101)));
}
