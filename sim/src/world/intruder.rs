//! Somebody who is not of this house, with an account of their own, asks the sync server for what is
//! another user's, and goes on as far as they are let in.

use engine::id::{NodeId, ReplicaId, UserId};
use engine::log::Position;
use engine::message::{
    Action, Client, Command, DeviceKey, FeedCursor, FileAction, Reply, Request, Response,
};
use engine::remote::{CallId, Credential};
use harness::time::Time;

use super::World;
use crate::keychain::stranger;
use crate::plan::{Node, StepId};
use crate::time::ToEngine;

impl World {
    /// Somebody with an account of their own asks for another user's: once for a session and the
    /// account itself, once, as what is their own, with a cursor that they made up.
    pub(super) fn intrude_server(&mut self, step: StepId, user: UserId) {
        let stranger = stranger(user, self.plan.users.len());
        let until = Time(self.now.0.saturating_add(1 << 40)).to_engine();
        let draw = self.draw_for_step("server intruder", step);
        let first = step.0 << 5;
        let forged = FeedCursor { space: user, at: Position::START, upto: (0, NodeId::ROOT) };
        let reads = Command::Read(Action::File(FileAction::Feed(Some(forged), 100)));
        for (n, space, command) in [(0, user, Command::Open), (1, stranger, reads)] {
            let request = Request {
                id: CallId(first | n << 2),
                attempt: 0,
                credential: Some(Credential { user: stranger, until }),
                space,
                device: DeviceKey(draw.value()),
                client: Client { replica: ReplicaId(draw.and(u64::from(n) + 1).value()), life: 1 },
                heard: Position::START,
                command,
            };
            self.intruder_asks(request);
        }
    }

    fn intruder_asks(&mut self, request: Request) {
        self.intruder.insert(request.id, request.clone());
        self.request(Node::Intruder, 0, request.into());
    }

    /// The intruder hears an answer, and goes on as far as it was let in.
    pub(super) fn intruder_hears(&mut self, response: &Response) {
        let Some(mut request) = self.intruder.remove(&response.id) else { return };
        if let (Command::Open, Reply::Opened(fence)) = (&request.command, &response.reply) {
            let (fence, action) = (*fence, Action::ReadAccount);
            request.command = Command::Act { fence, n: 1, action };
            request.id.0 += 1;
            self.intruder_asks(request);
        }
    }
}
