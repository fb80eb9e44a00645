//! Measures one call: from the moment it is asked for to its end, however that comes.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::tertulia::Inner;
use crate::base::ErrorKind;
use crate::call::{CallContext, CallTarget};
use crate::model::Result;
use crate::policy::Measure;

/// Measures one call. Dropped without a word, the call was stopped.
pub(super) struct Meter {
    engine: Arc<Inner>,
    context: CallContext,
    model: Arc<str>,
    started: Duration,
    first_delta: Option<Duration>,
    added: Duration,
    is_told: bool,
}

impl Meter {
    /// Begins to measure a call of this model.
    pub(super) fn new(engine: &Arc<Inner>, context: &CallContext, target: &CallTarget) -> Self {
        Self {
            engine: engine.clone(),
            context: context.clone(),
            model: target.name().clone(),
            started: engine.clock.monotonic(),
            first_delta: None,
            added: Duration::ZERO,
            is_told: false,
        }
    }

    /// Does the part of the call that ends at its first words. What of it was our own work is the time in which it was
    /// not waiting for anything, and all that came before it.
    pub(super) async fn first_words<T>(&mut self, mut work: Pin<&mut impl Future<Output = Result<T>>>) -> Result<T> {
        let clock = self.engine.clock.clone();
        let mut busy = clock.monotonic().saturating_sub(self.started);
        let done = std::future::poll_fn(|cx| {
            let began = clock.monotonic();
            let step = work.as_mut().poll(cx);
            busy += clock.monotonic().saturating_sub(began);
            step
        });
        let done = done.await?;
        self.first_delta = Some(clock.monotonic().saturating_sub(self.started));
        self.added = busy;
        self.engine.watch.count(&self.model, &Measure::StreamOpened);
        Ok(done)
    }

    /// The call has ended: with a whole reply, or not.
    pub(super) fn end(mut self, outcome: Result<(), ErrorKind>) {
        self.tell(outcome);
    }

    fn tell(&mut self, outcome: Result<(), ErrorKind>) {
        self.is_told = true;
        let watch = &self.engine.watch;
        if self.first_delta.is_some() {
            watch.count(&self.model, &Measure::StreamClosed);
        }
        let duration = self.engine.clock.monotonic().saturating_sub(self.started);
        let (first_delta, added) = (self.first_delta, self.added);
        let what = Measure::Call { outcome, duration, first_delta, added };
        // Who had the last word may be another model than the one that was asked first.
        self.context.count_last(&self.model, &what);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if !self.is_told {
            self.tell(Err(ErrorKind::Cancelled));
        }
    }
}
