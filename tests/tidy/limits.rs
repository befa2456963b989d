//! How large types and functions may be, over the whole tree. A type is judged over all its `impl` blocks,
//! those of traits included: one that is cut into files is not smaller.

use std::collections::BTreeMap;

use crate::tidy::source::{Source, sources};
use crate::tidy::tree::{Package, Path, packages};

const MOST_FIELDS: usize = 20;
const MOST_METHODS: usize = 40;
const MOST_LINES: usize = 70;

/// What may be too large: the file, the type or function, and the reason.
const TOO_LARGE: &[(&str, &str, &str)] = &[];

/// Where something is, and its name.
type Named = (String, String);

/// What is too large in a package, and how large.
fn too_large(package: &Package) -> BTreeMap<Named, String> {
    let mut found: BTreeMap<Named, Vec<String>> = BTreeMap::new();
    let mut note = |file: &str, name: &str, size: usize, most: usize, of: &str| {
        if size > most {
            let sizes = found.entry((file.to_owned(), name.to_owned())).or_default();
            sizes.push(format!("{size} {of}"));
        }
    };
    let mut methods: BTreeMap<(Path, String), usize> = BTreeMap::new();
    for module in package.modules.values() {
        for it in &module.types {
            note(&module.file, &it.name, it.fields, MOST_FIELDS, "fields");
        }
        for it in &module.functions {
            note(&module.file, &format!("fn {}", it.name), it.lines, MOST_LINES, "lines");
        }
        for block in &module.impls {
            if let (module, Some(name)) = package.resolve(&block.of) {
                *methods.entry((module, name)).or_default() += block.methods;
            }
        }
    }
    for ((path, name), methods) in methods {
        note(&package.modules[&path].file, &name, methods, MOST_METHODS, "methods");
    }
    found.into_iter().map(|(named, sizes)| (named, sizes.join(", "))).collect()
}

/// What to change in these sources or in the table of exceptions.
fn complaints(sources: &[Source], excused: &[(&str, &str, &str)]) -> Vec<String> {
    let packages = packages(sources);
    let found: BTreeMap<Named, String> = packages.values().flat_map(too_large).collect();
    let is_excused =
        |(file, name): &Named| excused.iter().any(|(in_file, of, _)| in_file == file && of == name);
    let new = found.iter().filter(|(named, _)| !is_excused(named));
    let new = new.map(|((file, name), size)| format!("{file}: {name} has {size}: divide it"));
    let is_found = |file: &str, name: &str| found.contains_key(&(file.to_owned(), name.to_owned()));
    let stale = excused.iter().filter(|(file, name, _)| !is_found(file, name));
    let stale =
        stale.map(|(file, name, _)| format!("{file}: {name} is small: take it off the list"));
    new.chain(stale).collect()
}

#[test]
fn types_and_functions_are_of_a_sane_size() {
    let complaints = complaints(&sources(), TOO_LARGE);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn what_is_too_large_is_noticed_wherever_its_parts_are() {
    let fields: String = (0..=MOST_FIELDS).map(|n| format!("f{n}: u8,")).collect();
    let half: String = (0..=MOST_METHODS / 2).map(|n| format!("fn m{n}(&self) {{}}")).collect();
    let lines = "\n".repeat(MOST_LINES);
    let tree = [
        Source::new("src/lib.rs", "mod a; mod b; pub use a::Wide;"),
        Source::new("src/a.rs", &format!("pub struct Wide {{ {fields} }} pub struct Deep;")),
        Source::new("src/a/b.rs", &format!("use super::Deep; impl Deep {{ {half} }}")),
        Source::new("src/b.rs", &format!("impl Show for crate::a::Deep {{ {half} }}")),
        // Another type of the same name, and one that is imported by way of another module.
        Source::new("src/b/c.rs", &format!("struct Deep; impl Deep {{ {half} }}")),
        Source::new("src/b/d.rs", "use crate::Wide; impl Wide { fn one(&self) {} }"),
        Source::new("src/c.rs", &format!("impl<T> A<T> {{ fn long() {{ {lines} }} }}")),
        Source::new("src/d.rs", "fn short() {\n \"}\" }\nmacro_rules! m { () => { fn f() {} } }"),
    ];
    let expected = [
        "src/a.rs: Deep has 42 methods: divide it",
        "src/a.rs: Wide has 21 fields: divide it",
        "src/c.rs: fn long has 71 lines: divide it",
    ];
    assert_eq!(complaints(&tree, &[]), expected);
    let excused = [("src/a.rs", "Wide", "a reason"), ("src/a.rs", "Gone", "a reason")];
    let expected = [expected[0], expected[2], "src/a.rs: Gone is small: take it off the list"];
    assert_eq!(complaints(&tree, &excused), expected);
}
