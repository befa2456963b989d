//! `no-phantoms`: what is shown of a key was written to it, before it was shown, and was not refused.

use crate::judge::{Evidence, Finding, Judge, Reading};
use crate::observation::Token;

/// What is shown of a key was written to it before, and was not refused.
pub const NO_PHANTOMS: Judge = Judge {
    name: "no-phantoms",
    meaning: "What is shown of a key was written to it before, and was not refused.",
    check,
};

fn check(evidence: &Evidence<'_>) -> Vec<Finding> {
    let shown = evidence
        .readings()
        .iter()
        .flat_map(|reading| reading.shown.iter().map(move |token| (reading, *token)));
    shown.filter_map(|(reading, token)| phantom(evidence, reading, token)).collect()
}

fn phantom(evidence: &Evidence<'_>, reading: &Reading<'_>, token: Token) -> Option<Finding> {
    let written = evidence.written(token);
    let (site, why) = match written {
        None => ("never-written", "was never written".to_owned()),
        Some(written) if written.asked > reading.answered => {
            ("not-yet-written", format!("was not written before {}", evidence.time(written.asked)))
        }
        Some(written) if written.key != reading.key => {
            ("of-another-key", format!("was written to {}", evidence.names.key(written.key)))
        }
        Some(written) if written.write.deletes => ("a-delete", "is a delete".to_owned()),
        Some(written) => {
            let refused = written.refused?;
            ("refused", format!("was refused at {}", evidence.time(refused)))
        }
    };
    let refused = written.and_then(|written| written.refused);
    Some(Finding {
        site,
        at: reading.answered,
        key: Some(reading.key),
        token: Some(token),
        message: format!(
            "Phantom: {} showed {} of {}, which {why}: expected only writes that clients made to that key.",
            evidence.names.host(reading.host),
            evidence.names.token(token),
            evidence.names.key(reading.key)
        ),
        with: written.map(|written| written.asked).into_iter().chain(refused).collect(),
    })
}

#[cfg(test)]
mod tests {
    use crate::judge::case::{Case, NOTE, OTHER, PHONE, TABLET};
    use crate::observation::Token;

    fn phantom(site: &'static str) -> Vec<(&'static str, &'static str)> {
        vec![("no-phantoms", site)]
    }

    #[test]
    fn what_nobody_wrote_is_a_phantom() {
        let mut case = Case::new();
        case.reads(PHONE, &[Token(7)]);
        case.rests();
        assert_eq!(case.broken(), phantom("never-written"));
    }

    #[test]
    fn what_is_written_later_is_a_phantom() {
        let mut case = Case::new();
        // The read has the number 0, so the write will have 1.
        case.reads(TABLET, &[Token(1)]);
        let write = case.writes(PHONE, &[]);
        assert_eq!(case.ends(&[write]).broken(), phantom("not-yet-written"));
    }

    #[test]
    fn what_was_written_elsewhere_is_a_phantom() {
        let mut case = Case::new();
        let write = case.asks(PHONE, OTHER, &[]);
        case.refuses(PHONE, write);
        let write = case.asks(PHONE, OTHER, &[]);
        case.acknowledges(PHONE, write, crate::observation::Promise::Copies(0));
        case.reads(TABLET, &[write]);
        case.rests();
        assert_eq!(case.broken(), phantom("of-another-key"));
    }

    #[test]
    fn what_was_refused_is_a_phantom() {
        let mut case = Case::new();
        let write = case.asks(PHONE, NOTE, &[]);
        case.reads(TABLET, &[write]);
        case.refuses(PHONE, write);
        case.rests();
        assert_eq!(case.broken(), phantom("refused"));
    }

    #[test]
    fn a_delete_is_never_shown() {
        let mut case = Case::new();
        let write = case.writes(PHONE, &[]);
        let delete = case.deletes(PHONE, &[write]);
        assert_eq!(case.ends(&[delete]).only(super::NO_PHANTOMS).broken().len(), 2);
    }

    #[test]
    fn what_is_under_way_may_be_shown() {
        let mut case = Case::new();
        let write = case.asks(PHONE, NOTE, &[]);
        case.reads(TABLET, &[write]);
        case.acknowledges(PHONE, write, crate::observation::Promise::Copies(1));
        case.ends(&[write]).passes();
    }

    #[test]
    fn what_was_written_while_the_read_was_under_way_may_be_shown() {
        let mut case = Case::new();
        let read = case.begins_to_read(TABLET);
        let write = case.writes(PHONE, &[]);
        case.shows(TABLET, read, &[write]);
        case.ends(&[write]).passes();
    }
}
