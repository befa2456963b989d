//! Faults: what goes wrong around the engine. One file of the folder declares one fault and says what
//! it does; [`faults!`] lists them, in the order in which people see them.
//!
//! Reader, printer, drawer, minimiser, story, history and judges handle faults through what their
//! declarations say. None of them has a list of its own.

mod action;
mod argument;
mod conditions;
mod declaration;
mod hit;

use engine::id::{DeviceId, RecordId, Remote, UserId, VaultId};
use harness::time::Span;
use serde::ser::SerializeTuple as _;
use serde::{Serialize, Serializer};

pub use self::action::{Action, Control, Loss, Need, Reach};
pub use self::argument::{Age, Argument, ArgumentKind, Effects, Held, Scale, Shift, Spare, Times};
pub use self::argument::{Value, Wait};
pub use self::conditions::{Conditions, StepConditions, VolumeConditions};
use self::declaration::declare;
pub use self::declaration::{Behaviour, Declaration, Declared, Lasts, Longest, Lot, Names, Near};
pub use self::end_zone::ending;
pub use self::hit::Hit;
use crate::host::Node;

/// The longest time between a user's operation and a fault that is drawn near it.
pub const SOON: Span = Span::from_millis(1_500);

macro_rules! faults {
    ($($name:ident: mod $module:ident;)+) => {
        $(mod $module; pub use self::$module::$name;)+

        /// What goes wrong. Faults happen to the environment, never to the engine.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Fault { $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)+ }

        /// The faults that there are.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultKind { $(#[doc = concat!("See [`", stringify!($name), "`].")] $name,)+ }

        impl FaultKind {
            /// Every kind, in order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// What is declared of it.
            pub const fn declaration(self) -> &'static Declaration {
                match self { $(Self::$name => const { &$name::DECLARATION },)+ }
            }
        }

        impl Fault {
            /// Its kind.
            pub const fn kind(&self) -> FaultKind {
                match self { $(Self::$name(_) => FaultKind::$name,)+ }
            }

            /// Its arguments, in the order of its declaration.
            pub fn values(&self) -> Vec<Value> {
                match self { $(Self::$name(it) => it.values(),)+ }
            }

            fn behaviour(&self) -> &dyn Behaviour {
                match self { $(Self::$name(it) => it,)+ }
            }
        }

        $(impl From<$name> for Fault {
            fn from(fault: $name) -> Self {
                Self::$name(fault)
            }
        })+
    };
}

faults! {
    Cut: mod cut;
    GoOffline: mod go_offline;
    SlowLink: mod slow_link;
    LoseReplies: mod lose_replies;
    LoseHints: mod lose_hints;
    Crash: mod crash;
    Pause: mod pause;
    Destroy: mod destroy;
    SaveImage: mod save_image;
    RestoreImage: mod restore_image;
    CopyDisk: mod copy_disk;
    OldBuild: mod old_build;
    ClockJump: mod clock_jump;
    FillDisk: mod fill_disk;
    SlowDisk: mod slow_disk;
    HoldKeys: mod hold_keys;
    ExpireCredential: mod expire_credential;
    Outage: mod outage;
    Throttle: mod throttle;
    ExpireCursors: mod expire_cursors;
    RestoreRemote: mod restore_remote;
    HideRow: mod hide_row;
    BreakDecryption: mod break_decryption;
    SwapObjects: mod swap_objects;
    RejectRow: mod reject_row;
    EndZone: mod end_zone;
    DropPolicy: mod drop_policy;
    SlowCommits: mod slow_commits;
    Intrude: mod intrude;
    CrashWorker: mod crash_worker;
    PauseWorker: mod pause_worker;
    WorkerClockJump: mod worker_clock_jump;
    VolumeOutage: mod volume_outage;
    SlowVolume: mod slow_volume;
    LoseVolumeReplies: mod lose_volume_replies;
    LateLists: mod late_lists;
    RestoreVolume: mod restore_volume;
    IntrudeServer: mod intrude_server;
    CrashProcessor: mod crash_processor;
    PauseProcessor: mod pause_processor;
    ProcessorClockJump: mod processor_clock_jump;
    SlowAi: mod slow_ai;
    FailingAi: mod failing_ai;
}

impl FaultKind {
    /// The word in scenarios.
    pub const fn word(self) -> &'static str {
        self.declaration().word
    }

    /// The kind of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word)
    }

    /// One with these values, one for each argument.
    pub fn make(self, values: &[Value]) -> Option<Fault> {
        (self.declaration().make)(values)
    }

    /// How long it lasts.
    pub const fn lasts(self) -> Lasts {
        self.declaration().lasts
    }

    /// Does it go on when the faults of a plan end, if it lasts for ever?
    pub fn can_stay(self) -> bool {
        matches!(self.lasts(), Lasts::Until(_, Longest::Ever | Longest::Incurable))
    }
}

impl Fault {
    /// The word in scenarios.
    pub const fn word(&self) -> &'static str {
        self.kind().word()
    }

    /// Its arguments, each with its declaration.
    pub fn arguments(&self) -> impl Iterator<Item = (&'static Argument, Value)> {
        self.kind().declaration().arguments.iter().zip(self.values())
    }

    /// The same fault with other values of the same kinds.
    pub fn map(&self, change: impl FnMut(Value) -> Option<Value>) -> Option<Self> {
        let values: Option<Vec<Value>> = self.values().into_iter().map(change).collect();
        self.kind().make(&values?)
    }

    /// Would this end the other one? It does if they are about the same, however strong each is; and
    /// one that names no device ends one that only a device notices.
    pub fn ends(&self, other: &Self) -> bool {
        let is_same = |(end, begun): (Value, Value)| match (end, begun) {
            (Value::SeenBy(None), Value::SeenBy(_)) => true,
            _ => end == begun,
        };
        let named = |fault: &Self| {
            let named = fault.arguments().filter(|(it, _)| it.kind.scale().is_none());
            named.map(|(_, value)| value).collect::<Vec<_>>()
        };
        self.kind() == other.kind() && named(self).into_iter().zip(named(other)).all(is_same)
    }

    /// After how many effects of its host it happens; 0 for at once.
    pub fn effects(&self) -> u16 {
        self.values().into_iter().find_map(Effects::of).map_or(0, |effects| effects.0)
    }

    /// How long it makes hosts wait at once.
    pub fn wait(&self) -> Span {
        self.values().into_iter().find_map(Wait::of).map_or(Span::ZERO, |wait| wait.0)
    }

    /// The record that it is about, if it is about one.
    pub fn record(&self) -> Option<RecordId> {
        self.values().into_iter().find_map(RecordId::of)
    }

    /// The host that it happens to.
    pub fn host(&self) -> Node {
        self.behaviour().host()
    }

    /// What has happened, in a sentence that also fits after "over:".
    pub fn tell(&self, names: &dyn Names) -> String {
        self.behaviour().tell(names)
    }

    /// What has to be so for it to happen.
    pub fn needs(&self) -> Vec<Need> {
        self.behaviour().needs()
    }

    /// Why there can be no such fault: the key to blame, and what is wrong.
    pub fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        self.behaviour().contradiction()
    }

    /// What happens when it begins.
    pub fn action(&self) -> Option<Action> {
        self.behaviour().action()
    }

    /// What happens when it ends, beside what then no longer holds.
    pub fn after(&self) -> Option<Action> {
        self.behaviour().after()
    }

    /// What happens to a remote when it begins (`true`) or ends.
    pub fn control(&self, begins: bool) -> Option<(Remote, Control)> {
        self.behaviour().control(begins)
    }

    /// The row of which another object is served than the stored one.
    pub fn damages(&self) -> Option<(Remote, VaultId, RecordId)> {
        let (remote, control) = self.control(true)?;
        control.damages().map(|(vault, id)| (remote, vault, id))
    }

    /// Is it an interval? Others are moments, and what they leave behind heals.
    pub fn is_interval(&self) -> bool {
        self.behaviour().is_interval(self.kind().lasts())
    }

    /// Does it happen to this device itself?
    pub fn is_of(&self, device: DeviceId) -> bool {
        self.behaviour().reach() == Reach::Device(device)
    }

    /// Can it keep a device of this user from getting on?
    pub fn reaches(&self, device: DeviceId, user: UserId) -> bool {
        self.behaviour().reach().includes(device, user)
    }

    /// Does this show that it struck?
    pub fn strikes(&self, hit: Hit) -> bool {
        self.behaviour().strikes(hit)
    }

    /// What is lost with it.
    pub fn loss(&self) -> Option<Loss> {
        self.behaviour().loss()
    }

    /// In two words, why a write is gone whose loss it justifies; none if it justifies no loss.
    pub fn excuse(&self) -> Option<&'static str> {
        self.behaviour().excuse()
    }

    /// The row that it hides, damages or refuses.
    pub fn row(&self) -> Option<(Remote, VaultId, RecordId)> {
        let (remote, control) = self.control(true)?;
        control.row().map(|(vault, id)| (remote, vault, id))
    }
}

/// In a history a fault is its word and its values, so that one more kind leaves all bytes as they were.
impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let values = self.values();
        let mut tuple = serializer.serialize_tuple(1 + values.len())?;
        tuple.serialize_element(self.word())?;
        for value in &values {
            tuple.serialize_element(value)?;
        }
        tuple.end()
    }
}

impl Conditions {
    /// Those while these faults are active.
    pub fn of<'f>(active: impl IntoIterator<Item = &'f Fault>) -> Self {
        let mut conditions = Self::default();
        active.into_iter().for_each(|fault| fault.behaviour().shape(&mut conditions));
        conditions
    }
}

/// What to tell a remote when a fault ends, while others are active: what another one of its kind that
/// goes on says, else the end.
pub fn control_at_end(ended: &Fault, others: &[&Fault]) -> Option<(Remote, Control)> {
    let off = ended.control(false)?;
    let goes_on = others.iter().find(|other| other.control(false).as_ref() == Some(&off));
    match goes_on {
        None => Some(off),
        Some(_) if off.1.is_done_once() => None,
        Some(other) => other.control(true),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn of_two_outages_that_overlap_the_first_end_does_not_end_the_other() {
        let outage = Fault::from(Outage { remote: Remote::Zone });
        let on = Some((Remote::Zone, Control::Outage(true)));
        let off = Some((Remote::Zone, Control::Outage(false)));
        assert_eq!(control_at_end(&outage, &[&outage]), on);
        assert_eq!(control_at_end(&outage, &[]), off);
    }

    #[test]
    fn the_slower_of_two_slow_links_counts() {
        let (device, to) = (DeviceId(1), Remote::Rows);
        let slow = |times| SlowLink { device, to, times: Times(times) }.into();
        let active: [Fault; 3] = [slow(3), slow(9), slow(2)];
        assert_eq!(Conditions::of(&active).link_slowness(device, to), 9);
    }

    #[test]
    fn what_happens_to_a_whole_remote_ends_with_the_faults_of_a_plan() {
        assert!(!FaultKind::Outage.can_stay() && !FaultKind::Crash.can_stay());
        assert!(FaultKind::HoldKeys.can_stay());
    }

    #[test]
    fn a_fault_is_ended_by_one_that_is_about_the_same() {
        let seen_by = |seen_by| {
            let (remote, user) = (Remote::Zone, UserId(0));
            let row = RecordId { kind: engine::id::Kind::Meal, key: 1 };
            Fault::from(BreakDecryption { remote, row, user, seen_by })
        };
        assert!(seen_by(None).ends(&seen_by(Some(DeviceId(1)))));
        assert!(!seen_by(Some(DeviceId(1))).ends(&seen_by(None)));
        let slow = |times| SlowDisk { device: DeviceId(0), times: Times(times) }.into();
        assert!(Fault::ends(&slow(1), &slow(7)));
    }

    #[test]
    fn no_word_stands_for_two_things_and_each_fault_is_what_its_values_say() {
        let words = FaultKind::ALL.iter().flat_map(|kind| {
            let said = kind.declaration();
            [said.word].into_iter().chain(said.ended_by()).chain(said.synonyms.iter().copied())
        });
        let mut seen = BTreeSet::new();
        for word in words {
            assert!(!word.is_empty() && seen.insert(word), "`{word}` is there twice");
        }
        let cut = Fault::from(Cut { from: Node::Volume, to: Node::World });
        assert_eq!(cut.map(Some), Some(cut));
        assert_eq!(FaultKind::Cut.make(&[]), None);
    }
}
