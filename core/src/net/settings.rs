//! Limits of the network, as plain values.

use serde::{Deserialize, Serialize};

use crate::base::Secret;

/// Limits of the network. Every time and size is explicit; a call may narrow the times for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkSettings {
    /// To open a connection. 10 s.
    pub connect_timeout_ms: u64,
    /// To the first byte of the answer. 60 s.
    pub first_byte_timeout_ms: u64,
    /// The same for reasoning and local models, which may load or think first. 300 s.
    pub slow_first_byte_timeout_ms: u64,
    /// Between any two bytes. 90 s.
    pub idle_timeout_ms: u64,
    /// Between any two events; pings do not count. 300 s.
    pub progress_timeout_ms: u64,
    /// For the whole call. 600 s.
    pub total_timeout_ms: u64,
    /// Connections in use at once; a call beyond waits. 40.
    pub max_connections: usize,
    /// Idle connections kept for the next call, per origin. 20.
    pub max_idle_connections: usize,
    /// How long they are kept. 30 s.
    pub pool_idle_timeout_ms: u64,
    /// TCP keepalive. 30 s.
    pub tcp_keepalive_ms: u64,
    /// HTTP/2 PING, also while idle. 15 s.
    pub http2_ping_interval_ms: u64,
    /// How long a PING may stay unanswered. 10 s.
    pub http2_ping_timeout_ms: u64,
    /// The longest event of a stream. 16 MiB.
    pub max_event_bytes: usize,
    /// The longest reply: its words, thoughts, refusal and tool arguments together. 8 MiB; at most the 16 MiB that a
    /// stored message holds.
    pub max_text_bytes: usize,
    /// The longest response, after decompression. 64 MiB.
    pub max_response_bytes: usize,
    /// A proxy for all calls. Left out: the environment's (`HTTPS_PROXY`, `NO_PROXY`, …).
    /// It may hold a password, so it is written out as `[secret]`.
    #[serde(with = "hidden")]
    pub proxy: Option<Secret>,
    /// Further certificate authorities to trust, PEM. The system's are always trusted. Not on Android, where the app's
    /// network security config names them.
    pub ca_certificates: Option<String>,
    /// The client's certificate chain and key, PEM, for mutual TLS.
    #[serde(skip)]
    pub client_certificate: Option<Secret>,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self {
            connect_timeout_ms: 10_000,
            first_byte_timeout_ms: 60_000,
            slow_first_byte_timeout_ms: 300_000,
            idle_timeout_ms: 90_000,
            progress_timeout_ms: 300_000,
            total_timeout_ms: 600_000,
            max_connections: 40,
            max_idle_connections: 20,
            pool_idle_timeout_ms: 30_000,
            tcp_keepalive_ms: 30_000,
            http2_ping_interval_ms: 15_000,
            http2_ping_timeout_ms: 10_000,
            max_event_bytes: 16 << 20,
            max_text_bytes: 8 << 20,
            max_response_bytes: 64 << 20,
            proxy: None,
            ca_certificates: None,
            client_certificate: None,
        }
    }
}

/// A secret among plain settings: read as text, never written.
mod hidden {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::base::Secret;

    pub(super) fn serialize<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::to_string).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(deserializer)?.map(Secret::from))
    }
}
