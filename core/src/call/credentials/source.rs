//! Where keys come from: an application's vault, a file, the environment.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use tokio::io::AsyncReadExt as _;

use crate::base::{ErrorKind, Secret};
use crate::model::{Error, Result};

/// A key on its way.
pub type KeyFuture<'a> = Pin<Box<dyn Future<Output = Result<Option<Secret>>> + Send + 'a>>;

/// Gives keys: a vault, a keychain, a database.
pub trait KeySource: Send + Sync + 'static {
    /// The key of this user (nothing: of the application) for this provider, or nothing when it has none. Answers are
    /// remembered for 5 minutes, "none" for 10 seconds, and asked for anew once a provider has rejected the key.
    fn key<'a>(&'a self, user: Option<&'a str>, provider: &'a str) -> KeyFuture<'a>;
}

impl<S: KeySource + ?Sized> KeySource for std::sync::Arc<S> {
    fn key<'a>(&'a self, user: Option<&'a str>, provider: &'a str) -> KeyFuture<'a> {
        (**self).key(user, provider)
    }
}

/// Environment variables, handed in, so that no test depends on the machine it runs on.
pub trait Environment: Send + Sync + 'static {
    /// The variable's value, or nothing when it is not set.
    fn get(&self, variable: &str) -> Option<String>;
}

impl<F: Fn(&str) -> Option<String> + Send + Sync + 'static> Environment for F {
    fn get(&self, variable: &str) -> Option<String> {
        self(variable)
    }
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn get(&self, variable: &str) -> Option<String> {
        // Lossy: a key that is no text is then refused as malformed, which says more than "missing".
        std::env::var_os(variable).map(|value| value.to_string_lossy().into_owned())
    }
}

/// A JSON file of the application's keys, as `{"openai": "sk-…", "anthropic": "sk-ant-…"}`, for instance
/// `$TERTULIA_HOME/keys.json`. A file that is not there holds no keys. On Unix, one that everybody on the machine can
/// read is refused.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

const MAX_FILE_BYTES: u64 = 1 << 20;

impl KeyFile {
    /// The keys in this file. It is read when a key is asked for.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    async fn read(&self) -> Result<HashMap<String, Secret>> {
        let unreadable = |e: std::io::Error| {
            Error::new(ErrorKind::Unauthorized, "key_file", format!("{} cannot be read", self.shown())).with_source(e)
        };
        let file = match tokio::fs::File::open(&self.path).await {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(HashMap::new()),
            opened => opened.map_err(unreadable)?,
        };
        refuse_public(&self.path, &file.metadata().await.map_err(unreadable)?)?;
        let mut text = String::new();
        file.take(MAX_FILE_BYTES).read_to_string(&mut text).await.map_err(unreadable)?;
        // The parser's own words may quote a key, so only the place is told.
        let keys: HashMap<String, String> = serde_json::from_str(&text).map_err(|e| {
            Error::new(
                ErrorKind::Unauthorized,
                "key_file",
                format!(
                    "{} is not of the form {{\"openai\": \"sk-…\"}} (line {}, column {})",
                    self.shown(),
                    e.line(),
                    e.column()
                ),
            )
        })?;
        Ok(keys.into_iter().map(|(provider, key)| (provider, Secret::from(key))).collect())
    }

    fn shown(&self) -> std::path::Display<'_> {
        self.path.display()
    }
}

impl KeySource for KeyFile {
    /// The same for every user: the file holds the application's keys.
    fn key<'a>(&'a self, _: Option<&'a str>, provider: &'a str) -> KeyFuture<'a> {
        Box::pin(async move { Ok(self.read().await?.remove(provider)) })
    }
}

#[cfg(unix)]
fn refuse_public(path: &Path, metadata: &std::fs::Metadata) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if metadata.permissions().mode() & 0o007 == 0 {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unauthorized,
        "key_file",
        format!("{0} is open to everybody on this machine: run `chmod 600 {0}`", path.display()),
    ))
}

#[cfg(not(unix))]
fn refuse_public(_: &Path, _: &std::fs::Metadata) -> Result<()> {
    Ok(())
}
