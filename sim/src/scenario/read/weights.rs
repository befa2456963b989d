//! Weights: how often each of some words is chosen.

use super::table::{Item, Reader};
use crate::scenario::problem::{Code, suggest};

/// Weights by word: whole numbers, not all zero.
pub(super) fn weights_of<T>(
    reader: &mut Reader<'_>,
    item: Item<'_>,
    names: &[&str],
    of_name: impl Fn(&str) -> Option<T>,
) -> Vec<(T, u32)> {
    let Some(mut table) = reader.table(item, "`weights`") else { return Vec::new() };
    let mut weights = Vec::new();
    let mut bad = false;
    for (name, key, item) in table.rest() {
        let weight = match reader.integer(item) {
            Some(weight) => u32::try_from(weight).ok().filter(|weight| *weight <= 1_000_000),
            None => {
                bad = true;
                continue;
            }
        };
        match (of_name(name), weight) {
            (Some(value), Some(weight)) => weights.push((value, weight)),
            (None, _) => {
                bad = true;
                reader.tell(
                    Code::UnknownWord,
                    key,
                    format!("`{name}` is not known here"),
                    "unknown",
                    suggest(name, names.iter().copied()),
                );
            }
            (Some(_), None) => {
                bad = true;
                reader.tell(
                    Code::BadWeights,
                    item.span(),
                    "this cannot be a weight",
                    "below zero or too large",
                    "write a whole number between 0 and 1000000",
                );
            }
        }
    }
    if !bad && weights.iter().all(|(_, weight)| *weight == 0) {
        reader.tell(
            Code::BadWeights,
            item.span(),
            "all weights are zero",
            "nothing would ever be chosen",
            "give at least one a weight of 1",
        );
    }
    weights
}
