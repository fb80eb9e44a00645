//! What a user prefers.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};

/// The most that a user's preferences take, as JSON, in bytes.
pub const MAX_PREFERENCES_BYTES: usize = 8 * 1024;

/// What a user prefers, as the host has said. Kept for the host; nothing of it is sent to a provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preferences {
    /// What the user is called.
    pub name: Option<String>,
    /// The language to speak with the user, by its BCP 47 tag (`"pt-BR"`).
    pub language: Option<String>,
    /// Where the user's clock stands, by its name in the time zone database (`"America/Sao_Paulo"`).
    pub time_zone: Option<String>,
    /// Whatever else the host keeps.
    pub values: HashMap<String, String>,
}

/// Changes of what a user prefers. Nothing = stays as it is; an inner nothing = is cleared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PreferencesChange {
    /// What the user is called.
    pub name: Option<Option<String>>,
    /// The language to speak with the user.
    pub language: Option<Option<String>>,
    /// Where the user's clock stands.
    pub time_zone: Option<Option<String>>,
    /// Of whatever else the host keeps: what is set, and (nothing) what is taken out. What is not named stays.
    pub values: HashMap<String, Option<String>>,
}

impl Preferences {
    /// These, changed.
    ///
    /// # Errors
    /// `Invalid`: bad_language and bad_time_zone for what can be no such name, too_large over 8 KiB in all.
    pub fn changed(mut self, change: &PreferencesChange) -> Result<Self> {
        let set = |field: &mut Option<String>, value: &Option<Option<String>>| {
            if let Some(value) = value {
                field.clone_from(value);
            }
        };
        set(&mut self.name, &change.name);
        set(&mut self.language, &change.language);
        set(&mut self.time_zone, &change.time_zone);
        for (key, value) in &change.values {
            match value {
                Some(value) => drop(self.values.insert(key.clone(), value.clone())),
                None => drop(self.values.remove(key)),
            }
        }
        let is_name = |name: &Option<String>, others: &[char]| {
            let fits = |c: char| c.is_ascii_alphanumeric() || others.contains(&c);
            name.as_ref().is_none_or(|name| (1..=64).contains(&name.len()) && name.chars().all(fits))
        };
        if !is_name(&self.language, &['-']) {
            return Err(Error::invalid("bad_language", "`language` is a BCP 47 tag, such as `pt-BR`"));
        }
        if !is_name(&self.time_zone, &['/', '_', '-', '+']) {
            let detail = "`time_zone` is a name of the time zone database, such as `America/Sao_Paulo`";
            return Err(Error::invalid("bad_time_zone", detail));
        }
        let bytes = serde_json::to_vec(&self).map_or(usize::MAX, |json| json.len());
        if bytes > MAX_PREFERENCES_BYTES {
            let detail = format!("a user's preferences take at most {MAX_PREFERENCES_BYTES} bytes of JSON in all");
            return Err(Error::invalid("too_large", detail));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(change: PreferencesChange) -> Option<String> {
        Preferences::default().changed(&change).err().map(|error| error.reason().to_owned())
    }

    #[test]
    fn what_is_named_changes_and_the_rest_stays() {
        let some = |text: &str| Some(Some(text.to_owned()));
        let value = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        let change = PreferencesChange {
            name: some("Ana"),
            language: some("pt-BR"),
            time_zone: some("America/Sao_Paulo"),
            values: HashMap::from([value("theme", Some("dark")), value("font", Some("large"))]),
        };
        let first = Preferences::default().changed(&change).unwrap();
        let change = PreferencesChange {
            language: Some(None),
            values: HashMap::from([value("theme", None), value("gone", None)]),
            ..PreferencesChange::default()
        };
        let second = first.clone().changed(&change).unwrap();
        assert_eq!((second.name.as_deref(), second.language), (Some("Ana"), None));
        assert_eq!(second.time_zone, first.time_zone);
        assert_eq!(second.values, HashMap::from([("font".to_owned(), "large".to_owned())]));
    }

    #[test]
    fn what_no_user_can_prefer_is_refused() {
        for language in ["", "pt_BR", "português", "x".repeat(65).as_str()] {
            let language = Some(Some(language.to_owned()));
            let change = PreferencesChange { language, ..PreferencesChange::default() };
            assert_eq!(reason(change).as_deref(), Some("bad_language"));
        }
        let time_zone = Some(Some("Not a zone".to_owned()));
        let change = PreferencesChange { time_zone, ..PreferencesChange::default() };
        assert_eq!(reason(change).as_deref(), Some("bad_time_zone"));
        let values = |length: usize| {
            let values = HashMap::from([("key".to_owned(), Some("x".repeat(length)))]);
            PreferencesChange { values, ..PreferencesChange::default() }
        };
        assert_eq!(reason(values(8_192)).as_deref(), Some("too_large"));
        assert_eq!(reason(values(8_000)), None);
    }
}
