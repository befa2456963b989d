//! A history in sentences: what each fact says, in the names that people gave.
//!
//! The sentences are made from facts alone. A write is called `w17` if it is the seventeenth that
//! was asked of any device: the same in every replay of a plan, and short enough to follow by eye.

mod choice;
mod file;
mod pipeline;
mod server;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use engine::device::Reason;
use engine::id::{DeviceId, FieldId, OpId, RecordId, Remote, ReplicaId, Token, UserId, VaultId};
use engine::remote::Policy;
use engine::schema;
use harness::time::Time;

use crate::history::{
    Answered, Asked, Boot, Change, Contents, Done, Entry, Fact, FileDone, Incarnation, Letter,
    Page, Refused, Said, WriteKind,
};
use crate::plan::{Errand, Node, Plan};

use choice::{is_new_state, record_of};
pub use words::{count, field_name, time, value};
use words::{fields, is_among, list, lost, parcel, refusal, shown_fields};

/// A plan with its history, and who wrote what.
#[derive(Debug)]
pub struct Scene<'a> {
    plan: &'a Plan,
    history: &'a [Entry],
    writes: BTreeMap<Token, Written>,
    asked: BTreeMap<(Node, Incarnation, OpId), usize>,
    /// Who asks the sync server under which replica.
    clients: BTreeMap<ReplicaId, Node>,
    files: file::Names,
}

/// A write as the history knows it.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// The count of the run's writes up to this one, from 1.
    pub number: usize,
    /// The fact that asks for it.
    pub index: usize,
    /// When the device answered that it is saved, or that the server has it.
    pub saved: Option<Time>,
}

impl<'a> Scene<'a> {
    /// Reads a history.
    pub fn new(plan: &'a Plan, history: &'a [Entry]) -> Self {
        let (writes, asked, clients) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let files = file::Names::default();
        let mut scene = Self { plan, history, writes, asked, clients, files };
        for (index, entry) in history.iter().enumerate() {
            scene.files.learn(&entry.fact);
            if let Some((op, asked)) = entry.fact.asked() {
                scene.asked.insert((entry.node, entry.incarnation, op), index);
                if let Some(token) = token_of(asked) {
                    let number = scene.writes.len() + 1;
                    scene.writes.insert(token, Written { number, index, saved: None });
                }
            } else if let Some((
                op,
                Answered::Saved
                | Answered::Done(Done::Patched)
                | Answered::File(FileDone::Published(_)),
            )) = entry.fact.answered()
            {
                scene.note_saved(entry, op);
            } else if let Fact::Sent { server: Some(said), .. } = &entry.fact
                && let Said::Asks { client, .. } = **said
            {
                scene.clients.entry(client.replica).or_insert(entry.node);
            }
        }
        scene
    }

    fn note_saved(&mut self, entry: &Entry, op: OpId) {
        if let Some(token) = self.token_of(entry, op)
            && let Some(write) = self.writes.get_mut(&token)
        {
            write.saved = Some(entry.at);
        }
    }

    /// Which write this answer belongs to, if to one.
    fn token_of(&self, entry: &Entry, op: OpId) -> Option<Token> {
        let asked = self.asked.get(&(entry.node, entry.incarnation, op))?;
        if let Fact::Asked(_, asked) = &self.history[*asked].fact { token_of(asked) } else { None }
    }

    /// The write of this label, if a user made it in this run.
    pub fn write(&self, token: Token) -> Option<Written> {
        self.writes.get(&token).copied()
    }

    /// The fields that a write sets.
    pub fn fields_of(&self, token: Option<Token>) -> Vec<FieldId> {
        let write = token.and_then(|token| self.write(token));
        let asked = write.and_then(|write| self.history[write.index].fact.asked());
        if let Some((_, Asked::Write { set, .. })) = asked {
            return set.iter().map(|(field, _)| *field).collect();
        }
        Vec::new()
    }

    /// What a write is called.
    pub fn label(&self, token: Token) -> String {
        match self.writes.get(&token) {
            Some(write) => format!("w{}", write.number),
            None if token == Token::NONE => "a purge".to_owned(),
            None => "given".to_owned(),
        }
    }

    /// A write in a sentence: who wrote what, when, and when it was acknowledged.
    pub fn tell_write(&self, token: Token) -> Option<String> {
        let write = self.write(token)?;
        let entry = &self.history[write.index];
        let owner = match entry.node {
            Node::Device(device) => self.owner(device),
            Node::Processor(_) => self.plan.name(entry.node),
            Node::World | Node::Remote(_) | Node::Worker(_) | Node::Volume | Node::Intruder => {
                "nobody"
            }
        };
        let saved = write.saved.map_or("never answered".to_owned(), |at| {
            format!("acknowledged as saved at {}", time(at))
        });
        let Fact::Asked(_, asked) = &entry.fact else {
            return None;
        };
        Some(format!(
            "w{}: {owner} {} on {} at {}, {saved}.",
            write.number,
            tell_write(asked)?,
            self.plan.name(entry.node),
            time(entry.at),
        ))
    }

    fn owner(&self, device: DeviceId) -> &str {
        let user = self.plan.devices.get(usize::from(device.0)).map(|device| device.user);
        user.and_then(|user| self.plan.users.get(usize::from(user.0)))
            .map_or("somebody", |name| name)
    }

    /// The records that facts are about.
    pub fn records(&self) -> BTreeSet<RecordId> {
        let of = |entry: &Entry| {
            if let Some((_, Asked::Read { id, .. } | Asked::Write { id, .. })) = entry.fact.asked()
            {
                return Some(*id);
            }
            if let Fact::Committed { id, .. } | Fact::Found { id, .. } = &entry.fact {
                return Some(*id);
            }
            None
        };
        self.history.iter().filter_map(of).collect()
    }

    /// The page that a commit of this record came from, if it came from one.
    pub fn page_of(&self, commit: usize, id: RecordId) -> Option<usize> {
        let Entry { node, fact: Fact::Persisted { changes, .. }, .. } = &self.history[commit]
        else {
            return None;
        };
        if !changes.iter().any(|it| matches!(it, Change::Record(changed, _) if *changed == id)) {
            return None;
        }
        let from = changes.iter().find_map(|it| match it {
            Change::Mirror(from, changed, _) if *changed == id => Some(Node::Remote(*from)),
            Change::Mirror(..)
            | Change::Record(..)
            | Change::Sealed(..)
            | Change::Parked(..)
            | Change::Cursor(..)
            | Change::Node(..)
            | Change::Upload(..)
            | Change::Feed(_)
            | Change::Key(_)
            | Change::Meta => None,
        })?;
        (0..commit).rev().find(|&index| {
            let entry = &self.history[index];
            entry.node == from
                && matches!(&entry.fact, Fact::Served(page)
                    if page.to == *node && page.rows.iter().any(|row| row.1 == id))
        })
    }

    /// What the copies of a user's record held at the end in these fields, by place; without
    /// fields, in all.
    pub fn copies(&self, user: UserId, id: RecordId, of: &[FieldId]) -> Vec<(String, String)> {
        let told = self.history.iter().filter_map(|entry| {
            let told = match entry.node {
                Node::Device(device) if self.user(device) == Some(user) => {
                    self.last_read(entry, id, of)
                }
                Node::Remote(_) => found(&entry.fact, (VaultId::from(user), id), of),
                Node::Device(_)
                | Node::World
                | Node::Worker(_)
                | Node::Processor(_)
                | Node::Volume
                | Node::Intruder => None,
            };
            Some((self.plan.name(entry.node).to_owned(), told?))
        });
        told.collect()
    }

    /// Whose record a violation is about: its writer's, or of where it was found.
    pub fn user_of(&self, token: Option<Token>, node: Node) -> Option<UserId> {
        let write = token.and_then(|token| self.write(token));
        match write.map_or(node, |write| self.history[write.index].node) {
            Node::Device(device) => self.user(device),
            Node::World
            | Node::Remote(_)
            | Node::Worker(_)
            | Node::Processor(_)
            | Node::Volume
            | Node::Intruder => None,
        }
    }

    fn user(&self, device: DeviceId) -> Option<UserId> {
        self.plan.devices.get(usize::from(device.0)).map(|device| device.user)
    }

    fn last_read(&self, entry: &Entry, id: RecordId, of: &[FieldId]) -> Option<String> {
        if let Some((op, Answered::Read(shown))) = entry.fact.answered()
            && shown.id == id
            && self.is_last(entry, op)
        {
            return Some(shown_fields(shown, of, |_| String::new()));
        }
        None
    }

    fn is_last(&self, entry: &Entry, op: OpId) -> bool {
        let asked = self.asked.get(&(entry.node, entry.incarnation, op));
        asked.is_some_and(|&index| {
            matches!(
                self.history[index].fact.asked(),
                Some((
                    _,
                    Asked::Read { last: true, .. }
                        | Asked::Errand { last: true, .. }
                        | Asked::Work { last: true, .. }
                        | Asked::File { last: true, .. }
                ))
            )
        })
    }

    /// What a fact says; if asked about one record, what it says of that.
    pub fn tell(&self, entry: &Entry, about: Option<RecordId>) -> String {
        match &entry.fact {
            Fact::Asked(_, asked) => self.tell_asked(asked),
            Fact::Answered(op, answered) => self.tell_answered(entry, *op, answered),
            Fact::Skipped(step) => {
                let place = self.plan.place_of(*step).map_or(0, |place| place + 1);
                format!("step {place} cannot be done now")
            }
            Fact::Persisted { commit, sync, changes, .. } => {
                let waits = if *sync { "" } else { ", without waiting for the disk" };
                format!("commits no. {commit}{waits}: {}", self.tell_changes(changes, about))
            }
            Fact::Durable(commit) => format!("commit no. {commit} is durable"),
            Fact::PersistFailed(commit) => format!("commit no. {commit} fails: the app stops"),
            Fact::Started { boot, commit, holds, .. } => self.tell_start(*boot, *commit, holds),
            Fact::Sent { to, letter, size, rows, plaintext, server: _ } => {
                let to = self.plan.name(*to);
                let ids: Vec<String> = rows.iter().map(|(id, _)| id.to_string()).collect();
                let rows = if ids.is_empty() { String::new() } else { format!(": {}", list(&ids)) };
                let bare = if *plaintext { ", with plaintext in it" } else { "" };
                format!("→ {to}   {} ({size} bytes){rows}{bare}", parcel(letter))
            }
            Fact::Delivered { from, letter, refused, rows_refused } => {
                self.tell_delivered(*from, letter, refused.as_deref().copied(), rows_refused)
            }
            Fact::Lost { to, letter, why } => {
                format!("→ {}   {} lost: {}", self.plan.name(*to), parcel(letter), lost(*why))
            }
            Fact::Committed { .. }
            | Fact::Removed { .. }
            | Fact::Served(_)
            | Fact::Declined(..)
            | Fact::Found { .. } => self.tell_remote(&entry.fact, about),
            Fact::Logged { space, entry } => self.tell_commit(*space, entry),
            Fact::Filed { name, holds, .. } => pipeline::tell_filed(*name, holds.as_deref()),
            Fact::StepBegan(_, talk) => {
                format!("has {} worked on", pipeline::tell_talk(talk))
            }
            Fact::StepEnded(_, Some(_)) => "gets the result of the step".to_owned(),
            Fact::StepEnded(_, None) => "hears that the step has failed".to_owned(),
            Fact::Named { node, name, .. } => server::tell_name(*node, name.as_deref()),
            Fact::Kept { key, hash, .. } => server::tell_object(key, hash.as_deref().copied()),
            Fact::Faulted(fault) => fault.tell(self.plan),
            Fact::Ended(fault) => format!("over: {}", fault.tell(self.plan)),
            Fact::Healed => "the storm is over: all that can end has ended".to_owned(),
            Fact::Settled { pending } if pending.is_empty() => "everything has settled".to_owned(),
            Fact::Settled { pending } => {
                format!("not settled within the bound: {}", pending.join("; "))
            }
            Fact::Killed { keeps, between } => {
                let between = if *between { ", one of them not yet answered" } else { "" };
                format!("loses power; commits up to no. {keeps} survive{between}")
            }
            Fact::Panicked(text) => format!("panics: {text}"),
            Fact::ErrorLogged(text) => format!("logs an error: {text}"),
            Fact::CutOff { excess, given } if given.is_empty() => {
                format!("the run is ended here: it exceeds {excess}")
            }
            Fact::CutOff { excess, given } => {
                format!("the run is ended here: given {}, it exceeds {excess}", given.join(" and "))
            }
        }
    }

    fn tell_asked(&self, asked: &Asked) -> String {
        match asked {
            Asked::Read { id, last: false } => format!("reads {id}"),
            Asked::Read { id, last: true } => format!("reads {id} at the end"),
            Asked::List => "lists all records".to_owned(),
            Asked::Write { token, .. } => {
                let write = tell_write(asked).expect("it is a write");
                format!("{write}   ({})", self.label(*token))
            }
            Asked::SignIn => "signs in".to_owned(),
            Asked::SignOut => "signs out".to_owned(),
            Asked::RotateKey => "makes a new key".to_owned(),
            Asked::Register(kind, field, custom) => {
                let field = schema::field_of(*kind, *field).map_or("?", |field| field.name);
                format!("shows {} of {} by {custom:?} from now on", field, kind.name())
            }
            Asked::Errand { errand, token, last } => self.tell_errand(errand, *token, *last),
            Asked::Work { order, last } => pipeline::tell_order(order, *last),
            Asked::File { ask, path, last } => self.tell_file_ask(ask, path, *last),
            Asked::Sync => "asks to sync".to_owned(),
            Asked::Status => "asks how things stand".to_owned(),
        }
    }

    fn tell_answered(&self, entry: &Entry, op: OpId, answered: &Answered) -> String {
        let subject = self.token_of(entry, op).map(|token| self.label(token));
        match answered {
            Answered::Read(shown) => {
                let values = shown_fields(shown, &[], |tokens| {
                    let labels: Vec<String> = tokens.iter().map(|t| self.label(*t)).collect();
                    format!(" ({})", labels.join(" "))
                });
                format!("sees {}: {values}", shown.id)
            }
            Answered::Listed(ids) => format!("sees {}", count(ids.len(), "record")),
            Answered::Saved => format!("{} is saved", subject.as_deref().unwrap_or("it")),
            Answered::SignedIn { partial: false } => "is signed in, both remotes merged".to_owned(),
            Answered::SignedIn { partial: true } => {
                "is signed in, with one remote not merged yet".to_owned()
            }
            Answered::SignedOut => "is signed out and empty".to_owned(),
            Answered::Rotated => "seals under the new key from now on".to_owned(),
            Answered::Registered => "shows the field by it from now on".to_owned(),
            Answered::Syncing => "syncs".to_owned(),
            Answered::Done(done) => self.tell_done(done, subject.as_deref()),
            Answered::Worked(worked) => pipeline::tell_worked(worked),
            Answered::Files(files) => self.tell_files(files),
            Answered::File(done) => self.tell_file_done(done),
            Answered::Status(status) => format!(
                "is {}; unsent {:?}, sealed {:?}, parked {:?} (zone, rows)",
                if status.open { "open" } else { "not open" },
                status.unsent,
                status.sealed,
                status.parked
            ),
            Answered::Refused(reason) => {
                let why = match reason {
                    Reason::SignedOut => "nobody is signed in".to_owned(),
                    Reason::Unsent(n) => count(*n as usize, "record") + " not sent yet",
                    Reason::WrongField => "the field does not take that".to_owned(),
                    Reason::NoServer => "there is no sync server".to_owned(),
                    Reason::Internal => "the sync server failed inside".to_owned(),
                    Reason::File(refusal) => words::file_refusal(*refusal),
                    Reason::BadName(why) => why.to_string(),
                    Reason::Date(why) => why.to_string(),
                    Reason::Sealed(why) => why.to_string(),
                    Reason::Keyless => "there is no key yet".to_owned(),
                };
                format!("refuses {}: {why}", subject.as_deref().unwrap_or("it"))
            }
        }
    }

    fn tell_changes(&self, changes: &[Change], about: Option<RecordId>) -> String {
        let counts = |change: &&Change| match about {
            Some(row) => record_of(change) == Some(row) || matches!(change, Change::Cursor(..)),
            None => is_new_state(change),
        };
        let mut told: Vec<String> =
            changes.iter().filter(counts).filter_map(|it| self.tell_change(it)).collect();
        let others = changes.len() - told.len();
        if about.is_some() && others > 0 && !told.is_empty() {
            told.push(format!("{} more", count(others, "change")));
        }
        if told.is_empty() { "bookkeeping".to_owned() } else { told.join("; ") }
    }

    fn tell_change(&self, change: &Change) -> Option<String> {
        let remote = |remote: &Remote| self.plan.name(Node::Remote(*remote));
        Some(match change {
            Change::Record(id, None) => format!("{id} is gone"),
            Change::Record(id, Some(contents)) => format!("{id} = {}", self.contents(contents)),
            Change::Mirror(at, id, None) => format!("nothing known of {id} on {}", remote(at)),
            Change::Mirror(at, id, Some((_, None))) => {
                format!("{id} on {} is known to be damaged", remote(at))
            }
            Change::Mirror(at, id, Some((_, Some(contents)))) => {
                format!("{} is believed to hold {id} = {}", remote(at), self.contents(contents))
            }
            Change::Sealed(at, id, Some(_)) => format!("{id} of {} is kept sealed", remote(at)),
            Change::Sealed(at, id, None) => format!("{id} of {} is no longer sealed", remote(at)),
            Change::Parked(at, id, true) => format!("{id} is parked, {} refuses it", remote(at)),
            Change::Parked(at, id, false) => format!("{id} is no longer parked for {}", remote(at)),
            Change::Cursor(at, Some(_)) => format!("cursor of {} moves", remote(at)),
            Change::Cursor(at, None) => format!("cursor of {} is dropped", remote(at)),
            Change::Node(..) | Change::Upload(..) | Change::Feed(_) => {
                return self.tell_file_change(change);
            }
            Change::Key(true) => "a key is added".to_owned(),
            Change::Key(false) => "a key is removed".to_owned(),
            Change::Meta => return None,
        })
    }

    fn contents(&self, contents: &Contents) -> String {
        let mut labels: Vec<String> = Vec::new();
        for (_, token) in &contents.cells {
            let label = self.label(*token);
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let deleted = if contents.live { "" } else { "deleted " };
        format!("{deleted}{{{}}}", labels.join(" "))
    }

    fn tell_start(&self, boot: Boot, commit: u32, holds: &[Change]) -> String {
        let records = holds.iter().filter(|it| matches!(it, Change::Record(_, Some(_)))).count();
        let records = count(records, "record");
        match boot {
            Boot::First => format!("starts for the first time, with {records}"),
            Boot::Restart => format!("starts again, with commits up to no. {commit}"),
            Boot::Restored => format!("starts from its backup, with {records}"),
            Boot::Cloned(from) => {
                let from = self.plan.name(Node::Device(from));
                format!("starts as a copy of {from}, with {records}")
            }
        }
    }

    fn tell_delivered(
        &self,
        from: Node,
        letter: &Letter,
        refused: Option<Refused>,
        rows_refused: &[(RecordId, Refused)],
    ) -> String {
        let mut line = format!("← {}   {}", self.plan.name(from), parcel(letter));
        if let Some(refused) = refused {
            let _ = write!(line, ": refused, {}", refusal(refused));
        }
        let rows: Vec<String> = rows_refused
            .iter()
            .map(|(id, why)| format!("{id} refused, {}", refusal(*why)))
            .collect();
        if !rows.is_empty() {
            let _ = write!(line, ": {}", list(&rows));
        }
        line
    }

    fn tell_remote(&self, fact: &Fact, about: Option<RecordId>) -> String {
        match fact {
            Fact::Committed { id, by, contents, policy, .. } => {
                let held = contents.as_deref();
                let held = held.map_or("sealed bytes".to_owned(), |it| self.contents(it));
                let how = match policy {
                    Policy::IfUnchanged => "",
                    Policy::Overwrite => ", whatever was there",
                };
                match by {
                    Node::World => format!("holds {id} = {held} from the start"),
                    Node::Device(_)
                    | Node::Remote(_)
                    | Node::Worker(_)
                    | Node::Processor(_)
                    | Node::Volume
                    | Node::Intruder => {
                        format!("stores {id} = {held} from {}{how}", self.plan.name(*by))
                    }
                }
            }
            Fact::Removed { id, by, .. } => format!("removes {id} for {}", self.plan.name(*by)),
            Fact::Served(page) => {
                let Page { to, rows, since, end, .. } = &**page;
                let named = |id: &&RecordId| about.is_none_or(|row| row == **id);
                let ids = rows.iter().map(|(_, id, ..)| id).filter(named);
                let ids: Vec<String> = ids.map(ToString::to_string).collect();
                let others = rows.len() - ids.len();
                let others =
                    if others == 0 { String::new() } else { format!(" and {others} more") };
                let what = if rows.is_empty() { "nothing new".to_owned() } else { list(&ids) };
                let from = if since.is_none() { " from the start" } else { "" };
                let end = if *end { " (the end)" } else { "" };
                format!("serves {} a page{from}: {what}{others}{end}", self.plan.name(*to))
            }
            Fact::Declined(to, _, why) => {
                format!("refuses {}: {}", self.plan.name(*to), refusal(*why))
            }
            Fact::Found { id, contents, values, .. } => match contents {
                None => format!("holds {id} at the end, sealed"),
                Some(contents) if !contents.live => format!("holds {id} at the end, deleted"),
                Some(_) => format!("holds {id} at the end: {}", fields(*id, values)),
            },
            Fact::Asked(..)
            | Fact::Answered(..)
            | Fact::Skipped(_)
            | Fact::Persisted { .. }
            | Fact::Durable(_)
            | Fact::PersistFailed(_)
            | Fact::Started { .. }
            | Fact::Sent { .. }
            | Fact::Delivered { .. }
            | Fact::Lost { .. }
            | Fact::Logged { .. }
            | Fact::Filed { .. }
            | Fact::StepBegan(..)
            | Fact::StepEnded(..)
            | Fact::Named { .. }
            | Fact::Kept { .. }
            | Fact::Faulted(_)
            | Fact::Ended(_)
            | Fact::Healed
            | Fact::Settled { .. }
            | Fact::Killed { .. }
            | Fact::Panicked(_)
            | Fact::ErrorLogged(_)
            | Fact::CutOff { .. } => unreachable!("only what remotes did is told here"),
        }
    }
}

/// The label of a write, if it is one.
fn token_of(asked: &Asked) -> Option<Token> {
    match asked {
        Asked::Write { token, .. } => Some(*token),
        Asked::Errand { token, .. } => *token,
        Asked::File { ask, .. } => ask.token(),
        Asked::Read { .. }
        | Asked::List
        | Asked::SignIn
        | Asked::SignOut
        | Asked::RotateKey
        | Asked::Register(..)
        | Asked::Work { .. }
        | Asked::Sync
        | Asked::Status => None,
    }
}

/// What a write does, without its name.
fn tell_write(asked: &Asked) -> Option<String> {
    if let Asked::Errand { errand: Errand::Patch(set), .. } = asked {
        return Some(format!("sets {} of the account", words::account(set)));
    }
    let Asked::Write { id, set, kind, saw_deleted, .. } = asked else {
        return None;
    };
    let verb = match kind {
        WriteKind::Set if *saw_deleted => "writes again",
        WriteKind::Set => "edits",
        WriteKind::Increment => "counts",
        WriteKind::Delete => "deletes",
    };
    Some(format!("{verb} {id} {}", fields(*id, set)).trim_end().to_owned())
}

/// What a remote's row held at the end.
fn found(fact: &Fact, which: (VaultId, RecordId), of: &[FieldId]) -> Option<String> {
    if let Fact::Found { vault, id, contents, values } = fact
        && (*vault, *id) == which
    {
        return Some(match contents {
            None => "sealed".to_owned(),
            Some(contents) if !contents.live => "deleted".to_owned(),
            Some(_) => {
                let named = values.iter().filter(|(field, _)| is_among(of, *field));
                fields(*id, &named.cloned().collect::<Vec<_>>())
            }
        });
    }
    None
}
