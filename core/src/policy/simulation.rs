//! What retrying does in the large: a hundred thousand calls against one target, by the clock of the simulation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::*;
use crate::base::{ErrorKind, Random, Retry, SeededRandom};

const CALLS: u32 = 100_000;
const DEADLINE: Duration = Duration::from_secs(600);

/// What became of the calls.
#[derive(Debug, Default)]
struct Outcome {
    succeeded: u32,
    requests: u32,
}

impl Outcome {
    fn success(&self) -> f64 {
        f64::from(self.succeeded) / f64::from(CALLS)
    }

    fn requests_per_call(&self) -> f64 {
        f64::from(self.requests) / f64::from(CALLS)
    }
}

/// Calls come in ten a second, each request takes a second, and `fails` says which of them fail.
fn run(settings: RetrySettings, random: &SeededRandom, fails: impl Fn(f64, Duration) -> bool) -> Outcome {
    let policy = RetryPolicy::new(settings);
    let mut budget = policy.budget(Duration::ZERO);
    let mut outcome = Outcome::default();
    // The moment a request comes back, the call's beginning, its attempt.
    let mut due = BinaryHeap::new();
    let took = Duration::from_secs(1);
    for call in 0..CALLS {
        let began = Duration::from_millis(100) * call;
        due.push(Reverse((began + took, began, 1)));
    }
    while let Some(Reverse((now, began, attempt))) = due.pop() {
        outcome.requests += 1;
        if !fails(random.unit(), now) {
            outcome.succeeded += 1;
            budget.earn(now);
            continue;
        }
        let failure = Failure { kind: ErrorKind::Unavailable, retry: Retry::Safe };
        let left = (began + DEADLINE).saturating_sub(now);
        if let Decision::Wait(wait) = policy.decide(attempt, failure, left, random.unit(), &mut budget, now) {
            due.push(Reverse((now + wait + took, began, attempt + 1)));
        }
    }
    outcome
}

#[test]
fn three_failures_in_ten_leave_999_calls_of_1000_whole_at_one_and_a_half_requests_each() {
    for seed in 1..=20 {
        let outcome = run(RetrySettings::default(), &SeededRandom::new(seed), |chance, _| chance < 0.3);
        assert!(outcome.success() >= 0.999, "seed {seed}: {outcome:?}");
        assert!(outcome.requests_per_call() <= 1.45, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn an_outage_costs_a_hundred_requests_and_one_in_a_hundred_more() {
    for seed in 1..=5 {
        let outcome = run(RetrySettings::default(), &SeededRandom::new(seed), |_, _| true);
        let extra = outcome.requests - CALLS;
        assert!(extra <= 100 + CALLS / 100 + 1, "seed {seed}: {extra} extra requests");
        assert!(extra >= 100, "seed {seed}: the budget was never used");
    }
}

#[test]
fn after_an_outage_calls_succeed_at_once_again() {
    let (from, to) = (Duration::from_secs(1_000), Duration::from_secs(4_600));
    for seed in 1..=5 {
        let random = SeededRandom::new(seed);
        let outcome = run(RetrySettings::default(), &random, |chance, now| (from..to).contains(&now) || chance < 0.3);
        // 36,000 calls fall into the hour. Outside of it the budget has to be earned again before all goes well.
        let lost = CALLS - outcome.succeeded;
        assert!((35_000..=36_100).contains(&lost), "seed {seed}: {lost} lost");
    }
}

#[test]
fn in_a_million_steps_nothing_is_sent_before_the_server_wants_it() {
    let (policy, random) = (RetryPolicy::new(RetrySettings::default()), SeededRandom::new(7));
    let mut waited = 0;
    for step in 0..1_000_000_u32 {
        let floor = Duration::from_millis(70_000).mul_f64(random.unit());
        let after_ms = i64::try_from(floor.as_millis()).unwrap();
        let floor = Duration::from_millis(u64::try_from(after_ms).unwrap());
        let failure = Failure { kind: ErrorKind::RateLimited, retry: Retry::After { after_ms } };
        let mut budget = policy.budget(Duration::ZERO);
        let decided = policy.decide(1 + step % 6, failure, DEADLINE, random.unit(), &mut budget, Duration::ZERO);
        if let Decision::Wait(wait) = decided {
            assert!(wait >= floor, "step {step}: {wait:?} before {floor:?}");
            waited += 1;
        }
    }
    assert!(waited > 500_000, "only {waited} waited");
}
