//! Texts to vectors, in the words of three families of providers.
//!
//! ```text
//! EmbedRequest ──encode──▶ http::Request<Bytes>
//! response body ──decode──▶ shapes of openai.rs · gemini.rs · ollama.rs ──Batch::checked──▶ Embeddings
//! ```
//!
//! Vectors go into an index that nobody looks at: a wrong one is never noticed. So what a provider sends is not
//! believed. Each text has exactly one vector, in its own place; all are of one length, the one that was asked for;
//! every number is finite. Everything else is `Unavailable` (bad_response), which may be tried again elsewhere.
//! A trait of its own beside [`Dialect`](super::Dialect), because nothing streams here and many providers that chat
//! embed nothing.

mod gemini;
mod ollama;
mod openai;

#[cfg(test)]
mod tests;

pub use gemini::GeminiEmbeddings;
pub use ollama::OllamaEmbeddings;
pub use openai::OpenAiEmbeddings;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;

use super::{Target, failure};
use crate::base::Json;
use crate::model::{EmbedRequest, Embeddings, Error, Result, Usage, UsageSource};

/// What a provider family speaks when it is asked for vectors.
pub trait EmbedDialect: Send + Sync + 'static {
    /// Its name, as `openai_embeddings`.
    fn name(&self) -> &'static str;

    /// The request that asks this of that target, always for a whole reply. Carries no key.
    ///
    /// # Errors
    /// `Invalid` (bad_request, unknown_model, bad_url, bad_header).
    fn encode(&self, request: &EmbedRequest, target: &Target<'_>) -> Result<http::Request<Bytes>>;

    /// Reads a reply with a 2xx status to this request.
    ///
    /// # Errors
    /// What the body says went wrong, or `Unavailable` (bad_response) when it makes no sense or holds other vectors
    /// than were asked for.
    fn decode(&self, body: &[u8], request: &EmbedRequest) -> Result<Embeddings>;

    /// Reads a reply with an error status. `body` may be cut off.
    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        failure::of_response(status, headers, body)
    }
}

/// What every family refuses before it asks.
fn check(request: &EmbedRequest) -> Result<()> {
    if request.model.is_empty() {
        return Err(Error::invalid("unknown_model", "the request names no model"));
    }
    if request.inputs.is_empty() {
        return Err(Error::invalid("bad_request", "`inputs` is empty: give at least one text"));
    }
    if request.dimensions.is_some_and(|dimensions| dimensions < 1) {
        return Err(Error::invalid("bad_request", "`dimensions` must be at least 1"));
    }
    Ok(())
}

/// Writes a body.
fn written(body: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|error| Error::internal("a request cannot be written as JSON").with_source(error))
}

/// Reads a body.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|_| without_vectors(body))
}

/// What came instead of vectors. An error in the body is that error, whatever the status was.
fn without_vectors(body: &[u8]) -> Error {
    match serde_json::from_slice::<Json>(body) {
        Ok(payload) if payload.get("error").is_some_and(|error| !error.is_null()) => failure::inside_reply(&payload),
        Ok(_) => failure::bad_response("JSON that holds no vectors"),
        Err(_) => failure::bad_response("something that is no whole JSON"),
    }
}

/// The vectors of a reply as they came, each with the place that the reply gives it.
struct Batch(Vec<(Option<usize>, Vec<f32>)>);

impl Batch {
    /// Vectors that stand where they came.
    fn in_order(vectors: impl IntoIterator<Item = Vec<f32>>) -> Self {
        Self(vectors.into_iter().map(|vector| (None, vector)).collect())
    }

    /// The vectors in the order of the texts.
    ///
    /// # Errors
    /// `Unavailable` (bad_response) when they are not what was asked for.
    fn checked(self, request: &EmbedRequest) -> Result<Vec<Vec<f32>>> {
        let count = request.inputs.len();
        if self.0.len() != count {
            return Err(failure::bad_response("another number of vectors than there were texts"));
        }
        let mut places: Vec<Option<Vec<f32>>> = vec![None; count];
        for (came, (place, vector)) in self.0.into_iter().enumerate() {
            match places.get_mut(place.unwrap_or(came)) {
                Some(free @ None) => *free = Some(vector),
                _ => return Err(failure::bad_response("two vectors for one text, or one for none")),
            }
        }
        let vectors: Vec<Vec<f32>> = places.into_iter().flatten().collect();
        let length = vectors.first().map_or(0, Vec::len);
        if length == 0 || vectors.iter().any(|vector| vector.len() != length) {
            return Err(failure::bad_response("vectors that are empty or of several lengths"));
        }
        if request.dimensions.is_some_and(|asked| usize::try_from(asked) != Ok(length)) {
            return Err(failure::bad_response(
                "vectors of another length than `dimensions` asks for, which its model may not take",
            ));
        }
        if vectors.iter().flatten().any(|number| !number.is_finite()) {
            return Err(failure::bad_response("a vector that holds something other than finite numbers"));
        }
        Ok(vectors)
    }
}

/// What it took, of the provider's own object and the count in it.
fn usage(raw: Option<Json>, count: &str) -> Option<Usage> {
    let raw = raw?;
    let input_tokens = raw.get(count)?.as_i64()?.max(0);
    Some(Usage { input_tokens, requests: 1, source: UsageSource::Reported, raw: Some(raw.into()), ..Usage::default() })
}

/// A name that the provider gives, unless it is empty.
fn named(name: Option<String>) -> Option<String> {
    name.filter(|name| !name.is_empty())
}
