//! Says what was seen, and what of it is not good enough.

use std::time::Duration;

use crate::chats::Run;
use crate::scenario::Scenario;

pub struct Report {
    only_success: bool,
    passed: usize,
    failed: usize,
}

impl Report {
    pub fn new(only_success: bool) -> Self {
        Self { only_success, passed: 0, failed: 0 }
    }

    pub fn add(&mut self, scenario: &Scenario, run: &Run, chats: usize, connections: usize) {
        let (sent, lost) = (run.waits.len(), run.errors.len());
        let percent = |part: usize, of: usize| 100.0 * part as f64 / of.max(1) as f64;
        let [p50, p95, p99] = [0.50, 0.95, 0.99].map(|share| quantile(&run.waits, share));
        println!("{:<9} {}", scenario.name, scenario.told);
        println!(
            "          {sent} messages in {:.1} s, {:.1} a second; {lost} errors",
            run.took.as_secs_f64(),
            sent as f64 / run.took.as_secs_f64(),
        );
        println!("          whole reply: p50 {} p95 {} p99 {} ms", p50.as_millis(), p95.as_millis(), p99.as_millis());
        if scenario.all_at_once {
            let rounds = chats.div_ceil(connections);
            println!(
                "          {rounds} rounds of {connections} take {} ms at best",
                rounds * scenario.mean().as_millis() as usize
            );
        }
        let stats = &run.stats;
        let share = |part: i64, of: i64| 100.0 * part as f64 / of.max(1) as f64;
        let errors = share(stats.errors.values().sum(), stats.calls);
        let succeeded = 100.0 * stats.success_rate.unwrap_or_default();
        let hits = share(stats.cache_hits, stats.cache_hits + stats.cache_misses);
        println!(
            "          stats(): {succeeded:.2}% of {} calls succeeded, errors {errors:.2}%; {} requests, {:.1}% of them \
             failed; {hits:.1}% out of the cache",
            stats.calls,
            stats.attempts,
            share(stats.attempt_errors.values().sum(), stats.attempts),
        );
        for error in run.errors.iter().take(3) {
            println!("          e.g. {error}");
        }
        self.check(lost == 0 && sent > 0, "every message is answered");
        self.check(usize::try_from(stats.calls) == Ok(sent), "stats() knows every call");
        self.check(errors < 0.1 && succeeded > 99.0, "stats() says that less than 0.1% failed and over 99% succeeded");
        if scenario.repeats > 0 && !self.only_success {
            self.check(hits > 80.0, "more than 80% of the replies are out of the cache");
        }
        if scenario.faults > 0 && !self.only_success {
            let share = percent(run.failed_tries, run.tries);
            self.check((2.0..=8.0).contains(&share), "about 5% of the requests fail, or nothing was proven");
        }
        if !self.only_success {
            for (name, limit, found) in [("p95", scenario.p95, p95), ("p99", scenario.p99, p99)] {
                if let Some(limit) = limit {
                    self.check(found < limit, &format!("{name} is below {} ms", limit.as_millis()));
                }
            }
        }
        println!();
    }

    fn check(&mut self, holds: bool, what: &str) {
        *(if holds { &mut self.passed } else { &mut self.failed }) += 1;
        println!("          {} {what}", if holds { "ok:    " } else { "FAILED:" });
    }

    /// The last line; gives how many checks failed.
    pub fn end(self) -> usize {
        println!("\n{} passed, {} failed", self.passed, self.failed);
        self.failed
    }
}

/// The wait that so many of all waits do not exceed; they are sorted.
fn quantile(waits: &[Duration], share: f64) -> Duration {
    let at = (waits.len() as f64 * share).ceil() as usize;
    waits.get(at.saturating_sub(1)).copied().unwrap_or_default()
}
