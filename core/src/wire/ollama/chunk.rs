//! The shapes of a reply: one line of a stream, or the whole.

use serde::Deserialize;

use crate::base::Json;
use crate::wire::json;

/// One line, or a whole reply. `/api/chat` fills `message`, `/api/generate` the fields beside it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Chunk {
    pub(super) model: Option<String>,
    pub(super) message: Option<Said>,
    #[serde(flatten)]
    pub(super) generated: Generated,
    pub(super) done: Option<bool>,
    pub(super) done_reason: Option<String>,
    pub(super) error: Option<Json>,
}

/// A message, or the next piece of one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    pub(super) content: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) tool_calls: Option<Vec<Call>>,
}

/// The same in `/api/generate`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Generated {
    pub(super) response: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) tool_calls: Option<Vec<Call>>,
}

impl From<Generated> for Said {
    fn from(Generated { response, thinking, tool_calls }: Generated) -> Self {
        Self { content: response, thinking, tool_calls }
    }
}

/// A call of a tool, always whole.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Call {
    /// Newer servers name their calls.
    pub(super) id: Option<String>,
    pub(super) function: Function,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Function {
    pub(super) name: Option<String>,
    /// An object; with some imitators JSON in a string.
    pub(super) arguments: Json,
}

/// The JSON and the shape it has.
///
/// # Errors
/// What it is instead, in words.
pub(super) fn parse(text: &str) -> Result<(Json, Chunk), &'static str> {
    let mended;
    let (raw, text) = match serde_json::from_str(text) {
        Ok(raw) => (raw, text),
        Err(_) => {
            mended = json::mended(text).ok_or("something that is no whole JSON")?;
            (serde_json::from_str(&mended).map_err(|_| "something that is no whole JSON")?, &*mended)
        }
    };
    // From the text, because JSON that is read already has forgotten which fields came twice.
    let shape = serde_json::from_str(text).map_err(|_| "JSON that is no reply of Ollama")?;
    Ok((raw, shape))
}
