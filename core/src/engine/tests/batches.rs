//! What a batch of a stream holds: all that is there, and one event for words of one voice.

use std::sync::Arc;

use futures::{FutureExt as _, StreamExt as _, stream};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::super::log::TurnLog;
use super::super::stream::ReplyStream;
use super::super::tasks::Tasks;
use super::super::watch::Watch;
use crate::base::{ManualClock, TurnId};
use crate::model::{Reply, Result, StreamEvent, StreamEventKind};

const TURN: TurnId = TurnId::from_bytes([7; 16]);

fn text(delta: &str) -> StreamEventKind {
    StreamEventKind::text(delta)
}

fn thought(delta: &str) -> StreamEventKind {
    StreamEventKind::Reasoning { delta: delta.to_owned() }
}

fn done() -> StreamEventKind {
    StreamEventKind::Done { reply: Box::new(Reply::empty("p", "m")) }
}

/// A call of which nothing is stored, and of which these events are there.
fn direct(events: Vec<(i32, StreamEventKind)>) -> ReplyStream {
    let clock = Arc::new(ManualClock::default());
    let tasks = Tasks::new(Handle::current(), clock.clone(), Arc::new(Watch::new(clock.clone())));
    let event = |(part_index, kind)| Ok(StreamEvent { seq: 0, turn_id: None, part_index, kind });
    let events: Vec<Result<StreamEvent>> = events.into_iter().map(event).collect();
    let events = stream::iter(events).boxed();
    ReplyStream::direct(events, "p/m".into(), CancellationToken::new(), tasks, Box::new(|ended| ended), clock)
}

fn told(batch: &[StreamEvent]) -> Vec<(i64, i32, &str)> {
    let words = |kind| match kind {
        &StreamEventKind::Text { ref delta } | &StreamEventKind::Reasoning { ref delta } => delta.as_str(),
        _ => "-",
    };
    batch.iter().map(|event| (event.seq, event.part_index, words(&event.kind))).collect()
}

fn next(stream: &mut ReplyStream, max: usize) -> Vec<StreamEvent> {
    stream.next_batch(max).now_or_never().unwrap().unwrap()
}

#[tokio::test]
async fn a_batch_of_a_call_of_which_nothing_is_stored_holds_what_came_together() {
    let words = vec![(0, thought("h")), (0, thought("m")), (0, text("a")), (0, text("b")), (1, text("c")), (0, done())];
    let mut stream = direct(words.clone());
    assert_eq!(told(&next(&mut stream, 64)), [(1, 0, "-")], "it has started");
    assert_eq!(told(&next(&mut stream, 64)), [(3, 0, "hm"), (5, 0, "ab"), (6, 1, "c")]);
    assert_eq!(told(&next(&mut stream, 64)), [(7, 0, "-")]);
    assert_eq!(next(&mut stream, 64), []);

    let mut narrow = direct(words);
    let batches: Vec<_> = (0..6).map(|_| next(&mut narrow, 1).len()).collect();
    assert_eq!(batches, [1, 1, 1, 1, 1, 0]);
    assert_eq!(narrow.reply().await.unwrap(), Reply::empty("p", "m"));
}

#[test]
fn all_words_of_one_voice_that_are_there_are_one_event() {
    let log = Arc::new(TurnLog::new(Some(TURN)));
    let clock = Arc::new(ManualClock::default());
    let mut stream = ReplyStream::watching(log.clone(), TURN, CancellationToken::new(), 0, clock);
    for word in ["a", "b", "c"] {
        log.push(0, text(word));
    }
    log.push(0, thought("hm"));
    assert_eq!(told(&next(&mut stream, 64)), [(3, 0, "abc"), (4, 0, "hm")]);
    assert!(stream.next_batch(64).now_or_never().is_none());
}
