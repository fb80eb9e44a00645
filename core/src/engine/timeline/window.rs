//! The side of a timeline that reads: what the screen needs to know of the store and of the answer on its way.

use std::sync::Arc;

use super::feed::{Feed, LiveTurn, Marks};
use super::screen::{Screen, Shown, Writing};
use crate::base::{ErrorKind, MessageId, TurnId};
use crate::engine::conversation::{Conversation, not_found};
use crate::engine::log::TurnLog;
use crate::engine::page::PAGE;
use crate::model::{Delivery, ErrorInfo, Message, Result, Role, StreamEvent, TimelineFocus, TurnState};
use crate::store::{Anchor, MessageRows, PageQuery, PageSize};

/// So many events of an answer are taken in at once.
const EVENTS: usize = 256;

/// Where more pages than this came since the last look, those between are left out.
const PAGES: usize = 4;

pub(super) struct Window {
    chat: Conversation,
    pub(super) screen: Screen,
    /// What is to be looked at and was not yet.
    pending: Marks,
    /// The last message of the branch, where that is fixed.
    upto: Option<MessageId>,
    /// The answer on its way, and how far it is read.
    log: Option<(Arc<TurnLog>, usize)>,
    /// The conversation was looked at as a whole when it had this version.
    version: i64,
}

impl Window {
    pub(super) async fn open(chat: Conversation, focus: TimelineFocus, screen: Screen) -> Result<Self> {
        let upto = if let TimelineFocus::Branch { head } = focus { Some(head) } else { chat.from };
        let pending = Marks { arranged: true, ..Marks::default() };
        let mut window = Self { chat, screen, pending, upto, log: None, version: 0 };
        let anchor = if let TimelineFocus::Message { id } = focus { Anchor::Around(id) } else { Anchor::End };
        let rows = window.page(anchor, PAGE, None).await.map_err(|e| match e.reason() {
            "bad_cursor" => not_found("message on the branch that is shown"),
            _ => e,
        })?;
        match rows {
            Some(rows) => window.begin(rows).await?,
            None if window.chat.fresh.is_some() => window.clear(),
            None => return Err(not_found("conversation")),
        }
        Ok(window)
    }

    /// The answer on its way, and how far it is read.
    pub(super) fn log(&self) -> Option<(Arc<TurnLog>, usize)> {
        self.log.clone()
    }

    async fn page(&self, anchor: Anchor, limit: usize, unchanged_since: Option<i64>) -> Result<Option<MessageRows>> {
        let query = PageQuery {
            upto: self.upto,
            size: PageSize::Messages(limit),
            unchanged_since,
            ..PageQuery::new(anchor, limit)
        };
        self.chat.user.engine.store.page(&self.chat.user.owner, self.chat.id, query).await
    }

    /// Shows these rows and no others.
    async fn begin(&mut self, rows: MessageRows) -> Result<()> {
        let MessageRows { items, reached_start, reached_end, version } = rows;
        let shown = self.shown(items).await?;
        self.screen.cut(0);
        self.screen.newer(shown, reached_end);
        self.screen.reached_start = reached_start;
        self.screen.trim();
        self.version = version;
        Ok(())
    }

    fn clear(&mut self) {
        self.screen.cut(0);
        (self.screen.reached_start, self.screen.reached_end) = (true, true);
        self.screen.arrange();
        self.version = 0;
    }

    /// Messages with how far they got.
    async fn shown(&self, messages: Vec<Message>) -> Result<Vec<Shown>> {
        let mut answered_by = None;
        let mut all = Vec::with_capacity(messages.len());
        for message in messages.into_iter().rev() {
            let is_answered = answered_by.is_some() && answered_by == message.turn_id;
            answered_by = message.turn_id.filter(|_| message.role == Role::Assistant);
            let (delivery, error) = match message.turn_id {
                _ if message.role == Role::Assistant => (None, None),
                None => (None, None),
                Some(_) if is_answered => (Some(Delivery::Sent), None),
                Some(turn) => self.delivery(turn).await?,
            };
            all.push(Shown { message, delivery, error });
        }
        all.reverse();
        Ok(all)
    }

    async fn delivery(&self, turn: TurnId) -> Result<(Option<Delivery>, Option<Box<ErrorInfo>>)> {
        let record = self.chat.user.engine.store.turn(&self.chat.user.owner, turn).await?;
        let found = record.map(|record| (Delivery::from(record.turn.state), record.turn.error.map(Box::new)));
        Ok(found.map_or((None, None), |(delivery, error)| (Some(delivery), error)))
    }

    /// Takes in everything that happened. What it was stopped in is done by the next call.
    pub(super) async fn catch_up(&mut self, feed: &Feed, elsewhere: bool) -> Result<()> {
        self.pending.merge(feed.take());
        if elsewhere && !self.pending.reread && self.is_behind().await? {
            self.pending.reread = true;
        }
        if self.pending.reread {
            self.reread().await?;
            // All of it was just read.
            self.pending.reread = false;
            self.pending.moved = false;
            self.pending.messages.clear();
            self.pending.depths.clear();
        }
        if self.pending.moved {
            self.advance().await?;
            self.pending.moved = false;
        }
        self.look_again().await?;
        for (before, after) in std::mem::take(&mut self.pending.versions) {
            if self.version == before {
                self.version = after;
            }
        }
        if std::mem::take(&mut self.pending.arranged) {
            let (echoes, live) = self.chat.user.engine.feeds.unsaved(&self.chat.user.owner, self.chat.id);
            self.screen.say(echoes);
            self.follow(live);
            self.screen.arrange();
        }
        self.read_log();
        Ok(())
    }

    /// True when somebody wrote of whom nothing was heard here.
    async fn is_behind(&self) -> Result<bool> {
        if self.pending.moved || !self.pending.versions.is_empty() {
            return Ok(false);
        }
        Ok(match self.page(Anchor::End, 1, Some(self.version)).await {
            Ok(Some(rows)) => rows.version != self.version,
            Ok(None) => self.screen.count() > 0,
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        })
    }

    /// Reads what came behind the last message.
    async fn advance(&mut self) -> Result<()> {
        for _ in 0..PAGES {
            let Some(last) = self.screen.last() else { return self.reread().await };
            // Where the end is not there, nothing is added: only the branch may be another.
            let wanted = if self.screen.reached_end { PAGE } else { 1 };
            let rows = match self.page(Anchor::After(last), wanted, None).await {
                Ok(Some(rows)) => rows,
                Ok(None) => {
                    self.clear();
                    return Ok(());
                }
                Err(error) if is_elsewhere(error.kind(), error.reason()) => return self.reread().await,
                Err(error) => return Err(error),
            };
            if !self.screen.reached_end {
                if rows.items.is_empty() {
                    self.screen.newer(Vec::new(), true);
                    self.screen.arrange();
                }
                return Ok(());
            }
            let is_whole = rows.reached_end;
            let shown = self.shown(rows.items).await?;
            let is_taken = self.screen.newer(shown, true);
            self.screen.trim();
            if is_whole || !is_taken || !self.screen.reached_end {
                return Ok(());
            }
        }
        match self.page(Anchor::End, PAGE, None).await? {
            Some(rows) => self.begin(rows).await,
            None => {
                self.clear();
                Ok(())
            }
        }
    }

    /// Reads all that is shown, and what came behind it.
    async fn reread(&mut self) -> Result<()> {
        let found = match self.screen.first() {
            Some((_, depth)) => self.page(Anchor::At(depth), self.screen.count() + PAGE, None).await,
            None => self.page(Anchor::End, PAGE, None).await.map(|rows| rows.filter(|rows| !rows.items.is_empty())),
        };
        let rows = match found {
            Ok(Some(rows)) => rows,
            Ok(None) => {
                self.clear();
                return Ok(());
            }
            Err(error) if is_elsewhere(error.kind(), error.reason()) => {
                self.clear();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let common = self.screen.common(&rows.items);
        if common == 0 {
            // Another branch, or a shorter one: its newest messages.
            let rows = if rows.reached_end && !rows.items.is_empty() {
                Some(rows)
            } else {
                self.page(Anchor::End, PAGE, None).await?
            };
            return match rows {
                Some(rows) => self.begin(rows).await,
                None => {
                    self.clear();
                    Ok(())
                }
            };
        }
        let MessageRows { items, reached_end, version, .. } = rows;
        let goes_on = self.screen.reached_end || common < self.screen.count();
        let mut shown = self.shown(items).await?;
        let behind = shown.split_off(common);
        self.screen.cut(common);
        for same in shown {
            self.screen.renew(same);
        }
        if goes_on {
            self.screen.newer(behind, reached_end);
        } else {
            self.screen.newer(Vec::new(), reached_end && behind.is_empty());
        }
        self.screen.trim();
        self.version = version;
        Ok(())
    }

    /// Reads single messages and turns that are otherwise now.
    async fn look_again(&mut self) -> Result<()> {
        let beside = |(depth, id): &(i32, MessageId)| self.screen.at_depth(*depth).filter(|is| is != id);
        let beside: Vec<_> = self.pending.depths.iter().filter_map(beside).collect();
        self.pending.messages.extend(beside);
        self.pending.depths.clear();
        while let Some(id) = self.pending.messages.iter().next().copied() {
            if self.screen.holds(id)
                && let Some(message) = self.chat.user.engine.store.message(&self.chat.user.owner, id).await?
            {
                self.screen.update(message);
            }
            self.pending.messages.remove(&id);
        }
        while let Some((turn, state)) = self.pending.turns.iter().next().map(|(turn, state)| (*turn, *state)) {
            if let Some((message, is_answered)) = self.screen.said_in(turn) {
                let error = match state {
                    // The answer says itself how it ended.
                    _ if is_answered => None,
                    TurnState::Saved | TurnState::Sending | TurnState::Streaming | TurnState::Done => None,
                    _ => self.delivery(turn).await?.1,
                };
                self.screen.deliver(message, Delivery::from(state), error);
            }
            self.pending.turns.remove(&turn);
        }
        Ok(())
    }

    /// From now on this answer is shown as it comes.
    fn follow(&mut self, live: Option<LiveTurn>) {
        let same = match (&self.log, &live) {
            (Some((log, _)), Some(live)) => Arc::ptr_eq(log, &live.log),
            (None, None) => true,
            _ => false,
        };
        if !same {
            self.log = live.as_ref().map(|live| (live.log.clone(), 0));
            self.screen.follow(live.map(|live| Writing::new(live.answer, live.turn, live.place)));
        }
    }

    fn read_log(&mut self) {
        let Some((log, place)) = &mut self.log else { return };
        let mut events: Vec<StreamEvent> = Vec::new();
        loop {
            log.read_batch(place, EVENTS, &mut events);
            if events.is_empty() {
                return;
            }
            self.screen.write(&events);
            events.clear();
        }
    }

    /// Loads so many messages before the first one. True when there are no more.
    pub(super) async fn load_older(&mut self, count: usize) -> Result<bool> {
        let Some((first, _)) = self.screen.first().filter(|_| !self.screen.reached_start) else { return Ok(true) };
        let Some(rows) = self.page(Anchor::Before(first), count, None).await? else { return Ok(true) };
        let reached = rows.reached_start;
        let shown = self.shown(rows.items).await?;
        self.screen.lean(true);
        self.screen.older(shown, reached);
        self.screen.trim();
        Ok(reached)
    }

    /// Loads so many messages behind the last one. True when there are no more.
    pub(super) async fn load_newer(&mut self, count: usize) -> Result<bool> {
        let Some(last) = self.screen.last().filter(|_| !self.screen.reached_end) else { return Ok(true) };
        let Some(rows) = self.page(Anchor::After(last), count, None).await? else { return Ok(true) };
        let reached = rows.reached_end;
        let shown = self.shown(rows.items).await?;
        self.screen.lean(false);
        self.screen.newer(shown, reached);
        self.screen.trim();
        Ok(reached)
    }
}

/// True for what a store says when the branch is not the one on which the message stood.
fn is_elsewhere(kind: ErrorKind, reason: &str) -> bool {
    reason == "bad_cursor" || kind == ErrorKind::NotFound
}
