//! Files: what was saved before a crash is on the disk after it, or a version by then.

use engine::id::{DeviceId, Token};

use crate::history::{Boot, Fact};
use crate::invariant::Invariant::CrashesLoseNothing;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::files::ObservedFileOperation;
use crate::invariant::findings::{About, Findings};
use crate::plan::Node;

/// What was saved before a crash is on the disk after it, or a version by then.
pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let operations = evidence.server.file_operations.iter();
    let saved: Vec<(usize, &ObservedFileOperation<'_>, Token)> = operations
        .filter_map(|operation| Some((operation.saved()?, operation, operation.ask.token()?)))
        .collect();
    for &(at, entry) in &evidence.off_wire {
        let (Fact::Started { boot: Boot::Restart, .. }, Node::Device(device)) =
            (&entry.fact, entry.node)
        else {
            continue;
        };
        let image = evidence.images(device).filter(|image| *image < at).last().unwrap_or(0);
        let disk = evidence.disk(device);
        // The image may have a write that another device saved, of which this one is a clone.
        let was_here = |when: usize, by: DeviceId, token: Token| {
            by == device && (image..at).contains(&when) || disk.has_upload(token, image)
        };
        for (when, operation, token) in &saved {
            let mut epochs = evidence.epochs.iter();
            let mut was_published =
                || epochs.any(|epoch| epoch.archive.published(*token).any(|it| it.at < at));
            if was_here(*when, operation.device, *token)
                && !disk.has_upload(*token, at)
                && !was_published()
            {
                let message = format!(
                    "{} restarted without {} ({}), which it had acknowledged as saved at {} and which is no \
                     version.",
                    evidence.device_name(device),
                    evidence.write_name(*token),
                    evidence.operation_path(operation, at),
                    evidence.time(*when)
                );
                let about = About { record: None, token: Some(*token) };
                let place = (CrashesLoseNothing, "file-saved-and-gone");
                findings.report(evidence, place, at, about, message, [operation.asked, *when]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::history::Change;
    use crate::invariant::case::Case;
    use crate::invariant::case::tree::DRAFT;

    fn served() -> Case {
        let mut case = Case::served();
        case.phone().session().opens();
        case.tablet().session().opens();
        case
    }

    #[test]
    fn a_crash_takes_nothing_that_was_saved() {
        let mut case = served();
        let filing = case.phone().files().saves((DRAFT, "draft.txt"), "words");
        case.phone().crashes(1);
        case.phone().session().opens();
        case.phone().files().uploads(filing, ("draft.txt", "words"));
        case.phone().files().reads_feed(&[DRAFT]);
        case.phone().persists(vec![Change::Upload(filing.dot, None)]);
        case.phone().crashes(9);
        case.ends().passes();
    }
}
