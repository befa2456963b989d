//! What users do with files, by path. A path is names with `/` between them; the folder that holds
//! everything has the empty path.
//!
//! A path means whatever a device shows under it at that moment: who does an operation looks first.

use std::fmt::Write as _;

use xxhash_rust::xxh3::xxh3_64;

/// What a user does with files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOperation {
    /// Saves content under a path, after making the folders on the way that are missing.
    Write(String, Content),
    /// Reads a file: all that it holds at once, if there is a conflict.
    Read(String),
    /// Makes a folder, and those on the way that are missing.
    MakeFolder(String),
    /// Moves all of these into a folder at once, which is made if it is missing. `…/*` stands for
    /// all that is in a folder.
    Move(Vec<String>, String),
    /// Gives a file or a folder another name.
    Rename(String, String),
    /// Deletes a file, or an empty folder.
    Delete(String),
    /// Brings back what was deleted.
    Undelete(String),
    /// Makes an old version, counted from 1, the current one again.
    Restore(String, u32),
    /// Lists all files and folders.
    List,
    /// Lists all versions of a file.
    Versions(String),
}

/// What is written to a file: a text, repeated until it has this many bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it says.
    pub text: String,
    /// How long it is at the least.
    pub size: u32,
}

impl Content {
    /// The text as it is.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), size: 0 }
    }

    /// All of it.
    pub fn whole(&self) -> String {
        let size = self.size as usize;
        let mut whole = self.text.clone();
        // Each line is numbered, so that no two pieces are alike.
        for n in 1.. {
            if whole.len() >= size {
                break;
            }
            let _ = write!(whole, "\n{n} {}", self.text);
        }
        whole
    }
}

impl FileOperation {
    /// The first path that it names.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Write(path, _)
            | Self::Read(path)
            | Self::MakeFolder(path)
            | Self::Rename(path, _)
            | Self::Delete(path)
            | Self::Undelete(path)
            | Self::Restore(path, _)
            | Self::Versions(path) => Some(path),
            Self::Move(paths, _) => paths.first().map(String::as_str),
            Self::List => None,
        }
    }
}

/// What stands for a content in the history.
pub fn hash(content: &str) -> u64 {
    xxh3_64(content.as_bytes())
}

/// The names of a path, from the outside in.
pub fn names(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|name| !name.is_empty())
}

/// A path as the folder that it is in, and its last name; nothing for the folder of everything.
pub fn split_path(path: &str) -> Option<(&str, &str)> {
    let path = path.trim_end_matches('/');
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    (!name.is_empty()).then_some((folder, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_its_text_or_as_long_as_it_has_to_be() {
        assert_eq!(Content::of("milk").whole(), "milk");
        let long = Content { text: "milk".into(), size: 100 }.whole();
        assert!(long.starts_with("milk\n1 milk\n2 milk") && (100..110).contains(&long.len()));
    }

    #[test]
    fn a_path_is_its_folder_and_its_last_name() {
        assert_eq!(split_path("a/b/c.txt"), Some(("a/b", "c.txt")));
        assert_eq!(split_path("c.txt"), Some(("", "c.txt")));
        assert_eq!(split_path("a/"), Some(("", "a")));
        assert_eq!((split_path(""), split_path("/")), (None, None));
        assert_eq!(names("/a//b/").collect::<Vec<_>>(), ["a", "b"]);
    }
}
