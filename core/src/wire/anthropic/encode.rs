//! A request in the words of the Messages API.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use serde_json::json;

use super::history::{self, History};
use super::request::{AnyTool, Body, CacheControl, Choice, Metadata, OutputConfig, OutputFormat, Thinking, Tool};
use super::thinking::{self, Plan, SamplingKind};
use super::unsupported;
use crate::base::Json;
use crate::model::{ChatRequest, Error, Result, Sampling, ToolChoice, ToolSpec};
use crate::wire::{Target, outgoing, tools};

/// Where requests go, behind the base URL.
const PATH: &str = "/messages";
/// The version of the API that this dialect speaks.
pub(in crate::wire) const VERSION: &str = "2023-06-01";
/// The version where it stands in the body.
const VERTEX_VERSION: &str = "vertex-2023-10-16";
/// Files that were handed over before are still behind this header.
const FILES_BETA: &str = "files-api-2025-04-14";

pub(super) fn encode(request: &ChatRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
    if request.model.is_empty() {
        return Err(Error::invalid("unknown_model", "the request names no model"));
    }
    refuse_what_the_api_lacks(request)?;
    let cache = request.prompt_cache.as_ref();
    let mut history = History::of(request.system.as_deref(), &request.messages, cache, target.provider)?;
    let mut plan = Plan::of(request, target.max_output_tokens)?;
    if matches!(plan.thinking, Some(Thinking::Enabled { .. })) && history.answers_calls_without_thoughts() {
        // The API refuses to begin thinking between a call and its answer; it thinks again from the next question on.
        plan.thinking = None;
    }
    check_sampling(&request.sampling, &plan)?;
    let (temperature, top_p) = sampling(request)?;

    let mut tools = tools::offered(request, target)?.into_iter().map(tool).collect::<Result<Vec<_>>>()?;
    if let Some(cache) = cache.filter(|cache| cache.system) {
        // Tools stand before the instructions: a mark behind the instructions keeps both.
        if !history.system.is_empty() {
            history::mark_last(&mut history.system, cache.one_hour);
        } else if let Some(tool) = tools.iter_mut().rev().find_map(AnyTool::ours) {
            tool.cache_control = Some(CacheControl::new(cache.one_hour));
        }
    }
    let output_config = OutputConfig {
        effort: plan.effort,
        format: request
            .output_schema
            .as_ref()
            .map(|output| OutputFormat { r#type: "json_schema", schema: &output.schema }),
    };
    let body = Body {
        model: (!target.quirks.raw_predict).then_some(&*request.model),
        anthropic_version: target.quirks.raw_predict.then_some(VERTEX_VERSION),
        max_tokens: plan.max_tokens,
        system: history.system,
        messages: history.turns,
        tool_choice: tool_choice(request, tools.is_empty(), plan.thinking.is_some_and(|t| t.is_on()))?,
        tools,
        thinking: plan.thinking,
        output_config: (output_config.effort.is_some() || output_config.format.is_some()).then_some(output_config),
        temperature,
        top_p,
        stop_sequences: &request.sampling.stop_sequences,
        metadata: request.end_user.as_deref().map(|user_id| Metadata { user_id }),
        stream: target.stream,
    };
    let body = serde_json::to_vec(&body)
        .map_err(|error| Error::internal("a request could not be written as JSON").with_source(error))?;
    let body = outgoing::merge(body, request.extra_body.as_ref())?;
    let mut sent = outgoing::post(target, &path(request, target)?, &request.extra_headers, body)?;
    sent.headers_mut().entry("anthropic-version").or_insert(HeaderValue::from_static(VERSION));
    if history.uses_files {
        ask_for(sent.headers_mut(), FILES_BETA);
    }
    Ok(sent)
}

/// Where the request goes, behind the base URL.
fn path<'a>(request: &ChatRequest, target: &Target<'a>) -> Result<Cow<'a, str>> {
    if !target.quirks.raw_predict {
        return Ok(target.quirks.chat_path.as_deref().unwrap_or(PATH).into());
    }
    let model = request.model.as_str();
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@');
    if !model.bytes().all(sound) || matches!(model, "." | "..") {
        return Err(Error::invalid(
            "unknown_model",
            "the model stands in the URL: its name is letters, digits, `-`, `_`, `.` and `@`",
        ));
    }
    let call = if target.stream { "streamRawPredict" } else { "rawPredict" };
    Ok(format!("/models/{model}:{call}").into())
}

/// Adds to what the caller asks for already.
fn ask_for(headers: &mut HeaderMap, beta: &'static str) {
    let both = headers.get("anthropic-beta").and_then(|asked| Some(format!("{},{beta}", asked.to_str().ok()?)));
    let value = both.and_then(|both| HeaderValue::try_from(both).ok()).unwrap_or(HeaderValue::from_static(beta));
    headers.insert("anthropic-beta", value);
}

fn refuse_what_the_api_lacks(request: &ChatRequest) -> Result<()> {
    let sampling = &request.sampling;
    let set = |penalty: Option<f64>| penalty.is_some_and(|p| p != 0.0);
    if sampling.seed.is_some() {
        return Err(unsupported("this provider takes no `seed`: leave it out"));
    }
    if set(sampling.frequency_penalty) || set(sampling.presence_penalty) {
        return Err(unsupported("this provider takes no penalties for repeated words: leave them out"));
    }
    if !request.provider_metadata.is_empty() {
        return Err(unsupported("this provider keeps no labels beside a call: leave `provider_metadata` out"));
    }
    Ok(())
}

fn check_sampling(sampling: &Sampling, plan: &Plan) -> Result<()> {
    if plan.max_tokens < 1 {
        return Err(unsupported("`max_tokens` must be at least 1"));
    }
    if sampling.temperature.is_some_and(|t| !(0.0..=1.0).contains(&t)) {
        return Err(unsupported("this provider takes a `temperature` from 0 to 1"));
    }
    if sampling.top_p.is_some_and(|p| !(0.0..=1.0).contains(&p)) {
        return Err(unsupported("`top_p` must be from 0 to 1"));
    }
    if !plan.thinking.is_some_and(|t| t.is_on()) {
        return Ok(());
    }
    if sampling.temperature.is_some_and(|t| t != 1.0) {
        return Err(unsupported(
            "a model that thinks takes no `temperature` but 1: leave it out, or turn reasoning off",
        ));
    }
    if sampling.top_p.is_some_and(|p| p < 0.95) {
        return Err(unsupported(
            "a model that thinks takes no `top_p` below 0.95: leave it out, or turn reasoning off",
        ));
    }
    Ok(())
}

/// How words are chosen, as far as this model can be told: newer ones refuse every figure but the one that they take
/// anyway, which is left out.
fn sampling(request: &ChatRequest) -> Result<(Option<f64>, Option<f64>)> {
    let Sampling { temperature, top_p, .. } = request.sampling;
    match thinking::sampling_of(&request.model) {
        SamplingKind::Both => Ok((temperature, top_p)),
        SamplingKind::Either if temperature.is_some() && top_p.is_some() => {
            Err(unsupported("this model takes `temperature` or `top_p`, not both: leave one out"))
        }
        SamplingKind::Either => Ok((temperature, top_p)),
        SamplingKind::Neither if [temperature, top_p].into_iter().flatten().all(|figure| figure == 1.0) => {
            Ok((None, None))
        }
        SamplingKind::Neither => {
            Err(unsupported("this model takes no `temperature` and no `top_p`: leave them out, or ask for it in words"))
        }
    }
}

fn tool(spec: &ToolSpec) -> Result<AnyTool<'_>> {
    if spec.provider.is_some() {
        return Ok(AnyTool::Theirs(&spec.parameters));
    }
    let input_schema = match (&spec.text_format, &spec.parameters) {
        (Some(format), _) => Cow::Owned(tools::text_parameters(format)),
        (None, Json::Object(schema)) if schema.contains_key("type") => Cow::Borrowed(&spec.parameters),
        // The API asks for the word; a schema without it says the same.
        (None, Json::Object(schema)) => {
            let mut schema = schema.clone();
            schema.shift_insert(0, "type".to_owned(), json!("object"));
            Cow::Owned(Json::Object(schema))
        }
        (None, Json::Null) => Cow::Owned(json!({ "type": "object" })),
        (None, _) => return Err(unsupported("the `parameters` of a tool are a JSON schema, which is an object")),
    };
    let (name, description) = (&*spec.name, &*spec.description);
    Ok(AnyTool::Ours(Tool { name, description, input_schema, strict: spec.strict, cache_control: None }))
}

fn tool_choice(request: &ChatRequest, no_tools: bool, thinks: bool) -> Result<Option<Choice<'_>>> {
    let choice = request.tool_choice.as_ref();
    let (word, name) = match choice {
        None | Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::Never) => ("none", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Tool { name }) => ("tool", Some(name.as_str())),
    };
    let forced = matches!(word, "any" | "tool");
    if no_tools {
        return Ok(None);
    }
    if forced && thinks {
        return Err(unsupported(
            "a model that thinks cannot be made to call a tool: use `auto`, or turn reasoning off",
        ));
    }
    let one_at_a_time = request.parallel_tools == Some(false) && word != "none";
    if choice.is_none() && !one_at_a_time {
        return Ok(None);
    }
    Ok(Some(Choice { r#type: word, name, disable_parallel_tool_use: one_at_a_time }))
}
