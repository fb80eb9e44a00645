//! Holds back what a try can cost before it is sent, and settles it when it is over, as [`Accounts`] decide.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use futures::future::BoxFuture;
use tower::{Layer, Service, ServiceExt as _};

use super::super::accounts::{Accounts, Held};
use super::super::target::{Call, ReplyEvents};
use crate::model::{Error, Result, StreamEvent};

/// Refuses a try that some budget has no room for; everything else is settled at its end. Inside of the retry, so that
/// every try has a reservation of its own.
#[derive(Clone)]
pub struct BudgetLayer {
    accounts: Accounts,
}

impl BudgetLayer {
    /// Holds back and settles in these accounts.
    #[must_use]
    pub const fn new(accounts: Accounts) -> Self {
        Self { accounts }
    }
}

impl<S> Layer<S> for BudgetLayer {
    type Service = BudgetService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BudgetService { inner, accounts: self.accounts.clone() }
    }
}

/// What [`BudgetLayer`] makes of a service.
#[derive(Clone)]
pub struct BudgetService<S> {
    inner: S,
    accounts: Accounts,
}

impl<S> Service<Call> for BudgetService<S>
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
        let Self { inner, accounts } = self.clone();
        Box::pin(async move {
            let mut held = accounts.hold(&mut call).await?;
            let events = inner.oneshot(call).await.inspect_err(|error| held.failed(error))?;
            Ok(Box::pin(Metered { events, held }) as ReplyEvents)
        })
    }
}

/// The events of a try with what is held back for it. The events go first: dropped, they say what had come.
struct Metered {
    events: ReplyEvents,
    held: Held,
}

impl Stream for Metered {
    type Item = Result<StreamEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let event = std::task::ready!(self.events.as_mut().poll_next(cx));
        if let Some(event) = &event {
            self.held.look_at(event);
        }
        Poll::Ready(event)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.events.size_hint()
    }
}
