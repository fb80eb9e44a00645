//! Answers from the cache of replies, and asks once for all who ask the same at the same time.
//!
//! Outside of everything that costs: a call that finds its reply passes no budget, no queue and no breaker.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::{BoxFuture, Either};
use futures::{TryStreamExt as _, stream};
use tower::util::Oneshot;
use tower::{Layer, Service, ServiceExt as _};

use super::super::cache::{CacheState, Entry, Opening, Shelf, replay};
use super::super::target::{Call, ReplyEvents};
use crate::base::{Clock, Random};
use crate::model::{Error, Result};
use crate::policy::{CacheMode, CacheSettings, Fingerprint, Measure};

/// Keeps replies for who asks the same, of the same model, for the same owner and with the same key. Cheap to clone;
/// clones share what is kept.
#[derive(Clone)]
pub struct CacheLayer(Arc<Shelf>);

impl CacheLayer {
    /// An empty cache. `random` makes the secret by which it tells keys apart.
    #[must_use]
    pub fn new(settings: CacheSettings, clock: Arc<dyn Clock>, random: &dyn Random) -> Self {
        Self(Arc::new(Shelf::new(settings, clock, random)))
    }

    /// An empty cache by other settings.
    #[must_use]
    pub fn emptied(&self, settings: CacheSettings, random: &dyn Random) -> Self {
        Self::new(settings, self.0.clock().clone(), random)
    }

    /// What it has done so far, and what it holds.
    #[must_use]
    pub fn state(&self) -> CacheState {
        self.0.state()
    }

    /// No reply is kept any longer, whoever asked for it.
    pub(crate) fn forget_all(&self) {
        self.0.forget_all();
    }

    /// What the replies on their way take in memory, in bytes.
    #[cfg(test)]
    pub(crate) fn under_way(&self) -> u64 {
        self.0.under_way()
    }
}

impl<S> Layer<S> for CacheLayer {
    type Service = CacheService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CacheService { inner, shelf: self.0.clone() }
    }
}

/// What [`CacheLayer`] makes of a service.
#[derive(Clone)]
pub struct CacheService<S> {
    inner: S,
    shelf: Arc<Shelf>,
}

impl<S> Service<Call> for CacheService<S>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + 'static,
{
    type Response = ReplyEvents;
    type Error = Error;
    type Future = Either<Oneshot<S, Call>, BoxFuture<'static, Result<ReplyEvents>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let Self { inner, shelf } = self.clone();
        let mode = shelf.settings.mode(call.context.cache);
        let question = if mode == CacheMode::Bypass { None } else { shelf.question(&call) };
        match question {
            None => Either::Left(inner.oneshot(call)),
            Some(question) => Either::Right(Box::pin(answer(inner, shelf, mode, question, call))),
        }
    }
}

/// Finds the reply, or waits for who asks it, or asks. Ends at the first event.
async fn answer<S>(
    inner: S,
    shelf: Arc<Shelf>,
    mode: CacheMode,
    question: Fingerprint,
    call: Call,
) -> Result<ReplyEvents>
where
    S: Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + 'static,
{
    let model = call.target.name().clone();
    loop {
        let inner = inner.clone();
        // Nothing is sent before somebody reads.
        let ask = |call| Box::pin(stream::once(inner.oneshot(call)).try_flatten()) as ReplyEvents;
        let reader = if mode == CacheMode::Refresh {
            shelf.refresh(question, &call, ask)
        } else {
            match shelf.enter(question, &call, ask) {
                Entry::Kept(reply) => {
                    call.context.count(&model, &Measure::CacheHit);
                    return Ok(replay(*reply));
                }
                Entry::UnderWay(reader) => *reader,
            }
        };
        match reader.open().await {
            Opening::Events { events, coalesced } => {
                if coalesced {
                    shelf.coalesced();
                }
                call.context.count(&model, if coalesced { &Measure::CacheHit } else { &Measure::CacheMiss });
                return Ok(events);
            }
            Opening::Failed(error) => return Err(error),
            Opening::Again => {}
        }
    }
}
