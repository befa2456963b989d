//! Work in processes of its own, for what may end a process: a stack overflow, an abort, a call to exit, memory
//! without end. The process that hands out the work survives, and knows in which piece of it a worker died.
//!
//! A worker reads tasks from its standard input, one in a line, and says on its standard output what it begins, what
//! is worth telling, and what came of the task. It marks its lines: a machine under test may print too. Nothing
//! that a worker has not said is lost but its present task, which can be handed out again.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::fresh::spawn;
use crate::pool::Ended;
use crate::stop::{Stop, Urgency};

/// How long to wait for a word before looking at signals.
const BEAT: Duration = Duration::from_millis(100);

/// The line of a worker begins with this, on a line of its own.
const MARK: char = '\u{1}';

/// Bytes of the end of what a worker complained that are kept.
const TAIL: usize = 4_096;

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// It begins a piece of its task.
    Begins(String),
    /// Something worth telling of its task.
    Says(String),
    /// What came of its task.
    Done(String),
}

/// What the process that hands out the work hears.
#[derive(Debug)]
pub enum Event<'a, T> {
    /// A worker begins a piece of a task.
    Begins(&'a T, &'a str),
    /// A worker says something of a task.
    Says(&'a T, &'a str),
    /// A task is done, with this result.
    Done(T, &'a str),
    /// A worker died.
    Died(Died<T>),
    /// Nothing happened for a moment.
    Idle,
}

/// A worker that died.
#[derive(Debug)]
pub struct Died<T> {
    /// The task that it had.
    pub task: T,
    /// The piece that it had begun last.
    pub piece: Option<String>,
    /// How it died, in words that are the same each time.
    pub how: String,
    /// The end of what it complained.
    pub complaint: String,
}

/// Processes that work at the same time, each at one task.
#[derive(Debug)]
pub struct Crew<C> {
    /// How many.
    pub jobs: usize,
    /// What can stop them.
    pub stop: Stop,
    /// The command of a worker.
    pub command: C,
}

/// A worker, as it is seen from outside. It is killed when nobody waits for it any more.
struct Worker<T> {
    child: Child,
    input: ChildStdin,
    task: Option<T>,
    piece: Option<String>,
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What comes from the pipes of the workers, each with its number.
enum Heard {
    Word(Word),
    /// Its output has ended, and this is the end of what it complained.
    Gone(String),
}

impl<C: Fn() -> Command> Crew<C> {
    /// Hands out tasks until there are no more, the listener breaks off, the time is over or the user stops it. What
    /// the listener adds to the queue comes before the other tasks.
    pub fn each<T: Clone + Serialize>(
        &self,
        tasks: impl IntoIterator<Item = T>,
        until: Option<Instant>,
        mut hear: impl FnMut(Event<'_, T>, &mut VecDeque<T>) -> ControlFlow<()>,
    ) -> io::Result<Ended> {
        let mut tasks = tasks.into_iter().fuse();
        let mut first = VecDeque::new();
        let mut workers: BTreeMap<u64, Worker<T>> = BTreeMap::new();
        let (sender, receiver) = mpsc::channel();
        let mut number = 0;
        loop {
            if self.stop.urgency() > Urgency::None {
                return Ok(Ended::Stopped);
            }
            if until.is_some_and(|until| Instant::now() >= until) {
                return Ok(Ended::Late);
            }
            while workers.values().filter(|it| it.task.is_some()).count() < self.jobs {
                let Some(task) = first.pop_front().or_else(|| tasks.next()) else { break };
                if !workers.values().any(|it| it.task.is_none()) {
                    number += 1;
                    workers.insert(number, self.start(number, &sender)?);
                }
                let free = workers.values_mut().find(|it| it.task.is_none());
                free.expect("one was started").begin(task)?;
            }
            if workers.values().all(|it| it.task.is_none()) {
                return Ok(Ended::Exhausted);
            }
            let flow = match receiver.recv_timeout(BEAT) {
                Err(_) => hear(Event::Idle, &mut first),
                Ok((number, Heard::Word(word))) => match workers.get_mut(&number) {
                    Some(worker) => worker.says(&word, |event| hear(event, &mut first)),
                    None => ControlFlow::Continue(()),
                },
                Ok((number, Heard::Gone(complaint))) => match workers.remove(&number) {
                    Some(worker) => worker.dies(complaint, |event| hear(event, &mut first))?,
                    None => ControlFlow::Continue(()),
                },
            };
            if flow.is_break() {
                return Ok(Ended::Enough);
            }
        }
    }

    /// Starts a worker, and threads that listen to its pipes.
    fn start<T>(&self, number: u64, sender: &mpsc::Sender<(u64, Heard)>) -> io::Result<Worker<T>> {
        let mut command = (self.command)();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for the process that hands out the work: it ends the others.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn()?;
        let lacks = || io::Error::other("a worker has no pipes");
        let input = child.stdin.take().ok_or_else(lacks)?;
        let output = child.stdout.take().ok_or_else(lacks)?;
        let errors = child.stderr.take().ok_or_else(lacks)?;
        let (told, complaint) = mpsc::channel();
        spawn(format!("complaints of worker {number}"), move || {
            // Nobody may listen any more.
            let _ = told.send(tail(errors));
        });
        let sender = sender.clone();
        spawn(format!("words of worker {number}"), move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line);
                let word = line.strip_prefix(MARK).and_then(|it| serde_json::from_str(it).ok());
                if word.is_some_and(|word| sender.send((number, Heard::Word(word))).is_err()) {
                    return;
                }
            }
            let complaint = complaint.recv().unwrap_or_default();
            let _ = sender.send((number, Heard::Gone(complaint)));
        });
        Ok(Worker { child, input, task: None, piece: None })
    }
}

impl<T: Clone + Serialize> Worker<T> {
    /// Hands it a task. If it is dead already, that is heard of in another way.
    fn begin(&mut self, task: T) -> io::Result<()> {
        let line = serde_json::to_string(&task).map_err(io::Error::other)?;
        self.task = Some(task);
        self.piece = None;
        let written = writeln!(self.input, "{line}").and_then(|()| self.input.flush());
        written.or_else(|error| {
            let is_dead = error.kind() == io::ErrorKind::BrokenPipe;
            if is_dead { Ok(()) } else { Err(error) }
        })
    }

    fn says(
        &mut self,
        word: &Word,
        hear: impl FnOnce(Event<'_, T>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let Some(task) = &self.task else { return ControlFlow::Continue(()) };
        match word {
            Word::Begins(piece) => {
                self.piece = Some(piece.clone());
                hear(Event::Begins(task, piece))
            }
            Word::Says(text) => hear(Event::Says(task, text)),
            Word::Done(result) => {
                let task = task.clone();
                self.task = None;
                hear(Event::Done(task, result))
            }
        }
    }

    /// One that dies without a task costs nothing.
    fn dies(
        mut self,
        complaint: String,
        hear: impl FnOnce(Event<'_, T>) -> ControlFlow<()>,
    ) -> io::Result<ControlFlow<()>> {
        let how = how(self.child.wait()?, &complaint);
        let Some(task) = self.task.take() else { return Ok(ControlFlow::Continue(())) };
        Ok(hear(Event::Died(Died { task, piece: self.piece.take(), how, complaint })))
    }
}

/// The end of what comes out of a pipe.
fn tail(mut pipe: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; TAIL]);
    while let Ok(read @ 1..) = pipe.read(&mut buffer) {
        kept.extend_from_slice(&buffer[..read]);
        kept.drain(..kept.len().saturating_sub(TAIL));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// How a process died. Nothing of that differs between two processes that die in the same way: no address, no number
/// of a process or a thread.
fn how(status: ExitStatus, complaint: &str) -> String {
    #[cfg(unix)]
    let signal = std::os::unix::process::ExitStatusExt::signal(&status);
    #[cfg(not(unix))]
    let signal: Option<i32> = None;
    match (signal, status.code()) {
        _ if complaint.contains("has overflowed its stack") => "its stack overflowed".to_owned(),
        _ if complaint.contains("memory allocation of") => "it had no memory left".to_owned(),
        (Some(6), _) => "it was aborted".to_owned(),
        (Some(24), _) => "its processor time was over".to_owned(),
        (Some(signal), _) => format!("it was ended by signal {signal}"),
        (None, Some(code)) => format!("it exited with code {code}"),
        (None, None) => "it ended".to_owned(),
    }
}

/// What a worker speaks with. Its output is not locked between two words: what it works on may print too.
#[derive(Debug)]
pub struct Voice<W>(W);

impl<W: Write> Voice<W> {
    /// Speaks through the output of a worker.
    pub const fn through(output: W) -> Self {
        Self(output)
    }

    /// Begins a piece of the task: if the worker dies, it died in this one.
    pub fn begins(&mut self, piece: &str) -> io::Result<()> {
        self.word(&Word::Begins(piece.to_owned()))
    }

    /// Says something of the task.
    pub fn says(&mut self, text: &str) -> io::Result<()> {
        self.word(&Word::Says(text.to_owned()))
    }

    fn word(&mut self, word: &Word) -> io::Result<()> {
        let line = serde_json::to_string(word).map_err(io::Error::other)?;
        self.0.write_all(format!("\n{MARK}{line}\n").as_bytes())?;
        self.0.flush()
    }
}

/// Works on tasks as they come, until there are no more. What `work` returns is the result of a task.
pub fn serve<T: DeserializeOwned, W: Write>(
    tasks: impl BufRead,
    output: W,
    mut work: impl FnMut(T, &mut Voice<W>) -> io::Result<String>,
) -> io::Result<()> {
    let mut voice = Voice(output);
    for line in tasks.lines() {
        let task = serde_json::from_str(&line?).map_err(io::Error::other)?;
        let result = work(task, &mut voice)?;
        voice.word(&Word::Done(result))?;
    }
    Ok(())
}

/// What this process may use from now on.
#[cfg(unix)]
pub mod limit {
    use std::io;
    use std::time::Duration;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use rustix::time::{ClockId, clock_gettime};

    /// No more memory than this, in bytes, and no file with what was in it.
    pub fn memory(bytes: u64) -> io::Result<()> {
        lower(Resource::As, bytes)?;
        lower(Resource::Core, 0)
    }

    /// No more processor time than this from now on: the system ends the process then.
    pub fn processor_time(more: Duration) -> io::Result<()> {
        let used = clock_gettime(ClockId::ProcessCPUTime).tv_sec;
        let used = u64::try_from(used).unwrap_or(0);
        lower(Resource::Cpu, used.saturating_add(more.as_secs() + 1))
    }

    /// Lowers the limit that counts, and never what it may be raised to again.
    fn lower(resource: Resource, to: u64) -> io::Result<()> {
        let Rlimit { maximum, .. } = getrlimit(resource);
        let current = Some(maximum.map_or(to, |maximum| maximum.min(to)));
        setrlimit(resource, Rlimit { current, maximum }).map_err(io::Error::from)
    }
}
