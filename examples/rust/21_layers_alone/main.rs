//! One layer alone around a service of your own: retries, a breaker, limits, a budget or a cache of replies, without an
//! engine. A service takes a `Call` and gives the events of a reply; how it comes by them is its own affair.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use tertulia::base::{Clock, Ids, SystemClock, SystemRandom};
use tertulia::call::{
    Accounts, AdmissionLayer, BreakerLayer, BudgetLayer, CacheLayer, Call, CallContext, CallTarget, HttpRoute,
    ReplyEvents, RetryLayer, Route,
};
use tertulia::model::Window;
use tertulia::policy::RetryPolicy;
use tertulia::store::{Durability, MemoryStore, Op, Store as _, WriteBatch};
use tertulia::wire::OpenAiChat;
use tertulia::{
    BreakerSettings, Budget, CacheSettings, Catalogue, ChatRequest, Error, ErrorKind, FinishReason, LimitSettings,
    NewMessage, Part, ProviderSpec, QueueSettings, Reply, Result, Retry, RetrySettings, StreamEvent, StreamEventKind,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};

/// Stands where your own service would stand: it fails so often, then it answers. `asked` counts.
fn mine(
    fails: usize,
    asked: &Arc<AtomicUsize>,
) -> impl Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + 'static + use<> {
    let asked = asked.clone();
    service_fn(move |_: Call| {
        let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            if number <= fails {
                let asleep = Error::new(ErrorKind::Unavailable, "asleep", "the service is waking up");
                return Err(asleep.with_retry(Retry::Safe));
            }
            let mut reply = Reply::empty("mine", "m");
            reply.parts = vec![Part::text("hello")];
            reply.finish_reason = Some(FinishReason::Stop);
            let events = [StreamEventKind::text("hello"), StreamEventKind::Done { reply: Box::new(reply) }];
            let events = events.map(|kind| Ok(StreamEvent::unnumbered(0, kind)));
            Ok(Box::pin(stream::iter(events)) as ReplyEvents)
        }
    })
}

/// What is asked, and of whom. A layer tells targets apart by provider, address and model.
fn call(until: Duration) -> Result<Call> {
    let spec = ProviderSpec::openai_chat("mine", "http://127.0.0.1:9/v1");
    let entry = Catalogue::bundled()?.with_provider(spec)?.require_provider("mine")?.clone();
    let route = HttpRoute { base_url: entry.address(|_| None)?, dialect: Arc::new(OpenAiChat) };
    let model = "mine/m".parse()?;
    let target = CallTarget::new(model, entry, Route::Http(route), None, 1 << 20);
    let request = ChatRequest { messages: vec![NewMessage::user("hi")], ..ChatRequest::default() };
    let mut context = CallContext::new("example");
    context.deadline = Some(until);
    Ok(Call { request: Arc::new(request), target: Arc::new(target), context })
}

/// The words of a reply, or how it failed.
async fn words<S>(service: S, call: Call) -> Result<String, String>
where
    S: Service<Call, Response = ReplyEvents, Error = Error>,
{
    let mut events = service.oneshot(call).await.map_err(|error| error.reason().to_owned())?;
    let mut said = String::new();
    while let Some(event) = events.next().await {
        if let StreamEventKind::Text { delta } = event.map_err(|error| error.reason().to_owned())?.kind {
            said.push_str(&delta);
        }
    }
    Ok(said)
}

#[tokio::main]
async fn main() -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let random = Arc::new(SystemRandom);
    let soon = || clock.monotonic() + Duration::from_secs(5);
    let asked = || Arc::new(AtomicUsize::new(0));
    let times = |asked: &AtomicUsize| asked.load(Ordering::Relaxed);

    let count = asked();
    let policy = RetryPolicy::new(RetrySettings::exponential(3, 1, 10));
    let retrying = RetryLayer::new(policy, clock.clone(), random.clone()).layer(mine(2, &count));
    println!("retry: {:?} after {} tries", words(retrying, call(soon())?).await, times(&count));

    let count = asked();
    let settings = BreakerSettings { consecutive_failures: 2, ..BreakerSettings::default() };
    let breaker = BreakerLayer::new(settings, Duration::ZERO, clock.clone(), random.clone()).layer(mine(9, &count));
    for _ in 0..3 {
        println!("breaker: {:?}, asked {} times", words(breaker.clone(), call(soon())?).await, times(&count));
    }

    let count = asked();
    let off = BreakerLayer::new(
        BreakerSettings { enabled: false, ..BreakerSettings::default() },
        Duration::ZERO,
        clock.clone(),
        random.clone(),
    );
    let limits = LimitSettings { requests_per_minute: Some(1), ..LimitSettings::default() };
    let limited = AdmissionLayer::new(limits, QueueSettings::default(), off, clock.clone()).layer(mine(0, &count));
    for _ in 0..2 {
        println!("limits: {:?}, asked {} times", words(limited.clone(), call(soon())?).await, times(&count));
    }

    let count = asked();
    let (store, tasks) = (Arc::new(MemoryStore::new()), TaskTracker::new());
    let budget = WriteBatch::new("", clock.now()).op(Op::PutBudget(Budget::requests(1).per(Window::Day)));
    store.apply(budget, Durability::ProcessSafe).await?;
    let spawned = tasks.clone();
    let accounts = Accounts::new(
        store,
        clock.clone(),
        Ids::new(clock.clone(), random.clone()),
        "this program".to_owned(),
        Arc::new(move |_, work| drop(spawned.spawn(work))),
        Arc::new(|alert| println!("budget: {alert:?}")),
        CancellationToken::new(),
    );
    let affordable = BudgetLayer::new(accounts).layer(mine(0, &count));
    for _ in 0..2 {
        println!("budget: {:?}, asked {} times", words(affordable.clone(), call(soon())?).await, times(&count));
    }
    // What was spent is written down in tasks of their own.
    tasks.close();
    tasks.wait().await;

    let count = asked();
    let settings = CacheSettings { enabled: true, ..CacheSettings::default() };
    let cached = CacheLayer::new(settings, clock.clone(), &*random).layer(mine(0, &count));
    for _ in 0..2 {
        println!("cache: {:?}, asked {} times", words(cached.clone(), call(soon())?).await, times(&count));
    }
    Ok(())
}
