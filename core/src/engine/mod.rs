//! Floor 4: the engine. `Tertulia` → `UserScope` → `Conversation` → `ReplyStream` → `Reply`.

mod ask;
mod attach;
mod builder;
mod catalogue;
mod content;
mod context;
mod conversation;
mod degrade;
mod delivery;
mod draft;
mod history;
mod home;
mod journal;
mod kept;
mod listing;
mod log;
mod media;
mod options;
mod outbox;
mod queue;
mod raw;
mod rows;
mod settings;
mod stream;
mod target;
mod tasks;
mod tertulia;
mod turn;
mod user;

#[cfg(test)]
mod tests;

pub use ask::AskOf;
pub use builder::TertuliaBuilder;
pub use content::{Content, MAX_MEDIA_BYTES};
pub use conversation::{Conversation, ConversationOptions, SendTo, StreamTo};
pub use history::{ConversationsCall, HistoryCall};
pub use options::{CallOptions, Verb};
pub use outbox::{Outbox, OutboxWatch};
pub use raw::{ProviderHandle, RawResponse};
pub use settings::{Settings, StoreSettings, did_you_mean};
pub use stream::ReplyStream;
pub use tertulia::Tertulia;
pub use user::UserScope;
