//! Replies that come so slowly, or say so little, that they would never end: the limit that ends them.

use bytes::Bytes;
use futures::channel::mpsc;

use super::*;
use crate::model::{ChatRequest, NewMessage, Part};
use crate::net::{Transport, TransportFuture};
use crate::wire::Ollama;

const SECOND: Duration = Duration::from_secs(1);

/// A server whose only answer is a body that comes as it is told to.
struct Told(Mutex<Option<mpsc::UnboundedReceiver<Result<Bytes>>>>);

impl Transport for Told {
    fn send(&self, _: ::http::Request<Bytes>) -> TransportFuture<'_> {
        let body = Body::new(self.0.lock().unwrap().take().expect("it was asked twice"));
        Box::pin(async move { Ok(::http::Response::new(body)) })
    }
}

fn dialects() -> [Arc<dyn Dialect>; 5] {
    [Arc::new(OpenAiChat), Arc::new(OpenAiResponses), Arc::new(Anthropic), Arc::new(Gemini), Arc::new(Ollama)]
}

/// Says this, and then the same little piece each second, until the reply ends. Gives after how many seconds that was and
/// how, and what else was heard.
async fn ended(
    dialect: &Arc<dyn Dialect>,
    said: String,
    piece: &'static str,
    deadline: Option<Duration>,
) -> (u64, Error, Vec<StreamEventKind>) {
    let clock = ManualClock::default();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let (says, body) = mpsc::unbounded();
    let credentials = Arc::new(Credentials::new(shared.clone(), |_: &str| None));
    let ids = Ids::new(shared.clone(), Arc::new(SeededRandom::new(5)));
    let told = Arc::new(Told(Mutex::new(Some(body))));
    let provider = ProviderService::new(told, credentials, shared, ids, Arc::default());
    let mut context = CallContext::new("test");
    context.deadline = deadline;
    let Call { target, context, .. } = call(context);
    let messages = vec![NewMessage::user("hi")];
    let request = Arc::new(ChatRequest { model: "m".to_owned(), messages, ..ChatRequest::default() });
    let CallTarget { model, entry, info, max_event_bytes, .. } = Arc::into_inner(target).unwrap();
    let base_url = ::http::Uri::from_static("http://127.0.0.1:9/v1");
    let route = Route::Http(HttpRoute { base_url, dialect: dialect.clone() });
    let target = Arc::new(CallTarget::new(model, entry, route, info, max_event_bytes));
    let mut events = provider.oneshot(Call { request, target, context }).await.unwrap();
    says.unbounded_send(Ok(said.into())).unwrap();
    let mut heard = Vec::new();
    for second in 0..1_000 {
        while let std::task::Poll::Ready(event) = futures::poll!(events.next()) {
            match event.expect("it ended without a word") {
                Ok(event) => heard.push(event.kind),
                Err(error) => return (second, error, heard),
            }
        }
        says.unbounded_send(Ok(Bytes::from_static(piece.as_bytes()))).unwrap();
        clock.advance(SECOND);
    }
    panic!("{}: it never ended", dialect.name());
}

/// How an event of this dialect begins that never ends, and what looks like a comment in it, or is at least no event.
fn begun_and_nothing(dialect: &Arc<dyn Dialect>) -> (&'static str, &'static str) {
    if dialect.name() == "ollama" { ("{\"model\": \"", "\n") } else { ("data: {\"id\": \"", ": here\n\n") }
}

#[tokio::test]
async fn bytes_that_complete_no_event_are_no_progress_in_any_dialect() {
    for dialect in dialects() {
        let (begun, _) = begun_and_nothing(&dialect);
        let (seconds, error, heard) = ended(&dialect, begun.to_owned(), "x", None).await;
        assert_eq!(
            (error.kind(), error.reason(), seconds),
            (ErrorKind::TimedOut, "progress", 300),
            "{}",
            dialect.name()
        );
        assert!(heard.is_empty(), "{}: {heard:?}", dialect.name());
        let (seconds, error, _) = ended(&dialect, begun.to_owned(), "x", Some(100 * SECOND)).await;
        assert_eq!((error.kind(), error.reason(), seconds), (ErrorKind::TimedOut, "total", 100), "{}", dialect.name());
    }
}

#[tokio::test]
async fn comments_and_nothing_else_are_signs_of_life_and_no_progress_in_any_dialect() {
    for dialect in dialects() {
        let (_, nothing) = begun_and_nothing(&dialect);
        let (seconds, error, heard) = ended(&dialect, nothing.to_owned(), nothing, None).await;
        assert_eq!(
            (error.kind(), error.reason(), seconds),
            (ErrorKind::TimedOut, "progress", 300),
            "{}",
            dialect.name()
        );
        let beats = heard.iter().filter(|kind| matches!(kind, StreamEventKind::Progress { .. })).count();
        assert_eq!(beats, heard.len(), "{}: {heard:?}", dialect.name());
        // Ollama has no comments: a blank line says nothing at all.
        assert_eq!(beats > 290, dialect.name() != "ollama", "{}: {beats} signs of life", dialect.name());
    }
}

#[tokio::test]
async fn a_reply_that_drips_on_behind_its_first_words_breaks_off_with_them() {
    let (chat, words): (Arc<dyn Dialect>, _) = (Arc::new(OpenAiChat), delta(serde_json::json!({"content": "Hi"})));
    for (piece, deadline, at) in [("x", None, 300), (": here\n\n", None, 300), ("x", Some(100 * SECOND), 100)] {
        let begun = if piece == "x" { "data: " } else { "" };
        let (seconds, error, _) = ended(&chat, words.clone() + begun, piece, deadline).await;
        assert_eq!((error.kind(), error.reason(), seconds), (ErrorKind::Truncated, "stalled", at), "{piece:?}");
        assert_eq!(error.partial(), [Part::text("Hi")], "{piece:?}");
    }
}
