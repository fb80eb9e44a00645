//! The waist between calls and sockets, in the `http` crate's types.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use super::body::Body;
use super::settings::NetworkSettings;
use crate::model::Result;

/// What [`Transport::send`] gives: the head of the response as soon as it is there, its body as a stream.
pub type TransportFuture<'a> = Pin<Box<dyn Future<Output = Result<http::Response<Body>>> + Send + 'a>>;

/// How long a call waited for a connection: among the extensions of its response, where it had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionWait(pub Duration);

/// Carries requests to providers. Implement it to bring an HTTP stack of your own.
///
/// What every transport owes its callers: no redirect is followed (keys must not travel), no request is repeated,
/// bodies come out decoded and bounded, dropping the future or the body closes what it used, and an error says
/// nothing of URL, header or body.
pub trait Transport: Send + Sync + 'static {
    /// Sends the request. Ends when the head of the response is there.
    ///
    /// # Errors
    /// `Unavailable` (dns, connect, tls, reset, …), `TimedOut` (connect), `Closed`.
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_>;

    /// Opens a connection to this origin ahead of the first request, where the transport can.
    fn warm_up(&self, origin: &http::Uri) -> Pin<Box<dyn Future<Output = Result<()>> + Send + '_>> {
        let _ = origin;
        Box::pin(std::future::ready(Ok(())))
    }

    /// Lets every pooled connection go, so that the next call opens a fresh one: for an app that comes back from sleep
    /// or changed its network. Calls under way go on.
    fn renew(&self) {}

    /// Goes on by other settings, where the transport has any. Calls under way go on as they began.
    ///
    /// # Errors
    /// `Invalid` (cannot_change) for what only an engine that is opened anew can have; then nothing has changed.
    fn reconfigure(&self, settings: &NetworkSettings) -> Result<()> {
        let _ = settings;
        Ok(())
    }

    /// Closes every connection; later calls fail with `Closed`. Waits until none is open.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}
