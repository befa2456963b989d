//! No modules import each other in a circle. A parent and its own children may: they are one thing.
//!
//! Siblings are compared at every level of the tree, each with all that is inside of it, so two files that
//! need each other are found as the folders at which their paths part. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};

use crate::tidy::source::{Source, sources};
use crate::tidy::tree::{Package, Path, packages};

/// The circles that may be: the folder of their modules, the modules, and why.
const CIRCLES: &[(&str, &[&str], &str)] = &[];

/// Who uses whom among the children of one parent, each with an import that shows it.
type Siblings = BTreeMap<(String, String), String>;

fn siblings(package: &Package) -> BTreeMap<Path, Siblings> {
    let mut siblings: BTreeMap<Path, Siblings> = BTreeMap::new();
    for (from, module) in package.modules.iter().filter(|(_, module)| !module.is_test) {
        for path in &module.uses {
            let (to, _) = package.resolve(path);
            let shared = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
            if let (Some(one), Some(other)) = (from.get(shared), to.get(shared)) {
                let uses = siblings.entry(from[..shared].to_vec()).or_default();
                let example = || format!("{} uses {}", module.file, path.join("::"));
                uses.entry((one.clone(), other.clone())).or_insert_with(example);
            }
        }
    }
    siblings
}

/// All modules that one reaches.
fn reached(from: &str, uses: &Siblings) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for (_, to) in uses.keys().filter(|(from, _)| from == at) {
            if reached.insert(to.clone()) {
                open.push(to);
            }
        }
    }
    reached
}

/// The circles among siblings.
fn circles(uses: &Siblings) -> BTreeSet<BTreeSet<String>> {
    let names: BTreeSet<&String> = uses.keys().map(|(from, _)| from).collect();
    let reach: BTreeMap<&String, _> = names.iter().map(|it| (*it, reached(it, uses))).collect();
    let goes_back = |from: &String, to: &String| reach.get(from).is_some_and(|it| it.contains(to));
    let circle_of = |name: &String| -> BTreeSet<String> {
        reach[name].iter().filter(|other| goes_back(other, name)).cloned().collect()
    };
    names.into_iter().map(circle_of).filter(|circle| !circle.is_empty()).collect()
}

/// What to change in these sources or in the table of exceptions.
fn complaints(sources: &[Source], excused: &[(&str, &[&str], &str)]) -> Vec<String> {
    let mut complaints = Vec::new();
    let mut seen = BTreeSet::new();
    for (package, modules) in &packages(sources) {
        for (parent, uses) in siblings(modules) {
            let folder = [&[(*package).to_owned()][..], &parent].concat().join("/");
            for circle in circles(&uses) {
                let is_it = |(place, names, _): &&(&str, &[&str], &str)| {
                    *place == folder && circle.iter().eq(names.iter())
                };
                if let Some((place, names, _)) = excused.iter().find(is_it) {
                    seen.insert((*place, *names));
                    continue;
                }
                let within =
                    |(from, to): &(String, String)| circle.contains(from) && circle.contains(to);
                let shown =
                    uses.iter().filter(|(pair, _)| within(pair)).map(|(_, example)| example);
                let names: Vec<&str> = circle.iter().map(String::as_str).collect();
                let shown: Vec<&str> = shown.map(String::as_str).collect();
                complaints.push(format!(
                    "{folder}: {} import each other; move what they share:\n  {}",
                    names.join(", "),
                    shown.join("\n  ")
                ));
            }
        }
    }
    let stale = excused.iter().filter(|(folder, names, _)| !seen.contains(&(*folder, *names)));
    complaints.extend(stale.map(|(folder, names, _)| {
        format!("{folder}: {} are another circle, or none: change the list", names.join(", "))
    }));
    complaints
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let complaints = complaints(&sources(), CIRCLES);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn circles_are_noticed_at_every_level() {
    let tree = [
        Source::new("src/lib.rs", "mod a; mod b; mod c; mod d;"),
        // A parent and its child use each other, and two children do by way of a third.
        Source::new("src/a.rs", "mod p; mod q; mod r; use self::p::P; pub use self::q::Q;"),
        Source::new("src/a/p.rs", "use super::{A, Q};"),
        Source::new("src/a/q.rs", "use super::r::{self, R}; pub struct Q;"),
        Source::new("src/a/r.rs", "fn f() { assert!(crate::a::p::P > 0); }"),
        // Two folders, by files inside of them.
        Source::new("src/b.rs", "mod x; #[cfg(test)] mod tests { use crate::d::D; }"),
        Source::new("src/b/x.rs", "fn f() -> crate::c::y::Y {}"),
        Source::new("src/c.rs", "mod y;"),
        Source::new("src/c/y.rs", "use crate::{b::B, a::Q};"),
        // One that only a test closes.
        Source::new("src/d.rs", "use crate::b::B;"),
    ];
    let expected = [
        "src: b, c import each other; move what they share:\n  \
         src/b/x.rs uses c::y::Y\n  src/c/y.rs uses b::B",
        "src/a: p, q, r import each other; move what they share:\n  \
         src/a/p.rs uses a::Q\n  src/a/q.rs uses a::r\n  src/a/r.rs uses a::p::P",
    ];
    assert_eq!(complaints(&tree, &[]), expected);
    let excused: [(&str, &[&str], &str); 2] =
        [("src/a", &["p", "q", "r"], "a reason"), ("src", &["a", "c"], "a reason")];
    let stale = "src: a, c are another circle, or none: change the list";
    assert_eq!(complaints(&tree, &excused), [expected[0], stale]);
}
