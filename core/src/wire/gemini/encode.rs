//! A request in the words of generateContent.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::json;

use super::history::History;
use super::request::{AnyTools, Body, Calling, Declaration, GenerationConfig, Instruction, ToolConfig, Tools};
use super::{thinking, unsupported};
use crate::base::Json;
use crate::model::{ChatRequest, Error, Result, ToolChoice, ToolSpec};
use crate::wire::{Target, outgoing, tools};

pub(super) fn encode(request: &ChatRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
    let path = path(request, target)?;
    check(request, target)?;
    let history = History::of(request, target)?;
    let (theirs, ours): (Vec<_>, Vec<_>) =
        tools::offered(request, target)?.into_iter().partition(|tool| tool.provider.is_some());
    let tool_config = tool_config(request, &ours, &theirs, target)?;
    let function_declarations = ours.into_iter().map(declaration).collect::<Result<Vec<_>>>()?;
    let functions = (!function_declarations.is_empty()).then_some(AnyTools::Ours(Tools { function_declarations }));
    let theirs = theirs.into_iter().map(|tool| AnyTools::Theirs(&tool.parameters));
    let body = Body {
        contents: history.contents,
        system_instruction: (!history.system.is_empty()).then_some(Instruction { parts: history.system }),
        tools: functions.into_iter().chain(theirs).collect(),
        tool_config,
        generation_config: generation_config(request)?,
        labels: request.provider_metadata.iter().map(|(name, value)| (&**name, &**value)).collect(),
    };
    let body = serde_json::to_vec(&body)
        .map_err(|error| Error::internal("a request could not be written as JSON").with_source(error))?;
    let body = outgoing::merge(body, request.extra_body.as_ref())?;
    outgoing::post(target, &path, &request.extra_headers, body)
}

/// Where the request goes, behind the base URL: the model stands in the path and not in the body.
fn path(request: &ChatRequest, target: &Target<'_>) -> Result<String> {
    let model = request.model.as_str();
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@' | b'/');
    if model.is_empty() || !model.bytes().all(sound) || model.split('/').any(|word| matches!(word, "" | "." | "..")) {
        return Err(Error::invalid(
            "unknown_model",
            "the model stands in the URL: its name is letters, digits, `-`, `_`, `.`, `@` and `/`",
        ));
    }
    // `models/…` and `tunedModels/…` are whole names already.
    let folder = if model.contains('/') { "" } else { "models/" };
    let call = if target.stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    Ok(format!("/{folder}{model}:{call}"))
}

fn check(request: &ChatRequest, target: &Target<'_>) -> Result<()> {
    let sampling = &request.sampling;
    let numbers = [sampling.temperature, sampling.top_p, sampling.frequency_penalty, sampling.presence_penalty];
    if numbers.into_iter().flatten().any(|number| !number.is_finite()) {
        return Err(Error::invalid("bad_request", "temperature, top_p and the penalties must be finite numbers"));
    }
    // Vertex AI keeps labels; the Gemini API refuses the whole request for one.
    if !request.provider_metadata.is_empty() && !is_vertex(target) {
        return Err(unsupported("this provider keeps no labels beside a call: leave `provider_metadata` out"));
    }
    if request.end_user.is_some() {
        return Err(unsupported("this provider takes no name of the end user: leave `end_user` out"));
    }
    if request.parallel_tools == Some(false) && !request.tools.is_empty() {
        return Err(unsupported(
            "this provider cannot be kept from calling several tools at once: leave `parallel_tools` out",
        ));
    }
    Ok(())
}

fn is_vertex(target: &Target<'_>) -> bool {
    target.base_url.path().contains("/publishers/")
}

fn generation_config(request: &ChatRequest) -> Result<GenerationConfig<'_>> {
    let sampling = &request.sampling;
    let seed = sampling.seed.map(i32::try_from).transpose();
    let seed = seed.map_err(|_| unsupported("this provider takes a `seed` of at most 31 bits"))?;
    let limit = sampling.max_tokens.map(|tokens| i32::try_from(tokens).ok().filter(|tokens| *tokens > 0).ok_or(()));
    let max_output_tokens = limit.transpose();
    let max_output_tokens =
        max_output_tokens.map_err(|()| unsupported("`max_tokens` must be at least 1 and have at most 31 bits"))?;
    Ok(GenerationConfig {
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        seed,
        stop_sequences: &sampling.stop_sequences,
        max_output_tokens,
        presence_penalty: sampling.presence_penalty,
        frequency_penalty: sampling.frequency_penalty,
        response_mime_type: request.output_schema.is_some().then_some("application/json"),
        response_json_schema: request.output_schema.as_ref().map(|output| &output.schema),
        thinking_config: thinking::thinking(request)?,
    })
}

fn declaration(spec: &ToolSpec) -> Result<Declaration<'_>> {
    let parameters_json_schema = match (&spec.text_format, &spec.parameters) {
        (Some(format), _) => Some(Cow::Owned(tools::text_parameters(format))),
        // A tool without arguments is one without a schema.
        (None, Json::Null) => None,
        (None, Json::Object(schema)) if schema.is_empty() => None,
        (None, Json::Object(schema)) if schema.contains_key("type") => Some(Cow::Borrowed(&spec.parameters)),
        // The API asks for the word; a schema without it says the same.
        (None, Json::Object(schema)) => {
            let mut schema = schema.clone();
            schema.shift_insert(0, "type".to_owned(), json!("object"));
            Some(Cow::Owned(Json::Object(schema)))
        }
        (None, _) => return Err(unsupported("the `parameters` of a tool are a JSON schema, which is an object")),
    };
    Ok(Declaration { name: &spec.name, description: &spec.description, parameters_json_schema })
}

fn tool_config<'a>(
    request: &'a ChatRequest,
    ours: &[&ToolSpec],
    theirs: &[&ToolSpec],
    target: &Target<'_>,
) -> Result<Option<ToolConfig<'a>>> {
    let choice = request.tool_choice.as_ref();
    let forced = match choice {
        Some(ToolChoice::Required) => ours.is_empty(),
        Some(ToolChoice::Tool { name }) => {
            let named = |tool: &&ToolSpec| tool.name == *name;
            ours.is_empty() || (theirs.iter().any(named) && !ours.iter().any(named))
        }
        _ => false,
    };
    if forced {
        return Err(unsupported("this provider cannot be made to call a tool of its own: use `auto`"));
    }
    if ours.is_empty() {
        return Ok(None);
    }
    // Vertex AI does not know the word.
    let include_server_side_tool_invocations = !theirs.is_empty() && !is_vertex(target);
    // Calls that are forced are held to their schemas in any case, and so are those beside the provider's own tools.
    let validated = include_server_side_tool_invocations || ours.iter().any(|tool| tool.strict);
    let mode = match choice {
        None | Some(ToolChoice::Auto) if validated => Some("VALIDATED"),
        None => None,
        Some(ToolChoice::Auto) => Some("AUTO"),
        Some(ToolChoice::Never) => Some("NONE"),
        Some(ToolChoice::Required | ToolChoice::Tool { .. }) => Some("ANY"),
    };
    let allowed_function_names = match choice {
        Some(ToolChoice::Tool { name }) => Some([name.as_str()]),
        _ => None,
    };
    let calling = mode.map(|mode| Calling { mode, allowed_function_names });
    Ok(calling
        .map(|function_calling_config| ToolConfig { function_calling_config, include_server_side_tool_invocations }))
}
