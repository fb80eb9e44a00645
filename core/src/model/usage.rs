//! What a call took and what it cost. Names after the OpenTelemetry GenAI conventions.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::UnreadJson;

/// Tokens of a call. The parts (cached, written to the cache, reasoning) are included in the two totals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Everything that was sent in, cached and cache-written tokens included.
    pub input_tokens: i64,
    /// Everything that was written, reasoning included.
    pub output_tokens: i64,
    /// How much of the input came from the provider's cache.
    pub cache_read_input_tokens: i64,
    /// How much of the input was written to the provider's cache.
    pub cache_creation_input_tokens: i64,
    /// How much of the output was reasoning.
    pub reasoning_output_tokens: i64,
    /// How many requests it took.
    pub requests: i32,
    /// Further counts under the provider's names: audio, one-hour cache, …
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub details: HashMap<String, i64>,
    /// Where the figures come from.
    pub source: UsageSource,
    /// The provider's own object, which is read when somebody looks into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<UnreadJson>,
}

impl Usage {
    /// The same without the provider's own object, which costs more to copy than all else.
    #[cfg(feature = "engine")]
    pub(crate) fn counts(&self) -> Self {
        Self {
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cache_read_input_tokens: self.cache_read_input_tokens,
            cache_creation_input_tokens: self.cache_creation_input_tokens,
            reasoning_output_tokens: self.reasoning_output_tokens,
            requests: self.requests,
            details: self.details.clone(),
            source: self.source,
            raw: None,
        }
    }

    /// Both together. What only one of them knows well is known as badly as the other is; the provider's own object is
    /// kept of the second alone.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        let mut details = more.details;
        for (name, count) in self.details {
            let sum = details.entry(name).or_default();
            *sum = sum.saturating_add(count);
        }
        Self {
            input_tokens: self.input_tokens.saturating_add(more.input_tokens),
            output_tokens: self.output_tokens.saturating_add(more.output_tokens),
            cache_read_input_tokens: self.cache_read_input_tokens.saturating_add(more.cache_read_input_tokens),
            cache_creation_input_tokens: self
                .cache_creation_input_tokens
                .saturating_add(more.cache_creation_input_tokens),
            reasoning_output_tokens: self.reasoning_output_tokens.saturating_add(more.reasoning_output_tokens),
            requests: self.requests.saturating_add(more.requests),
            details,
            source: self.source.max(more.source),
            raw: more.raw,
        }
    }
}

impl Cost {
    /// Both together: unknown when one of them is.
    #[must_use]
    pub fn plus(self, more: Self) -> Self {
        let nano_usd = self.nano_usd.zip(more.nano_usd).map(|(a, b)| a.saturating_add(b));
        let source = if nano_usd.is_some() { self.source.max(more.source) } else { CostSource::Unknown };
        Self { nano_usd, source, price_date: more.price_date.or(self.price_date) }
    }
}

/// Where the figures of a [`Usage`] come from, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UsageSource {
    /// The provider said so.
    Reported,
    /// Counted by the engine, because the provider said nothing, or said only so far what a reply took that broke off.
    Estimated,
    /// Nobody knows.
    #[default]
    Unknown,
}

/// What a call cost. Nothing = unknown, never 0. Printed as `$0.0012` or `unknown`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Billionths of a US dollar.
    pub nano_usd: Option<i64>,
    /// Where the figure comes from.
    pub source: CostSource,
    /// The day the price was taken down, as `2026-11-21`.
    pub price_date: Option<String>,
}

/// Where the figure of a [`Cost`] comes from, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CostSource {
    /// The provider named the price.
    Provider,
    /// Reported tokens times the catalogue's price.
    Catalogue,
    /// Estimated tokens times the catalogue's price.
    Estimated,
    /// Nobody knows.
    #[default]
    Unknown,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(nano) = self.nano_usd else { return f.write_str("unknown") };
        let (sign, nano) = (if nano < 0 { "-" } else { "" }, nano.unsigned_abs());
        // Four decimals, more only when that would hide the whole figure.
        let decimals = match nano {
            0 | 100_000.. => 4,
            10_000.. => 5,
            1_000.. => 6,
            _ => 9,
        };
        let unit = 10_u64.pow(9 - decimals);
        let rounded = (nano + unit / 2) / unit;
        let scale = 10_u64.pow(decimals);
        write!(f, "{sign}${}.{:0width$}", rounded / scale, rounded % scale, width = decimals as usize)
    }
}
