//! `[script]`: one line, one step. What a healing verb ends is found here.

use std::ops::Range;

use engine::id::{DeviceId, Remote, UserId};
use engine::remote::Ending;
use harness::time::Span;

use super::chance::strength_of;
use super::sections::{FOREVER, keys};
use super::table::{Item, Reader, Table};
use super::targets::{Targets, targets};
use super::when::moment;
use crate::plan::{
    Act, Deed, Errand, Fault, FileDeed, Lasting, Node, PipeFault, ProcessorId, ServerFault, StepId,
    Trigger, VolumeFault, WorkerId,
};
use crate::scenario::nominal;
use crate::scenario::problem::{Code, suggest};
use crate::scenario::words::{ENDINGS, STEP_KEYS, STRATEGIES, SYNONYMS, Verb, last_for, lasting};
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
    known.extend(verb.needs().iter().chain(verb.takes()));
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
        let help = match SYNONYMS.iter().find(|(word, _)| *word == text) {
            Some((_, verb)) => format!("did you mean \"{}\"?", verb.name()),
            None => suggest(text, Verb::ALL.iter().map(|verb| verb.name())),
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
    scenario: &'r Scenario,
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
        let Some(item) = item else { return (Lasts::AsWritten, Lasting::Storm) };
        match item.get_ref().as_str() {
            Some(STORM) if !needs => (Lasts::AsWritten, Lasting::Storm),
            Some(EVER) if !needs => (Lasts::AsWritten, Lasting::Forever),
            _ => match self.reader.bounded(Unit::Span, item, 0, FOREVER) {
                Some(choice) => (Lasts::For(choice), Lasting::Storm),
                None => (Lasts::AsWritten, Lasting::Storm),
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

    fn node(&mut self, key: &str) -> Option<Node> {
        let item = self.need(key)?;
        self.reader.node(self.scenario, item)
    }

    fn owner(&mut self) -> Option<UserId> {
        self.reader.owner(self.scenario, self.table, "user")
    }

    /// The verb's strength; a healing verb names none.
    fn strength(&mut self) -> Option<i64> {
        let Some((key, unit, low, high)) = strength_of(self.verb) else {
            return Some(low_strength());
        };
        let item = self.need(key)?;
        let value = self.reader.exact(unit, item)?;
        if !(low..=high).contains(&value) {
            let bounds = format!("{} and {}", unit.show(low), unit.show(high));
            self.reader.out_of_bounds(item.span(), &bounds);
            return None;
        }
        Some(value)
    }

    fn times(&mut self) -> Option<u16> {
        self.strength().and_then(|times| u16::try_from(times).ok())
    }

    /// How many effects come before a loss of power, if it says so.
    fn effects(&mut self) -> Option<u16> {
        let Some(item) = self.table.take("effects") else { return Some(0) };
        self.reader.number(item, 1, 10_000).and_then(|count| u16::try_from(count).ok())
    }

    fn span(&mut self) -> Option<Span> {
        self.strength().and_then(|span| u64::try_from(span).ok()).map(Span)
    }

    fn build(&mut self, to: &Targets, lasting: Lasting) -> Option<Vec<Act>> {
        let users = |deed: Deed| {
            Some(to.devices.iter().map(|device| Act::User(*device, deed.clone())).collect())
        };
        let devices = |fault: &dyn Fn(DeviceId) -> Fault| {
            Some(to.devices.iter().map(|device| Act::Fault(fault(*device))).collect())
        };
        let remotes = |fault: &dyn Fn(Remote) -> Fault| {
            Some(to.remotes.iter().map(|remote| Act::Fault(fault(*remote))).collect())
        };
        let workers = |fault: &dyn Fn(WorkerId) -> ServerFault| {
            let fault = |worker: &WorkerId| Act::Fault(Fault::Server(fault(*worker)));
            Some(to.workers.iter().map(fault).collect())
        };
        let processors = |fault: &dyn Fn(ProcessorId) -> PipeFault| {
            let fault = |processor: &ProcessorId| Act::Fault(Fault::Pipe(fault(*processor)));
            Some(to.processors.iter().map(fault).collect())
        };
        let once = |fault: Fault| Some(vec![Act::Fault(fault)]);
        let volume = |fault: VolumeFault| once(Fault::Server(ServerFault::Volume(fault, lasting)));
        let back = Span::ZERO;
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
            Verb::Cut | Verb::HealCut => {
                let (from, to) = (self.node("from"), self.node("to"));
                let (from, to) = (from?, to?);
                if from == to {
                    self.contradiction("to", "from and to are the same");
                    return None;
                }
                once(Fault::Cut(from, to, lasting))
            }
            Verb::GoOffline | Verb::GoOnline => devices(&|d| Fault::Offline(d, lasting)),
            Verb::SlowLink | Verb::HealLink => {
                let item = self.need("to");
                let remote = item.and_then(|item| self.reader.remote(self.scenario, item));
                let times = self.times();
                let (remote, times) = (remote?, times?);
                devices(&|d| Fault::SlowLink(d, remote, times, lasting))
            }
            Verb::LoseReplies | Verb::HealReplies => remotes(&|r| Fault::LoseReplies(r, lasting)),
            Verb::LoseHints | Verb::HealHints => remotes(&|r| Fault::LoseHints(r, lasting)),
            Verb::Crash => {
                let effects = self.effects()?;
                devices(&|d| Fault::Crash(d, back, effects))
            }
            Verb::Pause => devices(&|d| Fault::Pause(d, back)),
            Verb::Destroy => devices(&Fault::Destroy),
            Verb::SaveImage => devices(&Fault::SaveImage),
            Verb::RestoreImage => devices(&|d| Fault::RestoreImage(d, back)),
            Verb::Clone => {
                let item = self.need("to")?;
                let copy = self.reader.device(self.scenario, item)?;
                let spec = &self.scenario.devices[usize::from(copy.0)];
                if !spec.states.contains(&crate::scenario::State::Cloned) || to.devices.len() > 1 {
                    self.contradiction(
                        "to",
                        "a clone is made of one device, to a device with state = \"cloned\"",
                    );
                    return None;
                }
                devices(&|d| Fault::Clone(d, copy))
            }
            Verb::ClockJump => {
                let by = self.strength()?;
                devices(&|d| Fault::ClockJump(d, by))
            }
            Verb::FillDisk | Verb::HealFullDisk => devices(&|d| Fault::DiskFull(d, lasting)),
            Verb::SlowDisk | Verb::HealSlowDisk => {
                let times = self.times()?;
                devices(&|d| Fault::DiskSlow(d, times, lasting))
            }
            Verb::HoldKeys | Verb::ReleaseKeys => devices(&|d| Fault::HoldKeys(d, lasting)),
            Verb::ExpireCredential => devices(&Fault::ExpireCredential),
            Verb::Outage | Verb::HealOutage => remotes(&|r| Fault::Outage(r, lasting)),
            Verb::Throttle | Verb::HealThrottle => {
                let wait = self.span()?;
                remotes(&|r| Fault::Throttle(r, wait, lasting))
            }
            Verb::ExpireCursors => remotes(&Fault::ExpireCursors),
            Verb::HideRow | Verb::ShowRow => {
                let id = self.row()?;
                once(Fault::HideRow(to.user?, id, lasting))
            }
            Verb::BreakDecryption | Verb::HealDecryption => {
                let id = self.row();
                let seen_by = match self.table.take("seen-by") {
                    Some(item) => Some(self.reader.device(self.scenario, item)?),
                    None => None,
                };
                let user = self.owner_seen_by(seen_by);
                let (id, user) = (id?, user?);
                remotes(&|r| Fault::CorruptRow(r, user, id, seen_by, lasting))
            }
            Verb::RejectRow | Verb::AcceptRow => {
                let (id, user) = (self.row(), self.owner());
                let (id, user) = (id?, user?);
                remotes(&|r| Fault::RejectRow(r, user, id, lasting))
            }
            Verb::EndZone => {
                let item = self.need("how")?;
                let how: Ending = self.reader.word(item, ENDINGS, Code::UnknownWord)?;
                once(Fault::EndZone(to.user?, how))
            }
            Verb::DropPolicy | Verb::RestorePolicy => once(Fault::DropPolicy(lasting)),
            Verb::SlowCommits | Verb::HealCommits => {
                let taking = self.span()?;
                once(Fault::SlowCommits(taking, lasting))
            }
            Verb::Intrude => {
                let user = self.owner()?;
                remotes(&|r| Fault::Intrude(r, user))
            }
            Verb::CrashWorker => {
                let effects = self.effects()?;
                workers(&|w| ServerFault::Crash(w, back, effects))
            }
            Verb::PauseWorker => workers(&|w| ServerFault::Pause(w, back)),
            Verb::WorkerClockJump => {
                let by = self.strength()?;
                workers(&|w| ServerFault::ClockJump(w, by))
            }
            Verb::VolumeOutage | Verb::HealVolume => volume(VolumeFault::Outage),
            Verb::SlowVolume | Verb::HealSlowVolume => {
                let times = self.times()?;
                volume(VolumeFault::Slow(times))
            }
            Verb::LoseVolumeReplies | Verb::HealVolumeReplies => volume(VolumeFault::LoseReplies),
            Verb::LateLists | Verb::HealLists => {
                let by = self.span()?;
                volume(VolumeFault::LateList(by))
            }
            Verb::CrashProcessor => {
                let effects = self.effects()?;
                processors(&|p| PipeFault::Crash(p, back, effects))
            }
            Verb::PauseProcessor => processors(&|p| PipeFault::Pause(p, back)),
            Verb::ProcessorClockJump => {
                let by = self.strength()?;
                processors(&|p| PipeFault::ClockJump(p, by))
            }
            Verb::SlowAi | Verb::HealSlowAi => {
                let times = self.times()?;
                once(Fault::Pipe(PipeFault::SlowStep(times, lasting)))
            }
            Verb::FailingAi | Verb::HealFailingAi => {
                once(Fault::Pipe(PipeFault::FailingStep(lasting)))
            }
            Verb::RestoreVolume => {
                let by = self.span()?;
                once(Fault::Server(ServerFault::Restore(by, back)))
            }
            Verb::IntrudeServer => once(Fault::Server(ServerFault::Intrude(to.user?))),
        }
    }

    /// Whose row is damaged: as it says, or that of the device which sees it so.
    fn owner_seen_by(&mut self, seen_by: Option<DeviceId>) -> Option<UserId> {
        match (self.table.key_span("user"), seen_by) {
            (None, Some(device)) => {
                self.scenario.devices[usize::from(device.0)].users.first().copied()
            }
            _ => self.owner(),
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

/// What stands where a healing verb has no strength.
const fn low_strength() -> i64 {
    1
}

/// Ends the faults that have begun and not ended before this line.
fn heal(
    reader: &mut Reader<'_>,
    scenario: &mut Scenario,
    item: Item<'_>,
    verb: Verb,
    ends: &[(Act, Lasts)],
) {
    let here = scenario.script.len();
    for (act, _) in ends {
        let open = scenario.script.iter_mut().rev().find_map(|line| {
            line.acts
                .iter_mut()
                .find(|(begun, lasts)| *lasts == Lasts::AsWritten && is_ended_by(begun, act))
        });
        match open {
            Some((_, lasts)) => *lasts = Lasts::Until(here),
            None => {
                let begins = verb.ends().map_or("", Verb::name);
                reader.tell(
                    Code::NothingToHeal,
                    item.span(),
                    format!("there is nothing that `{}` could end", verb.name()),
                    format!("no `{begins}` like this goes on here"),
                    format!("put a `{begins}` without `for` before it, with the same names"),
                );
            }
        }
    }
}

fn is_ended_by(begun: &Act, end: &Act) -> bool {
    let (Act::Fault(begun), Act::Fault(end)) = (begun, end) else { return false };
    let plain = |fault: &Fault| {
        let mut fault = fault.clone();
        if lasting(&mut fault).is_none_or(|lasting| *lasting != Lasting::Storm) {
            return None;
        }
        if let Fault::SlowLink(_, _, times, _) | Fault::DiskSlow(_, times, _) = &mut fault {
            *times = 1;
        }
        if let Fault::Throttle(_, span, _) | Fault::SlowCommits(span, _) = &mut fault {
            *span = Span::ZERO;
        }
        if let Fault::Server(ServerFault::Volume(volume, _)) = &mut fault {
            *volume = match *volume {
                VolumeFault::Slow(_) => VolumeFault::Slow(1),
                VolumeFault::LateList(_) => VolumeFault::LateList(Span::ZERO),
                VolumeFault::Outage | VolumeFault::LoseReplies => *volume,
            };
        }
        if let Fault::Pipe(PipeFault::SlowStep(times, _)) = &mut fault {
            *times = 1;
        }
        last_for(&mut fault, Span::ZERO);
        Some(fault)
    };
    let (Some(mut begun), Some(end)) = (plain(begun), plain(end)) else { return false };
    if let (Fault::CorruptRow(_, _, _, seen_by, _), Fault::CorruptRow(_, _, _, None, _)) =
        (&mut begun, &end)
    {
        *seen_by = None;
    }
    begun == end
}
