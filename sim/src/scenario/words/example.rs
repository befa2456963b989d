//! A line with each verb, as errors show it.

use super::{Verb, Who};
use crate::fault::{Argument, ArgumentKind};

impl Verb {
    /// A line with this verb.
    pub fn example(self) -> String {
        let who = match self.who() {
            Who::Device => "device = \"phone\", ",
            Who::Remote => "remote = \"cloudkit\", ",
            Who::Worker => "worker = \"worker-1\", ",
            Who::Processor => "processor = \"reader\", ",
            Who::User => "user = \"anna\", ",
            Who::Nobody => "",
        };
        let mut line = format!("{{ at = \"2s\", {who}do = \"{}\"", self.name());
        for key in self.needs().into_iter().chain(self.takes()) {
            let arguments = self.fault().map_or(&[][..], |kind| kind.declaration().rest());
            let argument = arguments.iter().find(|argument| argument.key == key);
            let value = argument.map_or_else(|| self.example_of(key), example_of_argument);
            line.push_str(&format!(", {key} = {value}"));
        }
        line.push_str(" }");
        line
    }

    /// What can stand under a key of an operation.
    fn example_of(self, key: &str) -> &'static str {
        match key {
            "row" => "\"meal/42\"",
            "conversation" => "7",
            "version" | "by" => "1",
            "messages" => "\"1..5\"",
            "began" | "day" => "\"2024-04-03\"",
            "spelling" | "edit" => "1",
            "part" => "\"result\"",
            "set" if self == Self::UpdateAccount => "{ email = \"anna@example.org\" }",
            "set" => "{ kcal = 350 }",
            "path" if self == Self::MakeFolder => "\"plans\"",
            "path" => "\"plans/may.txt\"",
            "files" => "[\"may.txt\", \"inbox/*\"]",
            "to" => "\"plans\"",
            "name" => "\"june.txt\"",
            "text" => "\"milk\"",
            "size" => "\"4KB\"",
            "kind" => "\"meal\"",
            "field" => "\"portions\"",
            "strategy" => "\"longest\"",
            _ => "\"5s\"",
        }
    }
}

/// What can stand for an argument of a fault.
fn example_of_argument(argument: &Argument) -> &'static str {
    match argument.kind {
        ArgumentKind::Host if argument.key == "from" => "\"phone\"",
        ArgumentKind::Device | ArgumentKind::SeenBy => "\"phone\"",
        ArgumentKind::Remote | ArgumentKind::Host => "\"cloudkit\"",
        ArgumentKind::Worker => "\"worker-1\"",
        ArgumentKind::Processor => "\"reader\"",
        ArgumentKind::User => "\"anna\"",
        ArgumentKind::Row => "\"meal/42\"",
        ArgumentKind::Spare => "\"tablet\"",
        ArgumentKind::Ending => "\"purged\"",
        ArgumentKind::Times => "10",
        ArgumentKind::Wait | ArgumentKind::Age => "\"5s\"",
        ArgumentKind::Shift => "\"-90s\"",
        ArgumentKind::Effects => "3",
    }
}
