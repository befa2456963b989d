//! The volume is restored from an older backup. The operator stops all workers first, so that nothing
//! of before is under way any more, sets every object back, and starts the workers again.

use engine::log::Entry;
use engine::time::{Span, Time};

use super::server::space_of;
use super::{Event, Station, World};
use crate::desk::Arrival;
use crate::history::{Lost, Trouble};
use crate::message::Message;
use crate::plan::{Node, WorkerId};

impl World {
    /// Sets the volume back to what it was so long ago. The trouble ends when the workers are back.
    pub(super) fn restore_volume(&mut self, age: Span, back: Span, trouble: Trouble) {
        let workers: Vec<WorkerId> = self.workers.iter().map(|bench| bench.id).collect();
        for worker in &workers {
            if self.process(*worker).is_up() {
                self.stop_process(*worker);
            }
        }
        self.end_connections();
        self.volume.restore(self.now, Time(self.now.0.saturating_sub(age.0.max(1))));
        self.read_logs_again();
        if let Some(first) = workers.first() {
            self.process_mut(*first).troubles.push(trouble);
        }
        for worker in workers {
            self.plan_process_start(worker, Span(back.0.max(1)));
        }
    }

    /// Whatever is under way between workers and others ends with the workers' connections, also what
    /// has arrived and nobody has looked at.
    fn end_connections(&mut self) {
        let out = self.agenda.take_out(|event| match event {
            Event::AtVolume(..) | Event::FromVolume(..) => true,
            Event::Arrive(mail) => is_of_worker(mail),
            Event::Step(_)
            | Event::Start(..)
            | Event::Resume(..)
            | Event::EndFault(_)
            | Event::Durable(..)
            | Event::Persisted(..)
            | Event::QuietEnough(_)
            | Event::EndPhase(_)
            | Event::StartProcess(..)
            | Event::ResumeProcess(..)
            | Event::ForProcessor(..)
            | Event::Give(..)
            | Event::Wake(..) => false,
        });
        let mut lost = Vec::new();
        for event in out {
            if let Event::Arrive(mail) = event {
                lost.push(mail);
            }
        }
        for Station { desk, .. } in &mut self.stations {
            for arrival in std::mem::take(&mut desk.arrivals) {
                if let Arrival::Message(mail) = &arrival
                    && is_of_worker(mail)
                {
                    lost.push(mail.clone());
                } else {
                    desk.arrivals.push_back(arrival);
                }
            }
        }
        lost.iter().for_each(|mail| self.lose(mail, Lost::Dead));
    }

    /// Derives again what follows from the logs.
    fn read_logs_again(&mut self) {
        self.files.clear();
        self.names.clear();
        self.entries.clear();
        self.jobs.clear();
        self.pipeline.open.clear();
        let entries = self.volume.named("log/");
        let entries = entries
            .filter_map(|(key, bytes)| Some((space_of("log/", key)?, Entry::decode(bytes)?)));
        for (space, entry) in entries.collect::<Vec<_>>() {
            self.keep_book(space, &entry);
            self.note_files(space, &entry);
            self.names_in(space, &entry);
        }
    }
}

fn is_of_worker(mail: &Message) -> bool {
    matches!(mail.from, Node::Worker(_)) || matches!(mail.to, Node::Worker(_))
}
