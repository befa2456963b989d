//! Accounts of the sync server as devices showed them.

use std::collections::BTreeSet;

use engine::id::{AccountField, Token};

use super::server_request::ServerRequest;
use crate::history::Account;

/// The versions of an account: each field with the token of each of its versions.
pub(crate) type Versions = BTreeSet<(AccountField, Token)>;

/// An account as a device showed it.
#[derive(Clone, Debug)]
pub(crate) struct ShownAccount<'a> {
    pub(crate) request: ServerRequest<'a>,
    /// The fact that shows it.
    pub(crate) at: usize,
    pub(crate) account: &'a Account,
    pub(crate) versions: Versions,
}

impl<'a> ShownAccount<'a> {
    /// The account that answers a request, if one does.
    pub(crate) fn by(request: &ServerRequest<'a>) -> Option<Self> {
        let (at, account) = request.shown()?;
        let of = |(field, versions): &(AccountField, Vec<(Token, _)>)| {
            let field = *field;
            versions.iter().map(|version| (field, version.0)).collect::<Vec<_>>()
        };
        let versions = account.iter().flat_map(of).collect();
        Some(Self { request: *request, at, account, versions })
    }
}
