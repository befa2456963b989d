//! Coverage points: rare branches that a sweep must reach to be worth anything.
//!
//! A machine reports that it took the branch. That counts as coverage and never as evidence.

macro_rules! points {
    ($([$place:ident] $($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+)+) => {
        /// A rare branch.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point { $($($(#[doc = $doc])+ $name,)+)+ }

        const _: () = {
            let mut at = 0;
            while at < Point::ALL.len() {
                assert!(Point::ALL[at] as usize == at, "a point's number is its place in the list");
                at += 1;
            }
        };

        impl Point {
            /// Every point, in order.
            pub const ALL: &'static [Self] = &[$($(Self::$name,)+)+];

            /// The name in scenarios and reports.
            pub const fn name(self) -> &'static str {
                match self { $($(Self::$name => $text,)+)+ }
            }

            const fn place(self) -> Place {
                match self { $($(Self::$name => Place::$place,)+)+ }
            }
        }
    };
}

/// Where a point is reached.
#[derive(Clone, Copy)]
enum Place {
    /// Between devices and remotes.
    Devices,
    /// At the sync server, or by what only it makes possible.
    Server,
}

impl Point {
    /// Does it need a sync server?
    pub const fn needs_server(self) -> bool {
        match self.place() {
            Place::Devices => false,
            Place::Server => true,
        }
    }
}

points! {
    [Devices]
    /// A pull brought a cell beside a local one.
    Conflict = "conflict",
    /// A row could not be opened and was kept sealed.
    RowSealed = "row sealed",
    /// A sealed row was opened later.
    RowOpened = "sealed row opened",
    /// A row could not be opened although its key is known.
    RowCorrupt = "corrupt row",
    /// A damaged row was put back from a mirror.
    RowHealed = "corrupt row healed",
    /// A row of another vault was refused.
    ForeignRow = "foreign row refused",
    /// A save met another tag.
    SaveConflict = "save met a newer row",
    /// A save met its own earlier attempt.
    SaveRepeated = "save found its own earlier attempt",
    /// Some rows of a batch were refused.
    BatchPartial = "batch failed in part",
    /// A row was refused for good and parked.
    RowParked = "row parked",
    /// A batch was too large and was split.
    BatchSplit = "batch split",
    /// A cursor had expired.
    TokenExpired = "token expired",
    /// A full listing ended and what it lacked was noted.
    ListingDone = "full listing done",
    /// A row that a mirror knows was not in a full listing.
    RowMissing = "row missing from a listing",
    /// A remote asked to be left alone for a while.
    Throttled = "throttled",
    /// A request got no answer in time.
    TimedOut = "request timed out",
    /// A credential was refused.
    CredentialExpired = "credential expired",
    /// A credential of another user was not used.
    CredentialForeign = "foreign credential not used",
    /// The zone was deleted by another device.
    ZoneDeleted = "zone deleted",
    /// The zone was purged by the user.
    ZonePurged = "zone purged",
    /// The zone's keys were reset.
    ZoneReset = "zone reset",
    /// A login opened its gate with both remotes merged.
    LoginWhole = "login whole",
    /// A login ran out of patience with one remote.
    LoginPartial = "login partial",
    /// A partial login became whole.
    LoginCompleted = "partial login completed",
    /// A key was rotated.
    KeyRotated = "key rotated",
    /// A rotation waited for its conditions.
    RotationWaited = "rotation waited",
    /// A key arrived after rows sealed under it.
    KeyLate = "key arrived late",
    /// An image was recognised as restored or cloned.
    ImageReplaced = "new replica for an old image",
    /// A sign-out was refused because of unsent edits.
    SignOutRefused = "sign-out refused while unsent",
    /// A sign-out wiped the device.
    SignedOut = "signed out",
    /// A strategy panicked and was contained.
    StrategyPanicked = "strategy panicked",
    /// A strategy was registered while its field held siblings.
    StrategyLate = "strategy registered amid a conflict",
    /// An edit was made while a save of the same record was under way.
    EditDuringSave = "edit during save",
    /// An edit met a concurrent delete.
    EditBeatDelete = "edit beat delete",
    /// A record was written again by a writer that had seen it deleted.
    Recreated = "deleted record written again",
    [Server]
    /// Two workers raced for one number of a log.
    CommitRaced = "two workers raced for a commit",
    /// The outcome of a commit was unknown.
    CommitUnclear = "unclear commit looked up",
    /// A commit of unknown outcome had happened.
    CommitWasOwn = "unclear commit had happened",
    /// Several requests shared a commit.
    CommitShared = "requests shared a commit",
    /// A worker wrote a snapshot of a space.
    SnapshotWritten = "snapshot written",
    /// A worker's queue was full.
    Overloaded = "worker overloaded",
    /// A request for another user's space was refused.
    ForgedSpace = "forged space refused",
    /// A session was taken over from a holder that had not closed it.
    SessionTaken = "session taken over",
    /// A device was refused because another client held its session.
    SessionBusy = "session busy",
    /// A device had lost its session.
    SessionLost = "session lost",
    /// A request was answered again from its receipt.
    ReceiptShown = "request answered from its receipt",
    /// A save of a conversation met another version.
    ItemChanged = "conversation changed meanwhile",
    /// All work that was asked for was claimed by others.
    WorkBusy = "work busy",
    /// An expired claim was taken over.
    WorkReclaimed = "work reclaimed",
    /// An item failed its last attempt.
    WorkFailed = "work failed for good",
    /// A result came after its claim was lost.
    LeaseLost = "lease lost",
    /// A step took longer than its processor was willing to wait.
    StepLate = "step given up",
    /// An item of the old format was claimed.
    OldItemMigrated = "old item migrated",
    /// A task got the answers of the volume that its decision needs.
    TaskPrepared = "volume asked before a decision",
    /// An upload was renewed.
    UploadRenewed = "upload renewed",
    /// A file or a version of it was published.
    FilePublished = "version published",
    /// An old version was restored.
    VersionRestored = "version restored",
    /// A file had several heads.
    HeadsApart = "versions in conflict",
    /// A version came into a log that had one built on it: the log had been set back.
    ReplacedBefore = "version replaced before it came",
    /// A version replaced several heads.
    HeadsJoined = "versions resolved",
    /// Several nodes were moved in one commit.
    BatchMoved = "batch moved at once",
    /// A folder was not moved into itself.
    CycleRefused = "cycle of folders refused",
    /// A batch was too long for one commit.
    JobAccepted = "batch became a job",
    /// A job was finished.
    JobFinished = "job finished",
    /// An upload was given up.
    UploadLapsed = "upload lapsed",
    /// The objects of an upload that was given up were deleted.
    BlobSwept = "lapsed upload swept",
    /// A new file was put elsewhere, because its name was taken or its folder deleted.
    NameClashed = "new file kept elsewhere",
    /// A deleted file was brought back, because another device had written it meanwhile.
    FileRevived = "edit brought a file back",
    /// A cursor of a feed was of another log.
    FeedExpired = "cursor of another log refused",
    /// A client had heard of a commit that a restored log has not.
    AnotherLog = "asker heard of another log",
}
