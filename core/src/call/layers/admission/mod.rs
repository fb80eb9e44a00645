//! Lets calls go one after the other, as `policy::AdmissionQueue` decides: no more at once than is allowed, no faster
//! than the provider takes them, the urgent ones first. The breaker is asked for each call that is let go, so that
//! nobody holds a place in front of a target that is down.

mod lane;
mod leave;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt as _};

use super::super::service::ProviderService;
use super::super::target::{Call, ReplyEvents};
use super::breaker::{BreakerLayer, MAX_TARGETS, Place};
use crate::base::Clock;
use crate::model::{Error, Result, StreamEvent};
use crate::policy::{LimitSettings, QueueSettings};
use lane::Lane;
use leave::Leave;

/// The reason word of a call for which there is no room in the queue.
const FULL: &str = "queue_full";

/// The reason word of a call that would wait beyond its deadline.
const TOO_LATE: &str = "queue_deadline";

/// True for the error of a call that was refused here, by the queue, by an open breaker, or because its key was refused
/// not long ago: nothing was sent.
#[must_use]
pub fn is_refusal(error: &Error) -> bool {
    error.is_unsent()
}

/// Lets calls go one after the other. Every target has a queue of its own for each key, because providers limit keys; all
/// calls through this layer share them.
#[derive(Clone)]
pub struct AdmissionLayer {
    limits: Arc<LimitSettings>,
    queue: QueueSettings,
    breaker: Arc<BreakerLayer>,
    lanes: Arc<Lanes>,
    clock: Arc<dyn Clock>,
    /// Knows the keys; nothing = those that came with a call are all there are.
    keys: Option<Arc<ProviderService>>,
}

/// What is known of each target and key.
#[derive(Default)]
struct Lanes {
    all: Mutex<BTreeMap<Place, Arc<Lane>>>,
    /// How often one was used.
    uses: AtomicU64,
}

impl AdmissionLayer {
    /// Keeps to these limits and asks this breaker. The breaker needs no place of its own behind this layer.
    #[must_use]
    pub fn new(limits: LimitSettings, queue: QueueSettings, breaker: BreakerLayer, clock: Arc<dyn Clock>) -> Self {
        Self { limits: Arc::new(limits), queue, breaker: Arc::new(breaker), lanes: Arc::default(), clock, keys: None }
    }

    /// The same layer, which asks this provider which key a call takes.
    #[must_use]
    pub(in crate::call) fn with_keys(mut self, provider: Arc<ProviderService>) -> Self {
        self.keys = Some(provider);
        self
    }

    /// The same layer by other settings. Where limits, queue or breaker change, calls begin in queues of their own: those that wait
    /// or run end as they began, and what was learnt of the limits is learnt anew.
    #[must_use]
    pub fn reconfigured(&self, limits: LimitSettings, queue: QueueSettings, breaker: BreakerLayer) -> Self {
        let same = limits == *self.limits && queue == self.queue && breaker.decides_like(&self.breaker);
        let lanes = if same { self.lanes.clone() } else { Arc::default() };
        let (limits, breaker) = (Arc::new(limits), Arc::new(breaker));
        Self { limits, queue, breaker, lanes, clock: self.clock.clone(), keys: None }
    }

    /// How many targets and keys something is known of.
    #[cfg(test)]
    pub(in crate::call) fn known(&self) -> usize {
        self.lanes.all.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn lane(&self, call: &Call) -> Arc<Lane> {
        let target = &call.target;
        let key = call.context.key_print(&target.entry.name);
        let place = (target.place().clone(), key);
        let mut lanes = self.lanes.all.lock().unwrap_or_else(PoisonError::into_inner);
        let use_number = self.lanes.uses.fetch_add(1, Ordering::Relaxed);
        if let Some(lane) = lanes.get(&place) {
            lane.used.store(use_number, Ordering::Relaxed);
            return lane.clone();
        }
        if lanes.len() >= MAX_TARGETS {
            make_room(&mut lanes);
        }
        let limits = self.limits.of(&target.model.provider, &target.model.model);
        let breaker = self.breaker.of(target, key);
        let (model, layer) = (target.name().clone(), self.breaker.clone());
        let lane = Arc::new(Lane::new(model, limits, self.queue, layer, breaker, self.clock.clone()));
        lane.used.store(use_number, Ordering::Relaxed);
        lanes.insert(place, lane.clone());
        lane
    }
}

/// Forgets those of which nothing is known, or else a quarter of those that nobody uses now, the longest unused first. What
/// is in use stays: two queues for one key would be twice its limits.
fn make_room(lanes: &mut BTreeMap<Place, Arc<Lane>>) {
    let is_idle = |lane: &Arc<Lane>| Arc::strong_count(lane) == 1;
    lanes.retain(|_, lane| !is_idle(lane) || !lane.is_fresh());
    if lanes.len() < MAX_TARGETS {
        return;
    }
    let idle = lanes.values().filter(|lane| is_idle(lane));
    let mut last_uses: Vec<u64> = idle.map(|lane| lane.used.load(Ordering::Relaxed)).collect();
    last_uses.sort_unstable();
    if let Some(&until) = last_uses.get(last_uses.len() / 4) {
        lanes.retain(|_, lane| !is_idle(lane) || lane.used.load(Ordering::Relaxed) > until);
    }
}

impl<S> Layer<S> for AdmissionLayer {
    type Service = AdmissionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AdmissionService { inner, layer: Arc::new(self.clone()) }
    }
}

/// What [`AdmissionLayer`] makes of a service.
#[derive(Clone)]
pub struct AdmissionService<S> {
    inner: S,
    layer: Arc<AdmissionLayer>,
}

impl<S> Service<Call> for AdmissionService<S>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = ReplyEvents;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ReplyEvents>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut call: Call) -> Self::Future {
        let Self { inner, layer } = self.clone();
        Box::pin(async move {
            if let Some(keys) = &layer.keys {
                call.context.key_print = keys.key_print(&call).await?;
            }
            let mut leave = layer.lane(&call).enter(&call).await?;
            call.context.quota = Some(leave.listener());
            let events = inner.oneshot(call).await.map_err(|error| leave.failed(error))?;
            Ok(Box::pin(Admitted { events, leave }) as ReplyEvents)
        })
    }
}

/// The events of a call with the leave that it was given.
struct Admitted {
    events: ReplyEvents,
    leave: Leave,
}

impl Stream for Admitted {
    type Item = Result<StreamEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut event = std::task::ready!(self.events.as_mut().poll_next(cx));
        if let Some(event) = &mut event {
            self.leave.look_at(event);
        }
        Poll::Ready(event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}
