//! The list of a user's conversations that changes by itself, as a handle of another language.

use std::sync::Arc;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::ground::Ground;
use super::page;
use super::pull::{Pull, Source};
use super::row::ConversationDiff;
use crate::{engine, model};

/// The conversations of a user, pulled batch by batch: first all that are shown, then only what changed. Freeing it ends it.
#[derive(uniffi::Object)]
pub struct ConversationsWatch {
    watch: engine::ConversationsWatch,
    pull: Pull<engine::ConversationsWatch>,
    ground: Arc<Ground>,
}

impl ConversationsWatch {
    pub(super) fn new(watch: engine::ConversationsWatch, ground: Arc<Ground>) -> Self {
        Self { pull: Pull::new(watch.clone(), ground.clone()), watch, ground }
    }
}

impl Source for engine::ConversationsWatch {
    type Item = Vec<ConversationDiff>;

    async fn next(&mut self) -> model::Result<Option<Self::Item>> {
        Ok(Self::next(self).await?.map(|diffs| diffs.into_iter().map(ConversationDiff::from).collect()))
    }
}

#[uniffi::export]
impl ConversationsWatch {
    /// The next batch of changes: first `Reset` with all rows, then only what changed since the batch before, applied one
    /// after the other. Waits until there is something. Nothing once the engine is closed. The token ends the waiting and
    /// loses nothing.
    ///
    /// # Errors
    /// `Storage`; asking again goes on where it failed. `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn next(&self, cancel: Option<Arc<CancelToken>>) -> Result<Option<Vec<ConversationDiff>>, TertuliaError> {
        self.pull.next(cancel).await
    }

    /// Shows so many conversations more (1 to 200), of those with older activity; at most 1,000 in all. True when there
    /// are no more, or no more are shown.
    ///
    /// # Errors
    /// `Invalid` (bad_limit), `Storage`, `Closed`, `Cancelled`.
    #[uniffi::method(default(count = 50, cancel = None))]
    pub async fn load_older(&self, count: i32, cancel: Option<Arc<CancelToken>>) -> Result<bool, TertuliaError> {
        let (watch, count) = (self.watch.clone(), page::count(count));
        self.ground.run(cancel, async move { watch.load_older(count).await }).await
    }
}
