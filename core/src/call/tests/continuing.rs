//! Replies that go on where they broke off.

use super::fallback::{Heard, Round, SECOND, good};
use super::*;
use crate::base::Json;
use crate::model::{Citation, Cost, CostSource, NewMessage, OutputSchema, Part, Role, ToolCall, Usage, UsageSource};
use crate::policy::MidStream;

fn took(input_tokens: i64, output_tokens: i64) -> (Usage, Cost) {
    let usage = Usage { input_tokens, output_tokens, requests: 1, source: UsageSource::Estimated, ..Usage::default() };
    let nano_usd = Some(input_tokens + 10 * output_tokens);
    (usage, Cost { nano_usd, source: CostSource::Estimated, price_date: None })
}

/// The reply breaks off, having taken ten tokens in and one out.
fn cut() -> Result<StreamEvent> {
    let (usage, cost) = took(10, 1);
    Err(Error::new(ErrorKind::Truncated, "cut", "broke off").with_retry(Retry::Safe).with_spent(usage, cost))
}

fn at(part_index: i32, kind: StreamEventKind) -> Result<StreamEvent> {
    Ok(StreamEvent::unnumbered(part_index, kind))
}

fn say(part_index: i32, words: &str) -> Result<StreamEvent> {
    at(part_index, StreamEventKind::text(words))
}

fn think(part_index: i32, words: &str) -> Result<StreamEvent> {
    at(part_index, StreamEventKind::Reasoning { delta: words.to_owned() })
}

fn signature(part_index: i32) -> Result<StreamEvent> {
    let (provider, name) = ("lab".to_owned(), "signature".to_owned());
    at(part_index, StreamEventKind::Part { part: Part::Opaque { provider, name, attached: true, data: Json::Null } })
}

/// The end of a reply that took a hundred tokens in and twenty out.
fn whole() -> Result<StreamEvent> {
    let mut reply = Reply::empty("lab", "m");
    (reply.usage, reply.cost) = took(100, 20);
    (reply.usage.source, reply.cost.source) = (UsageSource::Reported, CostSource::Catalogue);
    event(StreamEventKind::Done { reply: Box::new(reply) })
}

/// Runs a call that wants its reply continued and gives its events and how it ended.
async fn run(round: &mut Round, models: &[&str]) -> (Vec<StreamEvent>, Option<Error>) {
    let call = round.call(models, MidStream::Continue);
    all(round.run(call).await.unwrap()).await
}

async fn all(events: ReplyEvents) -> (Vec<StreamEvent>, Option<Error>) {
    let (mut seen, mut failed) = (Vec::new(), None);
    for item in events.collect::<Vec<_>>().await {
        assert!(failed.is_none(), "nothing comes behind a failure");
        match item {
            Ok(event) => seen.push(event),
            Err(error) => failed = Some(error),
        }
    }
    (seen, failed)
}

fn said(events: &[StreamEvent]) -> String {
    let words = events.iter().filter_map(|event| match &event.kind {
        StreamEventKind::Text { delta } => Some(delta.as_str()),
        _ => None,
    });
    words.collect()
}

fn reply(events: &[StreamEvent]) -> Reply {
    match &events.last().unwrap().kind {
        StreamEventKind::Done { reply } => (**reply).clone(),
        other => panic!("it ended with {other:?}"),
    }
}

fn tool_call() -> ToolCall {
    ToolCall {
        id: "c".to_owned(),
        name: "f".to_owned(),
        arguments: Json::Null,
        provider_executed: false,
        free_text: false,
    }
}

fn last_words(heard: &Heard) -> NewMessage {
    heard.messages.last().cloned().expect("no message")
}

#[tokio::test]
async fn a_reply_goes_on_behind_what_had_come_and_repeats_nothing() {
    let begun = Ok(vec![say(0, "The capital "), say(0, "of Peru is "), cut()]);
    let rest = Ok(vec![say(0, "Peru "), say(0, "is Lima"), say(0, "."), whole()]);
    let mut round = Round::new([("lab/a", vec![begun, rest])]);
    let call = round.call(&["lab/a", "lab/b"], MidStream::Continue);
    let context = call.context.clone();
    let (events, failed) = all(round.run(call).await.unwrap()).await;
    assert!(failed.is_none());
    assert_eq!(said(&events), "The capital of Peru is Lima.");
    let reply = reply(&events);
    assert_eq!((reply.parts, reply.continued), (vec![Part::text("The capital of Peru is Lima.")], true));
    let Usage { input_tokens, output_tokens, requests, source, .. } = reply.usage;
    assert_eq!((input_tokens, output_tokens, requests, source), (110, 21, 2, UsageSource::Estimated));
    assert_eq!((reply.cost.nano_usd, reply.cost.source), (Some(320), CostSource::Estimated));

    assert_eq!(round.asked(), ["lab/a", "lab/a"], "who began goes on");
    let beginning = last_words(&round.requests()[1]);
    assert_eq!((beginning.role, beginning.text().as_str()), (Role::Assistant, "The capital of Peru is"));
    let kinds: Vec<_> = context.attempts().iter().map(|attempt| attempt.kind).collect();
    assert_eq!(kinds, [Some(ErrorKind::Truncated), None], "the reply shows its seam");
    let told = Progress::Retrying { attempt: 2, kind: ErrorKind::Truncated, delay_ms: 0 };
    assert_eq!(*round.heard.lock().unwrap(), [told]);
}

#[tokio::test]
async fn the_next_model_goes_on_when_the_first_is_down() {
    let down = || Err(down());
    let begun = Ok(vec![say(0, "one two"), cut()]);
    let mut round = Round::new([
        ("lab/a", vec![begun, down(), down(), down()]),
        ("lab/b", vec![Ok(vec![say(0, " three"), whole()])]),
    ]);
    let call = round.call(&["lab/a", "lab/b"], MidStream::Continue);
    let context = call.context.clone();
    let (events, _) = all(round.run(call).await.unwrap()).await;
    assert_eq!((said(&events).as_str(), reply(&events).text().as_str()), ("one two three", "one two three"));
    assert_eq!(round.asked(), ["lab/a", "lab/a", "lab/a", "lab/a", "lab/b"]);
    assert_eq!(last_words(&round.requests()[4]).text(), "one two");
    assert_eq!(context.answering().unwrap().to_string(), "lab/b");
}

#[tokio::test]
async fn a_reply_that_breaks_off_again_goes_on_again_but_not_for_ever() {
    let pieces =
        |words: &[&str]| words.iter().map(|word| Ok(vec![say(0, word), cut()])).collect::<Vec<Result<Script>>>();
    let mut round = Round::new([("lab/a", pieces(&["one ", "two ", "three ", "four "]))]);
    let (events, failed) = run(&mut round, &["lab/a"]).await;
    let error = failed.unwrap();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"));
    assert_eq!(said(&events), "one two three four ");
    assert_eq!(error.partial(), [Part::text("one two three four ")]);
    let (usage, cost) = error.spent().unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.requests), (40, 4, 4));
    assert_eq!(cost.nano_usd, Some(80));
    assert_eq!(round.asked().len(), 4);

    let mut script = pieces(&["one ", "two "]);
    script.push(Ok(vec![say(0, "three"), whole()]));
    let mut round = Round::new([("lab/a", script)]);
    let (events, _) = run(&mut round, &["lab/a"]).await;
    assert_eq!((said(&events).as_str(), reply(&events).usage.input_tokens), ("one two three", 120));
}

#[tokio::test]
async fn what_cannot_be_continued_breaks_off_as_it_does_for_everybody() {
    let call = tool_call();
    let fragment = StreamEventKind::ToolCallDelta {
        call_id: "c".to_owned(),
        name: "f".to_owned(),
        arguments_delta: "{".to_owned(),
    };
    let refusal = StreamEventKind::Refusal { delta: "No".to_owned() };
    let cases: [(&str, Script); 6] = [
        ("thoughts alone", vec![think(0, "hmm"), cut()]),
        ("blanks alone", vec![say(0, " \n"), cut()]),
        ("a tool call that has begun", vec![say(0, "I look"), at(1, fragment), cut()]),
        ("a tool call", vec![say(0, "I look"), at(1, StreamEventKind::ToolCall { call }), cut()]),
        ("a refusal", vec![at(0, refusal), cut()]),
        (
            "a reply that is too large",
            vec![say(0, "words"), Err(Error::new(ErrorKind::Truncated, "too_large", "longer than allowed"))],
        ),
    ];
    for (what, script) in cases {
        let mut round = Round::new([("lab/a", vec![Ok(script)])]);
        let (_, failed) = run(&mut round, &["lab/a", "lab/b"]).await;
        assert_eq!(failed.unwrap().kind(), ErrorKind::Truncated, "{what}");
        assert_eq!(round.asked(), ["lab/a"], "{what}");
    }
    let mut round = Round::new([("lab/a", vec![Ok(vec![say(0, "{\"a\":"), cut()])])]);
    let mut call = round.call(&["lab/a"], MidStream::Continue);
    let request = Arc::make_mut(&mut call.request);
    request.output_schema = Some(OutputSchema { name: "s".to_owned(), schema: Json::Null, strict: false });
    assert!(all(round.run(call).await.unwrap()).await.1.is_some(), "an answer that has to fit a schema");
    assert_eq!(round.asked(), ["lab/a"]);
}

#[tokio::test]
async fn a_continuation_that_brings_nothing_or_fails_leaves_the_first_failure() {
    let nothing = || Ok(vec![think(0, "hm"), cut()]);
    let mut round = Round::new([("lab/a", vec![Ok(vec![say(0, "one"), cut()]), nothing()])]);
    let (events, failed) = run(&mut round, &["lab/a"]).await;
    let error = failed.unwrap();
    assert_eq!((said(&events).as_str(), error.kind(), error.partial().len()), ("one", ErrorKind::Truncated, 1));
    assert_eq!(round.asked().len(), 2);

    let refused = Err(Error::invalid("bad_request", "the last message must be the user's"));
    let mut round = Round::new([("lab/a", vec![Ok(vec![say(0, "one"), cut()]), refused])]);
    let (_, failed) = run(&mut round, &["lab/a"]).await;
    let error = failed.unwrap();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"), "what broke off broke off");
    assert_eq!(error.partial(), [Part::text("one")]);
    assert_eq!(error.spent().unwrap().0.input_tokens, 10);
}

#[tokio::test]
async fn parts_of_a_continuation_find_their_places_behind_what_had_come() {
    let citation = |start, end| Citation { start, end, url: None, title: None, quote: None };
    let begun = Ok(vec![think(0, "first"), signature(0), say(1, "See "), cut()]);
    let rest = Ok(vec![
        think(0, "once more"),
        signature(0),
        say(1, "See Lima"),
        at(1, StreamEventKind::Citation { citation: citation(4, 8) }),
        say(2, "And more."),
        signature(2),
        whole(),
    ]);
    let mut round = Round::new([("lab/a", vec![begun, rest])]);
    let (events, failed) = run(&mut round, &["lab/a"]).await;
    assert!(failed.is_none());
    let reply = reply(&events);
    let texts: Vec<&Part> = reply.parts.iter().collect();
    assert!(matches!(texts[0], Part::Reasoning { text } if text == "first"), "{texts:?}");
    assert!(matches!(texts[1], Part::Opaque { .. }), "{texts:?}");
    let Part::Text { text, citations } = texts[2] else { panic!("{texts:?}") };
    assert_eq!((text.as_str(), citations.as_slice()), ("See Lima", [citation(4, 8)].as_slice()));
    assert_eq!(*texts[3], Part::text("And more."));
    assert!(matches!(texts[4], Part::Opaque { .. }) && texts.len() == 5, "{texts:?}");
    // Readers fold the same events to the same parts.
    let mut draft = crate::model::ReplyDraft::new();
    events.iter().for_each(|event| draft.push(event));
    assert_eq!(draft.into_parts(), reply.parts);
}

#[tokio::test]
async fn a_tool_call_behind_the_words_is_part_of_the_reply() {
    let call = tool_call();
    let begun = Ok(vec![say(0, "I look"), cut()]);
    let rest = Ok(vec![at(0, StreamEventKind::ToolCall { call: call.clone() }), whole()]);
    let mut round = Round::new([("lab/a", vec![begun, rest])]);
    let (events, _) = run(&mut round, &["lab/a"]).await;
    assert_eq!(reply(&events).parts, [Part::text("I look"), Part::ToolCall { call }]);
}

#[tokio::test]
async fn words_that_are_held_back_are_delivered_when_the_reply_ends_or_breaks_off() {
    let begun = || Ok(vec![say(0, "one two one"), cut()]);
    let mut round = Round::new([("lab/a", vec![begun(), Ok(vec![say(0, " two"), whole()])])]);
    let (events, _) = run(&mut round, &["lab/a"]).await;
    assert_eq!(said(&events), "one two one two");
    let held = Ok(vec![say(0, " two"), cut()]);
    let mut round = Round::new([("lab/a", vec![begun(), held, good(" three")])]);
    let (events, _) = run(&mut round, &["lab/a"]).await;
    assert_eq!(
        (said(&events).as_str(), reply(&events).text().as_str()),
        ("one two one two three", "one two one two three")
    );
}

#[tokio::test]
async fn stopping_a_call_while_it_is_continued_keeps_what_had_come() {
    let mut round = Round::new([("lab/a", vec![Ok(vec![say(0, "one"), cut()]), Err(busy(4_000))])]);
    let call = round.call(&["lab/a"], MidStream::Continue);
    let cancel = call.context.cancel.clone();
    let mut events = round.run(call).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().kind, StreamEventKind::text("one"));
    let mut next = events.next();
    assert!(futures::poll!(&mut next).is_pending());
    cancel.cancel();
    let error = next.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.partial()), (ErrorKind::Cancelled, [Part::text("one")].as_slice()));
    assert_eq!(error.spent().unwrap().0.input_tokens, 10);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn no_continuation_is_begun_when_the_time_is_up() {
    let mut round = Round::new([("lab/a", vec![Ok(vec![say(0, "one"), cut()]), good("two")])]);
    round.context.deadline = Some(SECOND);
    let call = round.call(&["lab/a", "lab/b"], MidStream::Continue);
    let mut events = round.run(call).await.unwrap();
    assert!(events.next().await.unwrap().is_ok());
    round.clock.advance(SECOND);
    assert_eq!(events.next().await.unwrap().unwrap_err().kind(), ErrorKind::Truncated);
    assert_eq!(round.asked(), ["lab/a"]);
}
