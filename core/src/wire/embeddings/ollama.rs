//! Ollama's embeddings: `/api/embed`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Batch, EmbedDialect, check, named, read, usage, written};
use crate::model::{EmbedRequest, Embeddings, Result};
use crate::wire::{Target, outgoing};

/// Ollama's embeddings. `base_url` is what stands before `/api/embed`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OllamaEmbeddings;

const PATH: &str = "/api/embed";

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    /// By default the server cuts off what does not fit and says nothing; the vector is then that of half a text.
    truncate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<i32>,
}

#[derive(Deserialize)]
struct Reply {
    model: Option<String>,
    embeddings: Vec<Vec<f32>>,
    prompt_eval_count: Option<i64>,
}

impl EmbedDialect for OllamaEmbeddings {
    fn name(&self) -> &'static str {
        "ollama_embeddings"
    }

    fn encode(&self, request: &EmbedRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
        check(request)?;
        let body = written(&Body {
            model: &request.model,
            input: &request.inputs,
            truncate: false,
            dimensions: request.dimensions,
        })?;
        let body = outgoing::merge(body, request.extra_body.as_ref())?;
        outgoing::post(&Target { stream: false, ..*target }, PATH, &request.extra_headers, body)
    }

    fn decode(&self, body: &[u8], request: &EmbedRequest) -> Result<Embeddings> {
        let reply: Reply = read(body)?;
        let counted = reply.prompt_eval_count.map(|count| json!({ "prompt_eval_count": count }));
        Ok(Embeddings {
            vectors: Batch::in_order(reply.embeddings).checked(request)?,
            model: named(reply.model),
            usage: usage(counted, "prompt_eval_count"),
        })
    }
}
