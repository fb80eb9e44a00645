//! Providers that are a host's code, of which Rust is one.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt as _;
use futures::future::BoxFuture;
use tokio::sync::{Notify, watch};

use super::*;
use crate::call::Provider as _;

/// Any function from a request to an answer.
struct House<F>(F);

type Answered = Result<(), TertuliaError>;

#[async_trait::async_trait]
impl<F> ProviderCode for House<F>
where
    F: Fn(ChatRequest, Arc<OwnReply>) -> BoxFuture<'static, Answered> + Send + Sync,
{
    async fn answer(&self, request: ChatRequest, reply: Arc<OwnReply>) -> Answered {
        self.0(request, reply).await
    }
}

fn house<F>(answer: F) -> Provider
where
    F: Fn(ChatRequest, Arc<OwnReply>) -> BoxFuture<'static, Answered> + Send + Sync + 'static,
{
    Provider { name: "house".to_owned(), code: Arc::new(House(answer)), models: None }
}

fn text(delta: &str) -> StreamEventKind {
    StreamEventKind::Text { delta: delta.to_owned() }
}

async fn open(provider: Provider) -> (Arc<Tertulia>, Arc<Conversation>) {
    let settings = r#"{"profile": "mobile", "retry": {"max_attempts": 2, "base_delay_ms": 1, "max_delay_ms": 1},
        "outbox": {"degrade": false}}"#;
    let options = OpenOptions {
        store: Some("memory:".to_owned()),
        model: Some("house/any".to_owned()),
        fallback: None,
        keys: HashMap::new(),
        providers: Vec::new(),
        settings: Some(settings.to_owned()),
    };
    let tertulia = open_tertulia(options, None, vec![provider], None).await.unwrap();
    let chat = tertulia.user(None, HashMap::new()).new_conversation(
        None,
        Some("Be brief.".to_owned()),
        None,
        HashMap::new(),
        Vec::new(),
        None,
    );
    (tertulia, chat)
}

#[tokio::test]
async fn a_hosts_provider_sees_what_is_asked_and_its_words_are_streamed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (go_on, requests) = (Arc::new(Notify::new()), seen.clone());
    let gate = go_on.clone();
    let (tertulia, chat) = open(house(move |request, reply| {
        requests.lock().unwrap().push(request.clone());
        let gate = gate.clone();
        Box::pin(async move {
            let said = words(&request.messages.last().unwrap().parts);
            assert!(reply.give(StreamEventKind::Reasoning { delta: "Hm".to_owned() }).await);
            assert!(reply.give(text("You said: ")).await);
            gate.notified().await;
            assert!(reply.give(text(&said)).await);
            let usage = model::Usage { input_tokens: 3, output_tokens: 5, ..model::Usage::default() };
            let cost = model::Cost { nano_usd: Some(7), ..model::Cost::default() };
            assert!(reply.give(StreamEventKind::Usage { usage: usage.into(), cost: cost.into() }).await);
            Ok(())
        })
    }))
    .await;
    let options = CallOptions { temperature: Some(0.5), stop_sequences: vec!["END".to_owned()], ..Default::default() };
    let stream = chat.stream(say("Hi"), options, None).await.unwrap();
    // The rest is given only when the first words were read.
    until_words(&stream).await;
    go_on.notify_one();
    let reply = stream.reply(None).await.unwrap();
    assert_eq!((words(&reply.parts).as_str(), reply.status), ("You said: Hi", ReplyStatus::Done));
    assert_eq!((reply.provider.as_str(), reply.model.as_str()), ("house", "any"));
    assert_eq!((reply.usage.input_tokens, reply.usage.output_tokens), (3, 5));
    assert_eq!((reply.usage.source, reply.cost.nano_usd), (UsageSource::Reported, Some(7)));
    let request = seen.lock().unwrap()[0].clone();
    assert_eq!((request.model.as_str(), request.system.as_deref()), ("any", Some("Be brief.")));
    assert_eq!((request.sampling.temperature, request.sampling.stop_sequences.len()), (Some(0.5), 1));
    assert!(!request.to_string().contains("Hi") && !request.to_string().contains("brief"), "{request}");
    assert_eq!(words(&chat.history(None, 50, None, None, None).await.unwrap().items[1].parts), "You said: Hi");
    tertulia.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_hosts_provider_that_says_so_is_asked_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let (tertulia, chat) = open(house(move |_, reply| {
        let first = counted.fetch_add(1, Ordering::Relaxed) == 0;
        Box::pin(async move {
            if first {
                let detail = "the model is loaded".to_owned();
                return Err(failure(ErrorKind::Unavailable, "loading".to_owned(), detail, Some(Retry::Safe)));
            }
            reply.give(text("ok")).await;
            Ok(())
        })
    }))
    .await;
    let reply = chat.send(say("Hi"), CallOptions::default(), None).await.unwrap();
    assert_eq!((words(&reply.parts).as_str(), asked.load(Ordering::Relaxed)), ("ok", 2));
    assert_eq!(reply.attempts[0].kind, Some(ErrorKind::Unavailable));
    tertulia.shutdown().await.unwrap();
}

#[tokio::test]
async fn what_a_hosts_provider_throws_is_an_error_of_ours_and_the_engine_goes_on() {
    let (tertulia, chat) = open(house(|request, reply| {
        Box::pin(async move {
            let error = |kind, reason: &str| failure(kind, reason.to_owned(), "why".to_owned(), None);
            match words(&request.messages.last().unwrap().parts).as_str() {
                "foreign" => Err(uniffi::UnexpectedUniFFICallbackError::new("secret").into()),
                "panic" => panic!("secret"),
                "limited" => Err(error(ErrorKind::RateLimited, "busy")),
                "filtered" => Err(error(ErrorKind::ContentFiltered, "rude")),
                "broken" => {
                    reply.give(text("Half a ")).await;
                    Err(error(ErrorKind::Unavailable, "gone"))
                }
                "done" => {
                    let done = StreamEventKind::Other { name: "secret".to_owned(), data: String::new() };
                    reply.give(done).await;
                    Ok(())
                }
                "no json" => {
                    let data = "secret".to_owned();
                    let part = Part::Opaque { provider: String::new(), name: String::new(), attached: false, data };
                    reply.give(StreamEventKind::Part { part }).await;
                    Ok(())
                }
                _ => {
                    reply.give(text("ok")).await;
                    Ok(())
                }
            }
        })
    }))
    .await;
    let expected = [
        ("foreign", "unavailable provider_failed"),
        ("panic", "unavailable provider_failed"),
        ("limited", "rate_limited busy"),
        ("filtered", "content_filtered rude"),
        ("broken", "truncated cut"),
        ("done", "unavailable bad_response"),
        ("no json", "unavailable bad_response"),
    ];
    for (said, expected) in expected {
        let failed = chat.send(say(said), CallOptions::default(), None).await.unwrap_err();
        assert!(!format!("{failed:?}").contains("secret"), "{failed:?}");
        if said == "broken" {
            assert_eq!(words(&failed.info().partial), "Half a ");
        }
        assert_eq!(reason::<()>(Err(failed)), expected, "{said}");
        assert_eq!(words(&chat.send(say("Hi"), CallOptions::default(), None).await.unwrap().parts), "ok");
    }
    tertulia.shutdown().await.unwrap();
}

/// Says when it is dropped.
struct Dropped(watch::Sender<bool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

#[tokio::test]
async fn the_code_of_a_provider_is_dropped_with_a_call_that_is_cancelled_or_left_and_gives_no_more() {
    let (kept, mut given) = watch::channel(None);
    let (began, dropped) = (watch::Sender::new(()), watch::Sender::new(false));
    let (beginning, dropping) = (began.clone(), dropped.clone());
    let (tertulia, chat) = open(house(move |_, reply| {
        let (began, dropped) = (beginning.clone(), Dropped(dropping.clone()));
        kept.send_replace(Some(reply.clone()));
        Box::pin(async move {
            let _dropped = dropped;
            reply.give(text("one ")).await;
            began.send_replace(());
            std::future::pending().await
        })
    }))
    .await;
    for leaves in [false, true] {
        let stream = chat.stream(say("Hi"), CallOptions::default(), None).await.unwrap();
        until_words(&stream).await;
        let mut gone = dropped.subscribe();
        if leaves {
            drop(stream);
        } else {
            stream.cancel();
            assert_eq!(stream.reply(None).await.unwrap().status, ReplyStatus::Cancelled);
        }
        gone.wait_for(|gone| *gone).await.unwrap();
        dropped.send_replace(false);
        let reply = given.borrow_and_update().clone().unwrap();
        assert!(!reply.give(text("two")).await, "nobody reads");
    }
    tertulia.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_hosts_provider_waits_for_its_reader_and_gives_nothing_after_its_end() {
    let (given, kept) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(None)));
    let (counted, keeping) = (given.clone(), kept.clone());
    let own = house(move |_, reply| {
        let counted = counted.clone();
        *keeping.lock().unwrap() = Some(reply.clone());
        Box::pin(async move {
            for _ in 0..200 {
                assert!(reply.give(text("a")).await);
                counted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        })
    });
    let mut events = own.own().unwrap().stream(model::ChatRequest::default()).await.unwrap();
    assert!(futures::poll!(events.next()).is_pending(), "the code has only begun");
    assert_eq!(given.load(Ordering::Relaxed), 64, "so many were given to nobody");
    let mut read = 0;
    while let Some(event) = events.next().await {
        event.unwrap();
        read += 1;
    }
    assert_eq!((read, given.load(Ordering::Relaxed)), (200, 200));
    let reply = kept.lock().unwrap().take().unwrap();
    assert!(!reply.give(text("late")).await);
}

#[tokio::test]
async fn a_hosts_provider_is_refused_by_a_bad_name_and_bad_models_and_its_models_are_known() {
    let quiet = || house(|_, _| Box::pin(async { Ok(()) }));
    let opening = |provider: Provider| {
        let options = OpenOptions { store: Some("memory:".to_owned()), ..options_of_nobody() };
        open_tertulia(options, None, vec![provider], None)
    };
    let named = Provider { name: "No Name".to_owned(), ..quiet() };
    assert_eq!(reason(opening(named).await.map(drop)), "invalid bad_provider");
    let unread = Provider { models: Some("[1]".to_owned()), ..quiet() };
    assert_eq!(reason(opening(unread).await.map(drop)), "invalid bad_provider");
    let models = r#"{"small": {"context_window": 4096}}"#.to_owned();
    let tertulia = opening(Provider { models: Some(models), ..quiet() }).await.unwrap();
    let known = tertulia.models("house/*".to_owned());
    assert!(known.iter().any(|model| model.id == "house/small"), "{known:?}");
    tertulia.shutdown().await.unwrap();
}

fn options_of_nobody() -> OpenOptions {
    OpenOptions {
        store: None,
        model: None,
        fallback: None,
        keys: HashMap::new(),
        providers: Vec::new(),
        settings: None,
    }
}
