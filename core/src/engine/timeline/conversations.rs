//! The list of a user's conversations as it is now, and what changes in it.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::feed::Feed;
use super::list::LiveList;
use super::pace::Pace;
use crate::base::{ConversationId, Sleep};
use crate::engine::page::{PAGE, check_limit};
use crate::engine::user::UserScope;
use crate::model::{ConversationSummary, Error, Result, TimelineDiff};
use crate::store::ListQuery;

/// A live list holds so many conversations at most.
const MAX: usize = 1_000;

/// A page of the store.
const STEP: usize = 200;

impl UserScope {
    /// This user's conversations as a list that changes by itself: those that are not archived, the pinned ones first and
    /// then the latest activity, 50 to begin with. While an answer is being written nothing is told; its end is.
    ///
    /// # Errors
    /// `Closed`; `Invalid` (bad_user).
    pub fn watch_conversations(&self) -> Result<ConversationsWatch> {
        self.check().map_err(|e| self.engine.failed(e, "user.watch_conversations"))?;
        let engine = &self.engine;
        let feed = engine.feeds.subscribe(&self.owner, None);
        let pace = Pace::new(engine, engine.current().settings.timeline.min_interval_ms);
        let list = List { rows: LiveList::new(), wanted: PAGE, version: 0, is_old: true, is_whole: false, pace };
        Ok(ConversationsWatch { shared: Arc::new(Shared { user: self.clone(), feed, list: Mutex::new(list) }) })
    }
}

/// The conversations of a user, pulled batch by batch. Dropping the last handle ends it.
#[derive(Clone)]
pub struct ConversationsWatch {
    shared: Arc<Shared>,
}

struct Shared {
    user: UserScope,
    feed: Arc<Feed>,
    list: Mutex<List>,
}

struct List {
    rows: LiveList<ConversationId, ConversationSummary>,
    /// So many conversations are shown, if there are as many.
    wanted: usize,
    version: i64,
    /// True when it must be read again.
    is_old: bool,
    /// True when no conversation stands behind those that are shown.
    is_whole: bool,
    pace: Pace,
}

impl ConversationsWatch {
    /// The next batch of changes: first `Reset` with all rows, then only what changed since the batch before, applied one
    /// after the other. Waits until there is something. Nothing once the engine is closed. Whoever stops waiting loses
    /// nothing.
    ///
    /// # Errors
    /// `Storage`; asking again goes on where it failed.
    pub async fn next(&self) -> Result<Option<Vec<TimelineDiff<ConversationSummary>>>> {
        let engine = &self.shared.user.engine;
        let work = engine.tasks.on_runtime(self.pull());
        work.await.map_err(|e| self.failed(e, "conversations.next"))
    }

    async fn pull(&self) -> Result<Option<Vec<TimelineDiff<ConversationSummary>>>> {
        let closing = self.shared.user.engine.tasks.closing_token();
        loop {
            let changed = self.shared.feed.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let pause = tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(None),
                looked = self.look() => match looked? {
                    Looked::News(diffs) => return Ok(Some(diffs)),
                    Looked::Wait(pause) => pause,
                },
            };
            tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(None),
                () = changed => {}
                () = pause => {}
            }
        }
    }

    async fn look(&self) -> Result<Looked> {
        let mut list = self.shared.list.lock().await;
        list.is_old |= self.shared.feed.take().listed;
        let elsewhere = list.pace.may_look_elsewhere();
        // Before it is time to tell of it, nothing is read.
        let is_due = list.pace.is_due(false);
        if (list.is_old && is_due) || elsewhere {
            self.read(&mut list).await?;
        }
        if list.rows.has_news() && is_due {
            let diffs = list.rows.poll();
            if !diffs.is_empty() {
                list.pace.told();
                return Ok(Looked::News(diffs));
            }
        }
        let has_news = list.is_old || list.rows.has_news();
        Ok(Looked::Wait(list.pace.pause(has_news)))
    }

    async fn read(&self, list: &mut List) -> Result<()> {
        let (engine, owner) = (&self.shared.user.engine, &self.shared.user.owner);
        let (store, feeds) = (&engine.store, &engine.feeds);
        let mut rows = Vec::new();
        let mut before = None;
        loop {
            // One more says whether there is more.
            let limit = STEP.min(list.wanted + 1 - rows.len());
            let unchanged_since = Some(list.version).filter(|_| before.is_none() && !list.is_old && list.version > 0);
            let query = ListQuery { limit, before, unchanged_since, ..ListQuery::default() };
            let page = store.conversations(owner, query).await?;
            if page.is_unchanged {
                return Ok(());
            }
            if before.is_none() {
                list.version = page.version;
            }
            before = page.items.last().map(|(activity, row)| (row.pinned, *activity));
            rows.extend(page.items.into_iter().map(|(_, row)| (row.id, row)));
            if page.reached_end || rows.len() > list.wanted {
                break;
            }
        }
        list.is_whole = rows.len() <= list.wanted;
        rows.truncate(list.wanted);
        // Of two pages that were read one after the other, the same conversation may stand on both.
        let mut seen = std::collections::HashSet::new();
        rows.retain(|(id, _)| seen.insert(*id));
        if !list.is_old {
            // Found by looking for others: what an answer changes that is being written here is told at its end.
            for (id, row) in &mut rows {
                if let Some(told) = list.rows.get(*id).filter(|_| feeds.is_answering(owner, *id)) {
                    *row = told.clone();
                }
            }
        }
        list.rows.replace(rows);
        list.is_old = false;
        Ok(())
    }

    /// Shows so many conversations more (1 to 200), of those with older activity; at most 1,000 in all. True when there are
    /// no more, or no more are shown.
    ///
    /// # Errors
    /// `Invalid` (bad_limit), `Storage`, `Closed`.
    pub async fn load_older(&self, count: usize) -> Result<bool> {
        let work = async {
            self.shared.user.check()?;
            check_limit(count)?;
            let mut list = self.shared.list.lock().await;
            list.is_old = true;
            list.wanted = (list.wanted + count).min(MAX);
            self.read(&mut list).await?;
            let reached = list.is_whole || list.wanted == MAX;
            drop(list);
            self.shared.feed.changed.notify_waiters();
            Ok(reached)
        };
        work.await.map_err(|e| self.failed(e, "conversations.load_older"))
    }

    fn failed(&self, error: Error, operation: &'static str) -> Error {
        self.shared.user.engine.failed(error, operation)
    }
}

impl std::fmt::Debug for ConversationsWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConversationsWatch").field("user", &self.shared.user.id()).finish_non_exhaustive()
    }
}

enum Looked {
    News(Vec<TimelineDiff<ConversationSummary>>),
    Wait(Sleep),
}
