//! A provider of your own, as code: a function from a request to events. Everything else stays as it is: the message is
//! on disk first, the reply streams, and what failed before its first word is asked again.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream;
use tertulia::{
    ChatRequest, Error, ErrorKind, EventStream, ModelInfo, Provider, Result, Retry, StreamEventKind, Tertulia,
};

/// Stands where a model in your own process, or a vendor's library, would stand.
struct House {
    awake: AtomicBool,
}

impl Provider for House {
    fn name(&self) -> &str {
        "house"
    }

    fn models(&self) -> Vec<ModelInfo> {
        vec![ModelInfo { id: "clerk".to_owned(), context_window: Some(8_192), ..ModelInfo::default() }]
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        if !self.awake.swap(true, Ordering::Relaxed) {
            let busy = Error::new(ErrorKind::Unavailable, "asleep", "the clerk is waking up");
            return Err(busy.with_retry(Retry::After { after_ms: 10 }));
        }
        let question = request.messages.last().map(|message| message.text()).unwrap_or_default();
        let answer = format!("{} asked {} times; last: {question}", request.model, request.messages.len().div_ceil(2));
        let words: Vec<_> = answer.split_inclusive(' ').map(|word| Ok(StreamEventKind::text(word))).collect();
        Ok(EventStream::new(stream::iter(words)))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let house = House { awake: AtomicBool::new(false) };
    let tertulia = Tertulia::builder().store("memory:").with_provider(house).model("house/clerk").open().await?;
    let chat = tertulia.user("ana").new_conversation();
    let reply = chat.send("Are you open?").await?;
    println!("{} ({} tries)", reply.text(), reply.attempts.len());
    let mut stream = chat.stream("And on Sunday?").await?;
    while let Some(text) = stream.next_text().await? {
        print!("{text}");
    }
    println!();
    for model in tertulia.models("house/*") {
        println!("{} reads {} tokens", model.id, model.context_window.unwrap_or_default());
    }
    tertulia.close().await
}
