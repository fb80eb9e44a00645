//! Floor 6: what crosses a language border, written once for all of them.
//!
//! UniFFI reads this room and makes Kotlin and Swift of it. It carries no generics, no recursion and nothing
//! borrowed, so the records here are the border's own views of the nouns in `model`, which stays free of it. Integers
//! are signed, ids and cursors are text, JSON is text, moments are the language's own.
//!
//! Calls are coarse, for each costs microseconds: a stream is pulled in batches. Every call that waits takes an
//! optional [`CancelToken`], because not every language can drop a future; where one can, that stops the call as well.

mod cancel;
mod context;
mod conversation;
mod conversation_change;
mod conversation_summary;
mod erasure;
mod error;
mod event;
mod ground;
mod history;
mod id;
mod json;
mod message;
mod options;
mod page;
mod part;
mod pull;
mod reply;
mod search;
mod sse;
mod stream;
mod tertulia;
mod transfer;
mod tree;
mod turn;
mod user;
mod words;

#[cfg(test)]
mod tests;

pub use cancel::CancelToken;
pub use context::{ContextOptions, ContextReport, SummaryReport};
pub use conversation::Conversation;
pub use conversation_change::{ConversationChange, Expiry, TextChange};
pub use conversation_summary::ConversationSummary;
pub use erasure::ErasureReport;
pub use error::{Attempt, ErrorInfo, Retry, TertuliaError};
pub use event::{Progress, StreamEvent, StreamEventKind};
pub use history::{ConversationOpening, HistoryAnchor, Messages};
pub use message::{Message, NewMessage};
pub use options::{CallOptions, OpenOptions, OutputSchema, PromptCache, ProviderSpec, ToolChoice, ToolSpec};
pub use page::{BranchPage, ConversationPage, MessagePage, SearchPage};
pub use part::{Citation, Media, MediaSource, Part, ToolCall, ToolResult};
pub use reply::{Cost, Reply, Usage};
pub use search::{SearchHit, Span};
pub use sse::SseStream;
pub use stream::ReplyStream;
pub use tertulia::{Tertulia, open_tertulia};
pub use transfer::{ExportReport, ImportProblem, ImportReport};
pub use tree::Branch;
pub use turn::Turn;
pub use user::UserScope;
pub use words::{
    CacheMode, CostSource, Detail, ErrorKind, FinishReason, ImportFormat, MessageStatus, MidStream, Priority,
    ReasoningEffort, ReplyStatus, RetryAfterSource, Role, SearchSort, TurnState, UsageSource,
};
