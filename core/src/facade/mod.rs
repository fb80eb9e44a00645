//! Floor 6: what crosses a language border, written once for all of them.
//!
//! UniFFI reads this room and makes Kotlin and Swift of it. It carries no generics, no recursion and nothing
//! borrowed, so the records here are the border's own views of the nouns in `model`, which stays free of it. Integers
//! are signed, ids and cursors are text, JSON is text, moments are the language's own.
//!
//! Calls are coarse, for each costs microseconds: a stream is pulled in batches. Every call that waits takes an
//! optional [`CancelToken`], because not every language can drop a future; where one can, that stops the call as well.

mod cancel;
mod conversation;
mod error;
mod event;
mod ground;
mod json;
mod message;
mod options;
mod part;
mod reply;
mod stream;
mod tertulia;
mod user;
mod words;

#[cfg(test)]
mod tests;

pub use cancel::CancelToken;
pub use conversation::Conversation;
pub use error::{Attempt, ErrorInfo, Retry, TertuliaError};
pub use event::{Progress, StreamEvent, StreamEventKind};
pub use message::{HistoryAnchor, Message, MessagePage, NewMessage};
pub use options::{CallOptions, OpenOptions, OutputSchema, PromptCache, ProviderSpec, ToolChoice, ToolSpec};
pub use part::{Citation, Media, MediaSource, Part, ToolCall, ToolResult};
pub use reply::{Cost, Reply, Usage};
pub use stream::ReplyStream;
pub use tertulia::{Tertulia, open_tertulia};
pub use user::UserScope;
pub use words::{
    CostSource, ErrorKind, FinishReason, MessageStatus, Priority, ReasoningEffort, ReplyStatus, RetryAfterSource, Role,
    UsageSource,
};
