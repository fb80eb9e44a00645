//! The transports for tests, and what a body promises.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use futures::{StreamExt as _, poll};

use super::{Body, FaultTransport, Faults, Replay, ReplayTransport, Transport as _};
use crate::base::{ErrorKind, ManualClock, Retry, SeededRandom};
use crate::model::Error;

fn request(body: &'static str) -> http::Request<Bytes> {
    http::Request::post("https://api.example.com/v1").header("x-api-key", "k").body(body.into()).unwrap()
}

fn cut() -> Error {
    Error::new(ErrorKind::Unavailable, "cut", "cut here")
}

async fn pieces(mut body: Body) -> Vec<std::result::Result<Bytes, String>> {
    let mut all = Vec::new();
    while let Some(piece) = body.next().await {
        all.push(piece.map_err(|error| error.reason().to_owned()));
    }
    all
}

#[tokio::test]
async fn a_body_is_collected_up_to_its_limit_and_not_beyond() {
    let body = || Body::new(futures::stream::iter(["ab", "cd"].map(|piece| Ok(Bytes::from(piece)))));
    assert_eq!(body().collect(4).await.unwrap(), "abcd");
    let error = body().collect(3).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "response_too_large"));
    assert_eq!(body().head(3).await, "abc");
    assert_eq!(body().head(9).await, "abcd");
}

#[tokio::test]
async fn the_head_of_a_body_that_breaks_is_what_had_come() {
    let broken = Body::new(futures::stream::iter([Ok(Bytes::from("ab")), Err(cut())]));
    assert_eq!(broken.head(9).await, "ab");
}

#[tokio::test]
async fn replays_come_in_order_and_requests_are_kept() {
    let transport = ReplayTransport::new([
        Replay::status(429).header("retry-after", "7").piece("busy"),
        Replay::status(200).piece("on").bytewise("ce").breaks(cut()),
        Replay::failure(cut()),
    ]);
    let first = transport.send(request("1")).await.unwrap();
    assert_eq!((first.status().as_u16(), &first.headers()["retry-after"]), (429, &"7".parse().unwrap()));
    assert_eq!(first.into_body().collect(9).await.unwrap(), "busy");
    let second = transport.send(request("2")).await.unwrap();
    assert_eq!(
        pieces(second.into_body()).await,
        [Ok("on".into()), Ok("c".into()), Ok("e".into()), Err("cut".to_owned())]
    );
    assert_eq!(transport.send(request("3")).await.unwrap_err().reason(), "cut");
    assert_eq!(transport.remaining(), 0);
    let error = transport.send(request("4")).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Internal, "replay_exhausted"));
    let bodies: Vec<Bytes> = transport.requests().into_iter().map(http::Request::into_body).collect();
    assert_eq!(bodies, ["1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_replay_may_stall_before_its_head_or_in_its_body_and_may_repeat() {
    let transport = ReplayTransport::new([Replay::silence(), Replay::status(200).piece("on").stalls()]);
    assert!(poll!(transport.send(request("1"))).is_pending());
    let mut body = transport.send(request("2")).await.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "on");
    assert!(poll!(body.next()).is_pending());

    let transport = ReplayTransport::always(Replay::status(200).piece("ok"));
    for _ in 0..3 {
        assert_eq!(transport.send(request("")).await.unwrap().into_body().collect(9).await.unwrap(), "ok");
    }
    transport.close().await;
    assert_eq!(transport.send(request("")).await.unwrap_err().kind(), ErrorKind::Closed);
}

fn faulty(faults: Faults, seed: u64) -> (FaultTransport<ReplayTransport>, ManualClock) {
    let clock = ManualClock::default();
    let inner = ReplayTransport::always(Replay::status(200).piece("0123456789"));
    (FaultTransport::new(inner, faults, Arc::new(clock.clone()), Arc::new(SeededRandom::new(seed))), clock)
}

#[tokio::test]
async fn without_faults_everything_passes_as_it_is() {
    let (transport, _) = faulty(Faults::default(), 1);
    let answer = transport.send(request("")).await.unwrap();
    assert_eq!(pieces(answer.into_body()).await, [Ok("0123456789".into())]);
}

#[tokio::test]
async fn a_failed_call_never_reaches_the_transport_below() {
    let (transport, _) = faulty(Faults { fails: 1.0, ..Faults::default() }, 1);
    let error = transport.send(request("")).await.unwrap_err();
    assert_eq!((error.reason(), error.retry()), ("reset", Retry::Safe));
    assert!(transport.inner().requests().is_empty());
}

#[tokio::test]
async fn bodies_are_cut_where_the_range_says_and_split_as_small_as_asked_for() {
    let faults = Faults { cuts: 1.0, cut_after: 7..=7, pieces: Some(1), ..Faults::default() };
    let (transport, _) = faulty(faults, 1);
    let seen = pieces(transport.send(request("")).await.unwrap().into_body()).await;
    assert_eq!(seen.len(), 8);
    assert!(seen[..7].iter().all(|piece| piece.as_ref().unwrap().len() == 1));
    assert_eq!(seen[7], Err("cut".to_owned()));

    // Longer than the body: it ends by itself.
    let (transport, _) = faulty(Faults { cuts: 1.0, cut_after: 11..=11, ..Faults::default() }, 1);
    assert_eq!(pieces(transport.send(request("")).await.unwrap().into_body()).await, [Ok("0123456789".into())]);
}

#[tokio::test]
async fn latency_passes_on_the_clock_that_was_handed_in() {
    let wait = Duration::from_secs(3);
    let (transport, clock) = faulty(Faults { latency: wait..=wait, ..Faults::default() }, 1);
    let mut call = transport.send(request(""));
    assert!(poll!(&mut call).is_pending());
    clock.advance(wait - Duration::from_millis(1));
    assert!(poll!(&mut call).is_pending());
    clock.advance(Duration::from_millis(1));
    assert_eq!(call.await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_same_seed_breaks_the_same_calls_in_the_same_way() {
    let run = |seed| async move {
        let faults = Faults { fails: 0.3, cuts: 0.5, cut_after: 0..=10, pieces: Some(4), ..Faults::default() };
        let (transport, _) = faulty(faults, seed);
        let calls = join_all((0..200).map(|_| transport.send(request("")))).await;
        let mut seen = Vec::new();
        for call in calls {
            seen.push(match call {
                Ok(answer) => Ok(pieces(answer.into_body()).await),
                Err(error) => Err(error.reason().to_owned()),
            });
        }
        seen
    };
    let (first, again, other) = (run(7).await, run(7).await, run(8).await);
    assert_eq!(first, again);
    assert_ne!(first, other);
    let failed = first.iter().filter(|call| call.is_err()).count();
    assert!((30..=90).contains(&failed), "{failed} of 200 failed with seed 7");
}
