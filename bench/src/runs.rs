//! Whole runs: what a seed costs with all judges on, against the same plan under the bare loop, and
//! the four numbers that explain every slowdown.

use std::path::Path;
use std::time::Duration;

use engine::flaw::Flaws;
use engine::id::{Dot, FieldId, Kind, RecordId, ReplicaId, Token, VaultId};
use engine::record::{Encoded, Handle, Payload, Record, Value};
use engine::seal::{Key, KeyName, Keyring};
use engine::time::Hlc;
use sim::history::Fact;
use sim::plan::Plan;
use sim::run::{Counts, Driver, Outcome, run, run_with};
use sim::scenario;

use crate::gauge::{cpu_of, on_a_fresh_thread, peak_memory_mb};

/// What the seeds of one scenario cost: the least of all rounds.
pub(crate) struct Costs {
    pub(crate) seeds: u32,
    /// Simulated time of all seeds.
    pub(crate) simulated: Duration,
    pub(crate) madsim: Duration,
    pub(crate) bare: Duration,
    pub(crate) peak_memory_mb: Option<f64>,
    pub(crate) counts: Counts,
    /// Bytes of the canonical facts.
    pub(crate) fact_bytes: u64,
    /// Rows that were sent or served, and the bytes of the messages that they were in.
    rows: u64,
    row_bytes: u64,
    /// Seeds whose history differs between the drivers: a bug.
    pub(crate) differing: Vec<u64>,
}

impl Costs {
    fn mean_row(&self) -> usize {
        let mean = self.row_bytes.checked_div(self.rows).unwrap_or(0);
        usize::try_from(mean).expect("a row fits into memory")
    }

    /// The share of the CPU time that sealing and opening take, for rows of the mean size.
    pub(crate) fn crypto_share(&self) -> f64 {
        let (seal, open) = crypto_cost(self.mean_row());
        let crypto = seal * count(self.counts.sealed) + open * count(self.counts.opened);
        crypto / self.madsim.as_secs_f64()
    }
}

/// Measures the first seeds of a shipped scenario, as `sweep` would run them.
pub(crate) fn measure(path: &str, seeds: u32) -> Result<Costs, String> {
    let plans = plans(path, seeds)?;
    let mut costs = Costs {
        seeds,
        simulated: Duration::ZERO,
        madsim: Duration::MAX,
        bare: Duration::MAX,
        peak_memory_mb: None,
        counts: Counts::default(),
        fact_bytes: 0,
        rows: 0,
        row_bytes: 0,
        differing: Vec::new(),
    };
    let run_bare = |plan: &Plan| run_with(plan, Driver::Bare);
    let mut digests = Vec::new();
    for plan in &plans {
        let outcome = on_a_fresh_thread(|| run(plan));
        costs.add(&outcome);
        digests.push(outcome.digest());
    }
    costs.peak_memory_mb = peak_memory_mb();
    for (plan, digest) in plans.iter().zip(digests) {
        if on_a_fresh_thread(|| run_bare(plan)).digest() != digest {
            costs.differing.push(plan.seed);
        }
    }
    for _ in 0..3 {
        let (mut madsim, mut bare) = (Duration::ZERO, Duration::ZERO);
        for plan in &plans {
            madsim += cpu_of(|| drop(on_a_fresh_thread(|| run(plan)))).1;
            bare += cpu_of(|| drop(on_a_fresh_thread(|| run_bare(plan)))).1;
        }
        (costs.madsim, costs.bare) = (costs.madsim.min(madsim), costs.bare.min(bare));
    }
    Ok(costs)
}

impl Costs {
    fn add(&mut self, outcome: &Outcome) {
        let Counts { simulated, events, messages, facts, sealed, opened, .. } = outcome.counts;
        self.simulated += Duration::from_millis(simulated.0);
        self.counts.events += events;
        self.counts.messages += messages;
        self.counts.facts += facts;
        self.fact_bytes += outcome.fact_bytes();
        self.counts.sealed += sealed;
        self.counts.opened += opened;
        for entry in &outcome.history {
            if let Fact::Sent { size, rows, .. } = &entry.fact
                && !rows.is_empty()
            {
                self.rows += rows.len() as u64;
                self.row_bytes += u64::from(*size);
            }
        }
    }
}

fn plans(path: &str, seeds: u32) -> Result<Vec<Plan>, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("bench/ is in the workspace");
    let bytes = std::fs::read(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
    let name = Path::new(path).file_stem().and_then(|stem| stem.to_str()).expect("it has a name");
    let (scenario, _) = scenario::read(name, path, &bytes).map_err(|problems| {
        format!("{path} has {} problems: try `scenario check`", problems.len())
    })?;
    Ok((0..seeds).map(|seed| scenario::draw(&scenario, seed.into(), Flaws::NONE)).collect())
}

/// Seconds of CPU time that sealing and opening one record of this size take.
fn crypto_cost(size: usize) -> (f64, f64) {
    const ROUNDS: u32 = 2_000;
    let (vault, id) = (VaultId(1), RecordId { kind: Kind::Meal, key: 1 });
    let name = KeyName { generation: 1, draw: 1 };
    let ring = Keyring::new([(name, Key([7; 32]))].into(), None);
    let mut record = Record::default();
    let value = Value::Text("x".repeat(size));
    let change = (FieldId(0), Payload { token: Token([1; 16]), value });
    let dot = Dot { replica: ReplicaId(1), n: 1 };
    record.write(&Handle::blind(), dot, Hlc::default(), [change]);
    let record = Encoded::new(record);
    let seal = || ring.seal(vault, id, &record, [3; 24]).expect("there is a key");
    let (blob, sealing) = cpu_of(|| {
        let mut blob = seal();
        for _ in 1..ROUNDS {
            blob = std::hint::black_box(seal());
        }
        blob
    });
    let ((), opening) = cpu_of(|| {
        for _ in 0..ROUNDS {
            std::hint::black_box(ring.open(vault, id, &blob)).expect("it was sealed here");
        }
    });
    (sealing.as_secs_f64() / f64::from(ROUNDS), opening.as_secs_f64() / f64::from(ROUNDS))
}

/// A count as a float: exact up to 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}
