//! Live timelines: what a screen shows of a conversation, first all of it and then only what changed.
//!
//! ```text
//! every write of this engine ─▶ Feeds ─▶ Feed: what to look at again ─┐
//! messages that are not saved, answers on their way (TurnLog) ────────┼─▶ Window reads ─▶ Screen ─▶ LiveList ─▶ batch
//! another process on the same file: the version, once a second ───────┘
//! ```
//! Nothing runs in the background: everything is done while somebody asks for the next batch. Who asks seldom gets fewer
//! and larger batches, and what is kept for him meanwhile are marks on rows that are there, never a queue of changes.

mod blocks;
mod conversations;
mod feed;
mod list;
mod pace;
mod screen;
mod sse;
#[cfg(test)]
mod tests;
mod window;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as AsyncMutex;

pub use conversations::ConversationsWatch;
pub(super) use feed::{Echo, Feeds};
use feed::{Feed, Followed, LiveTurn};
use pace::Pace;
use screen::{Place, Screen};
pub use sse::TimelineSse;
use window::Window;

use super::conversation::Conversation;
use super::journal::Journal;
use super::log::TurnLog;
use super::options::CallOptions;
use super::page::{PAGE, check_limit};
use crate::base::{MessageId, TurnId};
use crate::call::CallTarget;
use crate::model::{Error, Message, MessageStatus, Part, Result, Role, TimelineDiff, TimelineFocus};
use crate::store::Parent;

/// Hours that clocks may be ahead of UTC or behind it.
const MAX_OFFSET_MINUTES: i32 = 18 * 60;

impl Conversation {
    /// What a screen shows of the conversation: its newest messages, and from then on what changes. Of a handle made by
    /// `at` the branch that ends with its message.
    ///
    /// Awaiting it fails with `NotFound`, `Storage`, `Closed`; `Invalid` (bad_offset).
    pub fn timeline(&self) -> TimelineCall {
        let focus = self.from.map_or(TimelineFocus::Live, |head| TimelineFocus::Branch { head });
        TimelineCall { chat: self.clone(), focus, utc_offset_minutes: 0, read_upto: None }
    }
}

/// A timeline, before it is awaited.
#[must_use = "nothing is read until it is awaited"]
pub struct TimelineCall {
    chat: Conversation,
    focus: TimelineFocus,
    utc_offset_minutes: i32,
    read_upto: Option<MessageId>,
}

impl TimelineCall {
    /// Where it begins; with the newest messages unless told otherwise.
    pub fn focus(mut self, focus: TimelineFocus) -> Self {
        self.focus = focus;
        self
    }

    /// How far the clocks of who reads are ahead of UTC, in minutes (-1,080 to 1,080): by that days are told apart. 0 unless
    /// told otherwise.
    pub fn utc_offset_minutes(mut self, minutes: i32) -> Self {
        self.utc_offset_minutes = minutes;
        self
    }

    /// The last message that was read: behind it the unread marker stands.
    pub fn read_upto(mut self, message: impl Into<Option<MessageId>>) -> Self {
        self.read_upto = message.into();
        self
    }

    async fn open(self) -> Result<Timeline> {
        let Self { chat, focus, utc_offset_minutes, read_upto } = self;
        chat.user.check()?;
        chat.check_fresh()?;
        if utc_offset_minutes.abs() > MAX_OFFSET_MINUTES {
            return Err(Error::invalid("bad_offset", "`utc_offset_minutes` lies between -1080 and 1080"));
        }
        let engine = &chat.user.engine;
        let settings = engine.current().settings.timeline;
        let max = settings.window_pages.saturating_mul(PAGE);
        // Noted from before the first look, so that nothing falls between.
        let feed = engine.feeds.subscribe(&chat.user.owner, Some(chat.id));
        let make = move |focus: TimelineFocus, read_upto| {
            Screen::new(max, !matches!(focus, TimelineFocus::Branch { .. }), utc_offset_minutes, read_upto)
        };
        let window = Window::open(chat.clone(), focus, make(focus, read_upto)).await?;
        let pace = Pace::new(engine, settings.min_interval_ms);
        let shared = Shared { chat, feed, window: AsyncMutex::new((window, pace)), seen: Mutex::default() };
        Ok(Timeline { shared: Arc::new(shared), utc_offset_minutes, max })
    }
}

impl IntoFuture for TimelineCall {
    type Output = Result<Timeline>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let chat = self.chat.clone();
            self.open().await.map_err(|e| chat.failed(e, "conversation.timeline"))
        })
    }
}

/// What a screen shows of a conversation, pulled batch by batch.
///
/// Any number of timelines may be open, each with a reader of its own; a handle may be cloned so that one task pulls while
/// another loads. Dropping the last handle ends it, and nothing has to be told. A suspended engine keeps it: it goes on with
/// `resume`.
#[derive(Clone)]
pub struct Timeline {
    shared: Arc<Shared>,
    utc_offset_minutes: i32,
    max: usize,
}

struct Shared {
    chat: Conversation,
    feed: Arc<Feed>,
    window: AsyncMutex<(Window, Pace)>,
    /// The rows that are seen, until it is taken in.
    seen: Mutex<Option<(usize, usize)>>,
}

impl Timeline {
    /// The next batch of changes: first `Reset` with all rows, then only what changed since the batch before, applied one
    /// after the other. Waits until there is something. The first words of an answer and its end come at once, everything
    /// else not before `timeline.min_interval_ms` have passed. Nothing once the engine is closed. Whoever stops waiting
    /// loses nothing.
    ///
    /// # Errors
    /// `Storage`; asking again goes on where it failed.
    pub async fn next(&self) -> Result<Option<Vec<TimelineDiff>>> {
        let work = self.pull();
        self.shared.chat.user.engine.tasks.on_runtime(work).await.map_err(|e| self.failed(e, "timeline.next"))
    }

    async fn pull(&self) -> Result<Option<Vec<TimelineDiff>>> {
        let engine = &self.shared.chat.user.engine;
        let closing = engine.tasks.closing_token();
        loop {
            let changed = self.shared.feed.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (pause, log) = tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(None),
                looked = self.look() => match looked? {
                    Looked::News(diffs) => return Ok(Some(diffs)),
                    Looked::Wait(pause, log) => (pause, log),
                },
            };
            tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(None),
                () = changed => {}
                () = pause => {}
                () = more(log) => {}
            }
        }
    }

    /// Takes in what happened, and tells of it if it is time.
    async fn look(&self) -> Result<Looked> {
        let mut held = self.shared.window.lock().await;
        let (window, pace) = &mut *held;
        self.catch_up(window, pace.may_look_elsewhere()).await?;
        let screen = &mut window.screen;
        if screen.list.has_news() && pace.is_due(screen.is_urgent) {
            let diffs = screen.poll();
            if !diffs.is_empty() {
                pace.told();
                return Ok(Looked::News(diffs));
            }
        }
        // Words that come meanwhile are taken in when it is time to tell of them.
        let has_news = screen.list.has_news();
        Ok(Looked::Wait(pace.pause(has_news), window.log().filter(|_| !has_news)))
    }

    async fn catch_up(&self, window: &mut Window, elsewhere: bool) -> Result<()> {
        let seen = self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((first, last)) = seen {
            window.screen.look_at(first, last);
        }
        window.catch_up(&self.shared.feed, elsewhere).await
    }

    /// Loads so many older messages (1 to 200). True when the first message of the branch is there.
    ///
    /// # Errors
    /// `Invalid` (bad_limit), `Storage`, `Closed`.
    pub async fn load_older(&self, count: usize) -> Result<bool> {
        self.load(count, true).await.map_err(|e| self.failed(e, "timeline.load_older"))
    }

    /// Loads so many newer messages (1 to 200), where the newest are not there. True when they are.
    ///
    /// # Errors
    /// `Invalid` (bad_limit), `Storage`, `Closed`.
    pub async fn load_newer(&self, count: usize) -> Result<bool> {
        self.load(count, false).await.map_err(|e| self.failed(e, "timeline.load_newer"))
    }

    async fn load(&self, count: usize, older: bool) -> Result<bool> {
        self.shared.chat.user.check()?;
        check_limit(count)?;
        let mut held = self.shared.window.lock().await;
        let (window, _) = &mut *held;
        self.catch_up(window, false).await?;
        let reached = if older { window.load_older(count).await } else { window.load_newer(count).await };
        drop(held);
        self.shared.feed.changed.notify_waiters();
        reached
    }

    /// The reader sees the rows from the one at place `first` to the one at place `last`, counted from 0 in the list as the
    /// last batch has left it. These are kept; what is farthest away from them is dropped where the list is too long.
    pub fn set_visible(&self, first: usize, last: usize) {
        let seen = Some((first.min(last), first.max(last)));
        *self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        self.shared.feed.changed.notify_waiters();
    }

    /// Shows another part of the conversation; the next batch begins with `Reset`.
    ///
    /// # Errors
    /// `NotFound` when the message is not there, or not on the branch that is shown; `Storage`, `Closed`.
    pub async fn focus(&self, focus: TimelineFocus) -> Result<()> {
        let work = async {
            self.shared.chat.user.check()?;
            let mut held = self.shared.window.lock().await;
            let (window, _) = &mut *held;
            let follows = !matches!(focus, TimelineFocus::Branch { .. });
            let read_upto = window.screen.read_marker();
            let screen = Screen::new(self.max, follows, self.utc_offset_minutes, read_upto);
            *window = Window::open(self.shared.chat.clone(), focus, screen).await?;
            drop(held);
            self.shared.feed.changed.notify_waiters();
            Ok(())
        };
        work.await.map_err(|e| self.failed(e, "timeline.focus"))
    }

    /// Everything up to this message is read: the unread marker moves behind it, or goes (nothing).
    ///
    /// # Errors
    /// `Closed`.
    pub async fn set_read(&self, upto: impl Into<Option<MessageId>>) -> Result<()> {
        let upto = upto.into();
        self.shared.chat.user.check().map_err(|e| self.failed(e, "timeline.set_read"))?;
        self.shared.window.lock().await.0.screen.read_upto(upto);
        self.shared.feed.changed.notify_waiters();
        Ok(())
    }

    /// Takes a message off the screen that was refused and is kept nowhere. False when there is none with this id.
    pub fn dismiss(&self, message: MessageId) -> bool {
        let chat = &self.shared.chat;
        chat.user.engine.feeds.dismiss(&chat.user.owner, chat.id, message)
    }

    fn failed(&self, error: Error, operation: &'static str) -> Error {
        self.shared.chat.failed(error, operation)
    }
}

impl std::fmt::Debug for Timeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Timeline").field("conversation", &self.shared.chat.id).finish_non_exhaustive()
    }
}

enum Looked {
    News(Vec<TimelineDiff>),
    Wait(crate::base::Sleep, Option<(Arc<TurnLog>, usize)>),
}

/// Ends when there is more of the answer on its way; never when none is.
async fn more(log: Option<(Arc<TurnLog>, usize)>) {
    match log {
        Some((log, place)) if log.outcome().is_none() => log.wait(place).await,
        _ => std::future::pending().await,
    }
}

/// Shows what is being said before it is saved, where somebody looks.
pub(super) fn echo(chat: &Conversation, turn: TurnId, parts: &[Part], options: &CallOptions) -> Option<Echo> {
    let user = &chat.user;
    let message = || Message {
        parts: parts.to_vec(),
        metadata: options.metadata.clone(),
        ..empty(chat, user.engine.ids.message(), turn, super::content::role_of(parts))
    };
    user.engine.feeds.say(&user.owner, message, chat.id)
}

/// Shows the answer of a turn as it comes, until what this gives goes.
pub(super) fn follow(
    chat: &Conversation,
    log: &Arc<TurnLog>,
    turn: TurnId,
    journal: &Journal,
    target: &CallTarget,
) -> Followed {
    let place = match journal.parent() {
        Some(Parent::Below(message) | Parent::Message(message)) => Place::Below(message),
        _ => Place::Answer(journal.message()),
    };
    let answer = Message {
        status: MessageStatus::Streaming,
        model: Some(target.model.to_string()),
        ..empty(chat, journal.reply(), turn, Role::Assistant)
    };
    let live = LiveTurn { turn, log: log.clone(), answer, place };
    chat.user.engine.feeds.follow(&chat.user.owner, chat.id, live)
}

/// A message of which nothing is known but whose it is.
fn empty(chat: &Conversation, id: MessageId, turn: TurnId, role: Role) -> Message {
    Message {
        id,
        conversation_id: chat.id,
        turn_id: Some(turn),
        parent_id: None,
        role,
        parts: Vec::new(),
        status: MessageStatus::Pending,
        created_at: chat.user.engine.clock.now(),
        model: None,
        finish_reason: None,
        usage: None,
        cost: None,
        depth: 0,
        sibling_index: 0,
        sibling_count: 1,
        metadata: std::collections::HashMap::new(),
        version: 0,
    }
}
