//! Signs of life for readers outside of the program.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::base::Clock;
use crate::wire::{SSE_COMMENT, sse_retry};

/// How long a browser waits before it comes back.
const RETRY_MS: u64 = 3_000;

/// A sign of life comes at least this often, if not told otherwise.
const STANDARD: Duration = Duration::from_secs(15);

/// No shorter time between two signs of life is taken.
const SHORTEST: Duration = Duration::from_millis(100);

/// When the next sign of life is due: so long after the last bytes.
pub(super) struct Heartbeat {
    clock: Arc<dyn Clock>,
    every: Duration,
    due: Duration,
}

impl Heartbeat {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, every: STANDARD, due: Duration::ZERO }
    }

    pub(super) fn every(&mut self, every: Duration) {
        self.every = every.max(SHORTEST);
    }

    /// Something was sent.
    pub(super) fn sent(&mut self) {
        self.due = self.clock.monotonic() + self.every;
    }

    /// The sign, when it is due.
    pub(super) async fn beat(&self) -> Bytes {
        self.clock.sleep(self.due.saturating_sub(self.clock.monotonic())).await;
        Bytes::from_static(SSE_COMMENT)
    }
}

/// The first bytes: when to come back.
pub(super) fn begin() -> Bytes {
    sse_retry(RETRY_MS)
}
