//! Every judge is needed: for each there is a history that it alone rejects.

use super::Invariant;
use super::case::Case;
use super::{
    agree, batches, crash, cursor, dates, dedup, exact, exclusive, expected, fences, growth,
    isolation, linear, login, lost, names, once, outcomes, panic, phantom, plaintext, reads,
    reasons, resurrected, settle, statuses, summaries, unsent, uploads, versions, views,
};

type Story = fn() -> Case;

const TABLE: &[(Invariant, Story)] = &[
    (Invariant::NoLostWrites, lost::tests::broken),
    (Invariant::NoPhantomValues, phantom::tests::broken),
    (Invariant::NoResurrectedDeletes, resurrected::tests::broken),
    (Invariant::CopiesConverge, views::tests::broken),
    (Invariant::CursorsAreSafe, cursor::tests::broken),
    (Invariant::UnsentEditsSurvive, unsent::tests::broken),
    (Invariant::VersionsAreImmutable, versions::tests::broken),
    (Invariant::UploadsAreAtomic, uploads::tests::broken),
    (Invariant::BatchesAreAtomic, batches::tests::broken),
    (Invariant::EffectsHappenOnce, once::tests::broken),
    (Invariant::ServerIsLinearizable, linear::tests::broken),
    (Invariant::SessionsAreExclusive, exclusive::tests::broken),
    (Invariant::FencesHold, fences::tests::broken),
    (Invariant::StatusesAreLegal, statuses::tests::broken),
    (Invariant::SummariesMatch, summaries::tests::broken),
    (Invariant::ReadsAreExact, exact::tests::broken),
    (Invariant::DedupKeysAreStable, dedup::tests::broken),
    (Invariant::DatesRoundTrip, dates::tests::broken),
    (Invariant::NoPlaintextLeaves, plaintext::tests::broken),
    (Invariant::RemotesAgree, agree::tests::broken),
    (Invariant::SystemSettles, settle::tests::broken),
    (Invariant::NothingPanics, panic::tests::broken),
    (Invariant::ReadsNeverGoBack, reads::tests::broken),
    (Invariant::CrashesLoseNothing, crash::tests::broken),
    (Invariant::CachesAreCoherent, linear::tests::broken_cache),
    (Invariant::GrowthIsBounded, growth::tests::broken),
    (Invariant::NamesAreSane, names::tests::broken),
    (Invariant::OutcomesAreHonest, outcomes::tests::broken),
    (Invariant::UsersAreIsolated, isolation::tests::broken),
    (Invariant::RefusalsHaveReasons, reasons::tests::broken),
    (Invariant::LoginsAreWhole, login::tests::broken),
    (Invariant::ValuesAreAsExpected, expected::tests::broken),
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
