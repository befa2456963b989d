//! What scenarios say of files: paths that stand for many, and operations that meet.

use std::collections::BTreeSet;

use engine::flaw::Flaws;
use engine::id::DeviceId;
use sim::plan::{Act, FileOperation, Plan, Step, UserOperation, When};
use sim::scenario;

use crate::scenarios::{assert_same, everyday, read_back};

const FILES: &str = r#"[scenario]
title = "Files"
story = "Paths that stand for many."
lasts = "60s"

[remotes]
cloudkit = { kind = "cloudkit" }

[devices]
phone  = { user = "anna" }
tablet = { user = "anna" }

[server]
workers = 2
piece   = "100B"
batch   = 3
upload  = "20s"

[script]
steps = [
  { at = "1s", device = "all", do = "write-file", path = "inbox/{1..3}.txt" },
  { when = "phone sent upload to worker-1", device = "phone", do = "read-versions", path = "inbox/1.txt" },
  { at = "9s", device = "phone", do = "move-files", files = ["inbox/{1..3}.txt", "plans/*", "a"], to = "" },
]

[expect]
always = ["no-lost-writes"]
"#;

fn operations(plan: &Plan) -> impl Iterator<Item = (&When, DeviceId, &FileOperation)> {
    plan.steps.iter().filter_map(|step| match step {
        Step { when, act: Act::User(device, UserOperation::File(operation)), .. } => {
            Some((when, *device, operation))
        }
        Step { .. } => None,
    })
}

#[test]
fn a_line_about_many_paths_is_an_operation_for_each_but_a_move_is_one() {
    let plan = scenario::draw(&read_back(FILES), 0, Flaws::NONE);
    let operations: Vec<&FileOperation> =
        operations(&plan).map(|(_, _, operation)| operation).collect();
    let writes =
        operations.iter().filter(|operation| matches!(operation, FileOperation::Write(..))).count();
    assert_eq!(writes, 3 * 2, "three paths on two devices");
    let [.., FileOperation::Move(paths, to)] = operations.as_slice() else {
        panic!("{operations:?}")
    };
    assert_eq!((paths.len(), to.as_str()), (5, ""));
    let FileOperation::Write(path, content) = operations[0] else { panic!("{:?}", operations[0]) };
    assert_eq!((path, &content.text), (&"inbox/1.txt".to_owned(), path), "it says its own name");
    let again = scenario::draw(&read_back(&scenario::print(&plan, None)), 7, Flaws::NONE);
    assert_same(&plan, &again);
}

#[test]
fn files_leave_what_else_users_do_as_it_was() {
    let others = |plan: &Plan| -> Vec<(When, Act)> {
        let is_other = |step: &&Step| {
            !matches!(step.act, Act::Fault(..) | Act::User(_, UserOperation::File(_)))
        };
        let others = plan.steps.iter().filter(is_other);
        others.map(|step| (step.when.clone(), step.act.clone())).collect()
    };
    let with = everyday("everyday");
    let mut without = with.clone();
    without.mix.as_mut().expect("it has one").files = None;
    let mut many = 0;
    for seed in 0..10 {
        let [with, without] = [&with, &without].map(|it| scenario::draw(it, seed, Flaws::NONE));
        many += usize::from(operations(&with).count() > 10);
        assert_eq!(others(&with), others(&without));
    }
    assert!(many >= 8, "only {many} of ten plans do more than a little with files");
}

#[test]
fn writes_of_files_differ_in_size_and_meet() {
    let scenario = everyday("everyday");
    let (mut pieces, mut close, mut kinds) = (BTreeSet::new(), 0, BTreeSet::new());
    for seed in 0..60 {
        let plan = scenario::draw(&scenario, seed, Flaws::NONE);
        let piece = plan.server.as_ref().expect("it has one").piece;
        let mut last: Option<(u64, DeviceId, &str)> = None;
        for (when, device, operation) in operations(&plan) {
            kinds.insert(format!("{operation:?}").split('(').next().map(str::to_owned));
            let (When::At(at), FileOperation::Write(path, content)) = (when, operation) else {
                continue;
            };
            pieces.insert((content.whole().len() as u32).div_ceil(piece).min(3));
            let meets = |(was, by, there): (u64, DeviceId, &str)| {
                by != device && there == path && at.0 - was < 1_000
            };
            close += usize::from(last.is_some_and(meets));
            last = Some((at.0, device, path));
        }
    }
    assert_eq!(pieces.len(), 3, "one piece, two, and more");
    assert!(close > 40, "{close} writes follow another device's of the same file closely");
    assert_eq!(kinds.len(), 10, "{kinds:?}");
}
