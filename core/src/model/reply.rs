//! The answer to a message.

use serde::{Deserialize, Serialize};

use super::error::ErrorInfo;
use super::part::{Part, text_of};
use super::tool::ToolCall;
use super::usage::{Cost, Usage};
use crate::base::{Attempt, ConversationId, Json, MessageId, TurnId};

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FinishReason {
    /// It had said what it wanted, or met a stop sequence.
    Stop,
    /// It met a token limit.
    Length,
    /// It wants tools to be called.
    ToolCalls,
    /// The provider cut it off.
    ContentFilter,
    /// It declined.
    Refusal,
    /// The provider paused it; sending the conversation again goes on.
    Pause,
    /// The provider failed.
    Error,
    /// A word nobody here knows; it stands in `finish_reason_raw`.
    Other,
}

/// The five resting places of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReplyStatus {
    /// Answered.
    Done,
    /// Kept; it will be sent by itself.
    Waiting,
    /// Kept; `retry` sends it.
    Parked,
    /// Broke off; `retry` asks again.
    Interrupted,
    /// Stopped.
    Cancelled,
}

/// The answer to a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    pub conversation_id: Option<ConversationId>,
    /// The stored message, unless nothing was stored.
    pub message_id: Option<MessageId>,
    /// The turn, unless nothing was stored.
    pub turn_id: Option<TurnId>,
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
    /// True when the answer broke off on its way and was continued (`mid_stream` is `continue`); the seam may be felt.
    #[serde(default)]
    pub continued: bool,
    /// What went wrong, when the turn did not end well.
    pub error: Option<ErrorInfo>,
    /// The provider's own object, with `keep_raw`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Json>,
}

impl Reply {
    /// An empty answer of this provider and model, about to be filled.
    #[must_use]
    pub fn empty(provider: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            parts: Vec::new(),
            status: ReplyStatus::Done,
            finish_reason: None,
            finish_reason_raw: None,
            usage: Usage::default(),
            cost: Cost::default(),
            provider: provider.into(),
            model: model.into(),
            conversation_id: None,
            message_id: None,
            turn_id: None,
            request_id: None,
            attempts: Vec::new(),
            latency_ms: 0,
            first_token_ms: None,
            from_cache: false,
            continued: false,
            error: None,
            raw: None,
        }
    }

    /// The answer of a call that was stopped: what had arrived, and what that took and cost.
    #[cfg(feature = "engine")]
    pub(crate) fn cancelled(provider: impl Into<String>, model: impl Into<String>, stopped: &super::Error) -> Self {
        let (usage, cost) = stopped.spent().map(|(usage, cost)| (usage.clone(), cost.clone())).unwrap_or_default();
        let parts = stopped.partial().to_vec();
        Self { parts, status: ReplyStatus::Cancelled, usage, cost, ..Self::empty(provider, model) }
    }

    /// All words of the answer.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }

    /// What the model thought, as far as the provider shows it.
    #[must_use]
    pub fn reasoning(&self) -> String {
        self.parts
            .iter()
            .filter_map(|p| if let Part::Reasoning { text } = p { Some(text.as_str()) } else { None })
            .collect()
    }

    /// The words in which the model declined, or nothing.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let words: String = self
            .parts
            .iter()
            .filter_map(|p| if let Part::Refusal { text } = p { Some(text.as_str()) } else { None })
            .collect();
        (!words.is_empty()).then_some(words)
    }

    /// The tools that the model wants to be called; those the provider runs itself are not among them.
    #[must_use]
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        self.parts
            .iter()
            .filter_map(|p| match p {
                Part::ToolCall { call } if !call.provider_executed => Some(call.clone()),
                _ => None,
            })
            .collect()
    }

    /// A sentence fit for an end user when the turn did not end well, or nothing.
    #[must_use]
    pub fn notice(&self) -> Option<&str> {
        self.error.as_ref().map(|e| e.user_message.as_str())
    }
}
