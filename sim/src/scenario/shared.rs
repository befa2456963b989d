//! What reading a scenario and drawing a plan from it have in common, so that neither knows the other.

use engine::record::Value;
use engine::schema::{Field, Holds};

use super::Verb;
use crate::plan::file::FileDeed;

/// Makes a deed of a path.
type Plain = fn(String) -> FileDeed;

/// The deeds about one path that say nothing else.
pub(super) const OF_A_PATH: &[(Verb, Plain)] = &[
    (Verb::ReadFile, FileDeed::Read),
    (Verb::MakeFolder, FileDeed::MakeFolder),
    (Verb::DeleteFile, FileDeed::Delete),
    (Verb::UndeleteFile, FileDeed::Undelete),
    (Verb::ReadVersions, FileDeed::Versions),
];

/// A given draft is stored with what it was edited from: nothing.
pub(super) fn stored(field: &Field, value: Value) -> Value {
    if let (Holds::Draft, Value::Text(text)) = (field.holds, &value) {
        return Value::Draft { base: String::new(), text: text.clone() };
    }
    value
}
