//! Floor 1: the nouns. Plain data that serialises; no behaviour that needs the world.

mod capability;
mod draft;
mod embedding;
mod error;
mod event;
mod message;
mod part;
mod price;
mod priority;
mod quota;
mod reply;
mod request;
mod tool;
mod turn;
mod usage;

#[cfg(test)]
mod tests;

pub use capability::{Capabilities, ModelInfo, ProviderInfo};
pub use draft::ReplyDraft;
pub use embedding::{EmbedRequest, Embeddings};
pub use error::{Error, ErrorInfo, ProviderError, Result, RetryAfterSource};
pub use event::{Progress, StreamEvent, StreamEventKind};
pub use message::{ConversationSummary, Message, MessageStatus, NewMessage, Role};
pub use part::{Citation, Media, MediaSource, Part, text_of};
pub use price::{Price, PriceChange, PriceTier};
pub use priority::Priority;
pub use quota::{Allowance, Quota};
pub use reply::{FinishReason, Reply, ReplyStatus};
pub use request::{ChatRequest, OutputSchema, PromptCache, ReasoningEffort, Sampling};
pub use tool::{GrammarSyntax, TextFormat, ToolCall, ToolChoice, ToolResult, ToolSpec};
pub use turn::{Delivery, Turn, TurnState};
pub use usage::{Cost, CostSource, Usage, UsageSource};
