//! Keys that a host has: a keychain, a keystore, a vault.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;

use super::error::TertuliaError;
use crate::base::{ErrorKind, Secret};
use crate::call;
use crate::model::Error;

/// Gives keys: a keychain, a keystore, a vault. Asked before the environment, after all keys that were handed over.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait KeySource: Send + Sync {
    /// The key of this user for this provider, or nothing when there is none. Without a user it is the application's own.
    ///
    /// Answers are remembered for 5 minutes, "none" for 10 seconds, and asked for anew once a provider has rejected the
    /// key. A call waits for the answer as long as it waits for its provider; one that is cancelled waits no longer, and
    /// this code is cancelled when nobody waits any more.
    ///
    /// # Errors
    /// Whatever is thrown makes the call `Unauthorized` (key_source), and its words are told to nobody. Only `Unavailable`
    /// stays what it is, for keys that cannot be had right now.
    async fn key(&self, user: Option<String>, provider: String) -> Result<Option<String>, TertuliaError>;
}

/// The keys of a host, for the engine.
pub(super) struct HostKeys(pub(super) Arc<dyn KeySource>);

impl call::KeySource for HostKeys {
    fn key<'a>(&'a self, user: Option<&'a str>, provider: &'a str) -> call::KeyFuture<'a> {
        Box::pin(async move {
            let asked = AssertUnwindSafe(self.0.key(user.map(str::to_owned), provider.to_owned())).catch_unwind().await;
            match asked {
                Ok(Ok(key)) => Ok(key.map(Secret::from)),
                Ok(Err(TertuliaError::Unavailable { info })) => Err(Error::new(
                    ErrorKind::Unavailable,
                    "key_source",
                    format!("the key source of this application says that it cannot give the key of `{provider}` now"),
                )
                .with_retry(info.retry.into())),
                Ok(Err(_)) | Err(_) => Err(Error::new(
                    ErrorKind::Unauthorized,
                    "key_source",
                    format!("the key source of this application failed when it was asked for the key of `{provider}`"),
                )),
            }
        })
    }
}
