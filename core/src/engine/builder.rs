//! Sets up an engine: values through settings, components through `with_…`.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use super::alerts::{Alerts, SpendingAlert};
use super::catalogue::{Setup, own_code};
use super::forecast::Foresight;
use super::home;
use super::library::Cache;
use super::outbox::{self, Drain, settle_recovered};
use super::recent::Recent;
use super::reconfigure::Current;
use super::settings::Settings;
use super::target::Targets;
use super::tasks::Tasks;
use super::tertulia::{Inner, Tertulia};
use super::tiers::Tiers;
use super::user::check_id;
use super::watch::{LISTENER, Listener, Watch, listen};
use super::watched_store::WatchedStore;
use crate::base::{Clock, Ids, Random, Secret, SystemClock, SystemRandom};
use crate::call::{
    Accounts, Catalogue, Credentials, Environment, KeySource, Layers, OwnCode, Provider, ProviderService, ProviderSpec,
    SystemEnvironment,
};
use crate::model::{EngineEvent, Error, Result, Tier};
use crate::net::{HttpTransport, Transport};
use crate::store::{MemoryStore, Store};

/// Sets up an engine. Nothing is opened before [`open`](Self::open).
#[must_use = "nothing happens until it is opened"]
#[derive(Default)]
pub struct TertuliaBuilder {
    store: Option<String>,
    #[cfg(feature = "sqlite")]
    store_key: Option<crate::store::StoreKey>,
    model: Option<String>,
    fallback: Option<Vec<String>>,
    settings: Settings,
    keys: Vec<(String, Secret)>,
    key_sources: Vec<Arc<dyn KeySource>>,
    providers: Vec<ProviderSpec>,
    own: Vec<OwnCode>,
    aliases: Vec<(String, String)>,
    catalogue: Option<String>,
    tiers: Vec<(String, Tier)>,
    users: Vec<(String, String)>,
    listeners: Vec<Listener>,
    parts: Parts,
}

/// What the world is made of.
#[derive(Default)]
struct Parts {
    clock: Option<Arc<dyn Clock>>,
    random: Option<Arc<dyn Random>>,
    environment: Option<Arc<dyn Environment>>,
    transport: Option<Arc<dyn Transport>>,
    store: Option<Arc<dyn Store>>,
    runtime: Option<tokio::runtime::Handle>,
    alert_sink: Option<Arc<dyn Fn(SpendingAlert) + Send + Sync>>,
}

impl TertuliaBuilder {
    /// Where conversations are kept: a path (SQLite) or `memory:`. Left out: `$TERTULIA_HOME/tertulia.db`, else the
    /// platform's folder for application data.
    pub fn store(mut self, store: impl Into<String>) -> Self {
        self.store = Some(store.into());
        self
    }

    /// What the database is encrypted with: a passphrase, or 32 bytes ([`StoreKey::raw`](crate::StoreKey::raw)). Backups of
    /// it are encrypted with it, too. It must be given each time, and there is no way in without it. For programs that
    /// are built with SQLCipher, as the crate `tertulia-sqlcipher` is; for all others, and for `memory:`, a key is refused.
    #[cfg(feature = "sqlite")]
    pub fn store_key(mut self, key: impl Into<crate::store::StoreKey>) -> Self {
        self.store_key = Some(key.into());
        self
    }

    /// The model that is asked when neither call nor conversation names one. Left out: `$TERTULIA_MODEL`.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// The models that calls go on to, in this order, when theirs fails; in the place of `settings.fallback.targets`.
    pub fn fallback(mut self, models: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fallback = Some(models.into_iter().map(Into::into).collect());
        self
    }

    /// A provider's key. Left out: the variable that the catalogue names (`OPENAI_API_KEY`, …).
    pub fn key(mut self, provider: impl Into<String>, key: impl Into<Secret>) -> Self {
        self.keys.push((provider.into(), key.into()));
        self
    }

    /// Where keys are asked for, by user and provider; [`KeyFile`](crate::KeyFile) reads them from a file. Several are
    /// asked in the order they were added.
    pub fn with_key_source(mut self, source: impl KeySource) -> Self {
        self.key_sources.push(Arc::new(source));
        self
    }

    /// A provider of your own, as data.
    pub fn provider(mut self, spec: ProviderSpec) -> Self {
        self.providers.push(spec);
        self
    }

    /// A provider of your own, as code. It takes the place of a provider of the catalogue with the same name, models
    /// and prices included: so a test may put a script behind `openai/…`. Two of your own with one name are refused.
    pub fn with_provider(mut self, provider: impl Provider) -> Self {
        self.own.push(OwnCode::new(provider));
        self
    }

    /// Another name for a model: `alias("fast", "groq/llama-3.3-70b-versatile")`.
    pub fn alias(mut self, name: impl Into<String>, model: impl Into<String>) -> Self {
        self.aliases.push((name.into(), model.into()));
        self
    }

    /// A tier, as [`Tertulia::set_tier`] sets it, from the first call on: what the outbox sends while the engine opens is
    /// held to it, too.
    pub fn tier(mut self, name: impl Into<String>, tier: Tier) -> Self {
        self.tiers.push((name.into(), tier));
        self
    }

    /// Says from the first call on that a user belongs to a tier, as [`Tertulia::assign_tier`] does later.
    pub fn assign_tier(mut self, user: impl Into<String>, tier: impl Into<String>) -> Self {
        self.users.push((user.into(), tier.into()));
        self
    }

    /// A catalogue of your own, as JSON, instead of the bundled one.
    pub fn catalogue(mut self, json: impl Into<String>) -> Self {
        self.catalogue = Some(json.into());
        self
    }

    /// All settings.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Code that is called with every event of the engine ([`Tertulia::events`]), one after the other, on a task of its
    /// own. It may call the engine, but should not take long: while it does, events wait for it as for any reader. A
    /// panic in it costs it that event and is told to the others as `TaskFailed`.
    pub fn on_event(mut self, listener: impl Fn(&EngineEvent) + Send + Sync + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// An HTTP stack of your own.
    pub fn with_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.parts.transport = Some(transport);
        self
    }

    /// A store of your own.
    pub fn with_store(mut self, store: Arc<dyn Store>) -> Self {
        self.parts.store = Some(store);
        self
    }

    /// Hears of budgets that run low, or will not last. Called wherever a call has just been settled: it may not block.
    /// Every alert is also a warning in the log.
    pub fn on_spending_alert(mut self, sink: impl Fn(SpendingAlert) + Send + Sync + 'static) -> Self {
        self.parts.alert_sink = Some(Arc::new(sink));
        self
    }

    /// A clock of your own.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.parts.clock = Some(clock);
        self
    }

    /// Randomness of your own, for tests that repeat.
    pub fn with_random(mut self, random: Arc<dyn Random>) -> Self {
        self.parts.random = Some(random);
        self
    }

    /// The variables of another environment than the process's.
    pub fn with_environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.parts.environment = Some(environment);
        self
    }

    /// The runtime that the engine's tasks run on. Left out: the one `open` is called on; where there is none, the
    /// engine brings its own with one thread.
    pub fn with_runtime(mut self, runtime: tokio::runtime::Handle) -> Self {
        self.parts.runtime = Some(runtime);
        self
    }

    /// Opens the engine and puts to rest what a dead process left open. A variable such as
    /// `TERTULIA_OPENAI_BASE_URL` moves a provider of the catalogue to another address.
    ///
    /// # Errors
    /// `Invalid` for bad settings, providers, aliases or tiers; `Storage` when the store cannot be opened.
    pub async fn open(self) -> Result<Tertulia> {
        self.assemble().await.map_err(|e| e.during("open"))
    }

    async fn assemble(self) -> Result<Tertulia> {
        let Self {
            store,
            #[cfg(feature = "sqlite")]
            store_key,
            model,
            fallback,
            mut settings,
            keys,
            key_sources,
            providers,
            own,
            aliases,
            catalogue,
            tiers,
            users,
            listeners,
            parts,
        } = self;
        settings.fallback.targets = fallback.unwrap_or(settings.fallback.targets);
        settings.check()?;
        users.iter().try_for_each(|(user, _)| check_id(user))?;
        let tiers = Tiers::new(tiers, users)?;
        let clock = parts.clock.unwrap_or_else(|| Arc::new(SystemClock::default()));
        let random = parts.random.unwrap_or_else(|| Arc::new(SystemRandom));
        let environment = parts.environment.unwrap_or_else(|| Arc::new(SystemEnvironment));

        let read = match catalogue {
            Some(json) => Catalogue::from_json(&json)?,
            None => Catalogue::bundled()?,
        };
        let own = own_code(own, &providers)?;
        let setup = Setup { environment: environment.clone(), providers, own, aliases };
        let model = model.or_else(|| environment.get("TERTULIA_MODEL").filter(|m| !m.is_empty()));
        let targets = Targets::new(read, setup, model.clone(), settings.network.max_event_bytes)?;
        let catalogue = targets.catalogue();
        for model in model.iter().chain(&settings.fallback.targets).chain(&settings.context.summary.model) {
            catalogue.resolve(model)?;
        }
        for (provider, _) in &keys {
            catalogue.require_provider(provider)?;
        }
        let variables = environment.clone();
        let mut credentials = Credentials::new(clock.clone(), move |variable: &str| variables.get(variable));
        for (provider, key) in keys {
            credentials = credentials.with_key(provider, key);
        }
        for source in key_sources {
            credentials = credentials.with_key_source(source);
        }
        let credentials = Arc::new(credentials);

        let (handle, runtime) = match parts.runtime.or_else(|| tokio::runtime::Handle::try_current().ok()) {
            Some(handle) => (handle, None),
            None => {
                let runtime = own_runtime()?;
                (runtime.handle().clone(), Some(runtime))
            }
        };
        let transport = match parts.transport {
            Some(transport) => transport,
            None => Arc::new(HttpTransport::new(&settings.network, clock.clone())?) as Arc<dyn Transport>,
        };
        let store = match parts.store {
            #[cfg(feature = "sqlite")]
            Some(_) if store_key.is_some() => return Err(no_key_for("a store of your own")),
            Some(store) => store,
            None => {
                let open = OpenStore {
                    settings: &settings,
                    clock: &clock,
                    #[cfg(feature = "sqlite")]
                    key: store_key,
                };
                open.at(store, &*environment).await?
            }
        };
        let watch = Arc::new(Watch::new(clock.clone()));
        let tasks = Tasks::new(handle, clock.clone(), watch.clone());
        for listener in listeners {
            tasks.spawn_listener(LISTENER, listen(watch.clone(), watch.events(), listener));
        }
        let slow = Duration::from_millis(settings.store.slow_query_ms);
        let feeds = Arc::default();
        let store = Arc::new(WatchedStore::new(store, clock.clone(), watch.clone(), Arc::clone(&feeds), slow));
        let recovered = store.recover(clock.now()).await?;
        for record in &recovered {
            tracing::warn!(
                target: "tertulia::engine", operation = "open", owner = record.owner, conversation = %record.conversation_id,
                turn = %record.id(), model = record.model, error_kind = "truncated", "a dead process left this turn open",
            );
        }

        let ids = Ids::new(clock.clone(), random.clone());
        let network = Arc::new(settings.network.clone());
        let provider =
            ProviderService::new(transport.clone(), credentials.clone(), clock.clone(), ids.clone(), network)
                .with_latched_probe(Duration::from_millis(settings.breaker.latched_probe_ms));
        let holder = ids.turn().to_string();
        let spawn = tasks.clone();
        let alerts = Alerts::new(parts.alert_sink, watch.clone());
        let accounts = Accounts::new(
            store.clone(),
            clock.clone(),
            ids.clone(),
            holder.clone(),
            Arc::new(move |name, work| spawn.spawn(name, None, futures::FutureExt::map(work, Ok))),
            alerts.shares(),
            tasks.closing_token().clone(),
        );
        let drain = Arc::new(Drain::new(settings.outbox, random.clone()));
        let sentences = Arc::new(settings.sentences.clone());
        let layers = Layers::new(settings.layers(), accounts, &clock, &random);
        let library = Arc::new(Cache::new(settings.library, store.clone(), clock.clone()));
        let inner = Inner {
            auth: provider.auth(),
            current: RwLock::new(Arc::new(Current::new(settings, credentials, provider, layers))),
            reconfiguring: Mutex::default(),
            alerts,
            tiers,
            foresight: Foresight::default(),
            targets,
            holder,
            outbox: drain,
            sentences,
            random,
            tasks,
            closed: AtomicBool::new(false),
            suspended: AtomicBool::new(false),
            saves_power: AtomicBool::new(false),
            resting: tokio::sync::Mutex::default(),
            closing: Mutex::default(),
            live: Mutex::default(),
            workshop: Mutex::default(),
            queues: Mutex::default(),
            recent: Recent::default(),
            summaries: super::summary::Writing::default(),
            facts: super::facts::Facts::default(),
            library,
            feeds,
            runtime: Mutex::new(runtime),
            clock,
            ids,
            store: store.clone(),
            watched_store: store,
            watch,
            transport,
        };
        tracing::info!(target: "tertulia::engine", operation = "open", recovered = recovered.len(), "opened");
        let inner = Arc::new(inner);
        settle_recovered(&inner, recovered).await;
        super::erasure::go_on(&inner).await?;
        outbox::start(&inner);
        inner.library.start(&inner.tasks);
        Ok(Tertulia(inner))
    }
}

fn own_runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("tertulia")
        .enable_all()
        .build()
        .map_err(|e| Error::internal("no runtime could be started").with_source(e))
}

/// What the store is opened with, besides its place.
struct OpenStore<'a> {
    settings: &'a Settings,
    clock: &'a Arc<dyn Clock>,
    #[cfg(feature = "sqlite")]
    key: Option<crate::store::StoreKey>,
}

#[cfg(feature = "sqlite")]
fn no_key_for(what: &str) -> Error {
    Error::invalid("unsupported", format!("{what} takes no store key: a key is for a database in a file"))
}

impl OpenStore<'_> {
    async fn at(self, store: Option<String>, environment: &dyn Environment) -> Result<Arc<dyn Store>> {
        let path = match store.as_deref() {
            #[cfg(feature = "sqlite")]
            Some("memory:") if self.key.is_some() => return Err(no_key_for("a store in memory")),
            Some("memory:") => return Ok(Arc::new(MemoryStore::with_clock(self.clock.clone()))),
            Some("") => {
                return Err(Error::invalid("store_missing", "the store's path is empty; leave it out for the default"));
            }
            Some(url) if url.contains("://") => {
                return Err(Error::invalid("unsupported", "a store is a path (SQLite) or `memory:` in this version"));
            }
            Some(path) => PathBuf::from(path),
            None => home::folder(environment)?.join("tertulia.db"),
        };
        self.sqlite(path).await
    }

    #[cfg(feature = "sqlite")]
    async fn sqlite(self, path: PathBuf) -> Result<Arc<dyn Store>> {
        let of = &self.settings.store;
        let settings = crate::store::SqliteSettings {
            readers: of.readers,
            group_commit_ms: of.group_commit_ms,
            group_commit_rows: of.group_commit_rows,
            busy_timeout_ms: of.busy_timeout_ms,
            slow_query_ms: of.slow_query_ms,
            search: of.search,
            key: self.key,
        };
        Ok(Arc::new(crate::store::SqliteStore::open(path, settings, self.clock.clone()).await?))
    }

    #[cfg(not(feature = "sqlite"))]
    #[expect(clippy::unused_async, reason = "the same shape as with SQLite")]
    async fn sqlite(self, _: PathBuf) -> Result<Arc<dyn Store>> {
        Err(Error::invalid(
            "unsupported",
            "this build has no SQLite (feature `sqlite`); use `memory:` or a store of your own",
        ))
    }
}
