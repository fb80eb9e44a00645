//! What the events of a reply say to readers outside of the program: as little as a page needs, or all of it.

use bytes::Bytes;
use serde::Serialize;

use crate::base::{ErrorKind, MessageId, TurnId};
use crate::model::{Citation, Error, ErrorInfo, FinishReason, Part, ReplyStatus, Result, StreamEvent, StreamEventKind};
use crate::wire::sse_event;

/// How much readers are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    /// What an end user is to see: the answer, and how it ended.
    Plain,
    /// Every event with all that it carries: thoughts, tools, progress, usage, the whole reply.
    Detailed,
}

/// An event as a page needs it.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Plain<'a> {
    Started {
        turn_id: Option<TurnId>,
        message_id: Option<MessageId>,
    },
    Text {
        #[serde(skip_serializing_if = "is_first")]
        part_index: i32,
        delta: &'a str,
    },
    Refusal {
        #[serde(skip_serializing_if = "is_first")]
        part_index: i32,
        delta: &'a str,
    },
    Citation {
        #[serde(skip_serializing_if = "is_first")]
        part_index: i32,
        citation: &'a Citation,
    },
    Part {
        #[serde(skip_serializing_if = "is_first")]
        part_index: i32,
        part: &'a Part,
    },
    Done {
        status: ReplyStatus,
        message_id: Option<MessageId>,
        finish_reason: Option<FinishReason>,
        /// A sentence for the end user, of a reply that did not end well.
        #[serde(skip_serializing_if = "Option::is_none")]
        notice: Option<&'a str>,
    },
    Error {
        kind: ErrorKind,
        user_message: String,
        saved: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<i64>,
    },
}

/// A failure with all that it carries, but for what had arrived: that was told before.
#[derive(Serialize)]
#[serde(tag = "type", rename = "error")]
struct Failure {
    seq: i64,
    error: ErrorInfo,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_first(part_index: &i32) -> bool {
    *part_index == 0
}

impl View {
    /// False for what readers of this view are not told.
    pub(super) const fn shows(self, kind: &StreamEventKind) -> bool {
        match self {
            Self::Detailed => true,
            Self::Plain => matches!(
                kind,
                StreamEventKind::Started { .. }
                    | StreamEventKind::Text { .. }
                    | StreamEventKind::Refusal { .. }
                    | StreamEventKind::Citation { .. }
                    | StreamEventKind::Part { part: Part::Image { .. } | Part::Audio { .. } | Part::File { .. } }
                    | StreamEventKind::Done { .. }
            ),
        }
    }

    /// The event as the bytes that are sent; nothing when it is not told.
    pub(super) fn event(self, event: &StreamEvent) -> Result<Option<Bytes>> {
        let part_index = event.part_index;
        let plain = match (self, &event.kind) {
            (Self::Detailed, _) => return sse_event(event.seq, event).map(Some),
            (_, kind) if !self.shows(kind) => return Ok(None),
            (_, StreamEventKind::Started { message_id, .. }) => {
                Plain::Started { turn_id: event.turn_id, message_id: *message_id }
            }
            (_, StreamEventKind::Text { delta }) => Plain::Text { part_index, delta },
            (_, StreamEventKind::Refusal { delta }) => Plain::Refusal { part_index, delta },
            (_, StreamEventKind::Citation { citation }) => Plain::Citation { part_index, citation },
            (_, StreamEventKind::Part { part }) => Plain::Part { part_index, part },
            (_, StreamEventKind::Done { reply }) => Plain::Done {
                status: reply.status,
                message_id: reply.message_id,
                finish_reason: reply.finish_reason,
                notice: reply.notice(),
            },
            _ => return Ok(None),
        };
        sse_event(event.seq, &plain).map(Some)
    }

    /// The failure that ended a reply, as the event with this number.
    pub(super) fn failure(self, seq: i64, error: &Error) -> Result<Bytes> {
        let info = ErrorInfo { partial: Vec::new(), ..error.info() };
        match self {
            Self::Detailed => sse_event(seq, &Failure { seq, error: info }),
            Self::Plain => {
                let ErrorInfo { kind, user_message, saved, retry_after_ms, .. } = info;
                sse_event(seq, &Plain::Error { kind, user_message, saved, retry_after_ms })
            }
        }
    }
}
