//! A transport that answers from a list: no socket, no time, every byte and every break where the test wants it.

use std::collections::VecDeque;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::stream::{self, StreamExt as _};
use http::{HeaderName, HeaderValue, StatusCode};

use super::body::Body;
use super::transport::{Transport, TransportFuture};
use crate::base::ErrorKind;
use crate::model::{Error, Result};

/// One answer: a head and the pieces of a body, or the error that comes instead.
#[derive(Clone, Debug)]
pub struct Replay {
    head: Result<http::Response<()>>,
    pieces: Vec<Result<Bytes>>,
    stalls: bool,
}

impl Replay {
    /// An answer with this status and nothing in it yet.
    ///
    /// # Panics
    /// When the status is not from 100 to 999.
    #[must_use]
    #[expect(clippy::expect_used, reason = "written by hand in a test")]
    pub fn status(status: u16) -> Self {
        let mut head = http::Response::new(());
        *head.status_mut() = StatusCode::from_u16(status).expect("a status is from 100 to 999");
        Self { head: Ok(head), pieces: Vec::new(), stalls: false }
    }

    /// A call that fails before its answer begins.
    #[must_use]
    pub fn failure(error: Error) -> Self {
        Self { head: Err(error), pieces: Vec::new(), stalls: false }
    }

    /// A call that is never answered.
    #[must_use]
    pub fn silence() -> Self {
        Self { stalls: true, ..Self::failure(Error::internal("a stalled call was answered")) }
    }

    /// Adds a header.
    ///
    /// # Panics
    /// When no header may be called so or hold that.
    #[must_use]
    #[expect(clippy::expect_used, reason = "written by hand in a test")]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(head) = &mut self.head {
            let value = HeaderValue::from_str(value).expect("a header's value is printable");
            head.headers_mut().append(HeaderName::from_static(name), value);
        }
        self
    }

    /// Adds a piece of the body, handed over alone.
    #[must_use]
    pub fn piece(mut self, bytes: impl Into<Bytes>) -> Self {
        self.pieces.push(Ok(bytes.into()));
        self
    }

    /// Adds bytes to the body, handed over one by one.
    #[must_use]
    pub fn bytewise(mut self, bytes: impl Into<Bytes>) -> Self {
        let bytes: Bytes = bytes.into();
        self.pieces.extend((0..bytes.len()).map(|at| Ok(bytes.slice(at..=at))));
        self
    }

    /// Breaks the body off here.
    #[must_use]
    pub fn breaks(mut self, error: Error) -> Self {
        self.pieces.push(Err(error));
        self
    }

    /// Says nothing more after the pieces so far, and does not end.
    #[must_use]
    pub fn stalls(mut self) -> Self {
        self.stalls = true;
        self
    }
}

/// Answers the first request with the first [`Replay`], the second with the second, and keeps the requests.
#[derive(Debug, Default)]
pub struct ReplayTransport {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    replays: VecDeque<Replay>,
    repeats: Option<Replay>,
    requests: Vec<http::Request<Bytes>>,
    closed: bool,
}

impl ReplayTransport {
    /// Answers in this order. A request beyond the last answer fails with `Internal`: the test did not expect it.
    #[must_use]
    pub fn new(replays: impl IntoIterator<Item = Replay>) -> Self {
        let replays = replays.into_iter().collect();
        Self { state: Mutex::new(State { replays, ..State::default() }) }
    }

    /// Answers every request alike.
    #[must_use]
    pub fn always(replay: Replay) -> Self {
        Self { state: Mutex::new(State { repeats: Some(replay), ..State::default() }) }
    }

    /// Adds an answer after those that are left.
    pub fn push(&self, replay: Replay) {
        self.lock().replays.push_back(replay);
    }

    /// The requests so far, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<http::Request<Bytes>> {
        self.lock().requests.clone()
    }

    /// How many answers are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.lock().replays.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, request: http::Request<Bytes>) -> Result<Replay> {
        let mut state = self.lock();
        if state.closed {
            return Err(Error::new(ErrorKind::Closed, "transport", "the replay is closed"));
        }
        state.requests.push(request);
        let number = state.requests.len();
        state.replays.pop_front().or_else(|| state.repeats.clone()).ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "replay_exhausted",
                format!("request {number} was not expected: give the replay another answer"),
            )
        })
    }
}

impl Transport for ReplayTransport {
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_> {
        Box::pin(async move {
            let Replay { head, pieces, stalls } = self.take(request)?;
            let pieces = stream::iter(pieces);
            match head {
                Err(_) if stalls => pending().await,
                Err(error) => Err(error),
                Ok(head) if stalls => Ok(head.map(|()| Body::new(pieces.chain(stream::pending())))),
                Ok(head) => Ok(head.map(|()| Body::new(pieces))),
            }
        })
    }

    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.lock().closed = true;
        Box::pin(std::future::ready(()))
    }
}
