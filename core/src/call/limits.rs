//! How long a call may wait, and what its reply is measured by.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::guard::ReplyFrame;
use super::target::Call;
use super::timer::Timer;
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

    /// Gives up at the first-byte limit (for whole replies: at the deadline), or when the call is stopped. The work is
    /// pinned where it is made, so that it lies there once and not in here as well.
    pub(super) async fn in_time<T>(
        &self,
        call: &Call,
        timer: &mut Timer,
        mut work: Pin<&mut (dyn Future<Output = Result<T>> + Send + '_)>,
    ) -> Result<T> {
        let cancel = &call.context.cancel;
        let mut cancelled = pin!(cancel.cancelled());
        let mut begun = None;
        poll_fn(|cx| {
            if cancel.is_cancelled() {
                return Poll::Ready(Err(stopped()));
            }
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(done);
            }
            // What is there at once, as a key that is known, needs neither a listener nor a timer.
            if cancelled.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(stopped()));
            }
            let (started, ends, reason, limit) = *begun.get_or_insert_with(|| {
                let started = self.clock.monotonic();
                let (reason, limit) = self.limit(call);
                (started, started.saturating_add(limit), reason, limit)
            });
            // Asked anew each time: whoever has joined the call meanwhile may have brought more time along.
            let (at, reason, limit) = match call.context.begin_by() {
                Some(total) if total < ends => (total, "total", total.saturating_sub(started)),
                _ => (ends, reason, limit),
            };
            timer.poll(at, &self.clock, cx).map(|()| Err(call.timed_out(reason, limit)))
        })
        .await
    }

    /// How long the first byte may take, or a reply in one piece.
    fn limit(&self, call: &Call) -> (&'static str, Duration) {
        if call.target.streams() {
            ("first_byte", self.first_byte(call))
        } else {
            ("total", Duration::from_millis(self.network.total_timeout_ms))
        }
    }

    /// What the reply of a try that began at this moment is measured by.
    pub(super) fn frame(&self, call: &Call, started: Duration, request_id: Option<String>, timer: Timer) -> ReplyFrame {
        let total = Duration::from_millis(self.network.total_timeout_ms);
        ReplyFrame {
            started,
            // Who answers in one piece says nothing before.
            first_byte: if call.target.streams() { self.first_byte(call) } else { total },
            request_id,
            timer,
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
            self.context.count(self.target.name(), &Measure::Stalled);
        }
        too_late(reason, limit)
    }
}

/// The error of a call that was stopped.
pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped")
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
