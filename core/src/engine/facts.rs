//! What conversations say of themselves, as the last turn here found them, so that the next one need not ask the store.
//!
//! Whoever acts on it names the version that it is true of (`Precondition::Version`): a conversation that was changed
//! meanwhile, here or by another process, refuses the save, and is read anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::ConversationId;

/// So many conversations; those that were not used for longest go first.
const MAX_FACTS: usize = 1_024;

/// What says more is not kept, in bytes: 16 MiB in all.
const MAX_BYTES: usize = 16 << 10;

/// What a conversation says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Fact {
    pub(super) model: Option<String>,
    pub(super) system: Option<String>,
}

/// What a turn was checked by.
pub(super) struct Seen {
    pub(super) fact: Arc<Fact>,
    /// The version of which it is true; nothing for a conversation that is yet to be made.
    pub(super) version: Option<i64>,
    /// True when it was not read anew: the save must make sure of it.
    pub(super) is_recalled: bool,
}

/// Facts by their conversation.
#[derive(Default)]
pub(super) struct Facts(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    known: HashMap<ConversationId, Known>,
    /// Grows with every use.
    uses: u64,
}

struct Known {
    owner: Arc<str>,
    fact: Arc<Fact>,
    version: i64,
    used: u64,
}

impl Facts {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this conversation of this owner says, and the version of which it is true.
    pub(super) fn of(&self, owner: &str, conversation: ConversationId) -> Option<(Arc<Fact>, i64)> {
        let mut kept = self.lock();
        kept.uses += 1;
        let uses = kept.uses;
        let known = kept.known.get_mut(&conversation).filter(|known| &*known.owner == owner)?;
        known.used = uses;
        Some((known.fact.clone(), known.version))
    }

    /// Keeps what is true of this version.
    pub(super) fn keep(&self, owner: &Arc<str>, conversation: ConversationId, fact: Arc<Fact>, version: i64) {
        let length = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        if length(&fact.model) + length(&fact.system) + owner.len() > MAX_BYTES {
            return self.forget(conversation);
        }
        let mut kept = self.lock();
        kept.uses += 1;
        let known = Known { owner: owner.clone(), fact, version, used: kept.uses };
        if kept.known.insert(conversation, known).is_none() && kept.known.len() > MAX_FACTS {
            let oldest = kept.known.iter().min_by_key(|(_, known)| known.used).map(|(id, _)| *id);
            oldest.map(|oldest| kept.known.remove(&oldest));
        }
    }

    /// Nothing is known any more.
    pub(super) fn forget_all(&self) {
        self.lock().known.clear();
    }

    /// It has changed, or is deleted.
    pub(super) fn forget(&self, conversation: ConversationId) {
        self.lock().known.remove(&conversation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(number: u16) -> ConversationId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&number.to_be_bytes());
        ConversationId::from_bytes(id)
    }

    fn fact(system: &str) -> Arc<Fact> {
        Arc::new(Fact { model: Some("test/any".to_owned()), system: Some(system.to_owned()) })
    }

    #[test]
    fn a_fact_is_told_to_the_owner_alone_until_it_is_forgotten() {
        let facts = Facts::default();
        let ana: Arc<str> = "ana".into();
        facts.keep(&ana, chat(1), fact("be brief"), 7);
        assert_eq!(facts.of("ana", chat(1)), Some((fact("be brief"), 7)));
        assert_eq!(facts.of("bob", chat(1)), None);
        assert_eq!(facts.of("ana", chat(2)), None);
        facts.keep(&ana, chat(1), fact("be long"), 9);
        assert_eq!(facts.of("ana", chat(1)), Some((fact("be long"), 9)));
        facts.forget(chat(1));
        assert_eq!(facts.of("ana", chat(1)), None);
    }

    #[test]
    fn what_was_not_used_for_longest_makes_room_and_what_is_long_is_not_kept() {
        let facts = Facts::default();
        let ana: Arc<str> = "ana".into();
        for number in 0..1_024 {
            facts.keep(&ana, chat(number), fact(""), 1);
        }
        assert!(facts.of("ana", chat(0)).is_some());
        facts.keep(&ana, chat(2_000), fact(""), 1);
        assert_eq!(facts.lock().known.len(), MAX_FACTS);
        assert!(facts.of("ana", chat(0)).is_some());
        assert!(facts.of("ana", chat(1)).is_none());
        facts.keep(&ana, chat(0), fact(&"x".repeat(MAX_BYTES)), 2);
        assert!(facts.of("ana", chat(0)).is_none(), "what it said before is not true any more either");
    }
}
