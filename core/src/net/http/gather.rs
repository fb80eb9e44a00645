//! Pieces of a body that are there together, given together, one behind the other.
//!
//! The client hands out one piece at a time and has to be let run to hand out the next, even when all of them came in
//! one packet. What is done above for each piece (reading, watching limits, many layers) costs several times as much as
//! taking it from the client, so where pieces come close together they are taken first and given behind one another, without
//! a copy. The first words of a reply, and those of one that comes word by word, with pauses, are given one by one, at once.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures::stream::Stream;

use crate::model::Result;
use crate::net::body::Pieces;

/// So much is held at most, in bytes and in pieces.
const ENOUGH: usize = 16 * 1024;
const MANY: usize = 256;

/// At the beginning, and where pieces come one by one, so many are given before it is looked whether there are more.
const LOOKS: u8 = 16;

/// Gathers the pieces of a body.
pub(super) struct Gathered<S> {
    pieces: S,
    /// What is gathered, then given piece by piece.
    held: VecDeque<Bytes>,
    /// How long that is, in bytes.
    bytes: usize,
    is_giving: bool,
    /// What ends the body behind what is held.
    end: Option<Option<Result<Bytes>>>,
    /// The client was let run, and has brought nothing since.
    has_waited: bool,
    /// Pieces to be given at once before it is looked again; none while they come together.
    alone: u8,
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Gathered<S> {
    pub(super) fn new(pieces: S) -> Self {
        Self { pieces, held: VecDeque::new(), bytes: 0, is_giving: false, end: None, has_waited: false, alone: LOOKS }
    }

    /// Takes a piece in. True when it is enough.
    fn hold(&mut self, piece: Bytes) -> bool {
        self.has_waited = false;
        if std::mem::take(&mut self.is_giving) {
            self.bytes = 0;
        }
        self.bytes += piece.len();
        self.held.push_back(piece);
        self.bytes >= ENOUGH || self.held.len() >= MANY
    }

    /// Gives the first of what was gathered.
    fn give(&mut self) -> Option<Bytes> {
        self.has_waited = false;
        self.is_giving = true;
        if self.held.len() == 1 {
            self.alone = LOOKS;
        }
        self.held.pop_front()
    }

    /// Holds all that is there. Ready with what is to be given in its place, if anything is.
    fn gather(&mut self, cx: &mut Context<'_>) -> Poll<Option<Option<Result<Bytes>>>> {
        loop {
            match Pin::new(&mut self.pieces).poll_next(cx) {
                Poll::Ready(Some(Ok(piece))) if self.alone > 0 => {
                    self.alone -= 1;
                    return Poll::Ready(Some(Some(Ok(piece))));
                }
                // A peer may send any number of pieces without a byte.
                Poll::Ready(Some(Ok(piece))) if piece.is_empty() => {
                    return Poll::Ready(if self.held.is_empty() { Some(Some(Ok(piece))) } else { None });
                }
                Poll::Ready(Some(Ok(piece))) => {
                    if self.hold(piece) {
                        return Poll::Ready(None);
                    }
                }
                Poll::Ready(end) if self.held.is_empty() => return Poll::Ready(Some(end)),
                Poll::Ready(end) => {
                    self.end = Some(end);
                    return Poll::Ready(None);
                }
                Poll::Pending if self.held.is_empty() => return Poll::Pending,
                // To be asked again after everybody else who is to run, the client among them.
                Poll::Pending if !std::mem::replace(&mut self.has_waited, true) => {
                    return pin!(tokio::task::yield_now()).poll(cx).map(|()| None);
                }
                Poll::Pending => return Poll::Ready(None),
            }
        }
    }
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Stream for Gathered<S> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(piece) = self.as_mut().held() {
            return Poll::Ready(Some(Ok(piece)));
        }
        if let Some(end) = self.end.take() {
            return Poll::Ready(end);
        }
        match ready!(self.gather(cx)) {
            Some(given) => Poll::Ready(given),
            None => Poll::Ready(self.give().map(Ok)),
        }
    }
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Pieces for Gathered<S> {
    fn held(mut self: Pin<&mut Self>) -> Option<Bytes> {
        if self.is_giving { self.held.pop_front() } else { None }
    }
}
