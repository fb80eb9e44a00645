//! What is pulled one after the other, and never lost on the way.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::cancel::{CancelToken, unless};
use super::error::TertuliaError;
use super::ground::Ground;
use crate::model::Result;

/// What gives one thing after the other.
pub(super) trait Source: Send + 'static {
    /// One of them.
    type Item: Send + 'static;

    /// The next; nothing after the last. Dropping the future loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Option<Self::Item>>> + Send;
}

/// A source, and what it gave that nobody has taken yet.
type Held<S> = (S, Option<<S as Source>::Item>);

/// A source that is asked on the engine's thread. What has come while nobody waited any more is given to who asks next.
pub(super) struct Pull<S: Source> {
    held: Arc<Mutex<Held<S>>>,
    ground: Arc<Ground>,
}

impl<S: Source> Pull<S> {
    pub(super) fn new(source: S, ground: Arc<Ground>) -> Self {
        Self { held: Arc::new(Mutex::new((source, None))), ground }
    }

    /// Waits for the next; nothing after the last.
    pub(super) async fn next(&self, cancel: Option<Arc<CancelToken>>) -> Result<Option<S::Item>, TertuliaError> {
        let mut held = match self.ground.run(cancel.clone(), Self::ready(self.held.clone())).await {
            // The thread is gone with the engine, and whatever is left of a source is there without waiting.
            Err(TertuliaError::Closed { info }) if info.reason == "closed" => {
                unless(cancel, Self::ready(self.held.clone())).await?
            }
            held => held?,
        };
        // Taken by who waits, not by the work: between the two, the one who waits may have gone.
        Ok(held.1.take())
    }

    async fn ready(held: Arc<Mutex<Held<S>>>) -> Result<OwnedMutexGuard<Held<S>>> {
        let mut held = held.lock_owned().await;
        if held.1.is_none() {
            held.1 = held.0.next().await?;
        }
        Ok(held)
    }
}
