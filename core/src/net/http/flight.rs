//! One call under way, from the request to the end of its body, so that it can be ended from outside.
//!
//! What a call holds (the pending request, then the body, and its permit) lies in a slot that both its owner and the
//! transport reach. Closing empties the slots, also of calls that nobody polls: a consumer that stopped reading
//! cannot keep a connection open.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::Stream;
use futures::task::AtomicWaker;
use hyper_util::client::legacy::ResponseFuture;
use tokio::sync::OwnedSemaphorePermit;

use super::decode::Decoded;
use super::failure;
use crate::model::Result;
use crate::net::body::too_large;

/// All calls under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<Register>);

#[derive(Default)]
struct Register {
    open: HashMap<u64, Arc<Slot>>,
    next: u64,
    grounded: bool,
}

impl Flights {
    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().open.len()
    }

    /// Registers a call.
    ///
    /// # Errors
    /// `Closed` after [`Self::ground`].
    pub(super) fn start(self: &Arc<Self>, sending: ResponseFuture, permit: OwnedSemaphorePermit) -> Result<Flight> {
        let mut register = self.lock();
        if register.grounded {
            return Err(failure::closed());
        }
        let slot = Arc::new(Slot { stage: Mutex::new(Stage::Sending { sending, permit }), owner: AtomicWaker::new() });
        let id = register.next;
        register.next += 1;
        register.open.insert(id, Arc::clone(&slot));
        drop(register);
        Ok(Flight { flights: Arc::clone(self), id, slot })
    }

    /// Ends every call, now and from now on.
    pub(super) fn ground(&self) {
        let open = {
            let mut register = self.lock();
            register.grounded = true;
            std::mem::take(&mut register.open)
        };
        for slot in open.into_values() {
            let ended = slot.set(Stage::Grounded);
            drop(ended);
            slot.owner.wake();
        }
    }
}

struct Slot {
    stage: Mutex<Stage>,
    owner: AtomicWaker,
}

enum Stage {
    Sending { sending: ResponseFuture, permit: OwnedSemaphorePermit },
    Receiving { pieces: Decoded, _permit: OwnedSemaphorePermit },
    Grounded,
    Over,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) -> Stage {
        std::mem::replace(&mut *self.lock(), stage)
    }

    /// The owner is to be told when the call is ended from outside. Asked while the stage is locked, so that no end comes
    /// in between unheard.
    fn waits<T>(&self, cx: &Context<'_>) -> Poll<T> {
        self.owner.register(cx.waker());
        Poll::Pending
    }

    fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Result<http::Response<()>>> {
        let mut stage = self.lock();
        let Stage::Sending { sending, .. } = &mut *stage else { return Poll::Ready(Err(failure::closed())) };
        let Poll::Ready(answer) = Pin::new(sending).poll(cx) else { return self.waits(cx) };
        let Stage::Sending { permit, .. } = std::mem::replace(&mut *stage, Stage::Over) else {
            return Poll::Ready(Err(failure::closed()));
        };
        let response = match answer {
            Ok(response) => response,
            Err(error) => return Poll::Ready(Err(failure::before_head(&error))),
        };
        let (mut head, body) = response.into_parts();
        *stage = Stage::Receiving { pieces: Decoded::new(&mut head.headers, body), _permit: permit };
        Poll::Ready(Ok(http::Response::from_parts(head, ())))
    }

    fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let mut stage = self.lock();
        let piece = match &mut *stage {
            Stage::Receiving { pieces, .. } => match pieces.poll_piece(cx) {
                Poll::Ready(piece) => piece,
                Poll::Pending => return self.waits(cx),
            },
            Stage::Grounded => {
                *stage = Stage::Over;
                return Poll::Ready(Some(Err(failure::closed())));
            }
            Stage::Sending { .. } | Stage::Over => return Poll::Ready(None),
        };
        if !matches!(piece, Some(Ok(_))) {
            *stage = Stage::Over;
        }
        Poll::Ready(piece.map(|piece| piece.map_err(|error| failure::in_body(&*error))))
    }
}

/// The owner of one call: dropping it ends the call and frees its permit.
pub(super) struct Flight {
    flights: Arc<Flights>,
    id: u64,
    slot: Arc<Slot>,
}

impl Flight {
    /// Waits for the head of the answer.
    ///
    /// # Errors
    /// `Unavailable`, `TimedOut` (connect), `Closed`.
    pub(super) async fn head(&mut self) -> Result<http::Response<()>> {
        poll_fn(|cx| self.slot.poll_head(cx)).await
    }

    /// The decoded body, at most `limit` bytes.
    pub(super) fn body(self, limit: usize) -> Pieces {
        Pieces { flight: Some(self), limit, seen: 0 }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.lock().open.remove(&self.id);
        let ended = self.slot.set(Stage::Over);
        drop(ended);
    }
}

/// The pieces of a body. Lets its call go as soon as it ended, failed or grew too long.
pub(super) struct Pieces {
    flight: Option<Flight>,
    limit: usize,
    seen: usize,
}

impl Stream for Pieces {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(flight) = &self.flight else { return Poll::Ready(None) };
        let piece = match ready!(flight.slot.poll_piece(cx)) {
            Some(Ok(piece)) if self.seen.saturating_add(piece.len()) > self.limit => Some(Err(too_large(self.limit))),
            piece => piece,
        };
        match &piece {
            Some(Ok(bytes)) => self.seen += bytes.len(),
            Some(Err(_)) | None => self.flight = None,
        }
        Poll::Ready(piece)
    }
}
