mod batches;
#[cfg(feature = "uniffi")]
mod gathered;
mod sse;
mod tasks;

use std::sync::Arc;

use serde_json::json;

use super::context::{choose, load, repair, with_files};
use super::log::{Found, TurnLog};
use super::media::MediaPlan;
use super::settings::Settings;
use super::window::Window;
use crate::base::TurnId;
use crate::model::{Error, Media, MediaSource, NewMessage, Part, Reply, Role, StreamEvent, StreamEventKind, ToolCall};
use crate::net::ReplayTransport;
use crate::policy::tokens_of_message;
use crate::store::MAX_CONTENT_BYTES;

fn call(id: &str) -> Part {
    Part::ToolCall {
        call: ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            arguments: json!({}),
            provider_executed: false,
            free_text: false,
        },
    }
}

fn answer(id: &str) -> Part {
    let Part::ToolCall { call } = call(id) else { unreachable!() };
    Part::tool_result(call.result("42"))
}

fn assistant(parts: impl IntoIterator<Item = Part>) -> NewMessage {
    NewMessage::new(Role::Assistant, parts)
}

fn tool(parts: impl IntoIterator<Item = Part>) -> NewMessage {
    NewMessage::new(Role::Tool, parts)
}

#[test]
fn a_whole_list_of_messages_is_left_as_it_is() {
    let messages = vec![
        NewMessage::user("hi"),
        assistant([call("a"), call("b")]),
        tool([answer("a"), answer("b")]),
        NewMessage::assistant("so"),
    ];
    assert_eq!(repair(messages.clone()), messages);
}

#[test]
fn a_call_without_its_answer_and_an_answer_without_its_call_are_left_out() {
    let repaired = repair(vec![
        tool([answer("lost")]),
        NewMessage::user("hi"),
        assistant([Part::text("let me see"), call("a"), call("b")]),
        tool([answer("b"), answer("b"), answer("x")]),
        assistant([call("never answered")]),
        NewMessage::user("and?"),
    ]);
    let expected = vec![
        NewMessage::user("hi"),
        assistant([Part::text("let me see"), call("b")]),
        tool([answer("b")]),
        NewMessage::user("and?"),
    ];
    assert_eq!(repaired, expected);
}

#[test]
fn answers_beside_words_of_the_user_are_put_behind_their_calls() {
    let mixed = NewMessage::new(Role::User, [answer("a"), Part::text("go on")]);
    let repaired = repair(vec![NewMessage::user("hi"), assistant([call("a")]), mixed]);
    assert_eq!(repaired[2], tool([answer("a")]));
    assert_eq!(repaired[3], NewMessage::user("go on"));
}

#[test]
fn calls_that_were_stored_one_by_one_are_one_message_before_their_answers() {
    let thought = Part::Reasoning { text: "hm".into() };
    let repaired = repair(vec![
        NewMessage::user("hi"),
        NewMessage::assistant("let me see"),
        assistant([call("a")]),
        assistant([thought.clone()]),
        assistant([call("b")]),
        tool([answer("a")]),
        tool([answer("b")]),
        assistant([call("c")]),
        tool([answer("c")]),
        NewMessage::assistant("so"),
    ]);
    let expected = vec![
        NewMessage::user("hi"),
        NewMessage::assistant("let me see"),
        assistant([call("a"), thought, call("b")]),
        tool([answer("a"), answer("b")]),
        assistant([call("c")]),
        tool([answer("c")]),
        NewMessage::assistant("so"),
    ];
    assert_eq!(repaired, expected);
}

#[tokio::test]
async fn what_the_application_keeps_in_a_message_is_shown_to_no_model() {
    let tertulia = quiet().await;
    let chat = tertulia.user("ana").new_conversation();
    let own = Part::Opaque { provider: String::new(), name: "note".into(), attached: false, data: json!("mine") };
    let others = Part::Opaque { provider: "p".into(), name: "n".into(), attached: false, data: json!(1) };
    let said = [
        NewMessage::new(Role::User, [Part::text("hi"), own.clone()]),
        assistant([call("a"), own.clone()]),
        tool([answer("a"), own.clone()]),
        assistant([own.clone()]),
        assistant([Part::text("so"), others.clone()]),
    ];
    chat.append(said.clone()).await.unwrap();
    let stored: Vec<_> = chat.history().await.unwrap().items.into_iter().map(|message| message.parts).collect();
    assert_eq!(stored, said.map(|message| message.parts));
    let store = &*tertulia.0.store;
    let chosen =
        choose(store, "ana", chat.id(), None, Vec::new(), Window::of_tokens(u64::MAX)).await.unwrap().newest_first;
    let messages = with_files(store, "ana", chosen, &MediaPlan::with_room(99)).await.unwrap();
    let expected = vec![
        NewMessage::user("hi"),
        assistant([call("a")]),
        tool([answer("a")]),
        assistant([Part::text("so"), others]),
    ];
    assert_eq!(messages, expected);
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn the_tokens_of_a_history_are_counted_when_it_is_read_and_not_again() {
    let tertulia = quiet().await;
    let said = [NewMessage::user("hello there"), assistant([Part::text("and, you?")]), NewMessage::user("so, so")];
    // A model is not shown what it would begin with itself.
    for (from, is_counted) in [(0, true), (1, false)] {
        let chat = tertulia.user("ana").new_conversation();
        chat.append(said[from..].to_vec()).await.unwrap();
        let (window, plan) = (Window::of_tokens(u64::MAX), MediaPlan::with_room(99));
        let read = load(&tertulia.0, "ana", chat.id(), None, false, window, &plan).await.unwrap();
        assert!(read.is_as_stored);
        let expected = read.messages.iter().map(tokens_of_message).sum();
        let again = std::cell::Cell::new(false);
        let tokens = read.written.tokens(&read.messages, |message| {
            again.set(true);
            tokens_of_message(message)
        });
        assert_eq!((tokens, again.get()), (expected, !is_counted), "{from}");
    }
    tertulia.close().await.unwrap();
}

fn text(delta: &str) -> StreamEventKind {
    StreamEventKind::Text { delta: delta.to_owned() }
}

fn read_all(log: &TurnLog, place: &mut usize) -> Vec<StreamEvent> {
    let mut all = Vec::new();
    while let Found::Event(event) = log.read(place) {
        all.push(event);
    }
    all
}

#[test]
fn a_reader_that_keeps_up_gets_every_delta_with_its_number() {
    let log = TurnLog::new(Some(TurnId::from_bytes([1; 16])));
    let mut place = 0;
    for (n, word) in ["a", "b", "c"].iter().enumerate() {
        log.push(0, text(word));
        let events = read_all(&log, &mut place);
        assert_eq!(events.len(), 1);
        assert_eq!((events[0].seq, &events[0].kind), (i64::try_from(n).unwrap() + 1, &text(word)));
    }
    assert!(matches!(log.read(&mut place), Found::NothingYet));
}

#[test]
fn a_reader_far_behind_gets_deltas_joined_and_loses_nothing() {
    let log = TurnLog::new(None);
    for n in 0..1_000 {
        log.push(0, text(&format!("{n} ")));
        if n == 499 {
            log.push(1, StreamEventKind::Reasoning { delta: "hm".to_owned() });
        }
    }
    let events = read_all(&log, &mut 0);
    assert!(events.len() < 300, "{} events", events.len());
    assert_eq!(events.last().unwrap().seq, 1_001);
    let said: String = events
        .iter()
        .filter_map(|e| if let StreamEventKind::Text { delta } = &e.kind { Some(delta.as_str()) } else { None })
        .collect();
    let expected: String = (0..1_000).map(|n| format!("{n} ")).collect();
    assert_eq!(said, expected);
}

#[test]
fn coming_back_after_any_event_gives_exactly_the_rest() {
    let log = TurnLog::new(None);
    for n in 0..600_u32 {
        log.push(i32::try_from(n / 100).unwrap(), text(&format!("{n};")));
    }
    let whole: String = (0..600).map(|n| format!("{n};")).collect();
    for after in 0..=600_i64 {
        let mut place = log.place_after(after);
        let mut batch = Vec::new();
        log.read_batch(&mut place, usize::MAX, &mut batch);
        let rest: String = batch
            .iter()
            .filter_map(|e| if let StreamEventKind::Text { delta } = &e.kind { Some(delta.as_str()) } else { None })
            .collect();
        let skipped: String = (0..after).map(|n| format!("{n};")).collect();
        assert_eq!(format!("{skipped}{rest}"), whole, "after {after}");
    }
}

#[test]
fn the_first_outcome_stands_and_ends_the_log() {
    let log = TurnLog::new(None);
    log.push(0, text("x"));
    log.end(Ok(Reply::empty("p", "m")));
    log.end(Err(Error::internal("late")));
    log.push(0, text("late"));
    let events = read_all(&log, &mut 0);
    assert_eq!(events.len(), 2);
    assert!(matches!(events[1].kind, StreamEventKind::Done { .. }));
    assert!(matches!(log.read(&mut 2), Found::Ended(Ok(_))));
}

#[tokio::test]
async fn a_reader_that_waits_is_woken_by_the_next_event_and_by_the_end() {
    let log = Arc::new(TurnLog::new(None));
    let mut waits = Box::pin(log.wait(0));
    assert!(futures::poll!(&mut waits).is_pending());
    log.push(0, text("x"));
    waits.await;
    let mut waits = Box::pin(log.wait(1));
    assert!(futures::poll!(&mut waits).is_pending());
    log.end(Err(Error::internal("over")));
    waits.await;
}

#[test]
fn settings_come_from_a_profile_and_what_differs_from_it() {
    let settings = Settings::from_json(&json!({"profile": "mobile", "retry": {"max_attempts": 3}})).unwrap();
    assert_eq!(settings.retry.max_attempts, 3);
    assert_eq!(settings.network.max_connections, Settings::mobile().network.max_connections);
    assert_eq!(settings.network.connect_timeout_ms, 10_000);
}

#[test]
fn a_wrong_name_or_value_in_the_settings_is_refused_with_a_hint() {
    let refused = |json| Settings::from_json(&json).unwrap_err();
    let error = refused(json!({"retry": {"max_attemps": 3}}));
    assert_eq!(
        (error.reason(), error.detail()),
        ("bad_settings", "settings.retry has no field `max_attemps`; did you mean `max_attempts`?")
    );
    assert!(refused(json!({"retyr": {}})).detail().contains("did you mean `retry`?"));
    assert!(refused(json!({"profile": "phone"})).detail().contains("mobile"));
    assert_eq!(
        refused(json!({"retry": {"max_attempts": "three"}})).detail(),
        "settings.retry.max_attempts must be a whole number from 0 up, of a sensible size"
    );
    assert_eq!(refused(json!({"network": {"proxy": 3}})).detail(), "settings.network.proxy must be text");
    assert_eq!(refused(json!({"store": {"keep_raw": 1}})).detail(), "settings.store.keep_raw must be true or false");
    assert!(refused(json!({"retry": {"max_attempts": 0}})).detail().contains("retry.max_attempts"));
    for refund in [json!(-0.5), json!(1e9), json!("half")] {
        assert!(
            refused(json!({"retry": {"budget_refund": refund}}))
                .detail()
                .contains("retry.budget_refund must be a number")
        );
    }
    assert_eq!(Settings::from_json(&json!({"retry": {"budget_refund": 1}})).unwrap().retry.budget_refund, 1.0);
    for rate in [json!(-0.1), json!(1.1), json!("half")] {
        assert!(refused(json!({"breaker": {"failure_rate": rate}})).detail().contains("breaker.failure_rate must be"));
    }
    let shorter = json!({"breaker": {"open_ms": 2_000, "max_open_ms": 1_000}});
    assert!(refused(shorter).detail().contains("breaker.max_open_ms must be at least"));
    let off = Settings::from_json(&json!({"breaker": {"enabled": false, "failure_rate": 1}})).unwrap().breaker;
    assert_eq!((off.enabled, off.failure_rate, off.consecutive_failures), (false, 1.0, 10));
    assert!(refused(json!([])).detail().contains("object"));
}

#[test]
fn a_value_in_the_wrong_place_is_not_quoted_and_a_proxys_password_is_not_shown() {
    for settings in [
        json!({"network": {"max_connections": "http://user:hunter2@proxy"}}),
        json!({"network": {"proxy": ["hunter2"]}}),
        json!({"retry": {"max_attempts": {"hunter2": 1}}}),
        json!({"network": "hunter2"}),
        json!({"profile": "hunter2"}),
    ] {
        let error = Settings::from_json(&settings).unwrap_err();
        let mut shown = format!("{error} {error:?}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            shown.push_str(&format!("{cause} {cause:?}"));
            source = cause.source();
        }
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let url = "http://user:hunter2@proxy:1";
    let settings = Settings::from_json(&json!({"network": {"proxy": url}})).unwrap();
    assert_eq!(settings.network.proxy.as_ref().unwrap().expose(), url);
    assert_eq!(settings, Settings { network: settings.network.clone(), ..Settings::default() });
    let shown = format!("{settings:?} {}", serde_json::to_string(&settings).unwrap());
    assert!(shown.contains("[secret]") && !shown.contains("hunter2"), "{shown}");
    assert_eq!(Settings::from_json(&json!({"network": {"proxy": null}})).unwrap(), Settings::default());
}

#[test]
fn a_limit_of_nothing_is_refused_by_its_name() {
    let areas = serde_json::to_value(Settings::default()).unwrap();
    let must_be_something = [
        ("network", "connect_timeout_ms"),
        ("network", "first_byte_timeout_ms"),
        ("network", "slow_first_byte_timeout_ms"),
        ("network", "idle_timeout_ms"),
        ("network", "progress_timeout_ms"),
        ("network", "total_timeout_ms"),
        ("network", "max_connections"),
        ("network", "max_event_bytes"),
        ("network", "max_text_bytes"),
        ("network", "max_response_bytes"),
        ("retry", "max_attempts"),
        ("breaker", "consecutive_failures"),
        ("breaker", "min_attempts"),
        ("breaker", "window_ms"),
        ("breaker", "open_ms"),
        ("outbox", "max_delay_ms"),
        ("outbox", "expires_after_ms"),
        ("outbox", "crash_attempts"),
        ("timeline", "window_pages"),
        ("store", "readers"),
        ("store", "group_commit_rows"),
    ];
    for (area, field) in must_be_something {
        assert!(areas[area][field].is_u64(), "there is no {area}.{field}");
        let error = Settings::from_json(&json!({(area): {(field): 0}})).unwrap_err();
        assert_eq!(error.detail(), format!("settings.{area}.{field} must be at least 1"));
    }
    let most = |bytes: usize| Settings::from_json(&json!({"network": {"max_text_bytes": bytes}}));
    assert!(most(MAX_CONTENT_BYTES).is_ok());
    assert!(most(MAX_CONTENT_BYTES + 1).unwrap_err().detail().contains("network.max_text_bytes must be at most"));
    assert!(Settings::default().network.max_text_bytes <= MAX_CONTENT_BYTES);
}

/// An engine that never calls anybody.
async fn quiet() -> super::tertulia::Tertulia {
    let transport = Arc::new(ReplayTransport::new([]));
    super::tertulia::Tertulia::builder().store("memory:").with_transport(transport).open().await.unwrap()
}

fn picture(byte: u8, size: usize) -> Part {
    Part::image(Media::data(vec![byte; size], "image/png"))
}

/// What stands in each message: the first byte of a picture, or its words.
fn seen(messages: &[NewMessage]) -> Vec<String> {
    let part = |part: &Part| match part {
        Part::Image { media } => match &media.source {
            MediaSource::Data { data } => format!("{} x {}", data.len(), data[0]),
            other => panic!("bytes were not fetched: {other:?}"),
        },
        Part::Text { text, .. } => text.clone(),
        other => panic!("unexpected {other:?}"),
    };
    messages.iter().flat_map(|m| m.parts.iter().map(part)).collect()
}

#[tokio::test]
async fn files_go_along_from_the_newest_on_as_long_as_there_is_room_and_the_newest_always() {
    let tertulia = quiet().await;
    let chat = tertulia.user("ana").new_conversation();
    for byte in 1..=4 {
        chat.append([NewMessage::new(Role::User, [picture(byte, 100)])]).await.unwrap();
    }
    let shown = async |bytes: u64| {
        let store = &*tertulia.0.store;
        let chosen =
            choose(store, "ana", chat.id(), None, Vec::new(), Window::of_tokens(u64::MAX)).await.unwrap().newest_first;
        seen(&with_files(store, "ana", chosen, &MediaPlan::with_room(bytes)).await.unwrap())
    };
    let out = "[a file was left out here: the conversation holds too many of them]";
    assert_eq!(shown(402).await, ["100 x 1", "100 x 2", "100 x 3", "100 x 4"]);
    assert_eq!(shown(399).await, [out, "100 x 2", "100 x 3", "100 x 4"]);
    assert_eq!(shown(252).await, [out, out, "100 x 3", "100 x 4"]);
    assert_eq!(shown(0).await, [out, out, out, "100 x 4"]);
    // A small old one does not slip in behind a large one that was left out.
    let mixed = tertulia.user("ana").new_conversation();
    for (byte, size) in [(1, 5), (2, 100), (3, 10)] {
        mixed.append([NewMessage::new(Role::User, [picture(byte, size)])]).await.unwrap();
    }
    let store = &*tertulia.0.store;
    let chosen =
        choose(store, "ana", mixed.id(), None, Vec::new(), Window::of_tokens(u64::MAX)).await.unwrap().newest_first;
    assert_eq!(seen(&with_files(store, "ana", chosen, &MediaPlan::with_room(51)).await.unwrap()), [out, out, "10 x 3"]);
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn a_tool_result_whose_picture_is_left_out_says_so() {
    let tertulia = quiet().await;
    let chat = tertulia.user("ana").new_conversation();
    let Part::ToolResult { mut result } = answer("a") else { unreachable!() };
    result.media.push(Media::data(vec![1; 100], "image/png"));
    let answered = Part::ToolResult { result };
    chat.append([NewMessage::user("look"), assistant([call("a")]), tool([answered]), NewMessage::user("and?")])
        .await
        .unwrap();
    let store = &*tertulia.0.store;
    let chosen =
        choose(store, "ana", chat.id(), None, Vec::new(), Window::of_tokens(u64::MAX)).await.unwrap().newest_first;
    let messages = with_files(store, "ana", chosen, &MediaPlan::with_room(99)).await.unwrap();
    let Part::ToolResult { result } = &messages[2].parts[0] else { panic!("{messages:?}") };
    assert!(
        result.media.is_empty() && result.output.as_str().unwrap().starts_with("42\n[a file was left out"),
        "{result:?}"
    );
    tertulia.close().await.unwrap();
}
