//! The double as its host has it: calls and controls in, effects out.

use engine::id::{DeviceId, RecordId, Remote, UserId, VaultId};
use engine::remote::{Call, Cursor, Order, Policy, Refusal, Reply, Request, Row, Served, Tag};
use harness::time::Time;

use super::{Query, Rows, START, Work};
use crate::plan::Node;
use crate::remote::{Asker, Control, Double, Effect, damaged, vault_of};

impl Double for Rows {
    fn fork(&self) -> Box<dyn Double> {
        Box::new(self.clone())
    }

    fn redraw(&mut self, nature: u64) {
        self.front.nature = nature;
    }

    fn remote(&self) -> Remote {
        Remote::Rows
    }

    fn handle(&mut self, now: Time, asker: Asker, _account: Option<UserId>, call: &Call) {
        self.commit_due(now);
        let reply = if let Some(refusal) = self.front.turns_away(asker) {
            Reply::Refused(refusal)
        } else if let Some(user) = self.authenticate(now, asker.node, call.credential) {
            match &call.request {
                Request::Changes { vault, since, order, limit } => {
                    let limit = usize::from(*limit);
                    let query = Query { vault: *vault, since: *since, order: *order, limit };
                    self.changes(asker, user, query)
                }
                Request::Fetch { vault, ids } => self.fetch(asker, user, *vault, ids),
                Request::Save { puts, .. } if puts.len() > self.front.batch => {
                    Reply::Refused(Refusal::LimitExceeded)
                }
                Request::Save { policy, puts, .. } => {
                    return self.begin(now, asker, user, Work::Save(*policy, puts.clone()));
                }
                Request::Remove { vault, ids } => {
                    return self.begin(now, asker, user, Work::Remove(*vault, ids.clone()));
                }
                // There is no such endpoint: HTTP 404.
                Request::CreateZone { .. } => Reply::Refused(Refusal::Rejected),
            }
        } else {
            Reply::Refused(Refusal::NotAuthenticated)
        };
        self.front.reply(asker, vault_of(&call.request), reply);
    }

    fn control(&mut self, now: Time, control: &Control) {
        // What happens to the world happens before all else of its millisecond.
        self.commit_due(Time(now.0.saturating_sub(1)));
        match *control {
            Control::Outage(on) => self.front.outage = on,
            Control::Throttle(after) => self.front.throttle = after,
            Control::Reject(vault, id, on) => self.front.reject((vault, id), on),
            Control::Corrupt(vault, id, to, on) => {
                let stored = self.vaults.get(&vault).and_then(|table| table.rows.get(&id));
                self.front.damage((vault, id), stored.map(|row| damaged(&row.blob)), to, on);
            }
            Control::Swap(vault, id, with, on) => {
                let stored = |id| self.vaults.get(&vault).and_then(|table| table.rows.get(&id));
                let instead = stored(id).and(stored(with)).map(|row| row.blob.clone());
                self.front.damage((vault, id), instead, None, on);
            }
            Control::ExpireCursors => self.epoch += 1,
            Control::Restore(age) => self.restore(age.before(now)),
            Control::Hide(vault, id, true) => {
                self.hidden.insert((vault, id));
            }
            Control::Hide(vault, id, false) => {
                self.hidden.remove(&(vault, id));
            }
            Control::DropPolicy(on) => self.open = on,
            Control::SlowCommits(span) => self.slow = span,
            Control::Revoke(user) => {
                if let Some(&last) = self.shown.get(&user) {
                    self.revoked.insert(user, last);
                }
            }
            Control::EndZone(..) => {} // A table has no zones.
        }
    }

    fn wake(&mut self, now: Time) {
        self.commit_due(now);
    }

    fn poll_wakeup(&self) -> Option<Time> {
        self.in_flight.first_key_value().map(|((at, _), _)| *at)
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.front.effects.pop_front()
    }

    fn give(&mut self, now: Time, row: Row) -> Tag {
        self.commit_due(now);
        let table = self.vaults.entry(row.vault).or_default();
        let known = table.rows.contains_key(&row.id);
        let policy = if known { Policy::Overwrite } else { Policy::IfUnchanged };
        self.seq += 1;
        self.store(row, START + now.0, Node::World, policy)
    }

    fn head(&self, vault: VaultId) -> Cursor {
        let last = self
            .vaults
            .get(&vault)
            .and_then(|table| table.by_seq.iter().rev().find(|(_, id)| self.shows((vault, *id))));
        // Before the first `commit_seq` there is nothing.
        let (stamp, id) = last.map_or((0, None), |&(seq, id)| (seq, Some(id)));
        Cursor::After { epoch: self.epoch, stamp, id }
    }

    fn is_at_head(&self, vault: VaultId, cursor: Cursor) -> bool {
        let Cursor::After { epoch, stamp, id } = cursor else { return false };
        let order = if stamp < START { Order::CommitSeq } else { Order::UpdatedAt };
        let Some(table) = self.vaults.get(&vault) else { return true };
        let mut beyond = table.after(order, Some((stamp, id)));
        epoch == self.epoch && !beyond.any(|(id, _)| self.shows((vault, id)))
    }

    fn stored(&self) -> Vec<Served> {
        self.vaults.keys().flat_map(|vault| self.stored_of(*vault)).collect()
    }

    fn stored_of(&self, vault: VaultId) -> Vec<Served> {
        let rows = self.vaults.get(&vault).into_iter().flat_map(|table| &table.rows);
        rows.map(|(id, version)| version.stored_as((vault, *id))).collect()
    }

    fn row(&self, vault: VaultId, id: RecordId) -> Option<Served> {
        Some(self.vaults.get(&vault)?.rows.get(&id)?.stored_as((vault, id)))
    }

    fn is_damaged_for(&self, vault: VaultId, id: RecordId, device: DeviceId) -> bool {
        self.front.is_damaged_for((vault, id), device)
    }
}
