//! What stands in a library: small values with a name and versions.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use crate::base::{Json, Timestamp};

/// A value of a library, in one of its versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LibraryEntry {
    /// What it is: `prompt`, `persona`, `council`, `setting`, or a kind of the host's own.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The number of the version, from 1.
    pub version: i64,
    /// The value.
    pub value: Json,
    /// True when it is the application's; false when it is the user's own.
    pub shared: bool,
    /// When the first version was put there.
    pub created_at: Timestamp,
    /// When this version was put there.
    pub updated_at: Timestamp,
}

impl LibraryEntry {
    /// The text, of a value that is one; nothing of any other.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.value.as_str()
    }

    /// The text with `{{name}}` replaced by the value of that name, wherever it stands; blanks within the braces are
    /// allowed. A name is made of letters, digits, `_`, `-` and `.`; braces about anything else stay as they are. A value
    /// is put in as it is: what looks like a place in it is none. Values that no place asks for are left out.
    ///
    /// # Errors
    /// `Invalid`: missing_value names a value that is asked for and not given; not_text when the value is no text.
    pub fn render<K: Into<String>, V: Into<String>>(&self, values: impl IntoIterator<Item = (K, V)>) -> Result<String> {
        let Some(text) = self.text() else {
            let detail =
                format!("the {} `{}` holds JSON that is no text, so nothing can be put into it", self.kind, self.name);
            return Err(Error::invalid("not_text", detail));
        };
        let values: HashMap<String, String> =
            values.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let mut rendered = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("{{") {
            let (before, place) = rest.split_at(at);
            rendered.push_str(before);
            let Some((name, behind)) = asked(place) else {
                // One brace further: `{{{name}}` has a place behind its first brace.
                rendered.push('{');
                rest = &place[1..];
                continue;
            };
            let value = values.get(name).ok_or_else(|| {
                let detail = format!("the {} `{}` asks for a value `{name}`, and none was given", self.kind, self.name);
                Error::invalid("missing_value", detail)
            })?;
            rendered.push_str(value);
            rest = behind;
        }
        rendered.push_str(rest);
        Ok(rendered)
    }
}

/// The name that a place asks for, and what stands behind it; nothing when these braces are no place.
fn asked(place: &str) -> Option<(&str, &str)> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    // It ends with the first sign that fits no name, so that nothing is looked at twice.
    let inside = place.strip_prefix("{{")?.trim_start_matches(' ');
    let (name, behind) = inside.split_at(inside.find(|c| !fits(c)).unwrap_or(inside.len()));
    let behind = behind.trim_start_matches(' ').strip_prefix("}}")?;
    (!name.is_empty()).then_some((name, behind))
}

/// A name in a library's list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryItem {
    /// The name.
    pub name: String,
    /// The newest version.
    pub version: i64,
    /// True when it is the application's; false when it is the user's own.
    pub shared: bool,
    /// When the first version was put there.
    pub created_at: Timestamp,
    /// When the newest was.
    pub updated_at: Timestamp,
}

/// A version of a value, without the value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryVersion {
    /// Its number.
    pub version: i64,
    /// When it was put there.
    pub created_at: Timestamp,
    /// How long it is as JSON, in bytes.
    pub size_bytes: i64,
}

/// What the library's cache has done since the engine was opened, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LibraryHealth {
    /// Values that were remembered and still true.
    pub hits: i64,
    /// Values that had to be read.
    pub misses: i64,
    /// Of so many hits and misses the share of hits, from 0 to 1; 0 before the first.
    pub hit_rate: f64,
    /// Values that somebody else was reading at that time; counted as hits.
    pub coalesced: i64,
    /// Values that were forgotten: somebody changed them, here or in another process, or asked for it.
    pub dropped: i64,
    /// Values that made room for others.
    pub evicted: i64,
    /// Values that are remembered.
    pub entries: i64,
    /// What they take in memory, about, in bytes.
    pub bytes: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(value: impl Into<Json>) -> LibraryEntry {
        LibraryEntry {
            kind: "prompt".to_owned(),
            name: "greeting".to_owned(),
            version: 1,
            value: value.into(),
            shared: true,
            created_at: Timestamp::from_millis(1),
            updated_at: Timestamp::from_millis(1),
        }
    }

    fn rendered(text: &str) -> String {
        entry(text).render([("name", "Ana"), ("a.b-c_1", "1"), ("größe", "5"), ("tricky", "{{name}}")]).unwrap()
    }

    #[test]
    fn a_place_is_replaced_wherever_it_stands() {
        assert_eq!(rendered("Olá {{name}}, {{ name }}!"), "Olá Ana, Ana!");
        assert_eq!(rendered("{{a.b-c_1}}{{größe}}"), "15");
        assert_eq!(rendered("{{{name}}}"), "{Ana}");
        assert_eq!(rendered(""), "");
        assert_eq!(rendered("no place"), "no place");
    }

    #[test]
    fn what_is_put_in_is_not_gone_through_again() {
        assert_eq!(rendered("{{tricky}}{{tricky}}"), "{{name}}{{name}}");
        assert_eq!(entry("{{a}}{{b}}").render([("a", "{{"), ("b", "name}}")]).unwrap(), "{{name}}");
    }

    #[test]
    fn braces_about_anything_else_stay() {
        for text in
            ["{{", "}}", "{{}}", "{{ }}", "{{a b}}", "{{#if x}}", "{\"a\": {\"b\": {}}}", "{{\nname}}", "{{nam", "{{{{"]
        {
            assert_eq!(rendered(text), text);
        }
        assert_eq!(rendered("{{ {{name}} }}"), "{{ Ana }}");
    }

    #[test]
    fn a_missing_value_is_named_and_the_text_is_not() {
        let error = entry("secret words {{who}}").render([("name", "Ana")]).unwrap_err();
        assert_eq!(error.reason(), "missing_value");
        assert!(error.detail().contains("`who`") && error.detail().contains("`greeting`"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
        let error = entry(vec!["{{name}}"]).render([("name", "Ana")]).unwrap_err();
        assert_eq!(error.reason(), "not_text");
    }
}
