//! What a screen shows of a conversation, as a handle of another language.

use std::sync::Arc;

use super::cancel::CancelToken;
use super::conversation_change::length;
use super::error::TertuliaError;
use super::ground::Ground;
use super::id::id;
use super::page;
use super::pull::{Pull, Source};
use super::row::{TimelineDiff, TimelineFocus};
use crate::{engine, model};

/// What a screen shows of a conversation, pulled batch by batch: first all rows, then only what changed.
///
/// Any number of timelines may be open. One task pulls while others load. Freeing it ends it. A suspended engine keeps it:
/// it goes on with `resume`.
#[derive(uniffi::Object)]
pub struct Timeline {
    timeline: engine::Timeline,
    pull: Pull<engine::Timeline>,
    ground: Arc<Ground>,
}

impl Timeline {
    pub(super) fn new(timeline: engine::Timeline, ground: Arc<Ground>) -> Self {
        Self { pull: Pull::new(timeline.clone(), ground.clone()), timeline, ground }
    }
}

impl Source for engine::Timeline {
    type Item = Vec<TimelineDiff>;

    async fn next(&mut self) -> model::Result<Option<Self::Item>> {
        Ok(Self::next(self).await?.map(|diffs| diffs.into_iter().map(TimelineDiff::from).collect()))
    }
}

#[uniffi::export]
impl Timeline {
    /// The next batch of changes: first `Reset` with all rows, then only what changed since the batch before, applied one
    /// after the other. Waits until there is something. The first words of an answer and its end come at once, everything
    /// else not before `timeline.min_interval_ms` have passed. Nothing once the engine is closed. The token ends the
    /// waiting and loses nothing.
    ///
    /// # Errors
    /// `Storage`; asking again goes on where it failed. `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn next(&self, cancel: Option<Arc<CancelToken>>) -> Result<Option<Vec<TimelineDiff>>, TertuliaError> {
        self.pull.next(cancel).await
    }

    /// Loads so many older messages (1 to 200). True when the first message of the branch is there.
    ///
    /// # Errors
    /// `Invalid` (bad_limit), `Storage`, `Closed`, `Cancelled`.
    #[uniffi::method(default(count = 50, cancel = None))]
    pub async fn load_older(&self, count: i32, cancel: Option<Arc<CancelToken>>) -> Result<bool, TertuliaError> {
        let timeline = self.timeline.clone();
        self.ground.run(cancel, async move { timeline.load_older(page::count(count)).await }).await
    }

    /// Loads so many newer messages (1 to 200), where the newest are not there. True when they are.
    ///
    /// # Errors
    /// `Invalid` (bad_limit), `Storage`, `Closed`, `Cancelled`.
    #[uniffi::method(default(count = 50, cancel = None))]
    pub async fn load_newer(&self, count: i32, cancel: Option<Arc<CancelToken>>) -> Result<bool, TertuliaError> {
        let timeline = self.timeline.clone();
        self.ground.run(cancel, async move { timeline.load_newer(page::count(count)).await }).await
    }

    /// The reader sees the rows from the one at place `first` to the one at place `last`, counted from 0 in the list as
    /// the last batch has left it. These are kept; what is farthest away from them is dropped where the list is too long.
    pub fn set_visible(&self, first: i32, last: i32) {
        self.timeline.set_visible(page::count(first), page::count(last));
    }

    /// Shows another part of the conversation; the next batch begins with `Reset`. Left out: the newest messages.
    ///
    /// # Errors
    /// `NotFound` when the message is not there, or not on the branch that is shown; `Invalid` (bad_id); `Storage`,
    /// `Closed`, `Cancelled`.
    #[uniffi::method(default(focus = None, cancel = None))]
    pub async fn focus(
        &self,
        focus: Option<TimelineFocus>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), TertuliaError> {
        let focus = focus.map_or(Ok(model::TimelineFocus::Live), |focus| focus.taken("timeline.focus"))?;
        let timeline = self.timeline.clone();
        self.ground.run(cancel, async move { timeline.focus(focus).await }).await
    }

    /// Everything up to this message is read: the unread marker moves behind it, or goes (nothing).
    ///
    /// # Errors
    /// `Invalid` (bad_id), `Closed`, `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_read(&self, upto: Option<String>, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let upto = upto.map(|upto| id(&upto, "timeline.set_read")).transpose()?;
        let timeline = self.timeline.clone();
        self.ground.run(cancel, async move { timeline.set_read(upto).await }).await
    }

    /// Takes a message off the screen that was refused and is kept nowhere. False when there is none with this id.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    pub fn dismiss(&self, message_id: String) -> Result<bool, TertuliaError> {
        Ok(self.timeline.dismiss(id(&message_id, "timeline.dismiss")?))
    }

    /// The same as server-sent events for a page. Whoever pulls from this timeline otherwise takes batches away from it.
    ///
    /// A comment is sent when nothing else was for `heartbeat_ms` (15 s unless told, at least 100). Readers are told what
    /// an end user is to see; with `detail` everything that the rows hold.
    #[uniffi::method(default(heartbeat_ms = None, detail = false))]
    #[must_use]
    pub fn sse(&self, heartbeat_ms: Option<i64>, detail: bool) -> Arc<TimelineSse> {
        let mut sse = self.timeline.clone().sse();
        if let Some(every) = heartbeat_ms {
            sse = sse.heartbeat(length(every));
        }
        if detail {
            sse = sse.detailed();
        }
        Arc::new(TimelineSse(Pull::new(sse, self.ground.clone())))
    }
}

/// What a screen shows of a conversation as server-sent events: pieces of bytes, to be sent as they come.
///
/// Each event is one JSON object, `{"type": "changes", "diffs": […]}`: a batch of changes, to be applied one after the
/// other. The first brings all rows. A failure is the last event, `error`.
#[derive(uniffi::Object)]
pub struct TimelineSse(Pull<engine::TimelineSse>);

impl Source for engine::TimelineSse {
    type Item = Vec<u8>;

    async fn next(&mut self) -> model::Result<Option<Self::Item>> {
        Ok(Self::next(self).await.map(Vec::from))
    }
}

#[uniffi::export]
impl TimelineSse {
    /// The next bytes; nothing once the engine is closed, or behind a failure. The first tell the reader when to come
    /// back. The token ends the waiting and loses nothing.
    ///
    /// # Errors
    /// `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn next(&self, cancel: Option<Arc<CancelToken>>) -> Result<Option<Vec<u8>>, TertuliaError> {
        self.0.next(cancel).await
    }
}
