use sim::history::{Fact, Said};
use std::collections::BTreeMap;
fn main() {
    let path = std::env::args().nth(1).unwrap();
    let n: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let (scenario, _) = sim::scenario::read("x", &path, &bytes).ok().unwrap();
    let mut counts: BTreeMap<(u8, String), u64> = BTreeMap::new();
    let mut spans = [0u64; 4];
    for seed in 0..n {
        let plan = sim::scenario::draw(&scenario, seed, engine::flaw::Flaws::NONE);
        let outcome = sim::run::run(&plan);
        let mut phase = 0u8;
        let mut since = 0;
        let mut last = 0;
        for entry in &outcome.history {
            if matches!(entry.fact, Fact::Healed) {
                spans[0] += entry.at.0;
                since = entry.at.0;
                phase = 1;
            }
            if matches!(entry.fact, Fact::Settled { .. }) {
                spans[1] += entry.at.0 - since;
                since = entry.at.0;
                phase = 2;
            }
            last = entry.at.0;
            let name = match &entry.fact {
                Fact::Sent { letter, server, .. } => format!(
                    "sent {:?} {}",
                    letter.parcel,
                    match server {
                        Some(Said::Answers { refused: Some(_), .. }) => "refused",
                        Some(Said::Answers { .. }) => "answer",
                        _ => "",
                    }
                ),
                other => format!("{other:?}")
                    .split(|c: char| !c.is_alphanumeric())
                    .next()
                    .unwrap()
                    .to_owned(),
            };
            *counts.entry((phase, name)).or_default() += 1;
        }
        spans[2] += last - since;
    }
    println!("{:?}", spans.map(|s| s / n));
    for ((phase, name), count) in counts {
        println!("{phase} {name:40} {:.1}", count as f64 / n as f64);
    }
}
