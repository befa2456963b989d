//! Sealing a state once for both remotes: sealing is what a push costs most, and both remotes may get
//! the same blob, since they hold the same rows.

use std::collections::BTreeMap;

use crate::Bytes;
use crate::entropy::Entropy;
use crate::id::{RecordId, Remote, VaultId};
use crate::record::Encoded;
use crate::seal::{KeyName, Keyring};

/// A state as it was sealed for one remote.
#[derive(Clone, Debug)]
struct Sealing {
    /// The remote that was sent it.
    remote: Remote,
    key: KeyName,
    state: Encoded,
    blob: Bytes,
}

/// What was sealed for one remote and has not been sent to the other yet.
#[derive(Clone, Debug)]
pub(super) struct Sealings {
    /// `None` if there is one remote only, and so nothing to keep.
    kept: Option<BTreeMap<RecordId, Sealing>>,
}

impl Sealings {
    /// For a device with that number of remotes.
    pub(super) fn new(remotes: usize) -> Self {
        Self { kept: (remotes > 1).then(BTreeMap::new) }
    }

    /// A state sealed for a remote; `None` without a key.
    pub(super) fn seal(
        &mut self,
        (keyring, entropy): (&Keyring, &mut Entropy),
        remote: Remote,
        (vault, id): (VaultId, RecordId),
        state: &Encoded,
    ) -> Option<Bytes> {
        let key = keyring.current()?;
        let for_other = |it: &Sealing| it.remote != remote && it.key == key && it.state == *state;
        let kept = self.kept.as_mut().and_then(|kept| kept.remove(&id));
        if let Some(sealing) = kept.filter(for_other) {
            return Some(sealing.blob);
        }
        let blob = keyring.seal(vault, id, state, entropy.bytes())?;
        assert_eq!(KeyName::of_blob(&blob), Some(key), "new rows are sealed under the current key");
        if let Some(kept) = &mut self.kept {
            let (state, blob) = (state.clone(), blob.clone());
            kept.insert(id, Sealing { remote, key, state, blob });
        }
        Some(blob)
    }

    /// Forgets all blobs, with the account that they were sealed for.
    pub(super) fn clear(&mut self) {
        self.kept.iter_mut().for_each(BTreeMap::clear);
    }
}
