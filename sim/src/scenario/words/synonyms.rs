//! What people try to write, and what they mean by it.

use super::Verb;
use crate::fault::FaultKind;

/// Words that people try, and the verb that they mean; those of faults are declared with them.
const SYNONYMS: &[(&str, Verb)] = &[
    ("online", Verb::End(FaultKind::GoOffline)),
    ("sign-in", Verb::Login),
    ("log-in", Verb::Login),
    ("sign-out", Verb::Logout),
    ("log-out", Verb::Logout),
    ("write", Verb::Edit),
    ("set", Verb::Edit),
    ("change", Verb::Edit),
    ("update", Verb::Edit),
    ("add", Verb::Edit),
    ("remove", Verb::Delete),
    ("restore", Verb::Undelete),
    ("count", Verb::Increment),
    ("sleep", Verb::Wait),
    ("rotate-keys", Verb::RotateKey),
    ("background-sync", Verb::Sync),
    ("pull", Verb::Sync),
    ("update-profile", Verb::UpdateAccount),
    ("patch-account", Verb::UpdateAccount),
    ("upload", Verb::WriteFile),
    ("upload-file", Verb::WriteFile),
    ("save-file", Verb::WriteFile),
    ("edit-file", Verb::WriteFile),
    ("open-file", Verb::ReadFile),
    ("download", Verb::ReadFile),
    ("mkdir", Verb::MakeFolder),
    ("create-folder", Verb::MakeFolder),
    ("move-file", Verb::MoveFiles),
    ("move", Verb::MoveFiles),
    ("rename", Verb::RenameFile),
    ("remove-file", Verb::DeleteFile),
    ("delete-folder", Verb::DeleteFile),
    ("restore-file", Verb::UndeleteFile),
    ("revert", Verb::RestoreVersion),
    ("list", Verb::ListFiles),
    ("versions", Verb::ReadVersions),
];

impl Verb {
    /// The verb that this word is another name of.
    pub(in crate::scenario) fn of_synonym(word: &str) -> Option<Self> {
        let operation = SYNONYMS.iter().find(|(other, _)| *other == word).map(|(_, verb)| *verb);
        let mut kinds = FaultKind::ALL.iter().copied();
        let fault = kinds.find(|kind| kind.declaration().synonyms.contains(&word));
        operation.or(fault.map(Self::Begin))
    }
}
