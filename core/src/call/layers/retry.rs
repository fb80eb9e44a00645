//! Tries again before the first content, as `policy::RetryPolicy` decides. The only retry loop in the product.
//!
//! The service's future ends at the first content (the commit point) or at the end of the reply; usage that came before
//! it is handed on first, signs of life are reported as they come. So a stream that fails before it said anything is tried again like a
//! request that failed.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{Stream, StreamExt as _};
use tower::{Layer, Service, ServiceExt as _};

use super::super::target::{Call, ReplyEvents};
use super::admission::is_refusal;
use crate::base::{Attempt, Clock, ErrorKind, Random, Retry};
use crate::model::{EngineEventKind, Error, Progress, Result, StreamEvent, StreamEventKind};
use crate::policy::{Decision, Failure, RetryBudget, RetryPolicy};

/// What the transport calls a request that the server sent back without looking at it.
const UNPROCESSED: &str = "unprocessed";

/// So many targets have a budget of their own; with more of them, those that miss nothing are forgotten.
const MAX_TARGETS: usize = 1_024;

/// Tries again before the first content. Every target has a budget of retries, shared by all calls through this layer.
#[derive(Clone)]
pub struct RetryLayer {
    policy: RetryPolicy,
    budgets: Arc<Mutex<BTreeMap<String, RetryBudget>>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl RetryLayer {
    /// Tries again as this policy decides.
    #[must_use]
    pub fn new(policy: RetryPolicy, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { policy, budgets: Arc::default(), clock, random }
    }

    /// The same layer with another policy: what a target has used of its budget stays used.
    #[must_use]
    pub fn reconfigured(&self, policy: RetryPolicy) -> Self {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        budgets.values_mut().for_each(|budget| policy.adopt(budget));
        drop(budgets);
        Self { policy, ..self.clone() }
    }

    /// Does something with the budget of a target.
    fn with_budget<T>(&self, target: &str, now: Duration, then: impl FnOnce(&mut RetryBudget) -> T) -> T {
        let mut budgets = self.budgets.lock().unwrap_or_else(PoisonError::into_inner);
        if budgets.len() >= MAX_TARGETS && !budgets.contains_key(target) {
            budgets.retain(|_, budget| !budget.is_full(now));
            if budgets.len() >= MAX_TARGETS {
                budgets.clear();
            }
        }
        match budgets.get_mut(target) {
            Some(budget) => then(budget),
            None => then(budgets.entry(target.to_owned()).or_insert_with(|| self.policy.budget(now))),
        }
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = RetryService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RetryService { inner, layer: Arc::new(self.clone()) }
    }
}

/// What [`RetryLayer`] makes of a service.
#[derive(Clone)]
pub struct RetryService<S> {
    inner: S,
    layer: Arc<RetryLayer>,
}

impl<S> Service<Call> for RetryService<S>
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
            let target = call.target.name().clone();
            let share = call.context.share;
            let policy = share.map_or(layer.policy, |share| layer.policy.within(share.attempts, share.others));
            let mut delay_ms = 0;
            let mut before: Option<Error> = None;
            for number in 1.. {
                let began = layer.clock.monotonic();
                let mut outcome = first_content(inner.clone(), call.clone()).await;
                // What nobody has looked at is still the same try: it goes out once more at once, and counts and costs
                // nothing.
                if outcome.as_ref().is_err_and(|error| error.reason() == UNPROCESSED) {
                    outcome = Box::pin(first_content(inner.clone(), call.clone())).await;
                }
                // Nothing was sent, so it was no try, and trying again is no use: the wait is longer than the call may
                // take, or no budget has room.
                if let Err(refusal) = &outcome
                    && (is_refusal(refusal) || refusal.kind() == ErrorKind::BudgetExceeded)
                {
                    let error = before.map_or_else(|| refusal.clone(), |failure| behind(failure, refusal));
                    return Err(error.with_attempts(call.context.attempts()));
                }
                let now = layer.clock.monotonic();
                let error = outcome.as_ref().err();
                call.context.note(Attempt {
                    model: target.to_string(),
                    kind: error.map(Error::kind),
                    status: error.and_then(Error::status),
                    delay_ms,
                    duration_ms: i64::try_from(now.saturating_sub(began).as_millis()).unwrap_or(i64::MAX),
                });
                let error = match outcome {
                    Ok(stream) => {
                        layer.with_budget(&target, now, |budget| budget.earn(now));
                        return Ok(stream);
                    }
                    Err(error) => error,
                };
                let failure = Failure { kind: error.kind(), retry: error.retry() };
                let (left, chance) = (call.context.patience(now), layer.random.unit());
                let decided =
                    layer.with_budget(&target, now, |budget| policy.decide(number, failure, left, chance, budget, now));
                let wait = match decided {
                    Decision::Wait(wait) => wait,
                    Decision::Never => return Err(error.with_attempts(call.context.attempts())),
                    Decision::Exhausted => return Err(exhausted(error).with_attempts(call.context.attempts())),
                };
                delay_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
                super::trace::retry(&call, &error, number, delay_ms);
                // Those of targets before this one count, too.
                let attempt = i32::try_from(call.context.attempt_count() + 1).unwrap_or(i32::MAX);
                let (kind, reason) = (error.kind(), error.reason().to_owned());
                let model = target.to_string();
                call.context.tell(EngineEventKind::RetryScheduled { model, attempt, kind, reason, delay_ms });
                call.context.report(Progress::Retrying { attempt, kind: error.kind(), delay_ms });
                before = Some(error);
                tokio::select! {
                    biased;
                    () = call.context.cancel.cancelled() => {
                        return Err(Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped"));
                    }
                    () = layer.clock.sleep(wait) => {}
                }
            }
            Err(Error::internal("the retry loop ran out of numbers"))
        })
    }
}

/// A hint of the server outlives our patience: who catches the error may still wait it out.
fn exhausted(error: Error) -> Error {
    if matches!(error.retry(), Retry::After { .. }) { error } else { error.with_retry(Retry::Exhausted) }
}

/// What a call has failed by whose next try was refused: what the provider said last, until when the refusal says. A key
/// that is refused by now is what has to be mended, so that speaks for itself.
fn behind(failure: Error, refusal: &Error) -> Error {
    match refusal.kind() {
        ErrorKind::Unauthorized | ErrorKind::QuotaExhausted => refusal.clone(),
        ErrorKind::BudgetExceeded => exhausted(failure),
        _ => {
            let failure = failure.with_retry(refusal.retry());
            match (refusal.retry(), refusal.retry_after_source()) {
                (Retry::After { after_ms }, Some(source)) => failure.with_retry_after(after_ms, source),
                _ => failure,
            }
        }
    }
}

/// Runs one try up to its first content.
async fn first_content<S>(inner: S, call: Call) -> Result<ReplyEvents>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Send,
{
    let context = call.context.clone();
    let mut rest = inner.oneshot(call).await?;
    // Mostly nothing stands before the first words.
    let (mut before, mut first) = (VecDeque::new(), None);
    while let Some(event) = rest.next().await {
        let event = event?;
        // A sign of life is for who waits now.
        if let StreamEvent { kind: StreamEventKind::Progress { progress }, .. } = event {
            context.report(progress);
            continue;
        }
        let committed = event.kind.is_content() || matches!(event.kind, StreamEventKind::Done { .. });
        if committed {
            first = Some(event);
            break;
        }
        before.push_back(event);
    }
    Ok(Box::pin(Begun { before, first, rest }))
}

/// The events of a try that has begun to speak.
struct Begun {
    before: VecDeque<StreamEvent>,
    first: Option<StreamEvent>,
    rest: ReplyEvents,
}

impl Stream for Begun {
    type Item = Result<StreamEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.before.pop_front().or_else(|| self.first.take()) {
            Some(event) => Poll::Ready(Some(Ok(event))),
            None => self.rest.as_mut().poll_next(cx),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.before.len() + usize::from(self.first.is_some()) + self.rest.size_hint().0, None)
    }
}
