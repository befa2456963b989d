//! Messages between hosts: what each brings, and as what it appears in the history.

use engine::id::{DeviceId, RecordId, Remote, UserId};
use engine::message::{self as server, Action, FileAction, WorkAction, WorkReply};
use engine::record::Value;
use engine::remote::{Call, CallId, Refusal, Reply, Request, Return};
use harness::random::Draw;

use crate::fault::Conditions;
use crate::history::{Fact, Incarnation, Lost, MessageId, Refused, Said, Wants};
use crate::plan::{MessageKind, Node};

/// A message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) from: Node,
    pub(crate) to: Node,
    pub(crate) message_id: MessageId,
    /// The incarnation of the device or processor that asked.
    pub(crate) incarnation: Incarnation,
    pub(crate) body: Body,
}

/// Who has sent a request, and which one: all that it takes to bring the reply back, and the lineage of
/// what is drawn about it. A duplicate of a request has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The machine.
    pub node: Node,
    /// The incarnation of it that hears the reply.
    pub incarnation: Incarnation,
    /// The request.
    pub message_id: MessageId,
}

/// What a message says: as large as it may be, it goes from hand to hand as a pointer.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Call(Box<Call>),
    Return(Box<Return>),
    Hint,
    /// A device asks a worker.
    Request(Box<server::Request>),
    /// A worker answers.
    Response(Box<server::Response>),
}

impl Asker {
    /// A machine that calls a remote in this incarnation.
    pub fn new(node: Node, incarnation: Incarnation, call: &Call) -> Self {
        let message_kind = kind_of_request(&call.request);
        let message_id =
            MessageId { call: call.id, attempt: call.attempt, message_kind, answer: false };
        Self { node, incarnation, message_id }
    }

    /// Adds a request to the lineage of a draw.
    pub(crate) fn lineage(&self, root: Draw) -> Draw {
        let MessageId { call, attempt, .. } = self.message_id;
        root.and(self.node.lineage())
            .and(u64::from(self.incarnation))
            .and(u64::from(attempt) << 32 | u64::from(call.0))
    }
}

impl Message {
    /// A call of a remote.
    pub(crate) fn call(
        (node, incarnation): (Node, Incarnation),
        to: Remote,
        call: Box<Call>,
    ) -> Self {
        let Asker { message_id, .. } = Asker::new(node, incarnation, &call);
        Self { from: node, to: Node::Remote(to), message_id, incarnation, body: Body::Call(call) }
    }

    /// A reply to a request.
    pub(crate) fn reply(from: Node, to: Asker, body: Body) -> Self {
        let message_id = MessageId { answer: true, ..to.message_id };
        Self { from, to: to.node, message_id, incarnation: to.incarnation, body }
    }

    /// A hint that something is new. Its number tells it from all others of a run.
    pub(crate) fn hint(from: Remote, to: DeviceId, number: u32) -> Self {
        let call = CallId(number);
        let message_id =
            MessageId { call, attempt: 0, message_kind: MessageKind::Hint, answer: false };
        let (from, to) = (Node::Remote(from), Node::Device(to));
        Self { from, to, message_id, incarnation: 0, body: Body::Hint }
    }

    /// Which of a host's requests to the sync server this is.
    pub(crate) fn message_id_of(request: &server::Request) -> MessageId {
        let server::Request { id: call, attempt, .. } = *request;
        MessageId { call, attempt, message_kind: kind_of_command(&request.command), answer: false }
    }

    /// The fact that it arrived and was handled.
    pub(crate) fn delivered(&self) -> Fact {
        let (refused, rows_refused) = match &self.body {
            Body::Return(answer) => refusals(&answer.reply),
            Body::Response(response) => match response.reply {
                server::Reply::Refused(refusal) => (Some(Refused::Server(refusal)), Vec::new()),
                server::Reply::Opened(_)
                | server::Reply::Closed
                | server::Reply::Status(_)
                | server::Reply::Patched
                | server::Reply::Account(_)
                | server::Reply::Work(_)
                | server::Reply::File(_) => (None, Vec::new()),
            },
            Body::Call(_) | Body::Hint | Body::Request(_) => (None, Vec::new()),
        };
        Fact::Delivered {
            from: self.from,
            message_id: self.message_id,
            refused: refused.map(Box::new),
            rows_refused: rows_refused.into(),
        }
    }

    /// Who asks, if this is a request.
    pub(crate) fn asker(&self) -> Asker {
        Asker { node: self.from, incarnation: self.incarnation, message_id: self.message_id }
    }

    /// Is a worker at one of its ends?
    pub(crate) fn is_of_worker(&self) -> bool {
        matches!((self.from, self.to), (Node::Worker(_), _) | (_, Node::Worker(_)))
    }

    /// The device at one of its ends, if there is one.
    pub(crate) fn device(&self) -> Option<DeviceId> {
        self.from.device().or(self.to.device())
    }

    /// The remote at one of its ends, if there is one.
    pub(crate) fn remote(&self) -> Option<Remote> {
        self.from.remote().or(self.to.remote())
    }

    /// Why it does not get through under these conditions, if it does not.
    pub(crate) fn stopped_by(&self, conditions: &Conditions) -> Option<Lost> {
        let cut = conditions.is_cut(self.from, self.to);
        if cut || self.device().is_some_and(|device| conditions.is_offline(device)) {
            return Some(Lost::Cut);
        }
        let taken = self.remote().is_some_and(|remote| match self.body {
            Body::Call(_) | Body::Request(_) | Body::Response(_) => false,
            Body::Return(_) => conditions.loses_replies(remote),
            Body::Hint => conditions.loses_hints(remote),
        });
        taken.then_some(Lost::Fault)
    }

    /// How many times as long it takes under these conditions.
    pub(crate) fn slowness(&self, conditions: &Conditions) -> u16 {
        let link = self.device().zip(self.remote());
        link.map_or(1, |(device, remote)| conditions.link_slowness(device, remote))
    }

    /// The rows in it, with their blobs.
    #[inline]
    pub(crate) fn rows(&self) -> Vec<&engine::remote::Row> {
        match &self.body {
            Body::Hint | Body::Request(_) | Body::Response(_) => Vec::new(),
            Body::Call(call) => match &call.request {
                Request::Save { puts, .. } => puts.iter().map(|put| &put.row).collect(),
                Request::Changes { .. }
                | Request::Fetch { .. }
                | Request::Remove { .. }
                | Request::CreateZone { .. } => Vec::new(),
            },
            Body::Return(answer) => match &answer.reply {
                Reply::Page { rows, .. } | Reply::Found(rows) => {
                    rows.iter().map(|served| &served.row).collect()
                }
                Reply::Saved(results) => results
                    .iter()
                    .filter_map(|(_, result)| match result {
                        Err(Refusal::Changed(served)) => Some(&served.row),
                        Ok(_) | Err(_) => None,
                    })
                    .collect(),
                Reply::Done | Reply::Refused(_) => Vec::new(),
            },
        }
    }
}

/// What a request is about.
fn kind_of_request(request: &Request) -> MessageKind {
    match request {
        Request::Changes { .. } => MessageKind::Pull,
        Request::Save { .. } => MessageKind::Push,
        Request::Fetch { .. } => MessageKind::Fetch,
        Request::Remove { .. } | Request::CreateZone { .. } => MessageKind::Other,
    }
}

/// What a message between a machine and a worker brings that must be sealed.
pub(crate) fn sealed(body: &Body) -> Option<&engine::Bytes> {
    match body {
        Body::Request(request) => match request.command.action()? {
            Action::Work(
                WorkAction::Save { blob, .. } | WorkAction::Finish { outcome: Ok(blob), .. },
            ) => Some(blob),
            Action::Work(
                WorkAction::Finish { outcome: Err(_), .. }
                | WorkAction::Read(..)
                | WorkAction::Claim(_)
                | WorkAction::Reset(_)
                | WorkAction::ReadDay(_),
            )
            | Action::Patch(_)
            | Action::ReadAccount
            | Action::File(_) => None,
        },
        Body::Response(response) => {
            let server::Reply::Work(WorkReply::Item(Some(found))) = &response.reply else {
                return None;
            };
            Some(&found.blob)
        }
        Body::Call(_) | Body::Return(_) | Body::Hint => None,
    }
}

/// What a message between a device and a worker says, and about how many bytes it has.
#[inline]
pub(crate) fn said(body: &Body) -> (Option<Said>, u32) {
    let size = |values: &mut dyn Iterator<Item = &Value>| {
        values.map(|value| text_size(value).saturating_add(24)).fold(0, u32::saturating_add)
    };
    match body {
        Body::Request(request) => {
            let (device, client) = (request.device, request.client);
            let (by, space) = (request.credential.map(|it| it.user), request.space);
            let about = named(request);
            let more = match request.command.action() {
                Some(Action::Patch(fields)) => {
                    size(&mut fields.iter().map(|(_, payload)| &payload.value))
                }
                // What is sealed counts by its bytes.
                Some(Action::ReadAccount | Action::Work(_) | Action::File(_)) | None => 0,
            };
            let wants = wants(&request.command);
            let heard = request.heard;
            (Some(Said::Asks { device, client, by, space, about, heard, wants }), more)
        }
        Body::Response(response) => {
            let (refused, more) = match &response.reply {
                server::Reply::Refused(refusal) => (Some(*refusal), 0),
                server::Reply::Account(fields) => {
                    let versions = fields.iter().flat_map(|(_, versions)| versions);
                    (None, size(&mut versions.map(|payload| &payload.value)))
                }
                server::Reply::Opened(_)
                | server::Reply::Closed
                | server::Reply::Status(_)
                | server::Reply::Patched
                | server::Reply::Work(_)
                | server::Reply::File(_) => (None, 0),
            };
            (Some(Said::Answers { seq: response.at.seq, refused }), more)
        }
        Body::Call(_) | Body::Return(_) | Body::Hint => (None, 0),
    }
}

/// Whose things a request is about. A cursor names a user too.
fn named(request: &server::Request) -> UserId {
    match request.command.action() {
        Some(Action::File(FileAction::Feed(Some(since), _))) => since.space,
        Some(_) | None => request.space,
    }
}

/// The bytes of a message about files or conversations: all that people know of them is sealed.
#[inline]
pub(crate) fn sealed_bytes(body: &Body, buffer: Vec<u8>) -> Vec<u8> {
    let bytes = match body {
        Body::Request(request) => match request.command.action() {
            Some(Action::File(action)) => postcard::to_extend(action, buffer),
            Some(Action::Work(action)) => postcard::to_extend(action, buffer),
            Some(Action::Patch(_) | Action::ReadAccount) | None => return buffer,
        },
        Body::Response(response) => match &response.reply {
            server::Reply::File(reply) => postcard::to_extend(reply, buffer),
            server::Reply::Work(reply) => postcard::to_extend(reply, buffer),
            server::Reply::Opened(_)
            | server::Reply::Closed
            | server::Reply::Status(_)
            | server::Reply::Patched
            | server::Reply::Account(_)
            | server::Reply::Refused(_) => return buffer,
        },
        Body::Call(_) | Body::Return(_) | Body::Hint => return buffer,
    };
    bytes.expect("memory is the only limit")
}

fn text_size(value: &Value) -> u32 {
    match value {
        Value::Text(text) => u32::try_from(text.len()).unwrap_or(u32::MAX),
        Value::Int(_) | Value::Set(_) | Value::Draft { .. } => 8,
    }
}

/// Did the request that this answers take effect?
pub(crate) fn had_effect(reply: &Reply) -> bool {
    match reply {
        Reply::Saved(results) => results.iter().any(|(_, result)| result.is_ok()),
        Reply::Done => true,
        Reply::Page { .. } | Reply::Found(_) | Reply::Refused(_) => false,
    }
}

/// What a reply refuses: as a whole, and row by row.
pub(crate) fn refusals(reply: &Reply) -> (Option<Refused>, Vec<(RecordId, Refused)>) {
    match reply {
        Reply::Refused(refusal) => (Some(Refused::of(refusal)), Vec::new()),
        Reply::Saved(results) => {
            let rows = results
                .iter()
                .filter_map(|(id, result)| Some((*id, Refused::of(result.as_ref().err()?))))
                .collect();
            (None, rows)
        }
        Reply::Page { .. } | Reply::Found(_) | Reply::Done => (None, Vec::new()),
    }
}

const fn wants(command: &server::Command) -> Wants {
    match command {
        server::Command::Open => Wants::Session,
        server::Command::Close(fence) => Wants::End(*fence),
        server::Command::Status => Wants::Status,
        server::Command::Read(_) => Wants::Read,
        server::Command::Act { fence, n, .. } => Wants::Act(*fence, *n),
    }
}

/// What a request is about.
fn kind_of_command(command: &server::Command) -> MessageKind {
    match command.action() {
        None => MessageKind::Session,
        Some(Action::Patch(_) | Action::ReadAccount) => MessageKind::Account,
        Some(Action::Work(_)) => MessageKind::Work,
        Some(Action::File(action)) => match action {
            FileAction::Begin(..)
            | FileAction::PutPiece(..)
            | FileAction::Uploaded(_)
            | FileAction::Publish(..) => MessageKind::Upload,
            FileAction::Feed(..) => MessageKind::Feed,
            FileAction::CreateFolder(..)
            | FileAction::Move(_)
            | FileAction::Delete(..)
            | FileAction::Undelete(..)
            | FileAction::Restore { .. }
            | FileAction::Lookup(..)
            | FileAction::ReadVersions(_)
            | FileAction::ReadPiece(..)
            | FileAction::ReadJob(_) => MessageKind::File,
        },
    }
}
