//! Pieces of a body that are there together, given as one.
//!
//! The client hands out one piece at a time and has to be let run to hand out the next, even when all of them came in
//! one packet. What is done above for each piece (reading, watching limits, many layers) costs several times as much as
//! taking it from the client, so where pieces come close together they are taken first and given as one. The first words of
//! a reply, and those of one that comes word by word, with pauses, are given one by one, at once.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures::stream::Stream;

use crate::model::Result;

/// So much is given in any case, in bytes.
const ENOUGH: usize = 16 * 1024;

/// What a short reply takes, in bytes.
const SHORT: usize = 1_000;

/// At the beginning, and where pieces come one by one, so many are given before it is looked whether there are more.
const LOOKS: u8 = 16;

/// Gathers the pieces of a body.
pub(super) struct Gathered<S> {
    pieces: S,
    /// The first of what is held.
    first: Bytes,
    /// All that is held, once it is more than one piece.
    all: BytesMut,
    /// How much was given together the last time, in bytes: room for as much is made at once, and nothing is copied twice.
    usual: usize,
    /// What ends the body behind what is held.
    end: Option<Option<Result<Bytes>>>,
    /// The client was let run, and has brought nothing since.
    has_waited: bool,
    /// Pieces to be given at once before it is looked again; none while they come together.
    alone: u8,
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Gathered<S> {
    pub(super) fn new(pieces: S) -> Self {
        let (first, all) = (Bytes::new(), BytesMut::new());
        Self { pieces, first, all, usual: SHORT, end: None, has_waited: false, alone: LOOKS }
    }

    /// Takes a piece in. True when it is enough.
    fn hold(&mut self, piece: Bytes) -> bool {
        self.has_waited = false;
        if self.first.is_empty() {
            self.first = piece;
        } else {
            if self.all.is_empty() {
                self.all.reserve(self.usual);
                self.all.extend_from_slice(&self.first);
            }
            self.all.extend_from_slice(&piece);
        }
        self.first.len().max(self.all.len()) >= ENOUGH
    }

    /// Gives what is held.
    fn give(&mut self) -> Bytes {
        self.has_waited = false;
        let first = std::mem::take(&mut self.first);
        if self.all.is_empty() {
            self.alone = LOOKS;
            return first;
        }
        self.usual = self.all.len().clamp(SHORT, ENOUGH);
        self.all.split().freeze()
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
                    return Poll::Ready(if self.first.is_empty() { Some(Some(Ok(piece))) } else { None });
                }
                Poll::Ready(Some(Ok(piece))) => {
                    if self.hold(piece) {
                        return Poll::Ready(None);
                    }
                }
                Poll::Ready(end) if self.first.is_empty() => return Poll::Ready(Some(end)),
                Poll::Ready(end) => {
                    self.end = Some(end);
                    return Poll::Ready(None);
                }
                Poll::Pending if self.first.is_empty() => return Poll::Pending,
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
        if let Some(end) = self.end.take() {
            return Poll::Ready(end);
        }
        match ready!(self.gather(cx)) {
            Some(given) => Poll::Ready(given),
            None => Poll::Ready(Some(Ok(self.give()))),
        }
    }
}
