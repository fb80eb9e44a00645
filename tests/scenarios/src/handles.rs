//! What steps have made and others are done with.

use tertulia::model::ConversationSummary;
use tertulia::{
    Batch, BatchRun, Conversation, ConversationsWatch, Events, Library, LibraryCache, Outbox, OutboxWatch,
    ProviderHandle, StoreUpkeep, Tertulia, Timeline, TimelineItem, UserScope,
};

pub(crate) enum Handle {
    Engine(Tertulia),
    User(UserScope),
    Conversation(Conversation),
    /// With the rows that are shown.
    Timeline(Timeline, Vec<TimelineItem>),
    ConversationsWatch(ConversationsWatch, Vec<ConversationSummary>),
    Library(Library),
    LibraryCache(LibraryCache),
    Outbox(Outbox),
    OutboxWatch(OutboxWatch),
    Batch(Batch),
    BatchRun(BatchRun),
    Store(StoreUpkeep),
    Provider(ProviderHandle),
    Events(Events),
}

impl Handle {
    /// What its verbs begin with in the list of verbs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Engine(_) => "engine",
            Self::User(_) => "user",
            Self::Conversation(_) => "conversation",
            Self::Timeline(..) => "timeline",
            Self::ConversationsWatch(..) => "conversations_watch",
            Self::Library(_) => "library",
            Self::LibraryCache(_) => "library_cache",
            Self::Outbox(_) => "outbox",
            Self::OutboxWatch(_) => "outbox_watch",
            Self::Batch(_) => "batch",
            Self::BatchRun(_) => "batch_run",
            Self::Store(_) => "store",
            Self::Provider(_) => "provider",
            Self::Events(_) => "events",
        }
    }
}
