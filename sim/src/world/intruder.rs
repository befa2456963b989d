//! An intruder with an account of their own asks remotes and the sync server for what belongs to another
//! user, with all that can be forged, and goes on as far as they are let in.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::id::{Build, Kind, NodeId, RecordId, Remote, ReplicaId, UserId, VaultId};
use engine::log::Position;
use engine::message::{
    Action as ServerAction, Client, Command, DeviceKey, FeedCursor, FileAction, Reply,
    Request as ServerRequest, Response,
};
use engine::remote::{Call, CallId, Credential, Cursor, Order, Policy, Put, Request, Row};
use harness::random::Draw;
use harness::time::Time;

use super::action::{Action, Actions};
use crate::keychain::stranger;
use crate::message::Message;
use crate::plan::{Node, Plan, StepId};
use crate::time::ToEngine;

/// An intruder, and what they wait for.
#[derive(Clone, Debug)]
pub(super) struct Intruder {
    plan: Arc<Plan>,
    asked: BTreeMap<CallId, ServerRequest>,
}

impl Intruder {
    pub(super) fn of(plan: &Arc<Plan>) -> Self {
        Self { plan: plan.clone(), asked: BTreeMap::new() }
    }

    /// Asks the sync server for a user's things: once for a session and the account itself, once, as what
    /// is the intruder's own, with a cursor that they made up.
    pub(super) fn intrude_server(
        &mut self,
        now: Time,
        step: StepId,
        user: UserId,
        out: &mut Actions,
    ) {
        let stranger = stranger(user, self.plan.users.len());
        let until = Time(now.0.saturating_add(1 << 40)).to_engine();
        let draw = Draw::new(self.plan.nature, "server intruder").and(u64::from(step.0));
        let first = step.0 << 5;
        let forged = FeedCursor { space: user, at: Position::START, upto: (0, NodeId::ROOT) };
        let feed = FileAction::Feed(Some(forged), 100);
        let reads = Command::Read(ServerAction::File(feed));
        for (n, space, command) in [(0, user, Command::Open), (1, stranger, reads)] {
            let request = ServerRequest {
                id: CallId(first | n << 2),
                attempt: 0,
                credential: Some(Credential { user: stranger, until }),
                space,
                device: DeviceKey(draw.value()),
                client: Client { replica: ReplicaId(draw.and(u64::from(n) + 1).value()), life: 1 },
                build: Build::Current,
                heard: Position::START,
                command,
            };
            self.ask(request, out);
        }
    }

    fn ask(&mut self, request: ServerRequest, out: &mut Actions) {
        self.asked.insert(request.id, request.clone());
        out.push(Action::Request(Node::Intruder, 0, request.into()));
    }

    /// Receives an answer, and goes on as far as it lets them in.
    pub(super) fn receive(&mut self, response: &Response, out: &mut Actions) {
        let Some(mut request) = self.asked.remove(&response.id) else { return };
        if let (Command::Open, Reply::Opened(fence)) = (&request.command, &response.reply) {
            let (fence, action) = (*fence, ServerAction::ReadAccount);
            request.command = Command::Act { fence, n: 1, action };
            request.id.0 += 1;
            self.ask(request, out);
        }
    }

    /// Asks a remote for a user's rows: each forged request with each forged credential.
    pub(super) fn intrude(
        &self,
        now: Time,
        step: StepId,
        (remote, user): (Remote, UserId),
        out: &mut Actions,
    ) {
        let other = stranger(user, self.plan.users.len());
        let far = Time(now.0.saturating_add(1 << 40)).to_engine();
        let credentials = [
            None,
            Some(Credential { user, until: Time(0).to_engine() }),
            Some(Credential { user: other, until: far }),
            Some(Credential { user, until: far }),
        ];
        let requests = self.forged(step, remote, user);
        // Numbered within the step that they belong to.
        let mut number = step.0 << 5;
        for credential in credentials {
            for request in &requests {
                let id = CallId(number);
                let call = Call { id, attempt: 0, credential, request: request.clone() };
                let message = Message::call((Node::Intruder, 0), remote, call.into());
                out.push(Action::Send(message));
                number += 1;
            }
        }
    }

    fn forged(&self, step: StepId, remote: Remote, user: UserId) -> Vec<Request> {
        let vault = VaultId::from(user);
        let draw = Draw::new(self.plan.nature, "intruder").and(u64::from(step.0));
        let target = self.plan.given.iter().find(|given| given.user == user);
        let id = target.map_or(RecordId { kind: Kind::Meal, key: 1 }, |given| given.id);
        let cursors = [
            None,
            Some(Cursor::Token(draw.value())),
            Some(Cursor::After { epoch: 0, stamp: 0, id: None }),
        ];
        let order = match remote {
            Remote::Zone => Order::Token,
            Remote::Rows => Order::CommitSeq,
        };
        let blob = draw.bytes::<96>().as_slice().into();
        let put = Put { row: Row { id, vault, blob }, expect: None };
        let mut requests = vec![
            Request::Fetch { vault, ids: vec![id] },
            Request::Save { vault, policy: Policy::Overwrite, puts: vec![put] },
            Request::Remove { vault, ids: vec![id] },
        ];
        requests.extend(cursors.map(|since| Request::Changes { vault, since, order, limit: 100 }));
        requests
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use engine::flaw::Flaws;

    use super::*;
    use crate::message::Body;
    use crate::scenario;

    const TEXT: &[u8] = br#"
        [scenario]
        title = "An intruder is curious"
        [remotes]
        cloudkit = { kind = "cloudkit" }
        [devices]
        phone = { user = "anna" }
    "#;

    /// What an intruder's requests of these steps are named.
    fn names(intruder: &mut Intruder, steps: &[u32]) -> Vec<CallId> {
        let mut out = Actions::new();
        for step in steps.iter().map(|step| StepId(*step)) {
            intruder.intrude(Time(0), step, (Remote::Zone, UserId(0)), &mut out);
            intruder.intrude_server(Time(0), StepId(step.0 + 1), UserId(0), &mut out);
        }
        let name = |action| {
            if let Action::Send(Message { body: Body::Call(call), .. }) = action {
                return Some(call.id);
            }
            if let Action::Request(_, _, request) = action { Some(request.id) } else { None }
        };
        out.into_iter().filter_map(name).collect()
    }

    #[test]
    fn requests_of_different_steps_have_different_names_however_many_there_are() {
        let scenario = scenario::read("curious", "curious", TEXT).expect("it is right").0;
        let plan = Arc::new(scenario::draw(&scenario, 0, Flaws::NONE));
        let names = names(&mut Intruder::of(&plan), &[1, 3, 1 + (1 << 15), 1 + (1 << 20)]);
        let different: BTreeSet<CallId> = names.iter().copied().collect();
        assert_eq!((names.len(), different.len()), (4 * 26, 4 * 26));
    }
}
