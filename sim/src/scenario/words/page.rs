//! The vocabulary as people read it: every word with what it means and a line that uses it.

use super::{INGREDIENTS, Parameter, Verb, Who, events};

/// One entry of the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The group that it belongs to.
    pub group: &'static str,
    /// The word.
    pub word: String,
    /// What it means, in a sentence.
    pub meaning: String,
    /// How it is written.
    pub example: String,
}

/// The whole vocabulary, in groups: verbs, faults, parameters, ingredients, events.
pub fn words() -> Vec<Word> {
    let verbs = Verb::ALL.iter().map(|verb| Word {
        group: if *verb >= Verb::Cut { "faults" } else { "verbs" },
        word: verb.name().to_owned(),
        meaning: verb.meaning().to_owned(),
        example: verb.example(),
    });
    let parameters = Parameter::ALL.iter().map(|parameter| {
        let (heading, key) = parameter.place();
        Word {
            group: "parameters",
            word: format!("[{heading}] {key}"),
            meaning: parameter.meaning().to_owned(),
            example: format!("usually {}", parameter.default()),
        }
    });
    let ingredients = INGREDIENTS.iter().map(|(name, _)| Word {
        group: "mix",
        word: (*name).to_owned(),
        meaning: "A weight of the mix.".to_owned(),
        example: format!("weights = {{ {name} = 10 }}"),
    });
    let files = Verb::of_files().map(|verb| Word {
        group: "mix",
        word: format!("files: {}", verb.name()),
        meaning: "A weight of what the mix does with files.".to_owned(),
        example: format!("files = {{ every = \"5s\", weights = {{ {} = 10 }} }}", verb.name()),
    });
    let events = events().map(|name| Word {
        group: "must-happen",
        word: name.to_owned(),
        meaning: "Counted in every run.".to_owned(),
        example: format!("{{ what = \"{name}\", at-least = \"20% of seeds\" }}"),
    });
    verbs.chain(parameters).chain(ingredients).chain(files).chain(events).collect()
}

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
