//! What surrounds hosts: accounts, remotes, the sync server's storage, the AI step, and an intruder. Hosts
//! call these, and what they answer is given to them after a while.

use std::sync::Arc;

use engine::volume::Call;
use harness::time::Time;

use super::accounts::Accounts;
use super::action::Actions;
use super::ai_step::AiStep;
use super::hosts::Hosts;
use super::intruder::Intruder;
use super::remotes::Remotes;
use super::server::Server;
use crate::fault::{Age, Conditions};
use crate::history::Incarnation;
use crate::mailbox::ServiceCall;
use crate::plan::{Node, Plan, WorkerId};
use crate::remote::Double;

/// What surrounds hosts.
#[derive(Clone, Debug)]
pub(super) struct Services {
    pub(super) accounts: Accounts,
    pub(super) remotes: Remotes,
    pub(super) server: Server,
    pub(super) intruder: Intruder,
    ai_step: AiStep,
}

/// When something happens, and what active faults make of it. By chance things fail only while there are
/// faults.
#[derive(Clone, Copy)]
pub(super) struct Circumstances<'w> {
    pub(super) now: Time,
    pub(super) active: &'w Conditions,
    pub(super) chances: bool,
}

impl Services {
    pub(super) fn new(plan: &Arc<Plan>, accounts: Accounts, doubles: Vec<Box<dyn Double>>) -> Self {
        Self {
            remotes: Remotes::new(doubles),
            server: Server::of(plan),
            intruder: Intruder::of(plan),
            ai_step: AiStep::of(plan, accounts.canary()),
            accounts,
        }
    }

    /// The same, which goes on by itself.
    pub(super) fn fork(&self) -> Self {
        Self { remotes: self.remotes.fork(), ..self.clone() }
    }

    /// From now on what is left to chance is drawn from this nature.
    pub(super) fn redraw(&mut self, nature: u64) {
        self.accounts.redraw(nature);
        self.remotes.redraw(nature);
        self.server.redraw(nature);
        self.ai_step.redraw(nature);
    }

    /// A host calls one of the services.
    pub(super) fn take_call(
        &mut self,
        (hosts, from): (&Hosts, Node),
        call: ServiceCall,
        circumstances: Circumstances<'_>,
        out: &mut Actions,
    ) {
        let Circumstances { now, active, chances } = circumstances;
        let host = hosts.get(from);
        match call {
            ServiceCall::Volume(call) => self.server.send((now, host), active.volume, call, out),
            ServiceCall::StoreKey(name, key) => {
                self.accounts.store_key(now, (hosts, from), (name, &key), out);
            }
            ServiceCall::NeedCredential => {
                if let Some(user) = hosts.user_of(from) {
                    self.accounts.issue_credential(now, host, user, out);
                }
            }
            ServiceCall::Step(step, thread) => {
                self.ai_step.begin((now, host), (step, &thread), (active.step, chances), out);
            }
        }
    }

    /// Stores on the volume what is there before the start.
    pub(super) fn store_seed_data(&mut self, out: &mut Actions) {
        self.server.store_seed_data(&self.accounts, out);
    }

    /// The volume becomes what it was so long ago.
    pub(super) fn restore_volume(&mut self, now: Time, age: Age, out: &mut Actions) {
        self.server.restore(now, age, &self.accounts, out);
    }

    /// A request has reached the volume.
    pub(super) fn reach_volume(
        &mut self,
        request: (WorkerId, Incarnation, &Call),
        circumstances: Circumstances<'_>,
        out: &mut Actions,
    ) {
        let Circumstances { now, active, chances } = circumstances;
        self.server.handle(now, request, (active.volume, chances), &self.accounts, out);
    }
}
