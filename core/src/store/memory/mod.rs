//! Conversations in memory: gone with the process, otherwise like any other store.
//!
//! Ordered maps behind one lock, no thread, no file. A batch writes straight into the maps; each map notes what it
//! held before, so that a batch which fails half-way is taken back. Copying everything before each batch was rejected:
//! an append would cost as much as the store is large.

mod apply;
mod erase;
mod events;
mod library;
mod read;
mod recover;
mod search;
mod spend;
mod state;
mod summary;
mod table;
mod tree;
mod whole;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use super::events::Bells;
use super::{
    Attachment, Bell, BranchQuery, BranchRows, ConversationRows, Due, DueRows, Durability, EntryQuery, EntryRecord,
    EntryRow, EntryVersion, EventRows, LibraryChanges, LibraryKey, ListQuery, MessageRows, PageQuery, QueueQuery,
    QueueRow, Receipt, SearchQuery, SearchRows, SiblingAnchor, Spender, Store, StoreFuture, StreamRecord, SummaryPlace,
    TreeRows, TurnRecord, UsageQuery, WriteBatch, refusal,
};
use crate::base::{AttachmentId, Clock, ConversationId, MessageId, StreamId, SystemClock, Timestamp, TurnId};
use crate::model::{Budget, BudgetStatus, ConversationSummary, Message, Preferences, Result, UsageReport};
use state::State;

/// Keeps conversations in memory, for tests and for hosts that want nothing kept. Both durabilities mean the same.
pub struct MemoryStore {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    bells: Arc<Bells>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store, in which things expire by the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::default()))
    }

    /// An empty store, in which things expire by this clock.
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { state: Mutex::default(), clock, bells: Arc::default() }
    }

    fn with<'a, T: Send + 'a>(&'a self, work: impl FnOnce(&mut State) -> Result<T> + Send + 'a) -> StoreFuture<'a, T> {
        Box::pin(async move {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.closed {
                return Err(refusal::closed());
            }
            state.now = self.clock.now();
            work(&mut state)
        })
    }
}

impl Store for MemoryStore {
    fn apply(&self, batch: WriteBatch, _: Durability) -> StoreFuture<'_, Receipt> {
        self.with(move |state| state.apply(&batch).inspect(|_| self.bells.ring(&batch)))
    }

    fn conversation(&self, owner: &str, id: ConversationId) -> StoreFuture<'_, Option<ConversationSummary>> {
        let owner = owner.to_owned();
        self.with(move |state| Ok(state.conversation(&owner, id).ok().map(|row| row.shown.clone())))
    }

    fn conversations(&self, owner: &str, query: ListQuery) -> StoreFuture<'_, ConversationRows> {
        let owner = owner.to_owned();
        self.with(move |state| Ok(state.list(&owner, &query)))
    }

    fn page(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: PageQuery,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        let owner = owner.to_owned();
        self.with(move |state| state.page(&owner, conversation, &query))
    }

    fn open(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: PageQuery,
    ) -> StoreFuture<'_, Option<(ConversationSummary, MessageRows)>> {
        let owner = owner.to_owned();
        self.with(move |state| {
            let Ok(row) = state.conversation(&owner, conversation) else { return Ok(None) };
            Ok(state.page(&owner, conversation, &query)?.map(|page| (row.shown.clone(), page)))
        })
    }

    fn summary(
        &self,
        owner: &str,
        conversation: ConversationId,
        before: Option<MessageId>,
    ) -> StoreFuture<'_, Option<SummaryPlace>> {
        let owner = owner.to_owned();
        self.with(move |state| Ok(state.summary(&owner, conversation, before)))
    }

    fn siblings(
        &self,
        owner: &str,
        conversation: ConversationId,
        anchor: SiblingAnchor,
        limit: usize,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        let owner = owner.to_owned();
        self.with(move |state| state.siblings_of(&owner, conversation, anchor, limit))
    }

    fn branches(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: BranchQuery,
    ) -> StoreFuture<'_, Option<BranchRows>> {
        let owner = owner.to_owned();
        self.with(move |state| state.branches(&owner, conversation, query))
    }

    fn tree(
        &self,
        owner: &str,
        conversation: ConversationId,
        after: Option<MessageId>,
        limit: usize,
    ) -> StoreFuture<'_, Option<TreeRows>> {
        let owner = owner.to_owned();
        self.with(move |state| state.whole(&owner, conversation, after, limit))
    }

    fn known(&self, owner: &str, conversation: ConversationId, ids: Vec<MessageId>) -> StoreFuture<'_, Vec<MessageId>> {
        let owner = owner.to_owned();
        self.with(move |state| Ok(state.known(&owner, conversation, ids)))
    }

    fn message(&self, owner: &str, id: MessageId) -> StoreFuture<'_, Option<Message>> {
        let owner = owner.to_owned();
        self.with(move |state| state.message(&owner, id).ok().map(|row| state.show(id, row)).transpose())
    }

    fn search(&self, owner: &str, query: SearchQuery) -> StoreFuture<'_, Option<SearchRows>> {
        let owner = owner.to_owned();
        self.with(move |state| state.search(&owner, &query))
    }

    fn index(&self) -> StoreFuture<'_, bool> {
        self.with(|_| Ok(true))
    }

    fn turn(&self, owner: &str, id: TurnId) -> StoreFuture<'_, Option<TurnRecord>> {
        let owner = owner.to_owned();
        self.with(move |state| Ok(state.turn(&owner, id).ok().map(|row| state.record(&owner, id, row))))
    }

    fn turn_of_client(
        &self,
        owner: &str,
        conversation: ConversationId,
        client_id: &str,
    ) -> StoreFuture<'_, Option<TurnRecord>> {
        let (owner, client) = (owner.to_owned(), (conversation, client_id.to_owned()));
        self.with(move |state| {
            let Some(id) = state.clients.get(&client).copied() else { return Ok(None) };
            Ok(state.turn(&owner, id).ok().map(|row| state.record(&owner, id, row)))
        })
    }

    fn queue_due(&self, now: Timestamp, due: Due, limit: usize) -> StoreFuture<'_, DueRows> {
        self.with(move |state| {
            state.now = now;
            Ok(state.queue_due(now, &due, limit))
        })
    }

    fn queue(&self, owner: &str, query: QueueQuery) -> StoreFuture<'_, Vec<QueueRow>> {
        let owner = owner.to_owned();
        self.with(move |state| state.queue_of(&owner, query))
    }

    fn attachment(&self, owner: &str, id: AttachmentId) -> StoreFuture<'_, Option<Attachment>> {
        let owner = owner.to_owned();
        self.with(move |state| Ok(state.stored_bytes(&owner, id)))
    }

    fn has_budgets(&self) -> StoreFuture<'_, bool> {
        self.with(|state| Ok(state.has_budgets()))
    }

    fn budgets(&self, owner: Option<&str>) -> StoreFuture<'_, Vec<Budget>> {
        let owner = owner.map(str::to_owned);
        self.with(move |state| Ok(state.budgets_of(owner.as_deref())))
    }

    fn budget_status(&self, spender: Spender, at: Timestamp) -> StoreFuture<'_, Vec<BudgetStatus>> {
        self.with(move |state| state.budget_status(&spender, at))
    }

    fn usage(&self, query: UsageQuery) -> StoreFuture<'_, UsageReport> {
        self.with(move |state| state.usage(&query))
    }

    fn preferences(&self, owner: &str) -> StoreFuture<'_, Preferences> {
        let owner = owner.to_owned();
        self.with(move |state| Ok(state.preferences.get(&owner).cloned().unwrap_or_default()))
    }

    fn entry(&self, key: LibraryKey, version: Option<i64>) -> StoreFuture<'_, Option<EntryRecord>> {
        self.with(move |state| Ok(state.entry(&key, version)))
    }

    fn entries(&self, owner: &str, query: EntryQuery) -> StoreFuture<'_, Vec<EntryRow>> {
        let owner = owner.to_owned();
        self.with(move |state| Ok(state.entries(&owner, &query)))
    }

    fn entry_versions(&self, key: LibraryKey, before: Option<i64>, limit: usize) -> StoreFuture<'_, Vec<EntryVersion>> {
        self.with(move |state| Ok(state.entry_versions(&key, before, limit)))
    }

    fn library_changes(&self, since: i64) -> Option<LibraryChanges> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (!state.closed).then(|| state.changes_behind(since))
    }

    fn expired(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<(String, ConversationId)>> {
        self.with(move |state| Ok(state.expired(now, limit)))
    }

    fn stream(&self, owner: &str, id: StreamId) -> StoreFuture<'_, Option<StreamRecord>> {
        let owner = owner.to_owned();
        self.with(move |state| state.stream_record(&owner, id))
    }

    fn streams(
        &self,
        owner: &str,
        before: Option<StreamId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(StreamId, StreamRecord)>> {
        let owner = owner.to_owned();
        self.with(move |state| state.streams_listed(&owner, before, limit))
    }

    fn events(&self, owner: &str, id: StreamId, after_seq: i64, limit: usize) -> StoreFuture<'_, Option<EventRows>> {
        let owner = owner.to_owned();
        self.with(move |state| state.events_of(&owner, id, after_seq, limit))
    }

    fn expired_streams(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<(String, StreamId)>> {
        self.with(move |state| Ok(state.expired_streams(now, limit)))
    }

    fn erasing(&self, limit: usize) -> StoreFuture<'_, Vec<String>> {
        self.with(move |state| Ok(state.erasing.iter().take(limit).map(|(owner, ())| owner.clone()).collect()))
    }

    fn bell(&self, stream: StreamId) -> Bell {
        self.bells.bell(stream)
    }

    fn recover(&self, now: Timestamp) -> StoreFuture<'_, Vec<TurnRecord>> {
        self.with(move |state| state.recover(now))
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            *state = State { closed: true, ..State::default() };
            drop(state);
            self.bells.ring_all();
            Ok(())
        })
    }
}
