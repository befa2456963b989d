//! The double of PostgREST over Postgres: one table of all vaults' rows behind row-level security.
//!
//! A save is a transaction: it starts when it arrives (`updated_at` is its start), and nothing of it
//! is visible before it commits, where its conditions are evaluated under the lock that also gives
//! it its `commit_seq`. So a feed by `updated_at` can miss rows for ever, one by `commit_seq` not.
//!
//! Easily got wrong: a page is capped without a word; an update that matched nothing does not say
//! why; a hidden row is absent for reads and updates, and in the way of inserts; a
//! removed row leaves no trace.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use engine::id::{RecordId, UserId, VaultId};
use engine::remote::{Credential, Cursor, Order, Policy, Put, Refusal, Reply, Row, Served, Tag};
use harness::random::Chance;
use harness::time::{Span, SpanRange, Time};

use self::table::{Table, Version};
use super::{Asker, Front, Key, RemoteFact};
use crate::fault::Hit;
use crate::history::Page;
use crate::plan::{Node, RemotePlan};
use crate::time::ToSimulated;

mod double;
mod table;

/// What the clock of the database shows at the start, as every clock that is right. No `commit_seq`
/// comes near it, so a cursor's stamp tells which column it is of.
const START: u64 = harness::clock::EPOCH_MS;

/// How often a transaction is slow while transactions are slow.
const SLOW: Chance = Chance(250_000);

/// A Supabase-like remote.
#[derive(Clone, Debug)]
pub struct Rows {
    front: Front<Version>,
    /// How long a transaction takes.
    commit: SpanRange,
    /// How long slow ones take, while there are any.
    slow: Option<Span>,
    /// Is row-level security off?
    open: bool,
    /// Raised when cursors expire, and by whom the database is restored.
    epoch: u32,
    /// The last `commit_seq` given.
    seq: u64,
    /// The table, by vault.
    vaults: BTreeMap<VaultId, Table>,
    /// Rows that row-level security hides from their own user; they need not exist yet.
    hidden: BTreeSet<Key>,
    /// Transactions by the moment of their commit, then by the order of their start.
    in_flight: BTreeMap<(Time, u64), Transaction>,
    /// How many transactions have started.
    started: u64,
    /// The last end of the credentials that each user has shown.
    shown: BTreeMap<UserId, Time>,
    /// Credentials that end then or earlier are revoked. They do not say when they were issued, but
    /// all are valid equally long, so one issued later ends later.
    revoked: BTreeMap<UserId, Time>,
}

/// A transaction that has started and not committed.
#[derive(Clone, Debug)]
struct Transaction {
    asker: Asker,
    user: UserId,
    start: Time,
    work: Work,
}

/// What a transaction will do.
#[derive(Clone, Debug)]
enum Work {
    Save(Policy, Vec<Put>),
    Remove(VaultId, Vec<RecordId>),
}

/// A query for a page.
#[derive(Clone, Copy, Debug)]
struct Query {
    vault: VaultId,
    since: Option<Cursor>,
    order: Order,
    limit: usize,
}

impl Rows {
    /// A remote with an empty table for these vaults. One that is to be set back needs backups.
    pub fn new(plan: &RemotePlan, nature: u64, vaults: &[VaultId], backups: bool) -> Self {
        Self {
            front: Front::new(plan, nature, backups),
            commit: plan.commit,
            slow: None,
            open: false,
            epoch: 0,
            seq: 0,
            vaults: vaults.iter().map(|&vault| (vault, Table::default())).collect(),
            hidden: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            started: 0,
            shown: BTreeMap::new(),
            revoked: BTreeMap::new(),
        }
    }

    /// Whom a credential speaks for. Nobody outside this house has one that the sign-in service
    /// signed.
    fn authenticate(
        &mut self,
        now: Time,
        from: Node,
        credential: Option<Credential>,
    ) -> Option<UserId> {
        let Credential { user, until } = credential.filter(|_| from != Node::Intruder)?;
        let until = until.to_simulated();
        let revoked = self.revoked.get(&user).is_some_and(|&revoked| until <= revoked);
        if until <= now || revoked {
            return None;
        }
        let last = self.shown.entry(user).or_insert(until);
        *last = until.max(*last);
        Some(user)
    }

    /// Does row-level security let this user write rows of this vault?
    fn owns(&self, user: UserId, vault: VaultId) -> bool {
        self.open || VaultId::from(user) == vault
    }

    /// Does row-level security show this row to users of its vault?
    fn shows(&self, key: Key) -> bool {
        self.open || !self.hidden.contains(&key)
    }

    /// Tells which of the hidden rows that are stored a request would have met.
    fn tell_hidden(&mut self, vault: VaultId, meets: impl Fn(&Table, RecordId) -> bool) {
        let Some(table) = self.vaults.get(&vault) else { return };
        let met = |(of, id): &&Key| {
            *of == vault && table.rows.contains_key(id) && !self.open && meets(table, *id)
        };
        let left_out: Vec<Key> = self.hidden.iter().filter(met).copied().collect();
        left_out.into_iter().for_each(|(vault, id)| self.front.hit(Hit::RowHidden(vault, id)));
    }

    /// Tells that a request met rows of other users.
    fn tell_foreign(&mut self, met: bool) {
        if met {
            self.front.hit(Hit::PolicyMissed);
        }
    }

    /// The tables that a query for this vault's rows reads. Queries name no vault: it is row-level
    /// security alone that leaves other vaults out.
    fn tables(&self, user: UserId, vault: VaultId) -> btree_map::Range<'_, VaultId, Table> {
        if self.open {
            self.vaults.range(..)
        } else if VaultId::from(user) == vault {
            self.vaults.range(vault..=vault)
        } else {
            self.vaults.range(vault..vault)
        }
    }

    fn serve(&self, key: Key, version: &Version, order: Order, to: Node) -> Served {
        let blob = self.front.bytes(key, &version.blob, to);
        let row = Row { id: key.1, vault: key.0, blob };
        Served { row, tag: Tag(version.pos), stamp: version.stamp(order) }
    }

    fn changes(&mut self, asker: Asker, user: UserId, query: Query) -> Reply {
        let Query { vault, since, order, limit } = query;
        let after = match since {
            None => None,
            Some(Cursor::After { epoch, stamp, id }) if epoch == self.epoch => Some((stamp, id)),
            Some(Cursor::After { .. } | Cursor::Token(_)) => {
                return Reply::Refused(Refusal::CursorExpired);
            }
        };
        if order == Order::Token {
            return Reply::Refused(Refusal::Rejected); // There is no such column: HTTP 400.
        }
        self.tell_hidden(vault, |table, id| table.after(order, after).any(|(it, _)| it == id));
        let room = limit.min(self.front.page);
        let mut found: Vec<(Key, &Version)> = Vec::new();
        for (&vault, table) in self.tables(user, vault) {
            let rows = table.after(order, after).map(|(id, version)| ((vault, id), version));
            found.extend(rows.filter(|(key, _)| self.shows(*key)).take(room + 1));
        }
        if self.open {
            found.sort_unstable_by_key(|((vault, id), row)| (row.stamp(order), *id, *vault));
        }
        let end = found.len() <= room;
        found.truncate(room);
        let next = found.last().map_or(since, |((_, id), row)| {
            let id = after.is_none_or(|(_, id)| id.is_some()).then_some(*id);
            Some(Cursor::After { epoch: self.epoch, stamp: row.stamp(order), id })
        });
        let positions = found.iter().map(|((vault, id), row)| (*vault, *id, Tag(row.pos), row.pos));
        let page = Page {
            to: asker.node,
            call: asker.message_id.call,
            vault,
            order,
            since,
            rows: positions.collect(),
            next,
            never_again_below: self.never_again_below(vault, order, next),
            end,
        };
        let foreign = found.iter().any(|((vault, _), _)| *vault != VaultId::from(user));
        let serve = |&(key, version): &(Key, &Version)| self.serve(key, version, order, asker.node);
        let rows: Vec<_> = found.iter().map(serve).collect();
        self.tell_foreign(foreign);
        self.front.fact(RemoteFact::Served(Box::new(page)));
        // Nobody counts what lies behind a page: only an empty one says that nothing does.
        let more = !rows.is_empty();
        Reply::Page { rows, deleted: Vec::new(), token: None, more, epoch: self.epoch }
    }

    /// The position below which this cursor is never again served a row of this vault.
    ///
    /// What is stored now and lies beyond the cursor in the order of the feed will be served, so the
    /// first of its positions is the limit; hidden rows count, as they may be shown again. Nothing
    /// stored later can be served at a position that exists now: it gets one of its own. That
    /// includes transactions in flight, in both orders. By `commit_seq` each lands beyond every
    /// cursor; by `updated_at` it may land behind this one, and then the next page that is served
    /// for the same cursor, empty or not, says so: its position is then below this limit, and was
    /// never served.
    fn never_again_below(&self, vault: VaultId, order: Order, cursor: Option<Cursor>) -> u64 {
        let after = match cursor {
            Some(Cursor::After { stamp, id, .. }) => Some((stamp, id)),
            Some(Cursor::Token(_)) | None => None,
        };
        let mut beyond = self
            .vaults
            .get(&vault)
            .into_iter()
            .flat_map(|table| table.after(order, after).map(|(_, version)| version.pos));
        let first = match order {
            // Both go by the order of commits.
            Order::CommitSeq | Order::Token => beyond.next(),
            Order::UpdatedAt => beyond.min(),
        };
        first.map_or(self.front.pos, |pos| pos - 1)
    }

    fn fetch(&mut self, asker: Asker, user: UserId, vault: VaultId, ids: &[RecordId]) -> Reply {
        self.tell_hidden(vault, |_, id| ids.contains(&id));
        let mut found = Vec::new();
        for (&vault, table) in self.tables(user, vault) {
            for &id in ids.iter().filter(|&&id| self.shows((vault, id))) {
                if let Some(version) = table.rows.get(&id) {
                    found.push(self.serve((vault, id), version, Order::CommitSeq, asker.node));
                }
            }
        }
        found.truncate(self.front.page); // The cap is on every query, and as silent.
        self.tell_foreign(found.iter().any(|it| it.row.vault != VaultId::from(user)));
        Reply::Found(found)
    }

    fn begin(&mut self, now: Time, asker: Asker, user: UserId, work: Work) {
        let slow = self.slow.filter(|_| self.front.draw(asker, "slow").happens(SLOW));
        if slow.is_some() {
            self.front.hit(Hit::TransactionSlowed);
        }
        let takes = slow.unwrap_or_else(|| self.front.draw(asker, "commit").span(self.commit));
        self.started += 1;
        let transaction = Transaction { asker, user, start: now, work };
        self.in_flight.insert((now + takes, self.started), transaction);
        self.commit_due(now);
    }

    fn commit_due(&mut self, now: Time) {
        self.front.now = now;
        while let Some(first) = self.in_flight.first_entry().filter(|first| first.key().0 <= now) {
            let Transaction { asker, user, start, work } = first.remove();
            match work {
                Work::Save(policy, puts) => self.commit_save(asker, user, start, policy, puts),
                Work::Remove(vault, ids) => self.commit_remove(asker, user, vault, &ids),
            }
        }
    }

    fn commit_save(
        &mut self,
        asker: Asker,
        user: UserId,
        start: Time,
        policy: Policy,
        puts: Vec<Put>,
    ) {
        let seq = self.seq + 1;
        let mut results: Vec<_> =
            puts.iter().map(|put| (put.row.id, Err(Refusal::NoRowMatched))).collect();
        let mut puts: Vec<_> = puts.into_iter().enumerate().collect();
        puts.sort_by_key(|(_, put)| (put.row.vault, put.row.id));
        let mut touched = BTreeSet::new();
        for (n, put) in puts {
            let (vault, id) = (put.row.vault, put.row.id);
            self.tell_hidden(vault, |_, hidden| hidden == id);
            self.tell_foreign(self.open && vault != VaultId::from(user));
            results[n].1 = match self.objection(user, policy, &put) {
                Some(refusal) => Err(refusal),
                None => {
                    touched.insert(put.row.vault);
                    self.seq = seq;
                    Ok(self.store(put.row, START + start.0, asker.node, policy))
                }
            };
        }
        self.front.reply(asker, user.into(), Reply::Saved(results));
        for vault in touched {
            self.front.hint(vault, asker.node);
        }
    }

    /// Why this row cannot be written as asked.
    fn objection(&self, user: UserId, policy: Policy, put: &Put) -> Option<Refusal> {
        let key = (put.row.vault, put.row.id);
        let stored = self.vaults.get(&key.0).and_then(|table| table.rows.get(&key.1));
        let owns = self.owns(user, key.0);
        let matched = stored.filter(|_| owns && self.shows(key));
        match (policy, put.expect) {
            // A filter that matches nothing ends the matter: no constraint is looked at.
            (Policy::IfUnchanged, Some(tag)) if matched.is_none_or(|row| Tag(row.pos) != tag) => {
                Some(Refusal::NoRowMatched)
            }
            (Policy::IfUnchanged | Policy::Overwrite, _)
                if !owns || self.front.rejected.contains(&key) =>
            {
                Some(Refusal::Rejected)
            }
            (Policy::IfUnchanged, Some(_)) => None,
            (Policy::IfUnchanged, None) => stored.map(|_| Refusal::Exists),
            // An upsert that runs into a row which its user must not see violates the policy.
            (Policy::Overwrite, _) => {
                (stored.is_some() && matched.is_none()).then_some(Refusal::Rejected)
            }
        }
    }

    fn store(&mut self, row: Row, updated_at: u64, by: Node, policy: Policy) -> Tag {
        let pos = self.front.next_pos();
        let version = Version { blob: row.blob.clone(), pos, commit_seq: self.seq, updated_at };
        let before = self.vaults.entry(row.vault).or_default().insert(row.id, version);
        self.front.replaced((row.vault, row.id), before);
        let served = Served { row, tag: Tag(pos), stamp: self.seq };
        self.front.fact(RemoteFact::Committed { served, pos, by, policy });
        Tag(pos)
    }

    /// The database becomes what it was then: its rows, and its sequence of `commit_seq`, which gives
    /// numbers out again. Transactions in flight end with their connections. The restore procedure
    /// raises the epoch, which is what cursors are told by, and the source of versions goes on, so that
    /// none names two states.
    fn restore(&mut self, then: Time) {
        self.in_flight.clear();
        for ((vault, id), version) in self.front.journal.at(then) {
            let table = self.vaults.entry(vault).or_default();
            let pos = |version: &Version| version.pos;
            if table.rows.get(&id).map(pos) == version.as_ref().map(pos) {
                continue;
            }
            let before = match version.clone() {
                Some(version) => table.insert(id, version),
                None => table.remove(id),
            };
            self.front.replaced((vault, id), before);
            let state = version.as_ref().map(|it| (Tag(it.pos), it.commit_seq, &it.blob));
            self.front.restored((vault, id), state);
        }
        let last = |table: &Table| table.by_seq.last().map_or(0, |(seq, _)| *seq);
        self.seq = self.vaults.values().map(last).max().unwrap_or_default();
        self.epoch += 1;
    }

    fn commit_remove(&mut self, asker: Asker, user: UserId, vault: VaultId, ids: &[RecordId]) {
        let before = self.front.pos;
        let owns = self.owns(user, vault);
        for &id in ids {
            if !owns || !self.shows((vault, id)) {
                continue;
            }
            let table = self.vaults.get_mut(&vault);
            if let Some(before) = table.and_then(|table| table.remove(id)) {
                let pos = self.front.next_pos();
                self.front.replaced((vault, id), Some(before));
                self.front.fact(RemoteFact::Removed { vault, id, pos, by: asker.node });
            }
        }
        self.front.reply(asker, vault, Reply::Done);
        if self.front.pos > before {
            self.front.hint(vault, asker.node);
        }
    }
}
