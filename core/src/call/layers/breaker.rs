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

use super::super::target::{Call, CallTarget, ReplyEvents};
use crate::base::{Clock, ErrorKind, Random, Retry};
use crate::model::{Error, Progress, Result, StreamEvent, StreamEventKind};
use crate::policy::{Admission, Breaker, BreakerSettings, Failure, Health, Permit};

/// So many targets have a breaker of their own; with more of them, those of which nothing is known are forgotten.
const MAX_TARGETS: usize = 1_024;

/// The longest pause that is asked of a clock; who has no deadline looks again then.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// The reason word of a call that waits for an open breaker, or is refused by it.
const REASON: &str = "breaker_open";

/// True for the error of a call that an open breaker refused: nothing was sent.
#[must_use]
pub fn is_breaker_open(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.reason() == REASON
}

/// Leaves a target alone that is down. Every target has a breaker of its own, shared by all calls through this layer.
#[derive(Clone)]
pub struct BreakerLayer {
    settings: BreakerSettings,
    max_wait: Duration,
    targets: Arc<Mutex<HashMap<String, Arc<Shared>>>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// The breaker of a target, and who waits for it.
struct Shared {
    breaker: Mutex<Breaker>,
    changed: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BreakerLayer {
    /// Decides by these settings. A wait that is known to be longer than `max_wait` is refused.
    #[must_use]
    pub fn new(settings: BreakerSettings, max_wait: Duration, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { settings, max_wait, targets: Arc::default(), clock, random }
    }

    fn of(&self, target: &CallTarget) -> Arc<Shared> {
        let name = match target.http() {
            Some(route) => format!("{} {}", target.model, route.base_url),
            None => target.model.to_string(),
        };
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if targets.len() >= MAX_TARGETS && !targets.contains_key(&name) {
            let now = self.clock.monotonic();
            targets.retain(|_, shared| !shared.lock().is_fresh(now));
            if targets.len() >= MAX_TARGETS {
                targets.clear();
            }
        }
        let fresh = || Arc::new(Shared { breaker: Mutex::new(Breaker::new(self.settings)), changed: Notify::new() });
        targets.entry(name).or_insert_with(fresh).clone()
    }

    /// Waits for leave to make a try.
    async fn admit(&self, call: &Call) -> Result<Guard> {
        let Call { target, context, .. } = call;
        let shared = self.of(target);
        loop {
            // Listens before it looks, so that no change is missed.
            let changed = shared.changed.notified();
            let now = self.clock.monotonic();
            let (admission, pause) = {
                let mut breaker = shared.lock();
                (breaker.admit(now), breaker.pause())
            };
            let wait = match admission {
                Admission::Pass(permit) => {
                    let (layer, shared, call) = (self.clone(), shared.clone(), call.clone());
                    return Ok(Guard { permit, shared, layer, call, is_recorded: false });
                }
                Admission::Wait(wait) => wait,
            };
            let left = context.patience(now);
            if left.is_zero() || wait.is_some_and(|wait| wait >= left || wait > self.max_wait) {
                return Err(refusal(target, wait.unwrap_or(pause)));
            }
            let wait_ms = millis(wait.unwrap_or_default());
            context.report(Progress::Waiting { reason: REASON.to_owned(), wait_ms });
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

fn refusal(target: &CallTarget, wait: Duration) -> Error {
    let detail = "the provider has failed too often and is left alone for a while; nothing was sent";
    Error::new(ErrorKind::Unavailable, REASON, detail)
        .with_target(&target.model.provider, &target.model.model)
        .with_retry(Retry::After { after_ms: millis(wait) })
}

fn millis(wait: Duration) -> i64 {
    i64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

/// Leave to make one try. Dropped without a word, it is handed back unused.
struct Guard {
    permit: Permit,
    shared: Arc<Shared>,
    layer: BreakerLayer,
    call: Call,
    is_recorded: bool,
}

impl Guard {
    fn record(&mut self, health: Health) {
        self.is_recorded = true;
        let (now, chance) = (self.layer.clock.monotonic(), self.layer.random.unit());
        let change = self.shared.lock().record(&mut self.permit, health, now, chance);
        if let Some(change) = change {
            super::trace::breaker(&self.call, change);
            self.shared.changed.notify_waiters();
        }
    }

    fn failed(&mut self, error: &Error) {
        let answered = error.status().is_some() || error.provider_error().is_some();
        self.record(Health::of(Failure { kind: error.kind(), retry: error.retry() }, answered));
    }

    fn look_at(&mut self, event: &Result<StreamEvent>) {
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
        BreakerService { inner, layer: self.clone() }
    }
}

/// What [`BreakerLayer`] makes of a service.
#[derive(Clone)]
pub struct BreakerService<S> {
    inner: S,
    layer: BreakerLayer,
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
            // Code of the application's own knows best when not to be asked; its errors are no outage of a server.
            if !layer.settings.enabled || call.target.http().is_none() {
                return inner.oneshot(call).await;
            }
            let mut guard = layer.admit(&call).await?;
            let events = inner.oneshot(call).await.inspect_err(|error| guard.failed(error))?;
            Ok(Box::pin(events.inspect(move |event| guard.look_at(event))) as ReplyEvents)
        })
    }
}
