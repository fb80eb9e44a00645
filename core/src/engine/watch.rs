//! Whoever watches the engine: its events, its figures, and what health can be told from both.
//!
//! ```text
//! layers (a call's witness) ─┐            ┌─▶ readers of `events()`, each with a place of its own
//! turns, tasks, store ───────┴─▶ Watch ───┼─▶ figures (`stats`)
//!                                         └─▶ the last word on breakers, limits, outbox (`health`)
//! ```
//! Nobody who tells ever waits for who listens: a reader that falls behind loses the oldest events and is told how many.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};

use crate::base::{Clock, ConversationId, Timestamp, TurnId};
use crate::call::{CallContext, Witness};
use crate::model::{BreakerHealth, BreakerState, EngineEvent, EngineEventKind, LimitHealth, Stats, TurnState};
use crate::policy::{Figures, Measure};
use crate::store::TurnRecord;

/// So many events wait for a reader.
const RING: usize = 1_024;

/// Of so many models the last word is kept.
const MAX_MODELS: usize = 1_024;

/// What the work of a listener is called.
pub(super) const LISTENER: &str = "on_event";

/// Hears everything and tells it on.
pub(super) struct Watch {
    clock: Arc<dyn Clock>,
    /// Nothing is there any more once the engine is closed.
    readers: Mutex<Option<broadcast::Sender<Arc<EngineEvent>>>>,
    figures: Mutex<Figures>,
    words: Mutex<LastWords>,
}

/// The last word on what has a state.
#[derive(Clone, Default)]
pub(super) struct LastWords {
    pub(super) breakers: BTreeMap<String, BreakerHealth>,
    pub(super) limits: BTreeMap<String, LimitHealth>,
    pub(super) outbox_pending: i64,
    pub(super) outbox_since: Option<Timestamp>,
    pub(super) cache_hits: i64,
    pub(super) cache_misses: i64,
}

impl LastWords {
    fn note(&mut self, at: Timestamp, what: &EngineEventKind) {
        match what {
            EngineEventKind::BreakerChanged { model, state, wait_ms } => {
                let until = Timestamp::from_millis(at.as_millis().saturating_add(*wait_ms));
                let until = (*state == BreakerState::Open).then_some(until);
                let breaker = BreakerHealth { model: model.clone(), state: *state, since: at, until };
                keep(&mut self.breakers, model, breaker);
            }
            EngineEventKind::LimitLearned { model, requests_per_minute, tokens_per_minute } => {
                let (requests_per_minute, tokens_per_minute) = (*requests_per_minute, *tokens_per_minute);
                keep(
                    &mut self.limits,
                    model,
                    LimitHealth { model: model.clone(), requests_per_minute, tokens_per_minute },
                );
            }
            EngineEventKind::OutboxChanged { pending, .. } => self.note_outbox(at, *pending),
            _ => {}
        }
    }

    fn note_outbox(&mut self, at: Timestamp, pending: i64) {
        if (pending > 0) != (self.outbox_pending > 0) {
            self.outbox_since = Some(at);
        }
        self.outbox_pending = pending;
    }
}

fn keep<T>(words: &mut BTreeMap<String, T>, model: &str, word: T) {
    if words.len() >= MAX_MODELS && !words.contains_key(model) {
        words.pop_first();
    }
    words.insert(model.to_owned(), word);
}

/// Whom and what an event concerns.
#[derive(Clone, Copy, Default)]
pub(super) struct About<'a> {
    pub(super) owner: Option<&'a str>,
    pub(super) conversation: Option<ConversationId>,
    pub(super) turn: Option<TurnId>,
}

impl Watch {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let (sender, _) = broadcast::channel(RING);
        Self { clock, readers: Mutex::new(Some(sender)), figures: Mutex::default(), words: Mutex::default() }
    }

    /// Tells everybody who listens.
    pub(super) fn tell(&self, about: About<'_>, kind: EngineEventKind) {
        let at = self.clock.now();
        lock(&self.words).note(at, &kind);
        let readers = lock(&self.readers);
        // An event that nobody reads costs no copy of its owner.
        if let Some(readers) = readers.as_ref().filter(|readers| readers.receiver_count() > 0) {
            let event = EngineEvent {
                at,
                owner: about.owner.map(str::to_owned),
                conversation_id: about.conversation,
                turn_id: about.turn,
                kind,
            };
            // Refused only when the last reader has just gone.
            drop(readers.send(Arc::new(event)));
        }
    }

    /// True when somebody reads what is told.
    pub(super) fn is_watched(&self) -> bool {
        lock(&self.readers).as_ref().is_some_and(|readers| readers.receiver_count() > 0)
    }

    /// Tells what belongs to nobody.
    pub(super) fn tell_all(&self, kind: EngineEventKind) {
        self.tell(About::default(), kind);
    }

    /// Tells that a turn is in another state, which is written down by now.
    pub(super) fn tell_turn(&self, record: &TurnRecord, state: TurnState) {
        if self.is_watched() {
            let about = About {
                owner: Some(&record.owner),
                conversation: Some(record.conversation_id),
                turn: Some(record.id()),
            };
            self.tell(about, EngineEventKind::TurnChanged { state, model: record.model.clone() });
        }
    }

    /// So many messages wait in the outbox now.
    pub(super) fn note_outbox(&self, pending: i64) {
        lock(&self.words).note_outbox(self.clock.now(), pending);
    }

    /// What happens from now on.
    pub(super) fn events(&self) -> Events {
        Events { receiver: lock(&self.readers).as_ref().map(broadcast::Sender::subscribe), clock: self.clock.clone() }
    }

    /// No event follows; readers get what waits for them and then the end.
    pub(super) fn end(&self) {
        lock(&self.readers).take();
    }

    pub(super) fn count(&self, model: &str, what: &Measure) {
        match what {
            Measure::CacheHit => lock(&self.words).cache_hits += 1,
            Measure::CacheMiss => lock(&self.words).cache_misses += 1,
            _ => {}
        }
        lock(&self.figures).record(model, what, self.clock.monotonic());
    }

    pub(super) fn stats(&self, window: Duration) -> Stats {
        lock(&self.figures).stats(window, self.clock.monotonic())
    }

    /// The models that were asked, how many replies are on their way, and how many calls wait in the queue.
    pub(super) fn asked(&self) -> (Vec<String>, i64, i64) {
        let figures = lock(&self.figures);
        (figures.models().map(str::to_owned).collect(), figures.open_streams(), figures.waiting())
    }

    pub(super) fn last_words(&self) -> LastWords {
        lock(&self.words).clone()
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Witness for Watch {
    fn tell(&self, about: &CallContext, what: EngineEventKind) {
        let owner = about.owner.as_deref();
        Self::tell(self, About { owner, conversation: about.conversation, turn: about.turn }, what);
    }

    fn count(&self, model: &str, what: &Measure) {
        Self::count(self, model, what);
    }
}

/// What happens in an engine, from the moment this was asked for. Ends when the engine is closed.
///
/// Up to 1,024 events wait for a reader. One that is slower loses the oldest and is told how many by
/// [`Lagged`](EngineEventKind::Lagged). Any number of readers may be there; dropping one changes nothing for the others.
pub struct Events {
    receiver: Option<broadcast::Receiver<Arc<EngineEvent>>>,
    clock: Arc<dyn Clock>,
}

impl Events {
    /// The next event; nothing once the engine is closed. Whoever stops waiting for it loses none.
    pub async fn next(&mut self) -> Option<EngineEvent> {
        match self.receiver.as_mut()?.recv().await {
            Ok(event) => Some(Arc::unwrap_or_clone(event)),
            Err(RecvError::Lagged(missed)) => Some(self.lagged(missed)),
            Err(RecvError::Closed) => {
                self.receiver = None;
                None
            }
        }
    }

    /// The next event, if it is there already.
    pub fn try_next(&mut self) -> Option<EngineEvent> {
        match self.receiver.as_mut()?.try_recv() {
            Ok(event) => Some(Arc::unwrap_or_clone(event)),
            Err(TryRecvError::Lagged(missed)) => Some(self.lagged(missed)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }

    fn lagged(&self, missed: u64) -> EngineEvent {
        let kind = EngineEventKind::Lagged { missed: i64::try_from(missed).unwrap_or(i64::MAX) };
        EngineEvent { at: self.clock.now(), owner: None, conversation_id: None, turn_id: None, kind }
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").field("ended", &self.receiver.is_none()).finish_non_exhaustive()
    }
}

/// Code of the application that is called with every event.
pub(super) type Listener = Box<dyn Fn(&EngineEvent) + Send + Sync>;

/// The task of a listener. A panic in it costs it that event and is told to everybody else.
pub(super) async fn listen(watch: Arc<Watch>, mut events: Events, listener: Listener) {
    while let Some(event) = events.next().await {
        // Told of its own panic it would panic again, and again.
        if matches!(&event.kind, EngineEventKind::TaskFailed { task, .. } if task == LISTENER) {
            continue;
        }
        if catch_unwind(AssertUnwindSafe(|| listener(&event))).is_err() {
            tracing::error!(target: "tertulia::tasks", operation = LISTENER, error_kind = "internal", "a listener panicked");
            watch.tell_all(EngineEventKind::TaskFailed { task: LISTENER.to_owned(), reason: "panicked".to_owned() });
        }
    }
}
