//! The message that comes to be, whole or piece by piece: its blocks, and what is known besides them.

use super::blocks::Blocks;
use super::usage::Counted;
use crate::model::FinishReason;
use crate::wire::Closing;

#[derive(Debug)]
pub(super) struct Message {
    pub(super) blocks: Blocks,
    pub(super) closing: Closing,
    counted: Counted,
}

impl Message {
    pub(super) fn new(provider: &str) -> Self {
        Self { blocks: Blocks::new(provider), closing: Closing::default(), counted: Counted::default() }
    }

    /// The first name stands; an empty one is none.
    pub(super) fn name(&mut self, id: Option<String>, model: Option<String>) {
        let named = |word: Option<String>| word.filter(|w| !w.is_empty());
        self.closing.id = self.closing.id.take().or_else(|| named(id));
        self.closing.model = self.closing.model.take().or_else(|| named(model));
    }

    pub(super) fn count(&mut self, usage: &str) {
        self.counted.merge(usage);
        self.closing.usage = self.counted.usage();
    }

    pub(super) fn stop(&mut self, word: &str) {
        self.closing.finish_reason_raw = Some(word.to_owned());
        self.closing.finish_reason = Some(match word {
            // A gateway that says `end_turn` beside a call still waits for the answer.
            "end_turn" | "stop_sequence" if self.blocks.has_client_call() => FinishReason::ToolCalls,
            "end_turn" | "stop_sequence" => FinishReason::Stop,
            "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
            "tool_use" => FinishReason::ToolCalls,
            "refusal" => FinishReason::ContentFilter,
            "pause_turn" => FinishReason::Pause,
            _ => FinishReason::Other,
        });
    }
}
