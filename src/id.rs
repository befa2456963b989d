//! Identifiers of people, devices, records and writes. All are small values, ordered and copied
//! freely.

use serde::{Deserialize, Serialize};

/// A person with one vault and any number of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UserId(pub u16);

/// The encrypted data of one user. Stored in the clear beside every row, because row-level security
/// compares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct VaultId(pub u16);

impl From<UserId> for VaultId {
    fn from(user: UserId) -> Self {
        Self(user.0)
    }
}

/// One installed device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DeviceId(pub u16);

/// The author of dots. Every install, and every restored or cloned image, draws a new one, so that
/// two copies of an image never give two writes the same dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ReplicaId(pub u64);

/// The kind of a record: its schema, and part of what a sealed row is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// What the user wants to reach.
    Goals,
    /// One day's entries.
    DailyLog,
    /// A week in numbers.
    WeeklySnapshot,
    /// One meal.
    Meal,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 4] = [Self::Goals, Self::DailyLog, Self::WeeklySnapshot, Self::Meal];

    /// The name people write, as in `meal/42`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Goals => "goals",
            Self::DailyLog => "daily-log",
            Self::WeeklySnapshot => "weekly-snapshot",
            Self::Meal => "meal",
        }
    }
}

/// One record of a vault, shown as `meal/42`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordId {
    /// The kind of the record.
    pub kind: Kind,
    /// Its number within that kind.
    pub key: u32,
}

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind.name(), self.key)
    }
}

/// A field of a record, numbered within its kind's [`schema`](crate::schema). A field that this
/// build does not know is stored and merged like any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FieldId(pub u8);

impl FieldId {
    /// The field that holds a delete's own cell, so that a delete has an author and a time.
    pub const HEADSTONE: Self = Self(u8::MAX);
}

/// The unique name of a write: the `n`-th of its replica, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Dot {
    /// The replica that wrote.
    pub replica: ReplicaId,
    /// The number of the write within its replica, from 1.
    pub n: u64,
}

/// A label that the application gives to a write and finds again in every copy of it. The engine
/// never looks at it. The simulator makes it unique and starts it with a fixed prefix, which serves
/// as a canary for plaintext on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token(pub [u8; 16]);

impl Token {
    /// The label of a write that the engine makes itself (a purge).
    pub const NONE: Self = Self([0; 16]);
}

/// A file or a folder of one space. The device that creates it draws the number, which is never
/// used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The root folder of every space. It is no node: nothing is stored for it.
    pub const ROOT: Self = Self(0);
}

/// One of the two remotes that a device replicates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Remote {
    /// CloudKit-like: a record zone with change tags and change tokens.
    Zone,
    /// Supabase-like: Postgres rows behind an HTTP interface.
    Rows,
}

impl Remote {
    /// Both, in order.
    pub const ALL: [Self; 2] = [Self::Zone, Self::Rows];

    /// 0 or 1: the index in arrays of two.
    pub const fn index(self) -> usize {
        self as usize
    }
}

const _: () = {
    assert!(Remote::ALL[0].index() == 0, "arrays of two are in the order of remotes");
    assert!(Remote::ALL[1].index() == 1, "arrays of two are in the order of remotes");
    let mut at = 0;
    while at < Kind::ALL.len() {
        assert!(Kind::ALL[at] as usize == at, "a kind's number is part of what a row is bound to");
        at += 1;
    }
    let mut at = 0;
    while at < AccountField::ALL.len() {
        assert!(AccountField::ALL[at] as usize == at, "fields are read in the order of their keys");
        at += 1;
    }
};

/// One operation that a user asks of a device or a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpId(pub u32);

/// A field of a user's account: data of the server, not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum AccountField {
    /// The address for letters.
    Email,
    /// The number for calls.
    Phone,
    /// The user's name.
    Name,
    /// A text of any length.
    About,
}

impl AccountField {
    /// Every field, in order.
    pub const ALL: [Self; 4] = [Self::Email, Self::Phone, Self::Name, Self::About];

    /// The name people write.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Name => "name",
            Self::About => "about",
        }
    }
}

/// A build of the product. While devices are updated one after the other, several are in use. The previous one
/// lacks a field ([`Field::since`](crate::schema::Field::since)) and two refusals of the server
/// ([`FileRefusal::for_build`](crate::message::FileRefusal::for_build)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Build {
    /// The one before this.
    Previous,
    /// This one.
    #[default]
    Current,
}
