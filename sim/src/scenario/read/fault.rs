//! The faults of a script: the arguments that a declaration asks for.

use engine::id::{DeviceId, UserId};

use super::arguments::Args;
use super::table::Item;
use super::targets::Targets;
use crate::fault::{Argument, ArgumentKind, Effects, Fault, FaultKind, Held, Spare, Value};
use crate::plan::{Act, Lasting};
use crate::scenario::State;
use crate::scenario::problem::Code;
use crate::scenario::words::ENDINGS;

/// A fault, once for each whom the line names.
pub(super) fn faults(
    args: &mut Args<'_, '_, '_>,
    kind: FaultKind,
    to: &Targets,
    lasting: Lasting,
) -> Option<Vec<Act>> {
    let rest = kind.declaration().rest().iter();
    let rest: Vec<Option<Value>> = rest.map(|it| args.argument(it, to)).collect();
    let rest: Vec<Value> = rest.into_iter().collect::<Option<_>>()?;
    let targets: Vec<Option<Value>> = match kind.declaration().target() {
        Some(target) => to.values(target.kind).into_iter().map(Some).collect(),
        None => vec![None],
    };
    let fault = |target: Option<Value>| {
        let values: Vec<Value> = target.into_iter().chain(rest.iter().copied()).collect();
        kind.make(&values)
    };
    let faults: Option<Vec<Fault>> = targets.into_iter().map(fault).collect();
    let faults = faults?;
    if let Some((key, message)) = faults.iter().find_map(Fault::contradiction) {
        args.contradiction(key, message);
        return None;
    }
    Some(faults.into_iter().map(|fault| Act::Fault(fault, lasting)).collect())
}

impl Args<'_, '_, '_> {
    fn argument(&mut self, argument: &Argument, to: &Targets) -> Option<Value> {
        if argument.kind.strength().is_some() {
            return self.strength(argument);
        }
        match argument.kind {
            ArgumentKind::User => self.owner_seen_by().map(Value::User),
            ArgumentKind::SeenBy => match self.table.take(argument.key) {
                Some(item) => self.device(item).map(|device| Value::SeenBy(Some(device))),
                None => Some(Value::SeenBy(None)),
            },
            ArgumentKind::Effects => self.effects(argument.key),
            ArgumentKind::Device
            | ArgumentKind::Remote
            | ArgumentKind::Worker
            | ArgumentKind::Processor
            | ArgumentKind::Host
            | ArgumentKind::Row
            | ArgumentKind::Spare
            | ArgumentKind::Ending
            | ArgumentKind::Times
            | ArgumentKind::Wait
            | ArgumentKind::Age
            | ArgumentKind::Shift => {
                let item = self.need(argument.key)?;
                self.named(argument, item, to)
            }
        }
    }

    /// What a key that has to be there names.
    fn named(&mut self, argument: &Argument, item: Item<'_>, to: &Targets) -> Option<Value> {
        let scenario = self.scenario;
        let reader = &mut *self.reader;
        match argument.kind {
            ArgumentKind::Device => reader.device(scenario, item).map(Held::value),
            ArgumentKind::Remote => reader.remote(scenario, item).map(Held::value),
            ArgumentKind::Worker => reader.worker(scenario, item).map(Held::value),
            ArgumentKind::Processor => reader.processor(scenario, item).map(Held::value),
            ArgumentKind::Host => reader.node(scenario, item).map(Held::value),
            ArgumentKind::Row => reader.row(item).map(Held::value),
            ArgumentKind::Ending => reader.word(item, ENDINGS, Code::UnknownWord).map(Held::value),
            ArgumentKind::Spare => self.spare(argument.key, item, to),
            ArgumentKind::User
            | ArgumentKind::SeenBy
            | ArgumentKind::Times
            | ArgumentKind::Wait
            | ArgumentKind::Age
            | ArgumentKind::Shift
            | ArgumentKind::Effects => None,
        }
    }

    fn device(&mut self, item: Item<'_>) -> Option<DeviceId> {
        self.reader.device(self.scenario, item)
    }

    fn spare(&mut self, key: &str, item: Item<'_>, to: &Targets) -> Option<Value> {
        let copy = self.device(item)?;
        let spec = &self.scenario.devices[usize::from(copy.0)];
        if !spec.states.contains(&State::Cloned) || to.devices.len() > 1 {
            let message = "a clone is made of one device, to a device with state = \"cloned\"";
            self.contradiction(key, message);
            return None;
        }
        Some(Spare(copy).value())
    }

    /// How strong it is. A verb that ends a fault does not say so, and any strength stands for it.
    fn strength(&mut self, argument: &Argument) -> Option<Value> {
        let (unit, (low, high)) = (argument.kind.unit()?, argument.kind.strength()?);
        if self.verb.ends().is_some() {
            return argument.kind.of_strength(low);
        }
        let item = self.need(argument.key)?;
        let value = self.reader.exact(unit, item)?;
        if !(low..=high).contains(&value) {
            let bounds = format!("{} and {}", unit.show(low), unit.show(high));
            self.reader.out_of_bounds(item.span(), &bounds);
            return None;
        }
        argument.kind.of_strength(value)
    }

    /// How many effects come before a loss of power, if it says so.
    fn effects(&mut self, key: &str) -> Option<Value> {
        let Some(item) = self.table.take(key) else { return Some(Effects(0).value()) };
        let count = self.reader.number(item, 1, 10_000)?;
        u16::try_from(count).ok().map(|count| Effects(count).value())
    }

    /// Whose row it is: as it says, or that of the device which sees it so.
    fn owner_seen_by(&mut self) -> Option<UserId> {
        let has = |kind: FaultKind| kind.declaration().has(ArgumentKind::SeenBy);
        let seen_by = self.verb.fault().filter(|kind| has(*kind));
        let seen_by = seen_by.and_then(|_| self.table.take("seen-by"));
        let seen_by = seen_by.and_then(|item| item.get_ref().as_str());
        let at = seen_by.and_then(|name| self.scenario.devices.iter().find(|it| it.name == name));
        match (self.table.key_span("user"), at) {
            (None, Some(device)) => device.users.first().copied(),
            _ => self.reader.owner(self.scenario, self.table, "user"),
        }
    }
}
