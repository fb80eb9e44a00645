//! What a host gives in code, of which Rust is one.

use std::sync::Mutex;

use tokio::sync::watch;

use super::*;

/// A host's keys: what is answered, in its order, and who asked. The last answer stays.
struct Keys {
    answers: Vec<Result<Option<String>, TertuliaError>>,
    asked: Mutex<Vec<(Option<String>, String)>>,
}

impl Keys {
    #[expect(clippy::result_large_err, reason = "the border's own error, which has no boxes")]
    fn new(answers: impl IntoIterator<Item = Result<Option<&'static str>, TertuliaError>>) -> Arc<Self> {
        let answers = answers.into_iter().map(|answer| answer.map(|key| key.map(str::to_owned))).collect();
        Arc::new(Self { answers, asked: Mutex::default() })
    }

    fn asked(&self) -> Vec<(Option<String>, String)> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl KeySource for Keys {
    async fn key(&self, user: Option<String>, provider: String) -> Result<Option<String>, TertuliaError> {
        let mut asked = self.asked.lock().unwrap();
        asked.push((user, provider));
        self.answers[(asked.len() - 1).min(self.answers.len() - 1)].clone()
    }
}

/// What UniFFI makes of an exception that is none of ours.
fn thrown(words: &str) -> TertuliaError {
    uniffi::UnexpectedUniFFICallbackError::new(words).into()
}

fn keys_sent(simulator: &Simulator) -> Vec<String> {
    simulator.requests().iter().map(|request| request.header("authorization").unwrap_or_default().to_owned()).collect()
}

async fn opened_with(simulator: &Simulator, keys: Arc<dyn KeySource>) -> Arc<Tertulia> {
    open_tertulia(options(simulator), Some(keys), Vec::new(), None).await.unwrap()
}

#[tokio::test]
async fn a_hosts_key_source_is_asked_by_user_and_provider_once_and_again_after_a_rejection() {
    let simulator = Simulator::start().await.unwrap();
    let keys = Keys::new([Ok(Some("sk-old")), Ok(Some("sk-new"))]);
    let tertulia = opened_with(&simulator, keys.clone()).await;
    let ana = tertulia.user(Some("ana".to_owned()), HashMap::new());
    let asking = |script: &str| {
        let options = CallOptions { model: Some(format!("lab/sim:{script}")), ..CallOptions::default() };
        ana.ask(say("Hi"), options, None)
    };
    assert_eq!(words(&asking("status=401;fail=1;text=ok").await.unwrap().parts), "ok");
    assert_eq!(words(&asking("text=again").await.unwrap().parts), "again");
    assert_eq!(keys_sent(&simulator), ["Bearer sk-old", "Bearer sk-new", "Bearer sk-new"]);
    let of_ana = (Some("ana".to_owned()), "lab".to_owned());
    assert_eq!(keys.asked(), [of_ana.clone(), of_ana]);
    tertulia.ask(say("Hi"), CallOptions::default(), None).await.unwrap();
    assert_eq!(keys.asked().last().unwrap(), &(None, "lab".to_owned()), "the application has no user");
    tertulia.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_key_that_was_handed_over_is_not_asked_for() {
    let simulator = Simulator::start().await.unwrap();
    let keys = Keys::new([Ok(Some("sk-source"))]);
    let tertulia = opened_with(&simulator, keys.clone()).await;
    let user = tertulia.user(None, HashMap::from([("lab".to_owned(), "sk-user".to_owned())]));
    user.ask(say("Hi"), CallOptions::default(), None).await.unwrap();
    assert_eq!((keys_sent(&simulator), keys.asked()), (vec!["Bearer sk-user".to_owned()], Vec::new()));
    tertulia.shutdown().await.unwrap();
}

/// Panics instead of answering.
struct Panics;

#[async_trait::async_trait]
impl KeySource for Panics {
    async fn key(&self, _: Option<String>, _: String) -> Result<Option<String>, TertuliaError> {
        panic!("sk-secret");
    }
}

#[tokio::test]
async fn a_key_source_that_fails_says_nothing_of_keys_and_the_engine_goes_on() {
    let simulator = Simulator::start().await.unwrap();
    let told = |kind| failure(kind, "sk-secret".to_owned(), "sk-secret".to_owned(), None);
    let sources: [(Arc<dyn KeySource>, &str); 4] = [
        (Keys::new([Err(thrown("sk-secret")), Ok(None)]), "unauthorized key_source"),
        (Keys::new([Err(told(ErrorKind::Internal)), Ok(None)]), "unauthorized key_source"),
        (Keys::new([Err(told(ErrorKind::Unavailable)), Ok(None)]), "unavailable key_source"),
        (Arc::new(Panics), "unauthorized key_source"),
    ];
    for (source, expected) in sources {
        let tertulia = opened_with(&simulator, source).await;
        let chat = chat_of(&tertulia);
        let failed = chat.send(say("Hi"), CallOptions::default(), None).await.unwrap_err();
        assert!(!format!("{failed:?} {failed}").contains("sk-secret"), "{failed:?}");
        assert_eq!(reason::<()>(Err(failed)), expected);
        assert!(chat.history(None, 50, None, None, None).await.unwrap().items.is_empty(), "refused and kept");
        let given = CallOptions { key: Some("sk-call".to_owned()), ..CallOptions::default() };
        chat.send(say("Hi"), given, None).await.unwrap();
        tertulia.shutdown().await.unwrap();
    }
    assert_eq!(keys_sent(&simulator), ["Bearer sk-call"; 4]);
}

fn chat_of(tertulia: &Tertulia) -> Arc<Conversation> {
    tertulia.user(None, HashMap::new()).new_conversation(None, None, None, HashMap::new(), Vec::new(), None)
}

/// Never answers; counts those that wait.
struct Hangs(watch::Sender<usize>);

/// One that waits.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

#[async_trait::async_trait]
impl KeySource for Hangs {
    async fn key(&self, _: Option<String>, _: String) -> Result<Option<String>, TertuliaError> {
        self.0.send_modify(|waiting| *waiting += 1);
        let _waiting = Waiting(&self.0);
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_key_source_that_never_answers_is_left_by_who_is_cancelled_or_out_of_time() {
    let simulator = Simulator::start().await.unwrap();
    let (count, mut waiting) = watch::channel(0);
    let tertulia = opened_with(&simulator, Arc::new(Hangs(count))).await;
    let chat = chat_of(&tertulia);
    let short = CallOptions { timeout_ms: Some(30), ..CallOptions::default() };
    assert!(reason(chat.send(say("Hi"), short, None).await).starts_with("timed_out"));
    waiting.wait_for(|waiting| *waiting == 0).await.unwrap();
    let token = CancelToken::new();
    let sending = chat.send(say("Hi"), CallOptions::default(), Some(token.clone()));
    let cancelling = async {
        waiting.wait_for(|waiting| *waiting == 1).await.unwrap();
        token.cancel();
        waiting.wait_for(|waiting| *waiting == 0).await.unwrap();
    };
    let (sent, ()) = tokio::join!(sending, cancelling);
    assert_eq!(reason(sent), "cancelled cancelled");
    assert_eq!(simulator.request_count(), 0);
    tertulia.shutdown().await.unwrap();
}
