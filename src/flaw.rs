//! The catalogue of flaws: known bugs that can be switched on, so that the judges can be judged.
//!
//! Each is the smallest honest mistake at the one decision point where a tired engineer would make
//! it. Without the cargo feature `flaws` every switch is `false` at compile time.

/// A set of flaws, carried in a device's [`Boot`](crate::device::Boot).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flaws(u128);

impl Flaws {
    /// None: the product.
    pub const NONE: Self = Self(0);

    /// This one and no other.
    pub const fn only(flaw: Flaw) -> Self {
        Self(1 << flaw as u128)
    }

    /// These and `flaw`.
    #[must_use]
    pub const fn with(self, flaw: Flaw) -> Self {
        Self(self.0 | 1 << flaw as u128)
    }

    /// Is this flaw switched on?
    #[cfg(feature = "flaws")]
    #[inline]
    #[track_caller]
    pub fn has(self, flaw: Flaw) -> bool {
        let is_on = self.0 & (1 << flaw as u128) != 0;
        if is_on {
            mark(flaw);
        }
        is_on
    }

    /// Is this flaw switched on? Never, in a build without the feature `flaws`.
    #[cfg(not(feature = "flaws"))]
    pub const fn has(self, _flaw: Flaw) -> bool {
        false
    }

    /// Those that are on.
    pub fn iter(self) -> impl Iterator<Item = Flaw> {
        Flaw::ALL.iter().copied().filter(move |flaw| self.0 & (1 << *flaw as u128) != 0)
    }
}

/// Logs that a flaw decided something, and where: a mark for those who look for its place.
#[cfg(feature = "flaws")]
#[cold]
#[inline(never)]
#[track_caller]
fn mark(flaw: Flaw) {
    let place = std::panic::Location::caller();
    tracing::trace!(target: MARK, flaw = flaw.id(), file = place.file(), line = place.line());
}

/// The target under which marks are logged.
#[cfg(feature = "flaws")]
pub const MARK: &str = "flaw";

/// Checked by every build of the product.
#[cfg(not(feature = "flaws"))]
const _: () = {
    let mut at = 0;
    while at < Flaw::ALL.len() {
        assert!(!Flaws::only(Flaw::ALL[at]).has(Flaw::ALL[at]), "a flaw is on in production");
        at += 1;
    }
};

const _: () = assert!(Flaw::ALL.len() <= u128::BITS as usize, "each flaw is a bit of a set");

macro_rules! flaws {
    ($($name:ident = $id:literal, $incident:literal, $wrong:literal;)+) => {
        /// A known bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Flaw { $(#[doc = $wrong] $name,)+ }

        impl Flaw {
            /// Every flaw, in the order of the catalogue.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name people write, as in `--flaw DEEP-SYNC-001`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// The incident or field report that it comes from.
            pub const fn incident(self) -> &'static str {
                match self { $(Self::$name => $incident,)+ }
            }

            /// What the wrong code does.
            pub const fn wrong(self) -> &'static str {
                match self { $(Self::$name => $wrong,)+ }
            }
        }
    };
}

flaws! {
    DeepSync001 = "DEEP-SYNC-001", "dual-sync race",
        "At login each remote's pull works on its own snapshot of the store and writes it back whole at its end; the last one wins.";
    DeepSync001b = "DEEP-SYNC-001b", "dual-sync race",
        "The pulls are sequenced, but the second merges into the snapshot taken before the first.";
    DeepSync002 = "DEEP-SYNC-002", "dual-sync race",
        "The cursor passes rows that could not be opened, and drops them.";
    DeepSync002c = "DEEP-SYNC-002c", "dual-sync race",
        "A key that has not arrived counts as a failed attempt; after three the row is discarded.";
    DeepSync002e = "DEEP-SYNC-002e", "dual-sync race",
        "Rows that cannot be opened are kept in memory only.";
    DeepSync003 = "DEEP-SYNC-003", "dual-sync race",
        "The daily log's merge takes the remote row without looking whether there are unsent edits.";
    DeepSync003b = "DEEP-SYNC-003b", "dual-sync race",
        "Whether there are unsent edits is looked up before the fetch and used after it.";
    SealOverwrite = "SEAL-OVERWRITE", "dual-sync race",
        "A local edit is pushed over a remote row that could not be opened, with the tag it bore.";
    WriteUnsynced = "WRITE-UNSYNCED", "dual-sync race",
        "A user's write is persisted without a sync, acknowledged and pushed.";
    LoginExposesFirst = "LOGIN-EXPOSES-FIRST", "dual-sync race",
        "The login gate opens when the first remote is merged.";
    AuthRestoreRace = "AUTH-RESTORE-RACE", "dual-sync race",
        "A login asks with whatever credential there is and takes the empty answer for the truth.";
    CvNilmapStrategy = "CV-NILMAP-STRATEGY", "CloudVault escalation",
        "The registry of strategies does not exist until the first conflict is shown; registering earlier panics.";
    CvStrategyPanic = "CV-STRATEGY-PANIC", "CloudVault escalation",
        "A panic of a custom strategy unwinds through the device.";
    CvStrategyOrder = "CV-STRATEGY-ORDER", "CloudVault escalation",
        "A strategy is given siblings in the order of arrival and the first is taken as the only one.";
    FixedRetry = "FIXED-RETRY", "CloudVault escalation",
        "Every failure is retried after exactly thirty seconds.";
    CvSessionStuck = "CV-SESSION-STUCK", "CloudVault escalation",
        "A session is removed only where a sync ends well; nobody takes it over.";
    CvSessionSelf = "CV-SESSION-SELF", "CloudVault escalation",
        "Starting again after a lost answer is refused because of the asker's own session.";
    CvSessionDouble = "CV-SESSION-DOUBLE", "CloudVault escalation",
        "Whether there is a session is looked up first and written afterwards; nothing compares fences.";
    CvSessionPerUser = "CV-SESSION-PER-USER", "CloudVault escalation",
        "One session for all devices of a user.";
    CvStateTorn = "CV-STATE-TORN", "CloudVault escalation",
        "The status of a session is read in two steps; when they differ it is an internal error.";
    CvNilmapPending = "CV-NILMAP-PENDING", "CloudVault escalation",
        "The list of pending changes does not exist until the second change of a session; the first is dropped.";
    CvChangeDropBusy = "CV-CHANGE-DROP-BUSY", "CloudVault escalation",
        "When the server is busy, the changes of that round are cleared.";
    CvDeleteNilErr = "CV-DELETE-NILERR", "CloudVault escalation",
        "Deleting what is not there is refused without a cause, and what waits behind it is dropped as if it were done.";
    CvSinceClock = "CV-SINCE-CLOCK", "CloudVault escalation",
        "A device asks for what has changed since the time that its own clock showed at the last sync.";
    CvScaleLru = "CV-SCALE-LRU", "CloudVault escalation",
        "The table of sessions has room for 64; the one unused for longest makes room for a new one.";
    BpNolock = "BP-NOLOCK", "blob-to-AI pipeline",
        "Work is taken up, computed and written back without a lease.";
    BpLockTtl = "BP-LOCK-TTL", "blob-to-AI pipeline",
        "A lease is shorter than the work, and a result is taken without asking for it.";
    Bp409Done = "BP-409-DONE", "blob-to-AI pipeline",
        "A processor that learns that others are at it takes the work for done.";
    BpFailedProcessed = "BP-FAILED-PROCESSED", "blob-to-AI pipeline",
        "An item that failed is marked as processed.";
    BpStuckProcessing = "BP-STUCK-PROCESSING", "blob-to-AI pipeline",
        "Nobody takes up what a crashed processor left.";
    BpRetry4 = "BP-RETRY-4", "blob-to-AI pipeline",
        "An item is tried while it was tried three times or less.";
    BpDedupSplit = "BP-DEDUP-SPLIT", "blob-to-AI pipeline",
        "Uploads are known by their id, those of the daily ingest by title and id.";
    BpDateLocale = "BP-DATE-LOCALE", "blob-to-AI pipeline",
        "A date with slashes has the day first on one path and the month first on the other.";
    BpSummaryBefore = "BP-SUMMARY-BEFORE", "blob-to-AI pipeline",
        "A day is summed up from the items as they were before the commit, and the one saved.";
    BpPrefixRead = "BP-PREFIX-READ", "blob-to-AI pipeline",
        "A blob is read as the first whose name begins like it.";
    BpSilentOverwrite = "BP-SILENT-OVERWRITE", "blob-to-AI pipeline",
        "A save does not compare the version that it was made from.";
    BpMergeDup = "BP-MERGE-DUP", "blob-to-AI pipeline",
        "Messages of a copy are put after those that are there.";
    BpMigrateAsSuccess = "BP-MIGRATE-AS-SUCCESS", "blob-to-AI pipeline",
        "An item without a state counts as processed.";
    I42Rmw = "I42-RMW", "Issue #42",
        "A worker reads the account, sets a field and writes the account back.";
    I42RetryStale = "I42-RETRY-STALE", "Issue #42",
        "When another commit came first, the same computed account is sent again.";
    I42WorkerCache = "I42-WORKER-CACHE", "Issue #42",
        "A worker serves and changes its own cached copy of the account.";
    I42TailRace = "I42-TAIL-RACE", "Issue #42",
        "A commit of unclear outcome whose number is taken counts as done.";
    VfNameBurn = "VF-NAME-BURN", "VaultFS incident",
        "The name of a new file is taken before its content is there, and not given back.";
    VfBlobInplace = "VF-BLOB-INPLACE", "VaultFS incident",
        "Content is written over that of the version before, piece by piece.";
    VfTakeThenValidate = "VF-TAKE-THEN-VALIDATE", "VaultFS incident",
        "Checking takes the content out of its buffer; what is left is stored, and found valid.";
    VfPartialMove = "VF-PARTIAL-MOVE", "VaultFS incident",
        "When an upload is tried again its name is taken for a line of the log and saved empty.";
    VfRestoreIndex = "VF-RESTORE-INDEX", "VaultFS incident",
        "A version is restored by its position in a list that leaves some out.";
    VfVersionRace = "VF-VERSION-RACE", "VaultFS incident",
        "The number of a version is reckoned from what its writer knew.";
    VfNestedBorrow = "VF-NESTED-BORROW", "VaultFS incident",
        "The list of versions is borrowed over a call that borrows it again.";
    VfBatchHalf = "VF-BATCH-HALF", "VaultFS incident",
        "A batch is a loop of single moves that ends at the first error.";
    VfCacheStale = "VF-CACHE-STALE", "VaultFS incident",
        "A worker caches names, and a commit of another worker does not change them there.";
    VfStateTwoFiles = "VF-STATE-TWO-FILES", "VaultFS incident",
        "The cursor of the files' feed is committed by itself, before the page that it stands for.";
    VfNoFsync = "VF-NO-FSYNC", "VaultFS incident",
        "A written file is answered for before it is durable.";
    ForgedId = "FORGED-ID", "field",
        "The user is taken from the body of the request.";
    CursorOfOther = "CURSOR-OF-OTHER", "field",
        "The space of a feed is the one that its cursor names, and not the session's.";
    RlsOff = "RLS-OFF", "field",
        "The vault of a row is not compared with the device's own.";
    Fb01 = "FB-01", "field",
        "Of two siblings the one with the later clock replaces the other.";
    Fb02 = "FB-02", "field",
        "The feed is asked in the order of the transactions' start.";
    Fb03 = "FB-03", "field",
        "Tombstones are removed by age.";
    Fb04 = "FB-04", "field",
        "A batch that failed in part is booked as accepted whole.";
    Fb05 = "FB-05", "field",
        "Every try of a request is a new request.";
    Fb06 = "FB-06", "field",
        "When a token expires the local copy is cleared, unsent edits included.";
    Fb07 = "FB-07", "field",
        "The cursor leaves out the row's id.";
    Fb08 = "FB-08", "field",
        "Names are unique by their bytes.";
    Fb09 = "FB-09", "field",
        "A conflict is made into real files, by every device that sees it, named from its clock.";
    Fb10 = "FB-10", "field",
        "Nobody looks whether a folder is moved into itself.";
    Fb11 = "FB-11", "field",
        "A delete covers whatever is there when it arrives, seen or not.";
    Fb12 = "FB-12", "field",
        "A row that is refused for good is tried again first, for ever.";
    Fb13 = "FB-13", "field",
        "The cursor is committed before the rows of its page.";
    Fb14 = "FB-14", "field",
        "A version is published without a look whether all of its content is there.";
    Fb15 = "FB-15", "field",
        "A worker answers reads from what it happens to know.";
    Fb16 = "FB-16", "field",
        "Who has a lease is decided by clocks: the holder's own tells it whether it still has.";
    Fb17 = "FB-17", "field",
        "A result is taken from any processor that once had the lease.";
    Fb18 = "FB-18", "field",
        "An acknowledgement marks whatever is there as sent.";
    Fb19 = "FB-19", "field",
        "A row under an unknown key is taken for damaged and dropped.";
    Fb21 = "FB-21", "field",
        "What a full listing lacks is deleted locally.";
    Fb23 = "FB-23", "field",
        "Of a feed's cursor only the number is looked at, and not which log it is of.";
    Fb24 = "FB-24", "field",
        "A cloned image goes on under the replica id of its original.";
    Fb25 = "FB-25", "field",
        "After a save conflict the newer row's version vector is merged, and its content is left to the next pull.";
    Fb27 = "FB-27", "field",
        "Remotes are pulled on a hint only.";
    Fb28 = "FB-28", "field",
        "A reset of the zone's keys is handled like a purge.";
    Fb29 = "FB-29", "field",
        "A version takes the place of the last write of each author that it was built on, and of none before.";
    Fb30 = "FB-30", "field",
        "Nobody looks whether a name ends with a dot or a blank, which some file systems drop.";
    Fb31 = "FB-31", "field",
        "An answer has the form of the newest build, whichever build has asked.";
    Fb32 = "FB-32", "field",
        "An edit saves the fields that the build knows, and drops the others.";
}

impl std::str::FromStr for Flaw {
    type Err = ();

    /// Reads an id, ignoring case.
    fn from_str(id: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|flaw| flaw.id().eq_ignore_ascii_case(id)).ok_or(())
    }
}
