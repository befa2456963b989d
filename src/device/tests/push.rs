//! Pushes: what is saved on which condition, and what each result of a save does.

use super::*;
use crate::remote::{Ending, Put, Refusal};

/// A pair whose device has written soup and sends it: the call of the save.
fn saving(pair: &mut Pair) -> ((Remote, Call), Vec<Put>) {
    let call = pair.call();
    let Request::Save { puts, .. } = call.1.request.clone() else { panic!("a save, not {call:?}") };
    (call, puts)
}

/// A device that has pulled nothing, and what it then saves of these records.
fn edited(ids: &[RecordId]) -> Pair {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.gives(Input::Wakeup);
    let pull = pair.call();
    ids.iter().for_each(|id| pair.writes(*id, "mine"));
    pair.returns(&pull, page(Vec::new(), 1));
    pair
}

#[test]
fn an_edit_is_durable_before_it_is_answered_and_sent() {
    let mut pair = Pair::new(&[Remote::Zone], false);
    pair.is_pulled(Vec::new(), 1);
    pair.writes(SOUP, "mine");
    assert!(pair.commits[0].sync, "nothing else happens before");
    assert!(matches!(pair.outputs[0], Output::Answer(..)), "{:?}", pair.outputs);
    let (_, puts) = saving(&mut pair);
    let blob = &puts[0].row.blob;
    let opened = ring().open(VaultId::from(ANNA), SOUP, blob).expect("it has the key");
    assert_eq!(&opened, pair.device.core.store.record(SOUP).expect("it is here"));
}

#[test]
fn a_save_is_on_the_condition_of_the_tag_that_was_seen() {
    let mut pair = Pair::with_soup();
    pair.is_pulled(Vec::new(), 2);
    pair.writes(SOUP, "mine");
    let (_, puts) = saving(&mut pair);
    assert_eq!(puts[0].expect, Some(Tag(1)));
}

#[test]
fn an_edit_made_during_a_save_is_sent_next() {
    let mut pair = edited(&[SOUP]);
    let (save, _) = saving(&mut pair);
    pair.writes(SOUP, "mine again");
    pair.returns(&save, Reply::Saved(vec![(SOUP, Ok(Tag(7)))]));
    let (_, puts) = saving(&mut pair);
    assert_eq!(puts[0].expect, Some(Tag(7)), "over what was acknowledged");
}

#[test]
fn an_acknowledged_save_leaves_nothing_unsent() {
    let mut pair = edited(&[SOUP, CAKE]);
    let (save, puts) = saving(&mut pair);
    assert_eq!(puts.len(), 2);
    pair.returns(&save, Reply::Saved(vec![(SOUP, Ok(Tag(7))), (CAKE, Ok(Tag(8)))]));
    assert_eq!(pair.status().unsent, [0, 0]);
    assert!(pair.calls.is_empty(), "nothing is sent again");
}

#[test]
fn a_lost_acknowledgement_is_asked_for_with_the_same_rows() {
    let mut pair = edited(&[SOUP]);
    let (first, _) = saving(&mut pair);
    assert_eq!(pair.wakes(), "timeout");
    assert_eq!(pair.wakes(), "retry");
    let (again, _) = saving(&mut pair);
    assert_eq!(again.1.request, first.1.request);
    assert_eq!((again.1.id, again.1.attempt), (first.1.id, 1));
}

#[test]
fn a_save_that_meets_a_newer_row_joins_it_and_goes_again() {
    let mut pair = edited(&[SOUP]);
    let (save, _) = saving(&mut pair);
    let newer = Box::new(served(row(SOUP, &written("theirs")), 9));
    pair.returns(&save, Reply::Saved(vec![(SOUP, Err(Refusal::Changed(newer)))]));
    assert_eq!(pair.says(SOUP).len(), 2, "both are kept");
    let (_, puts) = saving(&mut pair);
    assert_eq!(puts[0].expect, Some(Tag(9)));
    let opened = ring().open(VaultId::from(ANNA), SOUP, &puts[0].row.blob).expect("it opens");
    assert_eq!(opened.record().field(NAME).len(), 2, "and both are sent");
}

#[test]
fn a_row_refused_for_good_is_parked_and_blocks_no_other() {
    let mut pair = edited(&[SOUP, CAKE]);
    let (save, _) = saving(&mut pair);
    pair.returns(
        &save,
        Reply::Saved(vec![(SOUP, Err(Refusal::Rejected)), (CAKE, Err(Refusal::BatchFailed))]),
    );
    let (save, puts) = saving(&mut pair);
    assert_eq!(puts.iter().map(|put| put.row.id).collect::<Vec<_>>(), [CAKE]);
    pair.returns(&save, Reply::Saved(vec![(CAKE, Ok(Tag(8)))]));
    let status = pair.status();
    assert_eq!((status.unsent, status.parked), ([0, 0], [1, 0]));
}

#[test]
fn too_many_rows_are_sent_as_half_as_many() {
    let ids: Vec<_> = (1..=4).map(|key| RecordId { kind: Kind::Meal, key }).collect();
    let mut pair = edited(&ids);
    let (save, puts) = saving(&mut pair);
    assert_eq!(puts.len(), 4);
    pair.returns(&save, Reply::Refused(Refusal::LimitExceeded));
    assert_eq!(saving(&mut pair).1.len(), 2);
}

#[test]
fn a_row_that_is_there_unseen_is_looked_at_and_joined() {
    let mut pair = edited(&[SOUP]);
    let (save, _) = saving(&mut pair);
    pair.returns(&save, Reply::Saved(vec![(SOUP, Err(Refusal::Exists))]));
    let look = pair.call();
    assert!(matches!(&look.1.request, Request::Fetch { ids, .. } if ids[..] == [SOUP]));
    pair.returns(&look, Reply::Found(vec![served(row(SOUP, &written("theirs")), 9)]));
    assert_eq!(pair.says(SOUP).len(), 2);
    assert_eq!(saving(&mut pair).1[0].expect, Some(Tag(9)));
}

#[test]
fn a_hidden_row_is_left_alone_until_the_next_listing() {
    let mut pair = edited(&[SOUP]);
    let (save, _) = saving(&mut pair);
    pair.returns(&save, Reply::Saved(vec![(SOUP, Err(Refusal::Exists))]));
    let look = pair.call();
    pair.returns(&look, Reply::Found(Vec::new()));
    let status = pair.status();
    assert_eq!((status.unsent, status.parked), ([0, 0], [1, 0]));
    assert!(pair.calls.is_empty());
}

#[test]
fn results_of_rows_that_were_not_sent_count_for_nothing() {
    let mut pair = edited(&[SOUP]);
    let (save, _) = saving(&mut pair);
    pair.returns(&save, Reply::Saved(vec![(CAKE, Ok(Tag(8))), (CAKE, Err(Refusal::Rejected))]));
    assert!(!pair.disk.contains_key(&StoreKey::Mirror(Remote::Zone, CAKE)));
    assert_eq!(saving(&mut pair).1[0].row.id, SOUP, "it is still unsent");
}

/// What is here of soup after its zone was lost so.
fn after(ending: Ending) -> Presence {
    let mut pair = Pair::with_soup();
    pair.gives(Input::Wakeup);
    let pull = pair.call();
    pair.returns(&pull, Reply::Refused(Refusal::ZoneNotFound(ending)));
    let create = pair.call();
    assert!(matches!(create.1.request, Request::CreateZone { .. }));
    pair.returns(&create, Reply::Done);
    let listing = pair.call();
    pair.returns(&listing, page(Vec::new(), 9));
    assert_eq!(saving(&mut pair).1[0].expect, None, "the zone is empty");
    pair.reads(SOUP).presence
}

#[test]
fn a_purge_deletes_here_and_any_other_loss_of_a_zone_puts_everything_back() {
    assert_eq!(after(Ending::Purged), Presence::Deleted);
    assert_eq!(after(Ending::Deleted), Presence::Live);
    assert_eq!(after(Ending::EncryptedDataReset), Presence::Live);
}

#[test]
fn nothing_is_sent_without_a_key() {
    let disk = prepared(ANNA, 1, &BTreeMap::new(), &[], [None; 2]);
    let mut pair = Pair::with_disk(&[Remote::Zone], false, disk);
    pair.is_pulled(Vec::new(), 1);
    pair.writes(SOUP, "mine");
    assert!(pair.calls.is_empty(), "{:?}", pair.calls);
    pair.gives(Input::KeyArrived(KEY, key(KEY)));
    assert_eq!(saving(&mut pair).1[0].row.id, SOUP);
}

#[test]
fn a_crash_forgets_what_was_in_flight_and_sends_it_again() {
    let mut pair = edited(&[SOUP]);
    saving(&mut pair);
    pair.crashes();
    pair.is_pulled(Vec::new(), 2);
    assert_eq!(saving(&mut pair).1[0].row.id, SOUP);
}
