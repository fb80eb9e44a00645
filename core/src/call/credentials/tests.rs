use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::base::ManualClock;
use crate::call::catalog::Catalogue;

/// A vault whose answers are set by the test, and which counts how often it is asked.
#[derive(Default)]
struct Vault {
    keys: Mutex<HashMap<(Option<String>, String), String>>,
    asked: AtomicUsize,
    gate: Option<Arc<tokio::sync::Notify>>,
    broken: std::sync::atomic::AtomicBool,
}

impl Vault {
    fn holding(user: Option<&str>, provider: &str, key: &str) -> Arc<Self> {
        let vault = Arc::new(Self::default());
        vault.put(user, provider, key);
        vault
    }

    fn put(&self, user: Option<&str>, provider: &str, key: &str) {
        self.keys.lock().unwrap().insert((user.map(str::to_owned), provider.to_owned()), key.to_owned());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl KeySource for Vault {
    fn key<'a>(&'a self, user: Option<&'a str>, provider: &'a str) -> KeyFuture<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if let Some(gate) = &self.gate {
                gate.notified().await;
            }
            if self.broken.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Unavailable, "vault", "the vault is shut"));
            }
            let place = (user.map(str::to_owned), provider.to_owned());
            Ok(self.keys.lock().unwrap().get(&place).map(|key| Secret::from(key.as_str())))
        })
    }
}

fn entry(name: &str) -> ProviderEntry {
    ProviderEntry::clone(Catalogue::bundled().unwrap().provider(name).unwrap())
}

fn with_environment(variables: &'static [(&'static str, &'static str)]) -> (ManualClock, Credentials) {
    let clock = ManualClock::default();
    let environment = move |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
    (clock.clone(), Credentials::new(Arc::new(clock), environment))
}

async fn key(credentials: &Credentials, user: Option<&str>, provider: &str) -> Option<String> {
    credentials.resolve(user, &entry(provider), None).await.unwrap().map(|key| key.expose().to_owned())
}

fn secret(text: &str) -> Secret {
    Secret::from(text)
}

#[tokio::test]
async fn the_nearest_key_wins_call_user_options_source_environment() {
    let (_, credentials) = with_environment(&[("OPENAI_API_KEY", "of-environment")]);
    assert_eq!(key(&credentials, Some("ana"), "openai").await.as_deref(), Some("of-environment"));
    let vault = Vault::holding(Some("ana"), "openai", "of-source");
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    assert_eq!(key(&credentials, Some("ana"), "openai").await.as_deref(), Some("of-source"));
    let credentials = credentials.with_key("openai", "of-options");
    assert_eq!(key(&credentials, Some("ana"), "openai").await.as_deref(), Some("of-options"));
    let credentials = credentials.with_user_key("ana", "openai", "of-user");
    assert_eq!(key(&credentials, Some("ana"), "openai").await.as_deref(), Some("of-user"));
    let of_call = CallKey { provider: "openai".to_owned(), key: secret("of-call") };
    let found = credentials.resolve(Some("ana"), &entry("openai"), Some(&of_call)).await.unwrap();
    assert_eq!(found, Some(secret("of-call")));
    assert_eq!(vault.asked(), 1, "a source was asked although a nearer key was there");
}

#[tokio::test]
async fn a_users_key_serves_that_user_alone() {
    let (_, credentials) = with_environment(&[("OPENAI_API_KEY", "of-environment")]);
    let credentials = credentials.with_user_key("ana", "openai", "of-ana").with_user_key("ana", "xai", "ana-x");
    assert_eq!(key(&credentials, Some("ana"), "openai").await.as_deref(), Some("of-ana"));
    assert_eq!(key(&credentials, Some("ana"), "xai").await.as_deref(), Some("ana-x"));
    assert_eq!(key(&credentials, Some("bob"), "openai").await.as_deref(), Some("of-environment"));
    assert_eq!(key(&credentials, None, "openai").await.as_deref(), Some("of-environment"));
    let of_bob = credentials.with_user_key("bob", "openai", "of-bob");
    assert_eq!(key(&of_bob, Some("ana"), "openai").await.as_deref(), Some("of-environment"));
}

#[tokio::test]
async fn a_key_given_for_one_provider_is_not_taken_for_another() {
    let (_, credentials) = with_environment(&[]);
    let of_call = CallKey { provider: "openai".to_owned(), key: secret("of-call") };
    let error = credentials.resolve(None, &entry("anthropic"), Some(&of_call)).await.unwrap_err();
    assert_eq!(error.reason(), "key_missing");
}

#[tokio::test]
async fn a_missing_key_names_the_variable_and_who_is_to_be_given_it() {
    let (_, credentials) = with_environment(&[("OPENAI_API_KEY", " \n")]);
    let error = credentials.resolve(None, &entry("openai"), None).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_missing"));
    assert!(error.detail().contains("OPENAI_API_KEY") && error.detail().contains("the key of `openai`"), "{error}");
}

#[tokio::test]
async fn a_key_that_stands_where_the_path_of_a_key_file_is_expected_is_not_shown() {
    let base64 = "eyJ0eXBlIjoiY2FuYXJ5Ig/canary+canary/canary==";
    let pem = "-----BEGIN PRIVATE KEY-----\ncanary/canary\n-----END PRIVATE KEY-----";
    for text in [base64, pem, "/nowhere/canary/key.json"] {
        let (_, credentials) = {
            let clock = ManualClock::default();
            let environment = move |name: &str| (name == "GOOGLE_APPLICATION_CREDENTIALS").then(|| text.to_owned());
            (clock.clone(), Credentials::new(Arc::new(clock), environment))
        };
        let error = credentials.resolve(None, &entry("vertex"), None).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_file"));
        assert!(error.detail().contains("GOOGLE_APPLICATION_CREDENTIALS"), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_provider_without_a_key_variable_does_without_a_key_but_takes_one() {
    let (_, credentials) = with_environment(&[]);
    assert_eq!(key(&credentials, None, "ollama").await, None);
    let credentials = credentials.with_key("ollama", "of-options");
    assert_eq!(key(&credentials, None, "ollama").await.as_deref(), Some("of-options"));
}

#[tokio::test]
async fn an_answer_is_remembered_for_five_minutes_for_its_user_alone() {
    let (clock, credentials) = with_environment(&[]);
    let vault = Vault::holding(Some("ana"), "openai", "of-ana");
    vault.put(Some("bob"), "openai", "of-bob");
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    for _ in 0..3 {
        assert_eq!(key(&credentials, Some("ana"), "openai").await.as_deref(), Some("of-ana"));
        assert_eq!(key(&credentials, Some("bob"), "openai").await.as_deref(), Some("of-bob"));
    }
    assert_eq!(vault.asked(), 2);
    clock.advance(Duration::from_secs(299));
    key(&credentials, Some("ana"), "openai").await;
    assert_eq!(vault.asked(), 2);
    clock.advance(Duration::from_secs(1));
    key(&credentials, Some("ana"), "openai").await;
    assert_eq!(vault.asked(), 3);
}

#[tokio::test]
async fn no_key_is_remembered_for_ten_seconds_only() {
    let (clock, credentials) = with_environment(&[]);
    let vault = Arc::new(Vault::default());
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    for _ in 0..2 {
        assert!(credentials.resolve(None, &entry("openai"), None).await.is_err());
    }
    assert_eq!(vault.asked(), 1);
    vault.put(None, "openai", "new");
    clock.advance(Duration::from_secs(10));
    assert_eq!(key(&credentials, None, "openai").await.as_deref(), Some("new"));
}

#[tokio::test]
async fn after_a_rejection_the_source_is_asked_once_more() {
    let (_, credentials) = with_environment(&[]);
    let vault = Vault::holding(None, "openai", "old");
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    assert_eq!(key(&credentials, None, "openai").await.as_deref(), Some("old"));
    vault.put(None, "openai", "rotated");
    assert!(credentials.rejected(None, "openai", &secret("old")));
    assert_eq!(key(&credentials, None, "openai").await.as_deref(), Some("rotated"));
    assert_eq!(vault.asked(), 2);
    assert!(credentials.rejected(None, "openai", &secret("old")), "a late rejection finds the new key");
    assert_eq!(key(&credentials, None, "openai").await.as_deref(), Some("rotated"));
    assert_eq!(vault.asked(), 2, "a late rejection of the old key threw the new one away");
}

#[tokio::test]
async fn a_source_that_insists_on_a_rejected_key_is_not_asked_for_ever() {
    let (clock, credentials) = with_environment(&[]);
    let vault = Vault::holding(None, "openai", "bad");
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    key(&credentials, None, "openai").await;
    assert!(credentials.rejected(None, "openai", &secret("bad")));
    key(&credentials, None, "openai").await;
    for _ in 0..5 {
        assert!(!credentials.rejected(None, "openai", &secret("bad")), "the caller would go in a circle");
        key(&credentials, None, "openai").await;
    }
    assert_eq!(vault.asked(), 2);
    clock.advance(Duration::from_secs(300));
    key(&credentials, None, "openai").await;
    assert_eq!(vault.asked(), 3);
}

#[tokio::test]
async fn the_rejection_of_a_key_that_no_source_gave_leads_nowhere() {
    let (_, credentials) = with_environment(&[("OPENAI_API_KEY", "of-environment")]);
    assert!(!credentials.rejected(None, "openai", &secret("of-environment")));
    let credentials = credentials.with_key_source(Arc::new(Vault::default()));
    key(&credentials, None, "openai").await;
    assert!(!credentials.rejected(None, "openai", &secret("of-environment")));
}

#[tokio::test]
async fn callers_that_come_together_ask_the_source_once() {
    let (_, credentials) = with_environment(&[]);
    let gate = Arc::new(tokio::sync::Notify::new());
    let vault = Arc::new(Vault { gate: Some(Arc::clone(&gate)), ..Vault::default() });
    vault.put(None, "openai", "one");
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    gate.notify_one();
    let found = futures::future::join_all((0..50).map(|_| key(&credentials, None, "openai"))).await;
    assert!(found.iter().all(|key| key.as_deref() == Some("one")));
    assert_eq!(vault.asked(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_while_asking_leaves_the_way_free() {
    let (_, credentials) = with_environment(&[]);
    let gate = Arc::new(tokio::sync::Notify::new());
    let vault = Arc::new(Vault { gate: Some(Arc::clone(&gate)), ..Vault::default() });
    vault.put(None, "openai", "one");
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    let mut gone = Box::pin(key(&credentials, None, "openai"));
    assert!(futures::poll!(&mut gone).is_pending());
    drop(gone);
    gate.notify_one();
    assert_eq!(key(&credentials, None, "openai").await.as_deref(), Some("one"));
    assert_eq!(vault.asked(), 2);
}

#[tokio::test]
async fn a_caller_that_nobody_polls_any_more_holds_up_no_other() {
    let (_, credentials) = with_environment(&[]);
    let gate = Arc::new(tokio::sync::Notify::new());
    let vault = Arc::new(Vault { gate: Some(Arc::clone(&gate)), ..Vault::default() });
    vault.put(None, "openai", "one");
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    let mut callers: Vec<_> = (0..3).map(|_| Box::pin(key(&credentials, None, "openai"))).collect();
    for caller in &mut callers {
        assert!(futures::poll!(caller).is_pending());
    }
    gate.notify_one();
    // Neither the one that asks nor the first that waits is polled again, and neither is dropped.
    assert!(futures::poll!(&mut callers[2]).is_ready(), "it waits for a caller that nobody polls");
    assert_eq!(vault.asked(), 1);
}

#[tokio::test]
async fn the_failure_of_a_source_is_told_and_not_remembered() {
    let (_, credentials) = with_environment(&[("OPENAI_API_KEY", "of-environment")]);
    let vault = Vault::holding(None, "openai", "one");
    vault.broken.store(true, Ordering::SeqCst);
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    let error = credentials.resolve(None, &entry("openai"), None).await.unwrap_err();
    assert_eq!(error.reason(), "vault", "another key was taken in silence");
    vault.broken.store(false, Ordering::SeqCst);
    assert_eq!(key(&credentials, None, "openai").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn sources_are_asked_in_their_order_until_one_has_a_key() {
    let (_, credentials) = with_environment(&[]);
    let (first, second) = (Arc::new(Vault::default()), Vault::holding(None, "openai", "second"));
    let credentials = credentials.with_key_source(Arc::clone(&first)).with_key_source(Arc::clone(&second));
    assert_eq!(key(&credentials, None, "openai").await.as_deref(), Some("second"));
    assert_eq!((first.asked(), second.asked()), (1, 1));
}

#[tokio::test]
async fn what_is_remembered_stays_bounded() {
    let (_, credentials) = with_environment(&[]);
    let vault = Arc::new(Vault::default());
    let credentials = credentials.with_key_source(Arc::clone(&vault));
    for n in 0..2_500 {
        let user = format!("user-{n}");
        vault.put(Some(&user), "openai", &user);
        assert_eq!(key(&credentials, Some(&user), "openai").await.as_deref(), Some(user.as_str()));
    }
    assert!(credentials.remembered.len() <= 1_000, "{}", credentials.remembered.len());
    let asked = vault.asked();
    key(&credentials, Some("user-2499"), "openai").await;
    assert_eq!(vault.asked(), asked, "the newest answer was forgotten first");
}

#[test]
fn credentials_do_not_show_a_key() {
    let (_, credentials) = with_environment(&[]);
    let credentials = credentials.with_key("openai", "sk-canary").with_user_key("ana", "xai", "sk-canary");
    let of_call = CallKey { provider: "openai".to_owned(), key: secret("sk-canary") };
    assert!(!format!("{credentials:?} {of_call:?}").contains("canary"));
}

mod key_file {
    use super::*;

    fn write(text: &str, mode: u32) -> (tempfile::TempDir, KeyFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.json");
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let _ = mode;
        (folder, KeyFile::new(path))
    }

    #[tokio::test]
    async fn gives_the_keys_it_holds_to_every_user() {
        let (_folder, file) = write(r#"{"openai": "sk-one\n", "xai": "sk-two"}"#, 0o600);
        assert_eq!(file.key(Some("ana"), "openai").await.unwrap(), Some(secret("sk-one")));
        assert_eq!(file.key(None, "xai").await.unwrap(), Some(secret("sk-two")));
        assert_eq!(file.key(None, "groq").await.unwrap(), None);
    }

    #[tokio::test]
    async fn that_is_not_there_holds_no_keys() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(KeyFile::new(folder.path().join("keys.json")).key(None, "openai").await.unwrap(), None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn open_to_everybody_is_refused_with_the_command_that_mends_it() {
        for mode in [0o644, 0o604, 0o602] {
            let (_folder, file) = write(r#"{"openai": "sk-canary"}"#, mode);
            let error = file.key(None, "openai").await.unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_file"), "{mode:o}");
            assert!(error.detail().contains("chmod 600"), "{error}");
        }
        let (_folder, file) = write(r#"{"openai": "sk-one"}"#, 0o640);
        assert!(file.key(None, "openai").await.is_ok(), "a file for one's own group was refused");
    }

    #[tokio::test]
    async fn that_makes_no_sense_is_refused_without_a_word_of_it() {
        for text in ["", "[]", r#"{"openai": 5}"#, r#"{"openai": "sk-canary""#, r#"{"sk-canary": ["sk-canary"]}"#] {
            let (_folder, file) = write(text, 0o600);
            let error = file.key(None, "openai").await.unwrap_err();
            assert_eq!(error.reason(), "key_file");
            assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn which_key_a_call_takes_is_known_without_asking_where_it_was_given_or_remembered() {
    let (clock, credentials) = with_environment(&[("OPENAI_API_KEY", "of-environment")]);
    let of = |key: &str| Some(KeyPrint::of(&secret(key)));
    assert_eq!(credentials.known(Some("ana"), "openai", None), Some(None), "the environment is everybody's");
    let vault = Vault::holding(Some("ana"), "openai", "of-source");
    let sourced = credentials.clone().with_key_source(Arc::clone(&vault));
    assert_eq!(sourced.known(Some("ana"), "openai", None), None, "somebody has to be asked");
    assert_eq!(vault.asked(), 0);
    assert_eq!(sourced.print(Some("ana"), "openai", None).await.unwrap(), of("of-source"));
    assert_eq!(sourced.known(Some("ana"), "openai", None), Some(of("of-source")));
    assert_eq!(sourced.print(Some("bob"), "openai", None).await.unwrap(), None, "he has none of his own");
    assert_eq!((sourced.known(Some("bob"), "openai", None), vault.asked()), (Some(None), 2));
    clock.advance(Duration::from_secs(300));
    assert_eq!(sourced.known(Some("ana"), "openai", None), None, "five minutes are over");
    let call_key = CallKey { provider: "openai".to_owned(), key: secret("of-call") };
    let given = sourced.with_key("openai", "of-options").with_user_key("ana", "openai", "of-user");
    assert_eq!(given.known(Some("bob"), "openai", None), Some(of("of-options")));
    assert_eq!(given.known(Some("ana"), "openai", None), Some(of("of-user")));
    assert_eq!(given.known(Some("ana"), "openai", Some(&call_key)), Some(of("of-call")));
    assert_eq!(given.known(Some("ana"), "anthropic", Some(&call_key)), None, "a key is for its provider alone");
    assert_ne!(of("of-call"), of("of-user"));
    assert!(given.has_key("openai", &secret("of-options")) && !given.has_key("openai", &secret("of-user")));
}
