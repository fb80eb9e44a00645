//! The vocabulary of failure. The error value itself stands one floor up, in `model/error.rs`,
//! because it carries the partial reply (decision 0001).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a caller should do about a failure. Seventeen kinds, each with a remedy of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call cannot work as written. Fix it; nothing was stored.
    Invalid,
    /// No such thing, or not yours. Refresh.
    NotFound,
    /// Somebody was faster, or the same client id came with another body. Reload, decide, repeat.
    Conflict,
    /// No key, key rejected, or not allowed. Give a key, or use another model.
    Unauthorized,
    /// The provider's account is out of credit. Pay or fall back.
    QuotaExhausted,
    /// Your own limit refuses. Wait or raise it; nothing was spent.
    BudgetExceeded,
    /// Too fast, and waiting would pass the deadline. Wait `retry_after`.
    RateLimited,
    /// Network, provider down, overloaded, or an answer that made no sense. Later, or another target.
    Unavailable,
    /// A time limit passed before any text. Longer limit, or later.
    TimedOut,
    /// Too many tokens for every target. Shorten, or use a larger model.
    ContextTooLong,
    /// The provider refused the prompt or the whole answer. Rephrase.
    ContentFiltered,
    /// The reply broke off after it began. What had arrived is in `partial`; retry the turn.
    Truncated,
    /// The answer does not fit the schema, or a tool loop hit its bound. Other model, or look at `partial`.
    OutputInvalid,
    /// Stopped by someone else. Nothing to do.
    Cancelled,
    /// Could not save or read. Nothing was sent. Free space, retry.
    Storage,
    /// The engine is closed, suspended, or in a forked child. Open it here.
    Closed,
    /// A bug of ours; the store stays usable. Report it.
    Internal,
}

impl ErrorKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Self; 17] = [
        Self::Invalid,
        Self::NotFound,
        Self::Conflict,
        Self::Unauthorized,
        Self::QuotaExhausted,
        Self::BudgetExceeded,
        Self::RateLimited,
        Self::Unavailable,
        Self::TimedOut,
        Self::ContextTooLong,
        Self::ContentFiltered,
        Self::Truncated,
        Self::OutputInvalid,
        Self::Cancelled,
        Self::Storage,
        Self::Closed,
        Self::Internal,
    ];

    /// The kind as a stable word: `rate_limited`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unauthorized => "unauthorized",
            Self::QuotaExhausted => "quota_exhausted",
            Self::BudgetExceeded => "budget_exceeded",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::ContextTooLong => "context_too_long",
            Self::ContentFiltered => "content_filtered",
            Self::Truncated => "truncated",
            Self::OutputInvalid => "output_invalid",
            Self::Cancelled => "cancelled",
            Self::Storage => "storage",
            Self::Closed => "closed",
            Self::Internal => "internal",
        }
    }

    /// The HTTP status a server that embeds the engine may answer with.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Invalid => 400,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Unauthorized | Self::QuotaExhausted | Self::Unavailable | Self::Closed => 503,
            Self::BudgetExceeded | Self::RateLimited => 429,
            Self::TimedOut => 504,
            Self::ContextTooLong => 413,
            Self::ContentFiltered => 422,
            Self::Truncated | Self::OutputInvalid => 502,
            Self::Cancelled => 499,
            Self::Storage => 507,
            Self::Internal => 500,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether repeating the same call can help.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Retry {
    /// Repeating cannot help before something is changed.
    #[default]
    Never,
    /// Repeating is harmless and may help.
    Safe,
    /// Repeat, but not before this many milliseconds.
    After {
        /// The shortest wait in milliseconds.
        after_ms: i64,
    },
    /// It was repeated as often as the settings allow.
    Exhausted,
}

/// One try of a call, kept in errors and replies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The model as `provider/model`.
    pub model: String,
    /// How the try failed, or nothing when it succeeded.
    pub kind: Option<ErrorKind>,
    /// The HTTP status, when there was one.
    pub status: Option<i32>,
    /// How long the engine waited before this try, in milliseconds.
    pub delay_ms: i64,
    /// How long the try took, in milliseconds.
    pub duration_ms: i64,
}

/// A value that could not be read: an id, a cursor, a key. Says what was expected, never the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{expected}")]
pub struct Malformed {
    /// What was expected, as a sentence fit for `detail`.
    pub expected: &'static str,
}
