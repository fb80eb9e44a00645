//! The body of a request, written once from borrowed values.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::input;
use super::items::Item;
use crate::base::Json;
use crate::model::{ChatRequest, Error, OutputSchema, ReasoningEffort, Result, TextFormat, ToolChoice, ToolSpec};
use crate::wire::{Target, tools};

/// The body as JSON.
///
/// # Errors
/// `Invalid` (unsupported, bad_request) when Responses cannot say it, `Internal` when media were not loaded.
pub(super) fn body(request: &ChatRequest, target: &Target<'_>) -> Result<Vec<u8>> {
    check(request)?;
    let tools = tools::offered(request, target)?;
    let input = input::items(request, target)?;
    let mut out = Vec::with_capacity(1024 + input.iter().map(Item::size_hint).sum::<usize>());
    serde_json::to_writer(&mut out, &Body { request, target, tools, input })
        .map_err(|error| Error::internal("a request cannot be written as JSON").with_source(error))?;
    Ok(out)
}

fn check(request: &ChatRequest) -> Result<()> {
    let sampling = &request.sampling;
    let numbers = [sampling.temperature, sampling.top_p];
    if numbers.into_iter().flatten().any(|number| !number.is_finite()) {
        return Err(Error::invalid("bad_request", "temperature and top_p must be finite numbers"));
    }
    let unsupported = [
        (sampling.seed.is_some(), "no seed; leave `seed` out"),
        (!sampling.stop_sequences.is_empty(), "no stop sequences; leave `stop_sequences` out"),
        (
            sampling.frequency_penalty.is_some() || sampling.presence_penalty.is_some(),
            "no penalties; leave `frequency_penalty` and `presence_penalty` out",
        ),
        (request.reasoning_tokens.is_some(), "no number of reasoning tokens; set `reasoning_effort` instead"),
    ];
    if let Some((_, what)) = unsupported.into_iter().find(|(asked, _)| *asked) {
        return Err(Error::invalid(
            "unsupported",
            format!("Responses take {what}, or use a provider of chat completions"),
        ));
    }
    Ok(())
}

/// Models that do not reason. They refuse a request that asks for encrypted reasoning, and nothing but the name
/// tells them from the others.
fn never_reasons(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    ["gpt-3", "gpt-4", "chatgpt-4"].iter().any(|family| name.starts_with(family)) || name.contains("-chat")
}

struct Body<'a> {
    request: &'a ChatRequest,
    target: &'a Target<'a>,
    tools: Vec<&'a ToolSpec>,
    input: Vec<Item<'a>>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { request, target, tools, input } = self;
        let mut map = Fields(serializer.serialize_map(None)?);
        map.entry("model", &request.model)?;
        let system = request.system.as_deref().filter(|system| !system.is_empty());
        match request.output_schema.as_ref().filter(|_| target.quirks.json_object_only) {
            Some(schema) => map.entry("instructions", &told(system, &schema.schema))?,
            None => map.some("instructions", system)?,
        }
        map.entry("input", input)?;
        if target.stream {
            map.entry("stream", &true)?;
        }
        // The conversation is the caller's and lies in the caller's store, so the provider shall keep no copy. Then
        // it knows the ids of its reasoning no more, and the next request must bring the reasoning along: encrypted,
        // which has to be asked for.
        map.entry("store", &false)?;
        if !never_reasons(&request.model) {
            map.entry("include", &["reasoning.encrypted_content"])?;
        }
        // No `summary` is asked for: an organisation that is not verified is refused for it. `extra_body` may.
        map.some("reasoning", request.reasoning_effort.map(|effort| Reasoning { effort: word(effort) }))?;
        map.some("temperature", request.sampling.temperature)?;
        map.some("top_p", request.sampling.top_p)?;
        map.some("max_output_tokens", request.sampling.max_tokens)?;
        if !tools.is_empty() {
            map.entry("tools", &tools.iter().map(|tool| Tool::of(tool, target)).collect::<Vec<_>>())?;
            map.some("tool_choice", request.tool_choice.as_ref().map(|choice| Choice { choice, tools, target }))?;
            map.some("parallel_tool_calls", request.parallel_tools)?;
        }
        if let Some(schema) = &request.output_schema {
            let format = if target.quirks.json_object_only { Format::JsonObject } else { Format::of(schema) };
            map.entry("text", &Text { format })?;
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

struct Fields<M>(M);

impl<M: SerializeMap> Fields<M> {
    fn entry(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), M::Error> {
        self.0.serialize_entry(name, value)
    }

    fn some(&mut self, name: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
        value.map_or(Ok(()), |value| self.entry(name, &value))
    }
}

/// The schema in words, for servers that know no schemas.
fn told(system: Option<&str>, schema: &Json) -> String {
    let (system, gap) = system.map_or(("", ""), |system| (system, "\n\n"));
    format!("{system}{gap}Answer with a JSON object that fits this JSON schema, and with nothing else:\n{schema}")
}

#[derive(serde::Serialize)]
struct Reasoning {
    effort: &'static str,
}

fn word(effort: ReasoningEffort) -> &'static str {
    match effort {
        ReasoningEffort::Off => "none",
        ReasoningEffort::Minimal => "minimal",
        ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High => "high",
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
    Function {
        name: &'a str,
        description: &'a str,
        parameters: Cow<'a, Json>,
        /// Always said: left out it means true here, unlike in chat completions.
        strict: bool,
    },
    Custom {
        name: &'a str,
        description: &'a str,
        /// As the engine writes it, it is as the dialect wants it.
        format: &'a TextFormat,
    },
}

impl<'a> Tool<'a> {
    fn of(tool: &'a ToolSpec, target: &Target<'_>) -> Self {
        let ToolSpec { name, description, parameters, strict, text_format, provider } = tool;
        let function = |parameters| Self::Ours(OurTool::Function { name, description, parameters, strict: *strict });
        match (provider, text_format) {
            (Some(_), _) => Self::Theirs(parameters),
            (None, Some(format)) if target.quirks.custom_tools => {
                Self::Ours(OurTool::Custom { name, description, format })
            }
            (None, Some(format)) => function(Cow::Owned(tools::text_parameters(format))),
            (None, None) => function(Cow::Borrowed(parameters)),
        }
    }
}

struct Choice<'a> {
    choice: &'a ToolChoice,
    tools: &'a [&'a ToolSpec],
    target: &'a Target<'a>,
}

impl Serialize for Choice<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.choice {
            ToolChoice::Auto => serializer.serialize_str("auto"),
            ToolChoice::Never => serializer.serialize_str("none"),
            ToolChoice::Required => serializer.serialize_str("required"),
            ToolChoice::Tool { name } => {
                let mut map = serializer.serialize_map(Some(2))?;
                let mut named = self.tools.iter().filter(|tool| tool.name == *name);
                match named.clone().find(|tool| tool.provider.is_none()).or(named.next()) {
                    // The provider's own tools go by their type, and a server of tools by its label as well.
                    Some(tool) if tool.provider.is_some() => {
                        for field in ["type", "server_label"] {
                            if let Some(word) = tool.parameters.get(field) {
                                map.serialize_entry(field, word)?;
                            }
                        }
                    }
                    tool => {
                        let custom = self.target.quirks.custom_tools && tool.is_some_and(|t| t.text_format.is_some());
                        map.serialize_entry("type", if custom { "custom" } else { "function" })?;
                        map.serialize_entry("name", name)?;
                    }
                }
                map.end()
            }
        }
    }
}

#[derive(serde::Serialize)]
struct Text<'a> {
    format: Format<'a>,
}

#[derive(serde::Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    JsonSchema { name: &'a str, schema: &'a Json, strict: bool },
    JsonObject,
}

impl<'a> Format<'a> {
    fn of(schema: &'a OutputSchema) -> Self {
        Self::JsonSchema { name: &schema.name, schema: &schema.schema, strict: schema.strict }
    }
}
