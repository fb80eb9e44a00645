//! The dialects that providers speak, one file each.

mod anthropic;
mod embeddings;
mod gemini;
mod lists;
mod models;
mod ollama;
mod openai_chat;
mod openai_responses;

pub(crate) use anthropic::Anthropic;
pub(crate) use embeddings::embeddings;
pub(crate) use gemini::Gemini;
pub(crate) use lists::{gemini_models, ollama_models};
pub(crate) use models::models;
pub(crate) use ollama::Ollama;
pub(crate) use openai_chat::OpenAiChat;
pub(crate) use openai_responses::OpenAiResponses;

use crate::answer::{Answer, Ask, Talk};
use crate::script::ErrorClass;

/// When the replies were made, in seconds since 1970: always the same, so that replies are too.
pub(crate) const CREATED: u64 = 1_764_000_000;

/// One way to ask and to answer.
pub(crate) trait Dialect: Send + Sync {
    /// Reads a request. What it says in error is the provider's own.
    fn ask(&self, body: &[u8]) -> Result<Ask, Failure>;

    /// Reads what the conversation says. Only called where the reply depends on it.
    fn talk(&self, body: &[u8]) -> Talk;

    /// A reply in one piece.
    fn whole(&self, answer: &Answer) -> Vec<u8>;

    /// The events of a streamed reply.
    fn frames(&self, answer: &Answer, ask: &Ask) -> Vec<Frame>;

    /// An error of this class: the status that this provider gives it, and its body.
    fn failure(&self, class: ErrorClass, message: Option<&str>, model: &str, after: Option<&str>) -> Failure;

    /// An error that comes inside a stream.
    fn error_event(&self, failure: &Failure) -> Vec<u8>;

    /// What shows that a stream lives.
    fn heartbeat(&self) -> Vec<u8>;

    /// The header with the number of a request, where the provider sends one.
    fn request_id_header(&self) -> Option<&'static str>;

    fn body_type(&self) -> &'static str {
        "application/json"
    }

    fn stream_type(&self) -> &'static str {
        "text/event-stream; charset=utf-8"
    }

    /// Whether the lines of a stream end so even when no script asks for it.
    fn ends_lines_with_crlf(&self) -> bool {
        false
    }
}

pub(crate) struct Failure {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// One event of a stream.
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) kind: FrameKind,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum FrameKind {
    /// Comes before and between pieces, never withheld.
    Opening,
    /// Carries a piece of the reply.
    Piece,
    /// Belongs to the proof that the reply is whole.
    Closing,
    /// The `[DONE]` line.
    Done,
}

pub(crate) fn data(value: &serde_json::Value) -> Vec<u8> {
    format!("data: {value}\n\n").into_bytes()
}

pub(crate) fn event(name: &str, value: &serde_json::Value) -> Vec<u8> {
    format!("event: {name}\ndata: {value}\n\n").into_bytes()
}
