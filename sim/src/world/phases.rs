//! The phases of a run: storm, settling, rest, last reads. What must be so for a run to have
//! settled is decided here, and what a plan made incurable.
//!
//! Reading the feed of files keeps no device busy: each device reads it again and again, and among many
//! there is always one that does. Whether all have read all is decided by when each last reached the head.

use std::fmt;

use engine::device::{StoreKey, Unfinished};
use engine::id::{DeviceId, RecordId, Remote, VaultId};
use engine::time::{Span, Time};

use super::looks::pipeline_bound;
use super::{Event, State, World, file};
use crate::history::Fact;
use crate::invariant::Incurable;
use crate::plan::{
    Act, Deed, Fault, Node, Plan, ProcessorId, ServerPlan, Step, WorkerId, WorkerPlan,
};

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Everything may happen.
    Storm,
    /// Faults have ended; everything comes to rest.
    Settling,
    /// Nothing is to do, and so nothing must be done.
    Resting,
    /// Users look at everything for the last time.
    Reading,
    /// The history is complete.
    Over,
}

/// What keeps a run from being settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Away(DeviceId),
    Unheard(DeviceId),
    Owes(DeviceId, usize),
    AtServer(DeviceId),
    FilesUnsent(DeviceId, usize),
    FilesUnread(DeviceId),
    FilesSealed(DeviceId, usize),
    Down(WorkerId),
    ProcessorAway(ProcessorId),
    ProcessorOwes(ProcessorId, usize),
    Unworked(usize),
    GateClosed(DeviceId),
    Partial(DeviceId),
    Unfinished(DeviceId, Remote, RecordId, Unfinished),
    Unpersisted(DeviceId),
    Behind(DeviceId, Remote),
    Unlisted(DeviceId, Remote),
    /// The run made no end.
    Endless,
}

impl World {
    pub(super) fn is_storm(&self) -> bool {
        self.phase == Phase::Storm
    }

    /// Files the end of the storm.
    pub(super) fn file_phases(&mut self) {
        self.file_end(Phase::Storm, self.plan.storm);
    }

    pub(super) fn file_end(&mut self, phase: Phase, after: Span) {
        let order = self.draw("phase");
        self.file(self.now + Span(after.0.max(1)), order, Event::EndPhase(phase));
    }

    /// The longest that a phase may take has passed.
    pub(super) fn end_phase(&mut self, phase: Phase) {
        if phase != self.phase {
            return;
        }
        match phase {
            Phase::Storm => self.heal(),
            Phase::Settling => {
                let pending = self.all_pending();
                self.settle(pending);
            }
            Phase::Resting => self.look_for_the_last_time(),
            Phase::Reading | Phase::Over => self.finish(),
        }
    }

    /// Ends a phase early whose aim is reached, at the end of a turn.
    pub(super) fn advance_phase(&mut self) {
        match self.phase {
            Phase::Storm => {
                if self.awaits_quiet() && self.has_settled() {
                    self.quiet_has_come();
                }
            }
            Phase::Settling => {
                if self.has_settled() {
                    self.settle(Vec::new());
                }
            }
            Phase::Reading => {
                let busy = |index: usize| {
                    let desk = &self.stations[index].desk;
                    let owes = desk.standing.as_ref().is_some_and(|standing| standing.owed > 0);
                    self.devices[index].is_up() && (owes || !desk.arrivals.is_empty())
                };
                if !(0..self.devices.len()).any(busy) && !self.some_processor_is_asked() {
                    self.finish();
                }
            }
            Phase::Resting | Phase::Over => {}
        }
    }

    /// The storm is over.
    fn heal(&mut self) {
        self.close_script();
        self.phase = Phase::Settling;
        self.network.heal();
        self.end_faults();
        self.fuses.clear();
        self.note(Node::World, Fact::Healed);
        self.bring_back();
        self.bring_workers_back();
        self.bring_processors_back();
        self.watch();
        self.file_end(Phase::Settling, patience(&self.plan));
    }

    /// From now on devices say how they stand whenever they have worked.
    pub(super) fn watch(&mut self) {
        for index in 0..self.devices.len() {
            self.stations[index].desk.watched = true;
            if self.devices[index].is_up() {
                self.call(index, |_| {});
            }
        }
    }

    fn settle(&mut self, pending: Vec<String>) {
        self.note(Node::World, Fact::Settled { pending });
        self.phase = Phase::Resting;
        let rest = Span(self.plan.timing.pull_every.0.saturating_mul(2));
        self.file_end(Phase::Resting, rest);
    }

    /// A run that makes no end is ended.
    pub(super) fn give_up(&mut self) {
        if !self.recorder.entries.iter().any(|entry| matches!(entry.fact, Fact::Settled { .. })) {
            let mut pending = vec![self.named(Pending::Endless)];
            pending.extend(self.all_pending());
            self.note(Node::World, Fact::Settled { pending });
        }
        self.finish();
    }

    /// Notes what the remotes hold, and stops.
    fn finish(&mut self) {
        for place in 0..self.doubles.len() {
            let remote = self.plan.remotes[place].kind;
            let stored = self.doubles[place].lock().expect("no double has panicked").stored();
            for row in stored {
                let (vault, id) = (row.row.vault, row.row.id);
                let opened = self.keychain.open(vault, id, &row.row.blob);
                let values = opened.iter().flat_map(|record| record.record().cells());
                let values =
                    values.map(|(field, cell)| (field, cell.payload.value.clone())).collect();
                let contents = opened.as_ref().map(|record| self.recorder.contents(record));
                self.note(Node::Remote(remote), Fact::Found { vault, id, contents, values });
            }
        }
        self.phase = Phase::Over;
    }

    fn all_pending(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.unsettled(&mut |pending| {
            lines.push(self.named(pending));
            false
        });
        lines
    }

    fn named(&self, pending: Pending) -> String {
        Named { pending, plan: &self.plan }.to_string()
    }

    /// Is nothing pending? Whatever device it was a turn ago is looked at first: mostly it still is.
    fn has_settled(&mut self) -> bool {
        if self.holdup.is_some_and(|index| self.holds_up(index)) {
            return false;
        }
        self.holdup = (0..self.devices.len()).find(|&index| self.holds_up(index));
        self.holdup.is_none() && self.unsettled(&mut |_| true)
    }

    fn holds_up(&self, index: usize) -> bool {
        !self.is_left_out(index)
            && (self.pending_inside(index, &mut |_| true)
                || self.pending_outside(index, &mut |_| true))
    }

    /// Hands over what keeps the run from being settled until `enough`; true if nothing does.
    fn unsettled(&self, enough: &mut dyn FnMut(Pending) -> bool) -> bool {
        let mut settled = true;
        let mut report = |pending| {
            settled = false;
            enough(pending)
        };
        for bench in self.workers.iter().filter(|_| !self.is_storm()) {
            if !self.process(bench.id).is_up() && report(Pending::Down(bench.id)) {
                return settled;
            }
        }
        if self.pending_at_work(&mut report) {
            return settled;
        }
        let looked_at = (0..self.devices.len()).filter(|index| !self.is_left_out(*index));
        // What costs little to look at first.
        for index in looked_at.clone() {
            if self.pending_inside(index, &mut report) {
                return settled;
            }
        }
        for index in looked_at {
            if self.pending_outside(index, &mut report) {
                return settled;
            }
        }
        settled
    }

    /// What is left to be done on conversations. True if enough was reported.
    fn pending_at_work(&self, report: &mut dyn FnMut(Pending) -> bool) -> bool {
        for seat in &self.pipeline.seats {
            if !self.process(seat.id).is_up()
                && !self.is_storm()
                && report(Pending::ProcessorAway(seat.id))
            {
                return true;
            }
            if seat.owed() > 0 && report(Pending::ProcessorOwes(seat.id, seat.owed())) {
                return true;
            }
        }
        let open = self.pipeline.open();
        open > 0 && !self.pipeline.seats.is_empty() && report(Pending::Unworked(open))
    }

    /// Does settling not wait for this device?
    fn is_left_out(&self, index: usize) -> bool {
        let site = &self.devices[index];
        match site.state {
            State::New | State::Gone => true,
            State::Off => self.is_storm(),
            State::Running => self.isolated(site.id),
        }
    }

    /// What a device knows of itself. True if enough was reported.
    fn pending_inside(&self, index: usize, report: &mut dyn FnMut(Pending) -> bool) -> bool {
        let site = &self.devices[index];
        let device = site.id;
        if !site.is_up() {
            return report(Pending::Away(device));
        }
        let desk = &self.stations[index].desk;
        let Some(standing) = &desk.standing else { return report(Pending::Unheard(device)) };
        if standing.owed > 0 && report(Pending::Owes(device, standing.owed)) {
            return true;
        }
        let with_server = !standing.done_with_server && standing.signed_in;
        if with_server && report(Pending::AtServer(device)) {
            return true;
        }
        if site.disk.is_busy() && report(Pending::Unpersisted(device)) {
            return true;
        }
        if !standing.signed_in {
            return false;
        }
        let status = &standing.status;
        if !status.open && report(Pending::GateClosed(device)) {
            return true;
        }
        if status.partial && report(Pending::Partial(device)) {
            return true;
        }
        // What a device has no key for stays sealed; what it has to send does not wait for that.
        // Without any key at all there is nothing that it can send.
        let keyless = self.weather.holds_keys(device);
        let mute = keyless && !site.disk.image().keys().any(|key| matches!(key, StoreKey::Key(_)));
        let unsent = standing.files_unsent;
        if unsent > 0 && !mute && report(Pending::FilesUnsent(device, unsent)) {
            return true;
        }
        let sealed = standing.files_sealed;
        if sealed > 0 && !keyless && report(Pending::FilesSealed(device, sealed)) {
            return true;
        }
        if !self.has_read_files(site) && report(Pending::FilesUnread(device)) {
            return true;
        }
        let vault = VaultId::from(site.user);
        for remote in self.plan.remotes.iter().map(|remote| remote.kind) {
            for &(id, why) in &standing.unfinished[remote.index()] {
                let pending = Pending::Unfinished(device, remote, id, why);
                let spared = mute
                    || keyless && why == Unfinished::Sealed
                    || self.is_incurable((remote, vault, id));
                if !spared && report(pending) {
                    return true;
                }
            }
        }
        false
    }

    /// How a device stands to the remotes. True if enough was reported.
    fn pending_outside(&self, index: usize, report: &mut dyn FnMut(Pending) -> bool) -> bool {
        let site = &self.devices[index];
        let desk = &self.stations[index].desk;
        let Some(standing) = desk.standing.as_ref().filter(|standing| standing.signed_in) else {
            return false;
        };
        let (device, vault) = (site.id, VaultId::from(site.user));
        let healed_at = Time(self.plan.storm.0);
        for (place, remote) in self.plan.remotes.iter().map(|remote| remote.kind).enumerate() {
            let double = self.doubles[place].lock().expect("no double has panicked");
            let at_head = match standing.cursors[remote.index()] {
                Some(cursor) => double.is_at_head(vault, cursor),
                None => !double.stored().iter().any(|row| row.row.vault == vault),
            };
            if !at_head && report(Pending::Behind(device, remote)) {
                return true;
            }
            let listed = standing.listed_at[remote.index()].is_some_and(|at| at >= healed_at);
            let must_list = !self.is_storm() && self.scars.unlisted.contains(&(remote, vault));
            if must_list && !listed && report(Pending::Unlisted(device, remote)) {
                return true;
            }
        }
        false
    }

    /// What the plan made incurable, as the run ended.
    pub(super) fn incurable(&self) -> Vec<Incurable> {
        let mut incurable = Vec::new();
        for (index, site) in self.devices.iter().enumerate() {
            let standing = self.stations[index].desk.standing.clone();
            let signed_in = standing.is_some_and(|standing| standing.signed_in);
            if !site.is_up() || !signed_in || self.isolated(site.id) {
                incurable.push(Incurable::Device(site.id));
            }
            if self.weather.holds_keys(site.id) {
                incurable.push(Incurable::Keyless(site.id));
            }
        }
        let rows = self.incurable_rows().into_iter();
        incurable.extend(rows.map(|(remote, vault, id)| Incurable::Row(remote, vault, id)));
        incurable.sort_unstable();
        incurable
    }
}

/// By when after the storm everything must have settled.
fn patience(plan: &Plan) -> Span {
    let bound = settle_bound(plan);
    plan.settle_within.map_or(bound, |within| within.min(bound))
}

/// By when after the storm everything can be expected to have settled, whatever went wrong: the
/// longest of every wait that a device may be in, one after the other.
pub fn settle_bound(plan: &Plan) -> Span {
    let (timing, network) = (&plan.timing, &plan.network);
    let commit = plan.remotes.iter().map(|remote| remote.commit.high.0).max().unwrap_or(0);
    let disk = plan.disk.commit.high.0 + plan.disk.answer.high.0;
    let exchange = 2 * (network.p99.0 + network.grain.0) + commit + 2 * disk;
    let page = plan.remotes.iter().map(|r| r.page).min().unwrap_or(1).min(timing.page).max(1);
    let batch = plan.remotes.iter().map(|r| r.batch).min().unwrap_or(1).min(timing.batch).max(1);
    let deeds = plan.steps.iter().filter(|step| matches!(step.act, Act::User(..))).count();
    let rows = (plan.given.len() + deeds) as u64;
    // Short pages happen, and saves that meet newer rows are tried again.
    let pages = 4 + 2 * rows / u64::from(page);
    let batches = 4 + 4 * rows / u64::from(batch);
    let talk = (pages + batches) * exchange;
    let rotations =
        plan.steps.iter().filter(|step| matches!(step.act, Act::User(_, Deed::RotateKey))).count()
            as u64;
    let imposed = |step: &Step| {
        let Act::Fault(Fault::Throttle(_, wait, _) | Fault::SlowCommits(wait, _)) = step.act else {
            return 0;
        };
        wait.0
    };
    let throttle = plan.steps.iter().map(imposed).max().unwrap_or(0);
    let retries = 3 * (timing.retry_cap.0 + timing.timeout.0);
    let keys = (2 + rotations) * (plan.keychain.high.0 + timing.pull_every.0);
    let sign_in = 3 * (plan.sign_in.delay.high.0 + timing.retry_cap.0);
    let asks = deeds as u64 + file::asks(plan);
    let server = plan.server.as_ref().map_or(0, |server| server_bound(server, asks, exchange));
    let waits = timing.login_patience.0 + 3 * timing.pull_every.0 + timing.relist_every.0;
    let waits = waits + 2 * timing.feed_every.0;
    let pipeline = pipeline_bound(plan, exchange);
    Span(talk + throttle + retries + keys + sign_in + waits + server + pipeline)
}

/// The longest time that all errands may take: a session that somebody else holds has to expire, by
/// clocks that differ, and every commit may be raced for by every worker.
fn server_bound(server: &ServerPlan, errands: u64, exchange: u64) -> u64 {
    let offset = |worker: &WorkerPlan| worker.clock_offset_ms.unsigned_abs();
    let clocks = 2 * server.workers.iter().map(offset).max().unwrap_or(0);
    server.timing.session.0 + clocks + (errands + 4) * (2 * exchange + answer_bound(server))
}

/// The longest time that a worker may take for an answer.
pub(super) fn answer_bound(server: &ServerPlan) -> u64 {
    let volume =
        2 * server.volume.delay.high.0 + server.timing.timeout.0 + server.timing.retry_cap.0;
    (server.workers.len() as u64 + 2) * volume
}

/// A pending thing with the names that people use.
struct Named<'a> {
    pending: Pending,
    plan: &'a Plan,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |device: DeviceId| self.plan.name(Node::Device(device));
        let of = |remote: Remote| self.plan.name(Node::Remote(remote));
        match self.pending {
            Pending::Away(d) => write!(f, "{} has not come back", name(d)),
            Pending::Unheard(d) => write!(f, "{} has not said how it stands", name(d)),
            Pending::Owes(d, n) => write!(f, "{} owes its user {n} answers", name(d)),
            Pending::AtServer(d) => write!(f, "{} is not done with the sync server", name(d)),
            Pending::FilesUnsent(d, n) => write!(f, "{} has {n} contents to upload", name(d)),
            Pending::FilesSealed(d, n) => write!(f, "{} cannot open {n} files", name(d)),
            Pending::FilesUnread(d) => write!(f, "{} is behind the feed of files", name(d)),
            Pending::Down(w) => {
                write!(f, "{} is down", self.plan.name(Node::Worker(w)))
            }
            Pending::ProcessorAway(p) => {
                write!(f, "{} has not come back", self.plan.name(Node::Processor(p)))
            }
            Pending::ProcessorOwes(p, n) => {
                write!(f, "{} owes {n} answers", self.plan.name(Node::Processor(p)))
            }
            Pending::Unworked(n) => write!(f, "work is left to be done on {n} conversations"),
            Pending::GateClosed(d) => write!(f, "{}: the login gate is closed", name(d)),
            Pending::Partial(d) => {
                write!(f, "{}: one remote is not merged since the login", name(d))
            }
            Pending::Unfinished(d, r, id, Unfinished::Unsent) => {
                write!(f, "{} has not sent {id} to {}", name(d), of(r))
            }
            Pending::Unfinished(d, r, id, Unfinished::Sealed) => {
                write!(f, "{} cannot open {id} of {}", name(d), of(r))
            }
            Pending::Unfinished(d, r, id, Unfinished::Parked) => {
                write!(f, "{} has parked {id} for {}", name(d), of(r))
            }
            Pending::Unpersisted(d) => write!(f, "{} waits for its disk", name(d)),
            Pending::Behind(d, r) => write!(f, "{} is behind the head of {}", name(d), of(r)),
            Pending::Unlisted(d, r) => {
                write!(f, "{} has not listed {} since the faults ended", name(d), of(r))
            }
            Pending::Endless => f.write_str("the run makes no end: too many events"),
        }
    }
}
