//! Leaves a target alone that is down, as `policy::Breaker` decides, and lets one call find out when it is back.
//!
//! The others wait for that call, inside their own deadlines, and go on at once when it is answered. Who cannot wait is
//! refused, having sent nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tower::{Layer, Service, ServiceExt as _};

use super::super::credentials::KeyPrint;
use super::super::target::{Call, CallTarget, ReplyEvents};
use crate::base::{Clock, ErrorKind, Random, Retry};
use crate::model::{
    BreakerState, EngineEventKind, Error, Progress, Result, RetryAfterSource, StreamEvent, StreamEventKind,
};
use crate::policy::{Admission, Breaker, BreakerSettings, Change, Failure, Health, Permit};

/// So many targets have a breaker of their own; with more of them, those of which nothing is known are forgotten.
pub(super) const MAX_TARGETS: usize = 1_024;

/// What has a queue and a breaker of its own: a model where it is, for who has this key.
pub(super) type Place = (Arc<str>, Option<KeyPrint>);

/// The longest pause that is asked of a clock; who has no deadline looks again then.
pub(super) const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// The reason word of a call that waits for an open breaker, or is refused by it.
const REASON: &str = "breaker_open";

/// True for the error of a call that an open breaker refused: nothing was sent.
#[must_use]
pub fn is_breaker_open(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.reason() == REASON
}

/// Leaves a target alone that is down. Every target has a breaker of its own for each key, shared by all calls through this
/// layer.
#[derive(Clone)]
pub struct BreakerLayer {
    settings: BreakerSettings,
    max_wait: Duration,
    targets: Arc<Mutex<HashMap<Place, Arc<Shared>>>>,
    /// Of which models it was told that they are left alone, until when. One key's breaker may never be asked again; then
    /// the answer to another key's call tells that the model is back.
    told: Arc<Mutex<HashMap<Arc<str>, Duration>>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// The breaker of a target, and who waits for it.
pub(super) struct Shared {
    breaker: Mutex<Breaker>,
    pub(super) changed: Notify,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BreakerLayer {
    /// Decides by these settings. A wait that is known to be longer than `max_wait` is refused.
    #[must_use]
    pub fn new(settings: BreakerSettings, max_wait: Duration, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { settings, max_wait, targets: Arc::default(), told: Arc::default(), clock, random }
    }

    /// How long this target is left alone by who has this key; nothing when it may be asked now.
    #[must_use]
    pub fn left_alone(&self, target: &CallTarget, key: Option<KeyPrint>) -> Option<Duration> {
        let shared = self.lock().get(&place(target, key)?).cloned()?;
        let left = shared.lock().left_alone(self.clock.monotonic());
        left.filter(|_| self.settings.enabled)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Arc<Shared>>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same layer by other settings. Who is left alone stays so, and who waits goes on waiting.
    #[must_use]
    pub fn reconfigured(&self, settings: BreakerSettings, max_wait: Duration) -> Self {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets.values().for_each(|shared| shared.lock().adopt(settings));
        drop(targets);
        Self { settings, max_wait, ..self.clone() }
    }

    /// True when it decides as the other does.
    pub(super) fn decides_like(&self, other: &Self) -> bool {
        self.settings == other.settings && self.max_wait == other.max_wait
    }

    /// The breaker of a target for this key. Code of the application's own has none: it knows best when not to be asked,
    /// and its errors are no outage of a server.
    pub(super) fn of(&self, target: &CallTarget, key: Option<KeyPrint>) -> Option<Arc<Shared>> {
        let place = place(target, key).filter(|_| self.settings.enabled)?;
        let mut targets = self.lock();
        if let Some(shared) = targets.get(&place) {
            return Some(shared.clone());
        }
        if targets.len() >= MAX_TARGETS {
            let now = self.clock.monotonic();
            targets.retain(|_, shared| !shared.lock().is_fresh(now));
            if targets.len() >= MAX_TARGETS {
                // Whom somebody waits for, or who is left alone, is the last to be forgotten.
                targets.retain(|_, shared| Arc::strong_count(shared) > 1 || shared.lock().left_alone(now).is_some());
            }
            if targets.len() >= MAX_TARGETS {
                targets.clear();
            }
        }
        let fresh = || Arc::new(Shared { breaker: Mutex::new(Breaker::new(self.settings)), changed: Notify::new() });
        Some(targets.entry(place).or_insert_with(fresh).clone())
    }

    /// What gives a permit back, however the try of this call ends.
    pub(super) fn guard(self: &Arc<Self>, shared: Arc<Shared>, permit: Permit, call: &Call) -> Guard {
        Guard { permit, shared, layer: self.clone(), call: call.clone(), is_recorded: false }
    }

    /// The refusal of a call that cannot wait so long.
    ///
    /// # Errors
    /// `Unavailable` (breaker_open), with the time to come back at.
    pub(super) fn check(&self, call: &Call, wait: Option<Duration>, pause: Duration, now: Duration) -> Result<()> {
        let left = call.context.patience(now);
        // Whoever asks after the pause must have time left for the answer, or the probe fails by the asker's own deadline,
        // and all wait anew for a target that may long be back: half of it is kept.
        let too_long = |wait| wait > left / 2 || wait > self.max_wait;
        if left.is_zero() || call.context.has_others() || wait.is_some_and(too_long) {
            return Err(refusal(&call.target, wait.unwrap_or(pause)));
        }
        Ok(())
    }

    /// The longest wait that is known beforehand and still waited for.
    pub(super) const fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// Waits for leave to make a try.
    async fn admit(self: &Arc<Self>, call: &Call, shared: Arc<Shared>) -> Result<Guard> {
        let context = &call.context;
        loop {
            // Listens before it looks, so that no change is missed.
            let changed = shared.changed.notified();
            let now = self.clock.monotonic();
            let (admission, pause) = {
                let mut breaker = shared.lock();
                (breaker.admit(now), breaker.pause())
            };
            let wait = match admission {
                Admission::Pass(permit) => return Ok(self.guard(shared.clone(), permit, call)),
                Admission::Wait(wait) => wait,
            };
            self.check(call, wait, pause, now)?;
            context.report(waiting(wait));
            let left = context.left(now);
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => {
                    return Err(Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped"));
                }
                () = changed => {}
                () = self.clock.sleep(wait.unwrap_or(left).min(LONG)) => {}
            }
        }
    }
}

/// What a breaker stands for.
fn place(target: &CallTarget, key: Option<KeyPrint>) -> Option<Place> {
    target.http().map(|_| (target.place().clone(), key))
}

/// What is told to a call that waits for a breaker.
pub(super) fn waiting(wait: Option<Duration>) -> Progress {
    Progress::Waiting { reason: REASON.to_owned(), wait_ms: millis(wait.unwrap_or_default()) }
}

fn refusal(target: &CallTarget, wait: Duration) -> Error {
    let detail = "the provider has failed too often and is left alone for a while; nothing was sent";
    Error::new(ErrorKind::Unavailable, REASON, detail)
        .with_target(&target.model.provider, &target.model.model)
        .with_retry(Retry::After { after_ms: millis(wait) })
        .with_retry_after(millis(wait), RetryAfterSource::Assumed)
        .unsent()
}

pub(super) fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// Leave to make one try. Dropped without a word, it is handed back unused.
pub(super) struct Guard {
    permit: Permit,
    shared: Arc<Shared>,
    layer: Arc<BreakerLayer>,
    call: Call,
    is_recorded: bool,
}

impl Guard {
    #[inline(never)]
    fn record(&mut self, health: Health) {
        self.is_recorded = true;
        let now = self.layer.clock.monotonic();
        // Only what may open it is left to chance, and the system is asked for that each time.
        let chance = if matches!(health, Health::Bad(_) | Health::Busy(_)) { self.layer.random.unit() } else { 0.0 };
        let change = self.shared.lock().record(&mut self.permit, health, now, chance);
        self.tell(change, health, now);
        if let Some(change) = change {
            super::trace::breaker(&self.call, change);
            self.shared.changed.notify_waiters();
        }
    }

    /// Tells who watches the engine, model by model.
    fn tell(&self, change: Option<Change>, health: Health, now: Duration) {
        let mut told = self.layer.told.lock().unwrap_or_else(PoisonError::into_inner);
        let model = self.call.target.name();
        let (state, wait_ms) = match change {
            Some(Change::Opened(wait)) => {
                if told.len() >= MAX_TARGETS {
                    told.clear();
                }
                told.insert(model.clone(), now.saturating_add(wait));
                (BreakerState::Open, millis(wait))
            }
            Some(Change::Closed) => {
                told.remove(model);
                (BreakerState::Closed, 0)
            }
            None if health == Health::Good && !told.is_empty() => {
                if told.get(model).is_none_or(|until| *until > now) {
                    return;
                }
                told.remove(model);
                (BreakerState::Closed, 0)
            }
            None | Some(Change::Freed) => return,
        };
        drop(told);
        self.call.context.tell(EngineEventKind::BreakerChanged { model: model.to_string(), state, wait_ms });
    }

    pub(super) fn failed(&mut self, error: &Error) {
        let answered = error.status().is_some() || error.provider_error().is_some();
        self.record(Health::of(Failure { kind: error.kind(), retry: error.retry() }, answered));
    }

    pub(super) fn look_at(&mut self, event: &Result<StreamEvent>) {
        match event {
            Err(error) => self.failed(error),
            Ok(event) => {
                let begun = event.kind.is_content() || matches!(event.kind, StreamEventKind::Done { .. });
                if begun && !self.is_recorded {
                    self.record(Health::Good);
                }
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_recorded {
            self.record(Health::Unknown);
        }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = BreakerService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BreakerService { inner, layer: Arc::new(self.clone()) }
    }
}

/// What [`BreakerLayer`] makes of a service.
#[derive(Clone)]
pub struct BreakerService<S> {
    inner: S,
    layer: Arc<BreakerLayer>,
}

impl<S> Service<Call> for BreakerService<S>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = ReplyEvents;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ReplyEvents>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let Self { inner, layer } = self.clone();
        Box::pin(async move {
            let key = call.context.key_print(&call.target.entry.name);
            let Some(shared) = layer.of(&call.target, key) else { return inner.oneshot(call).await };
            let mut guard = layer.admit(&call, shared).await?;
            let events = inner.oneshot(call).await.inspect_err(|error| guard.failed(error))?;
            Ok(Box::pin(events.inspect(move |event| guard.look_at(event))) as ReplyEvents)
        })
    }
}
