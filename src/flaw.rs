//! The catalogue of flaws: known bugs that can be switched on, so that the judges can be judged.
//!
//! Each is the smallest honest mistake at the one decision point where a tired engineer would make
//! it. Without the cargo feature `flaws` every switch is `false` at compile time.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::id::{Dot, FieldId};
use crate::record::Record;
use crate::time::Hlc;

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
    pub const fn has(self, flaw: Flaw) -> bool {
        self.0 & (1 << flaw as u128) != 0
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

/// Checked by every build of the product.
#[cfg(not(feature = "flaws"))]
const _: () = {
    let mut at = 0;
    while at < Flaw::ALL.len() {
        assert!(!Flaws::only(Flaw::ALL[at]).has(Flaw::ALL[at]), "a flaw is on in production");
        at += 1;
    }
};

macro_rules! flaws {
    ($($name:ident = $id:literal, $incident:literal, $wrong:literal, $exposed:literal;)+) => {
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

            /// What has to happen for it to do harm.
            pub const fn exposed_by(self) -> &'static str {
                match self { $(Self::$name => $exposed,)+ }
            }
        }
    };
}

flaws! {
    DeepSync001 = "DEEP-SYNC-001", "dual-sync race",
        "At login each remote's pull works on its own snapshot of the store and writes it back whole at its end; the last one wins.",
        "both remotes pulled at login, with different content";
    DeepSync001b = "DEEP-SYNC-001b", "dual-sync race",
        "The pulls are sequenced, but the second merges into the snapshot taken before the first.",
        "a login with changes on both remotes";
    DeepSync002 = "DEEP-SYNC-002", "dual-sync race",
        "The cursor passes rows that could not be opened, and drops them.",
        "a row whose key is not there yet";
    DeepSync002c = "DEEP-SYNC-002c", "dual-sync race",
        "A key that has not arrived counts as a failed attempt; after three the row is discarded.",
        "a key later than three syncs";
    DeepSync002e = "DEEP-SYNC-002e", "dual-sync race",
        "Rows that cannot be opened are kept in memory only.",
        "a crash while rows are sealed";
    DeepSync003 = "DEEP-SYNC-003", "dual-sync race",
        "The daily log's merge takes the remote row without looking whether there are unsent edits.",
        "an edit of a daily log before a pull of it";
    DeepSync003b = "DEEP-SYNC-003b", "dual-sync race",
        "Whether there are unsent edits is looked up before the fetch and used after it.",
        "an edit while a page is being fetched";
    SealOverwrite = "SEAL-OVERWRITE", "dual-sync race",
        "A local edit is pushed over a remote row that could not be opened, with the tag it bore.",
        "a sealed row and a local edit of the same record";
    WriteUnsynced = "WRITE-UNSYNCED", "dual-sync race",
        "A user's write is persisted without a sync, acknowledged and pushed.",
        "a crash shortly after a write";
    LoginExposesFirst = "LOGIN-EXPOSES-FIRST", "dual-sync race",
        "The login gate opens when the first remote is merged.",
        "a login with remotes of different speed";
    AuthRestoreRace = "AUTH-RESTORE-RACE", "dual-sync race",
        "A login asks with whatever credential there is and takes the empty answer for the truth.",
        "a credential that is late, expired or of another user";
    CvNilmapStrategy = "CV-NILMAP-STRATEGY", "CloudVault escalation",
        "The registry of strategies does not exist until the first conflict is shown; registering earlier panics.",
        "a strategy registered before the first conflict";
    CvStrategyPanic = "CV-STRATEGY-PANIC", "CloudVault escalation",
        "A panic of a custom strategy unwinds through the device.",
        "a strategy that panics";
    CvStrategyOrder = "CV-STRATEGY-ORDER", "CloudVault escalation",
        "A strategy is given siblings in the order of arrival and the first is taken as the only one.",
        "a conflict seen in different orders";
    FixedRetry = "FIXED-RETRY", "CloudVault escalation",
        "Every failure is retried after exactly thirty seconds.",
        "a remote that fails more than once";
    CvSessionStuck = "CV-SESSION-STUCK", "CloudVault escalation",
        "A session is removed only where a sync ends well; nobody takes it over.",
        "a crash in the middle of a sync";
    CvSessionSelf = "CV-SESSION-SELF", "CloudVault escalation",
        "Starting again after a lost answer is refused because of the asker's own session.",
        "an answer lost after the session was granted";
    CvSessionDouble = "CV-SESSION-DOUBLE", "CloudVault escalation",
        "Whether there is a session is looked up first and written afterwards; nothing compares fences.",
        "two starts of one device's session at once";
    CvSessionPerUser = "CV-SESSION-PER-USER", "CloudVault escalation",
        "One session for all devices of a user.",
        "two devices of one user at once";
    CvStateTorn = "CV-STATE-TORN", "CloudVault escalation",
        "The status of a session is read in two steps; when they differ it is an internal error.",
        "a question for the status while a session begins or ends";
    CvNilmapPending = "CV-NILMAP-PENDING", "CloudVault escalation",
        "The list of pending changes does not exist until the second change of a session; the first is dropped.",
        "any change in a fresh session";
    CvChangeDropBusy = "CV-CHANGE-DROP-BUSY", "CloudVault escalation",
        "When the server is busy, the changes of that round are cleared.",
        "a busy server";
    CvDeleteNilErr = "CV-DELETE-NILERR", "CloudVault escalation",
        "Deleting what is not there is refused without a cause, and what waits behind it is dropped as if it were done.",
        "two deletes of one file, and errands behind the second";
    CvSinceClock = "CV-SINCE-CLOCK", "CloudVault escalation",
        "A device asks for what has changed since the time that its own clock showed at the last sync.",
        "a clock that is ahead, or a commit that takes long";
    CvScaleLru = "CV-SCALE-LRU", "CloudVault escalation",
        "The table of sessions has room for 64; the one unused for longest makes room for a new one.",
        "more devices than that at once";
    BpNolock = "BP-NOLOCK", "blob-to-AI pipeline",
        "Work is taken up, computed and written back without a lease.",
        "two processors at one day";
    BpLockTtl = "BP-LOCK-TTL", "blob-to-AI pipeline",
        "A lease is shorter than the work, and a result is taken without asking for it.",
        "work that is slower than the lease";
    Bp409Done = "BP-409-DONE", "blob-to-AI pipeline",
        "A processor that is told that others are at it takes the work for done.",
        "two processors at one day";
    BpFailedProcessed = "BP-FAILED-PROCESSED", "blob-to-AI pipeline",
        "An item that failed is marked as processed.",
        "a failing step";
    BpStuckProcessing = "BP-STUCK-PROCESSING", "blob-to-AI pipeline",
        "Nobody takes up what a crashed processor left.",
        "a crash at work";
    BpRetry4 = "BP-RETRY-4", "blob-to-AI pipeline",
        "An item is tried while it was tried three times or less.",
        "an item that always fails";
    BpDedupSplit = "BP-DEDUP-SPLIT", "blob-to-AI pipeline",
        "Uploads are known by their id, those of the daily ingest by title and id.",
        "one conversation by both paths";
    BpDateLocale = "BP-DATE-LOCALE", "blob-to-AI pipeline",
        "A date with slashes has the day first on one path and the month first on the other.",
        "a date with a day up to 12";
    BpSummaryBefore = "BP-SUMMARY-BEFORE", "blob-to-AI pipeline",
        "A day is summed up from the items as they were before the commit, and the one saved.",
        "two saves of one day in one commit";
    BpPrefixRead = "BP-PREFIX-READ", "blob-to-AI pipeline",
        "A blob is read as the first whose name begins like it.",
        "names that begin alike";
    BpSilentOverwrite = "BP-SILENT-OVERWRITE", "blob-to-AI pipeline",
        "A save does not compare the version that it was made from.",
        "two saves of one conversation at once";
    BpMergeDup = "BP-MERGE-DUP", "blob-to-AI pipeline",
        "Messages of a copy are put after those that are there.",
        "copies that overlap";
    BpMigrateAsSuccess = "BP-MIGRATE-AS-SUCCESS", "blob-to-AI pipeline",
        "An item without a state counts as processed.",
        "items of the old format";
    I42Rmw = "I42-RMW", "Issue #42",
        "A worker reads the account, sets a field and writes the account back.",
        "two workers, different fields";
    I42RetryStale = "I42-RETRY-STALE", "Issue #42",
        "When another commit came first, the same computed account is sent again.",
        "two workers, different fields";
    I42WorkerCache = "I42-WORKER-CACHE", "Issue #42",
        "A worker serves and changes its own cached copy of the account.",
        "requests of one user at several workers";
    I42TailRace = "I42-TAIL-RACE", "Issue #42",
        "A commit of unclear outcome whose number is taken counts as done.",
        "an answer of the volume lost while another worker commits";
    VfNameBurn = "VF-NAME-BURN", "VaultFS incident",
        "The name of a new file is taken before its content is there, and not given back.",
        "an upload that fails or is given up";
    VfBlobInplace = "VF-BLOB-INPLACE", "VaultFS incident",
        "Content is written over that of the version before, piece by piece.",
        "a read or a failure while a new version is uploaded";
    VfTakeThenValidate = "VF-TAKE-THEN-VALIDATE", "VaultFS incident",
        "Checking takes the content out of its buffer; what is left is stored, and found valid.",
        "any upload";
    VfPartialMove = "VF-PARTIAL-MOVE", "VaultFS incident",
        "When an upload is tried again its name is taken for a line of the log and saved empty.",
        "an upload that is renewed";
    VfRestoreIndex = "VF-RESTORE-INDEX", "VaultFS incident",
        "A version is restored by its position in a list that leaves some out.",
        "a restore after another";
    VfVersionRace = "VF-VERSION-RACE", "VaultFS incident",
        "The number of a version is reckoned from what its writer knew.",
        "two writers of one file";
    VfNestedBorrow = "VF-NESTED-BORROW", "VaultFS incident",
        "The list of versions is borrowed over a call that borrows it again.",
        "a second version of a file";
    VfBatchHalf = "VF-BATCH-HALF", "VaultFS incident",
        "A batch is a loop of single moves that ends at the first error.",
        "a batch with one item that cannot be moved";
    VfCacheStale = "VF-CACHE-STALE", "VaultFS incident",
        "A worker caches names, and a commit of another worker does not change them there.",
        "a look-up after a move at another worker";
    VfStateTwoFiles = "VF-STATE-TWO-FILES", "VaultFS incident",
        "The cursor of the files' feed is committed by itself, before the page that it stands for.",
        "a crash between the two commits";
    VfNoFsync = "VF-NO-FSYNC", "VaultFS incident",
        "A written file is answered for before it is durable.",
        "a crash shortly after a write of a file";
    ForgedId = "FORGED-ID", "field",
        "The user is taken from the body of the request.",
        "an intruder";
    CursorOfOther = "CURSOR-OF-OTHER", "field",
        "The space of a feed is the one that its cursor names, and not the session's.",
        "an intruder with a session of their own";
    RlsOff = "RLS-OFF", "field",
        "The vault of a row is not compared with the device's own.",
        "row-level security switched off at the remote";
    Fb01 = "FB-01", "field",
        "Of two siblings the one with the later clock replaces the other.",
        "concurrent edits, clocks that differ";
    Fb02 = "FB-02", "field",
        "The feed is asked in the order of the transactions' start.",
        "a slow commit that overlaps a pull";
    Fb03 = "FB-03", "field",
        "Tombstones are removed by age.",
        "a device that is away longer than that";
    Fb04 = "FB-04", "field",
        "A batch that failed in part is booked as accepted whole.",
        "a bad row in a batch";
    Fb05 = "FB-05", "field",
        "Every try of a request is a new request.",
        "an answer lost after the effect";
    Fb06 = "FB-06", "field",
        "When a token expires the local copy is cleared, unsent edits included.",
        "an expired token while there are unsent edits";
    Fb07 = "FB-07", "field",
        "The cursor leaves out the row's id.",
        "equal stamps across the edge of a page";
    Fb08 = "FB-08", "field",
        "Names are unique by their bytes.",
        "names that differ in case only";
    Fb09 = "FB-09", "field",
        "A conflict is made into real files, by every device that sees it, named from its clock.",
        "two writers of one file, and several devices";
    Fb10 = "FB-10", "field",
        "Nobody looks whether a folder is moved into itself.",
        "concurrent moves of folders into each other";
    Fb11 = "FB-11", "field",
        "A delete covers whatever is there when it arrives, seen or not.",
        "a delete concurrent with an edit";
    Fb12 = "FB-12", "field",
        "A row that is refused for good is tried again first, for ever.",
        "a row refused for good, with others behind it";
    Fb13 = "FB-13", "field",
        "The cursor is committed before the rows of its page.",
        "a crash between the two";
    Fb14 = "FB-14", "field",
        "A version is published without a look whether all of its content is there.",
        "a piece that was lost, or given up, before its version is published";
    Fb15 = "FB-15", "field",
        "A worker answers reads from what it happens to know.",
        "a read at another worker than the write before it";
    Fb16 = "FB-16", "field",
        "Who has a lease is decided by clocks: the holder's own tells it whether it still has.",
        "clocks that differ";
    Fb17 = "FB-17", "field",
        "A result is taken from whoever once had the lease.",
        "a pause longer than the lease";
    Fb18 = "FB-18", "field",
        "An acknowledgement marks whatever is there as sent.",
        "an edit during a save";
    Fb19 = "FB-19", "field",
        "A row under an unknown key is taken for damaged and dropped.",
        "a key rotated while a device is behind";
    Fb21 = "FB-21", "field",
        "What a full listing lacks is deleted locally.",
        "hidden rows, or an empty answer";
    Fb23 = "FB-23", "field",
        "Of a feed's cursor only the number is looked at, and not which log it is of.",
        "a volume restored from a backup";
    Fb24 = "FB-24", "field",
        "A cloned image goes on under the replica id of its original.",
        "a cloned or restored image";
    Fb25 = "FB-25", "field",
        "After a save conflict the newer row's version vector is merged, and its content is left to the next pull.",
        "a save that meets a newer row";
    Fb27 = "FB-27", "field",
        "Remotes are pulled on a hint only.",
        "a lost hint";
    Fb28 = "FB-28", "field",
        "A reset of the zone's keys is handled like a purge.",
        "a reset";
}

/// FB-01: of the siblings of a field only the latest stays.
pub(crate) fn latest_wins(record: &mut Record) {
    let latest: BTreeMap<FieldId, (Hlc, Dot)> = record
        .fields()
        .filter_map(|(field, cells)| Some((field, cells.iter().map(|c| (c.hlc, c.dot)).max()?)))
        .collect();
    record.retain(|field, cell| latest.get(&field) == Some(&(cell.hlc, cell.dot)));
}

/// FB-11: a delete covers all that is there by now.
pub(crate) fn delete_wins(record: &mut Record) {
    record.cover_all();
}

/// FB-25: what another copy has seen counts as seen here, without its cells.
#[cfg(feature = "flaws")]
pub(crate) fn inflate(record: &mut Record, other: &Record) {
    record.see(other);
}

/// VF-NESTED-BORROW: while the list is borrowed, what keeps it in order borrows it too.
pub(crate) fn push_borrowed(heads: Vec<u32>, n: u32) -> Vec<u32> {
    let list = RefCell::new(heads);
    let mut versions = list.borrow_mut();
    versions.push(n);
    list.borrow_mut().sort_unstable();
    drop(versions);
    list.into_inner()
}

impl std::str::FromStr for Flaw {
    type Err = ();

    /// Reads an id, ignoring case.
    fn from_str(id: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|flaw| flaw.id().eq_ignore_ascii_case(id)).ok_or(())
    }
}
