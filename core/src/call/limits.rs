//! How long a call may wait, and what its reply is measured by.

use std::sync::Arc;
use std::time::Duration;

use super::guard::ReplyFrame;
use super::target::Call;
use super::tokens::TokenCounts;
use crate::base::{Clock, ErrorKind, Ids, Retry};
use crate::model::{Error, Result};
use crate::net::NetworkSettings;
use crate::policy::Measure;

/// The limits of every call, by one clock.
#[derive(Clone)]
pub(super) struct Limits {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) network: Arc<NetworkSettings>,
    /// Names tool calls that come without a name.
    pub(super) ids: Ids,
    /// Estimates what nobody reports.
    pub(super) tokens: TokenCounts,
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
        let started = self.clock.monotonic();
        let ends = started.saturating_add(limit);
        let passed = async {
            loop {
                // Asked anew each time: whoever has joined the call meanwhile may have brought more time along.
                let (at, passed) = match call.context.begin_by() {
                    Some(total) if total < ends => (total, ("total", total.saturating_sub(started))),
                    _ => (ends, (reason, limit)),
                };
                let left = at.saturating_sub(self.clock.monotonic());
                if left.is_zero() {
                    return passed;
                }
                self.clock.sleep(left).await;
            }
        };
        tokio::select! {
            biased;
            () = call.context.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped")),
            done = work => done,
            (reason, limit) = passed => Err(call.timed_out(reason, limit)),
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
            tokens: self.tokens.clone(),
        }
    }
}

impl Call {
    /// The error of a limit that passed. It is counted as a stall, unless the time of the whole call was up.
    pub(super) fn timed_out(&self, reason: &'static str, limit: Duration) -> Error {
        if reason != "total" {
            self.context.count(&self.target.model.to_string(), &Measure::Stalled);
        }
        too_late(reason, limit)
    }
}

/// The error of a limit that passed.
pub(super) fn too_late(reason: &'static str, limit: Duration) -> Error {
    let seconds = limit.as_millis();
    Error::new(
        ErrorKind::TimedOut,
        reason,
        format!("the provider sent nothing within the {reason} limit of {seconds} ms"),
    )
    .with_retry(Retry::Safe)
}
