//! A log with a vector clock at each event: what had happened at each host, as far as this one can know.

use std::collections::BTreeMap;

use crate::invariant::Violation;
use crate::report::Story;
use crate::report::html::messages::messages;
use crate::report::story::{Scene, time};

/// How ShiViz finds the parts of an event: the first line of the log.
const EXPRESSION: &str = r"(?<host>\S*) (?<clock>\{.*\})\n(?<event>.*)";

/// How many events of each host are known.
type Clock = BTreeMap<String, u64>;

pub(super) fn render(story: &Story<'_>, violation: Option<&Violation>) -> String {
    let (plan, history) = (story.plan, &story.outcome.history[..]);
    let scene = Scene::new(plan, history);
    let proof = violation.map_or_else(Vec::new, |it| scene.proof(it));
    let mut arrivals: BTreeMap<usize, usize> = BTreeMap::new();
    for message in messages(history) {
        arrivals.extend(message.arrived().map(|arrived| (arrived, message.sent)));
    }
    let mut clocks: BTreeMap<String, Clock> = BTreeMap::new();
    // What a message carries; a copy that comes a second time brings it again.
    let mut carried: BTreeMap<usize, Clock> = BTreeMap::new();
    let sent: std::collections::BTreeSet<usize> = arrivals.values().copied().collect();
    let mut log = format!("{EXPRESSION}\n\n");
    for (fact, entry) in history.iter().enumerate() {
        let host = plan.name(entry.node).replace(char::is_whitespace, "-");
        let clock = clocks.entry(host.clone()).or_default();
        if let Some(brought) = arrivals.get(&fact).and_then(|sent| carried.get(sent)) {
            for (of, count) in brought {
                let known = clock.entry(of.clone()).or_default();
                *known = (*known).max(*count);
            }
        }
        *clock.entry(host.clone()).or_default() += 1;
        if sent.contains(&fact) {
            carried.insert(fact, clock.clone());
        }
        let clock = serde_json::to_string(clock).expect("its keys are texts");
        let mark = if proof.contains(&fact) { "   ◀ proves the violation" } else { "" };
        let told = scene.tell(entry, None).replace(['\n', '\r'], " ");
        log.push_str(&format!("{host} {clock}\n{}  {told}{mark}\n", time(entry.at)));
    }
    log
}
