//! Summaries: what was said up to a message, in a model's words.
//!
//! A summary belongs to its last message, so to every branch that goes through it and to no other. It is made from
//! messages, and goes with the first of them that is deleted or taken back: what is deleted lives on in nothing. So it may
//! be gone at any time; whoever needs it makes it again.

use crate::base::{ConversationId, MessageId, Timestamp};
use crate::model::{Error, Result};

/// The longest summary, in bytes.
pub const MAX_SUMMARY_BYTES: usize = 64 * 1024;

/// The most summaries of one conversation; those that were written first make room.
pub const MAX_SUMMARIES: usize = 32;

/// A summary to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSummary {
    /// The conversation.
    pub conversation: ConversationId,
    /// The last message in it. It and everything above it is summed up.
    pub upto: MessageId,
    /// The version of the conversation before its messages were read.
    pub as_of: i64,
    /// The model that wrote it, as `provider/model`.
    pub model: String,
    /// What it says; at most 64 KiB.
    pub text: String,
}

impl NewSummary {
    /// # Errors
    /// `Invalid` (too_large).
    pub(super) fn check(&self) -> Result<()> {
        if self.text.len() > MAX_SUMMARY_BYTES {
            return Err(Error::invalid("too_large", format!("a summary holds at most {MAX_SUMMARY_BYTES} bytes")));
        }
        Ok(())
    }
}

/// A summary that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSummary {
    /// The last message in it.
    pub upto: MessageId,
    /// Where that one stands on its branch, from 1.
    pub depth: i32,
    /// The model that wrote it, as `provider/model`.
    pub model: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// What it says.
    pub text: String,
}

/// What is known of the summaries of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryPlace {
    /// The version of the conversation.
    pub version: i64,
    /// Where the message stands that was asked for, from 1; the last one of the branch that is shown, where none was.
    pub depth: i32,
    /// The newest summary of what stands before it.
    pub newest: Option<StoredSummary>,
}
