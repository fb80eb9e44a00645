//! Which key a call uses.
//!
//! ```text
//! call ─▶ user ─▶ options ─▶ key sources (asked once, remembered 5 minutes) ─▶ environment variable ─▶ key_missing
//! ```
//!
//! A key always belongs to one provider, a user's key to that user as well, and it is only ever put on a request to
//! the provider's own origin ([`Auth::sign`](super::Auth::sign)). A fallback to another provider therefore never carries the
//! key that was given for the first.

mod environment;
mod remembered;
mod source;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use remembered::Remembered;
pub use source::{Environment, KeyFile, KeyFuture, KeySource, SystemEnvironment};

use super::catalog::ProviderEntry;
use crate::base::{Clock, ErrorKind, Secret};
use crate::model::{Error, Result};

/// A key for one call, bound to the provider it was given for.
#[derive(Clone, Debug)]
pub struct CallKey {
    /// The provider that the key belongs to.
    pub provider: String,
    /// The key.
    pub key: Secret,
}

impl CallKey {
    /// The print of this key, if it is for this provider.
    pub(super) fn print_for(key: Option<&Self>, provider: &str) -> Option<KeyPrint> {
        key.filter(|key| key.provider == provider).map(|key| KeyPrint::of(&key.key))
    }
}

/// Tells one key from another, and does not tell the key: providers limit keys, so what is known of a provider is known of
/// a key. It means nothing outside of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrint(u64);

impl KeyPrint {
    /// The print of a key.
    #[must_use]
    pub fn of(key: &Secret) -> Self {
        let mut hash = DefaultHasher::new();
        key.expose().hash(&mut hash);
        Self(hash.finish())
    }
}

impl fmt::Display for KeyPrint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Every way to a key, in their order. Cheap to clone; clones share what the key sources answered.
#[derive(Clone)]
pub struct Credentials {
    user_keys: Option<Arc<UserKeys>>,
    options: HashMap<String, Secret>,
    sources: Arc<[Arc<dyn KeySource>]>,
    remembered: Arc<Remembered>,
    environment: Arc<dyn Environment>,
}

#[derive(Clone)]
struct UserKeys {
    user: String,
    keys: HashMap<String, Secret>,
}

impl Credentials {
    /// No key but those of the environment.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, environment: impl Environment) -> Self {
        Self {
            user_keys: None,
            options: HashMap::new(),
            sources: Arc::new([]),
            remembered: Arc::new(Remembered::new(clock)),
            environment: Arc::new(environment),
        }
    }

    /// Adds the application's own key for a provider.
    #[must_use]
    pub fn with_key(mut self, provider: impl Into<String>, key: impl Into<Secret>) -> Self {
        self.options.insert(provider.into(), key.into());
        self
    }

    /// True when this is the application's own key for a provider.
    #[must_use]
    pub fn has_key(&self, provider: &str, key: &Secret) -> bool {
        self.options.get(provider) == Some(key)
    }

    /// Adds a key source, asked after those that were added before.
    #[must_use]
    pub fn with_key_source(mut self, source: impl KeySource) -> Self {
        self.sources = self.sources.iter().cloned().chain([Arc::new(source) as Arc<dyn KeySource>]).collect();
        self.remembered = Arc::new(self.remembered.emptied());
        self
    }

    /// The same credentials with this user's own key for a provider. It serves that user alone.
    #[must_use]
    pub fn with_user_key(&self, user: &str, provider: impl Into<String>, key: impl Into<Secret>) -> Self {
        let mut keys = match &self.user_keys {
            Some(own) if own.user == user => own.keys.clone(),
            _ => HashMap::new(),
        };
        keys.insert(provider.into(), key.into());
        Self { user_keys: Some(Arc::new(UserKeys { user: user.to_owned(), keys })), ..self.clone() }
    }

    /// The key for a call of this user (or of the application) to this provider; nothing when it needs none.
    ///
    /// # Errors
    /// `Unauthorized` (key_missing) that names the variable to set; what a key source said went wrong.
    pub async fn resolve(
        &self,
        user: Option<&str>,
        provider: &ProviderEntry,
        call_key: Option<&CallKey>,
    ) -> Result<Option<Secret>> {
        let name = provider.name.as_str();
        if let Some(key) = self.given(user, name, call_key) {
            return Ok(Some(key.clone()));
        }
        // Boxed: a call whose key was handed over, or that needs none, carries nothing of this with it.
        if !self.sources.is_empty()
            && let Some(key) = Box::pin(self.remembered.ask(&self.sources, user, name)).await?
        {
            return Ok(Some(key));
        }
        let Some(variable) = &provider.key_variable else { return Ok(None) };
        match Box::pin(environment::key(&*self.environment, provider)).await? {
            Some(key) => Ok(Some(key)),
            None => Err(Error::new(
                ErrorKind::Unauthorized,
                "key_missing",
                format!(
                    "no key for {}: set the environment {}, or hand over the key of `{name}` when the engine is opened",
                    provider.title,
                    environment::variables(provider, variable),
                ),
            )),
        }
    }

    /// The key that somebody has handed over.
    fn given<'a>(&'a self, user: Option<&str>, provider: &str, call_key: Option<&'a CallKey>) -> Option<&'a Secret> {
        let of_call = call_key.filter(|key| key.provider == provider).map(|key| &key.key);
        let of_user = self.user_keys.as_ref().filter(|own| user == Some(own.user.as_str()));
        let of_user = of_user.and_then(|own| own.keys.get(provider));
        [of_call, of_user, self.options.get(provider)].into_iter().flatten().find(|key| !key.is_empty())
    }

    /// The print of the key that [`resolve`](Self::resolve) gives, as far as that is known without asking anybody: the
    /// outer nothing says that a source has to be asked. What the environment holds is one account for everybody, and
    /// has no print.
    #[must_use]
    pub fn known(&self, user: Option<&str>, provider: &str, call_key: Option<&CallKey>) -> Option<Option<KeyPrint>> {
        match self.given(user, provider, call_key) {
            Some(key) => Some(Some(KeyPrint::of(key))),
            None => Some(self.remembered.known(&self.sources, user, provider)?.as_ref().map(KeyPrint::of)),
        }
    }

    /// The print of the key that [`resolve`](Self::resolve) gives, whoever has to be asked for it.
    ///
    /// # Errors
    /// What a key source said went wrong.
    pub async fn print(
        &self,
        user: Option<&str>,
        provider: &str,
        call_key: Option<&CallKey>,
    ) -> Result<Option<KeyPrint>> {
        match self.given(user, provider, call_key) {
            Some(key) => Ok(Some(KeyPrint::of(key))),
            None => Ok(self.remembered.ask(&self.sources, user, provider).await?.as_ref().map(KeyPrint::of)),
        }
    }

    /// The provider has rejected this key. True when it came from a key source that may by now have another: resolve
    /// again, which asks the source once more, and repeat the call. False when the same key would come back.
    #[must_use]
    pub fn rejected(&self, user: Option<&str>, provider: &str, key: &Secret) -> bool {
        self.remembered.rejected(user, provider, key)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("options", &self.options.keys())
            .field("user", &self.user_keys.as_ref().map(|own| &own.user))
            .field("sources", &self.sources.len())
            .finish_non_exhaustive()
    }
}
