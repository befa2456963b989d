//! Looks: at the moment of an expectation the world asks the hosts that are to show it, and looks into
//! remotes. What comes of it stands in the history.

use engine::id::Remote;
use harness::random::Draw;

use super::action::{Action, Actions};
use super::event::Event;
use super::script;
use super::services::Services;
use super::stage::Stage;
use crate::mailbox::Inbound;
use crate::plan::{Expectation, Node, Plan};

/// Schedules the expectations that have a moment of their own.
pub(super) fn open(plan: &Plan, out: &mut Actions) {
    for (place, expectation) in plan.at_end.iter().enumerate() {
        if let Some(at) = expectation.at {
            let order = draw(plan, expectation);
            out.push(Action::Schedule(at, order, Event::Look(place)));
        }
    }
}

/// The moment of an expectation has come.
pub(super) fn look((stage, services): (&mut Stage, &Services), place: usize) {
    let plan = stage.plan.clone();
    let expectation = &plan.at_end[place];
    for (n, (node, inbound)) in (0..).zip(questions(expectation)) {
        let order = draw(&plan, expectation).and(n);
        stage.out.push(Action::Schedule(stage.now(), order, Event::Give(node, None, inbound)));
    }
    let remotes = expectation.on.iter().filter_map(|node| node.remote());
    remotes.for_each(|remote| look_into((stage, services), remote, expectation));
    stage.hand_on();
}

/// What hosts are asked for an expectation.
pub(super) fn questions(it: &Expectation) -> impl Iterator<Item = (Node, Inbound)> {
    it.on.iter().filter_map(|node| script::given(it.look(), &it.asks(*node)?))
}

/// Notes the row of a remote that an expectation is about, if it is there.
fn look_into((stage, services): (&mut Stage, &Services), remote: Remote, it: &Expectation) {
    let row = |id| services.remotes.row(remote, it.user.into(), id);
    if let Some(row) = it.subject.record().and_then(row) {
        let fact = stage.recorder.found(&row, services.accounts.keychain(), false);
        stage.note(remote.into(), fact);
    }
}

/// Notes all that the remotes hold.
pub(super) fn look_into_all((stage, services): (&mut Stage, &Services)) {
    for (remote, row) in services.remotes.rows() {
        let fact = stage.recorder.found(&row, services.accounts.keychain(), true);
        stage.note(remote.into(), fact);
    }
}

fn draw(plan: &Plan, it: &Expectation) -> Draw {
    Draw::new(plan.nature, "look").and(u64::from(it.id))
}
