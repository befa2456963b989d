//! The work of a processor: a claim, the content of the conversation, the step, the result; or a
//! conversation that is brought in; or a read.
//!
//! One work is under way at a time. Every answer leads to the next action, and so does every
//! failure.

use super::{Answer, Order, Output, Processor, Reason, StepId};
use crate::date::DateKey;
use crate::dedup::Thread;
use crate::flaw::Flaw;
use crate::id::OpId;
use crate::ingest::{Ingest, Step};
use crate::job::{Claim, Job, Why};
use crate::message::{Part, Refusal, WorkAction, WorkReply};
use crate::record::Payload;
use crate::seal::OpenError;
use crate::time::{Now, Time};

/// The work under way: what the last request was about, or the step.
#[derive(Clone, Debug)]
pub(super) enum Work {
    Ingest(Ingest),
    Claim(Option<DateKey>),
    Read(Option<DateKey>, Claim),
    Step { day: Option<DateKey>, claim: Claim, step: StepId, gives_up: Time },
    Finish(Option<DateKey>),
    Show,
    Stop,
}

impl Processor {
    pub(super) fn claim(&mut self, op: Option<OpId>, day: Option<DateKey>) {
        self.line.want(WorkAction::Claim(day));
        self.work = Some((op, Work::Claim(day)));
    }

    /// The worker's queue is full, or other processors have claimed all the work. A processor that
    /// looked for work by itself looks again later; one that was ordered to waits until the work is
    /// done.
    pub(super) fn turn_away(&mut self, now: Now) {
        // Any other action is sent again until a worker has the time for it.
        let Some((op, Work::Claim(_))) = &self.work else { return };
        let op = *op;
        tracing::debug!(ordered = op.is_some(), "all the work is others', or the worker is busy");
        if op.is_none() || self.vault.flaws.has(Flaw::Bp409Done) {
            self.line.abandon();
            self.end(now, op, Answer::Processed);
        }
    }

    /// The last action was answered.
    pub(super) fn advance(&mut self, now: Now, answer: Result<WorkReply, Refusal>) {
        let (op, work) = self.work.take().expect("an action is asked for the work under way");
        assert!(!matches!(work, Work::Step { .. }), "a step asks the server nothing");
        let _work = tracing::debug_span!("work", order = op.map(|op| op.0)).entered();
        match (work, answer) {
            (Work::Ingest(ingest), answer) => {
                let nonce = self.entropy.bytes();
                match ingest.take(&self.vault, answer, nonce) {
                    Ok(Step::Ask(action)) => {
                        self.line.want(action);
                        self.work = Some((op, Work::Ingest(ingest)));
                    }
                    Ok(Step::Done(version)) => {
                        self.end(now, op, Answer::Saved(ingest.key(), version));
                    }
                    Err(trouble) => self.end(now, op, Answer::Refused(trouble.into())),
                }
            }
            (Work::Claim(day), Ok(WorkReply::Claimed(Some(claim)))) => {
                let Claim { key, version, tries, until, .. } = claim;
                tracing::debug!(%key, version, tries, %until, "claimed work");
                self.line.want(WorkAction::Read(key, Part::Version(version)));
                self.work = Some((op, Work::Read(day, claim)));
            }
            (Work::Claim(_), Ok(WorkReply::Claimed(None))) => self.end(now, op, Answer::Processed),
            (Work::Read(day, claim), Ok(WorkReply::Item(Some(found)))) => {
                match self.vault.open_thread(&found) {
                    Ok(thread) => self.begin_step(now, op, day, claim, thread),
                    Err(OpenError::NoKey(_)) => self.finish(op, day, claim, Err(Why::NoKey)),
                    Err(OpenError::Corrupt) => self.finish(op, day, claim, Err(Why::Unreadable)),
                }
            }
            // A restored volume may lack the blob, or the conversation.
            (Work::Read(day, claim), _) => self.finish(op, day, claim, Err(Why::Unreadable)),
            // A result that came too late is not lost: another processor has the work now.
            (Work::Finish(day), answer @ (Ok(WorkReply::Finished) | Err(Refusal::LeaseLost))) => {
                tracing::debug!(accepted = answer.is_ok(), "finished work");
                self.claim(op, day);
                if self.failures > 0 {
                    self.pause(now, op, day);
                }
            }
            (Work::Show, answer) => {
                let shown = self.show(answer);
                self.end(now, op, shown);
            }
            (Work::Claim(_) | Work::Finish(_) | Work::Step { .. } | Work::Stop, Err(refusal)) => {
                self.end(now, op, Answer::Refused(Reason::Server(refusal)));
            }
            (Work::Claim(_) | Work::Finish(_) | Work::Step { .. } | Work::Stop, Ok(_)) => {
                tracing::warn!("the server answered another question than it was asked");
                self.end(now, op, Answer::Refused(Reason::Server(Refusal::Internal)));
            }
        }
    }

    /// After a failure the next claim waits, longer with each failure.
    fn pause(&mut self, now: Now, op: Option<OpId>, day: Option<DateKey>) {
        assert!(self.failures > 0, "a processor pauses after a failure");
        self.line.abandon();
        self.work = None;
        self.rests_until = now.mono + self.timing.backoff(self.failures - 1, &mut self.entropy);
        tracing::debug!(failures = self.failures, until = %self.rests_until, "pausing after a failure");
        match op {
            Some(op) => self.orders.push_front((op, Order::Process(day))),
            None => self.poll_due = self.rests_until,
        }
    }

    fn begin_step(
        &mut self,
        now: Now,
        op: Option<OpId>,
        day: Option<DateKey>,
        claim: Claim,
        thread: Thread,
    ) {
        assert!(self.work.is_none(), "one step is under way at a time");
        let step = StepId(self.next_step);
        self.next_step += 1;
        let gives_up = now.mono + self.timing.patience;
        self.work = Some((op, Work::Step { day, claim, step, gives_up }));
        tracing::debug!(step = step.0, key = %claim.key, %gives_up, "began a step");
        self.outputs.push_back(Output::Step(step, Box::new(thread)));
    }

    /// The step under way has ended: with a result or without.
    pub(super) fn end_step(&mut self, now: Now, ended: StepId, result: Result<Payload, Why>) {
        let of = |(_, work): &mut (Option<OpId>, Work)| matches!(work, Work::Step { step, .. } if *step == ended);
        // The result of a step that was given up may still come.
        let Some((op, Work::Step { day, claim, .. })) = self.work.take_if(of) else {
            return tracing::debug!(step = ended.0, "a late result of a step that was given up");
        };
        let _claim = tracing::debug_span!("claim", key = %claim.key, tries = claim.tries).entered();
        tracing::debug!(failure = ?result.as_ref().err(), until = %claim.until, "a step ended");
        // FB-16: the processor's own clock decides whether the claim still holds.
        if self.vault.flaws.has(Flaw::Fb16) && claim.until <= now.wall {
            return self.claim(op, day);
        }
        let name = (claim.key, claim.version);
        let sealed = result.and_then(|result| {
            let nonce = self.entropy.bytes();
            self.vault.seal_result(name, &result, nonce).ok_or(Why::NoKey)
        });
        self.finish(op, day, claim, sealed);
    }

    fn finish(
        &mut self,
        op: Option<OpId>,
        day: Option<DateKey>,
        claim: Claim,
        outcome: Result<crate::Bytes, Why>,
    ) {
        assert!(self.work.is_none(), "one thing is under way at a time");
        self.failures = if outcome.is_ok() { 0 } else { self.failures.saturating_add(1) };
        let Claim { key, version, fence, .. } = claim;
        tracing::debug!(%key, version, failure = ?outcome.as_ref().err(), "finishing work");
        self.line.want(WorkAction::Finish { key, version, fence, outcome });
        self.work = Some((op, Work::Finish(day)));
    }

    fn show(&self, answer: Result<WorkReply, Refusal>) -> Answer {
        match answer {
            Ok(WorkReply::WasReset) => Answer::WasReset,
            Ok(WorkReply::Item(None)) => Answer::Nothing,
            Ok(WorkReply::Item(Some(found))) => {
                let is_result = matches!(found.item.job, Job::Success { result, .. }
                    if result == found.name.hash);
                let shown = if is_result {
                    self.vault.open_result(&found).map(|it| Answer::Result(found.item, it))
                } else {
                    let thread = self.vault.open_thread(&found);
                    thread.map(|thread| Answer::Thread(found.item, Box::new(thread)))
                };
                shown.unwrap_or_else(|why| Answer::Refused(Reason::Sealed(why)))
            }
            Ok(WorkReply::Day(summary, items)) => Answer::Day(summary, items),
            Err(refusal) => Answer::Refused(Reason::Server(refusal)),
            Ok(WorkReply::Saved(_) | WorkReply::Claimed(_) | WorkReply::Finished) => {
                Answer::Refused(Reason::Server(Refusal::Internal))
            }
        }
    }
}
