//! The double of CloudKit's private database: one record zone for each vault.
//!
//! Easily got wrong: a save is atomic for the zone, so one bad row fails all others; a row that was
//! to be new and exists is refused in one of two ways, as the field reports both; a change token is
//! opaque, of one zone and of one life of it; the feed gives each record's latest state only, and
//! forgets deletions together with old tokens. A zone that has ended says why to every request,
//! until it is created again.

use std::collections::BTreeMap;

use engine::Bytes;
use engine::id::{DeviceId, RecordId, Remote, UserId, VaultId};
use engine::remote::{
    Call, Cursor, Ending, Order, Policy, Put, Refusal, Reply, Request, Row, Served, Tag,
};
use harness::random::{Chance, Draw};
use harness::time::Time;

use super::{Asker, Control, Double, Effect, RemoteFact, damaged, vault_of};
use crate::fault::{Age, Hit};
use crate::history::Page;
use crate::journal::Journal;
use crate::plan::{Node, RemotePlan};

/// How often a refused new record comes with what is stored.
const COLLISION_SHOWS: Chance = Chance(500_000);

/// How often a page is shorter than it might be.
const SHORT_PAGE: Chance = Chance(125_000);

type Front = super::Front<Record>;

/// A CloudKit-like remote.
#[derive(Clone, Debug)]
pub struct Zone {
    front: Front,
    /// Why each zone was gone, or that it was there, before that changed.
    endings: Journal<VaultId, Option<Ending>>,
    zones: BTreeMap<VaultId, RecordZone>,
}

/// A record's latest change: what is stored, or that it was removed.
#[derive(Clone, Debug)]
struct Record {
    /// Its position in the commit order, which is also its change tag.
    pos: u64,
    /// `None` for a deletion that is still remembered.
    blob: Option<Bytes>,
}

/// The record zone of one vault.
#[derive(Clone, Debug)]
struct RecordZone {
    vault: VaultId,
    /// Why it is gone, if it is.
    ended: Option<Ending>,
    /// Raised when tokens expire: a token is of one generation.
    generation: u64,
    records: BTreeMap<RecordId, Record>,
    /// Each record at the position of its latest change.
    feed: BTreeMap<u64, RecordId>,
}

impl Zone {
    /// A remote with an empty zone for each of these vaults. One that is to be set back needs backups.
    pub fn new(plan: &RemotePlan, nature: u64, vaults: &[VaultId], backups: bool) -> Self {
        let zones = vaults.iter().map(|&vault| (vault, RecordZone::new(vault))).collect();
        let (front, endings) = (Front::new(plan, nature, backups), Journal::new(backups));
        Self { front, endings, zones }
    }

    /// Starts an empty zone, unless there is one.
    fn create(&mut self, vault: VaultId) {
        let zone = self.zones.entry(vault).or_insert_with(|| RecordZone::new(vault));
        if let Some(ended) = zone.ended.take() {
            self.endings.note(self.front.now, vault, Some(Some(ended)));
            zone.generation += 1;
        }
    }

    fn end(&mut self, vault: VaultId, ending: Ending) {
        if let Some(zone) = self.zones.get_mut(&vault) {
            if zone.ended.is_none() {
                self.front.hit(Hit::ZoneEnded(vault));
            }
            self.endings.note(self.front.now, vault, Some(zone.ended));
            zone.end(&mut self.front, ending);
        }
    }

    /// Zones and records become what they were so long ago. No token outlives that: the service asks
    /// every client to list from the start. It makes up new change tags as before.
    fn restore(&mut self, age: Age) {
        let then = age.before(self.front.now);
        for (vault, ended) in self.endings.at(then) {
            let zone = self.zones.get_mut(&vault).expect("no zone is forgotten");
            self.endings.note(self.front.now, vault, Some(zone.ended));
            zone.ended = ended.flatten();
        }
        for ((vault, id), record) in self.front.journal.at(then) {
            let zone = self.zones.get_mut(&vault).expect("no zone is forgotten");
            zone.restore(&mut self.front, id, record.filter(|record| record.blob.is_some()));
        }
        self.zones.values_mut().for_each(RecordZone::expire);
    }

    fn answer(&mut self, asker: Asker, account: Option<UserId>, request: &Request) -> Reply {
        if let Some(refusal) = self.front.turns_away(asker) {
            return Reply::Refused(refusal);
        }
        let vault = vault_of(request);
        if account.map(VaultId::from) != Some(vault) {
            // Another account's database holds no such zone, and tells nothing about this one.
            return Reply::Refused(Refusal::ZoneNotFound(Ending::Deleted));
        }
        if let Request::CreateZone { .. } = request {
            self.create(vault);
            return Reply::Done;
        }
        let Some(zone) = self.zones.get_mut(&vault) else {
            return Reply::Refused(Refusal::ZoneNotFound(Ending::Deleted));
        };
        if let Some(ending) = zone.ended {
            return Reply::Refused(Refusal::ZoneNotFound(ending));
        }
        let front = &mut self.front;
        match request {
            Request::Changes { since, order, limit, .. } => {
                zone.changes(front, asker, *since, *order, usize::from(*limit))
            }
            Request::Fetch { ids, .. } if ids.len() > front.batch => {
                Reply::Refused(Refusal::LimitExceeded)
            }
            Request::Fetch { ids, .. } => Reply::Found(
                ids.iter().filter_map(|&id| zone.served(front, id, asker.node)).collect(),
            ),
            Request::Save { puts, .. } if puts.len() > front.batch => {
                Reply::Refused(Refusal::LimitExceeded)
            }
            Request::Save { policy, puts, .. } => zone.save(front, asker, *policy, puts),
            Request::Remove { ids, .. } if ids.len() > front.batch => {
                Reply::Refused(Refusal::LimitExceeded)
            }
            Request::Remove { ids, .. } => {
                for &id in ids {
                    zone.remove(front, id, asker.node);
                }
                Reply::Done
            }
            Request::CreateZone { .. } => Reply::Done,
        }
    }
}

impl RecordZone {
    const fn new(vault: VaultId) -> Self {
        Self { vault, ended: None, generation: 0, records: BTreeMap::new(), feed: BTreeMap::new() }
    }

    fn end(&mut self, front: &mut Front, ending: Ending) {
        self.ended = Some(ending);
        for (id, record) in std::mem::take(&mut self.records) {
            front.replaced((self.vault, id), Some(record));
        }
        self.feed.clear();
    }

    /// Puts a record of another state, or none, in the place of what stands there.
    fn replace(&mut self, front: &mut Front, id: RecordId, record: Option<Record>) {
        let before = self.records.remove(&id);
        if let Some(before) = &before {
            self.feed.remove(&before.pos);
        }
        front.replaced((self.vault, id), before);
        if let Some(record) = record {
            self.feed.insert(record.pos, id);
            self.records.insert(id, record);
        }
    }

    /// A record becomes what it was, unless that is what it is.
    fn restore(&mut self, front: &mut Front, id: RecordId, record: Option<Record>) {
        let state = record.clone().and_then(|it| Some((Tag(it.pos), it.blob?)));
        if self.stored(id).map(|(tag, _)| tag) != state.as_ref().map(|(tag, _)| *tag) {
            self.replace(front, id, record);
            let state = state.as_ref().map(|(tag, blob)| (*tag, 0, blob));
            front.restored((self.vault, id), state);
        }
    }

    /// Lets go of what tokens refer to: the deletions, of which a listing from the start says
    /// nothing, go with them.
    fn expire(&mut self) {
        self.generation += 1;
        self.records.retain(|_, record| record.blob.is_some());
        let records = &self.records;
        self.feed.retain(|_, id| records.contains_key(id));
    }

    /// The token for a position. Its upper half can only be made by the remote, and differs between
    /// zones and between generations.
    fn token(&self, front: &Front, pos: u64) -> Cursor {
        let seal = Draw::new(front.seal, "token").and(u64::from(self.vault.0));
        Cursor::Token(seal.and(self.generation).and(pos).value() << 32 | pos)
    }

    /// The position that a token stands for, if it is one of this zone's and not expired.
    fn position(&self, front: &Front, cursor: Cursor) -> Option<u64> {
        let Cursor::Token(token) = cursor else { return None };
        let pos = token & u64::from(u32::MAX);
        (self.token(front, pos) == cursor).then_some(pos)
    }

    /// The position of the first change after this one.
    fn change_after(&self, pos: u64) -> Option<u64> {
        self.feed.range(pos + 1..).next().map(|(&pos, _)| pos)
    }

    fn stored(&self, id: RecordId) -> Option<(Tag, &Bytes)> {
        let record = self.records.get(&id)?;
        record.blob.as_ref().map(|blob| (Tag(record.pos), blob))
    }

    fn row(&self, id: RecordId) -> Option<Served> {
        let (tag, blob) = self.stored(id)?;
        Some(Served { row: Row { id, vault: self.vault, blob: blob.clone() }, tag, stamp: 0 })
    }

    fn served(&self, front: &Front, id: RecordId, to: Node) -> Option<Served> {
        let mut served = self.row(id)?;
        served.row.blob = front.bytes((self.vault, id), &served.row.blob, to);
        Some(served)
    }

    fn changes(
        &self,
        front: &mut Front,
        asker: Asker,
        since: Option<Cursor>,
        order: Order,
        limit: usize,
    ) -> Reply {
        let after = match since.map(|cursor| self.position(front, cursor)) {
            None => 0,
            Some(Some(pos)) => pos,
            Some(None) => return Reply::Refused(Refusal::CursorExpired),
        };
        let room = room(front, asker, limit);
        let (mut rows, mut deleted, mut last) = (Vec::new(), Vec::new(), after);
        for (&pos, &id) in self.feed.range(after + 1..) {
            if rows.len() + deleted.len() == room {
                break;
            }
            last = pos;
            match self.served(front, id, asker.node) {
                Some(served) => rows.push(served),
                // Who asks for everything is not told what there once was.
                None if since.is_none() => {}
                None => deleted.push(id),
            }
        }
        let (token, rest) = (self.token(front, last), self.change_after(last));
        front.fact(RemoteFact::Served(Box::new(Page {
            to: asker.node,
            call: asker.message_id.call,
            vault: self.vault,
            order,
            since,
            // A zone's tags are its positions.
            rows: rows.iter().map(|row| (row.row.vault, row.row.id, row.tag, row.tag.0)).collect(),
            next: Some(token),
            // A zone serves in the order of positions: what it has still to serve starts at `rest`,
            // and what will yet be stored comes after everything.
            never_again_below: rest.map_or(front.pos, |pos| pos - 1),
            end: rest.is_none(),
        })));
        Reply::Page { rows, deleted, token: Some(token), more: rest.is_some(), epoch: 0 }
    }

    /// Why this row cannot be saved.
    fn objection(&self, front: &Front, asker: Asker, policy: Policy, put: &Put) -> Option<Refusal> {
        let (id, vault) = (put.row.id, put.row.vault);
        if vault != self.vault || front.rejected.contains(&(vault, id)) {
            return Some(Refusal::Rejected);
        }
        if policy == Policy::Overwrite {
            return None;
        }
        let stored = self.served(front, id, asker.node);
        match (stored, put.expect) {
            (None, None) => None,
            (None, Some(_)) => Some(Refusal::UnknownItem),
            (Some(stored), Some(tag)) if stored.tag == tag => None,
            (Some(stored), Some(_)) => Some(Refusal::Changed(Box::new(stored))),
            (Some(stored), None) => {
                let draw = front.draw(asker, "collision").and(stored.tag.0);
                let shows = draw.happens(COLLISION_SHOWS);
                Some(if shows { Refusal::Changed(Box::new(stored)) } else { Refusal::Exists })
            }
        }
    }

    fn save(&mut self, front: &mut Front, asker: Asker, policy: Policy, puts: &[Put]) -> Reply {
        let mut objections: Vec<_> =
            puts.iter().map(|put| self.objection(front, asker, policy, put)).collect();
        let mut ids: Vec<_> = puts.iter().enumerate().map(|(n, put)| (put.row.id, n)).collect();
        ids.sort_unstable();
        for pair in ids.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            objections[pair[1].1] = Some(Refusal::Rejected);
        }
        if objections.iter().all(Option::is_none) {
            let save =
                |put: &Put| (put.row.id, Ok(self.put(front, put.row.clone(), asker.node, policy)));
            return Reply::Saved(puts.iter().map(save).collect());
        }
        let refuse = |(put, objection): (&Put, Option<Refusal>)| {
            (put.row.id, Err(objection.unwrap_or(Refusal::BatchFailed)))
        };
        Reply::Saved(puts.iter().zip(objections).map(refuse).collect())
    }

    /// Stores a row whatever is there.
    fn put(&mut self, front: &mut Front, row: Row, by: Node, policy: Policy) -> Tag {
        let pos = front.next_pos();
        self.replace(front, row.id, Some(Record { pos, blob: Some(row.blob.clone()) }));
        let served = Served { row, tag: Tag(pos), stamp: 0 };
        front.fact(RemoteFact::Committed { served, pos, by, policy });
        Tag(pos)
    }

    fn remove(&mut self, front: &mut Front, id: RecordId, by: Node) {
        if self.stored(id).is_none() {
            return;
        }
        let pos = front.next_pos();
        self.replace(front, id, Some(Record { pos, blob: None }));
        front.fact(RemoteFact::Removed { vault: self.vault, id, pos, by });
    }
}

/// How many changes this page has room for: what is asked, what is allowed, now and then fewer.
/// Asking for none leaves it to the remote.
fn room(front: &Front, asker: Asker, limit: usize) -> usize {
    let most = if limit == 0 { front.page } else { limit.min(front.page) };
    let draw = front.draw(asker, "short page");
    if draw.happens(SHORT_PAGE) { 1 + draw.and(1).below(most as u64) as usize } else { most }
}

impl Double for Zone {
    fn fork(&self) -> Box<dyn Double> {
        Box::new(self.clone())
    }

    fn redraw(&mut self, nature: u64) {
        self.front.nature = nature;
    }

    fn remote(&self) -> Remote {
        Remote::Zone
    }

    fn handle(&mut self, now: Time, asker: Asker, account: Option<UserId>, call: &Call) {
        self.front.now = now;
        let before = self.front.pos;
        let reply = self.answer(asker, account, &call.request);
        self.front.reply(asker, vault_of(&call.request), reply);
        if self.front.pos > before {
            self.front.hint(vault_of(&call.request), asker.node);
        }
    }

    fn control(&mut self, now: Time, control: &Control) {
        self.front.now = now;
        let front = &mut self.front;
        match *control {
            Control::Outage(on) => front.outage = on,
            Control::Throttle(after) => front.throttle = after,
            Control::Reject(vault, id, on) => front.reject((vault, id), on),
            Control::Corrupt(vault, id, to, on) => {
                let stored = self.zones.get(&vault).and_then(|zone| zone.stored(id));
                front.damage((vault, id), stored.map(|(_, blob)| damaged(blob)), to, on);
            }
            Control::Swap(vault, id, with, on) => {
                let stored = |id| self.zones.get(&vault).and_then(|zone| zone.stored(id));
                let instead = stored(id).and(stored(with)).map(|(_, blob)| blob.clone());
                front.damage((vault, id), instead, None, on);
            }
            Control::ExpireCursors => self.zones.values_mut().for_each(RecordZone::expire),
            Control::Restore(age) => self.restore(age),
            Control::EndZone(vault, ending) => self.end(vault, ending),
            // A zone has no rows of the database to hide, no policies, no transactions that take
            // their time, and no credentials.
            Control::Hide(..)
            | Control::DropPolicy(_)
            | Control::SlowCommits(_)
            | Control::Revoke(_) => {}
        }
    }

    fn wake(&mut self, _now: Time) {}

    fn poll_wakeup(&self) -> Option<Time> {
        None
    }

    fn poll_effect(&mut self) -> Option<Effect> {
        self.front.effects.pop_front()
    }

    fn give(&mut self, now: Time, row: Row) -> Tag {
        self.front.now = now;
        self.create(row.vault);
        let zone = self.zones.get_mut(&row.vault).expect("it was created");
        let known = zone.stored(row.id).is_some();
        let policy = if known { Policy::Overwrite } else { Policy::IfUnchanged };
        zone.put(&mut self.front, row, Node::World, policy)
    }

    fn head(&self, vault: VaultId) -> Cursor {
        let nothing = RecordZone::new(vault);
        let zone = self.zones.get(&vault).unwrap_or(&nothing);
        zone.token(&self.front, zone.feed.last_key_value().map_or(0, |(&pos, _)| pos))
    }

    fn is_at_head(&self, vault: VaultId, cursor: Cursor) -> bool {
        self.zones.get(&vault).filter(|zone| zone.ended.is_none()).is_some_and(|zone| {
            let position = zone.position(&self.front, cursor);
            position.is_some_and(|pos| zone.change_after(pos).is_none())
        })
    }

    fn stored(&self) -> Vec<Served> {
        self.zones.keys().flat_map(|vault| self.stored_of(*vault)).collect()
    }

    fn stored_of(&self, vault: VaultId) -> Vec<Served> {
        let zone = self.zones.get(&vault);
        zone.into_iter()
            .flat_map(|zone| zone.records.keys().filter_map(|id| zone.row(*id)))
            .collect()
    }

    fn row(&self, vault: VaultId, id: RecordId) -> Option<Served> {
        self.zones.get(&vault)?.row(id)
    }

    fn is_damaged_for(&self, vault: VaultId, id: RecordId, device: DeviceId) -> bool {
        self.front.is_damaged_for((vault, id), device)
    }
}
