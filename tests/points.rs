//! Every point at which a machine can die: each operation of the language is run again and again,
//! and a device, a worker or a processor loses power after its first effect, its second, and so on
//! to the last.
//!
//! Nothing that was acknowledged may be lost and nothing may be left half done, which is for the
//! judges to say. The numbers are kept in `snapshots/`, so that a new effect is seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use engine::flaw::Flaws;
use sim::fault::{Effects, Value};
use sim::plan::operation::Group;
use sim::plan::{Act, Effect, Operation, Plan};
use sim::run::{Outcome, run};
use sim::scenario::{self, Verb, Who};

/// How each thing that a user can do is done, on the phone, four seconds after the start.
const OPERATIONS: &[(Operation, &str)] = &[
    (Operation::Edit, r#"do = "edit", row = "meal/1", set = { name = "Soup", kcal = 90 }"#),
    (Operation::Open, r#"do = "open", row = "meal/1""#),
    (Operation::Save, r#"do = "save", row = "meal/2", set = { kcal = 91 }"#),
    (Operation::Overwrite, r#"do = "overwrite", row = "meal/1", set = { kcal = 92 }"#),
    (Operation::Increment, r#"do = "increment", row = "meal/1", field = "portions", by = 1"#),
    (Operation::Delete, r#"do = "delete", row = "meal/1""#),
    (Operation::Undelete, r#"do = "undelete", row = "meal/3""#),
    (Operation::Read, r#"do = "read", row = "meal/1""#),
    (Operation::Sync, r#"do = "sync""#),
    (Operation::Login, r#"do = "login""#),
    (Operation::Logout, r#"do = "logout""#),
    (Operation::RotateKey, r#"do = "rotate-key""#),
    (
        Operation::RegisterStrategy,
        r#"do = "register-strategy", kind = "meal", field = "name", strategy = "longest""#,
    ),
    (Operation::UpdateAccount, r#"do = "update-account", set = { email = "anna@example.org" }"#),
    (Operation::ReadAccount, r#"do = "read-account""#),
    (Operation::SessionStatus, r#"do = "session-status""#),
    (
        Operation::WriteFile,
        r#"do = "write-file", path = "new/plan.txt", text = "Plan", size = "3KB""#,
    ),
    (Operation::ReadFile, r#"do = "read-file", path = "notes/one.txt""#),
    (Operation::MakeFolder, r#"do = "make-folder", path = "photos""#),
    (Operation::MoveFiles, r#"do = "move-files", files = "notes/*", to = "archive""#),
    (Operation::RenameFile, r#"do = "rename-file", path = "notes/one.txt", name = "1.txt""#),
    (Operation::DeleteFile, r#"do = "delete-file", path = "notes/one.txt""#),
    (Operation::UndeleteFile, r#"do = "undelete-file", path = "old.txt""#),
    (Operation::RestoreVersion, r#"do = "restore-version", path = "notes/one.txt", version = 1"#),
    (Operation::ListFiles, r#"do = "list-files""#),
    (Operation::ReadVersions, r#"do = "read-versions", path = "notes/one.txt""#),
    (
        Operation::UploadConversation,
        r#"do = "upload-conversation", conversation = 1, messages = "3..8", began = "2024-04-03""#,
    ),
    (
        Operation::IngestConversation,
        r#"do = "ingest-conversation", conversation = 1, messages = "3..8", began = "2024-04-03""#,
    ),
    (Operation::Process, r#"do = "process""#),
    (Operation::ResetConversation, r#"do = "reset-conversation", conversation = 1"#),
    (Operation::ReadConversation, r#"do = "read-conversation", conversation = 1"#),
    (Operation::ReadDay, r#"do = "read-day", began = "2024-04-03""#),
];

/// A user who signs in has signed out before.
const LOGOUT: &str = r#"
  { at = "2s", device = "phone", do = "logout" },
"#;

/// What is there before something is done with conversations: a part of one that nobody has worked
/// on yet.
const CONVERSATIONS: &str = r#"
  { at = "1s", device = "phone", do = "upload-conversation", conversation = 1, messages = "1..5", began = "2024-04-03" },
"#;

/// What is there before something is done with files: more of them than one commit moves, one that
/// has two versions, and one that is deleted.
const FILES: &str = r#"
  { at = "100ms", device = "phone", do = "write-file", path = "notes/one.txt", text = "One" },
  { at = "100ms", device = "phone", do = "write-file", path = "notes/two.txt", text = "Two" },
  { at = "100ms", device = "phone", do = "write-file", path = "notes/three.txt", text = "Three" },
  { at = "100ms", device = "phone", do = "write-file", path = "old.txt", text = "Old" },
  { at = "1900ms", device = "phone", do = "write-file", path = "notes/one.txt", text = "1" },
  { at = "1900ms", device = "phone", do = "delete-file", path = "old.txt" },
"#;

/// Who can die of it.
const MORTALS: &[&str] = &[
    r#"device = "phone", do = "crash""#,
    r#"worker = "worker-1", do = "crash-worker""#,
    r#"worker = "worker-2", do = "crash-worker""#,
    r#"processor = "reader", do = "crash-processor""#,
];

/// No operation has more effects.
const MANY: u16 = 400;

fn text(operation: Operation, line: &str, mortal: &str) -> String {
    let first = match operation.declaration().group {
        Group::Conversations => CONVERSATIONS,
        Group::Files => FILES,
        Group::Device if operation == Operation::Login => LOGOUT,
        Group::Device | Group::Account | Group::Wait => "",
    };
    let is_command = Verb::Do(operation).who() == Who::Processor;
    let who = if is_command { "processor = \"reader\"" } else { "device = \"phone\"" };
    let step = format!("  {{ at = \"4001ms\", {who}, {line} }},\n");
    // So many changes that old snapshots are removed.
    let steps = step.repeat(if operation == Operation::UpdateAccount { 32 } else { 1 });
    format!(
        r#"
[scenario]
title = "One operation"
lasts = "20s"
[remotes]
cloudkit = {{ kind = "zone" }}
supabase = {{ kind = "rows" }}
[devices]
phone  = {{ user = "anna" }}
[given]
make = [{{ rows = "meal/1..3" }}]
[network]
latency = "20ms"
[timing]
pull-every   = "1h"
relist-every = "1h"
feed-every   = "1h"
timeout      = "1s"
retry-base   = "100ms"
retry-cap    = "1s"
[sign-in]
valid = "1h"
[server]
workers        = 2
snapshot-every = 2
batch          = 2
piece          = "1KB"
[processors]
reader = {{ user = "anna" }}
[pipeline]
poll         = "1m"
step-takes   = "200ms"
step-failure = "0%"
step-silence = "0%"
[script]
steps = [
{first}  {{ at = "1s",     device = "phone", do = "open", row = "meal/2" }},
  {{ at = "1s",     device = "phone", do = "delete", row = "meal/3" }},
  {{ at = "1s",     device = "phone", do = "read-account" }},
  {{ at = "1500ms", device = "phone", do = "read-account" }},
  {{ at = "3800ms", worker = "all", do = "crash-worker", for = "100ms" }},
  {{ at = "4s",     {mortal}, effects = 1, for = "300ms" }},
{steps}]
"#
    )
}

fn plan(operation: Operation, line: &str, mortal: &str) -> Plan {
    let text = text(operation, line, mortal);
    match scenario::read("point", "point.toml", text.as_bytes()) {
        Ok((scenario, _)) => scenario::draw(&scenario, 0, Flaws::NONE),
        Err(problems) => panic!("{}", scenario::render(&problems, "point.toml", &text, false)),
    }
}

/// The same plan with the loss of power after that number of effects.
fn dies_after(mut plan: Plan, effects: u16) -> Plan {
    let crashes = plan.steps.iter_mut().filter_map(|step| match &mut step.act {
        Act::Fault(fault, _) if fault.effects() > 0 => Some(fault),
        Act::User(..) | Act::Processor(..) | Act::Fault(..) | Act::Wait => None,
    });
    let crash = crashes.last().expect("it is in the script");
    let later = |value| {
        let is_fuse = matches!(value, Value::Effects(_));
        Some(if is_fuse { Value::Effects(Effects(effects)) } else { value })
    };
    *crash = crash.map(later).expect("it is the same fault");
    plan
}

/// After which effect the machine died; none if it had fewer.
fn died_after(outcome: &Outcome) -> Option<Effect> {
    Effect::ALL.iter().copied().find(|effect| outcome.coverage.contains_key(effect.name()))
}

#[test]
fn a_machine_may_die_at_any_point_of_any_operation() {
    let mut operations: Vec<Operation> = OPERATIONS.iter().map(|(it, _)| *it).collect();
    operations.sort_unstable();
    let all = Operation::ALL.iter().copied().filter(|it| *it != Operation::Wait);
    assert_eq!(operations, all.collect::<Vec<_>>(), "each has its line");
    let mut table = String::new();
    let mut kinds: BTreeMap<Effect, u32> = BTreeMap::new();
    for (operation, line) in OPERATIONS {
        let mut counts = Vec::new();
        for mortal in MORTALS {
            let plan = plan(*operation, line, mortal);
            let mut points = 0;
            loop {
                let outcome = run(&dies_after(plan.clone(), points + 1));
                assert_eq!(
                    outcome.violations,
                    [],
                    "{operation:?}, with {mortal} after {} effects",
                    points + 1
                );
                let Some(effect) = died_after(&outcome) else { break };
                *kinds.entry(effect).or_default() += 1;
                points += 1;
                assert!(points < MANY, "{operation:?} does not end");
            }
            counts.push(points);
        }
        let counts: String = counts.iter().map(|count| format!(" {count:>4}")).collect();
        writeln!(table, "{:<20}{counts}", operation.word()).expect("it is a string");
    }
    for effect in Effect::ALL {
        let count = kinds.get(effect).copied().unwrap_or_default();
        writeln!(table, "{:<40} {count:>4}", effect.name()).expect("it is a string");
    }
    writeln!(table, "{} points", kinds.values().sum::<u32>()).expect("it is a string");
    let never = Effect::ALL.iter().filter(|effect| !kinds.contains_key(effect));
    let never: Vec<&str> = never.map(|effect| effect.name()).collect();
    assert!(never.is_empty(), "no operation has a machine that {never:?}");
    insta::with_settings!({
        snapshot_path => "../snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("points", table);
    });
}
