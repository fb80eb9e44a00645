//! Pieces that are there together are given together; pieces that come alone are not held back.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};

use bytes::Bytes;
use futures::stream::{Stream, StreamExt as _};

use super::super::gather::Gathered;
use crate::base::ErrorKind;
use crate::model::{Error, Result};
use crate::net::body::Pieces as _;

/// A body that answers each question by a script: a piece, its end, or nothing yet.
struct Scripted(VecDeque<Poll<Option<Result<Bytes>>>>);

impl Stream for Scripted {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.pop_front().unwrap_or(Poll::Pending)
    }
}

fn piece(text: &'static str) -> Poll<Option<Result<Bytes>>> {
    Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes()))))
}

fn body(script: impl IntoIterator<Item = Poll<Option<Result<Bytes>>>>) -> Gathered<Scripted> {
    Gathered::new(Scripted(script.into_iter().collect()))
}

/// Remembers that it was rung.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is given together, asked again as long as the body wants to be asked again; nothing when it waits for its client.
fn next(body: &mut Gathered<Scripted>) -> Option<Option<Result<String>>> {
    for _ in 0..100 {
        let bell = Arc::new(Bell::default());
        match body.poll_next_unpin(&mut Context::from_waker(&bell.clone().into())) {
            Poll::Ready(given) => {
                let mut rest = std::iter::from_fn(|| Pin::new(&mut *body).held()).collect::<Vec<_>>().concat();
                return Some(given.map(|piece| {
                    piece.map(|piece| {
                        rest.splice(..0, piece);
                        String::from_utf8(rest).unwrap()
                    })
                }));
            }
            Poll::Pending if bell.0.load(Ordering::Relaxed) => {}
            Poll::Pending => return None,
        }
    }
    panic!("it wakes itself for ever");
}

fn text(given: Option<Option<Result<String>>>) -> String {
    given.expect("something is given").expect("the body has not ended").unwrap()
}

/// The first pieces of a body, which are given one by one.
fn first_words() -> impl Iterator<Item = Poll<Option<Result<Bytes>>>> {
    std::iter::repeat_with(|| piece("word")).take(16)
}

/// A body behind its first pieces.
fn later(script: impl IntoIterator<Item = Poll<Option<Result<Bytes>>>>) -> Gathered<Scripted> {
    let mut body = body(first_words().chain(script));
    for number in 0..16 {
        assert_eq!(text(next(&mut body)), "word", "piece {number} does not wait for what stands behind it");
    }
    body
}

#[test]
fn pieces_that_come_whenever_the_client_is_let_run_are_given_as_one_behind_the_first_of_them() {
    let mut body = later([piece("one "), Poll::Pending, piece("two "), Poll::Pending, piece("three"), Poll::Pending]);
    assert_eq!(text(next(&mut body)), "one two three");
    assert!(next(&mut body).is_none(), "and then it waits");
}

#[test]
fn pieces_that_come_alone_are_given_at_once_and_it_is_looked_behind_only_now_and_then() {
    let lonely = [piece("alone"), Poll::Pending, Poll::Pending];
    let mut body = later(lonely.into_iter().chain(first_words()).chain([piece("to"), piece("gether")]));
    assert_eq!(text(next(&mut body)), "alone", "nothing else came when the client was let run");
    for number in 0..16 {
        assert_eq!(text(next(&mut body)), "word", "piece {number} does not wait for what stands behind it");
    }
    assert_eq!(text(next(&mut body)), "together", "and then it is looked again");
}

#[test]
fn what_came_before_a_failure_or_the_end_is_given_before_it() {
    let broken = || Poll::Ready(Some(Err(Error::new(ErrorKind::Unavailable, "cut", "cut off"))));
    let mut cut = later([piece("half a "), piece("word"), broken()]);
    assert_eq!(text(next(&mut cut)), "half a word");
    let error = next(&mut cut).flatten().expect("the failure follows").expect_err("it is a failure");
    assert_eq!(error.reason(), "cut");

    let mut whole = later([piece("a word"), Poll::Ready(None)]);
    assert_eq!(text(next(&mut whole)), "a word");
    assert!(next(&mut whole).expect("the end follows").is_none());
    let mut empty = body([Poll::Ready(None)]);
    assert!(next(&mut empty).expect("it has ended").is_none());
}

#[test]
fn a_body_that_never_pauses_is_given_in_bounded_pieces() {
    let endless: &str = "x".repeat(1_000).leak();
    let mut body = later(std::iter::repeat_with(|| piece(endless)).take(200));
    let (mut seen, mut longest) = (0, 0);
    while seen < 200_000 {
        let given = text(next(&mut body)).len();
        assert!((1..=17_000).contains(&given), "{given} bytes at once, {seen} bytes into it");
        (seen, longest) = (seen + given, longest.max(given));
    }
    assert!(seen == 200_000 && longest > 1_000, "{seen} bytes, {longest} at once");
}

#[test]
fn tiny_pieces_are_given_in_bounded_numbers() {
    let mut body = later(std::iter::repeat_with(|| piece("x")).take(2_000));
    let given: Vec<_> = std::iter::from_fn(|| next(&mut body)).map(|given| text(Some(given)).len()).collect();
    assert_eq!((given.iter().max(), given.iter().sum()), (Some(&256), 2_000), "{given:?}");
}

#[test]
fn pieces_without_a_byte_are_not_gathered_for_ever() {
    let mut body = later(std::iter::once(piece("a word")).chain(std::iter::repeat_with(|| piece("")).take(1_000_000)));
    assert_eq!(text(next(&mut body)), "a word", "the first of them ends what is gathered");
    assert_eq!(text(next(&mut body)), "", "and each comes alone");
}
