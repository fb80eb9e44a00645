//! The body of a request to `/api/chat`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::json;

use super::content::{self, Message};
use crate::base::Json;
use crate::model::{ChatRequest, Error, ReasoningEffort, Result, Sampling, ToolChoice, ToolSpec};
use crate::wire::{Target, tools};

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    /// By default the server drops the oldest messages when they do not all fit, before it answers and while it does,
    /// and says nothing. With these it refuses, or stops with `length`.
    truncate: bool,
    shift: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<AnyTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'a Json>,
    #[serde(skip_serializing_if = "Options::is_empty")]
    options: Options<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnyTool<'a> {
    Ours(Tool<'a>),
    /// The server's own, as the caller wrote it.
    Theirs(&'a Json),
}

#[derive(Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: Cow<'a, Json>,
}

/// On or off, or how much: only models of one family know how much, all others refuse the word.
#[derive(Serialize)]
#[serde(untagged)]
enum Think {
    OnOff(bool),
    Level(&'static str),
}

#[derive(PartialEq, Serialize)]
struct Options<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_predict: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'a [String],
}

/// The body as JSON.
///
/// # Errors
/// `Invalid` (unsupported, bad_request, unknown_model) when Ollama cannot say it, `Internal` when media were not
/// loaded.
pub(super) fn body(request: &ChatRequest, target: &Target<'_>) -> Result<Vec<u8>> {
    check(request)?;
    let body = Body {
        model: &request.model,
        messages: content::messages(request)?,
        stream: target.stream,
        truncate: false,
        shift: false,
        tools: offered(request, target)?,
        think: request.reasoning_effort.map(|effort| think(&request.model, effort)),
        format: request.output_schema.as_ref().map(|output| &output.schema),
        options: Options::of(&request.sampling),
    };
    serde_json::to_vec(&body).map_err(|error| Error::internal("a request cannot be written as JSON").with_source(error))
}

fn check(request: &ChatRequest) -> Result<()> {
    if request.model.is_empty() {
        return Err(Error::invalid("unknown_model", "the request names no model"));
    }
    let sampling = &request.sampling;
    let numbers = [sampling.temperature, sampling.top_p, sampling.frequency_penalty, sampling.presence_penalty];
    if numbers.into_iter().flatten().any(|number| !number.is_finite()) {
        return Err(Error::invalid("bad_request", "temperature, top_p and the penalties must be finite numbers"));
    }
    if sampling.max_tokens.is_some_and(|limit| limit < 1) {
        // 0 and less mean something else here: without end, or until the window is full.
        return Err(Error::invalid("bad_request", "`max_tokens` must be at least 1"));
    }
    if request.reasoning_tokens.is_some() {
        return Err(unsupported("a number of reasoning tokens; set reasoning_effort instead"));
    }
    if request.parallel_tools == Some(false) && !request.tools.is_empty() {
        return Err(unsupported("`parallel_tools: false`; leave it out and answer every call"));
    }
    if !request.provider_metadata.is_empty() {
        return Err(unsupported("labels beside a call; leave `provider_metadata` out"));
    }
    match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Tool { .. }) => {
            Err(unsupported("a `tool_choice` that makes the model call; use `auto`, or ask for it in words"))
        }
        _ => Ok(()),
    }
}

/// The tools. None where none may be called: that is the one way to say so.
fn offered<'a>(request: &'a ChatRequest, target: &Target<'_>) -> Result<Vec<AnyTool<'a>>> {
    let never = request.tool_choice == Some(ToolChoice::Never);
    tools::offered(request, target)?.into_iter().filter(|_| !never).map(tool).collect()
}

fn tool(spec: &ToolSpec) -> Result<AnyTool<'_>> {
    if spec.provider.is_some() {
        return Ok(AnyTool::Theirs(&spec.parameters));
    }
    let parameters = match (&spec.text_format, &spec.parameters) {
        (Some(format), _) => Cow::Owned(tools::text_parameters(format)),
        (None, Json::Object(_)) => Cow::Borrowed(&spec.parameters),
        (None, Json::Null) => Cow::Owned(json!({ "type": "object", "properties": {} })),
        (None, _) => {
            return Err(Error::invalid(
                "bad_request",
                "the `parameters` of a tool are a JSON schema, which is an object",
            ));
        }
    };
    let function = Function { name: &spec.name, description: &spec.description, parameters };
    Ok(AnyTool::Ours(Tool { r#type: "function", function }))
}

fn think(model: &str, effort: ReasoningEffort) -> Think {
    if !model.to_ascii_lowercase().contains("gpt-oss") {
        return Think::OnOff(effort != ReasoningEffort::Off);
    }
    match effort {
        ReasoningEffort::Off => Think::OnOff(false),
        ReasoningEffort::Minimal | ReasoningEffort::Low => Think::Level("low"),
        ReasoningEffort::Medium => Think::Level("medium"),
        ReasoningEffort::High => Think::Level("high"),
    }
}

impl<'a> Options<'a> {
    fn of(sampling: &'a Sampling) -> Self {
        Self {
            temperature: sampling.temperature,
            top_p: sampling.top_p,
            seed: sampling.seed,
            num_predict: sampling.max_tokens,
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            stop: &sampling.stop_sequences,
        }
    }

    fn is_empty(&self) -> bool {
        *self == Options::of(&Sampling::default())
    }
}

/// `Invalid` (unsupported) in this dialect's words.
pub(super) fn unsupported(what: &str) -> Error {
    Error::invalid("unsupported", format!("Ollama does not take {what}"))
}
