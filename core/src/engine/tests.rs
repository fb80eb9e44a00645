use std::sync::Arc;

use serde_json::json;

use super::context::repair;
use super::log::{Found, TurnLog};
use super::settings::Settings;
use crate::base::TurnId;
use crate::model::{Error, NewMessage, Part, Reply, Role, StreamEvent, StreamEventKind, ToolCall};

fn call(id: &str) -> Part {
    Part::ToolCall {
        call: ToolCall { id: id.to_owned(), name: "f".to_owned(), arguments: json!({}), provider_executed: false },
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
    assert!(refused(json!({"retry": {"max_attempts": "three"}})).detail().contains("settings"));
    assert!(refused(json!({"retry": {"max_attempts": 0}})).detail().contains("retry.max_attempts"));
    assert!(refused(json!([])).detail().contains("object"));
}
