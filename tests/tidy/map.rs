//! The map of ARCHITECTURE.md: each module at the top of a package has a row, which lists the
//! modules of its package that it uses. Uses in tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::tidy::source::{Source, root, sources};

/// The folders, and the document with the map of each.
const MAPS: &[(&str, &str)] = &[
    ("src", "ARCHITECTURE.md"),
    ("sim/src", "ARCHITECTURE.md"),
    ("sim/harness/src", "sim/harness/README.md"),
];

/// A module, and the modules of its package that it uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// The words of a text that stand in backticks.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// The rows of the table under the heading that names a folder.
fn mapped(document: &str, folder: &str) -> Uses {
    let heading = format!("### `{folder}/`");
    let section = document.lines().skip_while(|line| *line != heading).skip(1);
    let rows = section.take_while(|line| !line.starts_with('#')).filter_map(|line| {
        let [_, module, _, uses, _] = line.split('|').collect::<Vec<_>>()[..] else { return None };
        Some((quoted(module).next()?, quoted(uses).collect()))
    });
    rows.collect()
}

/// The line at which the tests at the foot of a source begin.
fn first_line_of_tests(source: &Source) -> usize {
    let lines: Vec<&str> = source.text.lines().collect();
    let begins = |pair: &[&str]| pair[0] == "#[cfg(test)]" && pair[1].ends_with("mod tests {");
    lines.windows(2).position(begins).map_or(usize::MAX, |at| at + 1)
}

/// The modules of a folder, and what each uses outside of its tests. A package's root is no module.
fn used(sources: &[Source], folder: &str) -> Uses {
    let mut uses = Uses::new();
    for source in sources {
        let Some(path) = source.path.strip_prefix(folder).and_then(|it| it.strip_prefix('/'))
        else {
            continue;
        };
        let module = path.split(['/', '.']).next().expect("a path has a first part");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let own = uses.entry(module.to_owned()).or_default();
        if path.ends_with("/tests.rs") || path.contains("/tests/") {
            continue;
        }
        let foot = first_line_of_tests(source);
        let named = source.modules_named_of("crate").into_iter();
        // A type that the root exports has the name of its module, with a capital.
        let named = named.filter(|(line, _)| *line < foot).map(|(_, name)| name.to_lowercase());
        own.extend(named.filter(|name| name != module));
    }
    uses
}

/// Where a map and a folder differ, each with what to write.
fn differences(mapped: &Uses, used: &Uses, folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    for module in used.keys().filter(|module| !mapped.contains_key(*module)) {
        found.push(format!("{folder}/: no row names `{module}`"));
    }
    for (module, uses) in mapped {
        let Some(used) = used.get(module) else {
            found.push(format!("{folder}/: there is no module `{module}`"));
            continue;
        };
        for missing in used.difference(uses) {
            found.push(format!(
                "{folder}/: `{module}` uses `{missing}`: avoid it, or add it to the row"
            ));
        }
        for stale in uses.difference(used) {
            found.push(format!(
                "{folder}/: `{module}` no longer uses `{stale}`: take it off its row"
            ));
        }
    }
    found
}

#[test]
fn the_map_shows_every_module_and_what_it_uses() {
    let sources = sources();
    let found = MAPS.iter().flat_map(|(folder, document)| {
        let document = fs::read_to_string(root().join(document)).expect("there is a map");
        differences(&mapped(&document, folder), &used(&sources, folder), folder)
    });
    let found: Vec<String> = found.collect();
    assert!(found.is_empty(), "the map:\n  {}", found.join("\n  "));
}

#[test]
fn a_map_that_differs_from_the_tree_is_noticed() {
    let document = "\
### `src/`
| module | what it is | uses |
|---|---|---|
| `a` | first | `b` `c` |
| `gone` | nothing | – |

## Other
| `x` | not a module | – |
";
    let tree = [
        Source::new("src/lib.rs", "mod a; mod b; pub use crate::b::B;"),
        Source::new(
            "src/a/inner.rs",
            "use crate::{B, d::D};\n#[cfg(test)]\nmod tests {\ncrate::e;",
        ),
        Source::new("src/a/tests.rs", "use crate::f;"),
        Source::new("src/b.rs", "use crate::b::x;"),
        Source::new("sim/src/z.rs", "use crate::a;"),
    ];
    let found = differences(&mapped(document, "src"), &used(&tree, "src"), "src");
    let expected = [
        "src/: no row names `b`",
        "src/: `a` uses `d`: avoid it, or add it to the row",
        "src/: `a` no longer uses `c`: take it off its row",
        "src/: there is no module `gone`",
    ];
    assert_eq!(found, expected);
}
