//! Lets calls go one after the other, as `policy::AdmissionQueue` decides: no more at once than is allowed, no faster
//! than the provider takes them, the urgent ones first. The breaker is asked for each call that is let go, so that
//! nobody holds a place in front of a target that is down.

mod lane;
mod leave;

use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::Stream;
use futures::future::BoxFuture;
use sha2::{Digest as _, Sha256};
use tower::{Layer, Service, ServiceExt as _};

use super::super::target::{Call, ReplyEvents};
use super::breaker::{BreakerLayer, MAX_TARGETS, is_breaker_open};
use crate::base::{Clock, ErrorKind};
use crate::model::{Error, Result, StreamEvent};
use crate::policy::{LimitSettings, QueueSettings};
use lane::Lane;
use leave::Leave;

/// The reason word of a call for which there is no room in the queue.
const FULL: &str = "queue_full";

/// The reason word of a call that would wait beyond its deadline.
const TOO_LATE: &str = "queue_deadline";

/// True for the error of a call that was refused here, by the queue or by an open breaker: nothing was sent.
#[must_use]
pub fn is_refusal(error: &Error) -> bool {
    let (kind, reason) = (error.kind(), error.reason());
    is_breaker_open(error)
        || (kind == ErrorKind::Unavailable && reason == FULL)
        || (kind == ErrorKind::RateLimited && reason == TOO_LATE)
}

/// Lets calls go one after the other. Every target has a queue of its own, shared by all calls through this layer; a key
/// that was given to a call or a user has its own as well, because providers limit keys.
#[derive(Clone)]
pub struct AdmissionLayer {
    limits: Arc<LimitSettings>,
    queue: QueueSettings,
    breaker: Arc<BreakerLayer>,
    lanes: Arc<Mutex<HashMap<String, Arc<Lane>>>>,
    clock: Arc<dyn Clock>,
}

impl AdmissionLayer {
    /// Keeps to these limits and asks this breaker. The breaker needs no place of its own behind this layer.
    #[must_use]
    pub fn new(limits: LimitSettings, queue: QueueSettings, breaker: BreakerLayer, clock: Arc<dyn Clock>) -> Self {
        Self { limits: Arc::new(limits), queue, breaker: Arc::new(breaker), lanes: Arc::default(), clock }
    }

    /// The same layer by other settings. Where limits, queue or breaker change, calls begin in queues of their own: those that wait
    /// or run end as they began, and what was learnt of the limits is learnt anew.
    #[must_use]
    pub fn reconfigured(&self, limits: LimitSettings, queue: QueueSettings, breaker: BreakerLayer) -> Self {
        let same = limits == *self.limits && queue == self.queue && breaker.decides_like(&self.breaker);
        let lanes = if same { self.lanes.clone() } else { Arc::default() };
        Self { limits: Arc::new(limits), queue, breaker: Arc::new(breaker), lanes, clock: self.clock.clone() }
    }

    fn lane(&self, call: &Call) -> Arc<Lane> {
        let target = &call.target;
        let mut name = Cow::Borrowed(target.place());
        let own = call.context.key.as_ref().filter(|key| key.provider == target.entry.name);
        if let Some(own) = own {
            // Its print tells two keys apart and does not tell the key.
            for byte in Sha256::digest(own.key.expose()).iter().take(16) {
                name.to_mut().push_str(&format!("{byte:02x}"));
            }
        }
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&*name) {
            return lane.clone();
        }
        if lanes.len() >= MAX_TARGETS {
            lanes.retain(|_, lane| !lane.is_fresh());
            if lanes.len() >= MAX_TARGETS {
                lanes.clear();
            }
        }
        let limits = self.limits.of(&target.model.provider, &target.model.model);
        let lane = Arc::new(Lane::new(limits, self.queue, self.breaker.clone(), target, self.clock.clone()));
        lanes.insert(name.into_owned(), lane.clone());
        lane
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
