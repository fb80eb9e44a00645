//! Providers that are the application's own code, used like any other.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests may panic and need no docs"
)]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::json;
use support::within;
use tertulia::base::{Clock, ManualClock};
use tertulia::{
    ChatRequest, Cost, CostSource, Error, ErrorKind, EventStream, FinishReason, Media, MessageStatus, ModelInfo,
    NetworkSettings, Part, Price, Progress, Provider, ProviderSpec, ReplyStatus, Result, Retry, RetrySettings, Role,
    Settings, StreamEventKind, Tertulia, TertuliaBuilder, ToolCall, ToolSpec, Usage, UsageSource,
};
use tokio::sync::Notify;

/// Any function from a request to events, under the name `house`.
struct House<F>(F);

impl<F, Answer> Provider for House<F>
where
    F: Fn(ChatRequest) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<EventStream>> + Send + 'static,
{
    fn name(&self) -> &str {
        "house"
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        self.0(request).await
    }
}

fn builder<F, Answer>(answer: F) -> TertuliaBuilder
where
    F: Fn(ChatRequest) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<EventStream>> + Send + 'static,
{
    Tertulia::builder().store("memory:").model("house/any").with_provider(House(answer))
}

/// An engine whose `house` gives these events to every request.
async fn giving(events: Vec<StreamEventKind>) -> Tertulia {
    let answer = move |_| {
        let events = EventStream::from(events.clone());
        async { Ok(events) }
    };
    builder(answer).open().await.unwrap()
}

fn text(words: &str) -> StreamEventKind {
    StreamEventKind::text(words)
}

fn call(id: &str, name: &str) -> ToolCall {
    ToolCall {
        id: id.to_owned(),
        name: name.to_owned(),
        arguments: json!({}),
        provider_executed: false,
        free_text: false,
    }
}

fn echo(request: ChatRequest) -> std::future::Ready<Result<EventStream>> {
    std::future::ready(Ok(EventStream::from(format!("You said: {}", request.messages.last().unwrap().text()))))
}

/// Says that it was dropped.
struct Witness(Arc<AtomicBool>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_message_is_answered_and_the_next_request_shows_the_whole_conversation() {
    let seen: Arc<Mutex<Vec<ChatRequest>>> = Arc::default();
    let noted = seen.clone();
    let t = builder(move |request: ChatRequest| {
        noted.lock().unwrap().push(request.clone());
        echo(request)
    })
    .open()
    .await
    .unwrap();
    let chat = t.user("ana").new_conversation();
    let reply = chat.send("hello").system("Be brief.").temperature(0.5).await.unwrap();
    assert_eq!((reply.text().as_str(), reply.status), ("You said: hello", ReplyStatus::Done));
    assert_eq!((reply.provider.as_str(), reply.model.as_str()), ("house", "any"));
    assert_eq!(reply.finish_reason, Some(FinishReason::Stop));
    assert_eq!((reply.usage.source, reply.usage.requests), (UsageSource::Estimated, 1));
    assert!(reply.usage.input_tokens > 0 && reply.usage.output_tokens > 0);
    let mut stream = chat.stream("and again").model("house/org/other").await.unwrap();
    let mut said = String::new();
    while let Some(words) = stream.next_text().await.unwrap() {
        said += &words;
    }
    assert_eq!(said, "You said: and again");
    let page = chat.history().await.unwrap();
    let roles: Vec<_> = page.items.iter().map(|m| (m.role, m.status)).collect();
    let complete = MessageStatus::Complete;
    let (user, assistant) = ((Role::User, complete), (Role::Assistant, complete));
    assert_eq!(roles, [user, assistant, user, assistant]);
    let seen = seen.lock().unwrap().clone();
    assert_eq!((seen[0].model.as_str(), seen[0].system.as_deref()), ("any", Some("Be brief.")));
    assert_eq!(seen[0].sampling.temperature, Some(0.5));
    let shown: Vec<_> = seen[1].messages.iter().map(|m| m.text()).collect();
    assert_eq!(
        (seen[1].model.as_str(), shown),
        ("org/other", vec!["hello".into(), "You said: hello".into(), "and again".into()])
    );
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_it_gives_is_put_in_order_and_calls_of_tools_get_names() {
    let delta = |id: &str, name: &str, arguments: &str| StreamEventKind::ToolCallDelta {
        call_id: id.to_owned(),
        name: name.to_owned(),
        arguments_delta: arguments.to_owned(),
    };
    let t = giving(vec![
        StreamEventKind::Reasoning { delta: "hm".to_owned() },
        StreamEventKind::Reasoning { delta: " hm".to_owned() },
        text(""),
        text("Let me "),
        text("see."),
        delta("a", "weather", "{\"city\":"),
        delta("b", "clock", ""),
        delta("a", "", "\"Lima\"}"),
        StreamEventKind::ToolCall { call: call("", "first") },
        StreamEventKind::ToolCall { call: call("", "first") },
        StreamEventKind::Part { part: Part::image(Media::data(vec![1, 2], "image/png")) },
        text("So."),
        StreamEventKind::Usage {
            usage: Usage { input_tokens: 7, output_tokens: 3, ..Usage::default() },
            cost: Cost { nano_usd: Some(5), ..Cost::default() },
        },
    ])
    .await;
    let weather = ToolSpec::new("weather", "The weather", json!({"type": "object"}));
    let reply = t.ask("go").tools([weather]).await.unwrap();
    let calls = reply.tool_calls();
    assert_eq!((calls[0].id.as_str(), &calls[0].arguments), ("a", &json!({"city": "Lima"})));
    assert_eq!((calls[1].id.as_str(), &calls[1].arguments), ("b", &json!({})));
    assert!(calls[2].id.starts_with("call_") && calls[3].id.starts_with("call_") && calls[2].id != calls[3].id);
    assert!(matches!(&reply.parts[0], Part::Reasoning { text } if text == "hm hm"), "{:?}", reply.parts);
    assert!(matches!(&reply.parts[1], Part::Text { text, .. } if text == "Let me see."));
    assert!(matches!(&reply.parts[6], Part::Image { .. }) && matches!(&reply.parts[7], Part::Text { .. }));
    assert_eq!(reply.finish_reason, Some(FinishReason::ToolCalls));
    assert_eq!((reply.usage.input_tokens, reply.usage.source), (7, UsageSource::Reported));
    assert_eq!((reply.cost.nano_usd, reply.cost.source), (Some(5), CostSource::Provider));
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_is_out_of_place_ends_the_reply_with_an_error_that_says_what_it_was() {
    let done = StreamEventKind::Done { reply: Box::new(tertulia::Reply::empty("x", "y")) };
    let result = StreamEventKind::ToolResult { result: call("a", "f").result("42") };
    let below = Usage { input_tokens: -1, ..Usage::default() };
    let path = Part::image(Media::path("/etc/passwd"));
    let retrying = Progress::Retrying { attempt: 2, kind: ErrorKind::RateLimited, delay_ms: 1 };
    let cases = [
        (StreamEventKind::Started { turn_id: None, message_id: None, model: "m".to_owned() }, "Started"),
        (done, "Done"),
        (result, "answers no tool call"),
        (StreamEventKind::Usage { usage: below, cost: Cost::default() }, "below zero"),
        (StreamEventKind::Part { part: path }, "neither bytes nor a URL"),
        (StreamEventKind::Part { part: Part::text("secret") }, "an event of its own"),
        (StreamEventKind::Progress { progress: retrying }, "only the engine"),
        (StreamEventKind::ToolCall { call: call("a", "") }, "does not name its tool"),
        (StreamEventKind::Other { name: "odd".to_owned(), data: json!("secret") }, "does not know"),
    ];
    for (event, words) in cases {
        let t = giving(vec![event.clone()]).await;
        let error = t.ask("secret").await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "bad_response"), "{event:?}");
        assert!(error.detail().contains(words) && !error.to_string().contains("secret"), "{error}");
        assert_eq!((error.retry(), error.attempts().len()), (Retry::Never, 1), "asked again: {event:?}");
        t.close().await.unwrap();
        let t = giving(vec![text("so far"), event]).await;
        let error = t.ask("go").await.unwrap_err();
        assert_eq!((error.kind(), error.partial().len()), (ErrorKind::Truncated, 1));
        t.close().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_before_the_first_content_is_asked_again_as_its_retry_says() {
    for (retry, asked, saved) in
        [(Retry::Safe, 2, true), (Retry::After { after_ms: 5 }, 2, true), (Retry::Never, 1, false)]
    {
        let count = Arc::new(AtomicU32::new(0));
        let counted = count.clone();
        let t = builder(move |request| {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if first {
                    // Its usage is known before its failure is: that is no content.
                    let usage = StreamEventKind::Usage { usage: Usage::default(), cost: Cost::default() };
                    let busy = Error::new(ErrorKind::RateLimited, "busy", "come back").with_retry(retry);
                    return Ok(EventStream::new(stream::iter([Ok(usage), Err(busy)])));
                }
                echo(request).await
            }
        })
        .open()
        .await
        .unwrap();
        let outcome = t.user("ana").new_conversation().send("hello").await;
        assert_eq!((outcome.is_ok(), count.load(Ordering::SeqCst)), (saved, asked), "{retry:?}");
        match outcome {
            Ok(reply) => assert_eq!((reply.text().as_str(), reply.attempts.len()), ("You said: hello", 2)),
            Err(error) => {
                assert_eq!((error.kind(), error.reason()), (ErrorKind::RateLimited, "busy"));
                assert_eq!((error.provider(), error.model()), (Some("house"), Some("any")));
            }
        }
        t.close().await.unwrap();
    }
}

#[tokio::test]
async fn an_error_after_the_first_content_is_truncated_with_what_had_arrived_and_the_turn_can_be_retried() {
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    let t = builder(move |request| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            let down = Error::new(ErrorKind::Unavailable, "down", "gone").with_retry(Retry::Safe);
            if first { Ok(EventStream::new(stream::iter([Ok(text("half")), Err(down)]))) } else { echo(request).await }
        }
    })
    .open()
    .await
    .unwrap();
    let chat = t.user("ana").new_conversation();
    let error = chat.send("hello").await.unwrap_err();
    assert_eq!((error.kind(), error.partial()), (ErrorKind::Truncated, &[Part::text("half")][..]));
    assert_eq!(count.load(Ordering::SeqCst), 1, "nothing is repeated after content");
    let source = std::error::Error::source(&error).unwrap();
    assert!(source.to_string().contains("gone"), "{source}");
    let reply = chat.retry(error.turn_id().unwrap()).await.unwrap().reply().await.unwrap();
    assert_eq!(reply.text(), "You said: hello");
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_panic_is_an_error_and_the_engine_goes_on() {
    let t = builder(|request: ChatRequest| async move {
        match request.messages.last().unwrap().text().as_str() {
            "at once" => panic!("secret"),
            "later" => Ok(EventStream::new(
                stream::once(async { Ok(text("half")) }).chain(stream::once(async { panic!("secret") })),
            )),
            _ => echo(request).await,
        }
    })
    .open()
    .await
    .unwrap();
    let chat = t.user("ana").new_conversation();
    let error = chat.send("at once").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "provider_failed"));
    let error = t.ask("later").await.unwrap_err();
    assert_eq!((error.kind(), error.partial().len()), (ErrorKind::Truncated, 1));
    assert!(!format!("{error:?}").contains("secret"));
    assert_eq!(chat.send("hello").await.unwrap().text(), "You said: hello");
    t.close().await.unwrap();
}

#[tokio::test]
async fn whoever_stops_the_call_drops_the_stream_and_keeps_what_had_arrived() {
    let dropped = Arc::new(AtomicBool::new(false));
    let gone = Arc::new(Notify::new());
    struct Bell(Arc<Notify>);
    impl Drop for Bell {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (flag, bell) = (dropped.clone(), gone.clone());
    let t = builder(move |_| {
        let held = (Witness(flag.clone()), Bell(bell.clone()));
        let endless = stream::once(async { Ok(text("one")) }).chain(stream::once(async move {
            let _held = held;
            std::future::pending().await
        }));
        async { Ok(EventStream::new(endless)) }
    })
    .open()
    .await
    .unwrap();
    let chat = t.user("ana").new_conversation();
    let mut stream = chat.stream("go").await.unwrap();
    assert_eq!(stream.next_text().await.unwrap().as_deref(), Some("one"));
    stream.cancel();
    let reply = within(stream.reply()).await.unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (ReplyStatus::Cancelled, "one"));
    assert!(dropped.swap(false, Ordering::SeqCst), "the stream of the code lives on");
    within(gone.notified()).await;
    // Dropping the stream of the reply is stopping, too.
    let mut stream = chat.stream("again").await.unwrap();
    assert_eq!(stream.next_text().await.unwrap().as_deref(), Some("one"));
    drop(stream);
    within(gone.notified()).await;
    assert!(dropped.load(Ordering::SeqCst));
    t.close().await.unwrap();
}

#[tokio::test]
async fn code_that_says_nothing_meets_the_time_limits() {
    let clock = ManualClock::default();
    for opens in [true, false] {
        let t = builder(move |_| async move {
            if opens { Ok(EventStream::new(stream::pending())) } else { std::future::pending().await }
        })
        .settings(Settings {
            retry: RetrySettings { max_attempts: 1, ..RetrySettings::default() },
            ..Settings::default()
        })
        .with_clock(Arc::new(clock.clone()))
        .open()
        .await
        .unwrap();
        for (timeout, at_ms, reason) in [(None, 300_000, "first_byte"), (Some(20_000), 20_000, "total")] {
            let mut ask = t.ask("hello");
            if let Some(ms) = timeout {
                ask = ask.timeout(Duration::from_millis(ms));
            }
            let mut work = Box::pin(ask.into_future());
            for ms in [0, at_ms - 1] {
                clock.advance(Duration::from_millis(ms));
                assert!(futures::poll!(&mut work).is_pending(), "{opens} {reason} after {ms} ms");
            }
            clock.advance(Duration::from_millis(1));
            let error = within(work).await.unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, reason), "{opens}");
        }
        t.close().await.unwrap();
    }
}

#[tokio::test]
async fn code_that_never_pauses_neither_escapes_the_deadline_nor_holds_the_thread() {
    // A clock that ticks whenever the code is asked: an endless stream that is always ready.
    let clock = ManualClock::default();
    let ticking = clock.clone();
    let t = builder(move |_| {
        let ticking = ticking.clone();
        let endless = stream::repeat_with(move || {
            ticking.advance(Duration::from_millis(1));
            Ok(StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 0 } })
        });
        async { Ok(EventStream::new(endless)) }
    })
    .with_clock(Arc::new(clock.clone()))
    .open()
    .await
    .unwrap();
    let ask = t.ask("hello").timeout(Duration::from_secs(60)).into_future();
    let mut beside = tokio::task::JoinSet::new();
    beside.spawn(async { "others go on" });
    let error = within(ask).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, "total"));
    assert!(beside.try_join_next().is_some(), "the thread was held");
    assert!(clock.monotonic() < Duration::from_secs(61), "{:?}", clock.monotonic());
    t.close().await.unwrap();
}

#[tokio::test]
async fn events_without_a_pause_that_say_nothing_are_no_progress() {
    // By the system's clock, whose timers rest while a task has used up its share of the thread.
    let network = NetworkSettings { progress_timeout_ms: 20, total_timeout_ms: 5_000, ..NetworkSettings::default() };
    let retry = RetrySettings { max_attempts: 1, ..RetrySettings::default() };
    let t = builder(|_| async { Ok(EventStream::new(stream::repeat_with(|| Ok(text(""))))) })
        .settings(Settings { network, retry, ..Settings::default() })
        .open()
        .await
        .unwrap();
    let error = within(t.ask("hello").into_future()).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, "progress"));
    t.close().await.unwrap();
}

#[tokio::test]
async fn events_that_add_nothing_to_the_reply_meet_a_bound_too() {
    let network = NetworkSettings { max_response_bytes: 50_000, ..NetworkSettings::default() };
    let settings = Settings { network, ..Settings::default() };
    let piece = |name: &str| StreamEventKind::ToolCallDelta {
        call_id: "a".to_owned(),
        name: name.to_owned(),
        arguments_delta: String::new(),
    };
    let makers: [Arc<dyn Fn() -> StreamEventKind + Send + Sync>; 3] = [
        Arc::new(|| StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 0 } }),
        Arc::new(move || piece("f")),
        Arc::new(|| StreamEventKind::Usage { usage: Usage::default(), cost: Cost::default() }),
    ];
    for make in makers {
        // No more than this, so that without a bound the test ends all the same.
        let t = builder(move |_| {
            let make = make.clone();
            let events = stream::repeat_with(move || Ok(make())).take(10_000);
            async { Ok(EventStream::new(events)) }
        })
        .settings(settings.clone())
        .open()
        .await
        .unwrap();
        let error = within(t.user("ana").new_conversation().send("go").into_future()).await.unwrap_err();
        assert!(error.detail().contains("max_response_bytes"), "{error}");
        t.close().await.unwrap();
    }
}

#[tokio::test]
async fn figures_beyond_measure_end_no_process() {
    let most = Usage {
        input_tokens: i64::MAX,
        output_tokens: i64::MAX,
        cache_read_input_tokens: i64::MAX,
        cache_creation_input_tokens: i64::MAX,
        reasoning_output_tokens: i64::MAX,
        ..Usage::default()
    };
    let hidden = Usage { input_tokens: 1, cache_read_input_tokens: i64::MAX, ..Usage::default() };
    for usage in [most, hidden] {
        let event = StreamEventKind::Usage { usage, cost: Cost::default() };
        let events = vec![text("x"), event];
        let t = Tertulia::builder().store("memory:").model("priced/any").with_provider(Metered(events)).open().await;
        let t = t.unwrap();
        let chat = t.user("ana").new_conversation();
        for _ in 0..2 {
            let reply = chat.send("go").await.unwrap();
            assert!(reply.cost.nano_usd.is_none_or(|nano| nano >= 0), "{:?}", reply.cost);
        }
        t.close().await.unwrap();
    }
}

/// Gives these events, at a price.
struct Metered(Vec<StreamEventKind>);

impl Provider for Metered {
    fn name(&self) -> &str {
        "priced"
    }

    fn models(&self) -> Vec<ModelInfo> {
        let price = Price {
            input_nano_usd: 3_000_000_000,
            output_nano_usd: 15_000_000_000,
            cache_read_nano_usd: Some(300_000_000),
            ..Price::default()
        };
        vec![ModelInfo { id: "*".to_owned(), price: Some(price), ..ModelInfo::default() }]
    }

    async fn stream(&self, _: ChatRequest) -> Result<EventStream> {
        Ok(EventStream::from(self.0.clone()))
    }
}

#[tokio::test]
async fn every_kind_of_error_puts_the_turn_to_rest_and_comes_out_as_it_is() {
    for kind in ErrorKind::ALL {
        for begins in [false, true] {
            let t = builder(move |_| {
                let error = Error::new(kind, "given", "by the code").with_retry(Retry::Never);
                let first = begins.then(|| Ok(text("half")));
                async move { Ok(EventStream::new(stream::iter(first.into_iter().chain([Err(error)])))) }
            })
            .open()
            .await
            .unwrap();
            let chat = t.user("ana").new_conversation();
            let error = within(chat.send("go").into_future()).await.unwrap_err();
            let expected = if begins { ErrorKind::Truncated } else { kind };
            assert_eq!(error.kind(), expected, "{kind} {begins}: {error}");
            let turn = error.turn_id().unwrap();
            let mut again = chat.attach(turn, 0).await.unwrap();
            while let Ok(Some(_)) = within(again.next_event()).await {}
            let mut again = within(chat.retry(turn).into_future()).await.unwrap();
            while let Ok(Some(_)) = within(again.next_event()).await {}
            t.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_an_error_says_of_another_call_is_not_said_of_this_one() {
    let inner = builder(|_| async {
        let cut = Error::new(ErrorKind::Unavailable, "cut", "gone");
        Ok(EventStream::new(stream::iter([Ok(text("inner words")), Err(cut)])))
    });
    let inner = inner.open().await.unwrap();
    for opens in [true, false] {
        let other = inner.clone();
        let settings =
            Settings { retry: RetrySettings { max_attempts: 1, ..RetrySettings::default() }, ..Settings::default() };
        let router = builder(move |_| {
            let other = other.clone();
            async move {
                let error = other.user("ana").new_conversation().send("go").await.unwrap_err();
                assert!(error.saved() && !error.partial().is_empty());
                if opens { Ok(EventStream::new(stream::iter([Err(error)]))) } else { Err(error) }
            }
        });
        let t = router.settings(settings).open().await.unwrap();
        let error = t.ask("go").await.unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Truncated, "ask"));
        assert_eq!((error.saved(), error.turn_id(), error.partial()), (false, None, &[][..]));
        assert_eq!(error.attempts().len(), 1);
        t.close().await.unwrap();
    }
    inner.close().await.unwrap();
}

#[tokio::test]
async fn a_turn_that_another_run_of_the_program_left_open_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db").to_str().unwrap().to_owned();
    let clock = ManualClock::default();
    let stalls =
        builder(|_| async { Ok(EventStream::new(stream::once(async { Ok(text("half")) }).chain(stream::pending()))) });
    let t = stalls.store(&path).with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let chat = t.user("ana").new_conversation();
    let mut stream = chat.stream("go").await.unwrap();
    assert_eq!(within(stream.next_text()).await.unwrap().as_deref(), Some("half"));
    let (id, turn) = (chat.id(), stream.turn_id().unwrap());
    stream.detach();
    let mut closing = tokio::task::JoinSet::new();
    closing.spawn(async move { t.close().await });
    let closed = loop {
        if let Some(closed) = closing.try_join_next() {
            break closed;
        }
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    };
    closed.unwrap().unwrap();

    let t = builder(echo).store(&path).open().await.unwrap();
    let chat = t.user("ana").conversation(id);
    let page = chat.history().await.unwrap();
    assert_eq!(page.items.last().unwrap().status, MessageStatus::Interrupted);
    let reply = chat.retry(turn).await.unwrap().reply().await.unwrap();
    assert_eq!((reply.text().as_str(), reply.turn_id), ("You said: go", Some(turn)));
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_catalogue_that_is_loaded_later_does_not_take_its_place() {
    let t = builder(echo).open().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue.json");
    let house = json!({ "base_url": "https://house.example/v1", "models": { "other": {} } });
    std::fs::write(&path, json!({ "version": 1, "providers": { "house": house } }).to_string()).unwrap();
    t.load_catalogue(&path).await.unwrap();
    assert_eq!(t.ask("hello").await.unwrap().text(), "You said: hello");
    assert!(t.models("house/*").is_empty());
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_reply_without_end_meets_its_bounds() {
    let network = NetworkSettings { max_text_bytes: 10_000, max_response_bytes: 50_000, ..NetworkSettings::default() };
    let settings = Settings { network, ..Settings::default() };
    let words = || text(&"x".repeat(100));
    let tool = || StreamEventKind::ToolCall { call: ToolCall { arguments: json!("x".repeat(100)), ..call("", "f") } };
    let empty = || StreamEventKind::Part { part: Part::image(Media::data(vec![], "image/png")) };
    let picture = || StreamEventKind::Part { part: Part::image(Media::data(vec![0; 1_000], "image/png")) };
    type Maker = fn() -> StreamEventKind;
    let makers: [(Maker, &str); 4] =
        [(words, "max_text_bytes"), (tool, "max_text_bytes"), (empty, "4096 parts"), (picture, "max_response_bytes")];
    for (make, bound) in makers {
        let t = builder(move |_| async move { Ok(EventStream::new(stream::repeat_with(move || Ok(make())))) })
            .settings(settings.clone())
            .open()
            .await
            .unwrap();
        let error = within(t.ask("go").into_future()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Truncated, "{error}");
        assert!(error.detail().contains(bound), "{error}");
        t.close().await.unwrap();
    }
}

#[tokio::test]
async fn several_conversations_are_answered_at_once() {
    let both = Arc::new(tokio::sync::Barrier::new(2));
    let meeting = both.clone();
    let t = builder(move |request| {
        let meeting = meeting.clone();
        async move {
            meeting.wait().await; // one alone would wait for ever
            echo(request).await
        }
    })
    .open()
    .await
    .unwrap();
    let me = t.user("ana");
    let (one, two) = (me.new_conversation(), me.new_conversation());
    let (one, two) = within(async { tokio::join!(one.send("one"), two.send("two")) }).await;
    assert_eq!((one.unwrap().text(), two.unwrap().text()), ("You said: one".to_owned(), "You said: two".to_owned()));
    t.close().await.unwrap();
}

struct Priced;

impl Provider for Priced {
    fn name(&self) -> &str {
        "priced"
    }

    fn models(&self) -> Vec<ModelInfo> {
        let price = Price { input_nano_usd: 1_000_000, output_nano_usd: 2_000_000, ..Price::default() };
        let small = ModelInfo { id: "small".to_owned(), context_window: Some(40), ..ModelInfo::default() };
        vec![ModelInfo { price: Some(price), ..small }, ModelInfo { id: "*".to_owned(), ..ModelInfo::default() }]
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        Ok(EventStream::from(format!("{} shown", request.messages.len())))
    }
}

#[tokio::test]
async fn its_models_are_listed_priced_and_their_window_is_kept() {
    let t = Tertulia::builder().store("memory:").with_provider(Priced).open().await.unwrap();
    let ids: Vec<_> = t.models("priced/*").into_iter().map(|m| m.id).collect();
    assert_eq!(ids, ["priced/small"]);
    let listed = t.providers().into_iter().find(|p| p.name == "priced").unwrap();
    assert_eq!((listed.base_url.as_str(), listed.key_variable), ("", None));
    let chat = t.user("ana").new_conversation();
    let mut reply = None;
    for _ in 0..6 {
        reply = Some(chat.send("four words in it, or about ten tokens").model("priced/small").await.unwrap());
    }
    let reply = reply.unwrap();
    assert_ne!(reply.text(), "11 shown", "the window was not kept");
    assert_eq!(reply.cost.source, CostSource::Estimated);
    let usage = &reply.usage;
    assert_eq!(reply.cost.nano_usd, Some(usage.input_tokens + 2 * usage.output_tokens));
    assert_eq!(chat.send("x").model("priced/large").await.unwrap().text(), "13 shown");
    t.warm_up(["priced/small"]).await.unwrap();
    let error = t.provider("priced").request("GET", "/models", None).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "unsupported"));
    for name in ["priced/", "priced", "/x"] {
        assert_eq!(t.ask("x").model(name).await.unwrap_err().reason(), "unknown_model", "{name}");
    }
    t.close().await.unwrap();
}

struct Named(&'static str);

impl Provider for Named {
    fn name(&self) -> &str {
        self.0
    }

    async fn stream(&self, _: ChatRequest) -> Result<EventStream> {
        Ok(EventStream::from("from code"))
    }
}

#[tokio::test]
async fn it_takes_the_place_of_a_provider_of_the_catalogue_but_of_no_other_of_yours() {
    let t = Tertulia::builder().store("memory:").with_provider(Named("openai")).open().await.unwrap();
    // No key is needed, and none is asked for.
    assert_eq!(t.user("ana").new_conversation().send("x").model("openai/gpt-5").await.unwrap().text(), "from code");
    t.close().await.unwrap();

    let lab = ProviderSpec::openai_chat("lab", "https://llm.lab.example/v1");
    let twice = Tertulia::builder().store("memory:").with_provider(Named("lab")).with_provider(Named("lab"));
    let beside = Tertulia::builder().store("memory:").provider(lab).with_provider(Named("lab"));
    let unfit = Tertulia::builder().store("memory:").with_provider(Named("My House"));
    for (builder, words) in [(twice, "two providers"), (beside, "two providers"), (unfit, "1 to 64")] {
        let error = builder.open().await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_provider"));
        assert!(error.detail().contains(words), "{error}");
    }
}

#[tokio::test]
async fn code_that_fails_again_and_again_is_asked_again_and_again() {
    struct Broken;
    impl Provider for Broken {
        fn name(&self) -> &'static str {
            "broken"
        }

        async fn stream(&self, _: ChatRequest) -> Result<EventStream> {
            Err(Error::new(ErrorKind::Unavailable, "down", "it is down"))
        }
    }
    let tertulia = Tertulia::builder().store("memory:").with_provider(Broken).model("broken/any").open().await.unwrap();
    for _ in 0..30 {
        let error = tertulia.ask("hi").await.unwrap_err();
        assert_eq!(error.reason(), "down", "left alone like a server");
    }
    tertulia.close().await.unwrap();
}
