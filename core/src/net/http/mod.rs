//! The one HTTP client: hyper and its pool of connections, and nothing that acts on its own.
//!
//! A call takes a permit, becomes a [`flight::Flight`], and gives the permit back when its body ends, fails or is
//! dropped. The client behind it is made by the first call, so that building an engine opens no socket, reads no
//! file and starts no thread.
//!
//! There are no redirects, cookies, referer or retries: a redirect would carry `x-api-key` to another host, and the only
//! retry loop of the product stands above. There is no total timeout here either, because the call above knows what it
//! waits for; only the time to connect is measured here.
//!
//! Rejected: reqwest, which reads and copies addresses and headers for what it does on its own (decision 0038), and a
//! process-wide TLS provider (it would clash with the host application's).

#[cfg(target_os = "android")]
mod android;
mod connect;
mod decode;
mod failure;
mod flight;
mod gather;
mod lookup;
mod proxy;
mod tls;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use http::header::{ACCEPT, PROXY_AUTHORIZATION, USER_AGENT};
use http_body_util::Full;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

#[cfg(target_os = "android")]
pub use self::android::trust_android;
use self::connect::Connector;
use self::flight::Flights;
use self::gather::Gathered;
use self::lookup::Lookup;
use self::proxy::Proxies;
use self::tls::Tls;
use super::body::Body;
use super::settings::NetworkSettings;
use super::transport::{ConnectionWait, Transport, TransportFuture};
use crate::base::Clock;
use crate::model::{Error, Result};

/// What the engine calls itself.
const NAME: HeaderValue = HeaderValue::from_static(concat!("tertulia/", env!("CARGO_PKG_VERSION")));

/// How long [`Transport::close`] waits for peers that do not let go.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// The HTTP client of the engine: pooled connections over TCP and TLS, HTTP/1.1 and HTTP/2.
///
/// Trusts the system's certificate authorities and those of the settings. Proxies come from the settings or the
/// environment. At most `max_connections` calls are under way at once; a call beyond waits for its turn.
pub struct HttpTransport {
    limits: Mutex<Limits>,
    clock: Arc<dyn Clock>,
    tls: Tls,
    proxies: Arc<Proxies>,
    lookup: Lookup,
    client: Mutex<ClientState>,
    flights: Arc<Flights>,
    /// Counts the clients and TLS connections that are not gone yet.
    alive: TaskTracker,
}

/// What may change while calls are under way.
struct Limits {
    settings: NetworkSettings,
    /// One for each call under way; calls that began by other settings hold some of an earlier set.
    permits: Arc<Semaphore>,
}

impl Limits {
    fn new(settings: &NetworkSettings) -> Result<Self> {
        if settings.max_connections == 0 || settings.max_connections > Semaphore::MAX_PERMITS {
            return Err(Error::invalid("max_connections", "`network.max_connections` must be at least 1"));
        }
        Ok(Self { permits: Arc::new(Semaphore::new(settings.max_connections)), settings: settings.clone() })
    }
}

enum ClientState {
    Unmade,
    Made(Box<Client<Connector, Full<Bytes>>>),
    Closed,
}

impl HttpTransport {
    /// Checks the settings. Opens nothing yet: the first call does.
    ///
    /// # Errors
    /// `Invalid` (proxy, ca_certificates, client_certificate, max_connections).
    pub fn new(settings: &NetworkSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let limits = Limits::new(settings)?;
        Ok(Self {
            tls: Tls::new(settings.ca_certificates.as_deref(), settings.client_certificate.as_ref())?,
            proxies: Arc::new(Proxies::new(settings.proxy.as_ref())?),
            lookup: Lookup::default(),
            client: Mutex::new(ClientState::Unmade),
            limits: Mutex::new(limits),
            flights: Arc::default(),
            alive: TaskTracker::new(),
            clock,
        })
    }

    /// How many calls are under way: sent, and their bodies not ended, failed or dropped yet.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    fn limits(&self) -> MutexGuard<'_, Limits> {
        self.limits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the request to the client, which is made by the first one.
    fn hand_over(&self, request: http::Request<Full<Bytes>>) -> Result<ResponseFuture> {
        let mut state = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*state, ClientState::Unmade) {
            *state = ClientState::Made(Box::new(self.make_client()));
        }
        match &*state {
            ClientState::Made(client) => Ok(client.request(request)),
            ClientState::Unmade | ClientState::Closed => Err(failure::closed()),
        }
    }

    fn make_client(&self) -> Client<Connector, Full<Bytes>> {
        let limits = self.limits();
        let settings = &limits.settings;
        let tls = self.tls.config(self.alive.token());
        let clock = Arc::clone(&self.clock);
        let connector = Connector::new(settings, self.lookup.clone(), tls, Arc::clone(&self.proxies), clock);
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_millis(settings.pool_idle_timeout_ms))
            .pool_max_idle_per_host(settings.max_idle_connections)
            .http2_keep_alive_interval(Duration::from_millis(settings.http2_ping_interval_ms))
            .http2_keep_alive_timeout(Duration::from_millis(settings.http2_ping_timeout_ms))
            .http2_keep_alive_while_idle(true)
            .build(connector)
    }

    /// A place among the calls under way, and how long it was waited for.
    async fn wait_for_permit(&self) -> Result<(OwnedSemaphorePermit, Option<ConnectionWait>)> {
        let permits = Arc::clone(&self.limits().permits);
        let began = self.clock.monotonic();
        let permit = permits.acquire_owned().await.map_err(|_| failure::closed())?;
        Ok((permit, Some(ConnectionWait(self.clock.monotonic().saturating_sub(began)))))
    }

    async fn fly(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>> {
        let at_once = Arc::clone(&self.limits().permits).try_acquire_owned();
        let (permit, waited) = match at_once {
            Ok(permit) => (permit, None),
            Err(_) => Box::pin(self.wait_for_permit()).await?,
        };
        if !matches!(request.uri().scheme_str(), Some("http" | "https")) || request.uri().host().is_none() {
            return Err(Error::invalid("url", "the request needs an absolute `http` or `https` URL"));
        }
        if self.proxies.needs_tls(request.uri()) {
            Box::pin(self.tls.load_system_roots()).await?;
        }
        let mut request = request.map(Full::new);
        if let Some(credentials) = self.proxies.credentials(request.uri()) {
            request.headers_mut().insert(PROXY_AUTHORIZATION, credentials);
        }
        let headers = request.headers_mut();
        headers.entry(USER_AGENT).or_insert(NAME);
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        decode::offer(headers);
        let mut flight = self.flights.start(self.hand_over(request)?, permit)?;
        let mut head = flight.head().await?;
        if let Some(waited) = waited {
            head.extensions_mut().insert(waited);
        }
        let most = self.limits().settings.max_response_bytes;
        Ok(head.map(|()| Body::gathered(Gathered::new(flight.body(most)))))
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_> {
        Box::pin(self.fly(request))
    }

    /// Opens a pooled connection by asking for the head of `/`. What the origin answers does not matter, but it must
    /// within the time to connect: a connection is free for the next call once it answered.
    fn warm_up(&self, origin: &http::Uri) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        let mut parts = origin.clone().into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        let request = http::Uri::from_parts(parts)
            .map_err(http::Error::from)
            .and_then(|uri| http::Request::builder().method(http::Method::HEAD).uri(uri).body(Bytes::new()))
            .map_err(|_| Error::invalid("url", "an origin to warm up looks like `https://api.example.com`"));
        let limit = Duration::from_millis(self.limits().settings.connect_timeout_ms);
        Box::pin(async move {
            tokio::select! {
                biased;
                answer = self.fly(request?) => answer.map(drop),
                () = self.clock.sleep(limit) => Err(failure::timed_out()),
            }
        })
    }

    fn renew(&self) {
        let mut state = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(&*state, ClientState::Made(_)) {
            *state = ClientState::Unmade;
        }
    }

    fn reconfigure(&self, settings: &NetworkSettings) -> Result<()> {
        let mut limits = self.limits();
        let before = limits.settings.clone();
        let fixed = [
            ("proxy", before.proxy == settings.proxy),
            ("ca_certificates", before.ca_certificates == settings.ca_certificates),
            ("client_certificate", before.client_certificate == settings.client_certificate),
        ];
        if let Some((name, _)) = fixed.iter().find(|(_, same)| !same) {
            let detail = format!("settings.network.{name} cannot change while the engine is open; open another one");
            return Err(Error::invalid("cannot_change", detail));
        }
        let fresh = Limits::new(settings)?;
        // Where their number stays, calls under way go on counting.
        let permits = if before.max_connections == settings.max_connections {
            limits.permits.clone()
        } else {
            fresh.permits.clone()
        };
        *limits = Limits { permits, ..fresh };
        drop(limits);
        let of_connections = |of: &NetworkSettings| NetworkSettings {
            connect_timeout_ms: of.connect_timeout_ms,
            max_idle_connections: of.max_idle_connections,
            pool_idle_timeout_ms: of.pool_idle_timeout_ms,
            tcp_keepalive_ms: of.tcp_keepalive_ms,
            http2_ping_interval_ms: of.http2_ping_interval_ms,
            http2_ping_timeout_ms: of.http2_ping_timeout_ms,
            ..NetworkSettings::default()
        };
        if of_connections(&before) != of_connections(settings) {
            self.renew();
        }
        Ok(())
    }

    /// Ends every call with `Closed` and closes every connection. Waits until the TLS connections are gone (5 s at
    /// most, should a peer not let go); plain ones, as to a model on this machine, have been told to close.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            self.limits().permits.close();
            *self.client.lock().unwrap_or_else(PoisonError::into_inner) = ClientState::Closed;
            self.flights.ground();
            self.alive.close();
            tokio::select! {
                () = self.alive.wait() => {}
                () = self.clock.sleep(CLOSE_PATIENCE) => {
                    tracing::warn!(target: "tertulia::net", operation = "close", "connections did not close in time");
                }
            }
            // A plain connection holds nothing that could tell of its end: its task, woken above, runs before this
            // one comes back.
            tokio::task::yield_now().await;
        })
    }
}

impl std::fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpTransport").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}
