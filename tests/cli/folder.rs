//! Where the command is tried: a folder of its own for each test, and what it said there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::fields::{check_lines, is_promised};

/// A folder of its own for each test, gone afterwards.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the folder for tests takes folders");
        Self(path)
    }

    /// With one right scenario in it.
    pub(super) fn with_scenario(name: &str) -> Self {
        let folder = Self::new(name);
        folder.put("scenarios/lunch.toml", LUNCH);
        folder
    }

    pub(super) fn put(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("it is in the folder"))
            .expect("the folder can be made");
        fs::write(path, bytes).expect("the file can be written");
    }

    /// The command, here and without colours.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seawall"));
        command.args(arguments).current_dir(&self.0).env("NO_COLOR", "1").env_remove("CARGO");
        command
    }

    pub(super) fn seawall(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().expect("the command starts"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let said = Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("results are text"),
            err: String::from_utf8(output.stderr).expect("complaints are text"),
        };
        assert!(is_promised(said.code), "exit code {:?}: {}", said.code, said.err);
        check_lines(&said.out);
        said
    }
}

impl Said {
    #[track_caller]
    pub(super) fn is_wrong_usage(&self, words: &str) {
        assert_eq!((self.code, self.out.as_str()), (Some(2), ""), "{self:?}");
        assert!(self.err.contains(words), "{words:?} is not in {}", self.err);
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }
}

pub(super) const LUNCH: &str = r#"
[scenario]
title = "Lunch"
story = "Anna notes her lunch on her phone."
tags = ["smoke"]

[remotes]
cloudkit = { kind = "zone" }
supabase = { kind = "rows" }

[devices]
phone = { user = "anna" }
tablet = { user = "anna" }

[given]
rows = [{ row = "meal/42", everywhere = { kcal = 320 } }]

[script]
steps = [{ at = "2s", device = "phone", do = "edit", row = "meal/42", set = { kcal = 350 } }]

[expect]
always = ["no-lost-writes"]

[expect.verdict]
product = "pass"
"#;
