//! The body of a request, written once from borrowed values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::content;
use super::shapes::Message;
use crate::base::Json;
use crate::model::{
    ChatRequest, Error, GrammarSyntax, NewMessage, OutputSchema, ReasoningEffort, Result, TextFormat, ToolChoice,
    ToolSpec,
};
use crate::wire::{Target, json, tools};

/// The body as JSON. What was written of the messages before is not written again.
///
/// # Errors
/// `Invalid` (unsupported, bad_request) when chat completions cannot say it, `Internal` when media were not loaded.
pub(super) fn body(request: &ChatRequest, target: &Target<'_>) -> Result<Bytes> {
    check(request, target)?;
    let tools = tools::offered(request, target)?;
    let rest = Rest { request, target, tools };
    if request.written.is_kept()
        && let Some(body) = continued(request, target, &rest)?
    {
        return Ok(body);
    }
    let messages = content::messages(request, target)?;
    let length = messages.iter().map(Message::size_hint).sum::<usize>();
    let mut body = Vec::with_capacity(2 * SURROUNDINGS + request.model.len() + length);
    begin(&mut body, request);
    write(&mut body, &messages)?;
    end(&mut body, &rest)?;
    Ok(body.into())
}

/// About how long that is which stands before the messages, and that which stands behind them.
const SURROUNDINGS: usize = 64;

/// The body made of what was written before, or nothing when all has to be written anew.
fn continued(request: &ChatRequest, target: &Target<'_>, rest: &Rest<'_>) -> Result<Option<Bytes>> {
    let system = request.system.as_ref().map_or(0, String::len);
    let mut head = Vec::with_capacity(SURROUNDINGS + request.model.len() + system);
    begin(&mut head, request);
    write(&mut head, &content::instructions(request, target))?;
    let mut tail = Vec::with_capacity(SURROUNDINGS);
    end(&mut tail, rest)?;
    let each = |message: &NewMessage, out: &mut Vec<u8>| write(out, &content::words_of(message, target)?);
    request.written.body(&content::written_by(target), &head, &tail, &request.messages, each)
}

fn broken(error: serde_json::Error) -> Error {
    Error::internal("a request cannot be written as JSON").with_source(error)
}

/// All that stands before the messages.
fn begin(out: &mut Vec<u8>, request: &ChatRequest) {
    out.extend_from_slice(b"{\"model\":");
    json::write_string(out, &request.model);
    out.extend_from_slice(b",\"messages\":[");
}

fn write(out: &mut Vec<u8>, messages: &[Message<'_>]) -> Result<()> {
    for (number, message) in messages.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        message.write(out).map_err(broken)?;
    }
    Ok(())
}

/// All that stands behind them: an object of its own, whose brace becomes the comma.
fn end(out: &mut Vec<u8>, rest: &Rest<'_>) -> Result<()> {
    out.push(b']');
    let behind = out.len();
    serde_json::to_writer(&mut *out, rest).map_err(broken)?;
    match out.get_mut(behind..) {
        Some([brace, b'"', ..]) => *brace = b',',
        _ => drop(out.remove(behind)),
    }
    Ok(())
}

fn check(request: &ChatRequest, target: &Target<'_>) -> Result<()> {
    let sampling = &request.sampling;
    let numbers = [sampling.temperature, sampling.top_p, sampling.frequency_penalty, sampling.presence_penalty];
    if numbers.into_iter().flatten().any(|number| !number.is_finite()) {
        return Err(Error::invalid("bad_request", "temperature, top_p and the penalties must be finite numbers"));
    }
    if request.reasoning_tokens.is_some() && !target.quirks.reasoning_object {
        let detail = "this provider takes no number of reasoning tokens; set reasoning_effort instead";
        return Err(Error::invalid("unsupported", detail));
    }
    Ok(())
}

/// Everything but the model and the messages.
struct Rest<'a> {
    request: &'a ChatRequest,
    target: &'a Target<'a>,
    tools: Vec<&'a ToolSpec>,
}

impl Serialize for Rest<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { request, target, tools } = self;
        let (quirks, sampling) = (target.quirks, &request.sampling);
        let mut map = Fields(serializer.serialize_map(None)?);
        if target.stream {
            map.entry("stream", &true)?;
            if !quirks.no_stream_options {
                map.entry("stream_options", &StreamOptions { include_usage: true })?;
            }
        }
        map.some("temperature", sampling.temperature)?;
        map.some("top_p", sampling.top_p)?;
        map.some("frequency_penalty", sampling.frequency_penalty)?;
        map.some("presence_penalty", sampling.presence_penalty)?;
        map.some(quirks.seed_field.as_deref().unwrap_or("seed"), sampling.seed)?;
        let limit = if quirks.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
        map.some(limit, sampling.max_tokens)?;
        if !sampling.stop_sequences.is_empty() {
            map.entry("stop", &sampling.stop_sequences)?;
        }
        if quirks.reasoning_object {
            map.some("reasoning", Reasoning::of(request))?;
        } else {
            map.some("reasoning_effort", request.reasoning_effort.map(effort))?;
        }
        if !tools.is_empty() {
            let known = |tool: &&&ToolSpec| quirks.custom_tools && tool.text_format.is_some();
            map.entry("tools", &tools.iter().map(|tool| Tool::of(tool, quirks.custom_tools)).collect::<Vec<_>>())?;
            let custom: Vec<&str> = tools.iter().filter(known).map(|tool| tool.name.as_str()).collect();
            map.some("tool_choice", request.tool_choice.as_ref().map(|choice| Choice { choice, custom: &custom }))?;
            map.some("parallel_tool_calls", request.parallel_tools)?;
        }
        if let Some(schema) = &request.output_schema {
            let schema = (!quirks.json_object_only).then_some(schema);
            map.entry("response_format", &Format { schema })?;
        }
        map.some("prompt_cache_key", request.prompt_cache.as_ref().and_then(|cache| cache.key.as_deref()))?;
        map.some("user", request.end_user.as_deref())?;
        if !request.provider_metadata.is_empty() {
            // Sorted, so that the same request is always the same bytes.
            map.entry("metadata", &request.provider_metadata.iter().collect::<BTreeMap<_, _>>())?;
        }
        map.0.end()
    }
}

#[derive(serde::Serialize)]
struct StreamOptions {
    include_usage: bool,
}

struct Fields<M>(M);

impl<M: SerializeMap> Fields<M> {
    fn entry(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), M::Error> {
        self.0.serialize_entry(name, value)
    }

    fn some(&mut self, name: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| self.entry(name, &value))
    }
}

fn effort(effort: ReasoningEffort) -> &'static str {
    match effort {
        ReasoningEffort::Off => "none",
        ReasoningEffort::Minimal => "minimal",
        ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High => "high",
    }
}

/// Effort or tokens; a router that takes the object refuses both at once.
#[derive(serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Reasoning {
    MaxTokens(i64),
    Effort(&'static str),
}

impl Reasoning {
    fn of(request: &ChatRequest) -> Option<Self> {
        request.reasoning_tokens.map(Self::MaxTokens).or(request.reasoning_effort.map(|e| Self::Effort(effort(e))))
    }
}

#[derive(serde::Serialize)]
#[serde(untagged)]
enum Tool<'a> {
    Ours(OurTool<'a>),
    /// The provider's own, as the caller wrote it.
    Theirs(&'a Json),
}

#[derive(serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum OurTool<'a> {
    Function { function: Function<'a> },
    Custom { custom: Custom<'a> },
}

#[derive(serde::Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: Cow<'a, Json>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(serde::Serialize)]
struct Custom<'a> {
    name: &'a str,
    description: &'a str,
    format: CustomFormat<'a>,
}

#[derive(serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum CustomFormat<'a> {
    Text,
    Grammar { grammar: Grammar<'a> },
}

#[derive(serde::Serialize)]
struct Grammar<'a> {
    syntax: GrammarSyntax,
    definition: &'a str,
}

impl<'a> Tool<'a> {
    fn of(tool: &'a ToolSpec, custom_tools: bool) -> Self {
        let ToolSpec { name, description, parameters, strict, text_format, provider } = tool;
        let function = |parameters| Function { name, description, parameters, strict: *strict };
        match (provider, text_format) {
            (Some(_), _) => Self::Theirs(parameters),
            (None, Some(format)) if custom_tools => {
                let format = match format {
                    TextFormat::Text => CustomFormat::Text,
                    TextFormat::Grammar { syntax, definition } => {
                        CustomFormat::Grammar { grammar: Grammar { syntax: *syntax, definition } }
                    }
                };
                Self::Ours(OurTool::Custom { custom: Custom { name, description, format } })
            }
            (None, Some(format)) => {
                let function = function(Cow::Owned(tools::text_parameters(format)));
                Self::Ours(OurTool::Function { function })
            }
            (None, None) => Self::Ours(OurTool::Function { function: function(Cow::Borrowed(parameters)) }),
        }
    }
}

struct Choice<'a> {
    choice: &'a ToolChoice,
    /// The tools of free text, which are named in another way.
    custom: &'a [&'a str],
}

impl Serialize for Choice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.choice {
            ToolChoice::Auto => serializer.serialize_str("auto"),
            ToolChoice::Never => serializer.serialize_str("none"),
            ToolChoice::Required => serializer.serialize_str("required"),
            ToolChoice::Tool { name } => {
                let kind = if self.custom.contains(&name.as_str()) { "custom" } else { "function" };
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("type", kind)?;
                map.serialize_entry(kind, &Json::from_iter([("name", name.as_str())]))?;
                map.end()
            }
        }
    }
}

struct Format<'a> {
    schema: Option<&'a OutputSchema>,
}

impl Serialize for Format<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", if self.schema.is_some() { "json_schema" } else { "json_object" })?;
        if let Some(schema) = self.schema {
            map.serialize_entry("json_schema", schema)?;
        }
        map.end()
    }
}
