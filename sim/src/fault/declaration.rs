//! The declaration of a fault: its word, its arguments, how long it lasts, and when and how often it
//! is drawn. A file of this folder declares one fault with `declare!` and says what it does.

use engine::id::{DeviceId, Remote, UserId};
use harness::time::Span;

use super::{Action, Argument, ArgumentKind, Conditions, Control, Fault, FaultKind, Hit, Loss};
use super::{Need, Reach, Value};
use crate::host::Node;

/// What is declared of a kind of fault.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    /// The word in scenarios, under which it is also counted.
    pub word: &'static str,
    /// What people write instead of the word.
    pub synonyms: &'static [&'static str],
    /// What happens, in a sentence.
    pub meaning: &'static str,
    /// What it is about. The target comes first.
    pub arguments: &'static [Argument],
    /// How long it lasts.
    pub lasts: Lasts,
    /// When it is drawn.
    pub near: Near,
    /// No plan has more of them drawn.
    pub most: Option<u64>,
    /// It is only drawn together with this one.
    pub drawn_with: Option<FaultKind>,
    /// Does it need the sync server?
    pub needs_server: bool,
    /// Draws one.
    pub draw: fn(&mut dyn Lot) -> Option<Fault>,
    /// Makes one of these values, one for each argument.
    pub make: fn(&[Value]) -> Option<Fault>,
}

/// How long a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// It is over at once.
    AtOnce,
    /// Until its host is back, after a time that each use names.
    UntilBack,
    /// For a time, until this verb ends it, or until the faults end.
    Until(&'static str, Longest),
}

/// How long a fault that lasts for ever lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Longest {
    /// Until the faults end: nothing could settle otherwise.
    Storm,
    /// For ever.
    Ever,
    /// For ever, and some are drawn that do. What they make incurable is exempt from what they make
    /// impossible.
    Incurable,
}

/// When a fault is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Near {
    /// Shortly after a user did something, more often than not.
    Operation,
    /// Shortly before a new key, more often than not.
    Rotation,
    /// Within this time after a user did something with the row.
    AfterRow(Span),
    /// Within this time before a user does something with the row.
    BeforeRow(Span),
}

/// Draws what the arguments of a fault are.
pub trait Lot {
    /// An argument as every fault has it.
    fn value(&mut self, argument: &Argument) -> Option<Value>;
    /// The device that was drawn.
    fn device(&self) -> DeviceId;
    /// The remote that was drawn.
    fn remote(&self) -> Remote;
    /// One of two, equally often.
    fn flip(&mut self) -> bool;
    /// Does the user of the device that was drawn have other devices?
    fn has_others(&self) -> bool;
    /// Are there several users?
    fn has_users(&self) -> bool;
    /// Another fault comes before this one.
    fn precede(&mut self, first: Fault);
}

/// The names that people gave, for sentences.
pub trait Names {
    /// The name of a host.
    fn host(&self, host: Node) -> &str;
    /// The name of a user.
    fn user(&self, user: UserId) -> &str;
}

/// The part of a fault that `declare!` writes.
pub trait Declared: Sized {
    /// What is declared of it.
    const DECLARATION: Declaration;

    /// Its arguments, in the order of the declaration.
    fn values(&self) -> Vec<Value>;

    /// One of these arguments, asked for in the order of the declaration.
    fn of(give: &mut dyn FnMut(&Argument) -> Option<Value>) -> Option<Self>;

    /// Draws one.
    fn draw(lot: &mut dyn Lot) -> Option<Self> {
        Self::of(&mut |argument| lot.value(argument))
    }
}

/// What a fault does, and what is said of it. Most do one of these things, and a sentence.
pub trait Behaviour {
    /// The host that it happens to.
    fn host(&self) -> Node;

    /// What has happened, in a sentence that also fits after "over:".
    fn tell(&self, names: &dyn Names) -> String;

    /// What has to be so.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    /// Why there can be no such fault: the key to blame, and what is wrong.
    fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// What happens when it begins.
    fn action(&self) -> Option<Action> {
        None
    }

    /// What happens to a remote when it begins (`true`) or ends.
    fn control(&self, _begins: bool) -> Option<(Remote, Control)> {
        None
    }

    /// What happens when it ends, beside what then no longer holds.
    fn after(&self) -> Option<Action> {
        None
    }

    /// What it makes of the surroundings while it lasts.
    fn shape(&self, _conditions: &mut Conditions) {}

    /// Whom it can keep from getting on.
    fn reach(&self) -> Reach {
        match self.host() {
            Node::Device(device) => Reach::Device(device),
            Node::Remote(_) | Node::Worker(_) | Node::Volume | Node::Intruder => Reach::Everybody,
            Node::World | Node::Processor(_) => Reach::Nobody,
        }
    }

    /// Is it an interval for judges? Others are moments, and what they leave behind heals.
    fn is_interval(&self, lasts: Lasts) -> bool {
        lasts != Lasts::AtOnce
    }

    /// Does this show that it struck? What is asked about comes after its beginning and before its end;
    /// that of a fault without an end is the end of the run.
    fn strikes(&self, hit: Hit) -> bool {
        hit == Hit::Happened
    }

    /// What is lost with it.
    fn loss(&self) -> Option<Loss> {
        None
    }

    /// In two words, why a write is gone whose loss it justifies; none if it justifies no loss.
    fn excuse(&self) -> Option<&'static str> {
        None
    }
}

impl Declaration {
    /// Those of a fault that says nothing else.
    pub const fn new<F: Declared + Into<Fault>>(
        meaning: &'static str,
        arguments: &'static [Argument],
    ) -> Self {
        Self {
            word: "",
            synonyms: &[],
            meaning: meaning.trim_ascii(),
            arguments,
            lasts: Lasts::AtOnce,
            near: Near::Operation,
            most: None,
            drawn_with: None,
            needs_server: false,
            draw: |lot| F::draw(lot).map(Into::into),
            make: |values| {
                let mut values = values.iter().copied();
                F::of(&mut |_| values.next()).map(Into::into)
            },
        }
    }

    /// The argument that says to whom it happens.
    pub fn target(&self) -> Option<&'static Argument> {
        self.arguments.first().filter(|first| match first.kind {
            ArgumentKind::Device
            | ArgumentKind::Remote
            | ArgumentKind::Worker
            | ArgumentKind::Processor
            | ArgumentKind::User => true,
            ArgumentKind::Host
            | ArgumentKind::Row
            | ArgumentKind::SeenBy
            | ArgumentKind::Spare
            | ArgumentKind::Ending
            | ArgumentKind::Times
            | ArgumentKind::Wait
            | ArgumentKind::Age
            | ArgumentKind::Shift
            | ArgumentKind::Effects => false,
        })
    }

    /// The other arguments.
    pub fn rest(&self) -> &'static [Argument] {
        &self.arguments[usize::from(self.target().is_some())..]
    }

    /// The argument that says how strong it is.
    pub fn strength(&self) -> Option<&'static Argument> {
        self.arguments.iter().find(|argument| argument.kind.scale().is_some())
    }

    /// Does it have an argument of this kind?
    pub fn has(&self, kind: ArgumentKind) -> bool {
        self.arguments.iter().any(|argument| argument.kind == kind)
    }

    /// The verb that ends it.
    pub const fn ended_by(&self) -> Option<&'static str> {
        if let Lasts::Until(verb, _) = self.lasts { Some(verb) } else { None }
    }
}

/// Declares a fault: its arguments as a type, and what is declared of it.
macro_rules! declare {
    (
        $(#[doc = $meaning:literal])+
        $name:ident { $($field:ident: $type:ty = $key:literal,)* }
        $($said:ident: $what:expr,)+
    ) => {
        $(#[doc = $meaning])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name {
            $(#[doc = concat!("`", $key, "` of a scenario.")] pub $field: $type,)*
        }

        impl $crate::fault::Declared for $name {
            const DECLARATION: $crate::fault::Declaration = $crate::fault::Declaration {
                $($said: $what,)+
                ..$crate::fault::Declaration::new::<Self>(
                    concat!($($meaning),+),
                    &[$($crate::fault::Argument::of::<$type>($key),)*],
                )
            };

            fn values(&self) -> Vec<$crate::fault::Value> {
                vec![$($crate::fault::Held::value(self.$field),)*]
            }

            fn of(
                give: &mut dyn FnMut(&$crate::fault::Argument) -> Option<$crate::fault::Value>,
            ) -> Option<Self> {
                let _ = &give;
                Some(Self { $($field: {
                    let argument = $crate::fault::Argument::of::<$type>($key);
                    $crate::fault::Held::of(give(&argument)?)?
                },)* })
            }
        }
    };
}

pub(super) use declare;
