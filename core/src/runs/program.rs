//! What can be run.

use serde::de::DeserializeOwned;

/// What can be run in a conversation: an [`Agent`](super::Agent), a council.
pub trait Program: work::Works {
    /// What a run of it comes to.
    type Output: DeserializeOwned + Send + 'static;
}

/// How a program works; nothing for users.
pub(super) mod work {
    use std::sync::Arc;

    use futures::future::BoxFuture;
    use tokio_util::sync::CancellationToken;

    use crate::base::{Json, RunId};
    use crate::engine::{CallOptions, Conversation};
    use crate::model::{Part, Result, RunEvent, RunEventKind};
    use crate::runs::journal::Journal;

    /// A program as it is run.
    pub trait Works: Clone + Send + Sync + 'static {
        /// Its name in events.
        fn name(&self) -> &'static str;

        /// # Errors
        /// `Invalid` for what cannot be run.
        fn check(&self) -> Result<()>;

        /// Goes on behind what has happened, up to the result.
        fn work(self, work: Work) -> BoxFuture<'static, Result<Json>>;
    }

    /// What a program works with.
    pub struct Work {
        pub(crate) run: RunId,
        /// The conversation; its calls count on the run.
        pub(crate) chat: Conversation,
        /// What was said.
        pub(crate) input: Vec<Part>,
        /// The knobs of each call, without what belongs to the run as a whole.
        pub(crate) options: CallOptions,
        /// Ends when somebody stops the run.
        pub(crate) stop: CancellationToken,
        pub(in crate::runs) journal: Arc<Journal>,
    }

    impl Work {
        /// Everything that has happened.
        pub(crate) async fn past(&self) -> Vec<Arc<RunEvent>> {
            self.journal.past().await
        }

        /// Appends what happened: on disk and to be read by everybody when this returns.
        pub(crate) async fn tell(&self, kinds: impl IntoIterator<Item = RunEventKind>) -> Result<()> {
            self.journal.tell(kinds).await
        }
    }
}
