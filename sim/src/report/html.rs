//! One run as a page: a single HTML file that loads nothing, for a browser.
//!
//! What the page shows is computed here, as data in the order of the history; how it is drawn is decided in
//! `web/`, from whose sources the file of the page is built. The same run gives the same bytes.

pub(in crate::report) mod bands;
mod cause;
mod cone;
pub(in crate::report) mod events;
mod lineage;
pub(in crate::report) mod messages;
mod script;
mod versions;

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::id::Token;
use flate2::{Compression, GzBuilder};
use serde::Serialize;

use self::bands::Band;
use self::cause::Cause;
use self::events::{Events, Lanes};
use self::messages::Message;
use self::script::Script;
use self::versions::Versions;
use super::explanation::Explanation;
use super::story::{Scene, loss};
use super::{Size, Story};
use crate::invariant::Violation;
use crate::scenario::Origin;

/// The page without a run: markup, style and program, built from `web/` and compared with it in CI.
const PAGE: &str = include_str!("../../assets/report.html");

/// Where the run goes.
const DATA: &str = "<script type=\"application/json\" id=\"data\"></script>";

/// Where the title goes.
const TITLE: &str = "<title>Seawall</title>";

/// Data of more bytes than this are compressed.
const PLAIN: usize = 1_000_000;

/// What a page is about.
#[derive(Debug)]
pub struct Page<'a> {
    /// The run.
    pub story: &'a Story<'a>,
    /// The title of its scenario; empty if that is not known.
    pub title: &'a str,
    /// The violation that it opens on; none of a run in which everything holds.
    pub violation: Option<&'a Violation>,
    /// The file of the capsule, if it is one.
    pub capsule: Option<&'a str>,
    /// Why the run fails, as far as that was tried.
    pub explanation: Option<&'a Explanation>,
    /// What its plan was before it was shrunk, if it was, and how large it is now.
    pub origin: Option<(&'a Origin, Size)>,
}

/// All that a page shows.
#[derive(Serialize)]
struct Data<'a> {
    run: Run<'a>,
    verdict: Option<Verdict>,
    lanes: Lanes,
    events: Events,
    messages: Vec<Message>,
    bands: Vec<Band>,
    proof: Vec<usize>,
    lineage: Vec<usize>,
    /// The stop at which the write is lost.
    loss: Option<usize>,
    cone: Vec<usize>,
    versions: Versions,
    copies: Vec<Copies>,
    script: Script,
    commands: Vec<(&'static str, String)>,
    cause: Option<Cause<'a>>,
    origin: Option<Before<'a>>,
}

/// A plan beside what it was shrunk from.
#[derive(Serialize)]
struct Before<'a> {
    /// What is counted, how much of it there was, and how much is left.
    sizes: [(&'static str, u64, u64); 3],
    /// What the writes that are left are called, and what they were called there.
    writes: &'a [(String, String)],
    /// The digest of the run that it was shrunk from.
    digest: &'a str,
}

/// Which run it is.
#[derive(Serialize)]
struct Run<'a> {
    scenario: &'a str,
    title: &'a str,
    seed: String,
    flaws: Vec<&'static str>,
    source: &'a str,
    replayed: Option<&'static str>,
    digest: String,
    simulated_ms: u64,
}

/// What is violated, in the words of the command line.
#[derive(Serialize)]
struct Verdict {
    invariant: &'static str,
    meaning: &'static str,
    message: String,
    /// What the write is called.
    label: Option<String>,
    object: Option<String>,
    at_ms: u64,
    lane: Option<usize>,
    also: Vec<(&'static str, usize)>,
}

/// What copies of something held at the end, by place.
#[derive(Serialize)]
struct Copies {
    of: String,
    held: Vec<(String, String)>,
}

/// The page of a run.
pub fn render(page: &Page<'_>) -> String {
    let scene = Scene::new(page.story.plan, &page.story.outcome.history);
    let json = serde_json::to_string(&Data::of(page, &scene)).expect("its keys are texts");
    let title = format!("{} · seed {}", page.story.plan.scenario, page.story.plan.seed);
    let title = format!("<title>{} · Seawall</title>", escaped(&title));
    PAGE.replacen(TITLE, &title, 1).replacen(DATA, &embedded(&json), 1)
}

/// The element that carries the data. No text in it can end it.
fn embedded(json: &str) -> String {
    let json = json.replace('<', "\\u003c");
    if json.len() <= PLAIN {
        return format!("<script type=\"application/json\" id=\"data\">{json}</script>");
    }
    // Neither a time nor a name is written, so that the same run gives the same bytes.
    let mut packed = GzBuilder::new().write(Vec::new(), Compression::new(6));
    packed.write_all(json.as_bytes()).expect("a vector takes all that is written to it");
    let packed = packed.finish().expect("a vector takes all that is written to it");
    let packed = STANDARD.encode(packed);
    format!("<script type=\"application/gzip\" id=\"data\">{packed}</script>")
}

/// A text as the content of an element.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

impl<'a> Data<'a> {
    fn of(page: &'a Page<'_>, scene: &Scene<'_>) -> Self {
        let Page { story, violation, .. } = page;
        let (plan, history) = (story.plan, &story.outcome.history[..]);
        let lanes = Lanes::of(plan, history);
        let messages = messages::messages(history);
        let proof = violation.map_or_else(Vec::new, |it| scene.proof(it));
        let path = violation.map_or_else(Vec::new, |it| scene.path(it));
        let loss = violation.and_then(|it| loss(&path, history, it)).map(|stop| stop.fact);
        let lineage =
            violation.map_or_else(Vec::new, |it| lineage::lineage(scene, it, &proof, &path));
        let record = violation.and_then(|it| it.record);
        let user = violation.and_then(|it| scene.evidence().user_of(it.token, it.node));
        let cone = cone::events(scene, history, (user.zip(record), &lineage), &messages);
        let told = events::About { record, core: &lineage };
        Self {
            run: Run::of(page),
            verdict: violation.map(|it| Verdict::of(story, it, scene, &lanes)),
            events: Events::of(scene, history, &lanes, &told),
            bands: bands::bands(scene, history, &lanes),
            versions: violation
                .map_or_else(Versions::default, |it| versions::versions(scene, story, it, &lanes)),
            copies: violation.map_or_else(Vec::new, |it| copies(scene, it)),
            script: Script::of(plan, history, &lineage, &cone),
            commands: commands(page),
            lanes,
            messages,
            proof,
            lineage,
            loss,
            cone,
            cause: page.explanation.map(Cause::of),
            origin: page.origin.map(|(origin, size)| Before::of(origin, size)),
        }
    }
}

impl<'a> Before<'a> {
    fn of(origin: &'a Origin, size: Size) -> Self {
        let Origin { digest, steps, faults, messages, writes } = origin;
        Self {
            sizes: [
                ("steps", *steps as u64, size.steps as u64),
                ("faults", *faults as u64, size.faults as u64),
                ("messages", *messages, size.messages),
            ],
            writes,
            digest,
        }
    }
}

impl<'a> Run<'a> {
    fn of(page: &'a Page<'_>) -> Self {
        let Story { plan, outcome, .. } = page.story;
        Self {
            scenario: &plan.scenario,
            title: page.title,
            // A text, since a seed has more digits than a browser's numbers.
            seed: plan.seed.to_string(),
            flaws: plan.flaws.iter().map(|flaw| flaw.id()).collect(),
            source: &page.story.source,
            replayed: page.story.likeness().map(|it| it.word()),
            digest: format!("{:032x}", outcome.digest()),
            simulated_ms: outcome.counts.simulated.0,
        }
    }
}

impl Verdict {
    fn of(story: &Story<'_>, violation: &Violation, scene: &Scene<'_>, lanes: &Lanes) -> Self {
        // Of seed data and of purges there is no way to show.
        let is_write = |token: &Token| scene.evidence().write(*token).is_some();
        let token = violation.token.filter(is_write);
        let mut also: Vec<(&'static str, usize)> = Vec::new();
        for other in story.outcome.violations.iter().filter(|it| *it != violation) {
            let name = other.invariant.name();
            match also.iter_mut().find(|(known, _)| *known == name) {
                Some((_, times)) => *times += 1,
                None => also.push((name, 1)),
            }
        }
        Self {
            invariant: violation.invariant.name(),
            meaning: violation.invariant.meaning(),
            message: violation.message.clone(),
            label: token.map(|token| scene.label(token)),
            object: violation.record.map(|id| id.to_string()),
            at_ms: violation.at.0,
            lane: lanes.place(violation.node),
            also,
        }
    }
}

/// What copies of the record or the account that a violation is about held at the end.
fn copies(scene: &Scene<'_>, violation: &Violation) -> Vec<Copies> {
    let evidence = scene.evidence();
    let user = evidence.user_of(violation.token, violation.node);
    let record = violation.record.zip(user).map(|(id, user)| Copies {
        of: id.to_string(),
        held: evidence.copies(user, id, &evidence.fields_of(violation.token)),
    });
    let account = violation.token.and_then(|token| evidence.account_write(token));
    let account = account.map(|(user, of)| Copies {
        of: "the account".to_owned(),
        held: evidence.accounts(user, &of),
    });
    record.into_iter().chain(account).filter(|it| !it.held.is_empty()).collect()
}

/// What can be done next at a command line.
fn commands(page: &Page<'_>) -> Vec<(&'static str, String)> {
    let again = &page.story.again;
    let mut commands = vec![("reproduce", again.clone())];
    if let Some(id) = page.violation.and_then(|it| it.record) {
        commands.push(("focus", format!("{again} --row {id}")));
    }
    let can_be_shrunk = page.violation.is_some_and(|it| !it.is_of_time());
    if let (Some(capsule), true) = (page.capsule, can_be_shrunk) {
        commands.push(("minimise", format!("seawall shrink {capsule}")));
    }
    commands
}
