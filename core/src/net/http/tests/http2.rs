//! HTTP/2, its frames written by hand: a length of three bytes, a type, flags, a stream, a payload.

use futures::StreamExt as _;
use tokio_rustls::server::TlsStream;

use super::tls::{TlsServer, authority, issue, trusting};
use super::*;
use crate::base::{ErrorKind, Retry};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200` of HPACK's static table.
const STATUS_200: &[u8] = &[0x88];
const REFUSED_STREAM: &[u8] = &[0, 0, 0, 7];
const INTERNAL_ERROR: &[u8] = &[0, 0, 0, 2];

struct Peer(Caller<TlsStream<TcpStream>>);

impl Peer {
    /// Takes a connection up to and including the headers of its first request.
    async fn accept(server: &TlsServer) -> Self {
        let mut peer = Self(server.accept().await.unwrap());
        let mut preface = [0; 24];
        soon("the preface", peer.0.socket.read_exact(&mut preface)).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        peer.frame(SETTINGS, 0, 0, &[]).await;
        peer.until(HEADERS).await;
        peer
    }

    async fn frame(&mut self, kind: u8, flags: u8, stream: u8, payload: &[u8]) {
        let length = u8::try_from(payload.len()).unwrap();
        self.0.say([&[0, 0, length, kind, flags, 0, 0, 0, stream][..], payload].concat()).await;
    }

    /// Reads frames until one of this type, and answers none of them. `None` at the end of the connection.
    async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 9];
        soon("a frame or the end", self.0.socket.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.socket.read_exact(&mut payload).await.ok()?;
        Some((head[3], payload))
    }

    async fn until(&mut self, kind: u8) {
        while self.next().await.expect("the client closed").0 != kind {}
    }
}

async fn server_and_client(change: impl FnOnce(&mut NetworkSettings)) -> (TlsServer, HttpTransport) {
    let authority = authority();
    let server = TlsServer::start(&issue(&authority, &["localhost"], |_| ()), None, &["h2"]).await;
    let mut settings = trusting(&authority);
    change(&mut settings);
    (server, transport(&settings))
}

#[tokio::test]
async fn where_the_server_speaks_http2_calls_share_one_connection() {
    let (server, transport) = server_and_client(|_| ()).await;
    let serving = async {
        let mut peer = Peer::accept(&server).await;
        peer.frame(HEADERS, END_HEADERS, 1, STATUS_200).await;
        peer.frame(DATA, END_STREAM, 1, b"one").await;
        peer
    };
    let url = server.url();
    let (answer, mut peer) = tokio::join!(soon("an answer", transport.send(post(&url))), serving);
    let answer = answer.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    let serving = async {
        peer.until(HEADERS).await;
        peer.frame(HEADERS, END_HEADERS | END_STREAM, 3, STATUS_200).await;
    };
    let (second, ()) = tokio::join!(soon("an answer", transport.send(post(&url))), serving);
    assert_eq!(second.unwrap().status(), 200);
    assert_eq!(answer.into_body().collect(9).await.unwrap(), "one");
}

#[tokio::test]
async fn an_idle_connection_that_answers_no_ping_is_closed() {
    let (server, transport) = server_and_client(|settings| {
        settings.http2_ping_interval_ms = 20;
        settings.http2_ping_timeout_ms = 20;
    })
    .await;
    let serving = async {
        let mut peer = Peer::accept(&server).await;
        peer.frame(HEADERS, END_HEADERS | END_STREAM, 1, STATUS_200).await;
        peer
    };
    let (answer, mut peer) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), serving);
    answer.unwrap().into_body().collect(0).await.unwrap();
    let mut pinged = false;
    while let Some((kind, _)) = peer.next().await {
        pinged |= kind == PING;
    }
    assert!(pinged, "closed without a ping");
}

#[tokio::test]
async fn a_connection_that_dies_inside_a_body_is_noticed_by_its_pings() {
    let (server, transport) = server_and_client(|settings| {
        settings.http2_ping_interval_ms = 20;
        settings.http2_ping_timeout_ms = 20;
    })
    .await;
    let serving = async {
        let mut peer = Peer::accept(&server).await;
        peer.frame(HEADERS, END_HEADERS, 1, STATUS_200).await;
        peer.frame(DATA, 0, 1, b"one").await;
        peer
    };
    let (answer, _peer) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), serving);
    let mut body = answer.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    let error = soon("the end", body.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "reset"), "{error:?}");
    assert_discreet(&error);
}

#[tokio::test]
async fn the_call_behind_a_connection_that_died_without_a_word_takes_a_new_one_and_25_seconds_are_enough_to_know() {
    let (server, transport) = server_and_client(|settings| {
        let known_in = settings.http2_ping_interval_ms + settings.http2_ping_timeout_ms;
        assert!(known_in <= 25_000, "{known_in} ms by default");
        settings.http2_ping_interval_ms = 20;
        settings.http2_ping_timeout_ms = 20;
    })
    .await;
    let serving = async {
        let mut peer = Peer::accept(&server).await;
        peer.frame(HEADERS, END_HEADERS | END_STREAM, 1, STATUS_200).await;
        peer
    };
    let url = server.url();
    let (answer, mut dead) = tokio::join!(soon("an answer", transport.send(post(&url))), serving);
    answer.unwrap().into_body().collect(0).await.unwrap();
    // From here on the peer reads and says nothing any more, until the client closes.
    while dead.next().await.is_some() {}
    let serving = async {
        let mut peer = Peer::accept(&server).await;
        peer.frame(HEADERS, END_HEADERS | END_STREAM, 1, STATUS_200).await;
        peer
    };
    let (answer, _peer) = tokio::join!(soon("an answer", transport.send(post(&url))), serving);
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn a_refused_stream_and_a_goaway_are_unprocessed_a_reset_stream_is_reset_and_none_is_retried_here() {
    let (server, transport) = server_and_client(|_| ()).await;
    let go_away = [&[0, 0, 0, 0][..], &[0, 0, 0, 0]].concat();
    let go_away_in_anger = [&[0, 0, 0, 0][..], &[0, 0, 0, 2]].concat();
    for (kind, stream, payload, reason) in [
        (RST_STREAM, 1, REFUSED_STREAM, "unprocessed"),
        (GOAWAY, 0, &go_away[..], "unprocessed"),
        (RST_STREAM, 1, INTERNAL_ERROR, "reset"),
        (GOAWAY, 0, &go_away_in_anger[..], "reset"),
    ] {
        let serving = async {
            let mut peer = Peer::accept(&server).await;
            peer.frame(kind, 0, stream, payload).await;
            peer
        };
        let (answer, mut peer) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), serving);
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.reason(), error.retry()), (ErrorKind::Unavailable, reason, Retry::Safe));
        assert_discreet(&error);
        transport.renew();
        while let Some((kind, _)) = peer.next().await {
            assert_ne!(kind, HEADERS, "the transport must not repeat a request");
        }
    }

    let serving = async {
        let mut peer = Peer::accept(&server).await;
        peer.frame(HEADERS, END_HEADERS, 1, STATUS_200).await;
        peer.frame(DATA, 0, 1, b"one").await;
        peer
    };
    let (answer, mut peer) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), serving);
    let mut body = answer.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    peer.frame(RST_STREAM, 0, 1, INTERNAL_ERROR).await;
    assert_eq!(soon("the reset", body.next()).await.unwrap().unwrap_err().reason(), "reset");
}

#[tokio::test]
async fn a_body_dropped_half_way_resets_its_stream() {
    let (server, transport) = server_and_client(|_| ()).await;
    let serving = async {
        let mut peer = Peer::accept(&server).await;
        peer.frame(HEADERS, END_HEADERS, 1, STATUS_200).await;
        peer.frame(DATA, 0, 1, b"one").await;
        peer
    };
    let (answer, mut peer) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), serving);
    let mut body = answer.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    drop(body);
    peer.until(RST_STREAM).await;
    soon("the close", async { tokio::join!(transport.close(), peer.0.gone()) }).await;
}
