use std::io::Write as _;

use futures::{FutureExt as _, StreamExt as _, poll};

use super::*;
use crate::base::ErrorKind;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn encoded(encoding: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn status_headers_and_pieces_come_out_as_they_were_sent() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, mut caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say("HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ntransfer-encoding: chunked\r\n\r\n").await;
        caller
    })
    .await;
    let answer = answer.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"7".parse().unwrap()));
    let mut body = answer.into_body();
    for piece in ["one", "two"] {
        caller.say(format!("{:x}\r\n{piece}\r\n", piece.len())).await;
        assert_eq!(soon("a piece", body.next()).await.unwrap().unwrap(), piece);
    }
    caller.say("0\r\n\r\n").await;
    assert!(soon("the end", body.next()).await.is_none());
    assert_eq!(transport.in_flight(), 0, "the permit is back while the body value still lives");
}

#[tokio::test]
async fn the_request_goes_out_once_as_given_and_offers_only_what_can_be_decoded() {
    let (transport, server) = (standard(), Server::start().await);
    let serving = async {
        let mut caller = server.accept().await;
        let request = caller.request().await;
        caller.say(OK_EMPTY).await;
        request
    };
    let (answer, request) = tokio::join!(transport.send(post(&server.url())), serving);
    answer.unwrap();
    let lower = request.to_ascii_lowercase();
    assert!(request.starts_with("POST /v1/chat?q=canary-query HTTP/1.1\r\n"), "{request}");
    assert!(lower.contains("x-api-key: canary-key\r\n") && request.ends_with("\r\n\r\n{\"q\":1}"), "{request}");
    assert!(lower.contains("accept-encoding: gzip,br\r\n"), "{request}");
    assert!(lower.contains("user-agent: tertulia/"), "{request}");
    assert!(!lower.contains("cookie") && !lower.contains("referer"), "{request}");
}

#[tokio::test]
async fn a_connection_whose_body_ended_cleanly_is_used_again() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, mut caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        caller
    })
    .await;
    assert_eq!(answer.unwrap().into_body().collect(10).await.unwrap(), "ok");
    let again = async {
        caller.request().await;
        caller.say(OK_EMPTY).await;
    };
    let (answer, ()) = tokio::join!(transport.send(post(&server.url())), again);
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn no_cookie_is_kept_for_the_next_request() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, mut caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say("HTTP/1.1 200 OK\r\nset-cookie: session=1\r\ncontent-length: 0\r\n\r\n").await;
        caller
    })
    .await;
    answer.unwrap().into_body().collect(0).await.unwrap();
    let again = async {
        let request = caller.request().await;
        caller.say(OK_EMPTY).await;
        request
    };
    let (answer, request) = tokio::join!(transport.send(post(&server.url())), again);
    answer.unwrap();
    assert!(!request.to_ascii_lowercase().contains("cookie"), "{request}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_the_key_never_reaches_the_other_host() {
    let (transport, server, sink) = (standard(), Server::start().await, Server::start().await);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://localhost:{}/steal", sink.addr().port());
        let (answer, caller) = exchange(&transport, &server, |mut caller| async move {
            caller.say(format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n")).await;
            caller
        })
        .await;
        let answer = answer.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        answer.into_body().collect(0).await.unwrap();
        transport.renew();
        caller.gone().await;
    }
    let mut knocking = Box::pin(sink.0.accept());
    assert!(poll!(&mut knocking).is_pending(), "nobody may follow a redirect");
}

#[tokio::test]
async fn gzip_and_brotli_are_decoded() {
    const BROTLI_HELLO: &[u8] = b"\x0b\x02\x80hello\x03";
    let (transport, server) = (standard(), Server::start().await);
    for (encoding, body) in [("gzip", gzip(b"hello")), ("br", BROTLI_HELLO.to_vec())] {
        let (answer, caller) = exchange(&transport, &server, |mut caller| async move {
            caller.say(encoded(encoding, &body)).await;
            caller
        })
        .await;
        assert_eq!(answer.unwrap().into_body().collect(100).await.unwrap(), "hello", "{encoding}");
        transport.renew();
        caller.gone().await;
    }
}

#[tokio::test]
async fn an_encoded_body_that_ended_gives_its_connection_back_and_what_comes_behind_its_end_is_let_go() {
    const BROTLI_HELLO: &[u8] = b"\x0b\x02\x80hello\x03";
    let (transport, server) = (standard(), Server::start().await);
    let head = |encoding: &str| {
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ntransfer-encoding: chunked\r\n\r\n")
    };
    let mut held = server.0.accept().boxed();
    let mut caller: Option<Caller<TcpStream>> = None;
    for (encoding, body) in [("br", BROTLI_HELLO.to_vec()), ("gzip", gzip(b"hello")), ("br", BROTLI_HELLO.to_vec())] {
        let serving = async {
            let mut caller = match caller.take() {
                Some(caller) => caller,
                None => Caller { socket: (&mut held).await.unwrap().0, unread: Vec::new() },
            };
            caller.request().await;
            let body = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n0\r\n\r\n"].concat();
            caller.say([head(encoding).as_bytes(), &body].concat()).await;
            caller
        };
        let (answer, serving) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), serving);
        let answer = answer.unwrap();
        assert!(!answer.headers().contains_key("content-encoding"), "the body is decoded");
        assert_eq!(answer.into_body().collect(100).await.unwrap(), "hello", "{encoding}");
        caller = Some(serving);
    }
    let mut caller = caller.unwrap();
    let serving = async {
        caller.request().await;
        let behind = [BROTLI_HELLO, b"and more"].concat();
        caller.say([format!("{}{:x}\r\n", head("br"), behind.len()).as_bytes(), &behind, b"\r\n"].concat()).await;
        caller
    };
    let (answer, caller) = tokio::join!(soon("an answer", transport.send(post(&server.url()))), serving);
    assert_eq!(soon("its end", answer.unwrap().into_body().collect(100)).await.unwrap(), "hello");
    caller.gone().await;
}

#[tokio::test]
async fn a_streamed_gzip_body_gives_each_flushed_piece_at_once() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, mut caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n").await;
        caller
    })
    .await;
    let mut body = answer.unwrap().into_body();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    for piece in ["data: one\n\n", "data: two\n\n"] {
        encoder.write_all(piece.as_bytes()).unwrap();
        encoder.flush().unwrap();
        let flushed = std::mem::take(encoder.get_mut());
        caller.say([format!("{:x}\r\n", flushed.len()).as_bytes(), &flushed, b"\r\n"].concat()).await;
        assert_eq!(soon("a flushed piece", body.next()).await.unwrap().unwrap(), piece);
    }
}

#[tokio::test]
async fn a_gzip_bomb_is_stopped_at_the_limit_of_decoded_bytes() {
    let settings = NetworkSettings { max_response_bytes: 1 << 20, ..NetworkSettings::default() };
    let (transport, server) = (transport(&settings), Server::start().await);
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < 100_000);
    let (answer, caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say(encoded("gzip", &bomb)).await;
        caller
    })
    .await;
    let mut body = answer.unwrap().into_body();
    let mut decoded = 0;
    let error = loop {
        match soon("a piece", body.next()).await.unwrap() {
            Ok(piece) => decoded += piece.len(),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "response_too_large"));
    assert!(decoded <= 1 << 20, "{decoded}");
    assert!(body.next().await.is_none());
    assert_eq!(transport.in_flight(), 0);
    caller.gone().await;
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    let settings = NetworkSettings { max_response_bytes: 8, ..NetworkSettings::default() };
    let (transport, server) = (transport(&settings), Server::start().await);
    for (length, fits) in [(8, true), (9, false)] {
        let (answer, caller) = exchange(&transport, &server, |mut caller| async move {
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
            caller.say(head + &"x".repeat(length)).await;
            caller
        })
        .await;
        assert_eq!(answer.unwrap().into_body().collect(100).await.is_ok(), fits, "{length} bytes");
        caller.gone().await;
    }
}

#[tokio::test]
async fn the_forty_first_call_waits_until_one_of_forty_bodies_is_let_go() {
    let (transport, server) = (standard(), Server::start().await);
    let mut open = Vec::new();
    for _ in 0..40 {
        let (answer, caller) = exchange(&transport, &server, |mut caller| async move {
            caller.say(OK_CHUNKED).await;
            caller
        })
        .await;
        open.push((answer.unwrap(), caller));
    }
    assert_eq!(transport.in_flight(), 40);
    let (url, mut arrival) = (server.url(), Box::pin(server.0.accept()));
    let mut late = transport.send(post(&url));
    assert!(poll!(&mut late).is_pending());
    assert!(poll!(&mut arrival).is_pending(), "the 41st call must not connect yet");
    assert_eq!(transport.in_flight(), 40);

    let (answer, caller) = open.pop().unwrap();
    drop(answer);
    caller.gone().await;
    let serving = async {
        let (socket, _) = soon("the 41st connection", arrival).await.unwrap();
        let mut caller = Caller { socket, unread: Vec::new() };
        caller.request().await;
        caller.say(OK_EMPTY).await;
    };
    let (answer, ()) = tokio::join!(soon("the 41st answer", late), serving);
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn a_waiting_call_that_is_dropped_takes_no_permit() {
    let settings = NetworkSettings { max_connections: 1, ..NetworkSettings::default() };
    let (transport, server) = (transport(&settings), Server::start().await);
    let (first, _caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say(OK_CHUNKED).await;
        caller
    })
    .await;
    let mut waiting = transport.send(post(&server.url()));
    assert!(poll!(&mut waiting).is_pending());
    drop((waiting, first));
    let (answer, ()) = exchange(&transport, &server, |mut caller| async move { caller.say(OK_EMPTY).await }).await;
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn dropping_a_body_half_way_closes_its_connection() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say(format!("{OK_CHUNKED}3\r\none\r\n")).await;
        caller
    })
    .await;
    let mut body = answer.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "one");
    drop(body);
    assert_eq!(transport.in_flight(), 0);
    caller.gone().await;
}

#[tokio::test]
async fn dropping_a_call_before_its_answer_closes_its_connection() {
    let (transport, server) = (standard(), Server::start().await);
    let url = server.url();
    let mut call = transport.send(post(&url));
    let mut caller = tokio::select! {
        _ = &mut call => unreachable!("nobody answers"),
        caller = async { let mut caller = server.accept().await; caller.request().await; caller } => caller,
    };
    assert_eq!(transport.in_flight(), 1);
    drop(call);
    assert_eq!(transport.in_flight(), 0);
    caller.unread.clear();
    caller.gone().await;
}

#[tokio::test]
async fn making_a_transport_opens_nothing_and_warming_up_opens_a_connection_that_is_used() {
    let (transport, server) = (standard(), Server::start().await);
    let mut arrival = Box::pin(server.0.accept());
    assert!(poll!(&mut arrival).is_pending(), "nothing connects before it is asked to");
    let origin: http::Uri = format!("http://{}", server.addr()).parse().unwrap();
    let serving = async {
        let (socket, _) = soon("the warm connection", arrival).await.unwrap();
        let mut caller = Caller { socket, unread: Vec::new() };
        let request = caller.request().await;
        caller.say("HTTP/1.1 404 Not Found\r\ncontent-length: 9\r\n\r\n").await;
        (caller, request)
    };
    let (warm, (mut caller, request)) = tokio::join!(transport.warm_up(&origin), serving);
    warm.unwrap();
    assert!(request.starts_with("HEAD / HTTP/1.1\r\n"), "{request}");
    let serving = async {
        caller.request().await;
        caller.say(OK_EMPTY).await;
    };
    let (answer, ()) = tokio::join!(transport.send(post(&server.url())), serving);
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_once() {
    let clock = Arc::new(SystemClock::default());
    let refuse = |settings: NetworkSettings| {
        let error = HttpTransport::new(&settings, clock.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        error.reason().to_owned()
    };
    let base = NetworkSettings::default;
    assert_eq!(refuse(NetworkSettings { max_connections: 0, ..base() }), "max_connections");
    assert_eq!(refuse(NetworkSettings { proxy: Some("http://".into()), ..base() }), "proxy");
    for pem in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        assert_eq!(refuse(NetworkSettings { ca_certificates: Some(pem.to_owned()), ..base() }), "ca_certificates");
        assert_eq!(refuse(NetworkSettings { client_certificate: Some(pem.into()), ..base() }), "client_certificate");
    }
}
