//! What a user does with files: looks at the list, finds what a path means there, and asks for it.
//!
//! What a write is built on is what the list showed, and nothing else is testified.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::device::{self, Answer, Ask, FileAnswer, FileTarget, Reason, Relocation};
use engine::id::{NodeId, OpId};
use engine::message::{FileRefusal, JobId};
use engine::record::{Payload, Value};

use super::{Agent, Then, step_of};
use crate::history::file::{FileAsked, FileDone, Goal, Head, Listed, Print};
use crate::history::{Answered, Asked, Fact, Skip};
use crate::mailbox::{Effect, Share};
use crate::plan::StepId;
use crate::plan::file::{Content, FileOperation, hash, names, split_path};

/// What the user does with an answer about files.
#[derive(Clone, Debug)]
pub(super) enum Next {
    /// Notes a long batch, to ask for it at the end.
    Nothing,
    /// Finds what the operation is about, and does it.
    Find(FileOperation),
    /// Lets everybody go on who waits for the folder of this name in that one.
    Enter(NodeId, String),
    /// Reads all that is listed, and a share of the versions.
    ReadAll(Share),
}

/// What is done in a folder.
#[derive(Clone, Debug)]
pub(super) enum Within {
    /// A file is written under this name.
    Write(String, Content),
    /// These are moved there.
    Move(Vec<NodeId>),
    /// It only had to be there.
    Nothing,
}

/// The folders that were asked for, each with who goes on in it, and through which others.
pub(super) type Doors = BTreeMap<(NodeId, String), Vec<Guest>>;

/// An operation that waits for a folder.
#[derive(Clone, Debug)]
pub(super) struct Guest {
    op: OpId,
    path: String,
    rest: VecDeque<String>,
    within: Within,
}

/// An operation under way: its last ask, and the path that its user has in mind.
struct Way<'p> {
    op: OpId,
    path: &'p str,
}

impl Agent {
    /// The user does something with files: first of all, looks.
    pub(super) fn does_with_files(&mut self, op: OpId, operation: FileOperation) {
        let next =
            if operation == FileOperation::List { Next::Nothing } else { Next::Find(operation) };
        self.ask_of_files(op, Ask::ListFiles, FileAsked::List, "", next);
    }

    /// The user looks at all files for the last time, and at what became of long batches.
    pub(super) fn reads_all_files(&mut self, share: Share) {
        let op = self.own_op();
        self.ask_last(op, Ask::ListFiles, FileAsked::List, "", Next::ReadAll(share));
        for job in std::mem::take(&mut self.jobs) {
            let op = self.own_op();
            self.ask_last(op, Ask::ReadJob(job), FileAsked::Job(job), "", Next::Nothing);
        }
    }

    /// The device answers.
    pub(super) fn hears_of_files(
        &mut self,
        op: OpId,
        next: Next,
        answer: Answer,
        emitted: &mut Vec<Effect>,
    ) {
        if let Answer::File(FileAnswer::Accepted(job)) = &answer {
            self.jobs.push(*job);
        }
        let done = match (next, answer) {
            (Next::Find(operation), Answer::Files(files)) => {
                let path = operation.path().unwrap_or_default().to_owned();
                // A user who asked for something there since knows that this list is out of date. What is
                // expected is to be in the list as it is.
                if !step_of(op).is_some_and(StepId::is_look) && self.is_changing(&path) {
                    let again = self.own_op();
                    self.does_with_files(again, operation);
                    return;
                }
                self.finds(&Way { op, path: &path }, operation, &Tree(&files))
            }
            (Next::Enter(parent, name), answer) => {
                let guests = self.doors.remove(&(parent, name)).unwrap_or_default();
                if let Answer::File(FileAnswer::Created(folder))
                | Answer::Refused(Reason::File(FileRefusal::NameTaken(folder))) = answer
                {
                    self.lets_in(op, folder, guests, emitted);
                }
                true
            }
            (Next::ReadAll(share), Answer::Files(files)) => {
                self.reads(&files, share);
                true
            }
            // The user has nothing to do with an answer, or with a refusal.
            (Next::Nothing | Next::Find(_) | Next::ReadAll(_), _) => true,
        };
        if !done {
            skip(op, emitted);
        }
    }

    /// All who waited for a folder go on in it. The first of them had asked for it.
    fn lets_in(
        &mut self,
        asked: OpId,
        folder: NodeId,
        guests: Vec<Guest>,
        emitted: &mut Vec<Effect>,
    ) {
        for (n, Guest { op, path, rest, within }) in guests.into_iter().enumerate() {
            let way = Way { op: if n == 0 { asked } else { op }, path: &path };
            if !self.enters(&way, (folder, rest), within, &Tree(&[])) {
                skip(op, emitted);
            }
        }
    }

    /// Is something about to be asked that changes what is at this path?
    fn is_changing(&self, at: &str) -> bool {
        let is_at = |asked: &Asked| matches!(asked, Asked::File { ask, path, .. } if ask.changes() && path == at);
        self.requests.iter().any(|request| is_at(&request.asked))
    }

    /// Does an operation on what its path means; false if that is nothing.
    fn finds(&mut self, way: &Way<'_>, operation: FileOperation, tree: &Tree<'_>) -> bool {
        match operation {
            FileOperation::Write(path, content) => {
                let Some((folder, name)) = split_path(&path) else { return false };
                let rest = names(folder).map(str::to_owned).collect();
                let within = Within::Write(name.to_owned(), content);
                self.enters(way, (NodeId::ROOT, rest), within, tree)
            }
            FileOperation::MakeFolder(path) => {
                let rest = names(&path).map(str::to_owned).collect();
                self.enters(way, (NodeId::ROOT, rest), Within::Nothing, tree)
            }
            FileOperation::Move(paths, to) => {
                let nodes = paths.iter().flat_map(|path| tree.all_at(path)).collect();
                let rest = names(&to).map(str::to_owned).collect();
                self.enters(way, (NodeId::ROOT, rest), Within::Move(nodes), tree)
            }
            FileOperation::Read(path) => {
                let Some(file) = tree.file_at(&path) else { return false };
                self.goes_on(way, Ask::ReadFile(file.node), FileAsked::Read(file.node))
            }
            FileOperation::Versions(path) => {
                let Some(file) = tree.file_at(&path) else { return false };
                self.goes_on(way, Ask::ReadVersions(file.node), FileAsked::Versions(file.node))
            }
            FileOperation::Rename(path, name) => {
                let Some(node) = tree.at(&path) else { return false };
                self.moves(way, vec![(node.node, None, Some(name))])
            }
            FileOperation::Delete(path) => {
                let Some(node) = tree.at(&path) else { return false };
                let (node, seen, exposed) = (node.node, node.latest, exposed(node));
                let asked = FileAsked::Delete { node, seen, exposed };
                self.goes_on(way, Ask::DeleteFile { node, seen }, asked)
            }
            FileOperation::Undelete(path) => {
                let Some(node) = tree.deleted_at(&path).map(|node| node.node) else { return false };
                self.goes_on(way, Ask::UndeleteFile(node), FileAsked::Undelete(node))
            }
            FileOperation::Restore(path, version) => {
                let file = tree.file_at(&path).filter(|file| version <= file.latest);
                let Some(file) = file else { return false };
                self.restores(way, file, version)
            }
            FileOperation::List => true,
        }
    }

    /// Goes into a folder through these, making those that are not there.
    fn enters(
        &mut self,
        way: &Way<'_>,
        (mut folder, mut rest): (NodeId, VecDeque<String>),
        within: Within,
        tree: &Tree<'_>,
    ) -> bool {
        while let Some(next) = rest.front().and_then(|name| tree.folder_in(folder, name)) {
            folder = next.node;
            rest.pop_front();
        }
        let Some(name) = rest.pop_front() else {
            return self.does_within(way, folder, within, tree);
        };
        let guest = Guest { op: way.op, path: way.path.to_owned(), rest, within };
        let door = self.doors.entry((folder, name.clone())).or_default();
        door.push(guest);
        if door.len() == 1 {
            let op = self.next_op(way.op);
            let ask = Ask::CreateFolder(folder, name.clone());
            let asked = FileAsked::MakeFolder(folder, name.clone());
            self.ask_of_files(op, ask, asked, way.path, Next::Enter(folder, name));
        }
        true
    }

    fn does_within(
        &mut self,
        way: &Way<'_>,
        folder: NodeId,
        within: Within,
        tree: &Tree<'_>,
    ) -> bool {
        match within {
            Within::Write(name, content) => match tree.live_in(folder, &name) {
                Some(node) if node.is_folder => false,
                file => self.writes(way, (folder, name), file, &content),
            },
            Within::Move(nodes) => {
                let moves = nodes.into_iter().filter(|node| *node != folder);
                self.moves(way, moves.map(|node| (node, Some(folder), None)).collect())
            }
            Within::Nothing => true,
        }
    }

    /// Saves content in place of everything that a file was shown to hold, or as a new file.
    fn writes(
        &mut self,
        way: &Way<'_>,
        (folder, name): (NodeId, String),
        file: Option<&device::Listed>,
        content: &Content,
    ) -> bool {
        let op = self.next_op(way.op);
        let content = Payload { token: self.token(op), value: Value::Text(content.whole()) };
        let (target, goal) = match file {
            Some(file) => {
                let node = file.node;
                let seen = file.seen.clone();
                (FileTarget::Version { node, seen }, Goal::Version(node))
            }
            None => {
                let goal = Goal::New(folder, name.clone());
                (FileTarget::New { parent: folder, name }, goal)
            }
        };
        let exposed = file.map(exposed).unwrap_or_default();
        let asked = FileAsked::Write { goal, content: print(&content), exposed };
        self.ask_of_files(op, Ask::WriteFile { target, content }, asked, way.path, Next::Nothing);
        true
    }

    fn restores(&mut self, way: &Way<'_>, file: &device::Listed, version: u32) -> bool {
        let op = self.next_op(way.op);
        let (node, token) = (file.node, self.token(op));
        let seen = file.seen.clone();
        let ask = Ask::RestoreVersion { node, version, seen, token };
        let asked = FileAsked::Restore { node, version, token, exposed: exposed(file) };
        self.ask_of_files(op, ask, asked, way.path, Next::Nothing);
        true
    }

    fn moves(
        &mut self,
        way: &Way<'_>,
        moves: Vec<(NodeId, Option<NodeId>, Option<String>)>,
    ) -> bool {
        let there_is_something = !moves.is_empty();
        if there_is_something {
            let relocation = |(node, parent, name): &(NodeId, Option<NodeId>, Option<String>)| {
                Relocation { node: *node, parent: *parent, name: name.clone() }
            };
            let ask = Ask::MoveFiles(moves.iter().map(relocation).collect());
            self.goes_on(way, ask, FileAsked::Move(moves));
        }
        there_is_something
    }

    fn goes_on(&mut self, way: &Way<'_>, ask: Ask, asked: FileAsked) -> bool {
        let op = self.next_op(way.op);
        self.ask_of_files(op, ask, asked, way.path, Next::Nothing);
        true
    }

    /// Reads the content of every file, and, for a share of them, the list of their versions: that is
    /// the server's, whichever device asks.
    fn reads(&mut self, files: &[device::Listed], share: Share) {
        for file in files.iter().filter(|file| !file.is_folder) {
            let node = file.node;
            if !file.deleted {
                let op = self.own_op();
                let asked = FileAsked::Read(node);
                self.ask_last(op, Ask::ReadFile(node), asked, &file.name, Next::Nothing);
            }
            if file.latest > 0 && share.has(node.0) {
                let op = self.own_op();
                let asked = FileAsked::Versions(node);
                self.ask_last(op, Ask::ReadVersions(node), asked, &file.name, Next::Nothing);
            }
        }
    }

    fn ask_of_files(&mut self, op: OpId, ask: Ask, asked: FileAsked, path: &str, next: Next) {
        let asked = Asked::File { ask: asked, path: path.to_owned(), last: false };
        self.ask(op, ask, asked, Then::File(next));
    }

    fn ask_last(&mut self, op: OpId, ask: Ask, asked: FileAsked, path: &str, next: Next) {
        let asked = Asked::File { ask: asked, path: path.to_owned(), last: true };
        self.ask(op, ask, asked, Then::File(next));
    }

    pub(super) fn forgets_jobs(&mut self) {
        self.jobs.clear();
    }
}

/// A step comes to nothing.
fn skip(op: OpId, emitted: &mut Vec<Effect>) {
    emitted.extend(step_of(op).map(|step| Effect::Fact(Fact::Skipped(step, Skip::Nothing))));
}

/// Long batches that were accepted in front of this user.
pub(super) type Jobs = Vec<JobId>;

/// What a list shows, by path.
struct Tree<'f>(&'f [device::Listed]);

impl<'f> Tree<'f> {
    fn named(&self, folder: NodeId, name: &str) -> impl Iterator<Item = &'f device::Listed> {
        self.0.iter().filter(move |it| it.parent == folder && it.name == name && !it.sealed)
    }

    fn live_in(&self, folder: NodeId, name: &str) -> Option<&'f device::Listed> {
        self.named(folder, name).find(|it| !it.deleted)
    }

    fn folder_in(&self, folder: NodeId, name: &str) -> Option<&'f device::Listed> {
        self.live_in(folder, name).filter(|it| it.is_folder)
    }

    fn folder_at(&self, path: &str) -> Option<NodeId> {
        let enter = |folder, name| self.folder_in(folder, name).map(|it| it.node);
        names(path).try_fold(NodeId::ROOT, enter)
    }

    fn at(&self, path: &str) -> Option<&'f device::Listed> {
        let (folder, name) = split_path(path)?;
        self.live_in(self.folder_at(folder)?, name)
    }

    fn file_at(&self, path: &str) -> Option<&'f device::Listed> {
        self.at(path).filter(|it| !it.is_folder)
    }

    /// What was deleted there, also if its folder was.
    fn deleted_at(&self, path: &str) -> Option<&'f device::Listed> {
        let (folder, name) = split_path(path)?;
        let any = |folder, name: &str| {
            let live = self.folder_in(folder, name);
            live.or_else(|| self.named(folder, name).find(|it| it.is_folder)).map(|it| it.node)
        };
        let folder = names(folder).try_fold(NodeId::ROOT, any)?;
        self.named(folder, name).find(|it| it.deleted)
    }

    /// What a path stands for that may end with `*`.
    fn all_at(&self, path: &str) -> Vec<NodeId> {
        match path.strip_suffix('*') {
            Some(folder) if folder.is_empty() || folder.ends_with('/') => {
                let Some(folder) = self.folder_at(folder) else { return Vec::new() };
                let inside = self.0.iter().filter(|it| it.parent == folder && !it.deleted);
                inside.filter(|it| it.node != NodeId::ROOT).map(|it| it.node).collect()
            }
            Some(_) | None => self.at(path).map(|it| it.node).into_iter().collect(),
        }
    }
}

fn exposed(file: &device::Listed) -> Vec<Head> {
    file.heads.iter().map(head).collect()
}

fn head(head: &device::Head) -> Head {
    Head { version: head.version, write: head.write, token: head.token }
}

fn print(content: &Payload) -> Print {
    let text = match &content.value {
        Value::Text(text) | Value::Draft { text, .. } => text.as_str(),
        Value::Int(_) | Value::Set(_) => "",
    };
    let size = u32::try_from(text.len()).unwrap_or(u32::MAX);
    Print { token: content.token, hash: hash(text), size }
}

/// A list of files as the history has it.
pub(super) fn listed(files: &[device::Listed]) -> Answered {
    let files = files.iter().map(|file| Listed {
        node: file.node,
        parent: file.parent,
        name: file.name.clone(),
        is_folder: file.is_folder,
        deleted: file.deleted,
        latest: file.latest,
        heads: exposed(file),
        copies: file.copies.clone(),
        sealed: file.sealed,
    });
    Answered::Files(Arc::new(files.collect()))
}

/// Another answer about files as the history has it.
pub(super) fn answered(answer: &FileAnswer) -> Answered {
    Answered::File(match answer {
        FileAnswer::Done => FileDone::Done,
        FileAnswer::Created(node) => FileDone::Created(*node),
        FileAnswer::Moved => FileDone::Moved,
        FileAnswer::Accepted(job) => FileDone::Accepted(*job),
        FileAnswer::Published(version) => FileDone::Published(*version),
        FileAnswer::Content(heads) => {
            let shown = heads.iter().map(|(at, content)| (head(at), content.as_ref().ok()));
            FileDone::Content(shown.map(|(at, content)| (at, content.map(print))).collect())
        }
        FileAnswer::Versions(heads) => FileDone::Versions(heads.iter().map(head).collect()),
        FileAnswer::Job(items, total) => FileDone::Job(items.clone(), *total),
    })
}

#[cfg(test)]
mod tests {
    use engine::id::{DeviceId, Dot, ReplicaId, Token, UserId};
    use engine::record::Vv;

    use super::*;
    use crate::plan::UserOperation;
    use crate::workload::Request;

    fn listed(node: u64, parent: u64, name: &str, heads: &[Option<u32>]) -> device::Listed {
        let head = |(n, version): (u64, &Option<u32>)| device::Head {
            version: *version,
            write: Dot { replica: ReplicaId(7), n },
            token: Some(Token([7; 16])),
        };
        let mut seen = Vv::default();
        (1..).zip(heads).for_each(|(n, _)| seen.add(Dot { replica: ReplicaId(7), n }));
        device::Listed {
            seen,
            node: NodeId(node),
            parent: NodeId(parent),
            name: name.to_owned(),
            is_folder: heads.is_empty(),
            deleted: false,
            latest: heads.iter().flatten().copied().max().unwrap_or(0),
            heads: (1..).zip(heads).map(head).collect(),
            copies: Vec::new(),
            sealed: false,
        }
    }

    /// Does an operation, answers its list, and returns what is asked next.
    fn asked(operation: FileOperation, files: Vec<device::Listed>) -> (Agent, Option<Request>) {
        let mut agent = Agent::new(*b"canary!!", (DeviceId(1), UserId(0)), 0);
        assert!(agent.does(StepId(3), UserOperation::File(operation)));
        let list = agent.next_request().expect("it looks first");
        assert!(matches!(list.ask, Ask::ListFiles));
        let mut emitted = Vec::new();
        agent.hears(list.op, Answer::Files(files), &mut emitted);
        let next = agent.next_request();
        let skipped = |it: &Effect| matches!(it, Effect::Fact(Fact::Skipped(StepId(3), _)));
        assert_eq!(next.is_none(), emitted.iter().any(skipped), "it is asked for, or skipped");
        (agent, next)
    }

    fn write(path: &str) -> FileOperation {
        FileOperation::Write(path.to_owned(), Content::of("milk"))
    }

    #[test]
    fn a_write_replaces_all_heads_that_were_shown_own_unsent_ones_too() {
        let file = listed(5, 0, "a.txt", &[Some(2), Some(3), None]);
        let (_, next) = asked(write("a.txt"), vec![file]);
        let Request { ask: Ask::WriteFile { target, .. }, asked, .. } = next.unwrap() else {
            panic!("it writes")
        };
        let FileTarget::Version { node: NodeId(5), seen } = target else { panic!("{target:?}") };
        assert!([1, 2, 3].iter().all(|n| seen.covers(Dot { replica: ReplicaId(7), n: *n })));
        let Asked::File { ask: FileAsked::Write { exposed, .. }, .. } = asked else { panic!() };
        assert_eq!(exposed.len(), 3);
    }

    #[test]
    fn missing_folders_are_made_first_and_one_that_another_device_made_will_do() {
        let (mut agent, next) = asked(write("a/b/c.txt"), vec![listed(4, 0, "a", &[])]);
        let request = next.expect("it goes on");
        let Ask::CreateFolder(NodeId(4), name) = &request.ask else { panic!("{request:?}") };
        assert_eq!(name, "b");
        let taken = Reason::File(FileRefusal::NameTaken(NodeId(9)));
        agent.hears(request.op, Answer::Refused(taken), &mut Vec::new());
        let request = agent.next_request().expect("it goes on there");
        let Ask::WriteFile { target, .. } = request.ask else { panic!("{request:?}") };
        assert_eq!(target, FileTarget::New { parent: NodeId(9), name: "c.txt".into() });
    }

    #[test]
    fn a_folder_is_asked_for_once_however_many_wait_for_it() {
        let mut agent = Agent::new(*b"canary!!", (DeviceId(1), UserId(0)), 0);
        for (step, path) in [(1, "a/one"), (2, "a/two")] {
            assert!(agent.does(StepId(step), UserOperation::File(write(path))));
        }
        let lists: Vec<Request> = std::iter::from_fn(|| agent.next_request()).collect();
        for list in lists {
            agent.hears(list.op, Answer::Files(Vec::new()), &mut Vec::new());
        }
        let request = agent.next_request().expect("a folder is asked for");
        assert!(agent.next_request().is_none(), "and no other");
        let made = Answer::File(FileAnswer::Created(NodeId(9)));
        agent.hears(request.op, made, &mut Vec::new());
        let next = std::iter::from_fn(|| agent.next_request());
        let names: Vec<String> = next
            .map(|request| {
                let Ask::WriteFile { target, .. } = request.ask else { panic!("{request:?}") };
                let FileTarget::New { parent: NodeId(9), name } = target else { panic!() };
                name
            })
            .collect();
        assert_eq!(names, ["one", "two"]);
    }

    #[test]
    fn a_star_is_all_that_is_in_a_folder_and_nothing_is_moved_into_itself() {
        let files = vec![
            listed(1, 0, "in", &[]),
            listed(2, 0, "out", &[]),
            listed(3, 1, "x", &[Some(1)]),
            listed(4, 1, "y", &[Some(1)]),
            listed(5, 0, "z", &[Some(1)]),
        ];
        let moved = |files: &[device::Listed], from: &str| {
            let operation = FileOperation::Move(vec![from.to_owned()], "out".into());
            let (_, next) = asked(operation, files.to_vec());
            let Ask::MoveFiles(moves) = next.expect("it moves").ask else { panic!() };
            assert!(moves.iter().all(|it| it.parent == Some(NodeId(2))));
            moves.iter().map(|it| it.node.0).collect::<Vec<_>>()
        };
        assert_eq!(moved(&files, "in/*"), [3, 4]);
        assert_eq!(moved(&files, "*"), [1, 5]);
    }

    #[test]
    fn what_is_not_there_is_not_asked_for() {
        let mut gone = listed(5, 0, "a.txt", &[Some(1)]);
        gone.deleted = true;
        for operation in [
            FileOperation::Read("a.txt".into()),
            FileOperation::Delete("a.txt".into()),
            FileOperation::Restore("a.txt".into(), 1),
            FileOperation::Move(vec!["a.txt".into()], String::new()),
        ] {
            assert!(asked(operation, vec![gone.clone()]).1.is_none());
        }
        let (_, next) = asked(FileOperation::Undelete("a.txt".into()), vec![gone.clone()]);
        assert!(matches!(next.expect("it is").ask, Ask::UndeleteFile(NodeId(5))));
        let (_, next) = asked(write("a.txt"), vec![gone]);
        assert!(matches!(next.expect("it is").ask, Ask::WriteFile { .. }), "another file");
    }

    #[test]
    fn of_two_operations_on_one_path_the_second_looks_again() {
        let mut agent = Agent::new(*b"canary!!", (DeviceId(1), UserId(0)), 0);
        for step in [1, 2] {
            assert!(agent.does(StepId(step), UserOperation::File(write("a.txt"))));
        }
        let lists: Vec<Request> = std::iter::from_fn(|| agent.next_request()).collect();
        for list in lists {
            agent.hears(list.op, Answer::Files(Vec::new()), &mut Vec::new());
        }
        let first = agent.next_request().expect("the first goes on");
        assert!(matches!(first.ask, Ask::WriteFile { .. }));
        let again = agent.next_request().expect("the second looks again");
        assert!(matches!(again.ask, Ask::ListFiles));
    }
}
