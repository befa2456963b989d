//! What users ask of the sync server, apart from files.

use engine::id::{AccountField, DeviceId, Token, UserId};
use engine::record::Value;

use crate::history::{Account, Answered, Done};
use crate::plan;

/// A request of a user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerRequest<'a> {
    pub(crate) device: DeviceId,
    pub(crate) user: UserId,
    pub(crate) asked: usize,
    pub(crate) what: &'a plan::Errand,
    pub(crate) token: Option<Token>,
    pub(crate) last: bool,
    pub(crate) answer: Option<(usize, &'a Answered)>,
}

impl<'a> ServerRequest<'a> {
    /// The fields that it sets; none unless it is a patch.
    pub(crate) fn fields(&self) -> &'a [(AccountField, Value)] {
        match self.what {
            plan::Errand::Patch(fields) => fields,
            plan::Errand::ReadAccount | plan::Errand::SessionStatus => &[],
        }
    }

    /// When it was acknowledged, if it is a patch that was.
    pub(crate) fn patched(&self) -> Option<usize> {
        match self.answer {
            Some((at, Answered::Done(Done::Patched))) => Some(at),
            _ => None,
        }
    }

    /// The account that it showed, and when.
    pub(crate) fn shown(&self) -> Option<(usize, &'a Account)> {
        match self.answer {
            Some((at, Answered::Done(Done::Account(shown)))) => Some((at, shown)),
            _ => None,
        }
    }
}
