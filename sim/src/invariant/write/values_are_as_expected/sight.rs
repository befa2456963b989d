//! Sights: what was shown of something, aspect by aspect, and what tells it apart.

use engine::device::Presence;
use engine::id::{AccountField, NodeId, RecordId, Token};
use engine::job::{Item, Job};
use engine::record::Value;
use engine::schema::{Holds, field_of};

use crate::history::file::{Listed, Print};
use crate::history::{Account, Shown, Talk};
use crate::invariant::evidence::{Evidence, FoundRow};
use crate::invariant::wording::{count, value, visible};
use crate::plan::expectation::{Aspect, Subject, Wanted};
use crate::plan::file::{names, split_path};

/// What was found of one aspect.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What it is; otherwise what was found in its place.
    pub(super) is: Result<Wanted, Instead>,
    /// The writes behind it, and whatever else explains it.
    pub(super) beside: String,
}

/// What was found where nothing can be compared.
#[derive(Clone, Debug)]
pub(super) enum Instead {
    /// Nobody answered, and why.
    Silence(String),
    /// What it would be said of is not there.
    Absence(String),
    /// Something else.
    Other(String),
}

impl Instead {
    pub(super) fn tell(&self) -> String {
        match self {
            Self::Silence(why) => format!("no answer: {why}"),
            Self::Absence(found) | Self::Other(found) => found.clone(),
        }
    }
}

impl Found {
    fn of(is: Wanted, beside: impl Into<String>) -> Self {
        Self { is: Ok(is), beside: beside.into() }
    }

    fn number(n: usize, beside: impl Into<String>) -> Self {
        Self::of(Wanted::number(n), beside)
    }

    fn other(found: impl Into<String>) -> Self {
        Self { is: Err(Instead::Other(found.into())), beside: String::new() }
    }

    /// The place in the judge at which it is found to be otherwise than expected. That nobody answers, and that
    /// nothing is there, are other mistakes than that something else is shown.
    pub(super) fn site(&self, of_subject: &'static str) -> &'static str {
        match &self.is {
            Err(Instead::Silence(_)) => "unanswered",
            Err(Instead::Absence(_)) | Ok(Wanted::Nothing | Wanted::Exists(false)) => "absent",
            Err(Instead::Other(_))
            | Ok(Wanted::Value(_) | Wanted::Exists(true) | Wanted::Number(_) | Wanted::Word(_)) => {
                of_subject
            }
        }
    }
}

/// What was shown of something.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// The fact that shows it.
    pub(super) at: Option<usize>,
    aspects: Vec<(Aspect, Found)>,
    /// What is found of all other aspects.
    other: Instead,
}

impl Sight {
    /// Something, of which all that can be said of it is known.
    fn of(aspects: Vec<(Aspect, Found)>) -> Self {
        Self { at: None, aspects, other: Instead::Other("something else".to_owned()) }
    }

    /// Something of another kind: of it nothing else can be said.
    fn another(aspects: Vec<(Aspect, Found)>, found: &str) -> Self {
        Self { other: Instead::Other(found.to_owned()), ..Self::of(aspects) }
    }

    /// Nothing is there.
    fn absent(aspects: Vec<(Aspect, Found)>, found: impl Into<String>) -> Self {
        Self { other: Instead::Absence(found.into()), ..Self::of(aspects) }
    }

    /// Nothing was shown.
    pub(super) fn unknown(why: String) -> Self {
        Self { other: Instead::Silence(why), ..Self::of(Vec::new()) }
    }

    pub(super) fn seen_at(self, at: usize) -> Self {
        Self { at: Some(at), ..self }
    }

    pub(super) fn found(&self, aspect: Aspect) -> Found {
        let known = self.aspects.iter().find(|(it, _)| *it == aspect);
        known.map_or_else(
            || Found { is: Err(self.other.clone()), beside: String::new() },
            |(_, found)| found.clone(),
        )
    }

    /// Whose the session lease is: the device's own, another's, or nobody's.
    pub(super) fn session(held: Option<bool>) -> Self {
        let holder = match held {
            Some(true) => "own",
            Some(false) => "other",
            None => "none",
        };
        Self::of(vec![(Aspect::Session, Found::of(Wanted::Word(holder), ""))])
    }

    /// A conversation, if there is one.
    pub(super) fn conversation(shown: Option<(&Item, &Talk)>) -> Self {
        let exists = (Aspect::Exists, Found::of(Wanted::Exists(shown.is_some()), ""));
        let Some((item, talk)) = shown else {
            return Self::absent(vec![exists], "no such conversation");
        };
        let (state, tries) = match item.job {
            Job::Pending { tries } => ("pending", tries),
            Job::Processing { tries, .. } => ("processing", tries),
            Job::Success { tries, .. } => ("processed", tries),
            Job::Failed { tries, .. } => ("failed", tries),
        };
        let state = Found::of(Wanted::Word(state), count(tries.into(), "attempt"));
        let version = item.content.version as usize;
        let aspects = vec![
            exists,
            (Aspect::State, state),
            (Aspect::Versions, Found::number(version, "")),
            (Aspect::Messages, Found::number(talk.messages.len(), "")),
        ];
        Self::of(aspects)
    }
}

/// Sights whose writes have names.
pub(super) struct Names<'e, 'a>(pub(super) &'e Evidence<'a>);

impl Names<'_, '_> {
    /// A record that a device showed, if it had ever heard of it.
    pub(super) fn record(&self, subject: &Subject, shown: Option<&Shown>) -> Sight {
        let is_live = shown.is_some_and(|shown| shown.presence == Presence::Live);
        let is_deleted = shown.is_some_and(|shown| shown.presence == Presence::Deleted);
        let Subject::Field(id, field) = subject else { return exists(is_live, is_deleted) };
        let Some(shown) = shown.filter(|_| is_live) else { return no_record(*id, is_deleted) };
        let found = shown.fields.iter().find(|it| it.0 == *field);
        let (value, of, beside) = match found {
            Some((_, value, of, beside)) => (Wanted::Value(value.clone()), &of[..], &beside[..]),
            None => (Wanted::Nothing, &[][..], &[][..]),
        };
        let mut told = self.origin(of, beside);
        if shown.sealed {
            told.push("a remote holds a state of it that cannot be opened".to_owned());
        }
        let told = told.join(", ");
        let aspects = vec![
            (Aspect::Is, Found::of(value, told.clone())),
            (Aspect::Conflicts, Found::number(beside.len(), told)),
        ];
        Sight::of(aspects)
    }

    /// A record that a remote held, if it held it. Of a field it is the only value that counts; of a counter
    /// or a set, all of them together.
    pub(super) fn row(&self, subject: &Subject, row: Option<&FoundRow<'_>>) -> Sight {
        let sight = self.row_shown(subject, row);
        row.map_or(sight.clone(), |row| sight.seen_at(row.at))
    }

    fn row_shown(&self, subject: &Subject, row: Option<&FoundRow<'_>>) -> Sight {
        let is_sealed = row.is_some_and(|row| row.contents.is_none());
        if is_sealed {
            return Sight::another(Vec::new(), "a sealed row that no key opens");
        }
        let contents = row.and_then(|row| Some((row, row.contents?)));
        let live = contents.filter(|(_, contents)| contents.live);
        let is_deleted = contents.is_some() && live.is_none();
        let Subject::Field(id, field) = subject else { return exists(live.is_some(), is_deleted) };
        let Some((row, contents)) = live else { return no_record(*id, is_deleted) };
        let cells = row.values.iter().zip(contents.cells.iter().map(|cell| cell.1));
        let cells = cells.filter(|(cell, _)| cell.0 == *field);
        let siblings: Vec<(&Value, Token)> = cells.map(|(cell, token)| (&cell.1, token)).collect();
        let holds = field_of(id.kind, *field).map(|it| it.holds);
        let tokens: Vec<Token> = siblings.iter().map(|(_, token)| *token).collect();
        let told = self.origin(&tokens, &[]).join(", ");
        let (found, conflicts) = match &siblings[..] {
            [] => (Found::of(Wanted::Nothing, ""), 0),
            all => match together(all, holds) {
                Some(value) => (Found::of(Wanted::Value(value), told), 0),
                None => (Found::other(self.siblings(all)), all.len() - 1),
            },
        };
        let beside = if conflicts > 0 { self.siblings(&siblings) } else { String::new() };
        let aspects =
            vec![(Aspect::Is, found), (Aspect::Conflicts, Found::number(conflicts, beside))];
        Sight::of(aspects)
    }

    /// What a device listed under a path, and the content that it read of it.
    pub(super) fn file(
        &self,
        files: &[Listed],
        path: &str,
        content: Result<Print, Instead>,
    ) -> Sight {
        let Some(file) = at_path(files, path) else {
            let is_deleted = files.iter().any(|it| it.deleted && has_name(it, path));
            let beside = if is_deleted { "one of that name was deleted" } else { "" };
            let aspects = vec![
                (Aspect::Exists, Found::of(Wanted::Exists(false), beside)),
                (Aspect::Is, Found::of(Wanted::Nothing, "there is no such file")),
            ];
            return Sight::absent(aspects, "no such file");
        };
        let exists = (Aspect::Exists, Found::of(Wanted::Exists(true), ""));
        if file.is_folder {
            return Sight::another(vec![exists], "a folder");
        }
        let tokens: Vec<Token> = file.heads.iter().filter_map(|head| head.token).collect();
        let (first, others) = tokens.split_at(tokens.len().min(1));
        let told = self.origin(first, others).join(", ");
        let (text, size) = match content {
            Ok(print) => {
                let by = self.origin(&[print.token], others).join(", ");
                (self.text(print, &by), Found::number(print.size as usize, by))
            }
            Err(found) => {
                let found = Found { is: Err(found), beside: String::new() };
                (found.clone(), found)
            }
        };
        let conflicts = file.heads.len().saturating_sub(1);
        let aspects = vec![
            exists,
            (Aspect::Is, text),
            (Aspect::Size, size),
            (Aspect::Versions, Found::number(file.latest as usize, &told)),
            (Aspect::Conflicts, Found::number(conflicts, told)),
        ];
        Sight::of(aspects)
    }

    /// The text that a step wrote with this content.
    fn text(&self, print: Print, told: &str) -> Found {
        match self.0.context.texts.get(&print.hash) {
            Some(text) => Found::of(Wanted::Value(Value::Text(text.clone())), told),
            None => Found::other(format!("a content of {}B that no step writes", print.size)),
        }
    }

    /// What a device listed in a folder.
    pub(super) fn folder(&self, files: &[Listed], path: &str) -> Sight {
        let Some(folder) = folder_at(files, path) else {
            return Sight::absent(Vec::new(), "no such folder");
        };
        let inside = files.iter().filter(|it| is_file_in(it, folder));
        let inside: Vec<String> = inside.map(|file| visible(&file.name)).collect();
        let told = shortened(&inside);
        Sight::of(vec![(Aspect::Files, Found::number(inside.len(), told))])
    }

    /// A field of an account: its last version counts.
    pub(super) fn account(&self, shown: &Account, field: AccountField) -> Sight {
        let known = shown.iter().find(|(known, _)| *known == field);
        let found = match known.and_then(|(_, versions)| versions.last()) {
            Some((token, value)) => {
                Found::of(Wanted::Value(value.clone()), self.0.write_name(*token))
            }
            None => Found::of(Wanted::Nothing, ""),
        };
        Sight::of(vec![(Aspect::Is, found)])
    }

    /// The writes that are shown, and those beside them.
    fn origin(&self, of: &[Token], beside: &[Token]) -> Vec<String> {
        let names = |tokens: &[Token]| {
            let names: Vec<String> = tokens.iter().map(|it| self.0.write_name(*it)).collect();
            shortened(&names)
        };
        let mut told = Vec::new();
        if !of.is_empty() {
            told.push(names(of));
        }
        if !beside.is_empty() {
            told.push(format!("{}: {}", count(beside.len(), "conflicting sibling"), names(beside)));
        }
        told
    }

    /// Values that conflict, each with its write.
    fn siblings(&self, all: &[(&Value, Token)]) -> String {
        let told =
            all.iter().map(|(it, token)| format!("{} ({})", value(it), self.0.write_name(*token)));
        format!("{}: {}", count(all.len(), "sibling"), shortened(&told.collect::<Vec<_>>()))
    }
}

fn exists(is_live: bool, is_deleted: bool) -> Sight {
    let beside = if is_deleted { "it was deleted" } else { "" };
    Sight::of(vec![(Aspect::Exists, Found::of(Wanted::Exists(is_live), beside))])
}

/// A field of a record that is not there shows nothing.
fn no_record(id: RecordId, is_deleted: bool) -> Sight {
    let why = if is_deleted { "was deleted" } else { "is not there" };
    let beside = format!("{id} {why}");
    Sight::absent(vec![(Aspect::Is, Found::of(Wanted::Nothing, beside.clone()))], beside)
}

/// What the siblings of a field are together, if they do not conflict: counts add up, and sets are united.
fn together(siblings: &[(&Value, Token)], holds: Option<Holds>) -> Option<Value> {
    let mut values = siblings.iter().map(|(value, _)| (*value).clone());
    let first = values.next()?;
    values.try_fold(first, |all, next| match (all, next, holds) {
        (Value::Int(one), Value::Int(other), Some(Holds::Count)) => {
            Some(Value::Int(one.wrapping_add(other)))
        }
        (Value::Set(mut one), Value::Set(other), _) => {
            one.extend(other);
            Some(Value::Set(one))
        }
        (_, _, _) => None,
    })
}

/// The first few of them.
fn shortened(names: &[String]) -> String {
    const MOST: usize = 6;
    let mut told = names[..names.len().min(MOST)].join(", ");
    if names.len() > MOST {
        told.push_str(&format!(" and {} more", names.len() - MOST));
    }
    told
}

/// What is listed in a folder under a name and not deleted.
fn live_in<'f>(files: &'f [Listed], folder: NodeId, name: &str) -> Option<&'f Listed> {
    files.iter().find(|it| it.parent == folder && it.name == name && !it.sealed && !it.deleted)
}

fn folder_at(files: &[Listed], path: &str) -> Option<NodeId> {
    names(path).try_fold(NodeId::ROOT, |folder, name| {
        live_in(files, folder, name).filter(|it| it.is_folder).map(|it| it.node)
    })
}

fn at_path<'f>(files: &'f [Listed], path: &str) -> Option<&'f Listed> {
    let (folder, name) = split_path(path)?;
    live_in(files, folder_at(files, folder)?, name)
}

fn has_name(file: &Listed, path: &str) -> bool {
    split_path(path).is_some_and(|(_, name)| file.name == name)
}

fn is_file_in(file: &Listed, folder: NodeId) -> bool {
    file.parent == folder && !file.is_folder && !file.deleted
}
