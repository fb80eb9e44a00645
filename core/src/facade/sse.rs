//! A reply on its way as server-sent events, for whoever serves a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::ground::Ground;
use super::pull::{Pull, Source};
use crate::{engine, model};

/// So many pieces are handed over at once.
const PIECES: usize = 64;

/// A reply as server-sent events: bytes, to be sent as they come.
///
/// Each event is one JSON object with a `type`; its `id` is its number. Readers are told the answer and how it ended;
/// with `detail` thoughts, tools, progress and usage as well. `started` begins the answer anew: what was shown of it before
/// is to be thrown away. A failure is an event, `error`, and no exception. Freeing it stops the reply, unless that was
/// detached or only watched.
#[derive(uniffi::Object)]
pub struct SseStream(Pull<Telling>);

impl SseStream {
    pub(super) fn new(sse: engine::SseStream, detached: Arc<AtomicBool>, ground: Arc<Ground>) -> Self {
        Self(Pull::new(Telling { sse, detached }, ground))
    }
}

#[uniffi::export]
impl SseStream {
    /// Waits for bytes and gives all that are there; nothing after the last. The first tell the reader when to come back.
    /// The token ends the waiting and loses nothing.
    ///
    /// # Errors
    /// `Closed` once the engine is shut down; `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn next(&self, cancel: Option<Arc<CancelToken>>) -> Result<Option<Vec<u8>>, TertuliaError> {
        self.0.next(cancel).await
    }
}

struct Telling {
    sse: engine::SseStream,
    detached: Arc<AtomicBool>,
}

impl Source for Telling {
    type Item = Vec<u8>;

    async fn next(&mut self) -> model::Result<Option<Self::Item>> {
        let pieces = self.sse.next_batch(PIECES).await;
        Ok((!pieces.is_empty()).then(|| pieces.concat()))
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        if self.detached.load(Ordering::Acquire) {
            self.sse.detach();
        }
    }
}
