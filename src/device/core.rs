//! What all parts of a device work with: its configuration, its store, its randomness, the time of the
//! input under way, and its outputs. Each part is lent it for the length of a call.
//!
//! A sign-out ends the replica. A version vector takes a replica's later write of a record to cover its
//! earlier ones. After the wipe those are not here, while a sealed row may still hold them, so the next
//! user writes under another name.

#[cfg(feature = "flaws")]
use super::flawed::Flawed;
use super::io::Boot;
use super::outbox::Outbox;
use super::sealing::Sealings;
use super::store::Store;
use crate::entropy::Entropy;
use crate::exchange::wait_after;
use crate::flaw::Flaw;
use crate::id::{Dot, RecordId, Remote, ReplicaId, Token, VaultId};
use crate::point::Point;
use crate::record::{Encoded, Handle, Record};
use crate::remote::CallId;
use crate::time::{Hlc, Now, Span, Time};

/// The shared parts.
#[derive(Clone, Debug)]
pub(super) struct Core {
    pub(super) boot: Boot,
    pub(super) store: Store,
    pub(super) entropy: Entropy,
    pub(super) out: Outbox,
    pub(super) sealings: Sealings,
    /// What the clocks showed when the input under way arrived.
    pub(super) now: Now,
    next_call: u32,
    /// What known bugs keep.
    #[cfg(feature = "flaws")]
    pub(super) flawed: Flawed,
}

impl Core {
    pub(super) fn new(boot: Boot, store: Store, entropy: Entropy, now: Now) -> Self {
        Self {
            sealings: Sealings::new(boot.remotes.len()),
            boot,
            store,
            entropy,
            out: Outbox::default(),
            now,
            next_call: 0,
            #[cfg(feature = "flaws")]
            flawed: Flawed::default(),
        }
    }

    /// Begins a transition.
    pub(super) fn begin(&mut self, now: Now) {
        // A jump of the monotonic clock would be the caller's breach of contract, not an input.
        assert!(now.mono >= self.now.mono, "the monotonic clock never goes backwards");
        self.now = now;
        self.out.begin();
    }

    /// A restored or cloned image must not go on counting under its original's name: the two would
    /// give one dot to two writes. Returns whether it is one, and writes under another name now.
    pub(super) fn adopt_image(&mut self) -> bool {
        if self.store.meta().install == self.boot.install {
            return false;
        }
        let replica = self.store.meta().replica;
        tracing::debug!(replica = replica.0, "starts from an image of another installation");
        if self.has(Flaw::Fb24) {
            return false;
        }
        let (install, replica) = (self.boot.install, ReplicaId(self.entropy.next_u64()));
        self.store.change_meta(|meta| {
            meta.install = install;
            meta.replica = replica;
            meta.next_n = 1;
        });
        self.store.files_mut().set_author(None);
        self.reach(Point::ImageReplaced);
        true
    }

    /// The vault of the user that is signed in; while no user is, that of the user of the zone.
    pub(super) fn vault(&self) -> VaultId {
        self.store.session().map_or(self.boot.user, |session| session.user).into()
    }

    /// Is a login under way whose gate is closed?
    pub(super) fn is_at_login(&self) -> bool {
        self.store.session().is_some_and(|session| !session.open)
    }

    /// Is this flaw switched on?
    #[cfg_attr(feature = "flaws", track_caller)]
    pub(super) fn has(&self, flaw: Flaw) -> bool {
        self.boot.flaws.has(flaw)
    }

    /// Notes a coverage point.
    pub(super) fn reach(&mut self, point: Point) {
        self.out.reach(point);
    }

    /// An id for a request, unique within this incarnation of the device.
    pub(super) fn next_call(&mut self) -> CallId {
        let id = CallId(self.next_call);
        self.next_call += 1;
        id
    }

    /// When a request that is sent now is given up.
    pub(super) fn deadline(&self) -> Time {
        self.now.mono + self.boot.timing.timeout
    }

    /// The wait after that number of failed tries, and at least as long as the other side asked for.
    pub(super) fn wait_after(&mut self, failures: u16, asked: Option<Span>) -> Span {
        let timing = self.boot.timing;
        let bounds = (timing.retry_base, timing.retry_cap);
        let wait = wait_after(&mut self.entropy, bounds, failures, asked);
        tracing::debug!(failures, ms = wait.0, "waits before it tries again");
        if self.has(Flaw::FixedRetry) { Span::from_secs(30) } else { wait }
    }

    /// A span shortened by up to a quarter, so that devices do not march in step.
    pub(super) fn shortened(&mut self, span: Span) -> Span {
        let shortened = self.entropy.span(Span(span.0 - span.0 / 4), span);
        assert!(shortened <= span, "what is due is never due later than configured");
        shortened
    }

    /// Puts out what is staged so far as a synced commit of its own, in the middle of a transition.
    #[cfg(feature = "flaws")]
    pub(super) fn commit_early(&mut self) {
        if let Some(batch) = self.store.take_batch() {
            self.out.persist(super::io::Batch { sync: true, ..batch });
        }
    }

    /// Takes a number for a write: its dot and its clock reading.
    pub(super) fn next_write(&mut self) -> (Dot, Hlc) {
        let meta = self.store.meta();
        let (dot, before) = (Dot { replica: meta.replica, n: meta.next_n }, meta.hlc);
        let hlc = before.tick(self.now.wall);
        assert!(hlc > before, "a later write of a replica has a later clock reading");
        self.store.change_meta(|meta| {
            meta.next_n += 1;
            meta.hlc = hlc;
        });
        assert!(self.store.meta().next_n > dot.n, "the number is used up");
        (dot, hlc)
    }

    /// Follows the clocks of what another replica wrote, and never counts below what bears this
    /// replica's name: a restored image may meet its own later writes.
    pub(super) fn hear(&mut self, record: &Record) {
        let heard = record.cells().map(|(_, cell)| cell.hlc).max().unwrap_or_default();
        let meta = self.store.meta();
        let own = record.context().count_of(meta.replica);
        let hlc = meta.hlc.hear(heard, self.now.wall);
        let next_n = meta.next_n.max(own + 1);
        if hlc != meta.hlc || next_n != meta.next_n {
            self.store.touch_meta(|meta| {
                meta.hlc = hlc;
                meta.next_n = next_n;
            });
        }
    }

    /// Deletes what is here of a record, as far as this handle covers it, without a user's token.
    pub(super) fn erase(&mut self, id: RecordId, handle: &Handle) {
        let mut record = self.store.state(id);
        if record.is_live() {
            let (dot, hlc) = self.next_write();
            record.delete(handle, dot, hlc, Token::NONE);
            self.store.set_record(id, Encoded::new(record));
        }
    }

    /// Deletes what a remote's mirror held of a record, without a user's token.
    pub(super) fn erase_mirrored(&mut self, remote: Remote, id: RecordId) {
        let handle = match self.store.side(remote).mirrored(id) {
            Some(state) => state.record().handle(),
            // Of a damaged row only the tag is known; what stood there is what is here.
            None => self.store.state(id).handle(),
        };
        self.erase(id, &handle);
    }

    /// Forgets the account: its data, its keys, and the name under which this device wrote.
    pub(super) fn sign_out(&mut self) {
        assert!(!self.is_at_login(), "a sign-out waits at the gate");
        self.store.wipe();
        self.sealings.clear();
        #[cfg(feature = "flaws")]
        self.flawed.sign_out();
        // A replica's writes of a record cover its earlier ones, and none of those are here any more:
        // the next user writes under another name.
        let replica = ReplicaId(self.entropy.next_u64());
        self.store.change_meta(|meta| {
            meta.session = None;
            meta.replica = replica;
            meta.next_n = 1;
        });
    }

    /// Asserts what must hold between two inputs, in constant time.
    pub(super) fn check(&self) {
        self.out.check();
        self.store.check();
    }
}
