//! Floor 4: the engine. `Tertulia` → `UserScope` → `Conversation` → `ReplyStream` → `Reply`.

mod alerts;
mod ask;
mod attach;
mod builder;
mod catalogue;
mod content;
mod context;
mod conversation;
mod delivery;
mod draft;
mod fallback;
mod forecast;
mod health;
mod history;
mod home;
mod journal;
mod listing;
mod log;
mod media;
mod meter;
mod options;
mod queue;
mod raw;
mod reconfigure;
mod rows;
mod settings;
mod shared;
mod spending;
mod stream;
mod target;
mod tasks;
mod tertulia;
mod tiers;
mod turn;
mod user;
mod watch;
mod watched_store;

#[cfg(test)]
mod tests;

pub use alerts::SpendingAlert;
pub use ask::AskOf;
pub use builder::TertuliaBuilder;
pub use content::{Content, MAX_MEDIA_BYTES};
pub use conversation::{Conversation, ConversationOptions, SendTo, StreamTo};
pub use history::{ConversationsCall, HistoryCall};
pub use options::{CallOptions, Verb};
pub use raw::{ProviderHandle, RawResponse};
pub use reconfigure::Reconfiguration;
pub use settings::{Settings, StoreSettings, did_you_mean};
pub use shared::{reset, shared};
pub use spending::UsageCall;
pub use stream::ReplyStream;
pub use tertulia::Tertulia;
pub use user::UserScope;
pub use watch::Events;
