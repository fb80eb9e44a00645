//! Goes on to the next target when one fails, as `policy::Course` decides, and hands every target its share of the call.
//!
//! The service's future ends at the first content, of whichever target. Afterwards a reply that breaks off is continued
//! by `continuing`, if the call wants that, with the same way from target to target.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::{BoxFuture, Either};
use tower::{Layer, Service, ServiceExt as _};

use super::super::alternatives::Alternatives;
use super::super::context::Share;
use super::super::credentials::{CallKey, KeyPrint};
use super::super::service::ProviderService;
use super::super::target::{Call, CallTarget, ReplyEvents};
use super::breaker::BreakerLayer;
use super::continuing::Continuing;
use crate::base::{Clock, ErrorKind};
use crate::model::{ChatRequest, Error, NewMessage, Progress, Result};
use crate::policy::{BreakerSettings, Course, MidStream, Refusals, RetrySettings, Standing, outweighs};

/// Goes on to the next target when one fails. Calls without another target pass through as they are.
#[derive(Clone)]
pub struct FallbackLayer {
    retry: RetrySettings,
    breaker: BreakerLayer,
    latches: Arc<Mutex<Refusals>>,
    clock: Arc<dyn Clock>,
    /// Knows the keys; nothing = those that came with a call are all there are.
    keys: Option<Arc<ProviderService>>,
}

impl FallbackLayer {
    /// Divides the tries of these settings among the targets, and asks last whom this breaker leaves alone.
    #[must_use]
    pub fn new(retry: RetrySettings, settings: &BreakerSettings, breaker: BreakerLayer, clock: Arc<dyn Clock>) -> Self {
        let latches = Refusals::new(Duration::from_millis(settings.latched_probe_ms));
        Self { retry, breaker, latches: Arc::new(Mutex::new(latches)), clock, keys: None }
    }

    /// The same layer, which asks this provider which key a call takes.
    #[must_use]
    pub(in crate::call) fn with_keys(mut self, provider: Arc<ProviderService>) -> Self {
        self.keys = Some(provider);
        self
    }

    /// The same layer by other settings. Whose key was refused is asked last as before.
    #[must_use]
    pub fn reconfigured(&self, retry: RetrySettings, breaker: BreakerLayer) -> Self {
        Self { retry, breaker, ..self.clone() }
    }

    fn latches(&self) -> MutexGuard<'_, Refusals> {
        self.latches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn standing(&self, id: u64, target: &CallTarget, key: Option<KeyPrint>) -> Standing {
        Standing {
            left_alone: self.breaker.left_alone(target, key),
            latched: self.latches().is_latched(id, self.clock.monotonic()),
            window: target.info.as_ref().and_then(|info| info.context_window),
        }
    }
}

impl<S> Layer<S> for FallbackLayer {
    type Service = FallbackService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FallbackService { inner, layer: Arc::new(self.clone()) }
    }
}

/// What [`FallbackLayer`] makes of a service.
#[derive(Clone)]
pub struct FallbackService<S> {
    inner: S,
    layer: Arc<FallbackLayer>,
}

/// A call, all whom it may ask (its own target first), and how.
pub(super) struct Way<S> {
    service: FallbackService<S>,
    pub(super) call: Call,
    alternatives: Arc<Alternatives>,
}

impl<S> Way<S>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + Sync + 'static,
{
    fn target(&self, at: usize) -> &Arc<CallTarget> {
        at.checked_sub(1).map_or(&self.call.target, |at| &self.alternatives.targets[at].target)
    }

    fn key(&self, at: usize) -> Option<&CallKey> {
        at.checked_sub(1).map_or(&self.call.context.key, |at| &self.alternatives.targets[at].key).as_ref()
    }

    /// What a refusal of a key or account stands under: the target for this user with this key.
    fn latch(&self, at: usize) -> u64 {
        let mut id = DefaultHasher::new();
        let model = &self.target(at).model;
        (&model.provider, &model.model, &self.call.context.owner, self.print(at)).hash(&mut id);
        id.finish()
    }

    /// Which key this target is asked with, as far as that is known.
    fn print(&self, at: usize) -> Option<KeyPrint> {
        let (target, key) = (self.target(at), self.key(at));
        match &self.service.layer.keys {
            Some(keys) => keys.known_key(self.call.context.owner.as_deref(), target, key).flatten(),
            None => CallKey::print_for(key, &target.entry.name),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.service.layer.clock.monotonic()
    }

    /// Asks one target after the other, from this one on, until one begins to answer; the answer is to go on behind these
    /// words, if there are any. Gives who answers.
    pub(super) async fn begin(&self, first: usize, said: Option<&str>) -> Result<(usize, ReplyEvents)> {
        let Self { service: FallbackService { inner, layer }, call, alternatives } = self;
        let all = 0..=alternatives.targets.len();
        let standings: Vec<Standing> =
            all.map(|at| layer.standing(self.latch(at), self.target(at), self.print(at))).collect();
        let mut course = Course::new(&standings, first, &layer.retry);
        let (mut before, mut failed) = (first, None::<Error>);
        while let Some(leg) = course.next(call.context.attempt_count(), call.context.left(self.now())) {
            let target = self.target(leg.target);
            let begin_by = self.now().saturating_add(leg.time);
            let share = Share { attempts: leg.attempts, begin_by, others: leg.others, queues: true };
            if leg.target != before {
                let (from_model, to_model) = (self.target(before).model.to_string(), target.model.to_string());
                super::trace::fell_back(call, failed.as_ref(), &from_model, &to_model);
                call.context.report(Progress::FellBack { from_model, to_model });
                before = leg.target;
            }
            let outcome = match self.ask(leg.target, said).await {
                Ok(request) => {
                    let mut context = call.context.clone();
                    (context.key, context.share) = (self.key(leg.target).cloned(), Some(share));
                    let outcome = inner.clone().oneshot(Call { request, target: target.clone(), context }).await;
                    self.learn(leg.target, outcome.as_ref().err());
                    outcome
                }
                Err(error) => Err(error.with_target(&target.model.provider, &target.model.model)),
            };
            let error = match outcome {
                Ok(events) => {
                    if leg.target != 0 || call.context.answering().is_some() {
                        call.context.note_answering(&target.model);
                    }
                    return Ok((leg.target, events));
                }
                Err(error) => error,
            };
            if !course.failed(leg.target, error.kind()) {
                return Err(error.with_attempts(call.context.attempts()));
            }
            failed = match failed {
                Some(earlier) if outweighs(earlier.kind(), error.kind()) => Some(earlier),
                _ => Some(error),
            };
        }
        let error = failed.unwrap_or_else(|| Error::internal("a call without a target"));
        Err(error.with_attempts(call.context.attempts()))
    }

    /// What is asked of this target.
    async fn ask(&self, at: usize, said: Option<&str>) -> Result<Arc<ChatRequest>> {
        let request = match at {
            0 => self.call.request.clone(),
            _ => (self.alternatives.make)(self.target(at).clone()).await?,
        };
        let Some(said) = said else { return Ok(request) };
        let mut request = Arc::unwrap_or_clone(request);
        request.messages.push(NewMessage::assistant(said));
        Ok(Arc::new(request))
    }

    fn learn(&self, at: usize, failed: Option<&Error>) {
        let (id, now) = (self.latch(at), self.now());
        let mut latches = self.service.layer.latches();
        match failed.map(Error::kind) {
            None => latches.free(id),
            // Who is latched may have been refused without being asked: that is no news.
            Some(ErrorKind::Unauthorized | ErrorKind::QuotaExhausted) if !latches.is_latched(id, now) => {
                latches.latch(id, now);
            }
            Some(_) => {}
        }
    }
}

impl<S> Service<Call> for FallbackService<S>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + Sync + 'static,
{
    type Response = ReplyEvents;
    type Error = Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<ReplyEvents>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let Some(alternatives) = call.context.alternatives.clone() else {
            return Either::Left(self.inner.call(call));
        };
        let way = Way { service: self.clone(), call, alternatives };
        Either::Right(Box::pin(async move {
            let started = way.now();
            let (at, events) = way.begin(0, None).await?;
            if way.alternatives.mid_stream != MidStream::Continue {
                return Ok(events);
            }
            Ok(Continuing::new(way, at, events, started).into_events())
        }))
    }
}
