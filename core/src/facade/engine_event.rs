//! What happens in an engine beside the replies.

use std::sync::Arc;
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::ground::Ground;
use super::message::moment;
use super::pull::{Pull, Source};
use super::words::{BreakerState, ErrorKind, TurnState};
use crate::{engine, model};

/// What happens in an engine, from the moment this was asked for. Ends when the engine is closed.
///
/// Up to 1,024 events wait for a reader. One that is slower loses the oldest and is told how many by `Lagged`. Any number
/// of readers may be there; freeing one changes nothing for the others.
#[derive(uniffi::Object)]
pub struct Events(Pull<engine::Events>);

impl Events {
    pub(super) fn new(events: engine::Events, ground: Arc<Ground>) -> Self {
        Self(Pull::new(events, ground))
    }
}

impl Source for engine::Events {
    type Item = EngineEvent;

    async fn next(&mut self) -> model::Result<Option<Self::Item>> {
        Ok(Self::next(self).await.map(EngineEvent::from))
    }
}

#[uniffi::export]
impl Events {
    /// The next event; nothing once the engine is closed. The token ends the waiting and loses nothing.
    ///
    /// # Errors
    /// `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn next(&self, cancel: Option<Arc<CancelToken>>) -> Result<Option<EngineEvent>, TertuliaError> {
        self.0.next(cancel).await
    }
}

/// Something that happened in an engine. Holds neither what was said nor a key.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct EngineEvent {
    /// When.
    pub at: SystemTime,
    /// Whom it concerns, where it concerns one user.
    pub owner: Option<String>,
    /// The conversation it belongs to.
    pub conversation_id: Option<String>,
    /// The turn it belongs to.
    pub turn_id: Option<String>,
    /// What happened.
    pub kind: EngineEventKind,
}

impl From<model::EngineEvent> for EngineEvent {
    fn from(event: model::EngineEvent) -> Self {
        let model::EngineEvent { at, owner, conversation_id, turn_id, kind } = event;
        Self {
            at: moment(at),
            owner,
            conversation_id: conversation_id.map(|id| id.to_string()),
            turn_id: turn_id.map(|id| id.to_string()),
            kind: kind.into(),
        }
    }
}

/// What happened in an engine.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum EngineEventKind {
    /// A try failed and another one will follow.
    RetryScheduled {
        /// The model, as `provider/model`.
        model: String,
        /// The number of the try that comes, from 2.
        attempt: i32,
        /// How the last one failed.
        kind: ErrorKind,
        /// The reason word of that failure.
        reason: String,
        /// The wait before the next try in milliseconds.
        delay_ms: i64,
    },
    /// A model is left alone from now on, or no longer.
    BreakerChanged {
        /// The model, as `provider/model`.
        model: String,
        /// What its breaker is now.
        state: BreakerState,
        /// For how long nothing is sent, in milliseconds; 0 once it is back.
        wait_ms: i64,
    },
    /// A provider told its limits, or they were found out.
    LimitLearned {
        /// The model, as `provider/model`.
        model: String,
        /// Requests a minute, where that is known.
        requests_per_minute: Option<i64>,
        /// Tokens a minute, where that is known.
        tokens_per_minute: Option<i64>,
    },
    /// A budget reached a threshold, was used up, or will be.
    BudgetAlert {
        /// The budget, in words such as `user ana, day`.
        budget: String,
        /// Why: `threshold`, `exhausted`, `forecast`.
        reason: String,
        /// What is spent and reserved, in the budget's unit.
        spent: i64,
        /// What may be spent, in the same unit.
        limit: i64,
        /// When it begins anew.
        resets_at: Option<SystemTime>,
    },
    /// A message came into the outbox or left it.
    OutboxChanged {
        /// How many wait now.
        pending: i64,
        /// What happened: `queued`, `sent`, `parked`, `discarded`, `expired`.
        reason: String,
    },
    /// A turn is in another state; it is written down as well.
    TurnChanged {
        /// The state it is in now.
        state: TurnState,
        /// The model, as `provider/model`.
        model: String,
    },
    /// Work in the background ended with an error or a panic.
    TaskFailed {
        /// What the work is called.
        task: String,
        /// `panicked`, or the reason word of its error.
        reason: String,
    },
    /// The store took longer than `store.slow_query_ms`.
    SlowQuery {
        /// What it was asked.
        query: String,
        /// How long it took, waiting for its turn included.
        duration_ms: i64,
    },
    /// What a dead process left open was put to rest.
    StoreRepaired {
        /// So many turns.
        turns: i64,
    },
    /// A provider does not take a key.
    KeyRejected {
        /// The provider that refused it.
        provider: String,
    },
    /// The reader was too slow: older events are lost to it.
    Lagged {
        /// So many.
        missed: i64,
    },
}

impl From<model::EngineEventKind> for EngineEventKind {
    fn from(kind: model::EngineEventKind) -> Self {
        use model::EngineEventKind as Inner;
        match kind {
            Inner::RetryScheduled { model, attempt, kind, reason, delay_ms } => {
                Self::RetryScheduled { model, attempt, kind: kind.into(), reason, delay_ms }
            }
            Inner::BreakerChanged { model, state, wait_ms } => {
                Self::BreakerChanged { model, state: state.into(), wait_ms }
            }
            Inner::LimitLearned { model, requests_per_minute, tokens_per_minute } => {
                Self::LimitLearned { model, requests_per_minute, tokens_per_minute }
            }
            Inner::BudgetAlert { budget, reason, spent, limit, resets_at } => {
                Self::BudgetAlert { budget, reason, spent, limit, resets_at: resets_at.map(moment) }
            }
            Inner::OutboxChanged { pending, reason } => Self::OutboxChanged { pending, reason },
            Inner::TurnChanged { state, model } => Self::TurnChanged { state: state.into(), model },
            Inner::TaskFailed { task, reason } => Self::TaskFailed { task, reason },
            Inner::SlowQuery { query, duration_ms } => Self::SlowQuery { query, duration_ms },
            Inner::StoreRepaired { turns } => Self::StoreRepaired { turns },
            Inner::KeyRejected { provider } => Self::KeyRejected { provider },
            Inner::Lagged { missed } => Self::Lagged { missed },
        }
    }
}
