//! The output that the documents show is what the commands print.

use std::fs;
use std::path::Path;

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
