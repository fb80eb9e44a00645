//! What is counted within one slice of time.

use std::collections::HashMap;
use std::time::Duration;

use super::buckets::Buckets;
use super::measure::Measure;
use crate::base::ErrorKind;
use crate::model::TargetStats;

/// Figures of one slice of time, or the sum of several.
#[derive(Clone, Debug, Default)]
pub(super) struct Slice {
    succeeded: u64,
    cancelled: u64,
    errors: Kinds,
    tried: u64,
    retries: u64,
    attempt_errors: Kinds,
    first_delta: Buckets,
    duration: Buckets,
    added: Buckets,
    gaps: Buckets,
    speed: Buckets,
    queue_wait: Buckets,
    connection_wait: Buckets,
    stalls: u64,
    reattached: u64,
    cache_hits: u64,
    cache_misses: u64,
}

/// How many of each kind. Few kinds ever come together.
#[derive(Clone, Debug, Default)]
struct Kinds(Vec<(ErrorKind, u64)>);

impl Kinds {
    fn add(&mut self, kind: ErrorKind, count: u64) {
        match self.0.iter_mut().find(|(of, _)| *of == kind) {
            Some((_, counted)) => *counted += count,
            None => self.0.push((kind, count)),
        }
    }

    fn sum(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    fn words(&self) -> HashMap<String, i64> {
        self.0.iter().map(|(kind, count)| (kind.as_str().to_owned(), signed(*count))).collect()
    }
}

impl Slice {
    pub(super) fn record(&mut self, what: &Measure) {
        match what {
            Measure::Call { outcome, duration, first_delta, added } => {
                match outcome {
                    Ok(()) => {
                        self.succeeded += 1;
                        self.duration.record(micros(*duration));
                    }
                    Err(ErrorKind::Cancelled) => self.cancelled += 1,
                    Err(kind) => self.errors.add(*kind, 1),
                }
                if let Some(first) = first_delta {
                    self.first_delta.record(micros(*first));
                    self.added.record(micros(*added));
                }
            }
            Measure::Attempt { failed, is_retry } => {
                self.tried += 1;
                self.retries += u64::from(*is_retry);
                if let Some(kind) = failed {
                    self.attempt_errors.add(*kind, 1);
                }
            }
            Measure::Streamed { gaps, output_tokens, over } => {
                self.gaps.add(gaps);
                let tokens = u128::try_from(*output_tokens).unwrap_or(0);
                // In thousandths of a token a second.
                if let Some(speed) = (tokens * 1_000_000_000_000).checked_div(over.as_nanos())
                    && tokens > 0
                {
                    self.speed.record(u64::try_from(speed).unwrap_or(u64::MAX));
                }
            }
            Measure::QueueLeft(wait) => self.queue_wait.record(micros(*wait)),
            Measure::ConnectionWait(wait) => self.connection_wait.record(micros(*wait)),
            Measure::Stalled => self.stalls += 1,
            Measure::Reattached => self.reattached += 1,
            Measure::CacheHit => self.cache_hits += 1,
            Measure::CacheMiss => self.cache_misses += 1,
            Measure::StreamOpened | Measure::StreamClosed | Measure::QueueEntered => {}
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.cancelled += other.cancelled;
        self.tried += other.tried;
        self.retries += other.retries;
        self.stalls += other.stalls;
        self.reattached += other.reattached;
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
        for (sum, more) in [(&mut self.errors, &other.errors), (&mut self.attempt_errors, &other.attempt_errors)] {
            more.0.iter().for_each(|(kind, count)| sum.add(*kind, *count));
        }
        for (sum, more) in [
            (&mut self.first_delta, &other.first_delta),
            (&mut self.duration, &other.duration),
            (&mut self.added, &other.added),
            (&mut self.gaps, &other.gaps),
            (&mut self.speed, &other.speed),
            (&mut self.queue_wait, &other.queue_wait),
            (&mut self.connection_wait, &other.connection_wait),
        ] {
            sum.add(more);
        }
    }

    pub(super) fn stats(&self, model: &str, open_streams: i64) -> TargetStats {
        const MILLI: f64 = 1_000.0;
        let failed = self.errors.sum();
        let ended = self.succeeded + failed;
        #[expect(clippy::cast_precision_loss, reason = "a share to look at")]
        let success_rate = (ended > 0).then(|| self.succeeded as f64 / ended as f64);
        TargetStats {
            model: model.to_owned(),
            calls: signed(ended + self.cancelled),
            succeeded: signed(self.succeeded),
            cancelled: signed(self.cancelled),
            errors: self.errors.words(),
            success_rate,
            attempts: signed(self.tried),
            retries: signed(self.retries),
            attempt_errors: self.attempt_errors.words(),
            first_delta_ms: self.first_delta.spread(MILLI),
            duration_ms: self.duration.spread(MILLI),
            added_ms: self.added.spread(MILLI),
            delta_gap_ms: self.gaps.spread(MILLI),
            tokens_per_second: self.speed.spread(MILLI),
            queue_wait_ms: self.queue_wait.spread(MILLI),
            connection_wait_ms: self.connection_wait.spread(MILLI),
            open_streams,
            stalls: signed(self.stalls),
            reattached: signed(self.reattached),
            cache_hits: signed(self.cache_hits),
            cache_misses: signed(self.cache_misses),
        }
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
