//! The device: one user's replica, as a state machine.
//!
//! Contract: give it one [`Input`], then drain [`Device::poll_output`] to `None` before the next.
//! `now.mono` never goes backwards. Wake it no earlier than [`Device::poll_wakeup`]. Handling an
//! input cannot fail: hostile or stale messages are inputs like any other.
//!
//! **Outputs take effect in the order emitted, and nothing after an [`Output::Persist`] with
//! `sync` takes effect before that batch is durable.** While such a batch is under way the machine
//! gets no other input; then comes [`Input::Persisted`]. So a read shows only durable state and no
//! dot is ever used twice.

mod ask;
mod conversation;
mod core;
mod credential;
mod errand;
mod file;
#[cfg(feature = "flaws")]
mod flawed;
mod intake;
mod io;
mod keys;
mod lane;
mod lanes;
mod login;
mod next;
mod outbox;
mod records;
mod sealing;
mod server;
mod store;
#[cfg(feature = "flaws")]
mod wrong;

use std::collections::BTreeSet;

pub use self::ask::{
    Answer, Ask, FieldReading, FileAnswer, FileTarget, Head, Listed, Presence, Reading, Reason,
    Relocation, Status,
};
use self::core::Core;
use self::credential::Credentials;
use self::errand::Errand;
use self::file::Files;
pub use self::file::open_name;
use self::intake::Intake;
pub use self::io::{Batch, Boot, Input, Output, Snapshot, StoreKey, Stored, Timing};
use self::keys::Keys;
use self::lanes::Lanes;
use self::login::Gate;
use self::records::{Edit, Records};
use self::server::Server;
use self::store::{Meta, Store};
pub use self::store::{OwnWrite, prepared, signed_in};
use crate::entropy::Entropy;
use crate::exchange::Due;
use crate::id::{OpId, RecordId, Remote, ReplicaId, Token};
use crate::message::{Action, Response};
use crate::point::Point;
use crate::record::Handle;
use crate::remote::{Credential, Return};
use crate::seal::{Key, KeyName};
use crate::time::{Now, Time};

/// One user's replica. Each part has its own file; the device hands each input to the part that owns
/// it, and what one part means for another, to that one.
#[derive(Clone, Debug)]
pub struct Device {
    /// Configuration, store, randomness, clock and outputs, which each part is lent.
    core: Core,
    /// Records as the user sees and edits them.
    records: Records,
    /// The login, and what the user asked for while the vault was closed.
    gate: Gate,
    credentials: Credentials,
    /// The rotation under way.
    keys: Keys,
    /// The conversations with remotes.
    lanes: Lanes,
    /// The conversation with the sync server.
    server: Server,
    /// Reading the feed of files, and uploads.
    files: Files,
}

impl Device {
    /// Starts a device, or starts it again after a crash, from what its disk holds.
    pub fn recover(boot: Boot, snapshot: Snapshot, now: Now) -> Self {
        let mut entropy = Entropy::new(boot.entropy);
        let fresh = Meta::fresh(boot.install, ReplicaId(entropy.next_u64()));
        let store = Store::load(&snapshot, fresh, boot.memo.clone());
        let mut device = Self {
            records: Records::new(boot.flaws),
            gate: Gate::default(),
            credentials: Credentials::default(),
            keys: Keys::default(),
            lanes: Lanes::new(&boot.remotes),
            server: Server::resume(store.files().newest_publication()),
            files: Files::default(),
            core: Core::new(boot, store, entropy, now),
        };
        if device.core.adopt_image() {
            device.flush();
        }
        device.resume();
        device
    }

    /// Handles one input.
    ///
    /// # Panics
    ///
    /// If the monotonic clock went backwards, or if the device has come into a state that cannot be.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.core.begin(now);
        match input {
            Input::User { op, ask } => self.handle_ask(op, ask),
            Input::Returned { from, answer } => self.handle_return(from, answer),
            Input::Responded(response) => self.handle_response(response),
            Input::Hint(remote) => self.handle_hint(remote),
            Input::KeyArrived(name, key) => self.handle_key(name, key),
            Input::KeyStored(name) => self.handle_key_stored(name),
            Input::Credential(credential) => self.handle_credential(credential),
            Input::Persisted => self.start_deadlines(),
            Input::Wakeup => self.handle_wakeup(),
        }
        self.proceed();
        self.flush();
    }

    /// The next output; drain to `None` before the next input.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.core.out.pop()
    }

    /// When to wake it, and why.
    pub fn poll_wakeup(&self) -> Option<(Time, &'static str)> {
        let (mut lanes, mut server) = (None, None);
        if self.signed_in() {
            lanes = self.lanes.wakeup(&self.credentials);
            server = match self.server.due() {
                Due::Held => None,
                Due::Timeout(deadline) => Some((deadline, "server timeout")),
                Due::Retry(until) => Some((until, "server retry")),
                // What waits for a credential or at the gate is woken by that.
                Due::Idle if self.credentials.is_asked() || self.gate.is_closed() => None,
                Due::Idle => self.files.wakeup(),
            };
        }
        let (login, credential) = (self.gate.wakeup(), self.credentials.wakeup());
        lanes.into_iter().chain(login).chain(credential).chain(server).min()
    }

    /// Is a user signed in?
    fn signed_in(&self) -> bool {
        self.core.store.session().is_some()
    }

    /// Asserts what must hold between two inputs, in constant time.
    ///
    /// # Panics
    ///
    /// If it does not hold.
    pub fn check(&self) {
        self.core.check();
        self.gate.check(&self.core);
        self.credentials.check(&self.core);
        self.keys.check(&self.core);
        self.lanes.check(&self.core);
        self.server.check(&self.core);
        self.files.check(&self.core);
    }

    /// Asserts what must hold between two inputs, also what takes time linear in the size of the store.
    ///
    /// # Panics
    ///
    /// If it does not hold.
    pub fn check_thoroughly(&self) {
        self.check();
        self.core.store.check_thoroughly();
    }

    /// Takes up what a stored session implies: an unfinished login goes on.
    fn resume(&mut self) {
        let Some(session) = self.core.store.session() else {
            // Nobody is signed in.
            return;
        };
        if session.open {
            self.files.pull_soon(&self.core);
            self.lanes.resume(&mut self.core);
        } else {
            self.gate.resume(&mut self.core);
            self.lanes.start_over(&mut self.core);
        }
    }

    /// Does what the user asks, or keeps the request until the gate is open.
    fn handle_ask(&mut self, op: OpId, ask: Ask) {
        let Some(ask) = self.gate.admit(op, ask) else {
            // It waits for the gate to open.
            return;
        };
        let works_signed_out = matches!(ask, Ask::SignIn | Ask::Register { .. } | Ask::Status);
        if self.signed_in() || works_signed_out {
            self.carry_out(op, ask);
        } else {
            self.core.out.answer(op, Answer::Refused(Reason::SignedOut));
        }
    }

    /// Does what the user asks: at once, or by an errand to the sync server.
    fn carry_out(&mut self, op: OpId, ask: Ask) {
        let core = &mut self.core;
        let answer = match ask {
            Ask::Read(id) => Answer::Read(self.read(id)),
            Ask::List => Answer::Listed(Records::list(core)),
            Ask::Write { id, handle, changes, token } => {
                self.edit(id, handle, token).write(&mut self.core, changes)
            }
            Ask::Increment { id, handle, field, by, token } => {
                self.edit(id, handle, token).increment(&mut self.core, field, by)
            }
            Ask::Delete { id, handle, token } => {
                self.edit(id, handle, token).delete(&mut self.core)
            }
            Ask::SignIn => return self.sign_in(op),
            Ask::SignOut => return self.sign_out(op),
            Ask::RotateKey => return self.keys.ask(core.now.mono, op),
            Ask::Register { kind, field, strategy } => {
                self.records.register(core, (kind, field), strategy)
            }
            Ask::ListFiles => Answer::Files(file::list(core)),
            Ask::WriteFile { target, content } => file::write_file(core, target, content),
            Ask::Sync => self.pull_all(),
            Ask::Status => Answer::Status(self.lanes.status(core)),
            Ask::Patch(fields) => return self.run(op, Ok(Errand::act(Action::Patch(fields)))),
            Ask::ReadAccount => return self.run(op, Ok(Errand::act(Action::ReadAccount))),
            Ask::SessionStatus => return self.run(op, Ok(Errand::status())),
            Ask::Ingest { path, conversation } => {
                return self.run(op, conversation::begin(&self.core, path, *conversation));
            }
            Ask::ReadFile(node) => return self.run(op, file::read_file(&self.core, node)),
            Ask::ReadVersion(node, n) => return self.run(op, Ok(file::read_version(node, n))),
            Ask::ReadVersions(node) => return self.run(op, Ok(file::read_versions(node))),
            Ask::CreateFolder(parent, name) => {
                let errand = file::create_folder(core, parent, &name);
                return self.run(op, errand);
            }
            Ask::MoveFiles(relocations) => {
                let errand = file::move_files(core, relocations);
                return self.run(op, errand);
            }
            Ask::DeleteFile { node, seen } => {
                return self.run(op, Ok(file::delete_file(&self.core, node, seen)));
            }
            Ask::UndeleteFile(node) => return self.run(op, Ok(file::undelete_file(node))),
            Ask::RestoreVersion { node, version, seen, token } => {
                return self.run(op, Ok(file::restore_version(node, version, seen, token)));
            }
            Ask::ReadJob(id) => return self.run(op, Ok(file::read_job(id))),
        };
        self.core.out.answer(op, answer);
    }

    /// Takes a request to the sync server.
    fn run<E: Into<Errand>>(&mut self, op: OpId, errand: Result<E, Answer>) {
        self.server.take_errand(&mut self.core, op, errand);
    }

    fn read(&mut self, id: RecordId) -> Reading {
        let partial = self.lanes.status(&self.core).partial;
        self.records.read(&mut self.core, id, partial)
    }

    fn edit(&self, id: RecordId, handle: Handle, token: Token) -> Edit {
        Edit { id, handle, token, during_save: self.lanes.are_saving(id) }
    }

    fn pull_all(&mut self) -> Answer {
        self.lanes.pull_at(self.core.now.mono);
        self.files.pull_soon(&self.core);
        Answer::Syncing
    }

    fn sign_in(&mut self, op: OpId) {
        self.gate.sign_in(&mut self.core, op);
        self.lanes.start_over(&mut self.core);
    }

    /// Signs out if nothing would be lost by it.
    fn sign_out(&mut self, op: OpId) {
        let core = &mut self.core;
        let lacking = self.lanes.iter().flat_map(|lane| core.store.lacking(lane.remote()));
        let lacking = lacking.collect::<BTreeSet<_>>().len();
        // An own write that is published may still go with a log that is set back, until the feed has
        // shown it: so long only this device has it.
        let unsent = lacking + self.server.waiting() + core.store.files().writes().len();
        tracing::debug!(unsent, "decides about a sign-out");
        if unsent > 0 {
            let count = u32::try_from(unsent).unwrap_or(u32::MAX);
            core.reach(Point::SignOutRefused);
            core.out.answer(op, Answer::Refused(Reason::Unsent(count)));
            return;
        }
        core.reach(Point::SignedOut);
        core.sign_out();
        self.lanes.sign_out();
        // What is asked of the server is dropped with the account that it was asked for.
        (self.server, self.files) = (Server::default(), Files::default());
        self.credentials = Credentials::default();
        core.out.answer(op, Answer::SignedOut);
        for op in self.keys.abandon() {
            core.out.answer(op, Answer::Refused(Reason::SignedOut));
        }
    }

    /// An answer of a remote.
    fn handle_return(&mut self, from: Remote, answer: Return) {
        let Some(lane) = self.lanes.get_mut(from) else {
            // Hostile: the device does not use that remote.
            return;
        };
        match lane.take(&mut self.core, answer) {
            lane::Outcome::Nothing => {}
            lane::Outcome::Head { listed } => self.end_pull(from, listed),
            lane::Outcome::NotAuthenticated => self.lose_credential(from),
        }
    }

    /// A remote's feed was read to its head.
    fn end_pull(&mut self, remote: Remote, listed: bool) {
        if listed && self.gate.merge(&mut self.core, remote) {
            self.open_gate(false);
        }
        lane::end_pull(&mut self.core, remote);
    }

    /// A remote does not accept the credential, or not any more.
    fn lose_credential(&mut self, remote: Remote) {
        self.core.reach(Point::CredentialExpired);
        tracing::debug!(?remote, "the credential is not accepted");
        #[cfg(feature = "flaws")]
        if self.core.has(crate::flaw::Flaw::AuthRestoreRace) && self.core.is_at_login() {
            let lane = self.lanes.get_mut(remote);
            if let Some(listed) = lane.and_then(|it| it.take_nothing_for_all(&mut self.core)) {
                self.end_pull(remote, listed);
            }
        }
        self.credentials.lose();
    }

    /// The vault is shown from now on.
    fn open_gate(&mut self, partial: bool) {
        let waiting = self.gate.open(&mut self.core, partial);
        self.files.pull_soon(&self.core);
        // Each of them is a transition of its own: a read must not be answered, after a later one's
        // commit, with a state that was never durable.
        for (op, ask) in waiting {
            self.flush();
            self.handle_ask(op, ask);
        }
    }

    /// An answer of the sync server.
    fn handle_response(&mut self, response: Response) {
        match self.server.take(&mut self.core, &mut self.files, response) {
            server::Outcome::Nothing => {}
            server::Outcome::NotAuthenticated => self.credentials.lose(),
        }
    }

    /// Something may be new over there.
    fn handle_hint(&mut self, remote: Remote) {
        if let Some(lane) = self.lanes.get_mut(remote) {
            lane.pull_at(self.core.now.mono);
        }
    }

    /// A key of the keychain: rows that were sealed under it can be opened now.
    fn handle_key(&mut self, name: KeyName, key: Key) {
        let core = &mut self.core;
        tracing::debug!(generation = name.generation, "a key comes");
        if core.store.session().is_none() || !core.store.add_key(name, key) {
            // Stale: it came after a sign-out, which wipes the keys, or it came twice.
            return;
        }
        for lane in self.lanes.iter() {
            if !core.store.side(lane.remote()).sealed().is_empty() {
                core.reach(Point::KeyLate);
                Intake::new(core, lane.remote()).retry_sealed();
            }
        }
    }

    /// The keychain has the new key: from now on rows are sealed under it.
    fn handle_key_stored(&mut self, name: KeyName) {
        let Some((key, ops)) = self.keys.take_stored(name) else {
            // Stale: a sign-out or a crash has ended that rotation.
            return;
        };
        self.handle_key(name, key);
        self.core.reach(Point::KeyRotated);
        for op in ops {
            self.core.out.answer(op, Answer::Rotated(name));
        }
    }

    /// A credential of the sign-in service.
    fn handle_credential(&mut self, credential: Credential) {
        if !self.credentials.take(&mut self.core, credential) {
            return;
        }
        // What was listed with another credential may have lacked rows.
        let rows = self.lanes.get_mut(Remote::Rows);
        if let Some(lane) = rows.filter(|lane| lane.is_idle()) {
            lane.list(&mut self.core);
        }
    }

    /// The commit that held back what was sent is durable: now its deadlines count.
    fn start_deadlines(&mut self) {
        let deadline = self.core.deadline();
        self.server.release(deadline);
        self.lanes.release(deadline);
    }

    /// Gives up what is overdue and sends again what has waited long enough.
    fn handle_wakeup(&mut self) {
        self.lanes.wake(&mut self.core, &self.credentials);
        self.server.wake(&mut self.core, &mut self.credentials);
        if self.gate.is_out_of_patience(self.core.now.mono) {
            self.core.reach(Point::LoginPartial);
            self.open_gate(true);
        }
        self.credentials.wake(self.core.now.mono);
    }

    /// Sends what comes next: to every remote that is not being asked, and to the sync server.
    fn proceed(&mut self) {
        if !self.signed_in() {
            return;
        }
        let (core, credentials) = (&mut self.core, &mut self.credentials);
        self.keys.proceed(core, &mut self.lanes);
        self.lanes.proceed(core, credentials);
        self.server.proceed(core, credentials, &mut self.files);
    }

    /// Ends a transition, or a part of one that must be durable by itself: what is staged becomes one
    /// commit, and all else follows it.
    fn flush(&mut self) {
        let batch = self.core.store.take_batch();
        let held = self.core.out.flush(batch);
        self.lanes.settle(held);
        self.server.settle(held);
    }
}

#[cfg(test)]
mod tests;
