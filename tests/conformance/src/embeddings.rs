//! Replies with vectors, read as if they were a conversation's: whole, in pieces and cut like any other, so that one
//! runner does for both. There are no events; what came stands in the closing.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json;
use tertulia::model::{ChatRequest, EmbedRequest, StreamEvent};
use tertulia::wire::{Closing, Counts, Dialect, EmbedDialect, StreamDecoder, Target};
use tertulia::{Error, Result};

use crate::case::Case;

/// How many numbers of each vector are compared.
const HEAD: usize = 4;

/// An embedding dialect with the question that a case answers.
pub(crate) struct Vectors {
    dialect: Box<dyn EmbedDialect>,
    request: EmbedRequest,
}

impl Vectors {
    /// Asks for as many vectors as the case says to hold, of the first one's length.
    pub(crate) fn of(dialect: Box<dyn EmbedDialect>, case: &Case) -> Self {
        let expected = &case.expected["embeddings"];
        let count = expected["count"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
        let mut request = EmbedRequest::new("recorded", vec!["A recorded text."; count]);
        request.dimensions = expected["dims"][0].as_i64().and_then(|dims| i32::try_from(dims).ok());
        Self { dialect, request }
    }
}

impl Dialect for Vectors {
    fn name(&self) -> &'static str {
        self.dialect.name()
    }

    fn encode(&self, _: &ChatRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
        self.dialect.encode(&self.request, target)
    }

    fn decode(&self, body: &[u8], _: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)> {
        let read = self.dialect.decode(body, &self.request)?;
        let head = |vector: &Vec<f32>| vector.iter().take(HEAD).copied().map(f64::from).collect::<Vec<_>>();
        let raw = json!({
            "count": read.vectors.len(),
            "dims": read.vectors.iter().map(Vec::len).collect::<Vec<_>>(),
            "head": read.vectors.iter().map(head).collect::<Vec<_>>(),
        });
        let closing = Closing { model: read.model, usage: read.usage, raw: Some(raw), ..Closing::default() };
        Ok((Vec::new(), closing))
    }

    fn decoder(&self, _: &Target<'_>) -> Box<dyn StreamDecoder> {
        Box::new(NoStream(Closing::default()))
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        self.dialect.classify(status, headers, body)
    }
}

/// Vectors do not stream: a case that says so is wrong.
struct NoStream(Closing);

impl StreamDecoder for NoStream {
    fn feed(&mut self, _: &[u8], _: &mut Vec<StreamEvent>) -> Result<()> {
        Err(Error::invalid("unsupported", "replies with vectors do not stream; set `stream` of the case to false"))
    }

    fn finish(&mut self, _: &mut Vec<StreamEvent>) -> Result<()> {
        self.feed(&[], &mut Vec::new())
    }

    fn is_complete(&self) -> bool {
        false
    }

    fn closing(&self) -> &Closing {
        &self.0
    }

    fn counts(&self) -> Counts {
        Counts::default()
    }
}
