//! Puts a provider's key on a request to it, in the way that its entry names.
//!
//! ```text
//! bearer · header      the key itself
//! google_oauth         key ─▶ token (kept while it lives) ─▶ bearer      one request to Google, through the transport
//! aws_sigv4            key + request + wall time ─▶ signature            the secret itself is never sent
//! ```
//!
//! Whatever the scheme, nothing is put on a request that leaves the provider's own origin (decision 0008).

mod google;
mod header;
mod percent;
mod sigv4;
mod tokens;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};

use self::google::Credential;
use self::tokens::{Granted, Tokens};
use super::catalog::{AuthScheme, Origin, ProviderEntry, base_url};
use crate::base::{Clock, ErrorKind, Retry, Secret};
use crate::model::{Error, Result};
use crate::net::{NetworkSettings, Transport};

/// The longest answer of a token endpoint. Google's have about 1 KiB.
const MAX_TOKEN_REPLY: usize = 64 * 1024;

/// Signs requests. Keeps the tokens that it fetched; share one for all calls of an engine.
pub struct Auth {
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    network: Arc<NetworkSettings>,
    tokens: Tokens,
}

/// What a request was signed with, beyond the key itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Signed {
    token: Option<tokens::Stamp>,
}

impl Auth {
    /// Signs by this clock, and fetches tokens over this transport, within these limits.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>, clock: Arc<dyn Clock>, network: Arc<NetworkSettings>) -> Self {
        let tokens = Tokens::new(clock.clone());
        Self { transport, clock, network, tokens }
    }

    /// Puts this provider's key on a request to it. `base_url` is where the provider is.
    ///
    /// # Errors
    /// `Invalid` (bad_url) when the request goes elsewhere: a key never leaves its origin. `Unauthorized`
    /// (key_malformed) when the key is not of the form that its scheme asks for, `Unauthorized` (key_rejected) when
    /// Google gives no token for it. `Unavailable`, `TimedOut` when Google cannot be asked.
    pub async fn sign(
        &self,
        entry: &ProviderEntry,
        base_url: &Uri,
        key: Option<&Secret>,
        request: &mut Request<Bytes>,
    ) -> Result<Signed> {
        let Some(key) = key else { return Ok(Signed::default()) };
        if Origin::of(request.uri()).is_none_or(|origin| Origin::of(base_url) != Some(origin)) {
            return Err(Error::invalid(
                "bad_url",
                format!("the request leaves `{}` for another host, which its key does not do", entry.name),
            ));
        }
        match &entry.auth {
            AuthScheme::None => {}
            AuthScheme::Bearer => header::bearer(key, request.headers_mut())?,
            AuthScheme::Header(name) => header::bare(name.clone(), key, request.headers_mut())?,
            AuthScheme::AwsSigv4(scope) => sigv4::sign(request, key, scope.as_ref(), self.clock.now())?,
            AuthScheme::GoogleOauth => match google::read(key, base_url::is_on_loopback(base_url))? {
                Credential::Token(token) => header::bearer(&token, request.headers_mut())?,
                Credential::Grant(grant) => {
                    let (token, stamp) = Box::pin(self.tokens.get(key, self.exchange(grant))).await?;
                    header::bearer(&token, request.headers_mut())?;
                    return Ok(Signed { token: Some(stamp) });
                }
            },
        }
        Ok(Signed::default())
    }

    /// The provider has rejected what this request was signed with. True when the same key may now lead to another
    /// token, so that signing again is worth it; a token that was fetched for this very request is not tried twice.
    #[must_use]
    pub fn rejected(&self, key: &Secret, signed: Signed) -> bool {
        signed.token.is_some_and(|stamp| self.tokens.rejected(key, stamp))
    }

    /// Asks Google for a token. No redirect is followed: the transport follows none.
    fn exchange(&self, grant: google::Grant) -> impl Future<Output = Result<Granted>> + use<> {
        let (transport, clock) = (self.transport.clone(), self.clock.clone());
        let limit = Duration::from_millis(self.network.first_byte_timeout_ms);
        async move {
            let work = async {
                let request = grant.request(clock.now())?;
                let (head, body) = transport.send(request).await.map_err(|e| unreachable(&e))?.into_parts();
                let body = body.head(MAX_TOKEN_REPLY + 1).await;
                if body.len() > MAX_TOKEN_REPLY {
                    return Err(google::unavailable("answered with more than any token takes"));
                }
                google::granted(head.status, &body)
            };
            tokio::select! {
                biased;
                done = work => done,
                () = clock.sleep(limit) => Err(Error::new(
                    ErrorKind::TimedOut,
                    "token_endpoint",
                    format!("Google's token endpoint did not answer within {} ms", limit.as_millis()),
                ).with_retry(Retry::Safe)),
            }
        }
    }
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

/// The transport's own words name no host, so that it would seem to be the provider's.
fn unreachable(error: &Error) -> Error {
    let detail = format!("Google's token endpoint cannot be reached: {}", error.detail());
    Error::new(error.kind(), error.reason().to_owned(), detail).with_retry(error.retry())
}

/// A key that is not of the form its scheme asks for.
fn malformed(detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Unauthorized, "key_malformed", detail)
}
