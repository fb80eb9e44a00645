//! What one would write without a library: reqwest, and serde for what is wanted only.

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

pub struct Client {
    http: reqwest::Client,
    url: String,
}

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'a str,
    content: &'a str,
}

#[derive(Deserialize)]
struct Whole {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Content,
}

#[derive(Deserialize)]
struct Content {
    content: String,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    choices: Vec<ChunkChoice<'a>>,
}

#[derive(Deserialize)]
struct ChunkChoice<'a> {
    #[serde(borrow)]
    delta: Delta<'a>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    content: Option<std::borrow::Cow<'a, str>>,
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

impl Client {
    pub fn new(url: &str) -> Outcome<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { http: reqwest::Client::builder().build()?, url: format!("{url}/v1/chat/completions") })
    }

    async fn ask(&self, model: &str, stream: bool) -> Outcome<reqwest::Response> {
        let messages = vec![Message { role: "user", content: "hello" }];
        let body = serde_json::to_vec(&Request { model, messages, stream })?;
        let request = self.http.post(&self.url).header("content-type", "application/json").body(body);
        Ok(request.send().await?.error_for_status()?)
    }

    /// Whole replies, some at once.
    pub async fn calls(&self, calls: usize, at_once: usize) -> Outcome<()> {
        let mut work = futures::stream::iter(0..calls)
            .map(|_| async {
                let body = self.ask(crate::engine::SMALL, false).await?.bytes().await?;
                let reply: Whole = serde_json::from_slice(&body)?;
                Ok::<_, Box<dyn std::error::Error>>(reply.choices.first().map_or(0, |c| c.message.content.len()))
            })
            .buffer_unordered(at_once);
        while let Some(length) = work.next().await {
            assert!(length? > 0);
        }
        Ok(())
    }

    /// Streamed replies, one after the other, each event decoded.
    pub async fn streams(&self, streams: usize, events: usize) -> Outcome<()> {
        let model = crate::engine::stream_model(events);
        for _ in 0..streams {
            let mut body = self.ask(&model, true).await?.bytes_stream();
            let (mut buffer, mut seen, mut text) = (Vec::new(), 0, 0);
            while let Some(piece) = body.next().await {
                buffer.extend_from_slice(&piece?);
                let mut start = 0;
                while let Some(end) = buffer[start..].windows(2).position(|w| w == b"\n\n") {
                    let line = &buffer[start..start + end];
                    start += end + 2;
                    let Some(data) = line.strip_prefix(b"data: ") else { continue };
                    if data != b"[DONE]" {
                        let chunk: Chunk<'_> = serde_json::from_slice(data)?;
                        let delta = chunk.choices.first().and_then(|c| c.delta.content.as_deref());
                        (seen, text) = (seen + 1, text + delta.map_or(0, str::len));
                    }
                }
                buffer.drain(..start);
            }
            assert!(seen >= events && text > 0, "{seen} events");
        }
        Ok(())
    }
}
