//! Floor 2: bytes to and from a provider. The only room that knows an HTTP client.

mod body;
#[cfg(any(test, feature = "test-util"))]
mod fault;
mod http;
#[cfg(any(test, feature = "test-util"))]
mod replay;
mod settings;
mod transport;

#[cfg(test)]
mod tests;

pub use self::http::HttpTransport;
#[cfg(target_os = "android")]
pub use self::http::trust_android;
pub use body::Body;
#[cfg(any(test, feature = "test-util"))]
pub use fault::{FaultTransport, Faults};
#[cfg(any(test, feature = "test-util"))]
pub use replay::{Replay, ReplayTransport};
pub use settings::NetworkSettings;
pub use transport::{ConnectionWait, Transport, TransportFuture};
