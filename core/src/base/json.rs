//! JSON values as they cross the engine.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Any JSON value. Objects keep the order of their keys, so that a provider's own parts go back as they came.
pub type Json = serde_json::Value;

/// How deep JSON from outside may nest; deeper is refused by the parser.
pub const MAX_JSON_DEPTH: usize = 128;

/// JSON as it came, which is read when somebody looks into it: mostly nobody does. In all else it is the value that it
/// is read as. Cheap to clone.
#[derive(Clone)]
pub struct UnreadJson(Arc<Sheet>);

struct Sheet {
    text: Box<str>,
    read: OnceLock<Json>,
}

impl UnreadJson {
    /// Takes over JSON that is known to be whole. What is none reads as null.
    pub(crate) fn new(text: &str) -> Self {
        Self(Arc::new(Sheet { text: text.into(), read: OnceLock::new() }))
    }

    /// The value, as [`Deref`] gives it.
    #[must_use]
    pub fn read(&self) -> &Json {
        self.0.read.get_or_init(|| serde_json::from_str(&self.0.text).unwrap_or_default())
    }
}

impl Deref for UnreadJson {
    type Target = Json;

    fn deref(&self) -> &Json {
        self.read()
    }
}

impl From<Json> for UnreadJson {
    fn from(read: Json) -> Self {
        Self(Arc::new(Sheet { text: Box::default(), read: read.into() }))
    }
}

impl PartialEq for UnreadJson {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.read() == other.read()
    }
}

impl PartialEq<Json> for UnreadJson {
    fn eq(&self, other: &Json) -> bool {
        self.read() == other
    }
}

impl fmt::Debug for UnreadJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.read().fmt(f)
    }
}

impl Serialize for UnreadJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.read().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for UnreadJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_that_is_read_late_is_the_same_value_in_all_that_can_be_done_with_it() {
        let value = json!({"b": [1, 2.5, null], "a": {"x": "\u{e9}\n"}});
        let text = "{ \"b\": [1, 2.5, null], \"a\": {\"x\": \"\\u00e9\\n\"} }";
        let unread = UnreadJson::new(text);
        assert!(unread.0.read.get().is_none(), "it is read when somebody looks");
        assert_eq!(unread["a"]["x"], "\u{e9}\n");
        assert_eq!(unread, value);
        assert_eq!(unread, UnreadJson::from(value.clone()));
        assert_ne!(unread, UnreadJson::from(json!({})));
        assert_eq!(serde_json::to_string(&unread).unwrap(), value.to_string());
        assert_eq!(serde_json::from_str::<UnreadJson>(text).unwrap(), value);
        assert_eq!(format!("{unread:?}"), format!("{value:?}"));
        assert_eq!(UnreadJson::new("{").read(), &Json::Null, "what is no JSON is nothing");
    }
}
