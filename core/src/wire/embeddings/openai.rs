//! OpenAI's embeddings, and those of everybody who imitates them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use super::{Batch, EmbedDialect, check, named, read, usage, written};
use crate::base::Json;
use crate::model::{EmbedRequest, Embeddings, Result};
use crate::wire::{Target, outgoing};

/// OpenAI's embeddings.
///
/// Asks for numbers (`encoding_format: "float"`), which every imitator sends and means the same by; base64 is shorter
/// by half and is understood when it comes, after `extra_body` asked for it or because a server sends nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAiEmbeddings;

const PATH: &str = "/embeddings";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<i32>,
}

#[derive(DeriveDeserialize)]
struct Reply {
    data: Vec<Entry>,
    model: Option<String>,
    usage: Option<Json>,
}

#[derive(DeriveDeserialize)]
struct Entry {
    index: Option<usize>,
    embedding: Vector,
}

impl EmbedDialect for OpenAiEmbeddings {
    fn name(&self) -> &'static str {
        "openai_embeddings"
    }

    fn encode(&self, request: &EmbedRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
        check(request)?;
        let body = written(&Body {
            model: &request.model,
            input: &request.inputs,
            encoding_format: "float",
            dimensions: request.dimensions,
        })?;
        let body = outgoing::merge(body, request.extra_body.as_ref())?;
        outgoing::post(&Target { stream: false, ..*target }, PATH, &request.extra_headers, body)
    }

    fn decode(&self, body: &[u8], request: &EmbedRequest) -> Result<Embeddings> {
        let reply: Reply = read(body)?;
        let batch = Batch(reply.data.into_iter().map(|entry| (entry.index, entry.embedding.0)).collect());
        Ok(Embeddings {
            vectors: batch.checked(request)?,
            model: named(reply.model),
            usage: usage(reply.usage, "prompt_tokens"),
        })
    }
}

/// A list of numbers, or base64 of little-endian 32-bit floats.
struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;

        impl<'de> Visitor<'de> for Numbers {
            type Value = Vector;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of numbers, or base64")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vector, A::Error> {
                let mut numbers = Vec::new();
                while let Some(number) = list.next_element()? {
                    numbers.push(number);
                }
                Ok(Vector(numbers))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Vector, E> {
                let bytes = STANDARD.decode(text).map_err(E::custom)?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                if !rest.is_empty() {
                    return Err(E::custom("no whole number of 32-bit floats"));
                }
                Ok(Vector(numbers.iter().map(|number| f32::from_le_bytes(*number)).collect()))
            }
        }

        deserializer.deserialize_any(Numbers).map_err(D::Error::custom)
    }
}
