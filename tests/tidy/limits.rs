//! How large types and functions may be, over the whole tree. A type is judged over all its `impl` blocks,
//! those of traits included: one that is cut into files is not smaller.

use std::collections::BTreeMap;

use crate::tidy::source::{Source, sources};
use crate::tidy::tree::{Package, Path, packages};

const MOST_FIELDS: usize = 20;
const MOST_METHODS: usize = 40;
const MOST_LINES: usize = 70;

/// What is larger, and why. Each is named as it is reported.
const LARGER: &[(&str, &str)] = &[];

/// What is too large in a package, by its name, with its size.
fn too_large(folder: &str, package: &Package) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut methods: BTreeMap<(Path, String), usize> = BTreeMap::new();
    for (path, module) in &package.modules {
        for of in module.types.iter().filter(|of| of.fields > MOST_FIELDS) {
            found.insert(format!("{}: {}", module.file, of.name), format!("{} fields", of.fields));
        }
        for function in module.functions.iter().filter(|function| function.lines > MOST_LINES) {
            let name = format!("{}: fn {}", module.file, function.name);
            found.insert(name, format!("{} lines", function.lines));
        }
        for block in &module.impls {
            let place: Path = path.iter().chain(&block.of).cloned().collect();
            if let (module, Some(name)) = package.resolve(&place) {
                *methods.entry((module, name)).or_default() += block.methods;
            }
        }
    }
    for ((path, name), methods) in methods.into_iter().filter(|(_, n)| *n > MOST_METHODS) {
        let file = &package.modules[&path].file;
        let size = found.entry(format!("{file}: {name}")).or_default();
        *size = [&**size, &format!("{methods} methods")].join(" ").trim().to_owned();
    }
    let _ = folder;
    found
}

#[test]
fn types_and_functions_are_of_a_sane_size() {
    let sources = sources();
    let mut all = BTreeMap::new();
    for (folder, package) in &packages(&sources) {
        all.extend(too_large(folder, package));
    }
    panic!("{all:#?}");
}
