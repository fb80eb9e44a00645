//! Keys that become something else before they are sent, and addresses with variables, over real sockets: the simulator
//! is the provider, a server of a few lines gives the tokens.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::{cause_of, header};
use tertulia::{ErrorKind, ProviderSpec, Settings, Tertulia, TertuliaBuilder};
use tertulia_simulator::{Script, Simulator};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tracing_subscriber::fmt::MakeWriter;

/// Gives tokens over HTTP: `token-1`, `token-2`, … or what it is told to.
struct TokenServer {
    address: SocketAddr,
    forms: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

/// What the server answers.
#[derive(Clone, Copy)]
enum Mood {
    Tokens,
    Silence,
    Flood,
    Refusal,
}

impl TokenServer {
    #[expect(clippy::disallowed_methods, reason = "a server of the test, which ends it")]
    async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let forms: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = forms.clone();
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((socket, _)) = listener.accept().await {
                let mut socket = BufReader::new(socket);
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    socket.read_line(&mut line).await.unwrap();
                    if let Some((name, value)) = line.split_once(':')
                        && name.eq_ignore_ascii_case("content-length")
                    {
                        length = value.trim().parse().unwrap();
                    }
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut form = vec![0; length];
                socket.read_exact(&mut form).await.unwrap();
                let number = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(String::from_utf8(form).unwrap());
                    seen.len()
                };
                let (status, body) = match mood {
                    Mood::Tokens => {
                        let token = format!("canary-token-{number}");
                        (200, json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}).to_string())
                    }
                    Mood::Flood => (200, " ".repeat(1 << 20)),
                    Mood::Refusal => (400, json!({"error": "invalid_grant"}).to_string()),
                    Mood::Silence => {
                        open.push(socket);
                        continue;
                    }
                };
                let head =
                    format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                // A client may have heard enough of a flood.
                let _ = socket.write_all((head + &body).as_bytes()).await;
            }
        });
        Self { address, forms, task }
    }

    fn asked(&self) -> usize {
        self.forms.lock().unwrap().len()
    }

    /// A key file that names this server.
    fn key(&self) -> String {
        key(&format!("http://{}/token", self.address))
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn key(token_uri: &str) -> String {
    let private_key = include_str!("data/throwaway_rsa_key.pem");
    json!({
        "type": "service_account", "client_email": "canary@lab.example", "private_key_id": "canary-id",
        "private_key": private_key, "token_uri": token_uri,
    })
    .to_string()
}

fn environment(variables: &[(&str, &str)]) -> Arc<dyn tertulia::Environment> {
    let variables: HashMap<String, String> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Arc::new(move |name: &str| variables.get(name).cloned())
}

fn builder(variables: &[(&str, &str)]) -> TertuliaBuilder {
    let mut settings = Settings::default();
    settings.retry.max_attempts = 1;
    Tertulia::builder().store("memory:").settings(settings).with_environment(environment(variables))
}

fn spec(simulator: &Simulator, scheme: &str) -> ProviderSpec {
    ProviderSpec::openai_chat("lab", format!("{}/v1", simulator.url())).auth(scheme.parse().unwrap())
}

/// Everything that a subscriber writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn azure_is_an_address_from_the_environment_and_a_key_in_its_own_header() {
    let simulator = Simulator::start().await.unwrap();
    let url = simulator.url();
    let variables = [("AZURE_OPENAI_ENDPOINT", url.as_str()), ("AZURE_OPENAI_API_KEY", "canary-azure")];
    let tertulia = builder(&variables).open().await.unwrap();
    assert_eq!(tertulia.ask("hi").model("azure/sim:text=ok").await.unwrap().text(), "ok");
    let request = &simulator.requests()[0];
    assert_eq!(request.path, "/openai/v1/chat/completions");
    assert_eq!(header(request, "api-key").as_deref(), Some("canary-azure"));
    assert_eq!(header(request, "authorization"), None);
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn an_address_without_its_variable_is_refused_before_anything_is_kept() {
    let tertulia = builder(&[("AZURE_OPENAI_API_KEY", "k")]).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let error = chat.send("hi").model("azure/gpt").await.unwrap_err();
    assert_eq!((error.kind(), error.reason(), error.saved()), (ErrorKind::Invalid, "address_missing", false));
    for word in ["AZURE_OPENAI_ENDPOINT", "TERTULIA_AZURE_BASE_URL"] {
        assert!(error.detail().contains(word), "{error}");
    }
    assert!(tertulia.user("ana").list_conversations().await.unwrap().items.is_empty());
    let azure = tertulia.providers().into_iter().find(|provider| provider.name == "azure").unwrap();
    assert_eq!(azure.base_url, "{AZURE_OPENAI_ENDPOINT}/openai/v1");
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn twenty_calls_at_once_fetch_one_token_from_the_file_that_the_environment_names() {
    let (simulator, server) = (Simulator::start().await.unwrap(), TokenServer::start(Mood::Tokens).await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    std::fs::write(&path, server.key()).unwrap();
    let spec = spec(&simulator, "google_oauth").key_variable("GOOGLE_APPLICATION_CREDENTIALS");
    let variables = [("GOOGLE_APPLICATION_CREDENTIALS", path.to_str().unwrap())];
    let tertulia = builder(&variables).provider(spec).open().await.unwrap();
    let calls = (0..20).map(|_| async { tertulia.ask("hi").model("lab/sim:text=ok").await.unwrap().text() });
    assert!(futures::future::join_all(calls).await.iter().all(|text| text == "ok"));
    assert_eq!(server.asked(), 1);
    let requests = simulator.requests();
    assert_eq!(requests.len(), 20);
    for request in &requests {
        assert_eq!(header(request, "authorization").as_deref(), Some("Bearer canary-token-1"));
    }
    let answer = tertulia.provider("lab").request("GET", "/v1/models", None).await.unwrap();
    assert_eq!((answer.status, server.asked()), (200, 1), "a raw request does not use the token that is there");
    let raw = simulator.requests().pop().unwrap();
    assert_eq!(header(&raw, "authorization").as_deref(), Some("Bearer canary-token-1"));
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_token_that_the_provider_rejects_is_fetched_anew_once_and_the_call_goes_on() {
    let (simulator, server) = (Simulator::start().await.unwrap(), TokenServer::start(Mood::Tokens).await);
    let spec = spec(&simulator, "google_oauth");
    let tertulia = builder(&[]).provider(spec).key("lab", server.key()).open().await.unwrap();
    let script = |text: &str| text.parse::<Script>().unwrap();
    simulator.set_scripts("m", [script("text=one"), script("status=401"), script("text=two")]);
    assert_eq!(tertulia.ask("hi").model("lab/m").await.unwrap().text(), "one");
    assert_eq!(tertulia.ask("hi").model("lab/m").await.unwrap().text(), "two");
    let bearers: Vec<_> = simulator.requests().iter().filter_map(|r| header(r, "authorization")).collect();
    assert_eq!(bearers, ["Bearer canary-token-1", "Bearer canary-token-1", "Bearer canary-token-2"]);

    // One that is new and rejected all the same is not fetched in a circle.
    simulator.set_scripts("m", [script("status=401")]);
    let error = tertulia.ask("hi").model("lab/m").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_rejected"));
    assert_eq!(server.asked(), 3);
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_slow_endless_or_says_no_is_told_as_what_it_is_and_shows_nothing() {
    let simulator = Simulator::start().await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut servers = Vec::new();
    let mut cases = vec![(key(&format!("http://{gone}/token")), ErrorKind::Unavailable, "connection_refused", true)];
    for (mood, kind, reason, safe) in [
        (Mood::Silence, ErrorKind::TimedOut, "token_endpoint", true),
        (Mood::Flood, ErrorKind::Unavailable, "token_endpoint", true),
        (Mood::Refusal, ErrorKind::Unauthorized, "key_rejected", false),
    ] {
        let server = TokenServer::start(mood).await;
        cases.push((server.key(), kind, reason, safe));
        servers.push(server);
    }
    cases.push((
        "{\"type\": \"service_account\", \"canary".to_owned(),
        ErrorKind::Unauthorized,
        "key_malformed",
        false,
    ));
    let written = Written::default();
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(written.clone()).finish();
    let _log = tracing::subscriber::set_default(log);
    for (key, kind, reason, safe) in cases {
        let mut settings = Settings::default();
        settings.retry.max_attempts = 1;
        if kind == ErrorKind::TimedOut {
            // The call itself would wait longer: its provider is local.
            settings.network.first_byte_timeout_ms = 200;
        }
        let spec = spec(&simulator, "google_oauth").local(true);
        let tertulia = builder(&[]).settings(settings).provider(spec).key("lab", key).open().await.unwrap();
        let error = tertulia.ask("hi").model("lab/sim:text=ok").await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{error}");
        assert_eq!(error.retry() != tertulia::Retry::Never, safe, "{reason}");
        assert!(!format!("{error} {error:?} {tertulia:?}").contains("canary"), "{error:?}");
        tertulia.close().await.unwrap();
    }
    assert!(simulator.requests().is_empty(), "a request went out without its token");
    let written = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let ours: Vec<&str> = written.lines().filter(|line| line.contains("tertulia")).collect();
    assert!(ours.len() >= 5, "{written}");
    for secret in ["canary", "PRIVATE KEY", "assertion", "MIIE"] {
        assert!(!ours.iter().any(|line| line.contains(secret)), "{secret}");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn requests_to_aws_are_signed_with_what_its_three_variables_hold() {
    let simulator = Simulator::start().await.unwrap();
    let spec = spec(&simulator, "aws_sigv4:bedrock/us-east-1").key_variable("AWS_BEARER_TOKEN_BEDROCK");
    let keys = [("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "canary/secret+1")];
    let session = [keys[0], keys[1], ("AWS_SESSION_TOKEN", "session==")];
    let api_key = [keys[0], keys[1], ("AWS_BEARER_TOKEN_BEDROCK", "ABSKcanary")];
    for variables in [&keys[..], &session[..]] {
        let tertulia = builder(variables).provider(spec.clone()).open().await.unwrap();
        tertulia.ask("hi").model("lab/sim:text=ok").await.unwrap();
        tertulia.provider("lab").request("POST", "/v1/moderations", Some(&json!({"a": 1}))).await.unwrap();
        for request in simulator.requests() {
            let authorization = header(&request, "authorization").unwrap();
            assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"), "{authorization}");
            assert!(
                authorization.contains("/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date")
            );
            assert_eq!(header(&request, "x-amz-security-token").is_some(), variables.len() == 3);
            assert!(request.headers.iter().all(|(_, value)| !value.contains("canary")), "the secret was sent");
        }
        assert_eq!(simulator.requests().len(), 2);
        simulator.clear();
        tertulia.close().await.unwrap();
    }
    let tertulia = builder(&api_key).provider(spec.clone()).open().await.unwrap();
    tertulia.ask("hi").model("lab/sim:text=ok").await.unwrap();
    assert_eq!(header(&simulator.requests()[0], "authorization").as_deref(), Some("Bearer ABSKcanary"));
    tertulia.close().await.unwrap();

    for half in [&[][..], &keys[..1], &keys[1..]] {
        let tertulia = builder(half).provider(spec.clone()).open().await.unwrap();
        let error = tertulia.ask("hi").model("lab/m").await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_missing"));
        assert!(error.detail().contains("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"), "{error}");
        tertulia.close().await.unwrap();
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn only_the_environment_may_name_a_key_file() {
    let (simulator, server) = (Simulator::start().await.unwrap(), TokenServer::start(Mood::Tokens).await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.json");
    std::fs::write(&path, server.key()).unwrap();
    let path = path.to_str().unwrap();
    let named = || spec(&simulator, "google_oauth").key_variable("LAB_KEY");
    let tertulia = builder(&[]).provider(named()).open().await.unwrap();
    let outcome = tertulia.user("ana").ask("hi").model("lab/sim:text=ok").key(path).await;
    assert_eq!(cause_of(outcome), (ErrorKind::Unauthorized, "key_malformed".to_owned()));
    assert_eq!((server.asked(), simulator.requests().len()), (0, 0));
    tertulia.close().await.unwrap();

    for (value, reason) in [("/nowhere/key.json", "key_file"), ("", "key_missing")] {
        let tertulia = builder(&[("LAB_KEY", value)]).provider(named()).open().await.unwrap();
        let error = tertulia.ask("hi").model("lab/m").await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, reason));
        assert!(error.detail().contains("LAB_KEY"), "{error}");
        tertulia.close().await.unwrap();
    }
    let given: Value = serde_json::from_str(&server.key()).unwrap();
    let inline = given.to_string();
    let tertulia = builder(&[("LAB_KEY", inline.as_str())]).provider(named()).open().await.unwrap();
    assert_eq!(tertulia.ask("hi").model("lab/sim:text=ok").await.unwrap().text(), "ok");
    tertulia.close().await.unwrap();
    simulator.shutdown().await;
}
