//! What a stream is made of.

use super::json;
use super::part::{Citation, Part, ToolCall, ToolResult};
use super::reply::{Cost, Reply, Usage};
use super::words::ErrorKind;
use crate::model;

/// One event of a stream.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct StreamEvent {
    /// Its number in the turn, from 1. Deltas that were joined carry the last number among them.
    pub seq: i64,
    /// The turn, unless nothing is stored.
    pub turn_id: Option<String>,
    /// The part of the answer it belongs to, from 0.
    pub part_index: i32,
    /// What happened.
    pub kind: StreamEventKind,
}

impl From<model::StreamEvent> for StreamEvent {
    fn from(event: model::StreamEvent) -> Self {
        let model::StreamEvent { seq, turn_id, part_index, kind } = event;
        Self { seq, turn_id: turn_id.map(|id| id.to_string()), part_index, kind: kind.into() }
    }
}

/// What happened in a stream.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
#[expect(clippy::large_enum_variant, reason = "a border has no boxes; an event is read once and written to bytes")]
#[non_exhaustive]
pub enum StreamEventKind {
    /// The message is on disk and the call begins. The first event.
    Started {
        /// The turn, unless nothing is stored.
        turn_id: Option<String>,
        /// The answer's id, unless nothing is stored.
        message_id: Option<String>,
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
        reply: Reply,
    },
    /// Something that this version does not know.
    Other {
        /// What it is called.
        name: String,
        /// What it carries, as JSON.
        data: String,
    },
}

impl From<model::StreamEventKind> for StreamEventKind {
    fn from(kind: model::StreamEventKind) -> Self {
        match kind {
            model::StreamEventKind::Started { turn_id, message_id, model } => Self::Started {
                turn_id: turn_id.map(|id| id.to_string()),
                message_id: message_id.map(|id| id.to_string()),
                model,
            },
            model::StreamEventKind::Text { delta } => Self::Text { delta },
            model::StreamEventKind::Reasoning { delta } => Self::Reasoning { delta },
            model::StreamEventKind::Refusal { delta } => Self::Refusal { delta },
            model::StreamEventKind::Citation { citation } => Self::Citation { citation: citation.into() },
            model::StreamEventKind::ToolCallDelta { call_id, name, arguments_delta } => {
                Self::ToolCallDelta { call_id, name, arguments_delta }
            }
            model::StreamEventKind::ToolCall { call } => Self::ToolCall { call: call.into() },
            model::StreamEventKind::ToolResult { result } => Self::ToolResult { result: result.into() },
            model::StreamEventKind::Part { part } => Self::Part { part: part.into() },
            model::StreamEventKind::Progress { progress } => Self::Progress { progress: progress.into() },
            model::StreamEventKind::Usage { usage, cost } => Self::Usage { usage: usage.into(), cost: cost.into() },
            model::StreamEventKind::Done { reply } => Self::Done { reply: (*reply).into() },
            model::StreamEventKind::Other { name, data } => Self::Other { name, data: json::text(&data) },
        }
    }
}

impl StreamEventKind {
    /// What a provider of a host's own gives, for the engine; or what is wrong with it, without what it says.
    pub(super) fn given(self) -> Result<model::StreamEventKind, String> {
        let unread = |error: model::Error| format!("an event with what it cannot hold: {}", error.detail());
        Ok(match self {
            Self::Text { delta } => model::StreamEventKind::Text { delta },
            Self::Reasoning { delta } => model::StreamEventKind::Reasoning { delta },
            Self::Refusal { delta } => model::StreamEventKind::Refusal { delta },
            Self::Citation { citation } => model::StreamEventKind::Citation { citation: citation.into() },
            Self::ToolCallDelta { call_id, name, arguments_delta } => {
                model::StreamEventKind::ToolCallDelta { call_id, name, arguments_delta }
            }
            Self::ToolCall { call } => model::StreamEventKind::ToolCall { call: call.try_into().map_err(unread)? },
            Self::ToolResult { result } => {
                model::StreamEventKind::ToolResult { result: result.try_into().map_err(unread)? }
            }
            Self::Part { part } => model::StreamEventKind::Part { part: part.try_into().map_err(unread)? },
            Self::Progress { progress } => model::StreamEventKind::Progress { progress: progress.into() },
            Self::Usage { usage, cost } => {
                model::StreamEventKind::Usage { usage: usage.try_into().map_err(unread)?, cost: cost.into() }
            }
            Self::Started { .. } => return Err("Started, which is the engine's to say".to_owned()),
            Self::Done { .. } => return Err("Done; returning says that the answer is whole".to_owned()),
            Self::Other { .. } => return Err("an event that this version does not know".to_owned()),
        })
    }
}

/// What happens while nothing is to be seen.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
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

impl From<model::Progress> for Progress {
    fn from(progress: model::Progress) -> Self {
        match progress {
            model::Progress::Queued { position, wait_ms } => Self::Queued { position, wait_ms },
            model::Progress::Waiting { reason, wait_ms } => Self::Waiting { reason, wait_ms },
            model::Progress::Retrying { attempt, kind, delay_ms } => {
                Self::Retrying { attempt, kind: kind.into(), delay_ms }
            }
            model::Progress::FellBack { from_model, to_model } => Self::FellBack { from_model, to_model },
            model::Progress::Heartbeat { idle_ms } => Self::Heartbeat { idle_ms },
        }
    }
}

impl From<Progress> for model::Progress {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Queued { position, wait_ms } => Self::Queued { position, wait_ms },
            Progress::Waiting { reason, wait_ms } => Self::Waiting { reason, wait_ms },
            Progress::Retrying { attempt, kind, delay_ms } => Self::Retrying { attempt, kind: kind.into(), delay_ms },
            Progress::FellBack { from_model, to_model } => Self::FellBack { from_model, to_model },
            Progress::Heartbeat { idle_ms } => Self::Heartbeat { idle_ms },
        }
    }
}
