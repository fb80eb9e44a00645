//! Leave to send one request: what it holds of the queue and the breaker, until its reply has ended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::super::super::context::{CallContext, QuotaSink};
use super::super::super::witness::Witness;
use super::super::breaker::{Guard, millis};
use super::lane::{Lane, State};
use crate::base::{ErrorKind, Retry};
use crate::model::{
    EngineEventKind, Error, Quota, Result, RetryAfterSource, StreamEvent, StreamEventKind, Usage, UsageSource,
};
use crate::policy::{Learnt, Lease, Spent};

/// Leave to send one request. Dropped without a word, what was reserved counts as taken.
pub(super) struct Leave {
    held: Arc<Held>,
    guard: Option<Guard>,
}

/// What the queue has lent.
struct Held {
    lane: Arc<Lane>,
    lease: Mutex<Option<Lease>>,
    /// True once the provider has said what its limits are.
    is_informed: AtomicBool,
    /// Hears what is learnt of the limits.
    witness: Option<Arc<dyn Witness>>,
}

impl Leave {
    pub(super) fn new(lane: Arc<Lane>, lease: Lease, guard: Option<Guard>, witness: Option<Arc<dyn Witness>>) -> Self {
        Self {
            held: Arc::new(Held { lane, lease: Mutex::new(Some(lease)), is_informed: AtomicBool::new(false), witness }),
            guard,
        }
    }

    /// Hears what the provider says of its limits.
    pub(super) fn listener(&self) -> QuotaSink {
        let held = Arc::downgrade(&self.held);
        Arc::new(move |quota: &Quota| {
            if let Some(held) = held.upgrade() {
                held.learn(quota);
            }
        })
    }

    /// It is not needed.
    pub(super) fn unused(self) {
        self.held.settle(Spent::Unsent);
    }

    /// The request has failed. Gives the error, which says how long to wait if the provider is busy.
    pub(super) fn failed(&mut self, mut error: Error) -> Error {
        if let Some(guard) = &mut self.guard {
            guard.failed(&error);
        }
        self.held.failed(&mut error);
        error
    }

    /// One event of the reply. With the last one all is given back. An error is told how long to wait, as by
    /// [`failed`](Self::failed).
    pub(super) fn look_at(&mut self, event: &mut Result<StreamEvent>) {
        if let Some(guard) = &mut self.guard {
            guard.look_at(event);
        }
        match event {
            Err(error) => self.held.failed(error),
            Ok(StreamEvent { kind: StreamEventKind::Done { reply }, .. }) => self.held.settle(tokens(&reply.usage)),
            Ok(_) => {}
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.held.settle(Spent::Unknown);
    }
}

impl Held {
    fn lease(&self) -> std::sync::MutexGuard<'_, Option<Lease>> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learn(&self, quota: &Quota) {
        self.is_informed.store(true, Ordering::Relaxed);
        let now = self.lane.clock.monotonic();
        let lease = self.lease();
        if let Some(lease) = &*lease {
            let mut state = self.lane.lock();
            state.queue.observe(quota, lease, now);
            if quota.shut_for.is_some() {
                state.ring_all();
            }
            self.tell(&mut state);
        }
    }

    /// Tells what is known of the limits by now, if that is news.
    fn tell(&self, state: &mut State) {
        let Some(witness) = &self.witness else { return };
        if let Some(Learnt { requests_per_minute, tokens_per_minute }) = state.queue.learnt() {
            let model = self.lane.model.to_string();
            let what = EngineEventKind::LimitLearned { model, requests_per_minute, tokens_per_minute };
            // The limits are everybody's, whoever's call has found them out.
            witness.tell(&CallContext::new("admission"), what);
        }
    }

    #[cold]
    fn failed(&self, error: &mut Error) {
        let now = self.lane.clock.monotonic();
        let is_busy = error.kind() == ErrorKind::RateLimited;
        if let Some(lease) = &*self.lease() {
            let mut state = self.lane.lock();
            // What the server asks of one call it asks of all.
            if let Retry::After { after_ms } = error.retry()
                && (is_busy || error.kind() == ErrorKind::Unavailable)
            {
                state.queue.hold(Duration::from_millis(u64::try_from(after_ms).unwrap_or(0)), now);
                state.ring_all();
            }
            if is_busy
                && error.retry_after_source() == Some(RetryAfterSource::Assumed)
                && let Some(wait) = state.queue.returns_in(lease, now)
            {
                *error = error.clone().with_retry_after(millis(wait), RetryAfterSource::Bucket);
            }
        }
        self.settle(match error.spent() {
            _ if is_busy => Spent::Throttled { informed: self.is_informed.load(Ordering::Relaxed) },
            Some((usage, _)) => tokens(usage),
            None if was_sent(error) => Spent::Failed,
            None => Spent::Unsent,
        });
    }

    /// Gives the lease back, once.
    #[inline(never)]
    fn settle(&self, spent: Spent) {
        let Some(lease) = self.lease().take() else { return };
        let now = self.lane.clock.monotonic();
        let mut state = self.lane.lock();
        state.queue.settle(lease, spent, now);
        if matches!(spent, Spent::Throttled { .. }) {
            self.tell(&mut state);
        }
        if !state.queue.is_empty() && self.lane.pump(&mut state, now).is_some() {
            state.ring_watch();
        }
    }
}

/// False for what failed before anybody was asked: no key, a request that cannot be written.
fn was_sent(error: &Error) -> bool {
    let is_answered = error.status().is_some() || error.provider_error().is_some();
    is_answered || !matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::QuotaExhausted | ErrorKind::Invalid)
}

fn tokens(usage: &Usage) -> Spent {
    if usage.source == UsageSource::Unknown {
        return Spent::Unknown;
    }
    let count = |tokens: i64| u64::try_from(tokens).unwrap_or(0);
    Spent::Tokens { input: count(usage.input_tokens), output: count(usage.output_tokens) }
}
