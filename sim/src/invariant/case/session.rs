//! What a device does about its session at the sync server in a case.

use engine::id::DeviceId;
use engine::log::{Key, Op};
use engine::message::{Refusal, Reply};
use engine::remote::CallId;
use harness::time::Span;

use super::device::Device;
use super::{Case, WORKER};
use crate::history::{Answered, Done, Fact, MessageId, Refused, Said, Wants};
use crate::plan::{Errand, MessageKind};
use crate::time::ToEngine;

/// The session of a device of a case.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(super) case: &'a mut Case,
    pub(super) device: DeviceId,
}

impl Device<'_> {
    /// What it does about its session at the sync server.
    pub(crate) fn session(&mut self) -> Session<'_> {
        Session { case: self.case, device: self.id }
    }
}

impl Session<'_> {
    fn device(&mut self) -> Device<'_> {
        self.case.device(self.device)
    }

    /// Two devices have the same key from now on, as if one ran on a copy of the other's disk.
    pub(crate) fn is_shared_with(&mut self, with: DeviceId) {
        self.case.spaces.copies.insert(with, self.device);
    }

    /// A device asks for its session and is granted it.
    pub(crate) fn opens(&mut self) {
        let message_id = self.requests();
        self.is_granted();
        self.is_answered(message_id, None);
    }

    /// The log grants a device its session, even if another client has it.
    pub(crate) fn is_granted(&mut self) {
        let (user, key) = (self.case.user(self.device), self.case.key(self.device));
        let client = self.case.client(self.device);
        self.case.log(user).grants(key, client);
    }

    /// A device ends its session.
    pub(crate) fn closes(&mut self) {
        let (user, key) = (self.case.user(self.device), self.case.key(self.device));
        let (call, message_kind) = (CallId(self.case.fresh()), MessageKind::Session);
        let message_id = MessageId { call, attempt: 0, message_kind, answer: false };
        let session = self.case.spaces.sessions.get(&(user, key)).expect("it was opened");
        self.sends(message_id, Wants::End(session.fence));
        self.is_lost();
        self.is_answered(message_id, None);
    }

    /// The log ends a device's session, for whatever reason.
    pub(crate) fn is_lost(&mut self) {
        let (user, key) = (self.case.user(self.device), self.case.key(self.device));
        self.case.spaces.sessions.remove(&(user, key));
        let puts = vec![(Key::Session(key), None)];
        self.case.log(user).adds(vec![Op { receipt: None, puts, reply: Reply::Closed }]);
    }

    /// A device asks for its session and is refused as busy.
    pub(crate) fn is_refused_as_busy(&mut self) {
        let message_id = self.requests();
        self.is_answered(message_id, Some(Refusal::Busy(Span(1_000).to_engine())));
    }

    /// A user asks who holds the session, and is answered.
    pub(crate) fn asks_status(&mut self, told: Option<bool>) {
        let op = self.device().asks_of_server(Errand::SessionStatus, None, false);
        let message_id = self.requests();
        self.is_answered(message_id, None);
        self.device().answers(op, Answered::Done(Done::Session(told)));
    }

    /// A device sends a request, which arrives.
    pub(crate) fn requests(&mut self) -> MessageId {
        let (call, message_kind) = (CallId(self.case.fresh()), MessageKind::Session);
        let message_id = MessageId { call, attempt: 0, message_kind, answer: false };
        self.requests_again(message_id);
        message_id
    }

    /// A device sends a request again, which arrives.
    pub(crate) fn requests_again(&mut self, message_id: MessageId) {
        self.sends(message_id, Wants::Session);
    }

    fn sends(&mut self, message_id: MessageId, wants: Wants) {
        let (key, client, space) = (
            self.case.key(self.device),
            self.case.client(self.device),
            self.case.user(self.device),
        );
        let by = Some(space);
        let (about, heard) = (space, self.case.log(space).position());
        let said = Said::Asks { device: key, client, by, space, about, heard, wants };
        self.case.sends_message(self.device.into(), WORKER, message_id, said);
        let arrives = Fact::Delivered {
            from: self.device.into(),
            message_id,
            refused: None,
            rows_refused: [].into(),
        };
        self.case.fact(WORKER, arrives);
    }

    /// A worker answers, and the device hears it.
    pub(crate) fn is_answered(&mut self, message_id: MessageId, refused: Option<Refusal>) {
        let message_id = MessageId { answer: true, ..message_id };
        self.case.sends_message(
            WORKER,
            self.device.into(),
            message_id,
            Said::Answers { seq: 0, refused },
        );
        let (refused, rows_refused) = (refused.map(|why| Refused::Server(why).into()), [].into());
        self.case
            .fact(self.device, Fact::Delivered { from: WORKER, message_id, refused, rows_refused });
    }
}
