//! Any other endpoint of a provider, with the engine's key and connections.

use std::sync::Arc;

use bytes::Bytes;

use super::tertulia::Inner;
use super::watch::About;
use crate::base::{Json, Secret};
use crate::call::{CallKey, ProviderEntry};
use crate::model::{EngineEventKind, Error, Result};

const ERROR_WORDS: &str = "a method is an HTTP word as `POST`, a path begins with `/`";

/// One provider, for requests of your own.
#[derive(Clone)]
pub struct ProviderHandle {
    pub(super) engine: Arc<Inner>,
    owner: Option<Arc<str>>,
    pub(super) name: String,
    key: Option<Secret>,
}

/// What a provider answered to a request of your own, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawResponse {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Bytes,
}

impl RawResponse {
    /// The body as JSON.
    ///
    /// # Errors
    /// `Unavailable` (bad_response) when it is none.
    pub fn json(&self) -> Result<Json> {
        serde_json::from_slice(&self.body).map_err(|e| {
            Error::new(crate::base::ErrorKind::Unavailable, "bad_response", "the provider's answer is no JSON")
                .with_source(e)
        })
    }
}

impl ProviderHandle {
    pub(super) fn new(engine: Arc<Inner>, owner: Option<Arc<str>>, name: String) -> Self {
        Self { engine, owner, name, key: None }
    }

    /// A key for these requests alone.
    #[must_use]
    pub fn key(mut self, key: impl Into<Secret>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sends a request with this provider's key to a path of its own (`/v1/moderations`), and gives whatever comes
    /// back. Nothing is tried again.
    ///
    /// # Errors
    /// `Invalid` (unknown_provider, bad_request), `Unauthorized` (key_missing), `Unavailable`, `TimedOut`.
    pub async fn request(&self, method: &str, path: &str, body: Option<&Json>) -> Result<RawResponse> {
        let work = self.send(method, path, body);
        self.engine.tasks.on_runtime(work).await.map_err(|e| e.during("provider.request"))
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Json>) -> Result<RawResponse> {
        let engine = &self.engine;
        engine.check_open()?;
        let entry = engine.targets.provider(&self.name)?;
        let base = engine.targets.base_url(&entry).await?;
        let malformed = || Error::invalid("bad_request", ERROR_WORDS);
        if !path.starts_with('/') || path.starts_with("//") {
            return Err(malformed());
        }
        let authority = base.authority().ok_or_else(malformed)?.clone();
        let uri = http::Uri::builder()
            .scheme(base.scheme_str().unwrap_or("https"))
            .authority(authority)
            .path_and_query(path)
            .build()
            .map_err(|_| malformed())?;
        let bytes = match body {
            Some(json) => {
                serde_json::to_vec(json).map_err(|e| Error::internal("JSON could not be written").with_source(e))?
            }
            None => Vec::new(),
        };
        let mut request = http::Request::builder().method(method).uri(uri);
        if body.is_some() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Bytes::from(bytes)).map_err(|_| malformed())?;
        let answer = self.in_time(async {
            let (head, body) = self.exchange(&entry, &base, request).await?;
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
            Ok(RawResponse { status: head.status.as_u16(), headers, body })
        });
        answer.await
    }

    /// Sends a request with this provider's key and reads all of the answer.
    pub(super) async fn exchange(
        &self,
        entry: &ProviderEntry,
        base_url: &http::Uri,
        mut request: http::Request<Bytes>,
    ) -> Result<(http::response::Parts, Bytes)> {
        let engine = &self.engine;
        let call_key = self.key.clone().map(|key| CallKey { provider: entry.name.clone(), key });
        let key = engine.current().credentials.resolve(self.owner.as_deref(), entry, call_key.as_ref()).await?;
        let signed = engine.auth.sign(entry, base_url, key.as_ref(), &mut request).await?;
        let (head, body) = engine.transport.send(request).await?.into_parts();
        if let Some(key) = key.filter(|_| head.status == http::StatusCode::UNAUTHORIZED) {
            let about = About { owner: self.owner.as_deref(), ..About::default() };
            engine.watch.tell(about, EngineEventKind::KeyRejected { provider: entry.name.clone() });
            // Nothing is tried again here; the next request shall meet neither the same token nor the same key.
            let _ = engine.auth.rejected(&key, signed);
            let _ = engine.current().credentials.rejected(self.owner.as_deref(), &entry.name, &key);
        }
        Ok((head, body.collect(engine.current().settings.network.max_response_bytes).await?))
    }

    /// Gives up at the limit of a whole reply. A key source that hangs is within it, too.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let limit = std::time::Duration::from_millis(self.engine.current().settings.network.total_timeout_ms);
        tokio::select! {
            done = work => done,
            () = self.engine.clock.sleep(limit) => {
                Err(Error::new(crate::base::ErrorKind::TimedOut, "total", "the provider did not answer in time"))
            }
        }
    }
}
