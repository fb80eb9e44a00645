//! What a call carries with it through every layer.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::credentials::CallKey;
use crate::base::{Attempt, ConversationId, TurnId};
use crate::model::Progress;

/// Where a call tells what happens before its first content.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// What a call carries with it: whose it is, how long it may take, who may stop it, who listens.
#[derive(Clone)]
pub struct CallContext {
    /// What is being done, as `conversation.send`.
    pub operation: &'static str,
    /// Whom it is for.
    pub owner: Option<Arc<str>>,
    /// The conversation.
    pub conversation: Option<ConversationId>,
    /// The turn.
    pub turn: Option<TurnId>,
    /// The moment of the clock (`Clock::monotonic`) at which it is given up.
    pub deadline: Option<Duration>,
    /// The longest it waits inside of itself, for a breaker or before a further try; nothing = as the layers say.
    pub max_wait: Option<Duration>,
    /// Stops it.
    pub cancel: CancellationToken,
    /// Hears of retries, queues, heartbeats.
    pub progress: Option<ProgressSink>,
    /// A key for this call alone.
    pub key: Option<CallKey>,
    attempts: Arc<Mutex<Vec<Attempt>>>,
}

impl CallContext {
    /// A context for this operation: no deadline, nobody listens, nobody stops it.
    #[must_use]
    pub fn new(operation: &'static str) -> Self {
        Self {
            operation,
            owner: None,
            conversation: None,
            turn: None,
            deadline: None,
            max_wait: None,
            cancel: CancellationToken::new(),
            progress: None,
            key: None,
            attempts: Arc::default(),
        }
    }

    /// Tells who listens.
    pub fn report(&self, progress: Progress) {
        if let Some(sink) = &self.progress {
            sink(progress);
        }
    }

    /// Notes a try.
    pub fn note(&self, attempt: Attempt) {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).push(attempt);
    }

    /// Every try so far.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long is left at this moment; very long without a deadline.
    #[must_use]
    pub fn left(&self, now: Duration) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_sub(now))
    }

    /// How long it may wait inside of itself at this moment.
    #[must_use]
    pub fn patience(&self, now: Duration) -> Duration {
        self.left(now).min(self.max_wait.unwrap_or(Duration::MAX))
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallContext")
            .field("operation", &self.operation)
            .field("turn", &self.turn)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
