//! Conversations: every conversation that is kept was brought in by a host, and so was each of its messages,
//! as it is.

use engine::id::{Token, UserId};

use crate::history::Talk;
use crate::invariant::Invariant::NoPhantomValues;
use crate::invariant::evidence::Evidence;
use crate::invariant::evidence::work::Conversations;
use crate::invariant::evidence::writes::owner;
use crate::invariant::findings::{About, Findings};
use crate::invariant::wording::visible;
use crate::plan::TalkId;
use crate::plan::talk::message_of;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (user, conversations) in evidence.epochs.conversations() {
        messages_were_brought(evidence, findings, *user, conversations);
    }
}

fn messages_were_brought(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    user: UserId,
    conversations: &Conversations<'_>,
) {
    for (at, _, held) in conversations.threads() {
        let mut report = |site, message: String| {
            findings.report(evidence, (NoPhantomValues, site), at, About::default(), message, []);
        };
        let Some(talk) = evidence.work.talk(evidence.context, user, held) else {
            let message = format!(
                "{}'s space holds the conversation \"{}\" of {}, which no host brought in.",
                evidence.user_name(user),
                visible(held.id.trim()),
                visible(held.service.trim())
            );
            report("conversation-of-nobody", message);
            continue;
        };
        if let Some(n) = foreign(evidence, user, talk, held, at) {
            let message = format!(
                "{}'s space holds message {n} of conversation {} in a state that no host had brought in.",
                evidence.user_name(user),
                talk.0
            );
            report("message-of-nobody", message);
        }
    }
}

/// A message that no host had brought in by then.
fn foreign(
    evidence: &Evidence<'_>,
    user: UserId,
    talk: TalkId,
    held: &Talk,
    at: usize,
) -> Option<u32> {
    let was_brought = |n: u32, edit: u32| {
        let mut brought = evidence.work.brought(evidence.context, user, at);
        brought.any(|it| {
            it.talk == talk && (it.first..=it.last).contains(&n) && u32::from(it.edit) == edit
        })
    };
    let is_right = |&&(n, edit, token): &&(u32, u32, Token)| {
        message_of(token) == Some((talk, n, edit)) && owner(token) == user && was_brought(n, edit)
    };
    held.messages.iter().find(|message| !is_right(message)).map(|message| message.0)
}

#[cfg(test)]
mod tests {
    use crate::invariant::Invariant;
    use crate::invariant::case::Case;
    use crate::invariant::case::talks::{DAY, SOUP, part};

    #[test]
    fn nobody_invents_a_message() {
        let mut case = Case::worked();
        case.phone().brings(part(SOUP, 1, 2));
        case.reader().saves_as(SOUP, DAY, &[1, 2, 9]);
        assert_eq!(case.ends().broken(), [Invariant::NoPhantomValues]);
    }
}
