//! What the key sources answered, for a while.
//!
//! One slot for each user and provider. Its lock is held while a source is asked, so that a thousand calls that start
//! together ask a vault once. A call that is dropped meanwhile frees the lock, and the next one asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

#[derive(Default)]
struct Slot {
    /// Held while the sources are asked.
    asking: tokio::sync::Mutex<()>,
    answer: Mutex<Option<Answer>>,
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
    fn answer(&self) -> std::sync::MutexGuard<'_, Option<Answer>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
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

    pub(super) async fn ask(
        &self,
        sources: &[Arc<dyn KeySource>],
        user: Option<&str>,
        provider: &str,
    ) -> Result<Option<Secret>> {
        if sources.is_empty() {
            return Ok(None);
        }
        let slot = self.slot(user, provider);
        let _asking = slot.asking.lock().await;
        let before = slot.answer().clone();
        if let Some(answer) = before.as_ref().filter(|answer| self.is_good(answer)) {
            return Ok(answer.key.clone());
        }
        let mut key = None;
        for source in sources {
            key = source.key(user, provider).await?.filter(|key| !key.is_empty());
            if key.is_some() {
                break;
            }
        }
        let same = before.is_some_and(|before| before.state == State::Rejected && before.key == key);
        let state = if same { State::Insisted } else { State::Fresh };
        *slot.answer() = Some(Answer { key: key.clone(), at: self.clock.monotonic(), state });
        Ok(key)
    }

    pub(super) fn rejected(&self, user: Option<&str>, provider: &str, key: &Secret) -> bool {
        let slot = self.slots().get(&(user.map(str::to_owned), provider.to_owned())).cloned();
        let Some(slot) = slot else { return false };
        let mut answer = slot.answer();
        match answer.as_mut() {
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
            slots.retain(|_, slot| slot.answer().as_ref().is_none_or(|answer| self.is_good(answer)));
        }
        while slots.len() >= MAX_SLOTS {
            // Slots without an answer are being asked for: the caller has his own hold on them.
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.answer().as_ref().map(|a| a.at));
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            slots.remove(&oldest);
        }
        Arc::clone(slots.entry(key).or_default())
    }
}
