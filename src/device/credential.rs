//! The credential of the user that is signed in, which *rows* and the sync server demand.

use super::core::Core;
use super::io::Output;
use crate::flaw::Flaw;
use crate::id::Remote;
use crate::point::Point;
use crate::remote::Credential;
use crate::time::Time;

/// The credential that is used, and whether the sign-in service has been asked for one.
///
/// Asking is no [`Exchange`](crate::exchange::Exchange): the service numbers nothing, and a credential
/// is as good if it comes late or was never asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials {
    current: Option<Credential>,
    /// When to ask the sign-in service again, while it has been asked.
    asked_until: Option<Time>,
}

impl Credentials {
    pub(super) fn current(&self) -> Option<Credential> {
        self.current
    }

    /// Does this remote need a credential that is not here? A zone knows the account of the device.
    pub(super) fn lacks_for(&self, remote: Remote) -> bool {
        remote == Remote::Rows && self.current.is_none()
    }

    /// Is there a credential that this remote may accept? If not, asks for one.
    pub(super) fn has_for(&mut self, core: &mut Core, remote: Remote) -> bool {
        !self.lacks_for(remote) || self.has_any(core)
    }

    /// Is there a credential? If not, asks for one.
    pub(super) fn has_any(&mut self, core: &mut Core) -> bool {
        assert!(core.store.session().is_some(), "a credential is needed only while signed in");
        if self.current.is_some() {
            return true;
        }
        if self.asked_until.is_none() {
            tracing::debug!("asks for a credential");
            self.asked_until = Some(core.now.mono + core.boot.timing.retry_cap);
            core.out.send(Output::NeedCredential);
        }
        false
    }

    /// Is it being waited for?
    pub(super) fn is_asked(&self) -> bool {
        self.asked_until.is_some()
    }

    /// A credential arrives; returns whether it is used. One of another user is not: a remote would
    /// answer it with nothing, and nothing is not the truth.
    pub(super) fn take(&mut self, core: &mut Core, credential: Credential) -> bool {
        let Some(session) = core.store.session() else {
            // Stale: it was asked for before a sign-out.
            return false;
        };
        self.asked_until = None;
        tracing::debug!(user = credential.user.0, signed_in = session.user.0, "a credential comes");
        if credential.user != session.user && !core.has(Flaw::AuthRestoreRace) {
            tracing::warn!("a credential of another user is not used");
            core.reach(Point::CredentialForeign);
            return false;
        }
        self.current = Some(credential);
        true
    }

    /// It is not accepted any more.
    pub(super) fn lose(&mut self) {
        self.current = None;
    }

    /// When to be woken, and why.
    pub(super) fn wakeup(&self) -> Option<(Time, &'static str)> {
        self.asked_until.map(|at| (at, "credential"))
    }

    /// Asks again when it is next needed, if the sign-in service has not answered in time.
    pub(super) fn wake(&mut self, now: Time) {
        self.asked_until.take_if(|at| *at <= now);
    }

    /// Asserts what must hold between two inputs.
    pub(super) fn check(&self, core: &Core) {
        assert!(
            core.store.session().is_some()
                || (self.current.is_none() && self.asked_until.is_none()),
            "a sign-out forgets the credential"
        );
    }
}
