//! Anthropic Messages: `POST /v1/messages`.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Dialect, Failure, Frame, FrameKind, event};
use crate::answer::{Answer, Ask, Finish, Talk, Tokens};
use crate::plan::MARK;
use crate::script::ErrorClass;

pub(crate) struct Anthropic;

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(rename = "max_tokens")]
    _max_tokens: u64,
    #[serde(default)]
    stream: Option<bool>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

impl Dialect for Anthropic {
    fn ask(&self, body: &[u8]) -> Result<Ask, Failure> {
        let request: Request<'_> = serde_json::from_slice(body).map_err(|error| {
            let message =
                if error.is_data() { format!("{error}") } else { "The request body is not valid JSON".to_owned() };
            self.failure(ErrorClass::Invalid, Some(&message), "", None)
        })?;
        Ok(Ask {
            model: request.model,
            stream: request.stream.unwrap_or(false),
            include_usage: true,
            prompt_bytes: request.messages.get().len(),
        })
    }

    fn talk(&self, body: &[u8]) -> Talk {
        #[derive(Deserialize)]
        struct Messages {
            messages: Vec<Message>,
        }
        let messages = serde_json::from_slice(body).map_or_else(|_| Vec::new(), |Messages { messages }| messages);
        let mut talk = Talk { messages: messages.len(), ..Talk::default() };
        for message in &messages {
            talk.results = None;
            if message.role == "user" {
                read(&message.content, &mut talk);
            }
        }
        talk
    }

    fn whole(&self, answer: &Answer) -> Vec<u8> {
        let mut content = Vec::new();
        if !answer.reasoning.is_empty() {
            content.push(json!({"type": "thinking", "thinking": answer.reasoning.concat(), "signature": SIGNATURE}));
        }
        let text = answer.text.concat() + &answer.refusal.concat();
        if !text.is_empty() {
            content.push(json!({"type": "text", "text": text}));
        }
        for (index, tool) in answer.tools.iter().enumerate() {
            // What is not JSON cannot stand in a whole reply of this dialect.
            let input = serde_json::from_str(&tool.arguments).unwrap_or_else(|_| json!({}));
            content.push(json!({"type": "tool_use", "id": call_id(index), "name": tool.name, "input": input}));
        }
        let mut reply = message(answer, content, Some(stop_reason(&answer.finish)));
        if let Some(tokens) = answer.tokens {
            reply["usage"] = usage(tokens, tokens.output);
        }
        reply.to_string().into_bytes()
    }

    fn frames(&self, answer: &Answer, _ask: &Ask) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut push = |kind, name: &str, value: Value| frames.push(Frame { bytes: event(name, &value), kind });
        let mut start = message(answer, Vec::new(), None);
        if let Some(tokens) = answer.tokens {
            start["usage"] = usage(tokens, 1);
        }
        push(FrameKind::Opening, "message_start", json!({"type": "message_start", "message": start}));

        let mut blocks: Vec<(Value, Vec<Value>)> = Vec::new();
        if !answer.reasoning.is_empty() {
            let mut deltas: Vec<Value> =
                answer.reasoning.iter().map(|piece| json!({"type": "thinking_delta", "thinking": piece})).collect();
            deltas.push(json!({"type": "signature_delta", "signature": SIGNATURE}));
            blocks.push((json!({"type": "thinking", "thinking": "", "signature": ""}), deltas));
        }
        let text: Vec<Value> = answer
            .text
            .iter()
            .chain(&answer.refusal)
            .map(|piece| json!({"type": "text_delta", "text": piece}))
            .collect();
        if !text.is_empty() {
            blocks.push((json!({"type": "text", "text": ""}), text));
        }
        for (index, tool) in answer.tools.iter().enumerate() {
            let opening = json!({"type": "tool_use", "id": call_id(index), "name": tool.name, "input": {}});
            // The wire opens every tool's input with an empty piece and leaves it at that for no arguments.
            let fragments = std::iter::once("")
                .chain(tool.fragments.iter().map(String::as_str).filter(|_| tool.arguments != "{}"))
                .map(|fragment| json!({"type": "input_json_delta", "partial_json": fragment}))
                .collect();
            blocks.push((opening, fragments));
        }
        for (index, (opening, deltas)) in blocks.into_iter().enumerate() {
            let start = json!({"type": "content_block_start", "index": index, "content_block": opening});
            push(FrameKind::Opening, "content_block_start", start);
            if index == 0 {
                push(FrameKind::Opening, "ping", json!({"type": "ping"}));
            }
            for delta in deltas {
                let delta = json!({"type": "content_block_delta", "index": index, "delta": delta});
                push(FrameKind::Piece, "content_block_delta", delta);
            }
            push(FrameKind::Opening, "content_block_stop", json!({"type": "content_block_stop", "index": index}));
        }

        let mut end = json!({
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason(&answer.finish), "stop_sequence": null},
        });
        if let Some(tokens) = answer.tokens {
            end["usage"] = usage(tokens, tokens.output);
        }
        push(FrameKind::Closing, "message_delta", end);
        push(FrameKind::Closing, "message_stop", json!({"type": "message_stop"}));
        frames
    }

    fn failure(&self, class: ErrorClass, message: Option<&str>, model: &str, _after: Option<&str>) -> Failure {
        let (status, kind, words) = match class {
            ErrorClass::Invalid => (400, "invalid_request_error", "messages: Field required".to_owned()),
            ErrorClass::Auth => (401, "authentication_error", "invalid x-api-key".to_owned()),
            ErrorClass::Billing => (
                402,
                "billing_error",
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade \
                 or purchase credits."
                    .to_owned(),
            ),
            ErrorClass::Permission => (
                403,
                "permission_error",
                "Your API key does not have permission to use the specified resource.".to_owned(),
            ),
            ErrorClass::NotFound => (404, "not_found_error", format!("model: {model}")),
            ErrorClass::Conflict => (409, "conflict_error", "The request conflicts with another one.".to_owned()),
            ErrorClass::TooLarge => (413, "request_too_large", "Request exceeds the maximum size".to_owned()),
            ErrorClass::Context => {
                (400, "invalid_request_error", "prompt is too long: 208310 tokens > 200000 maximum".to_owned())
            }
            ErrorClass::Filtered => {
                (400, "invalid_request_error", "Output blocked by content filtering policy".to_owned())
            }
            ErrorClass::RateLimit => (
                429,
                "rate_limit_error",
                "This request would exceed your organization's rate limit of 50 requests per minute.".to_owned(),
            ),
            ErrorClass::Quota => {
                (429, "rate_limit_error", "You have reached your specified API usage limits.".to_owned())
            }
            ErrorClass::Server => (500, "api_error", "Internal server error".to_owned()),
            ErrorClass::Overloaded => (529, "overloaded_error", "Overloaded".to_owned()),
            ErrorClass::Timeout => (504, "timeout_error", "Request timed out".to_owned()),
        };
        let mut error = json!({"type": kind, "message": message.unwrap_or(&words)});
        if class == ErrorClass::Quota {
            error["details"] = json!({"error_code": "enforced_spend_limit_reached"});
        }
        let body = if class == ErrorClass::TooLarge {
            // It comes from the edge, which leaves the outer type out.
            json!({"error": error})
        } else {
            json!({"type": "error", "error": error, "request_id": format!("req_{MARK}")})
        };
        Failure { status, body: body.to_string().into_bytes() }
    }

    fn error_event(&self, failure: &Failure) -> Vec<u8> {
        [b"event: error\ndata: ", &failure.body[..], b"\n\n"].concat()
    }

    fn heartbeat(&self) -> Vec<u8> {
        event("ping", &json!({"type": "ping"}))
    }

    fn request_id_header(&self) -> Option<&'static str> {
        Some("request-id")
    }
}

const SIGNATURE: &str = "c2lnbmVkIGJ5IHRoZSBzaW11bGF0b3I=";

fn call_id(index: usize) -> String {
    format!("toolu_{MARK}{index:04}")
}

fn message(answer: &Answer, content: Vec<Value>, stop_reason: Option<&str>) -> Value {
    json!({
        "model": answer.model,
        "id": format!("msg_{MARK}"),
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": null,
    })
}

fn stop_reason(finish: &Finish) -> &str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::ToolCalls => "tool_use",
        Finish::Refusal => "refusal",
        Finish::Word(word) => word,
    }
}

fn usage(tokens: Tokens, output: u64) -> Value {
    json!({
        "input_tokens": tokens.input - tokens.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": tokens.cached,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": output,
        "service_tier": "standard",
    })
}

/// Takes up what a user message says: its words, or the results of tools.
fn read(content: &Value, talk: &mut Talk) {
    let Value::Array(blocks) = content else {
        talk.last = content.as_str().unwrap_or_default().to_owned();
        talk.attachments = 0;
        return;
    };
    let mut texts = Vec::new();
    let mut results = Vec::new();
    talk.attachments = 0;
    for block in blocks {
        match block["type"].as_str() {
            Some("text") => texts.push(block["text"].as_str().unwrap_or_default()),
            Some("tool_result") => results.push(match &block["content"] {
                Value::Array(parts) => {
                    parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
                }
                content => content.as_str().unwrap_or_default().to_owned(),
            }),
            _ => talk.attachments += 1,
        }
    }
    if results.is_empty() {
        talk.last = texts.join("\n");
    } else {
        talk.results = Some(results.join(", "));
    }
}
