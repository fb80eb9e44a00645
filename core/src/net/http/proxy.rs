//! Which proxy stands between: that of the settings, or those of the environment and the system.

use std::fmt;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::base::Secret;
use crate::model::{Error, Result};

/// The proxies of a transport.
pub(super) struct Proxies {
    matcher: Matcher,
    /// Some proxy for plain HTTP wants credentials. Each request has to bring them, so each would be asked about.
    wants_credentials: bool,
    /// Some proxy for plain HTTP is itself reached by TLS.
    is_by_tls: bool,
}

impl Proxies {
    /// The one proxy of the settings, or those of `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, or what the
    /// system is set to (macOS, Windows).
    ///
    /// # Errors
    /// `Invalid` (proxy).
    pub(super) fn new(given: Option<&Secret>) -> Result<Self> {
        let matcher = match given {
            None => Matcher::from_system(),
            Some(url) => {
                let read: Option<Uri> = url.expose().parse().ok();
                let is_known = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
                if !read.as_ref().is_some_and(is_known) {
                    let detail = "`network.proxy` must be a URL such as `http://proxy.example:8080`";
                    return Err(Error::invalid("proxy", detail));
                }
                Matcher::builder().all(url.expose()).build()
            }
        };
        let anywhere = Uri::from_static("http://somewhere.invalid");
        let plain = matcher.intercept(&anywhere);
        let wants_credentials = plain.as_ref().is_some_and(|proxy| proxy.basic_auth().is_some());
        let is_by_tls = plain.is_some_and(|proxy| proxy.uri().scheme() == Some(&Scheme::HTTPS));
        Ok(Self { matcher, wants_credentials, is_by_tls })
    }

    /// The proxy on the way there.
    pub(super) fn between(&self, to: &Uri) -> Option<Intercept> {
        self.matcher.intercept(to)
    }

    /// The way there needs TLS, at one end of it or in between.
    pub(super) fn needs_tls(&self, to: &Uri) -> bool {
        self.is_by_tls || to.scheme() == Some(&Scheme::HTTPS)
    }

    /// What a request in plain HTTP has to bring along for the proxy. One by TLS brings nothing: its tunnel did.
    pub(super) fn credentials(&self, to: &Uri) -> Option<HeaderValue> {
        if !self.wants_credentials || to.scheme() != Some(&Scheme::HTTP) {
            return None;
        }
        let mut value = self.between(to)?.basic_auth()?.clone();
        value.set_sensitive(true);
        Some(value)
    }
}

/// The environment names a proxy that is none of HTTP.
#[derive(Debug)]
pub(super) struct UnknownProxy;

impl fmt::Display for UnknownProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a proxy that is not one of HTTP")
    }
}

impl std::error::Error for UnknownProxy {}
