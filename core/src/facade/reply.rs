//! The answer to a message, what it took and what it cost.

use std::collections::HashMap;
use std::fmt;

use super::error::{Attempt, ErrorInfo};
use super::json;
use super::part::{self, Part};
use super::words::{CostSource, FinishReason, ReplyStatus, UsageSource};
use crate::base::UnreadJson;
use crate::model;

/// The answer to a message.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Reply {
    /// What the model said, in its order.
    pub parts: Vec<Part>,
    /// How the turn came to rest.
    pub status: ReplyStatus,
    /// Why the model stopped.
    pub finish_reason: Option<FinishReason>,
    /// The provider's own word for it.
    pub finish_reason_raw: Option<String>,
    /// What it took.
    pub usage: Usage,
    /// What it cost.
    pub cost: Cost,
    /// Who answered.
    pub provider: String,
    /// The model that answered, as the provider names it.
    pub model: String,
    /// The conversation, unless nothing was stored.
    pub conversation_id: Option<String>,
    /// The stored message, unless nothing was stored.
    pub message_id: Option<String>,
    /// The turn, unless nothing was stored.
    pub turn_id: Option<String>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// Every try, the last one included.
    pub attempts: Vec<Attempt>,
    /// From the call to the end of the answer, in milliseconds.
    pub latency_ms: i64,
    /// From the call to the first content, in milliseconds.
    pub first_token_ms: Option<i64>,
    /// True when the answer was not asked for anew.
    pub from_cache: bool,
    /// True when the answer broke off on its way and was continued; the seam may be felt.
    pub continued: bool,
    /// What went wrong, when the turn did not end well.
    pub error: Option<ErrorInfo>,
    /// The provider's own object as JSON, with the setting `store.keep_raw`.
    pub raw: Option<String>,
}

impl From<model::Reply> for Reply {
    fn from(reply: model::Reply) -> Self {
        let model::Reply {
            parts,
            status,
            finish_reason,
            finish_reason_raw,
            usage,
            cost,
            provider,
            model,
            conversation_id,
            message_id,
            turn_id,
            request_id,
            attempts,
            latency_ms,
            first_token_ms,
            from_cache,
            continued,
            error,
            raw,
        } = reply;
        Self {
            parts: part::all(parts),
            status: status.into(),
            finish_reason: finish_reason.map(FinishReason::from),
            finish_reason_raw,
            usage: usage.into(),
            cost: cost.into(),
            provider,
            model,
            conversation_id: conversation_id.map(|id| id.to_string()),
            message_id: message_id.map(|id| id.to_string()),
            turn_id: turn_id.map(|id| id.to_string()),
            request_id,
            attempts: attempts.into_iter().map(Attempt::from).collect(),
            latency_ms,
            first_token_ms,
            from_cache,
            continued,
            error: error.map(ErrorInfo::from),
            raw: raw.as_ref().map(json::text),
        }
    }
}

/// Tokens of a call. The parts (cached, written to the cache, reasoning) are included in the two totals.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Usage {
    /// Everything that was sent in, cached and cache-written tokens included.
    #[uniffi(default)]
    pub input_tokens: i64,
    /// Everything that was written, reasoning included.
    #[uniffi(default)]
    pub output_tokens: i64,
    /// How much of the input came from the provider's cache.
    #[uniffi(default)]
    pub cache_read_input_tokens: i64,
    /// How much of the input was written to the provider's cache.
    #[uniffi(default)]
    pub cache_creation_input_tokens: i64,
    /// How much of the output was reasoning.
    #[uniffi(default)]
    pub reasoning_output_tokens: i64,
    /// How many requests it took.
    #[uniffi(default)]
    pub requests: i32,
    /// Further counts under the provider's names: audio, one-hour cache, …
    #[uniffi(default)]
    pub details: HashMap<String, i64>,
    /// Where the figures come from.
    pub source: UsageSource,
    /// The provider's own object, as JSON.
    #[uniffi(default)]
    pub raw: Option<String>,
}

impl From<model::Usage> for Usage {
    fn from(usage: model::Usage) -> Self {
        let model::Usage {
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            reasoning_output_tokens,
            requests,
            details,
            source,
            raw,
        } = usage;
        Self {
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            reasoning_output_tokens,
            requests,
            details,
            source: source.into(),
            raw: raw.as_deref().map(json::text),
        }
    }
}

impl TryFrom<Usage> for model::Usage {
    type Error = model::Error;

    fn try_from(usage: Usage) -> model::Result<Self> {
        let Usage {
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            reasoning_output_tokens,
            requests,
            details,
            source,
            raw,
        } = usage;
        Ok(Self {
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            reasoning_output_tokens,
            requests,
            details,
            source: source.into(),
            raw: raw.map(|raw| json::value("raw", &raw)).transpose()?.map(UnreadJson::from),
        })
    }
}

/// What a call cost. Nothing = unknown, never 0. Printed as `$0.0012` or `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct Cost {
    /// Billionths of a US dollar.
    #[uniffi(default)]
    pub nano_usd: Option<i64>,
    /// Where the figure comes from.
    pub source: CostSource,
    /// The day the price was taken down, as `2026-11-21`.
    #[uniffi(default)]
    pub price_date: Option<String>,
}

impl From<model::Cost> for Cost {
    fn from(cost: model::Cost) -> Self {
        let model::Cost { nano_usd, source, price_date } = cost;
        Self { nano_usd, source: source.into(), price_date }
    }
}

impl From<Cost> for model::Cost {
    fn from(cost: Cost) -> Self {
        let Cost { nano_usd, source, price_date } = cost;
        Self { nano_usd, source: source.into(), price_date }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        model::Cost { nano_usd: self.nano_usd, ..model::Cost::default() }.fmt(f)
    }
}
