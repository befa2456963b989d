//! Words of a scenario. An operation or a fault is declared once, by a word with parameters; how it is
//! read, printed, drawn, made smaller and told comes from that.

use crate::observation::HostId;
use crate::quantity::{Range, Unit};
use crate::random::Stream;
use crate::time::Span;

/// A host of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// What people call it.
    pub name: String,
    /// What it is to the words of the system, as "client".
    pub role: &'static str,
}

/// A word, with what it needs.
#[derive(Debug)]
pub struct Word {
    /// How it is written.
    pub name: &'static str,
    /// What it says, as a sentence in which `{…}` stands for the parameter of that name.
    pub sentence: &'static str,
    /// What is written beside it.
    pub parameters: &'static [Parameter],
}

/// A parameter of a word.
#[derive(Debug)]
pub struct Parameter {
    /// How it is written.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// What a parameter is. Its value is a whole number in each case.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A host, of this role if one is named. It is always written.
    Host(Option<&'static str>),
    /// A quantity between two bounds. Where it is not written it is the plainest of them.
    Quantity(Unit, Range),
}

impl Parameter {
    /// A host of any role.
    pub const fn host(name: &'static str) -> Self {
        Self { name, kind: Kind::Host(None) }
    }

    /// A host of a role.
    pub const fn host_of(name: &'static str, role: &'static str) -> Self {
        Self { name, kind: Kind::Host(Some(role)) }
    }

    /// A whole number between two bounds, both included.
    pub const fn count(name: &'static str, low: i64, high: i64) -> Self {
        Self { name, kind: Kind::Quantity(Unit::Count, Range { low, high }) }
    }

    /// A span between two bounds in milliseconds, both included.
    pub const fn span(name: &'static str, low: i64, high: i64) -> Self {
        Self { name, kind: Kind::Quantity(Unit::Span, Range { low, high }) }
    }

    /// How a value of it is written.
    pub fn show(&self, value: i64, hosts: &[HostSpec]) -> String {
        match self.kind {
            Kind::Host(_) => host_name(hosts, value).to_owned(),
            Kind::Quantity(unit, _) => unit.show(value),
        }
    }
}

/// The hosts that a parameter can name, by role.
pub fn hosts_of<'a>(
    hosts: &'a [HostSpec],
    role: Option<&'static str>,
) -> impl Iterator<Item = (i64, &'a str)> + Clone {
    let numbered = (0..).zip(hosts);
    let of_role = numbered.filter(move |(_, host)| role.is_none_or(|role| host.role == role));
    of_role.map(|(number, host)| (number, host.name.as_str()))
}

fn host_name(hosts: &[HostSpec], value: i64) -> &str {
    let found = usize::try_from(value).ok().and_then(|at| hosts.get(at));
    found.map_or("a host that is not there", |host| host.name.as_str())
}

impl Word {
    /// The values of a step, drawn. `None` if no host can be named.
    pub fn draw(&self, hosts: &[HostSpec], stream: &mut Stream) -> Option<Vec<i64>> {
        let mut values = Vec::with_capacity(self.parameters.len());
        for parameter in self.parameters {
            values.push(match parameter.kind {
                Kind::Host(role) => {
                    // No host is named twice: nothing happens between a host and itself.
                    let free = hosts_of(hosts, role).filter(|(host, _)| !values.contains(host));
                    let free: Vec<i64> = free.map(|(host, _)| host).collect();
                    if free.is_empty() {
                        return None;
                    }
                    *stream.pick(&free)
                }
                Kind::Quantity(Unit::Count, bounds) => bounds.draw(stream),
                Kind::Quantity(_, bounds) => stream.magnitude(bounds.low, bounds.high),
            });
        }
        Some(values)
    }

    /// The sentence with these values.
    pub fn tell(&self, values: &[i64], hosts: &[HostSpec]) -> String {
        let named = self.parameters.iter().zip(values);
        named.fold(self.sentence.to_owned(), |sentence, (parameter, value)| {
            let place = format!("{{{}}}", parameter.name);
            sentence.replace(&place, &parameter.show(*value, hosts))
        })
    }

    /// These values with one of them simpler, in all ways that may be worth a try.
    pub fn simpler(&self, values: &[i64]) -> Vec<Vec<i64>> {
        let parameters = self.parameters.iter().enumerate();
        let simpler = parameters.filter_map(|(at, parameter)| {
            let Kind::Quantity(_, bounds) = parameter.kind else { return None };
            let mut simpler = values.to_vec();
            simpler[at] = bounds.plainest();
            (values[at] != simpler[at]).then_some(simpler)
        });
        simpler.collect()
    }
}

/// The values of a word's parameters, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Values<'a>(pub &'a [i64]);

impl Values<'_> {
    /// A host.
    pub fn host(self, nth: usize) -> HostId {
        HostId(u32::try_from(self.0[nth]).expect("hosts are checked when a plan is read or drawn"))
    }

    /// A whole number.
    pub fn number(self, nth: usize) -> i64 {
        self.0[nth]
    }

    /// A number of times, or of milliseconds: what is below zero counts as zero.
    pub fn count(self, nth: usize) -> u64 {
        u64::try_from(self.0[nth]).unwrap_or(0)
    }

    /// A span.
    pub fn span(self, nth: usize) -> Span {
        Span(self.count(nth))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::stream;

    const CUT: Word = Word {
        name: "cut",
        sentence: "cuts {from} off from {to} for {for}",
        parameters: &[
            Parameter::host("from"),
            Parameter::host_of("to", "hub"),
            Parameter::span("for", 10, 2_000),
        ],
    };

    fn hosts() -> Vec<HostSpec> {
        ["hub", "client"].map(|role| HostSpec { name: format!("the-{role}"), role }).to_vec()
    }

    #[test]
    fn what_is_drawn_keeps_roles_and_bounds_and_names_no_host_twice() {
        let mut stream = stream(1, "words");
        for _ in 0..100 {
            match CUT.draw(&hosts(), &mut stream).as_deref() {
                Some([1, 0, span]) => assert!((10..=2_000).contains(span)),
                // The only hub was the first that was picked.
                other => assert_eq!(other, None),
            }
        }
    }

    #[test]
    fn a_sentence_has_names_and_units() {
        assert_eq!(CUT.tell(&[1, 0, 1_500], &hosts()), "cuts the-client off from the-hub for 1.5s");
        assert!(CUT.tell(&[9, 0, 10], &hosts()).contains("not there"));
    }

    #[test]
    fn simpler_is_the_plainest_within_bounds() {
        assert_eq!(CUT.simpler(&[1, 0, 1_500]), [[1, 0, 10]]);
        assert_eq!(CUT.simpler(&[1, 0, 10]), Vec::<Vec<i64>>::new());
    }
}
