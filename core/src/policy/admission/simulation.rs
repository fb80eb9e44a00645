//! The queue against a provider with limits of its own, which it tells in its headers or not at all.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::*;
use crate::base::{Random, SeededRandom};
use crate::model::Allowance;
use crate::policy::Bucket;

/// A provider that counts as OpenAI does: buckets of requests and tokens, told in the headers of each answer.
struct Server {
    requests: Bucket,
    tokens: Bucket,
    limits: (u64, u64),
}

impl Server {
    fn new(requests: u64, tokens: u64) -> Self {
        let bucket = |limit| Bucket::per_minute(limit, Duration::ZERO);
        Self { requests: bucket(requests), tokens: bucket(tokens), limits: (requests, tokens) }
    }

    /// Takes a request in, or says how long to stay away.
    fn take(&mut self, tokens: f64, now: Duration) -> Result<(), Duration> {
        let wait = self.requests.wait_for(1.0, now).max(self.tokens.wait_for(tokens, now));
        if !wait.is_zero() {
            return Err(wait);
        }
        let _ = (self.requests.reserve(1.0, now), self.tokens.reserve(tokens, now));
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "small")]
    fn headers(&mut self, now: Duration) -> Quota {
        let said = |bucket: &mut Bucket, limit: u64| {
            let remaining = bucket.remaining(now);
            let full = (limit as f64 - remaining) / (limit as f64 / 60.0);
            // In whole milliseconds, as OpenAI writes them.
            let resets_in =
                Some(Duration::from_millis((full * 1_000.0).ceil() as u64)).filter(|after| !after.is_zero());
            Some(Allowance { limit, remaining: remaining as u64, resets_in })
        };
        Quota {
            requests: said(&mut self.requests, self.limits.0),
            tokens: said(&mut self.tokens, self.limits.1),
            ..Quota::default()
        }
    }
}

#[derive(Debug, Default)]
struct Outcome {
    steps: u64,
    sent: u64,
    taken: u64,
    refused: u64,
    /// Sent before the server's floor.
    early: u64,
    ended: Duration,
}

enum Event {
    /// A request comes to the server.
    Arrives(Lease),
    /// Its answer comes back: the headers, and how long to stay away if it was refused.
    Returns(Lease, Option<Quota>, Option<Duration>),
}

struct Scene {
    steps: u64,
    seed: u64,
    tells: bool,
    requests: u64,
    tokens: u64,
    settings: Limits,
}

/// Three calls always wait; each request takes its way to the server and back.
fn run(scene: &Scene) -> Outcome {
    let random = SeededRandom::new(scene.seed);
    let mut server = Server::new(scene.requests, scene.tokens);
    let mut queue = AdmissionQueue::new(scene.settings, QueueSettings::default(), Duration::ZERO);
    let mut outcome = Outcome::default();
    let mut events: BinaryHeap<Reverse<(Duration, u64)>> = BinaryHeap::new();
    let mut what: HashMap<u64, Event> = HashMap::new();
    let (mut now, mut number, mut floor) = (Duration::ZERO, 0, Duration::ZERO);
    let way = || Duration::from_secs_f64(0.02 + 0.08 * random.unit());
    let mut later = |events: &mut BinaryHeap<_>, what: &mut HashMap<_, _>, at: Duration, event: Event| {
        number += 1;
        events.push(Reverse((at, number)));
        what.insert(number, event);
    };
    let tokens = 300.0;
    while outcome.steps < scene.steps {
        while queue.len() < 3 {
            let ask = Ask { input_tokens: 100, max_output_tokens: Some(200), since: now, ..Ask::default() };
            queue.join(ask, now).unwrap();
        }
        let next = loop {
            let ticket = match queue.next(now) {
                Ok(ticket) => ticket,
                Err(wait) => break wait,
            };
            let lease = queue.release(ticket, now).unwrap();
            outcome.sent += 1;
            outcome.steps += 1;
            outcome.early += u64::from(now < floor);
            later(&mut events, &mut what, now + way(), Event::Arrives(lease));
            if queue.is_empty() {
                queue
                    .join(Ask { input_tokens: 100, max_output_tokens: Some(200), since: now, ..Ask::default() }, now)
                    .unwrap();
            }
        };
        let wakes = next.map(|wait| now + wait);
        let due = events.peek().map(|Reverse((at, _))| *at);
        match (due, wakes) {
            (Some(due), wakes) if wakes.is_none_or(|wakes| due <= wakes) => {
                let Some(Reverse((at, id))) = events.pop() else { break };
                now = at;
                outcome.steps += 1;
                match what.remove(&id).unwrap() {
                    Event::Arrives(lease) => {
                        let refused = server.take(tokens, now).err();
                        let headers = scene.tells.then(|| server.headers(now));
                        later(&mut events, &mut what, now + way(), Event::Returns(lease, headers, refused));
                    }
                    Event::Returns(lease, headers, refused) => {
                        if let Some(headers) = &headers {
                            queue.observe(headers, &lease, now);
                        }
                        let spent = if let Some(wait) = refused {
                            outcome.refused += 1;
                            if scene.tells {
                                queue.hold(wait, now);
                                floor = floor.max(now + wait);
                            }
                            Spent::Throttled { informed: headers.is_some() }
                        } else {
                            outcome.taken += 1;
                            Spent::Tokens { input: 100, output: 200 }
                        };
                        queue.settle(lease, spent, now);
                    }
                }
            }
            (_, Some(wakes)) => now = wakes,
            (_, None) => break,
        }
    }
    outcome.ended = now;
    outcome
}

fn unknown() -> Limits {
    Limits { requests_per_minute: None, tokens_per_minute: None, max_concurrent: 64, adaptive: true }
}

/// How much of what the provider gives was used: a full bucket, and what came in since.
#[expect(clippy::cast_precision_loss, reason = "small")]
fn share(outcome: &Outcome, requests_per_minute: f64) -> f64 {
    outcome.taken as f64 / (requests_per_minute * (1.0 + outcome.ended.as_secs_f64() / 60.0))
}

#[expect(clippy::cast_precision_loss, reason = "small")]
fn refused(outcome: &Outcome) -> f64 {
    outcome.refused as f64 / outcome.sent as f64
}

#[test]
fn in_a_million_steps_nothing_is_sent_before_the_servers_floor_and_the_quota_is_used() {
    for (seed, steps, requests, tokens) in [(1, 1_000_000, 600, 1_000_000), (2, 200_000, 100_000, 180_000)] {
        let scene = Scene { steps, seed, tells: true, requests, tokens, settings: unknown() };
        let outcome = run(&scene);
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let quota = (requests as f64).min(tokens as f64 / 300.0);
        assert_eq!(outcome.early, 0, "seed {seed}: {outcome:?}");
        assert!(share(&outcome, quota) >= 0.95, "seed {seed}: {outcome:?}");
        assert!(refused(&outcome) <= 0.01, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn with_the_limits_in_the_settings_a_provider_that_tells_nothing_hardly_ever_refuses() {
    for seed in 1..=5 {
        let settings = Limits { requests_per_minute: Some(600), ..unknown() };
        let scene = Scene { steps: 60_000, seed, tells: false, requests: 600, tokens: 1_000_000, settings };
        let outcome = run(&scene);
        assert!(share(&outcome, 600.0) >= 0.95, "seed {seed}: {outcome:?}");
        assert!(refused(&outcome) <= 0.01, "seed {seed}: {outcome:?}");
    }
}

#[test]
fn a_provider_that_only_says_too_fast_is_not_hammered() {
    for seed in 1..=5 {
        let scene = Scene { steps: 60_000, seed, tells: false, requests: 600, tokens: 1_000_000, settings: unknown() };
        let outcome = run(&scene);
        assert!(share(&outcome, 600.0) >= 0.6, "seed {seed}: {outcome:?}");
        assert!(refused(&outcome) <= 0.2, "seed {seed}: {outcome:?}");
    }
}
