//! Parameters of the world, each below its heading.

use super::table::{Item, Reader, Table};
use crate::scenario::{Parameter, Scenario};

/// Sets a parameter, if the value is within its bounds.
pub(super) fn set(
    reader: &mut Reader<'_>,
    parameter: Parameter,
    item: Item<'_>,
    scenario: &mut Scenario,
) {
    let (low, high) = parameter.bounds();
    if let Some(choice) = reader.bounded(parameter.unit(), item, low, high) {
        scenario.settings[parameter as usize] = choice;
    }
}

/// The parameters right below a heading or, as `server.volume`, below a table of it.
pub(super) fn parameters(
    reader: &mut Reader<'_>,
    place: &str,
    table: &mut Table<'_>,
    scenario: &mut Scenario,
) -> Vec<&'static str> {
    let mut known = Vec::new();
    for parameter in Parameter::ALL.iter().copied() {
        let (heading, key) = parameter.place();
        let (inner, key) = key.rsplit_once('.').map_or(("", key), |(inner, key)| (inner, key));
        let here = match place.split_once('.') {
            Some((home, table)) => (home, table) == (heading, inner),
            None => (place, "") == (heading, inner),
        };
        if here {
            known.push(key);
            if let Some(item) = table.take(key) {
                set(reader, parameter, item, scenario);
            }
        }
    }
    known
}
