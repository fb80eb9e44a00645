//! Floor 2: what is kept. One narrow waist for writing, [`Store::apply`], and typed reads.
//!
//! Everything that must be true together goes into one [`WriteBatch`] and becomes true in one transaction, or not at
//! all. Every read names the owner, so that another owner's data cannot be reached. Backends implement [`Store`] and
//! nothing else; what they owe is the list in `contract`.

mod batch;
mod books;
#[cfg(feature = "sqlite")]
mod codes;
mod content;
#[cfg(any(test, feature = "test-util"))]
pub mod contract;
mod draft;
mod events;
mod library;
mod memory;
mod read;
mod receipt;
mod refusal;
mod search;
mod span;
mod spend;
#[cfg(feature = "sqlite")]
mod sqlite;
mod summary;
mod tree;
mod upkeep;
mod usage;

pub use batch::{
    ConversationChange, DraftChunk, Durability, MessageEnd, NewAttachment, NewConversation, NewRow, NewStep, NewTurn,
    Op, Parent, Precondition, QueueEntry, StepKind, TurnChange, WriteBatch,
};
pub(crate) use content::preview;
pub use content::{Content, MAX_CONTENT_BYTES, MAX_ROW_BYTES, hash};
pub use draft::DraftEvent;
pub use events::{
    Bell, EventRows, MAX_EVENT_ROW_BYTES, MAX_EVENTS, MAX_STREAMS, NewEvent, NewEvents, Payload, Snapshot, StoredEvent,
    StreamRecord, Subscription,
};
pub use library::{
    APPLICATION, EntryQuery, EntryRecord, EntryRow, EntryValue, EntryVersion, LibraryChanges, LibraryKey,
    MAX_OLD_VERSIONS, MAX_VALUE_BYTES, NewEntry, PREFERENCES, check_kind, check_name,
};
pub use memory::MemoryStore;
pub use read::{
    Anchor, Attachment, BranchQuery, BranchRows, ConversationRows, Due, DueRows, ListQuery, MessageRows, PageQuery,
    PageSize, QueueQuery, QueueRow, SearchPlace, SearchQuery, SearchRows, SiblingAnchor, TreeRow, TreeRows, TurnRecord,
};
pub use receipt::{Erased, Placed, Receipt};
pub(crate) use refusal::search_off;
pub use spend::{LedgerEntry, NewReservation, Spender, UsageQuery};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteSettings, SqliteStore, StoreCounters, StoreKey, fork};
pub use summary::{MAX_SUMMARIES, MAX_SUMMARY_BYTES, NewSummary, StoredSummary, SummaryPlace};
pub use upkeep::Upkeep;

use std::future::Future;
use std::pin::Pin;

use crate::base::{AttachmentId, ConversationId, MessageId, StreamId, Timestamp, TurnId};
use crate::model::{Budget, BudgetStatus, ConversationSummary, Message, Preferences, Result, UsageReport};

/// So many turns that wait are counted; where there are more, so many are told.
pub(crate) const MAX_COUNTED: usize = 10_000;

/// What every store method gives back.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// Where conversations are kept. Dropping a future of a read stops waiting for it; dropping the future of an `apply`
/// does not undo it: the batch is applied whole or not at all, whoever waits.
///
/// A conversation whose time is up is not there, with everything in it: for reads by the store's own clock, for a batch by
/// the batch's moment.
pub trait Store: Send + Sync + 'static {
    /// Applies all of the batch, or nothing of it. Done when it is kept as the durability asks.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when a precondition fails; `Storage` when it cannot be kept; `Closed`.
    fn apply(&self, batch: WriteBatch, durability: Durability) -> StoreFuture<'_, Receipt>;

    /// One conversation of this owner, or nothing.
    fn conversation(&self, owner: &str, id: ConversationId) -> StoreFuture<'_, Option<ConversationSummary>>;

    /// The conversations of this owner: a page of the list that is asked for.
    fn conversations(&self, owner: &str, query: ListQuery) -> StoreFuture<'_, ConversationRows>;

    /// A page of the messages on a branch, in reading order; nothing when there is no such conversation.
    ///
    /// # Errors
    /// `NotFound` when the conversation has no message with which the branch ends; `Invalid` (bad_cursor) when the anchor
    /// is not on the branch.
    fn page(&self, owner: &str, conversation: ConversationId, query: PageQuery)
    -> StoreFuture<'_, Option<MessageRows>>;

    /// The conversation's row and a page of its messages, of one and the same state; nothing when there is no such
    /// conversation.
    ///
    /// # Errors
    /// As of `page`.
    fn open(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: PageQuery,
    ) -> StoreFuture<'_, Option<(ConversationSummary, MessageRows)>>;

    /// So many whole messages on the branch that is shown.
    ///
    /// # Errors
    /// As of `page`.
    fn messages(
        &self,
        owner: &str,
        conversation: ConversationId,
        anchor: Anchor,
        limit: usize,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        self.page(owner, conversation, PageQuery::new(anchor, limit))
    }

    /// The same on the branch that ends with this message, whichever is shown.
    ///
    /// # Errors
    /// As of `page`.
    fn messages_upto(
        &self,
        owner: &str,
        conversation: ConversationId,
        last: MessageId,
        anchor: Anchor,
        limit: usize,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        self.page(owner, conversation, PageQuery { upto: Some(last), ..PageQuery::new(anchor, limit) })
    }

    /// The newest summary of what stands before this message on its own branch (nothing = of the branch that is shown, its
    /// last message included), and what the conversation's version is. Nothing when there is no such conversation or message,
    /// and from a backend that keeps no summaries.
    fn summary(
        &self,
        owner: &str,
        conversation: ConversationId,
        before: Option<MessageId>,
    ) -> StoreFuture<'_, Option<SummaryPlace>> {
        let _ = (owner, conversation, before);
        Box::pin(async { Ok(None) })
    }

    /// The messages that stand in the same place of a conversation, in the order in which they were made; nothing when
    /// there is no such conversation.
    ///
    /// # Errors
    /// `NotFound` when the conversation has no such message.
    fn siblings(
        &self,
        owner: &str,
        conversation: ConversationId,
        anchor: SiblingAnchor,
        limit: usize,
    ) -> StoreFuture<'_, Option<MessageRows>>;

    /// The branches of a conversation, the newest last message first; nothing when there is no such conversation.
    ///
    /// # Errors
    /// `Invalid` (bad_cursor) when the conversation has no such message.
    fn branches(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: BranchQuery,
    ) -> StoreFuture<'_, Option<BranchRows>>;

    /// So many whole messages of all branches behind this one (nothing = from the beginning), each before those below it
    /// and these in the order in which they were made; nothing when there is no such conversation.
    ///
    /// # Errors
    /// `NotFound` when the conversation has no such message; `Invalid` (unsupported) unless a backend can do it.
    fn tree(
        &self,
        owner: &str,
        conversation: ConversationId,
        after: Option<MessageId>,
        limit: usize,
    ) -> StoreFuture<'_, Option<TreeRows>> {
        let _ = (owner, conversation, after, limit);
        Box::pin(async { Err(refusal::cannot_move()) })
    }

    /// Which of these messages stand in this conversation of this owner.
    ///
    /// # Errors
    /// `Invalid` (unsupported) unless a backend can do it.
    fn known(&self, owner: &str, conversation: ConversationId, ids: Vec<MessageId>) -> StoreFuture<'_, Vec<MessageId>> {
        let _ = (owner, conversation, ids);
        Box::pin(async { Err(refusal::cannot_move()) })
    }

    /// One message of this owner, or nothing.
    fn message(&self, owner: &str, id: MessageId) -> StoreFuture<'_, Option<Message>>;

    /// What of this owner's messages says what is looked for; nothing when there is no such conversation. Every message is
    /// found that was acknowledged before the search began, but those that are being written, were deleted, or hold what
    /// tools answered. Of a longer message the first mebibyte is found.
    ///
    /// # Errors
    /// `Invalid` (bad_query) for a query that is too long; `Invalid` (unsupported) unless a backend can do it.
    fn search(&self, owner: &str, query: SearchQuery) -> StoreFuture<'_, Option<SearchRows>> {
        let _ = (owner, query);
        Box::pin(async { Err(refusal::cannot_search()) })
    }

    /// Does some of the work without which the next search would take longer: a few milliseconds of it. True when nothing
    /// is left to do.
    fn index(&self) -> StoreFuture<'_, bool> {
        Box::pin(async { Ok(true) })
    }

    /// One turn of this owner, or nothing.
    fn turn(&self, owner: &str, id: TurnId) -> StoreFuture<'_, Option<TurnRecord>>;

    /// The turn that was saved under this client id in this conversation, or nothing.
    fn turn_of_client(
        &self,
        owner: &str,
        conversation: ConversationId,
        client_id: &str,
    ) -> StoreFuture<'_, Option<TurnRecord>>;

    /// What of all users' send queues is due at this moment, at most so many.
    fn queue_due(&self, now: Timestamp, due: Due, limit: usize) -> StoreFuture<'_, DueRows>;

    /// The send queue of this owner, first in first.
    fn queue(&self, owner: &str, query: QueueQuery) -> StoreFuture<'_, Vec<QueueRow>>;

    /// Stored bytes of this owner, or nothing.
    fn attachment(&self, owner: &str, id: AttachmentId) -> StoreFuture<'_, Option<Attachment>>;

    /// True when any budget is set.
    fn has_budgets(&self) -> StoreFuture<'_, bool>;

    /// The budgets that may hold for this owner: those of the application, of each user, conversation and run, and the
    /// owner's own. Without an owner all that are set.
    fn budgets(&self, owner: Option<&str>) -> StoreFuture<'_, Vec<Budget>>;

    /// Where every budget stands at this moment that holds for who spends.
    fn budget_status(&self, spender: Spender, at: Timestamp) -> StoreFuture<'_, Vec<BudgetStatus>>;

    /// What was spent, summed up. What was deleted since is in it.
    ///
    /// # Errors
    /// `Invalid` (bad_usage_query) for sums by user of one user, and by conversation of everybody.
    fn usage(&self, query: UsageQuery) -> StoreFuture<'_, UsageReport>;

    /// What this owner prefers; nothing of anything for one who never said.
    fn preferences(&self, owner: &str) -> StoreFuture<'_, Preferences>;

    /// A value of this owner's library (the application's for the owner `""`): its newest version or this one; nothing when
    /// it is not there.
    ///
    /// # Errors
    /// `Invalid` (unsupported) unless a backend keeps a library.
    fn entry(&self, key: LibraryKey, version: Option<i64>) -> StoreFuture<'_, Option<EntryRecord>> {
        let _ = (key, version);
        Box::pin(async { Err(refusal::keeps_no_library()) })
    }

    /// The names of one kind in this owner's library, in the order of their bytes.
    ///
    /// # Errors
    /// `Invalid` (unsupported) unless a backend keeps a library.
    fn entries(&self, owner: &str, query: EntryQuery) -> StoreFuture<'_, Vec<EntryRow>> {
        let _ = (owner, query);
        Box::pin(async { Err(refusal::keeps_no_library()) })
    }

    /// The versions of a value that are kept, the newest first; those before this one, if one is named.
    ///
    /// # Errors
    /// `Invalid` (unsupported) unless a backend keeps a library.
    fn entry_versions(&self, key: LibraryKey, before: Option<i64>, limit: usize) -> StoreFuture<'_, Vec<EntryVersion>> {
        let _ = (key, before, limit);
        Box::pin(async { Err(refusal::keeps_no_library()) })
    }

    /// What of all libraries and of all users' preferences was changed since this change, by whichever process, as long as
    /// it was acknowledged before the call. It takes microseconds and waits for nobody. Nothing when that cannot be told: then
    /// nothing that is remembered may be used.
    fn library_changes(&self, since: i64) -> Option<LibraryChanges> {
        let _ = since;
        None
    }

    /// Conversations of all owners whose time is up, at most so many. They are not there for anybody any more, and wait to
    /// be swept away.
    fn expired(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<(String, ConversationId)>>;

    /// A stream of events of this owner as it stands, or nothing.
    ///
    /// # Errors
    /// `Invalid` (unsupported) unless a backend keeps streams.
    fn stream(&self, owner: &str, id: StreamId) -> StoreFuture<'_, Option<StreamRecord>> {
        let _ = (owner, id);
        Box::pin(async { Err(refusal::keeps_no_events()) })
    }

    /// The streams of this owner, the newest first by their ids, each as it stands; those before this one, if one is named. At
    /// most so many, never more than 200: who reads on until nothing comes has seen all. Nothing is counted and no event is
    /// read, so what a list shows of a stream stands in its snapshot, which had better be short.
    ///
    /// # Errors
    /// `Invalid` (unsupported) unless a backend keeps streams.
    fn streams(
        &self,
        owner: &str,
        before: Option<StreamId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(StreamId, StreamRecord)>> {
        let _ = (owner, before, limit);
        Box::pin(async { Err(refusal::keeps_no_events()) })
    }

    /// The events of a stream behind this one (0 = from the first), at most so many, never more than 256; a page ends, too,
    /// with the event that takes it over a mebibyte of data. Nothing when this owner has no such stream.
    ///
    /// # Errors
    /// `Invalid` (unsupported) unless a backend keeps streams.
    fn events(&self, owner: &str, id: StreamId, after_seq: i64, limit: usize) -> StoreFuture<'_, Option<EventRows>> {
        let _ = (owner, id, after_seq, limit);
        Box::pin(async { Err(refusal::keeps_no_events()) })
    }

    /// Streams of all owners whose time is up, at most so many, to be swept away.
    fn expired_streams(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<(String, StreamId)>> {
        let _ = (now, limit);
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Owners whose erasure was begun and has not ended, at most so many.
    fn erasing(&self, limit: usize) -> StoreFuture<'_, Vec<String>> {
        let _ = limit;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// A bell that rings when this store has applied a batch that appended to this stream or deleted it, when it has come
    /// back from being suspended, and when it closes. [`Subscription`] is what reads by it.
    fn bell(&self, stream: StreamId) -> Bell {
        Bell::silent(stream)
    }

    /// Puts to rest what a dead process left open: folds drafts into their messages, marks the turns `interrupted`, and
    /// settles what was reserved at its worst, as an estimate, because it may have been billed. Turns in the send queue
    /// of which nothing had arrived go back to `waiting`, due at once, with one crash more. What living processes hold is
    /// left alone. What was made to wait by a clock that has gone back since waits as long from now on as it was meant
    /// to. Doing it twice is doing it once.
    fn recover(&self, now: Timestamp) -> StoreFuture<'_, Vec<TurnRecord>>;

    /// How its files are looked after; nothing for a store that has none.
    fn upkeep(&self) -> Option<&dyn Upkeep> {
        None
    }

    /// Finishes what was handed in and frees every file, thread and lock; later calls fail with `Closed`.
    fn close(&self) -> StoreFuture<'_, ()>;
}
