//! Floor 6: what crosses a language border, written once for all of them.
//!
//! UniFFI reads this room and makes Kotlin and Swift of it. It carries no generics, no recursion and nothing
//! borrowed, so the records here are the border's own views of the nouns in `model`, which stays free of it. Integers
//! are signed, ids and cursors are text, JSON is text, moments are the language's own.
//!
//! Calls are coarse, for each costs microseconds: a stream is pulled in batches. Every call that waits takes an
//! optional [`CancelToken`], because not every language can drop a future; where one can, that stops the call as well.
//!
//! What a host gives in code is called from here: traits of which it has the implementation.

mod batch;
mod budget;
mod cancel;
mod catalogue;
mod chat_request;
mod context;
mod conversation;
mod conversation_change;
mod conversation_summary;
mod conversations_watch;
mod engine_event;
mod erasure;
mod error;
mod event;
mod failure;
mod ground;
mod health;
mod history;
mod id;
mod json;
mod key_source;
mod library;
mod logs;
mod message;
mod options;
mod outbox;
mod page;
mod part;
mod preferences;
mod provider;
mod pull;
mod raw;
mod reply;
mod row;
mod search;
mod spending;
mod sse;
mod stream;
mod tertulia;
mod tiers;
mod timeline;
mod transfer;
mod tree;
mod turn;
mod upkeep;
mod user;
mod words;

#[cfg(test)]
mod tests;

pub use batch::{Batch, BatchItem, BatchPhase, BatchProgress, BatchReport, BatchRun, BatchState, BatchVerb};
pub use budget::{Budget, BudgetLimit, BudgetScope, BudgetStatus, Window};
pub use cancel::CancelToken;
pub use catalogue::{Capabilities, ModelInfo, Price, ProviderInfo};
pub use chat_request::{ChatRequest, Sampling};
pub use context::{ContextOptions, ContextReport, SummaryReport};
pub use conversation::Conversation;
pub use conversation_change::{ConversationChange, Expiry, TextChange};
pub use conversation_summary::ConversationSummary;
pub use conversations_watch::ConversationsWatch;
pub use engine_event::{EngineEvent, EngineEventKind, Events};
pub use erasure::ErasureReport;
pub use error::{Attempt, ErrorInfo, Retry, TertuliaError};
pub use event::{Progress, StreamEvent, StreamEventKind};
pub use failure::failure;
pub use health::{Health, PartHealth};
pub use history::{ConversationOpening, HistoryAnchor, Messages};
pub use key_source::KeySource;
pub use library::{Library, LibraryCache, LibraryEntry, LibraryHealth, LibraryItem, LibraryValue, LibraryVersion};
pub use logs::{LogLevel, LogListener, LogRecord, forward_logs};
pub use message::{Message, NewMessage};
pub use options::{CallOptions, OpenOptions, OutputSchema, PromptCache, ProviderSpec, ToolChoice, ToolSpec};
pub use outbox::{Outbox, OutboxItem, OutboxWatch};
pub use page::{BranchPage, ConversationPage, MessagePage, SearchPage};
pub use part::{Citation, Media, MediaSource, Part, ToolCall, ToolResult};
pub use preferences::{Preferences, PreferencesChange};
pub use provider::{OwnReply, Provider, ProviderCode};
pub use raw::{ProviderHandle, RawResponse};
pub use reply::{Cost, Reply, Usage};
pub use row::{ConversationDiff, TimelineDiff, TimelineFocus, TimelineItem, TimelineItemKind};
pub use search::{SearchHit, Span};
pub use spending::{Forecast, UsageBy, UsageReport, UsageRow, UsageTotal};
pub use sse::SseStream;
pub use stream::ReplyStream;
pub use tertulia::{Tertulia, open_tertulia};
pub use tiers::Tier;
pub use timeline::{Timeline, TimelineSse};
pub use transfer::{ExportReport, ImportProblem, ImportReport};
pub use tree::Branch;
pub use turn::Turn;
pub use upkeep::{Repair, StorageKind, StorageReport, StoreProblem, StoreProblemKind, StoreUpkeep, Verification};
pub use user::UserScope;
pub use words::{
    BreakerState, CacheMode, CostSource, Delivery, Detail, ErrorKind, FinishReason, HealthState, ImportFormat,
    MessageStatus, MidStream, Priority, ReasoningEffort, ReplyStatus, RetryAfterSource, Role, SearchSort, TurnState,
    UsageSource,
};
