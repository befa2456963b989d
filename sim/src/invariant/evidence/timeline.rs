//! A value over time: what was so from each moment on, and what from the next.

/// What was so from a moment on, and what from the next.
#[derive(Clone, Debug)]
pub(crate) struct Timeline<T>(Vec<(usize, T)>);

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Timeline<T> {
    /// What held right after a moment.
    pub(crate) fn at(&self, moment: usize) -> Option<&T> {
        self.since(moment).map(|(_, value)| value)
    }

    /// What held right after a moment, and from which moment on.
    pub(crate) fn since(&self, moment: usize) -> Option<(usize, &T)> {
        let after = self.0.partition_point(|(from, _)| *from <= moment);
        after.checked_sub(1).map(|at| (self.0[at].0, &self.0[at].1))
    }

    pub(crate) fn last(&self) -> Option<&T> {
        self.0.last().map(|(_, value)| value)
    }

    /// Everything that it has been, each with the moment from which it was so.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter().map(|(from, value)| (*from, value))
    }

    pub(crate) fn push(&mut self, moment: usize, value: T) {
        self.0.push((moment, value));
    }
}

impl<T> Timeline<Option<T>> {
    /// The moments at which something took the place of what had become so and so by then.
    pub(crate) fn turns(
        &self,
        had_become: impl Fn(usize, &T) -> bool,
    ) -> impl Iterator<Item = usize> {
        self.0.windows(2).filter_map(move |pair| match (&pair[0].1, pair[1].0) {
            (Some(before), at) if had_become(at, before) => Some(at),
            (Some(_) | None, _) => None,
        })
    }
}
