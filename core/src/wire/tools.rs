//! What dialects share about tools: which of them a provider is offered, and how a tool of free text is told to one
//! that knows functions only.
//!
//! ```text
//! ToolSpec of free text ──▶ a function of one text, `input`       ToolCall {input: "…"} ──▶ "…"
//! ```
//! So a conversation with such tools goes on at any provider. Refusing them was rejected: a fallback would fail.

use serde_json::json;

use super::Target;
use crate::base::Json;
use crate::model::{ChatRequest, Error, GrammarSyntax, Result, TextFormat, ToolCall, ToolChoice, ToolSpec};

/// The argument that the text stands in.
const INPUT: &str = "input";

/// The tools of a request that are for this provider: those of others are left out, like all that is theirs.
///
/// # Errors
/// `Invalid` (bad_request) when an entry of the provider's own is no object, or a call is asked for and there is
/// nothing to call.
pub(crate) fn offered<'a>(request: &'a ChatRequest, target: &Target<'_>) -> Result<Vec<&'a ToolSpec>> {
    let is_ours = |tool: &&ToolSpec| tool.provider.as_deref().is_none_or(|owner| owner == target.provider);
    let tools: Vec<&ToolSpec> = request.tools.iter().filter(is_ours).collect();
    if tools.iter().any(|tool| tool.provider.is_some() && !tool.parameters.is_object()) {
        return Err(Error::invalid(
            "bad_request",
            "a provider's own tool is its entry in the list of tools, an object",
        ));
    }
    let none = || Error::invalid("bad_request", "tool_choice asks for a tool, but this provider is offered none");
    match &request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Tool { .. }) if tools.is_empty() => Err(none()),
        Some(ToolChoice::Tool { name }) => {
            let named = |tool: &&ToolSpec| tool.name == *name;
            // A name that nobody gave may be one of the caller's own fields; one that was left out is none here.
            match request.tools.iter().any(|tool| named(&tool)) && !tools.iter().any(named) {
                true => Err(none()),
                false => Ok(tools),
            }
        }
        _ => Ok(tools),
    }
}

/// The arguments of a tool of free text, where it has to be a function.
pub(crate) fn text_parameters(format: &TextFormat) -> Json {
    let told = match format {
        TextFormat::Text => "Free text.".to_owned(),
        TextFormat::Grammar { syntax, definition } => {
            let syntax = match syntax {
                GrammarSyntax::Lark => "Lark grammar",
                GrammarSyntax::Regex => "regular expression",
            };
            format!("Text that fits this {syntax}:\n{definition}")
        }
    };
    json!({
        "type": "object",
        "properties": { INPUT: { "type": "string", "description": told } },
        "required": [INPUT],
        "additionalProperties": false,
    })
}

/// The arguments of a call of free text, where it has to be one of a function; nothing for all other calls.
pub(crate) fn text_arguments(call: &ToolCall) -> Option<Json> {
    (call.free_text && call.arguments.is_string()).then(|| json!({ INPUT: call.arguments }))
}

/// Gives a call of one of these tools the text that it was made with, where the tool had to be shown as a function.
#[cfg(any(feature = "engine", test))]
pub(crate) fn unwrap_text(call: &mut ToolCall, tools: &[ToolSpec]) {
    let takes_text = |tool: &ToolSpec| tool.text_format.is_some() && tool.provider.is_none() && tool.name == call.name;
    if call.free_text || call.provider_executed || !tools.iter().any(takes_text) {
        return;
    }
    let Some(fields) = call.arguments.as_object_mut().filter(|fields| fields.len() == 1) else { return };
    if let Some(Json::String(text)) = fields.get_mut(INPUT) {
        call.arguments = Json::String(std::mem::take(text));
        call.free_text = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: Json) -> ToolCall {
        ToolCall { id: "c".into(), name: "patch".into(), arguments, provider_executed: false, free_text: false }
    }

    #[test]
    fn a_text_goes_into_a_function_and_comes_out_again() {
        let tools = [ToolSpec::free_text("patch", "Applies", TextFormat::Text)];
        for text in ["", "{\"input\": 1}", "*** Begin\n\"ü\""] {
            let mut call = ToolCall { free_text: true, ..call(json!(text)) };
            let wrapped = text_arguments(&call).unwrap();
            assert_eq!(wrapped, json!({ "input": text }));
            call = self::call(wrapped);
            unwrap_text(&mut call, &tools);
            assert_eq!((&call.arguments, call.free_text), (&json!(text), true));
        }
    }

    #[test]
    fn only_calls_of_such_tools_in_just_that_shape_are_unwrapped() {
        let text = ToolSpec::free_text("patch", "", TextFormat::Text);
        let function = ToolSpec::new("patch", "", json!({}));
        let theirs = ToolSpec { provider: Some("acme".into()), ..text.clone() };
        for (tool, arguments) in [
            (&function, json!({"input": "x"})),
            (&theirs, json!({"input": "x"})),
            (&text, json!({"input": 1})),
            (&text, json!({"input": "x", "more": 1})),
            (&text, json!({})),
            (&text, json!("{\"input\": \"half")),
        ] {
            let mut call = call(arguments.clone());
            unwrap_text(&mut call, std::slice::from_ref(tool));
            assert_eq!((call.arguments, call.free_text), (arguments, false));
        }
        assert_eq!(text_arguments(&call(json!("{\"input\": \"half"))), None, "broken JSON is no free text");
    }
}
