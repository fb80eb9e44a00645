//! A user's conversations into a file, and out of one.

use std::sync::Arc;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::id::id;
use super::user::UserScope;
use super::words::ImportFormat;
use crate::{base, model};

/// What an export has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ExportReport {
    /// How many conversations.
    pub conversations: i64,
    /// How many messages, on all branches.
    pub messages: i64,
    /// How many files that belong to messages.
    pub files: i64,
    /// How long the file is.
    pub bytes: i64,
}

impl From<model::ExportReport> for ExportReport {
    fn from(report: model::ExportReport) -> Self {
        let model::ExportReport { conversations, messages, files, bytes } = report;
        Self { conversations, messages, files, bytes }
    }
}

/// What an import has done, or would do.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ImportReport {
    /// What the file was recognised as.
    pub format: ImportFormat,
    /// True when nothing was written.
    pub dry_run: bool,
    /// How many conversations were begun.
    pub conversations: i64,
    /// How many messages were added.
    pub messages: i64,
    /// How many messages were left out: those that are here already, and those that could not be taken.
    pub skipped: i64,
    /// How many things of the file were not as they should be.
    pub problem_count: i64,
    /// The first hundred of them.
    pub problems: Vec<ImportProblem>,
}

impl From<model::ImportReport> for ImportReport {
    fn from(report: model::ImportReport) -> Self {
        let model::ImportReport { format, dry_run, conversations, messages, skipped, problem_count, problems } = report;
        let problems = problems.into_iter().map(ImportProblem::from).collect();
        Self { format: format.into(), dry_run, conversations, messages, skipped, problem_count, problems }
    }
}

/// Something in a file that was not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ImportProblem {
    /// The line on which its item begins, from 1.
    pub line: i64,
    /// The number of its item, from 1: of the line in JSON Lines, of the conversation or message in a list.
    pub item: i64,
    /// A stable word for what is wrong.
    pub reason: String,
    /// What is wrong and what was done about it, without anything that was said.
    pub detail: String,
}

impl From<model::ImportProblem> for ImportProblem {
    fn from(problem: model::ImportProblem) -> Self {
        let model::ImportProblem { line, item, reason, detail } = problem;
        Self { line, item, reason, detail }
    }
}

#[uniffi::export]
impl UserScope {
    /// Writes this user's conversations into a file, as JSON Lines: with all branches and which of them is shown, deleted
    /// messages as such, parts of every kind, files, metadata, tags, pins, archive, titles, times, usage and cost. An answer
    /// on its way stands there as one that broke off. Turns, the outbox, and budgets stay behind.
    ///
    /// All conversations unless told otherwise, in the order of their activity: only `ids`, in their order, or only those
    /// that are `archived`, `pinned`, or have this `tag`; with `preferences` what the user prefers as well. The file gets its
    /// name when it is whole and on the disk, in the place of an export that was there, readable for its owner alone. What
    /// is said meanwhile may be in it or not.
    ///
    /// # Errors
    /// `Invalid` (bad_path, bad_id); `NotFound` for an id that is not there; `Storage` when the file cannot be written;
    /// `Cancelled`, which leaves no file.
    #[uniffi::method(default(
        ids = None, archived = None, pinned = None, tag = None, preferences = false, cancel = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "languages name them, and each has a default")]
    pub async fn export_conversations(
        &self,
        path: String,
        ids: Option<Vec<String>>,
        archived: Option<bool>,
        pinned: Option<bool>,
        tag: Option<String>,
        preferences: bool,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<ExportReport, TertuliaError> {
        let call = self.user.export_conversations(path);
        let mut call = call.archived(archived).pinned(pinned).tag(tag).with_preferences(preferences);
        if let Some(ids) = ids {
            let ids = ids.iter().map(|text| id::<base::ConversationId>(text, "user.export_conversations"));
            call = call.conversations(ids.collect::<model::Result<Vec<_>>>()?);
        }
        self.ground.run(cancel, call.into_future()).await.map(ExportReport::from)
    }

    /// Adds the conversations of a file to this user's: of an export of this engine, of the `conversations.json` of ChatGPT
    /// or Claude, or lists of messages with `role` and `content` (one list, an object with `messages`, or JSON Lines of
    /// either). What it is, is recognised. With `dry_run` nothing is written: the report says what would be.
    ///
    /// All of the file is read before anything is written; one that is not whole is refused. What is here already stays as
    /// it is, so that the same file twice is the same file once, and an import that was ended is gone on with by doing it
    /// again. Nothing is billed or counted in budgets.
    ///
    /// # Errors
    /// `Invalid` (unreadable_file, unknown_format, newer_format, malformed, truncated, too_deep, too_large), each with the
    /// line and the item; `Storage`; `Cancelled`, which keeps what was added.
    #[uniffi::method(default(dry_run = false, cancel = None))]
    pub async fn import_conversations(
        &self,
        path: String,
        dry_run: bool,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<ImportReport, TertuliaError> {
        let call = self.user.import_conversations(path).dry_run(dry_run);
        self.ground.run(cancel, call.into_future()).await.map(ImportReport::from)
    }
}
