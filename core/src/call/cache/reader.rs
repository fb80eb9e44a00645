//! One of those who read a reply on its way, within its own deadline and until it is stopped itself.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::super::context::CallContext;
use super::super::limits::too_late;
use super::super::target::ReplyEvents;
use super::flight::{Flight, Given};
use super::kept::{nothing, shared};
use crate::base::{Clock, ErrorKind, Retry, Sleep};
use crate::model::{Error, Result, StreamEvent, StreamEventKind};

/// The events of a flight for one caller.
pub(in crate::call) struct Reader {
    flight: Arc<Flight>,
    id: u64,
    /// True for the call that asked. The others ask themselves when it fails.
    began: bool,
    context: CallContext,
    clock: Arc<dyn Clock>,
    joined: Duration,
    cancelled: Pin<Box<WaitForCancellationFutureOwned>>,
    timer: Option<Sleep>,
    /// When the first content came.
    first_content: Option<Duration>,
    ended: bool,
    /// True when it ended by its own wish or limit, not with the call.
    left: bool,
}

/// What came first.
pub(in crate::call) enum Opening {
    /// An event; here it is, with all that follow.
    Events { events: ReplyEvents, coalesced: bool },
    /// The failure of this call.
    Failed(Error),
    /// Another's call failed before it gave anything: whoever waited for it may ask itself.
    Again,
}

impl Reader {
    /// The reader that asked.
    pub(super) fn first(flight: &Arc<Flight>, context: &CallContext, clock: &Arc<dyn Clock>) -> Self {
        let id = flight.join(context).unwrap_or_default();
        Self::new(flight, id, true, context, clock)
    }

    /// One more reader; nothing when it is too late.
    pub(super) fn join(flight: &Arc<Flight>, context: &CallContext, clock: &Arc<dyn Clock>) -> Option<Self> {
        let id = flight.join(context)?;
        Some(Self::new(flight, id, false, context, clock))
    }

    fn new(flight: &Arc<Flight>, id: u64, began: bool, context: &CallContext, clock: &Arc<dyn Clock>) -> Self {
        let joined = clock.monotonic();
        Self {
            flight: flight.clone(),
            id,
            began,
            joined,
            cancelled: Box::pin(context.cancel.clone().cancelled_owned()),
            timer: context.deadline.map(|deadline| clock.sleep(deadline.saturating_sub(joined))),
            context: context.clone(),
            clock: clock.clone(),
            first_content: None,
            ended: false,
            left: false,
        }
    }

    /// Waits for the first event: before it the reply has no content, and another call may be made.
    pub(in crate::call) async fn open(mut self) -> Opening {
        match self.next().await {
            Some(Ok(first)) => {
                let coalesced = !self.began;
                Opening::Events { events: Box::pin(stream::iter([Ok(first)]).chain(self)), coalesced }
            }
            Some(Err(error)) if self.began || self.left || is_of_the_question(error.kind()) => Opening::Failed(error),
            Some(Err(_)) => Opening::Again,
            None => Opening::Failed(Error::internal("a call ended without a reply")),
        }
    }

    /// What came, as this reader is shown it.
    fn shown(&mut self, given: Given) -> Result<StreamEvent> {
        let Given { event, pays } = given;
        match event {
            Ok(mut event) => {
                if event.kind.is_content() {
                    self.first_content.get_or_insert_with(|| self.clock.monotonic());
                }
                if let StreamEventKind::Done { reply } = &mut event.kind
                    && !pays
                {
                    let first = self.first_content.map(|at| millis(at.saturating_sub(self.joined)));
                    let latency_ms = millis(self.clock.monotonic().saturating_sub(self.joined));
                    **reply = crate::model::Reply { latency_ms, first_token_ms: first, ..shared((**reply).clone()) };
                }
                Ok(event)
            }
            Err(error) => {
                self.ended = true;
                if pays || error.spent().is_none() {
                    return Err(error);
                }
                let (usage, cost) = nothing();
                Err(error.with_spent(usage, cost))
            }
        }
    }

    /// Ends this reader before the call: with what it had been given.
    fn leave(&mut self, error: Error) -> Error {
        let (usage, cost) = nothing();
        let error = error.with_partial(self.flight.given(self.id)).with_spent(usage, cost);
        self.ended = true;
        self.left = true;
        error
    }

    fn too_late(&mut self) -> Error {
        let limit = self.context.left(self.joined);
        let error = too_late("total", limit);
        let error = if self.first_content.is_some() {
            let detail = format!("the reply broke off after it began: {}", error.detail());
            Error::new(ErrorKind::Truncated, "stalled", detail).with_retry(Retry::Safe)
        } else {
            error
        };
        self.leave(error)
    }
}

impl Stream for Reader {
    type Item = Result<StreamEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let stopped = self.context.cancel.is_cancelled() || self.cancelled.as_mut().poll(cx).is_ready();
        if stopped && !self.flight.stop(self.id) {
            let stopped = Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped");
            return Poll::Ready(Some(Err(self.leave(stopped))));
        }
        match self.flight.poll(self.id, cx) {
            Poll::Ready(Some(given)) => Poll::Ready(Some(self.shown(given))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => match self.timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
                Some(Poll::Ready(())) => {
                    let error = self.too_late();
                    Poll::Ready(Some(Err(error)))
                }
                _ => Poll::Pending,
            },
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.flight.leave(self.id);
    }
}

/// True for what would be refused again, whoever asks: one answer is enough for all who asked it. Every other failure may be
/// that of the one call.
const fn is_of_the_question(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Invalid
            | ErrorKind::Unauthorized
            | ErrorKind::QuotaExhausted
            | ErrorKind::ContextTooLong
            | ErrorKind::ContentFiltered
    )
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
