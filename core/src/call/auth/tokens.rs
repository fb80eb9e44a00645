//! Tokens that were fetched for keys, kept while they live.
//!
//! One slot for each key, found by the key's digest: the key itself is not kept. Calls that start together share one
//! fetch, and each of them drives it: a call that is dropped, or that its owner no longer polls, holds up no other. When
//! all of them are gone, so is the fetch, and the next call begins another. Who waited while a fetch failed gets the same
//! failure instead of repeating it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};
use sha2::{Digest as _, Sha256};

use crate::base::{Clock, Retry, Secret};
use crate::model::Result;

/// A token is fetched anew this long before it expires: no call under way outlives it.
const AHEAD: Duration = Duration::from_secs(300);
/// While the old token still lives, a fetch that failed is not repeated before this has passed.
const PAUSE: Duration = Duration::from_secs(30);
const MAX_SLOTS: usize = 1_000;

/// A token as its endpoint gives it.
pub(super) struct Granted {
    pub(super) token: Secret,
    /// How long it lives.
    pub(super) lives: Duration,
}

/// Which token it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    number: u64,
    /// True when this very request waited for it.
    fresh: bool,
}

pub(super) struct Tokens {
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<[u8; 32], Arc<Slot>>>,
}

/// A fetch under way, and what it leads to for all who wait.
type Fetch = BoxFuture<'static, Result<(Secret, Stamp)>>;

#[derive(Default)]
struct Slot {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// How many fetches have ended.
    fetches: u64,
    /// The fetch under way; nothing is there any more once nobody waits for it.
    fetching: Option<WeakShared<Fetch>>,
}

struct Token {
    value: Secret,
    number: u64,
    renew_at: Duration,
    dies_at: Duration,
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token, when it need not be renewed at this moment.
    fn kept(&self, now: Duration) -> Option<(Secret, Stamp)> {
        self.state().kept(now)
    }

    /// What this fetch leads to.
    async fn fetched(
        self: Arc<Self>,
        clock: Arc<dyn Clock>,
        fetch: impl Future<Output = Result<Granted>>,
    ) -> Result<(Secret, Stamp)> {
        let outcome = fetch.await;
        let now = clock.monotonic();
        let mut state = self.state();
        state.fetches += 1;
        state.fetching = None;
        match outcome {
            Ok(Granted { token, lives }) => {
                let ahead = AHEAD.min(lives / 4);
                let number = state.fetches;
                let kept =
                    Token { value: token.clone(), number, renew_at: now + (lives - ahead), dies_at: now + lives };
                state.token = Some(kept);
                Ok((token, Stamp { number, fresh: true }))
            }
            Err(error) => {
                let alive = state.token.as_mut().filter(|token| now < token.dies_at && error.retry() != Retry::Never);
                if let Some(token) = alive {
                    token.renew_at = token.dies_at.min(now + PAUSE);
                    return Ok((token.value.clone(), Stamp { number: token.number, fresh: false }));
                }
                state.token = None;
                Err(error)
            }
        }
    }
}

impl State {
    fn kept(&self, now: Duration) -> Option<(Secret, Stamp)> {
        let token = self.token.as_ref().filter(|token| now < token.renew_at)?;
        Some((token.value.clone(), Stamp { number: token.number, fresh: false }))
    }
}

impl Tokens {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, slots: Mutex::default() }
    }

    /// The token of this key: the kept one, or else what `fetch` gives. Without need `fetch` is not begun.
    pub(super) async fn get(
        &self,
        key: &Secret,
        fetch: impl Future<Output = Result<Granted>> + Send + 'static,
    ) -> Result<(Secret, Stamp)> {
        let slot = self.slot(key);
        let fetching: Shared<Fetch> = {
            let mut state = slot.state();
            if let Some(kept) = state.kept(self.clock.monotonic()) {
                return Ok(kept);
            }
            if let Some(under_way) = state.fetching.as_ref().and_then(WeakShared::upgrade) {
                under_way
            } else {
                let begun = slot.clone().fetched(self.clock.clone(), fetch).boxed().shared();
                state.fetching = begun.downgrade();
                begun
            }
        };
        fetching.await
    }

    /// Lets a rejected token go, unless another has come since. True when the next [`get`](Self::get) may give another.
    pub(super) fn rejected(&self, key: &Secret, stamp: Stamp) -> bool {
        let slot = self.slots().get(&digest(key)).cloned();
        let Some(slot) = slot else { return true };
        slot.state().token.take_if(|token| token.number == stamp.number);
        !stamp.fresh
    }

    pub(super) fn len(&self) -> usize {
        self.slots().len()
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<[u8; 32], Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, key: &Secret) -> Arc<Slot> {
        let digest = digest(key);
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&digest) {
            return slot.clone();
        }
        if slots.len() >= MAX_SLOTS {
            let now = self.clock.monotonic();
            slots.retain(|_, slot| slot.kept(now).is_some() || is_held(slot));
        }
        while slots.len() >= MAX_SLOTS {
            let idle = slots.iter().filter(|(_, slot)| !is_held(slot));
            let oldest = idle.min_by_key(|(_, slot)| slot.state().token.as_ref().map(|token| token.renew_at));
            let Some(oldest) = oldest.map(|(digest, _)| *digest) else { break };
            slots.remove(&oldest);
        }
        slots.entry(digest).or_default().clone()
    }
}

/// True while somebody fetches or waits: without the slot the token would be lost, and fetched again by the next call.
fn is_held(slot: &Arc<Slot>) -> bool {
    Arc::strong_count(slot) > 1
}

fn digest(key: &Secret) -> [u8; 32] {
    Sha256::digest(key.expose().as_bytes()).into()
}
