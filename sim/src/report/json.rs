//! For programs: one object per line, each with its `type` and `"v": 1`. Readers must ignore
//! fields that they do not know; fields are added and never change their meaning.

mod explained;

use serde_json::{Value, json};

use crate::history::Entry;
use crate::invariant::Violation;
use crate::plan::Plan;
use crate::report::excused::{Causes, Excused, add};
use crate::report::story::Scene;
use crate::report::{
    Beast, Bug, Catches, Demand, Failure, Likeness, Line, Met, Nondeterminism, Paged, Replays, Row,
    Shrunk, Size, Story, Sweep, Told, Zoo, wilson,
};
use crate::run::LogLine;
use crate::signature::Signature;

/// The version of the lines below.
const VERSION: u32 = 1;

/// Renders what there is to tell.
pub fn render(told: &Told<'_>) -> String {
    let lines = match told {
        Told::Failure(failure) => vec![failed(failure)],
        Told::Nondeterministic(found) => vec![nondeterminism(found)],
        Told::Lines(lines, _) => lines.iter().map(verdict).collect(),
        Told::Sweep(sweep) => swept(sweep),
        Told::Story(story) => told_story(story),
        Told::Page(it) => vec![paged(it)],
        Told::Shrunk(it) => vec![object("shrunk", shrunk(it))],
        Told::Sentence(it) => vec![object("explained", explained::sentence(it))],
        Told::Reasons(it) => vec![object("reasons", explained::reasons(it))],
        Told::Zoo(zoo) => measured(zoo),
        Told::Replays(replays) => replayed(replays),
        Told::Health(checks) => checks
            .iter()
            .map(|it| {
                object("check", json!({"what": it.what, "mark": it.mark.word(), "note": it.note}))
            })
            .collect(),
        Told::Catalogue(listed) => listed
            .iter()
            .map(|it| {
                let fields = json!({
                    "scenario": it.name, "title": it.title, "tags": it.tags,
                    "path": it.path, "seeds": it.seeds,
                });
                object("scenario", fields)
            })
            .collect(),
        Told::Checked(files) => files
            .iter()
            .map(|it| {
                let fields = json!({
                    "path": it.path, "errors": it.errors, "warnings": it.warnings, "text": it.text,
                });
                object("file", fields)
            })
            .collect(),
    };
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn object(kind: &str, mut fields: Value) -> Value {
    fields["v"] = json!(VERSION);
    fields["type"] = json!(kind);
    fields
}

fn flaws(plan: &Plan) -> Vec<&'static str> {
    plan.flaws.iter().map(|flaw| flaw.id()).collect()
}

fn failed(failure: &Failure<'_>) -> Value {
    let Failure { plan, outcome, violation, .. } = failure;
    let scene = Scene::new(plan, &outcome.history);
    let mut fields = violated(plan, &scene, violation);
    let proof = violation.evidence.iter().filter_map(|&index| outcome.history.get(index));
    fields["evidence"] = proof
        .map(|it| json!({"at_ms": it.at.0, "lane": plan.name(it.node), "event": scene.tell(it, violation.record)}))
        .collect();
    fields["scenario"] = json!(plan.scenario);
    fields["seed"] = json!(plan.seed);
    fields["flaws"] = json!(flaws(plan));
    fields["is_expected"] = json!(failure.expected);
    fields["digest"] = json!(format!("{:032x}", outcome.digest()));
    fields["again"] = json!(failure.again);
    fields["capsule"] = json!(failure.capsule);
    object("violation", fields)
}

fn violated(plan: &Plan, scene: &Scene<'_>, violation: &Violation) -> Value {
    json!({
        "invariant": violation.invariant.name(),
        "number": violation.invariant.number(),
        "site": violation.site,
        "at_ms": violation.at.0,
        "node": plan.name(violation.node),
        "record": violation.record.map(|id| id.to_string()),
        "token": violation.token.map(|token| hex::encode(token.0)),
        "write": violation.token.and_then(|token| scene.evidence().tell_write(token)),
        "message": violation.message,
    })
}

fn nondeterminism(found: &Nondeterminism<'_>) -> Value {
    let fields = json!({
        "scenario": found.scenario, "seed": found.seed, "fact": found.difference.index,
        "at_ms": found.difference.at.0, "differing": found.difference.facts, "again": found.again,
    });
    object("non-determinism", fields)
}

fn verdict(line: &Line) -> Value {
    let fields = json!({
        "scenario": line.scenario, "of": line.of, "expected": line.expected, "found": line.found,
        "seeds": line.seeds, "mark": line.mark.word(), "again": line.again,
        "must_happen": demands(&line.demands, false), "idle_steps": demands(&line.demands, true),
        "excused": excused(&line.excused, &line.path),
    });
    object("verdict", fields)
}

fn swept(sweep: &Sweep) -> Vec<Value> {
    let rows = sweep.rows.iter().map(|row| object("scenario-swept", swept_row(row)));
    let bugs = sweep.bugs.iter().map(|bug| object("bug", known_bug(bug)));
    let seeds: u64 = sweep.rows.iter().map(|row| row.seeds).sum();
    let mut all = Causes::new();
    sweep.rows.iter().for_each(|row| add(&mut all, &row.excused));
    let summary = json!({
        "build": sweep.build, "stopped": sweep.stopped, "seeds": seeds,
        "failed": sweep.rows.iter().map(|row| row.failed).sum::<u64>(),
        "bugs": sweep.bugs.len(), "twice": sweep.twice, "nondeterministic": sweep.nondeterministic,
        "wall_ms": sweep.took.map(|took| took.as_millis() as u64),
        "cpu_ms": sweep.cpu.map(|cpu| cpu.as_millis() as u64),
        "simulated_ms": u64::try_from(sweep.simulated_ms).unwrap_or(u64::MAX),
        "excused_causes": causes(&all),
    });
    rows.chain(bugs).chain([object("sweep", summary)]).collect()
}

fn swept_row(row: &Row) -> Value {
    let coverage: serde_json::Map<String, Value> = row
        .coverage
        .iter()
        .map(|(name, it)| (name.to_string(), json!({"seeds": it.seeds, "times": it.times})))
        .collect();
    let (low, high) = wilson(row.failed, row.seeds);
    json!({
        "scenario": row.scenario, "seeds": row.seeds, "failed": row.failed,
        "bugs": row.bugs.len(), "fault_free": row.calm, "rate_low": low, "rate_high": high,
        "slowest": row.slowest.map(|(seed, took)| json!({"seed": seed, "ms": took.as_millis() as u64})),
        "coverage": coverage,
        "must_happen": demands(&row.demands, false), "idle_steps": demands(&row.demands, true),
        "excused_causes": causes(&row.excused),
    })
}

/// How often each cause excused a write.
fn causes(causes: &Causes) -> serde_json::Map<String, Value> {
    let told = causes
        .iter()
        .map(|(cause, it)| (cause.to_string(), json!({"seeds": it.seeds, "writes": it.writes})));
    told.collect()
}

/// The writes that are excused, each with its cause.
fn excused(all: &[Excused], path: &str) -> Vec<Value> {
    let told = all.iter().map(|it| {
        json!({
            "seed": it.seed, "write": it.write, "object": it.object, "host": it.host,
            "asked_ms": it.asked.0, "cause": it.cause, "fault": it.fault, "at_ms": it.at.0,
            "place": it.line.map(|line| format!("{path}:{line}")),
        })
    });
    told.collect()
}

/// The demands on events, or those on the steps of the script.
fn demands(all: &[Demand], of_steps: bool) -> Vec<Value> {
    all.iter().filter(|it| it.why.is_some() == of_steps).map(demand).collect()
}

fn demand(it: &Demand) -> Value {
    let (met, seed) = match it.met {
        Met::Yes => ("reached", None),
        Met::Sometimes => ("not-in-every-seed", None),
        Met::TooFewSeeds => ("too-few-seeds", None),
        Met::No => ("not-reached", None),
        Met::Exceeded(seed) => ("too-often", Some(seed)),
    };
    json!({
        "what": it.what, "measured": it.measured, "demanded": it.demanded, "met": met,
        "why": it.why, "place": it.place, "seed": seed,
    })
}

fn signature(signature: &Signature) -> Value {
    json!({
        "invariant": signature.invariant.name(),
        "site": signature.site,
    })
}

fn known_bug(bug: &Bug) -> Value {
    json!({
        "signature": signature(&bug.signature), "scenario": bug.scenario, "seeds": bug.seeds,
        "message": bug.message, "again": bug.examples.first(), "examples": bug.examples,
        "also_seen_as": bug.also.iter().map(signature).collect::<Vec<_>>(),
        "rate_low": bug.rate().0, "rate_high": bug.rate().1, "cheapest": bug.cheapest,
        "capsule": bug.capsule,
        "shrunk": bug.shrunk.as_ref().map(shrunk),
    })
}

fn told_story(story: &Story<'_>) -> Vec<Value> {
    let Story { plan, outcome, focus, .. } = story;
    let scene = Scene::new(plan, &outcome.history);
    let in_time = |at| focus.until.is_none_or(|until| at <= until);
    let fact = |index: usize, entry: &Entry| {
        let proves: Vec<&str> = outcome
            .violations
            .iter()
            .filter(|it| it.evidence.last() == Some(&index))
            .map(|it| it.invariant.name())
            .collect();
        let told = in_time(entry.at) && (!proves.is_empty() || scene.is_told(entry, focus));
        told.then(|| {
            let fields = json!({
                "at_ms": entry.at.0, "lane": plan.name(entry.node), "life": entry.incarnation,
                "event": scene.tell(entry, focus.row), "violated": proves,
            });
            object("fact", fields)
        })
    };
    let log = if story.log { &outcome.log[..] } else { &[] };
    let mut log = log.iter().filter(|line| focus.has_line(line)).peekable();
    let mut facts = Vec::new();
    for (index, entry) in outcome.history.iter().enumerate() {
        while let Some(line) = log.next_if(|line| line.after <= index) {
            facts.push(log_line(plan, line));
        }
        facts.extend(fact(index, entry));
    }
    facts.extend(log.map(|line| log_line(plan, line)));
    let violations = outcome.violations.iter().map(|it| {
        let mut fields = violated(plan, &scene, it);
        fields["scenario"] = json!(plan.scenario);
        fields["seed"] = json!(plan.seed);
        fields["again"] = json!(story.again);
        object("violation", fields)
    });
    let likeness = story.likeness();
    let end = json!({
        "scenario": plan.scenario, "seed": plan.seed, "flaws": flaws(plan),
        "source": story.source, "digest": format!("{:032x}", outcome.digest()),
        "facts": outcome.history.len(), "violations": outcome.violations.len(),
        "reproduced": likeness.map(|it| it != Likeness::Different),
        "replayed": likeness.map(Likeness::word), "again": story.again,
        "excused": excused(&story.excused, &story.path),
    });
    facts.into_iter().chain(violations).chain([object("replayed", end)]).collect()
}

fn paged(it: &Paged<'_>) -> Value {
    let Story { plan, outcome, again, .. } = it.story;
    let fields = json!({
        "scenario": plan.scenario, "seed": plan.seed, "flaws": flaws(plan), "file": it.file,
        "bytes": it.bytes, "again": again, "violations": outcome.violations.len(),
        "invariant": it.violation.map(|it| it.invariant.name()),
        "message": it.violation.map(|it| &it.message),
    });
    object("report", fields)
}

fn log_line(plan: &Plan, line: &LogLine) -> Value {
    let fields = json!({
        "at_ms": line.at.0, "lane": plan.name(line.node), "life": line.incarnation,
        "level": line.level.as_str(), "target": line.target, "text": line.text,
    });
    object("log", fields)
}

fn shrunk(it: &Shrunk) -> Value {
    json!({
        "signature": signature(&it.signature), "before": size(&it.before),
        "after": size(&it.after), "tries": it.tries, "minimal": it.minimal,
        "cut_short": it.cut_short, "file": it.file, "again": format!("seawall replay {}", it.file),
    })
}

fn size(size: &Size) -> Value {
    json!({
        "steps": size.steps, "faults": size.faults, "devices": size.devices,
        "given": size.given, "messages": size.messages,
    })
}

fn measured(zoo: &Zoo) -> Vec<Value> {
    let beasts = zoo.rows.iter().map(|it| object("flaw", beast(it)));
    let caught = zoo.rows.iter().filter(|it| it.is_caught()).count();
    let end = json!({
        "build": zoo.build, "on": zoo.on, "seeds": zoo.seeds, "flaw_count": zoo.rows.len(),
        "caught": caught,
    });
    beasts.chain([object("zoo", end)]).collect()
}

fn beast(it: &Beast) -> Value {
    json!({
        "flaw": it.flaw.id(),
        "judges": it.expected.iter().map(|it| it.name()).collect::<Vec<_>>(),
        "general": catches(&it.general),
        "named": it.named.as_ref().map(catches),
        "smallest": it.shrunk.as_ref().map(|tamed| json!({
            "size": size(&tamed.size), "minimal": tamed.minimal,
            "passes_without": tamed.passes_without,
        })),
        "is_caught": it.is_caught(),
    })
}

fn replayed(replays: &Replays) -> Vec<Value> {
    let rows = replays.rows.iter().map(|it| {
        let kept = it.caught.as_ref();
        let answer = kept.map(|kept| &kept.replayed);
        let fields = json!({
            "flaw": it.flaw.id(), "reproduced": it.is_reproduced(),
            "scenario": kept.map(|kept| &kept.scenario), "seed": kept.map(|kept| kept.seed),
            "shrunk": kept.map(|kept| shrunk(&kept.shrunk)),
            "wall_ms": kept.map(|kept| kept.took.as_millis()),
            "story_lines": answer.and_then(|it| it.as_ref().ok()).map(|it| it.lines),
            "replayed": answer.and_then(|it| it.as_ref().ok()).map(|it| it.likeness.word()),
            "why": answer.and_then(|it| it.as_ref().err()),
            "is_named": kept.map(|kept| kept.named),
            "bugs": it.counted.map(|it| it.bugs),
            "seeds": it.counted.map(|it| it.seeds),
            "failed": it.counted.map(|it| it.failed),
        });
        object("flaw-replayed", fields)
    });
    let count = replays.rows.iter().filter(|it| it.is_reproduced()).count();
    let end = json!({"build": replays.build, "flaw_count": replays.rows.len(), "reproduced_count": count});
    rows.chain([object("zoo-replayed", end)]).collect()
}

fn catches(it: &Catches) -> Value {
    let by: serde_json::Map<String, Value> =
        it.by.iter().map(|(judge, seeds)| (judge.name().to_owned(), json!(seeds))).collect();
    let (low, high) = wilson(it.at.len() as u64, it.seeds);
    let [first, median, p95] = it.seeds_to_catch();
    json!({
        "seeds": it.seeds, "caught": it.at.len(), "not_seen": it.not_seen,
        "not_reached": it.not_reached, "rate_low": low, "rate_high": high, "first": first,
        "median": median, "p95": p95, "by": by,
    })
}
