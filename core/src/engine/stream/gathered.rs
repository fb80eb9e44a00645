//! A reply on its way, for a reader whom every batch costs much.

use std::time::Duration;

use super::{ReplyStream, Source};
use crate::model::{Result, StreamEvent, StreamEventKind};

/// A stream of which words come together: not sooner than some time after the words before.
pub(crate) struct Gathered {
    pub(crate) stream: ReplyStream,
    /// When words were given last.
    told_at: Option<Duration>,
}

impl Gathered {
    pub(crate) fn new(stream: ReplyStream) -> Self {
        Self { stream, told_at: None }
    }

    /// As [`ReplyStream::next_batch`], but words that follow words wait until so much time has passed. The first words,
    /// whatever else happens and the end come at once. Whoever stops waiting loses nothing.
    pub(crate) async fn next_batch(&mut self, max: usize, every: Duration) -> Result<Vec<StreamEvent>> {
        self.pause(every).await;
        let batch = self.stream.next_batch(max).await?;
        self.told_at = match batch.last() {
            Some(last) if is_words(&last.kind) => Some(self.stream.clock.monotonic()),
            _ => None,
        };
        Ok(batch)
    }

    /// Waits without being woken by every word.
    async fn pause(&mut self, every: Duration) {
        if let Source::Log { log, place } = &self.stream.source
            && let Some(told_at) = self.told_at
        {
            let clock = &self.stream.clock;
            let rest = (told_at + every).saturating_sub(clock.monotonic());
            if !rest.is_zero() {
                tokio::select! {
                    biased;
                    () = log.wait_for_more_than_words(*place) => {}
                    () = clock.sleep(rest) => {}
                }
            }
        }
    }
}

fn is_words(kind: &StreamEventKind) -> bool {
    matches!(kind, StreamEventKind::Text { .. } | StreamEventKind::Reasoning { .. } | StreamEventKind::Refusal { .. })
}
