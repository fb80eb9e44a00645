//! Many changes at once: all of them or none, or as many as can be.
//!
//! ```text
//! items ─▶ read and sized (item.rs) ─▶ checked in their order (plan.rs) ─▶ files written beside their places
//!       ─▶ files take their names ─▶ one WriteBatch ─▶ report               (run.rs; run.rs goes on part by part)
//! ```
//!
//! An item is checked against what is there and what the items before it make of that, and it becomes the very ops that
//! the verb becomes which does it alone. What changes between the look and the write fails the write by its
//! preconditions; then all is looked at again, a few times, so that whoever is refused hears by name what is wrong.

mod handle;
mod item;
mod plan;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

pub use handle::BatchRun;
use item::{Item, Work};

use super::content::Content;
use super::conversation::Conversation;
use super::user::UserScope;
use crate::base::{ConversationId, MessageId};
use crate::model::{BatchReport, NewMessage, Result};
use crate::store::ConversationChange;

/// The most items of a batch that is done whole or not at all: they are one transaction, and all others wait for it.
const MAX_WHOLE: usize = 10_000;

/// The most items of a batch that does what it can.
const MAX_ITEMS: usize = 100_000;

/// The most bytes that the messages of a batch hold together, files included. They are all in memory.
const MAX_BYTES: usize = 64 << 20;

/// Many changes to one user's conversations, done together by `run` or `start`.
///
/// **All or nothing** unless told otherwise: at most 10,000 items in one transaction. Every item is checked before anything
/// is written, in its order, as if those before it were done. Where one is refused, the batch fails as that item does, the
/// error names it, and nothing is written; the same when it is cancelled, when the store fails, or when somebody else
/// changes things in such a way that it cannot be done any more. **Best effort** does what it can: at most 100,000 items,
/// up to 500 of them in one transaction; those that are refused are named in the report, and all others are done.
///
/// Either way the messages of a batch hold at most 64 MiB, files included. Messages go behind answers that are under way:
/// the batch waits for these. Turns of conversations that are deleted are stopped, once nothing is refused.
#[must_use = "nothing happens until it is run or started"]
#[derive(Clone, Debug)]
pub struct Batch {
    user: UserScope,
    items: Vec<Item>,
    is_best_effort: bool,
    dry_run: bool,
}

impl UserScope {
    /// Changes many of this user's conversations together: delete, archive, pin, change, tag, append, edit, export.
    pub fn batch(&self) -> Batch {
        Batch { user: self.clone(), items: Vec::new(), is_best_effort: false, dry_run: false }
    }
}

impl Batch {
    fn each<I: Into<ConversationId>>(
        mut self,
        ids: impl IntoIterator<Item = I>,
        work: impl Fn(ConversationId) -> Work,
    ) -> Self {
        let begins = self.items.len();
        self.items.extend(ids.into_iter().enumerate().map(|(at, id)| Item::new(begins + at, work(id.into()))));
        self
    }

    fn one(mut self, work: Work) -> Self {
        self.items.push(Item::new(self.items.len(), work));
        self
    }

    /// Deletes these conversations with everything in them.
    pub fn delete<I: Into<ConversationId>>(self, ids: impl IntoIterator<Item = I>) -> Self {
        self.each(ids, Work::Delete)
    }

    /// Changes the same fields of all of these conversations; what is left out stays as it is.
    pub fn update<I: Into<ConversationId>>(self, ids: impl IntoIterator<Item = I>, change: ConversationChange) -> Self {
        let change = Arc::new(change);
        self.each(ids, |id| Work::Update(id, change.clone()))
    }

    /// Leaves these conversations out of lists that do not ask for them.
    pub fn archive<I: Into<ConversationId>>(self, ids: impl IntoIterator<Item = I>) -> Self {
        self.update(ids, ConversationChange { archived: Some(true), ..ConversationChange::default() })
    }

    /// Takes these conversations back out of the archive.
    pub fn unarchive<I: Into<ConversationId>>(self, ids: impl IntoIterator<Item = I>) -> Self {
        self.update(ids, ConversationChange { archived: Some(false), ..ConversationChange::default() })
    }

    /// Puts these conversations before all others in lists.
    pub fn pin<I: Into<ConversationId>>(self, ids: impl IntoIterator<Item = I>) -> Self {
        self.update(ids, ConversationChange { pinned: Some(true), ..ConversationChange::default() })
    }

    /// Puts these conversations among the others again.
    pub fn unpin<I: Into<ConversationId>>(self, ids: impl IntoIterator<Item = I>) -> Self {
        self.update(ids, ConversationChange { pinned: Some(false), ..ConversationChange::default() })
    }

    /// Adds these tags to the ones that the conversations have; those that they have already stay where they stand.
    pub fn tag<I: Into<ConversationId>>(
        self,
        ids: impl IntoIterator<Item = I>,
        tags: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let tags: Arc<[String]> = tags.into_iter().map(Into::into).collect();
        self.each(ids, |id| Work::Tag(id, tags.clone()))
    }

    /// Takes these tags off the conversations; one that a conversation does not have is no error.
    pub fn untag<I: Into<ConversationId>>(
        self,
        ids: impl IntoIterator<Item = I>,
        tags: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let tags: Arc<[String]> = tags.into_iter().map(Into::into).collect();
        self.each(ids, |id| Work::Untag(id, tags.clone()))
    }

    /// Moves the conversations from one tag to another, as from folder to folder. One without the first tag is refused:
    /// `Invalid` (not_tagged).
    pub fn retag<I: Into<ConversationId>>(
        self,
        ids: impl IntoIterator<Item = I>,
        from: impl Into<String>,
        to: impl Into<String>,
    ) -> Self {
        let tags = Arc::new((from.into(), to.into()));
        self.each(ids, |id| Work::Retag(id, tags.clone()))
    }

    /// Stores messages without asking a model, all of them one behind the other. The handle of a new conversation begins
    /// that conversation; other items may name it, too.
    pub fn append(self, chat: &Conversation, messages: impl IntoIterator<Item = NewMessage>) -> Self {
        self.one(Work::Append { chat: chat.clone(), messages: messages.into_iter().collect(), ids: Vec::new() })
    }

    /// Says a message anew without asking a model: the new one stands beside it and is shown in its place. One that waits
    /// to be sent is taken back instead. Words of the model are refused: `Invalid` (not_editable).
    pub fn edit(self, chat: &Conversation, message: MessageId, content: impl Into<Content>) -> Self {
        self.one(Work::Edit { chat: chat.clone(), old: message, content: content.into(), new: None })
    }

    /// Writes these conversations into a file, as `export_conversations` does. It holds what is there before the batch: put
    /// it before the items that change them. With them deleted by the same batch, either the file is whole and they are gone,
    /// or neither: what is said in one of them meanwhile is in the file, or the batch is refused.
    pub fn export<I: Into<ConversationId>>(self, path: impl Into<PathBuf>, ids: impl IntoIterator<Item = I>) -> Self {
        self.one(Work::Export { path: path.into(), ids: ids.into_iter().map(Into::into).collect() })
    }

    /// Does what it can, in place of all or nothing.
    pub fn best_effort(mut self) -> Self {
        self.is_best_effort = true;
        self
    }

    /// With true nothing is written: the report says what would be, and names every item that is refused.
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.dry_run = dry_run;
        self
    }

    /// Does it and waits for its end. Dropping the future cancels it.
    ///
    /// # Errors
    /// As [`BatchRun::report`].
    pub async fn run(self) -> Result<BatchReport> {
        let run = self.start();
        let _ends = run.cancels();
        run.report().await
    }

    /// Begins it on the engine's runtime. It goes on whether anybody holds what this gives or not.
    pub fn start(self) -> BatchRun {
        BatchRun::start(self)
    }
}
