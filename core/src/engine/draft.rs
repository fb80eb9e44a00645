//! What of a reply is not on disk yet: its events, adjacent deltas joined.

use crate::model::{StreamEvent, StreamEventKind};

/// Events that wait to be written.
#[derive(Default)]
pub(super) struct Unwritten {
    events: Vec<StreamEvent>,
    bytes: usize,
}

impl Unwritten {
    /// Takes in one event.
    pub(super) fn note(&mut self, event: &StreamEvent) {
        self.bytes += weight(&event.kind);
        if !self.events.last_mut().is_some_and(|last| last.join(event)) {
            self.events.push(event.clone());
        }
    }

    /// The events, in their order.
    pub(super) fn events(&self) -> &[StreamEvent] {
        &self.events
    }

    /// About how many bytes they are.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// They are on disk.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}

fn weight(kind: &StreamEventKind) -> usize {
    match kind {
        StreamEventKind::Text { delta } | StreamEventKind::Reasoning { delta } | StreamEventKind::Refusal { delta } => {
            delta.len()
        }
        StreamEventKind::ToolCallDelta { arguments_delta, .. } => arguments_delta.len(),
        _ => 64,
    }
}
