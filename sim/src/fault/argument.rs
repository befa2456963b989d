//! What a fault is about, beside its word: each kind of argument has a type, and what is generic over
//! faults (reader, printer, drawer, minimiser, history) handles them as values.

use engine::id::{DeviceId, RecordId, Remote, UserId};
use engine::remote::Ending;
use harness::quantity::Unit;
use harness::time::{Span, Time};
use serde::Serialize;

use crate::host::{Node, ProcessorId, WorkerId};

/// The longest time that a scenario can name: 366 days, in milliseconds.
const LONGEST: i64 = 31_622_400_000;
const DAY: i64 = 86_400_000;

/// How many times as long something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Times(pub u16);

/// After how many further effects of a host it happens; 0 for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Effects(pub u16);

/// How long hosts are made to wait at once: the whole run may take that much longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Wait(pub Span);

/// How far back in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Age(pub Span);

impl Age {
    /// The moment so long ago; never the present one.
    pub fn before(self, now: Time) -> Time {
        Time(now.0.saturating_sub(self.0.0.max(1)))
    }
}

/// By how many milliseconds a clock is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Shift(pub i64);

/// A device that does not exist until a disk is copied to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Spare(pub DeviceId);

/// The type of an argument.
pub trait Held: Copy {
    /// Which kind it is.
    const KIND: ArgumentKind;
    /// As a value.
    fn value(self) -> Value;
    /// Out of a value, if that is of this kind.
    fn of(value: Value) -> Option<Self>;
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident($type:ty),)+) => {
        /// The kinds of arguments.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ArgumentKind { $($(#[doc = $doc])+ $kind,)+ }

        /// An argument of a fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub enum Value { $($(#[doc = $doc])+ $kind($type),)+ }

        impl Value {
            /// Of which kind it is.
            pub const fn kind(self) -> ArgumentKind {
                match self { $(Self::$kind(_) => ArgumentKind::$kind,)+ }
            }
        }

        $(impl Held for $type {
            const KIND: ArgumentKind = ArgumentKind::$kind;

            fn value(self) -> Value {
                Value::$kind(self)
            }

            fn of(value: Value) -> Option<Self> {
                if let Value::$kind(it) = value { Some(it) } else { None }
            }
        })+
    };
}

kinds! {
    /// A device.
    Device(DeviceId),
    /// A remote.
    Remote(Remote),
    /// A worker.
    Worker(WorkerId),
    /// A processor.
    Processor(ProcessorId),
    /// A user.
    User(UserId),
    /// Any host.
    Host(Node),
    /// A record.
    Row(RecordId),
    /// The only device that notices, if it is not all of them.
    SeenBy(Option<DeviceId>),
    /// A device that does not exist yet.
    Spare(Spare),
    /// How a zone ends.
    Ending(Ending),
    /// How many times as long.
    Times(Times),
    /// How long hosts are made to wait.
    Wait(Wait),
    /// How far back in time.
    Age(Age),
    /// How far a clock jumps.
    Shift(Shift),
    /// After how many effects.
    Effects(Effects),
}

impl Value {
    /// As a number, if it says how strong a fault is.
    pub fn strength(self) -> Option<i64> {
        match self {
            Self::Times(times) => Some(times.0.into()),
            Self::Wait(Wait(span)) | Self::Age(Age(span)) => i64::try_from(span.0).ok(),
            Self::Shift(by) => Some(by.0),
            Self::Device(_)
            | Self::Remote(_)
            | Self::Worker(_)
            | Self::Processor(_)
            | Self::User(_)
            | Self::Host(_)
            | Self::Row(_)
            | Self::SeenBy(_)
            | Self::Spare(_)
            | Self::Ending(_)
            | Self::Effects(_) => None,
        }
    }
}

impl ArgumentKind {
    /// The least and the most, if it says how strong a fault is. Two faults that differ only in
    /// their strength are ended by the same verb.
    pub const fn strength(self) -> Option<(i64, i64)> {
        match self {
            Self::Times => Some((1, 10_000)),
            Self::Wait => Some((1, DAY)),
            Self::Age => Some((1, LONGEST)),
            Self::Shift => Some((-LONGEST, LONGEST)),
            Self::Device
            | Self::Remote
            | Self::Worker
            | Self::Processor
            | Self::User
            | Self::Host
            | Self::Row
            | Self::SeenBy
            | Self::Spare
            | Self::Ending
            | Self::Effects => None,
        }
    }

    /// What its strength is counted in.
    pub const fn unit(self) -> Option<Unit> {
        match self {
            Self::Times => Some(Unit::Count),
            Self::Wait | Self::Age => Some(Unit::Span),
            Self::Shift => Some(Unit::Shift),
            Self::Device
            | Self::Remote
            | Self::Worker
            | Self::Processor
            | Self::User
            | Self::Host
            | Self::Row
            | Self::SeenBy
            | Self::Spare
            | Self::Ending
            | Self::Effects => None,
        }
    }

    /// The value of this number, within the bounds of the strength.
    pub fn of_strength(self, number: i64) -> Option<Value> {
        let (low, high) = self.strength()?;
        let number = number.clamp(low, high);
        let span = Span(number.unsigned_abs());
        Some(match self {
            Self::Times => Value::Times(Times(u16::try_from(number).ok()?)),
            Self::Wait => Value::Wait(Wait(span)),
            Self::Age => Value::Age(Age(span)),
            Self::Shift => Value::Shift(Shift(number)),
            Self::Device
            | Self::Remote
            | Self::Worker
            | Self::Processor
            | Self::User
            | Self::Host
            | Self::Row
            | Self::SeenBy
            | Self::Spare
            | Self::Ending
            | Self::Effects => return None,
        })
    }
}

/// An argument as a declaration has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The key in a scenario.
    pub key: &'static str,
    /// What it holds.
    pub kind: ArgumentKind,
}

impl Argument {
    /// One of this type, under this key.
    pub const fn of<T: Held>(key: &'static str) -> Self {
        Self { key, kind: T::KIND }
    }
}

impl std::fmt::Display for Shift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "+" };
        write!(f, "{sign}{}", Span(self.0.unsigned_abs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strength_is_a_value_of_its_kind_within_its_bounds() {
        assert_eq!(ArgumentKind::Times.of_strength(70_000), Some(Value::Times(Times(10_000))));
        assert_eq!(ArgumentKind::Shift.of_strength(-7), Some(Value::Shift(Shift(-7))));
        assert_eq!(ArgumentKind::Row.of_strength(1), None);
        assert_eq!(Times::of(Value::Shift(Shift(1))), None);
    }

    #[test]
    fn a_jump_of_a_clock_has_a_sign() {
        assert_eq!(Shift(-90_000).to_string(), format!("-{}", Span(90_000)));
        assert_eq!(Shift(5).to_string(), format!("+{}", Span(5)));
    }
}
