//! The account of a user: fields that any worker patches. What a field was stays visible.

use crate::flaw::{Flaw, Flaws};
use crate::log::{Doc, Draft, Key};
use crate::message::{self, AccountField, Refusal, Reply, Versions};
use crate::record::Payload;

/// Sets fields; the others are not touched, so two patches of different fields cannot collide.
pub(super) fn patch(
    draft: &mut Draft<'_>,
    fields: &[(AccountField, Payload)],
    flaws: Flaws,
) -> Result<Reply, Refusal> {
    let twice = |at: usize| fields[..at].iter().any(|(field, _)| *field == fields[at].0);
    if fields.is_empty()
        || (0..fields.len()).any(twice)
        || !fields.iter().all(|(_, payload)| message::takes(&payload.value))
    {
        return Err(Refusal::Invalid);
    }
    let whole = [Flaw::I42Rmw, Flaw::I42RetryStale, Flaw::I42WorkerCache];
    if whole.into_iter().any(|flaw| flaws.has(flaw)) {
        rewrite_all(draft);
    }
    for (field, payload) in fields {
        let version = match draft.get(Key::Account(*field)).cloned() {
            Some(Doc::Field(n, was)) => {
                draft.put(Key::Was(*field, n), Some(Doc::Version(was)));
                n.saturating_add(1)
            }
            Some(Doc::Session(_) | Doc::Receipt(_) | Doc::Version(_) | Doc::File(_)) | None => 1,
        };
        draft.put(Key::Account(*field), Some(Doc::Field(version, payload.clone())));
    }
    Ok(Reply::Patched)
}

/// The flaws I42-RMW, I42-RETRY-STALE and I42-WORKER-CACHE write the record back whole, as it was read.
fn rewrite_all(draft: &mut Draft<'_>) {
    for field in AccountField::ALL {
        let read = draft.get(Key::Account(field)).cloned();
        draft.put(Key::Account(field), read);
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
    let Some(Doc::Field(n, current)) = draft.get(Key::Account(field)) else { return Vec::new() };
    let was = (1..*n).filter_map(|n| match draft.get(Key::Was(field, n)) {
        Some(Doc::Version(payload)) => Some(payload),
        Some(Doc::Session(_) | Doc::Receipt(_) | Doc::Field(..) | Doc::File(_)) | None => None,
    });
    was.chain([current]).cloned().collect()
}
