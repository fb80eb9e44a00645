//! The limits of one target: what the settings and the provider say, each counted in a bucket of its own.

use std::time::Duration;

use super::settings::Limits;
use crate::model::{Allowance, Quota};
use crate::policy::bucket::{Bucket, Drawn};

/// What is counted: requests, tokens in all, tokens in, tokens out.
const UNITS: usize = 4;

/// What a request may take, or took.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Cost([f64; UNITS]);

impl Cost {
    pub(super) const fn of(input_tokens: f64, output_tokens: f64) -> Self {
        Self([1.0, input_tokens + output_tokens, input_tokens, output_tokens])
    }

    pub(super) const fn tokens(&self) -> f64 {
        let Self([_, tokens, ..]) = self;
        *tokens
    }

    /// The same requests with only this share of the tokens.
    pub(super) fn less(&self, share: f64) -> Self {
        let Self([requests, tokens, input, output]) = *self;
        Self([requests, tokens * share, input * share, output * share])
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}

/// What a request has drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Draw([Option<Drawn>; UNITS]);

/// The buckets of one target; none where nobody knows a limit.
#[derive(Clone, Debug)]
pub(super) struct Quotas([Option<Bucket>; UNITS]);

impl Quotas {
    pub(super) fn new(limits: &Limits, now: Duration) -> Self {
        let bucket = |allowed: Option<u64>| allowed.map(|allowed| Bucket::per_minute(allowed, now));
        Self([bucket(limits.requests_per_minute), bucket(limits.tokens_per_minute), None, None])
    }

    /// False while no limit is known.
    pub(super) fn is_known(&self) -> bool {
        self.0.iter().any(Option::is_some)
    }

    /// How many requests, and how many tokens, come back each minute, where that is known. Where tokens in and out are
    /// limited apart, those sent in are meant.
    pub(super) fn per_minute(&self) -> [Option<f64>; 2] {
        let [requests, tokens, input, _] = &self.0;
        let rate = |bucket: &Bucket| bucket.each_minute();
        [requests.as_ref().map(rate), tokens.as_ref().or(input.as_ref()).map(rate)]
    }

    /// True when tokens are counted, so that they are worth estimating.
    pub(super) fn counts_tokens(&self) -> bool {
        self.0.iter().skip(1).any(Option::is_some)
    }

    /// How long until this can be drawn.
    pub(super) fn wait_for(&mut self, cost: &Cost, now: Duration) -> Duration {
        let waits =
            self.0.iter_mut().zip(cost.0).filter_map(|(bucket, cost)| Some(bucket.as_mut()?.wait_for(cost, now)));
        waits.max().unwrap_or_default()
    }

    /// How long until all of this can have been drawn, one after the other.
    pub(super) fn time_until(&mut self, cost: &Cost, now: Duration) -> Duration {
        let waits =
            self.0.iter_mut().zip(cost.0).filter_map(|(bucket, cost)| Some(bucket.as_mut()?.time_until(cost, now)));
        waits.max().unwrap_or_default()
    }

    pub(super) fn reserve(&mut self, cost: &Cost, now: Duration) -> Draw {
        let mut draw = Draw::default();
        for ((bucket, cost), drawn) in self.0.iter_mut().zip(cost.0).zip(&mut draw.0) {
            *drawn = bucket.as_mut().map(|bucket| bucket.reserve(cost, now));
        }
        draw
    }

    pub(super) fn settle(&mut self, draw: &Draw, took: &Cost, now: Duration) {
        for ((bucket, drawn), took) in self.0.iter_mut().zip(draw.0).zip(took.0) {
            if let (Some(bucket), Some(drawn)) = (bucket, drawn) {
                bucket.settle(drawn, took, now);
            }
        }
    }

    pub(super) fn observe(&mut self, quota: &Quota, draw: &Draw, now: Duration) {
        let said = [quota.requests, quota.tokens, quota.input_tokens, quota.output_tokens];
        for ((bucket, said), drawn) in self.0.iter_mut().zip(said).zip(draw.0) {
            let Some(said): Option<Allowance> = said else { continue };
            match bucket {
                Some(bucket) => bucket.observe(&said, drawn, now),
                none => *none = Some(Bucket::learnt(&said, now)),
            }
        }
    }
}
