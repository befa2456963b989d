//! The output that the documents show is what the commands print.

use std::fs;
use std::path::Path;

use engine::flaw::Flaw;
use sim::report::{Told, Zoo, terminal};
use sim::zoo;

use super::folder::Folder;

/// The documents that show output.
const DOCUMENTS: &[&str] =
    &["README.md", "docs/commands.md", "docs/known-bugs.md", "docs/scenarios.md"];

/// The command lines of a document that the next `text` block shows the output of, and that output.
fn examples(document: &str) -> Vec<(&str, &str)> {
    let mut examples = Vec::new();
    let mut command = None;
    for (n, block) in document.split("```").enumerate().filter(|(n, _)| n % 2 == 1) {
        let (language, body) =
            block.split_once('\n').unwrap_or_else(|| panic!("block {n} is empty"));
        match (language, body.strip_prefix("seawall "), command.take()) {
            ("console", Some(arguments), _) => command = Some(arguments.trim()),
            ("text", _, Some(arguments)) => examples.push((arguments, body)),
            _ => {}
        }
    }
    examples
}

/// Copies the files of a folder, at any depth.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the folder for tests takes folders");
    for entry in fs::read_dir(from).expect("the folder exists") {
        let entry = entry.expect("it can be listed");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("it can be copied");
        }
    }
}

#[test]
fn examples_in_documents_are_what_the_commands_print() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = Folder::new("documents");
    copy(&root.join("scenarios"), &folder.0.join("scenarios"));
    let mut played = 0;
    for document in DOCUMENTS {
        let text = fs::read_to_string(root.join(document)).expect("documents are UTF-8");
        for (arguments, shown) in examples(&text) {
            let said = folder.seawall(&arguments.split(' ').collect::<Vec<_>>());
            assert_eq!(said.out, shown, "{document} shows another output of seawall {arguments}");
            played += 1;
        }
    }
    assert!(played > 0, "a document shows a real failure");
}

#[test]
fn an_example_is_a_command_and_the_output_after_it() {
    let document = "\
```console
seawall run lunch
```

It prints this:

```text
PASS
```

```console
seawall zoo     # no output is shown
```
```toml
x = 1
```
```text
not of the zoo
```
";
    assert_eq!(examples(document), [("run lunch", "PASS\n")]);
}

#[test]
fn the_matrix_that_is_kept_has_all_flaws_all_columns_and_the_figures_of_the_documents() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path| fs::read_to_string(root.join(path)).expect("it is UTF-8");
    let kept = read("snapshots/zoo.md");
    let zoo = Zoo { build: String::new(), on: vec![], seeds: 0, enough: 0, rows: vec![] };
    let today = terminal::render(&Told::Zoo(&zoo), usize::MAX);
    let rows = |text: &str| -> Vec<Vec<String>> {
        let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        rows.map(|row| row.split(" | ").map(str::to_owned).collect()).collect()
    };
    let (kept_rows, columns) = (rows(&kept), rows(&today).remove(0));
    assert_eq!(kept_rows[0], columns, "`seawall zoo --write snapshots/zoo.md` measures again");
    let flaws: Vec<&str> = kept_rows[1..].iter().map(|row| row[0].as_str()).collect();
    assert_eq!(flaws, zoo::flaws().map(Flaw::id).collect::<Vec<_>>());
    for row in &kept_rows {
        assert_eq!(row.len(), columns.len(), "{row:?}");
    }

    let last = kept.lines().last().expect("it is not empty");
    let (caught, rest) = last.split_once(" of ").expect("the last line sums up");
    let (all, _) = rest.split_once(" flaws caught").expect("the last line sums up");
    assert!(read("docs/known-bugs.md").contains(&format!("{caught} of {all} flaws are caught")));
    assert!(read("README.md").contains(&format!("Of {all} known bugs, {caught} are caught")));
}
