//! Every judge is needed: for each there is a history that it alone rejects.

use crate::invariant::Invariant;
use crate::invariant::case::Case;
use crate::invariant::{answer, conversation, device, file, log, session, system, write};

type BrokenHistory = fn() -> Case;

const TABLE: &[(Invariant, BrokenHistory)] = &[
    (Invariant::NoLostWrites, write::no_lost_writes::record::tests::broken),
    (Invariant::NoPhantomValues, write::no_phantom_values::record::tests::broken),
    (Invariant::NoResurrectedDeletes, write::no_resurrected_deletes::tests::broken),
    (Invariant::CopiesConverge, write::copies_converge::view::tests::broken),
    (Invariant::CursorsAreSafe, device::cursors_are_safe::passed_row::tests::broken),
    (Invariant::UnsentEditsSurvive, write::unsent_edits_survive::tests::broken),
    (Invariant::VersionsAreImmutable, file::versions_are_immutable::tests::broken),
    (Invariant::UploadsAreAtomic, file::uploads_are_atomic::tests::broken),
    (Invariant::BatchesAreAtomic, file::batches_are_atomic::tests::broken),
    (Invariant::EffectsHappenOnce, log::effects_happen_once::account::tests::broken),
    (Invariant::ServerIsLinearizable, log::server_is_linearizable::account::tests::broken),
    (Invariant::SessionsAreExclusive, session::sessions_are_exclusive::tests::broken),
    (Invariant::FencesHold, session::fences_hold::tests::broken),
    (Invariant::StatusesAreLegal, conversation::statuses_are_legal::tests::broken),
    (Invariant::SummariesMatch, conversation::summaries_match::tests::broken),
    (Invariant::ReadsAreExact, conversation::reads_are_exact::tests::broken),
    (Invariant::DedupKeysAreStable, conversation::dedup_keys_are_stable::tests::broken),
    (Invariant::DatesRoundTrip, conversation::dates_round_trip::tests::broken),
    (Invariant::NoPlaintextLeaves, system::no_plaintext_leaves::tests::broken),
    (Invariant::RemotesAgree, write::remotes_agree::tests::broken),
    (Invariant::SystemSettles, system::system_settles::tests::broken),
    (Invariant::RunEnds, system::run_ends::tests::broken),
    (Invariant::NothingPanics, system::nothing_panics::tests::broken),
    (Invariant::ReadsNeverGoBack, device::reads_never_go_back::record::tests::broken),
    (Invariant::CrashesLoseNothing, device::crashes_lose_nothing::record::tests::broken),
    (Invariant::CachesAreCoherent, log::caches_are_coherent::stale_read::tests::broken),
    (Invariant::GrowthIsBounded, system::growth_is_bounded::tests::broken),
    (Invariant::NamesAreSane, file::names_are_sane::tests::broken),
    (Invariant::OutcomesAreHonest, answer::outcomes_are_honest::record::tests::broken),
    (Invariant::UsersAreIsolated, system::users_are_isolated::tests::broken),
    (Invariant::RefusalsHaveReasons, answer::refusals_have_reasons::refusal::tests::broken),
    (Invariant::LoginsAreWhole, device::logins_are_whole::tests::broken),
    (Invariant::ValuesAreAsExpected, write::values_are_as_expected::tests::broken),
];

#[test]
fn each_invariant_alone_rejects_its_story() {
    for (invariant, story) in TABLE {
        let case = story();
        assert_eq!(case.broken(), [*invariant], "{:#?}", case.violations());
    }
}

/// That one plan has one history is a law of pairs of runs, and no judge of one history.
#[test]
fn every_invariant_of_one_history_has_a_story() {
    let told: Vec<Invariant> = TABLE.iter().map(|row| row.0).collect();
    for invariant in Invariant::ALL {
        assert!(told.contains(invariant) || *invariant == Invariant::RunsAreDeterministic);
    }
}
