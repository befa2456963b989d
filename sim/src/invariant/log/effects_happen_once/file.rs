//! Files: a write becomes one version of its file, however often it was sent.

use crate::invariant::Invariant::EffectsHappenOnce;
use crate::invariant::evidence::Evidence;
use crate::invariant::findings::{About, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (operation, first, other) in evidence.repeated_versions() {
        if other.node != first.node {
            continue; // Two files with one write are a matter of growth.
        }
        let message = format!(
            "{} of {} became versions {} and {} of {}.",
            operation.ask.token().map_or_else(String::new, |token| evidence.write_name(token)),
            evidence.device_name(operation.device),
            first.n.min(other.n),
            first.n.max(other.n),
            evidence.node_path(operation.user, first.node, first.at.max(other.at))
        );
        let about = About { record: None, token: operation.ask.token() };
        let at = first.at.max(other.at);
        let with = [operation.asked, first.at, other.at];
        findings.report(evidence, (EffectsHappenOnce, "version-twice"), at, about, message, with);
    }
}

#[cfg(test)]
mod tests {
    use crate::invariant::case::Case;
    use crate::invariant::case::tree::DRAFT;

    fn served() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.tablet().session().opens();
        case
    }

    #[test]
    fn a_write_is_one_version_of_one_file() {
        let mut case = served();
        let filing = case.phone().files().saves((DRAFT, "draft.txt"), "words");
        case.phone().files().uploads(filing, ("draft.txt", "words"));
        case.phone().files().uploads_next(filing, (2, &[1], &[2]), "words again");
        case.rejects("version-twice");

        let mut case = served();
        let filing = case.phone().files().saves((DRAFT, "draft.txt"), "words");
        case.phone().files().uploads(filing, ("draft.txt", "words"));
        let copy = crate::invariant::case::tree::FileWrite {
            node: crate::invariant::case::tree::NOTES,
            dot: engine::id::Dot { n: filing.dot.n + 100, ..filing.dot },
            ..filing
        };
        case.phone().files().keeps(copy);
        case.phone().files().uploads(copy, ("draft (copy).txt", "words"));
        case.rejects("copies-of-a-write");
    }
}
