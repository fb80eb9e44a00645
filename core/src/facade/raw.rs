//! One provider, for requests of your own.

use std::collections::HashMap;
use std::sync::Arc;

use super::cancel::CancelToken;
use super::catalogue::ModelInfo;
use super::error::TertuliaError;
use super::ground::Ground;
use super::json;
use super::tertulia::Tertulia;
use crate::engine;

/// One provider, for requests of your own with its key and address.
#[derive(uniffi::Object)]
pub struct ProviderHandle {
    provider: engine::ProviderHandle,
    ground: Arc<Ground>,
}

#[uniffi::export]
impl Tertulia {
    /// One provider, for requests of your own with its key and address.
    #[must_use]
    pub fn provider(&self, name: String) -> Arc<ProviderHandle> {
        Arc::new(ProviderHandle { provider: self.engine.provider(name), ground: self.ground.clone() })
    }
}

impl ProviderHandle {
    fn with(&self, key: Option<String>) -> engine::ProviderHandle {
        let provider = self.provider.clone();
        match key {
            None => provider,
            Some(key) => provider.key(key),
        }
    }
}

#[uniffi::export]
impl ProviderHandle {
    /// Sends a request with this provider's key, or with one for it alone, to a path of its own (`/v1/moderations`), with
    /// a body of JSON if there is one, and gives whatever comes back. Nothing is tried again.
    ///
    /// # Errors
    /// `Invalid` (bad_json, unknown_provider, bad_request), `Unauthorized` (key_missing), `Unavailable`, `TimedOut`;
    /// `Cancelled`.
    #[uniffi::method(default(body = None, key = None, cancel = None))]
    pub async fn request(
        &self,
        method: String,
        path: String,
        body: Option<String>,
        key: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<RawResponse, TertuliaError> {
        let body = body.map(|body| json::value("body", &body)).transpose().map_err(|e| e.during("provider.request"))?;
        let provider = self.with(key);
        let work = async move { provider.request(&method, &path, body.as_ref()).await };
        self.ground.run(cancel, work).await.map(RawResponse::from)
    }

    /// Asks the provider which models it offers right now, in its own order. What the list says of a model's window and
    /// output goes first; the rest is what the catalogue knows, so that a model it does not know has no price.
    ///
    /// # Errors
    /// `Invalid` (unknown_provider), `Unauthorized` (key_missing, key_rejected), `Unavailable` (bad_response, …),
    /// `TimedOut`; `Cancelled`.
    #[uniffi::method(default(key = None, cancel = None))]
    pub async fn models(
        &self,
        key: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<ModelInfo>, TertuliaError> {
        let provider = self.with(key);
        let models = self.ground.run(cancel, async move { provider.models().await }).await?;
        Ok(models.into_iter().map(ModelInfo::from).collect())
    }
}

/// What a provider answered to a request of your own, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct RawResponse {
    /// The HTTP status.
    pub status: i32,
    /// The headers, names in lower case; all values that came under a name, in their order.
    pub headers: HashMap<String, Vec<String>>,
    /// The body, decoded.
    pub body: Vec<u8>,
}

impl From<engine::RawResponse> for RawResponse {
    fn from(response: engine::RawResponse) -> Self {
        let engine::RawResponse { status, headers, body } = response;
        let mut by_name: HashMap<String, Vec<String>> = HashMap::new();
        for (name, value) in headers {
            by_name.entry(name).or_default().push(value);
        }
        Self { status: i32::from(status), headers: by_name, body: body.into() }
    }
}
