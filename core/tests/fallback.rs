//! Calls that go on to other providers, over real sockets: who answers, what is asked of them, and what is kept.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::header;
use tertulia::base::ManualClock;
use tertulia::{
    Content, Conversation, Error, ErrorKind, Message, MessageStatus, MidStream, ModelInfo, NewMessage, Part, Price,
    Progress, ProviderSpec, Role, Settings, StreamEventKind, Tertulia, TertuliaBuilder, TurnState, UsageSource,
};
use tertulia_simulator::{EventKind, Script, Simulator};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

/// Two providers, `a` and `b`, each with a server of its own and a model `m` that costs a thousand nano-USD a token in
/// and two thousand a token out.
struct Pair {
    tertulia: Tertulia,
    a: Simulator,
    b: Simulator,
}

fn priced(window: Option<i64>) -> ModelInfo {
    let price = Price { input_nano_usd: 1_000_000_000, output_nano_usd: 2_000_000_000, ..Price::default() };
    ModelInfo { price: Some(price), context_window: window, ..ModelInfo::default() }
}

fn builder(a: &Simulator, b: &Simulator) -> TertuliaBuilder {
    let spec = |name, simulator: &Simulator, window| {
        ProviderSpec::openai_chat(name, format!("{}/v1", simulator.url())).model("*", priced(window))
    };
    let mut settings = Settings::default();
    (settings.retry.base_delay_ms, settings.retry.throttle_base_delay_ms) = (0, 0);
    Tertulia::builder()
        .store("memory:")
        .with_environment(Arc::new(|_: &str| None))
        .provider(spec("a", a, Some(8_000)))
        .provider(spec("b", b, Some(128_000)))
        .settings(settings)
        .model("a/m")
}

impl Pair {
    async fn new(a_says: &[&str], b_says: &[&str]) -> Self {
        Self::with(a_says, b_says, |builder| builder).await
    }

    async fn with(a_says: &[&str], b_says: &[&str], change: impl FnOnce(TertuliaBuilder) -> TertuliaBuilder) -> Self {
        let (a, b) = (Simulator::start().await.unwrap(), Simulator::start().await.unwrap());
        for (simulator, says) in [(&a, a_says), (&b, b_says)] {
            simulator.set_scripts("m", says.iter().map(|script| Script::parse(script).unwrap()));
        }
        let tertulia = change(builder(&a, &b)).open().await.unwrap();
        Self { tertulia, a, b }
    }

    fn chat(&self) -> Conversation {
        self.tertulia.user("ana").new_conversation()
    }

    /// How many requests each of them had.
    fn asked(&self) -> (usize, usize) {
        (self.a.requests().len(), self.b.requests().len())
    }

    async fn close(self) {
        self.tertulia.close().await.unwrap();
        self.a.shutdown().await;
        self.b.shutdown().await;
    }
}

/// A watchdog: what is awaited must come.
async fn soon<T>(work: impl IntoFuture<Output = T>) -> T {
    support::within(work.into_future()).await
}

fn bodies(simulator: &Simulator) -> Vec<Value> {
    simulator.requests().iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

async fn last(chat: &Conversation) -> Message {
    chat.history().await.unwrap().items.pop().unwrap()
}

#[tokio::test]
async fn a_provider_that_is_down_is_replaced_and_the_reply_and_the_history_say_by_whom() {
    let pair = Pair::new(&["status=503"], &["text=here"]).await;
    let chat = pair.chat();
    let mut stream = chat.stream("hi").fallback(["b/m"]).await.unwrap();
    let (mut started, mut fell_back) = (None, None);
    while let Some(event) = soon(stream.next_event()).await.unwrap() {
        match event.kind {
            StreamEventKind::Started { model, .. } => started = Some(model),
            StreamEventKind::Progress { progress: Progress::FellBack { from_model, to_model } } => {
                fell_back = Some((from_model, to_model));
            }
            _ => {}
        }
    }
    assert_eq!(started.as_deref(), Some("a/m"));
    assert_eq!(fell_back, Some(("a/m".to_owned(), "b/m".to_owned())));
    let reply = stream.reply().await.unwrap();
    assert_eq!((reply.text().as_str(), reply.provider.as_str(), reply.continued), ("here", "b", false));
    let models: Vec<&str> = reply.attempts.iter().map(|attempt| attempt.model.as_str()).collect();
    assert_eq!(models, ["a/m", "a/m", "a/m", "b/m"]);
    assert_eq!(pair.asked(), (3, 1));
    assert_eq!(last(&chat).await.model.as_deref(), Some("b/m"));
    let again = chat.attach(reply.turn_id.unwrap(), 0).await.unwrap().reply().await.unwrap();
    assert_eq!((again.text().as_str(), again.provider.as_str(), again.model.as_str()), ("here", "b", "m"));
    pair.close().await;
}

#[tokio::test]
async fn a_stream_that_is_cut_before_its_first_word_goes_on_elsewhere_and_after_it_does_not() {
    for cut in ["cut=0", "truncate=0", "reset", "error_after=0", "garbage=html"] {
        let pair = Pair::new(&[&format!("text=one two;{cut}")], &["text=here"]).await;
        let reply = soon(pair.chat().send("hi").fallback(["b/m"])).await.unwrap();
        assert_eq!((reply.text().as_str(), pair.asked()), ("here", (3, 1)), "{cut}");
        pair.close().await;
    }
    for mid_stream in [MidStream::Surface, MidStream::Restart] {
        let pair = Pair::new(&["text=one two;truncate=1"], &["text=here"]).await;
        let chat = pair.chat();
        let error = soon(chat.send("hi").fallback(["b/m"]).mid_stream(mid_stream)).await.unwrap_err();
        assert_eq!((error.kind(), error.partial()), (ErrorKind::Truncated, [Part::text("one")].as_slice()));
        assert_eq!(pair.asked(), (1, 0));
        assert_eq!(last(&chat).await.status, MessageStatus::Interrupted);
        pair.close().await;
    }
}

#[tokio::test]
async fn every_verb_goes_on_to_another_model() {
    let pair = Pair::new(&["error=quota"], &["text=here"]).await;
    let ana = pair.tertulia.user("ana");
    let replies = [
        soon(pair.tertulia.ask("hi").fallback(["b/m"])).await.unwrap(),
        soon(ana.ask("hi").fallback(["b/m"])).await.unwrap(),
        soon(pair.chat().send("hi").fallback(["b/m"])).await.unwrap(),
        soon(soon(pair.chat().stream("hi").fallback(["b/m"])).await.unwrap().reply()).await.unwrap(),
    ];
    for reply in replies {
        assert_eq!((reply.text().as_str(), reply.provider.as_str()), ("here", "b"));
    }
    let mut stream = soon(ana.ask("hi").fallback(["b/m"]).stream()).await.unwrap();
    let first = soon(stream.next_event()).await.unwrap().unwrap().kind;
    assert!(matches!(&first, StreamEventKind::Started { model, .. } if model == "b/m"), "{first:?}");

    let chat = pair.chat();
    let error: Error = soon(chat.send("hi")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
    let turn = error.turn_id().unwrap();
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Parked);
    let reply = soon(soon(chat.retry(turn).fallback(["b/m"])).await.unwrap().reply()).await.unwrap();
    assert_eq!((reply.text().as_str(), chat.turn(turn).await.unwrap().state), ("here", TurnState::Done));
    pair.close().await;
}

#[tokio::test]
async fn the_engines_own_list_counts_for_calls_that_name_none_and_an_empty_one_is_none() {
    let pair = Pair::with(&["error=quota"], &["text=here"], |builder| builder.fallback(["b/m"])).await;
    assert_eq!(soon(pair.chat().send("hi")).await.unwrap().text(), "here");
    assert_eq!(soon(pair.tertulia.ask("hi")).await.unwrap().text(), "here");
    let none: [&str; 0] = [];
    let error = soon(pair.chat().send("hi").fallback(none)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
    // The model itself and the same one twice are no others.
    let error = soon(pair.chat().send("hi").fallback(["a/m", "a/m"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted);
    pair.close().await;
}

#[tokio::test]
async fn a_list_that_cannot_work_is_refused_before_anything_is_stored() {
    let pair = Pair::new(&["text=hi"], &[]).await;
    let sixteen: Vec<String> = (0..17).map(|n| format!("b/{n}")).collect();
    for (list, reason) in [
        (vec!["nobody/m".to_owned()], "unknown_provider"),
        (vec!["b".to_owned()], "unknown_model"),
        (sixteen, "bad_fallback"),
    ] {
        let chat = pair.chat();
        let error = chat.send("hi").fallback(list.clone()).await.unwrap_err();
        assert_eq!((error.kind(), error.saved()), (ErrorKind::Invalid, false), "{list:?} {error:?}");
        assert_eq!(error.reason(), reason, "{list:?}");
        assert_eq!(chat.summary().await.unwrap_err().kind(), ErrorKind::NotFound);
        let error = pair.tertulia.ask("hi").fallback(list).await.unwrap_err();
        assert_eq!(error.reason(), reason);
    }
    assert_eq!(pair.asked(), (0, 0));
    let refused = builder(&pair.a, &pair.b).fallback(["nobody/m"]).open().await.unwrap_err();
    assert_eq!(refused.reason(), "unknown_provider");
    for (settings, field) in [
        (json!({"fallback": {"hedge_share": 2.0}}), "hedge_share"),
        (json!({"fallback": {"mid_stream": "later"}}), "one of surface, restart, continue"),
        (json!({"fallback": {"targets": "b/m"}}), "a list of texts"),
        (json!({"fallback": {"target": ["b/m"]}}), "did you mean `targets`"),
        (json!({"retry": {"max_attempts_per_target": 0}}), "max_attempts_per_target"),
    ] {
        let error = Settings::from_json(&settings).unwrap_err();
        assert!(error.detail().contains(field), "{}", error.detail());
    }
    pair.close().await;
}

#[tokio::test]
async fn a_provider_that_is_known_to_be_down_costs_no_request() {
    let mut settings = Settings::default();
    (settings.breaker.consecutive_failures, settings.retry.base_delay_ms) = (1, 0);
    let pair =
        Pair::with(&["status=500"], &["text=here"], |builder| builder.settings(settings).fallback(["b/m"])).await;
    for call in 1..=5 {
        let reply = soon(pair.chat().send("hi")).await.unwrap();
        assert_eq!((reply.text().as_str(), pair.asked()), ("here", (1, call)));
        let tried: Vec<&str> = reply.attempts.iter().map(|attempt| attempt.model.as_str()).collect();
        assert_eq!(tried, if call == 1 { vec!["a/m", "b/m"] } else { vec!["b/m"] });
    }
    pair.close().await;
}

#[tokio::test]
async fn a_conversation_that_is_too_long_goes_on_to_a_larger_model_with_more_of_its_history() {
    let pair = Pair::new(&["error=context"], &["text=I see it all"]).await;
    let chat = pair.chat();
    let message = |n: usize| NewMessage::user(format!("{n:03} {}", "x ".repeat(498)));
    chat.append((0..100).map(message).collect::<Vec<_>>()).await.unwrap();
    let reply = soon(chat.send("and now?").fallback(["a/same", "b/m"])).await.unwrap();
    assert_eq!((reply.text().as_str(), pair.asked()), ("I see it all", (1, 1)));
    let count = |simulator: &Simulator| bodies(simulator)[0]["messages"].as_array().unwrap().len();
    assert!(count(&pair.a) < 40, "{}", count(&pair.a));
    assert_eq!(count(&pair.b), 101);
    pair.close().await;
}

#[tokio::test]
async fn keys_headers_and_fields_of_one_provider_are_not_shown_to_another() {
    let change = |builder: TertuliaBuilder| {
        let key = |simulator: &str| simulator.to_owned();
        builder.key("a", key("key-of-a")).key("b", key("key-of-b"))
    };
    let pair = Pair::with(&["error=quota"], &["text=here"], change).await;
    let ana = pair.tertulia.user("ana").key("b", "anas-key-of-b");
    // A key of its own each: one that was refused is not shown again.
    let send = |chat: Conversation, key: &'static str| async move {
        let send = chat.send("hi").key(key).extra_body(json!({"service_tier": "flex"}));
        soon(send.extra_header("x-lab", "a").fallback(["b/m"])).await.unwrap()
    };
    send(ana.new_conversation(), "key-of-the-call").await;
    send(pair.tertulia.user("bob").new_conversation(), "key-of-bobs-call").await;
    let of = |simulator: &Simulator, name: &str| -> Vec<Option<String>> {
        simulator.requests().iter().map(|request| header(request, name)).collect()
    };
    let bearer = |key: &str| Some(format!("Bearer {key}"));
    assert_eq!(of(&pair.a, "authorization"), [bearer("key-of-the-call"), bearer("key-of-bobs-call")]);
    assert_eq!(of(&pair.b, "authorization"), [bearer("anas-key-of-b"), bearer("key-of-b")]);
    assert_eq!((of(&pair.a, "x-lab")[0].as_deref(), of(&pair.b, "x-lab")[0].as_deref()), (Some("a"), None));
    assert_eq!(bodies(&pair.a)[0]["service_tier"], "flex");
    assert_eq!(bodies(&pair.b)[0].get("service_tier"), None);
    pair.close().await;
}

#[tokio::test]
async fn a_call_without_a_key_is_asked_of_who_has_one_and_refused_when_nobody_has() {
    let needs = |name: &str, simulator: &Simulator| {
        ProviderSpec::openai_chat(name, format!("{}/v1", simulator.url())).key_variable("NO_SUCH_KEY")
    };
    let change = |a: &Simulator, b: &Simulator, builder: TertuliaBuilder| {
        builder.provider(needs("closed", a)).provider(needs("shut", b)).model("closed/m")
    };
    let (a, b) = (Simulator::start().await.unwrap(), Simulator::start().await.unwrap());
    b.set_script("m", Script::parse("text=here").unwrap());
    let tertulia = change(&a, &b, builder(&a, &b)).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let error = chat.send("hi").fallback(["shut/m"]).await.unwrap_err();
    assert_eq!((error.kind(), error.reason(), error.saved()), (ErrorKind::Unauthorized, "key_missing", false));
    assert_eq!(soon(chat.send("hi").fallback(["shut/m", "b/m"])).await.unwrap().text(), "here");
    assert!(a.requests().is_empty());
    tertulia.close().await.unwrap();
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test]
async fn what_is_kept_for_one_provider_goes_back_to_it_alone() {
    let (a, b) = (Simulator::start().await.unwrap(), Simulator::start().await.unwrap());
    a.set_script("m", Script::parse("status=500;fail=3;text=back").unwrap());
    b.set_script("m", Script::parse("text=here").unwrap());
    let tertulia = builder(&a, &b)
        .provider(ProviderSpec::anthropic("claude", format!("{}/v1", a.url())))
        .provider(ProviderSpec::gemini("gem", format!("{}/v1beta", b.url())))
        .open()
        .await
        .unwrap();
    let kept = |provider: &str, name: &str, data: &str| {
        let (provider, name) = (provider.to_owned(), name.to_owned());
        Part::Opaque { provider, name, attached: true, data: data.into() }
    };
    let thought = |words: &str| Part::Reasoning { text: words.to_owned() };
    let chat = tertulia.user("ana").new_conversation();
    let history = [
        NewMessage::user("one"),
        NewMessage::new(
            Role::Assistant,
            [thought("claude thinks"), kept("claude", "signature", "claude-signature"), Part::text("uno")],
        ),
        NewMessage::user("two"),
        NewMessage::new(Role::Assistant, [Part::text("dos"), kept("gem", "thought_signature", "gem-signature")]),
    ];
    chat.append(history.to_vec()).await.unwrap();
    for (answers, fallbacks) in [("here", 3), ("back", 0)] {
        let before = a.requests().len();
        let reply = soon(chat.send("three").model("claude/m").fallback(["gem/m"])).await.unwrap();
        assert_eq!(reply.text(), answers);
        assert_eq!(a.requests().len() - before, usize::max(fallbacks, 1));
    }
    for body in a.requests().iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()) {
        assert!(body.contains("claude-signature") && !body.contains("gem-signature"), "{body}");
    }
    for body in b.requests().iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()) {
        assert!(body.contains("gem-signature") && !body.contains("claude-signature"), "{body}");
        assert!(body.contains("uno") && body.contains("dos"), "what was said is said to everybody: {body}");
    }
    tertulia.close().await.unwrap();
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test]
async fn a_model_that_takes_no_such_file_is_passed_over() {
    let pair = Pair::with(&["error=quota"], &["text=here"], |builder| {
        let blind = tertulia::Capabilities { images: Some(false), ..tertulia::Capabilities::default() };
        let info = ModelInfo { capabilities: blind, ..ModelInfo::default() };
        builder.provider(ProviderSpec::openai_chat("blind", "http://127.0.0.1:9/v1").model("*", info))
    })
    .await;
    let picture = || Part::image(tertulia::Media::data(b"\x89PNG\r\n\x1a\n".to_vec(), "image/png"));
    let content = || Content::from(vec![Part::text("What is it?"), picture()]);
    assert_eq!(soon(pair.chat().send(content()).fallback(["blind/m", "b/m"])).await.unwrap().text(), "here");
    assert_eq!(soon(pair.tertulia.ask(content()).fallback(["blind/m", "b/m"])).await.unwrap().text(), "here");
    let error = soon(pair.chat().send(content()).fallback(["blind/m"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExhausted, "what an alternative cannot take says nothing about the call");
    pair.close().await;
}

#[tokio::test]
async fn a_provider_that_hangs_has_only_its_share_of_the_time() {
    let clock = ManualClock::default();
    let clocked = clock.clone();
    let pair = Pair::with(&["status=500", "stall"], &["text=here"], |builder| {
        builder.with_clock(Arc::new(clocked)).fallback(["b/m"])
    })
    .await;
    let chat = pair.chat();
    let mut calls = JoinSet::new();
    calls.spawn(async move { chat.send("hi").timeout(Duration::from_secs(30)).await });
    let mut asked = 0;
    soon(pair.a.wait_for(|event| {
        asked += usize::from(event.kind == EventKind::RequestReceived);
        asked == 2
    }))
    .await;
    clock.advance(Duration::from_secs(15));
    let reply = soon(calls.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!((reply.text().as_str(), pair.asked()), ("here", (2, 1)));
    let kinds: Vec<_> = reply.attempts.iter().map(|attempt| (attempt.model.as_str(), attempt.kind)).collect();
    let expected = [("a/m", Some(ErrorKind::Unavailable)), ("a/m", Some(ErrorKind::TimedOut)), ("b/m", None)];
    assert_eq!(kinds, expected);
    pair.close().await;
}

#[tokio::test]
async fn a_reply_that_broke_off_is_continued_by_the_same_model_or_the_next_in_every_verb() {
    let begun = "text=one two three;chunks=3;truncate=2;usage=100/20";
    let cases = [
        (vec![begun, "text=two three;usage=100/20"], vec![], (2, 0), "a"),
        (vec![begun, "status=500"], vec!["text=three;usage=100/20"], (4, 1), "b"),
    ];
    for (a, b, asked, provider) in cases {
        let pair = Pair::new(&a, &b).await;
        let chat = pair.chat();
        let mut stream = chat.stream("count").fallback(["b/m"]).mid_stream(MidStream::Continue).await.unwrap();
        let (mut seen, mut told) = (String::new(), Vec::new());
        while let Some(event) = soon(stream.next_event()).await.unwrap() {
            match event.kind {
                StreamEventKind::Text { delta } => seen += &delta,
                StreamEventKind::Progress { progress } => told.push(progress),
                _ => {}
            }
        }
        let reply = stream.reply().await.unwrap();
        assert_eq!((seen.as_str(), reply.text().as_str()), ("one two three", "one two three"));
        assert_eq!((reply.provider.as_str(), reply.continued, pair.asked()), (provider, true, asked));
        assert!(matches!(told[0], Progress::Retrying { kind: ErrorKind::Truncated, delay_ms: 0, .. }), "{told:?}");
        assert_eq!(reply.attempts[0].kind, Some(ErrorKind::Truncated));
        // "count" is nine tokens with what stands around it and "one two " is two, by estimate.
        let usage = &reply.usage;
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.requests), (9 + 100, 2 + 20, 2));
        assert_eq!((usage.source, reply.cost.nano_usd), (UsageSource::Estimated, Some(109_000 + 44_000)));
        let kept = last(&chat).await;
        assert_eq!((kept.text().as_str(), kept.status), ("one two three", MessageStatus::Complete));
        assert_eq!(kept.usage.as_ref(), Some(usage));
        let asked = if provider == "a" { bodies(&pair.a).pop() } else { bodies(&pair.b).pop() };
        let messages = asked.unwrap()["messages"].as_array().unwrap().clone();
        let spoken: Vec<_> =
            messages.iter().map(|m| (m["role"].as_str().unwrap(), m["content"].as_str().unwrap())).collect();
        assert_eq!(spoken, [("user", "count"), ("assistant", "one two")]);
        pair.close().await;
    }
    let mut settings = Settings::default();
    settings.fallback.mid_stream = MidStream::Continue;
    let pair = Pair::with(&[begun, "text=three"], &[], |builder| builder.settings(settings)).await;
    let reply = soon(pair.tertulia.ask("count")).await.unwrap();
    assert_eq!((reply.text().as_str(), reply.continued), ("one two three", true));
    pair.close().await;
}

#[tokio::test]
async fn a_reply_can_be_continued_in_every_dialect() {
    for dialect in ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"] {
        let simulator = Simulator::start().await.unwrap();
        let scripts = ["text=one two three;chunks=3;truncate=2", "text=three"];
        simulator.set_scripts("m", scripts.map(|script| Script::parse(script).unwrap()));
        let url = simulator.url();
        let spec = match dialect {
            "openai_chat" => ProviderSpec::openai_chat("lab", format!("{url}/v1")),
            "openai_responses" => ProviderSpec::openai_responses("lab", format!("{url}/v1")),
            "anthropic" => ProviderSpec::anthropic("lab", format!("{url}/v1")),
            "gemini" => ProviderSpec::gemini("lab", format!("{url}/v1beta")),
            _ => ProviderSpec::ollama("lab", url),
        };
        let builder = Tertulia::builder().store("memory:").with_environment(Arc::new(|_: &str| None)).provider(spec);
        let tertulia = builder.open().await.unwrap();
        let reply = soon(tertulia.ask("count").model("lab/m").mid_stream(MidStream::Continue)).await.unwrap();
        assert_eq!((reply.text().as_str(), reply.continued), ("one two three", true), "{dialect}");
        let body = String::from_utf8_lossy(&simulator.requests()[1].body).into_owned();
        assert!(body.contains("\"one two\""), "{dialect}: {body}");
        tertulia.close().await.unwrap();
        simulator.shutdown().await;
    }
}

#[tokio::test]
async fn no_second_request_is_raced_while_the_device_saves_power() {
    let clock = ManualClock::default();
    let clocked = clock.clone();
    let pair = Pair::with(&["stall", "stall", "text=here"], &[], |builder| {
        let mut settings = Settings::default();
        (settings.fallback.hedge, settings.fallback.hedge_share) = (true, 1.0);
        builder.with_clock(Arc::new(clocked)).settings(settings)
    })
    .await;
    let mut calls = JoinSet::new();
    let mut asked = 0;
    for low in [true, false] {
        pair.tertulia.set_low_power(low);
        let chat = pair.chat();
        calls.spawn(async move { chat.send("hi").await });
        asked += 1;
        while pair.asked().0 < asked {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(2));
        for _ in 0..400 {
            tokio::task::yield_now().await;
        }
        assert!(!low || pair.asked().0 == asked, "a second request");
    }
    assert_eq!(soon(calls.join_next()).await.unwrap().unwrap().unwrap().text(), "here");
    assert_eq!(pair.asked().0, 3);
    calls.abort_all();
    pair.close().await;
}

#[tokio::test]
async fn of_two_requests_that_are_answered_at_once_one_is_heard_and_the_other_is_paid_for_and_closed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let spec = ProviderSpec::openai_chat("lab", format!("http://{}/v1", listener.local_addr().unwrap()));
    let mut settings = Settings::default();
    (settings.fallback.hedge, settings.fallback.hedge_share) = (true, 1.0);
    let clock = ManualClock::default();
    let tertulia = Tertulia::builder()
        .store("memory:")
        .with_environment(Arc::new(|_: &str| None))
        .with_clock(Arc::new(clock.clone()))
        .provider(spec.model("*", priced(None)))
        .settings(settings)
        .open()
        .await
        .unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let mut calls = JoinSet::new();
    calls.spawn({
        let chat = chat.clone();
        async move { chat.send("How many are there?").model("lab/m").await }
    });
    let asked = async || {
        let (mut socket, _) = soon(listener.accept()).await.unwrap();
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).contains("How many are there?") {
            soon(socket.read_buf(&mut request)).await.unwrap();
        }
        socket
    };
    let first = asked().await;
    clock.advance(Duration::from_secs(2));
    let second = asked().await;
    let event = |body: Value| format!("data: {body}\n\n");
    let word = event(json!({"choices": [{"index": 0, "delta": {"content": "three"}}]}));
    let end = event(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}))
        + &event(json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 20}}));
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let mut sockets = [first, second];
    for socket in &mut sockets {
        socket.write_all(format!("{head}{word}").as_bytes()).await.unwrap();
    }
    // Exactly one of them is closed from the other side; who is left says the rest.
    let closed = async |socket: &mut tokio::net::TcpStream| {
        let mut rest = [0; 64];
        while !matches!(socket.read(&mut rest).await, Ok(0) | Err(_)) {}
    };
    let [one, other] = &mut sockets;
    let heard = soon(async {
        tokio::select! {
            () = closed(one) => other,
            () = closed(other) => one,
        }
    })
    .await;
    heard.write_all(format!("{end}data: [DONE]\n\n").as_bytes()).await.unwrap();
    heard.shutdown().await.unwrap();
    let reply = soon(calls.join_next()).await.unwrap().unwrap().unwrap();
    assert_eq!(reply.text(), "three");
    // "How many are there?" is twelve tokens with what stands around it; what had come of the other's answer when it was closed is none or two.
    let usage = &reply.usage;
    assert_eq!((usage.input_tokens, usage.requests, usage.source), (100 + 12, 2, UsageSource::Estimated));
    assert!((20..=22).contains(&usage.output_tokens), "{usage:?}");
    assert_eq!(reply.cost.nano_usd, Some(1_000 * usage.input_tokens + 2_000 * usage.output_tokens));
    let kinds: Vec<_> = reply.attempts.iter().map(|attempt| attempt.kind).collect();
    assert_eq!(kinds, [Some(ErrorKind::Cancelled), None]);
    assert_eq!(last(&chat).await.usage.as_ref(), Some(usage));
    tertulia.close().await.unwrap();
}
