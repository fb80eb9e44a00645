//! Google's embeddings: `batchEmbedContents`, for one text as for many.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Batch, EmbedDialect, check, read, usage, without_vectors, written};
use crate::base::Json;
use crate::model::{EmbedRequest, Embeddings, Error, Result};
use crate::wire::{Target, outgoing};

/// Google's embeddings. `base_url` is what stands before `/models`, as
/// `https://generativelanguage.googleapis.com/v1beta`. Replies of `embedContent` are understood, too.
#[derive(Clone, Copy, Debug, Default)]
pub struct GeminiEmbeddings;

#[derive(Serialize)]
struct Body {
    requests: Vec<Box<RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<i32>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [Words<'a>; 1],
}

#[derive(Serialize)]
struct Words<'a> {
    text: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reply {
    embeddings: Option<Vec<Values>>,
    /// Of `embedContent`.
    embedding: Option<Values>,
    usage_metadata: Option<Json>,
}

#[derive(Deserialize)]
struct Values {
    values: Vec<f32>,
}

impl EmbedDialect for GeminiEmbeddings {
    fn name(&self) -> &'static str {
        "gemini_embeddings"
    }

    fn encode(&self, request: &EmbedRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
        check(request)?;
        let name = request.model.strip_prefix("models/").unwrap_or(&request.model);
        // It becomes a piece of the path: nothing in it may lead elsewhere.
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            return Err(Error::invalid(
                "unknown_model",
                "a model of Google's is named by letters, digits, `-`, `_` and `.`, as gemini-embedding-001",
            ));
        }
        let model = format!("models/{name}");
        let requests = request
            .inputs
            .iter()
            .map(|text| {
                let content = Content { parts: [Words { text }] };
                let one = One { model: &model, content, output_dimensionality: request.dimensions };
                let one = outgoing::merge(written(&one)?, request.extra_body.as_ref())?;
                serde_json::from_slice(&one)
                    .map_err(|error| Error::internal("a request of our own cannot be read").with_source(error))
            })
            .collect::<Result<_>>()?;
        let path = format!("/{model}:batchEmbedContents");
        outgoing::post(
            &Target { stream: false, ..*target },
            &path,
            &request.extra_headers,
            written(&Body { requests })?,
        )
    }

    fn decode(&self, body: &[u8], request: &EmbedRequest) -> Result<Embeddings> {
        let reply: Reply = read(body)?;
        let vectors = match (reply.embeddings, reply.embedding) {
            (Some(all), _) => all,
            (None, Some(one)) => vec![one],
            // Every field may be missing in this shape.
            (None, None) => return Err(without_vectors(body)),
        };
        let batch = Batch::in_order(vectors.into_iter().map(|vector| vector.values));
        Ok(Embeddings {
            vectors: batch.checked(request)?,
            model: None,
            usage: usage(reply.usage_metadata, "promptTokenCount"),
        })
    }
}
