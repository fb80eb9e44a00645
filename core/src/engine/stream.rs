//! A reply on its way, as a handle that is pulled.

#[cfg(feature = "uniffi")]
mod gathered;
mod sse;

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Poll;

use tokio_util::sync::{CancellationToken, DropGuard};

#[cfg(feature = "uniffi")]
pub(crate) use gathered::Gathered;
pub use sse::SseStream;

use super::log::{Found, TurnLog};
use super::tasks::Tasks;
use crate::base::{Clock, TurnId};
use crate::call::ReplyEvents;
use crate::model::{Error, Reply, Result, StreamEvent, StreamEventKind};

/// A reply on its way. Exists once the message is saved.
///
/// The handle that a verb gives back *owns* the reply: dropping it stops the call, closes its connection and keeps what
/// had arrived. After [`detach`](Self::detach), and for the handle that `attach` gives, dropping changes nothing.
#[must_use = "dropping the stream stops the reply"]
pub struct ReplyStream {
    source: Source,
    cancel: CancellationToken,
    owner: Option<DropGuard>,
    turn: Option<TurnId>,
    ended: bool,
    /// The event that whoever attached has heard last.
    after_seq: i64,
    /// The number of the last event of a turn at rest, which is told from the store.
    rested_at: Option<i64>,
    clock: Arc<dyn Clock>,
}

/// So many events are taken in one go.
const MAX_AHEAD: usize = 32;

enum Source {
    /// A task writes, this reads.
    Log { log: Arc<TurnLog>, place: usize },
    /// Nobody writes but the call itself: nothing is stored.
    Direct(Box<Direct>),
}

struct Direct {
    events: ReplyEvents,
    /// What came with the event that was given out last.
    ahead: VecDeque<Result<StreamEvent>>,
    tasks: Tasks,
    seq: i64,
    /// The model that is asked, until the first event has told it.
    model: Option<Arc<str>>,
    finish: Option<Finish>,
    outcome: Option<Result<Box<Reply>>>,
    /// The last event was given out.
    told: bool,
}

impl Direct {
    /// Gives an event its number.
    fn event(&mut self, part_index: i32, kind: StreamEventKind) -> Found {
        self.seq += 1;
        Found::Event(StreamEvent { seq: self.seq, turn_id: None, part_index, kind })
    }

    async fn next(&mut self) -> Found {
        if let Some(model) = self.model.take() {
            let model = model.to_string();
            return self.event(0, StreamEventKind::Started { turn_id: None, message_id: None, model });
        }
        if let Some(event) = self.advance().await {
            return self.event(event.part_index, event.kind);
        }
        match &self.outcome {
            Some(Ok(reply)) if !std::mem::replace(&mut self.told, true) => {
                let reply = reply.clone();
                self.event(0, StreamEventKind::Done { reply })
            }
            Some(outcome) => Found::Ended(outcome.clone()),
            None => Found::NothingYet,
        }
    }

    /// The next event of the call, or nothing once there is an outcome.
    async fn advance(&mut self) -> Option<StreamEvent> {
        if self.outcome.is_some() {
            return None;
        }
        if self.ahead.is_empty() {
            self.read_ahead().await;
        }
        let ended = match self.ahead.pop_front() {
            Some(Ok(StreamEvent { kind: StreamEventKind::Done { reply }, .. })) => Ok(reply),
            Some(Ok(event)) => return Some(event),
            Some(Err(error)) => Err(error),
            None => Err(Error::internal("a call ended without a reply")),
        };
        self.outcome = Some(match self.finish.take() {
            Some(finish) => finish(ended),
            None => ended,
        });
        None
    }

    /// Waits for an event and takes those that are there with it: the way to the runtime is gone once for all of them.
    async fn read_ahead(&mut self) {
        let Self { tasks, events, ahead, .. } = self;
        tasks
            .poll_on_runtime(|cx| {
                loop {
                    match events.as_mut().poll_next(cx) {
                        Poll::Ready(Some(event)) => ahead.push_back(event),
                        Poll::Ready(None) => break,
                        Poll::Pending if ahead.is_empty() => return Poll::Pending,
                        Poll::Pending => break,
                    }
                    // Whoever asks a stream that has nothing more to give asks in vain, and has to ask again.
                    if events.size_hint().0 == 0 || ahead.len() >= MAX_AHEAD {
                        break;
                    }
                }
                Poll::Ready(())
            })
            .await;
    }

    /// Gives out what came with the event before, adjacent deltas joined, until there are `max`.
    fn take_ahead(&mut self, max: usize, into: &mut Vec<StreamEvent>) {
        while let Some(Ok(event)) = self.ahead.front() {
            let joined = match into.last_mut() {
                Some(last) if last.part_index == event.part_index => append(&mut last.kind, &event.kind),
                _ => false,
            };
            if !joined && (into.len() >= max || matches!(event.kind, StreamEventKind::Done { .. })) {
                break;
            }
            self.seq += 1;
            let event = self.ahead.pop_front().and_then(Result::ok);
            if !joined {
                into.extend(event);
            }
            if let Some(last) = into.last_mut() {
                (last.seq, last.turn_id) = (self.seq, None);
            }
        }
    }

    /// How it ended. Copies nothing of the reply, which nobody else asks for.
    async fn end(mut self: Box<Self>) -> Result<Reply> {
        while self.advance().await.is_some() {}
        let outcome = self.outcome.unwrap_or_else(|| Err(Error::internal("a call ended without an outcome")));
        outcome.map(|reply| *reply)
    }
}

/// Adds words to words of the same voice; false where that cannot be.
fn append(words: &mut StreamEventKind, more: &StreamEventKind) -> bool {
    use StreamEventKind::{Reasoning, Refusal, Text};
    match (words, more) {
        (Text { delta }, Text { delta: more })
        | (Reasoning { delta }, Reasoning { delta: more })
        | (Refusal { delta }, Refusal { delta: more }) => delta.push_str(more),
        _ => return false,
    }
    true
}

/// What the caller makes of the end of a call without a store.
pub(super) type Finish = Box<dyn FnOnce(Result<Box<Reply>>) -> Result<Box<Reply>> + Send>;

impl ReplyStream {
    /// Whoever has this one has the turn.
    pub(super) fn owning(log: Arc<TurnLog>, turn: TurnId, cancel: CancellationToken, clock: Arc<dyn Clock>) -> Self {
        let owner = Some(cancel.clone().drop_guard());
        Self { owner, ..Self::watching(log, turn, cancel, 0, clock) }
    }

    pub(super) fn watching(
        log: Arc<TurnLog>,
        turn: TurnId,
        cancel: CancellationToken,
        after_seq: i64,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let source = Source::Log { place: log.place_after(after_seq), log };
        Self { source, cancel, owner: None, turn: Some(turn), ended: false, after_seq, rested_at: None, clock }
    }

    /// A turn that came to rest with the event of this number, as its log tells it anew. Who begins with the first event
    /// hears all of it, everybody else its end.
    pub(super) fn resting(
        log: Arc<TurnLog>,
        turn: TurnId,
        after_seq: i64,
        rested_at: i64,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let place = if after_seq < 1 { 0 } else { log.place_after(rested_at - 1) };
        let stream = Self::watching(log.clone(), turn, CancellationToken::new(), after_seq, clock);
        Self { source: Source::Log { log, place }, rested_at: Some(rested_at), ..stream }
    }

    /// A call of this model that nothing is stored of.
    pub(super) fn direct(
        events: ReplyEvents,
        model: Arc<str>,
        cancel: CancellationToken,
        tasks: Tasks,
        finish: Finish,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let owner = Some(cancel.clone().drop_guard());
        let (model, finish) = (Some(model), Some(finish));
        let source = Source::Direct(Box::new(Direct {
            events,
            ahead: VecDeque::with_capacity(1),
            tasks,
            seq: 0,
            model,
            finish,
            outcome: None,
            told: false,
        }));
        Self { source, cancel, owner, turn: None, ended: false, after_seq: 0, rested_at: None, clock }
    }

    /// The turn, unless nothing is stored.
    #[must_use]
    pub const fn turn_id(&self) -> Option<TurnId> {
        self.turn
    }

    /// The next event; nothing after the last. A failure comes once, as an error.
    ///
    /// # Errors
    /// Whatever ended the reply; `partial` holds what had arrived.
    pub async fn next_event(&mut self) -> Result<Option<StreamEvent>> {
        if self.ended {
            return Ok(None);
        }
        let found = match &mut self.source {
            Source::Direct(direct) => direct.next().await,
            Source::Log { log, place } => loop {
                match log.read(place) {
                    Found::NothingYet => log.wait(*place).await,
                    found => break found,
                }
            },
        };
        match found {
            Found::Event(event) => Ok(Some(event)),
            Found::Ended(outcome) => {
                self.ended = true;
                outcome.map(|_| None)
            }
            Found::NothingYet => Ok(None),
        }
    }

    /// The next words of the answer, whatever else happens in between; nothing after the last.
    ///
    /// # Errors
    /// As [`next_event`](Self::next_event).
    pub async fn next_text(&mut self) -> Result<Option<String>> {
        while let Some(event) = self.next_event().await? {
            if let StreamEventKind::Text { delta } = event.kind {
                return Ok(Some(delta));
            }
        }
        Ok(None)
    }

    /// Waits for at least one event and gives all that are there, at most `max`, adjacent deltas joined. Empty after
    /// the last.
    ///
    /// # Errors
    /// As [`next_event`](Self::next_event).
    pub async fn next_batch(&mut self, max: usize) -> Result<Vec<StreamEvent>> {
        if let Source::Log { log, place } = &self.source
            && !self.ended
        {
            log.wait(*place).await;
        }
        let mut batch = self.ready_batch(max);
        if batch.is_empty() {
            batch.extend(self.next_event().await?);
        }
        if let Source::Direct(direct) = &mut self.source {
            direct.take_ahead(max, &mut batch);
        }
        Ok(batch)
    }

    /// What is there without waiting, adjacent deltas joined, at most `max`; empty when nothing is there yet.
    pub fn ready_batch(&mut self, max: usize) -> Vec<StreamEvent> {
        let mut batch = Vec::new();
        if let Source::Log { log, place } = &mut self.source
            && !self.ended
        {
            log.read_batch(place, max, &mut batch);
        }
        batch
    }

    /// Waits for the end and gives the whole reply. After [`cancel`](Self::cancel): what had arrived, with the status
    /// `cancelled`.
    ///
    /// # Errors
    /// Whatever ended the reply; `partial` holds what had arrived.
    pub async fn reply(mut self) -> Result<Reply> {
        match self.source {
            Source::Direct(direct) => direct.end().await,
            Source::Log { .. } => self.outcome().await,
        }
    }

    /// As [`reply`](Self::reply), for a handle that others hold as well.
    pub(crate) async fn outcome(&mut self) -> Result<Reply> {
        match &mut self.source {
            Source::Log { log, .. } => loop {
                if let Some(outcome) = log.outcome() {
                    return outcome.map(|reply| *reply);
                }
                log.wait(usize::MAX).await;
            },
            Source::Direct(direct) => {
                while direct.advance().await.is_some() {}
                let outcome = direct.outcome.clone();
                outcome.unwrap_or_else(|| Err(Error::internal("a call ended without an outcome"))).map(|reply| *reply)
            }
        }
    }

    /// Stops the call, closes its connection and keeps what had arrived. Returns at once; [`reply`](Self::reply) then
    /// waits for what became of it.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Stops the call as [`cancel`](Self::cancel) does, while another holds the handle and reads.
    #[cfg(feature = "uniffi")]
    pub(crate) fn stopper(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Whether dropping this handle stops the call.
    #[cfg(feature = "uniffi")]
    pub(crate) fn owns(&self) -> bool {
        self.owner.is_some()
    }

    /// The events as bytes for readers outside of the program (`text/event-stream`), whatever was read by this handle.
    pub fn sse(self) -> SseStream {
        SseStream::new(self)
    }

    /// Lets the reply go on without this handle: dropping it no longer stops the call. Without a store there is nobody
    /// else to go on, and nothing changes.
    pub fn detach(&mut self) {
        if matches!(self.source, Source::Log { .. })
            && let Some(guard) = self.owner.take()
        {
            drop(guard.disarm());
        }
    }
}

impl std::fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReplyStream").field("turn", &self.turn).field("ended", &self.ended).finish_non_exhaustive()
    }
}
