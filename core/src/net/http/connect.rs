//! The time to connect (name, TCP, proxy and TLS together), measured by the engine's clock.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tower::{Layer, Service, ServiceExt as _};

use crate::base::Clock;

/// Gives up connecting after a while.
#[derive(Clone)]
pub(super) struct Within {
    clock: Arc<dyn Clock>,
    limit: Duration,
}

impl Within {
    pub(super) fn new(clock: Arc<dyn Clock>, limit: Duration) -> Self {
        Self { clock, limit }
    }
}

impl<S> Layer<S> for Within {
    type Service = ConnectWithin<S>;

    fn layer(&self, connector: S) -> Self::Service {
        ConnectWithin { connector: Arc::new(connector), within: Arc::new(self.clone()) }
    }
}

/// The client copies its connector several times for each request and connects once in a while, so a copy is two counts.
pub(super) struct ConnectWithin<S> {
    connector: Arc<S>,
    within: Arc<Within>,
}

impl<S> Clone for ConnectWithin<S> {
    fn clone(&self) -> Self {
        Self { connector: self.connector.clone(), within: self.within.clone() }
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl<S, Target> Service<Target> for ConnectWithin<S>
where
    S: Service<Target, Error = BoxError> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    Target: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let connecting = S::clone(&self.connector).oneshot(target);
        let up = self.within.clock.sleep(self.within.limit);
        Box::pin(async move {
            tokio::select! {
                biased;
                connection = connecting => connection,
                () = up => Err(ConnectTimedOut.into()),
            }
        })
    }
}

/// The time to connect is up.
#[derive(Debug)]
pub(super) struct ConnectTimedOut;

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection in time")
    }
}

impl std::error::Error for ConnectTimedOut {}
