//! A laboratory: one double, its clock, and clients that ask it directly, without a network.
//!
//! A row's bytes are letters here, and merging is the union of letters: a letter that is nowhere
//! any more is a lost edit. [`Client`] is careful; the naive ones stand beside what they fall into.

use harness::time::SpanRange;
use std::collections::{BTreeMap, BTreeSet};

use engine::Bytes;
use engine::id::{DeviceId, Kind, RecordId, Remote, UserId, VaultId};
use engine::remote::{
    Call, CallId, Credential, Cursor, Ending, Order, Policy, Put, Refusal, Reply, Request, Row,
    Served, Tag,
};
use harness::time::{Span, Time};
use sim::plan::{Node, RemotePlan};
use sim::remote::rows::Rows;
use sim::remote::zone::Zone;
use sim::remote::{Asker, Control, Double, Effect, RemoteFact};
use sim::time::ToEngine;

/// The vault of the user that most tests are about.
pub(super) const HOME: VaultId = VaultId(1);
/// Another client's.
pub(super) const ELSEWHERE: VaultId = VaultId(2);

/// Rows in one page.
pub(super) const PAGE: u16 = 3;
/// Rows in one save.
pub(super) const BATCH: u16 = 4;

/// A record.
pub(super) const fn meal(key: u32) -> RecordId {
    RecordId { kind: Kind::Meal, key }
}

/// Letters as bytes.
pub(super) fn letters(text: &str) -> Bytes {
    text.as_bytes().into()
}

/// Bytes as letters.
pub(super) fn text(blob: &Bytes) -> String {
    String::from_utf8_lossy(blob).into_owned()
}

/// All letters of both, each once.
pub(super) fn merge(one: &Bytes, other: &Bytes) -> Bytes {
    let all: BTreeSet<u8> = one.iter().chain(other.iter()).copied().collect();
    all.into_iter().collect()
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who {
    pub(super) node: Node,
    pub(super) account: Option<UserId>,
    pub(super) credential: Option<Credential>,
}

/// A device of the user of this vault, signed in for a long time.
pub(super) fn device(n: u16, vault: VaultId) -> Who {
    let user = UserId(vault.0);
    Who {
        node: Node::Device(DeviceId(n)),
        account: Some(user),
        credential: Some(Credential { user, until: Time(1_000_000_000).to_engine() }),
    }
}

/// A double, its time, and what it has done so far.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) double: Box<dyn Double>,
    pub(super) now: Time,
    calls: u32,
    replies: BTreeMap<CallId, Reply>,
    pub(super) hints: Vec<(VaultId, Node)>,
    pub(super) facts: Vec<RemoteFact>,
}

impl Lab {
    /// A zone, or a table whose transactions take no time.
    pub(super) fn new(remote: Remote) -> Self {
        Self::with(remote, SpanRange { low: Span::ZERO, high: Span::ZERO })
    }

    /// A remote whose transactions take this long.
    pub(super) fn with(remote: Remote, commit: SpanRange) -> Self {
        let name = sim::plan::remote_name(remote).to_owned();
        let plan = RemotePlan { name, kind: remote, page: PAGE, batch: BATCH, commit };
        let double: Box<dyn Double> = match remote {
            Remote::Zone => Box::new(Zone::new(&plan, 7, &[HOME, ELSEWHERE], true)),
            Remote::Rows => Box::new(Rows::new(&plan, 7, &[HOME, ELSEWHERE], true)),
        };
        Self {
            double,
            now: Time(1_000),
            calls: 0,
            replies: BTreeMap::new(),
            hints: Vec::new(),
            facts: Vec::new(),
        }
    }

    /// The order that a careful client asks for.
    pub(super) fn order(&self) -> Order {
        match self.double.remote() {
            Remote::Zone => Order::Token,
            Remote::Rows => Order::CommitSeq,
        }
    }

    fn drain(&mut self) {
        while let Some(effect) = self.double.poll_effect() {
            match effect {
                Effect::Reply(_, answer) => {
                    self.replies.insert(answer.id, answer.reply);
                }
                Effect::Hint(vault, saver) => self.hints.push((vault, saver)),
                Effect::Fact(fact) => self.facts.push(fact),
                Effect::Hit(_) => {}
            }
        }
    }

    /// Asks, and does not wait.
    pub(super) fn send(&mut self, who: Who, request: Request) -> CallId {
        self.calls += 1;
        let id = CallId(self.calls);
        let call = Call { id, attempt: 0, credential: who.credential, request };
        self.double.handle(self.now, Asker::new(who.node, 0, &call), who.account, &call);
        self.drain();
        id
    }

    /// Lets time pass.
    pub(super) fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(at) = self.double.poll_wakeup().filter(|&at| at <= end) {
            self.now = at;
            self.double.wake(at);
            self.drain();
        }
        self.now = end;
    }

    /// The answer, if it is there.
    pub(super) fn answer(&mut self, id: CallId) -> Option<Reply> {
        self.replies.remove(&id)
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&mut self, who: Who, request: Request) -> Reply {
        let id = self.send(who, request);
        loop {
            if let Some(reply) = self.answer(id) {
                return reply;
            }
            let at = self.double.poll_wakeup().expect("an answer is owed, so something is due");
            self.pass(at - self.now);
        }
    }

    pub(super) fn control(&mut self, control: Control) {
        self.double.control(self.now, &control);
        self.drain();
    }

    /// Stores a row as if by another client.
    pub(super) fn give(&mut self, vault: VaultId, id: RecordId, content: &str) -> Tag {
        let tag = self.double.give(self.now, Row { id, vault, blob: letters(content) });
        self.drain();
        tag
    }

    /// Saves one row.
    pub(super) fn save(
        &mut self,
        who: Who,
        id: RecordId,
        content: &str,
        expect: Option<Tag>,
    ) -> Result<Tag, Refusal> {
        self.save_all(who, Policy::IfUnchanged, vec![put(id, content, expect)]).remove(0)
    }

    /// Saves rows of the own vault; the results, in order.
    pub(super) fn save_all(
        &mut self,
        who: Who,
        policy: Policy,
        puts: Vec<Put>,
    ) -> Vec<Result<Tag, Refusal>> {
        let vault = puts[0].row.vault;
        match self.ask(who, Request::Save { vault, policy, puts }) {
            Reply::Saved(results) => results.into_iter().map(|(_, result)| result).collect(),
            other => panic!("a save was answered by {other:?}"),
        }
    }

    /// One page of the own vault.
    pub(super) fn page(&mut self, who: Who, order: Order, since: Option<Cursor>) -> Reply {
        self.ask(who, Request::Changes { vault: HOME, since, order, limit: 100 })
    }

    /// One page that must be one.
    pub(super) fn rows(&mut self, who: Who, order: Order, since: Option<Cursor>) -> Page {
        match self.page(who, order, since) {
            Reply::Page { rows, deleted, token, more, epoch } => {
                Page { rows, deleted, token, more, epoch }
            }
            other => panic!("a page was asked for, and answered by {other:?}"),
        }
    }

    /// The rows of these ids that are shown.
    pub(super) fn fetch(&mut self, who: Who, ids: &[RecordId]) -> Vec<Served> {
        match self.ask(who, Request::Fetch { vault: HOME, ids: ids.to_vec() }) {
            Reply::Found(rows) => rows,
            other => panic!("a fetch was answered by {other:?}"),
        }
    }

    /// What is stored of the own vault.
    pub(super) fn stored(&self) -> BTreeMap<RecordId, String> {
        let own = self.double.stored().into_iter().filter(|row| row.row.vault == HOME);
        own.map(|row| (row.row.id, text(&row.row.blob))).collect()
    }

    /// How many requests were turned away.
    pub(super) fn declined(&self) -> usize {
        self.facts.iter().filter(|fact| matches!(fact, RemoteFact::Declined(..))).count()
    }
}

/// A page taken apart.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) rows: Vec<Served>,
    pub(super) deleted: Vec<RecordId>,
    pub(super) token: Option<Cursor>,
    pub(super) more: bool,
    pub(super) epoch: u32,
}

impl Page {
    /// The cursor after this page: the remote's token, or what its last row says.
    pub(super) fn next(&self, since: Option<Cursor>) -> Option<Cursor> {
        let last = self.rows.last().map(|row| Cursor::After {
            epoch: self.epoch,
            stamp: row.stamp,
            id: Some(row.row.id),
        });
        self.token.or(last).or(since)
    }

    pub(super) fn ids(&self) -> Vec<RecordId> {
        self.rows.iter().map(|row| row.row.id).collect()
    }
}

/// A row to save in the own vault.
pub(super) fn put(id: RecordId, content: &str, expect: Option<Tag>) -> Put {
    Put { row: Row { id, vault: HOME, blob: letters(content) }, expect }
}

/// A careful client.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) who: Who,
    pub(super) local: BTreeMap<RecordId, Bytes>,
    pub(super) tags: BTreeMap<RecordId, Tag>,
    pub(super) unsent: BTreeSet<RecordId>,
    pub(super) parked: BTreeSet<RecordId>,
    pub(super) cursor: Option<Cursor>,
}

impl Client {
    /// A remote with three meals, and a client that has them.
    pub(super) fn settled(remote: Remote) -> (Lab, Self) {
        let mut lab = Lab::new(remote);
        for (key, content) in [(1, "a"), (2, "b"), (3, "c")] {
            lab.give(HOME, meal(key), content);
        }
        let mut client = Self::new(1);
        client.pull(&mut lab);
        (lab, client)
    }

    /// A client of the own vault that knows nothing yet.
    pub(super) fn new(n: u16) -> Self {
        Self {
            who: device(n, HOME),
            local: BTreeMap::new(),
            tags: BTreeMap::new(),
            unsent: BTreeSet::new(),
            parked: BTreeSet::new(),
            cursor: None,
        }
    }

    /// Its user adds letters.
    pub(super) fn edit(&mut self, id: RecordId, content: &str) {
        let merged = merge(self.local.get(&id).unwrap_or(&letters("")), &letters(content));
        self.local.insert(id, merged);
        self.unsent.insert(id);
    }

    pub(super) fn shows(&self, id: RecordId) -> Option<String> {
        self.local.get(&id).map(text)
    }

    /// Takes in a row: into the server's state, so that its tag is the one to expect.
    pub(super) fn take(&mut self, served: Served) {
        let id = served.row.id;
        let local = self.local.get(&id).filter(|_| self.unsent.contains(&id));
        let merged = local.map_or(served.row.blob.clone(), |own| merge(own, &served.row.blob));
        self.local.insert(id, merged);
        self.tags.insert(id, served.tag);
    }

    /// Takes in all that is new; gives back how many pages that took.
    pub(super) fn pull(&mut self, lab: &mut Lab) -> usize {
        for pages in 1.. {
            match lab.page(self.who, lab.order(), self.cursor) {
                Reply::Page { rows, deleted, token, more, epoch } => {
                    let page = Page { rows, deleted, token, more, epoch };
                    self.cursor = page.next(self.cursor);
                    for id in page.deleted {
                        self.tags.remove(&id);
                        if !self.unsent.contains(&id) {
                            self.local.remove(&id);
                        }
                    }
                    page.rows.into_iter().for_each(|served| self.take(served));
                    if !more {
                        return pages;
                    }
                }
                // Only the token is worthless, not what is here.
                Reply::Refused(Refusal::CursorExpired) => self.cursor = None,
                Reply::Refused(Refusal::ZoneNotFound(ending)) => {
                    self.zone_ended(lab, ending);
                    return pages;
                }
                other => panic!("a pull was answered by {other:?}"),
            }
            assert!(pages < 1_000, "a pull never ends");
        }
        unreachable!("the range has no end")
    }

    fn zone_ended(&mut self, lab: &mut Lab, ending: Ending) {
        self.cursor = None;
        self.tags.clear();
        match ending {
            Ending::Purged => self.local.clear(),
            Ending::Deleted | Ending::EncryptedDataReset => {
                self.unsent.extend(self.local.keys());
            }
        }
        assert_eq!(lab.ask(self.who, Request::CreateZone { vault: HOME }), Reply::Done);
    }

    /// Sends what is unsent, in as many rounds as it takes; gives back how many.
    pub(super) fn push(&mut self, lab: &mut Lab) -> usize {
        let mut alone = false;
        for round in 1.. {
            let most = if alone { 1 } else { usize::from(BATCH) };
            let puts: Vec<_> = self.unsent.difference(&self.parked).take(most).copied().collect();
            if puts.is_empty() {
                return round - 1;
            }
            let puts = puts.into_iter().map(|id| {
                let row = Row { id, vault: HOME, blob: self.local[&id].clone() };
                Put { row, expect: self.tags.get(&id).copied() }
            });
            let ids: Vec<_> = puts.clone().map(|put| put.row.id).collect();
            let results = lab.save_all(self.who, Policy::IfUnchanged, puts.collect());
            for (id, result) in ids.into_iter().zip(results) {
                match result {
                    Ok(tag) => {
                        self.tags.insert(id, tag);
                        self.unsent.remove(&id);
                    }
                    Err(Refusal::Changed(served)) => self.take(*served),
                    Err(Refusal::UnknownItem) => {
                        self.tags.remove(&id);
                    }
                    Err(Refusal::Exists | Refusal::NoRowMatched) => {
                        self.tags.remove(&id);
                        lab.fetch(self.who, &[id]).into_iter().for_each(|row| self.take(row));
                    }
                    Err(Refusal::BatchFailed) => alone = true,
                    Err(Refusal::Rejected) => {
                        self.parked.insert(id);
                    }
                    Err(other) => panic!("a row was refused by {other:?}"),
                }
            }
            assert!(round < 100, "a push never ends");
        }
        unreachable!("the range has no end")
    }

    /// Pulls when hinted at, and only then: it sees what the hint is about, and misses what `saver`
    /// saves next, whose hint is lost. One that also pulls every now and then does not.
    pub(super) fn lives_on_hints(mut self, lab: &mut Lab, saver: Who, hinted: RecordId) {
        let mut naive = self.clone();
        naive.pull_if_hinted(lab);
        assert!(naive.shows(hinted).is_some());
        assert!(lab.save(saver, meal(5), "e", None).is_ok());
        lab.hints.clear();
        naive.pull_if_hinted(lab);
        assert_eq!(naive.shows(meal(5)), None);

        self.pull(lab);
        assert_eq!(self.shows(meal(5)).as_deref(), Some("e"));
    }

    /// Pulls if a hint has arrived that is not about its own save.
    fn pull_if_hinted(&mut self, lab: &mut Lab) {
        if lab.hints.drain(..).any(|(vault, saver)| vault == HOME && saver != self.who.node) {
            self.pull(lab);
        }
    }

    /// Pulls and pushes.
    pub(super) fn sync(&mut self, lab: &mut Lab) {
        self.pull(lab);
        self.push(lab);
    }
}
