//! From the engine's messages and parts to Ollama's.
//!
//! A message is words, pictures beside them in base64, and calls. What a tool answered names the tool: old models
//! were taught so, and servers that know ids of calls take them beside it.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;

use super::encode::unsupported;
use crate::base::Json;
use crate::model::{ChatRequest, Error, Media, MediaSource, NewMessage, Part, Result, Role, ToolCall, ToolResult};
use crate::wire::{mime, tools};

/// One message as `/api/chat` takes it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Cow<'a, str>,
    #[serde(skip_serializing_if = "String::is_empty")]
    thinking: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    images: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tool_call_id: &'a str,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: Cow<'a, Json>,
}

/// The messages of a request.
///
/// # Errors
/// `Invalid` (unsupported) for media that Ollama does not take, `Internal` for media that nobody loaded.
pub(super) fn messages(request: &ChatRequest) -> Result<Vec<Message<'_>>> {
    let mut writer = Writer { messages: Vec::with_capacity(request.messages.len() + 1), calls: Vec::new() };
    if let Some(system) = request.system.as_deref().filter(|system| !system.is_empty()) {
        writer.messages.push(Message { role: "system", content: system.into(), ..Message::default() });
    }
    for message in &request.messages {
        writer.message(message)?;
    }
    Ok(writer.messages)
}

struct Writer<'a> {
    messages: Vec<Message<'a>>,
    /// Calls so far, to name the tools that answer.
    calls: Vec<&'a ToolCall>,
}

impl<'a> Writer<'a> {
    fn message(&mut self, message: &'a NewMessage) -> Result<()> {
        let role = match message.role {
            Role::System => "system",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let mut said = Message { role, ..Message::default() };
        for part in &message.parts {
            match part {
                Part::Text { text, .. } | Part::Refusal { text } => append(&mut said.content, text),
                Part::Reasoning { text } if role == "assistant" => said.thinking.push_str(text),
                Part::Image { media } => said.images.push(image(media)?),
                Part::ToolCall { call } if call.provider_executed => {}
                Part::ToolCall { call } if role == "assistant" => {
                    self.calls.push(call);
                    said.tool_calls.push(Call::of(call));
                }
                Part::ToolCall { .. } => {
                    return Err(Error::invalid(
                        "bad_request",
                        "a call of a tool belongs into a message of the assistant",
                    ));
                }
                // At once: answers stand right behind the calls, and before what the user says beside them.
                Part::ToolResult { result } if role == "user" => self.answer(result)?,
                // The words of a sound that the model spoke stand beside it.
                Part::Audio { .. } if role == "assistant" => {}
                Part::Audio { .. } => return Err(unsupported("sounds; send their words, or use another provider")),
                Part::File { .. } => return Err(unsupported("documents; send their words, or use another provider")),
                Part::Reasoning { .. } | Part::ToolResult { .. } | Part::Opaque { .. } => {}
            }
        }
        // Thoughts alone are no message: a template makes an empty answer of them, which models then imitate.
        if !said.content.is_empty() || !said.images.is_empty() || !said.tool_calls.is_empty() {
            self.messages.push(said);
        }
        Ok(())
    }

    fn answer(&mut self, result: &'a ToolResult) -> Result<()> {
        let called = self.calls.iter().rev().find(|call| call.id == result.call_id);
        self.messages.push(Message {
            role: "tool",
            content: words(result),
            images: result.media.iter().map(image).collect::<Result<_>>()?,
            tool_name: called.map_or("", |call| &call.name),
            tool_call_id: &result.call_id,
            ..Message::default()
        });
        Ok(())
    }
}

impl<'a> Call<'a> {
    fn of(call: &'a ToolCall) -> Self {
        let arguments = match (tools::text_arguments(call), &call.arguments) {
            (Some(wrapped), _) => Cow::Owned(wrapped),
            (None, Json::Object(_)) => Cow::Borrowed(&call.arguments),
            (None, Json::Null) => Cow::Owned(json!({})),
            // The server takes objects only, and one broken call would make it refuse the conversation for ever.
            (None, other) => Cow::Owned(json!({ "invalid_json": other })),
        };
        Self { id: &call.id, function: Function { name: &call.name, arguments } }
    }
}

/// Words that follow each other go on; most messages have one part, which is not copied.
fn append<'a>(content: &mut Cow<'a, str>, text: &'a str) {
    if content.is_empty() {
        *content = Cow::Borrowed(text);
    } else {
        content.to_mut().push_str(text);
    }
}

fn words(result: &ToolResult) -> Cow<'_, str> {
    match (&result.output, result.is_error) {
        (Json::String(text), false) => Cow::Borrowed(text),
        (Json::String(text), true) => Cow::Owned(format!("Error: {text}")),
        (output, false) => Cow::Owned(output.to_string()),
        (output, true) => Cow::Owned(format!("Error: {output}")),
    }
}

/// A picture in base64. The server fetches nothing.
fn image(media: &Media) -> Result<Cow<'_, str>> {
    let is_picture = |mime: Option<&str>| mime.is_none_or(|mime| mime.starts_with("image/"));
    match &media.source {
        MediaSource::Data { data } => {
            let told = media.mime_type.as_deref().filter(|mime| !mime.is_empty());
            if !is_picture(told.or_else(|| mime::guess(data))) {
                return Err(unsupported("media other than pictures"));
            }
            Ok(Cow::Owned(STANDARD.encode(data)))
        }
        MediaSource::Url { url } => {
            let data = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,"));
            match data {
                Some((mime, data)) if is_picture(Some(mime)) => Ok(Cow::Borrowed(data)),
                Some(_) => Err(unsupported("media other than pictures")),
                None => Err(unsupported("pictures by URL; send their bytes")),
            }
        }
        MediaSource::ProviderFile { .. } => {
            Err(unsupported("files that were handed over before; send the picture's bytes"))
        }
        _ => Err(Error::internal("media reached the dialect before their bytes were loaded")),
    }
}
