//! What a user prefers.

use std::collections::HashMap;

use super::conversation_change::TextChange;
use crate::model;

/// What a user prefers, as the host has said. Kept for the host; nothing of it is sent to a provider.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Preferences {
    /// What the user is called.
    pub name: Option<String>,
    /// The language to speak with the user, by its BCP 47 tag (`pt-BR`).
    pub language: Option<String>,
    /// Where the user's clock stands, by its name in the time zone database (`America/Sao_Paulo`).
    pub time_zone: Option<String>,
    /// Whatever else the host keeps.
    pub values: HashMap<String, String>,
}

impl From<model::Preferences> for Preferences {
    fn from(preferences: model::Preferences) -> Self {
        let model::Preferences { name, language, time_zone, values } = preferences;
        Self { name, language, time_zone, values }
    }
}

/// Changes of what a user prefers. What is left out stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PreferencesChange {
    /// What the user is called.
    #[uniffi(default)]
    pub name: Option<TextChange>,
    /// The language to speak with the user.
    #[uniffi(default)]
    pub language: Option<TextChange>,
    /// Where the user's clock stands.
    #[uniffi(default)]
    pub time_zone: Option<TextChange>,
    /// Of whatever else the host keeps: what is set, and (nothing) what is taken out. What is not named stays.
    #[uniffi(default)]
    pub values: HashMap<String, Option<String>>,
}

impl From<PreferencesChange> for model::PreferencesChange {
    fn from(change: PreferencesChange) -> Self {
        let PreferencesChange { name, language, time_zone, values } = change;
        Self {
            name: name.map(TextChange::into),
            language: language.map(TextChange::into),
            time_zone: time_zone.map(TextChange::into),
            values,
        }
    }
}
