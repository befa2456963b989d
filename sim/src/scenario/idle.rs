//! What a script asks for that cannot come, as far as that can be said before it is drawn: a path that no
//! step has made, a step of a device that is destroyed by then, an event between hosts that never exchange it.

use std::collections::BTreeSet;
use std::mem;

use super::problem::{Code, Problem, line_span};
use super::{Line, Moment, Scenario};
use crate::fault::Fault;
use crate::plan::file::{FileOperation, split_path};
use crate::plan::{Act, MessageKind, Node, Trigger, UserOperation};

/// The steps that can do nothing.
pub(super) fn check(scenario: &Scenario, text: &str) -> Vec<Problem> {
    let reasons = [paths_that_nobody_made, destroyed_by_then, never_exchanged];
    let found = reasons.into_iter().flat_map(|reason| reason(scenario));
    let found = found.filter(|(line, ..)| !line.optional);
    let problem = |(line, message, help): Idle<'_>| {
        let span = line_span(text, line.line);
        Problem::new(Code::CannotCome, text, span, message).label("does nothing").help(help)
    };
    found.map(problem).collect()
}

/// A line that can do nothing, why, and what to do.
type Idle<'s> = (&'s Line, String, &'static str);

/// The files and folders that the script has made so far. Case is not told apart: whether names are one is
/// for the system to say.
#[derive(Default)]
struct Tree(BTreeSet<String>);

impl Tree {
    fn has(&self, path: &str) -> bool {
        let path = path.to_lowercase();
        match path.strip_suffix('*') {
            Some(folder) => self.0.iter().any(|known| known.starts_with(folder)),
            None => path.is_empty() || self.0.contains(&path),
        }
    }

    /// A path, and the folders on the way.
    fn add(&mut self, path: &str) {
        let path = path.to_lowercase();
        let folders = path.match_indices('/').map(|(at, _)| path[..at].to_owned());
        self.0.extend(folders);
        self.0.insert(path);
    }

    /// What is at a path, and all below it, is at another one too: another device may still see it here.
    fn copy(&mut self, from: &str, to: &str) {
        let (from, to) = (from.to_lowercase(), to.to_lowercase());
        let below = |path: &String| {
            let rest = path.strip_prefix(&from)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{to}{rest}"))
        };
        let copies: Vec<String> = self.0.iter().filter_map(below).collect();
        copies.iter().for_each(|path| self.add(path));
    }

    /// Takes what a user does; the path that it needs and does not find.
    fn take<'d>(&mut self, operation: &'d FileOperation) -> Option<&'d str> {
        match operation {
            FileOperation::Write(path, _) | FileOperation::MakeFolder(path) => {
                self.add(path);
                None
            }
            FileOperation::Move(paths, to) => {
                let missing = paths.iter().find(|path| !self.has(path));
                self.add(to);
                for path in paths {
                    match path.strip_suffix("/*") {
                        Some(folder) => self.copy(folder, to),
                        None => self.copy(path, &child(to, name(path))),
                    }
                }
                missing.map(String::as_str)
            }
            FileOperation::Rename(path, new) => {
                let missing = !self.has(path);
                let folder = split_path(path).map_or("", |(folder, _)| folder);
                self.copy(path, &child(folder, new));
                missing.then_some(path)
            }
            FileOperation::Read(path)
            | FileOperation::Delete(path)
            | FileOperation::Undelete(path)
            | FileOperation::Restore(path, _)
            | FileOperation::Versions(path) => (!self.has(path)).then_some(path),
            FileOperation::List => None,
        }
    }
}

fn name(path: &str) -> &str {
    split_path(path).map_or("", |(_, name)| name)
}

fn child(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// A mix makes files of its own.
fn paths_that_nobody_made(scenario: &Scenario) -> Vec<Idle<'_>> {
    let mut tree = Tree::default();
    let mut found = Vec::new();
    for line in scenario.script.iter().filter(|_| scenario.mix.is_none()) {
        let operations = line.acts.iter().filter_map(|(act, _)| match act {
            Act::User(_, UserOperation::File(operation)) => Some(operation),
            Act::User(..) | Act::Processor(..) | Act::Fault(..) | Act::Wait => None,
        });
        let missing: Vec<&str> = operations.filter_map(|operation| tree.take(operation)).collect();
        let Some(path) = missing.first() else { continue };
        let message = format!("no step before this one makes `{path}`");
        found.push((line, message, "make it first with `write-file` or `make-folder`"));
    }
    found
}

/// A device that was destroyed does nothing more, and nothing happens to it.
fn destroyed_by_then(scenario: &Scenario) -> Vec<Idle<'_>> {
    let mut found = Vec::new();
    for (at, end) in scenario.script.iter().enumerate() {
        let destroyed = end.acts.iter().filter_map(|(act, _)| match act {
            Act::Fault(Fault::Destroy(it), _) => Some(it.device),
            Act::User(..) | Act::Processor(..) | Act::Fault(..) | Act::Wait => None,
        });
        for device in destroyed {
            let is_its = |line: &&Line| line.acts.iter().all(|(act, _)| host(act) == device.into());
            let later = scenario.script.iter().enumerate();
            let later = later.filter(|(n, _)| is_after(&scenario.script, *n, at));
            let message =
                format!("{} is destroyed by then", scenario.devices[usize::from(device.0)].name);
            let idle = later.map(|(_, line)| line).filter(is_its);
            found.extend(idle.map(|line| {
                (line, message.clone(), "move it before that step, or give it to another device")
            }));
        }
    }
    found
}

/// Does a line certainly come after another one? It does if both have a moment, or if it counts from the other
/// one, directly or over the lines between them.
fn is_after(script: &[Line], one: usize, other: usize) -> bool {
    if let (Moment::At(one), Moment::At(other)) = (&script[one].when, &script[other].when) {
        return one.low() > other.high();
    }
    let counts = |line: &Line| matches!(line.when, Moment::After(_) | Moment::On(..));
    one > other && script[other + 1..=one].iter().all(counts)
}

/// Whom a step is about.
fn host(act: &Act) -> Node {
    match act {
        Act::User(device, _) => (*device).into(),
        Act::Processor(processor, _) => (*processor).into(),
        Act::Fault(fault, _) => fault.host(),
        Act::Wait => Node::World,
    }
}

/// An event between two hosts that never exchange such a message.
fn never_exchanged(scenario: &Scenario) -> Vec<Idle<'_>> {
    let mut found = Vec::new();
    for line in &scenario.script {
        let Moment::On(trigger, _) = &line.when else { continue };
        let (one, message_kind, other) = match *trigger {
            Trigger::Got(to, message_kind, from) => (from, message_kind, to),
            Trigger::Sent(from, message_kind, to) | Trigger::Lost(from, message_kind, to) => {
                (from, message_kind, to)
            }
            Trigger::Committed(_) | Trigger::Quiet(_) => continue,
        };
        if !exchange(one, message_kind, other) {
            let what = message_kind.word();
            let message = format!("no message of the kind `{what}` goes from the one to the other");
            found.push((line, message, "name another kind, or two hosts that exchange it"));
        }
    }
    found
}

/// Do these two exchange such messages? An answer has the kind of its request.
fn exchange(mut one: Node, message_kind: MessageKind, mut other: Node) -> bool {
    let asks = |node: Node| matches!(node, Node::Device(_) | Node::Processor(_));
    if message_kind != MessageKind::Hint && !asks(one) {
        mem::swap(&mut one, &mut other);
    }
    match message_kind {
        MessageKind::Pull | MessageKind::Push | MessageKind::Fetch | MessageKind::Other => {
            matches!((one, other), (Node::Device(_), Node::Remote(_)))
        }
        MessageKind::Hint => matches!((one, other), (Node::Remote(_), Node::Device(_))),
        MessageKind::Account | MessageKind::File | MessageKind::Upload | MessageKind::Feed => {
            matches!((one, other), (Node::Device(_), Node::Worker(_)))
        }
        MessageKind::Session | MessageKind::Work => asks(one) && matches!(other, Node::Worker(_)),
    }
}

#[cfg(test)]
mod tests {
    use engine::id::{DeviceId, Remote};

    use super::*;
    use crate::plan::WorkerId;
    use crate::plan::file::Content;

    #[test]
    fn a_path_is_there_once_a_step_has_made_it_or_brought_something_there() {
        let mut tree = Tree::default();
        let write = |path: &str| FileOperation::Write(path.to_owned(), Content::of("x"));
        let read = |path: &str| FileOperation::Read(path.to_owned());
        let mut misses = |operation: FileOperation| tree.take(&operation).is_some();
        assert!(misses(read("a/b.txt")));
        assert!(!misses(write("a/b.txt")));
        assert!(!misses(read("a/B.txt")));
        assert!(!misses(FileOperation::Delete("a".into())), "folders on the way are made");
        assert!(!misses(FileOperation::Rename("a".into(), "c".into())));
        assert!(!misses(read("c/b.txt")));
        assert!(!misses(FileOperation::Move(vec!["c/*".into()], "d/e".into())));
        assert!(!misses(read("d/e/b.txt")));
        assert!(misses(FileOperation::Move(vec!["x/*".into()], "d".into())));
        assert!(misses(read("d/b.txt")));
    }

    #[test]
    fn messages_go_between_those_who_exchange_them() {
        let (phone, tablet) = (Node::Device(DeviceId(0)), Node::Device(DeviceId(1)));
        let (zone, worker) = (Node::Remote(Remote::Zone), Node::Worker(WorkerId(0)));
        for (one, message_kind, other, may) in [
            (phone, MessageKind::Push, zone, true),
            (zone, MessageKind::Push, phone, true),
            (phone, MessageKind::Push, tablet, false),
            (phone, MessageKind::Push, worker, false),
            (zone, MessageKind::Hint, phone, true),
            (phone, MessageKind::Hint, zone, false),
            (phone, MessageKind::Upload, worker, true),
            (worker, MessageKind::Session, phone, true),
            (zone, MessageKind::Session, phone, false),
        ] {
            assert_eq!(
                exchange(one, message_kind, other),
                may,
                "{one:?} {message_kind:?} {other:?}"
            );
        }
    }
}
