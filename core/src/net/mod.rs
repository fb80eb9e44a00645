//! Floor 2: bytes to and from a provider. The only room that knows an HTTP client.

mod body;
mod http;
mod settings;
mod transport;

pub use self::http::HttpTransport;
pub use body::Body;
pub use settings::NetworkSettings;
pub use transport::{Transport, TransportFuture};
