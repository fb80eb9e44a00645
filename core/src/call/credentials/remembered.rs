//! What the key sources answered, for a while.
//!
//! One slot for each user and provider. A thousand calls that start together ask a vault once: they share the question,
//! and each of them drives it, so that one that is dropped, or that its owner no longer polls, holds up no other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};

use super::source::KeySource;
use crate::base::{Clock, Secret};
use crate::model::Result;

const KEY_LIVES: Duration = Duration::from_secs(300);
/// Shorter, so that a key that was just added is soon found.
const NONE_LIVES: Duration = Duration::from_secs(10);
const MAX_SLOTS: usize = 1_000;

type SlotKey = (Option<String>, String);

pub(super) struct Remembered {
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<SlotKey, Arc<Slot>>>,
}

/// A question under way.
type Asking = BoxFuture<'static, Result<Option<Secret>>>;

#[derive(Default)]
struct Slot {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    answer: Option<Answer>,
    /// The question under way; nothing is there any more once nobody waits for its answer.
    asking: Option<WeakShared<Asking>>,
}

#[derive(Clone)]
struct Answer {
    key: Option<Secret>,
    at: Duration,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// Good until its time is over.
    Fresh,
    /// Rejected by the provider: to be asked for anew.
    Rejected,
    /// The source gave it again after it was rejected: asking a third time would be no use.
    Insisted,
}

impl Slot {
    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it was last answered.
    fn answered_at(&self) -> Option<Duration> {
        self.known().answer.as_ref().map(|answer| answer.at)
    }

    /// Asks the sources in their order, and remembers what they say. A failure is told and not remembered.
    async fn ask(
        self: Arc<Self>,
        clock: Arc<dyn Clock>,
        sources: Arc<[Arc<dyn KeySource>]>,
        (user, provider): SlotKey,
    ) -> Result<Option<Secret>> {
        let mut found = Ok(None);
        for source in &*sources {
            found = source.key(user.as_deref(), &provider).await.map(|key| key.filter(|key| !key.is_empty()));
            if !matches!(found, Ok(None)) {
                break;
            }
        }
        let mut known = self.known();
        known.asking = None;
        let key = found?;
        let before = known.answer.as_ref();
        let same = before.is_some_and(|before| before.state == State::Rejected && before.key == key);
        let state = if same { State::Insisted } else { State::Fresh };
        known.answer = Some(Answer { key: key.clone(), at: clock.monotonic(), state });
        Ok(key)
    }
}

impl Remembered {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, slots: Mutex::default() }
    }

    /// Another one on the same clock, for other sources.
    pub(super) fn emptied(&self) -> Self {
        Self::new(Arc::clone(&self.clock))
    }

    /// The answer, where it is remembered; where it is not, somebody has to be asked.
    pub(super) fn known(
        &self,
        sources: &Arc<[Arc<dyn KeySource>]>,
        user: Option<&str>,
        provider: &str,
    ) -> Option<Option<Secret>> {
        if sources.is_empty() {
            return Some(None);
        }
        let slot = self.slots().get(&(user.map(str::to_owned), provider.to_owned())).cloned()?;
        let known = slot.known();
        known.answer.as_ref().filter(|answer| self.is_good(answer)).map(|answer| answer.key.clone())
    }

    pub(super) async fn ask(
        &self,
        sources: &Arc<[Arc<dyn KeySource>]>,
        user: Option<&str>,
        provider: &str,
    ) -> Result<Option<Secret>> {
        if sources.is_empty() {
            return Ok(None);
        }
        let slot = self.slot(user, provider);
        let asking: Shared<Asking> = {
            let mut known = slot.known();
            if let Some(answer) = known.answer.as_ref().filter(|answer| self.is_good(answer)) {
                return Ok(answer.key.clone());
            }
            if let Some(under_way) = known.asking.as_ref().and_then(WeakShared::upgrade) {
                under_way
            } else {
                let of = (user.map(str::to_owned), provider.to_owned());
                let begun = Arc::clone(&slot).ask(Arc::clone(&self.clock), Arc::clone(sources), of).boxed().shared();
                known.asking = begun.downgrade();
                begun
            }
        };
        asking.await
    }

    pub(super) fn rejected(&self, user: Option<&str>, provider: &str, key: &Secret) -> bool {
        let slot = self.slots().get(&(user.map(str::to_owned), provider.to_owned())).cloned();
        let Some(slot) = slot else { return false };
        let mut known = slot.known();
        match known.answer.as_mut() {
            // Somebody else's rejection has brought another key already, or nobody has asked yet.
            Some(answer) if answer.key.as_ref() != Some(key) => answer.key.is_some(),
            Some(answer) if answer.state == State::Insisted => false,
            Some(answer) => {
                answer.state = State::Rejected;
                true
            }
            None => false,
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots().len()
    }

    fn is_good(&self, answer: &Answer) -> bool {
        let lives = if answer.key.is_some() { KEY_LIVES } else { NONE_LIVES };
        answer.state != State::Rejected && self.clock.monotonic().saturating_sub(answer.at) < lives
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<SlotKey, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self, user: Option<&str>, provider: &str) -> Arc<Slot> {
        let key = (user.map(str::to_owned), provider.to_owned());
        let mut slots = self.slots();
        if let Some(slot) = slots.get(&key) {
            return Arc::clone(slot);
        }
        if slots.len() >= MAX_SLOTS {
            slots.retain(|_, slot| is_held(slot) || slot.known().answer.as_ref().is_some_and(|a| self.is_good(a)));
        }
        while slots.len() >= MAX_SLOTS {
            let idle = slots.iter().filter(|(_, slot)| !is_held(slot));
            let oldest = idle.min_by_key(|(_, slot)| slot.answered_at());
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            slots.remove(&oldest);
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

/// True while somebody asks or waits: without the slot the answer would be lost, and asked for again by the next call.
fn is_held(slot: &Arc<Slot>) -> bool {
    Arc::strong_count(slot) > 1
}
