//! What a server answers that no server should, in whole calls over real sockets: the other side is written out byte by
//! byte.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "tests may panic and need no docs, and what they start ends with their runtime"
)]

mod support;

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::within;
use tertulia::{Capabilities, ErrorKind, ModelInfo, ProviderSpec, Tertulia};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The names of the dialects; a provider of each name speaks it.
const DIALECTS: [&str; 5] = ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"];

/// An engine whose providers are all at this address. `m` streams, `whole` answers in one piece.
async fn engine(url: &str) -> Tertulia {
    let mut settings = tertulia::Settings::default();
    settings.retry.max_attempts = 1;
    let mut builder =
        Tertulia::builder().with_environment(Arc::new(|_: &str| None)).settings(settings).store("memory:");
    for dialect in DIALECTS {
        let spec = match dialect {
            "openai_chat" => ProviderSpec::openai_chat(dialect, url),
            "openai_responses" => ProviderSpec::openai_responses(dialect, url),
            "anthropic" => ProviderSpec::anthropic(dialect, url),
            "gemini" => ProviderSpec::gemini(dialect, url),
            _ => ProviderSpec::ollama(dialect, url),
        };
        let whole = Capabilities { streaming: Some(false), ..Capabilities::default() };
        builder = builder.provider(spec.model("whole", ModelInfo { capabilities: whole, ..ModelInfo::default() }));
    }
    builder.open().await.unwrap()
}

/// Reads a request to its end.
async fn request(socket: &mut TcpStream) {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if read.len() >= end + 4 + length.map_or(0, |length| length.parse::<usize>().unwrap()) {
                return;
            }
        }
        assert!(socket.read_buf(&mut read).await.unwrap() > 0, "the client closed instead of asking");
    }
}

/// A server that answers every request with these bytes, and closes.
async fn saying(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            request(&mut socket).await;
            socket.write_all(&bytes).await.unwrap();
        }
    });
    url
}

#[tokio::test]
async fn a_204_is_never_an_empty_answer() {
    let url = saying(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec()).await;
    let tertulia = engine(&url).await;
    for dialect in DIALECTS {
        for (model, cause) in
            [("m", (ErrorKind::Truncated, "cut")), ("whole", (ErrorKind::Unavailable, "bad_response"))]
        {
            let error = within(tertulia.ask("hi").model(format!("{dialect}/{model}")).into_future()).await.unwrap_err();
            assert_eq!((error.kind(), error.reason()), cause, "{dialect}/{model}: {error}");
            assert!(error.partial().is_empty(), "{dialect}/{model}");
        }
    }
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn an_error_whose_body_never_ends_is_told_by_its_beginning_and_the_rest_is_not_read() {
    const ENDLESS: usize = 100 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tertulia = engine(&format!("http://{}", listener.local_addr().unwrap())).await;
    let taken = Arc::new(AtomicUsize::new(0));
    let written = taken.clone();
    let serving = tokio::spawn(async move {
        for _ in DIALECTS {
            let (mut socket, _) = listener.accept().await.unwrap();
            request(&mut socket).await;
            let head =
                format!("HTTP/1.1 500 Oh\r\ncontent-type: application/json\r\ncontent-length: {ENDLESS}\r\n\r\n");
            socket.write_all(head.as_bytes()).await.unwrap();
            let piece = [b'x'; 64 * 1024];
            written.store(0, Ordering::Relaxed);
            while written.load(Ordering::Relaxed) < ENDLESS && socket.write_all(&piece).await.is_ok() {
                written.fetch_add(piece.len(), Ordering::Relaxed);
            }
            let all = written.load(Ordering::Relaxed);
            // What the system holds on the way between the two is not read by anybody.
            assert!(all < ENDLESS / 4, "{all} bytes were taken");
        }
    });
    for dialect in DIALECTS {
        let error = within(tertulia.ask("hi").model(format!("{dialect}/m")).into_future()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, Some(500)), "{dialect}: {error}");
        let kept = error.provider_error().map_or(0, |account| account.message().len());
        assert!(kept <= 4 * 1024, "{dialect}: {kept} bytes are kept");
    }
    within(serving).await.unwrap();
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn an_answer_in_a_compression_that_was_not_offered_is_no_answer() {
    // "data: [DONE]" as zstd writes it without compressing it.
    let zstd = [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x0c, 0x61, 0x00, 0x00][..], b"data: [DONE]"].concat();
    let head = format!("content-encoding: zstd\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", zstd.len());
    for (content_type, model) in [("text/event-stream", "m"), ("application/json", "whole")] {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\n{head}");
        let tertulia = engine(&saying([head.as_bytes(), &zstd].concat()).await).await;
        for dialect in DIALECTS {
            let error = within(tertulia.ask("hi").model(format!("{dialect}/{model}")).into_future()).await.unwrap_err();
            let cause = (error.kind(), error.reason().to_owned());
            let nonsense = [(ErrorKind::Unavailable, "bad_response"), (ErrorKind::Truncated, "cut")];
            assert!(
                nonsense.iter().any(|(kind, reason)| (*kind, *reason) == (cause.0, &*cause.1)),
                "{dialect}: {error}"
            );
        }
        tertulia.close().await.unwrap();
    }
}
