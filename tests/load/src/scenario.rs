//! What the provider does, and what is asked of the engine then.

use std::time::Duration;

/// The share of the connections that is busy on average.
pub const BUSY: f64 = 0.6;

/// How the provider behaves, and the limits.
pub struct Scenario {
    pub name: &'static str,
    pub told: &'static str,
    /// The provider is silent for a time between these two before the first byte.
    pub latency_ms: (u64, u64),
    /// Of 100 requests so many fail.
    pub faults: u64,
    /// Of 100 requests so many ask what was asked before, by whomever of the same desk.
    pub repeats: usize,
    /// Everybody sends in the same moment, once.
    pub all_at_once: bool,
    pub p95: Option<Duration>,
    pub p99: Option<Duration>,
}

pub const ALL: &[Scenario] = &[
    Scenario {
        name: "steady",
        told: "a provider of 200 ms",
        latency_ms: (200, 200),
        faults: 0,
        repeats: 0,
        all_at_once: false,
        p95: Some(Duration::from_millis(500)),
        p99: None,
    },
    Scenario {
        name: "slow",
        told: "a provider of 1 to 4 s",
        latency_ms: (1_000, 4_000),
        faults: 0,
        repeats: 0,
        all_at_once: false,
        p95: Some(Duration::from_secs(5)),
        p99: Some(Duration::from_millis(5_500)),
    },
    Scenario {
        name: "faulty",
        told: "a provider of 200 ms that refuses, throttles or hangs up on 5 of 100 requests",
        latency_ms: (200, 200),
        faults: 5,
        repeats: 0,
        all_at_once: false,
        p95: None,
        p99: None,
    },
    Scenario {
        name: "burst",
        told: "a provider of 200 ms, and everybody sends in the same moment",
        latency_ms: (200, 200),
        faults: 0,
        repeats: 0,
        all_at_once: true,
        p95: None,
        p99: None,
    },
    Scenario {
        name: "repeats",
        told: "a provider of 200 ms, replies are kept, and 85 of 100 questions were asked before",
        latency_ms: (200, 200),
        faults: 0,
        repeats: 85,
        all_at_once: false,
        p95: Some(Duration::from_millis(500)),
        p99: None,
    },
];

/// How often a scenario with limits is measured at least.
const TURNS: usize = 1_000;

impl Scenario {
    pub fn mean(&self) -> Duration {
        Duration::from_millis(u64::midpoint(self.latency_ms.0, self.latency_ms.1))
    }

    /// How often each chat sends. A few times suffice when nothing is measured.
    pub fn turns(&self, chats: usize, only_success: bool) -> usize {
        if self.all_at_once {
            1
        } else if only_success {
            2
        } else {
            TURNS.div_ceil(chats).max(2)
        }
    }

    /// How long people think on average.
    pub fn think(&self, chats: usize, connections: usize) -> Duration {
        let cycle = self.mean().mul_f64(chats as f64 / (BUSY * connections as f64));
        cycle.saturating_sub(self.mean())
    }

    /// What is asked in the request of this number: the same words for everybody, unless replies are kept. Then a request
    /// asks something new or, as often as the scenario says, what an earlier one has asked.
    pub fn question(&self, dice: &mut fastrand::Rng, number: usize) -> String {
        if self.repeats == 0 {
            return "What is worth a walk in Cádiz?".to_owned();
        }
        // Of every 100 the first are new.
        let new = 100 - self.repeats;
        let asked = if number % 100 < new {
            number
        } else {
            let any = dice.usize(0..=number / 100 * new + new - 1);
            any / new * 100 + any % new
        };
        format!("Where is number {asked} of the list of walks in Cádiz?")
    }

    /// What the provider does with the next request.
    pub fn script(&self, dice: &mut fastrand::Rng, seed: u64) -> String {
        let silence = dice.u64(self.latency_ms.0..=self.latency_ms.1) / 50 * 50;
        let mut script = format!("words=20;first_ms={silence}");
        if self.faults > 0 {
            let fault = ["status=503", "status=429;retry_after=1", "reset"][dice.usize(0..3)];
            script.push_str(&format!(";{fault};fail_percent={};seed={seed}", self.faults));
        }
        script
    }
}
