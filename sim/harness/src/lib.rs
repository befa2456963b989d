//! Deterministic simulation testing of any system of state machines. This package knows no system: it
//! has what every simulation needs, and judges that need nothing but observations.

pub mod alarm;
pub mod capsule;
pub mod cli;
pub mod clock;
pub mod conditions;
pub mod ddmin;
pub mod digest;
pub mod disk;
pub mod fault;
pub mod history;
pub mod host;
pub mod hosts;
pub mod judge;
pub mod network;
pub mod observation;
pub mod observer;
pub mod plan;
pub mod pool;
pub mod problem;
pub mod quantity;
pub mod queue;
pub mod random;
pub mod run;
pub mod scenario;
pub mod settling;
pub mod shrink;
pub mod signature;
pub mod step;
pub mod story;
pub mod sweep;
pub mod system;
pub mod time;
pub mod watch;
pub mod word;
pub mod world;
