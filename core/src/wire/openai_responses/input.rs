//! From the engine's messages and parts to the dialect's items.

use std::collections::HashSet;

use super::items::{Answer, Content, Item, Picture, Piece, Sound, Words, Written};
use super::names;
use crate::base::Json;
use crate::model::{ChatRequest, Error, Media, MediaSource, NewMessage, Part, Result, Role, ToolCall, ToolResult};
use crate::wire::openai_chat::shapes::{Address, Arguments, Base64, Output};
use crate::wire::{Target, mime};

/// The items of a request.
///
/// # Errors
/// `Invalid` (unsupported) for media that Responses do not take, `Internal` for media that nobody loaded.
pub(super) fn items<'a>(request: &'a ChatRequest, target: &'a Target<'a>) -> Result<Vec<Item<'a>>> {
    let items = Vec::with_capacity(request.messages.len() + 1);
    let mut writer = Writer { target, items, custom: HashSet::new(), pictures: Vec::new() };
    for message in &request.messages {
        writer.message(message)?;
    }
    writer.end_turn()?;
    Ok(writer.items)
}

struct Writer<'a> {
    target: &'a Target<'a>,
    items: Vec<Item<'a>>,
    /// Calls of tools that take free text: their answers go by another name, too.
    custom: HashSet<&'a str>,
    /// Media of the assistant, which follow in a message of the user because the assistant may carry none.
    pictures: Vec<&'a Media>,
}

impl<'a> Writer<'a> {
    fn message(&mut self, message: &'a NewMessage) -> Result<()> {
        if message.role != Role::Assistant {
            self.end_turn()?;
        }
        match message.role {
            Role::System => {
                let role = if self.target.quirks.developer_role { "developer" } else { "system" };
                let words = message.parts.iter().filter_map(words).collect();
                self.say(role, joined(words), None);
                Ok(())
            }
            Role::User | Role::Tool => self.user(message),
            Role::Assistant => self.assistant(message),
        }
    }

    fn say(&mut self, role: &'static str, content: Content<'a>, phase: Option<&'a str>) {
        self.items.push(Item::Written(Written::Message { role, content, phase }));
    }

    /// The assistant has spoken. Thoughts that nothing followed, for instance because the reply was cut off behind
    /// them, are left out: the provider takes them only with what they led to.
    fn end_turn(&mut self) -> Result<()> {
        while self.items.last().is_some_and(Item::is_reasoning) {
            self.items.pop();
        }
        if self.pictures.is_empty() {
            return Ok(());
        }
        let mut pieces = vec![text("Belongs to the assistant's message above:")];
        for media in std::mem::take(&mut self.pictures) {
            pieces.push(self.media(media)?);
        }
        self.say("user", Content::Pieces(pieces), None);
        Ok(())
    }

    /// Answers of tools first: they must follow the calls.
    fn user(&mut self, message: &'a NewMessage) -> Result<()> {
        for part in &message.parts {
            if let Part::ToolResult { result } = part {
                let answer = self.answer(result)?;
                self.items.push(Item::Written(answer));
            }
        }
        let mut pieces = Vec::new();
        for part in &message.parts {
            match part {
                Part::Text { text, .. } | Part::Refusal { text } => pieces.push(self::text(text)),
                Part::Image { media } => pieces.push(self.image(media)?),
                Part::Audio { media } => pieces.push(self.audio(media)?),
                Part::File { media } => pieces.push(self.file(media)?),
                Part::ToolCall { .. } => {
                    let detail = "a call of a tool belongs into a message of the assistant";
                    return Err(Error::invalid("bad_request", detail));
                }
                Part::ToolResult { .. } | Part::Reasoning { .. } | Part::Opaque { .. } => {}
            }
        }
        match pieces.as_slice() {
            [] => {}
            [Piece::Text { text: Words::Text(text) }] => {
                let text = *text;
                self.say("user", Content::Text(text), None);
            }
            _ => self.say("user", Content::Pieces(pieces), None),
        }
        Ok(())
    }

    fn answer(&self, result: &'a ToolResult) -> Result<Written<'a>> {
        let call_id = result.call_id.as_str();
        let output = if result.media.is_empty() {
            Answer::Words(Output(result))
        } else {
            let mut pieces = vec![Piece::Text { text: Words::Answer(Output(result)) }];
            for media in &result.media {
                pieces.push(self.media(media)?);
            }
            Answer::Pieces(pieces)
        };
        Ok(match self.custom.contains(call_id) {
            true => Written::CustomToolCallOutput { call_id, output },
            false => Written::FunctionCallOutput { call_id, output },
        })
    }

    fn assistant(&mut self, message: &'a NewMessage) -> Result<()> {
        let mut said: Vec<&'a str> = Vec::new();
        let mut parts = message.parts.iter().peekable();
        while let Some(part) = parts.next() {
            match part {
                Part::Text { text, .. } | Part::Refusal { text } => said.push(text),
                Part::ToolCall { call } if !call.provider_executed => {
                    self.flush(&mut said, None);
                    self.call(call);
                }
                Part::Image { media } => {
                    self.flush(&mut said, None);
                    let item = parts.peek().and_then(|next| self.kept(next, names::IMAGE_CALL));
                    match (item, &media.source) {
                        (Some(item), MediaSource::Data { data }) => {
                            parts.next();
                            self.items.push(Item::Picture(Picture { item, bytes: data }));
                        }
                        _ => self.pictures.push(media),
                    }
                }
                Part::File { media } => self.pictures.push(media),
                Part::Opaque { data, attached: true, .. } if self.kept(part, names::PHASE).is_some() => {
                    self.flush(&mut said, data.as_str());
                }
                Part::Opaque { provider, name, data, .. } => {
                    // Without its picture the call that made it is no item any more.
                    if provider == self.target.provider && is_item(name, data) && name != names::IMAGE_CALL {
                        self.flush(&mut said, None);
                        self.items.push(Item::Kept(data));
                    }
                }
                // The words of a sound stand beside it; thoughts go back as the provider's own items or not at all.
                Part::ToolCall { .. } | Part::Reasoning { .. } | Part::Audio { .. } | Part::ToolResult { .. } => {}
            }
        }
        self.flush(&mut said, None);
        Ok(())
    }

    /// What this provider left under this name.
    fn kept(&self, part: &'a Part, wanted: &str) -> Option<&'a Json> {
        match part {
            Part::Opaque { provider, name, data, .. } if provider == self.target.provider && name == wanted => {
                Some(data)
            }
            _ => None,
        }
    }

    fn flush(&mut self, said: &mut Vec<&'a str>, phase: Option<&'a str>) {
        said.retain(|text| !text.is_empty());
        if !said.is_empty() {
            self.say("assistant", joined(std::mem::take(said)), phase);
        }
    }

    fn call(&mut self, call: &'a ToolCall) {
        let ToolCall { id, name, arguments, free_text, .. } = call;
        self.items.push(Item::Written(match arguments {
            Json::String(input) if *free_text && self.target.quirks.custom_tools => {
                self.custom.insert(id);
                Written::CustomToolCall { call_id: id, name, input }
            }
            _ => Written::FunctionCall { call_id: id, name, arguments: Arguments(call) },
        }));
    }

    fn media(&self, media: &'a Media) -> Result<Piece<'a>> {
        match mime_of(media).unwrap_or("image/") {
            mime if mime.starts_with("image/") => self.image(media),
            mime if mime.starts_with("audio/") => self.audio(media),
            _ => self.file(media),
        }
    }

    fn image(&self, media: &'a Media) -> Result<Piece<'a>> {
        let (mut image_url, mut file_id) = (None, None);
        match &media.source {
            MediaSource::Url { url } => image_url = Some(Address::Url(url)),
            MediaSource::Data { data } => {
                let mime = mime_of(media)
                    .ok_or_else(|| unsupported("a picture of unknown type; set its mime_type, as image/png"))?;
                image_url = Some(Address::Data { mime, bytes: data });
            }
            other => file_id = Some(self.known_file(other)?),
        }
        Ok(Piece::Image { image_url, file_id, detail: "auto" })
    }

    fn audio(&self, media: &'a Media) -> Result<Piece<'a>> {
        let data = match &media.source {
            MediaSource::Data { data } => data,
            MediaSource::Url { .. } => return Err(unsupported("a sound by URL; send its bytes")),
            other => return Ok(known(self.known_file(other)?)),
        };
        let format = match mime_of(media) {
            Some("audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave") => "wav",
            Some("audio/mpeg" | "audio/mp3") => "mp3",
            _ => return Err(unsupported("a sound that is neither WAV nor MP3; convert it, or use another provider")),
        };
        Ok(Piece::Audio { input_audio: Sound { data: Base64(data), format } })
    }

    fn file(&self, media: &'a Media) -> Result<Piece<'a>> {
        let (mut file_data, mut file_url) = (None, None);
        let mime = mime_of(media).unwrap_or("application/octet-stream");
        match &media.source {
            MediaSource::Data { data } => file_data = Some(Address::Data { mime, bytes: data }),
            // The field for bytes takes no address, the one for addresses no bytes.
            MediaSource::Url { url } if url.starts_with("data:") => file_data = Some(Address::Url(url)),
            MediaSource::Url { url } => file_url = Some(url.as_str()),
            other => return Ok(known(self.known_file(other)?)),
        }
        let unnamed = if mime == "application/pdf" { "document.pdf" } else { "document" };
        // Bytes come with a name; an address has one of its own.
        let filename = file_data.as_ref().map(|_| media.name.as_deref().unwrap_or(unnamed));
        Ok(Piece::File { filename, file_data, file_url, file_id: None })
    }

    fn known_file(&self, source: &'a MediaSource) -> Result<&'a str> {
        match source {
            MediaSource::ProviderFile { provider, id } if provider == self.target.provider => Ok(id),
            MediaSource::ProviderFile { .. } => {
                Err(unsupported("a file that was handed to another provider; send its bytes"))
            }
            _ => Err(Error::internal("media reached the dialect before their bytes were loaded")),
        }
    }
}

/// True for what the provider takes back as an item. Parts of other names come from another dialect of the same
/// provider and mean nothing here.
fn is_item(name: &str, data: &Json) -> bool {
    let known = matches!(name, names::REASONING | "compaction" | "mcp_list_tools" | "mcp_approval_request")
        || name.ends_with("_call")
        || name.ends_with("_output");
    known && data.get("type").and_then(Json::as_str) == Some(name) && (name != names::REASONING || carries(data))
}

/// True for thoughts that are there, encrypted or in words. Of others the provider, which stores nothing, knows no
/// more than an id.
fn carries(reasoning: &Json) -> bool {
    let content = reasoning.get("content").and_then(Json::as_array);
    reasoning.get("encrypted_content").is_some_and(Json::is_string)
        || content.is_some_and(|content| !content.is_empty())
}

fn text(text: &str) -> Piece<'_> {
    Piece::Text { text: Words::Text(text) }
}

fn known(id: &str) -> Piece<'_> {
    Piece::File { filename: None, file_data: None, file_url: None, file_id: Some(id) }
}

fn unsupported(what: &str) -> Error {
    Error::invalid("unsupported", format!("Responses do not take {what}"))
}

fn words(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    }
}

fn joined(words: Vec<&str>) -> Content<'_> {
    match words.as_slice() {
        [] => Content::Text(""),
        [text] => Content::Text(text),
        _ => Content::Joined(words.concat()),
    }
}

/// The type as given, or as the bytes tell.
fn mime_of(media: &Media) -> Option<&str> {
    media.mime_type.as_deref().filter(|mime| !mime.is_empty()).or_else(|| match &media.source {
        MediaSource::Data { data } => mime::guess(data),
        _ => None,
    })
}
