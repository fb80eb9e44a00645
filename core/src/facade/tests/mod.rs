//! The border without a border: what the other languages call, called from Rust, against the simulator.

mod pages;
mod service;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::json;
use tertulia_simulator::{EventKind, Script, Simulator};

use super::*;
use crate::{base, call, engine, model, policy};

mod host;
mod live;
mod logs;
mod own_providers;

fn say(text: &str) -> Vec<Part> {
    vec![Part::Text { text: text.to_owned(), citations: Vec::new() }]
}

fn words(parts: &[Part]) -> String {
    parts
        .iter()
        .filter_map(|part| if let Part::Text { text, .. } = part { Some(text.as_str()) } else { None })
        .collect()
}

fn lab(simulator: &Simulator) -> ProviderSpec {
    ProviderSpec {
        name: "lab".to_owned(),
        base_url: format!("{}/v1", simulator.url()),
        dialect: "openai_chat".to_owned(),
        auth: None,
        key_variable: None,
        allow_http: false,
        models: None,
    }
}

fn options(simulator: &Simulator) -> OpenOptions {
    OpenOptions {
        store: Some("memory:".to_owned()),
        model: Some("lab/any".to_owned()),
        fallback: None,
        keys: HashMap::new(),
        providers: vec![lab(simulator)],
        settings: Some(
            r#"{"profile": "mobile", "retry": {"max_attempts": 1}, "outbox": {"degrade": false}}"#.to_owned(),
        ),
    }
}

async fn open(script: &str) -> (Simulator, Arc<Tertulia>, Arc<Conversation>) {
    let simulator = Simulator::start().await.unwrap();
    simulator.set_script("any", Script::parse(script).unwrap());
    let tertulia = open_tertulia(options(&simulator), None, Vec::new(), None).await.unwrap();
    let chat = tertulia.user(None, HashMap::new()).new_conversation(None, None, None, HashMap::new(), Vec::new(), None);
    (simulator, tertulia, chat)
}

async fn hung_up(simulator: &Simulator) {
    simulator.wait_for(|event| event.kind == EventKind::ClosedByPeer && event.request.is_some()).await;
}

fn reason<T: std::fmt::Debug>(outcome: Result<T, TertuliaError>) -> String {
    let info = outcome.unwrap_err().info().clone();
    format!("{} {}", base::ErrorKind::from(info.kind), info.reason)
}

/// Reads until words have come.
async fn until_words(stream: &ReplyStream) {
    loop {
        let events = stream.next_batch(64, 33, None).await.unwrap();
        assert!(!events.is_empty(), "the stream ended without words");
        if events.iter().any(|event| matches!(event.kind, StreamEventKind::Text { .. })) {
            return;
        }
    }
}

#[tokio::test]
async fn a_message_is_sent_answered_and_read_back() {
    let (simulator, tertulia, chat) = open("text=Hello%20there").await;
    let reply = chat.send(say("Hi"), CallOptions::default(), None).await.unwrap();
    assert_eq!((words(&reply.parts).as_str(), reply.status), ("Hello there", ReplyStatus::Done));
    assert_eq!(reply.conversation_id, Some(chat.id()));
    let page = chat.history(None, 50, None, None, None).await.unwrap();
    let said: Vec<_> = page.items.iter().map(|m| (m.role, words(&m.parts))).collect();
    assert_eq!(said, [(Role::User, "Hi".to_owned()), (Role::Assistant, "Hello there".to_owned())]);
    assert!(page.items[0].created_at > std::time::UNIX_EPOCH, "the moment is lost");
    assert!(page.reached_start && page.reached_end);
    let newer = HistoryAnchor::After { cursor: page.after.unwrap() };
    assert!(chat.history(Some(newer), 50, None, None, None).await.unwrap().items.is_empty());
    let asked = tertulia.ask(say("Once"), CallOptions::default(), None).await.unwrap();
    assert_eq!((asked.turn_id, simulator.request_count()), (None, 2));
}

#[tokio::test]
async fn after_the_shutdown_every_handle_says_closed_and_a_second_one_is_nothing() {
    let (_simulator, tertulia, chat) = open("text=ok").await;
    chat.send(say("Hi"), CallOptions::default(), None).await.unwrap();
    tertulia.shutdown().await.unwrap();
    tertulia.shutdown().await.unwrap();
    assert_eq!(reason(chat.send(say("Hi"), CallOptions::default(), None).await), "closed closed");
    assert_eq!(reason(chat.history(None, 50, None, None, None).await), "closed closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_shutdowns_at_once_are_one() {
    let simulator = Simulator::start().await.unwrap();
    for _ in 0..100 {
        let tertulia = open_tertulia(options(&simulator), None, Vec::new(), None).await.unwrap();
        let other = tertulia.clone();
        let mut at_once = tokio::task::JoinSet::new();
        at_once.spawn(async move { other.shutdown().await });
        tertulia.shutdown().await.unwrap();
        at_once.join_next().await.unwrap().unwrap().unwrap();
    }
}

/// A future that is polled only so often is dropped at each place where it waits.
#[tokio::test]
async fn a_call_that_is_dropped_at_any_of_its_waits_leaves_no_turn_behind_it() {
    let (_simulator, tertulia, chat) = open("text=a%20b;chunks=2;stall=1").await;
    for polls in 0..12 {
        let mut sending = Box::pin(chat.send(say("Hi"), CallOptions::default(), None));
        let mut streaming = Box::pin(chat.stream(say("Hi"), CallOptions::default(), None));
        for _ in 0..polls {
            assert!(futures::poll!(&mut sending).is_pending());
            if futures::poll!(&mut streaming).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
            std::thread::yield_now();
        }
        drop((sending, streaming));
        // Nothing holds the conversation's queue: the next turn is answered.
        let quick = CallOptions { model: Some("lab/sim:text=ok".into()), ..CallOptions::default() };
        let reply = chat.send(say("Next"), quick, None).await.unwrap();
        assert_eq!(words(&reply.parts), "ok");
    }
    tertulia.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_stream_is_pulled_in_batches_and_its_reply_can_be_had_more_than_once() {
    let (_simulator, _tertulia, chat) = open("reasoning=Hm;text=one%20two%20three;chunks=3").await;
    let stream = chat.stream(say("Count"), CallOptions::default(), None).await.unwrap();
    let mut kinds = Vec::new();
    let (mut said, mut thought) = (String::new(), String::new());
    loop {
        let events = stream.next_batch(64, 33, None).await.unwrap();
        if events.is_empty() {
            break;
        }
        for event in events {
            match event.kind {
                StreamEventKind::Started { turn_id, .. } => {
                    assert_eq!(turn_id, stream.turn_id());
                    kinds.push("started");
                }
                StreamEventKind::Text { delta } => said.push_str(&delta),
                StreamEventKind::Reasoning { delta } => thought.push_str(&delta),
                StreamEventKind::Done { reply } => {
                    assert_eq!(words(&reply.parts), "one two three");
                    kinds.push("done");
                }
                StreamEventKind::Usage { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((said.as_str(), thought.as_str()), ("one two three", "Hm"));
    assert_eq!(kinds, ["started", "done"]);
    let first = stream.reply(None).await.unwrap();
    assert_eq!(stream.reply(None).await.unwrap(), first);
    assert!(stream.next_batch(64, 33, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn words_cross_gathered_but_for_the_first_and_with_0_as_they_come() {
    let (_simulator, tertulia, chat) = open("words=40;delay_ms=10").await;
    let mut batches = [0, 0];
    let mut texts = [String::new(), String::new()];
    for (at, gather_ms) in [(0, 60_000), (1, 0)] {
        let stream = chat.stream(say("Count"), CallOptions::default(), None).await.unwrap();
        loop {
            let events = stream.next_batch(64, gather_ms, None).await.unwrap();
            if events.is_empty() {
                break;
            }
            let mut said = events.into_iter().filter_map(|event| match event.kind {
                StreamEventKind::Text { delta } => Some(delta),
                _ => None,
            });
            if let Some(words) = said.next() {
                batches[at] += 1;
                texts[at].push_str(&words);
            }
            assert_eq!(said.next(), None, "words of one voice are one event");
        }
    }
    assert_eq!(texts[0], texts[1]);
    assert!(batches[0] <= 2, "the first words, and all others with the end: {}", batches[0]);
    assert!(batches[1] > 2, "{}", batches[1]);

    // The ground goes with the engine; who reads on hears the end of it.
    let stream = chat.stream(say("Count"), CallOptions::default(), None).await.unwrap();
    until_words(&stream).await;
    tertulia.shutdown().await.unwrap();
    while stream.next_batch(64, 60_000, None).await.is_ok_and(|events| !events.is_empty()) {}
}

#[tokio::test]
async fn a_cancelled_token_ends_a_call_and_closes_its_connection() {
    let (simulator, _tertulia, chat) = open("text=one%20two;chunks=2;stall=1").await;
    let token = CancelToken::new();
    let sending = chat.send(say("Hi"), CallOptions::default(), Some(token.clone()));
    let cancelling = async {
        simulator.wait_for(|event| matches!(event.kind, EventKind::ResponseStarted { .. })).await;
        token.cancel();
    };
    let (sent, ()) = tokio::join!(sending, cancelling);
    assert_eq!(reason(sent), "cancelled cancelled");
    hung_up(&simulator).await;
    assert!(token.is_cancelled());
    let before = simulator.request_count();
    assert_eq!(reason(chat.send(say("Hi"), CallOptions::default(), Some(token)).await), "cancelled cancelled");
    assert_eq!(simulator.request_count(), before, "a call with a spent token went out");
}

#[tokio::test]
async fn a_dropped_future_stops_its_call() {
    let (simulator, _tertulia, chat) = open("stall").await;
    let mut sending = Box::pin(chat.send(say("Hi"), CallOptions::default(), None));
    tokio::select! {
        _ = &mut sending => panic!("a stalled call ended"),
        _ = simulator.wait_for(|event| event.kind == EventKind::RequestReceived) => {}
    }
    drop(sending);
    hung_up(&simulator).await;
}

#[tokio::test]
async fn a_stream_that_is_cancelled_while_somebody_reads_ends_for_him_with_what_had_come() {
    let (simulator, _tertulia, chat) = open("text=one%20two%20three;chunks=3;stall=2").await;
    let stream = chat.stream(say("Count"), CallOptions::default(), None).await.unwrap();
    until_words(&stream).await;
    let reading = async { while !stream.next_batch(1, 33, None).await.unwrap().is_empty() {} };
    let cancelling = async { stream.cancel() };
    tokio::join!(reading, cancelling);
    let reply = stream.reply(None).await.unwrap();
    assert_eq!(reply.status, ReplyStatus::Cancelled);
    assert!("one two ".starts_with(&words(&reply.parts)) && !words(&reply.parts).is_empty(), "{:?}", reply.parts);
    hung_up(&simulator).await;
}

#[tokio::test]
async fn a_token_ends_the_waiting_for_a_stream_and_not_its_call() {
    let (_simulator, _tertulia, chat) = open("text=one%20two%20three;chunks=3;stall=2").await;
    let stream = chat.stream(say("Count"), CallOptions::default(), None).await.unwrap();
    let token = CancelToken::new();
    token.cancel();
    assert_eq!(reason(stream.next_batch(64, 33, Some(token.clone())).await), "cancelled cancelled");
    assert_eq!(reason(stream.reply(Some(token)).await), "cancelled cancelled");
    until_words(&stream).await;
}

#[tokio::test]
async fn a_freed_stream_stops_its_call_and_a_detached_one_does_not() {
    let (simulator, _tertulia, chat) = open("text=one%20two%20three;chunks=3;stall=2").await;
    let stream = chat.stream(say("Count"), CallOptions::default(), None).await.unwrap();
    until_words(&stream).await;
    drop(stream);
    hung_up(&simulator).await;

    simulator.set_script("any", Script::parse("text=a%20b%20c;chunks=3;delay_ms=20").unwrap());
    let stream = chat.stream(say("Again"), CallOptions::default(), None).await.unwrap();
    let turn = stream.turn_id().unwrap();
    stream.detach();
    drop(stream);
    let watched = chat.attach(turn, 0, None).await.unwrap().reply(None).await.unwrap();
    assert_eq!((words(&watched.parts).as_str(), watched.status), ("a b c", ReplyStatus::Done));
}

#[tokio::test]
async fn whoever_leaves_a_stream_stops_only_a_call_of_his_own() {
    let (simulator, _tertulia, chat) = open("text=a%20b%20c;chunks=3;delay_ms=200").await;
    let stream = chat.stream(say("Count"), CallOptions::default(), None).await.unwrap();
    let watching = chat.attach(stream.turn_id().unwrap(), 0, None).await.unwrap();
    until_words(&watching).await;
    watching.leave();
    stream.detach();
    stream.leave();
    let whole = watching.reply(None).await.unwrap();
    assert_eq!((words(&whole.parts).as_str(), whole.status), ("a b c", ReplyStatus::Done));

    simulator.set_script("any", Script::parse("text=one%20two%20three;chunks=3;stall=2").unwrap());
    let own = chat.stream(say("Again"), CallOptions::default(), None).await.unwrap();
    until_words(&own).await;
    own.leave();
    hung_up(&simulator).await;
    assert_eq!(own.reply(None).await.unwrap().status, ReplyStatus::Cancelled);
}

#[tokio::test]
async fn a_turn_is_stopped_from_outside_and_asked_for_again() {
    let (simulator, _tertulia, chat) = open("text=one%20two%20three;chunks=3;stall=2").await;
    let stream = chat.stream(say("Count"), CallOptions::default(), None).await.unwrap();
    until_words(&stream).await;
    let turn = stream.turn_id().unwrap();
    chat.stop(turn.clone(), None).await.unwrap();
    assert_eq!(reason(stream.reply(None).await), "cancelled stopped");
    simulator.set_script("any", Script::parse("text=whole").unwrap());
    let again = chat.retry(turn.clone(), CallOptions::default(), None).await.unwrap();
    assert_eq!(words(&again.reply(None).await.unwrap().parts), "whole");
    assert_eq!(reason(chat.retry(turn, CallOptions::default(), None).await.map(drop)), "conflict already_answered");
}

#[tokio::test]
async fn what_breaks_off_is_thrown_once_with_what_had_come() {
    let (_simulator, _tertulia, chat) = open("text=Half%20a%20word;chunks=3;cut=2").await;
    let error = chat.send(say("Hi"), CallOptions::default(), None).await.unwrap_err();
    let TertuliaError::Truncated { info } = &error else { panic!("{error}") };
    assert_eq!((words(&info.partial).as_str(), info.saved, info.kind), ("Half a ", true, ErrorKind::Truncated));
    // Exceptions end in logs: what had come is in the record and not in the words.
    for shown in [error.to_string(), info.to_string()] {
        assert!(shown.starts_with("truncated (") && shown.contains("conversation.send"), "{shown}");
        assert!(!shown.contains("Half"), "{shown}");
    }
}

#[tokio::test]
async fn messages_are_appended_all_or_none() {
    let (simulator, _tertulia, chat) = open("text=ok").await;
    let said = |role, text| NewMessage { role, parts: say(text), metadata: HashMap::new() };
    assert_eq!(
        reason(chat.append(vec![said(Role::User, "a"), said(Role::User, " ")], None).await),
        "invalid empty_message"
    );
    assert!(chat.history(None, 50, None, None, None).await.unwrap().items.is_empty());
    let ids = chat.append(vec![said(Role::User, "a"), said(Role::Assistant, "b")], None).await.unwrap();
    let page = chat.history(None, 50, None, None, None).await.unwrap();
    assert_eq!(page.items.into_iter().map(|m| m.id).collect::<Vec<_>>(), ids);
    assert_eq!(simulator.request_count(), 0);
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_by_name_and_never_quoted() {
    let (simulator, tertulia, chat) = open("text=ok").await;
    let user = tertulia.user(Some("ana".to_owned()), HashMap::new());
    assert_eq!(reason(user.conversation("no-id".to_owned()).map(|chat| chat.id())), "invalid bad_id");
    assert_eq!(reason(chat.stop("no-id".to_owned(), None).await), "invalid bad_id");
    let anchor = HistoryAnchor::Before { cursor: "no cursor".to_owned() };
    assert_eq!(reason(chat.history(Some(anchor), 50, None, None, None).await), "invalid bad_cursor");
    for limit in [-1, 0, 201] {
        assert_eq!(reason(chat.history(None, limit, None, None, None).await), "invalid bad_limit");
    }
    let bad = CallOptions { extra_body: Some("{secret".to_owned()), ..CallOptions::default() };
    let error = chat.send(say("Hi"), bad, None).await.unwrap_err();
    assert_eq!((error.info().reason.as_str(), error.info().detail.contains("secret")), ("bad_json", false));
    assert!(error.info().detail.contains("`extra_body`"), "{error}");
    let attachment = Media {
        source: MediaSource::Attachment { id: "no-id".to_owned() },
        mime_type: None,
        name: None,
        size_bytes: None,
    };
    let parts = vec![Part::Image { media: attachment }];
    assert_eq!(reason(chat.send(parts, CallOptions::default(), None).await), "invalid bad_id");
    assert_eq!(simulator.request_count(), 0);

    let with = |change: fn(&mut OpenOptions)| {
        let mut options = options(&simulator);
        change(&mut options);
        open_tertulia(options, None, Vec::new(), None)
    };
    let settings = with(|o| o.settings = Some(r#"{"retyr": {}}"#.to_owned())).await.map(drop);
    assert_eq!(reason(settings), "invalid bad_settings");
    assert_eq!(reason(with(|o| o.settings = Some("{".to_owned())).await.map(drop)), "invalid bad_json");
    assert_eq!(reason(with(|o| o.providers[0].dialect = "klingon".to_owned()).await.map(drop)), "invalid bad_provider");
    assert_eq!(
        reason(with(|o| o.providers[0].models = Some("[1]".to_owned())).await.map(drop)),
        "invalid bad_provider"
    );
    assert_eq!(reason(with(|o| o.providers[0].auth = Some("a b".to_owned())).await.map(drop)), "invalid bad_provider");
    assert_eq!(
        reason(with(|o| o.providers[0].base_url = "http://x.example".to_owned()).await.map(drop)),
        "invalid bad_url"
    );
}

#[tokio::test]
async fn a_providers_models_key_and_dialect_are_heeded() {
    let simulator = Simulator::start().await.unwrap();
    let mut options = options(&simulator);
    let priced = r#"{"*": {"price": {"input_nano_usd": 2000000000, "output_nano_usd": 8000000000}}}"#;
    options.providers[0].models = Some(priced.to_owned());
    options.providers.push(ProviderSpec {
        name: "other".to_owned(),
        dialect: "anthropic".to_owned(),
        auth: Some("x-own-key".to_owned()),
        key_variable: Some("NO_SUCH_VARIABLE".to_owned()),
        ..lab(&simulator)
    });
    options.keys.insert("other".to_owned(), "k-options".to_owned());
    let tertulia = open_tertulia(options, None, Vec::new(), None).await.unwrap();
    let ask = |model: &str, key: Option<&str>| {
        let options =
            CallOptions { model: Some(model.to_owned()), key: key.map(str::to_owned), ..CallOptions::default() };
        tertulia.ask(say("Hi"), options, None)
    };
    let priced = ask("lab/sim:text=ok;usage=1000/200", None).await.unwrap();
    assert_eq!((priced.cost.nano_usd, priced.cost.to_string().as_str()), (Some(3_600_000), "$0.0036"));
    ask("other/any", None).await.unwrap();
    ask("other/any", Some("k-call")).await.unwrap();
    let sent: Vec<_> =
        simulator.requests().iter().map(|r| (r.path.clone(), r.header("x-own-key").map(str::to_owned))).collect();
    let expected =
        [("/v1/chat/completions", None), ("/v1/messages", Some("k-options")), ("/v1/messages", Some("k-call"))];
    assert_eq!(sent, expected.map(|(path, key)| (path.to_owned(), key.map(str::to_owned))));
    let own = tertulia.user(Some("bob".to_owned()), HashMap::from([("other".to_owned(), "k-bob".to_owned())]));
    own.ask(say("Hi"), CallOptions { model: Some("other/any".to_owned()), ..CallOptions::default() }, None)
        .await
        .unwrap();
    assert_eq!(simulator.requests()[3].header("x-own-key"), Some("k-bob"));
}

#[test]
fn a_caller_without_a_runtime_is_served() {
    let options = OpenOptions {
        store: Some("memory:".to_owned()),
        model: Some("lab/any".to_owned()),
        fallback: None,
        keys: HashMap::new(),
        // Nobody listens there.
        providers: vec![ProviderSpec { base_url: "http://127.0.0.1:9/v1".to_owned(), ..spec_named("lab") }],
        settings: Some(r#"{"retry": {"max_attempts": 1}}"#.to_owned()),
    };
    futures::executor::block_on(async {
        let tertulia = open_tertulia(options, None, Vec::new(), None).await.unwrap();
        let chat = tertulia.user(None, HashMap::new()).conversation_for("diary".to_owned());
        let failed = chat.send(say("Hi"), CallOptions::default(), None).await.unwrap_err();
        assert!(matches!(failed, TertuliaError::Unavailable { .. }) && failed.info().saved, "{failed}");
        let page = chat.history(None, 50, None, None, None).await.unwrap();
        assert_eq!(words(&page.items[0].parts), "Hi");
        tertulia.shutdown().await.unwrap();
    });
}

fn spec_named(name: &str) -> ProviderSpec {
    ProviderSpec {
        name: name.to_owned(),
        base_url: String::new(),
        dialect: "openai_chat".to_owned(),
        auth: None,
        key_variable: None,
        allow_http: false,
        models: None,
    }
}

#[test]
fn every_kind_of_error_has_its_own_class_with_the_same_words() {
    use base::ErrorKind::*;
    let all = [
        Invalid,
        NotFound,
        Conflict,
        Unauthorized,
        QuotaExhausted,
        BudgetExceeded,
        RateLimited,
        Unavailable,
        TimedOut,
        ContextTooLong,
        ContentFiltered,
        Truncated,
        OutputInvalid,
        Cancelled,
        Storage,
        Closed,
        Internal,
    ];
    for kind in all {
        let error = model::Error::new(kind, "word", "what to do").with_retry(base::Retry::After { after_ms: 7 });
        let crossed = TertuliaError::from(error.clone());
        let info = crossed.info();
        assert_eq!(base::ErrorKind::from(info.kind), kind);
        assert!(format!("{crossed:?}").starts_with(&format!("{kind:?} {{")), "{crossed:?}");
        assert_eq!((crossed.to_string(), info.user_message.clone()), (error.to_string(), error.user_message()));
        assert_eq!((info.retry, info.retry_after_ms), (Retry::After { after_ms: 7 }, Some(7)));
    }
}

#[test]
fn every_part_comes_back_as_it_went() {
    let media = |source| model::Media {
        source,
        mime_type: Some("image/png".to_owned()),
        name: Some("a.png".to_owned()),
        size_bytes: Some(3),
    };
    let id = base::AttachmentId::from_bytes([7; 16]);
    let call = model::ToolCall {
        id: "c".to_owned(),
        name: "f".to_owned(),
        arguments: json!({"b": 1, "a": [null]}),
        provider_executed: true,
        free_text: true,
    };
    let result = model::ToolResult {
        is_error: true,
        media: vec![media(model::MediaSource::Attachment { id })],
        ..call.result(json!("24 °C"))
    };
    let citation = model::Citation {
        start: 1,
        end: 2,
        url: Some("https://x.example".to_owned()),
        title: Some("X".to_owned()),
        quote: Some("q".to_owned()),
    };
    let parts = vec![
        model::Part::Text { text: "words".to_owned(), citations: vec![citation] },
        model::Part::Reasoning { text: "hm".to_owned() },
        model::Part::Refusal { text: "no".to_owned() },
        model::Part::image(media(model::MediaSource::Data { data: vec![1, 2, 3] })),
        model::Part::audio(media(model::MediaSource::Url { url: "https://x.example/a".to_owned() })),
        model::Part::file(media(model::MediaSource::ProviderFile { provider: "p".to_owned(), id: "f".to_owned() })),
        model::Part::file(media(model::MediaSource::Path { path: "a.pdf".to_owned() })),
        model::Part::ToolCall { call },
        model::Part::tool_result(result),
        model::Part::Opaque {
            provider: "p".to_owned(),
            name: "n".to_owned(),
            attached: true,
            data: json!({"z": 1, "a": 1.5}),
        },
    ];
    assert_eq!(part::taken(part::all(parts.clone())).unwrap(), parts);
}

#[test]
fn every_knob_of_a_call_reaches_the_engine() {
    let head: base::MessageId = "01936f2c-8a00-7000-8000-000000000001".parse().unwrap();
    let given = CallOptions {
        model: Some("lab/any".to_owned()),
        fallback: Some(vec!["lab/other".to_owned()]),
        system: Some("Be brief.".to_owned()),
        temperature: Some(0.2),
        top_p: Some(0.9),
        seed: Some(7),
        stop_sequences: vec!["END".to_owned()],
        max_tokens: Some(64),
        frequency_penalty: Some(0.1),
        presence_penalty: Some(-0.1),
        reasoning_effort: Some(ReasoningEffort::Low),
        reasoning_tokens: Some(128),
        tools: vec![ToolSpec {
            name: "f".to_owned(),
            description: "d".to_owned(),
            parameters: r#"{"type":"object"}"#.to_owned(),
            strict: true,
            text_format: Some(r#"{"type":"text"}"#.to_owned()),
            provider: Some("lab".to_owned()),
        }],
        tool_choice: Some(ToolChoice::Tool { name: "f".to_owned() }),
        parallel_tools: Some(false),
        output_schema: Some(OutputSchema { name: "o".to_owned(), schema: "{}".to_owned(), strict: true }),
        prompt_cache: Some(PromptCache { system: true, messages: vec![1], one_hour: true, key: Some("k".to_owned()) }),
        timeout_ms: Some(30_000),
        mid_stream: Some(MidStream::Continue),
        priority: Some(Priority::Background),
        client_id: Some("mine".to_owned()),
        expected_head: Some(head.to_string()),
        metadata: HashMap::from([("screen".to_owned(), "home".to_owned())]),
        key: Some("sk-secret".to_owned()),
        extra_body: Some(r#"{"service_tier":"flex"}"#.to_owned()),
        degrade: Some(true),
        extra_headers: HashMap::from([("x-a".to_owned(), "b".to_owned())]),
        cache: Some(CacheMode::Refresh),
        context: Some(ContextOptions { turns: Some(3), tokens: Some(900), summary: Some(false) }),
        detached: true,
        max_cost_nano_usd: Some(5),
    };
    assert!(!given.to_string().contains("secret") && given.to_string().contains("lab/any"), "{given}");
    let expected = engine::CallOptions {
        model: Some("lab/any".to_owned()),
        system: Some("Be brief.".to_owned()),
        sampling: model::Sampling {
            temperature: Some(0.2),
            top_p: Some(0.9),
            seed: Some(7),
            stop_sequences: vec!["END".to_owned()],
            max_tokens: Some(64),
            frequency_penalty: Some(0.1),
            presence_penalty: Some(-0.1),
        },
        reasoning_effort: Some(model::ReasoningEffort::Low),
        reasoning_tokens: Some(128),
        tools: vec![model::ToolSpec {
            strict: true,
            text_format: Some(model::TextFormat::Text),
            provider: Some("lab".to_owned()),
            ..model::ToolSpec::new("f", "d", json!({"type": "object"}))
        }],
        tool_choice: Some(model::ToolChoice::Tool { name: "f".to_owned() }),
        parallel_tools: Some(false),
        output_schema: Some(model::OutputSchema { name: "o".to_owned(), schema: json!({}), strict: true }),
        prompt_cache: Some(model::PromptCache {
            system: true,
            messages: vec![1],
            one_hour: true,
            key: Some("k".to_owned()),
        }),
        timeout_ms: Some(30_000),
        fallback: Some(vec!["lab/other".to_owned()]),
        mid_stream: Some(policy::MidStream::Continue),
        priority: model::Priority::Background,
        client_id: Some("mine".to_owned()),
        expected_head: Some(head),
        metadata: HashMap::from([("screen".to_owned(), "home".to_owned())]),
        key: Some(base::Secret::new("sk-secret")),
        extra_body: Some(json!({"service_tier": "flex"})),
        degrade: Some(true),
        extra_headers: HashMap::from([("x-a".to_owned(), "b".to_owned())]),
        cache: Some(policy::CacheMode::Refresh),
        context: engine::ContextOptions { turns: Some(3), tokens: Some(900), summary: Some(false) },
        detached: true,
        max_cost_nano_usd: Some(5),
    };
    assert_eq!(engine::CallOptions::try_from(given).unwrap(), expected);
    assert_eq!(engine::CallOptions::try_from(CallOptions::default()).unwrap(), engine::CallOptions::default());
}

#[test]
fn printed_options_show_no_key() {
    let options = OpenOptions {
        store: Some("chat.db".to_owned()),
        model: None,
        fallback: None,
        keys: HashMap::from([("openai".to_owned(), "sk-secret".to_owned())]),
        providers: Vec::new(),
        settings: None,
    };
    let shown = options.to_string();
    assert!(shown.contains("openai") && shown.contains("chat.db") && !shown.contains("sk-secret"), "{shown}");
}

#[test]
fn a_dialect_brings_its_own_way_to_sign() {
    let made = |dialect: &str, auth: Option<&str>| {
        let spec = ProviderSpec {
            base_url: "https://x.example/v1".to_owned(),
            dialect: dialect.to_owned(),
            auth: auth.map(str::to_owned),
            ..spec_named("x")
        };
        call::ProviderSpec::try_from(spec).unwrap()
    };
    let (name, url) = ("x", "https://x.example/v1");
    assert_eq!(made("anthropic", None), call::ProviderSpec::anthropic(name, url));
    assert_eq!(made("gemini", None), call::ProviderSpec::gemini(name, url));
    assert_eq!(made("ollama", None), call::ProviderSpec::ollama(name, url));
    assert_eq!(made("openai_responses", None), call::ProviderSpec::openai_responses(name, url));
    assert_eq!(made("gemini", Some("bearer")), call::ProviderSpec::gemini(name, url).auth(call::AuthScheme::Bearer));
}
