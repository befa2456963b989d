//! Conversations that the user hands over on this device: joined here, and saved by the server.

use super::ask::{Answer, Reason};
use super::core::Core;
use super::errand::{Errand, Then, Wanted};
use super::next::Next;
use crate::ingest::{Conversation, Ingest, Path, Step, Trouble, Vault};
use crate::message::{Action, Refusal, Reply, WorkAction};

fn vault(core: &Core) -> Vault {
    Vault {
        id: core.vault(),
        secret: core.boot.secret.clone(),
        keyring: core.store.keyring().clone(),
        calendar: core.boot.calendar.clone(),
        flaws: core.boot.flaws,
    }
}

/// Begins to bring a conversation in.
pub(super) fn begin(core: &Core, path: Path, conversation: Conversation) -> Result<Errand, Answer> {
    let ingest = Ingest::new(&vault(core), path, conversation);
    let ingest = ingest.map_err(|why| Answer::Refused(Reason::Date(why)))?;
    Ok(step(ingest.begin(), ingest))
}

/// Takes the answer to the last step.
pub(super) fn take(
    core: &mut Core,
    ingest: Ingest,
    answer: Result<Reply, Refusal>,
) -> Next<Errand> {
    let answer = match answer {
        Ok(Reply::Work(reply)) => Ok(reply),
        // Hostile, or broken: an answer to another question.
        Ok(_) => Err(Refusal::Internal),
        Err(refusal) => Err(refusal),
    };
    let nonce = core.entropy.bytes();
    match ingest.take(&vault(core), answer, nonce) {
        Ok(Step::Ask(action)) => Next::Ask(step(action, ingest)),
        Ok(Step::Done(version)) => Next::Answer(Answer::Ingested(ingest.key(), version)),
        Err(trouble) => Next::Answer(Answer::Refused(match trouble {
            Trouble::Sealed(why) => Reason::Sealed(why),
            Trouble::Keyless => Reason::Keyless,
            Trouble::Refused(_) => Reason::Internal,
        })),
    }
}

fn step(action: WorkAction, ingest: Ingest) -> Errand {
    Errand { wanted: Wanted::Act(Action::Work(action)), then: Then::Ingest(ingest) }
}
