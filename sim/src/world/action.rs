//! What an owner decides, as a value: the loop hands it to the owner that carries it out. No owner
//! knows another one that it could call.

use engine::message::Request;
use harness::random::Draw;
use harness::time::Time;

use super::event::Event;
use crate::fault::Hit;
use crate::history::{Fact, Incarnation, Lost};
use crate::message::Message;
use crate::plan::Node;

/// What an owner decides.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// A fact becomes part of the history.
    Note(Node, Fact),
    /// An active fault has done this to something.
    Hit(Hit),
    /// Something rare has happened: it is counted under this name.
    Count(&'static str),
    /// A host is woken at this time and no other.
    Wake(Node, Option<Time>),
    /// An event becomes due; the draw decides its position within its millisecond.
    Schedule(Time, Draw, Event),
    /// A message is sent.
    Send(Message),
    /// A host, in this incarnation, asks the sync server: any of its workers.
    Request(Node, Incarnation, Box<Request>),
    /// A message that was on its way will not arrive.
    Lose(Message, Lost),
}

/// What an owner decides, in order.
pub(super) type Actions = Vec<Action>;
