//! What a breaker does in the large, behind the retries: many calls against one target, by the clock of the simulation.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::super::{Decision, RetryPolicy, RetrySettings};
use super::*;
use crate::base::{Random, SeededRandom};

const DEADLINE: Duration = Duration::from_secs(600);
const TOOK: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Outcome {
    calls: u32,
    succeeded: u32,
    requests: u32,
    trips: u32,
    /// The first success after the moment that was asked for.
    back: Option<Duration>,
    /// Calls that began at that moment or later, and failed.
    lost_after: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct OneCall {
    began: Duration,
    attempt: u32,
}

/// What happens at a moment: a call asks for leave, or its request number `n` comes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Asks(OneCall),
    Returns(usize, OneCall),
}

/// Calls come in ten a second, each request takes a second, and `fails` says which of them fail.
fn run(calls: u32, seed: u64, back_from: Duration, fails: impl Fn(f64, Duration) -> bool) -> Outcome {
    let random = SeededRandom::new(seed);
    let retry = RetrySettings::default();
    let max_wait = Duration::from_millis(retry.max_inline_wait_ms);
    let policy = RetryPolicy::new(retry);
    let mut budget = policy.budget(Duration::ZERO);
    let mut breaker = Breaker::new(BreakerSettings::default());
    let mut outcome = Outcome { calls, ..Outcome::default() };
    let mut permits: Vec<Permit> = Vec::new();
    // Who waits for the probe.
    let mut waiting: Vec<OneCall> = Vec::new();
    let mut due = BinaryHeap::new();
    for call in 0..calls {
        let began = Duration::from_millis(100) * call;
        due.push(Reverse((began, Event::Asks(OneCall { began, attempt: 1 }))));
    }
    while let Some(Reverse((now, event))) = due.pop() {
        let (number, call) = match event {
            Event::Asks(call) => {
                let left = (call.began + DEADLINE).saturating_sub(now);
                match breaker.admit(now) {
                    Admission::Pass(permit) => {
                        outcome.requests += 1;
                        due.push(Reverse((now + TOOK, Event::Returns(permits.len(), call))));
                        permits.push(permit);
                    }
                    Admission::Wait(None) if !left.is_zero() => waiting.push(call),
                    Admission::Wait(Some(wait)) if wait < left && wait <= max_wait => {
                        due.push(Reverse((now + wait, Event::Asks(call))));
                    }
                    Admission::Wait(_) => outcome.lost_after += u32::from(call.began >= back_from),
                }
                continue;
            }
            Event::Returns(number, call) => (number, call),
        };
        let failed = fails(random.unit(), now);
        let health = if failed { Health::Bad(None) } else { Health::Good };
        let change = breaker.record(&mut permits[number], health, now, random.unit());
        outcome.trips += u32::from(matches!(change, Some(Change::Opened(_))));
        if change.is_some() {
            due.extend(waiting.drain(..).map(|call| Reverse((now, Event::Asks(call)))));
        }
        if !failed {
            outcome.succeeded += 1;
            budget.earn(now);
            if now >= back_from {
                outcome.back.get_or_insert(now);
            }
            continue;
        }
        let failure = Failure { kind: ErrorKind::Unavailable, retry: Retry::Safe };
        let left = (call.began + DEADLINE).saturating_sub(now);
        match policy.decide(call.attempt, failure, left, random.unit(), &mut budget, now) {
            Decision::Wait(wait) => {
                let call = OneCall { attempt: call.attempt + 1, ..call };
                due.push(Reverse((now + wait, Event::Asks(call))));
            }
            _ => outcome.lost_after += u32::from(call.began >= back_from),
        }
    }
    outcome
}

#[test]
fn three_failures_in_ten_never_open_it_and_999_calls_of_1000_come_through() {
    for seed in 1..=5 {
        let outcome = run(100_000, seed, Duration::ZERO, |chance, _| chance < 0.3);
        assert_eq!(outcome.trips, 0, "seed {seed}: {outcome:?}");
        let success = f64::from(outcome.succeeded) / f64::from(outcome.calls);
        assert!(success >= 0.999, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn in_an_outage_there_is_less_than_one_request_for_ten_calls() {
    for seed in 1..=3 {
        let outcome = run(20_000, seed, Duration::ZERO, |_, _| true);
        assert!(outcome.trips > 1, "seed {seed}: {outcome:?}");
        assert!(outcome.requests * 10 <= outcome.calls, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn two_minutes_after_an_outage_all_is_well_again() {
    let (from, to) = (Duration::from_secs(300), Duration::from_secs(1_500));
    for seed in 1..=5 {
        let random = SeededRandom::new(seed);
        let to = to + Duration::from_secs(60).mul_f64(random.unit());
        let outcome = run(20_000, seed, to, |chance, now| (from..to).contains(&now) || chance < 0.1);
        let back = outcome.back.expect("it never came back");
        assert!(back - to <= Duration::from_secs(120), "seed {seed}: after {:?}", back - to);
        let after = f64::from(outcome.calls) - to.as_secs_f64() * 10.0;
        assert!(f64::from(outcome.lost_after) <= after * 0.001, "seed {seed}: {outcome:?} of {after}");
    }
}
