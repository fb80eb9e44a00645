//! What a call leaves in the log: one record for each outcome, with everything that is known and nothing that was said.
//!
//! error = somebody must act; warn = unexpected and handled; info = life cycle; debug = the rest. No record holds
//! prompt text or a key, at any level.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tower::{Layer, Service};

use super::super::context::CallContext;
use super::super::target::{Call, ReplyEvents};
use crate::base::{Clock, ErrorKind};
use crate::model::{Error, Result};
use crate::policy::Change;

/// Logs the outcome of each call up to its first content.
#[derive(Clone)]
pub struct TraceLayer {
    clock: Arc<dyn Clock>,
}

impl TraceLayer {
    /// Measures by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl<S> Layer<S> for TraceLayer {
    type Service = TraceService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TraceService { inner, clock: self.clock.clone() }
    }
}

/// What [`TraceLayer`] makes of a service.
#[derive(Clone)]
pub struct TraceService<S> {
    inner: S,
    clock: Arc<dyn Clock>,
}

impl<S> Service<Call> for TraceService<S>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = ReplyEvents;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ReplyEvents>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let (clock, context) = (self.clock.clone(), call.context.clone());
        let started = clock.monotonic();
        let work = self.inner.call(call);
        Box::pin(async move {
            let outcome = work.await;
            if let Err(error) = &outcome {
                failure(&context, error, clock.monotonic().saturating_sub(started));
            }
            outcome
        })
    }
}

/// How loud a failure of this kind is.
#[must_use]
pub fn level(kind: ErrorKind) -> tracing::Level {
    match kind {
        ErrorKind::Unauthorized | ErrorKind::QuotaExhausted | ErrorKind::Storage | ErrorKind::Internal => {
            tracing::Level::ERROR
        }
        ErrorKind::Invalid | ErrorKind::Cancelled | ErrorKind::Closed => tracing::Level::DEBUG,
        _ => tracing::Level::WARN,
    }
}

macro_rules! record {
    ($level:expr, $context:expr, $error:expr, $message:literal $(, $field:ident = $value:expr)*) => {
        tracing::event!(
            target: "tertulia::call",
            $level,
            operation = $context.operation,
            owner = $context.owner.as_deref(),
            conversation = $context.conversation.map(tracing::field::display),
            turn = $context.turn.map(tracing::field::display),
            provider = $error.provider(),
            model = $error.model(),
            request_id = $error.request_id(),
            status = $error.status(),
            attempt = $context.attempts().len(),
            error_kind = $error.kind().as_str(),
            reason = $error.reason(),
            detail = $error.detail(),
            $($field = $value,)*
            $message
        )
    };
}

/// Logs a failure as loud as its kind asks.
pub fn failure(context: &CallContext, error: &Error, duration: Duration) {
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    match level(error.kind()) {
        tracing::Level::ERROR => {
            record!(tracing::Level::ERROR, context, error, "call failed", duration_ms = duration_ms)
        }
        tracing::Level::WARN => record!(tracing::Level::WARN, context, error, "call failed", duration_ms = duration_ms),
        _ => record!(tracing::Level::DEBUG, context, error, "call failed", duration_ms = duration_ms),
    }
}

/// Logs that a call is tried again.
pub(super) fn retry(call: &Call, error: &Error, attempt: u32, delay_ms: i64) {
    let context = &call.context;
    record!(
        tracing::Level::WARN,
        context,
        error,
        "call is tried again",
        next_attempt = attempt + 1,
        delay_ms = delay_ms
    );
}

/// Logs that a call goes on to another target: because one failed, or because it is known not to be well.
pub(super) fn fell_back(call: &Call, failed: Option<&Error>, from_model: &str, to_model: &str) {
    let context = &call.context;
    if let Some(error) = failed {
        record!(
            tracing::Level::WARN,
            context,
            error,
            "call goes on to another model",
            from_model = from_model,
            to_model = to_model
        );
        return;
    }
    tracing::info!(
        target: "tertulia::call", operation = context.operation, owner = context.owner.as_deref(),
        turn = context.turn.map(tracing::field::display), from_model, to_model, "call asks another model first",
    );
}

/// Logs that a reply broke off and is continued.
pub(super) fn continued(call: &Call, error: &Error) {
    let context = &call.context;
    record!(tracing::Level::WARN, context, error, "reply broke off and is continued");
}

/// Logs that a slow call is asked a second time.
pub(super) fn hedged(call: &Call, waited_ms: u64) {
    let (context, model) = (&call.context, &call.target.model);
    tracing::info!(
        target: "tertulia::call", operation = context.operation, owner = context.owner.as_deref(),
        turn = context.turn.map(tracing::field::display), provider = model.provider, model = model.model, waited_ms,
        "slow call is asked a second time",
    );
}

/// Logs that a target is left alone from now on, or no longer.
pub(super) fn breaker(call: &Call, change: Change) {
    let (context, model) = (&call.context, &call.target.model);
    macro_rules! say {
        ($level:expr, $message:literal $(, $field:ident = $value:expr)*) => {
            tracing::event!(
                target: "tertulia::call", $level, operation = context.operation, owner = context.owner.as_deref(),
                turn = context.turn.map(tracing::field::display), provider = model.provider, model = model.model,
                $($field = $value,)* $message
            )
        };
    }
    match change {
        Change::Opened(wait) => {
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            say!(tracing::Level::WARN, "the provider is left alone", wait_ms = wait_ms);
        }
        Change::Closed => say!(tracing::Level::INFO, "the provider is back"),
        Change::Freed => {}
    }
}
