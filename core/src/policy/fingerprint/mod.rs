//! What makes two calls the same question: one hash over all that may change the answer.
//!
//! Canonical means that the same question always gives the same bytes: fields in a fixed order, maps of ours sorted,
//! names of headers in small letters, numbers by their bits. JSON that a model reads (schemas, arguments, results) keeps
//! the order of its fields, for models answer in that order.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::base::Secret;
use crate::model::{ChatRequest, NewMessage, Sampling};

/// What a key leaves out, and why. Everything else of a [`ChatRequest`] takes part.
pub const LEFT_OUT: &[(&str, &str)] = &[("messages[].metadata", "kept beside the message, never sent")];

/// One call, as far as it decides on the answer and on who may see it.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// What is asked.
    pub request: &'a ChatRequest,
    /// Of whom.
    pub provider: &'a str,
    /// Which model, as the provider names it.
    pub model: &'a str,
    /// Where; empty for code of the application's own.
    pub base_url: &'a str,
    /// How the request is put into bytes: the dialect, what is special about this provider, limits that fill gaps.
    pub spoken: &'a str,
    /// Whose question it is. Nothing = the application's own, which is a tenant like any other.
    pub tenant: Option<&'a str>,
    /// Which key was given for it.
    pub key: Option<KeyId>,
}

/// Tells keys apart without holding one: a hash with a secret of this process, worthless anywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct KeyId([u8; 32]);

impl KeyId {
    /// The id of this key under this salt.
    #[must_use]
    pub fn of(salt: &[u8; 32], key: &Secret) -> Self {
        Self(Sha256::new().chain_update(salt).chain_update(key.expose()).finalize().into())
    }
}

/// The same for calls that ask the same of the same model on the same account; different for all others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a question; nothing for one that cannot be written down, as a map whose names are no text.
    #[must_use]
    pub fn of(question: &Question<'_>) -> Option<Self> {
        let mut hash = Hash(Sha256::new());
        hash.question(question).ok()?;
        Some(Self(hash.0.finalize().into()))
    }

    /// The fingerprint of the same question under these terms; nothing for what cannot be written down.
    #[must_use]
    pub fn with(&self, terms: &impl Serialize) -> Option<Self> {
        let mut hash = Hash(Sha256::new_with_prefix(self.0));
        hash.field("terms", terms).ok()?;
        Some(Self(hash.0.finalize().into()))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

struct Hash(Sha256);

impl Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Hash {
    /// One field. JSON holds no line end, so nothing can look like two fields.
    fn field(&mut self, name: &str, value: &impl Serialize) -> io::Result<()> {
        self.write_all(name.as_bytes())?;
        self.write_all(b"=")?;
        serde_json::to_writer(&mut *self, value)?;
        self.write_all(b"\n")
    }

    fn question(&mut self, question: &Question<'_>) -> io::Result<()> {
        let Question { request, provider, model, base_url, spoken, tenant, key } = question;
        self.field("tenant", tenant)?;
        self.field("key", &key.map(|key| key.0))?;
        self.field("provider", provider)?;
        self.field("model", model)?;
        self.field("base_url", base_url)?;
        self.field("spoken", spoken)?;
        self.request(request)
    }

    /// Names every field, so that a new one does not compile before it has its place here.
    fn request(&mut self, request: &ChatRequest) -> io::Result<()> {
        let ChatRequest {
            model,
            system,
            messages,
            sampling,
            reasoning_effort,
            reasoning_tokens,
            tools,
            tool_choice,
            parallel_tools,
            output_schema,
            prompt_cache,
            end_user,
            provider_metadata,
            extra_body,
            extra_headers,
            written: _,
        } = request;
        self.field("request.model", model)?;
        self.field("system", system)?;
        self.field("messages", &messages.len())?;
        for NewMessage { role, parts, metadata: _ } in messages {
            self.field("message", &(role, parts))?;
        }
        self.sampling(sampling)?;
        self.field("reasoning_effort", reasoning_effort)?;
        self.field("reasoning_tokens", reasoning_tokens)?;
        self.field("tools", tools)?;
        self.field("tool_choice", tool_choice)?;
        self.field("parallel_tools", parallel_tools)?;
        self.field("output_schema", output_schema)?;
        self.field("prompt_cache", prompt_cache)?;
        self.field("end_user", end_user)?;
        self.field("provider_metadata", &provider_metadata.iter().collect::<BTreeMap<_, _>>())?;
        self.field("extra_body", extra_body)?;
        self.field("extra_headers", &headers(extra_headers))
    }

    fn sampling(&mut self, sampling: &Sampling) -> io::Result<()> {
        let Sampling { temperature, top_p, seed, stop_sequences, max_tokens, frequency_penalty, presence_penalty } =
            sampling;
        self.field("temperature", &bits(*temperature))?;
        self.field("top_p", &bits(*top_p))?;
        self.field("seed", seed)?;
        self.field("stop_sequences", stop_sequences)?;
        self.field("max_tokens", max_tokens)?;
        self.field("frequency_penalty", &bits(*frequency_penalty))?;
        self.field("presence_penalty", &bits(*presence_penalty))
    }
}

/// A number by its bits: JSON would write what is no number like one that is not there. Both zeros are one.
fn bits(number: Option<f64>) -> Option<u64> {
    number.map(|number| (if number == 0.0 { 0.0 } else { number }).to_bits())
}

/// Headers under names in small letters, sorted; two that differ in nothing else stand side by side.
fn headers(headers: &HashMap<String, String>) -> Vec<(String, &String)> {
    let mut sorted: Vec<_> = headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    sorted.sort();
    sorted
}
