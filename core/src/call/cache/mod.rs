//! Replies that are kept, and replies on their way that several callers read.
//!
//! ```text
//!            ┌─ kept and fresh ──▶ its events again, marked as from the cache
//! question ──┼─ on its way ──────▶ one more reader of the same flight
//!            └─ neither ─────────▶ a new flight: this call asks
//! ```
//!
//! Both are looked up under one lock, and a reply that lands is put on the shelf under the same lock before its flight
//! is forgotten: between the two no second call can slip through.

mod flight;
mod kept;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use flight::Flight;
use kept::Kept;
pub(super) use kept::replay;
pub(super) use reader::{Opening, Reader};

use super::accounts::CostLimit;
use super::context::Carried;
use super::target::{Call, ReplyEvents};
use crate::base::{Clock, Random};
use crate::model::Reply;
use crate::policy::{CacheSettings, Fingerprint, KeyId, Question, is_keepable};

/// What the cache of replies has done since the engine was opened, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheState {
    /// Calls that were answered by a reply that was kept.
    pub hits: u64,
    /// Calls that used the cache and had to ask.
    pub misses: u64,
    /// Calls that were answered by a reply that another call had asked for at that time.
    pub coalesced: u64,
    /// Replies that made room for others.
    pub evicted: u64,
    /// Replies that are kept.
    pub entries: u64,
    /// What they take in memory, in bytes.
    pub bytes: u64,
}

/// All replies of a layer: those that are kept and those on their way.
pub(super) struct Shelf {
    pub(super) settings: CacheSettings,
    clock: Arc<dyn Clock>,
    /// A secret of this process, so that the ids of keys say nothing elsewhere.
    salt: [u8; 32],
    kept: Cache<Fingerprint, Arc<Kept>>,
    /// By what is asked and on what terms.
    flights: Mutex<HashMap<Fingerprint, Arc<Flight>>>,
    /// Numbers the flights: an old one that lands late does not replace the reply of a newer one.
    asked: AtomicU64,
    /// What the replies on their way take in memory.
    under_way: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    coalesced: AtomicU64,
    evicted: Arc<AtomicU64>,
}

/// How a call comes to its reply.
pub(super) enum Entry {
    /// It is there.
    Kept(Box<Reply>),
    /// It is on its way: begun by this call, or by another.
    UnderWay(Box<Reader>),
}

impl Shelf {
    pub(super) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn new(settings: CacheSettings, clock: Arc<dyn Clock>, random: &dyn Random) -> Self {
        let mut salt = [0; 32];
        random.fill(&mut salt);
        let evicted = Arc::<AtomicU64>::default();
        let count = evicted.clone();
        let kept = Cache::builder()
            .max_capacity(settings.max_bytes)
            .weigher(|_, kept: &Arc<Kept>| kept.weight)
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build();
        Self {
            settings,
            clock,
            salt,
            kept,
            flights: Mutex::default(),
            asked: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            coalesced: AtomicU64::new(0),
            evicted,
        }
    }

    /// No reply is kept any longer.
    pub(super) fn forget_all(&self) {
        self.kept.invalidate_all();
        // Those that are invalid are still in memory until somebody tidies up.
        self.kept.run_pending_tasks();
    }

    pub(super) fn state(&self) -> CacheState {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.kept.run_pending_tasks();
        CacheState {
            hits: read(&self.hits),
            misses: read(&self.misses),
            coalesced: read(&self.coalesced),
            evicted: read(&self.evicted),
            entries: self.kept.entry_count(),
            bytes: self.kept.weighted_size(),
        }
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Relaxed)
    }

    /// What a call asks; nothing where that cannot be written down.
    pub(super) fn question(&self, call: &Call) -> Option<Fingerprint> {
        let (target, context) = (&call.target, &call.context);
        let limit = target.info.as_ref().and_then(|info| info.max_output_tokens);
        let base_url = target.http().map(|route| route.base_url.to_string()).unwrap_or_default();
        let spoken = match target.http() {
            Some(route) => {
                let quirks = serde_json::to_string(&target.entry.quirks).ok()?;
                format!("{} {} {limit:?} {quirks}", route.dialect.name(), target.streams())
            }
            None => "own".to_owned(),
        };
        let key = context.key.as_ref().filter(|key| key.provider == target.entry.name);
        Fingerprint::of(&Question {
            request: &call.request,
            provider: &target.model.provider,
            model: &target.model.model,
            base_url: &base_url,
            spoken: &spoken,
            tenant: context.owner.as_deref(),
            key: key.map(|key| KeyId::of(&self.salt, &key.key)),
        })
    }

    /// What a call asks, and on what terms: of whom else the reply may be and with which keys, what becomes of it when it
    /// breaks off, and whether the call's own limit may make it short. A whole reply of the model that was asked is good
    /// for everybody, so what is kept needs no terms.
    fn terms(&self, key: Fingerprint, call: &Call) -> Fingerprint {
        let Carried { alternatives, cost_limit, .. } = &*call.context;
        let others: Option<Vec<_>> = alternatives.as_ref().map(|alternatives| {
            let all = alternatives.targets.iter().map(|other| {
                let base_url = other.target.http().map(|route| route.base_url.to_string());
                let key = other.key.as_ref().map(|key| (&key.provider, KeyId::of(&self.salt, &key.key)));
                (other.target.model.to_string(), base_url, key)
            });
            all.collect()
        });
        let mid_stream = alternatives.as_ref().map(|alternatives| alternatives.mid_stream);
        if others.is_none() && cost_limit.is_none() {
            return key;
        }
        key.with(&(others, mid_stream, cost_limit.as_ref().map(CostLimit::id))).unwrap_or(key)
    }

    /// The reply to this question, there or on its way; where it is neither, `ask` begins it.
    pub(super) fn enter(
        self: &Arc<Self>,
        key: Fingerprint,
        call: &Call,
        ask: impl FnOnce(Call) -> ReplyEvents,
    ) -> Entry {
        let mut flights = self.flights();
        if let Some(kept) = self.kept.get(&key) {
            if self.settings.is_fresh(kept.came, self.clock.monotonic()) {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Entry::Kept(Box::new(kept.reply.clone()));
            }
            self.kept.invalidate(&key);
        }
        let terms = self.terms(key, call);
        if let Some(reader) = flights.get(&terms).and_then(|flight| Reader::join(flight, &call.context, &self.clock)) {
            return Entry::UnderWay(Box::new(reader));
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        let (flight, reader) = self.begin((key, terms), call, ask);
        flights.insert(terms, flight);
        Entry::UnderWay(Box::new(reader))
    }

    /// Asks in any case, alone; the reply takes the place of what is kept.
    pub(super) fn refresh(
        self: &Arc<Self>,
        key: Fingerprint,
        call: &Call,
        ask: impl FnOnce(Call) -> ReplyEvents,
    ) -> Reader {
        self.begin((key, self.terms(key, call)), call, ask).1
    }

    fn begin(
        self: &Arc<Self>,
        of: (Fingerprint, Fingerprint),
        call: &Call,
        ask: impl FnOnce(Call) -> ReplyEvents,
    ) -> (Arc<Flight>, Reader) {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        let flight = Arc::new(Flight::new(self.clone(), of, asked, call.clone(), ask));
        let reader = Reader::first(&flight, &call.context, &self.clock);
        (flight, reader)
    }

    /// A call was answered by what another had asked.
    pub(super) fn coalesced(&self) {
        self.coalesced.fetch_add(1, Ordering::Relaxed);
    }

    /// A flight is over: with a reply to this question, or without one.
    fn landed(&self, flight: &Flight, reply: Option<&Reply>) {
        let mut flights = self.flights();
        if let Some(reply) = reply.filter(|reply| is_keepable(reply)) {
            let kept = Kept::new(reply, flight.asked, self.clock.monotonic());
            let newest = self.kept.get(&flight.key).is_none_or(|old| old.asked < flight.asked);
            if newest && u64::from(kept.weight) <= self.settings.max_bytes {
                self.kept.insert(flight.key, Arc::new(kept));
            }
        }
        if flights.get(&flight.terms).is_some_and(|known| std::ptr::eq(&**known, flight)) {
            flights.remove(&flight.terms);
        }
        drop(flights);
        // Room is made now and not some time later, so that the bound holds at any time.
        self.kept.run_pending_tasks();
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Fingerprint, Arc<Flight>>> {
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
