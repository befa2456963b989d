//! Signing in: from a login until its gate opens nothing of the vault is shown. The gate opens when all
//! remotes have been listed to their heads, or when patience ends; then the view is *partial*.
//!
//! A request that waited at the gate is a transition of its own. If several were answered in one, a read
//! could show a state that a later one's commit had not made durable.

use std::collections::VecDeque;

use tracing::{debug, debug_span};

use super::ask::{Answer, Ask};
use super::core::Core;
use super::store::Session;
use crate::flaw::Flaw;
use crate::id::{OpId, Remote};
use crate::point::Point;
use crate::time::Time;

/// The gate before the vault, and what the user asked for while it was closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    login: Option<Login>,
    waiting: VecDeque<(OpId, Ask)>,
}

/// A login whose gate is closed.
#[derive(Clone, Debug)]
struct Login {
    /// The requests to sign in; none if the login goes on after a crash.
    ops: Vec<OpId>,
    patience_ends: Time,
}

impl Gate {
    /// Begins a login. The caller lists every remote from the start.
    pub(super) fn sign_in(&mut self, core: &mut Core, op: OpId) {
        let _span = debug_span!("login").entered();
        // What a login that is under way has listed so far may be older than this one: it starts again.
        let mut ops = self.login.take().map(|login| login.ops).unwrap_or_default();
        ops.push(op);
        let session = Session { user: core.boot.user, open: false, merged: [false; 2] };
        core.store.change_meta(|meta| meta.session = Some(session));
        self.close(core, ops);
    }

    /// Goes on with a login that a crash has interrupted. The caller lists every remote from the start.
    pub(super) fn resume(&mut self, core: &mut Core) {
        self.close(core, Vec::new());
    }

    fn close(&mut self, core: &mut Core, ops: Vec<OpId>) {
        assert!(core.is_at_login(), "the gate is closed as long as the stored session says so");
        #[cfg(feature = "flaws")]
        core.begin_private_snapshots();
        let patience_ends = core.now.mono + core.boot.timing.login_patience;
        debug!(%patience_ends, "login");
        self.login = Some(Login { ops, patience_ends });
    }

    /// Keeps what must wait for the gate. Returns what can be done now.
    pub(super) fn admit(&mut self, op: OpId, ask: Ask) -> Option<Ask> {
        let passes = matches!(ask, Ask::SignIn | Ask::Register { .. } | Ask::Status);
        if passes || self.login.is_none() {
            return Some(ask);
        }
        self.waiting.push_back((op, ask));
        None
    }

    /// Is the gate closed?
    pub(super) fn is_closed(&self) -> bool {
        self.login.is_some()
    }

    /// A remote is listed to its head. Returns whether that opens the gate.
    pub(super) fn merge(&mut self, core: &mut Core, remote: Remote) -> bool {
        let _span = debug_span!("login").entered();
        #[cfg(feature = "flaws")]
        core.write_back_snapshot(remote);
        let session = core.store.session().expect("a remote is listed only while signed in");
        if session.merged[remote.index()] {
            // One of the listings that come from time to time.
            return false;
        }
        let mut merged = session.merged;
        merged[remote.index()] = true;
        core.store.change_meta(|meta| {
            let session = meta.session.as_mut().expect("it was there a moment ago");
            session.merged = merged;
        });
        let whole = core.boot.remotes.iter().all(|remote| merged[remote.index()]);
        debug!(?remote, whole, closed = self.is_closed(), "a remote is merged");
        if self.login.is_none() {
            // The gate opened when patience ended.
            if whole {
                core.reach(Point::LoginCompleted);
            }
            return false;
        }
        let opens = whole || core.has(Flaw::LoginExposesFirst);
        if opens {
            core.reach(Point::LoginWhole);
        }
        opens
    }

    /// A login does not wait for ever for a remote that is silent. Returns whether patience has ended.
    pub(super) fn is_out_of_patience(&self, now: Time) -> bool {
        self.login.as_ref().is_some_and(|login| login.patience_ends <= now)
    }

    /// Opens the gate. Returns what the user asked for while it was closed.
    pub(super) fn open(&mut self, core: &mut Core, partial: bool) -> VecDeque<(OpId, Ask)> {
        let login = self.login.take().expect("only a closed gate is opened");
        let op = login.ops.last().map(|op| op.0);
        debug!(partial, op, waiting = self.waiting.len(), "the gate opens");
        #[cfg(feature = "flaws")]
        core.flawed.drop_private_snapshots();
        core.store.change_meta(|meta| {
            let session = meta.session.as_mut().expect("a login has a session");
            assert!(!session.open, "the stored session says that the gate is closed");
            session.open = true;
        });
        for op in login.ops {
            core.out.answer(op, Answer::SignedIn { partial });
        }
        std::mem::take(&mut self.waiting)
    }

    /// When to be woken, and why.
    pub(super) fn wakeup(&self) -> Option<(Time, &'static str)> {
        self.login.as_ref().map(|login| (login.patience_ends, "login patience"))
    }

    /// Asserts what must hold between two inputs.
    pub(super) fn check(&self, core: &Core) {
        assert_eq!(
            self.login.is_some(),
            core.is_at_login(),
            "the gate is closed as long as the stored session says so"
        );
        assert!(self.login.is_some() || self.waiting.is_empty(), "nothing waits at an open gate");
    }
}
