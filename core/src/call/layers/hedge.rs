//! Asks a slow target a second time, as `policy::Hedge` decides, and hears whoever answers first.
//!
//! One second request for each target of a call, before the first content, while the first try is still under way: not
//! after a failure or a wait that the server asked for, which are the retry's, and not past an open breaker. Who is not
//! heard is let go of, which closes the connection; what it took is counted to the reply.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{BoxFuture, Either};
use tower::{Layer, Service, ServiceExt as _};

use super::super::context::Share;
use super::super::target::{Call, ReplyEvents};
use crate::base::{Attempt, Clock, ErrorKind};
use crate::model::{Cost, Error, Result, StreamEvent, StreamEventKind, Usage};
use crate::policy::{FallbackSettings, Hedge};

/// So many targets are known; with more of them, all are forgotten.
const MAX_TARGETS: usize = 1_024;

/// Asks a slow target a second time. What is usual is learnt for every target, from all calls through this layer.
#[derive(Clone)]
pub struct HedgeLayer {
    settings: Arc<FallbackSettings>,
    targets: Arc<Mutex<BTreeMap<String, Hedge>>>,
    clock: Arc<dyn Clock>,
}

impl HedgeLayer {
    /// Decides by these settings; without `hedge` calls pass through as they are.
    #[must_use]
    pub fn new(settings: FallbackSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings: Arc::new(settings), targets: Arc::default(), clock }
    }

    /// The same layer by other settings, which goes on with what it has learnt.
    #[must_use]
    pub fn reconfigured(&self, settings: FallbackSettings) -> Self {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets.values_mut().for_each(|hedge| hedge.adopt(&settings));
        drop(targets);
        Self { settings: Arc::new(settings), ..self.clone() }
    }

    fn with<T>(&self, target: &str, then: impl FnOnce(&mut Hedge) -> T) -> T {
        let mut targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        if targets.len() >= MAX_TARGETS && !targets.contains_key(target) {
            targets.clear();
        }
        then(targets.entry(target.to_owned()).or_insert_with(|| Hedge::new(&self.settings)))
    }
}

impl<S> Layer<S> for HedgeLayer {
    type Service = HedgeService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HedgeService { inner, layer: Arc::new(self.clone()) }
    }
}

/// What [`HedgeLayer`] makes of a service.
#[derive(Clone)]
pub struct HedgeService<S> {
    inner: S,
    layer: Arc<HedgeLayer>,
}

impl<S> HedgeService<S>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + 'static,
{
    async fn race(self, call: Call) -> Result<ReplyEvents> {
        let Self { inner, layer } = self;
        let target = call.target.name().clone();
        let (began, tries) = (layer.clock.monotonic(), call.context.attempt_count());
        let delay = layer.with(&target, Hedge::begin);
        let since = |then: Duration| layer.clock.monotonic().saturating_sub(then);
        let mut first = Box::pin(inner.clone().oneshot(call.clone()));
        let early = tokio::select! {
            biased;
            outcome = &mut first => Some(outcome),
            () = layer.clock.sleep(delay) => None,
        };
        // More tries than before: one of them has failed.
        let may = early.is_none() && call.context.attempt_count() == tries;
        if let Some(outcome) = early {
            if outcome.is_ok() && call.context.attempt_count() == tries + 1 {
                layer.with(&target, |hedge| hedge.saw(since(began)));
            }
            return outcome;
        }
        if !may || !layer.with(&target, Hedge::spend) {
            let outcome = first.await;
            if outcome.is_ok() {
                layer.with(&target, |hedge| hedge.saw(since(began)));
            }
            return outcome;
        }
        let again = layer.clock.monotonic();
        super::trace::hedged(&call, u64::try_from(since(began).as_millis()).unwrap_or(u64::MAX));
        let mut second = call.clone();
        let begin_by = again.saturating_add(call.context.left(again));
        // One try, and none at all where it would have to wait.
        second.context.share = Some(Share { attempts: 1, begin_by, others: true, queues: false });
        let mut second = Box::pin(inner.oneshot(second));
        let (outcome, lost) = tokio::select! {
            biased;
            outcome = &mut first => match outcome {
                Ok(events) => (Ok(events), Some(again)),
                Err(error) => (second.as_mut().await.map_err(|_| error), None),
            },
            outcome = &mut second => match outcome {
                Ok(events) => (Ok(events), Some(began)),
                Err(_) => (first.as_mut().await, None),
            },
        };
        // Whoever is still under way is let go of here.
        drop((first, second));
        layer.with(&target, |hedge| hedge.saw(since(began)));
        if let Some(since_when) = lost {
            let took = |then| i64::try_from(since(then).as_millis()).unwrap_or(i64::MAX);
            let attempt = Attempt {
                model: target.to_string(),
                kind: Some(ErrorKind::Cancelled),
                status: None,
                delay_ms: 0,
                duration_ms: took(since_when),
            };
            call.context.note_beside(attempt);
        }
        let lost = call.context.take_lost().into_iter().reduce(both);
        Ok(match lost {
            Some(lost) => with_lost(outcome?, lost),
            None => outcome?,
        })
    }
}

fn both(one: (Usage, Cost), other: (Usage, Cost)) -> (Usage, Cost) {
    (one.0.plus(other.0), one.1.plus(other.1))
}

/// The same reply, which also took what the request took that was not heard.
fn with_lost(events: ReplyEvents, lost: (Usage, Cost)) -> ReplyEvents {
    Box::pin(events.map(move |event| match event {
        Ok(StreamEvent { kind: StreamEventKind::Done { mut reply }, seq, turn_id, part_index }) => {
            let took = (std::mem::take(&mut reply.usage), std::mem::take(&mut reply.cost));
            (reply.usage, reply.cost) = both(lost.clone(), took);
            Ok(StreamEvent { kind: StreamEventKind::Done { reply }, seq, turn_id, part_index })
        }
        Err(error) => {
            let spent = error.spent().map(|(usage, cost)| both(lost.clone(), (usage.clone(), cost.clone())));
            let (usage, cost) = spent.unwrap_or_else(|| lost.clone());
            Err(error.with_spent(usage, cost))
        }
        event => event,
    }))
}

impl<S> Service<Call> for HedgeService<S>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = ReplyEvents;
    type Error = Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<ReplyEvents>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        // Code of the application's own may do something else than answer, and twice of it is twice.
        if !self.layer.settings.hedge || !call.context.hedges || call.target.http().is_none() {
            return Either::Left(self.inner.call(call));
        }
        Either::Right(Box::pin(self.clone().race(call)))
    }
}
