//! The account of a user: fields that any worker patches. Earlier values stay readable.

#[cfg(feature = "flaws")]
use crate::flaw::{Flaw, Flaws};
use crate::id::AccountField;
use crate::log::{Doc, Draft, Key};
use crate::message::{self, Refusal, Reply, Versions};
use crate::record::Payload;

/// Sets fields. Other fields stay as they are, so two patches of different fields cannot collide.
pub(super) fn patch(
    draft: &mut Draft<'_>,
    fields: &[(AccountField, Payload)],
) -> Result<Reply, Refusal> {
    let twice = |at: usize| fields[..at].iter().any(|(field, _)| *field == fields[at].0);
    if fields.is_empty()
        || (0..fields.len()).any(twice)
        || !fields.iter().all(|(_, payload)| message::takes(&payload.value))
    {
        return Err(Refusal::Invalid);
    }
    for (field, payload) in fields {
        let version = match draft.get(Key::Account(*field)).cloned() {
            Some(Doc::Field(n, was)) => {
                draft.put(Key::Was(*field, n), Some(Doc::Version(was)));
                n.saturating_add(1)
            }
            Some(
                Doc::Session(_) | Doc::Receipt(_) | Doc::Version(_) | Doc::Work(_) | Doc::File(_),
            )
            | None => 1,
        };
        assert!(version > 0, "versions of a field are numbered from 1");
        tracing::debug!(?field, version, "sets a field of the account");
        draft.put(Key::Account(*field), Some(Doc::Field(version, payload.clone())));
    }
    assert!(draft.has_effect(), "a patch sets at least one field");
    Ok(Reply::Patched)
}

/// I42-RMW, I42-RETRY-STALE and I42-WORKER-CACHE: the account is written back whole, as it was read.
#[cfg(feature = "flaws")]
pub(super) fn rewrite(draft: &mut Draft<'_>, flaws: Flaws) {
    let read = match draft.arrival().filter(|_| flaws.has(Flaw::I42Rmw)) {
        Some(arrival) => arrival,
        None if flaws.has(Flaw::I42RetryStale) || flaws.has(Flaw::I42WorkerCache) => draft.base(),
        None => return,
    };
    for field in AccountField::ALL {
        let key = Key::Account(field);
        draft.put(key, read.get(key).cloned());
    }
}

/// Every field with all its versions.
pub(super) fn read(draft: &Draft<'_>) -> Reply {
    let shown = AccountField::ALL.into_iter().filter_map(|field| {
        let versions = versions(draft, field);
        (!versions.is_empty()).then_some((field, versions))
    });
    Reply::Account(shown.collect())
}

fn versions(draft: &Draft<'_>, field: AccountField) -> Versions {
    // A field that was never set has no document.
    let Some(Doc::Field(n, current)) = draft.get(Key::Account(field)) else { return Vec::new() };
    // A damaged log may lack an earlier version: the others are shown.
    let was = (1..*n).filter_map(|n| match draft.get(Key::Was(field, n)) {
        Some(Doc::Version(payload)) => Some(payload),
        Some(Doc::Session(_) | Doc::Receipt(_) | Doc::Field(..) | Doc::Work(_) | Doc::File(_))
        | None => None,
    });
    was.chain([current]).cloned().collect()
}
