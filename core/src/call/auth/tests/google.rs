use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use super::*;
use crate::net::Replay;

pub(super) const VERTEX: &str = "https://aiplatform.googleapis.com/v1/projects/p/locations/global/publishers/google";
const RSA_KEY: &str = include_str!("../../../../tests/data/throwaway_rsa_key.pem");

pub(super) fn service_account() -> Value {
    json!({
        "type": "service_account",
        "project_id": "lab",
        "private_key_id": "k1",
        "private_key": RSA_KEY,
        "client_email": "canary@lab.iam.gserviceaccount.com",
        "client_id": "1",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
    })
}

fn user() -> Value {
    json!({
        "type": "authorized_user", "account": "", "client_id": "id.apps", "client_secret": "canary-secret+/",
        "refresh_token": "1//canary&x=", "universe_domain": "googleapis.com",
    })
}

pub(super) fn key(json: &Value) -> Secret {
    Secret::from(json.to_string())
}

fn with(mut json: Value, field: &str, value: impl Into<Value>) -> Secret {
    json[field] = value.into();
    key(&json)
}

pub(super) fn token(token: &str, seconds: u64) -> Replay {
    let body = json!({"access_token": token, "expires_in": seconds, "token_type": "Bearer"});
    Replay::status(200).header("content-type", "application/json").piece(body.to_string())
}

pub(super) fn asking(replays: impl IntoIterator<Item = Replay>) -> Bench {
    Bench::answering("google_oauth", VERTEX, ReplayTransport::new(replays))
}

fn form(request: &Request<Bytes>) -> Vec<(String, String)> {
    let text = std::str::from_utf8(request.body()).unwrap();
    let read = |text: &str| String::from_utf8(percent::decode(text)).unwrap();
    text.split('&').map(|pair| pair.split_once('=').unwrap()).map(|(n, v)| (read(n), read(v))).collect()
}

#[tokio::test]
async fn a_service_account_signs_for_a_token_that_then_is_the_bearer() {
    let bench = asking([token("ya29.one", 3_600)]);
    assert_eq!(bench.bearer(&key(&service_account())).await, "Bearer ya29.one");
    let requests = bench.endpoint.requests();
    assert_eq!(requests[0].uri(), "https://oauth2.googleapis.com/token");
    assert_eq!(requests[0].headers()["content-type"], "application/x-www-form-urlencoded");
    let form = form(&requests[0]);
    assert_eq!(form[0], ("grant_type".to_owned(), "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned()));
    let assertion = &form[1].1;
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let json = |text: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    assert_eq!(json(head), json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
    let expected = json!({
        "iss": "canary@lab.iam.gserviceaccount.com",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": NOW.as_millis() / 1_000,
        "exp": NOW.as_millis() / 1_000 + 3_600,
    });
    assert_eq!(json(claims), expected);
    let der = PrivatePkcs8KeyDer::from_pem_slice(RSA_KEY.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key());
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
}

#[tokio::test]
async fn the_login_of_gcloud_asks_with_its_refresh_token() {
    let bench = asking([token("ya29.user", 3_600)]);
    assert_eq!(bench.bearer(&key(&user())).await, "Bearer ya29.user");
    let request = &bench.endpoint.requests()[0];
    assert_eq!(request.uri(), "https://oauth2.googleapis.com/token");
    let expected = [
        ("grant_type", "refresh_token"),
        ("client_id", "id.apps"),
        ("client_secret", "canary-secret+/"),
        ("refresh_token", "1//canary&x="),
    ];
    assert_eq!(form(request), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
}

#[tokio::test]
async fn a_token_is_taken_as_it_is() {
    let bench = asking([]);
    assert_eq!(bench.bearer(&Secret::new("ya29.given")).await, "Bearer ya29.given");
    assert!(bench.endpoint.requests().is_empty());
}

#[tokio::test]
async fn a_key_file_in_base64_is_not_sent_as_if_it_were_a_token() {
    let bench = asking([]);
    for json in [service_account(), user()] {
        for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
            let error = bench.refused(&base64::engine::general_purpose::STANDARD.encode(text)).await;
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_malformed"));
            assert!(error.detail().contains("base64"), "{error}");
            assert_hidden(&error);
        }
    }
}

#[tokio::test]
async fn a_key_file_that_points_anywhere_but_to_google_is_not_followed() {
    let bench = asking([]);
    for uri in [
        "https://evil.example/token",
        "https://oauth2.googleapis.com.evil.example/token",
        "https://oauth2.googleapis.com@evil.example/token",
        "https://oauth2.googleapis.com:8443/token",
        "http://oauth2.googleapis.com/token",
        "https://storage.googleapis.com/bucket",
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:9/token",
        "http://localhost/token",
        "https://[::1]/token",
        "file:///etc/passwd",
        "https://oauth2.googleapis.com/token?x=1",
        "",
    ] {
        for json in [service_account(), user()] {
            let error = bench.sign(&with(json, "token_uri", uri)).await.map(|_| ()).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_malformed"), "{uri}");
            assert!(error.detail().contains("token_uri"), "{error}");
            assert_hidden(&error);
        }
    }
    assert!(bench.endpoint.requests().is_empty());
}

#[tokio::test]
async fn older_key_files_and_for_a_provider_on_this_machine_an_endpoint_of_it_are_asked() {
    let bench = asking([token("a", 3_600), token("b", 3_600)]);
    for uri in ["https://accounts.google.com/o/oauth2/token", "https://www.googleapis.com/oauth2/v4/token"] {
        bench.bearer(&with(service_account(), "token_uri", uri)).await;
    }
    assert_eq!(bench.endpoint.requests().len(), 2);
    let replays = ReplayTransport::new([token("c", 3_600)]);
    let bench = Bench::answering("google_oauth", "http://127.0.0.1:9/v1", replays);
    bench.bearer(&with(service_account(), "token_uri", "http://127.0.0.1:10/token")).await;
    assert_eq!(bench.endpoint.requests()[0].uri(), "http://127.0.0.1:10/token");
}

#[tokio::test]
async fn a_key_of_the_wrong_form_says_what_to_do_and_shows_nothing() {
    let bench = asking([]);
    let mut without_secret = user();
    without_secret.as_object_mut().unwrap().remove("refresh_token");
    for (key, word) in [
        (Secret::new("{\"type\": \"service_account\", \"private_key\": \"canary"), "line 1"),
        (Secret::new("{\"type\": 7, \"client_email\": \"canary\"}"), "as it was downloaded"),
        (Secret::new("{}"), "authorized_user"),
        (with(service_account(), "type", "external_account"), "gcloud auth print-access-token"),
        (with(service_account(), "private_key", ""), "`private_key`"),
        (with(service_account(), "private_key", "canary"), "cannot be read"),
        (with(service_account(), "private_key", RSA_KEY.replace('A', "B")), "cannot be read"),
        (key(&without_secret), "`refresh_token`"),
        (Secret::new("/var/secrets/canary.json"), "GOOGLE_APPLICATION_CREDENTIALS"),
    ] {
        let error = bench.sign(&key).await.map(|_| ()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_malformed"), "{word}");
        assert!(error.detail().contains(word), "{word}: {error}");
        assert_hidden(&error);
    }
    assert!(bench.endpoint.requests().is_empty());
}

#[tokio::test]
async fn a_key_that_google_refuses_is_rejected_with_its_word_alone() {
    let body = json!({"error": "invalid_grant", "error_description": "Invalid canary Signature."}).to_string();
    for (status, body, word) in [
        (400, body.as_str(), "invalid_grant"),
        (401, "{\"error\": \"Canary canary\"}", "no reason given"),
        (403, "<html>canary</html>", "no reason given"),
    ] {
        let bench = asking([Replay::status(status).piece(body.to_owned())]);
        let error = bench.sign(&key(&service_account())).await.map(|_| ()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_rejected"), "{status}");
        assert!(error.detail().contains(word), "{error}");
        assert_hidden(&error);
    }
}

#[tokio::test]
async fn an_endpoint_of_no_use_is_a_failure_that_may_pass() {
    let down = Error::new(ErrorKind::Unavailable, "connect", "no connection").with_retry(Retry::Safe);
    for (replay, reason) in [
        (Replay::failure(down.clone()), "connect"),
        (Replay::status(500).piece("canary"), "token_endpoint"),
        (Replay::status(429), "token_endpoint"),
        (Replay::status(302).header("location", "https://evil.example"), "token_endpoint"),
        (Replay::status(200).piece("<html>canary</html>"), "token_endpoint"),
        (Replay::status(200).piece("{\"access_token\": \"\"}"), "token_endpoint"),
        (Replay::status(200).piece("{\"access_token\": \"canary").breaks(down), "token_endpoint"),
        (Replay::status(200).piece(vec![b' '; MAX_TOKEN_REPLY + 1]).stalls(), "token_endpoint"),
    ] {
        let bench = asking([replay]);
        let error = bench.sign(&key(&service_account())).await.map(|_| ()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, reason));
        assert_eq!(error.retry(), Retry::Safe);
        assert!(error.detail().contains("token endpoint"), "{error}");
        assert_hidden(&error);
        assert_eq!(bench.endpoint.requests().len(), 1, "a redirect was followed");
    }
}

#[tokio::test]
async fn a_slow_endpoint_is_given_up_at_the_limit_of_the_first_byte() {
    for replay in [Replay::silence(), Replay::status(200).piece("{").stalls()] {
        let (bench, key) = (asking([replay]), key(&service_account()));
        let mut signing = Box::pin(bench.sign(&key));
        assert!(futures::poll!(&mut signing).is_pending());
        bench.clock.advance(Duration::from_millis(59_999));
        assert!(futures::poll!(&mut signing).is_pending());
        bench.clock.advance(Duration::from_millis(1));
        let error = signing.await.map(|_| ()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, "token_endpoint"));
        assert_eq!(error.retry(), Retry::Safe);
    }
}
