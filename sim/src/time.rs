//! Where simulated time and the engine's time meet. The simulator reckons in [`harness::time`]; what a
//! machine is given, and what it puts out, is in the engine's.

use harness::time::{Now, Span, Time};

/// Simulated time, as a machine is given it.
pub trait ToEngine {
    /// The engine's type of the same meaning.
    type Engine;

    /// The same in the engine's type.
    fn to_engine(self) -> Self::Engine;
}

/// The engine's time, as the simulator reckons with it.
pub trait ToSimulated {
    /// The simulator's type of the same meaning.
    type Simulated;

    /// The same in the simulator's type.
    fn to_simulated(self) -> Self::Simulated;
}

impl ToEngine for Time {
    type Engine = engine::time::Time;

    fn to_engine(self) -> engine::time::Time {
        engine::time::Time(self.0)
    }
}

impl ToEngine for Span {
    type Engine = engine::time::Span;

    fn to_engine(self) -> engine::time::Span {
        engine::time::Span(self.0)
    }
}

impl ToEngine for Now {
    type Engine = engine::time::Now;

    fn to_engine(self) -> engine::time::Now {
        engine::time::Now { mono: self.mono.to_engine(), wall: self.wall.to_engine() }
    }
}

impl ToSimulated for engine::time::Time {
    type Simulated = Time;

    fn to_simulated(self) -> Time {
        Time(self.0)
    }
}

impl ToSimulated for engine::time::Span {
    type Simulated = Span;

    fn to_simulated(self) -> Span {
        Span(self.0)
    }
}
