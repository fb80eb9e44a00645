mod google;
mod sigv4;
mod tokens;

use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use super::*;
use crate::base::{ManualClock, Timestamp};
use crate::call::ProviderSpec;
use crate::net::ReplayTransport;

/// 2026-11-21T09:30:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_253_400_000);

/// A signer on a clock that stands still, with a token endpoint that answers from a list.
struct Bench {
    clock: ManualClock,
    endpoint: Arc<ReplayTransport>,
    auth: Auth,
    entry: ProviderEntry,
    base_url: Uri,
}

impl Bench {
    fn new(scheme: &str, base_url: &str) -> Self {
        Self::answering(scheme, base_url, ReplayTransport::new([]))
    }

    fn answering(scheme: &str, base_url: &str, endpoint: ReplayTransport) -> Self {
        let (clock, endpoint) = (ManualClock::at(NOW), Arc::new(endpoint));
        let auth = Auth::new(endpoint.clone(), Arc::new(clock.clone()), Arc::default());
        let entry = ProviderSpec::new("lab", base_url).auth(scheme.parse().unwrap()).check().unwrap();
        Self { clock, endpoint, auth, base_url: base_url.parse().unwrap(), entry }
    }

    async fn sign(&self, key: &Secret) -> Result<(Request<Bytes>, Signed)> {
        let uri = format!("{}/chat/completions", self.base_url);
        let mut request = Request::post(uri).body(Bytes::from_static(b"{}")).unwrap();
        let signed = self.auth.sign(&self.entry, &self.base_url, Some(key), &mut request).await?;
        Ok((request, signed))
    }

    async fn bearer(&self, key: &Secret) -> String {
        let (request, _) = self.sign(key).await.unwrap();
        assert!(request.headers()["authorization"].is_sensitive());
        request.headers()["authorization"].to_str().unwrap().to_owned()
    }

    async fn refused(&self, key: &str) -> Error {
        self.sign(&Secret::from(key)).await.map(|(request, _)| format!("{request:?}")).unwrap_err()
    }
}

fn assert_hidden(error: &Error) {
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn a_key_goes_into_the_header_of_its_scheme_and_is_marked_as_sensitive() {
    for (scheme, header, value) in [
        ("bearer", "authorization", "Bearer sk-canary"),
        ("x-api-key", "x-api-key", "sk-canary"),
        ("api-key", "api-key", "sk-canary"),
        ("x-goog-api-key", "x-goog-api-key", "sk-canary"),
    ] {
        let (request, _) = Bench::new(scheme, "https://lab.example/v1").sign(&Secret::new("sk-canary")).await.unwrap();
        let headers = request.headers();
        assert_eq!(headers[header], value);
        assert!(headers[header].is_sensitive());
        assert!(!format!("{headers:?}").contains("canary"));
        assert_eq!(headers.len(), 1);
    }
    let (request, _) = Bench::new("none", "https://lab.example/v1").sign(&Secret::new("sk-canary")).await.unwrap();
    assert!(request.headers().is_empty());
}

#[tokio::test]
async fn a_key_that_cannot_stand_in_a_header_is_refused_and_not_shown() {
    for key in ["sk-canary\r\nX-Evil: 1", "sk-canary\nx", "sk canary", "“sk-canary”", "sk-canary\0", "sk-\tcanary", " "]
    {
        for scheme in ["bearer", "x-api-key", "aws_sigv4:bedrock/us-east-1", "google_oauth"] {
            let error = Bench::new(scheme, "https://lab.example/v1").refused(key).await;
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_malformed"), "{scheme} {key:?}");
            assert_hidden(&error);
        }
    }
}

#[tokio::test]
async fn a_key_is_put_on_requests_to_its_own_origin_alone_whatever_the_scheme() {
    let key = Secret::new("AKIDEXAMPLE:canary");
    for scheme in ["bearer", "x-api-key", "aws_sigv4:bedrock/us-east-1", "google_oauth"] {
        let bench = Bench::new(scheme, "https://api.openai.com/v1");
        for uri in [
            "http://api.openai.com/v1",
            "https://api.openai.com:8443/v1",
            "https://api.openai.com.evil.example/v1",
            "https://openai.com/v1",
            "/v1/chat/completions",
        ] {
            let mut request = Request::get(uri).body(Bytes::new()).unwrap();
            let error = bench.auth.sign(&bench.entry, &bench.base_url, Some(&key), &mut request).await.unwrap_err();
            assert_eq!(error.reason(), "bad_url", "{uri}");
            assert!(request.headers().is_empty(), "{uri}");
            bench.auth.sign(&bench.entry, &bench.base_url, None, &mut request).await.unwrap();
        }
        let mut request = Request::get("https://API.openai.com:443/elsewhere").body(Bytes::new()).unwrap();
        bench.auth.sign(&bench.entry, &bench.base_url, Some(&key), &mut request).await.unwrap();
        assert!(!request.headers().is_empty());
    }
}
