//! The cache layer over a provider that is let speak event by event, on a clock that stands still until it is moved.
#![allow(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]

use std::collections::VecDeque;
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use tower::{Layer as _, Service, ServiceExt as _};

use super::super::target::ReplyEvents;
use super::super::tests::call_of_model;
use super::super::{
    Alternative, Alternatives, CacheLayer, CallContext, CallKey, CallTarget, Credentials, EventStream, MakeRequest,
    OwnCode, Provider, ProviderService, Route,
};
use super::*;
use crate::base::{Attempt, ErrorKind, Ids, ManualClock, SeededRandom};
use crate::model::{
    ChatRequest, Citation, Cost, CostSource, Error, FinishReason, NewMessage, Part, Progress, Result, StreamEvent,
    StreamEventKind, ToolCall, Usage, UsageSource,
};
use crate::net::ReplayTransport;
use crate::policy::{CacheMode, MidStream};

type Said = mpsc::UnboundedSender<Result<StreamEvent>>;

/// A provider whose calls are held in hand: each is answered by the test, or dropped.
#[derive(Clone, Default)]
struct Lab {
    calls: Arc<Mutex<VecDeque<(Call, Said)>>>,
    made: Arc<AtomicU64>,
}

impl Lab {
    fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// The oldest call that nobody has looked at.
    fn next(&self) -> (Call, Said) {
        self.calls.lock().unwrap().pop_front().expect("no call was made")
    }
}

impl Service<Call> for Lab {
    type Response = ReplyEvents;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ReplyEvents>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let (said, heard) = mpsc::unbounded();
        self.made.fetch_add(1, Ordering::Relaxed);
        let cancelled = call.context.cancel.clone().cancelled_owned();
        self.calls.lock().unwrap().push_back((call, said));
        // As the guarded stream does: a call that is stopped says so, with what it took.
        let stopped = async move {
            cancelled.await;
            let usage = Usage { output_tokens: 3, requests: 1, ..Usage::default() };
            Err(Error::new(ErrorKind::Cancelled, "stopped", "stopped").with_spent(usage, Cost::default()))
        };
        let stopped = futures::stream::once(stopped).boxed();
        Box::pin(async move { Ok(Box::pin(futures::stream::select(heard, stopped)) as ReplyEvents) })
    }
}

struct Bench {
    clock: ManualClock,
    lab: Lab,
    layer: CacheLayer,
}

impl Bench {
    fn new() -> Self {
        Self::with(CacheSettings { enabled: true, ..CacheSettings::default() })
    }

    fn with(settings: CacheSettings) -> Self {
        let clock = ManualClock::default();
        let layer = CacheLayer::new(settings, Arc::new(clock.clone()), &SeededRandom::new(5));
        Self { clock, lab: Lab::default(), layer }
    }

    fn ask(&self, call: Call) -> BoxFuture<'static, Result<ReplyEvents>> {
        Box::pin(self.layer.layer(self.lab.clone()).oneshot(call))
    }

    /// Asks, answers where the provider is asked, and gives the reply.
    async fn answered(&self, call: Call, answer: &str) -> Reply {
        let mut opening = self.ask(call);
        let opened = futures::poll!(&mut opening);
        whole(&self.lab.next().1, answer);
        let events = match opened {
            std::task::Poll::Ready(events) => events,
            std::task::Poll::Pending => opening.await,
        };
        last(events.unwrap()).await
    }

    /// Asks for what must be there already.
    async fn found(&self, call: Call) -> Reply {
        let before = self.lab.made();
        let opening = self.ask(call).now_or_never().expect("a reply that is there needs no waiting");
        assert_eq!(self.lab.made(), before, "nobody was asked");
        last(opening.unwrap()).await
    }
}

fn asks(text: &str, context: CallContext) -> Call {
    let request = ChatRequest { messages: vec![NewMessage::user(text)], ..ChatRequest::default() };
    Call { request: Arc::new(request), ..call_of_model("lab/m", context) }
}

fn anyone() -> CallContext {
    CallContext::new("test")
}

fn with(change: impl FnOnce(&mut CallContext)) -> CallContext {
    let mut context = anyone();
    change(&mut context);
    context
}

fn mode(mode: CacheMode) -> CallContext {
    with(|context| context.cache = Some(mode))
}

fn owner(owner: &str) -> CallContext {
    with(|context| context.owner = Some(owner.into()))
}

fn until(seconds: u64) -> CallContext {
    with(|context| context.deadline = Some(Duration::from_secs(seconds)))
}

fn say(to: &Said, kind: StreamEventKind) {
    to.unbounded_send(Ok(StreamEvent::unnumbered(0, kind))).unwrap();
}

fn text(to: &Said, delta: &str) {
    say(to, StreamEventKind::text(delta));
}

fn reply(answer: &str) -> Reply {
    let mut reply = Reply::empty("lab", "m");
    reply.parts = vec![Part::text(answer)];
    reply.finish_reason = Some(FinishReason::Stop);
    reply.usage =
        Usage { input_tokens: 9, output_tokens: 4, requests: 1, source: UsageSource::Reported, ..Usage::default() };
    reply.cost = Cost { nano_usd: Some(700), source: CostSource::Catalogue, price_date: None };
    reply
}

fn done(to: &Said, reply: Reply) {
    say(to, StreamEventKind::Done { reply: Box::new(reply) });
}

fn whole(to: &Said, answer: &str) {
    let (one, two) = answer.split_at(answer.len() / 2);
    text(to, one);
    text(to, two);
    done(to, reply(answer));
}

fn fails(to: &Said, kind: ErrorKind) {
    to.unbounded_send(Err(Error::new(kind, "lab", "no"))).unwrap();
}

async fn last(mut events: ReplyEvents) -> Reply {
    loop {
        if let StreamEventKind::Done { reply } = events.next().await.expect("the reply never came").unwrap().kind {
            return *reply;
        }
    }
}

/// Lets every task run until it waits: a runtime of one thread runs 61 of them between two looks at this one.
async fn settled() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn failure(events: &mut ReplyEvents) -> Error {
    loop {
        if let Err(error) = events.next().await.expect("no failure came") {
            return error;
        }
    }
}

fn paid(reply: &Reply) -> (i32, i64, Option<i64>, bool) {
    (reply.usage.requests, reply.usage.output_tokens, reply.cost.nano_usd, reply.from_cache)
}

const FULL: (i32, i64, Option<i64>, bool) = (1, 4, Some(700), false);
const FREE: (i32, i64, Option<i64>, bool) = (0, 0, Some(0), true);

#[tokio::test]
async fn who_asks_the_same_gets_the_same_without_a_call_and_without_paying() {
    let bench = Bench::new();
    let first = bench.answered(asks("hi", anyone()), "hello").await;
    let second = bench.found(asks("hi", anyone())).await;
    assert_eq!((paid(&first), paid(&second)), (FULL, FREE));
    assert_eq!((second.text(), second.attempts.len()), ("hello".to_owned(), 0));
    assert_eq!(bench.answered(asks("hi!", anyone()), "another").await.text(), "another");
    let state = bench.layer.state();
    assert_eq!((state.hits, state.misses, state.coalesced, state.entries), (1, 2, 0, 2));
    assert!(state.bytes > 10, "{state:?}");
}

#[tokio::test]
async fn it_is_off_unless_the_settings_or_the_call_say_so() {
    let bench = Bench::with(CacheSettings::default());
    bench.answered(asks("hi", anyone()), "one").await;
    assert_eq!(bench.answered(asks("hi", anyone()), "two").await.text(), "two");
    assert_eq!(bench.layer.state(), CacheState::default());
    assert_eq!(bench.answered(asks("hi", mode(CacheMode::Use)), "three").await.text(), "three");
    assert_eq!(bench.found(asks("hi", mode(CacheMode::Use))).await.text(), "three");
}

#[tokio::test]
async fn a_reply_is_good_until_its_time_is_over_by_the_clock_that_was_handed_in() {
    let bench = Bench::with(CacheSettings { enabled: true, ttl_ms: 1_000, ..CacheSettings::default() });
    bench.answered(asks("hi", anyone()), "old").await;
    bench.clock.advance(Duration::from_millis(999));
    assert_eq!(bench.found(asks("hi", anyone())).await.text(), "old");
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(bench.answered(asks("hi", anyone()), "new").await.text(), "new");
    assert_eq!(bench.found(asks("hi", anyone())).await.text(), "new");
}

#[tokio::test]
async fn refresh_asks_in_any_case_and_takes_the_place_of_the_old_reply() {
    let bench = Bench::new();
    bench.answered(asks("hi", anyone()), "old").await;
    assert_eq!(paid(&bench.answered(asks("hi", mode(CacheMode::Refresh)), "new").await), FULL);
    assert_eq!(bench.found(asks("hi", anyone())).await.text(), "new");
}

#[tokio::test]
async fn an_older_call_that_ends_later_does_not_take_the_place_of_a_refreshed_reply() {
    let bench = Bench::new();
    let mut slow = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut slow).is_pending());
    let (_, said) = bench.lab.next();
    bench.answered(asks("hi", mode(CacheMode::Refresh)), "new").await;
    whole(&said, "old");
    assert_eq!(last(slow.await.unwrap()).await.text(), "old");
    assert_eq!(bench.found(asks("hi", anyone())).await.text(), "new");
}

#[tokio::test]
async fn bypass_neither_reads_nor_leaves_anything_nor_waits_for_others() {
    let bench = Bench::new();
    bench.answered(asks("hi", mode(CacheMode::Bypass)), "one").await;
    assert_eq!(bench.layer.state(), CacheState::default());
    bench.answered(asks("hi", anyone()), "kept").await;
    assert_eq!(bench.answered(asks("hi", mode(CacheMode::Bypass)), "two").await.text(), "two");
    assert_eq!(bench.found(asks("hi", anyone())).await.text(), "kept");
}

#[tokio::test]
async fn nothing_of_one_owner_or_key_is_seen_by_another() {
    let bench = Bench::new();
    let keyed = |key: &str| {
        let key = CallKey { provider: "lab".to_owned(), key: key.into() };
        with(|context| (context.owner, context.key) = (Some("ana".into()), Some(key)))
    };
    let tenants = || [anyone(), owner("ana"), owner("bea"), keyed("sk-1"), keyed("sk-2")];
    for (n, tenant) in tenants().into_iter().enumerate() {
        bench.answered(asks("hi", tenant), &format!("for {n}")).await;
    }
    for (n, tenant) in tenants().into_iter().enumerate() {
        assert_eq!(bench.found(asks("hi", tenant)).await.text(), format!("for {n}"));
    }
    let mut both = (bench.ask(asks("new", owner("ana"))), bench.ask(asks("new", owner("bea"))));
    assert!(futures::poll!(&mut both.0).is_pending() && futures::poll!(&mut both.1).is_pending());
    assert_eq!(bench.lab.made(), 7, "nor do they wait for each other");
}

#[tokio::test]
async fn only_whole_replies_in_words_are_kept() {
    let call = ToolCall {
        id: "c".to_owned(),
        name: "f".to_owned(),
        arguments: serde_json::json!({}),
        provider_executed: false,
        free_text: false,
    };
    let ended = |finish| Reply { finish_reason: finish, ..reply("half") };
    let of = |part| Reply { parts: vec![part], ..reply("") };
    let cases = [
        ("cut by a limit", ended(Some(FinishReason::Length))),
        ("filtered", ended(Some(FinishReason::ContentFilter))),
        ("a call of a tool", ended(Some(FinishReason::ToolCalls))),
        ("an unknown end", ended(None)),
        ("a call beside a stop", of(Part::ToolCall { call })),
        ("a refusal", of(Part::Refusal { text: "no".to_owned() })),
        ("nothing at all", Reply { parts: Vec::new(), ..reply("") }),
    ];
    let bench = Bench::new();
    for (what, reply) in cases {
        let mut opening = bench.ask(asks(what, anyone()));
        assert!(futures::poll!(&mut opening).is_pending(), "{what}");
        let (_, said) = bench.lab.next();
        text(&said, "x");
        done(&said, reply);
        last(opening.await.unwrap()).await;
        assert_eq!(bench.layer.state().entries, 0, "{what}");
    }
    for after in [false, true] {
        let mut opening = bench.ask(asks("broken", anyone()));
        assert!(futures::poll!(&mut opening).is_pending());
        let (_, said) = bench.lab.next();
        if after {
            text(&said, "ha");
        }
        fails(&said, if after { ErrorKind::Truncated } else { ErrorKind::Unavailable });
        match opening.await {
            Ok(events) => assert!(after && events.collect::<Vec<_>>().await.last().unwrap().is_err()),
            Err(error) => assert!(!after && error.kind() == ErrorKind::Unavailable),
        }
        assert_eq!(bench.layer.state().entries, 0, "an error, after content: {after}");
    }
}

#[tokio::test]
async fn the_reply_of_another_model_than_was_asked_is_not_kept() {
    for (model, kept) in [("lab/m", 1), ("lab/other", 0)] {
        let bench = Bench::new();
        let mut opening = bench.ask(asks("hi", anyone()));
        assert!(futures::poll!(&mut opening).is_pending());
        let (call, said) = bench.lab.next();
        call.context.note(Attempt { model: model.to_owned(), kind: None, status: None, delay_ms: 0, duration_ms: 1 });
        whole(&said, "hello");
        last(opening.await.unwrap()).await;
        assert_eq!(bench.layer.state().entries, kept, "{model}");
    }
}

#[tokio::test]
async fn a_kept_reply_streams_again_as_the_same_parts() {
    let bench = Bench::new();
    let mut opening = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut opening).is_pending());
    let (_, said) = bench.lab.next();
    let citation = Citation { start: 0, end: 2, url: Some("https://lab.example".to_owned()), title: None, quote: None };
    let opaque = Part::Opaque {
        provider: "lab".to_owned(),
        name: "signature".to_owned(),
        attached: true,
        data: serde_json::json!("s"),
    };
    let cited = Part::Text { text: "hello".to_owned(), citations: vec![citation] };
    let parts = vec![Part::Reasoning { text: "hm".to_owned() }, opaque, cited, Part::text("bye")];
    text(&said, "hello");
    done(&said, Reply { parts: parts.clone(), raw: Some(serde_json::json!({"big": 1})), ..reply("") });
    assert!(last(opening.await.unwrap()).await.raw.is_some());

    let events: Vec<_> = bench.ask(asks("hi", anyone())).await.unwrap().map(|event| event.unwrap()).collect().await;
    let mut draft = crate::model::ReplyDraft::new();
    events.iter().for_each(|event| draft.push(event));
    assert_eq!(draft.into_parts(), parts);
    let StreamEventKind::Done { reply } = &events.last().unwrap().kind else { panic!("{events:?}") };
    assert_eq!((&reply.parts, reply.raw.is_none()), (&parts, true));
}

#[tokio::test]
async fn all_who_ask_the_same_at_the_same_time_read_one_call_live_and_one_of_them_pays() {
    let bench = Bench::new();
    let mut first = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut first).is_pending());
    let (_, said) = bench.lab.next();
    text(&said, "one ");
    let mut first = first.await.unwrap();
    assert_eq!(first.next().await.unwrap().unwrap().kind, StreamEventKind::text("one "));
    // Comes in the middle: has the beginning at once, then reads on live.
    let mut second = bench.ask(asks("hi", anyone())).now_or_never().unwrap().unwrap();
    assert_eq!(second.next().await.unwrap().unwrap().kind, StreamEventKind::text("one "));
    assert!(second.next().now_or_never().is_none());
    text(&said, "two");
    // The first does not read: that is its own affair.
    assert_eq!(second.next().await.unwrap().unwrap().kind, StreamEventKind::text("two"));
    done(&said, reply("one two"));
    assert_eq!(paid(&last(second).await), FREE);
    assert_eq!(paid(&last(first).await), FULL);
    let state = bench.layer.state();
    assert_eq!((bench.lab.made(), state.misses, state.coalesced, state.hits), (1, 1, 1, 0));
}

#[tokio::test]
async fn who_waits_is_woken_by_what_another_has_read() {
    let bench = Bench::new();
    let mut first = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut first).is_pending());
    let second = tokio::spawn(bench.ask(asks("hi", anyone())));
    tokio::task::yield_now().await;
    let (_, said) = bench.lab.next();
    whole(&said, "hello");
    // Takes the event in for both; nobody but this wakes the other one.
    let first = first.await.unwrap();
    let second = second.await.unwrap().unwrap();
    let (first, second) = tokio::join!(tokio::spawn(last(first)), tokio::spawn(last(second)));
    assert_eq!((first.unwrap().text(), second.unwrap().text()), ("hello".to_owned(), "hello".to_owned()));
}

/// G101. The call belongs to all who wait for it: its first caller may go without a second call being made.
#[tokio::test]
async fn of_a_thousand_who_ask_the_same_the_first_goes_and_all_others_are_answered_by_the_one_call() {
    for dropped in [false, true] {
        for begun in [false, true] {
            let bench = Bench::new();
            let context = anyone();
            let mut first = bench.ask(asks("hi", context.clone()));
            assert!(futures::poll!(&mut first).is_pending());
            let (_, said) = bench.lab.next();
            let others: Vec<_> = (1..1_000)
                .map(|_| {
                    let opening = bench.ask(asks("hi", anyone()));
                    tokio::spawn(async move { last(opening.await.unwrap()).await })
                })
                .collect();
            settled().await;
            let mut events = None;
            if begun {
                text(&said, "one ");
                events = Some(first.await.unwrap());
            } else if !dropped {
                context.cancel.cancel();
                assert_eq!(first.await.err().unwrap().kind(), ErrorKind::Cancelled);
            } else {
                drop(first);
            }
            if let Some(mut events) = events.filter(|_| !dropped) {
                context.cancel.cancel();
                let error = failure(&mut events).await;
                assert_eq!(error.kind(), ErrorKind::Cancelled);
                assert_eq!(error.spent().unwrap().0.requests, 0, "the others pay");
            }
            text(&said, "hello");
            done(&said, reply("hello"));
            let mut paying = 0;
            for other in others {
                let reply = other.await.unwrap();
                assert_eq!(reply.text(), "hello");
                paying += reply.usage.requests;
            }
            assert_eq!((bench.lab.made(), paying), (1, 1), "dropped {dropped}, begun {begun}");
            assert_eq!(bench.layer.state().coalesced, 999);
        }
    }
}

/// G101, when the call itself breaks off with its first caller: one of those who waited asks for all.
#[tokio::test]
async fn of_a_thousand_whose_call_fails_one_asks_again_and_all_others_are_answered() {
    let bench = Bench::new();
    let mut first = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut first).is_pending());
    let (_, said) = bench.lab.next();
    let others: Vec<_> = (1..1_000)
        .map(|_| {
            let opening = bench.ask(asks("hi", anyone()));
            tokio::spawn(async move { last(opening.await.unwrap()).await })
        })
        .collect();
    settled().await;
    fails(&said, ErrorKind::TimedOut);
    assert_eq!(first.await.err().unwrap().kind(), ErrorKind::TimedOut);
    settled().await;
    whole(&bench.lab.next().1, "hello");
    let mut paying = 0;
    for other in others {
        paying += other.await.unwrap().usage.requests;
    }
    assert_eq!((bench.lab.made(), paying), (2, 1), "exactly one call more");
    assert_eq!(bench.layer.state().coalesced, 998);
}

#[tokio::test]
async fn what_would_be_refused_whoever_asks_is_refused_once_for_all() {
    let bench = Bench::new();
    let mut first = bench.ask(asks("hi", anyone()));
    let mut second = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    fails(&bench.lab.next().1, ErrorKind::ContextTooLong);
    let kinds = (first.await.err().unwrap().kind(), second.await.err().unwrap().kind());
    assert_eq!((kinds, bench.lab.made()), ((ErrorKind::ContextTooLong, ErrorKind::ContextTooLong), 1));
    assert_eq!(bench.answered(asks("hi", anyone()), "now").await.text(), "now", "and not kept");
}

#[tokio::test]
async fn who_waits_does_so_within_its_own_deadline_and_until_it_is_stopped_itself() {
    let bench = Bench::new();
    let mut first = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut first).is_pending());
    let (_, said) = bench.lab.next();
    let mut late = bench.ask(asks("hi", until(2)));
    let stopped = anyone();
    let mut going = bench.ask(asks("hi", stopped.clone()));
    assert!(futures::poll!(&mut late).is_pending() && futures::poll!(&mut going).is_pending());
    stopped.cancel.cancel();
    assert_eq!(going.await.err().unwrap().kind(), ErrorKind::Cancelled);
    bench.clock.advance(Duration::from_millis(1_999));
    assert!(futures::poll!(&mut late).is_pending());
    bench.clock.advance(Duration::from_millis(1));
    let error = late.await.err().unwrap();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, "total"));

    text(&said, "one ");
    let mut first = first.await.unwrap();
    let mut cut = bench.ask(asks("hi", until(5))).await.unwrap();
    assert_eq!(cut.next().await.unwrap().unwrap().kind, StreamEventKind::text("one "));
    let mut next = cut.next();
    assert!(futures::poll!(&mut next).is_pending());
    bench.clock.advance(Duration::from_secs(3));
    let error = next.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.partial()), (ErrorKind::Truncated, &[Part::text("one ")][..]));
    assert!(cut.next().await.is_none());

    assert_eq!(first.next().await.unwrap().unwrap().kind, StreamEventKind::text("one "));
    done(&said, reply("one"));
    assert_eq!(paid(&last(first).await), FULL, "the call goes on for who has time");
}

#[tokio::test]
async fn a_call_that_only_one_reads_is_stopped_with_it_and_says_what_it_took() {
    let bench = Bench::new();
    let context = anyone();
    let mut opening = bench.ask(asks("hi", context.clone()));
    assert!(futures::poll!(&mut opening).is_pending());
    let (call, said) = bench.lab.next();
    text(&said, "one ");
    let mut events = opening.await.unwrap();
    context.cancel.cancel();
    let error = failure(&mut events).await;
    assert_eq!((error.kind(), error.spent().unwrap().0.output_tokens), (ErrorKind::Cancelled, 3));
    assert!(call.context.cancel.is_cancelled());

    let mut opening = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut opening).is_pending(), "what is stopping is joined by nobody");
    let (_, said) = bench.lab.next();
    drop(opening);
    assert!(said.is_closed(), "nobody reads: the call is dropped");
    assert_eq!(bench.answered(asks("hi", anyone()), "again").await.text(), "again");
}

#[tokio::test]
async fn all_who_wait_hear_what_happens_before_the_first_content() {
    let bench = Bench::new();
    let heard: Arc<Mutex<Vec<&str>>> = Arc::default();
    let listening = |name: &'static str| {
        let heard = heard.clone();
        with(|context| context.progress = Some(Arc::new(move |_| heard.lock().unwrap().push(name))))
    };
    let mut opening = (bench.ask(asks("hi", listening("first"))), bench.ask(asks("hi", listening("second"))));
    assert!(futures::poll!(&mut opening.0).is_pending() && futures::poll!(&mut opening.1).is_pending());
    bench.lab.next().0.context.report(Progress::Heartbeat { idle_ms: 1 });
    let mut names = heard.lock().unwrap().clone();
    names.sort_unstable();
    assert_eq!(names, ["first", "second"]);
}

#[tokio::test]
async fn what_is_kept_never_takes_more_than_it_may_and_the_oldest_goes_first() {
    let max_bytes = 20_000;
    let bench = Bench::with(CacheSettings { enabled: true, max_bytes, ..CacheSettings::default() });
    for n in 0..40 {
        bench.answered(asks(&n.to_string(), anyone()), &"x".repeat(1_000)).await;
        let state = bench.layer.state();
        assert!(state.bytes <= max_bytes, "{n}: {state:?}");
    }
    let state = bench.layer.state();
    assert!(state.entries > 3 && state.evicted == 40 - state.entries, "{state:?}");
    bench.found(asks("39", anyone())).await;
    bench.answered(asks("0", anyone()), "asked anew").await;
}

#[tokio::test]
async fn a_reply_that_is_larger_than_the_cache_streams_on_to_its_caller_and_is_not_kept() {
    let bench = Bench::with(CacheSettings { enabled: true, max_bytes: 2_000, ..CacheSettings::default() });
    let mut opening = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut opening).is_pending());
    let (_, said) = bench.lab.next();
    text(&said, "x");
    let mut events = opening.await.unwrap();
    let mut read = 0;
    for _ in 0..50 {
        text(&said, &"x".repeat(500));
        while let Some(Some(event)) = events.next().now_or_never() {
            event.unwrap();
            read += 1;
        }
        let held = bench.layer.under_way();
        assert!(held <= 3_000, "{held} bytes are held for a reply that only one reads");
    }
    assert_eq!(read, 51);
    let mut other = bench.ask(asks("hi", anyone()));
    assert!(futures::poll!(&mut other).is_pending());
    assert_eq!(bench.lab.made(), 2, "too late to join: the beginning is gone");
    done(&said, reply("x"));
    assert_eq!(paid(&last(events).await), FULL);
    drop(other);
    assert_eq!((bench.layer.state().entries, bench.layer.under_way()), (0, 0));
}

#[tokio::test]
async fn without_room_who_is_ahead_waits_for_who_is_behind_and_goes_on_when_that_reads_or_leaves() {
    for leaves in [false, true] {
        let bench = Bench::with(CacheSettings { enabled: true, max_bytes: 2_000, ..CacheSettings::default() });
        let (mut ahead, mut behind) = (bench.ask(asks("hi", anyone())), bench.ask(asks("hi", anyone())));
        assert!(futures::poll!(&mut ahead).is_pending() && futures::poll!(&mut behind).is_pending());
        let (_, said) = bench.lab.next();
        text(&said, "x");
        let (mut ahead, mut behind) = (ahead.await.unwrap(), behind.await.unwrap());
        let long = "x".repeat(1_500);
        (0..4).for_each(|_| text(&said, &long));
        done(&said, reply("x"));
        let waiting = tokio::spawn(async move {
            let mut read = 0;
            while let Some(event) = ahead.next().await {
                event.unwrap();
                read += 1;
            }
            read
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished() && bench.layer.under_way() < 5_000, "{}", bench.layer.under_way());
        if leaves {
            drop(behind);
        } else {
            let mut read = 0;
            while let Some(event) = behind.next().await {
                event.unwrap();
                read += 1;
                tokio::task::yield_now().await;
            }
            assert_eq!(read, 6);
        }
        assert_eq!(waiting.await.unwrap(), 6, "leaves {leaves}");
        assert_eq!(bench.layer.under_way(), 0);
    }
}

#[tokio::test]
async fn a_provider_that_panics_takes_nobody_else_along() {
    let bench = Bench::new();
    let panics = tower::service_fn(|_: Call| async { panic!("own code") as Result<ReplyEvents> });
    let mut waiting = bench.ask(asks("else", anyone()));
    assert!(futures::poll!(&mut waiting).is_pending());
    let asked = tokio::spawn(bench.layer.layer(panics).oneshot(asks("hi", anyone())));
    assert!(asked.await.err().unwrap().is_panic());
    drop(bench.lab.next());
    assert_eq!(bench.answered(asks("hi", anyone()), "hello").await.text(), "hello");
}

/// A call with others to go on to, in this order.
fn goes_on(to: &[(&str, Option<&str>)], mid_stream: MidStream) -> CallContext {
    let targets = to.iter().map(|(model, key)| Alternative {
        target: call_of_model(model, anyone()).target,
        key: key.map(|key| CallKey { provider: "lab".to_owned(), key: key.into() }),
    });
    let make: MakeRequest = Arc::new(|_| Box::pin(async { Ok(Arc::default()) }));
    let alternatives = Arc::new(Alternatives { targets: targets.collect(), make, mid_stream });
    with(|context| context.alternatives = Some(alternatives))
}

#[tokio::test]
async fn who_may_be_answered_by_somebody_else_or_in_another_way_shares_no_call_with_who_may_not() {
    use MidStream::{Continue, Surface};
    let limit = CostLimit::new(700);
    let limited = |limit: &CostLimit| with(|context| context.cost_limit = Some(limit.clone()));
    let cases = [
        ("nobody else", anyone(), anyone(), true),
        ("somebody else", goes_on(&[("lab/b", None)], Surface), anyone(), false),
        ("nobody else, later", anyone(), goes_on(&[("lab/b", None)], Surface), false),
        ("the same", goes_on(&[("lab/b", Some("k"))], Surface), goes_on(&[("lab/b", Some("k"))], Surface), true),
        ("another model", goes_on(&[("lab/b", None)], Surface), goes_on(&[("lab/c", None)], Surface), false),
        ("another key", goes_on(&[("lab/b", Some("k"))], Surface), goes_on(&[("lab/b", Some("l"))], Surface), false),
        (
            "another order",
            goes_on(&[("lab/b", None), ("lab/c", None)], Surface),
            goes_on(&[("lab/c", None), ("lab/b", None)], Surface),
            false,
        ),
        ("continued", goes_on(&[], Continue), goes_on(&[], Surface), false),
        ("cut short by its own limit", limited(&limit), anyone(), false),
        ("each by its own limit", limited(&limit), limited(&CostLimit::new(700)), false),
        ("both by one limit", limited(&limit), limited(&limit), true),
    ];
    for (what, one, other, shared) in cases {
        let bench = Bench::new();
        let (mut one, mut two) = (bench.ask(asks("hi", one)), bench.ask(asks("hi", other.clone())));
        assert!(futures::poll!(&mut one).is_pending() && futures::poll!(&mut two).is_pending(), "{what}");
        assert_eq!(bench.lab.made(), if shared { 1 } else { 2 }, "{what}");
        let mut three = bench.ask(asks("hi", other));
        assert!(futures::poll!(&mut three).is_pending(), "{what}");
        assert_eq!(bench.lab.made(), if shared { 1 } else { 2 }, "{what}: those of one kind share one");
        let (_, said) = bench.lab.next();
        whole(&said, "hello");
        assert_eq!(last(one.await.unwrap()).await.text(), "hello", "{what}");
        assert_eq!(bench.found(asks("hi", anyone())).await.text(), "hello", "{what}: what was asked is good for all");
    }
}

/// Code of the application's own that begins once it may, and says what it is told to.
struct House(Mutex<Option<mpsc::UnboundedReceiver<Result<StreamEventKind>>>>, Arc<tokio::sync::Semaphore>);

impl Provider for House {
    fn name(&self) -> &str {
        "lab"
    }

    async fn stream(&self, _: ChatRequest) -> Result<EventStream> {
        let said = self.0.lock().unwrap().take().expect("it was asked twice");
        self.1.acquire().await.unwrap().forget();
        Ok(EventStream::new(said))
    }
}

type Says = mpsc::UnboundedSender<Result<StreamEventKind>>;

/// Who asks the house with so many seconds left, what it says, and whether it may begin.
fn house(
    bench: &Bench,
) -> (impl Fn(u64) -> BoxFuture<'static, Result<ReplyEvents>> + '_, Says, Arc<tokio::sync::Semaphore>) {
    let clock: Arc<dyn Clock> = Arc::new(bench.clock.clone());
    let provider = ProviderService::new(
        Arc::new(ReplayTransport::new([])),
        Arc::new(Credentials::new(clock.clone(), |_: &str| None)),
        clock.clone(),
        Ids::new(clock, Arc::new(SeededRandom::new(5))),
        Arc::default(),
    );
    let (says, heard) = mpsc::unbounded();
    let CallTarget { model, entry, info, max_event_bytes, .. } = Arc::into_inner(asks("hi", anyone()).target).unwrap();
    let may_begin = Arc::new(tokio::sync::Semaphore::new(0));
    let route = Route::Own(OwnCode::new(House(Mutex::new(Some(heard)), may_begin.clone())));
    let target = Arc::new(CallTarget::new(model, entry, route, info, max_event_bytes));
    let ask = move |seconds| {
        let call = Call { target: target.clone(), ..asks("hi", until(seconds)) };
        Box::pin(bench.layer.layer(provider.clone()).oneshot(call)) as BoxFuture<'static, _>
    };
    (ask, says, may_begin)
}

#[tokio::test]
async fn a_call_that_has_not_begun_goes_on_for_who_has_more_time_than_its_first_caller() {
    let bench = Bench::new();
    let (ask, says, may_begin) = house(&bench);
    let (mut first, mut second) = (ask(2), ask(10));
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    bench.clock.advance(Duration::from_secs(2));
    let error = first.await.err().unwrap();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, "total"));
    assert!(futures::poll!(&mut second).is_pending());
    may_begin.add_permits(1);
    says.unbounded_send(Ok(StreamEventKind::text("hello"))).unwrap();
    drop(says);
    assert_eq!(last(second.await.unwrap()).await.text(), "hello");
}

#[tokio::test]
async fn a_reply_goes_on_for_whoever_has_the_most_time_and_its_first_caller_leaves_in_time() {
    let bench = Bench::new();
    let (ask, says, may_begin) = house(&bench);
    may_begin.add_permits(1);
    let mut first = ask(2);
    assert!(futures::poll!(&mut first).is_pending());
    let mut second = ask(60);
    assert!(futures::poll!(&mut second).is_pending());
    let mut third = ask(5);
    assert!(futures::poll!(&mut third).is_pending());
    says.unbounded_send(Ok(StreamEventKind::text("one "))).unwrap();
    let (mut first, mut second, mut third) = (first.await.unwrap(), second.await.unwrap(), third.await.unwrap());
    bench.clock.advance(Duration::from_secs(2));
    let error = failure(&mut first).await;
    assert_eq!((error.kind(), error.partial()), (ErrorKind::Truncated, &[Part::text("one ")][..]));
    drop(first);
    bench.clock.advance(Duration::from_secs(3));
    assert_eq!(failure(&mut third).await.kind(), ErrorKind::Truncated);
    drop(third);
    says.unbounded_send(Ok(StreamEventKind::text("two"))).unwrap();
    assert!(second.next().await.unwrap().is_ok_and(|event| event.kind.is_content()));
    drop(says);
    let reply = last(second).await;
    assert_eq!((reply.text(), reply.usage.requests), ("one two".to_owned(), 1), "who is left pays");
}
