//! The operations of a script: the arguments that a declaration asks for.

use engine::id::{FieldId, Kind};
use engine::schema::{Holds, field_of};

use super::arguments::Args;
use super::conversation::{began, excerpt, part, talk};
use super::path::{contents, paths};
use super::table::{Item, Reader};
use super::targets::Targets;
use crate::plan::operation::{Argument, Value};
use crate::plan::{Act, Operation};
use crate::scenario::problem::Code;
use crate::scenario::words::STRATEGIES;

/// What a line asks for, once for each whom it names, and for each of its paths.
pub(super) fn operations(
    args: &mut Args<'_, '_, '_>,
    operation: Operation,
    to: &Targets,
) -> Option<Vec<Act>> {
    let declaration = operation.declaration();
    let mut arguments = Arguments { args, kind: None, paths: Vec::new() };
    let rest: Vec<_> = declaration.rest().iter().map(|it| arguments.read(*it)).collect();
    let rest: Vec<Vec<Value>> = rest.into_iter().collect::<Option<_>>()?;
    let each = rest.iter().map(Vec::len).max().unwrap_or(1);
    let targets = match declaration.target() {
        Some(target) => to.asked(target).into_iter().map(Some).collect(),
        None => vec![None],
    };
    let acts = targets.iter().flat_map(|target| {
        (0..each).map(|nth| {
            let rest = rest.iter().map(|of| of[nth % of.len()].clone());
            operation.make(target.iter().cloned().chain(rest))
        })
    });
    acts.collect()
}

impl Targets {
    /// Those who can be asked.
    fn asked(&self, target: Argument) -> Vec<Value> {
        if target == Argument::Processor {
            self.processors.iter().map(|it| Value::Processor(*it)).collect()
        } else {
            self.devices.iter().map(|it| Value::Device(*it)).collect()
        }
    }
}

/// The arguments of a line, of which a later one may depend on those before it.
struct Arguments<'a, 'r, 't, 'd> {
    args: &'a mut Args<'r, 't, 'd>,
    /// The kind of record that it names.
    kind: Option<Kind>,
    /// The paths that it names.
    paths: Vec<String>,
}

impl<'t> Arguments<'_, '_, 't, '_> {
    /// One value, or one for each path that the line names.
    fn read(&mut self, argument: Argument) -> Option<Vec<Value>> {
        let (scenario, kind) = (self.args.scenario, self.kind);
        let value = match argument {
            Argument::Path => return self.each_path(argument, Value::Path),
            Argument::NewFolder => return self.each_path(argument, Value::NewFolder),
            Argument::Content => {
                let contents = contents(self.args.reader, self.args.table, &self.paths)?;
                return Some(contents.into_iter().map(Value::Content).collect());
            }
            Argument::Device => {
                Value::Device(self.under(argument, |read, item| read.device(scenario, item))?)
            }
            Argument::Processor => {
                Value::Processor(self.under(argument, |read, item| read.processor(scenario, item))?)
            }
            Argument::Row => Value::Row(self.under(argument, Reader::row)?),
            Argument::Set => {
                Value::Set(self.under(argument, |read, item| read.fields(kind?, item))?)
            }
            Argument::Counter => Value::Counter(self.counter(argument)?),
            Argument::By => Value::By(self.under(argument, Reader::integer)?),
            Argument::Kind => Value::Kind(self.under(argument, Reader::kind)?),
            Argument::Field => {
                Value::Field(self.under(argument, |read, item| read.field(kind?, item))?)
            }
            Argument::Strategy => {
                let word = |read: &mut Reader<'_>, item: Item<'_>| {
                    read.word(item, STRATEGIES, Code::UnknownWord)
                };
                Value::Strategy(self.under(argument, word)?)
            }
            Argument::Account => Value::Account(self.under(argument, Reader::account)?),
            Argument::Talk => Value::Talk(self.under(argument, talk)?),
            Argument::Part => Value::Part(part(self.args.reader, self.args.table)?),
            Argument::Excerpt => Value::Excerpt(excerpt(self.args.reader, self.args.table)?),
            Argument::Day => Value::Day(began(self.args.reader, self.args.table)?),
            Argument::AnyDay if self.args.table.key_span("began").is_none() => Value::AnyDay(None),
            Argument::AnyDay => Value::AnyDay(Some(began(self.args.reader, self.args.table)?)),
            Argument::Paths => Value::Paths(self.under(argument, paths)?),
            Argument::Folder => Value::Folder(self.under(argument, text)?),
            Argument::Name => Value::Name(self.under(argument, text)?),
            Argument::Version => Value::Version(self.under(argument, version)?),
        };
        self.kind = self.kind.or(value.kind_of_record());
        Some(vec![value])
    }

    /// What stands under the key of an argument that has one, which has to be there.
    fn under<T>(
        &mut self,
        argument: Argument,
        read: impl FnOnce(&mut Reader<'t>, Item<'_>) -> Option<T>,
    ) -> Option<T> {
        let (key, _) = argument.needs().first()?;
        let item = self.args.need(key)?;
        read(self.args.reader, item)
    }

    /// Each path that the line names.
    fn each_path(
        &mut self,
        argument: Argument,
        value: impl Fn(String) -> Value,
    ) -> Option<Vec<Value>> {
        self.paths = self.under(argument, paths)?;
        Some(self.paths.iter().cloned().map(value).collect())
    }

    /// A field of the record, if that is counted.
    fn counter(&mut self, argument: Argument) -> Option<FieldId> {
        let kind = self.kind;
        let field = self.under(argument, |read, item| read.field(kind?, item))?;
        let holds = field_of(kind?, field).map(|field| field.holds);
        if holds != Some(Holds::Count) {
            self.args.contradiction("field", "this field is not counted; use `edit`");
            return None;
        }
        Some(field)
    }
}

fn text(reader: &mut Reader<'_>, item: Item<'_>) -> Option<String> {
    reader.text(item).map(str::to_owned)
}

fn version(reader: &mut Reader<'_>, item: Item<'_>) -> Option<u32> {
    reader.number(item, 1, u32::MAX.into()).and_then(|version| u32::try_from(version).ok())
}
