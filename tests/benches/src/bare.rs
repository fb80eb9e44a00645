//! What one would write without a library: reqwest, and serde for what is wanted only.

use std::sync::OnceLock;

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use crate::Outcome;

/// Long bodies, written once.
static BODIES: OnceLock<Vec<Vec<u8>>> = OnceLock::new();

pub struct Client {
    http: reqwest::Client,
    url: String,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Content<'a>,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Vec<ChunkChoice<'a>>,
}

#[derive(Deserialize)]
struct ChunkChoice<'a> {
    #[serde(borrow)]
    delta: Content<'a>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    content: Option<std::borrow::Cow<'a, str>>,
}

impl Client {
    pub fn new(url: &str) -> Outcome<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { http: reqwest::Client::builder().build()?, url: format!("{url}/v1/chat/completions") })
    }

    async fn ask(&self, model: &str, stream: bool) -> Outcome<reqwest::Response> {
        let messages = vec![Message { role: "user", content: "hello" }];
        let stream_options = stream.then_some(StreamOptions { include_usage: true });
        let body = serde_json::to_vec(&Request { model, messages, stream, stream_options })?;
        self.post(body).await
    }

    async fn post(&self, body: impl Into<reqwest::Body>) -> Outcome<reqwest::Response> {
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body);
        Ok(request.send().await?.error_for_status()?)
    }

    /// The words of a whole reply.
    async fn whole(&self, model: &str) -> Outcome<String> {
        let body = self.ask(model, false).await?.bytes().await?;
        let reply: Whole<'_> = serde_json::from_slice(&body)?;
        let words = reply.choices.into_iter().next().and_then(|choice| choice.message.content);
        Ok(words.unwrap_or_default().into_owned())
    }

    /// The words of a streamed reply and the number of events that carried some.
    async fn streamed(&self, model: &str) -> Outcome<(String, usize)> {
        Self::read(self.ask(model, true).await?).await
    }

    async fn read(response: reqwest::Response) -> Outcome<(String, usize)> {
        let mut body = response.bytes_stream();
        let (mut buffer, mut words, mut seen) = (Vec::new(), String::new(), 0);
        while let Some(piece) = body.next().await {
            buffer.extend_from_slice(&piece?);
            let mut start = 0;
            while let Some(end) = buffer[start..].windows(2).position(|w| w == b"\n\n") {
                let line = &buffer[start..start + end];
                start += end + 2;
                let Some(data) = line.strip_prefix(b"data: ") else { continue };
                if data != b"[DONE]" {
                    let chunk: Chunk<'_> = serde_json::from_slice(data)?;
                    if let Some(delta) = chunk.choices.first().and_then(|choice| choice.delta.content.as_deref()) {
                        words.push_str(delta);
                        seen += usize::from(!delta.is_empty());
                    }
                }
            }
            buffer.drain(..start);
        }
        Ok((words, seen))
    }

    /// Replies to small requests, asked for as the engine asks: as streams.
    pub async fn calls(&self, calls: usize, at_once: usize) -> Outcome<()> {
        let mut work =
            futures::stream::iter(0..calls).map(|_| self.streamed(crate::engine::SMALL)).buffer_unordered(at_once);
        while let Some(reply) = work.next().await {
            assert!(!reply?.0.is_empty());
        }
        Ok(())
    }

    /// The same in one piece.
    pub async fn whole_calls(&self, calls: usize, at_once: usize) -> Outcome<()> {
        let mut work =
            futures::stream::iter(0..calls).map(|_| self.whole(crate::engine::SMALL)).buffer_unordered(at_once);
        while let Some(reply) = work.next().await {
            assert!(!reply?.is_empty());
        }
        Ok(())
    }

    /// The same with a body of so many characters of history, that is written once for all calls: what a long request costs
    /// who only hands it to the system. Each of those that are under way at once has its own, as conversations have.
    pub async fn long_calls(&self, calls: usize, at_once: usize, characters: usize) -> Outcome<()> {
        let bodies = BODIES.get_or_init(|| {
            let said: String = "Plan a day in Cádiz, please. ".chars().cycle().take(characters).collect();
            let messages = vec![Message { role: "user", content: &said }];
            let stream_options = Some(StreamOptions { include_usage: true });
            let request = Request { model: crate::engine::SMALL, messages, stream: true, stream_options };
            vec![serde_json::to_vec(&request).unwrap_or_default(); at_once]
        });
        let mut work = futures::stream::iter(0..calls)
            .map(async |number| {
                let body = bodies.get(number % at_once).map(Vec::as_slice).unwrap_or_default();
                Self::read(self.post(body).await?).await
            })
            .buffer_unordered(at_once);
        while let Some(reply) = work.next().await {
            assert!(!reply?.0.is_empty());
        }
        Ok(())
    }

    /// Long streamed replies, each event decoded.
    pub async fn streams(&self, streams: usize, events: usize, at_once: usize) -> Outcome<()> {
        let model = crate::engine::stream_model(events);
        let mut work = futures::stream::iter(0..streams).map(|_| self.streamed(&model)).buffer_unordered(at_once);
        while let Some(reply) = work.next().await {
            let (words, seen) = reply?;
            assert!(seen >= events && !words.is_empty(), "{seen} events");
        }
        Ok(())
    }
}
