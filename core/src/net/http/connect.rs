//! From an address to a connection: the proxy in between, the name, TCP and TLS, all within the time to connect.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use http::uri::Scheme;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use rustls::ClientConfig;
use tower::Service;

use super::lookup::Lookup;
use super::proxy::{Proxies, UnknownProxy};
use crate::base::Clock;
use crate::net::NetworkSettings;

type BoxError = Box<dyn StdError + Send + Sync>;

/// Between probes of a silent connection, so many of them, and how long what was sent may stay unacknowledged.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Opens connections. The client copies it for each request and connects once in a while, so a copy is one count.
#[derive(Clone)]
pub(super) struct Connector(Arc<Ways>);

struct Ways {
    tcp: HttpConnector<Lookup>,
    tls: Arc<ClientConfig>,
    /// To a proxy that is itself reached by TLS: no other protocol than HTTP/1.1 can be asked for a tunnel.
    tls_of_proxy: Arc<ClientConfig>,
    proxies: Arc<Proxies>,
    clock: Arc<dyn Clock>,
    within: Duration,
}

impl Connector {
    pub(super) fn new(
        settings: &NetworkSettings,
        lookup: Lookup,
        tls: ClientConfig,
        proxies: Arc<Proxies>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(lookup);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(Duration::from_millis(settings.tcp_keepalive_ms)));
        tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
        tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        let mut tls_of_proxy = tls.clone();
        tls_of_proxy.alpn_protocols.clear();
        let within = Duration::from_millis(settings.connect_timeout_ms);
        let (tls, tls_of_proxy) = (Arc::new(tls), Arc::new(tls_of_proxy));
        Self(Arc::new(Ways { tcp, tls, tls_of_proxy, proxies, clock, within }))
    }
}

impl Ways {
    async fn connect(&self, to: Uri) -> Result<Link, BoxError> {
        let Some(proxy) = self.proxies.between(&to) else {
            return Ok(Link::new(HttpsConnector::from((self.tcp.clone(), Arc::clone(&self.tls))).call(to).await?));
        };
        if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
            return Err(UnknownProxy.into());
        }
        let mut to_proxy = HttpsConnector::from((self.tcp.clone(), Arc::clone(&self.tls_of_proxy)));
        if to.scheme() != Some(&Scheme::HTTPS) {
            return Ok(Link { is_proxied: true, ..Link::new(to_proxy.call(proxy.uri().clone()).await?) });
        }
        let mut tunnel = Tunnel::new(proxy.uri().clone(), to_proxy);
        if let Some(auth) = proxy.basic_auth() {
            tunnel = tunnel.with_auth(auth.clone());
        }
        Ok(Link::new(HttpsConnector::from((tunnel, Arc::clone(&self.tls))).call(to).await?))
    }
}

impl Service<Uri> for Connector {
    type Response = Link;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Link, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let ways = Arc::clone(&self.0);
        Box::pin(async move {
            tokio::select! {
                biased;
                connection = ways.connect(to) => connection,
                () = ways.clock.sleep(ways.within) => Err(ConnectTimedOut.into()),
            }
        })
    }
}

/// The time to connect is up.
#[derive(Debug)]
pub(super) struct ConnectTimedOut;

impl fmt::Display for ConnectTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no connection in time")
    }
}

impl StdError for ConnectTimedOut {}

trait Io: Read + Write + Connection + Send + Unpin {}
impl<T: Read + Write + Connection + Send + Unpin> Io for T {}

/// A connection, whatever it is made of.
pub(super) struct Link {
    io: Box<dyn Io>,
    /// What is at the other end is a proxy, which wants to be told the whole address.
    is_proxied: bool,
}

impl Link {
    fn new(io: impl Io + 'static) -> Self {
        Self { io: Box::new(io), is_proxied: false }
    }
}

impl Connection for Link {
    /// Says nothing of the peer's address, which each response would then carry.
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.is_proxied);
        if self.io.connected().is_negotiated_h2() { connected.negotiated_h2() } else { connected }
    }
}

impl Read for Link {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_read(cx, into)
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.io).poll_write_vectored(cx, from)
    }
}
