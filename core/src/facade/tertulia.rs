//! The engine, as a handle of another language.

use std::collections::HashMap;
use std::sync::Arc;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::ground::Ground;
use super::message::{self, NewMessage};
use super::options::{CallOptions, OpenOptions};
use super::part::{self, Part};
use super::reply::Reply;
use super::user::UserScope;
use crate::engine;

/// The user that an app without users has.
const LOCAL_USER: &str = "local";

/// The conversation engine. Usable from any thread. Freeing the last handle without `shutdown` loses nothing that was
/// said to be saved.
#[derive(uniffi::Object)]
pub struct Tertulia {
    engine: engine::Tertulia,
    ground: Arc<Ground>,
}

/// Opens an engine.
///
/// # Errors
/// `Invalid` for bad settings, providers or models; `Storage` when the store cannot be opened; `Cancelled`.
#[uniffi::export(default(cancel = None))]
pub async fn open_tertulia(
    options: OpenOptions,
    cancel: Option<Arc<CancelToken>>,
) -> Result<Arc<Tertulia>, TertuliaError> {
    let ground = Ground::new()?;
    let builder = options.builder().map_err(|e| e.during("open"))?.with_runtime(ground.handle()?);
    let engine = ground.run(cancel, builder.open()).await?;
    Ok(Arc::new(Tertulia { engine, ground }))
}

#[uniffi::export]
impl Tertulia {
    /// The conversations of one user; left out, of the one user of this device. Touches no disk. Their own keys, by
    /// provider, serve them alone.
    #[uniffi::method(default(id = None, keys))]
    #[must_use]
    pub fn user(&self, id: Option<String>, keys: HashMap<String, String>) -> Arc<UserScope> {
        let mut user = self.engine.user(id.as_deref().unwrap_or(LOCAL_USER));
        for (provider, key) in keys {
            user = user.key(provider, key);
        }
        Arc::new(UserScope::new(user, self.ground.clone()))
    }

    /// Asks once and stores nothing.
    ///
    /// # Errors
    /// Whatever ends the call; `Cancelled`.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn ask(
        &self,
        parts: Vec<Part>,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Reply, TertuliaError> {
        let verb = self.engine.ask(part::taken(parts)?).with(options.try_into()?);
        self.ground.run(cancel, verb.into_future()).await.map(Reply::from)
    }

    /// Asks once with these messages, the last of them what is asked now; stores nothing.
    ///
    /// # Errors
    /// Whatever ends the call; `Cancelled`.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn ask_messages(
        &self,
        messages: Vec<NewMessage>,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Reply, TertuliaError> {
        let verb = self.engine.ask(message::taken(messages)?).with(options.try_into()?);
        self.ground.run(cancel, verb.into_future()).await.map(Reply::from)
    }

    /// Ends what is under way (waiting up to 5 s), then frees every thread, socket and file. Every other handle of
    /// this engine answers `Closed` from then on. Twice is once.
    ///
    /// # Errors
    /// `Storage` when the store could not finish.
    pub async fn shutdown(&self) -> Result<(), TertuliaError> {
        let engine = self.engine.clone();
        let closed = self.ground.run(None, async move { engine.close().await }).await;
        self.ground.free();
        match closed {
            // It was closed before, or by a second shutdown that was faster and freed the thread under this one.
            Err(TertuliaError::Closed { .. }) => Ok(()),
            closed => closed,
        }
    }
}
