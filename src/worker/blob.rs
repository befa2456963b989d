//! Blobs of conversations: written before the commit that names them, read after the decision that
//! found their name. So what is named is there, and a crash between leaves a blob without a name.
//!
//! A name holds the hash of what it names: writing it twice is harmless, and nobody overwrites.

use super::{Output, Ticket, Worker};
use crate::Bytes;
use crate::flaw::Flaw;
use crate::id::UserId;
use crate::job::{BlobHash, BlobName};
use crate::message::{
    Action, Command, Found, Refusal, Reply, Request, Response, WorkAction, WorkReply,
};
use crate::time::{Now, Time};
use crate::volume::{self, CallId};

/// What waits for the volume, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    work: Work,
    gives_up: Time,
}

#[derive(Clone, Debug)]
enum Work {
    /// A request whose blob is being written.
    Store(Ticket, Request),
    /// An answer whose blob is being read.
    Fetch(UserId, Ticket, Response, Found),
}

/// The blob that a request brings.
fn brought(command: &Command) -> Option<(BlobName, &Bytes)> {
    let Command::Act { action: Action::Work(action), .. } = command else { return None };
    let (key, version, blob) = match action {
        WorkAction::Save { key, expected, blob, .. } => (*key, expected.saturating_add(1), blob),
        WorkAction::Finish { key, version, outcome: Ok(blob), .. } => (*key, *version, blob),
        WorkAction::Finish { outcome: Err(_), .. }
        | WorkAction::Read(..)
        | WorkAction::Claim(_)
        | WorkAction::Reset(_)
        | WorkAction::ReadDay(_) => return None,
    };
    Some((BlobName { key, version, hash: BlobHash::of(blob) }, blob))
}

impl Worker {
    /// Writes what a request brings, and lets it in when that is durable.
    pub(super) fn store_or_enter(&mut self, now: Now, ticket: Ticket, request: Request) {
        match brought(&request.command) {
            Some((name, blob)) => {
                let create = volume::Request::Create(name.object(request.space), blob.clone());
                self.run_errand(now, create, Work::Store(ticket, request));
            }
            None => self.enter(now, ticket, request),
        }
    }

    /// Answers, with the blob that the answer names.
    pub(super) fn answer(&mut self, now: Now, space: UserId, ticket: Ticket, response: Response) {
        let Reply::Work(WorkReply::Item(Some(found))) = &response.reply else {
            return self.outputs.push_back(Output::Answer(ticket, response));
        };
        let found = found.clone();
        let read = if self.boot.flaws.has(Flaw::BpPrefixRead) {
            volume::Request::List(found.name.version_prefix(space))
        } else {
            volume::Request::Get(found.name.object(space))
        };
        self.run_errand(now, read, Work::Fetch(space, ticket, response, found));
    }

    fn run_errand(&mut self, now: Now, request: volume::Request, work: Work) {
        let id = CallId(self.next_call);
        self.next_call += 1;
        let gives_up = now.mono + self.boot.timing.timeout;
        self.errands.insert(id, Errand { work, gives_up });
        self.outputs.push_back(Output::Ask(volume::Call { id, request }));
    }

    /// How many requests wait for their blobs.
    pub(super) fn errands_of(&self, space: UserId) -> usize {
        let of = |errand: &&Errand| match &errand.work {
            Work::Store(_, request) => request.space == space,
            Work::Fetch(of, ..) => *of == space,
        };
        self.errands.values().filter(of).count()
    }

    pub(super) fn errands_wakeup(&self) -> Option<(Time, &'static str)> {
        self.errands.values().map(|errand| (errand.gives_up, "volume timeout")).min()
    }

    /// Gives up what is overdue.
    pub(super) fn wake_errands(&mut self, now: Now) {
        let overdue = self.errands.iter().filter(|(_, errand)| errand.gives_up <= now.mono);
        let overdue: Vec<CallId> = overdue.map(|(id, _)| *id).collect();
        for id in overdue {
            if let Some(errand) = self.errands.remove(&id) {
                self.end_errand(now, errand, volume::Reply::Failed);
            }
        }
    }

    pub(super) fn end_errand(&mut self, now: Now, errand: Errand, reply: volume::Reply) {
        match (errand.work, reply) {
            // Whoever wrote under this name wrote the same.
            (Work::Store(ticket, request), volume::Reply::Done | volume::Reply::Exists) => {
                self.enter(now, ticket, request);
            }
            (Work::Fetch(_, ticket, mut response, found), volume::Reply::Found(blob)) => {
                let found = Found { blob, ..found };
                response.reply = Reply::Work(WorkReply::Item(Some(found)));
                self.outputs.push_back(Output::Answer(ticket, response));
            }
            (Work::Fetch(space, ticket, response, found), volume::Reply::Listed(keys)) => {
                let first = keys.into_iter().next().unwrap_or_default();
                let get = volume::Request::Get(first);
                self.run_errand(now, get, Work::Fetch(space, ticket, response, found));
            }
            // What was named and is gone, is gone: a volume that was set back.
            (Work::Fetch(_, ticket, mut response, _), volume::Reply::NotFound) => {
                response.reply = Reply::Refused(Refusal::Internal);
                self.outputs.push_back(Output::Answer(ticket, response));
            }
            (
                Work::Store(ticket, Request { id, attempt, .. })
                | Work::Fetch(_, ticket, Response { id, attempt, .. }, _),
                volume::Reply::Failed
                | volume::Reply::Done
                | volume::Reply::Exists
                | volume::Reply::Found(_)
                | volume::Reply::NotFound
                | volume::Reply::Listed(_),
            ) => {
                let timing = self.boot.timing;
                let after = self.entropy.span(timing.retry_base, timing.retry_cap);
                let reply = Reply::Refused(Refusal::Busy(after));
                let response = Response { id, attempt, seq: 0, reply };
                self.outputs.push_back(Output::Answer(ticket, response));
            }
        }
    }
}
