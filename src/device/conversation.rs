//! Conversations that the user hands over on this device: joined here, and saved by the server.

use super::errand::{Errand, Next, Then, Wanted};
use super::{Answer, Device, Reason};
use crate::ingest::{Conversation, Ingest, Path, Step, Trouble, Vault};
use crate::message::{Action, Refusal, Reply, WorkAction};

impl Device {
    fn conversations(&self) -> Vault {
        Vault {
            id: self.vault(),
            secret: self.boot.secret.clone(),
            keyring: self.store.keyring().clone(),
            calendar: self.boot.calendar.clone(),
            flaws: self.boot.flaws,
        }
    }

    /// Begins to bring a conversation in.
    pub(super) fn ingest(
        &mut self,
        path: Path,
        conversation: Conversation,
    ) -> Result<Errand, Answer> {
        let ingest = Ingest::new(&self.conversations(), path, conversation);
        let ingest = ingest.map_err(|why| Answer::Refused(Reason::Date(why)))?;
        Ok(step(ingest.begin(), ingest))
    }

    /// Goes on with it.
    pub(super) fn take_ingest(&mut self, ingest: Ingest, answer: Result<Reply, Refusal>) -> Next {
        let answer = match answer {
            Ok(Reply::Work(reply)) => Ok(reply),
            Ok(_) => Err(Refusal::Internal),
            Err(refusal) => Err(refusal),
        };
        let nonce = self.entropy.bytes();
        match ingest.take(&self.conversations(), answer, nonce) {
            Ok(Step::Ask(action)) => Next::Ask(step(action, ingest)),
            Ok(Step::Done(version)) => Next::Answer(Answer::Ingested(ingest.key(), version)),
            Err(trouble) => Next::Answer(Answer::Refused(match trouble {
                Trouble::Sealed(why) => Reason::Sealed(why),
                Trouble::Keyless => Reason::Keyless,
                Trouble::Refused(_) => Reason::Internal,
            })),
        }
    }
}

fn step(action: WorkAction, ingest: Ingest) -> Errand {
    Errand { wanted: Wanted::Act(Action::Work(action)), then: Then::Ingest(ingest) }
}
