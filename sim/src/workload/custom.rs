//! The strategies that an application brings along, one of them with a bug of its own.

use engine::record::Value;
use engine::view::{Shown, Sibling, Strategy};

use crate::plan::Custom;

impl Strategy for Custom {
    fn show(&self, siblings: &[Sibling<'_>]) -> Shown {
        match self {
            Self::Longest => {
                let best = (1..siblings.len()).fold(0, |best, at| {
                    if weight(siblings[at].value) > weight(siblings[best].value) {
                        at
                    } else {
                        best
                    }
                });
                Shown { value: siblings[best].value.clone(), of: vec![best] }
            }
            Self::First => {
                Shown { value: siblings[0].value.clone(), of: (0..siblings.len()).collect() }
            }
            Self::PanicsOnEmpty => {
                let texts: Vec<_> = siblings.iter().map(|sibling| text_of(sibling.value)).collect();
                assert!(
                    texts.iter().all(|text| !text.is_empty()),
                    "an empty text was not expected"
                );
                let value = with_text(siblings[0].value, texts.join(" / "));
                Shown { value, of: (0..siblings.len()).collect() }
            }
        }
    }
}

/// How much there is of a value, and then the value itself, so that no two compare equal.
fn weight(value: &Value) -> (i64, &Value) {
    let size = match value {
        Value::Int(n) => *n,
        Value::Text(text) | Value::Draft { text, .. } => text.len() as i64,
        Value::Set(words) => words.len() as i64,
    };
    (size, value)
}

fn text_of(value: &Value) -> String {
    match value {
        Value::Int(n) => n.to_string(),
        Value::Text(text) | Value::Draft { text, .. } => text.clone(),
        Value::Set(words) => words.iter().cloned().collect::<Vec<_>>().join(" "),
    }
}

/// A value of the same kind that holds this text, where the kind can hold one.
fn with_text(like: &Value, text: String) -> Value {
    match like {
        Value::Text(_) => Value::Text(text),
        Value::Draft { base, .. } => Value::Draft { base: base.clone(), text },
        Value::Int(_) | Value::Set(_) => like.clone(),
    }
}
