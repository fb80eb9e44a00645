//! Floor 1: the nouns. Plain data that serialises; no behaviour that needs the world.

mod capability;
mod draft;
mod embedding;
mod error;
mod event;
mod message;
mod outbox;
mod part;
mod price;
mod reply;
mod request;
mod sentences;
mod tool;
mod turn;
mod usage;

#[cfg(test)]
mod tests;

pub use capability::{Capabilities, ModelInfo, ProviderInfo};
pub use draft::ReplyDraft;
pub use embedding::{EmbedRequest, Embeddings};
pub use error::{Error, ErrorInfo, ProviderError, Result};
pub use event::{Progress, StreamEvent, StreamEventKind};
pub use message::{ConversationSummary, Message, MessageStatus, NewMessage, Role};
pub use outbox::OutboxItem;
pub use part::{Citation, Media, MediaSource, Part, text_of};
pub use price::{Price, PriceChange, PriceTier};
pub use reply::{FinishReason, Reply, ReplyStatus};
pub use request::{ChatRequest, OutputSchema, PromptCache, ReasoningEffort, Sampling};
pub use sentences::SentenceSettings;
pub use tool::{GrammarSyntax, TextFormat, ToolCall, ToolChoice, ToolResult, ToolSpec};
pub use turn::{Delivery, Turn, TurnState};
pub use usage::{Cost, CostSource, Usage, UsageSource};
