//! The same conversation in every dialect, over real sockets: the simulator speaks all five.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;
use support::{cause_of, within};
use tertulia::ErrorKind::{
    ContentFiltered, ContextTooLong, Invalid, QuotaExhausted, RateLimited, TimedOut, Unauthorized, Unavailable,
};
use tertulia::{
    Capabilities, ErrorKind, FinishReason, ModelInfo, Part, ProviderSpec, StreamEventKind, Tertulia, TextFormat,
    ToolSpec, UsageSource,
};
use tertulia_simulator::{EventKind, Script, Simulator};

/// The names of the dialects; a provider of each name speaks it.
const DIALECTS: [&str; 5] = ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"];

fn provider(dialect: &str, url: &str) -> ProviderSpec {
    let spec = match dialect {
        "openai_chat" => ProviderSpec::openai_chat(dialect, format!("{url}/v1")),
        "openai_responses" => ProviderSpec::openai_responses(dialect, format!("{url}/v1")),
        "anthropic" => ProviderSpec::anthropic(dialect, format!("{url}/v1")),
        "gemini" => ProviderSpec::gemini(dialect, format!("{url}/v1beta")),
        "ollama" => ProviderSpec::ollama(dialect, url),
        _ => panic!("no such dialect: {dialect}"),
    };
    let whole = Capabilities { streaming: Some(false), ..Capabilities::default() };
    spec.model("whole", ModelInfo { capabilities: whole, ..ModelInfo::default() })
}

/// An engine and a server that speaks all dialects. `m` streams, `whole` answers in one piece.
async fn lab(script: &str) -> (Tertulia, Simulator) {
    let simulator = Simulator::start().await.unwrap();
    for model in ["m", "whole"] {
        simulator.set_script(model, Script::parse(script).unwrap());
    }
    (engine(&simulator, "memory:").await, simulator)
}

async fn engine(simulator: &Simulator, store: &str) -> Tertulia {
    let mut settings = tertulia::Settings::default();
    settings.retry.max_attempts = 1;
    let mut builder = Tertulia::builder().with_environment(Arc::new(|_: &str| None)).settings(settings).store(store);
    for dialect in DIALECTS {
        builder = builder.provider(provider(dialect, &simulator.url()));
    }
    builder.open().await.unwrap()
}

async fn close(tertulia: Tertulia, simulator: Simulator) {
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn every_dialect_answers_whole_and_streamed_with_the_same_words_thoughts_and_counts() {
    let (tertulia, simulator) = lab("text=Good day, Łódź: it rains.;reasoning=Let me see.;usage=40/30;cached=8").await;
    for dialect in DIALECTS {
        for model in ["m", "whole"] {
            let chat = tertulia.user("ana").new_conversation();
            let reply = chat.send("Hello").model(format!("{dialect}/{model}")).await.unwrap();
            let told = format!("{dialect}/{model}: {reply:?}");
            assert_eq!(reply.text(), "Good day, Łódź: it rains.", "{told}");
            assert_eq!(reply.reasoning(), "Let me see.", "{told}");
            assert_eq!(reply.finish_reason, Some(FinishReason::Stop), "{told}");
            assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), (40, 30), "{told}");
            assert_eq!(reply.usage.source, UsageSource::Reported, "{told}");
            // Ollama knows nothing of a cache.
            assert_eq!(reply.usage.cache_read_input_tokens, if dialect == "ollama" { 0 } else { 8 }, "{told}");
            assert_eq!(chat.history().await.unwrap().items[1].text(), reply.text(), "{told}");
        }
    }
    close(tertulia, simulator).await;
}

#[tokio::test]
async fn every_dialect_streams_word_by_word_and_the_whole_history_is_shown_to_the_model() {
    let (tertulia, simulator) = lab("").await;
    for dialect in DIALECTS {
        let chat = tertulia.user("ana").new_conversation();
        let model = format!("{dialect}/m");
        chat.send("first").model(&*model).system("Be kind.").await.unwrap();
        let mut stream = chat.stream("second").model(&*model).await.unwrap();
        let mut pieces = Vec::new();
        while let Some(event) = within(stream.next_event()).await.unwrap() {
            if let StreamEventKind::Text { delta } = event.kind {
                pieces.push(delta);
            }
        }
        assert_eq!(pieces.concat(), "You said: \"second\". I have seen 3 messages in this conversation.", "{dialect}");
        assert!(pieces.len() > 5, "{dialect} came in {} pieces", pieces.len());
    }
    close(tertulia, simulator).await;
}

#[tokio::test]
async fn what_a_reply_took_comes_with_its_last_event_in_every_dialect() {
    let (tertulia, simulator) = lab("text=one two three;usage=40/30").await;
    for dialect in DIALECTS {
        let chat = tertulia.user("ana").new_conversation();
        let mut stream = chat.stream("Hello").model(format!("{dialect}/m")).await.unwrap();
        let mut counted = None;
        while let Some(event) = within(stream.next_event()).await.unwrap() {
            match event.kind {
                StreamEventKind::Usage { .. } => {
                    panic!("{dialect} counts on the way: say so where the event is described")
                }
                StreamEventKind::Done { reply } => {
                    counted = Some((reply.usage.input_tokens, reply.usage.output_tokens))
                }
                _ => {}
            }
        }
        assert_eq!(counted, Some((40, 30)), "{dialect}");
    }
    close(tertulia, simulator).await;
}

#[tokio::test]
async fn every_dialect_calls_tools_and_takes_their_answers() {
    let arguments = json!({"city": "Łódź", "days": [1, 2]});
    let (tertulia, simulator) = lab(&format!("tool=weather:{arguments};tool=clock")).await;
    let tools = ["weather", "clock"].map(|name| ToolSpec::new(name, "Looks.", json!({"type": "object"})));
    for dialect in DIALECTS {
        for model in ["m", "whole"] {
            let chat = tertulia.user("ana").new_conversation();
            let target = format!("{dialect}/{model}");
            let reply = chat.send("Hello").model(&*target).tools(tools.clone()).await.unwrap();
            assert_eq!(reply.finish_reason, Some(FinishReason::ToolCalls), "{target}");
            let [Part::ToolCall { call: first }, Part::ToolCall { call: second }] = &reply.parts[..] else {
                panic!("{target}: {:?}", reply.parts)
            };
            assert_eq!((&*first.name, &first.arguments), ("weather", &arguments), "{target}");
            assert_eq!((&*second.name, &second.arguments), ("clock", &json!({})), "{target}");
            let ids: BTreeSet<_> = [&first.id, &second.id].into_iter().filter(|id| !id.is_empty()).collect();
            assert_eq!(ids.len(), 2, "{target}: every call has an id, its own or one of ours");
            let results = [Part::tool_result(first.result("sunny")), Part::tool_result(second.result("noon"))];
            let reply = chat.send(results).model(&*target).tools(tools.clone()).await.unwrap();
            assert!(reply.text().starts_with("The tool answered: sunny, noon."), "{target}: {}", reply.text());
        }
    }
    close(tertulia, simulator).await;
}

#[tokio::test]
async fn a_call_of_free_text_made_in_one_dialect_goes_on_in_every_other_after_a_restart() {
    // Looks like arguments of a function that were cut off.
    let text = "*** Begin\n{\"input\": \"half";
    let (tertulia, simulator) = lab(&format!("tool=patch:{}", json!({"input": text}))).await;
    tertulia.close().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tools = || [ToolSpec::free_text("patch", "Applies a patch.", TextFormat::Text)];
    for from in DIALECTS {
        let store = folder.path().join(format!("{from}.db"));
        let store = store.to_str().unwrap();
        let first = engine(&simulator, store).await;
        let mut begun = Vec::new();
        for to in DIALECTS {
            let chat = first.user("ana").new_conversation();
            let reply = chat.send("Hello").model(format!("{from}/m")).tools(tools()).await.unwrap();
            let [Part::ToolCall { call }] = &reply.parts[..] else { panic!("{from}: {:?}", reply.parts) };
            assert_eq!((&call.arguments, call.free_text), (&json!(text), true), "{from}");
            begun.push((to, chat.id()));
        }
        first.close().await.unwrap();
        let second = engine(&simulator, store).await;
        for (to, id) in begun {
            let chat = second.user("ana").conversation(id);
            let said = chat.history().await.unwrap().items;
            let Some(Part::ToolCall { call }) = said[1].parts.first() else { panic!("{from}: {said:?}") };
            assert_eq!((&call.arguments, call.free_text), (&json!(text), true), "{from}, stored");
            let model = format!("{to}/m");
            let reply =
                chat.send([Part::tool_result(call.result("applied"))]).model(model).tools(tools()).await.unwrap();
            assert!(reply.text().starts_with("The tool answered: applied."), "{from} to {to}: {}", reply.text());
            let body = simulator.requests().last().unwrap().json().to_string();
            assert!(body.contains("*** Begin") && !body.contains("malformed"), "{from} to {to}: {body}");
            assert!(!body.contains("invalid_json"), "{from} to {to}: {body}");
        }
        second.close().await.unwrap();
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn every_class_of_error_means_the_same_in_every_dialect_but_where_a_provider_cannot_tell() {
    let table: [(&str, ErrorKind, &str); 13] = [
        ("invalid", Invalid, "bad_request"),
        ("auth", Unauthorized, "key_rejected"),
        ("permission", Unauthorized, "not_allowed"),
        ("billing", QuotaExhausted, "account"),
        ("not_found", Invalid, "unknown_model"),
        ("conflict", Unavailable, "provider_error"),
        ("too_large", Invalid, "too_large"),
        ("context", ContextTooLong, "provider"),
        ("filtered", ContentFiltered, "prompt"),
        ("rate_limit", RateLimited, "provider_limit"),
        ("quota", QuotaExhausted, "account"),
        ("server", Unavailable, "provider_error"),
        ("overloaded", Unavailable, "overloaded"),
    ];
    let (tertulia, simulator) = lab("").await;
    for (class, kind, reason) in table {
        for model in ["m", "whole"] {
            simulator.set_script(model, Script::parse(&format!("error={class}")).unwrap());
            for dialect in DIALECTS {
                let expected = match (dialect, class) {
                    // Google says both under a status that means something else.
                    ("gemini", "billing") => (Unauthorized, "not_allowed".to_owned()),
                    ("gemini", "too_large") => (Invalid, "bad_request".to_owned()),
                    _ => (kind, reason.to_owned()),
                };
                // A key that was refused is left alone.
                let asked = tertulia.ask("Hello").model(format!("{dialect}/{model}")).key(class);
                assert_eq!(cause_of(asked.await), expected, "{dialect}/{model}: {class}");
            }
        }
    }
    simulator.set_script("m", Script::parse("error=timeout").unwrap());
    for dialect in DIALECTS {
        let (kind, _) = cause_of(tertulia.ask("Hello").model(format!("{dialect}/m")).await);
        assert!(matches!(kind, TimedOut | Unavailable), "{dialect}: {kind:?}");
    }
    close(tertulia, simulator).await;
}

#[tokio::test]
async fn a_stream_without_its_end_is_truncated_in_every_dialect_however_it_ends() {
    let (tertulia, simulator) = lab("").await;
    for (script, reason) in [("cut=2", None), ("truncate=2", Some("cut")), ("reset=2", None), ("error_after=2", None)] {
        simulator.set_script("m", Script::parse(&format!("text=one two three four;delay_ms=1;{script}")).unwrap());
        for dialect in DIALECTS {
            let chat = tertulia.user("ana").new_conversation();
            let error = within(async { chat.send("Hello").model(format!("{dialect}/m")).await }).await.unwrap_err();
            let told = format!("{dialect}, {script}: {error:?}");
            assert_eq!(error.kind(), ErrorKind::Truncated, "{told}");
            assert!(reason.is_none_or(|reason| reason == error.reason()), "{told}");
            // A reset may overtake what was sent just before it.
            if script == "reset=2" {
                assert!(
                    [Vec::new(), vec![Part::text("one")], vec![Part::text("one two")]]
                        .contains(&error.partial().to_vec()),
                    "{told}"
                );
            } else {
                assert_eq!(error.partial(), [Part::text("one two")], "{told}");
            }
            assert!(error.saved(), "{told}");
        }
    }
    close(tertulia, simulator).await;
}

#[tokio::test]
async fn cancelling_closes_the_connection_in_every_dialect() {
    let (tertulia, simulator) = lab("words=10000;delay_ms=20").await;
    for dialect in DIALECTS {
        simulator.clear();
        let chat = tertulia.user("ana").new_conversation();
        let mut stream = chat.stream("Hello").model(format!("{dialect}/m")).await.unwrap();
        while !matches!(within(stream.next_event()).await.unwrap().unwrap().kind, StreamEventKind::Text { .. }) {}
        drop(stream);
        within(simulator.wait_for(|event| event.kind == EventKind::ClosedByPeer && event.request.is_some())).await;
    }
    close(tertulia, simulator).await;
}
