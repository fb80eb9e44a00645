//! From a name to addresses.

use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use tower::Service;

type Found = Pin<Box<dyn Future<Output = Result<std::vec::IntoIter<SocketAddr>, NotFound>> + Send>>;

/// Asks the system, off the runtime's threads.
#[derive(Clone)]
pub(super) enum Lookup {
    System(GaiResolver),
    /// These addresses, or no answer at all.
    #[cfg(test)]
    Fixed(Option<Vec<SocketAddr>>),
}

impl Default for Lookup {
    fn default() -> Self {
        Self::System(GaiResolver::new())
    }
}

impl Service<Name> for Lookup {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = NotFound;
    type Future = Found;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotFound>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Found {
        match self {
            Self::System(system) => {
                let asking = system.call(name);
                Box::pin(async { Ok(asking.await.map_err(|_| NotFound)?.collect::<Vec<_>>().into_iter()) })
            }
            #[cfg(test)]
            Self::Fixed(Some(found)) => Box::pin(std::future::ready(Ok(found.clone().into_iter()))),
            #[cfg(test)]
            Self::Fixed(None) => Box::pin(std::future::pending()),
        }
    }
}

/// The name could not be looked up. Why is not kept: the system's words may name it.
#[derive(Debug)]
pub(super) struct NotFound;

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no address for the name")
    }
}

impl StdError for NotFound {}
