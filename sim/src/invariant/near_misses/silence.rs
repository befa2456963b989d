//! Requests that nobody answers, and keys that are not here: a death excuses only what was not due by then, and a
//! key is missing only until it has come.

use engine::device::Reason;
use engine::id::{DeviceId, Remote};
use engine::message::{FileReply, Reply};
use engine::seal::OpenError;

use crate::fault::{Fault, GoOffline, HoldKeys, Outage, Pause};
use crate::history::file::{FileAsked, Goal};
use crate::history::{Answered, Asked, Change, Fact};
use crate::invariant::Incurable;
use crate::invariant::Invariant::{NoPhantomValues, RefusalsHaveReasons};
use crate::invariant::case::tree::{DRAFT, ROOT};
use crate::invariant::case::{Case, MEAL, PHONE, TABLET, no_key};
use crate::plan::Errand;

const MINUTE: u64 = 60_000;

/// The phone is asked for something and loses power after this many milliseconds.
fn dies_after(asked: Asked, millis: u64) -> Case {
    let mut case = Case::new();
    case.phone().asks(asked);
    case.wait(millis);
    case.phone().crashes(3);
    case
}

#[test]
fn a_death_excuses_what_was_not_due_and_nothing_else() {
    for asked in [Asked::List, Asked::SignIn] {
        dies_after(asked.clone(), 12_000).passes();
        dies_after(asked, 20_000).breaks(RefusalsHaveReasons, "answered-late");
    }
    dies_after(Asked::RotateKey, 3 * MINUTE).passes();
    dies_after(Asked::RotateKey, 60 * MINUTE).breaks(RefusalsHaveReasons, "answered-late");
}

#[test]
fn a_device_that_stands_still_until_it_dies_owes_nothing() {
    for (device, stands_still) in [(PHONE, true), (TABLET, false)] {
        let pause = Fault::from(Pause { device });
        let mut case = Case::new();
        case.phone().asks(Asked::List);
        case.fact(device, Fact::Faulted(pause));
        case.wait(MINUTE);
        case.fact(device, Fact::Ended(pause));
        case.phone().crashes(3);
        if stands_still {
            case.passes();
        } else {
            case.breaks(RefusalsHaveReasons, "answered-late");
        }
    }
}

#[test]
fn a_device_whose_disk_is_slow_until_it_dies_owes_nothing() {
    for is_in_the_end in [true, false] {
        let mut case = Case::new();
        case.phone().asks(Asked::List);
        case.phone().hands_over(vec![Change::Meta]);
        if !is_in_the_end {
            case.fact(PHONE, Fact::Durable(1));
        }
        case.wait(MINUTE);
        case.phone().crashes(1);
        if is_in_the_end {
            case.passes();
        } else {
            case.breaks(RefusalsHaveReasons, "answered-late");
        }
    }
}

/// The phone waits for a new key through an outage, which is over for so long when it dies.
#[test]
fn a_new_key_waits_for_an_outage_until_death_and_not_much_longer() {
    let outage = Fault::from(Outage { remote: Remote::Zone });
    for (minutes, is_late) in [(1, false), (30, true)] {
        let mut case = Case::new();
        case.phone().asks(Asked::RotateKey);
        case.fact(Remote::Zone, Fact::Faulted(outage));
        case.wait(60 * MINUTE);
        case.fact(Remote::Zone, Fact::Ended(outage));
        case.wait(minutes * MINUTE);
        case.phone().crashes(3);
        if is_late {
            case.breaks(RefusalsHaveReasons, "answered-late");
        } else {
            case.passes();
        }
    }
}

#[test]
fn what_the_server_was_asked_for_may_be_unanswered_by_a_death_that_comes_soon() {
    for (minutes, is_late) in [(1, false), (60, true)] {
        let mut case = Case::served();
        case.phone().asks(Asked::Errand {
            errand: Errand::SessionStatus,
            token: None,
            last: false,
        });
        case.wait(minutes * MINUTE);
        case.phone().crashes(3);
        if is_late {
            case.breaks(RefusalsHaveReasons, "served-late");
        } else {
            case.passes();
        }
    }
}

/// A run does not wait for a device that is cut off, so something may be under way there as it ends.
#[test]
fn a_device_that_is_cut_off_answers_what_it_can_by_itself() {
    for (is_cut_off, millis, site) in [
        (true, 1_000, None),
        (true, MINUTE, Some("answered-late")),
        (false, 1_000, Some("unanswered")),
    ] {
        let mut case = Case::new();
        if is_cut_off {
            case.begins(GoOffline { device: PHONE });
            case.context.incurable.push(Incurable::Device(PHONE));
        }
        case.phone().asks(Asked::List);
        case.wait(millis);
        let case = case.ends();
        match site {
            Some(site) => case.breaks(RefusalsHaveReasons, site),
            None => case.passes(),
        }
    }
}

/// A device without all keys makes no new one, as long as there is something that it cannot open.
#[test]
fn a_new_key_may_wait_for_ever_where_something_stays_sealed() {
    for is_sealed in [true, false] {
        let mut case = super::synced();
        case.begins(HoldKeys { device: TABLET });
        case.context.incurable.push(Incurable::Keyless(TABLET));
        case.tablet().asks(Asked::RotateKey);
        if is_sealed {
            let sealed = case.tablet().at(Remote::Zone).seals(MEAL);
            case.tablet().persists(vec![sealed]);
        }
        case.wait(60 * MINUTE);
        let case = case.ends();
        if is_sealed {
            case.passes();
        } else {
            case.breaks(RefusalsHaveReasons, "answered-late");
        }
    }
}

/// The user of the phone has it make a new key, which it then has.
fn rotates(case: &mut Case) {
    let op = case.phone().asks(Asked::RotateKey);
    case.phone().persists(vec![Change::Key(true)]);
    case.phone().answers(op, Answered::Rotated);
}

/// A device cannot restore a version, as a key of this generation is not there, or something is garbled.
fn is_sealed_to(case: &mut Case, device: DeviceId, why: OpenError) {
    let token = case.device(device).next_label();
    let asked = FileAsked::Restore { node: DRAFT, version: 1, token, exposed: Vec::new() };
    let op = case.device(device).files().asks(asked);
    case.device(device).answers(op, Answered::Refused(Reason::Sealed(why)));
}

#[test]
fn a_key_is_missing_until_it_has_come() {
    for (why, has_come, is_right) in [
        (no_key(2), false, true),
        (no_key(2), true, false),
        (no_key(3), false, false),
        (OpenError::Corrupt, false, false),
    ] {
        let (mut case, _) = Case::filed();
        rotates(&mut case);
        if has_come {
            case.tablet().persists(vec![Change::Key(true)]);
        }
        is_sealed_to(&mut case, TABLET, why);
        if is_right {
            case.passes();
        } else {
            case.breaks(RefusalsHaveReasons, "refused");
        }
    }
}

#[test]
fn a_key_that_a_crash_takes_back_is_missing_again() {
    for keeps in [3, 2] {
        let (mut case, _) = Case::filed();
        rotates(&mut case);
        case.tablet().hands_over(vec![Change::Meta]);
        case.tablet().hands_over(vec![Change::Meta]);
        case.tablet().hands_over(vec![Change::Key(true)]);
        case.tablet().crashes(keeps);
        is_sealed_to(&mut case, TABLET, no_key(2));
        if keeps == 2 {
            case.passes();
        } else {
            case.breaks(RefusalsHaveReasons, "refused");
        }
    }
}

#[test]
fn keys_that_are_held_back_before_there_is_a_new_one_are_not_missing() {
    for is_made in [true, false] {
        let (mut case, _) = Case::filed();
        case.begins(HoldKeys { device: TABLET });
        case.context.incurable.push(Incurable::Keyless(TABLET));
        if is_made {
            rotates(&mut case);
        }
        is_sealed_to(&mut case, TABLET, no_key(2));
        if is_made {
            case.passes();
        } else {
            case.breaks(RefusalsHaveReasons, "refused");
        }
    }
}

/// A rotation ends with a crash: whether it has made a key is seen by whether one comes.
#[test]
fn a_rotation_that_made_no_key_leaves_none_missing() {
    for comes in [true, false] {
        let (mut case, _) = Case::filed();
        case.phone().asks(Asked::RotateKey);
        case.phone().crashes(9);
        is_sealed_to(&mut case, TABLET, no_key(2));
        if comes {
            case.tablet().persists(vec![Change::Key(true)]);
        }
        let broken = case.ends().broken();
        assert_eq!(broken.contains(&RefusalsHaveReasons), !comes, "{broken:?}");
    }
}

/// A log that was set back has lost a file, and a device that has a write of it names it.
#[test]
fn a_file_is_nameless_only_to_a_device_that_has_to_name_it_and_lacked_a_key_since() {
    for (has_a_write, gets_its_key_first, is_right) in
        [(true, false, true), (true, true, false), (false, false, false)]
    {
        let (mut case, _) = Case::filed();
        rotates(&mut case);
        if gets_its_key_first {
            case.tablet().persists(vec![Change::Key(true)]);
        }
        if has_a_write {
            let goal = (DRAFT, Goal::Version(DRAFT));
            let write = case.tablet().files().asks_to_save(goal, "other words", Vec::new());
            case.tablet().files().keeps(write);
        }
        let puts = case.files.moving(DRAFT, ROOT, "recovered");
        case.tablet().files().does(puts, Reply::File(FileReply::Moved));
        case.tablet().files().tells_name(DRAFT, Some("recovered"));
        let broken = case.broken();
        assert_eq!(broken.contains(&NoPhantomValues), !is_right, "{broken:?}");
    }
}
