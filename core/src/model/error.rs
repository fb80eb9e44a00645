//! The error value: what failed, what to do about it, and what had arrived by then.
//!
//! One struct for the whole product (decision 0001). `Display` says one line without its cause;
//! causes are reached by `source()`. Neither ever holds prompt text or a key: a provider's own
//! words, which may quote the prompt, stay behind [`ProviderError::message`].

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::budget::BudgetStatus;
use super::part::Part;
use super::sentences::SentenceSettings;
#[cfg(feature = "engine")]
use super::usage::{Cost, Usage};
use crate::base::{Attempt, ErrorKind, Json, Malformed, Retry, TurnId};

/// The result of everything that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What failed and what to do about it.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    info: ErrorInfo,
    reason: Cow<'static, str>,
    provider_error: Option<ProviderError>,
    #[cfg(feature = "engine")]
    spent: Option<Box<(Usage, Cost)>>,
    /// True when a request was refused here, before anything of it was sent.
    #[cfg(feature = "engine")]
    unsent: bool,
    source: Option<std::sync::Arc<dyn std::error::Error + Send + Sync>>,
    /// Sentences for the end user; nothing = the English ones.
    sentences: Option<std::sync::Arc<SentenceSettings>>,
    /// True when the message will be sent by itself.
    waits: bool,
}

/// An error as plain data, for other languages, for JSON, for a reply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// The shortest wait before repeating, in milliseconds. What is `RateLimited` always has one.
    pub retry_after_ms: Option<i64>,
    /// Who says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_source: Option<RetryAfterSource>,
    /// True when the message is kept.
    pub saved: bool,
    /// The turn, when there is one.
    pub turn_id: Option<TurnId>,
    /// What had arrived.
    pub partial: Vec<Part>,
    /// The budget that refused, and what is left of it.
    #[serde(default)]
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

/// Who says how long to wait before repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryAfterSource {
    /// The provider named the time.
    Server,
    /// The engine's own count of the provider's limits.
    Bucket,
    /// Nobody knows; it is a guess.
    Assumed,
}

/// What is `RateLimited` without anybody saying for how long.
const ASSUMED_WAIT_MS: i64 = 60_000;

/// A provider's own account of a failure. Its message may quote the prompt, so it shows itself
/// only when asked and is never written to a log.
#[derive(Clone, Default, PartialEq)]
pub struct ProviderError {
    /// The HTTP status, or for an error inside a stream the status that the payload itself names.
    pub status: Option<i32>,
    /// The provider's type word.
    pub kind: Option<String>,
    /// The provider's code: a word or a number.
    pub code: Option<Json>,
    /// The parameter that is at fault.
    pub param: Option<String>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// The header or body hint of when to come back, as written.
    pub retry_after: Option<String>,
    /// What the provider behind a router answered, as the router hands it on. May quote the prompt, as the message.
    pub upstream: Option<String>,
    message: String,
}

impl ProviderError {
    /// An account with these words.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// The provider's own words. They may quote the prompt: show them to whoever wrote it, log them nowhere.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Debug for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderError")
            .field("status", &self.status)
            .field("message", &format_args!("[{} bytes]", self.message.len()))
            .finish_non_exhaustive()
    }
}

impl Error {
    /// A failure of this kind. `reason` is a stable word inside the kind, `detail` tells developers what
    /// is wrong and what to do; neither may hold prompt text or a key.
    pub fn new(kind: ErrorKind, reason: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        let reason = reason.into();
        let assumed = kind == ErrorKind::RateLimited;
        let info = ErrorInfo {
            kind,
            reason: String::new(),
            detail: detail.into(),
            user_message: String::new(),
            operation: String::new(),
            retry: Retry::Never,
            retry_after_ms: assumed.then_some(ASSUMED_WAIT_MS),
            retry_after_source: assumed.then_some(RetryAfterSource::Assumed),
            saved: false,
            turn_id: None,
            partial: Vec::new(),
            budget: None,
            limit_tokens: None,
            estimated_tokens: None,
            provider: None,
            model: None,
            status: None,
            request_id: None,
            attempts: Vec::new(),
        };
        Self(Box::new(Inner {
            info,
            reason,
            provider_error: None,
            #[cfg(feature = "engine")]
            spent: None,
            #[cfg(feature = "engine")]
            unsent: false,
            source: None,
            sentences: None,
            waits: false,
        }))
    }

    /// The call cannot work as written.
    pub fn invalid(reason: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, reason, detail)
    }

    /// A bug of ours.
    pub fn internal(detail: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, "bug", detail)
    }

    /// What to do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.info.kind
    }

    /// A stable machine word inside the kind.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// A sentence for developers.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.0.info.detail
    }

    /// What was being done, as `conversation.send`.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.info.operation
    }

    /// Whether repeating the same call can help.
    #[must_use]
    pub fn retry(&self) -> Retry {
        self.0.info.retry
    }

    /// The shortest wait before repeating.
    #[must_use]
    pub fn retry_after(&self) -> Option<std::time::Duration> {
        self.0.info.retry_after_ms.and_then(|ms| u64::try_from(ms).ok()).map(std::time::Duration::from_millis)
    }

    /// Who says so: the provider, the engine's count of its limits, or nobody.
    #[must_use]
    pub fn retry_after_source(&self) -> Option<RetryAfterSource> {
        self.0.info.retry_after_source
    }

    /// True when the message is kept.
    #[must_use]
    pub fn saved(&self) -> bool {
        self.0.info.saved
    }

    /// The turn, when there is one.
    #[must_use]
    pub fn turn_id(&self) -> Option<TurnId> {
        self.0.info.turn_id
    }

    /// What had arrived.
    #[must_use]
    pub fn partial(&self) -> &[Part] {
        &self.0.info.partial
    }

    /// The budget that refused, and what is left of it.
    #[must_use]
    pub fn budget(&self) -> Option<&BudgetStatus> {
        self.0.info.budget.as_ref()
    }

    /// Who failed.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.0.info.provider.as_deref()
    }

    /// The model that was asked.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.0.info.model.as_deref()
    }

    /// The HTTP status of the provider.
    #[must_use]
    pub fn status(&self) -> Option<i32> {
        self.0.info.status
    }

    /// The provider's id of the request.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.0.info.request_id.as_deref()
    }

    /// Every try.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.info.attempts
    }

    /// The provider's own account, when it gave one.
    #[must_use]
    pub fn provider_error(&self) -> Option<&ProviderError> {
        self.0.provider_error.as_ref()
    }

    /// What the reply that broke off took and cost, as far as somebody knows. For the journal; the host finds it at the
    /// message that is kept.
    #[cfg(feature = "engine")]
    pub(crate) fn spent(&self) -> Option<(&Usage, &Cost)> {
        self.0.spent.as_ref().map(|spent| (&spent.0, &spent.1))
    }

    /// True when the request was refused here: nothing was sent, so it was no try.
    #[cfg(feature = "engine")]
    pub(crate) fn is_unsent(&self) -> bool {
        self.0.unsent
    }

    /// The HTTP status a server that embeds the engine may answer with.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        self.kind().http_status()
    }

    /// A sentence fit for an end user: in English, or in the words of `settings.sentences`.
    #[must_use]
    pub fn user_message(&self) -> String {
        let Inner { info, sentences, waits, .. } = &*self.0;
        match sentences {
            Some(sentences) => sentences.say(info, *waits),
            // What was kept as plain data says what it said then.
            None if !info.user_message.is_empty() => info.user_message.clone(),
            None => SentenceSettings::default().say(info, *waits),
        }
    }

    /// The error as plain data.
    #[must_use]
    pub fn info(&self) -> ErrorInfo {
        let mut info = self.0.info.clone();
        info.reason = self.reason().to_owned();
        info.user_message = self.user_message();
        info
    }

    /// Says what was being done, unless something nearer to the failure said it before.
    #[must_use]
    pub fn during(mut self, operation: &'static str) -> Self {
        if self.0.info.operation.is_empty() {
            operation.clone_into(&mut self.0.info.operation);
        }
        self
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(std::sync::Arc::new(source));
        self
    }

    /// Says whether repeating can help. `After` also sets `retry_after`, as the provider's word.
    #[must_use]
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.info.retry = retry;
        self.0.info.user_message.clear();
        match retry {
            Retry::After { after_ms } => self.with_retry_after(after_ms, RetryAfterSource::Server),
            _ => self,
        }
    }

    /// Says how long to wait before repeating, in milliseconds, and who knows it. Whether repeating can help, and what
    /// the engine itself does about it, stays as it is.
    #[must_use]
    pub fn with_retry_after(mut self, after_ms: i64, source: RetryAfterSource) -> Self {
        self.0.info.retry_after_ms = Some(after_ms);
        self.0.info.retry_after_source = Some(source);
        self
    }

    /// Says who failed.
    #[must_use]
    pub fn with_target(mut self, provider: &str, model: &str) -> Self {
        self.0.info.provider = Some(provider.to_owned());
        self.0.info.model = Some(model.to_owned());
        self
    }

    /// Speaks to end users in these sentences.
    #[must_use]
    pub fn worded(mut self, sentences: &std::sync::Arc<SentenceSettings>) -> Self {
        self.0.sentences = Some(sentences.clone());
        self
    }

    /// Says that the message will be sent by itself.
    #[must_use]
    pub fn waiting(mut self) -> Self {
        self.0.waits = true;
        self.0.info.user_message.clear();
        self
    }

    /// Keeps the HTTP status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.0.info.status = Some(i32::from(status));
        self
    }

    /// Keeps the provider's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<String>) -> Self {
        self.0.info.request_id = Some(id.into());
        self
    }

    /// Keeps the provider's own account.
    #[must_use]
    pub fn with_provider_error(mut self, error: ProviderError) -> Self {
        if self.0.info.request_id.is_none() {
            self.0.info.request_id.clone_from(&error.request_id);
        }
        self.0.provider_error = Some(error);
        self
    }

    /// Says how many tokens fit and how many there were.
    #[must_use]
    pub fn with_tokens(mut self, limit: Option<i64>, estimated: Option<i64>) -> Self {
        self.0.info.limit_tokens = limit;
        self.0.info.estimated_tokens = estimated;
        self
    }

    /// Says which budget refused.
    #[must_use]
    pub fn with_budget(mut self, status: BudgetStatus) -> Self {
        self.0.info.budget = Some(status);
        self
    }

    /// Keeps what had arrived.
    #[must_use]
    pub fn with_partial(mut self, parts: Vec<Part>) -> Self {
        self.0.info.partial = parts;
        self
    }

    /// Keeps what the reply took and cost that broke off.
    #[cfg(feature = "engine")]
    #[must_use]
    pub(crate) fn with_spent(mut self, usage: Usage, cost: Cost) -> Self {
        self.0.spent = Some(Box::new((usage, cost)));
        self
    }

    /// Says that nothing was sent.
    #[cfg(feature = "engine")]
    #[must_use]
    pub(crate) fn unsent(mut self) -> Self {
        self.0.unsent = true;
        self
    }

    /// Keeps every try.
    #[must_use]
    pub fn with_attempts(mut self, attempts: Vec<Attempt>) -> Self {
        self.0.info.attempts = attempts;
        self
    }

    /// Says that the message is kept, in this turn.
    #[must_use]
    pub fn with_turn(mut self, turn: TurnId) -> Self {
        if !self.0.info.saved {
            self.0.info.user_message.clear();
        }
        self.0.info.saved = true;
        self.0.info.turn_id = Some(turn);
        self
    }

    /// Forgets the call that it ended: what was being done, turn, tries and what had arrived are not those of the call
    /// that fails because of it.
    #[cfg(feature = "engine")]
    #[must_use]
    pub(crate) fn of_another_call(mut self) -> Self {
        self.0.waits = false;
        self.0.unsent = false;
        let info = &mut self.0.info;
        info.user_message.clear();
        info.operation.clear();
        info.saved = false;
        info.turn_id = None;
        info.partial.clear();
        info.attempts.clear();
        self
    }
}

impl From<ErrorInfo> for Error {
    /// The error that was kept as plain data; causes and the provider's own account are not kept.
    fn from(info: ErrorInfo) -> Self {
        let reason = Cow::Owned(info.reason.clone());
        Self(Box::new(Inner {
            info,
            reason,
            provider_error: None,
            #[cfg(feature = "engine")]
            spent: None,
            #[cfg(feature = "engine")]
            unsent: false,
            source: None,
            sentences: None,
            waits: false,
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = &self.0.info;
        write!(f, "{}", info.kind)?;
        if !self.0.reason.is_empty() {
            write!(f, " ({})", self.0.reason)?;
        }
        if !info.operation.is_empty() {
            write!(f, " in {}", info.operation)?;
        }
        write!(f, ": {}", info.detail)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = &self.0.info;
        let mut out = f.debug_struct("Error");
        out.field("kind", &info.kind).field("reason", &self.0.reason).field("detail", &info.detail);
        if !info.operation.is_empty() {
            out.field("operation", &info.operation);
        }
        out.field("retry", &info.retry);
        if let (Some(provider), Some(model)) = (&info.provider, &info.model) {
            out.field("target", &format_args!("{provider}/{model}"));
        }
        if let Some(status) = info.status {
            out.field("status", &status);
        }
        if let Some(id) = &info.request_id {
            out.field("request_id", id);
        }
        if !info.partial.is_empty() {
            out.field("partial", &format_args!("[{} parts]", info.partial.len()));
        }
        if let Some(source) = &self.0.source {
            out.field("source", &format_args!("{source}"));
        }
        out.finish_non_exhaustive()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|s| s as &(dyn std::error::Error + 'static))
    }
}

impl Malformed {
    /// As an error of the caller, with this reason.
    pub fn into_error(self, reason: &'static str) -> Error {
        Error::invalid(reason, self.expected)
    }
}
