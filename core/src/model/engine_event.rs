//! What happens in an engine beside the replies: the one channel for whoever watches it.

use serde::{Deserialize, Serialize};

use super::turn::TurnState;
use crate::base::{ConversationId, ErrorKind, Timestamp, TurnId};

/// Something that happened in an engine. Holds neither what was said nor a key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineEvent {
    /// When.
    pub at: Timestamp,
    /// Whom it concerns, where it concerns one user.
    pub owner: Option<String>,
    /// The conversation it belongs to.
    pub conversation_id: Option<ConversationId>,
    /// The turn it belongs to.
    pub turn_id: Option<TurnId>,
    /// What happened.
    pub kind: EngineEventKind,
}

/// What happened in an engine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
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
        resets_at: Option<Timestamp>,
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

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BreakerState {
    /// Lets them pass.
    Closed,
    /// Lets none pass.
    Open,
    /// Lets one pass, to find out.
    HalfOpen,
}
