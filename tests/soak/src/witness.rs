//! The simulator, as somebody who asks what it saw.

use std::time::Duration;

use serde_json::Value;
use tertulia::base::{Clock, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Outcome;

/// Who asks what the provider saw, and how far its record has been read.
pub struct Witness {
    address: String,
    seen: u64,
    pub clock: SystemClock,
}

/// A question that waits for the next hang-up.
pub struct Watching(JoinSet<Outcome<(u64, Duration)>>);

impl Witness {
    pub fn new(url: &str) -> Outcome<Self> {
        let address = url.strip_prefix("http://").ok_or("the simulator has an http address")?;
        Ok(Self { address: address.to_owned(), seen: 0, clock: SystemClock::default() })
    }

    /// Begins to watch for the next client that closes its connection in the middle of a reply.
    pub async fn watch(&self) -> Outcome<Watching> {
        let mut socket = TcpStream::connect(&self.address).await?;
        let question = format!(
            "GET /_simulator/hung_up?after={} HTTP/1.1\r\nhost: simulator\r\nconnection: close\r\n\r\n",
            self.seen
        );
        socket.write_all(question.as_bytes()).await?;
        let clock = self.clock;
        let mut waiting = JoinSet::new();
        waiting.spawn(async move {
            let mut answer = String::new();
            socket.read_to_string(&mut answer).await?;
            let at = clock.monotonic();
            let body = answer.split_once("\r\n\r\n").ok_or("the simulator said nothing")?.1;
            let told: Value = serde_json::from_str(body)?;
            Ok((told["seq"].as_u64().ok_or("the simulator does not record")?, at))
        });
        Ok(Watching(waiting))
    }

    /// When the simulator saw it.
    pub async fn hung_up(&mut self, mut watching: Watching) -> Outcome<Duration> {
        let (seq, at) = watching.0.join_next().await.ok_or("nobody watches")???;
        self.seen = seq;
        Ok(at)
    }
}
