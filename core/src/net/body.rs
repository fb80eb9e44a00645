//! A response body: a bounded stream of decoded bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt as _};

use crate::base::ErrorKind;
use crate::model::{Error, Result};

/// The body of a response as its bytes come in. Its end without an error is a clean end of HTTP. Dropping it closes
/// or returns what it used.
pub struct Body(Pin<Box<dyn Pieces + Send>>);

/// The pieces of a body, of which several may lie ready at once.
pub(super) trait Pieces: Stream<Item = Result<Bytes>> {
    /// The next piece if it lies ready.
    fn held(self: Pin<&mut Self>) -> Option<Bytes>;
}

/// Pieces of which none is known to lie ready.
struct OneByOne<S>(S);

impl<S: Stream<Item = Result<Bytes>>> Stream for OneByOne<Pin<Box<S>>> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<S: Stream<Item = Result<Bytes>>> Pieces for OneByOne<Pin<Box<S>>> {
    fn held(self: Pin<&mut Self>) -> Option<Bytes> {
        None
    }
}

impl Body {
    /// A body over these pieces.
    pub fn new(pieces: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Self {
        Self(Box::pin(OneByOne(Box::pin(pieces))))
    }

    /// A body over pieces that are gathered.
    #[cfg_attr(not(feature = "engine"), expect(dead_code, reason = "the HTTP client gathers"))]
    pub(super) fn gathered(pieces: impl Pieces + Send + 'static) -> Self {
        Self(Box::pin(pieces))
    }

    /// The next piece if it lies ready: it came together with the one before it. What follows is asked of the stream.
    pub fn held(&mut self) -> Option<Bytes> {
        self.0.as_mut().held()
    }

    /// A body that is there at once.
    #[must_use]
    pub fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::new(stream::iter([Ok(bytes.into())]))
    }

    /// Reads it to its end, at most `limit` bytes.
    ///
    /// # Errors
    /// What broke it off, or `Unavailable` (response_too_large) when it is longer.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.next().await {
            let piece = piece?;
            if all.len() + piece.len() > limit {
                return Err(too_large(limit));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// Reads at most `limit` bytes and lets the rest go: enough of an error body to classify it.
    pub async fn head(mut self, limit: usize) -> Bytes {
        let mut all = BytesMut::new();
        while let Some(Ok(piece)) = self.next().await {
            all.extend_from_slice(&piece[..piece.len().min(limit - all.len())]);
            if all.len() == limit {
                break;
            }
        }
        all.freeze()
    }
}

impl Stream for Body {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body")
    }
}

/// A response is longer than `network.max_response_bytes`. The same request would bring the same answer.
pub(super) fn too_large(limit: usize) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "response_too_large",
        format!("the response is longer than the {limit} bytes that `network.max_response_bytes` allows"),
    )
}
