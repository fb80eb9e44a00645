//! Events as bytes: written once for all, joined for the slow, silent about what a page need not know.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::join_all;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::super::log::{Framed, TurnLog};
use super::super::stream::{ReplyStream, SseStream};
use super::super::view::View;
use crate::base::{Clock as _, ErrorKind, ManualClock, TurnId};
use crate::model::{Error, Part, Progress, Reply, StreamEventKind, ToolResult, Usage};

const TURN: TurnId = TurnId::from_bytes([7; 16]);

fn text(delta: &str) -> StreamEventKind {
    StreamEventKind::text(delta)
}

fn thought(delta: &str) -> StreamEventKind {
    StreamEventKind::Reasoning { delta: delta.to_owned() }
}

fn reader(log: &Arc<TurnLog>, after_seq: i64, clock: &ManualClock) -> SseStream {
    ReplyStream::watching(log.clone(), TURN, CancellationToken::new(), after_seq, Arc::new(clock.clone())).sse()
}

/// The number and the record of an event.
fn read(piece: &Bytes) -> (i64, Value) {
    let piece = std::str::from_utf8(piece).unwrap();
    let (id, data) = piece.strip_prefix("id: ").and_then(|rest| rest.split_once("\ndata: ")).expect(piece);
    (id.parse().unwrap(), serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap())
}

/// All that is there, but for comments and the time to come back.
fn ready(sse: &mut SseStream) -> Vec<(i64, Value)> {
    let mut all = Vec::new();
    while let Some(Some(piece)) = sse.next().now_or_never() {
        if piece.starts_with(b"id") {
            all.push(read(&piece));
        }
    }
    all
}

fn said(events: &[(i64, Value)]) -> String {
    events.iter().filter(|(_, event)| event["type"] == "text").map(|(_, e)| e["delta"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn fifty_readers_get_the_same_bytes_and_each_event_is_written_once() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    let readers = (0..50).map(|_| {
        let mut sse = reader(&log, 0, &clock);
        async move {
            let mut all = Vec::new();
            while let Some(piece) = sse.next().await {
                all.push(piece);
            }
            all
        }
    });
    let producer = async {
        log.push(0, StreamEventKind::Started { turn_id: Some(TURN), message_id: None, model: "p/m".to_owned() });
        for n in 0..200 {
            log.push(0, text(&format!("{n} ")));
            if n % 3 == 0 {
                log.push(0, thought("hm"));
            }
            tokio::task::yield_now().await;
        }
        log.end(Ok(Reply::empty("p", "m")));
    };
    let (all, ()) = futures::join!(join_all(readers), producer);
    let events: Vec<_> = all[0][1..].iter().map(read).collect();
    assert_eq!(said(&events), (0..200).map(|n| format!("{n} ")).collect::<String>());
    assert!(all.iter().all(|pieces| *pieces == all[0]));
    // Not even copied: the same bytes in memory.
    assert!(all.iter().all(|pieces| pieces.iter().zip(&all[0]).skip(1).all(|(a, b)| a.as_ptr() == b.as_ptr())));
    assert_eq!(log.pieces_written(View::Plain), events.len());
    assert!(events.len() > 100, "{} events", events.len());
    assert_eq!(log.pieces_written(View::Detailed), 0);
}

#[test]
fn a_slow_reader_gets_what_it_missed_in_one_piece_and_is_with_the_others_again() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    let (mut fast, mut slow) = (reader(&log, 0, &clock), reader(&log, 0, &clock));
    let mut whole = String::new();
    assert_eq!(slow.next().now_or_never().flatten().unwrap(), "retry: 3000\n\n");
    for n in 1..=300 {
        whole += &format!("{n} ");
        assert_eq!(log.push(0, text(&format!("{n} "))), n);
        assert_eq!(ready(&mut fast), [(n, json!({"type": "text", "delta": format!("{n} ")}))]);
    }
    assert_eq!(ready(&mut slow), [(300, json!({"type": "text", "delta": whole}))]);
    assert_eq!(log.pieces_written(View::Plain), 301);
    log.push(0, text("together"));
    assert_eq!(ready(&mut slow), ready(&mut fast));
    assert_eq!(log.pieces_written(View::Plain), 302);
}

#[test]
fn whoever_comes_back_after_any_event_gets_exactly_the_rest_whatever_others_have_read() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    let mut other = reader(&log, 0, &clock);
    for n in 1..=120 {
        let kind = if n % 7 == 0 { thought("hm") } else { text(&format!("{n};")) };
        log.push(0, kind);
        if n % 5 == 0 && n < 100 {
            ready(&mut other);
        }
    }
    log.end(Ok(Reply::empty("p", "m")));
    let word = |n: i64| if n % 7 == 0 { String::new() } else { format!("{n};") };
    for after in 0..=120 {
        let events = ready(&mut reader(&log, after, &clock));
        assert_eq!(said(&events), (after + 1..=120).map(word).collect::<String>(), "after {after}");
        assert!(events.windows(2).all(|pair| pair[0].0 < pair[1].0) && events[0].0 > after, "after {after}");
        assert_eq!(
            events.last().unwrap(),
            &(121, json!({"type": "done", "status": "done", "message_id": null, "finish_reason": null}))
        );
        assert_eq!(said(&ready(&mut reader(&log, 0, &clock).after_seq(after))), said(&events), "after {after}");
    }
    assert_eq!(ready(&mut reader(&log, 121, &clock)), []);
}

#[test]
fn one_long_reply_is_not_one_long_piece() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    for _ in 0..400 {
        log.push(0, text(&"x".repeat(1_000)));
    }
    log.push(0, text(&"y".repeat(100_000)));
    let events = ready(&mut reader(&log, 0, &clock));
    let lengths: Vec<usize> = events.iter().map(|(_, event)| event["delta"].as_str().unwrap().len()).collect();
    assert_eq!(lengths, [65_000, 65_000, 65_000, 65_000, 65_000, 65_000, 10_000, 100_000]);
    assert_eq!(said(&events).len(), 500_000);
}

#[test]
fn a_page_is_told_the_answer_alone_and_who_asks_for_it_everything() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    let (mut plain, mut detailed) = (reader(&log, 0, &clock), reader(&log, 0, &clock).detailed());
    log.push(0, StreamEventKind::Started { turn_id: Some(TURN), message_id: None, model: "p/m".to_owned() });
    log.push(0, StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 5 } });
    log.push(0, thought("hm"));
    log.push(1, text("a\r\n\ndata: b"));
    log.push(1, StreamEventKind::Usage { usage: Usage::default(), cost: crate::model::Cost::default() });
    log.push(
        2,
        StreamEventKind::ToolResult {
            result: ToolResult {
                call_id: "c".to_owned(),
                ..serde_json::from_value(json!({"call_id": "c", "output": 1, "is_error": false, "media": []})).unwrap()
            },
        },
    );
    log.push(
        3,
        StreamEventKind::Part {
            part: Part::Opaque {
                provider: "p".to_owned(),
                name: "s".to_owned(),
                attached: false,
                data: json!("secret"),
            },
        },
    );
    log.end(Err(Error::new(ErrorKind::RateLimited, "too_fast", "wait").with_partial(vec![Part::text("a")])));
    let events = ready(&mut plain);
    assert_eq!(
        events[..2],
        [
            (1, json!({"type": "started", "turn_id": TURN.to_string(), "message_id": null})),
            (4, json!({"type": "text", "part_index": 1, "delta": "a\r\n\ndata: b"})),
        ]
    );
    let (seq, error) = &events[2];
    assert_eq!(
        (*seq, &error["type"], &error["kind"], &error["saved"]),
        (8, &json!("error"), &json!("rate_limited"), &json!(false))
    );
    assert!(error["user_message"].as_str().unwrap().len() > 5);
    assert_eq!((events.len(), error.as_object().unwrap().contains_key("detail")), (3, false));
    let all = ready(&mut detailed);
    let kinds: Vec<_> = all.iter().map(|(seq, event)| (*seq, event["type"].as_str().unwrap().to_owned())).collect();
    let expected = ["started", "progress", "reasoning", "text", "usage", "tool_result", "part", "error"];
    assert_eq!(kinds, (1..).zip(expected.map(str::to_owned)).collect::<Vec<_>>());
    assert_eq!((&all[3].1["seq"], &all[3].1["turn_id"]), (&json!(4), &json!(TURN.to_string())));
    assert_eq!((&all[7].1["error"]["reason"], &all[7].1["error"]["partial"]), (&json!("too_fast"), &json!([])));
    assert!(plain.next().now_or_never().unwrap().is_none());
}

#[tokio::test]
async fn a_sign_of_life_comes_when_nothing_else_did_for_as_long_as_was_asked() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    let mut sse = reader(&log, 0, &clock).heartbeat(Duration::from_secs(4));
    assert_eq!(sse.next().await.unwrap(), "retry: 3000\n\n");
    let silent = |sse: &mut SseStream| sse.next().now_or_never().is_none();
    assert!(silent(&mut sse));
    clock.advance(Duration::from_secs(3));
    {
        // What this reader is not told is no sign of life for it, also while it waits.
        let next = sse.next();
        tokio::pin!(next);
        assert!(futures::poll!(&mut next).is_pending());
        log.push(0, thought("hm"));
        assert!(futures::poll!(&mut next).is_pending());
        clock.advance(Duration::from_secs(1));
        assert_eq!(next.now_or_never().flatten().unwrap(), ": \n\n");
    }
    clock.advance(Duration::from_secs(3));
    log.push(0, text("a"));
    assert_eq!(read(&sse.next().await.unwrap()).0, 2);
    clock.advance(Duration::from_secs(3));
    assert!(silent(&mut sse));
    assert_eq!(clock.monotonic(), Duration::from_secs(10));
    clock.advance(Duration::from_secs(1));
    assert_eq!(sse.next_batch(9).await, [": \n\n"]);
}

#[tokio::test]
async fn a_batch_holds_what_is_there_and_ends_with_the_stream() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    log.push(0, text("a"));
    log.push(1, text("b"));
    log.end(Ok(Reply::empty("p", "m")));
    let mut sse = reader(&log, 0, &clock);
    assert_eq!(sse.next_batch(2).await.len(), 2);
    assert_eq!(sse.next_batch(9).await.len(), 2);
    assert_eq!(sse.next_batch(9).await, Vec::<Bytes>::new());
}

#[test]
fn two_views_do_not_disturb_each_other() {
    let log = TurnLog::new(Some(TURN));
    log.push(0, thought("hm"));
    log.push(0, text("a"));
    let (mut plain, mut detailed) = (0, 0);
    assert!(matches!(log.frame(&mut plain, View::Plain), Ok(Framed::Piece(_))));
    assert!(matches!(log.frame(&mut detailed, View::Detailed), Ok(Framed::Piece(_))));
    assert_eq!((plain, detailed), (2, 1));
    assert!(matches!(log.frame(&mut plain, View::Plain), Ok(Framed::NothingYet)));
}
