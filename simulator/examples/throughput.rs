//! How many replies a second the simulator gives: `cargo run --release --example throughput [URL]`.
//!
//! Without a URL it serves and asks in one process, so both share the machine; with the URL of a simulator that runs
//! by itself, the system's own tools tell the cost of a reply (`/proc/PID/stat`).
#![expect(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement by hand")]

use std::time::Instant;

use tertulia_simulator::Simulator;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 32;

#[tokio::main]
async fn main() {
    let simulator = Simulator::start().await.unwrap();
    simulator.set_recording(std::env::var("RECORD").is_ok());
    let url = std::env::args().nth(1).unwrap_or_else(|| simulator.url());
    for (name, path, model, stream, calls) in [
        ("whole reply", "/v1/chat/completions", "sim:text=Hello there", false, 200_000),
        ("whole reply, Anthropic", "/v1/messages", "sim:text=Hello there", false, 200_000),
        ("echo", "/v1/chat/completions", "echo", false, 100_000),
        ("stream of 100 pieces", "/v1/chat/completions", "sim:words=100", true, 40_000),
    ] {
        let body = format!(
            "{{\"model\":\"{model}\",\"max_tokens\":9,\"stream\":{stream},\
             \"messages\":[{{\"role\":\"user\",\"content\":\"Say hello, please.\"}}]}}"
        );
        let request = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let before = Instant::now();
        let mut clients = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let address = url.strip_prefix("http://").unwrap().to_owned();
            clients.spawn(ask(address, request.clone(), calls / CONNECTIONS));
        }
        let bytes: usize = clients.join_all().await.into_iter().sum();
        let seconds = before.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a count of calls")]
        let rate = calls as f64 / seconds;
        println!("{name}: {rate:.0}/s ({} bytes each, {CONNECTIONS} connections)", bytes / calls);
    }
    simulator.shutdown().await;
}

/// Asks so many times and gives the bytes read. Every reply of a script is of the same length, which the first tells.
async fn ask(address: String, request: String, calls: usize) -> usize {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 256 << 10];
    let mut length = None;
    let mut total = 0;
    for _ in 0..calls {
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut read = 0;
        while length != Some(read) {
            read += socket.read(&mut buffer[read..]).await.unwrap();
            if length.is_none() {
                length = whole(&buffer[..read]);
            }
        }
        total += read;
    }
    total
}

/// The length of the reply, once all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).unwrap();
    match text.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => Some(head + length.parse::<usize>().unwrap()).filter(|&all| all <= bytes.len()),
        None => bytes.ends_with(b"\r\n0\r\n\r\n").then_some(bytes.len()),
    }
}
