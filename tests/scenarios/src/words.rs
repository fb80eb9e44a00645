//! The words of a step: which ones its verb knows, and what they say.

use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tertulia::base::Malformed;
use tertulia::{
    Budget, BudgetLimit, BudgetScope, CallOptions, Conversation, ConversationChange, ConversationOptions, Error,
    NewMessage, Part, Secret, Window,
};

pub(crate) type Object = Map<String, Value>;
/// What came of it: a value, or why not.
pub(crate) type Played<T = Value> = Result<T, Problem>;

/// Why a step did not give what it should.
pub(crate) enum Problem {
    /// The scenario does not hold, or is not understood.
    Wrong(String),
    /// The engine refused.
    Failed(Box<Error>),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl Problem {
    pub(crate) fn say(self) -> String {
        match self {
            Self::Wrong(why) => why,
            Self::Failed(error) => format!("it failed: {error}"),
        }
    }
}

pub(crate) fn wrong<T>(why: impl Into<String>) -> Played<T> {
    Err(Problem::Wrong(why.into()))
}

/// Refuses words that are not known, and the lack of those that are needed.
pub(crate) fn known(object: &Object, needed: &[&str], more: &[&str]) -> Played<()> {
    if let Some(unknown) = object.keys().find(|word| !needed.contains(&word.as_str()) && !more.contains(&word.as_str()))
    {
        return wrong(format!("the word `{unknown}` is unknown"));
    }
    match needed.iter().find(|word| !object.contains_key(**word)) {
        Some(missing) => wrong(format!("the word `{missing}` is missing")),
        None => Ok(()),
    }
}

/// The words of a step, or of a record within it.
pub(crate) struct Words<'a>(pub(crate) &'a Object);

impl<'a> Words<'a> {
    /// What a word says; nothing when it is left out.
    pub(crate) fn get<T: DeserializeOwned>(&self, word: &str) -> Played<Option<T>> {
        let Some(value) = self.0.get(word) else { return Ok(None) };
        match serde_json::from_value(value.clone()) {
            Ok(value) => Ok(Some(value)),
            Err(error) => wrong(format!("`{word}`: {error}")),
        }
    }

    pub(crate) fn need<T: DeserializeOwned>(&self, word: &str) -> Played<T> {
        self.get(word)?.map_or_else(|| wrong(format!("the word `{word}` is missing")), Ok)
    }

    pub(crate) fn or_default<T: DeserializeOwned + Default>(&self, word: &str) -> Played<T> {
        Ok(self.get(word)?.unwrap_or_default())
    }

    pub(crate) fn text(&self, word: &str) -> Played<&'a str> {
        self.0.get(word).and_then(Value::as_str).map_or_else(|| wrong(format!("`{word}` must be a text")), Ok)
    }

    pub(crate) fn value(&self, word: &str) -> Option<&'a Value> {
        self.0.get(word)
    }

    /// An id or a cursor. One that is none is refused by every binding, which the engine's own types do in Rust.
    pub(crate) fn id<I: FromStr<Err = Malformed>>(&self, word: &str) -> Played<I> {
        Ok(self.text(word)?.parse::<I>().map_err(|malformed| malformed.into_error("bad_id"))?)
    }

    pub(crate) fn id_if<I: FromStr<Err = Malformed>>(&self, word: &str) -> Played<Option<I>> {
        if self.0.get(word).is_none_or(Value::is_null) { Ok(None) } else { self.id(word).map(Some) }
    }

    pub(crate) fn cursor(&self, word: &str) -> Played<Option<tertulia::Cursor>> {
        let Some(text) = self.get::<String>(word)? else { return Ok(None) };
        Ok(Some(text.parse().map_err(|malformed: Malformed| malformed.into_error("bad_cursor"))?))
    }

    pub(crate) fn ids<I: FromStr<Err = Malformed>>(&self, word: &str) -> Played<Vec<I>> {
        let texts: Vec<String> = self.need(word)?;
        let ids = texts.iter().map(|text| Ok(text.parse().map_err(|m: Malformed| m.into_error("bad_id"))?));
        ids.collect()
    }

    /// What is said: a text, a part, or a list of both.
    pub(crate) fn said(&self) -> Played<Vec<Part>> {
        parts(self.0.get("say").unwrap_or(&Value::Null))
    }

    pub(crate) fn messages(&self) -> Played<Vec<NewMessage>> {
        self.need::<Vec<Object>>("messages")?.iter().map(message).collect()
    }

    fn duration(&self, word: &str) -> Played<Option<Duration>> {
        Ok(self.get(word)?.map(Duration::from_millis))
    }

    /// A field that a change leaves, sets or clears.
    fn field<T: DeserializeOwned>(&self, word: &str) -> Played<Option<Option<T>>> {
        if self.0.get(word).is_some_and(Value::is_null) { Ok(Some(None)) } else { Ok(self.get(word)?.map(Some)) }
    }

    /// The knobs of a call. `CallOptions` keeps some of them out of its plain form, and those of sampling together.
    pub(crate) fn call(&self) -> Played<CallOptions> {
        const SAMPLING: [&str; 7] =
            ["temperature", "top_p", "seed", "stop_sequences", "max_tokens", "frequency_penalty", "presence_penalty"];
        const APART: [&str; 5] = ["client_id", "expected_head", "metadata", "key", "detached"];
        let Some(given) = self.get::<Object>("options")? else { return Ok(CallOptions::default()) };
        let (mut plain, mut sampling) = (Object::new(), Object::new());
        for (name, value) in &given {
            if SAMPLING.contains(&name.as_str()) {
                sampling.insert(name.clone(), value.clone());
            } else if !APART.contains(&name.as_str()) {
                plain.insert(name.clone(), value.clone());
            }
        }
        plain.insert("sampling".to_owned(), Value::Object(sampling));
        let mut options: CallOptions =
            serde_json::from_value(Value::Object(plain)).or_else(|error| wrong(format!("`options`: {error}")))?;
        let given = Words(&given);
        options.client_id = given.get("client_id")?;
        options.expected_head = given.id_if("expected_head")?;
        options.metadata = given.or_default("metadata")?;
        options.key = given.get::<String>("key")?.map(Secret::from);
        options.detached = given.or_default("detached")?;
        Ok(options)
    }

    pub(crate) fn conversation(&self) -> Played<ConversationOptions> {
        let given: Object = self.or_default("options")?;
        let given = Words(&given);
        Ok(ConversationOptions {
            model: given.get("model")?,
            system: given.get("system")?,
            title: given.get("title")?,
            metadata: given.or_default("metadata")?,
            tags: given.or_default("tags")?,
            expires_in: given.duration("expires_in_ms")?,
        })
    }

    pub(crate) fn change(&self) -> Played<ConversationChange> {
        let given: Object = self.need("change")?;
        let given = Words(&given);
        Ok(ConversationChange {
            title: given.field("title")?,
            system: given.field("system")?,
            model: given.field("model")?,
            metadata: given.get("metadata")?,
            pinned: given.get("pinned")?,
            archived: given.get("archived")?,
            expires_in: given.field("expires_in_ms")?.map(|length| length.map(Duration::from_millis)),
            tags: given.get("tags")?,
        })
    }

    pub(crate) fn preferences(&self) -> Played<tertulia::PreferencesChange> {
        let given: Object = self.need("change")?;
        let given = Words(&given);
        Ok(tertulia::PreferencesChange {
            name: given.field("name")?,
            language: given.field("language")?,
            time_zone: given.field("time_zone")?,
            values: given.or_default("values")?,
        })
    }

    /// A budget as it is described: one limit, a window, whose.
    pub(crate) fn budget(&self) -> Played<Budget> {
        let mut limits = Vec::new();
        limits.extend(self.get("usd")?.map(Budget::usd));
        limits.extend(self.get("nano_usd")?.map(|limit| Budget::new(BudgetLimit::NanoUsd(limit))));
        limits.extend(self.get("tokens")?.map(Budget::tokens));
        limits.extend(self.get("requests")?.map(Budget::requests));
        let Ok([budget]) = <[Budget; 1]>::try_from(limits) else {
            return wrong("a budget has one of usd, nano_usd, tokens and requests");
        };
        let mut budget =
            budget.per(self.get("per")?.unwrap_or(Window::Total)).warn_at(self.or_default::<Vec<f64>>("warn_at")?);
        if let Some(scope) = self.get("each")? {
            budget = budget.each(scope);
        }
        let scopes =
            [("user", BudgetScope::User), ("conversation", BudgetScope::Conversation), ("run", BudgetScope::Run)];
        for (word, scope) in scopes {
            if let Some(key) = self.get::<String>(word)? {
                budget = budget.of(scope, key);
            }
        }
        Ok(budget)
    }
}

fn parts(value: &Value) -> Played<Vec<Part>> {
    let part = |value: &Value| match value {
        Value::String(text) => Ok(Part::text(text)),
        plain => serde_json::from_value(plain.clone()).or_else(|error| wrong(format!("a part: {error}"))),
    };
    match value {
        Value::Array(items) => items.iter().map(part).collect(),
        one => Ok(vec![part(one)?]),
    }
}

fn message(given: &Object) -> Played<NewMessage> {
    known(given, &["role", "content"], &["metadata"])?;
    let words = Words(given);
    Ok(NewMessage {
        role: words.need("role")?,
        parts: parts(&given["content"])?,
        metadata: words.or_default("metadata")?,
    })
}

/// The plain form of a handle to a conversation.
pub(crate) fn named(chat: &Conversation) -> Value {
    json!({"id": chat.id()})
}
