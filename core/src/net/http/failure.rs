//! What went wrong on the way, as a reason and a sentence of our own.
//!
//! The client's errors are looked through for their cause and then thrown away, not kept as `source`: they may name
//! hosts, and one day more. Every transient failure says `Retry::Safe`: an LLM call repeated costs tokens at worst.
//! `dns`, `connect`, `connection_refused`, `proxy` and the connect timeout also mean that the provider has seen
//! nothing of the request; `unprocessed` means that it was never looked at, so the retry layer sends it once more at once.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy::Error as ClientError;
use rustls::{CertificateError, Error as TlsError};

use super::connect::ConnectTimedOut;
use super::lookup::NotFound;
use super::proxy::UnknownProxy;
use crate::base::{ErrorKind, Retry};
use crate::model::Error;

pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "transport", "the network is closed: open the engine again")
}

/// The call failed before the head of the answer came.
pub(super) fn before_head(error: &ClientError) -> Error {
    if find(error, |cause| cause.is::<ConnectTimedOut>().then_some(())).is_some() {
        return timed_out();
    }
    if let Some(tls) = find_tls(error) {
        return unavailable("tls", explain_tls(tls), Retry::Never);
    }
    if error.is_connect() {
        return connecting(error);
    }
    if let Some(protocol) = find_protocol(error) {
        return protocol;
    }
    if find(error, |cause| cause.downcast_ref::<h2::Error>().filter(|error| is_unprocessed(error))).is_some() {
        return unavailable("unprocessed", "the server sent the request back without looking at it", Retry::Safe);
    }
    unavailable("reset", "the connection broke before the answer began", Retry::Safe)
}

/// True when the server vouches that no application has seen the request (RFC 9113, 8.7): it refused the stream, or it is
/// shutting down and the stream is behind the last one that it takes.
fn is_unprocessed(error: &h2::Error) -> bool {
    let reason = error.reason();
    error.is_remote()
        && (error.is_reset() && reason == Some(h2::Reason::REFUSED_STREAM)
            || error.is_go_away() && reason == Some(h2::Reason::NO_ERROR))
}

/// The answer broke off inside its body.
pub(super) fn in_body(error: &(dyn StdError + 'static)) -> Error {
    if let Some(protocol) = find_protocol(error) {
        return protocol;
    }
    let broken = find(error, |cause| {
        if let Some(error) = cause.downcast_ref::<hyper::Error>() {
            return error.is_incomplete_message().then_some(Broken::Cut);
        }
        let error = cause.downcast_ref::<io::Error>()?;
        match error.kind() {
            // A decoder hands on what broke off below it.
            _ if error.get_ref().is_some_and(|below| below.is::<hyper::Error>()) => None,
            io::ErrorKind::UnexpectedEof => Some(Broken::Cut),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Some(Broken::Reset)
            }
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::Other => Some(Broken::Encoding),
            _ => None,
        }
    });
    match broken {
        Some(Broken::Cut) => unavailable("cut", "the connection ended before the answer did", Retry::Safe),
        Some(Broken::Encoding) => {
            unavailable("protocol", "the body is not what its `Content-Encoding` says", Retry::Safe)
        }
        Some(Broken::Reset) | None => unavailable("reset", "the connection broke inside the answer", Retry::Safe),
    }
}

enum Broken {
    Cut,
    Reset,
    Encoding,
}

fn connecting(error: &ClientError) -> Error {
    if let Some(tunnel) = find(error, tunnel_error) {
        let (detail, retry) = match tunnel {
            Tunnel::Unauthorized => {
                ("the proxy wants credentials: write them into its URL (`http://user:password@proxy`)", Retry::Never)
            }
            Tunnel::Failed => ("the proxy gave no connection", Retry::Safe),
        };
        return unavailable("proxy", detail, retry);
    }
    if find(error, |cause| cause.is::<UnknownProxy>().then_some(())).is_some() {
        let detail = "the environment names a proxy that is not one of HTTP: give one whose URL begins with `http://` or \
                      `https://`, in `network.proxy` or in the environment";
        return unavailable("proxy", detail, Retry::Never);
    }
    if find(error, |cause| cause.is::<NotFound>().then_some(())).is_some() {
        return unavailable("dns", "the host's name could not be looked up: is the network up?", Retry::Safe);
    }
    let kind = find(error, |cause| cause.downcast_ref::<io::Error>().map(io::Error::kind));
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => {
            unavailable("connection_refused", "nothing listens at the provider's (or proxy's) address", Retry::Safe)
        }
        Some(io::ErrorKind::TimedOut) => timed_out(),
        Some(io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::UnexpectedEof) => {
            unavailable("reset", "the connection broke while it was being made", Retry::Safe)
        }
        _ => unavailable("connect", "no connection to the provider: is the network up?", Retry::Safe),
    }
}

pub(super) fn timed_out() -> Error {
    Error::new(
        ErrorKind::TimedOut,
        "connect",
        "no connection within `network.connect_timeout_ms`: is the network up, is a firewall in the way?",
    )
    .with_retry(Retry::Safe)
}

fn unavailable(reason: &'static str, detail: &'static str, retry: Retry) -> Error {
    Error::new(ErrorKind::Unavailable, reason, detail).with_retry(retry)
}

fn find_protocol(error: &(dyn StdError + 'static)) -> Option<Error> {
    find(error, |cause| cause.downcast_ref::<hyper::Error>().filter(|error| error.is_parse()))
        .map(|_| unavailable("protocol", "the server's answer is not HTTP as it should be", Retry::Safe))
}

fn find_tls<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e TlsError> {
    find(error, |cause| cause.downcast_ref::<TlsError>())
}

fn explain_tls(error: &TlsError) -> &'static str {
    match error {
        TlsError::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the server's certificate has expired, or this machine's clock is wrong"
        }
        TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "the server's certificate is for another name",
        TlsError::InvalidCertificate(CertificateError::UnknownIssuer) => {
            "the server's certificate comes from an authority that is not trusted here: if it is your company's, give \
             it as `network.ca_certificates`"
        }
        TlsError::InvalidCertificate(_) => "the server's certificate is not valid",
        TlsError::AlertReceived(_) => {
            "the server refused the TLS handshake: it may want a certificate (`network.client_certificate`)"
        }
        TlsError::InvalidMessage(_) => "the server does not speak TLS at this port",
        _ => "no TLS connection could be agreed on with the server",
    }
}

enum Tunnel {
    Unauthorized,
    Failed,
}

/// The tunnel's error type is private to hyper-util; its words are all there is to know it by.
fn tunnel_error(cause: &(dyn StdError + 'static)) -> Option<Tunnel> {
    let words = cause.to_string();
    let what = words.strip_prefix("tunnel error: ")?;
    Some(if what.contains("authorization") { Tunnel::Unauthorized } else { Tunnel::Failed })
}

/// The first cause for which `pick` says something. An I/O error hides what it wraps from `source`, so it is opened.
fn find<'e, T>(
    error: &'e (dyn StdError + 'static),
    pick: impl Fn(&'e (dyn StdError + 'static)) -> Option<T>,
) -> Option<T> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = pick(cause) {
            return Some(found);
        }
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => cause.source(),
        };
    }
    None
}
