//! Conversations out of the store into a file, and from a file into the store.
//!
//! ```text
//! export: list ─▶ tree, page by page ─▶ lines ─▶ a file beside the target ─▶ sync ─▶ rename
//! import: file ─▶ items ─▶ steps (a thread of its own) ─▶ bounded channel ─▶ batches ─▶ store
//! ```
//!
//! **The engine's own format** is JSON Lines (`lines.rs`): a first line that names it, conversations with their messages
//! (each behind the one above it, so that one pass reads them), and a last line without which the file is not whole. The
//! branches are as they are shown and were left: a message says whether the way goes on with it, and lines behind the
//! messages say what to show, in an order in which the store ends where it stood.
//!
//! **A file is not trusted.** All of it is read once before the first write: what cannot be read, is nested too deep or too
//! long is refused with the line. How much of it is in memory has a limit. What stands in it names no file of this machine
//! and nothing of another user. What can be read and does not fit (a parent that is missing, a circle, an id that comes
//! twice) is reported and put where it does the least harm.
//!
//! **Twice is once.** Ids stay what they are where they are free, and otherwise follow from user and file, so that the same
//! file finds what it brought before. What is here already is left as it is.

mod chatgpt;
mod claude;
mod export;
mod forest;
mod import;
mod items;
mod lines;
mod lists;
mod pending;
mod source;
mod steps;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use super::user::UserScope;

pub use export::ExportCall;
pub(super) use export::{Named, Whole, check_path, written};
pub use import::ImportCall;

/// The longest item that is read: a line of JSON Lines, or a conversation in a list. Room for the longest file.
const MAX_ITEM_BYTES: usize = 64 << 20;

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 127;

/// The most messages of one conversation that are imported. Their ids are remembered while it is.
const MAX_MESSAGES: usize = 2_000_000;

impl UserScope {
    /// Writes this user's conversations into a file, as JSON Lines: with all branches and which of them is shown, deleted
    /// messages as such, parts of every kind, files, metadata, tags, pins, archive, titles, times, usage and cost. An answer
    /// on its way stands there as one that broke off. Turns, the outbox, and budgets stay behind.
    ///
    /// All conversations unless told otherwise, in the order of their activity. The file gets its name when it is whole and
    /// on the disk, in the place of an export that was there, readable for its owner alone. Memory does not grow with the length
    /// of conversations. What is said meanwhile may be in it or not.
    pub fn export_conversations(&self, path: impl Into<PathBuf>) -> ExportCall {
        ExportCall::new(self.clone(), path.into())
    }

    /// Adds the conversations of a file to this user's: of an export of this engine, of the `conversations.json` of ChatGPT
    /// or Claude, or lists of messages with `role` and `content` (one list, an object with `messages`, or JSON Lines of
    /// either). What it is, is recognised.
    ///
    /// All of the file is read before anything is written; one that is not whole is refused. What is here already stays as
    /// it is, so that the same file twice is the same file once, and an import that was ended is gone on with by doing it
    /// again. Nothing is billed or counted in budgets.
    pub fn import_conversations(&self, path: impl Into<PathBuf>) -> ImportCall {
        ImportCall::new(self.clone(), path.into())
    }
}
