//! What a command says while many runs are on their way.

use engine::flaw::Flaws;
use harness::pool::Pool;

use super::console::Console;
use crate::capsule::BUILD;
use crate::report::{Told, story};
use crate::sweep::News;
use crate::trial::Chosen;

pub(super) fn banner(console: &Console, chosen: &[Chosen], flaws: Flaws, pool: &Pool) {
    let with: String = flaws.iter().map(|flaw| format!(" · with {}", flaw.id())).collect();
    console.say(&format!(
        "seawall {} · build {BUILD} · {} · {}{with}",
        env!("CARGO_PKG_VERSION"),
        story::count(chosen.len(), "scenario"),
        story::count(pool.jobs, "job"),
    ));
    if std::env::var_os("CARGO").is_some() {
        console.say("(below, `seawall` stands for `cargo run --release --`)");
    }
}

pub(super) fn hear(console: &mut Console, news: &News<'_>) {
    match news {
        News::Measuring(flaw) => {
            console.start_progress("seeds");
            console.say(&format!("{}: {}", flaw.id(), flaw.wrong()));
        }
        News::Expect(goal) => console.expect(*goal),
        News::Done { failed } => console.done(*failed),
        News::Slow(label, running) => {
            console.say(&format!("slow: {label} has been running for {} s", running.as_secs()));
        }
        News::Idle => console.tick(),
        News::Bug(failure) => {
            console.tell(&Told::Failure(failure));
            if console.is_human() {
                console.print("\n");
            }
        }
        News::Unkept(error) => {
            console.complain_on(&format!("a capsule could not be written: {error}"));
        }
        News::Note(note) => console.say(note),
        News::Nondeterministic(found) => console.tell(&Told::Nondeterministic(found)),
        News::Shrinking(signature) => {
            console.start_progress("plans tried");
            console.say(&format!("shrinking {signature}"));
        }
    }
}
