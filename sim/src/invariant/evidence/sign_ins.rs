//! When a user was signed in on a device, as far as its answers show.

use engine::device::Reason;
use engine::id::DeviceId;

use crate::history::{Answered, Asked, Boot, Change, Entry, Fact};
use crate::plan::Node;

/// Where a device stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignInState {
    /// No user is signed in.
    Out,
    /// A user asked to sign in, at that fact; the gate is closed until it is answered.
    SigningIn(usize),
    /// A login was interrupted by a crash: the gate may open without an answer. The login was
    /// asked for there.
    Resuming(usize),
    /// A sign-out was interrupted by a crash: it may have been done, or not.
    Unclear,
    /// The gate is open.
    In,
    /// The user asked to sign out.
    SigningOut,
}

/// How each device stood over time, by device.
#[derive(Debug)]
pub(crate) struct SignIns(Vec<Vec<(usize, SignInState)>>);

impl SignIns {
    pub(crate) fn of(devices: usize, off_wire: &[(usize, &Entry)]) -> Self {
        let mut sign_ins = Self(vec![Vec::new(); devices]);
        let mut logins: Vec<Login> = (0..devices).map(|_| Login::default()).collect();
        for &(at, entry) in off_wire {
            let Node::Device(device) = entry.node else { continue };
            let line = &mut sign_ins.0[usize::from(device.0)];
            let now = line.last().map_or(SignInState::Out, |(_, session)| *session);
            let login = &mut logins[usize::from(device.0)];
            login.take(now, &entry.fact);
            line.extend(next(now, at, &entry.fact, login).map(|next| (at, next)));
        }
        sign_ins
    }

    /// How a device stands right after a moment.
    pub(crate) fn at(&self, device: DeviceId, moment: usize) -> SignInState {
        let line = &self.0[usize::from(device.0)];
        let after = line.partition_point(|(from, _)| *from <= moment);
        after.checked_sub(1).map_or(SignInState::Out, |at| line[at].1)
    }

    /// May a device have been without a user at some moment of this interval?
    pub(crate) fn may_be_out(&self, device: DeviceId, from: usize, to: usize) -> bool {
        let is_out = |session: SignInState| match session {
            SignInState::Out
            | SignInState::SigningOut
            | SignInState::Resuming(_)
            | SignInState::Unclear => true,
            SignInState::SigningIn(_) | SignInState::In => false,
        };
        is_out(self.at(device, from))
            || self.0[usize::from(device.0)]
                .iter()
                .any(|(at, session)| (from..=to).contains(at) && is_out(*session))
    }
}

/// The logins of a device that have not ended, and what a crash leaves of them.
#[derive(Debug, Default)]
struct Login {
    /// What each began from, and the commit that it is part of.
    begun: Vec<(SignInState, Option<u32>)>,
    /// What a crash took the device back to, if it undid a login.
    undone: Option<SignInState>,
    /// Has a sign-out been asked for that is not answered?
    leaving: bool,
}

impl Login {
    fn take(&mut self, now: SignInState, fact: &Fact) {
        let ends_leaving = matches!(fact, Fact::Started { .. })
            || matches!(
                fact.answered(),
                Some((_, Answered::SignedOut | Answered::Refused(Reason::Unsent(_))))
            );
        self.leaving |= matches!(fact.asked(), Some((_, Asked::SignOut)));
        self.leaving &= !ends_leaving;
        if !matches!(now, SignInState::SigningIn(_)) {
            self.begun.clear();
        }
        if matches!(fact.asked(), Some((_, Asked::SignIn))) {
            self.begun.push((now, None));
        } else if let Fact::Persisted { commit, changes, .. } = fact
            && changes.contains(&Change::Meta)
            && let Some((_, part_of)) = self.begun.last_mut()
        {
            part_of.get_or_insert(*commit);
        } else if let Fact::Killed { keeps, .. } = fact {
            self.undone = None;
            let is_gone = |part_of: &Option<u32>| part_of.is_none_or(|commit| commit > *keeps);
            while let Some((before, _)) = self.begun.pop_if(|(_, part_of)| is_gone(part_of)) {
                self.undone = Some(before);
            }
            // Commits are numbered from the start; what survived this crash survives the next.
            self.begun.iter_mut().for_each(|(_, part_of)| *part_of = Some(0));
        }
    }
}

fn next(now: SignInState, at: usize, fact: &Fact, login: &Login) -> Option<SignInState> {
    match fact {
        Fact::Started { boot, holds, .. } => {
            let undone = login.undone.filter(|_| *boot == Boot::Restart);
            started(undone.unwrap_or(now), *boot, holds).or(undone)
        }
        Fact::Asked(_, asked) => match (&**asked, now) {
            (Asked::SignIn, _) => Some(SignInState::SigningIn(at)),
            (Asked::SignOut, SignInState::In) => Some(SignInState::SigningOut),
            _ => None,
        },
        Fact::Answered(_, answer) => match (&**answer, now) {
            // A sign-out that waited for the gate comes next.
            (Answered::SignedIn { .. }, _) if login.leaving => Some(SignInState::SigningOut),
            (Answered::SignedIn { .. }, _) => Some(SignInState::In),
            (Answered::SignedOut, _) => Some(SignInState::Out),
            (Answered::Refused(_), SignInState::SigningOut) => Some(SignInState::In),
            _ => None,
        },
        Fact::Skipped(..)
        | Fact::Persisted { .. }
        | Fact::Durable(_)
        | Fact::PersistFailed(_)
        | Fact::Sent { .. }
        | Fact::Delivered { .. }
        | Fact::Lost { .. }
        | Fact::Committed { .. }
        | Fact::Removed { .. }
        | Fact::Served(_)
        | Fact::Declined(..)
        | Fact::Logged { .. }
        | Fact::Filed { .. }
        | Fact::StepBegan(..)
        | Fact::StepEnded(..)
        | Fact::Named { .. }
        | Fact::Kept { .. }
        | Fact::Faulted(_)
        | Fact::Struck(_)
        | Fact::Ended(_)
        | Fact::FaultsEnded
        | Fact::Settled { .. }
        | Fact::Killed { .. }
        | Fact::Panicked(_)
        | Fact::ErrorLogged(_)
        | Fact::CutOff { .. }
        | Fact::Found { .. }
        | Fact::Looked { .. } => None,
    }
}

/// A saved session outlives a crash; what was under way goes on and answers no user.
fn started(now: SignInState, boot: Boot, holds: &[Change]) -> Option<SignInState> {
    let has_key = holds.iter().any(|change| matches!(change, Change::Key(true)));
    match (boot, now) {
        (Boot::Restart, SignInState::SigningIn(asked)) => Some(SignInState::Resuming(asked)),
        (Boot::Restart, SignInState::SigningOut) => Some(SignInState::Unclear),
        (
            Boot::Restart,
            SignInState::Out | SignInState::In | SignInState::Resuming(_) | SignInState::Unclear,
        ) => None,
        (Boot::First | Boot::Restored | Boot::Cloned(_), _) => {
            Some(if has_key { SignInState::In } else { SignInState::Out })
        }
    }
}
