use futures::{StreamExt as _, poll};

use super::*;
use crate::base::ErrorKind;

#[tokio::test]
async fn close_ends_idle_connections_running_bodies_and_pending_calls() {
    let (transport, server) = (standard(), Server::start().await);
    let (running, running_caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say(format!("{OK_CHUNKED}3\r\none\r\n")).await;
        caller
    })
    .await;
    let (idle, idle_caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say(OK_EMPTY).await;
        caller
    })
    .await;
    idle.unwrap().into_body().collect(0).await.unwrap();
    let url = server.url();
    let mut pending = transport.send(post(&url));
    // The idle connection carries it.
    assert!(poll!(&mut pending).is_pending());

    // Nobody polls the running body or the pending call meanwhile.
    soon("the close", transport.close()).await;
    running_caller.gone().await;
    idle_caller.gone().await;
    assert_eq!(transport.in_flight(), 0);
    assert_eq!(pending.await.unwrap_err().kind(), ErrorKind::Closed);
    let mut body = running.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn after_close_every_call_fails_with_closed_and_close_may_be_repeated() {
    let transport = standard();
    transport.close().await;
    transport.close().await;
    let error = transport.send(post("http://127.0.0.1:1/")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    let origin = http::Uri::from_static("http://127.0.0.1:1");
    assert_eq!(transport.warm_up(&origin).await.unwrap_err().kind(), ErrorKind::Closed);
    transport.renew();
    assert_eq!(transport.send(post("http://127.0.0.1:1/")).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn close_wakes_a_consumer_that_waits_and_a_call_that_queues() {
    let settings = NetworkSettings { max_connections: 1, ..NetworkSettings::default() };
    let (transport, server) = (transport(&settings), Server::start().await);
    let (running, _caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say(OK_CHUNKED).await;
        caller
    })
    .await;
    let mut body = running.unwrap().into_body();
    let url = server.url();
    let (piece, queued, ()) = soon("the end of all", async {
        tokio::join!(body.next(), transport.send(post(&url)), async {
            tokio::task::yield_now().await;
            transport.close().await;
        })
    })
    .await;
    assert_eq!(piece.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(queued.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn renewing_lets_idle_connections_go_and_running_ones_live() {
    let (transport, server) = (standard(), Server::start().await);
    let (running, mut running_caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say(OK_CHUNKED).await;
        caller
    })
    .await;
    let (idle, idle_caller) = exchange(&transport, &server, |mut caller| async move {
        caller.say(OK_EMPTY).await;
        caller
    })
    .await;
    idle.unwrap().into_body().collect(0).await.unwrap();
    transport.renew();
    idle_caller.gone().await;
    running_caller.say("3\r\none\r\n0\r\n\r\n").await;
    assert_eq!(running.unwrap().into_body().collect(10).await.unwrap(), "one");
    let (answer, ()) = exchange(&transport, &server, |mut caller| async move { caller.say(OK_EMPTY).await }).await;
    assert_eq!(answer.unwrap().status(), 200);
}
