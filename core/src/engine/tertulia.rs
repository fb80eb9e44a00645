//! The engine's handle, and what all of its parts share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use tokio_util::sync::CancellationToken;

use super::ask::AskOf;
use super::builder::TertuliaBuilder;
use super::content::Content;
use super::log::TurnLog;
use super::options::Verb;
use super::outbox::Drain;
use super::queue::{InTurn, Queue};
use super::raw::ProviderHandle;
use super::recent::Recent;
use super::reconfigure::Current;
use super::target::Targets;
use super::tasks::Tasks;
use super::user::UserScope;
use super::watch::Watch;
use super::watched_store::WatchedStore;
use crate::base::{Clock, ConversationId, ErrorKind, Ids, Random, Timestamp, TurnId};
use crate::call::CacheState;
use crate::model::{Error, ModelInfo, ProviderInfo, Result, SentenceSettings};
use crate::net::Transport;
use crate::store::Store;

/// How long `close` waits for what is under way.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// A turn's lease: after this long without a sign of life another process may take the turn to be dead.
pub(super) const LEASE_MS: i64 = 30_000;

/// The conversation engine. Cheap to clone; usable from any thread.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> tertulia::Result<()> {
/// use tertulia::Tertulia;
///
/// let tertulia = Tertulia::builder().store("memory:").model("echo/any").open().await?;
/// let chat = tertulia.user("ana").new_conversation();
/// let reply = chat.send("Three things to see in Cádiz?").await?;
/// assert!(reply.text().contains("Cádiz"));
/// tertulia.close().await
/// # }
/// ```
#[derive(Clone)]
pub struct Tertulia(pub(super) Arc<Inner>);

pub(super) struct Inner {
    /// What `reconfigure` changes. A call keeps what it began with.
    pub(super) current: RwLock<Arc<Current>>,
    pub(super) reconfiguring: Mutex<()>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Ids,
    pub(super) random: Arc<dyn Random>,
    pub(super) store: Arc<dyn Store>,
    /// The same store, for who asks how it is.
    pub(super) watched_store: Arc<WatchedStore>,
    pub(super) watch: Arc<Watch>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) targets: Targets,
    pub(super) auth: Arc<crate::call::Auth>,
    pub(super) outbox: Arc<Drain>,
    pub(super) sentences: Arc<SentenceSettings>,
    pub(super) tasks: Tasks,
    pub(super) alerts: super::alerts::Alerts,
    pub(super) tiers: super::tiers::Tiers,
    pub(super) foresight: super::forecast::Foresight,
    /// Names this engine as the holder of its turns.
    pub(super) holder: String,
    pub(super) closed: AtomicBool,
    pub(super) suspended: AtomicBool,
    /// The device saves power.
    pub(super) saves_power: AtomicBool,
    /// Held while the engine goes to rest or wakes: one at a time.
    pub(super) resting: tokio::sync::Mutex<()>,
    pub(super) closing: Mutex<Option<Closing>>,
    pub(super) live: Mutex<HashMap<TurnId, Live>>,
    /// Runs that are at work here.
    pub(super) workshop: super::work::Workshop,
    pub(super) queues: Mutex<HashMap<ConversationId, Weak<Queue>>>,
    pub(super) recent: Recent,
    pub(super) summaries: super::summary::Writing,
    pub(super) facts: super::facts::Facts,
    /// Values of libraries and users' preferences.
    pub(super) library: Arc<super::library::Cache>,
    /// What is told to timelines.
    pub(super) feeds: Arc<super::timeline::Feeds>,
    /// An engine that was opened outside a runtime brings its own; it goes last.
    pub(super) runtime: Mutex<Option<tokio::runtime::Runtime>>,
}

/// The end of the engine, awaited by everybody who closes it.
pub(super) type Closing = Shared<BoxFuture<'static, Result<()>>>;

/// A turn that runs here.
#[derive(Clone)]
pub(super) struct Live {
    pub(super) owner: Arc<str>,
    pub(super) conversation: ConversationId,
    pub(super) log: Arc<TurnLog>,
    /// Ends the turn for who is not its owner: its owner then hears `Cancelled`.
    pub(super) stopper: CancellationToken,
}

impl Tertulia {
    /// Opens an engine on this store with every default: a path (SQLite) or `memory:`.
    ///
    /// # Errors
    /// `Storage` when the store cannot be opened.
    pub async fn open(store: impl Into<String>) -> Result<Self> {
        Self::builder().store(store).open().await
    }

    /// Sets up an engine.
    pub fn builder() -> TertuliaBuilder {
        TertuliaBuilder::default()
    }

    /// The conversations of one user. Touches no disk; another user's conversations cannot be reached through it.
    #[must_use]
    pub fn user(&self, id: impl AsRef<str>) -> UserScope {
        UserScope::new(self.0.clone(), id.as_ref().into())
    }

    /// Asks once and stores nothing: text, parts, or a list of messages.
    pub fn ask(&self, content: impl Into<Content>) -> Verb<AskOf> {
        Verb::new(AskOf { engine: self.0.clone(), owner: None, conversation: None, content: content.into() })
    }

    /// One provider, for requests of your own with its key and address.
    #[must_use]
    pub fn provider(&self, name: impl Into<String>) -> ProviderHandle {
        ProviderHandle::new(self.0.clone(), None, name.into())
    }

    /// Every provider that the engine knows, from memory.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderInfo> {
        self.0.targets.catalogue().providers()
    }

    /// Every known model whose `provider/model` fits the pattern (`*`, `anthropic/*`, or a name), from memory.
    #[must_use]
    pub fn models(&self, pattern: &str) -> Vec<ModelInfo> {
        self.0.targets.catalogue().models(pattern)
    }

    /// What the cache of replies has done since the engine was opened, and what it holds; from memory.
    #[must_use]
    pub fn cache_state(&self) -> CacheState {
        self.0.current().layers.cache().state()
    }

    /// Opens connections to the providers of these models ahead of the first call. Code of your own has none to open.
    ///
    /// # Errors
    /// `Invalid` for a model whose provider is not known; `Unavailable` when a provider cannot be reached.
    pub async fn warm_up(&self, models: impl IntoIterator<Item = impl AsRef<str>>) -> Result<()> {
        let engine = &self.0;
        let work = async {
            engine.check_open()?;
            for model in models {
                let target = engine.targets.resolve(Some(model.as_ref()), None).await?;
                if let Some(route) = target.http() {
                    engine.transport.warm_up(&route.base_url).await?;
                }
            }
            Ok(())
        };
        engine.tasks.on_runtime(work).await.map_err(|e: Error| e.during("warm_up"))
    }

    /// Tells that the machine is on another network, or on one again: the next calls open fresh connections, and what
    /// waits in the outbox is tried, spread over a second, as soon as its provider lets it. Also for devices that wake from
    /// sleep.
    pub fn network_changed(&self) {
        self.0.transport.renew();
        self.0.outbox.network_changed();
    }

    /// Tells that the device saves power (`true`), or no longer does: Low Power Mode, a battery saver. From then on nothing is
    /// done ahead of time: no rolling summary is begun, nothing is made ready for searches, no second request is raced against
    /// a slow one, and what waits in the outbox is tried when the network changes, when a provider answers, after `resume`, and
    /// every five minutes, instead of each time that a pause ends. What somebody asks for is done as always. When power is no
    /// longer saved, what is due is tried at once. An engine begins with `false`.
    pub fn set_low_power(&self, low: bool) {
        if self.0.saves_power.swap(low, Ordering::Relaxed) && !low {
            self.0.outbox.has_work();
        }
    }

    /// Ends what is under way (waiting up to 5 s), then frees every thread, socket and file. Every other handle of
    /// this engine answers `Closed` from then on. Closing twice is closing once.
    ///
    /// # Errors
    /// `Storage` when the store could not finish.
    pub async fn close(&self) -> Result<()> {
        let engine = &self.0;
        let closed = engine.close().await;
        if let Some(runtime) = engine.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
        closed.map_err(|e| e.during("close"))
    }
}

impl std::fmt::Debug for Tertulia {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tertulia")
            .field("closed", &self.0.closed.load(Ordering::Relaxed))
            .field("tasks", &self.0.tasks.len())
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// Closes everything, once, whoever waits for it and however often.
    fn close(self: &Arc<Self>) -> Closing {
        self.closed.store(true, Ordering::Release);
        self.outbox.closing.cancel();
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = self.clone();
        let begin = || {
            let work = self.tasks.spawn_apart(async move {
                if engine.suspended.swap(false, Ordering::AcqRel) {
                    // What waits is written down before the end.
                    if engine.watched_store.resume().await.is_err() {
                        engine.watched_store.wake();
                    }
                }
                engine.tasks.close(CLOSE_PATIENCE).await;
                engine.transport.close().await;
                engine.targets.close().await;
                let stored = engine.store.close().await;
                tracing::info!(target: "tertulia::engine", operation = "close", "closed");
                stored
            });
            work.shared()
        };
        closing.get_or_insert_with(begin).clone()
    }

    /// # Errors
    /// `Closed` when the engine is closed or suspended.
    pub(super) fn check_open(&self) -> Result<()> {
        self.check_not_closed()?;
        if self.suspended.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "suspended", "this engine is suspended; `resume` it first"));
        }
        Ok(())
    }

    pub(super) fn check_not_closed(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, "closed", "this engine was closed; open another one"));
        }
        Ok(())
    }

    /// What calls begin with now.
    pub(super) fn current(&self) -> Arc<Current> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The error of a verb, in this engine's sentences.
    pub(super) fn failed(&self, error: Error, operation: &'static str) -> Error {
        error.during(operation).worded(&self.sentences)
    }

    pub(super) fn live(&self) -> MutexGuard<'_, HashMap<TurnId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The queue of a conversation: its turns run one after the other, in the order they were asked for.
    pub(super) fn queue(&self, conversation: ConversationId) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(&conversation).and_then(Weak::upgrade) {
            return queue;
        }
        // Before there is more of it, and not each time: whoever takes many would look at all of them for each.
        if queues.len() == queues.capacity() {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::default();
        queues.insert(conversation, Arc::downgrade(&queue));
        queue
    }

    /// Takes the queue of a conversation that is about to go out of use and sends everybody away who waits in it.
    pub(super) fn dissolve_queue(&self, conversation: ConversationId) -> Arc<Queue> {
        let queue = self.queue(conversation);
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).remove(&conversation);
        queue.dissolve();
        queue
    }

    /// Stops what is under way in a conversation that is about to go, sends everybody away who waits there, and waits for
    /// the last of them. Nobody else is in it as long as what this gives is held.
    pub(super) async fn alone_in(&self, owner: &str, conversation: ConversationId) -> InTurn {
        let queue = self.dissolve_queue(conversation);
        self.stop_turns(owner, conversation);
        queue.last().await
    }

    pub(super) fn lease_until(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.now().as_millis() + LEASE_MS)
    }
}

impl Drop for Inner {
    /// Dropping without `close` loses nothing acknowledged: tasks are told to stop, the store's threads end when their
    /// queue does.
    fn drop(&mut self) {
        self.outbox.closing.cancel();
        self.tasks.stop_token().cancel();
        self.watch.end();
        if let Some(runtime) = self.runtime.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}
