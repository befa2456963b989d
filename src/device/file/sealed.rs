//! What of files only devices can read: names, the labels of versions, and content. Each is bound to
//! what it is of, so that it opens nowhere else.

use serde::{Deserialize, Serialize};

use super::super::ask::Reason;
use super::super::core::Core;
use crate::Bytes;
use crate::blob::{Address, Manifest};
use crate::id::{Dot, NodeId, Token, VaultId};
use crate::log::Version;
use crate::message::Name;
use crate::name::{self, NameKey};
use crate::record::Payload;
use crate::seal::{Keyring, OpenError};

/// What the sealed part of a version says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Label {
    /// The application's label of the write.
    pub(super) token: Token,
    /// A hash of the content, unsealed.
    pub(super) hash: Address,
    /// The size of the content, unsealed, in bytes.
    pub(super) size: u64,
    /// The number of pieces in which it was uploaded.
    pub(super) pieces: u32,
    /// The write that the content is bound to: another one, if an old version was restored.
    pub(super) made: Dot,
}

fn binding(vault: VaultId, kind: &[u8], node: NodeId, write: Option<Dot>) -> Vec<u8> {
    let (replica, n) = write.map_or((0, 0), |dot| (dot.replica.0, dot.n));
    let [node, replica, n] = [node.0, replica, n].map(u64::to_be_bytes);
    [kind, &vault.0.to_be_bytes(), &node, &replica, &n].concat()
}

/// Opens the name of a node.
///
/// # Errors
///
/// If the key is not in the keyring, or if the name was not sealed for this node.
pub fn open_name(
    ring: &Keyring,
    vault: VaultId,
    node: NodeId,
    name: &Name,
) -> Result<String, OpenError> {
    let plain = ring.open_again(&binding(vault, b"name", node, None), &name.sealed)?;
    std::str::from_utf8(&plain).map(str::to_owned).map_err(|_| OpenError::Corrupt)
}

/// The name of a node as it is shown, opened with the keys of this device.
pub(super) fn open_own_name(core: &Core, node: NodeId, name: &Name) -> Result<String, OpenError> {
    let opened = open_name(core.store.keyring(), core.vault(), node, name)?;
    Ok(name::shown(opened, node, core.boot.flaws))
}

fn seal(core: &mut Core, binding: &[u8], plain: &[u8]) -> Option<Bytes> {
    let nonce = core.entropy.bytes();
    core.store.keyring().seal_bytes(binding, plain, nonce)
}

/// A name as the server may know it.
pub(super) fn seal_name(core: &mut Core, node: NodeId, name: &str) -> Result<Name, Reason> {
    let key = NameKey::new(&core.boot.secret, name, core.boot.flaws).map_err(Reason::BadName)?;
    let binding = binding(core.vault(), b"name", node, None);
    let sealed = seal(core, &binding, name.as_bytes()).ok_or(Reason::Keyless)?;
    assert!(!sealed.is_empty(), "a sealed name bears at least the name of its key");
    Ok(Name { key, sealed })
}

/// The label of a version, to be read by devices; `None` without a key.
pub(super) fn seal_label(core: &mut Core, node: NodeId, write: Dot, label: Label) -> Option<Bytes> {
    let binding = binding(core.vault(), b"version", node, Some(write));
    seal(core, &binding, &encode(&label))
}

/// Opens the label of a version.
pub(super) fn open_label(core: &Core, node: NodeId, version: &Version) -> Result<Label, OpenError> {
    let binding = binding(core.vault(), b"version", node, Some(version.write));
    let plain = core.store.keyring().open_again(&binding, &version.sealed)?;
    postcard::from_bytes(&plain).map_err(|_| OpenError::Corrupt)
}

/// The label of a write whose content was sealed as this blob.
pub(super) fn label(content: &Payload, manifest: &Manifest, write: Dot) -> Label {
    let plain = encode(content);
    assert!(!manifest.pieces.is_empty(), "a sealed blob is never empty, so it has a piece");
    Label {
        token: content.token,
        hash: Address::of(&plain),
        size: plain.len() as u64,
        pieces: u32::try_from(manifest.pieces.len()).unwrap_or(u32::MAX),
        made: write,
    }
}

/// Seals the content of a write; `None` without a key.
pub(super) fn seal_content(
    core: &mut Core,
    node: NodeId,
    write: Dot,
    content: &Payload,
) -> Option<Bytes> {
    let binding = binding(core.vault(), b"content", node, Some(write));
    seal(core, &binding, &encode(content))
}

/// Opens the content of a version, if these are its pieces.
pub(super) fn open_content(
    core: &Core,
    node: NodeId,
    version: &Version,
    label: Label,
    pieces: &[Bytes],
) -> Result<Payload, OpenError> {
    let blob = pieces.concat();
    if Address::of(&blob) != version.blob {
        return Err(OpenError::Corrupt);
    }
    let binding = binding(core.vault(), b"content", node, Some(label.made));
    let plain = core.store.keyring().open_bytes(&binding, &blob)?;
    if (Address::of(&plain), plain.len() as u64) != (label.hash, label.size) {
        return Err(OpenError::Corrupt);
    }
    postcard::from_bytes(&plain).map_err(|_| OpenError::Corrupt)
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(value).expect("memory is the only limit")
}
