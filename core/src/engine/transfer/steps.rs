//! What every format comes down to: conversations and their messages, one after the other, each behind the one above it.

use std::collections::HashMap;

use super::items::At;
use crate::base::{AttachmentId, ConversationId, MessageId, Timestamp};
use crate::model::{Cost, FinishReason, ImportProblem, MessageStatus, Part, Preferences, Result, Role, Usage};

/// One thing that a file brings.
#[derive(Debug)]
pub(super) enum Step {
    Preferences(Box<Preferences>),
    Conversation(Box<Begun>),
    /// Of the conversation that began last, like all below.
    Message(Box<Said>),
    File(Box<Attached>),
    /// The branch that ends with this message.
    Shown(MessageId),
    Problem(ImportProblem),
}

/// Who takes the steps; an error ends the reading.
pub(super) type Taker<'a> = dyn FnMut(Step) -> Result<()> + 'a;

/// A conversation.
#[derive(Debug, Default)]
pub(super) struct Begun {
    pub(super) at: At,
    /// What it is called in an export of an engine; it keeps that where it is free. Otherwise it is made from the file.
    pub(super) id: Named,
    pub(super) title: Option<String>,
    pub(super) system: Option<String>,
    pub(super) model: Option<String>,
    pub(super) metadata: HashMap<String, String>,
    pub(super) tags: Vec<String>,
    pub(super) pinned: bool,
    pub(super) archived: bool,
    pub(super) created_at: Option<Timestamp>,
    pub(super) updated_at: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
}

/// What something is called.
#[derive(Clone, Copy, Debug)]
pub(super) enum Named {
    /// By the engine that exported it.
    There(ConversationId),
    /// By this one, after what the file calls it.
    Here(ConversationId),
}

impl Default for Named {
    fn default() -> Self {
        Self::Here(ConversationId::from_bytes([0; 16]))
    }
}

/// A message.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) at: At,
    pub(super) id: MessageId,
    pub(super) parent: Option<MessageId>,
    pub(super) selected: bool,
    pub(super) words: Words,
    /// About how many bytes it takes.
    pub(super) size: usize,
}

/// What a message says.
#[derive(Debug)]
pub(super) struct Words {
    pub(super) role: Role,
    pub(super) status: MessageStatus,
    pub(super) parts: Vec<Part>,
    pub(super) created_at: Option<Timestamp>,
    pub(super) model: Option<String>,
    pub(super) finish_reason: Option<FinishReason>,
    pub(super) usage: Option<Usage>,
    pub(super) cost: Option<Cost>,
    pub(super) metadata: HashMap<String, String>,
}

impl Words {
    pub(super) fn new(role: Role, parts: Vec<Part>) -> Self {
        Self {
            role,
            status: MessageStatus::Complete,
            parts,
            created_at: None,
            model: None,
            finish_reason: None,
            usage: None,
            cost: None,
            metadata: HashMap::new(),
        }
    }
}

/// Bytes that belong to a message.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) at: At,
    pub(super) id: AttachmentId,
    pub(super) message: MessageId,
    pub(super) part_index: i32,
    pub(super) mime_type: String,
    pub(super) name: Option<String>,
    pub(super) data: bytes::Bytes,
}

impl At {
    /// What is wrong with the item that stands here.
    pub(super) fn problem(self, reason: &str, detail: impl Into<String>) -> ImportProblem {
        ImportProblem { line: self.line, item: self.item, reason: reason.to_owned(), detail: detail.into() }
    }
}

/// The same as a step.
impl From<ImportProblem> for Step {
    fn from(problem: ImportProblem) -> Self {
        Self::Problem(problem)
    }
}

/// Text of a file as the store takes it: without NUL characters, and not longer than this.
pub(super) fn fitting(mut text: String, most: usize) -> String {
    if text.contains('\0') {
        text = text.replace('\0', "\u{fffd}");
    }
    if text.len() > most {
        let mut end = most;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
