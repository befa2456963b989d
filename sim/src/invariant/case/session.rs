//! What a device does about its session at the sync server in a case.

use engine::id::DeviceId;
use engine::log::{Key, Op};
use engine::message::{Refusal, Reply};
use engine::remote::CallId;
use harness::time::Span;

use super::device::Device;
use super::{Case, WORKER};
use crate::history::{Answered, Done, Fact, Letter, Refused, Said, Wants};
use crate::plan::{Errand, Parcel};
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
        let letter = self.requests();
        self.is_granted();
        self.is_answered(letter, None);
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
        let (call, parcel) = (CallId(self.case.fresh()), Parcel::Session);
        let letter = Letter { call, attempt: 0, parcel, answer: false };
        let session = self.case.spaces.sessions.get(&(user, key)).expect("it was opened");
        self.sends(letter, Wants::End(session.fence));
        self.is_lost();
        self.is_answered(letter, None);
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
        let letter = self.requests();
        self.is_answered(letter, Some(Refusal::Busy(Span(1_000).to_engine())));
    }

    /// A user asks who holds the session, and is answered.
    pub(crate) fn asks_status(&mut self, told: Option<bool>) {
        let op = self.device().asks_of_server(Errand::SessionStatus, None, false);
        let letter = self.requests();
        self.is_answered(letter, None);
        self.device().answers(op, Answered::Done(Done::Session(told)));
    }

    /// A device sends a request, which arrives.
    pub(crate) fn requests(&mut self) -> Letter {
        let (call, parcel) = (CallId(self.case.fresh()), Parcel::Session);
        let letter = Letter { call, attempt: 0, parcel, answer: false };
        self.requests_again(letter);
        letter
    }

    /// A device sends a request again, which arrives.
    pub(crate) fn requests_again(&mut self, letter: Letter) {
        self.sends(letter, Wants::Session);
    }

    fn sends(&mut self, letter: Letter, wants: Wants) {
        let (key, client, space) = (
            self.case.key(self.device),
            self.case.client(self.device),
            self.case.user(self.device),
        );
        let by = Some(space);
        let (about, heard) = (space, self.case.log(space).position());
        let said = Said::Asks { device: key, client, by, space, about, heard, wants };
        self.case.sends_letter(self.device.into(), WORKER, letter, said);
        let arrives = Fact::Delivered {
            from: self.device.into(),
            letter,
            refused: None,
            rows_refused: [].into(),
        };
        self.case.fact(WORKER, arrives);
    }

    /// A worker answers, and the device hears it.
    pub(crate) fn is_answered(&mut self, letter: Letter, refused: Option<Refusal>) {
        let letter = Letter { answer: true, ..letter };
        self.case.sends_letter(
            WORKER,
            self.device.into(),
            letter,
            Said::Answers { seq: 0, refused },
        );
        let (refused, rows_refused) = (refused.map(|why| Refused::Server(why).into()), [].into());
        self.case
            .fact(self.device, Fact::Delivered { from: WORKER, letter, refused, rows_refused });
    }
}
