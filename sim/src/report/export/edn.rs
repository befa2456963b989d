//! A history of Jepsen: each operation of a user begins with `:invoke` and ends with `:ok`, with `:fail` if it has no
//! effect, or with `:info` if nobody knows.
//!
//! A process has one operation at a time, and none after one that ended with `:info`: a device is as many processes
//! as it needs.

use std::collections::BTreeMap;

use engine::device::Presence;

use engine::id::OpId;

use crate::history::{Answered, Asked, Fact, Shown, WriteKind};
use crate::plan::Node;
use crate::report::Story;
use crate::report::story::{Scene, field_name};

/// A process: its host, and what it is busy with.
struct Process {
    host: Node,
    state: State,
}

enum State {
    Free,
    Busy(OpId, &'static str),
    /// Nobody knows what came of its last operation.
    Gone,
}

pub(super) fn render(story: &Story<'_>) -> String {
    let (plan, history) = (story.plan, &story.outcome.history[..]);
    let scene = Scene::new(plan, history);
    let mut processes: Vec<Process> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut say = |at: u64, process: usize, kind: &str, word: &str, value: &str| {
        let index = lines.len();
        let time = at * 1_000_000;
        lines.push(format!(
            "{{:index {index} :time {time} :process {process} :type :{kind} :f :{word} :value {value}}}"
        ));
    };
    for entry in history {
        let (host, at) = (entry.node, entry.at.0);
        if let Some((op, asked)) = entry.fact.asked() {
            let free =
                processes.iter().position(|it| it.host == host && matches!(it.state, State::Free));
            let process = free.unwrap_or_else(|| {
                processes.push(Process { host, state: State::Free });
                processes.len() - 1
            });
            let word = word(asked);
            processes[process].state = State::Busy(op, word);
            let told = scene.tell(entry, None);
            let user = host.device().and_then(|device| scene.user_of(device));
            let user = user.map_or("", |it| &*plan.users[usize::from(it.0)]);
            let who = [("host", text(plan.name(host))), ("user", text(user))];
            say(at, process, "invoke", word, &asked_value(&scene, who, asked, &told));
        } else if let Some((op, answered)) = entry.fact.answered() {
            let is_it = |it: &Process| {
                it.host == host && matches!(it.state, State::Busy(of, _) if of == op)
            };
            let Some(process) = processes.iter().position(is_it) else { continue };
            let State::Busy(_, word) = processes[process].state else { continue };
            processes[process].state = State::Free;
            let kind = if let Answered::Refused(_) = answered { "fail" } else { "ok" };
            let text = scene.tell(entry, None);
            say(at, process, kind, word, &answered_value(&scene, answered, &text));
        } else if let Fact::Killed { .. } = entry.fact {
            let gone = processes.iter_mut().enumerate().filter(|(_, it)| it.host == host);
            for (process, it) in gone {
                if let State::Busy(_, word) = it.state {
                    it.state = State::Gone;
                    say(at, process, "info", word, &map(&[("text", text("the host lost power"))]));
                }
            }
        }
    }
    let end = history.last().map_or(0, |entry| entry.at.0);
    for (process, it) in processes.iter().enumerate() {
        if let State::Busy(_, word) = it.state {
            say(end, process, "info", word, &map(&[("text", text("the run ended"))]));
        }
    }
    lines.join("\n") + "\n"
}

/// What an operation is called.
const fn word(asked: &Asked) -> &'static str {
    match asked {
        Asked::Read { .. } => "read",
        Asked::List => "list",
        Asked::Write { kind: WriteKind::Set, .. } => "write",
        Asked::Write { kind: WriteKind::Increment, .. } => "count",
        Asked::Write { kind: WriteKind::Delete, .. } => "delete",
        Asked::SignIn => "sign-in",
        Asked::SignOut => "sign-out",
        Asked::RotateKey => "rotate-key",
        Asked::Register(..) => "register",
        Asked::Errand { .. } => "account",
        Asked::Sync => "sync",
        Asked::Status => "status",
        Asked::File { .. } => "file",
        Asked::Work { .. } => "work",
    }
}

fn asked_value(
    scene: &Scene<'_>,
    who: [(&'static str, String); 2],
    asked: &Asked,
    told: &str,
) -> String {
    let mut members = who.to_vec();
    if let Asked::Write { id, token, set, exposed, saw_deleted, .. } = asked {
        members.push(("record", text(&id.to_string())));
        members.push(("write", text(&scene.label(*token))));
        let fields: Vec<String> =
            set.iter().map(|(field, _)| text(&field_name(*id, *field))).collect();
        members.push(("fields", vector(&fields)));
        let observed: Vec<String> = exposed
            .iter()
            .map(|(field, token)| {
                vector(&[text(&field_name(*id, *field)), text(&scene.label(*token))])
            })
            .collect();
        members.push(("observed", vector(&observed)));
        members.push(("saw-deleted", saw_deleted.to_string()));
    }
    if let Asked::Read { id, last } = asked {
        members.push(("record", text(&id.to_string())));
        members.push(("last", last.to_string()));
    }
    members.push(("text", text(told)));
    map(&members)
}

fn answered_value(scene: &Scene<'_>, answered: &Answered, told: &str) -> String {
    let mut members = Vec::new();
    if let Answered::Read(shown) = answered {
        let Shown { id, presence, fields, sealed, partial } = &**shown;
        members.push(("record", text(&id.to_string())));
        members.push(("deleted", matches!(presence, Presence::Deleted).to_string()));
        members.push(("sealed", sealed.to_string()));
        members.push(("partial", partial.to_string()));
        // What a field accounts for, and what is in conflict with it.
        let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (field, _, writes, beside) in fields {
            let all = writes.iter().chain(beside).map(|token| text(&scene.label(*token)));
            held.entry(field_name(*id, *field)).or_default().extend(all);
        }
        let held: Vec<String> = held
            .iter()
            .map(|(field, writes)| format!("{} {}", text(field), vector(writes)))
            .collect();
        members.push(("shows", format!("{{{}}}", held.join(" "))));
    }
    members.push(("text", text(told)));
    map(&members)
}

/// A text, escaped as the reader of Clojure wants it.
fn text(text: &str) -> String {
    serde_json::to_string(text).expect("a text can be written")
}

fn vector(items: &[String]) -> String {
    format!("[{}]", items.join(" "))
}

fn map(members: &[(&str, String)]) -> String {
    let members: Vec<String> =
        members.iter().map(|(key, value)| format!(":{key} {value}")).collect();
    format!("{{{}}}", members.join(" "))
}
