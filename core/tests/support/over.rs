//! A store over another one: a test sees every question, and may have something happen in its place.

use std::ops::Deref;
use std::sync::Arc;

use tertulia::base::StreamId;
use tertulia::model::{Budget, BudgetStatus};
use tertulia::store::{
    Anchor, Attachment, Bell, BranchQuery, BranchRows, ConversationRows, Due, DueRows, Durability, EntryQuery,
    EntryRecord, EntryRow, EntryVersion, EventRows, LibraryChanges, LibraryKey, ListQuery, MessageRows, PageQuery,
    QueueQuery, QueueRow, Receipt, SearchQuery, SearchRows, SiblingAnchor, Spender, Store, StoreFuture, StreamRecord,
    SummaryPlace, TreeRows, TurnRecord, Upkeep, UsageQuery, WriteBatch,
};
use tertulia::{
    AttachmentId, ConversationId, ConversationSummary, Message, MessageId, Preferences, Timestamp, TurnId, UsageReport,
};

/// What stands between an engine and its store.
pub trait Between: Send + Sync + 'static {
    /// The store is asked the question of this name, which `work` answers.
    fn asked<'a, T: Send + 'a>(
        &'a self,
        store: &'a dyn Store,
        name: &'static str,
        work: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let _ = (store, name);
        work
    }

    /// The store is to apply a batch.
    fn write<'a>(
        &'a self,
        store: &'a dyn Store,
        batch: WriteBatch,
        durability: Durability,
    ) -> StoreFuture<'a, Receipt> {
        self.asked(store, "apply", store.apply(batch, durability))
    }

    /// False when the store stays open, because several engines have it.
    fn closes(&self) -> bool {
        true
    }
}

/// A store with something before it.
pub struct Over<B> {
    pub store: Arc<dyn Store>,
    between: B,
}

impl<B: Between> Over<B> {
    pub fn new(store: Arc<dyn Store>, between: B) -> Arc<Self> {
        Arc::new(Self { store, between })
    }
}

impl<B> Deref for Over<B> {
    type Target = B;

    fn deref(&self) -> &B {
        &self.between
    }
}

macro_rules! passed_on {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> StoreFuture<'_, $answer> {
            self.between.asked(&*self.store, stringify!($name), self.store.$name($($argument),*))
        })*
    };
}

#[deny(clippy::missing_trait_methods)]
impl<B: Between> Store for Over<B> {
    fn apply(&self, batch: WriteBatch, durability: Durability) -> StoreFuture<'_, Receipt> {
        self.between.write(&*self.store, batch, durability)
    }

    fn page(&self, owner: &str, id: ConversationId, query: PageQuery) -> StoreFuture<'_, Option<MessageRows>> {
        let name = if query.upto.is_some() { "page_upto" } else { "page" };
        self.between.asked(&*self.store, name, self.store.page(owner, id, query))
    }

    fn queue_due(&self, now: Timestamp, due: Due, limit: usize) -> StoreFuture<'_, DueRows> {
        let name = if matches!(due, Due::Eager { .. }) { "queue_eager" } else { "queue_timed" };
        self.between.asked(&*self.store, name, self.store.queue_due(now, due, limit))
    }

    passed_on! {
        fn conversation(owner: &str, id: ConversationId) -> Option<ConversationSummary>;
        fn conversations(owner: &str, query: ListQuery) -> ConversationRows;
        fn open(owner: &str, id: ConversationId, query: PageQuery) -> Option<(ConversationSummary, MessageRows)>;
        fn messages(owner: &str, id: ConversationId, anchor: Anchor, limit: usize) -> Option<MessageRows>;
        fn messages_upto(
            owner: &str,
            id: ConversationId,
            last: MessageId,
            anchor: Anchor,
            limit: usize
        ) -> Option<MessageRows>;
        fn summary(owner: &str, id: ConversationId, before: Option<MessageId>) -> Option<SummaryPlace>;
        fn siblings(owner: &str, id: ConversationId, anchor: SiblingAnchor, limit: usize) -> Option<MessageRows>;
        fn branches(owner: &str, id: ConversationId, query: BranchQuery) -> Option<BranchRows>;
        fn tree(owner: &str, id: ConversationId, after: Option<MessageId>, limit: usize) -> Option<TreeRows>;
        fn known(owner: &str, id: ConversationId, ids: Vec<MessageId>) -> Vec<MessageId>;
        fn message(owner: &str, id: MessageId) -> Option<Message>;
        fn search(owner: &str, query: SearchQuery) -> Option<SearchRows>;
        fn index() -> bool;
        fn turn(owner: &str, id: TurnId) -> Option<TurnRecord>;
        fn turn_of_client(owner: &str, id: ConversationId, client_id: &str) -> Option<TurnRecord>;
        fn queue(owner: &str, query: QueueQuery) -> Vec<QueueRow>;
        fn attachment(owner: &str, id: AttachmentId) -> Option<Attachment>;
        fn has_budgets() -> bool;
        fn budgets(owner: Option<&str>) -> Vec<Budget>;
        fn budget_status(spender: Spender, at: Timestamp) -> Vec<BudgetStatus>;
        fn usage(query: UsageQuery) -> UsageReport;
        fn preferences(owner: &str) -> Preferences;
        fn entry(key: LibraryKey, version: Option<i64>) -> Option<EntryRecord>;
        fn entries(owner: &str, query: EntryQuery) -> Vec<EntryRow>;
        fn entry_versions(key: LibraryKey, before: Option<i64>, limit: usize) -> Vec<EntryVersion>;
        fn expired(now: Timestamp, limit: usize) -> Vec<(String, ConversationId)>;
        fn stream(owner: &str, id: StreamId) -> Option<StreamRecord>;
        fn streams(owner: &str, before: Option<StreamId>, limit: usize) -> Vec<(StreamId, StreamRecord)>;
        fn events(owner: &str, id: StreamId, after_seq: i64, limit: usize) -> Option<EventRows>;
        fn expired_streams(now: Timestamp, limit: usize) -> Vec<(String, StreamId)>;
        fn erasing(limit: usize) -> Vec<String>;
        fn recover(now: Timestamp) -> Vec<TurnRecord>;
    }

    fn library_changes(&self, since: i64) -> Option<LibraryChanges> {
        self.store.library_changes(since)
    }

    fn bell(&self, stream: StreamId) -> Bell {
        self.store.bell(stream)
    }

    fn upkeep(&self) -> Option<&dyn Upkeep> {
        self.store.upkeep()
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        if self.between.closes() { self.store.close() } else { Box::pin(async { Ok(()) }) }
    }
}
