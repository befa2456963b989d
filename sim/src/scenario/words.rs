//! The closed vocabulary of scenarios: headings, parameters, verbs, ingredients of the mix, events.
//!
//! One registry for the reader, the printer and the lint. What a verb says is declared with its
//! operation or fault.

mod verb;

use engine::id::{FieldId, Kind, Remote};
use engine::point::Point;
use engine::remote::Ending;
use engine::schema::{Field, fields};
use harness::quantity::Unit;

use crate::fault::FaultKind;
use crate::plan::{Custom, Effect, Operation};

/// Headings, and the keys that each takes. Those whose keys are names take any.
pub(super) const HEADINGS: &[(&str, &[&str])] = &[
    ("scenario", &["title", "story", "ticket", "tags", "seeds", "users", "lasts", "format"]),
    ("remotes", &[]),
    ("devices", &[]),
    ("given", &["rows", "make", "conversations"]),
    ("network", &["grain", "latency", "loss", "duplicates", "reply-loss", "hint-loss"]),
    ("disk", &["commit", "answer"]),
    (
        "timing",
        &[
            "pull-every",
            "relist-every",
            "feed-every",
            "login-patience",
            "timeout",
            "retry-base",
            "retry-cap",
            "page",
            "batch",
        ],
    ),
    (
        "server",
        &[
            "workers",
            "clock",
            "drift",
            "volume",
            "session",
            "timeout",
            "retry-base",
            "retry-cap",
            "queue",
            "snapshot-every",
            "upload",
            "batch",
            "piece",
        ],
    ),
    ("processors", &[]),
    ("pipeline", &["poll", "patience", "step-takes", "step-failure", "step-silence"]),
    ("keychain", &["delay"]),
    ("sign-in", &["delay", "valid", "expired-first", "foreign-first"]),
    (
        "mix",
        &[
            "for", "every", "weights", "kinds", "rows", "hot-rows", "size", "bursts", "pause",
            "files",
        ],
    ),
    ("trouble", &[]),
    ("script", &["steps"]),
    ("limits", &["events", "facts", "bytes", "simulated"]),
    ("expect", &["always", "at-end", "settle-within", "must-happen", "must-not-happen", "verdict"]),
    (
        "capsule",
        &[
            "scenario",
            "seed",
            "nature",
            "flaws",
            "build",
            "invariant",
            "site",
            "record-kind",
            "lost",
            "digest",
            "settings",
            "machine",
            "shrunk-from",
            "writes",
        ],
    ),
];

/// The keys of a heading.
pub(super) fn keys(heading: &str) -> &'static [&'static str] {
    HEADINGS
        .iter()
        .find(|(name, _)| *name == heading)
        .map(|(_, keys)| *keys)
        .expect("only headings of the registry are read")
}

/// The keys of `files` in [mix].
pub(super) const FILE_KEYS: &[&str] = &["every", "weights", "paths", "size", "bursts"];
pub(super) const REMOTE_KEYS: &[&str] = &["kind", "page", "batch", "commit"];
pub(super) const WORKER_KEYS: &[&str] = &["clock", "drift"];
pub(super) const PROCESSOR_KEYS: &[&str] = &["user", "clock", "drift"];
pub(super) const DEVICE_KEYS: &[&str] =
    &["user", "users", "count", "syncs-with", "state", "start", "clock", "drift"];

macro_rules! parameters {
    ($($name:ident = $heading:literal $key:literal, $unit:ident, $least:literal..=$most:literal,
        $default:literal, $plain:literal, $meaning:literal;)+) => {
        /// A parameter of the world, which has a value in every plan; those of the server in every
        /// plan with a server.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Parameter { $(#[doc = $meaning] $name,)+ }

        impl Parameter {
            /// Every parameter, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The heading under which it stands, and its key; a dot leads into a table.
            pub const fn place(self) -> (&'static str, &'static str) {
                match self { $(Self::$name => ($heading, $key),)+ }
            }

            /// What it counts.
            pub const fn unit(self) -> Unit {
                match self { $(Self::$name => Unit::$unit,)+ }
            }

            /// The least and the most that it can be.
            pub const fn bounds(self) -> (i64, i64) {
                match self { $(Self::$name => ($least, $most),)+ }
            }

            /// What it is where a file says nothing.
            pub const fn default(self) -> &'static str {
                match self { $(Self::$name => $default,)+ }
            }

            /// What it is where a printed plan says nothing. It never changes: capsules of older builds
            /// count on it.
            pub const fn plain(self) -> &'static str {
                match self { $(Self::$name => $plain,)+ }
            }
        }
    };
}

parameters! {
    Grain = "network" "grain", Span, 1..=60_000, "1ms", "1ms", "Arrivals are rounded up to multiples of it.";
    Typical = "network" "latency.typical", Span, 1..=86_400_000, "40ms", "40ms", "Half of all messages take at most this long.";
    P99 = "network" "latency.p99", Span, 1..=86_400_000, "400ms", "40ms", "99 of 100 messages take at most this long.";
    Loss = "network" "loss", Chance, 0..=1_000_000, "0%", "0%", "A message is lost.";
    Duplicates = "network" "duplicates", Chance, 0..=1_000_000, "0%", "0%", "A message arrives twice.";
    ReplyLoss = "network" "reply-loss", Chance, 0..=1_000_000, "0%", "0%", "A remote's answer is lost after its request took effect.";
    HintLoss = "network" "hint-loss", Chance, 0..=1_000_000, "0%", "0%", "A hint is lost.";
    DiskCommit = "disk" "commit", Span, 1..=86_400_000, "1ms..5ms", "1ms", "A synced commit takes this long to become durable, drawn each time.";
    DiskAnswer = "disk" "answer", Span, 1..=86_400_000, "1ms..3ms", "1ms", "After that the device learns of it, drawn each time; a crash fits in between.";
    PullEvery = "timing" "pull-every", Span, 1..=31_622_400_000, "5s", "5s", "A device pulls a remote this long after the last pull.";
    RelistEvery = "timing" "relist-every", Span, 1..=31_622_400_000, "40s", "40s", "A device lists a remote from the start this long after the last listing.";
    FeedEvery = "timing" "feed-every", Span, 1..=31_622_400_000, "10s", "10s", "A device asks the sync server what has changed in files this long after the last time.";
    LoginPatience = "timing" "login-patience", Span, 1..=31_622_400_000, "10s", "10s", "A login opens its gate after this long even if a remote is silent.";
    Timeout = "timing" "timeout", Span, 1..=31_622_400_000, "3s", "3s", "A request without an answer is given up after this long.";
    RetryBase = "timing" "retry-base", Span, 1..=31_622_400_000, "500ms", "500ms", "The wait after the first failure.";
    RetryCap = "timing" "retry-cap", Span, 1..=31_622_400_000, "15s", "15s", "No wait is longer.";
    Page = "timing" "page", Count, 1..=10_000, "100", "100", "Rows that a device asks for in one page.";
    Batch = "timing" "batch", Count, 1..=10_000, "50", "50", "Rows that a device saves in one batch.";
    KeyDelay = "keychain" "delay", Span, 1..=31_622_400_000, "50ms..500ms", "50ms", "A key takes this long to the user's other devices, drawn each time.";
    SignInDelay = "sign-in" "delay", Span, 1..=31_622_400_000, "20ms..200ms", "20ms", "A credential takes this long, drawn each time.";
    Valid = "sign-in" "valid", Span, 1..=31_622_400_000, "1h", "1h", "A credential is valid this long.";
    ExpiredFirst = "sign-in" "expired-first", Chance, 0..=1_000_000, "0%", "0%", "An expired credential is handed out first.";
    ForeignFirst = "sign-in" "foreign-first", Chance, 0..=1_000_000, "0%", "0%", "A credential of another user is handed out first.";
    VolumeDelay = "server" "volume.delay", Span, 0..=86_400_000, "2ms..30ms", "2ms", "A request takes this long to the volume, and again its answer, drawn each time.";
    VolumeFailure = "server" "volume.failure", Chance, 0..=1_000_000, "0%..5%", "0%", "A request to the volume fails without an effect.";
    VolumeReplyLoss = "server" "volume.reply-loss", Chance, 0..=1_000_000, "0%..5%", "0%", "An answer of the volume is lost after its request took effect.";
    VolumeListLag = "server" "volume.list-lag", Span, 0..=31_622_400_000, "0s..500ms", "0s", "A list lacks what was created within this time.";
    Session = "server" "session", Span, 1..=31_622_400_000, "2s..30s", "2s", "So long nobody else may try to take a session over.";
    VolumeTimeout = "server" "timeout", Span, 1..=31_622_400_000, "300ms..2s", "300ms", "A request to the volume without an answer is given up after this long.";
    VolumeRetryBase = "server" "retry-base", Span, 1..=31_622_400_000, "20ms..100ms", "20ms", "A worker's wait after the first failure.";
    VolumeRetryCap = "server" "retry-cap", Span, 1..=31_622_400_000, "500ms..3s", "500ms", "No wait of a worker is longer.";
    Queue = "server" "queue", Count, 1..=10_000, "4..64", "4", "This number of requests may wait in one space; others are sent away for a while.";
    SnapshotEvery = "server" "snapshot-every", Count, 1..=1_000_000, "2..40", "2", "A snapshot is written after at least this number of commits.";
    UploadLease = "server" "upload", Span, 1..=31_622_400_000, "10m", "10m", "The pieces of an upload are kept this long after it was begun or renewed.";
    MoveBatch = "server" "batch", Count, 1..=10_000, "50", "50", "So many files are moved in one commit; more become a job.";
    Piece = "server" "piece", Size, 64..=1_048_576, "1KB", "1KB", "Devices bring content in pieces of this size.";
    Poll = "pipeline" "poll", Span, 1..=31_622_400_000, "2s..8s", "2s", "A processor looks for work after half of this to all of it.";
    Patience = "pipeline" "patience", Span, 1..=31_622_400_000, "1s..10s", "1s", "A processor gives the step up after this long.";
    StepTakes = "pipeline" "step-takes", Span, 1..=86_400_000, "100ms..3s", "100ms", "The step takes this long, drawn each time.";
    StepFailure = "pipeline" "step-failure", Chance, 0..=1_000_000, "0%..20%", "0%", "The step ends without a result.";
    StepSilence = "pipeline" "step-silence", Chance, 0..=1_000_000, "0%..5%", "0%", "The step never ends.";
}

/// What a verb's line begins with, beside its moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// `device = …`, a name, a list of names or `"all"`.
    Device,
    /// `remote = …`, a name, a list of names or `"all"`.
    Remote,
    /// `worker = …`, a name, a list of names or `"all"`.
    Worker,
    /// `processor = …`, a name, a list of names or `"all"`.
    Processor,
    /// `user = …`.
    User,
    /// Nobody.
    Nobody,
}

impl Who {
    /// The key that names it.
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Self::Device => Some("device"),
            Self::Remote => Some("remote"),
            Self::Worker => Some("worker"),
            Self::Processor => Some("processor"),
            Self::User => Some("user"),
            Self::Nobody => None,
        }
    }
}

/// What a step does. A fault of the script and a family of `[trouble]` are the same word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// A user or a processor does something, or nobody does.
    Do(Operation),
    /// Nothing happens until everything is quiet: the word says when, and not what.
    WaitUntilQuiet,
    /// A fault begins.
    Begin(FaultKind),
    /// A fault ends.
    End(FaultKind),
}

/// The keys that every step may have.
pub(super) const STEP_KEYS: &[&str] = &["at", "after", "when", "at-most", "do", "id", "optional"];

macro_rules! words {
    ($(#[$doc:meta])* $type:ident, $name:ident, $from:ident: $($text:literal = $value:expr,)+) => {
        $(#[$doc])*
        pub(super) const $name: &[(&str, $type)] = &[$(($text, $value),)+];

        /// The word for it.
        pub(super) fn $from(value: $type) -> &'static str {
            $name
                .iter()
                .find(|(_, other)| *other == value)
                .map(|(text, _)| *text)
                .expect("every value has a word")
        }
    };
}

words! { /** How a zone ends. */ Ending, ENDINGS, ending_word:
    "deleted" = Ending::Deleted, "purged" = Ending::Purged, "reset" = Ending::EncryptedDataReset,
}
words! { /** Custom strategies. */ Custom, STRATEGIES, strategy_word:
    "longest" = Custom::Longest, "first" = Custom::First, "panics-on-empty" = Custom::PanicsOnEmpty,
}
words! { /** Kinds of remotes; the first name of each is printed. */ Remote, REMOTE_KINDS, kind_word:
    "zone" = Remote::Zone, "rows" = Remote::Rows,
    "cloudkit" = Remote::Zone, "supabase" = Remote::Rows,
}

/// What the mix is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ingredient {
    /// An operation of a user.
    One(Operation),
    /// [`Operation::Open`], and [`Operation::Save`] after a pause.
    OpenSave,
    /// [`Operation::Logout`], and [`Operation::Login`] after a pause.
    LogoutLogin,
    /// [`Operation::UploadConversation`], [`Operation::IngestConversation`], and what is then done
    /// with it.
    Conversations,
}

impl Ingredient {
    /// Every ingredient, in order.
    pub const ALL: &'static [Self] = &[
        Self::One(Operation::Edit),
        Self::OpenSave,
        Self::One(Operation::Overwrite),
        Self::One(Operation::Increment),
        Self::One(Operation::Delete),
        Self::One(Operation::Undelete),
        Self::One(Operation::Read),
        Self::One(Operation::Sync),
        Self::One(Operation::Login),
        Self::LogoutLogin,
        Self::One(Operation::RotateKey),
        Self::One(Operation::RegisterStrategy),
        Self::One(Operation::UpdateAccount),
        Self::One(Operation::ReadAccount),
        Self::One(Operation::SessionStatus),
        Self::Conversations,
    ];

    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::One(operation) => operation.word(),
            Self::OpenSave => "open-save",
            Self::LogoutLogin => "logout-login",
            Self::Conversations => "conversations",
        }
    }

    /// Does it need a sync server?
    pub const fn needs_server(self) -> bool {
        match self {
            Self::One(operation) => operation.declaration().needs_server(),
            Self::OpenSave | Self::LogoutLogin => false,
            Self::Conversations => true,
        }
    }

    /// Does it need processors?
    pub const fn needs_processors(self) -> bool {
        matches!(self, Self::Conversations)
    }
}

/// What the stage counts beside the engine's coverage points and the faults.
pub(super) const STAGE_EVENTS: &[&str] = &[
    "crash between two durable steps",
    "reply lost after effect",
    VOLUME_FAILED,
    VOLUME_ANSWER_LOST,
    SERVER_ANSWER_LOST,
    BATCH_INTERRUPTED,
    "step done",
    "step failed",
    "step never ended",
];

const VOLUME_FAILED: &str = "volume failed";
const VOLUME_ANSWER_LOST: &str = "volume answer lost";
const SERVER_ANSWER_LOST: &str = "answer of the server lost";
const BATCH_INTERRUPTED: &str = "batch interrupted";

/// Can this event only happen where there is a sync server?
pub(super) fn is_of_server(event: &str) -> bool {
    [VOLUME_FAILED, VOLUME_ANSWER_LOST, SERVER_ANSWER_LOST, BATCH_INTERRUPTED].contains(&event)
        || Point::ALL.iter().any(|point| point.needs_server() && point.name() == event)
        || Effect::ALL.iter().any(|it| it.needs_server() && it.name() == event)
        || Verb::of_name(event).is_some_and(Verb::needs_server)
}

/// Everything that `must-happen` can name: coverage points, what the stage counts, and faults by
/// their verb.
pub fn events() -> impl Iterator<Item = &'static str> + Clone {
    let points = Point::ALL.iter().map(|point| point.name());
    let faults = FaultKind::ALL.iter().map(|kind| kind.word());
    let deaths = Effect::ALL.iter().map(|effect| effect.name());
    points.chain(STAGE_EVENTS.iter().copied()).chain(deaths).chain(faults)
}

/// The kind of this name.
pub(super) fn kind_of(name: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}

/// The field of this name.
pub(super) fn field_named(kind: Kind, name: &str) -> Option<&'static Field> {
    fields(kind).iter().find(|field| field.name == name)
}

/// The name of a field.
pub(super) fn field_name(kind: Kind, id: FieldId) -> &'static str {
    engine::schema::field_of(kind, id).expect("a plan sets fields of the schema").name
}
