//! A line with each verb, as errors show it.

use super::{Verb, Who};

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
        for key in self.needs().iter().chain(self.takes()) {
            let value = match *key {
                "row" => "\"meal/42\"",
                "conversation" => "7",
                "version" => "1",
                "messages" => "\"1..5\"",
                "began" | "day" => "\"2024-04-03\"",
                "spelling" | "edit" => "1",
                "part" => "\"result\"",
                "set" if self == Self::UpdateAccount => "{ email = \"anna@example.org\" }",
                "set" => "{ kcal = 350 }",
                "path" if self == Self::MakeFolder => "\"plans\"",
                "path" => "\"plans/may.txt\"",
                "files" => "[\"may.txt\", \"inbox/*\"]",
                "to" if self == Self::MoveFiles => "\"plans\"",
                "name" => "\"june.txt\"",
                "text" => "\"milk\"",
                "size" => "\"4KB\"",
                "kind" => "\"meal\"",
                "field" => "\"portions\"",
                "strategy" => "\"longest\"",
                "how" => "\"purged\"",
                "user" => "\"anna\"",
                "from" | "seen-by" => "\"phone\"",
                "to" if self == Self::Clone => "\"tablet\"",
                "to" => "\"cloudkit\"",
                "by" if self == Self::Increment => "1",
                "by" if matches!(self, Self::LateLists | Self::RestoreVolume) => "\"5s\"",
                "by" => "\"-90s\"",
                "times" => "10",
                "effects" => "3",
                _ => "\"5s\"",
            };
            line.push_str(&format!(", {key} = {value}"));
        }
        line.push_str(" }");
        line
    }
}
