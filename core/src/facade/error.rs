//! Failures as the other language throws them: a class for each kind, one record in all of them.

use std::fmt;

use super::budget::BudgetStatus;
use super::part::{self, Part};
use super::words::{ErrorKind, RetryAfterSource};
use crate::{base, model};

/// An error as plain data.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct ErrorInfo {
    /// What to do about it.
    pub kind: ErrorKind,
    /// A stable machine word inside the kind.
    pub reason: String,
    /// A sentence for developers.
    pub detail: String,
    /// A sentence fit for an end user.
    pub user_message: String,
    /// What was being done, as `conversation.send`.
    pub operation: String,
    /// Whether repeating can help.
    pub retry: Retry,
    /// The shortest wait before repeating, in milliseconds.
    pub retry_after_ms: Option<i64>,
    /// Who says so.
    pub retry_after_source: Option<RetryAfterSource>,
    /// True when the message is kept.
    pub saved: bool,
    /// The turn, when there is one.
    pub turn_id: Option<String>,
    /// What had arrived.
    pub partial: Vec<Part>,
    /// The limit that refused, and where it stands.
    pub budget: Option<BudgetStatus>,
    /// How many tokens fit.
    pub limit_tokens: Option<i64>,
    /// How many there were, by estimate.
    pub estimated_tokens: Option<i64>,
    /// Who failed.
    pub provider: Option<String>,
    /// The model that was asked.
    pub model: Option<String>,
    /// The HTTP status.
    pub status: Option<i32>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// Every try.
    pub attempts: Vec<Attempt>,
}

impl From<model::ErrorInfo> for ErrorInfo {
    fn from(info: model::ErrorInfo) -> Self {
        let model::ErrorInfo {
            kind,
            reason,
            detail,
            user_message,
            operation,
            retry,
            retry_after_ms,
            retry_after_source,
            saved,
            turn_id,
            partial,
            budget,
            limit_tokens,
            estimated_tokens,
            provider,
            model,
            status,
            request_id,
            attempts,
        } = info;
        Self {
            kind: kind.into(),
            reason,
            detail,
            user_message,
            operation,
            retry: retry.into(),
            retry_after_ms,
            retry_after_source: retry_after_source.map(RetryAfterSource::from),
            saved,
            turn_id: turn_id.map(|id| id.to_string()),
            partial: part::all(partial),
            budget: budget.map(BudgetStatus::from),
            limit_tokens,
            estimated_tokens,
            provider,
            model,
            status,
            request_id,
            attempts: attempts.into_iter().map(Attempt::from).collect(),
        }
    }
}

impl fmt::Display for ErrorInfo {
    /// One line for developers. What had arrived of the reply is no part of it: exceptions end in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", base::ErrorKind::from(self.kind))?;
        if !self.reason.is_empty() {
            write!(f, " ({})", self.reason)?;
        }
        if !self.operation.is_empty() {
            write!(f, " in {}", self.operation)?;
        }
        write!(f, ": {}", self.detail)
    }
}

/// Whether repeating the same call can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum Retry {
    /// Repeating cannot help before something is changed.
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

impl From<base::Retry> for Retry {
    fn from(retry: base::Retry) -> Self {
        match retry {
            base::Retry::Never => Self::Never,
            base::Retry::Safe => Self::Safe,
            base::Retry::After { after_ms } => Self::After { after_ms },
            base::Retry::Exhausted => Self::Exhausted,
        }
    }
}

/// One try of a call.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
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

impl From<base::Attempt> for Attempt {
    fn from(attempt: base::Attempt) -> Self {
        let base::Attempt { model, kind, status, delay_ms, duration_ms } = attempt;
        Self { model, kind: kind.map(ErrorKind::from), status, delay_ms, duration_ms }
    }
}

/// The error of every call, a class for each kind, and what both ways need to know of the kinds.
macro_rules! kinds {
    ($($(#[$about:meta])* $kind:ident,)*) => {
        /// What failed and what to do about it: a class for each kind, each with the same record.
        #[derive(Clone, Debug, PartialEq, uniffi::Error)]
        #[uniffi::export(Display)]
        #[non_exhaustive]
        pub enum TertuliaError {
            $($(#[$about])* $kind {
                /// Everything that is known about it.
                info: ErrorInfo,
            },)*
        }

        impl TertuliaError {
            /// Everything that is known about it.
            #[must_use]
            pub fn info(&self) -> &ErrorInfo {
                match self { $(Self::$kind { info } => info,)* }
            }
        }

        impl From<model::Error> for TertuliaError {
            fn from(error: model::Error) -> Self {
                let info = ErrorInfo::from(error.info());
                match error.kind() { $(base::ErrorKind::$kind => Self::$kind { info },)* }
            }
        }
    };
}

kinds! {
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
    /// Too fast, and waiting would pass the deadline. Wait as long as the record says.
    RateLimited,
    /// Network, provider down, overloaded, or an answer that made no sense. Later, or another target.
    Unavailable,
    /// A time limit passed before any text. Longer limit, or later.
    TimedOut,
    /// Too many tokens for every target. Shorten, or use a larger model.
    ContextTooLong,
    /// The provider refused the prompt or the whole answer. Rephrase.
    ContentFiltered,
    /// The reply broke off after it began. What had arrived is in the record; retry the turn.
    Truncated,
    /// The answer does not fit the schema. Other model, or look at what had arrived.
    OutputInvalid,
    /// Stopped by someone else. Nothing to do.
    Cancelled,
    /// Could not save or read. Nothing was sent. Free space, retry.
    Storage,
    /// The engine is closed. Open it again.
    Closed,
    /// A bug of ours; the store stays usable. Report it.
    Internal,
}

impl fmt::Display for TertuliaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info().fmt(f)
    }
}

impl std::error::Error for TertuliaError {}
