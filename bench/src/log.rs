//! The commit log by itself: one worker on the modelled volume, one device that sets fields of its
//! account, commit after commit.

use std::time::Duration;

use engine::flaw::Flaws;
use engine::id::{AccountField, Build, ReplicaId, Token, UserId};
use engine::log::Position;
use engine::message::{Action, Client, Command, DeviceKey, Fence, Reply, Request};
use engine::record::{Payload, Value};
use engine::remote::{CallId, Credential};
use engine::time::{Now, Span, Time};
use engine::volume;
use engine::worker::{Boot, Input, Output, Ticket, Timing, Worker};
use sim::time::ToSimulated;
use sim::volume::Volume;

use crate::gauge::cpu_now;

/// How many commits are measured, and how many at the start and at the end are compared.
pub(crate) const COMMITS: u32 = 100_000;
pub(crate) const PART: u32 = 10_000;

/// A part takes a thirtieth of a second: a neighbour can make one of them look twice as dear. The
/// median of all these logs does not notice.
const LOGS: usize = 7;

/// What they cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    pub(crate) all: Duration,
    /// The last part as a multiple of the first.
    pub(crate) growth: f64,
}

const NOW: Now = Now { mono: Time(0), wall: Time(0) };
const USER: UserId = UserId(0);

struct Server {
    worker: Worker,
    volume: Volume,
}

impl Server {
    /// Asks, and goes on until there is an answer.
    fn ask(&mut self, command: Command) -> Reply {
        let request = Request {
            id: CallId(0),
            attempt: 0,
            credential: Some(Credential { user: USER, until: Time(1) }),
            space: USER,
            device: DeviceKey(1),
            client: Client { replica: ReplicaId(1), life: 1 },
            build: Build::Current,
            heard: Position::START,
            command,
        };
        self.worker.handle(NOW, Input::Asked(Ticket(0), request.into()));
        let mut answer = None;
        while let Some(output) = self.worker.poll_output() {
            match output {
                Output::Ask(volume::Call { id, request }) => {
                    let reply = self.volume.handle(
                        NOW.mono.to_simulated(),
                        &request,
                        Span(0).to_simulated(),
                    );
                    self.worker.handle(NOW, Input::Volume(volume::Return { id, reply }));
                }
                Output::Answer(_, response) => answer = Some(response.reply),
                Output::Reached(_) => {}
            }
        }
        answer.expect("the volume answers everything")
    }

    fn patch(&mut self, fence: Fence, n: u32) {
        let field = AccountField::ALL[n as usize % AccountField::ALL.len()];
        let value = Value::Text("555-1234".to_owned());
        let payload = Payload { token: Token(u128::from(n).to_le_bytes()), value };
        let action = Action::Patch(vec![(field, payload)]);
        let reply = self.ask(Command::Act { fence, n, action });
        assert_eq!(reply, Reply::Patched, "commit {n}");
    }
}

/// What is usual among several logs.
pub(crate) fn measure() -> Costs {
    let mut logs: Vec<Costs> = (0..LOGS).map(|_| measure_one()).collect();
    logs.sort_by_key(|costs| costs.all);
    let all = logs[LOGS / 2].all;
    logs.sort_by(|a, b| a.growth.total_cmp(&b.growth));
    Costs { all, growth: logs[LOGS / 2].growth }
}

/// Commits, and measures.
fn measure_one() -> Costs {
    let timing = Timing {
        session: Span(1),
        timeout: Span(1),
        retry_base: Span(1),
        retry_cap: Span(1),
        queue: 1,
        snapshot_every: 64,
        upload: Span::from_secs(60),
        batch: 50,
    };
    let boot = Boot { entropy: [0; 32], timing, flaws: Flaws::NONE };
    let mut server = Server { worker: Worker::start(boot), volume: Volume::new(false) };
    let Reply::Opened(fence) = server.ask(Command::Open) else {
        unreachable!("nobody else has the session")
    };
    let started = cpu_now();
    let (mut first, mut before_last) = (started, started);
    for n in 1..=COMMITS {
        server.patch(fence, n);
        if n == PART {
            first = cpu_now();
        }
        if n == COMMITS - PART {
            before_last = cpu_now();
        }
    }
    let ended = cpu_now();
    let growth = (ended - before_last).as_secs_f64() / (first - started).as_secs_f64();
    Costs { all: ended - started, growth }
}
