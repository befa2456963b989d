//! What reading a scenario and drawing a plan from it have in common, so that neither knows the other.

use engine::record::Value;
use engine::schema::{Field, Holds};

/// A given draft is stored with what it was edited from: nothing.
pub(super) fn stored(field: &Field, value: Value) -> Value {
    if let (Holds::Draft, Value::Text(text)) = (field.holds, &value) {
        return Value::Draft { base: String::new(), text: text.clone() };
    }
    value
}
