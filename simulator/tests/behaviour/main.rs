//! The simulator as a client sees it, byte by byte: the client below is written out so that nothing repairs or hides
//! what came.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests may panic")]

mod dialects;
mod embedding;
mod faults;
mod gemini;
mod ollama;
mod program;
mod protocol;
mod recording;
mod responses;
mod scripts;
mod told;

use std::time::Duration;

use serde_json::{Value, json};
use tertulia_simulator::Simulator;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How a reply ended.
#[derive(Debug, PartialEq)]
enum End {
    Clean,
    /// The connection closed before HTTP said so.
    Cut,
    Reset,
}

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// The chunks of a chunked body.
    chunks: Vec<Vec<u8>>,
    end: End,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    /// The data of all events; `[DONE]` as a string.
    fn events(&self) -> Vec<Value> {
        self.text()
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .map(|data| serde_json::from_str(data).unwrap_or_else(|_| Value::from(data)))
            .collect()
    }
}

/// Fails a test that would hang; whatever is waited for ends it.
async fn soon<T>(event: impl Future<Output = T>) -> T {
    // Longer than any delay in a script here, should the clock be paused and jump.
    tokio::time::timeout(Duration::from_secs(3_600), event).await.unwrap()
}

struct Client {
    socket: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    async fn connect(simulator: &Simulator) -> Self {
        let socket = TcpStream::connect(simulator.address()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self { socket, unread: Vec::new() }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn post(&mut self, path: &str, script: Option<&str>, body: &Value) {
        let body = body.to_string();
        let script = script.map(|script| format!("x-simulator-script: {script}\r\n")).unwrap_or_default();
        let length = body.len();
        self.send(format!("POST {path} HTTP/1.1\r\nhost: x\r\n{script}content-length: {length}\r\n\r\n{body}")).await;
    }

    /// Reads more. False at the end of the connection.
    async fn more(&mut self) -> Result<(), End> {
        match soon(self.socket.read_buf(&mut self.unread)).await {
            Ok(0) => Err(End::Cut),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Err(End::Reset),
            Err(error) => panic!("{error}"),
        }
    }

    /// Reads up to and including these bytes.
    async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>, End> {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                let rest = self.unread.split_off(at + end.len());
                return Ok(std::mem::replace(&mut self.unread, rest));
            }
            self.more().await?;
        }
    }

    async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, End> {
        while self.unread.len() < count {
            self.more().await?;
        }
        let rest = self.unread.split_off(count);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    /// The end that comes instead of a reply, or the reply.
    async fn reply(&mut self) -> Result<Reply, End> {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await?).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(": ").unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect();
        let mut reply = Reply { status, headers, body: Vec::new(), chunks: Vec::new(), end: End::Clean };
        if let Err(end) = self.body(&mut reply).await {
            reply.body.append(&mut self.unread);
            reply.end = end;
        }
        Ok(reply)
    }

    async fn body(&mut self, reply: &mut Reply) -> Result<(), End> {
        if let Some(length) = reply.header("content-length") {
            reply.body = self.exactly(length.parse().unwrap()).await?;
            return Ok(());
        }
        loop {
            let size = String::from_utf8(self.until(b"\r\n").await?).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let chunk = self.exactly(size).await?;
            assert_eq!(self.exactly(2).await?, b"\r\n");
            if size == 0 {
                return Ok(());
            }
            reply.body.extend_from_slice(&chunk);
            reply.chunks.push(chunk);
        }
    }
}

const OPENAI: &str = "/v1/chat/completions";
const ANTHROPIC: &str = "/v1/messages";

fn body(model: &str, stream: bool, words: &str) -> Value {
    json!({"model": model, "max_tokens": 100, "stream": stream, "messages": [{"role": "user", "content": words}]})
}

async fn try_call(simulator: &Simulator, path: &str, body: &Value) -> Result<Reply, End> {
    let mut client = Client::connect(simulator).await;
    client.post(path, None, body).await;
    client.reply().await
}

async fn call(simulator: &Simulator, path: &str, body: &Value) -> Reply {
    try_call(simulator, path, body).await.unwrap()
}

/// A streamed reply of a script.
async fn stream(simulator: &Simulator, path: &str, script: &str) -> Reply {
    call(simulator, path, &body(&format!("sim:{script}"), true, "Hi")).await
}

/// A whole reply of a script.
async fn whole(simulator: &Simulator, path: &str, script: &str) -> Reply {
    call(simulator, path, &body(&format!("sim:{script}"), false, "Hi")).await
}
