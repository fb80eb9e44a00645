//! OpenAI Chat Completions: `POST /v1/chat/completions`.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{CREATED, Dialect, Failure, Frame, FrameKind, data};
use crate::answer::{Answer, Ask, Finish, Talk, Tokens};
use crate::plan::MARK;
use crate::script::ErrorClass;

pub(crate) struct OpenAiChat;

#[derive(Deserialize)]
struct Request<'a> {
    model: String,
    #[serde(borrow)]
    messages: &'a RawValue,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    #[serde(default)]
    content: Value,
}

impl Dialect for OpenAiChat {
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
            include_usage: request.stream_options.is_some_and(|options| options.include_usage),
            prompt_bytes: request.messages.get().len(),
        })
    }

    fn talk(&self, body: &[u8]) -> Talk {
        #[derive(Deserialize)]
        struct Messages {
            messages: Vec<Message>,
        }
        let messages = serde_json::from_slice(body).map_or_else(|_| Vec::new(), |Messages { messages }| messages);
        let mut talk = Talk::default();
        for message in messages.iter().filter(|message| !matches!(message.role.as_str(), "system" | "developer")) {
            talk.messages += 1;
            let (text, others) = read(&message.content);
            match message.role.as_str() {
                "user" => (talk.last, talk.attachments, talk.results) = (text, others, None),
                "tool" => {
                    let before = talk.results.take().map(|before| before + ", ").unwrap_or_default();
                    talk.results = Some(before + &text);
                }
                _ => talk.results = None,
            }
        }
        talk
    }

    fn whole(&self, answer: &Answer) -> Vec<u8> {
        let text = answer.text.concat();
        let mut message = json!({
            "role": "assistant",
            "content": if text.is_empty() { Value::Null } else { Value::from(text) },
            "refusal": if answer.refusal.is_empty() { Value::Null } else { Value::from(answer.refusal.concat()) },
        });
        if !answer.reasoning.is_empty() {
            message["reasoning_content"] = answer.reasoning.concat().into();
        }
        if answer.tools.is_empty() {
            message["annotations"] = json!([]);
        } else {
            message["tool_calls"] = answer
                .tools
                .iter()
                .enumerate()
                .map(|(index, tool)| {
                    json!({
                        "id": call_id(index),
                        "type": "function",
                        "function": {"name": tool.name, "arguments": tool.arguments},
                    })
                })
                .collect();
        }
        let mut reply = json!({
            "id": format!("chatcmpl-{MARK}"),
            "object": "chat.completion",
            "created": CREATED,
            "model": answer.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": finish(&answer.finish)}],
        });
        if let Some(tokens) = answer.tokens {
            reply["usage"] = usage(tokens);
        }
        reply["service_tier"] = "default".into();
        reply["system_fingerprint"] = FINGERPRINT.into();
        reply.to_string().into_bytes()
    }

    fn frames(&self, answer: &Answer, ask: &Ask) -> Vec<Frame> {
        let chunk = |choices: Value, usage: Value| {
            let mut chunk = json!({
                "id": format!("chatcmpl-{MARK}"),
                "object": "chat.completion.chunk",
                "created": CREATED,
                "model": answer.model,
                "service_tier": "default",
                "system_fingerprint": FINGERPRINT,
                "choices": choices,
            });
            if ask.include_usage && answer.tokens.is_some() {
                chunk["usage"] = usage;
            }
            data(&chunk)
        };
        let delta = |delta: Value, finish: Value| {
            chunk(json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]), Value::Null)
        };
        let mut frames = Vec::new();
        let mut push = |kind, bytes| frames.push(Frame { bytes, kind });
        let opening = if answer.tools.is_empty() {
            json!({"role": "assistant", "content": "", "refusal": null})
        } else {
            json!({"role": "assistant", "content": null, "refusal": null})
        };
        push(FrameKind::Opening, delta(opening, Value::Null));
        for (field, pieces) in
            [("reasoning_content", &answer.reasoning), ("content", &answer.text), ("refusal", &answer.refusal)]
        {
            for piece in pieces {
                push(FrameKind::Piece, delta(json!({field: piece}), Value::Null));
            }
        }
        for (index, tool) in answer.tools.iter().enumerate() {
            let opening = json!({"tool_calls": [{
                "index": index,
                "id": call_id(index),
                "type": "function",
                "function": {"name": tool.name, "arguments": ""},
            }]});
            push(FrameKind::Piece, delta(opening, Value::Null));
            for fragment in &tool.fragments {
                let fragment = json!({"tool_calls": [{"index": index, "function": {"arguments": fragment}}]});
                push(FrameKind::Piece, delta(fragment, Value::Null));
            }
        }
        push(FrameKind::Closing, delta(json!({}), finish(&answer.finish).into()));
        if let Some(tokens) = answer.tokens.filter(|_| ask.include_usage) {
            push(FrameKind::Closing, chunk(json!([]), usage(tokens)));
        }
        push(FrameKind::Done, b"data: [DONE]\n\n".to_vec());
        frames
    }

    fn failure(&self, class: ErrorClass, message: Option<&str>, model: &str, after: Option<&str>) -> Failure {
        let wait = after.map_or_else(|| "20s".to_owned(), |after| format!("{after}s"));
        let (status, kind, code, param, words) = match class {
            ErrorClass::Invalid => {
                (400, "invalid_request_error", None, None, "Invalid value for the request.".to_owned())
            }
            ErrorClass::Auth => (
                401,
                "invalid_request_error",
                Some("invalid_api_key"),
                None,
                "Incorrect API key provided: sk-****. You can find your API key at \
                 https://platform.openai.com/account/api-keys."
                    .to_owned(),
            ),
            ErrorClass::Billing => (
                402,
                "billing_error",
                Some("billing_hard_limit_reached"),
                None,
                "Billing hard limit has been reached.".to_owned(),
            ),
            ErrorClass::Permission => (
                403,
                "invalid_request_error",
                Some("unsupported_country_region_territory"),
                None,
                "Country, region, or territory not supported".to_owned(),
            ),
            ErrorClass::NotFound => (
                404,
                "invalid_request_error",
                Some("model_not_found"),
                None,
                format!("The model `{model}` does not exist or you do not have access to it."),
            ),
            ErrorClass::Conflict => (
                409,
                "invalid_request_error",
                Some("conflict"),
                None,
                "The request conflicts with another one.".to_owned(),
            ),
            ErrorClass::TooLarge => {
                (413, "invalid_request_error", Some("request_too_large"), None, "The request is too large.".to_owned())
            }
            ErrorClass::Context => (
                400,
                "invalid_request_error",
                Some("context_length_exceeded"),
                Some("messages"),
                "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 \
                 tokens. Please reduce the length of the messages."
                    .to_owned(),
            ),
            ErrorClass::Filtered => (
                400,
                "invalid_request_error",
                Some("content_policy_violation"),
                None,
                "Your request was rejected as a result of our safety system.".to_owned(),
            ),
            ErrorClass::RateLimit => (
                429,
                "requests",
                Some("rate_limit_exceeded"),
                None,
                format!("Rate limit reached for {model} on requests per min (RPM). Please try again in {wait}."),
            ),
            ErrorClass::Quota => (
                429,
                "insufficient_quota",
                Some("insufficient_quota"),
                None,
                "You exceeded your current quota, please check your plan and billing details.".to_owned(),
            ),
            ErrorClass::Server => (
                500,
                "server_error",
                None,
                None,
                "The server had an error while processing your request. Sorry about that!".to_owned(),
            ),
            ErrorClass::Overloaded => (
                503,
                "service_unavailable_error",
                Some("server_is_overloaded"),
                None,
                "Our servers are currently overloaded. Please try again later.".to_owned(),
            ),
            ErrorClass::Timeout => (504, "server_error", Some("timeout"), None, "The request timed out.".to_owned()),
        };
        let message = message.unwrap_or(&words);
        let body = json!({"error": {"message": message, "type": kind, "param": param, "code": code}});
        Failure { status, body: body.to_string().into_bytes() }
    }

    fn error_event(&self, failure: &Failure) -> Vec<u8> {
        [b"data: ", &failure.body[..], b"\n\n"].concat()
    }

    /// OpenAI sends none; gateways in front of it send comments.
    fn heartbeat(&self) -> Vec<u8> {
        b": PROCESSING\n\n".to_vec()
    }

    fn request_id_header(&self) -> Option<&'static str> {
        Some("x-request-id")
    }
}

const FINGERPRINT: &str = "fp_simulator";

fn call_id(index: usize) -> String {
    format!("call_{MARK}{index:04}")
}

fn finish(finish: &Finish) -> &str {
    match finish {
        Finish::Stop | Finish::Refusal => "stop",
        Finish::ToolCalls => "tool_calls",
        Finish::Word(word) => word,
    }
}

fn usage(tokens: Tokens) -> Value {
    json!({
        "prompt_tokens": tokens.input,
        "completion_tokens": tokens.output,
        "total_tokens": tokens.input + tokens.output,
        "prompt_tokens_details": {"cached_tokens": tokens.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": tokens.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
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
