//! Signing in and out: the gate, the credential, and what is left behind.
//!
//! From a login until its gate opens nothing of the vault is shown. The gate opens when both
//! remotes have been listed to their heads, or when patience ends; then the view says *partial*.

use std::collections::BTreeMap;

use super::store::Session;
use super::{Answer, Ask, Device, Output, Reason};
use crate::flaw::Flaw;
use crate::id::{OpId, RecordId, Remote, ReplicaId, VaultId};
use crate::point::Point;
use crate::record::Encoded;
use crate::remote::Credential;
use crate::time::{Now, Time};

/// A login whose gate is closed.
#[derive(Debug)]
pub(super) struct Login {
    ops: Vec<OpId>,
    pub(super) patience_ends: Time,
    /// The snapshots that DEEP-SYNC-001 and -001b pull into, by remote.
    private: [Option<Private>; 2],
}

/// A snapshot that a flawed pull works on and writes back whole.
#[derive(Clone, Debug)]
pub(super) struct Private {
    records: BTreeMap<RecordId, Encoded>,
    replace: bool,
}

impl Private {
    pub(super) fn take(&mut self, id: RecordId, theirs: &Encoded) {
        let merged = match self.records.get(&id).filter(|_| !self.replace) {
            Some(ours) => {
                let mut merged = ours.record().clone();
                merged.join(theirs.record());
                Encoded::new(merged)
            }
            None => theirs.clone(),
        };
        self.records.insert(id, merged);
    }
}

impl Device {
    /// The vault of whoever is signed in.
    pub(super) fn vault(&self) -> VaultId {
        self.store.session().map_or(self.boot.user, |session| session.user).into()
    }

    /// Takes up after a start what a stored session implies: an unfinished login goes on.
    pub(super) fn resume(&mut self, now: Now) {
        let Some(session) = self.store.session().copied() else { return };
        if session.open {
            self.pull_feed_soon(now);
            for remote in self.boot.remotes.clone() {
                let every = self.boot.timing.relist_every;
                let relist_due = now.mono + self.entropy.span(crate::time::Span::ZERO, every);
                let hints_only = self.boot.flaws.has(Flaw::Fb27);
                if let Some(lane) = self.lane(remote) {
                    lane.pull_due = Some(now.mono);
                    lane.relist_due = if hints_only { Time(u64::MAX) } else { relist_due };
                }
            }
        } else {
            self.begin_login(now, Vec::new());
        }
    }

    pub(super) fn sign_in(&mut self, now: Now, op: OpId) {
        // What a login that is under way has listed so far may be older than this one: it starts anew.
        let mut ops = self.login.take().map(|login| login.ops).unwrap_or_default();
        ops.push(op);
        let user = self.boot.user;
        let session = Session { user, open: false, merged: [false; 2] };
        self.store.change_meta(|meta| meta.session = Some(session));
        self.begin_login(now, ops);
    }

    fn begin_login(&mut self, now: Now, ops: Vec<OpId>) {
        let flaws = self.boot.flaws;
        let snapshot = |replace| Private { records: self.store.records().clone(), replace };
        let private = if flaws.has(Flaw::DeepSync001) {
            [Some(snapshot(true)), Some(snapshot(true))]
        } else if flaws.has(Flaw::DeepSync001b) {
            [None, Some(snapshot(false))]
        } else {
            [None, None]
        };
        let patience_ends = now.mono + self.boot.timing.login_patience;
        self.login = Some(Login { ops, patience_ends, private });
        for remote in self.boot.remotes.clone() {
            self.drop_call(remote);
            self.start_listing(now, remote);
        }
    }

    /// The snapshot that a flawed login pulls this remote into.
    pub(super) fn private_snapshot(&mut self, remote: Remote) -> Option<&mut Private> {
        self.login.as_mut()?.private[remote.index()].as_mut()
    }

    /// A remote is listed to its head.
    pub(super) fn merge_side(&mut self, now: Now, remote: Remote) {
        if let Some(login) = &mut self.login
            && let Some(private) = login.private[remote.index()].take()
        {
            self.write_back(private);
        }
        let Some(session) = self.store.session().copied() else { return };
        if session.merged[remote.index()] {
            return;
        }
        self.store.change_meta(|meta| {
            if let Some(session) = &mut meta.session {
                session.merged[remote.index()] = true;
            }
        });
        let whole = self.is_whole();
        if self.login.is_some() {
            if whole || self.boot.flaws.has(Flaw::LoginExposesFirst) {
                self.reach(Point::LoginWhole);
                self.open_gate(now, false);
            }
        } else if whole {
            self.reach(Point::LoginCompleted);
        }
    }

    fn write_back(&mut self, private: Private) {
        let gone: Vec<_> = self
            .store
            .records()
            .keys()
            .filter(|id| !private.records.contains_key(id))
            .copied()
            .collect();
        gone.into_iter().for_each(|id| self.store.drop_record(id));
        for (id, record) in private.records {
            self.store.set_record(id, record);
        }
    }

    fn is_whole(&self) -> bool {
        let session = self.store.session();
        session.is_some_and(|s| self.lanes.iter().all(|lane| s.merged[lane.at()]))
    }

    /// A login does not wait for ever for a remote that is silent.
    pub(super) fn lose_patience(&mut self, now: Now) {
        if self.login.as_ref().is_some_and(|login| login.patience_ends <= now.mono) {
            self.reach(Point::LoginPartial);
            self.open_gate(now, true);
        }
        if self.credential_asked.is_some_and(|at| at <= now.mono) {
            self.credential_asked = None;
        }
    }

    fn open_gate(&mut self, now: Now, partial: bool) {
        let Some(login) = self.login.take() else { return };
        self.store.change_meta(|meta| {
            if let Some(session) = &mut meta.session {
                session.open = true;
            }
        });
        self.pull_feed_soon(now);
        for op in login.ops {
            self.answer(op, Answer::SignedIn { partial });
        }
        // Each of them is a transition of its own: a read must not be answered, after a later one's
        // commit, with a state that was never durable.
        for (op, ask) in std::mem::take(&mut self.waiting) {
            self.flush();
            self.handle_ask(now, op, ask);
        }
    }

    /// Signs out if nothing would be lost by it.
    pub(super) fn sign_out(&mut self, op: OpId) {
        let unsent: std::collections::BTreeSet<_> =
            self.lanes.iter().flat_map(|lane| self.store.lacking(lane.remote)).collect();
        // An own write that is published may still go with a log that is set back, until the feed has
        // shown it: so long only this device has it.
        let unsent = unsent.len() + self.server.waiting() + self.store.uploads().len();
        if unsent > 0 {
            let count = u32::try_from(unsent).unwrap_or(u32::MAX);
            self.reach(Point::SignOutRefused);
            self.answer(op, Answer::Refused(Reason::Unsent(count)));
            return;
        }
        self.reach(Point::SignedOut);
        self.store.wipe();
        self.sealings.clear();
        // A replica's writes of a record cover its earlier ones, and none of those are here any more:
        // whoever signs in next writes under another name.
        let replica = ReplicaId(self.entropy.next_u64());
        self.store.change_meta(|meta| {
            meta.session = None;
            meta.replica = replica;
            meta.next_n = 1;
        });
        for lane in &mut self.lanes {
            *lane = super::Lane::new(lane.remote);
        }
        self.leave_server();
        self.credential = None;
        self.credential_asked = None;
        self.answer(op, Answer::SignedOut);
        for op in self.rotation.take().into_iter().flat_map(|rotation| rotation.ops) {
            self.answer(op, Answer::Refused(Reason::SignedOut));
        }
    }

    /// A credential arrives. One of somebody else is not used: it would be answered with nothing,
    /// and nothing is not the truth.
    pub(super) fn handle_credential(&mut self, now: Now, credential: Credential) {
        let Some(session) = self.store.session().copied() else { return };
        self.credential_asked = None;
        if credential.user != session.user && !self.boot.flaws.has(Flaw::AuthRestoreRace) {
            self.reach(Point::CredentialForeign);
            return;
        }
        self.credential = Some(credential);
        if self.lane(Remote::Rows).is_some_and(|lane| lane.call.is_none()) {
            self.start_listing(now, Remote::Rows);
        }
    }

    /// Is there a credential that this remote may accept? If not, asks for one.
    pub(super) fn has_credential(&mut self, now: Now, remote: Remote) -> bool {
        !self.lacks_credential(remote) || self.has_any_credential(now)
    }

    /// Is there a credential? If not, asks for one.
    pub(super) fn has_any_credential(&mut self, now: Now) -> bool {
        if self.credential.is_some() {
            return true;
        }
        if self.credential_asked.is_none() {
            self.credential_asked = Some(now.mono + self.boot.timing.retry_cap);
            self.following.push(Output::NeedCredential);
        }
        false
    }

    pub(super) fn lacks_credential(&self, remote: Remote) -> bool {
        remote == Remote::Rows && self.credential.is_none()
    }

    /// The remote does not accept the credential (any more).
    pub(super) fn lose_credential(&mut self, now: Now, remote: Remote) {
        self.reach(Point::CredentialExpired);
        self.drop_call(remote);
        if self.boot.flaws.has(Flaw::AuthRestoreRace) && self.login.is_some() {
            let page = super::pull::Page {
                rows: Vec::new(),
                deleted: Vec::new(),
                token: None,
                more: false,
                epoch: 0,
            };
            self.take_page(now, remote, page, now.mono, &std::collections::BTreeSet::new());
        }
        self.credential = None;
    }

    /// May this be done while the gate is closed?
    pub(super) fn must_wait(&self, ask: &Ask) -> bool {
        let closed = self.login.is_some();
        match ask {
            Ask::SignIn | Ask::Register { .. } | Ask::Status => false,
            Ask::Read(_)
            | Ask::List
            | Ask::Write { .. }
            | Ask::Increment { .. }
            | Ask::Delete { .. }
            | Ask::SignOut
            | Ask::RotateKey
            | Ask::Patch(_)
            | Ask::ReadAccount
            | Ask::SessionStatus
            | Ask::ListFiles
            | Ask::WriteFile { .. }
            | Ask::ReadFile(_)
            | Ask::ReadVersion(..)
            | Ask::ReadVersions(_)
            | Ask::CreateFolder(..)
            | Ask::MoveFiles(_)
            | Ask::DeleteFile { .. }
            | Ask::UndeleteFile(_)
            | Ask::RestoreVersion { .. }
            | Ask::ReadJob(_)
            | Ask::Ingest { .. }
            | Ask::Sync => closed,
        }
    }
}
