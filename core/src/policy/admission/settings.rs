//! How fast and how many calls may be under way, and how many may wait.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How fast and how many calls of a model may be under way. Each model of each provider is counted apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// So many requests each minute. None: what the provider says beside its replies.
    pub requests_per_minute: Option<u64>,
    /// So many tokens each minute, in and out together. None: what the provider says beside its replies.
    pub tokens_per_minute: Option<u64>,
    /// So many calls at once. 64; in an engine never more than `network.max_connections`.
    pub max_concurrent: u32,
    /// Slows down when a provider says "too fast" and neither it nor these settings say how fast is right. True.
    pub adaptive: bool,
    /// Other limits for a provider (`openai`) or one of its models (`openai/gpt-5`), which goes before its provider.
    pub overrides: BTreeMap<String, LimitOverride>,
}

/// The limits of a provider or a model that differ from the others'. What is left out is as it is for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitOverride {
    /// So many requests each minute.
    pub requests_per_minute: Option<u64>,
    /// So many tokens each minute, in and out together.
    pub tokens_per_minute: Option<u64>,
    /// So many calls at once.
    pub max_concurrent: Option<u32>,
    /// Slows down when a provider says "too fast" and nothing else.
    pub adaptive: Option<bool>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            requests_per_minute: None,
            tokens_per_minute: None,
            max_concurrent: 64,
            adaptive: true,
            overrides: BTreeMap::new(),
        }
    }
}

impl LimitSettings {
    /// The limits of one model.
    #[must_use]
    pub fn of(&self, provider: &str, model: &str) -> Limits {
        let mut limits = Limits {
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            max_concurrent: self.max_concurrent,
            adaptive: self.adaptive,
        };
        let named = [self.overrides.get(provider), self.overrides.get(&format!("{provider}/{model}"))];
        for other in named.into_iter().flatten() {
            limits.requests_per_minute = other.requests_per_minute.or(limits.requests_per_minute);
            limits.tokens_per_minute = other.tokens_per_minute.or(limits.tokens_per_minute);
            limits.max_concurrent = other.max_concurrent.unwrap_or(limits.max_concurrent);
            limits.adaptive = other.adaptive.unwrap_or(limits.adaptive);
        }
        limits
    }
}

/// The limits of one target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// So many requests each minute, if that is known beforehand.
    pub requests_per_minute: Option<u64>,
    /// So many tokens each minute, if that is known beforehand.
    pub tokens_per_minute: Option<u64>,
    /// So many calls at once; at least 1.
    pub max_concurrent: u32,
    /// Slows down when the target says "too fast" and nothing else.
    pub adaptive: bool,
}

/// How many calls may wait for a model, and who goes first. Calls that wait hold back what they can cost in every budget that
/// holds for them; with a small budget, fewer may wait than stand here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// So many may wait; the next is refused, unless it is more urgent than one of them, which then is refused instead.
    /// 1,000.
    pub max_waiting: usize,
    /// So many bytes of messages and files may wait. 64 MiB.
    pub max_waiting_bytes: usize,
    /// After each so long in the queue a call counts as one class more urgent. 10 s.
    pub aging_ms: u64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { max_waiting: 1_000, max_waiting_bytes: 64 << 20, aging_ms: 10_000 }
    }
}
