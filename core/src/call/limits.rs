//! How long a call may wait, and what its reply is measured by.

use std::sync::Arc;
use std::time::Duration;

use super::guard::ReplyFrame;
use super::target::Call;
use crate::base::{Clock, ErrorKind, Ids, Retry};
use crate::model::{ChatRequest, Error, Result};
use crate::net::NetworkSettings;

/// The limits of every call, by one clock.
#[derive(Clone)]
pub(super) struct Limits {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) network: Arc<NetworkSettings>,
    /// Names tool calls that come without a name.
    pub(super) ids: Ids,
}

impl Limits {
    /// How long the first byte may take.
    fn first_byte(&self, call: &Call) -> Duration {
        let network = &self.network;
        Duration::from_millis(if call.target.slow_start() {
            network.slow_first_byte_timeout_ms
        } else {
            network.first_byte_timeout_ms
        })
    }

    /// Gives up at the first-byte limit (for whole replies: at the deadline), or when the call is stopped.
    pub(super) async fn in_time<T>(&self, call: &Call, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let (reason, limit) = if call.target.streams() {
            ("first_byte", self.first_byte(call))
        } else {
            ("total", Duration::from_millis(self.network.total_timeout_ms))
        };
        let left = call.context.left(self.clock.monotonic());
        let (reason, limit) = if left < limit { ("total", left) } else { (reason, limit) };
        tokio::select! {
            biased;
            () = call.context.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped")),
            done = work => done,
            () = self.clock.sleep(limit) => Err(timed_out(reason, limit)),
        }
    }

    /// What the reply of a try that began at this moment is measured by.
    pub(super) fn frame(&self, call: &Call, started: Duration, request_id: Option<String>) -> ReplyFrame {
        let total = Duration::from_millis(self.network.total_timeout_ms);
        ReplyFrame {
            started,
            // Who answers in one piece says nothing before.
            first_byte: if call.target.streams() { self.first_byte(call) } else { total },
            request_id,
            limits: self.network.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            estimated_input_tokens: estimate_input(&call.request),
        }
    }
}

/// The error of a limit that passed before any content.
pub(super) fn timed_out(reason: &'static str, limit: Duration) -> Error {
    let seconds = limit.as_millis();
    Error::new(
        ErrorKind::TimedOut,
        reason,
        format!("the provider sent nothing within the {reason} limit of {seconds} ms"),
    )
    .with_retry(Retry::Safe)
}

/// Tokens by the rule of thumb of four bytes each; for replies whose provider reports nothing, and for limits.
pub(super) fn estimate_input(request: &ChatRequest) -> i64 {
    let words: usize = request.messages.iter().map(|m| m.text().len()).sum();
    i64::try_from((words + request.system.as_ref().map_or(0, String::len)).div_ceil(4)).unwrap_or(i64::MAX)
}
