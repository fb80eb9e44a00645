//! Taking everything of a user out.

use std::sync::Arc;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::user::UserScope;
use crate::model;

/// What an erasure has taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ErasureReport {
    /// How many conversations, those among them whose time was up.
    pub conversations: i64,
    /// How many messages, on all branches.
    pub messages: i64,
    /// How many streams of events.
    pub streams: i64,
    /// How many values of the user's libraries, deleted ones among them.
    pub entries: i64,
    /// True when the files of the store hold no byte of it any more. False when another program read from the store's log
    /// the whole time: what is left there goes as soon as nobody hinders it.
    pub scrubbed: bool,
}

impl From<model::ErasureReport> for ErasureReport {
    fn from(report: model::ErasureReport) -> Self {
        let model::ErasureReport { conversations, messages, streams, entries, scrubbed } = report;
        Self { conversations, messages, streams, entries, scrubbed }
    }
}

#[uniffi::export]
impl UserScope {
    /// Takes out everything of this user: conversations with all branches, messages, files, drafts, turns, what waits in the
    /// outbox, streams of events, libraries, what the user prefers, and the words of all of it in the search index; then what is
    /// left of them in free places of the store's files. Turns that run here are stopped first. The sums of what was spent
    /// stay, and budgets go on counting them: they hold no content. Files that were exported, backups, and logs of other
    /// programs are not the store's.
    ///
    /// While it is under way, whoever begins a conversation for this user, in any process, hears `Conflict` (erasing). It goes
    /// on when the waiting is cancelled, and at the next opening of the store when the process ends before. Doing it again
    /// does what is left.
    ///
    /// # Errors
    /// `Storage`; `Closed`; `Cancelled`. What is done then stays done.
    #[uniffi::method(default(cancel = None))]
    pub async fn erase(&self, cancel: Option<Arc<CancelToken>>) -> Result<ErasureReport, TertuliaError> {
        let user = self.user.clone();
        self.ground.run(cancel, async move { user.erase().await }).await.map(ErasureReport::from)
    }
}
