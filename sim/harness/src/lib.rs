//! Deterministic simulation testing of any system of state machines. This package knows no system: it
//! has what every simulation needs, and judges that need nothing but observations.

pub mod alarm;
pub mod clock;
pub mod ddmin;
pub mod digest;
pub mod disk;
pub mod judge;
pub mod observation;
pub mod pool;
pub mod problem;
pub mod quantity;
pub mod queue;
pub mod random;
pub mod time;
