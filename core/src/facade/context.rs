//! What a model would be shown of a conversation.

use std::sync::Arc;
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::conversation::Conversation;
use super::error::TertuliaError;
use super::message::moment;
use super::options::CallOptions;
use crate::{engine, model};

/// How much of a conversation the model of one call is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ContextOptions {
    /// At most so many turns, the newest ones; at least 1. What `settings.context.max_turns` says unless set.
    #[uniffi(default)]
    pub turns: Option<i64>,
    /// At most so many tokens in all that is sent, by estimate; at least 1. What `settings.context.max_tokens` says unless
    /// set.
    #[uniffi(default)]
    pub tokens: Option<i64>,
    /// Whether a summary stands for what is left out, and is written where it is not there yet. What
    /// `settings.context.summary.enabled` says unless set.
    #[uniffi(default)]
    pub summary: Option<bool>,
}

impl From<ContextOptions> for engine::ContextOptions {
    fn from(options: ContextOptions) -> Self {
        let ContextOptions { turns, tokens, summary } = options;
        Self { turns, tokens, summary }
    }
}

/// What a model would be shown of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ContextReport {
    /// How many messages, a summary in front of them not counted.
    pub messages: i64,
    /// How many turns: what a user says and all that answers it is one.
    pub turns: i64,
    /// About how many tokens they are, with the summary, instructions, tools and the shape of the answer.
    pub tokens: i64,
    /// How many tokens there is room for, a reserve for the estimate's error included.
    pub limit_tokens: i64,
    /// True when no message is left out.
    pub is_whole: bool,
    /// The summary that would stand in front, for what is left out; nothing while none is written, or none is wanted.
    pub summary: Option<SummaryReport>,
}

impl From<model::ContextReport> for ContextReport {
    fn from(report: model::ContextReport) -> Self {
        let model::ContextReport { messages, turns, tokens, limit_tokens, is_whole, summary } = report;
        Self { messages, turns, tokens, limit_tokens, is_whole, summary: summary.map(SummaryReport::from) }
    }
}

/// A summary of what was said before the messages that a model is shown.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SummaryReport {
    /// The last message in it. What stands between this one and the first one that is shown is left out.
    pub upto: String,
    /// About how many tokens it is, as it stands in front.
    pub tokens: i64,
    /// The model that wrote it, as `provider/model`.
    pub model: String,
    /// When it was written.
    pub created_at: SystemTime,
}

impl From<model::SummaryReport> for SummaryReport {
    fn from(report: model::SummaryReport) -> Self {
        let model::SummaryReport { upto, tokens, model, created_at } = report;
        Self { upto: upto.to_string(), tokens, model, created_at: moment(created_at) }
    }
}

#[uniffi::export]
impl Conversation {
    /// What a model would be shown of the conversation as it stands, with these knobs: how many messages, and about how
    /// many tokens. Nothing is sent and nothing changes.
    ///
    /// # Errors
    /// `Invalid` for knobs that `send` would refuse, `NotFound`, `Storage`, `Cancelled`.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn context(
        &self,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<ContextReport, TertuliaError> {
        let verb = self.chat.context().with(options.try_into()?);
        self.ground.run(cancel, verb.into_future()).await.map(ContextReport::from)
    }
}
