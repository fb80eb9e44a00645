//! OpenAI Responses: `POST /v1/responses`.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{CREATED, Dialect, Failure, Frame, FrameKind, OpenAiChat, event};
use crate::answer::{Answer, Ask, Finish, Talk, Tokens};
use crate::plan::MARK;
use crate::script::ErrorClass;

pub(crate) struct OpenAiResponses;

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(borrow)]
    input: &'a RawValue,
    #[serde(default)]
    stream: Option<bool>,
}

impl Dialect for OpenAiResponses {
    fn ask(&self, body: &[u8]) -> Result<Ask, Failure> {
        let request: Request<'_> = serde_json::from_slice(body).map_err(|error| {
            let message = if error.is_data() {
                format!("Invalid request: {error}.")
            } else {
                "We could not parse the JSON body of your request.".to_owned()
            };
            self.failure(ErrorClass::Invalid, Some(&message), "", None)
        })?;
        Ok(Ask {
            model: request.model,
            stream: request.stream.unwrap_or(false),
            include_usage: true,
            prompt_bytes: request.input.get().len(),
        })
    }

    fn talk(&self, body: &[u8]) -> Talk {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut talk = Talk::default();
        match &body["input"] {
            Value::String(text) => (talk.messages, talk.last) = (1, text.clone()),
            input => {
                let mut speaking = false;
                for item in input.as_array().into_iter().flatten() {
                    speaking = take(&mut talk, item, speaking);
                }
            }
        }
        talk
    }

    fn whole(&self, answer: &Answer) -> Vec<u8> {
        response(answer, &items(answer)).to_string().into_bytes()
    }

    fn frames(&self, answer: &Answer, _: &Ask) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut number = 0_u64;
        let mut push = |kind, name: &str, mut value: Value| {
            value["type"] = name.into();
            value["sequence_number"] = number.into();
            number += 1;
            frames.push(Frame { bytes: event(name, &value), kind });
        };
        let mut begun = response(answer, &[]);
        (begun["status"], begun["usage"], begun["incomplete_details"]) =
            ("in_progress".into(), Value::Null, Value::Null);
        push(FrameKind::Opening, "response.created", json!({"response": begun}));
        push(FrameKind::Opening, "response.in_progress", json!({"response": begun}));
        let items = items(answer);
        let mut tools = answer.tools.iter();
        for (index, item) in items.iter().enumerate() {
            let id = &item["id"];
            let mut head = item.clone();
            let (name, field, pieces) = match item["type"].as_str() {
                Some("reasoning") => {
                    head["summary"] = json!([]);
                    ("response.reasoning_summary_text.delta", "summary_index", &answer.reasoning)
                }
                Some("function_call") => {
                    head["arguments"] = "".into();
                    let Some(tool) = tools.next() else { continue };
                    ("response.function_call_arguments.delta", "", &tool.fragments)
                }
                _ => {
                    head["content"] = json!([]);
                    match answer.refusal.is_empty() {
                        true => ("response.output_text.delta", "content_index", &answer.text),
                        false => ("response.refusal.delta", "content_index", &answer.refusal),
                    }
                }
            };
            push(FrameKind::Opening, "response.output_item.added", json!({"output_index": index, "item": head}));
            for piece in pieces {
                let mut delta = json!({"output_index": index, "item_id": id, "delta": piece});
                if !field.is_empty() {
                    delta[field] = 0.into();
                }
                push(FrameKind::Piece, name, delta);
            }
            push(FrameKind::Opening, "response.output_item.done", json!({"output_index": index, "item": item}));
        }
        let whole = response(answer, &items);
        let name = format!("response.{}", whole["status"].as_str().unwrap_or("completed"));
        push(FrameKind::Closing, &name, json!({"response": whole}));
        frames
    }

    fn failure(&self, class: ErrorClass, message: Option<&str>, model: &str, after: Option<&str>) -> Failure {
        OpenAiChat.failure(class, message, model, after)
    }

    fn error_event(&self, failure: &Failure) -> Vec<u8> {
        let body: Value = serde_json::from_slice(&failure.body).unwrap_or_default();
        event("error", &json!({"type": "error", "error": body["error"]}))
    }

    fn heartbeat(&self) -> Vec<u8> {
        event("keepalive", &json!({"type": "keepalive"}))
    }

    fn request_id_header(&self) -> Option<&'static str> {
        Some("x-request-id")
    }
}

/// The items of the output.
fn items(answer: &Answer) -> Vec<Value> {
    let mut items = Vec::new();
    if !answer.reasoning.is_empty() {
        items.push(json!({
            "id": format!("rs_{MARK}"),
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": answer.reasoning.concat()}],
            "encrypted_content": format!("gAAAA{MARK}"),
        }));
    }
    let content = match (answer.text.is_empty(), answer.refusal.is_empty()) {
        (_, false) => json!({"type": "refusal", "refusal": answer.refusal.concat()}),
        (false, true) => {
            json!({"type": "output_text", "text": answer.text.concat(), "annotations": [], "logprobs": []})
        }
        (true, true) => Value::Null,
    };
    if !content.is_null() {
        items.push(json!({
            "id": format!("msg_{MARK}"),
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [content],
        }));
    }
    items.extend(answer.tools.iter().enumerate().map(|(index, tool)| {
        json!({
            "id": format!("fc_{MARK}{index:04}"),
            "type": "function_call",
            "status": "completed",
            "call_id": format!("call_{MARK}{index:04}"),
            "name": tool.name,
            "arguments": tool.arguments,
        })
    }));
    items
}

fn response(answer: &Answer, output: &[Value]) -> Value {
    let reason = match &answer.finish {
        Finish::Word(word) if word == "length" => Some("max_output_tokens"),
        Finish::Word(word) if !matches!(word.as_str(), "stop" | "completed" | "tool_calls") => Some(word.as_str()),
        _ => None,
    };
    json!({
        "id": format!("resp_{MARK}"),
        "object": "response",
        "created_at": CREATED,
        "status": if reason.is_some() { "incomplete" } else { "completed" },
        "error": null,
        "incomplete_details": reason.map(|reason| json!({"reason": reason})),
        "model": answer.model,
        "output": output,
        "usage": answer.tokens.map(usage),
    })
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    })
}

/// What an item of the input adds to the talk. The items of the assistant that follow each other are one message;
/// `speaking` says that the item before was one of them, and so does what is returned of this one.
fn take(talk: &mut Talk, item: &Value, speaking: bool) -> bool {
    match (item["type"].as_str().unwrap_or("message"), item["role"].as_str()) {
        ("message", Some("user")) => {
            talk.messages += 1;
            talk.results = None;
            (talk.last, talk.attachments) = read(&item["content"]);
            false
        }
        ("function_call_output" | "custom_tool_call_output", _) => {
            talk.messages += 1;
            let before = talk.results.take().map(|before| before + ", ").unwrap_or_default();
            talk.results = Some(before + &read(&item["output"]).0);
            false
        }
        ("message", Some("system" | "developer")) => false,
        _ => {
            talk.messages += usize::from(!speaking);
            talk.results = None;
            true
        }
    }
}

/// The text of a content and how many of its parts are none.
fn read(content: &Value) -> (String, usize) {
    match content {
        Value::String(text) => (text.clone(), 0),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| part["text"].as_str()).collect();
            (texts.join("\n"), parts.len() - texts.len())
        }
        _ => (String::new(), 0),
    }
}
