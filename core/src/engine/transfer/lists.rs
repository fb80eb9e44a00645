//! Lists of messages with `role` and `content`, as OpenAI's API takes them: a list, an object with `messages`, or one of
//! these on each line. A list has no ids, so a conversation is known by what stands in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::items::At;
use super::source::foreign;
use super::steps::{Begun, Named, Said, Step, Taker, Words, fitting};
use super::{MAX_ITEM_BYTES, MAX_MESSAGES};
use crate::base::{ConversationId, Json, MessageId};
use crate::engine::conversation::MAX_TITLE_BYTES;
use crate::model::{Media, Part, Result, Role, ToolCall, ToolResult};

/// An object with `messages`.
#[derive(Deserialize)]
struct Object {
    messages: Vec<Json>,
    title: Option<String>,
}

/// The reader of such files.
pub(super) struct Lists<'o> {
    owner: &'o str,
    /// Messages that stand alone, of one list.
    gathered: Option<Gathered>,
}

struct Gathered {
    at: At,
    messages: Vec<(At, Json)>,
    hash: Sha256,
    bytes: usize,
}

impl<'o> Lists<'o> {
    pub(super) fn new(owner: &'o str) -> Self {
        Self { owner, gathered: None }
    }

    pub(super) fn take(&mut self, at: At, bytes: &[u8], each: &mut Taker<'_>) -> Result<()> {
        if self.gathered.as_ref().is_some_and(|gathered| gathered.at.list != at.list) {
            self.end(each)?;
        }
        if bytes.starts_with(b"[") {
            self.end(each)?;
            let Some(messages) = foreign::<Vec<Json>>(at, bytes, each)? else { return Ok(()) };
            return self.conversation(at, Sha256::digest(bytes).into(), None, numbered(at, messages), each);
        }
        let Some(item) = foreign::<Json>(at, bytes, each)? else { return Ok(()) };
        if item.get("messages").is_some() {
            self.end(each)?;
            return match serde_json::from_value::<Object>(item) {
                Ok(Object { messages, title }) => {
                    self.conversation(at, Sha256::digest(bytes).into(), title, numbered(at, messages), each)
                }
                Err(_) => each(at.problem("bad_item", "its `messages` are no list; it was left out").into()),
            };
        }
        let gathered =
            self.gathered.get_or_insert_with(|| Gathered { at, messages: Vec::new(), hash: Sha256::new(), bytes: 0 });
        gathered.hash.update(bytes);
        gathered.bytes += bytes.len();
        if gathered.bytes > MAX_ITEM_BYTES || gathered.messages.len() >= MAX_MESSAGES {
            let what = format!("a list of messages is longer than {MAX_ITEM_BYTES} bytes");
            return Err(at.refused("too_large", &what));
        }
        gathered.messages.push((at, item));
        Ok(())
    }

    /// What was gathered is a conversation.
    pub(super) fn end(&mut self, each: &mut Taker<'_>) -> Result<()> {
        let Some(gathered) = self.gathered.take() else { return Ok(()) };
        self.conversation(gathered.at, gathered.hash.finalize().into(), None, gathered.messages, each)
    }

    fn conversation(
        &self,
        at: At,
        hash: [u8; 32],
        title: Option<String>,
        messages: Vec<(At, Json)>,
        each: &mut Taker<'_>,
    ) -> Result<()> {
        let name: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = ConversationId::imported(self.owner, &format!("messages {name}"));
        let title = title.map(|title| fitting(title, MAX_TITLE_BYTES)).filter(|title| !title.is_empty());
        each(Step::Conversation(Box::new(Begun { at, id: Named::Here(id), title, ..Begun::default() })))?;
        let (mut parent, mut calls) = (None, Calls::default());
        for (number, (at, message)) in messages.into_iter().enumerate() {
            let size = 256 + message.get("content").and_then(Json::as_str).map_or(1_024, str::len);
            let words = match words(message, &mut calls) {
                Ok(words) => words,
                Err((reason, detail)) => {
                    each(at.problem(reason, format!("{detail}; it was left out")).into())?;
                    continue;
                }
            };
            let id = MessageId::imported(id, format!("messages {number}").as_bytes());
            each(Step::Message(Box::new(Said { at, id, parent, selected: true, words, size })))?;
            parent = Some(id);
        }
        match parent {
            Some(last) => each(Step::Shown(last)),
            None => Ok(()),
        }
    }
}

fn numbered(at: At, messages: Vec<Json>) -> Vec<(At, Json)> {
    messages.into_iter().map(|message| (at, message)).collect()
}

/// Calls of the older kind, which have no ids.
#[derive(Default)]
struct Calls {
    count: usize,
}

impl Calls {
    fn last(&self) -> String {
        format!("call_{}", self.count)
    }
}

type Refused = (&'static str, &'static str);

fn words(message: Json, calls: &mut Calls) -> std::result::Result<Words, Refused> {
    let Json::Object(mut fields) = message else { return Err(("bad_message", "a message is no object")) };
    let text = |value: Option<&Json>| value.and_then(Json::as_str).map(str::to_owned);
    let role = match fields.get("role").and_then(Json::as_str) {
        Some("system" | "developer") => Role::System,
        Some("user" | "human") => Role::User,
        Some("assistant" | "model") => Role::Assistant,
        Some("tool" | "function") => Role::Tool,
        _ => return Err(("bad_role", "a message has no role that is known")),
    };
    let content = fields.remove("content").unwrap_or_default();
    let mut parts = Vec::new();
    if role == Role::Tool {
        let call_id = text(fields.get("tool_call_id")).unwrap_or_else(|| calls.last());
        let output = match content {
            Json::Array(items) => Json::String(items.iter().filter_map(|item| item.get("text")?.as_str()).collect()),
            other => other,
        };
        parts.push(Part::tool_result(ToolResult { call_id, output, is_error: false, media: Vec::new() }));
        return Ok(Words::new(role, parts));
    }
    if let Some(thoughts) = text(fields.get("reasoning_content").or_else(|| fields.get("reasoning"))) {
        parts.push(Part::Reasoning { text: thoughts });
    }
    match content {
        Json::Null => {}
        Json::String(text) => parts.push(Part::text(text)),
        Json::Array(items) => {
            for item in items {
                parts.push(part(&item).ok_or(("bad_content", "a part of a message is of a kind that is not known"))?);
            }
        }
        _ => return Err(("bad_content", "the content of a message is neither text nor a list")),
    }
    if let Some(text) = text(fields.get("refusal")) {
        parts.push(Part::Refusal { text });
    }
    for call in fields.get("tool_calls").and_then(Json::as_array).into_iter().flatten() {
        let function = call.get("function").or_else(|| call.get("custom")).unwrap_or(&Json::Null);
        calls.count += 1;
        let id = text(call.get("id")).unwrap_or_else(|| calls.last());
        parts.push(Part::ToolCall { call: tool_call(id, function)? });
    }
    if let Some(function) = fields.get("function_call").filter(|call| call.is_object()) {
        calls.count += 1;
        parts.push(Part::ToolCall { call: tool_call(calls.last(), function)? });
    }
    let says = |part: &Part| !matches!(part, Part::Text { text, .. } if text.is_empty());
    parts.retain(says);
    if parts.is_empty() {
        return Err(("no_words", "a message says nothing"));
    }
    Ok(Words::new(role, parts))
}

fn tool_call(id: String, function: &Json) -> std::result::Result<ToolCall, Refused> {
    let name = function.get("name").and_then(Json::as_str).ok_or(("bad_call", "a tool call has no name"))?;
    let given = function.get("arguments").or_else(|| function.get("input")).cloned().unwrap_or_default();
    let arguments = match given {
        Json::String(text) => match serde_json::from_str::<Json>(&text) {
            Ok(object) if object.is_object() => object,
            _ => Json::String(text),
        },
        other => other,
    };
    Ok(ToolCall { id, name: name.to_owned(), arguments, provider_executed: false, free_text: false })
}

fn part(item: &Json) -> Option<Part> {
    let text = |name: &str| item.get(name)?.as_str().map(str::to_owned);
    match item.get("type")?.as_str()? {
        "text" | "input_text" | "output_text" => Some(Part::text(text("text")?)),
        "refusal" => Some(Part::Refusal { text: text("refusal")? }),
        "image_url" | "input_image" => {
            let url = item.get("image_url")?;
            let url = url.as_str().or_else(|| url.get("url")?.as_str())?;
            Some(Part::image(linked(url)))
        }
        "input_audio" => {
            let audio = item.get("input_audio")?;
            let data = STANDARD.decode(audio.get("data")?.as_str()?).ok()?;
            let format = audio.get("format").and_then(Json::as_str).unwrap_or("wav");
            let mime_type = if format == "mp3" { "audio/mpeg".to_owned() } else { format!("audio/{format}") };
            Some(Part::audio(Media::data(data, mime_type)))
        }
        "file" | "input_file" => {
            let file = item.get("file").unwrap_or(item);
            let mut media = linked(file.get("file_data").or_else(|| file.get("file_url"))?.as_str()?);
            media.name = file.get("filename").and_then(Json::as_str).map(str::to_owned);
            Some(Part::file(media))
        }
        _ => None,
    }
}

/// A medium behind a URL, which may hold it.
fn linked(url: &str) -> Media {
    let held = || {
        let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
        let mime_type = head.strip_suffix(";base64")?;
        Some(Media::data(STANDARD.decode(data).ok()?, mime_type))
    };
    held().unwrap_or_else(|| Media::url(url))
}
