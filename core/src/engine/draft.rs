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
        if let Some(last) = self.events.last_mut()
            && last.part_index == event.part_index
            && join(&mut last.kind, &event.kind)
        {
            return;
        }
        self.events.push(event.clone());
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

/// Joins adjacent deltas of one voice.
fn join(last: &mut StreamEventKind, next: &StreamEventKind) -> bool {
    match (last, next) {
        (StreamEventKind::Text { delta }, StreamEventKind::Text { delta: more })
        | (StreamEventKind::Reasoning { delta }, StreamEventKind::Reasoning { delta: more })
        | (StreamEventKind::Refusal { delta }, StreamEventKind::Refusal { delta: more }) => {
            delta.push_str(more);
            true
        }
        _ => false,
    }
}
