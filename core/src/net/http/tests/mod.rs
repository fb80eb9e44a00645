//! The client against real sockets. The other side is written out byte by byte in each test.

mod calls;
mod closing;
mod failures;
mod gather;
mod http2;
mod proxies;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::HttpTransport;
use crate::base::{ManualClock, SystemClock};
use crate::model::{Error, Result};
use crate::net::{Body, NetworkSettings, Transport as _};

/// Fails a test that would hang. Not a pause: whatever is waited for ends it.
async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event).await.unwrap_or_else(|_| panic!("never happened: {what}"))
}

fn transport(settings: &NetworkSettings) -> HttpTransport {
    HttpTransport::new(settings, Arc::new(SystemClock::default())).unwrap()
}

fn standard() -> HttpTransport {
    transport(&NetworkSettings::default())
}

fn post(url: &str) -> http::Request<Bytes> {
    http::Request::post(url).header("x-api-key", "canary-key").body(Bytes::from_static(b"{\"q\":1}")).unwrap()
}

/// The server's end of a listening socket.
struct Server(TcpListener);

impl Server {
    async fn start() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}/v1/chat?q=canary-query", self.addr())
    }

    async fn accept(&self) -> Caller<TcpStream> {
        let (socket, _) = soon("a connection", self.0.accept()).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Caller { socket, unread: Vec::new() }
    }
}

/// One connection as the server sees it.
struct Caller<S> {
    socket: S,
    unread: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Caller<S> {
    /// Reads one request, its body included, and gives its text.
    async fn request(&mut self) -> String {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head = String::from_utf8(self.unread[..end].to_vec()).unwrap();
                let length = head
                    .lines()
                    .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
                    .map_or(0, |length| length.parse::<usize>().unwrap());
                if self.unread.len() >= end + 4 + length {
                    let rest = self.unread.split_off(end + 4 + length);
                    let request = std::mem::replace(&mut self.unread, rest);
                    return String::from_utf8(request).unwrap();
                }
            }
            let read = soon("a request", self.socket.read_buf(&mut self.unread)).await.unwrap();
            assert!(read > 0, "the client closed instead of asking");
        }
    }

    async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).await.unwrap();
        self.socket.flush().await.unwrap();
    }

    /// Waits until the client has let the connection go.
    async fn gone(mut self) {
        let mut rest = [0; 1024];
        soon("the end of the connection", async { while let Ok(1..) = self.socket.read(&mut rest).await {} }).await;
    }
}

impl Caller<TcpStream> {
    /// Ends the connection with a TCP reset.
    fn reset(self) {
        self.socket.set_zero_linger().unwrap();
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Sends one request and lets `serve` answer it.
async fn exchange<T, F: Future<Output = T>>(
    transport: &HttpTransport,
    server: &Server,
    serve: impl FnOnce(Caller<TcpStream>) -> F,
) -> (Result<http::Response<Body>>, T) {
    let serving = async {
        let mut caller = server.accept().await;
        caller.request().await;
        serve(caller).await
    };
    tokio::join!(soon("an answer", transport.send(post(&server.url()))), serving)
}

/// An error must say what happened without saying what was sent where.
#[track_caller]
fn assert_discreet(error: &Error) {
    let mut said = format!("{error} {error:?} {:?}", error.info());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    for secret in ["canary", "127.0.0.1", "localhost", "/v1/chat"] {
        assert!(!said.contains(secret), "{secret} in {said}");
    }
}

const OK_EMPTY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const OK_CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
