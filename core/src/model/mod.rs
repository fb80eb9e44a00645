//! Floor 1: the nouns. Plain data that serialises; no behaviour that needs the world.

mod batch;
mod budget;
mod capability;
mod context;
mod council;
mod draft;
mod embedding;
mod engine_event;
mod error;
mod event;
mod forecast;
mod health;
mod library;
mod message;
mod outbox;
mod part;
mod preferences;
mod price;
mod priority;
mod quota;
mod reply;
mod request;
mod run;
mod search;
mod sentences;
mod spending;
mod stats;
mod tier;
mod timeline;
mod tool;
mod transfer;
mod turn;
mod upkeep;
mod usage;
mod window;
mod written;

#[cfg(test)]
mod tests;

pub use batch::{BatchItem, BatchPhase, BatchProgress, BatchReport, BatchState, BatchVerb, ErasureReport};
pub use budget::{Budget, BudgetAlert, BudgetLimit, BudgetScope, BudgetStatus, Spend};
pub use capability::{Capabilities, ModelInfo, ProviderInfo};
pub use context::{ContextReport, SummaryReport};
pub use council::{CouncilPreview, CouncilResult, CouncilStage, Degraded, MemberAnswer, Standing};
#[cfg(feature = "engine")]
pub(crate) use draft::Growth;
pub use draft::ReplyDraft;
pub use embedding::{EmbedRequest, Embeddings};
pub use engine_event::{BreakerState, EngineEvent, EngineEventKind};
pub use error::{Error, ErrorInfo, ProviderError, Result, RetryAfterSource};
pub use event::{Progress, StreamEvent, StreamEventKind};
pub use forecast::Forecast;
pub use health::{
    BreakerHealth, Health, HealthState, LimitHealth, OperationHealth, PartHealth, SlowQuery, SlowStatement,
    StoreFigures, TaskHealth,
};
pub use library::{LibraryEntry, LibraryHealth, LibraryItem, LibraryVersion};
pub use message::{Branch, ConversationSummary, Detail, Message, MessageStatus, NewMessage, Role};
pub use outbox::OutboxItem;
pub use part::{Citation, Media, MediaSource, Part, text_of};
pub use preferences::{MAX_PREFERENCES_BYTES, Preferences, PreferencesChange};
pub use price::{Price, PriceChange, PriceTier};
pub use priority::Priority;
pub use quota::{Allowance, Quota};
pub use reply::{FinishReason, Reply, ReplyStatus};
pub use request::{ChatRequest, OutputSchema, PromptCache, ReasoningEffort, Sampling};
pub use run::{AgentResult, RunEvent, RunEventKind, RunStatus, RunSummary};
pub use search::{SearchHit, SearchSort, Span};
pub use sentences::SentenceSettings;
pub use spending::{UsageBy, UsageReport, UsageRow, UsageTotal};
pub use stats::{Spread, Stats, TargetStats};
pub use tier::Tier;
pub use timeline::{TimelineDiff, TimelineFocus, TimelineItem, TimelineItemKind};
pub use tool::{GrammarSyntax, TextFormat, ToolCall, ToolChoice, ToolResult, ToolSpec};
pub use transfer::{ExportReport, ImportFormat, ImportProblem, ImportReport};
pub use turn::{Delivery, Turn, TurnState};
pub use upkeep::{Repair, StorageKind, StorageReport, StoreProblem, StoreProblemKind, Verification};
pub use usage::{Cost, CostSource, Usage, UsageSource};
pub use window::Window;
pub use written::Written;
