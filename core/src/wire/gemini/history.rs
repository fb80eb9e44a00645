//! What was said so far, as contents of parts.
//!
//! The API knows two speakers; tools answer on the user's side and instructions stand apart. Messages of one speaker
//! in a row become one content. The answers of tools come first in theirs and in the order of the calls, because
//! without ids that order is all that ties them together. What only another provider could read stays behind.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::json;

use super::request::{Content, Data, FunctionCall, FunctionResponse, Part, Response, Speaker};
use super::thinking::Generation;
use super::{media, names, unsupported};
use crate::base::Json;
use crate::model::{self, ChatRequest, Error, NewMessage, Result, Role, ToolCall, ToolResult};
use crate::wire::{Target, tools};

/// What the API takes in place of a signature that there never was: for calls that another model made.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

/// The conversation as the API wants it.
pub(super) struct History<'a> {
    pub(super) system: Vec<Part<'a>>,
    pub(super) contents: Vec<Content<'a>>,
}

impl<'a> History<'a> {
    pub(super) fn of(request: &'a ChatRequest, target: &Target<'_>) -> Result<Self> {
        let generation = Generation::of(&request.model);
        let messages = &request.messages;
        let mut history = Self { system: Vec::new(), contents: Vec::new() };
        history.system.extend(request.system.as_deref().and_then(text));
        let mut calls = HashMap::new();
        let mut ran_elsewhere = HashSet::new();
        for call in messages.iter().flat_map(|m| &m.parts).filter_map(call_of) {
            if call.provider_executed {
                ran_elsewhere.insert(call.id.as_str());
            } else {
                let order = calls.len();
                calls.insert(call.id.as_str(), (call.name.as_str(), order));
            }
        }
        for message in messages {
            // Instructions in the middle keep their authority at the top; as words of the user they would lose it.
            if message.role == Role::System {
                history.system.extend(instructions(message)?);
                continue;
            }
            let speaker = if message.role == Role::Assistant { Speaker::Model } else { Speaker::User };
            let (calls, ran_elsewhere) = (&calls, &ran_elsewhere);
            let mut parts = Parts { out: Vec::new(), target, generation, calls, ran_elsewhere };
            for at in 0..message.parts.len() {
                parts.push(speaker, &message.parts, at)?;
            }
            history.say(speaker, parts.out);
        }
        if history.contents.is_empty() {
            return Err(Error::invalid("empty_message", "there is nothing to answer: every message is empty"));
        }
        for content in history.contents.iter_mut().filter(|content| content.role == Speaker::User) {
            content.parts.sort_by_key(|part| match &part.data {
                Data::FunctionResponse(response) => response.order,
                _ => usize::MAX,
            });
        }
        if generation == Generation::Level {
            history.excuse_unsigned_calls();
        }
        Ok(history)
    }

    fn say(&mut self, role: Speaker, parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut() {
            Some(content) if content.role == role => content.parts.extend(parts),
            _ => self.contents.push(Content { role, parts }),
        }
    }

    /// Since the last words of the user, the first call of every step must be signed. One that is not was made by
    /// another model.
    fn excuse_unsigned_calls(&mut self) {
        let asks = |content: &Content<'_>| {
            content.role == Speaker::User
                && content.parts.iter().any(|part| !matches!(part.data, Data::FunctionResponse(_)))
        };
        let asked = self.contents.iter().rposition(asks).unwrap_or(0);
        for content in self.contents[asked..].iter_mut().filter(|content| content.role == Speaker::Model) {
            let first = content.parts.iter_mut().find(|part| matches!(part.data, Data::FunctionCall(_)));
            if let Some(call) = first {
                call.thought_signature.get_or_insert(NO_SIGNATURE);
            }
        }
    }
}

/// Collects the parts of one message.
struct Parts<'a, 's> {
    out: Vec<Part<'a>>,
    target: &'s Target<'s>,
    generation: Generation,
    /// The name of each call, and its place among all.
    calls: &'s HashMap<&'a str, (&'a str, usize)>,
    ran_elsewhere: &'s HashSet<&'a str>,
}

impl<'a> Parts<'a, '_> {
    fn push(&mut self, speaker: Speaker, parts: &'a [model::Part], at: usize) -> Result<()> {
        let thought_signature = signature(parts, at, self.target.provider);
        let (data, thought) = match (&parts[at], speaker) {
            (model::Part::Text { text, .. }, _) | (model::Part::Refusal { text }, Speaker::Model) => {
                if text.is_empty() && thought_signature.is_none() {
                    return Ok(());
                }
                (Data::Text(Cow::Borrowed(text)), false)
            }
            (model::Part::Reasoning { text }, Speaker::Model) => match thought_signature {
                Some(_) => (Data::Text(Cow::Borrowed(text)), true),
                None => return Ok(()),
            },
            (model::Part::Image { media } | model::Part::Audio { media } | model::Part::File { media }, _) => {
                (media::data(media, self.target)?, false)
            }
            (model::Part::ToolCall { call }, Speaker::Model) => {
                if call.provider_executed {
                    return Ok(());
                }
                (function_call(call)?, false)
            }
            (model::Part::ToolResult { result }, Speaker::User) => return self.tool_result(result),
            (model::Part::Opaque { provider, name, attached, data }, Speaker::Model) => {
                // Others under the same provider's name were kept by another dialect, or are there to be shown.
                let is_ours = name == names::SIGNATURE || data.get(name).is_some();
                if *attached || provider != self.target.provider || !data.is_object() || !is_ours {
                    return Ok(());
                }
                (Data::Kept(data), false)
            }
            (model::Part::Opaque { .. }, Speaker::User) => return Ok(()),
            _ => {
                return Err(unsupported(
                    "a part stands in a message of the wrong role, or is not known to this dialect",
                ));
            }
        };
        self.out.push(Part { data, thought, thought_signature });
        Ok(())
    }

    fn tool_result(&mut self, result: &'a ToolResult) -> Result<()> {
        let id = result.call_id.as_str();
        if self.ran_elsewhere.contains(id) {
            return Ok(());
        }
        let Some((name, order)) = self.calls.get(id).copied() else {
            return Err(unsupported(
                "a tool's answer needs its call before it: this provider asks for the tool's name",
            ));
        };
        let response = if result.is_error { Response::Error(&result.output) } else { Response::Output(&result.output) };
        let media = result.media.iter().map(|media| media::data(media, self.target)).collect::<Result<Vec<_>>>()?;
        let response = |parts| Data::FunctionResponse(FunctionResponse { id, name, response, parts, order });
        if media.is_empty() || self.generation == Generation::Level {
            self.out.push(response(media).into());
            return Ok(());
        }
        // Older models take media from the user only.
        self.out.push(response(Vec::new()).into());
        self.out.push(Data::Text(Cow::Owned(format!("Belongs to the answer of the tool {name}:"))).into());
        self.out.extend(media.into_iter().map(Part::from));
        Ok(())
    }
}

fn function_call(call: &ToolCall) -> Result<Data<'_>> {
    if call.name.is_empty() {
        return Err(unsupported("a tool call without a name cannot be sent"));
    }
    let args = match (tools::text_arguments(call), &call.arguments) {
        (Some(wrapped), _) => Cow::Owned(wrapped),
        (None, Json::Object(_)) => Cow::Borrowed(&call.arguments),
        (None, Json::Null) => Cow::Owned(json!({})),
        // Cut-off arguments: the API takes objects only, and the model should see what it wrote.
        (None, other) => Cow::Owned(json!({ "malformed_arguments": other })),
    };
    Ok(Data::FunctionCall(FunctionCall { id: &call.id, name: &call.name, args }))
}

fn call_of(part: &model::Part) -> Option<&ToolCall> {
    match part {
        model::Part::ToolCall { call } => Some(call),
        _ => None,
    }
}

/// The signature that came with the part at this place.
fn signature<'a>(parts: &'a [model::Part], at: usize, target: &str) -> Option<&'a str> {
    parts[at + 1..]
        .iter()
        .map_while(|part| match part {
            model::Part::Opaque { attached: true, provider, name, data } => Some((provider, name, data)),
            _ => None,
        })
        .find(|(provider, name, _)| *provider == target && *name == names::SIGNATURE)
        .and_then(|(_, _, data)| data.as_str())
}

fn text(text: &str) -> Option<Part<'_>> {
    (!text.is_empty()).then(|| Data::Text(Cow::Borrowed(text)).into())
}

fn instructions(message: &NewMessage) -> Result<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    for part in &message.parts {
        match part {
            model::Part::Text { text: words, .. } => parts.extend(text(words)),
            model::Part::Opaque { .. } => {}
            _ => return Err(unsupported("instructions are text: put pictures, documents and tools in other messages")),
        }
    }
    Ok(parts)
}
