//! The tree against a model that knows nothing of logs, workers or indexes: whatever two devices
//! ask of two workers, both answer alike.

use std::collections::BTreeMap;

use engine::flaw::{Flaw, Flaws};
use engine::id::NodeId;
use engine::message::{FileAction, FileRefusal, FileReply, Move, Place, Refusal, Reply};
use proptest::prelude::*;

use super::desk::{Desk, at, done, is_sane, name, node, refused};

/// What there is: for each folder its place, and whether it is deleted.
#[derive(Clone, Debug, Default)]
struct Model(BTreeMap<NodeId, (Place, bool)>);

impl Model {
    fn live(&self, id: NodeId) -> Result<&Place, FileRefusal> {
        match self.0.get(&id) {
            None => Err(FileRefusal::NoNode),
            Some((_, true)) => Err(FileRefusal::Deleted),
            Some((place, false)) => Ok(place),
        }
    }

    fn holder(&self, place: &Place) -> Option<NodeId> {
        let same = |it: &Place| it.parent == place.parent && it.name.key == place.name.key;
        let found = self.0.iter().find(|(_, (it, deleted))| !deleted && same(it));
        found.map(|(id, _)| *id)
    }

    /// Asks for nothing but that the place is free and in a folder.
    fn may_be_at(&self, id: NodeId, place: &Place) -> Result<(), FileRefusal> {
        if place.parent != NodeId::ROOT && self.live(place.parent).is_err() {
            return Err(FileRefusal::NoFolder);
        }
        match self.holder(place) {
            Some(other) if other != id => Err(FileRefusal::NameTaken(other)),
            Some(_) | None => Ok(()),
        }
    }

    fn is_inside(&self, mut id: NodeId, above: NodeId) -> bool {
        for _ in 0..=self.0.len() {
            match self.0.get(&id) {
                Some((place, _)) if place.parent == above => return true,
                Some((place, _)) => id = place.parent,
                None => return false,
            }
        }
        false
    }

    fn create(&mut self, id: NodeId, place: &Place) -> Result<(), FileRefusal> {
        match self.0.get(&id) {
            Some((there, false)) if there == place => Ok(()),
            Some(_) => Err(FileRefusal::NodeExists),
            None => {
                self.may_be_at(id, place)?;
                self.0.insert(id, (place.clone(), false));
                Ok(())
            }
        }
    }

    fn delete(&mut self, id: NodeId) -> Result<(), FileRefusal> {
        match self.live(id) {
            Err(FileRefusal::Deleted) => return Ok(()),
            Err(refusal) => return Err(refusal),
            Ok(_) => {}
        }
        if self.0.values().any(|(place, deleted)| place.parent == id && !deleted) {
            return Err(FileRefusal::NotEmpty);
        }
        self.0.get_mut(&id).expect("it is there").1 = true;
        Ok(())
    }

    fn undelete(&mut self, id: NodeId) -> Result<(), FileRefusal> {
        match self.0.get(&id).cloned() {
            None => Err(FileRefusal::NoNode),
            Some((_, false)) => Ok(()),
            Some((place, true)) => {
                self.may_be_at(id, &place)?;
                self.0.insert(id, (place, false));
                Ok(())
            }
        }
    }

    /// On a copy, which is kept if all of it can be done. Refused without a word if it says nothing.
    fn move_all(&mut self, moves: &[Move]) -> Result<(), Option<FileRefusal>> {
        let mut next = self.clone();
        if moves.iter().any(|one| one.parent.is_none() && one.name.is_none()) {
            return Err(None);
        }
        for one in moves {
            next.live(one.node).map_err(Some)?;
        }
        // What leaves is nowhere meanwhile.
        let leaving: Vec<_> = moves.iter().map(|one| (one, self.0[&one.node].0.clone())).collect();
        for (one, _) in &leaving {
            let nowhere = at(NodeId(u64::MAX - one.node.0), "nowhere");
            next.0.insert(one.node, (nowhere, false));
        }
        for (one, old) in leaving {
            let place = Place {
                parent: one.parent.unwrap_or(old.parent),
                name: one.name.clone().unwrap_or(old.name),
            };
            next.may_be_at(one.node, &place).map_err(Some)?;
            next.0.insert(one.node, (place, false));
        }
        if moves.iter().any(|one| next.is_inside(one.node, one.node)) {
            return Err(Some(FileRefusal::Cycle));
        }
        *self = next;
        Ok(())
    }

    fn answers(&mut self, about: &FileAction) -> Reply {
        let (result, fine) = if let FileAction::CreateFolder(id, place) = about {
            (self.create(*id, place).map_err(Some), done())
        } else if let FileAction::Delete(id, _) = about {
            (self.delete(*id).map_err(Some), done())
        } else if let FileAction::Undelete(id, _) = about {
            (self.undelete(*id).map_err(Some), done())
        } else if let FileAction::Move(moves) = about {
            (self.move_all(moves), Reply::File(FileReply::Moved))
        } else {
            panic!("not drawn: {about:?}")
        };
        let invalid = Reply::Refused(Refusal::Invalid);
        result.map_or_else(|refusal| refusal.map_or(invalid, refused), |()| fine)
    }
}

fn any_action() -> impl Strategy<Value = FileAction> {
    let id = || (1u64..6).prop_map(NodeId);
    let parent = || (0u64..6).prop_map(NodeId);
    let text = || prop::sample::select(vec!["a", "A", "b", "c"]);
    let parents = prop::option::weighted(0.7, parent());
    let one = (id(), parents, prop::option::of(text())).prop_map(|(node, parent, text)| Move {
        node,
        parent,
        name: text.map(name),
    });
    let place = (parent(), text()).prop_map(|(parent, text)| at(parent, text));
    let moves = prop::collection::btree_map(id(), one, 1..4).prop_map(|moves| {
        let each = moves.into_iter().map(|(node, one)| Move { node, ..one });
        FileAction::Move(each.collect())
    });
    prop_oneof![
        3 => (id(), place).prop_map(|(id, place)| FileAction::CreateFolder(id, place)),
        3 => moves,
        1 => id().prop_map(|id| FileAction::Delete(id, Vec::new())),
        1 => id().prop_map(|id| FileAction::Undelete(id, None)),
    ]
}

/// The first thing that the server answers otherwise than the model, if any.
fn differs(flaws: Flaws, asked: &[(usize, FileAction)]) -> Option<(FileAction, Reply, Reply)> {
    let mut desk = Desk::new(flaws);
    let mut model = Model::default();
    for (who, about) in asked {
        let (expected, answer) = (model.answers(about), desk.does(*who, about.clone()));
        let state = desk.lab.state();
        let same = model.0.iter().all(|(id, (place, deleted))| {
            node(&state, id.0).is_some_and(|it| (&it.place, it.deleted) == (place, *deleted))
        });
        if answer != expected || !same || !is_sane(&state) {
            return Some((about.clone(), answer, expected));
        }
    }
    None
}

fn asked() -> impl Strategy<Value = Vec<(usize, FileAction)>> {
    prop::collection::vec((0usize..2, any_action()), 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn the_tree_is_what_a_simple_model_says(asked in asked()) {
        prop_assert_eq!(differs(Flaws::NONE, &asked), None);
    }
}

#[test]
fn the_model_tells_flawed_trees_from_sound_ones() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    for flaw in [Flaw::VfBatchHalf, Flaw::VfCacheStale, Flaw::Fb10] {
        let mut runner = TestRunner::deterministic();
        let caught = (0..300).any(|_| {
            let drawn = asked().new_tree(&mut runner).expect("nothing is left out").current();
            differs(Flaws::only(flaw), &drawn).is_some()
        });
        assert!(caught, "{}", flaw.id());
    }
}

#[test]
fn a_nameless_place_is_refused() {
    let mut desk = Desk::new(Flaws::NONE);
    let mut place = at(NodeId::ROOT, "a");
    place.name.sealed = engine::Bytes::default();
    let answer = desk.does(0, FileAction::CreateFolder(NodeId(1), place));
    assert_eq!(answer, Reply::Refused(Refusal::Invalid));
}
