//! What nodes emitted takes effect: commits reach the disk, messages the post, and facts the
//! history, node by node and in the order of emission.

use engine::device::{Batch, Input};
use engine::id::{DeviceId, Remote, VaultId};
use engine::remote::{Call, Return};
use engine::seal::{Key, KeyName};
use engine::time::{Span, Time};
use tracing::Level;

use super::fuse::effect_of;
use super::process::ProcessId;
use super::{Event, World, skipped};
use crate::alarm::Logged;
use crate::desk::{Arrival, Emitted};
use crate::history::{Asked, Fact, FileAsked, Incarnation, Lost};
use crate::message::{self, Asker, Body, Message};
use crate::network::Fate;
use crate::outcome::LogLine;
use crate::plan::{Node, SpanRange};
use crate::remote::RemoteFact;

/// How long a process that died by itself stays away.
const RECOVERY: SpanRange = SpanRange { low: Span(100), high: Span(5_000) };

impl World {
    /// Carries out what a node emitted.
    pub(super) fn carry_out(&mut self, node: usize, emitted: &mut Vec<Emitted>) {
        if node < self.devices.len() {
            self.carry_out_device(self.devices[node].id, node, emitted);
        } else if let Some(process) = self.process_at(node).map(|process| process.id) {
            match process {
                ProcessId::Worker(worker) => self.carry_out_worker(worker, node, emitted),
                ProcessId::Processor(it) => self.carry_out_processor(it, node, emitted),
            }
        } else {
            let remote = self.plan.remotes[node - self.devices.len()].kind;
            for effect in emitted.drain(..) {
                self.carry_out_remote(remote, node, effect);
            }
        }
    }

    fn carry_out_device(&mut self, device: DeviceId, node: usize, emitted: &mut Vec<Emitted>) {
        let mut effects = emitted.drain(..);
        while let Some(effect) = effects.next() {
            let kind = effect_of(&effect);
            let survives = self.carry_out_one(device, node, effect);
            let cut = survives && kind.is_some_and(|it| self.burns_down(Node::Device(device), it));
            if !survives || cut {
                // Nothing that follows took effect: the process had died.
                for effect in effects {
                    if let Emitted::Fact(Fact::Asked(op, _)) = effect
                        && let Some(fact) = skipped(op)
                    {
                        self.note(Node::Device(device), fact);
                    }
                }
                if !survives {
                    self.recover_later(device);
                }
                return;
            }
        }
    }

    /// Carries out one effect of a device; false if the process died of it.
    fn carry_out_one(&mut self, device: DeviceId, node: usize, effect: Emitted) -> bool {
        match effect {
            Emitted::Fact(fact) => self.note_of_user(device, fact),
            Emitted::Persist(batch) => return self.persist(device, &batch),
            Emitted::Send(remote, call) => self.send(device, remote, call),
            Emitted::Request(request) => {
                let life = self.site(device).incarnation;
                self.request(Node::Device(device), life, request);
            }
            Emitted::StoreKey(name, key) => self.store_key(device, name, key),
            Emitted::NeedCredential => self.issue_credential(device),
            Emitted::Reached(point) => self.reach(point),
            Emitted::Wake(at) => self.set_deadline(node, at),
            Emitted::Logged(logged) => self.log(Node::Device(device), logged),
            Emitted::Crashed(message) => {
                self.note(Node::Device(device), Fact::Panicked(message));
                return false;
            }
            Emitted::Reply(..)
            | Emitted::Hint(..)
            | Emitted::Remote(_)
            | Emitted::Volume(_)
            | Emitted::Step(..)
            | Emitted::Respond(..) => {
                unreachable!("devices do not answer")
            }
        }
        true
    }

    fn carry_out_remote(&mut self, remote: Remote, node: usize, effect: Emitted) {
        match effect {
            Emitted::Fact(fact) => self.note(Node::Remote(remote), fact),
            Emitted::Reply(to, answer) => self.reply(remote, to, answer),
            Emitted::Hint(vault, saver) => self.hint(remote, vault, saver),
            Emitted::Remote(fact) => self.note_remote(remote, fact),
            Emitted::Wake(at) => self.set_deadline(node, at),
            Emitted::Logged(logged) => self.log(Node::Remote(remote), logged),
            Emitted::Crashed(message) => self.note(Node::Remote(remote), Fact::Panicked(message)),
            Emitted::Persist(_)
            | Emitted::Send(..)
            | Emitted::StoreKey(..)
            | Emitted::NeedCredential
            | Emitted::Request(_)
            | Emitted::Volume(_)
            | Emitted::Respond(..)
            | Emitted::Step(..)
            | Emitted::Reached(_) => unreachable!("remotes only answer"),
        }
    }

    /// Keeps what a machine logged beside the history, in which only errors appear.
    pub(super) fn log(&mut self, node: Node, logged: Logged) {
        let Logged { level, target, text } = logged;
        let (at, incarnation) = (self.now, self.incarnation_of(node));
        let after = self.recorder.entries.len();
        if level == Level::ERROR {
            self.note(node, Fact::ErrorLogged(text.clone()));
        }
        self.log.push(LogLine { after, at, node, incarnation, level, target, text });
    }

    pub(super) fn incarnation_of(&self, node: Node) -> Incarnation {
        match node {
            Node::Device(device) => self.site(device).incarnation,
            Node::Worker(worker) => self.process(worker).incarnation,
            Node::Processor(processor) => self.process(processor).incarnation,
            Node::World | Node::Remote(_) | Node::Volume | Node::Intruder => 0,
        }
    }

    /// Notes what a user said or heard, and what follows from it outside of the device.
    fn note_of_user(&mut self, device: DeviceId, fact: Fact) {
        let signs_in = matches!(fact.asked(), Some((_, Asked::SignIn)));
        if let Some((op, Asked::File { ask: FileAsked::Move(items), .. })) = fact.asked()
            && items.len() > 1
        {
            self.batches.insert((device, op));
        } else if let Fact::Answered(op, _) = &fact {
            self.batches.remove(&(device, *op));
        }
        self.note(Node::Device(device), fact);
        if signs_in {
            self.send_keys(device);
        }
    }

    fn persist(&mut self, device: DeviceId, batch: &Batch) -> bool {
        let node = Node::Device(device);
        if self.weather.disk_is_full(device) {
            let commit = self.site(device).disk.next_commit();
            self.note(node, Fact::PersistFailed(commit));
            return false;
        }
        let recorder = &mut self.recorder;
        let changes =
            batch.puts.iter().map(|(key, put)| recorder.change(key, put.as_ref())).collect();
        let site = self.site_mut(device);
        let (life, commit) = (site.incarnation, site.disk.commit(batch));
        let hash = site.disk.hash();
        self.note(node, Fact::Persisted { commit, sync: batch.sync, hash, changes });
        if batch.sync {
            let draw = self.draw_for("disk", device).and(u64::from(commit));
            let times = u64::from(self.weather.disk_slowness(device));
            let takes = draw.span(self.plan.disk.commit).0.saturating_mul(times).max(1);
            self.file(self.now + Span(takes), draw, Event::Durable(device, life, commit));
        }
        true
    }

    fn recover_later(&mut self, device: DeviceId) {
        self.cut_power(device);
        let after = self.draw_for("recovery", device).span(RECOVERY);
        self.plan_start(device, after);
    }

    pub(super) fn set_deadline(&mut self, node: usize, at: Option<Time>) {
        self.stations[node].deadline += 1;
        if let Some(at) = at {
            let deadline = self.stations[node].deadline;
            let order = self.draw("wake").and(node as u64).and(at.0);
            let at = at.max(self.now + Span(1));
            self.file(at, order, Event::Wake(node, deadline));
        }
    }

    fn store_key(&mut self, device: DeviceId, name: KeyName, key: Key) {
        let site = self.site(device);
        let (user, life) = (site.user, site.incarnation);
        self.keychain.accept(user, name, key.clone());
        let draw = self.draw_for("key stored", device).and(u64::from(name.generation));
        let after = draw.span(SpanRange { low: Span(1), high: Span(50) });
        let arrival = Arrival::Input(Input::KeyStored(name).into());
        self.file_gift(device, Some(life), after, draw, arrival);
        for other in self.devices_of(VaultId::from(user)) {
            if other != device {
                self.send_key(other, name, key.clone());
            }
        }
        self.send_key_to_processors(user, name, &key);
    }

    fn issue_credential(&mut self, device: DeviceId) {
        let (nature, now, users) = (self.plan.nature, self.now, self.plan.users.len());
        let rules = self.plan.sign_in;
        let site = self.site_mut(device);
        let (user, life) = (site.user, site.incarnation);
        let (after, credential) =
            site.sign_in.issue((nature, device.0.into(), life), &rules, now, user, users);
        let order = self.draw_for("sign-in order", device).and(now.0);
        let arrival = Arrival::Input(Input::Credential(credential).into());
        self.file_gift(device, Some(life), after, order, arrival);
    }

    fn send(&mut self, device: DeviceId, remote: Remote, call: Box<Call>) {
        let life = self.site(device).incarnation;
        self.dispatch(Message::call((Node::Device(device), life), remote, call));
    }

    fn reply(&mut self, remote: Remote, to: Asker, answer: Box<Return>) {
        self.dispatch(Message::reply(Node::Remote(remote), to, Body::Return(answer)));
    }

    /// Hints to all running devices of a vault but the one that saved. A hint's id is the
    /// saving device plus the count of its saves.
    fn hint(&mut self, remote: Remote, vault: VaultId, saver: Node) {
        let count = self.hints.entry(saver).or_default();
        *count += 1;
        let who = match saver {
            Node::Device(device) => u32::from(device.0) + 1,
            Node::World
            | Node::Remote(_)
            | Node::Worker(_)
            | Node::Processor(_)
            | Node::Volume
            | Node::Intruder => 0,
        };
        assert!(*count < 1 << 20, "a run has no room for so many saves of one device");
        let number = who << 20 | *count;
        for device in self.devices_of(vault) {
            if Node::Device(device) != saver && self.site(device).is_up() {
                self.dispatch(Message::hint(remote, device, number));
            }
        }
    }

    /// A message reaches its receiver, or what is left of it.
    pub(super) fn arrive(&mut self, mail: Message) {
        if let Some(why) = self.weather.stops(&mail) {
            return self.lose(&mail, why);
        }
        match mail.to {
            Node::Device(device) => {
                let is_hint = matches!(mail.body, Body::Hint);
                let site = self.site(device);
                if site.is_up() && (is_hint || site.incarnation == mail.incarnation) {
                    self.deliver(usize::from(device.0), mail);
                } else {
                    self.lose(&mail, Lost::Dead);
                }
            }
            Node::Remote(remote) => match self.station_of(remote) {
                Some(station) => self.deliver(station, mail),
                None => self.lose(&mail, Lost::Dead),
            },
            Node::Worker(worker) => {
                if self.process(worker).is_up() {
                    self.deliver(self.station_of_process(worker), mail);
                } else {
                    self.lose(&mail, Lost::Dead);
                }
            }
            Node::Processor(processor) => {
                if self.process(processor).lives(Some(mail.incarnation)) {
                    self.deliver(self.station_of_process(processor), mail);
                } else {
                    self.lose(&mail, Lost::Dead);
                }
            }
            Node::World | Node::Volume | Node::Intruder => {
                self.note(mail.to, mail.delivered());
                if let Body::Response(response) = &mail.body {
                    self.intruder_hears(response);
                }
            }
        }
    }

    fn deliver(&mut self, node: usize, mail: Message) {
        self.messages += 1;
        self.call(node, |desk| desk.arrivals.push_back(Arrival::Message(mail)));
    }

    pub(super) fn lose(&mut self, mail: &Message, why: Lost) {
        if why == Lost::Cut {
            self.cover("partition");
        }
        if let Body::Return(answer) = &mail.body
            && message::had_effect(&answer.reply)
        {
            self.cover("reply lost after effect");
        }
        if let Body::Response(response) = &mail.body
            && !matches!(response.reply, engine::message::Reply::Refused(_))
        {
            self.cover("answer of the server lost");
        }
        self.note(mail.from, Fact::Lost { to: mail.to, letter: mail.letter, why });
    }

    /// Gives a message to the post.
    pub(super) fn dispatch(&mut self, mail: Message) {
        let (mut size, mut plaintext) = (32, false);
        let mail_rows = mail.rows();
        let mut rows = Vec::with_capacity(mail_rows.len());
        for row in mail_rows {
            let (blob, leaks) = self.recorder.blob(&row.blob);
            size += u32::try_from(row.blob.len()).unwrap_or(u32::MAX).saturating_add(8);
            plaintext |= leaks;
            rows.push((row.id, blob));
        }
        let (server, more) = message::said(&mail.body);
        plaintext |= message::sealed(&mail.body).is_some_and(|blob| self.recorder.shows(blob));
        size += more;
        self.scratch.clear();
        self.scratch = message::sealed_bytes(&mail.body, std::mem::take(&mut self.scratch));
        size += u32::try_from(self.scratch.len()).unwrap_or(u32::MAX);
        plaintext |= self.recorder.shows(&self.scratch);
        let (rows, server) = (rows.into(), server.map(Box::new));
        let sent = Fact::Sent { to: mail.to, letter: mail.letter, size, rows, plaintext, server };
        self.note(mail.from, sent);
        match self.network.dispatch(self.now, &self.weather, &mail) {
            Fate::Lost(why) => self.lose(&mail, why),
            Fate::Arrives(first, second) => {
                if let Some(second) = second {
                    self.cover("message duplicated");
                    let mut copy = mail.clone();
                    if matches!(mail.body, Body::Request(_)) {
                        let worker = self.any_worker(mail.asker(), 1);
                        copy.to = Node::Worker(worker);
                    }
                    self.file_mail(second, 1, copy);
                }
                self.file_mail(first, 0, mail);
            }
        }
    }

    fn file_mail(&mut self, at: Time, copy: u64, mail: Message) {
        let order = self.network.order(&mail, copy);
        self.file(at, order, Event::Arrive(mail));
    }

    fn note_remote(&mut self, remote: Remote, fact: RemoteFact) {
        let fact = match fact {
            RemoteFact::Committed { served, pos, by, policy } => {
                let (vault, id) = (served.row.vault, served.row.id);
                let opened = self.keychain.open(vault, id, &served.row.blob);
                let contents = opened.map(|record| self.recorder.contents(&record));
                let (blob, _) = self.recorder.blob(&served.row.blob);
                Fact::Committed { vault, id, pos, tag: served.tag, blob, by, contents, policy }
            }
            RemoteFact::Removed { vault, id, pos, by } => Fact::Removed { vault, id, pos, by },
            RemoteFact::Served(page) => Fact::Served(page),
            RemoteFact::Declined(who, call, refused) => Fact::Declined(who, call, refused),
        };
        self.note(Node::Remote(remote), fact);
    }
}
