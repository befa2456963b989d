//! Shards: which chunks of a sweep a process runs, of several that do not know of each other.

/// One of several processes that share a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, from 0.
    pub index: u64,
    /// How many there are.
    pub of: u64,
}

impl Shard {
    /// The only one.
    pub const ALL: Self = Self { index: 0, of: 1 };

    /// Does it run the chunk of this number?
    pub const fn has(self, number: u64) -> bool {
        number % self.of == self.index
    }

    /// Is it one of several?
    pub fn is_part(self) -> bool {
        self.of > 1
    }
}

/// How an engine numbers the processes that it starts.
struct Engine {
    name: &'static str,
    index: &'static str,
    /// The variable that has the number of processes.
    count: &'static str,
    base: Base,
}

/// The number of the first process.
enum Base {
    Is(u64),
    In(&'static str),
}

/// Where an engine does not say how many processes there are, its user does.
const SHARDS: &str = "SEAWALL_SHARDS";

/// The first engine that has set its index counts.
const ENGINES: &[Engine] = &[
    Engine {
        name: "Slurm",
        index: "SLURM_ARRAY_TASK_ID",
        count: "SLURM_ARRAY_TASK_COUNT",
        base: Base::In("SLURM_ARRAY_TASK_MIN"),
    },
    zero_based("Kubernetes", "JOB_COMPLETION_INDEX", SHARDS),
    zero_based("AWS Batch", "AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"),
    Engine { base: Base::Is(1), ..zero_based("GitLab", "CI_NODE_INDEX", "CI_NODE_TOTAL") },
    zero_based("Buildkite", "BUILDKITE_PARALLEL_JOB", "BUILDKITE_PARALLEL_JOB_COUNT"),
    zero_based("CircleCI", "CIRCLE_NODE_INDEX", "CIRCLE_NODE_TOTAL"),
    zero_based("Cloud Run", "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"),
    zero_based("Google Batch", "BATCH_TASK_INDEX", "BATCH_TASK_COUNT"),
    Engine { base: Base::Is(1), ..zero_based("Grid Engine", "SGE_TASK_ID", "SGE_TASK_LAST") },
    zero_based("PBS", "PBS_ARRAY_INDEX", SHARDS),
    Engine { base: Base::Is(1), ..zero_based("GNU parallel", "PARALLEL_SEQ", SHARDS) },
    zero_based("HyperQueue", "HQ_TASK_ID", SHARDS),
    zero_based("Nomad", "NOMAD_ALLOC_INDEX", SHARDS),
];

/// An array of tasks may leave numbers out; a shard may not.
const STEPS: &[&str] = &["SLURM_ARRAY_TASK_STEP", "SGE_TASK_STEPSIZE"];

const fn zero_based(name: &'static str, index: &'static str, count: &'static str) -> Engine {
    Engine { name, index, count, base: Base::Is(0) }
}

impl Shard {
    /// Shard K of N, as `K/N`, from 0.
    pub fn read(text: &str) -> Result<Self, String> {
        let form = || format!("`{text}` is no shard: write K/N, as in 0/3, 1/3 and 2/3, or `env`");
        let (index, of) = text.split_once('/').ok_or_else(form)?;
        let (Ok(index), Ok(of)) = (index.parse(), of.parse()) else { return Err(form()) };
        Self::new(index, of)
    }

    fn new(index: u64, of: u64) -> Result<Self, String> {
        match (index, of) {
            (_, 0) => Err("there are no shards: N is at least 1".to_owned()),
            (index, of) if index >= of => {
                Err(format!("there is no shard {index} of {of}: they are 0 to {}", of - 1))
            }
            (index, of) => Ok(Self { index, of }),
        }
    }

    /// The shard that the engine which started this process made it, by the variables that it sets.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        // Grid Engine sets this word where there is no array.
        let set = |name: &str| variable(name).filter(|it| !it.is_empty() && it != "undefined");
        let number = |name: &str| -> Result<Option<u64>, String> {
            let Some(text) = set(name) else { return Ok(None) };
            text.parse().map(Some).map_err(|_| format!("{name} is `{text}`, which is no number"))
        };
        let Some(engine) = ENGINES.iter().find(|it| set(it.index).is_some()) else {
            let names: Vec<&str> = ENGINES.iter().map(|it| it.index).collect();
            return Err(format!(
                "no engine has set its index: none of {} is there",
                names.join(", ")
            ));
        };
        let Engine { name, index: variable, count, base } = engine;
        let lacking = |what: &str| format!("{name} has set {variable}, but {what} is not set");
        for step in STEPS.iter().filter(|step| step[..3] == variable[..3]) {
            if let Some(step_by) = number(step)?.filter(|it| *it != 1) {
                return Err(format!("{step} is {step_by}: only arrays with step 1 are shards"));
            }
        }
        let index = number(variable)?.ok_or_else(|| lacking(variable))?;
        let of = number(count)?.ok_or_else(|| lacking(count))?;
        let base = match base {
            Base::Is(base) => *base,
            Base::In(first) => number(first)?.ok_or_else(|| lacking(first))?,
        };
        let index = index
            .checked_sub(base)
            .ok_or_else(|| format!("{variable} is {index}, and the first one is {base}"))?;
        Self::new(index, of).map_err(|why| format!("by {variable} and {count}: {why}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn in_environment(set: &[(&str, &str)]) -> Result<Shard, String> {
        let find = |name: &str| set.iter().find(|it| it.0 == name).map(|it| it.1.to_owned());
        Shard::of_environment(find)
    }

    #[test]
    fn shards_are_counted_from_zero() {
        assert_eq!(Shard::read("2/3"), Ok(Shard { index: 2, of: 3 }));
        for wrong in ["3/3", "0/0", "1", "a/b", "-1/2", "1/2/3", ""] {
            assert!(Shard::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_engine_is_known_by_its_variables() {
        let third = Ok(Shard { index: 2, of: 5 });
        let slurm = [
            ("SLURM_ARRAY_TASK_ID", "12"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
            ("SLURM_ARRAY_TASK_COUNT", "5"),
            ("SLURM_ARRAY_TASK_STEP", "1"),
        ];
        assert_eq!(in_environment(&slurm), third);
        for engine in &ENGINES[1..] {
            let Base::Is(base) = engine.base else { unreachable!("only Slurm names its first") };
            let index = (base + 2).to_string();
            assert_eq!(in_environment(&[(engine.index, &index), (engine.count, "5")]), third);
        }
        let both = [("CI_NODE_INDEX", "1"), ("CI_NODE_TOTAL", "9"), ("PARALLEL_SEQ", "7")];
        assert_eq!(in_environment(&both), Ok(Shard { index: 0, of: 9 }), "the first one counts");
    }

    #[test]
    fn what_makes_no_shard_is_said() {
        let why = |set| in_environment(set).expect_err("it is no shard");
        assert!(why(&[]).contains("SLURM_ARRAY_TASK_ID"));
        assert!(why(&[("JOB_COMPLETION_INDEX", "1")]).contains("SEAWALL_SHARDS is not set"));
        assert!(why(&[("SGE_TASK_ID", "undefined")]).contains("no engine"));
        let zero = [("CI_NODE_INDEX", "0"), ("CI_NODE_TOTAL", "2")];
        assert!(why(&zero).contains("the first one is 1"));
        let stepped = [
            ("SLURM_ARRAY_TASK_ID", "4"),
            ("SLURM_ARRAY_TASK_MIN", "0"),
            ("SLURM_ARRAY_TASK_COUNT", "3"),
            ("SLURM_ARRAY_TASK_STEP", "2"),
        ];
        assert!(why(&stepped).contains("only arrays with step 1"));
        let beyond = [("CIRCLE_NODE_INDEX", "3"), ("CIRCLE_NODE_TOTAL", "3")];
        assert!(why(&beyond).contains("they are 0 to 2"));
    }

    proptest! {
        #[test]
        fn each_chunk_is_of_one_shard(number in any::<u64>(), of in 1_u64..1_000) {
            let owners = (0..of).filter(|index| Shard { index: *index, of }.has(number)).count();
            prop_assert_eq!(owners, 1);
        }
    }
}
