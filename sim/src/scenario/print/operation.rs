//! The operations of a script, by their declarations.

use engine::id::Kind;
use harness::quantity::Unit;

use super::pipeline::{began, excerpt};
use super::{Keys, Page, assigned, fields, list, quote, row};
use crate::plan::operation::Value;
use crate::plan::{Node, Operation, TalkPart};
use crate::scenario::words::{field_name, strategy_word};

impl Page<'_> {
    /// Whom it is asked of, its word, and the rest of what it says.
    pub(super) fn operation(&self, operation: Operation, values: Vec<Value>, keys: &mut Keys) {
        let kind = values.iter().find_map(Value::kind_of_record);
        let mut values = values.iter();
        if operation.declaration().target().is_some() {
            keys.extend(values.next().into_iter().flat_map(|target| self.keys_of(target, kind)));
        }
        keys.push(("do", quote(operation.word())));
        keys.extend(values.flat_map(|value| self.keys_of(value, kind)));
    }

    /// An argument; `kind` is that of the record which the operation is about.
    fn keys_of(&self, value: &Value, kind: Option<Kind>) -> Keys {
        let kind = || kind.expect("what has fields names a record or a kind before them");
        let one = |key, text| vec![(key, text)];
        match value {
            Value::Device(device) => one("device", self.device(*device)),
            Value::Processor(processor) => one("processor", self.node(Node::Processor(*processor))),
            Value::Row(id) => one("row", row(*id)),
            Value::Set(set) => one("set", fields(kind(), set)),
            Value::Counter(field) | Value::Field(field) => {
                one("field", quote(field_name(kind(), *field)))
            }
            Value::By(by) => one("by", by.to_string()),
            Value::Kind(kind) => one("kind", quote(kind.name())),
            Value::Strategy(strategy) => one("strategy", quote(strategy_word(*strategy))),
            Value::Account(set) => {
                one("set", assigned(set.iter().map(|(field, value)| (field.name(), value))))
            }
            Value::Talk(talk) => one("conversation", talk.0.to_string()),
            Value::Part(TalkPart::Current) => one("part", quote("current")),
            Value::Part(TalkPart::Result) => one("part", quote("result")),
            Value::Part(TalkPart::Version(n)) => one("version", n.to_string()),
            Value::Excerpt(of) => excerpt(of),
            Value::Day(day) => began(day),
            Value::AnyDay(day) => day.as_ref().map_or_else(Keys::new, began),
            Value::Path(path) | Value::NewFolder(path) => one("path", quote(path)),
            Value::Content(content) => {
                let mut keys = one("text", quote(&content.text));
                if content.size > 0 {
                    keys.push(("size", quote(&Unit::Size.show(i64::from(content.size)))));
                }
                keys
            }
            Value::Paths(paths) => one("files", list(paths.iter().map(|path| quote(path)))),
            Value::Folder(path) => one("to", quote(path)),
            Value::Name(name) => one("name", quote(name)),
            Value::Version(n) => one("version", n.to_string()),
        }
    }
}
