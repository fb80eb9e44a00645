//! What was spent, summed up.

use serde::{Deserialize, Serialize};

/// By what a report sums up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UsageBy {
    /// By model, as `provider/model`.
    Model,
    /// By day of UTC, as `2026-11-21`.
    Day,
    /// By conversation. Only for one user.
    Conversation,
    /// By user. Only for the whole application.
    User,
}

/// What some calls took and cost together. Sums stop at the largest number instead of beginning anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UsageTotal {
    /// How many requests were sent.
    pub requests: i64,
    /// Everything that was sent in, cached and cache-written tokens included.
    pub input_tokens: i64,
    /// Everything that was written, reasoning included.
    pub output_tokens: i64,
    /// How much of the input came from a provider's cache.
    pub cache_read_input_tokens: i64,
    /// How much of the input was written to a provider's cache.
    pub cache_creation_input_tokens: i64,
    /// How much of the output was reasoning.
    pub reasoning_output_tokens: i64,
    /// What is known of the cost, in billionths of a US dollar. The requests of `unknown_cost_requests` are not in it.
    pub nano_usd: i64,
    /// Requests whose cost nobody knows.
    pub unknown_cost_requests: i64,
    /// Requests whose tokens or cost are an estimate.
    pub estimated_requests: i64,
}

impl UsageTotal {
    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        for (mine, more) in self.figures_mut().into_iter().zip(other.figures()) {
            *mine = mine.saturating_add(more);
        }
    }

    /// The figures, in the order in which they are declared.
    pub(crate) fn figures(&self) -> [i64; 9] {
        [
            self.requests,
            self.input_tokens,
            self.output_tokens,
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
            self.reasoning_output_tokens,
            self.nano_usd,
            self.unknown_cost_requests,
            self.estimated_requests,
        ]
    }

    /// The same, to be written.
    pub(crate) fn figures_mut(&mut self) -> [&mut i64; 9] {
        [
            &mut self.requests,
            &mut self.input_tokens,
            &mut self.output_tokens,
            &mut self.cache_read_input_tokens,
            &mut self.cache_creation_input_tokens,
            &mut self.reasoning_output_tokens,
            &mut self.nano_usd,
            &mut self.unknown_cost_requests,
            &mut self.estimated_requests,
        ]
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageRow {
    /// The model, day, conversation or user.
    pub key: String,
    /// What it took and cost.
    pub usage: UsageTotal,
}

/// What was spent within some time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageReport {
    /// All of it, also what stands on other pages.
    pub total: UsageTotal,
    /// This page, in the order of the keys.
    pub rows: Vec<UsageRow>,
    /// The last key of this page when more follow; nothing on the last page.
    pub next: Option<String>,
}
