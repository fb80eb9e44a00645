//! Many changes at once, as a handle of another language: all of them or none, or as many as can be.

use std::sync::{Arc, Mutex, PoisonError};

use super::cancel::{CancelToken, unless};
use super::conversation::Conversation;
use super::conversation_change::ConversationChange;
use super::error::{ErrorInfo, TertuliaError};
use super::ground::Ground;
use super::id::id;
use super::message::{self, NewMessage};
use super::part::{self, Part};
use super::transfer::ExportReport;
use super::user::UserScope;
use super::words::words;
use crate::base::ConversationId;
use crate::{engine, model};

/// Many changes to one user's conversations, gathered by its verbs and done together by `run` or `start`.
///
/// **All or nothing** unless told otherwise: at most 10,000 items in one transaction. Every item is checked before anything
/// is written, in its order, as if those before it were done. Where one is refused, the batch fails as that item does, the
/// error names it by its number, from 0, and nothing is written; the same when it is cancelled, when the store fails, or
/// when somebody else changes things in such a way that it cannot be done any more. With `best_effort` it does what it
/// can: at most 100,000 items, up to 500 of them in one transaction; those that are refused are named in the report.
///
/// Either way the messages of a batch hold at most 64 MiB, files included. Messages go behind answers that are under way:
/// the batch waits for these. Turns of conversations that are deleted are stopped, once nothing is refused.
/// `chats` are ids of conversations; each is an item of its own.
#[derive(uniffi::Object)]
pub struct Batch {
    user: engine::UserScope,
    gathered: Mutex<engine::Batch>,
    ground: Arc<Ground>,
}

#[uniffi::export]
impl UserScope {
    /// Changes many of this user's conversations together: delete, archive, pin, change, tag, append, edit, export.
    #[must_use]
    pub fn batch(&self) -> Arc<Batch> {
        let gathered = Mutex::new(self.user.batch());
        Arc::new(Batch { user: self.user.clone(), gathered, ground: self.ground.clone() })
    }
}

impl Batch {
    fn add(&self, item: impl FnOnce(engine::Batch) -> engine::Batch) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *gathered, self.user.batch());
        *gathered = item(before);
    }

    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    fn each(
        &self,
        chats: &[String],
        item: impl FnOnce(engine::Batch, Vec<ConversationId>) -> engine::Batch,
    ) -> Result<(), TertuliaError> {
        let ids = chats.iter().map(|text| id(text, "user.batch")).collect::<model::Result<Vec<ConversationId>>>()?;
        self.add(|batch| item(batch, ids));
        Ok(())
    }

    /// What was gathered so far, to be done.
    fn work(&self, best_effort: bool) -> engine::Batch {
        let gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if best_effort { gathered.best_effort() } else { gathered }
    }
}

#[uniffi::export]
#[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
impl Batch {
    /// Deletes these conversations with everything in them.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn delete(&self, chats: Vec<String>) -> Result<(), TertuliaError> {
        self.each(&chats, engine::Batch::delete)
    }

    /// Changes the same fields of all of these conversations; what is left out stays as it is.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn update(&self, chats: Vec<String>, change: ConversationChange) -> Result<(), TertuliaError> {
        self.each(&chats, |batch, ids| batch.update(ids, change.into()))
    }

    /// Leaves these conversations out of lists that do not ask for them.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn archive(&self, chats: Vec<String>) -> Result<(), TertuliaError> {
        self.each(&chats, engine::Batch::archive)
    }

    /// Takes these conversations back out of the archive.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn unarchive(&self, chats: Vec<String>) -> Result<(), TertuliaError> {
        self.each(&chats, engine::Batch::unarchive)
    }

    /// Puts these conversations before all others in lists.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn pin(&self, chats: Vec<String>) -> Result<(), TertuliaError> {
        self.each(&chats, engine::Batch::pin)
    }

    /// Puts these conversations among the others again.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn unpin(&self, chats: Vec<String>) -> Result<(), TertuliaError> {
        self.each(&chats, engine::Batch::unpin)
    }

    /// Adds these tags to the ones that the conversations have; those that they have already stay where they stand.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn tag(&self, chats: Vec<String>, tags: Vec<String>) -> Result<(), TertuliaError> {
        self.each(&chats, |batch, ids| batch.tag(ids, tags))
    }

    /// Takes these tags off the conversations; one that a conversation does not have is no error.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn untag(&self, chats: Vec<String>, tags: Vec<String>) -> Result<(), TertuliaError> {
        self.each(&chats, |batch, ids| batch.untag(ids, tags))
    }

    /// Moves the conversations from one tag to another, as from folder to folder. One without the first tag is refused:
    /// `Invalid` (not_tagged).
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn retag(&self, chats: Vec<String>, old: String, new: String) -> Result<(), TertuliaError> {
        self.each(&chats, |batch, ids| batch.retag(ids, old, new))
    }

    /// Stores messages without asking a model, all of them one behind the other. The handle of a new conversation begins
    /// that conversation; other items may name it, too.
    ///
    /// # Errors
    /// `Invalid` (bad_id, bad_json).
    pub fn append(&self, chat: Arc<Conversation>, messages: Vec<NewMessage>) -> Result<(), TertuliaError> {
        let messages = message::taken(messages)?;
        self.add(|batch| batch.append(&chat.chat, messages));
        Ok(())
    }

    /// Says a message anew without asking a model: the new one stands beside it and is shown in its place. One that waits
    /// to be sent is taken back instead. Words of the model are refused: `Invalid` (not_editable).
    ///
    /// # Errors
    /// `Invalid` (bad_id, bad_json).
    pub fn edit(&self, chat: Arc<Conversation>, message_id: String, parts: Vec<Part>) -> Result<(), TertuliaError> {
        let message = id(&message_id, "user.batch")?;
        let parts = part::taken(parts)?;
        self.add(|batch| batch.edit(&chat.chat, message, parts));
        Ok(())
    }

    /// Writes these conversations into a file, as `export_conversations` does. It holds what is there before the batch: put
    /// it before the items that change them. With them deleted by the same batch, either the file is whole and they are gone,
    /// or neither.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    pub fn export(&self, path: String, chats: Vec<String>) -> Result<(), TertuliaError> {
        self.each(&chats, |batch, ids| batch.export(path, ids))
    }

    /// Does it and waits for its end; cancelling ends it. With `best_effort` it does what it can, in place of all or
    /// nothing. With `dry_run` nothing is written: the report says what would be, and names every item that is refused.
    ///
    /// # Errors
    /// As of the report of a batch that was started.
    #[uniffi::method(default(best_effort = false, dry_run = false, cancel = None))]
    pub async fn run(
        &self,
        best_effort: bool,
        dry_run: bool,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<BatchReport, TertuliaError> {
        let work = self.work(best_effort).dry_run(dry_run);
        self.ground.run(cancel, work.run()).await.map(BatchReport::from)
    }

    /// Begins it. It goes on whether anybody holds what this gives or not.
    #[uniffi::method(default(best_effort = false))]
    #[must_use]
    pub fn start(&self, best_effort: bool) -> Arc<BatchRun> {
        let run = self.work(best_effort).start();
        Arc::new(BatchRun { told: tokio::sync::Mutex::new(run.clone()), run, _ground: self.ground.clone() })
    }
}

/// A batch that is under way.
#[derive(uniffi::Object)]
pub struct BatchRun {
    run: engine::BatchRun,
    /// The same, for who is told of every step.
    told: tokio::sync::Mutex<engine::BatchRun>,
    /// Keeps the thread on which it is done.
    _ground: Arc<Ground>,
}

#[uniffi::export]
impl BatchRun {
    /// How far it is now.
    #[must_use]
    pub fn progress(&self) -> BatchProgress {
        self.run.progress().into()
    }

    /// How far it is, as soon as that is not what this told last; nothing once it is over. Who asks seldom is told the
    /// latest.
    ///
    /// # Errors
    /// `Cancelled`: the token ends the waiting, not the batch.
    #[uniffi::method(default(cancel = None))]
    pub async fn next(&self, cancel: Option<Arc<CancelToken>>) -> Result<Option<BatchProgress>, TertuliaError> {
        let told = unless(cancel, async { Ok(self.told.lock().await.next().await) }).await?;
        Ok(told.map(BatchProgress::from))
    }

    /// Ends it. What is done whole or not at all is not done, unless it is being written at this very moment; what is done
    /// as far as it goes keeps what is done. Once it is over this does nothing.
    pub fn cancel(&self) {
        self.run.cancel();
    }

    /// What it has done, once it is over. It may be asked any number of times. The token ends the waiting, not the batch.
    ///
    /// # Errors
    /// `Invalid` (batch_too_large). All or nothing: as the first item that is refused, which it names by its number, from 0;
    /// `Conflict` (changed_meanwhile) when others change the same things again and again; `Cancelled`; `Storage`; `Closed`.
    /// Then nothing is written. Best effort: `Cancelled`, `Storage` and `Closed` before the first write; what comes later is
    /// told of the items.
    #[uniffi::method(default(cancel = None))]
    pub async fn report(&self, cancel: Option<Arc<CancelToken>>) -> Result<BatchReport, TertuliaError> {
        unless(cancel, self.run.report()).await.map(BatchReport::from)
    }
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BatchProgress {
    /// What it is doing. A batch may come back to an earlier phase: one that does what it can goes on part by part, and what
    /// has changed under its hands is looked at again.
    pub phase: BatchPhase,
    /// How many items are through: looked at while it is `checking`, otherwise done or refused.
    pub done: i64,
    /// How many there are.
    pub total: i64,
}

impl From<model::BatchProgress> for BatchProgress {
    fn from(progress: model::BatchProgress) -> Self {
        let model::BatchProgress { phase, done, total } = progress;
        Self { phase: phase.into(), done, total }
    }
}

/// What a batch has done, or would do.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct BatchReport {
    /// True when nothing was written.
    pub dry_run: bool,
    /// How many items are done.
    pub done: i64,
    /// How many were refused.
    pub refused: i64,
    /// How many were not come to.
    pub skipped: i64,
    /// All of them, in their order.
    pub items: Vec<BatchItem>,
}

impl From<model::BatchReport> for BatchReport {
    fn from(report: model::BatchReport) -> Self {
        let model::BatchReport { dry_run, done, refused, skipped, items } = report;
        Self { dry_run, done, refused, skipped, items: items.into_iter().map(BatchItem::from).collect() }
    }
}

/// One item of a batch, and what became of it.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct BatchItem {
    /// Its place in the batch, from 0. A verb that is given several conversations makes one item of each.
    pub index: i64,
    /// What it does.
    pub verb: BatchVerb,
    /// What became of it.
    pub state: BatchState,
    /// Its conversation; nothing for an export.
    pub conversation_id: Option<String>,
    /// The messages that it adds.
    pub message_ids: Vec<String>,
    /// What it has written into its file.
    pub export: Option<ExportReport>,
    /// Why it was refused, and what to do about it.
    pub error: Option<ErrorInfo>,
}

impl From<model::BatchItem> for BatchItem {
    fn from(item: model::BatchItem) -> Self {
        let model::BatchItem { index, verb, state, conversation_id, message_ids, export, error } = item;
        Self {
            index,
            verb: verb.into(),
            state: state.into(),
            conversation_id: conversation_id.map(|id| id.to_string()),
            message_ids: message_ids.iter().map(ToString::to_string).collect(),
            export: export.map(ExportReport::from),
            error: error.map(ErrorInfo::from),
        }
    }
}

words! {
    /// What an item of a batch does.
    BatchVerb as model::BatchVerb {
        /// Deletes a conversation.
        Delete,
        /// Changes fields of a conversation.
        Update,
        /// Puts tags on a conversation.
        Tag,
        /// Takes tags off a conversation.
        Untag,
        /// Puts one tag in the place of another.
        Retag,
        /// Adds messages to a conversation, which may begin with them.
        Append,
        /// Says a message anew.
        Edit,
        /// Writes conversations into a file.
        Export,
    }
}

words! {
    /// What became of an item of a batch.
    BatchState as model::BatchState {
        /// It was not come to: the batch was cancelled before.
        Skipped,
        /// It is done; in a dry run: it would be.
        Done,
        /// It was refused, and nothing of it is done.
        Refused,
    }
}

words! {
    /// What a batch is doing.
    BatchPhase as model::BatchPhase {
        /// It looks at every item. Nothing is written yet.
        Checking,
        /// It waits until turns are over that it would come between.
        Waiting,
        /// It writes files, which have no name yet.
        Exporting,
        /// It writes.
        Writing,
        /// It is over.
        Over,
    }
}
