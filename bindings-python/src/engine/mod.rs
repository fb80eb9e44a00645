//! The five nouns as Python classes, each in two manners: waiting, and to be awaited.
//!
//! A handle holds words (user, id, options) and the way to the engine, which is opened by the first
//! verb that needs it, in the process that uses it. What a verb does is written once, in [`twins!`].

#[macro_use]
mod twins;
mod agent;
mod batch;
mod chat;
mod conversation;
mod events;
mod incoming;
mod library;
mod listener;
mod messages;
mod options;
mod outbox;
mod provider;
mod root;
mod run;
mod spending;
mod sse;
mod stream;
mod tertulia;
mod timeline;
mod upkeep;
mod user;

use pyo3::prelude::*;

pub(crate) use options::NAMES as OPTION_NAMES;

/// Puts the classes into the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<tertulia::Tertulia>()?;
    module.add_class::<tertulia::AsyncTertulia>()?;
    module.add_class::<user::UserScope>()?;
    module.add_class::<user::AsyncUserScope>()?;
    module.add_class::<conversation::Conversation>()?;
    module.add_class::<conversation::AsyncConversation>()?;
    module.add_class::<run::Run>()?;
    module.add_class::<run::AsyncRun>()?;
    module.add_class::<batch::Batch>()?;
    module.add_class::<batch::AsyncBatch>()?;
    module.add_class::<batch::BatchRun>()?;
    module.add_class::<batch::AsyncBatchRun>()?;
    module.add_class::<messages::Messages>()?;
    module.add_class::<messages::AsyncMessages>()?;
    module.add_class::<timeline::Timeline>()?;
    module.add_class::<timeline::AsyncTimeline>()?;
    module.add_class::<timeline::ConversationsWatch>()?;
    module.add_class::<timeline::AsyncConversationsWatch>()?;
    module.add_class::<upkeep::StoreUpkeep>()?;
    module.add_class::<upkeep::AsyncStoreUpkeep>()?;
    module.add_class::<library::Library>()?;
    module.add_class::<library::AsyncLibrary>()?;
    module.add_class::<library::LibraryCache>()?;
    module.add_class::<outbox::Outbox>()?;
    module.add_class::<outbox::AsyncOutbox>()?;
    module.add_class::<outbox::OutboxWatch>()?;
    module.add_class::<outbox::AsyncOutboxWatch>()?;
    module.add_class::<stream::ReplyStream>()?;
    module.add_class::<stream::AsyncReplyStream>()?;
    module.add_class::<sse::SseStream>()?;
    module.add_class::<sse::AsyncSseStream>()?;
    module.add_class::<stream::TextStream>()?;
    module.add_class::<stream::AsyncTextStream>()?;
    module.add_class::<events::EngineEvents>()?;
    module.add_class::<events::AsyncEngineEvents>()?;
    module.add_class::<provider::ProviderHandle>()?;
    module.add_class::<provider::AsyncProviderHandle>()?;
    module.add_class::<provider::RawResponse>()
}
