//! What may stand where a provider is: an https address, or one of this machine.
//!
//! A base URL decides who gets the key and the conversation, and servers take it from their users. So whatever two
//! readers could take for two hosts is refused rather than read: user names, odd spellings of numbers, other scripts.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Uri;

use crate::model::{Error, Result};

/// Scheme, host and port of an address: the border that a key does not cross.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of this address, or nothing when it is not an absolute http or https one.
    #[must_use]
    pub fn of(uri: &Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "https" => 443,
            "http" => 80,
            _ => return None,
        };
        Some(Self { host: uri.host()?.to_ascii_lowercase(), port: uri.port_u16().unwrap_or(default), scheme })
    }
}

/// Reads a base URL: https, or http to this machine, or http where it was allowed. A slash at its end is dropped.
///
/// # Errors
/// `Invalid` (bad_url) that says what is wrong.
pub(in crate::call) fn check(text: &str, allow_http: bool) -> Result<Uri> {
    read(text, allow_http).map_err(|problem| {
        Error::invalid(
            "bad_url",
            format!("the base URL {problem}; expected is one such as `https://llm.lab.example/v1`"),
        )
    })
}

fn read(text: &str, allow_http: bool) -> std::result::Result<Uri, &'static str> {
    if !text.is_ascii() {
        return Err("holds a letter outside ASCII: write the host as punycode (`xn--…`)");
    }
    if text.bytes().any(|b| b.is_ascii_control() || b == b' ' || b == b'\\') {
        return Err("holds a blank, a line end or a backslash");
    }
    // The parser drops fragments in silence, and queries belong to the provider's quirks.
    if text.contains(['#', '?']) {
        return Err("has a query or a fragment");
    }
    let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| "is no valid URL")?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("is not absolute");
    };
    if authority.as_str().contains('@') {
        return Err("has a user name: a key belongs into the key settings");
    }
    if uri.path().split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err("climbs in its path (`..`)");
    }
    let host = authority.host();
    let port = authority.as_str().strip_prefix(host).ok_or("has a host that makes no sense")?;
    if !port.is_empty() && authority.port_u16().is_none() {
        return Err("has a port that is not a number up to 65535");
    }
    let loopback = is_loopback(host)?;
    match scheme {
        "https" => Ok(uri),
        "http" if loopback || allow_http => Ok(uri),
        "http" => Err("would send key and conversation unencrypted (http): use https, or say `allow_http`"),
        _ => Err("is neither https nor http"),
    }
}

/// Whether this address is one of this machine.
pub(in crate::call) fn is_on_loopback(uri: &Uri) -> bool {
    uri.host().is_some_and(|host| is_loopback(host).unwrap_or(false))
}

/// Whether this host is this machine: 127.0.0.0/8, `[::1]` or `localhost`, and no other spelling of them.
fn is_loopback(host: &str) -> std::result::Result<bool, &'static str> {
    if let Some(inner) = host.strip_prefix('[') {
        let address: Ipv6Addr = inner
            .strip_suffix(']')
            .and_then(|inner| inner.parse().ok())
            .ok_or("has an IPv6 address that makes no sense")?;
        return match address.to_ipv4_mapped() {
            Some(_) => Err("has an IPv4 address dressed up as IPv6: write it as four numbers"),
            None => Ok(address.is_loopback()),
        };
    }
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(address.is_loopback());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let sound = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if name.len() > 253 || !name.split('.').all(sound) {
        return Err("has a host that makes no sense");
    }
    // Other readers take `0x7f.1`, `2130706433` and `127.1` for 127.0.0.1.
    let last = name.rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    if last.bytes().all(|b| b.is_ascii_digit()) || hex.is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err("has an IPv4 address in an odd spelling: write it as four numbers");
    }
    Ok(name.eq_ignore_ascii_case("localhost"))
}
