//! A model's full name: `provider/model`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::model::{Error, Result};

/// A model of a provider, written `provider/model`. The provider ends at the first slash, so that a model's own name
/// may hold some: `openrouter/openai/gpt-5`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelRef {
    /// The provider's name in the catalogue.
    pub provider: String,
    /// The model's name at that provider.
    pub model: String,
}

/// No provider has names that long; a prompt that strayed into the wrong argument has.
const MAX_LENGTH: usize = 256;

impl FromStr for ModelRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unusable = |c: char| c.is_whitespace() || c.is_control();
        match text.split_once('/') {
            Some((provider, model))
                if !provider.is_empty()
                    && !model.is_empty()
                    && text.len() <= MAX_LENGTH
                    && !text.contains(unusable)
                    && !text.ends_with('/') =>
            {
                Ok(Self { provider: provider.to_owned(), model: model.to_owned() })
            }
            _ => Err(Error::invalid(
                "unknown_model",
                format!(
                    "a model is named `provider/model`, as `anthropic/claude-sonnet-4-5` or `ollama/llama3.3`, \
                     not `{}`",
                    shown(text)
                ),
            )),
        }
    }
}

/// What of a wrong name is fit for an error: its beginning, on one line. What is longer may be no name at all.
pub(super) fn shown(text: &str) -> String {
    let mut start: String = text.chars().take(40).flat_map(char::escape_debug).collect();
    if text.chars().nth(40).is_some() {
        start.push('…');
    }
    start
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.provider, self.model)
    }
}

impl Serialize for ModelRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ModelRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
