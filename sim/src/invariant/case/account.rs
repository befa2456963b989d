//! What a device does about the account of its user in a case.

use std::sync::Arc;

use engine::id::{AccountField, DeviceId, OpId, Token};
use engine::log::{Doc, Key, Op};
use engine::message::Reply;

use super::Case;
use super::device::Device;
use super::log::{payload, text};
use crate::history::{Account as Fields, Answered, Done};
use crate::plan::Errand;

/// The account of a user, as one device handles it.
#[derive(Debug)]
pub(crate) struct Account<'a> {
    pub(super) case: &'a mut Case,
    pub(super) device: DeviceId,
}

impl Device<'_> {
    /// What it does about the account of its user.
    pub(crate) fn account(&mut self) -> Account<'_> {
        Account { case: self.case, device: self.id }
    }
}

impl Account<'_> {
    fn device(&mut self) -> Device<'_> {
        self.case.device(self.device)
    }

    /// A user sets fields of the account; it is committed and acknowledged.
    pub(crate) fn patches(&mut self, fields: &[AccountField]) -> Token {
        let (op, token) = self.asks_to_patch(fields);
        self.commits(token, fields);
        self.device().answers(op, Answered::Done(Done::Patched));
        token
    }

    /// A user asks to set fields of the account.
    pub(crate) fn asks_to_patch(&mut self, fields: &[AccountField]) -> (OpId, Token) {
        let fields = fields.iter().map(|field| (*field, text())).collect();
        let mut device = self.device();
        let token = device.next_label();
        (device.asks_of_server(Errand::Patch(fields), Some(token), false), token)
    }

    /// The log sets fields for a device, under its next number.
    pub(crate) fn commits(&mut self, token: Token, fields: &[AccountField]) {
        let (user, client) = (self.case.user(self.device), self.case.client(self.device));
        let receipt = Some((client, self.case.next_number(client)));
        let mut puts = Vec::new();
        for field in fields {
            let versions = self.case.spaces.fields.entry((user, *field)).or_default();
            let was = u32::try_from(versions.len()).expect("a case is small");
            if let Some(old) = versions.last() {
                puts.push((Key::Was(*field, was), Some(Doc::Version(payload(*old)))));
            }
            versions.push(token);
            puts.push((Key::Account(*field), Some(Doc::Field(was + 1, payload(token)))));
        }
        self.case.log(user).adds(vec![Op { receipt, puts, reply: Reply::Patched }]);
    }

    /// The account of a device's user.
    pub(crate) fn contents(&self) -> Fields {
        let user = self.case.user(self.device);
        let of = |field: AccountField| {
            let versions = self.case.spaces.fields.get(&(user, field))?;
            Some((field, versions.iter().map(|token| (*token, text())).collect()))
        };
        AccountField::ALL.into_iter().filter_map(of).collect()
    }

    /// A user reads the account.
    pub(crate) fn reads(&mut self) {
        let account = self.contents();
        self.shows(account, false);
    }

    /// A user reads the account and is shown this.
    pub(crate) fn shows(&mut self, account: Fields, last: bool) {
        let mut device = self.device();
        let op = device.asks_of_server(Errand::ReadAccount, None, last);
        device.answers(op, Answered::Done(Done::Account(Arc::new(account))));
    }
}
