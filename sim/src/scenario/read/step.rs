//! `[script]`: one line, one step.

use std::ops::Range;

use engine::id::{DeviceId, Remote, UserId};
use harness::time::Span;

use super::heal::heal;
use super::sections::{FOREVER, keys};
use super::table::{Item, Reader, Table};
use super::targets::{Targets, targets};
use super::when::moment;
use crate::plan::{Act, Deed, Errand, FileDeed, Lasting, ProcessorId, StepId, Trigger, WorkerId};
use crate::scenario::nominal;
use crate::scenario::problem::{Code, suggest};
use crate::scenario::words::{STEP_KEYS, STRATEGIES, Verb};
use crate::scenario::{Choice, Lasts, Line, Moment, Parameter, Scenario, Unit};

const STORM: &str = "rest of the storm";
/// Leaves room for what is drawn after the script.
const MOST_ID: u32 = StepId::END / 2;
const EVER: &str = "ever";

/// Reads the steps, and settles how long the storm lasts.
pub(super) fn read(
    reader: &mut Reader<'_>,
    script: Option<Table<'_>>,
    scenario: &mut Scenario,
    lasts: Option<Span>,
    (mix_lasts, place_of_mix): (Span, Range<usize>),
) {
    let mut places = Vec::new();
    if let Some(mut table) = script {
        if let Some(item) = table.take("steps") {
            for item in reader.list(item) {
                step(reader, scenario, item);
                places.resize(scenario.script.len(), item.span());
            }
        }
        table.finish(reader, keys("script"));
    }
    let needed = nominal::latest(scenario).max(mix_lasts.max(Span::from_secs(1)));
    scenario.lasts = lasts.unwrap_or(needed);
    too_long(reader, scenario);
    let end = i64::try_from(scenario.lasts.0).unwrap_or(i64::MAX);
    if mix_lasts > scenario.lasts {
        reader.tell(
            Code::AfterTheEnd,
            place_of_mix,
            "the mix goes on after the end of the storm",
            "it is longer than `lasts`",
            "make `lasts` of [scenario] longer, or `for` of [mix] shorter",
        );
    }
    for (line, place) in scenario.script.iter().zip(places) {
        if let Moment::At(at) = &line.when
            && at.high() > end
        {
            reader.tell(
                Code::AfterTheEnd,
                place,
                "this step comes after the end of the storm",
                format!("the storm ends at {}", Unit::Span.show(end)),
                "make `lasts` of [scenario] longer, or the step earlier",
            );
        }
    }
}

/// A quiet century is no harder to write than a quiet minute, but each pull of it is run.
fn too_long(reader: &mut Reader<'_>, scenario: &Scenario) {
    const MOST_PULLS: u64 = 100_000;
    let every = u64::try_from(scenario.setting(Parameter::PullEvery).low()).unwrap_or(1).max(1);
    let pulls = scenario.lasts.0 / every;
    if pulls > MOST_PULLS {
        let span = reader.text.find("lasts").map_or(0..0, |at| at..at + "lasts".len());
        reader.tell(
            Code::OutOfBounds,
            span,
            format!("until its end each device would pull {pulls} times"),
            "too long to be run",
            format!(
                "make `lasts` of [scenario] shorter, or `pull-every` of [timing] longer: \
                 {MOST_PULLS} pulls at most"
            ),
        );
    }
}

fn step(reader: &mut Reader<'_>, scenario: &mut Scenario, item: Item<'_>) {
    let before = reader.problems.len();
    let Some(mut table) = reader.table(item, "a step") else { return };
    let line = reader.line(&item.span());
    let quiet = table.take("at-most");
    let id = id(reader, scenario, &mut table);
    let named = table.need(reader, "do", "\"edit\"");
    let verb = named.and_then(|item| verb(reader, item));
    let when = moment(reader, scenario, &mut table, quiet, verb);
    let Some(verb) = verb else { return };
    if let Some(item) = named.filter(|_| verb.needs_server()) {
        reader.need_server(scenario, item, verb.name());
    }
    let acts = acts(reader, scenario, &mut table, verb);
    let mut known = STEP_KEYS.to_vec();
    known.extend(verb.who().key());
    known.extend(verb.needs().into_iter().chain(verb.takes()));
    table.finish(reader, &known);
    let (Some(when), Some(acts)) = (when, acts) else { return };
    let acts = match verb.ends() {
        Some(_) if reader.problems.len() == before => {
            heal(reader, scenario, item, verb, &acts);
            vec![(Act::Wait, Lasts::AsWritten)]
        }
        Some(_) => vec![(Act::Wait, Lasts::AsWritten)],
        None => acts,
    };
    if verb != Verb::WaitUntilQuiet {
        scenario.script.push(Line { id, when, acts, line });
        return;
    }
    let wait = || vec![(Act::Wait, Lasts::AsWritten)];
    let mut id = id;
    if when != Moment::After(Choice::only(0)) {
        scenario.script.push(Line { id, when, acts: wait(), line });
        id += 1;
    }
    let limit = quiet.and_then(|item| reader.exact(Unit::Span, item));
    if let Some(limit) = limit.and_then(|limit| u64::try_from(limit).ok()) {
        let when = Moment::On(Trigger::Quiet(Span(limit)), Choice::only(0));
        scenario.script.push(Line { id, when, acts: wait(), line });
    }
}

/// The id of a line's first step: as it says, or the one after those of the line before.
fn id(reader: &mut Reader<'_>, scenario: &Scenario, table: &mut Table<'_>) -> u32 {
    let next = scenario.script.last().map_or(0, Line::next_id);
    let Some(item) = table.take("id") else { return next };
    let Some(said) = reader.exact(Unit::Count, item) else { return next };
    match u32::try_from(said) {
        Ok(said) if (next..=MOST_ID).contains(&said) => said,
        _ => {
            reader.tell(
                Code::OutOfBounds,
                item.span(),
                "the ids of steps rise",
                format!("here from {next} to {MOST_ID}"),
                "leave `id` out, or give each step a higher one than the step before",
            );
            next
        }
    }
}

fn verb(reader: &mut Reader<'_>, item: Item<'_>) -> Option<Verb> {
    let text = reader.text(item)?;
    let found = Verb::of_name(text);
    if found.is_none() {
        let help = match Verb::of_synonym(text) {
            Some(verb) => format!("did you mean \"{}\"?", verb.name()),
            None => suggest(text, Verb::all().map(Verb::name)),
        };
        let shown: String = text.chars().take(40).collect();
        let message = format!("there is no verb `{shown}`");
        reader.tell(Code::UnknownVerb, item.span(), message, "unknown verb", help);
    }
    found
}

/// What a line does, once for each that it names, and how long each lasts.
fn acts(
    reader: &mut Reader<'_>,
    scenario: &Scenario,
    table: &mut Table<'_>,
    verb: Verb,
) -> Option<Vec<(Act, Lasts)>> {
    let before = reader.problems.len();
    let targets = targets(reader, scenario, table, verb.who());
    let mut args = Args { reader, scenario, table, verb };
    let lasts = args.lasts();
    let acts = match targets {
        Some(targets) => args.build(&targets, lasts.1),
        // The remaining keys are read for their problems alone.
        None => args.build(
            &Targets {
                devices: vec![DeviceId(0)],
                remotes: vec![Remote::Zone],
                workers: vec![WorkerId(0)],
                processors: vec![ProcessorId(0)],
                user: Some(UserId(0)),
            },
            lasts.1,
        ),
    };
    let acts = acts?;
    (reader.problems.len() == before)
        .then(|| acts.into_iter().map(|act| (act, lasts.0.clone())).collect())
}

pub(super) struct Args<'r, 't, 'd> {
    pub(super) reader: &'r mut Reader<'t>,
    pub(super) scenario: &'r Scenario,
    pub(super) table: &'r mut Table<'d>,
    pub(super) verb: Verb,
}

impl<'d> Args<'_, '_, 'd> {
    pub(super) fn need(&mut self, key: &str) -> Option<Item<'d>> {
        self.table.need(self.reader, key, "…")
    }

    /// `for`: a span, the rest of the storm, or for ever.
    fn lasts(&mut self) -> (Lasts, Lasting) {
        let needs = self.verb.needs().contains(&"for");
        let item = if needs {
            self.need("for")
        } else if self.verb.takes().contains(&"for") {
            self.table.take("for")
        } else {
            None
        };
        let usual = self.verb.fault().map_or(Lasting::AtOnce, Lasting::usual);
        let Some(item) = item else { return (Lasts::AsWritten, usual) };
        match item.get_ref().as_str() {
            Some(STORM) if !needs => (Lasts::AsWritten, Lasting::Storm),
            Some(EVER) if !needs => (Lasts::AsWritten, Lasting::Forever),
            _ => match self.reader.bounded(Unit::Span, item, 0, FOREVER) {
                Some(choice) => (Lasts::For(choice), usual),
                None => (Lasts::AsWritten, usual),
            },
        }
    }

    fn row(&mut self) -> Option<engine::id::RecordId> {
        let item = self.need("row")?;
        self.reader.row(item)
    }

    fn set(&mut self) -> Option<(engine::id::RecordId, crate::scenario::Fields)> {
        let row = self.row();
        let item = self.need("set");
        let row = row?;
        Some((row, self.reader.fields(row.kind, item?)?))
    }

    fn build(&mut self, to: &Targets, lasting: Lasting) -> Option<Vec<Act>> {
        let users = |deed: Deed| {
            Some(to.devices.iter().map(|device| Act::User(*device, deed.clone())).collect())
        };
        match self.verb {
            Verb::Edit => self.set().and_then(|(id, set)| users(Deed::Edit(id, set))),
            Verb::Open => self.row().and_then(|id| users(Deed::Open(id))),
            Verb::Save => self.set().and_then(|(id, set)| users(Deed::Save(id, set))),
            Verb::Overwrite => self.set().and_then(|(id, set)| users(Deed::Overwrite(id, set))),
            Verb::Increment => self.increment().and_then(users),
            Verb::Delete => self.row().and_then(|id| users(Deed::Delete(id))),
            Verb::Undelete => self.row().and_then(|id| users(Deed::Undelete(id))),
            Verb::Read => self.row().and_then(|id| users(Deed::Read(id))),
            Verb::Sync => users(Deed::Sync),
            Verb::Login => users(Deed::SignIn),
            Verb::Logout => users(Deed::SignOut),
            Verb::RotateKey => users(Deed::RotateKey),
            Verb::RegisterStrategy => self.register().and_then(users),
            Verb::UpdateAccount => {
                let item = self.need("set")?;
                let set = self.reader.account(item)?;
                users(Deed::Errand(Errand::Patch(set)))
            }
            Verb::ReadAccount => users(Deed::Errand(Errand::ReadAccount)),
            Verb::SessionStatus => users(Deed::Errand(Errand::SessionStatus)),
            Verb::UploadConversation => {
                let excerpt = self.excerpt()?;
                users(Deed::Upload(excerpt))
            }
            Verb::IngestConversation
            | Verb::Process
            | Verb::ResetConversation
            | Verb::ReadConversation
            | Verb::ReadDay => {
                let order = self.order()?;
                let acts = to.processors.iter().map(|id| Act::Order(*id, order.clone()));
                Some(acts.collect())
            }
            Verb::WriteFile
            | Verb::ReadFile
            | Verb::MakeFolder
            | Verb::MoveFiles
            | Verb::RenameFile
            | Verb::DeleteFile
            | Verb::UndeleteFile
            | Verb::RestoreVersion
            | Verb::ListFiles
            | Verb::ReadVersions => {
                let deeds = super::file::deeds(self.reader, self.table, self.verb)?;
                let acts = to.devices.iter().flat_map(|device| {
                    let act = |deed: &FileDeed| Act::User(*device, Deed::File(deed.clone()));
                    deeds.iter().map(act).collect::<Vec<_>>()
                });
                Some(acts.collect())
            }
            Verb::Wait => Some(vec![Act::Wait]),
            Verb::WaitUntilQuiet => {
                // Read by the step: it is part of its moment.
                if self.table.key_span("at-most").is_none() {
                    self.need("at-most");
                }
                Some(vec![Act::Wait])
            }
            Verb::Begin(kind) | Verb::End(kind) => self.faults(kind, to, lasting),
        }
    }

    fn increment(&mut self) -> Option<Deed> {
        let (row, field, by) = (self.row(), self.need("field"), self.need("by"));
        let by = by.and_then(|item| self.reader.integer(item));
        let row = row?;
        let item = field?;
        let field = self.reader.field(row.kind, item)?;
        let holds = engine::schema::field_of(row.kind, field).map(|field| field.holds);
        if holds != Some(engine::schema::Holds::Count) {
            self.contradiction("field", "this field is not counted; use `edit`");
            return None;
        }
        Some(Deed::Increment(row, field, by?))
    }

    fn register(&mut self) -> Option<Deed> {
        let (kind, field, strategy) =
            (self.need("kind"), self.need("field"), self.need("strategy"));
        let kind = kind.and_then(|item| self.reader.kind(item));
        let strategy =
            strategy.and_then(|item| self.reader.word(item, STRATEGIES, Code::UnknownWord));
        let kind = kind?;
        let field = self.reader.field(kind, field?)?;
        Some(Deed::Register(kind, field, strategy?))
    }

    pub(super) fn contradiction(&mut self, key: &str, message: &str) {
        let span = self.table.key_span(key).unwrap_or(self.table.span.clone());
        self.reader.tell(
            Code::Contradiction,
            span,
            message,
            "this cannot be",
            format!("as in {}", self.verb.example()),
        );
    }
}
