//! Reading a reply as the product reads it: over the transport, or from bytes alone.

use std::sync::Arc;

use futures::StreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use tertulia::model::{ChatRequest, NewMessage, StreamEvent};
use tertulia::net::{Body, Transport};
use tertulia::wire::{Closing, Counts, Dialect, Quirks, Target};
use tertulia::{Error, Result};

use crate::case::Case;
use crate::server::{Delivery, Server};

/// How much of an error body the product reads.
const ERROR_BODY_BYTES: usize = 64 << 10;
/// The longest whole reply.
const WHOLE_BYTES: usize = 64 << 20;

/// What came of reading a reply.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) events: Vec<StreamEvent>,
    pub(crate) closing: Closing,
    /// What the decoder of a stream met; nothing for whole replies and for error statuses.
    pub(crate) counts: Option<Counts>,
    pub(crate) outcome: Result<()>,
}

impl Reading {
    fn failed(error: Error) -> Self {
        Self { events: Vec::new(), closing: Closing::default(), counts: None, outcome: Err(error) }
    }

    fn whole(decoded: Result<(Vec<StreamEvent>, Closing)>) -> Self {
        match decoded {
            Ok((events, closing)) => Self { events, closing, counts: None, outcome: Ok(()) },
            Err(error) => Self::failed(error),
        }
    }
}

/// A case with everything that reading it takes.
pub(crate) struct Recording {
    pub(crate) case: Case,
    pub(crate) dialect: Box<dyn Dialect>,
    pub(crate) quirks: Quirks,
}

impl Recording {
    /// Reads these pieces of the body, then a clean end, without any network.
    pub(crate) fn read_pieces<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Reading {
        let base_url = Uri::from_static("http://localhost");
        let target = self.target(&base_url);
        if !is_success(self.case.status) || !self.case.stream {
            let body: Vec<u8> = pieces.into_iter().flatten().copied().collect();
            return match StatusCode::from_u16(self.case.status) {
                Ok(status) if status.is_success() => Reading::whole(self.dialect.decode(&body, &target)),
                Ok(status) => Reading::failed(self.dialect.classify(status, &self.headers(), &body)),
                Err(_) => Reading::failed(Error::internal("the recorded status is no HTTP status")),
            };
        }
        let mut decoder = self.dialect.decoder(&target);
        let mut events = Vec::new();
        let fed = pieces.into_iter().try_for_each(|piece| decoder.feed(piece, &mut events));
        let outcome = fed.and_then(|()| decoder.finish(&mut events));
        Reading { events, closing: decoder.closing().clone(), counts: Some(decoder.counts()), outcome }
    }

    /// Reads the body over loopback, delivered in this way.
    pub(crate) async fn read_over(
        &self,
        transport: &Arc<dyn Transport>,
        server: &Server,
        delivery: Delivery,
    ) -> Reading {
        match self.exchange(transport, &server.lay(&self.case, delivery)).await {
            Ok(reading) => reading,
            Err(error) => Reading::failed(error),
        }
    }

    async fn exchange(&self, transport: &Arc<dyn Transport>, address: &str) -> Result<Reading> {
        let base_url: Uri =
            address.parse().map_err(|_| Error::internal("the address of the loopback server is no URL"))?;
        let target = self.target(&base_url);
        let messages = vec![NewMessage::user("A recorded question.")];
        let request = ChatRequest { model: "recorded".to_owned(), messages, ..ChatRequest::default() };
        let (head, body) = transport.send(self.dialect.encode(&request, &target)?).await?.into_parts();
        if !head.status.is_success() {
            let body = body.head(ERROR_BODY_BYTES).await;
            return Ok(Reading::failed(self.dialect.classify(head.status, &head.headers, &body)));
        }
        if !self.case.stream {
            let body = body.collect(WHOLE_BYTES).await?;
            return Ok(Reading::whole(self.dialect.decode(&body, &target)));
        }
        Ok(self.stream(body, &target).await)
    }

    async fn stream(&self, mut body: Body, target: &Target<'_>) -> Reading {
        let mut decoder = self.dialect.decoder(target);
        let mut events = Vec::new();
        let outcome = loop {
            match body.next().await {
                Some(Ok(piece)) => {
                    if let Err(error) = decoder.feed(&piece, &mut events) {
                        break Err(error);
                    }
                }
                Some(Err(error)) => break Err(error),
                None => break decoder.finish(&mut events),
            }
        };
        Reading { events, closing: decoder.closing().clone(), counts: Some(decoder.counts()), outcome }
    }

    fn target<'a>(&'a self, base_url: &'a Uri) -> Target<'a> {
        let provider = if self.case.provider.is_empty() { "recorded" } else { &self.case.provider };
        Target {
            provider,
            base_url,
            quirks: &self.quirks,
            stream: self.case.stream,
            max_output_tokens: None,
            max_event_bytes: 16 << 20,
        }
    }

    fn headers(&self) -> HeaderMap {
        let pair = |(name, value): &(String, String)| {
            Some((HeaderName::try_from(name.as_str()).ok()?, HeaderValue::from_str(value).ok()?))
        };
        self.case.headers.iter().filter_map(pair).collect()
    }
}

pub(crate) fn is_success(status: u16) -> bool {
    (200..300).contains(&status)
}
