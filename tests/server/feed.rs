//! The feed: a device that reads it page by page knows all that is there, whatever happens in between.

use std::collections::BTreeMap;

use engine::flaw::Flaws;
use engine::id::NodeId;
use engine::log::{EntryId, Node, Position};
use engine::message::{FeedCursor, FileAction, FileRefusal, FileReply, Move, Reply};
use proptest::prelude::*;

use super::desk::{Desk, done, folder, name, node, refused};
use super::lab::Lab;

/// A client that follows the feed.
#[derive(Clone, Debug, Default)]
struct Reader {
    cursor: Option<FeedCursor>,
    nodes: BTreeMap<NodeId, Node>,
}

impl Reader {
    /// Takes a page; says whether there is more.
    fn reads(&mut self, desk: &mut Desk, who: usize, limit: u16) -> bool {
        let reply = desk.does(who, FileAction::Feed(self.cursor, limit));
        let Reply::File(FileReply::Page { changed, next, more }) = reply else {
            panic!("a page, and not {reply:?}")
        };
        assert!(changed.len() <= usize::from(limit));
        self.nodes.extend(changed.into_iter().map(|shown| (shown.id, shown.node)));
        self.cursor = Some(next);
        more
    }
}

/// Every node as the log has it.
fn nodes(lab: &mut Lab, most: u64) -> BTreeMap<NodeId, Node> {
    let state = lab.state();
    (1..=most).filter_map(|id| Some((NodeId(id), node(&state, id)?))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_reader_of_pages_knows_what_is_there(
        limit in 1u16..5,
        steps in prop::collection::vec((0usize..2, 1u64..8, 0u8..4), 1..30),
    ) {
        let mut desk = Desk::new(Flaws::NONE);
        let mut reader = Reader::default();
        for (who, id, what) in steps {
            match what {
                0 => {
                    desk.does(who, folder(id, &format!("f{id}")));
                }
                1 => {
                    let renamed = name(&format!("g{id}"));
                    let one = Move { node: NodeId(id), parent: None, name: Some(renamed) };
                    desk.does(who, FileAction::Move(vec![one]));
                }
                2 => {
                    desk.does(who, FileAction::Delete(NodeId(id), Vec::new()));
                }
                _ => {
                    reader.reads(&mut desk, who, limit);
                }
            }
        }
        while reader.reads(&mut desk, 0, limit) {}
        prop_assert_eq!(reader.nodes, nodes(&mut desk.lab, 8));
    }
}

#[test]
fn a_change_of_many_nodes_is_read_in_parts() {
    let mut desk = Desk::new(Flaws::NONE);
    for id in 1..=3 {
        assert_eq!(desk.does(0, folder(id, &format!("f{id}"))), done());
    }
    let into = |id| Move { node: NodeId(id), parent: Some(NodeId(1)), name: None };
    desk.does(0, FileAction::Move(vec![into(2), into(3)]));
    let mut reader = Reader::default();
    assert!(reader.reads(&mut desk, 1, 2), "two of three");
    assert!(!reader.reads(&mut desk, 0, 2), "and the third");
    assert_eq!(reader.nodes, nodes(&mut desk.lab, 3));
    let before = reader.clone();
    assert!(!reader.reads(&mut desk, 0, 2));
    assert_eq!(reader.nodes, before.nodes);
}

#[test]
fn a_cursor_of_a_log_that_is_no_more_is_refused() {
    let mut desk = Desk::new(Flaws::NONE);
    assert_eq!(desk.does(0, folder(1, "one")), done());
    let backup = desk.clone();
    let mut reader = Reader::default();
    assert_eq!(desk.does(0, folder(2, "two")), done());
    reader.reads(&mut desk, 0, 9);
    // The volume is set back, and the workers start again.
    let mut desk = backup;
    desk.lab.crash(0);
    desk.lab.crash(1);
    let expired = refused(FileRefusal::CursorExpired);
    assert_eq!(desk.does(0, FileAction::Feed(reader.cursor, 9)), expired, "it is ahead");
    assert_eq!(desk.does(0, folder(3, "three")), done());
    assert_eq!(desk.does(0, folder(4, "four")), done());
    assert_eq!(desk.does(1, FileAction::Feed(reader.cursor, 9)), expired, "it is another's");
    let known = reader.cursor.expect("it has read");
    let forged = FeedCursor { at: Position { entry: EntryId(0), ..known.at }, ..known };
    assert_eq!(desk.does(1, FileAction::Feed(Some(forged), 9)), expired);
}
