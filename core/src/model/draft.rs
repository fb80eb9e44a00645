//! A reply while it is being written: folds stream events into parts.
//!
//! The one place where deltas become parts; whole replies, streams, partial replies and replayed
//! drafts all go through it.

use super::event::{StreamEvent, StreamEventKind};
use super::part::Part;

/// Collects the parts of a reply from its events.
#[derive(Clone, Debug, Default)]
pub struct ReplyDraft {
    parts: Vec<(i32, Part)>,
}

/// What an event did to a draft.
#[cfg(feature = "engine")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Growth {
    /// Nothing.
    None,
    /// Its words came behind those of the part at this place among [`ReplyDraft::parts`].
    Words(usize),
    /// Something else.
    Parts,
}

impl ReplyDraft {
    /// An empty draft.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True while nothing has arrived.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Takes in one event. Events that carry no content change nothing.
    pub fn push(&mut self, event: &StreamEvent) {
        self.push_kind(event.part_index, &event.kind);
    }

    /// Takes in one event, and says what that did to the parts.
    #[cfg(feature = "engine")]
    pub(crate) fn grow(&mut self, event: &StreamEvent) -> Growth {
        let (before, index) = (self.parts.len(), event.part_index);
        self.push(event);
        let is_words = matches!(
            event.kind,
            StreamEventKind::Text { .. } | StreamEventKind::Reasoning { .. } | StreamEventKind::Refusal { .. }
        );
        if !is_words || self.parts.len() > before {
            return if event.kind.is_kept() { Growth::Parts } else { Growth::None };
        }
        let is_grown = |(i, part): &(i32, Part)| *i == index && !matches!(part, Part::Opaque { attached: true, .. });
        let Some(at) = self.parts.iter().rposition(is_grown) else { return Growth::Parts };
        let before = |(place, (i, _)): &(usize, &(i32, Part))| *i < index || (*i == index && *place < at);
        Growth::Words(self.parts.iter().enumerate().filter(before).count())
    }

    /// Takes in what happened to the part with this number.
    pub fn push_kind(&mut self, index: i32, kind: &StreamEventKind) {
        match kind {
            StreamEventKind::Text { delta } => match self.last(index) {
                Some(Part::Text { text, .. }) => text.push_str(delta),
                _ => self.parts.push((index, Part::text(delta.as_str()))),
            },
            StreamEventKind::Reasoning { delta } => match self.last(index) {
                Some(Part::Reasoning { text }) => text.push_str(delta),
                _ => self.parts.push((index, Part::Reasoning { text: delta.clone() })),
            },
            StreamEventKind::Refusal { delta } => match self.last(index) {
                Some(Part::Refusal { text }) => text.push_str(delta),
                _ => self.parts.push((index, Part::Refusal { text: delta.clone() })),
            },
            StreamEventKind::Citation { citation } => {
                if let Some(Part::Text { citations, .. }) = self.last(index) {
                    citations.push(citation.clone());
                } else {
                    self.parts.push((index, Part::Text { text: String::new(), citations: vec![citation.clone()] }));
                }
            }
            StreamEventKind::ToolCall { call } => self.parts.push((index, Part::ToolCall { call: call.clone() })),
            StreamEventKind::ToolResult { result } => {
                self.parts.push((index, Part::ToolResult { result: result.clone() }))
            }
            StreamEventKind::Part { part } => self.parts.push((index, part.clone())),
            _ => {}
        }
    }

    /// The newest part with this number: a signature of block 0 may stand behind it without ending it.
    fn last(&mut self, index: i32) -> Option<&mut Part> {
        self.parts
            .iter_mut()
            .rev()
            .find(|(i, part)| *i == index && !matches!(part, Part::Opaque { attached: true, .. }))
            .map(|(_, part)| part)
    }

    /// The parts so far, in the order of their numbers.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        self.clone().into_parts()
    }

    /// The parts, in the order of their numbers.
    #[must_use]
    pub fn into_parts(mut self) -> Vec<Part> {
        self.parts.sort_by_key(|(index, _)| *index);
        self.parts.into_iter().map(|(_, part)| part).collect()
    }
}
