//! A timeline as server-sent events: ready bytes for whoever serves a page.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use serde::Serialize;

use super::Timeline;
use crate::base::{ErrorKind, MessageId, Timestamp, TurnId};
use crate::engine::heartbeat::{self, Heartbeat};
use crate::engine::view::View;
use crate::model::{
    Delivery, ErrorInfo, Message, MessageStatus, Part, Result, Role, TimelineDiff, TimelineItem, TimelineItemKind,
};
use crate::wire::sse_event;

/// What a screen shows of a conversation as server-sent events, made by [`Timeline::sse`]: pieces of bytes, to be sent as
/// they come.
///
/// Each event is one JSON object, `{"type": "changes", "diffs": […]}`: a batch of changes, to be applied one after the
/// other. Its `id` counts the batches. The first brings all rows (`reset`), so a page that comes back is given all of them
/// anew, whatever it has seen. A slow reader gets fewer and larger batches and holds nobody up.
///
/// Readers are told what an end user is to see: of each message its words, refusals, pictures, sounds and files, who said
/// it, when, and how far it got. Whatever else a message holds (thoughts, tools, what a system says) is a part of the type
/// `hidden`, so that the places of parts are the same for all. Everything comes with [`detailed`](Self::detailed).
///
/// A failure is the last event, `error`: the status of the response has been sent by then. A page that comes back goes on.
#[must_use = "nothing is read until it is asked for bytes"]
pub struct TimelineSse {
    timeline: Timeline,
    view: View,
    heartbeat: Heartbeat,
    /// Which parts of each row the reader is told.
    told: Vec<Vec<bool>>,
    seq: i64,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    New,
    Open,
    Over,
}

impl Timeline {
    /// The same as server-sent events for a page. Whoever pulls from this timeline otherwise takes batches away from it.
    pub fn sse(self) -> TimelineSse {
        let heartbeat = Heartbeat::new(self.shared.chat.user.engine.clock.clone());
        TimelineSse { timeline: self, view: View::Plain, heartbeat, told: Vec::new(), seq: 0, stage: Stage::New }
    }
}

impl TimelineSse {
    /// Sends a comment when nothing else was sent for this long (default 15 seconds, at least 100 milliseconds), so that
    /// proxies keep the connection and a reader that is gone is found out.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat.every(every);
        self
    }

    /// Tells the rows with all that they hold, as `TimelineDiff` is in JSON.
    pub fn detailed(mut self) -> Self {
        self.view = View::Detailed;
        self
    }

    /// The next bytes; nothing once the engine is closed, or behind a failure. The first tell the reader when to come back.
    /// Whoever stops waiting loses nothing.
    pub async fn next(&mut self) -> Option<Bytes> {
        let piece = match self.stage {
            Stage::New => {
                self.stage = Stage::Open;
                heartbeat::begin()
            }
            Stage::Open => self.step().await?,
            Stage::Over => return None,
        };
        self.heartbeat.sent();
        Some(piece)
    }

    /// The same as a stream, for frameworks that take one as the body of a response. It has no errors.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
        stream::unfold(self, async |mut sse| sse.next().await.map(|piece| (Ok(piece), sse)))
    }

    async fn step(&mut self) -> Option<Bytes> {
        loop {
            let batch = tokio::select! {
                biased;
                batch = self.timeline.next() => batch,
                sign = self.heartbeat.beat() => return Some(sign),
            };
            let piece = batch.and_then(|batch| batch.map(|diffs| self.event(&diffs)).transpose());
            match piece {
                Ok(Some(Some(piece))) => return Some(piece),
                // Nothing of it is told.
                Ok(Some(None)) => {}
                Ok(None) => {
                    self.stage = Stage::Over;
                    return None;
                }
                Err(error) => {
                    self.stage = Stage::Over;
                    return self.view.failure(self.seq + 1, &error).ok();
                }
            }
        }
    }

    fn event(&mut self, diffs: &[TimelineDiff]) -> Result<Option<Bytes>> {
        let seq = self.seq + 1;
        let piece = match self.view {
            View::Detailed => sse_event(seq, &Changes { diffs })?,
            View::Plain => {
                let diffs = self.plain(diffs);
                if diffs.is_empty() {
                    return Ok(None);
                }
                sse_event(seq, &Changes { diffs: &diffs })?
            }
        };
        self.seq = seq;
        Ok(Some(piece))
    }

    fn plain<'a>(&mut self, diffs: &'a [TimelineDiff]) -> Vec<TimelineDiff<Row<'a>>> {
        let mut plain = Vec::with_capacity(diffs.len());
        for diff in diffs {
            if let TimelineDiff::AppendText { index, part_index, .. } = diff {
                let told = self.told.get(*index).and_then(|parts| parts.get(*part_index));
                if told != Some(&true) {
                    continue;
                }
            }
            diff.map(told).lay(&mut self.told, |_, _, _| {});
            plain.push(diff.map(Row::from));
        }
        plain
    }
}

impl std::fmt::Debug for TimelineSse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimelineSse")
            .field("timeline", &self.timeline)
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}

/// Which parts of a row the reader is told.
fn told(item: &TimelineItem) -> Vec<bool> {
    match &item.kind {
        TimelineItemKind::Message { message, .. } => {
            message.parts.iter().map(|part| is_told(message.role, part)).collect()
        }
        _ => Vec::new(),
    }
}

fn is_told(role: Role, part: &Part) -> bool {
    matches!(role, Role::User | Role::Assistant)
        && matches!(
            part,
            Part::Text { .. } | Part::Refusal { .. } | Part::Image { .. } | Part::Audio { .. } | Part::File { .. }
        )
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "changes")]
struct Changes<'a, T> {
    diffs: &'a [TimelineDiff<T>],
}

/// A row as a page needs it.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    #[serde(flatten)]
    kind: RowKind<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum RowKind<'a> {
    Message {
        message: Said<'a>,
        delivery: Option<Delivery>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Failure<'a>>,
    },
    DayDivider {
        day: &'a str,
    },
    UnreadMarker,
    Typing {
        turn_id: TurnId,
    },
    Gap,
}

#[derive(Serialize)]
struct Said<'a> {
    id: MessageId,
    turn_id: Option<TurnId>,
    role: Role,
    status: MessageStatus,
    created_at: Timestamp,
    parts: Vec<PlainPart<'a>>,
    sibling_index: i32,
    sibling_count: i32,
}

#[derive(Serialize)]
#[serde(untagged)]
enum PlainPart<'a> {
    Told(&'a Part),
    Hidden {
        #[serde(rename = "type")]
        kind: &'static str,
    },
}

#[derive(Serialize)]
struct Failure<'a> {
    kind: ErrorKind,
    user_message: &'a str,
    saved: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<i64>,
}

impl<'a> From<&'a TimelineItem> for Row<'a> {
    fn from(item: &'a TimelineItem) -> Self {
        let kind = match &item.kind {
            TimelineItemKind::Message { message, delivery, error } => RowKind::Message {
                message: Said::from(&**message),
                delivery: *delivery,
                error: error.as_deref().map(Failure::from),
            },
            TimelineItemKind::DayDivider { day } => RowKind::DayDivider { day },
            TimelineItemKind::UnreadMarker => RowKind::UnreadMarker,
            TimelineItemKind::Typing { turn_id } => RowKind::Typing { turn_id: *turn_id },
            TimelineItemKind::Gap => RowKind::Gap,
        };
        Self { id: &item.id, kind }
    }
}

impl<'a> From<&'a Message> for Said<'a> {
    fn from(message: &'a Message) -> Self {
        let plain = |part| {
            if is_told(message.role, part) { PlainPart::Told(part) } else { PlainPart::Hidden { kind: "hidden" } }
        };
        Self {
            id: message.id,
            turn_id: message.turn_id,
            role: message.role,
            status: message.status,
            created_at: message.created_at,
            parts: message.parts.iter().map(plain).collect(),
            sibling_index: message.sibling_index,
            sibling_count: message.sibling_count,
        }
    }
}

impl<'a> From<&'a ErrorInfo> for Failure<'a> {
    fn from(error: &'a ErrorInfo) -> Self {
        let ErrorInfo { kind, user_message, saved, retry_after_ms, .. } = error;
        Self { kind: *kind, user_message, saved: *saved, retry_after_ms: *retry_after_ms }
    }
}
