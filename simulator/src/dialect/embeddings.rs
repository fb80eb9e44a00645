//! OpenAI embeddings: `POST /v1/embeddings`.
//!
//! A text's vector is the sum of vectors drawn from its words, so the same text always gives the same vector and
//! texts that share words lie near each other: a search over them finds what a reader would expect.

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Dialect as _, Failure, OpenAiChat};
use crate::script::ErrorClass;

/// Short, to keep tests quick; `dimensions` asks for another length.
const DEFAULT_DIMENSIONS: usize = 256;
const MAX_DIMENSIONS: usize = 4_096;
const MAX_INPUTS: usize = 2_048;

#[derive(Deserialize)]
struct Request {
    model: String,
    input: Input,
    #[serde(default)]
    dimensions: Option<usize>,
    #[serde(default)]
    encoding_format: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u64>),
    TokenLists(Vec<Vec<u64>>),
}

/// The body of the reply.
///
/// # Errors
/// What the provider says of a request that makes no sense.
pub(crate) fn embeddings(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let refuse = |message: &str| OpenAiChat.failure(ErrorClass::Invalid, Some(message), "", None);
    let request: Request =
        serde_json::from_slice(body).map_err(|_| refuse("We could not understand the body of your request."))?;
    let texts = match request.input {
        Input::Text(text) => vec![text],
        Input::Texts(texts) => texts,
        Input::Tokens(tokens) => vec![as_text(&tokens)],
        Input::TokenLists(lists) => lists.iter().map(|tokens| as_text(tokens)).collect(),
    };
    if texts.is_empty() || texts.len() > MAX_INPUTS || texts.iter().any(String::is_empty) {
        return Err(refuse("'$.input' is invalid. Please check the API reference."));
    }
    let dimensions = request.dimensions.unwrap_or(DEFAULT_DIMENSIONS);
    if dimensions == 0 || dimensions > MAX_DIMENSIONS {
        return Err(refuse("'$.dimensions' is out of range."));
    }
    let base64 = match request.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(_) => return Err(refuse("'$.encoding_format' must be 'float' or 'base64'.")),
    };
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, dimensions);
            let embedding = if base64 {
                let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
                Value::from(base64::engine::general_purpose::STANDARD.encode(bytes))
            } else {
                Value::from(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens = texts.iter().map(|text| text.len().div_ceil(4)).sum::<usize>();
    let reply = json!({
        "object": "list",
        "data": data,
        "model": request.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Ok(reply.to_string().into_bytes())
}

fn as_text(tokens: &[u64]) -> String {
    tokens.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let mut sum = vec![0.0_f64; dimensions];
    let lower = text.to_lowercase();
    let mut words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        words.push(text);
    }
    for word in words {
        let mut random = fastrand::Rng::with_seed(fnv1a(word.as_bytes()));
        for value in &mut sum {
            *value += random.f64() * 2.0 - 1.0;
        }
    }
    let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
    #[expect(clippy::cast_possible_truncation, reason = "embeddings are single precision")]
    sum.into_iter().map(|value| (value / length) as f32).collect()
}

/// The same on every machine and in every release, which the standard library's hasher does not promise.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
