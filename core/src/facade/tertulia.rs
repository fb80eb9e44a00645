//! The engine, as a handle of another language.

use std::collections::HashMap;
use std::sync::Arc;

use super::cancel::CancelToken;
use super::engine_event::Events;
use super::error::TertuliaError;
use super::ground::Ground;
use super::health::Health;
use super::key_source::{HostKeys, KeySource};
use super::message::{self, NewMessage};
use super::options::{CallOptions, OpenOptions};
use super::part::{self, Part};
use super::provider::Provider;
use super::reply::Reply;
use super::user::UserScope;
use crate::engine;

/// The user that an app without users has.
const LOCAL_USER: &str = "local";

/// The conversation engine. Usable from any thread. Freeing the last handle without `shutdown` loses nothing that was
/// said to be saved.
#[derive(uniffi::Object)]
pub struct Tertulia {
    pub(super) engine: engine::Tertulia,
    pub(super) ground: Arc<Ground>,
}

/// Opens an engine, with code of the host's where it gives some.
///
/// # Errors
/// `Invalid` for bad settings, providers or models; `Storage` when the store cannot be opened; `Cancelled`.
#[uniffi::export(default(key_source = None, own_providers = [], cancel = None))]
pub async fn open_tertulia(
    options: OpenOptions,
    key_source: Option<Arc<dyn KeySource>>,
    own_providers: Vec<Provider>,
    cancel: Option<Arc<CancelToken>>,
) -> Result<Arc<Tertulia>, TertuliaError> {
    let ground = Ground::new()?;
    let mut builder = options.builder().map_err(|e| e.during("open"))?.with_runtime(ground.handle()?);
    if let Some(source) = key_source {
        builder = builder.with_key_source(HostKeys(source));
    }
    for provider in own_providers {
        builder = builder.with_provider(provider.own().map_err(|e| e.during("open"))?);
    }
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

    /// Gives up every file and lock of the store, so that the system may suspend the program: what is handed to the store
    /// already is finished, every connection is closed. Until `resume` every verb answers `Closed` (suspended); what is
    /// under way waits where it stands, so that nothing is lost. Suspending twice is suspending once, and cancelling ends
    /// the waiting alone.
    ///
    /// # Errors
    /// `Closed` when the engine is closed; `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn suspend(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let engine = self.engine.clone();
        self.ground.run(cancel, async move { engine.suspend().await }).await
    }

    /// Opens the store again after `suspend`. What waited goes on; connections to providers are made anew, and what waits
    /// in the outbox is tried. Does nothing to an engine that is not suspended.
    ///
    /// # Errors
    /// `Storage` when the store cannot be opened; the engine is still suspended then. `Closed` when it is closed;
    /// `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn resume(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let engine = self.engine.clone();
        self.ground.run(cancel, async move { engine.resume().await }).await
    }

    /// Tells that the machine is on another network, or on one again: the next calls open fresh connections, and what
    /// waits in the outbox is tried, spread over a second, as soon as its provider lets it. Also for devices that wake
    /// from sleep.
    pub fn network_changed(&self) {
        self.engine.network_changed();
    }

    /// Tells that the device saves power (`true`), or no longer does: Low Power Mode, a battery saver. From then on nothing is
    /// done ahead of time: no rolling summary is begun, nothing is made ready for searches, no second request is raced against
    /// a slow one, and what waits in the outbox is tried when the network changes, when a provider answers, after `resume`, and
    /// every five minutes, instead of each time that a pause ends. What somebody asks for is done as always. When power is no
    /// longer saved, what is due is tried at once. An engine begins with `false`.
    pub fn set_low_power(&self, low: bool) {
        self.engine.set_low_power(low);
    }

    /// What happens in the engine from now on: retries, breakers, turns, failed tasks, the store, rejected keys.
    #[must_use]
    pub fn events(&self) -> Arc<Events> {
        Arc::new(Events::new(self.engine.events(), self.ground.clone()))
    }

    /// How the engine is now. From memory.
    #[must_use]
    pub fn health(&self) -> Health {
        self.engine.health().into()
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
