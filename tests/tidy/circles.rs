//! No modules import each other in a circle. A parent and its own children may.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::source::sources;
use crate::tidy::tree::{Package, Path, packages};

/// Modules that use each other in a circle, and why they may.
const CIRCLES: &[(&str, &[&str], &str)] = &[];

/// Which children of one parent use which others, each with an example.
type Siblings = BTreeMap<Path, BTreeMap<(String, String), String>>;

fn siblings(package: &Package) -> Siblings {
    let mut siblings = Siblings::new();
    for (from, module) in package.modules.iter().filter(|(_, module)| !module.is_test) {
        for path in &module.uses {
            let (to, _) = package.resolve(path);
            let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
            if let (Some(one), Some(other)) = (from.get(shared), to.get(shared)) {
                let uses = siblings.entry(from[..shared].to_vec()).or_default();
                uses.entry((one.clone(), other.clone()))
                    .or_insert_with(|| format!("{} names {}", module.file, path.join("::")));
            }
        }
    }
    siblings
}

/// All that a module reaches.
fn reached(from: &str, uses: &BTreeMap<(String, String), String>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(at) = open.pop() {
        for ((_, to), _) in uses.iter().filter(|((one, _), _)| *one == at) {
            if reached.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    reached
}

/// The circles of a package: the parent, the modules, and the imports.
fn circles(package: &Package) -> Vec<(Path, BTreeSet<String>, Vec<String>)> {
    let mut circles = Vec::new();
    for (parent, uses) in siblings(package) {
        let names: BTreeSet<&String> = uses.keys().map(|(from, _)| from).collect();
        let reaches: BTreeMap<&String, BTreeSet<String>> =
            names.iter().map(|name| (*name, reached(name, &uses))).collect();
        let mut seen = BTreeSet::new();
        for name in names {
            let round = |other: &&String| {
                reaches[name].contains(*other)
                    && reaches.get(*other).is_some_and(|back| back.contains(name))
            };
            let circle: BTreeSet<String> = reaches[name].iter().filter(round).cloned().collect();
            if !circle.is_empty() && seen.insert(circle.clone()) {
                let within = uses
                    .iter()
                    .filter(|((from, to), _)| circle.contains(from) && circle.contains(to));
                let examples = within.map(|(_, example)| example.clone()).collect();
                circles.push((parent.clone(), circle, examples));
            }
        }
    }
    circles
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let sources = sources();
    for (folder, package) in &packages(&sources) {
        println!("{folder}: {:#?}", circles(package));
    }
    panic!();
}
