use super::google::{asking, key, service_account, token};
use super::*;
use crate::net::Replay;

#[tokio::test]
async fn a_token_is_kept_and_renewed_five_minutes_before_it_dies() {
    let (bench, key) = (asking([token("one", 3_600), token("two", 3_600)]), key(&service_account()));
    for _ in 0..3 {
        assert_eq!(bench.bearer(&key).await, "Bearer one");
    }
    bench.clock.advance(Duration::from_secs(3_299));
    assert_eq!(bench.bearer(&key).await, "Bearer one");
    assert_eq!(bench.endpoint.requests().len(), 1);
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.bearer(&key).await, "Bearer two");
}

#[tokio::test]
async fn a_short_token_is_renewed_in_its_last_quarter_and_a_dead_one_serves_its_own_call() {
    let (bench, key) = (asking([token("one", 100), token("two", 0), token("three", 0)]), key(&service_account()));
    assert_eq!(bench.bearer(&key).await, "Bearer one");
    bench.clock.advance(Duration::from_secs(74));
    assert_eq!(bench.bearer(&key).await, "Bearer one");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.bearer(&key).await, "Bearer two");
    assert_eq!(bench.bearer(&key).await, "Bearer three");
}

#[tokio::test]
async fn while_a_token_lives_an_endpoint_that_is_down_harms_nobody() {
    let replays = [token("one", 3_600), Replay::status(503), Replay::status(503), Replay::status(503)];
    let (bench, key) = (asking(replays), key(&service_account()));
    bench.bearer(&key).await;
    bench.clock.advance(Duration::from_secs(3_300));
    assert_eq!(bench.bearer(&key).await, "Bearer one");
    assert_eq!(bench.bearer(&key).await, "Bearer one");
    assert_eq!(bench.endpoint.requests().len(), 2, "every call waited for the endpoint that is down");
    bench.clock.advance(Duration::from_secs(30));
    assert_eq!(bench.bearer(&key).await, "Bearer one");
    assert_eq!(bench.endpoint.requests().len(), 3);
    bench.clock.advance(Duration::from_secs(300));
    assert_eq!(bench.sign(&key).await.map(|_| ()).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_key_that_was_withdrawn_takes_its_token_along() {
    let (bench, key) = (asking([token("one", 3_600), Replay::status(400)]), key(&service_account()));
    bench.bearer(&key).await;
    bench.clock.advance(Duration::from_secs(3_300));
    assert_eq!(bench.sign(&key).await.map(|_| ()).unwrap_err().reason(), "key_rejected");
}

#[tokio::test]
async fn calls_that_come_together_fetch_one_token() {
    let (bench, key) = (asking([token("one", 3_600)]), key(&service_account()));
    let tokens = futures::future::join_all((0..20).map(|_| bench.bearer(&key))).await;
    assert!(tokens.iter().all(|token| token == "Bearer one"));
    assert_eq!(bench.endpoint.requests().len(), 1);
}

#[tokio::test]
async fn calls_that_waited_together_share_the_failure_and_the_next_one_asks_again() {
    let (bench, key) = (asking([Replay::silence(), token("one", 3_600)]), key(&service_account()));
    let mut waiting = Box::pin(futures::future::join_all((0..20).map(|_| bench.sign(&key))));
    assert!(futures::poll!(&mut waiting).is_pending());
    bench.clock.advance(Duration::from_secs(60));
    for outcome in waiting.await {
        assert_eq!(outcome.map(|_| ()).unwrap_err().kind(), ErrorKind::TimedOut);
    }
    assert_eq!(bench.endpoint.requests().len(), 1);
    assert_eq!(bench.bearer(&key).await, "Bearer one");
}

#[tokio::test]
async fn a_call_that_goes_away_while_fetching_leaves_the_way_free() {
    let (bench, key) = (asking([Replay::silence(), token("one", 3_600)]), key(&service_account()));
    let mut gone = Box::pin(bench.sign(&key));
    assert!(futures::poll!(&mut gone).is_pending());
    drop(gone);
    assert_eq!(bench.bearer(&key).await, "Bearer one");
}

#[tokio::test]
async fn a_rejected_token_is_dropped_once_and_never_the_one_that_came_after_it() {
    let (bench, key) = (asking([token("one", 3_600), token("two", 3_600)]), key(&service_account()));
    let (_, fresh) = bench.sign(&key).await.unwrap();
    let (_, kept) = bench.sign(&key).await.unwrap();
    assert!(bench.auth.rejected(&key, kept), "another token may do");
    assert_eq!(bench.bearer(&key).await, "Bearer two");
    assert!(bench.auth.rejected(&key, kept), "a late rejection finds the new token");
    assert_eq!(bench.bearer(&key).await, "Bearer two");
    assert_eq!(bench.endpoint.requests().len(), 2);
    assert!(!bench.auth.rejected(&key, fresh), "a token that was new when it was rejected is not fetched in a circle");
    assert!(!bench.auth.rejected(&key, Signed::default()), "a request without a token was rejected for its key");
}

#[tokio::test]
async fn each_key_has_its_own_token() {
    let (bench, one) = (asking([token("one", 3_600), token("two", 3_600)]), key(&service_account()));
    let mut other = service_account();
    other["client_email"] = "other@lab.iam.gserviceaccount.com".into();
    assert_eq!(bench.bearer(&one).await, "Bearer one");
    assert_eq!(bench.bearer(&key(&other)).await, "Bearer two");
    assert_eq!(bench.bearer(&one).await, "Bearer one");
}

#[tokio::test]
async fn what_is_kept_stays_bounded_and_shows_nothing() {
    let tokens = Tokens::new(Arc::new(ManualClock::default()));
    for n in 0..1_500 {
        let granted = Granted { token: Secret::new("canary"), lives: Duration::from_secs(3_600) };
        tokens.get(&Secret::from(format!("canary-{n}")), async { Ok(granted) }).await.unwrap();
    }
    assert_eq!(tokens.len(), 1_000);
    let kept = tokens.get(&Secret::new("canary-1499"), async { panic!("the newest was let go first") }).await;
    assert_eq!(kept.unwrap().0.expose(), "canary");
    let bench = asking([token("canary", 3_600)]);
    bench.bearer(&key(&service_account())).await;
    assert_eq!(format!("{:?}", bench.auth), "Auth { tokens: 1, .. }");
}

fn granted() -> Result<Granted> {
    Ok(Granted { token: Secret::new("canary"), lives: Duration::from_secs(3_600) })
}

#[tokio::test]
async fn a_call_that_nobody_polls_any_more_holds_up_no_other() {
    let (tokens, key) = (Tokens::new(Arc::new(ManualClock::default())), Secret::new("key"));
    let (go, gate) = tokio::sync::oneshot::channel();
    let mut forgotten = Box::pin(tokens.get(&key, async move {
        gate.await.unwrap();
        granted()
    }));
    assert!(futures::poll!(&mut forgotten).is_pending());
    let mut others: Vec<_> =
        (0..3).map(|_| Box::pin(tokens.get(&key, async { panic!("a second fetch was begun") }))).collect();
    for other in &mut others {
        assert!(futures::poll!(other).is_pending());
    }
    go.send(()).unwrap();
    // The first of them is not polled again either.
    for other in others.iter_mut().skip(1) {
        assert!(futures::poll!(other).is_ready(), "it waits for a call that nobody polls");
    }
    drop(forgotten);
}

#[tokio::test]
async fn a_token_that_is_being_fetched_is_not_let_go_for_other_keys() {
    let tokens = Tokens::new(Arc::new(ManualClock::default()));
    let slow = Secret::new("slow");
    let (go, gate) = tokio::sync::oneshot::channel();
    let mut fetching = Box::pin(tokens.get(&slow, async move {
        gate.await.unwrap();
        granted()
    }));
    assert!(futures::poll!(&mut fetching).is_pending());
    for n in 0..1_500 {
        tokens.get(&Secret::from(format!("other-{n}")), async { granted() }).await.unwrap();
    }
    go.send(()).unwrap();
    fetching.await.unwrap();
    let kept = tokens.get(&slow, async { panic!("the token was fetched and lost") }).await;
    assert_eq!(kept.unwrap().0.expose(), "canary");
    assert_eq!(tokens.len(), 1_000);
}
