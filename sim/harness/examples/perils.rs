//! A program whose work ends processes in every way that a machine under test may: it shows that a crew survives that,
//! and names the piece. Asked for numbers, a worker squares them, and some of them are its end.
//!
//! ```console
//! cargo run -p seawall-harness --example perils
//! ```

use std::collections::VecDeque;
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::process::{Command, ExitCode};
use std::time::Duration;

use harness::crew::{Crew, Event, limit, serve};
use harness::fresh::fresh;
use harness::stop::Stop;

/// Numbers to square, without those that are known to end a worker.
type Task = (Vec<u64>, Vec<u64>);

/// What each number does to the process, but for those that do nothing.
fn square(number: u64) -> u64 {
    match number {
        3 => deep(number),
        5 => std::process::abort(),
        7 => std::process::exit(0),
        11 => loop {
            std::hint::spin_loop();
        },
        13 => {
            let mut hoard: Vec<Vec<u8>> = Vec::new();
            loop {
                hoard.push(vec![1; 1 << 20]);
            }
        }
        // What a machine prints is no word of its worker.
        17 => {
            let mut out = io::stdout();
            let said = out.write_all(b"\x01{\"Done\":\"9\"}, said the machine");
            said.and_then(|()| out.flush()).map_or(0, |()| 17 * 17)
        }
        _ => number * number,
    }
}

/// Calls itself without end.
#[expect(unconditional_recursion, reason = "it is to overflow the stack")]
fn deep(number: u64) -> u64 {
    let room = std::hint::black_box([number; 64]);
    std::hint::black_box(deep(number + 1)) + room[0]
}

/// What a worker does.
pub(crate) fn work() -> io::Result<()> {
    limit::memory(1 << 30)?;
    serve(io::stdin().lock(), io::stdout(), |(numbers, known): Task, voice| {
        let mut squares = Vec::new();
        for number in numbers.into_iter().filter(|number| !known.contains(number)) {
            limit::processor_time(Duration::ZERO)?;
            voice.begins(&number.to_string())?;
            let square = fresh(move || square(number)).map_err(io::Error::other)?;
            squares.push(square.to_string());
        }
        Ok(squares.join(" "))
    })
}

/// Hands out the numbers below 20 in groups. A group in which a worker died is handed out again without the number.
pub(crate) fn hand_out() -> io::Result<Vec<String>> {
    let program = std::env::current_exe()?;
    let command = || {
        let mut command = Command::new(&program);
        command.arg("worker");
        command
    };
    let crew = Crew { jobs: 2, stop: Stop::default(), command };
    let groups = (0..4_u64).map(|group| ((group * 5..group * 5 + 5).collect(), Vec::new()));
    let mut told = Vec::new();
    crew.each(groups, None, |event: Event<'_, Task>, again: &mut VecDeque<Task>| {
        match event {
            Event::Done(task, squares) => told.push(format!("{}..: {squares}", task.0[0])),
            Event::Died(died) => {
                let number = died.piece.unwrap_or_default();
                told.push(format!("{number}: {}", died.how));
                let (numbers, mut known) = died.task;
                known.extend(number.parse::<u64>());
                again.push_back((numbers, known));
            }
            Event::Begins(..) | Event::Says(..) | Event::Idle => {}
        }
        ControlFlow::Continue(())
    })?;
    told.sort_by_key(|line| line.split([':', '.']).next().and_then(|it| it.parse::<u64>().ok()));
    Ok(told)
}

fn print(lines: &[String]) -> io::Result<()> {
    let mut out = io::stdout();
    lines.iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn main() -> ExitCode {
    let is_worker = std::env::args().nth(1).is_some_and(|it| it == "worker");
    let done = if is_worker { work() } else { hand_out().and_then(|told| print(&told)) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
