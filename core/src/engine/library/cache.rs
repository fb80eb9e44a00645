//! What is remembered of libraries and of users' preferences.
//!
//! ```text
//! question ─▶ what was changed since the last one, by anybody? ─▶ that is forgotten
//!               ├─ remembered, and not for too long ──▶ it
//!               ├─ somebody is reading it ────────────▶ the same for both
//!               └─ neither ───────────────────────────▶ it is read
//! ```
//!
//! The store tells changes by their number ([`Store::library_changes`](crate::store::Store::library_changes)), this engine's own among
//! them, once they are kept and before their writer is told. So nothing is ever served that somebody replaced before the
//! question, in whichever process, and what this engine writes needs no way of its own into memory. All of it is done
//! under one lock: what is forgotten while it is being read is given to those who asked before, and is not remembered.
//! A store that cannot tell is asked anew each time.
//!
//! Nothing but the newest values and preferences can get in here: messages, whose something is, and what tools answered
//! have no key.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache as Bounded;
use tokio_util::sync::CancellationToken;

use super::{COUNCIL, PERSONA, PROMPT, SETTING};
use crate::base::{Clock, ErrorKind, Json};
use crate::engine::settings::LibrarySettings;
use crate::engine::tasks::Tasks;
use crate::model::{Error, LibraryEntry, LibraryHealth, Preferences, Result};
use crate::store::{APPLICATION, EntryQuery, EntryRecord, LibraryChanges, LibraryKey, PREFERENCES, Store};

/// So many readings under way are looked through for those that nobody waits for any more.
const MANY_READINGS: usize = 256;

/// What a value takes besides its text, about, in bytes.
const AROUND: usize = 256;

/// The longest page of names that is read ahead.
const PAGE: usize = 200;

/// What can be remembered.
#[derive(Clone)]
pub(super) enum Value {
    Entry(Option<Arc<LibraryEntry>>),
    Preferences(Arc<Preferences>),
}

/// What is remembered.
struct Kept {
    value: Value,
    /// How often everything had been forgotten when it was read.
    era: u64,
    /// When it came, by `Clock::monotonic`.
    came: Duration,
    weight: u32,
}

/// A value on its way, and whoever waits for it.
type Reading = Shared<Work>;
type Work = BoxFuture<'static, Result<Value>>;

/// How a question comes to its answer.
enum Answer {
    There(Value),
    Reading(Reading),
    /// Read for this question alone: nobody can say whether it will still be true for the next one.
    Unkept(LibraryKey),
}

/// Everything that is remembered.
pub(in crate::engine) struct Cache {
    settings: LibrarySettings,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    kept: Bounded<LibraryKey, Arc<Kept>>,
    ledger: Mutex<Ledger>,
    hits: AtomicI64,
    misses: AtomicI64,
    coalesced: AtomicI64,
    dropped: AtomicI64,
    evicted: Arc<AtomicI64>,
    /// Taken out by the test that shows what is lost without it.
    #[cfg(test)]
    pub(super) looks: bool,
}

/// What of the world is known.
#[derive(Default)]
struct Ledger {
    /// The last change that was heeded.
    known: i64,
    /// How often everything was forgotten.
    era: u64,
    /// Values on their way, each with its own number.
    readings: HashMap<LibraryKey, (u64, WeakShared<Work>)>,
    /// The last of these numbers.
    reading: u64,
}

impl Cache {
    pub(in crate::engine) fn new(settings: LibrarySettings, store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let evicted = Arc::<AtomicI64>::default();
        let count = Arc::clone(&evicted);
        let kept = Bounded::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|_, kept: &Arc<Kept>| kept.weight)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build();
        let (hits, misses, coalesced, dropped) = Default::default();
        Self {
            settings,
            store,
            clock,
            kept,
            ledger: Mutex::default(),
            hits,
            misses,
            coalesced,
            dropped,
            evicted,
            #[cfg(test)]
            looks: true,
        }
    }

    /// Reads ahead in the background, if that is wanted.
    pub(in crate::engine) fn start(self: &Arc<Self>, tasks: &Tasks) {
        if self.settings.warm_up > 0 {
            let (this, closing) = (Arc::clone(self), tasks.closing_token().clone());
            tasks.spawn("library_warm_up", None, async move { this.warm_up(&closing).await });
        }
    }

    pub(super) async fn warm_up(self: &Arc<Self>, closing: &CancellationToken) -> Result<()> {
        let mut left = self.settings.warm_up;
        for kind in [PROMPT, PERSONA, COUNCIL, SETTING] {
            let mut after = None;
            while left > 0 {
                let limit = left.min(PAGE);
                let query = EntryQuery { kind: kind.to_owned(), prefix: String::new(), after, limit };
                let rows = match self.store.entries(APPLICATION, query).await {
                    Ok(rows) => rows,
                    // A store without a library has nothing to be read ahead.
                    Err(error) if error.kind() == ErrorKind::Invalid => return Ok(()),
                    Err(error) => return Err(error),
                };
                for row in &rows {
                    if closing.is_cancelled() {
                        return Ok(());
                    }
                    self.entry(APPLICATION, kind, &row.name).await?;
                }
                left -= rows.len();
                after = rows.last().map(|row| row.name.clone());
                if rows.len() < limit {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The newest version of a value, or nothing.
    pub(super) async fn entry(
        self: &Arc<Self>,
        owner: &str,
        kind: &str,
        name: &str,
    ) -> Result<Option<Arc<LibraryEntry>>> {
        match self.get(LibraryKey::new(owner, kind, name)).await? {
            Value::Entry(found) => Ok(found),
            Value::Preferences(_) => Err(mixed_up()),
        }
    }

    /// What a user prefers.
    pub(in crate::engine) async fn preferences(self: &Arc<Self>, owner: &str) -> Result<Preferences> {
        match self.get(LibraryKey::preferences(owner)).await? {
            Value::Preferences(preferences) => Ok((*preferences).clone()),
            Value::Entry(_) => Err(mixed_up()),
        }
    }

    pub(super) async fn get(self: &Arc<Self>, key: LibraryKey) -> Result<Value> {
        match self.enter(key) {
            Answer::There(value) => Ok(value),
            Answer::Reading(reading) => reading.await,
            Answer::Unkept(key) => self.read(&key).await,
        }
    }

    fn enter(self: &Arc<Self>, key: LibraryKey) -> Answer {
        let mut ledger = self.ledger();
        if !self.can_tell(&mut ledger) || self.settings.max_bytes == 0 || self.patience(&key) == Some(Duration::ZERO) {
            self.misses.fetch_add(1, Ordering::Relaxed);
            return Answer::Unkept(key);
        }
        if let Some(kept) = self.kept.get(&key).filter(|kept| kept.era == ledger.era && self.is_fresh(&key, kept)) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Answer::There(kept.value.clone());
        }
        if let Some(reading) = ledger.readings.get(&key).and_then(|(_, reading)| reading.upgrade()) {
            self.hits.fetch_add(1, Ordering::Relaxed);
            self.coalesced.fetch_add(1, Ordering::Relaxed);
            return Answer::Reading(reading);
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        if ledger.readings.len() >= MANY_READINGS {
            ledger.readings.retain(|_, (_, reading)| reading.upgrade().is_some());
        }
        ledger.reading += 1;
        let (number, this, of) = (ledger.reading, Arc::clone(self), key.clone());
        let work = async move {
            let read = this.read(&of).await;
            this.landed(number, of, &read);
            read
        };
        let reading = work.boxed().shared();
        if let Some(weak) = reading.downgrade() {
            ledger.readings.insert(key, (number, weak));
        }
        Answer::Reading(reading)
    }

    /// Forgets what was changed since the last question. False when the store cannot tell what that was.
    fn can_tell(&self, ledger: &mut Ledger) -> bool {
        #[cfg(test)]
        if !self.looks {
            return true;
        }
        let Some(changes) = self.store.library_changes(ledger.known) else { return false };
        let LibraryChanges { number, keys } = changes;
        match keys {
            Some(keys) => keys.iter().for_each(|key| self.forget(ledger, key)),
            None => self.forget_all(ledger),
        }
        ledger.known = number;
        true
    }

    fn forget(&self, ledger: &mut Ledger, key: &LibraryKey) {
        let kept = self.kept.remove(key);
        self.dropped.fetch_add(i64::from(kept.is_some()), Ordering::Relaxed);
        ledger.readings.remove(key);
    }

    fn forget_all(&self, ledger: &mut Ledger) {
        self.kept.run_pending_tasks();
        self.dropped.fetch_add(i64::try_from(self.kept.entry_count()).unwrap_or(i64::MAX), Ordering::Relaxed);
        ledger.era += 1;
        ledger.readings.clear();
        self.kept.invalidate_all();
    }

    /// How long a value is remembered; nothing = until it changes.
    fn patience(&self, key: &LibraryKey) -> Option<Duration> {
        match &*key.kind {
            PROMPT | PERSONA | COUNCIL => None,
            PREFERENCES => Some(Duration::from_millis(self.settings.preferences_ttl_ms)),
            _ => Some(Duration::from_millis(self.settings.metadata_ttl_ms)),
        }
    }

    fn is_fresh(&self, key: &LibraryKey, kept: &Kept) -> bool {
        self.patience(key).is_none_or(|patience| self.clock.monotonic().saturating_sub(kept.came) < patience)
    }

    async fn read(&self, key: &LibraryKey) -> Result<Value> {
        if key.kind == PREFERENCES {
            return self.store.preferences(&key.owner).await.map(|found| Value::Preferences(Arc::new(found)));
        }
        let found = self.store.entry(key.clone(), None).await?;
        Ok(Value::Entry(found.map(|record| shown(key, record).map(Arc::new)).transpose()?))
    }

    /// A reading is over: what came is remembered, unless it was forgotten meanwhile.
    pub(super) fn landed(&self, number: u64, key: LibraryKey, read: &Result<Value>) {
        let mut ledger = self.ledger();
        if ledger.readings.get(&key).is_none_or(|(newest, _)| *newest != number) {
            return;
        }
        ledger.readings.remove(&key);
        if let Ok(value) = read {
            let weight = weight(&key, value);
            let kept = Kept { value: value.clone(), era: ledger.era, came: self.clock.monotonic(), weight };
            self.kept.insert(key, Arc::new(kept));
        }
        drop(ledger);
        // Room is made now and not some time later, so that the bound holds at any time.
        self.kept.run_pending_tasks();
    }

    pub(super) fn invalidate(&self, key: &LibraryKey) {
        self.forget(&mut self.ledger(), key);
    }

    pub(super) fn clear(&self) {
        self.forget_all(&mut self.ledger());
    }

    pub(in crate::engine) fn health(&self) -> LibraryHealth {
        self.kept.run_pending_tasks();
        let read = |count: &AtomicI64| count.load(Ordering::Relaxed);
        let (hits, misses) = (read(&self.hits), read(&self.misses));
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        LibraryHealth {
            hits,
            misses,
            hit_rate: if hits + misses == 0 { 0.0 } else { hits as f64 / (hits + misses) as f64 },
            coalesced: read(&self.coalesced),
            dropped: read(&self.dropped),
            evicted: read(&self.evicted),
            entries: whole(self.kept.entry_count()),
            bytes: whole(self.kept.weighted_size()),
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A value as its users are shown it.
pub(super) fn shown(key: &LibraryKey, record: EntryRecord) -> Result<LibraryEntry> {
    let EntryRecord { version, json, created_at, updated_at } = record;
    // The parser's own error may quote what stands there, so it goes no further.
    let value: Json = serde_json::from_str(&json).map_err(|_| {
        Error::new(ErrorKind::Storage, "corrupt", "a value of the library is damaged; restore a backup")
    })?;
    let (kind, name, shared) = (key.kind.clone(), key.name.clone(), key.owner == APPLICATION);
    Ok(LibraryEntry { kind, name, version, value, shared, created_at, updated_at })
}

/// What a value takes in memory, about: texts are as long as they are written, lists and objects some more.
fn weight(key: &LibraryKey, value: &Value) -> u32 {
    let words = match value {
        Value::Entry(None) => 0,
        Value::Entry(Some(entry)) => entry.name.len() + entry.kind.len() + weight_of(&entry.value),
        Value::Preferences(preferences) => {
            let pairs: usize = preferences.values.iter().map(|(key, value)| key.len() + value.len() + AROUND).sum();
            let words = [&preferences.name, &preferences.language, &preferences.time_zone];
            pairs + words.into_iter().flatten().map(String::len).sum::<usize>()
        }
    };
    u32::try_from(AROUND + key.owner.len() + key.kind.len() + key.name.len() + words).unwrap_or(u32::MAX)
}

fn weight_of(value: &Json) -> usize {
    let inside = match value {
        Json::String(text) => text.len(),
        Json::Array(items) => items.iter().map(weight_of).sum(),
        Json::Object(fields) => fields.iter().map(|(name, value)| 2 * name.len() + weight_of(value)).sum(),
        _ => 0,
    };
    size_of::<Json>() + inside
}

fn mixed_up() -> Error {
    Error::internal("something else is remembered under this key")
}
