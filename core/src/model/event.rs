//! What a stream is made of.

use serde::{Deserialize, Serialize};

use super::part::{Citation, Part};
use super::reply::Reply;
use super::tool::{ToolCall, ToolResult};
use super::usage::{Cost, Usage};
use crate::base::{ErrorKind, Json, MessageId, TurnId};

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StreamEvent {
    /// Its number in the turn, from 1. Deltas that were joined carry the last number among them.
    pub seq: i64,
    /// The turn, unless nothing is stored.
    pub turn_id: Option<TurnId>,
    /// The part of the answer it belongs to, from 0.
    pub part_index: i32,
    /// What happened.
    #[serde(flatten)]
    pub kind: StreamEventKind,
}

impl StreamEvent {
    /// An event that has no number yet; the engine gives it one.
    #[must_use]
    pub const fn unnumbered(part_index: i32, kind: StreamEventKind) -> Self {
        Self { seq: 0, turn_id: None, part_index, kind }
    }

    /// Takes in what follows it, when both are words of one voice in one part. False when they are not.
    #[cfg_attr(not(any(test, feature = "engine")), expect(dead_code, reason = "the engine's calls join them"))]
    pub(crate) fn join(&mut self, next: &Self) -> bool {
        if self.part_index != next.part_index {
            return false;
        }
        match (&mut self.kind, &next.kind) {
            (StreamEventKind::Text { delta }, StreamEventKind::Text { delta: more })
            | (StreamEventKind::Reasoning { delta }, StreamEventKind::Reasoning { delta: more })
            | (StreamEventKind::Refusal { delta }, StreamEventKind::Refusal { delta: more }) => delta.push_str(more),
            _ => return false,
        }
        self.seq = next.seq;
        true
    }
}

/// What happened in a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamEventKind {
    /// The message is on disk and the call begins. The first event.
    Started {
        /// The turn, unless nothing is stored. In JSON it stands in the event's header alone: twice the same name
        /// would not be read back.
        #[serde(skip)]
        turn_id: Option<TurnId>,
        /// The answer's id, unless nothing is stored.
        message_id: Option<MessageId>,
        /// The model that is asked, as `provider/model`.
        model: String,
    },
    /// Words of the answer.
    Text {
        /// The next words.
        delta: String,
    },
    /// Thoughts of the model.
    Reasoning {
        /// The next words.
        delta: String,
    },
    /// The model declines.
    Refusal {
        /// The next words.
        delta: String,
    },
    /// A source of the words so far.
    Citation {
        /// The source.
        citation: Citation,
    },
    /// A call of a tool, as it is written.
    ToolCallDelta {
        /// The call.
        call_id: String,
        /// The tool.
        name: String,
        /// The next characters of the arguments.
        arguments_delta: String,
    },
    /// A call of a tool, whole.
    ToolCall {
        /// The call.
        call: ToolCall,
    },
    /// What a tool answered.
    ToolResult {
        /// The answer.
        result: ToolResult,
    },
    /// A whole part that is no text: image, file, opaque.
    Part {
        /// The part.
        part: Part,
    },
    /// Something on the way: before the first content, or a sign of life at any time.
    Progress {
        /// What.
        progress: Progress,
    },
    /// What it took so far. Only providers of your own say so on the way; what others report stands in the last event.
    Usage {
        /// Tokens so far.
        usage: Usage,
        /// Cost so far.
        cost: Cost,
    },
    /// The answer is whole. The last event; a failure is thrown instead.
    Done {
        /// The answer.
        reply: Box<Reply>,
    },
    /// Something that this version does not know.
    Other {
        /// What it is called.
        name: String,
        /// What it carries.
        data: Json,
    },
}

impl StreamEventKind {
    /// Words of the answer.
    #[must_use]
    pub fn text(delta: impl Into<String>) -> Self {
        Self::Text { delta: delta.into() }
    }

    /// True for what an end user would see: text, reasoning, refusal, tool fragments, whole parts.
    /// After the first of these no call is repeated by itself.
    #[must_use]
    pub const fn is_content(&self) -> bool {
        matches!(
            self,
            Self::Text { .. }
                | Self::Reasoning { .. }
                | Self::Refusal { .. }
                | Self::ToolCallDelta { .. }
                | Self::ToolCall { .. }
                | Self::Part { .. }
        )
    }

    /// True for what becomes part of the reply: what a [`ReplyDraft`](super::ReplyDraft) takes in. Fragments of a tool
    /// call do not; the whole call does.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        matches!(
            self,
            Self::Text { .. }
                | Self::Reasoning { .. }
                | Self::Refusal { .. }
                | Self::Citation { .. }
                | Self::ToolCall { .. }
                | Self::ToolResult { .. }
                | Self::Part { .. }
        )
    }
}

/// What happens while nothing is to be seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// In the queue.
    Queued {
        /// How many are before it.
        position: i32,
        /// The likely wait in milliseconds.
        wait_ms: i64,
    },
    /// Waiting for something else than the queue.
    Waiting {
        /// For what.
        reason: String,
        /// The likely wait in milliseconds.
        wait_ms: i64,
    },
    /// Trying again.
    Retrying {
        /// The number of the try that comes, from 2.
        attempt: i32,
        /// How the last one failed.
        kind: ErrorKind,
        /// The wait before it in milliseconds.
        delay_ms: i64,
    },
    /// Going on with another model.
    FellBack {
        /// The one that failed.
        from_model: String,
        /// The one that is asked now.
        to_model: String,
    },
    /// The provider lives.
    Heartbeat {
        /// Since the last event, in milliseconds.
        idle_ms: i64,
    },
}
