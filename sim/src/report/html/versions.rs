//! What each place held of a record, change by change: of a merge with its base, its local and its remote state.

use std::collections::BTreeMap;

use engine::id::{FieldId, RecordId, Remote, Token, UserId, VaultId};
use serde::Serialize;

use super::events::Lanes;
use crate::history::{Change, Contents, Entry, Fact};
use crate::invariant::Violation;
use crate::plan::{Given, Node, Plan};
use crate::report::Story;
use crate::report::story::{Scene, field_name, value};

/// The versions of a record at all places, in the order of the history.
#[derive(Default, Serialize)]
pub(super) struct Versions {
    rows: Vec<Version>,
    states: Vec<State>,
}

/// A change of what a place holds. States are places in [`Versions::states`].
#[derive(Serialize)]
struct Version {
    event: usize,
    lane: usize,
    /// The lane of the other side of a merge, or of whom a remote has it from.
    with: Option<usize>,
    base: Option<usize>,
    local: Option<usize>,
    remote: Option<usize>,
    result: usize,
    /// Did one of its sides hold the lost write, while the result does not?
    loses: bool,
}

/// A record as one copy has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct State {
    /// What it is in a word, if it has no cells to show.
    word: Option<&'static str>,
    cells: Vec<Cell>,
}

/// A field as one write has set it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Cell {
    field: String,
    label: String,
    value: Option<String>,
}

/// The versions of the record that a violation is about.
pub(super) fn versions(
    scene: &Scene<'_>,
    story: &Story<'_>,
    violation: &Violation,
    lanes: &Lanes,
) -> Versions {
    let user = scene.evidence().user_of(violation.token, violation.node);
    let (Some(record), Some(user)) = (violation.record, user) else { return Versions::default() };
    let token = violation.token.filter(|token| *token != Token::NONE);
    let found = Versions::default();
    let (held, mirrors) = (BTreeMap::new(), BTreeMap::new());
    let plan = story.plan;
    let places = BTreeMap::new();
    let mut book = Book { scene, plan, lanes, record, user, token, held, mirrors, found, places };
    let history = &story.outcome.history;
    history.iter().enumerate().for_each(|(index, entry)| book.read(index, entry));
    book.found
}

/// The sides of what is no merge.
const NO_MERGE: [Option<State>; 3] = [None, None, None];

/// What a copy has; `None` if it has nothing of the record.
type Held<'a> = Option<&'a Contents>;

struct Book<'a> {
    scene: &'a Scene<'a>,
    plan: &'a Plan,
    lanes: &'a Lanes,
    record: RecordId,
    user: UserId,
    token: Option<Token>,
    /// What each place holds.
    held: BTreeMap<Node, Held<'a>>,
    /// What each device believes that a remote holds.
    mirrors: BTreeMap<(Node, Remote), Held<'a>>,
    found: Versions,
    /// Where each state is in them.
    places: BTreeMap<State, usize>,
}

impl<'a> Book<'a> {
    fn read(&mut self, index: usize, entry: &'a Entry) {
        let place = (index, entry.node);
        if let Fact::Committed { vault, id, by, contents, .. } = &entry.fact
            && self.is_it(*vault, *id)
        {
            self.store(place, *by, Some(contents.as_deref()));
        } else if let Fact::Removed { vault, id, by, .. } = &entry.fact
            && self.is_it(*vault, *id)
        {
            self.store(place, *by, None);
        } else if let Fact::Persisted { changes, .. } | Fact::Started { holds: changes, .. } =
            &entry.fact
            && self.is_of_user(entry.node)
        {
            // After a crash nothing is said of what is held: it is what it was.
            self.persist(place, changes);
        }
    }

    fn is_it(&self, vault: VaultId, id: RecordId) -> bool {
        (vault, id) == (VaultId::from(self.user), self.record)
    }

    fn is_of_user(&self, node: Node) -> bool {
        let device = node.device();
        device.is_some_and(|it| self.plan.devices[usize::from(it.0)].user == self.user)
    }

    /// A remote takes a row: `Some(None)` if it is sealed.
    fn store(&mut self, place: (usize, Node), by: Node, row: Option<Held<'a>>) {
        let state = match row {
            Some(None) => State { word: Some("sealed"), cells: Vec::new() },
            Some(contents) => self.state(contents),
            None => self.state(None),
        };
        let loses = self.loses(&[self.held_at(place.1)], row.flatten());
        self.held.insert(place.1, row.flatten());
        self.note(place, self.lanes.place(by), NO_MERGE, (state, loses));
    }

    /// A device changes its copy, on its own or with what it has of a remote.
    fn persist(&mut self, place: (usize, Node), changes: &'a [Change]) {
        let (mut local, mut mirror) = (None, None);
        for change in changes {
            if let Change::Record(id, contents) = change
                && *id == self.record
            {
                local = Some(contents.as_deref());
            }
            if let Change::Mirror(remote, id, seen) = change
                && *id == self.record
            {
                let seen = seen.as_ref().and_then(|(_, contents)| contents.as_deref());
                let base = self.mirrors.insert((place.1, *remote), seen).flatten();
                mirror = Some((*remote, base, seen));
            }
        }
        let Some(result) = local else { return };
        let before = self.held_at(place.1);
        self.held.insert(place.1, result);
        let sides = mirror.map(|(_, base, remote)| [base, before, remote].map(|it| self.state(it)));
        let with = mirror.and_then(|(remote, ..)| self.lanes.place(Node::Remote(remote)));
        let loses = self.loses(&[before, mirror.and_then(|(.., remote)| remote)], result);
        let state = self.state(result);
        self.note(place, with, sides.map_or(NO_MERGE, |it| it.map(Some)), (state, loses));
    }

    fn held_at(&self, node: Node) -> Held<'a> {
        self.held.get(&node).copied().flatten()
    }

    fn loses(&self, sides: &[Held<'_>], result: Held<'_>) -> bool {
        let has = |side: &Held<'_>| {
            side.is_some_and(|it| it.cells.iter().any(|(_, token)| Some(*token) == self.token))
        };
        sides.iter().any(has) && !has(&result)
    }

    fn state(&self, held: Held<'_>) -> State {
        let Some(contents) = held else {
            return State { word: Some("nothing"), cells: Vec::new() };
        };
        let cell = |(field, token): &(FieldId, Token)| Cell {
            field: field_name(self.record, *field),
            label: self.scene.label(*token),
            value: self
                .scene
                .evidence()
                .value_of(*token, *field)
                .or_else(|| self.given(*token, *field)),
        };
        let word = (!contents.live).then_some("deleted");
        State { word, cells: contents.cells.iter().map(cell).collect() }
    }

    /// What the seed data set a field to. Its writes are those that no user made.
    fn given(&self, token: Token, field: FieldId) -> Option<String> {
        let is_it = |given: &&Given| (given.user, given.id) == (self.user, self.record);
        let given = self.plan.given.iter().find(is_it).filter(|_| token != Token::NONE)?;
        if self.scene.evidence().write(token).is_some() {
            return None;
        }
        given.set.iter().find(|(of, _)| *of == field).map(|(_, it)| value(it))
    }

    fn note(
        &mut self,
        (event, node): (usize, Node),
        with: Option<usize>,
        sides: [Option<State>; 3],
        (result, loses): (State, bool),
    ) {
        let lane = self.lanes.place(node).expect("each host of a history has a lane");
        let [base, local, remote] = sides.map(|side| side.map(|state| self.place_of(state)));
        let result = self.place_of(result);
        self.found.rows.push(Version { event, lane, with, base, local, remote, result, loses });
    }

    fn place_of(&mut self, state: State) -> usize {
        let states = &mut self.found.states;
        *self.places.entry(state).or_insert_with_key(|state| {
            states.push(state.clone());
            states.len() - 1
        })
    }
}
