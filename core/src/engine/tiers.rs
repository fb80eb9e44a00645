//! Tiers: what groups of users may do, as data that may change at any time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::tertulia::Tertulia;
use super::user::UserScope;
use crate::call::Plan;
use crate::model::{Error, Result, Tier};
use crate::policy::Minute;

/// The tiers and who belongs to them. Kept in memory: an application knows its plans and its users' better than we do.
#[derive(Default)]
pub(super) struct Tiers {
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    tiers: HashMap<String, Arc<Tier>>,
    /// The tier of a user, and what the user has done in this minute.
    users: HashMap<String, (String, Arc<Mutex<Minute>>)>,
}

impl Tiers {
    /// What this user may do; nothing = whatever the budgets allow.
    pub(super) fn plan(&self, user: &str) -> Option<Plan> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (name, minute) = known.users.get(user)?;
        let tier = known.tiers.get(name)?;
        Some(Plan::new(name, tier.clone(), minute.clone()))
    }

    /// These tiers, and these users in them.
    ///
    /// # Errors
    /// `Invalid` (bad_tier, bad_budget, unknown_tier).
    pub(super) fn new(tiers: Vec<(String, Tier)>, users: Vec<(String, String)>) -> Result<Self> {
        let all = Self::default();
        for (name, tier) in tiers {
            all.set(name, tier)?;
        }
        for (user, tier) in users {
            all.assign(&user, Some(&tier))?;
        }
        Ok(all)
    }

    fn set(&self, name: String, tier: Tier) -> Result<()> {
        let tier = tier.checked()?;
        self.change(|known| known.tiers.insert(name, Arc::new(tier)));
        Ok(())
    }

    fn assign(&self, user: &str, tier: Option<&str>) -> Result<()> {
        self.change(|known| {
            let Some(tier) = tier else {
                known.users.remove(user);
                return Ok(());
            };
            if !known.tiers.contains_key(tier) {
                let names: Vec<&str> = known.tiers.keys().map(String::as_str).collect();
                let hint = super::did_you_mean(tier, &names);
                let detail = format!("no tier has this name; set it with `set_tier` first{hint}");
                return Err(Error::invalid("unknown_tier", detail));
            }
            // What was done in this minute stays done.
            known.users.entry(user.to_owned()).or_default().0 = tier.to_owned();
            Ok(())
        })
    }

    fn change<T>(&self, then: impl FnOnce(&mut Known) -> T) -> T {
        then(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tertulia {
    /// Says what users of this tier may do, for all of their calls from now on; calls under way end as they began. Tiers
    /// are kept in memory, in each process of its own: an application sets them when it starts. What is spent is counted
    /// in the store, so that their budgets are exact for all processes that share it.
    ///
    /// # Errors
    /// `Invalid` (bad_tier, bad_budget).
    pub fn set_tier(&self, name: impl Into<String>, tier: Tier) -> Result<()> {
        self.0.tiers.set(name.into(), tier).map_err(|e| e.during("set_tier"))
    }

    /// Takes a tier away. Who belongs to it may do whatever the budgets allow, until it is set again.
    pub fn remove_tier(&self, name: &str) {
        self.0.tiers.change(|known| known.tiers.remove(name));
    }

    /// The tiers that are set, by name.
    #[must_use]
    pub fn tiers(&self) -> Vec<(String, Tier)> {
        let known = self.0.tiers.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = known.tiers.iter().map(|(name, tier)| (name.clone(), (**tier).clone())).collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }

    /// Says that a user belongs to a tier, or to none. Kept in memory: an application says it when it has looked the
    /// user up.
    ///
    /// # Errors
    /// `Invalid` (unknown_tier), `Invalid` (bad_user).
    pub fn assign_tier(&self, user: impl AsRef<str>, tier: Option<&str>) -> Result<()> {
        let assigned = self.user(user.as_ref()).check().and_then(|()| self.0.tiers.assign(user.as_ref(), tier));
        assigned.map_err(|e| e.during("assign_tier"))
    }
}

impl UserScope {
    /// The tier that this user belongs to.
    #[must_use]
    pub fn tier(&self) -> Option<String> {
        let known = self.engine.tiers.known.read().unwrap_or_else(PoisonError::into_inner);
        known.users.get(&*self.owner).map(|(name, _)| name.clone())
    }
}
