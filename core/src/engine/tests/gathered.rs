//! Words that come together: the first at once, the rest now and then, nothing lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::super::log::TurnLog;
use super::super::stream::{Gathered, ReplyStream};
use crate::base::{ErrorKind, ManualClock, TurnId};
use crate::model::{Error, Progress, Reply, StreamEvent, StreamEventKind};

const TURN: TurnId = TurnId::from_bytes([7; 16]);
const EVERY: Duration = Duration::from_millis(33);

fn text(delta: &str) -> StreamEventKind {
    StreamEventKind::text(delta)
}

fn started() -> StreamEventKind {
    StreamEventKind::Started { turn_id: Some(TURN), message_id: None, model: "p/m".to_owned() }
}

fn reader(log: &Arc<TurnLog>, clock: &ManualClock) -> Gathered {
    Gathered::new(ReplyStream::watching(log.clone(), TURN, CancellationToken::new(), 0, Arc::new(clock.clone())))
}

/// What comes without waiting.
fn ready(reader: &mut Gathered) -> Option<Vec<StreamEvent>> {
    reader.next_batch(64, EVERY).now_or_never().map(Result::unwrap)
}

fn said(batch: &[StreamEvent]) -> Vec<&str> {
    batch.iter().map(|e| if let StreamEventKind::Text { delta } = &e.kind { delta.as_str() } else { "-" }).collect()
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn the_first_words_come_at_once_and_those_behind_them_as_one_event_when_it_is_time() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    let mut reader = reader(&log, &clock);
    log.push(0, started());
    assert_eq!(ready(&mut reader).unwrap().len(), 1);
    log.push(0, text("a"));
    assert_eq!(said(&ready(&mut reader).unwrap()), ["a"]);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(wakes.clone());
    let mut next = Box::pin(reader.next_batch(64, EVERY));
    assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    for word in ["b", "c", "d"] {
        log.push(0, text(word));
    }
    clock.advance(EVERY / 2);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "a word woke who waits for more of them");
    // Who stops waiting loses nothing and gains nothing.
    drop(next);
    assert!(ready(&mut reader).is_none());
    clock.advance(EVERY);
    let batch = ready(&mut reader).unwrap();
    assert_eq!((said(&batch), batch[0].seq), (vec!["bcd"], 5));
    clock.advance(EVERY);
    assert!(ready(&mut reader).is_none(), "nothing is there");
    log.push(0, text("e"));
    assert_eq!(said(&ready(&mut reader).unwrap()), ["e"], "words behind a pause wait for nothing");
}

#[test]
fn whatever_is_no_words_comes_at_once_with_the_words_before_it() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    let mut reader = reader(&log, &clock);
    log.push(0, text("a"));
    assert_eq!(said(&ready(&mut reader).unwrap()), ["a"]);
    log.push(0, text("b"));
    log.push(0, StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 1 } });
    assert_eq!(said(&ready(&mut reader).unwrap()), ["b", "-"]);
    log.push(0, text("c"));
    assert_eq!(said(&ready(&mut reader).unwrap()), ["c"], "words behind something else are first words");
    log.push(0, text("d"));
    let mut next = Box::pin(reader.next_batch(64, EVERY));
    assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    log.end(Ok(Reply::empty("p", "m")));
    let batch = next.now_or_never().unwrap().unwrap();
    assert!(matches!(batch[..], [_, StreamEvent { kind: StreamEventKind::Done { .. }, .. }]), "{batch:?}");
    assert!(ready(&mut reader).unwrap().is_empty());
}

#[test]
fn a_failure_waits_for_nothing_and_comes_behind_the_words() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    let mut reader = reader(&log, &clock);
    log.push(0, text("a"));
    assert_eq!(said(&ready(&mut reader).unwrap()), ["a"]);
    log.push(0, text("b"));
    log.end(Err(Error::new(ErrorKind::Unavailable, "reset", "the connection broke")));
    assert_eq!(said(&ready(&mut reader).unwrap()), ["b"]);
    let failed = reader.next_batch(64, EVERY).now_or_never().unwrap();
    assert_eq!(failed.unwrap_err().reason(), "reset");
    assert!(ready(&mut reader).unwrap().is_empty(), "a failure comes once");
}

#[test]
fn who_wants_words_as_they_come_waits_for_nothing() {
    let (log, clock) = (Arc::new(TurnLog::new(Some(TURN))), ManualClock::default());
    let mut reader = reader(&log, &clock);
    for word in ["a", "b", "c"] {
        log.push(0, text(word));
        let batch = reader.next_batch(64, Duration::ZERO).now_or_never().unwrap().unwrap();
        assert_eq!(said(&batch), [word]);
    }
}
