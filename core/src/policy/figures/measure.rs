//! What is measured.

use std::time::Duration;

use super::buckets::Buckets;
use crate::base::ErrorKind;

/// One thing that is counted or measured of a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Measure {
    /// A call has ended.
    Call {
        /// With a whole reply, or how not.
        outcome: Result<(), ErrorKind>,
        /// How long it took.
        duration: Duration,
        /// How long until the first words, if any came.
        first_delta: Option<Duration>,
        /// How much of that was our own work.
        added: Duration,
    },
    /// A try has ended, or has begun to speak.
    Attempt {
        /// How it failed.
        failed: Option<ErrorKind>,
        /// It repeated another one.
        is_retry: bool,
    },
    /// A reply is there that came over time.
    Streamed {
        /// Between its arrivals, in microseconds.
        gaps: Buckets,
        /// How many tokens it has.
        output_tokens: i64,
        /// How long they took.
        over: Duration,
    },
    /// A reply is on its way from now on.
    StreamOpened,
    /// It is no longer.
    StreamClosed,
    /// A try was given up because nothing came in time.
    Stalled,
    /// A reader came back to a reply under way.
    Reattached,
    /// A call waits in the queue from now on.
    QueueEntered,
    /// It no longer does, after this long.
    QueueLeft(Duration),
    /// A call waited for a connection.
    ConnectionWait(Duration),
    /// A reply was in the cache.
    CacheHit,
    /// A reply was not in the cache.
    CacheMiss,
}
