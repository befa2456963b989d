//! The doubles of the two remotes: third parties, modelled. Never flawed, and never kinder than
//! the real thing.
//!
//! A double is sans-IO like the engine: a call and the time go in, effects come out. What its real
//! counterpart decides at random is a keyed draw of the run's nature and the call's lineage.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use engine::Bytes;
use engine::id::{DeviceId, RecordId, Remote, UserId, VaultId};
use engine::remote::{Call, CallId, Policy, Refusal, Reply, Request, Return, Row, Served, Tag};
use harness::random::{Chance, Draw};
use harness::time::{Span, SpanRange, Time};

pub use crate::fault::Control;
use crate::fault::Hit;
use crate::history::Refused;
use crate::journal::Journal;
pub use crate::message::Asker;
use crate::plan::{Node, RemotePlan};
use crate::time::ToEngine;

pub mod rows;
pub mod zone;

/// What a remote does.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Answers.
    Reply(Asker, Return),
    /// Hints to everyone of a vault but the one who saved.
    Hint(VaultId, Node),
    /// Did something that the history records.
    Fact(RemoteFact),
    /// Did otherwise than it would without an active fault.
    Hit(Hit),
}

/// What a remote did. The stage turns it into a [`Fact`](crate::history::Fact), numbering and
/// opening blobs.
#[derive(Clone, Debug)]
pub enum RemoteFact {
    /// Stored a row.
    Committed {
        /// What is stored.
        served: Served,
        /// The position in the commit order.
        pos: u64,
        /// Who saved it.
        by: Node,
        /// How.
        policy: Policy,
    },
    /// Removed a row.
    Removed {
        /// Whose row.
        vault: VaultId,
        /// Which record.
        id: RecordId,
        /// The position in the commit order.
        pos: u64,
        /// Who removed it.
        by: Node,
    },
    /// Served a page.
    Served(Box<crate::history::Page>),
    /// Declined a request.
    Declined(Node, CallId, Refused),
}

/// What every double offers to the stage.
pub trait Double: std::fmt::Debug + Send {
    /// The same remote, which goes on by itself.
    fn fork(&self) -> Box<dyn Double>;
    /// From now on it draws from this nature what its real counterpart decides at random.
    fn redraw(&mut self, nature: u64);
    /// Which remote it stands for.
    fn remote(&self) -> Remote;
    /// Handles a call. `account` is the user whose account the asking device is set up with.
    fn handle(&mut self, now: Time, from: Asker, account: Option<UserId>, call: &Call);
    /// Handles what happens to it.
    fn control(&mut self, now: Time, control: &Control);
    /// Its moment has come.
    fn wake(&mut self, now: Time);
    /// When to wake it.
    fn poll_wakeup(&self) -> Option<Time>;
    /// What it does; drain to `None`.
    fn poll_effect(&mut self) -> Option<Effect>;
    /// Stores a row before the start, or as if by another client; returns its tag.
    fn give(&mut self, now: Time, row: Row) -> Tag;
    /// A cursor at the head of this vault's feed, as a device would hold it.
    fn head(&self, vault: VaultId) -> engine::remote::Cursor;
    /// Would this cursor be served nothing?
    fn is_at_head(&self, vault: VaultId, cursor: engine::remote::Cursor) -> bool;
    /// What is stored, in order of vault and record, damaged for nobody.
    fn stored(&self) -> Vec<Served>;
    /// What is stored of a vault, in order of records, damaged for nobody.
    fn stored_of(&self, vault: VaultId) -> Vec<Served>;
    /// What is stored of a record, damaged for nobody.
    fn row(&self, vault: VaultId, id: RecordId) -> Option<Served>;
    /// Is this device served damaged bytes of this row?
    fn is_damaged_for(&self, vault: VaultId, id: RecordId, device: DeviceId) -> bool;
}

/// A damaged copy of a blob: another object, which does not open. The name of its key stays.
pub fn damaged(blob: &Bytes) -> Bytes {
    let mut bytes = blob.to_vec();
    if let Some(last) = bytes.last_mut() {
        *last ^= 0x01;
    }
    bytes.into()
}

/// How often a *zone* that is out of order says when to come back.
const RETRY_AFTER: Chance = Chance(500_000);

/// What it says then.
const OUTAGE_WAIT: SpanRange = SpanRange { low: Span::from_secs(1), high: Span::from_secs(3) };

/// The primary key of a row.
type Key = (VaultId, RecordId);

/// Whose rows are asked for.
const fn vault_of(request: &Request) -> VaultId {
    match *request {
        Request::Changes { vault, .. }
        | Request::Fetch { vault, .. }
        | Request::Save { vault, .. }
        | Request::Remove { vault, .. }
        | Request::CreateZone { vault } => vault,
    }
}

/// A row whose stored bytes are damaged.
#[derive(Clone, Debug)]
struct Damage {
    /// The object that is served instead: the same one every time, so that what it was taken for can be
    /// compared.
    blob: Bytes,
    /// Who is served it; `None` is everybody.
    to: BTreeSet<Option<DeviceId>>,
}

impl Damage {
    fn is_served_to(&self, device: Option<DeviceId>) -> bool {
        self.to.contains(&None) || self.to.contains(&device)
    }
}

/// What both kinds have in common: the commit order, what goes wrong, and what is to be said. `S` is a
/// stored state of a row.
#[derive(Clone, Debug)]
struct Front<S> {
    remote: Remote,
    /// What its answers are drawn from.
    nature: u64,
    /// What its cursors are made of, for ever.
    seal: u64,
    /// The most rows that it serves in one page.
    page: usize,
    /// The most rows that it takes in one save.
    batch: usize,
    /// The last position given in the one commit order of all vaults; also the source of tags, so
    /// that no tag ever names two states, even of a row that was removed and made again.
    pos: u64,
    now: Time,
    journal: Journal<Key, S>,
    outage: bool,
    throttle: Option<Span>,
    rejected: BTreeSet<Key>,
    damaged: BTreeMap<Key, Damage>,
    effects: VecDeque<Effect>,
}

impl<S: Clone> Front<S> {
    fn new(plan: &RemotePlan, nature: u64, backups: bool) -> Self {
        Self {
            remote: plan.kind,
            nature,
            seal: nature,
            page: usize::from(plan.page.max(1)),
            batch: usize::from(plan.batch.max(1)),
            pos: 0,
            now: Time(0),
            journal: Journal::new(backups),
            outage: false,
            throttle: None,
            rejected: BTreeSet::new(),
            damaged: BTreeMap::new(),
            effects: VecDeque::new(),
        }
    }

    /// What is decided at random about this asker's answer.
    fn draw(&self, asker: Asker, concern: &str) -> Draw {
        asker.lineage(Draw::new(self.nature, concern).and(Node::Remote(self.remote).lineage()))
    }

    /// Why nobody is let in at the moment.
    fn turns_away(&self, asker: Asker) -> Option<Refusal> {
        if self.outage {
            let draw = self.draw(asker, "retry after");
            let says = self.remote == Remote::Zone && draw.happens(RETRY_AFTER);
            return Some(Refusal::Unavailable(
                says.then(|| draw.and(1).span(OUTAGE_WAIT).to_engine()),
            ));
        }
        self.throttle.map(|after| Refusal::RateLimited(after.to_engine()))
    }

    fn next_pos(&mut self) -> u64 {
        self.pos += 1;
        self.pos
    }

    /// The bytes of a row as `to` is served them.
    fn bytes(&self, key: Key, stored: &Bytes, to: Node) -> Bytes {
        let device = if let Node::Device(device) = to { Some(device) } else { None };
        let damage = self.damaged.get(&key).filter(|damage| damage.is_served_to(device));
        damage.map_or(stored, |damage| &damage.blob).clone()
    }

    fn is_damaged_for(&self, key: Key, device: DeviceId) -> bool {
        self.damaged.get(&key).is_some_and(|damage| damage.is_served_to(Some(device)))
    }

    /// Serves another object in the place of a row's, or takes that back. What is not stored cannot be
    /// damaged: then there is no such object.
    fn damage(&mut self, key: Key, instead: Option<Bytes>, to: Option<DeviceId>, on: bool) {
        if on {
            if let Some(blob) = instead {
                let fresh = || Damage { blob, to: BTreeSet::new() };
                self.damaged.entry(key).or_insert_with(fresh).to.insert(to);
            }
        } else if let Some(damage) = self.damaged.get_mut(&key) {
            damage.to.remove(&to);
            if damage.to.is_empty() {
                self.mend(key);
            }
        }
    }

    /// The row was stored again, or is gone; this is what had been stored.
    fn replaced(&mut self, key: Key, before: Option<S>) {
        self.journal.note(self.now, key, before);
        self.mend(key);
    }

    fn mend(&mut self, key: Key) {
        self.damaged.remove(&key);
    }

    /// The fact that a restore brought back a row as it had been, or took it away.
    fn restored(&mut self, (vault, id): Key, state: Option<(Tag, u64, &Bytes)>) {
        let by = Node::Remote(self.remote);
        self.fact(match state {
            Some((tag, stamp, blob)) => {
                let row = Row { id, vault, blob: blob.clone() };
                let (served, policy) = (Served { row, tag, stamp }, Policy::Overwrite);
                RemoteFact::Committed { served, pos: tag.0, by, policy }
            }
            None => RemoteFact::Removed { vault, id, pos: self.pos, by },
        });
    }

    fn reject(&mut self, key: Key, on: bool) {
        if on {
            self.rejected.insert(key);
        } else {
            self.rejected.remove(&key);
        }
    }

    fn fact(&mut self, fact: RemoteFact) {
        self.effects.push_back(Effect::Fact(fact));
    }

    fn hit(&mut self, hit: Hit) {
        self.effects.push_back(Effect::Hit(hit));
    }

    /// Tells which rows of an answer are damaged, and which it refuses for good.
    fn tell_hits(&mut self, vault: VaultId, to: Node, reply: &Reply) {
        let remote = self.remote;
        if let (Reply::Page { rows, .. } | Reply::Found(rows), Some(device)) = (reply, to.device())
        {
            for row in rows.iter().map(|it| &it.row) {
                if self.is_damaged_for((row.vault, row.id), device) {
                    self.hit(Hit::RowDamaged(remote, row.vault, row.id));
                }
            }
        }
        if let Reply::Saved(results) = reply {
            for (id, result) in results {
                if result.is_err() && self.rejected.contains(&(vault, *id)) {
                    self.hit(Hit::RowRefused(remote, vault, *id));
                }
            }
        }
    }

    /// Answers a request about the rows of a vault.
    fn reply(&mut self, to: Asker, vault: VaultId, reply: Reply) {
        if !self.damaged.is_empty() || !self.rejected.is_empty() {
            self.tell_hits(vault, to.node, &reply);
        }
        if let Reply::Refused(refusal) = &reply {
            self.fact(RemoteFact::Declined(to.node, to.message_id.call, Refused::of(refusal)));
        }
        let answer = Return { id: to.message_id.call, attempt: to.message_id.attempt, reply };
        self.effects.push_back(Effect::Reply(to, answer));
    }

    fn hint(&mut self, vault: VaultId, saver: Node) {
        self.effects.push_back(Effect::Hint(vault, saver));
    }
}
