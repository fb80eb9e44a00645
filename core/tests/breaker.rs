//! A provider that is down is left alone, over real sockets: who waits is answered, who cannot wait is not lost.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use support::{Lab, within};
use tertulia::{ErrorKind, Progress, Retry, StreamEventKind, TurnState};

async fn lab(consecutive_failures: u32, open_ms: u64) -> Lab {
    Lab::memory_with(|settings| {
        settings.breaker.consecutive_failures = consecutive_failures;
        settings.breaker.open_ms = open_ms;
    })
    .await
}

#[tokio::test]
async fn calls_wait_until_the_provider_is_back_and_everybody_is_answered() {
    let lab = lab(2, 50).await;
    // Two failures open it; one probe fails, the next is answered.
    let model = lab.model("status=500;fail=3;text=back");
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(&*model).await.unwrap();
    let mut told = None;
    while let Some(event) = within(stream.next_event()).await.unwrap() {
        if let StreamEventKind::Progress { progress: Progress::Waiting { reason, wait_ms } } = event.kind {
            told = Some((reason, wait_ms));
            break;
        }
    }
    assert!(matches!(&told, Some((reason, 1..=60)) if reason == "breaker_open"), "{told:?}");
    // Everybody who comes now waits as well.
    let others = join_all((0..20).map(|_| {
        let (chat, model) = (lab.me().new_conversation(), model.clone());
        async move { chat.send("hi").model(model).await }
    }));
    let (reply, others) = within(async { tokio::join!(stream.reply(), others) }).await;
    let reply = reply.unwrap();
    assert_eq!((reply.text().as_str(), reply.attempts.last().unwrap().kind), ("back", None));
    for other in others {
        assert_eq!(other.unwrap().text(), "back");
    }
    assert_eq!(lab.simulator.requests().len(), 3 + 21, "nothing was sent in vain");
    lab.close().await;
}

#[tokio::test]
async fn a_call_that_cannot_wait_is_parked_at_once_and_retry_sends_it_later() {
    let lab = lab(6, 30_000).await;
    let model = lab.model("status=500;fail=6;text=back");
    let chat = lab.me().new_conversation();
    let error = chat.send("hi").model(&*model).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::Unavailable, 6));

    let chat = lab.me().new_conversation();
    let error = chat.send("hi").model(&*model).timeout(Duration::from_secs(5)).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "breaker_open"));
    assert!(matches!(error.retry(), Retry::After { after_ms: 20_000..=36_000 }), "{:?}", error.retry());
    assert!(error.saved() && error.user_message().contains("Your message was saved."));
    assert!(error.attempts().is_empty(), "nothing was sent");
    assert_eq!(lab.simulator.requests().len(), 6);
    let turn = error.turn_id().unwrap();
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Parked);

    // Another model of the same provider goes on, and takes the turn over.
    let reply = chat.retry(turn).model(lab.text("now")).await.unwrap().reply().await.unwrap();
    assert_eq!(reply.text(), "now");
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Done);
    lab.close().await;
}

#[tokio::test]
async fn a_parked_turn_is_answered_by_the_same_model_when_it_is_back() {
    let lab = Lab::memory_with(|settings| {
        settings.breaker.consecutive_failures = 1;
        settings.breaker.open_ms = 50;
        settings.retry.max_inline_wait_ms = 0;
        settings.retry.base_delay_ms = 0;
    })
    .await;
    let model = lab.model("status=500;fail=1;text=back");
    let chat = lab.me().new_conversation();
    let error = chat.send("hi").model(&*model).await.unwrap_err();
    // Why the provider failed, and when to come back.
    assert_eq!((error.reason(), error.status(), error.attempts().len()), ("provider_error", Some(500), 1), "{error:?}");
    assert!(matches!(error.retry(), Retry::After { .. }) && error.retry_after().is_some(), "{error:?}");
    assert_eq!(lab.simulator.requests().len(), 1);
    let turn = error.turn_id().unwrap();
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Parked);
    let again = async {
        loop {
            match chat.retry(turn).model(&*model).await.unwrap().reply().await {
                Ok(reply) => return reply,
                Err(error) => assert_eq!(error.reason(), "breaker_open"),
            }
        }
    };
    let reply = within(again).await;
    assert_eq!((reply.text().as_str(), lab.simulator.requests().len()), ("back", 2));
    lab.close().await;
}

#[tokio::test]
async fn a_breaker_can_be_switched_off_and_what_the_caller_got_wrong_never_opens_it() {
    let settings = tertulia::Settings::from_json(&json!({
        "breaker": {"enabled": false, "consecutive_failures": 1, "open_ms": 30_000},
        "retry": {"max_attempts": 2, "base_delay_ms": 1},
    }));
    let lab = lab(1, 30_000).await;
    let off = lab.builder().settings(settings.unwrap()).open().await.unwrap();
    let refused = lab.model("error=invalid");
    for _ in 0..5 {
        let chat = off.user("ana").new_conversation();
        let error = chat.send("hi").model(lab.model("status=500")).await.unwrap_err();
        assert_eq!(error.attempts().len(), 2);
        let error = lab.me().new_conversation().send("hi").model(&*refused).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
    }
    assert_eq!(lab.simulator.requests().len(), 15);
    off.close().await.unwrap();
    lab.close().await;
}
