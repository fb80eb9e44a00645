use futures::StreamExt as _;

use super::*;
use crate::base::{ErrorKind, Retry};
use crate::net::http::lookup::Lookup;

#[track_caller]
fn assert_fails(error: &Error, kind: ErrorKind, reason: &str, retry: Retry) {
    assert_eq!((error.kind(), error.reason(), error.retry()), (kind, reason, retry), "{error:?}");
    assert_discreet(error);
}

async fn rest(answer: Result<http::Response<Body>>) -> (Vec<u8>, Option<Error>) {
    let (mut body, mut read) = (answer.unwrap().into_body(), Vec::new());
    while let Some(piece) = soon("a piece", body.next()).await {
        match piece {
            Ok(piece) => read.extend_from_slice(&piece),
            Err(error) => {
                assert!(body.next().await.is_none(), "an error is the end");
                return (read, Some(error));
            }
        }
    }
    (read, None)
}

#[tokio::test]
async fn nobody_listening_is_connection_refused() {
    let server = Server::start().await;
    let url = server.url();
    drop(server);
    let error = standard().send(post(&url)).await.unwrap_err();
    assert_fails(&error, ErrorKind::Unavailable, "connection_refused", Retry::Safe);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_dns() {
    let error = soon("the resolver", standard().send(post("http://canary.invalid/"))).await.unwrap_err();
    assert_fails(&error, ErrorKind::Unavailable, "dns", Retry::Safe);
}

#[tokio::test]
async fn a_url_without_a_host_is_invalid() {
    let error = standard().send(post("/v1/chat")).await.unwrap_err();
    assert_fails(&error, ErrorKind::Invalid, "url", Retry::Never);
}

#[tokio::test]
async fn a_peer_that_never_ends_the_handshake_runs_into_the_connect_timeout() {
    let (clock, server) = (ManualClock::default(), Server::start().await);
    let transport = HttpTransport::new(&NetworkSettings::default(), Arc::new(clock.clone())).unwrap();
    let stalling = async {
        let mut caller = server.accept().await;
        let mut hello = [0; 16];
        soon("a ClientHello", caller.socket.read_exact(&mut hello)).await.unwrap();
        clock.advance(Duration::from_millis(10_000));
        caller
    };
    let url = server.url().replace("http:", "https:");
    let (answer, caller) = tokio::join!(soon("the timeout", transport.send(post(&url))), stalling);
    assert_fails(&answer.unwrap_err(), ErrorKind::TimedOut, "connect", Retry::Safe);
    caller.gone().await;
}

#[tokio::test]
async fn once_connected_the_transport_waits_for_an_answer_for_ever() {
    let (clock, server) = (ManualClock::default(), Server::start().await);
    let transport = HttpTransport::new(&NetworkSettings::default(), Arc::new(clock.clone())).unwrap();
    let (answer, ()) = exchange(&transport, &server, |mut caller| async move {
        clock.advance(Duration::from_secs(86_400));
        caller.say(OK_EMPTY).await;
    })
    .await;
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn a_reset_before_the_head_is_reset_and_is_not_retried_here() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, ()) = exchange(&transport, &server, |caller| async { caller.reset() }).await;
    assert_fails(&answer.unwrap_err(), ErrorKind::Unavailable, "reset", Retry::Safe);
    let mut again = Box::pin(server.0.accept());
    assert!(futures::poll!(&mut again).is_pending(), "the transport must not repeat a request");
}

#[tokio::test]
async fn an_end_before_or_inside_the_head_is_reset() {
    let (transport, server) = (standard(), Server::start().await);
    for said in ["", "HTTP/1.1 200 OK\r\ncontent-le"] {
        let (answer, ()) = exchange(&transport, &server, |mut caller| async move { caller.say(said).await }).await;
        assert_fails(&answer.unwrap_err(), ErrorKind::Unavailable, "reset", Retry::Safe);
    }
}

#[tokio::test]
async fn a_reset_inside_the_body_comes_after_what_had_arrived() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, mut caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say(OK_CHUNKED).await;
        caller
    })
    .await;
    let mut body = answer.unwrap().into_body();
    caller.say("3\r\none\r\n").await;
    assert_eq!(soon("a piece", body.next()).await.unwrap().unwrap(), "one");
    caller.reset();
    let error = soon("the reset", body.next()).await.unwrap().unwrap_err();
    assert_fails(&error, ErrorKind::Unavailable, "reset", Retry::Safe);
    assert_eq!(transport.in_flight(), 0);
}

#[tokio::test]
async fn every_unclean_end_of_a_body_is_cut_and_never_a_clean_end() {
    let (transport, server) = (standard(), Server::start().await);
    for (name, said, arrived) in [
        ("last chunk missing", format!("{OK_CHUNKED}3\r\none\r\n"), "one"),
        ("inside a chunk", format!("{OK_CHUNKED}5\r\non"), "on"),
        ("inside a chunk's length", format!("{OK_CHUNKED}3\r\none\r\n1"), "one"),
        ("after the last chunk's length", format!("{OK_CHUNKED}3\r\none\r\n0\r\n"), "one"),
        ("content-length too long", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsix by".to_owned(), "six by"),
    ] {
        let (answer, ()) = exchange(&transport, &server, |mut caller| async move { caller.say(said).await }).await;
        let (read, error) = rest(answer).await;
        assert_eq!(String::from_utf8(read).unwrap(), arrived, "{name}");
        let error = error.unwrap_or_else(|| panic!("{name}: taken for a clean end"));
        assert_fails(&error, ErrorKind::Unavailable, "cut", Retry::Safe);
    }
}

#[tokio::test]
async fn a_compressed_body_that_breaks_off_is_an_error_even_where_http_ends_cleanly() {
    const GZIP_HELLO: &[u8] =
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcbH\xcd\xc9\xc9\x07\x00\x86\xa6\x106\x05\x00\x00\x00";
    let (transport, server) = (standard(), Server::start().await);
    for (encoding, whole) in [("gzip", GZIP_HELLO), ("br", b"\x0b\x02\x80hello\x03")] {
        for cut in 1..whole.len() {
            let (answer, ()) = exchange(&transport, &server, |mut caller| async move {
                let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\ncontent-length: {cut}\r\n\r\n");
                caller.say([head.as_bytes(), &whole[..cut]].concat()).await;
            })
            .await;
            let error = rest(answer).await.1.unwrap_or_else(|| panic!("{encoding} cut at {cut} passed as whole"));
            assert_fails(&error, ErrorKind::Unavailable, "cut", Retry::Safe);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_what_its_encoding_says_is_protocol() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, ()) = exchange(&transport, &server, |mut caller| async move {
        caller.say("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 15\r\n\r\n{\"plain\":\"json\"").await;
    })
    .await;
    assert_fails(&rest(answer).await.1.unwrap(), ErrorKind::Unavailable, "protocol", Retry::Safe);
}

#[tokio::test]
async fn what_is_not_http_is_protocol() {
    let (transport, server) = (standard(), Server::start().await);
    for said in ["SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP/1.1 canary OK\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
        let (answer, ()) = exchange(&transport, &server, |mut caller| async move { caller.say(said).await }).await;
        assert_fails(&answer.unwrap_err(), ErrorKind::Unavailable, "protocol", Retry::Safe);
    }
    let (answer, ()) = exchange(&transport, &server, |mut caller| async move {
        caller.say(format!("{OK_CHUNKED}xyz\r\none\r\n")).await;
    })
    .await;
    assert_fails(&rest(answer).await.1.unwrap(), ErrorKind::Unavailable, "protocol", Retry::Safe);
}

#[tokio::test]
async fn noise_of_interim_answers_is_passed_over() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, ()) = exchange(&transport, &server, |mut caller| async move {
        caller.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n").await;
        caller.say(OK_EMPTY).await;
    })
    .await;
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn a_flood_of_headers_is_refused_and_a_large_one_passes() {
    let (transport, server) = (standard(), Server::start().await);
    let (answer, ()) = exchange(&transport, &server, |mut caller| async move {
        let large = format!("x-large: {}\r\n", "y".repeat(64 << 10));
        caller.say(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{large}content-length: 0\r\n\r\n")).await;
    })
    .await;
    assert_eq!(answer.unwrap().headers()["x-large"].len(), 64 << 10);
    let (answer, ()) = exchange(&transport, &server, |mut caller| async move {
        let flood: String = (0..10_000).map(|n| format!("x-flood-{n}: y\r\n")).collect();
        // The client may be gone before it has all of it.
        let _ = caller.socket.write_all(format!("HTTP/1.1 200 OK\r\n{flood}\r\n").as_bytes()).await;
    })
    .await;
    assert_fails(&answer.unwrap_err(), ErrorKind::Unavailable, "protocol", Retry::Safe);
}

#[tokio::test]
async fn warming_up_gives_up_on_a_server_that_never_answers_after_the_time_to_connect() {
    let server = Server::start().await;
    let clock = ManualClock::default();
    let transport = HttpTransport::new(&NetworkSettings::default(), Arc::new(clock.clone())).unwrap();
    let origin: http::Uri = format!("http://{}", server.addr()).parse().unwrap();
    let serving = async {
        let mut caller = server.accept().await;
        assert!(caller.request().await.starts_with("HEAD / "));
        clock.advance(Duration::from_secs(10));
        caller
    };
    let (outcome, caller) = tokio::join!(soon("the end of warming up", transport.warm_up(&origin)), serving);
    let error = outcome.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, "connect"));
    caller.gone().await;
    assert_eq!(transport.in_flight(), 0);
}

/// A transport that finds these addresses whatever it is asked for.
fn resolving(found: Option<Vec<SocketAddr>>, clock: Arc<dyn crate::base::Clock>) -> HttpTransport {
    let mut transport = HttpTransport::new(&NetworkSettings::default(), clock).unwrap();
    transport.lookup = Lookup::Fixed(found);
    transport
}

/// Lets the time to connect pass once the call waits for its connection.
async fn connect_time_passes(clock: &ManualClock) {
    soon("a wait for the connection", async {
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    clock.advance(Duration::from_millis(9_999));
    assert_eq!(clock.sleepers(), 1, "ten seconds are not over");
    clock.advance(Duration::from_millis(1));
}

#[tokio::test]
async fn a_name_server_that_never_answers_runs_into_the_connect_timeout() {
    let clock = ManualClock::default();
    let transport = resolving(None, Arc::new(clock.clone()));
    let sending = soon("the timeout", transport.send(post("http://canary.example/")));
    let (answer, ()) = tokio::join!(sending, connect_time_passes(&clock));
    assert_fails(&answer.unwrap_err(), ErrorKind::TimedOut, "connect", Retry::Safe);
}

/// A socket that listens and answers nobody: whoever connects is left without a word, as behind a wall that swallows what
/// comes. Held open with those who have taken its last places.
async fn swallowing(at: &str) -> (SocketAddr, Box<dyn std::any::Any + Send>) {
    let socket = if at.starts_with('[') { tokio::net::TcpSocket::new_v6() } else { tokio::net::TcpSocket::new_v4() };
    let socket = socket.unwrap();
    socket.bind(at.parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut inside = Vec::new();
    // Nobody is let in from behind the first who does not get in.
    loop {
        let mut knocking = Box::pin(TcpStream::connect(address));
        match tokio::time::timeout(Duration::from_millis(300), &mut knocking).await {
            Ok(entered) => inside.push(entered.unwrap()),
            Err(_) => return (address, Box::new((listener, inside, knocking))),
        }
    }
}

#[tokio::test]
async fn an_address_that_swallows_what_comes_runs_into_the_connect_timeout() {
    let clock = ManualClock::default();
    let (address, _held) = swallowing("127.0.0.1:0").await;
    let transport = HttpTransport::new(&NetworkSettings::default(), Arc::new(clock.clone())).unwrap();
    let url = format!("http://{address}/v1/chat");
    let (answer, ()) = tokio::join!(soon("the timeout", transport.send(post(&url))), connect_time_passes(&clock));
    assert_fails(&answer.unwrap_err(), ErrorKind::TimedOut, "connect", Retry::Safe);
    assert_eq!(transport.in_flight(), 0);
}

#[tokio::test]
async fn where_the_first_address_is_dead_the_next_one_is_taken() {
    let mut all_dead = vec![Server::start().await.addr()];
    // A machine without IPv6 has no address that could be dead in this way.
    let mut held = None;
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let (swallows, kept) = swallowing("[::1]:0").await;
        all_dead.push(swallows);
        held = Some(kept);
    }
    for dead in all_dead {
        let server = Server::start().await;
        let transport = resolving(Some(vec![dead, server.addr()]), Arc::new(SystemClock::default()));
        let serving = async {
            let mut caller = server.accept().await;
            caller.request().await;
            caller.say(OK_EMPTY).await;
        };
        let (answer, ()) = tokio::join!(soon("an answer", transport.send(post("http://two.example/"))), serving);
        assert_eq!(answer.unwrap().status(), 200, "{dead}");
    }
    drop(held);
}

#[tokio::test]
async fn what_comes_behind_a_length_that_is_too_short_is_no_answer_to_the_next_call() {
    let (transport, server) = (standard(), Server::start().await);
    let short = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nsix by";
    let forged = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    for behind in ["", forged] {
        let said = format!("{short}{behind}");
        let (answer, caller) = exchange(&transport, &server, |mut caller| async move {
            caller.say(said).await;
            caller
        })
        .await;
        let (read, error) = rest(answer).await;
        assert_eq!((String::from_utf8(read).unwrap().as_str(), error.is_none()), ("six", true));
        caller.gone().await;
        let (answer, ()) = exchange(&transport, &server, |mut caller| async move {
            caller.say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\nreal").await;
        })
        .await;
        assert_eq!(rest(answer).await.0, b"real");
    }
}
