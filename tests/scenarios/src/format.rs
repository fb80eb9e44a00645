//! What scenarios may say: `format/verbs.json`, which all runners read.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::words::{Object, Played, known, wrong};

/// The words that any step may have.
const ANY: [&str; 3] = ["as", "expect", "fails"];

/// Every verb and its words.
#[derive(Deserialize)]
pub(crate) struct Format {
    options: BTreeMap<String, Vec<String>>,
    change: BTreeMap<String, Vec<String>>,
    verbs: BTreeMap<String, Verb>,
}

/// A verb: the words that it needs and those it may have, and of which records they are.
#[derive(Deserialize)]
struct Verb {
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    may: Vec<String>,
    options: Option<String>,
    change: Option<String>,
    /// No verb of a step: a word of others plays it.
    word: Option<Value>,
}

impl Format {
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let file = folder.join("format/verbs.json");
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Refuses a step whose verb does not exist, at all or for what it is done with, and words that its verb does not
    /// know.
    pub(crate) fn check(&self, step: &Object, kind: Option<&str>, subject: &str) -> Played<()> {
        let name = step.get("do").and_then(Value::as_str).unwrap_or_default();
        let of_handle = |key: &str| key.split_once('.').is_some_and(|(_, verb)| verb == name);
        let key = kind.map_or_else(|| name.to_owned(), |kind| format!("{kind}.{name}"));
        let Some(verb) = self.verbs.get(&key).filter(|verb| verb.word.is_none()) else {
            if !subject.is_empty() && self.verbs.keys().any(|key| of_handle(key)) {
                return wrong(format!("`{name}` is no verb of `{subject}`"));
            }
            if self.verbs.keys().any(|key| of_handle(key)) {
                return wrong(format!("`{name}` lacks the word `in`"));
            }
            return wrong(format!("the verb `{name}` is unknown"));
        };
        let mut needed: Vec<&str> = verb.needs.iter().map(String::as_str).collect();
        needed.push("do");
        needed.extend(kind.map(|_| "in"));
        let more: Vec<&str> = verb.may.iter().map(String::as_str).chain(ANY).collect();
        known(step, &needed, &more)?;
        for (word, set, sets) in [("options", &verb.options, &self.options), ("change", &verb.change, &self.change)] {
            let (Some(given), Some(set)) = (step.get(word), set) else { continue };
            let Some(given) = given.as_object() else { return wrong(format!("`{word}` must be an object")) };
            let allowed: Vec<&str> = sets.get(set).into_iter().flatten().map(String::as_str).collect();
            known(given, &[], &allowed)?;
        }
        Ok(())
    }

    /// Refuses words that an engine is not made with.
    pub(crate) fn check_engine(&self, words: &Object) -> Played<()> {
        let allowed: Vec<&str> = self.options["open"].iter().map(String::as_str).collect();
        known(words, &[], &allowed)
    }
}
