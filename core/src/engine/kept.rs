//! What a call asked for, kept beside its turn so that it can be sent again after a restart. Never a key.

use std::sync::LazyLock;

use bytes::Bytes;
use serde_json::Map;

use super::options::CallOptions;
use super::window::ContextOptions;
use crate::base::{ErrorKind, Json};
use crate::model::{Error, Priority, Result, Sampling};
use crate::wire::is_refused_header;

/// The most that is kept of one call, in bytes of JSON.
const MAX_BYTES: usize = 4 << 20;

/// What stands in options that nobody has set.
static STANDARD: LazyLock<Map<String, Json>> = LazyLock::new(|| named(&CallOptions::default()).unwrap_or_default());

/// The options of a call, and what is kept of them.
pub(super) struct Asked<'a> {
    pub(super) options: &'a CallOptions,
    pub(super) kept: Option<Bytes>,
}

impl CallOptions {
    /// What is kept of them: all that is set, without keys, without the message's own fields. Nothing when nothing is.
    ///
    /// # Errors
    /// `Invalid` (too_large) over 4 MiB.
    pub(super) fn kept(&self) -> Result<Option<Bytes>> {
        if self.is_standard() {
            return Ok(None);
        }
        let set = self.set()?;
        if set.is_empty() {
            return Ok(None);
        }
        let json = serde_json::to_vec(&set).map_err(unwritable)?;
        if json.len() > MAX_BYTES {
            let detail = format!("the options of a call hold at most {MAX_BYTES} bytes as JSON");
            return Err(Error::invalid("too_large", detail));
        }
        Ok(Some(json.into()))
    }

    /// These options over what was kept of an earlier call: what is set here stands, the rest is as it was.
    ///
    /// # Errors
    /// `Storage` (corrupt) when it cannot be read.
    pub(super) fn over(self, kept: Option<&Bytes>) -> Result<Self> {
        let Some(kept) = kept else { return Ok(self) };
        // The parser's own error may quote what stands there, so it goes no further.
        let corrupt = |_| Error::new(ErrorKind::Storage, "corrupt", "the stored options of a turn could not be read");
        let mut all: Map<String, Json> = serde_json::from_slice(kept).map_err(corrupt)?;
        for (name, value) in self.set()? {
            match (all.get_mut(&name), value) {
                // How the model chooses its words is many knobs in one.
                (Some(Json::Object(before)), Json::Object(now)) if name == "sampling" => before.extend(now),
                (_, value) => drop(all.insert(name, value)),
            }
        }
        let all: Self = serde_json::from_value(Json::Object(all)).map_err(corrupt)?;
        let Self { key, client_id, expected_head, metadata, detached, .. } = self;
        Ok(Self { key, client_id, expected_head, metadata, detached, ..all })
    }

    /// True when nothing is set of what is kept, as in most calls: seen without writing it all as JSON first.
    fn is_standard(&self) -> bool {
        let Self {
            model: None,
            fallback: None,
            system: None,
            sampling,
            reasoning_effort: None,
            reasoning_tokens: None,
            tools,
            tool_choice: None,
            parallel_tools: None,
            output_schema: None,
            prompt_cache: None,
            timeout_ms: None,
            mid_stream: None,
            priority,
            degrade: None,
            client_id: _,
            expected_head: _,
            metadata: _,
            key: _,
            extra_body: None,
            extra_headers,
            cache: None,
            context,
            detached: _,
            max_cost_nano_usd: None,
        } = self
        else {
            return false;
        };
        *sampling == Sampling::default()
            && tools.is_empty()
            && *priority == Priority::default()
            && *context == ContextOptions::default()
            && extra_headers.is_empty()
    }

    /// What is set, by its name.
    fn set(&self) -> Result<Map<String, Json>> {
        let mut set = named(self)?;
        set.retain(|name, value| STANDARD.get(name) != Some(value));
        let standard = STANDARD.get("sampling").and_then(Json::as_object);
        if let (Some(sampling), Some(standard)) = (set.get_mut("sampling").and_then(Json::as_object_mut), standard) {
            sampling.retain(|name, value| standard.get(name) != Some(value));
        }
        // Dialects refuse such headers; code of the application's own may have taken them.
        if let Some(headers) = set.get_mut("extra_headers").and_then(Json::as_object_mut) {
            headers.retain(|name, _| !is_refused_header(&name.to_ascii_lowercase()));
        }
        Ok(set)
    }
}

/// What is kept of options whose call may cost so much from now on. Without a limit they stay as they are.
pub(super) fn cost_left(kept: Option<Bytes>, nano_usd: i64) -> Option<Bytes> {
    let left = |kept: &Bytes| {
        let options = CallOptions::default().over(Some(kept)).ok()?;
        CallOptions { max_cost_nano_usd: Some(nano_usd), ..options }.kept().ok().flatten()
    };
    kept.as_ref().and_then(left).or(kept)
}

fn named(options: &CallOptions) -> Result<Map<String, Json>> {
    match serde_json::to_value(options).map_err(unwritable)? {
        Json::Object(fields) => Ok(fields),
        _ => Err(Error::internal("options are no object")),
    }
}

fn unwritable(error: serde_json::Error) -> Error {
    Error::internal("the options of a call could not be written as JSON").with_source(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::Secret;
    use crate::model::{OutputSchema, ReasoningEffort, Sampling, ToolSpec};

    fn full() -> CallOptions {
        CallOptions {
            model: Some("test/any".to_owned()),
            system: Some("Answer briefly.".to_owned()),
            sampling: Sampling { temperature: Some(0.3), max_tokens: Some(7), ..Sampling::default() },
            reasoning_effort: Some(ReasoningEffort::Low),
            tools: vec![ToolSpec::new("f", "does it", json!({"type": "object", "x": null}))],
            parallel_tools: Some(false),
            output_schema: Some(OutputSchema {
                name: "trip".to_owned(),
                schema: json!({"type": "object"}),
                strict: true,
            }),
            timeout_ms: Some(30_000),
            extra_body: Some(json!({"tier": "flex", "nothing": null})),
            extra_headers: [("x-team".to_owned(), "a".to_owned())].into(),
            degrade: Some(true),
            ..CallOptions::default()
        }
    }

    #[test]
    fn what_is_kept_comes_back_and_a_key_never_gets_there() {
        let options = CallOptions {
            key: Some(Secret::new("sk-canary")),
            client_id: Some("canary-id".to_owned()),
            metadata: [("canary".to_owned(), "x".to_owned())].into(),
            detached: true,
            ..full()
        };
        let kept = options.kept().unwrap().unwrap();
        let text = String::from_utf8(kept.to_vec()).unwrap();
        assert!(!text.contains("canary"), "{text}");
        assert_eq!(CallOptions::default().over(Some(&kept)).unwrap(), full());
        let with_keys = CallOptions {
            extra_headers: [("X-Api-Key", "canary"), ("Authorization", "canary"), ("x-team", "a")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..full()
        };
        assert_eq!(with_keys.kept().unwrap().unwrap(), kept);
    }

    #[test]
    fn options_that_nobody_set_take_no_room() {
        assert_eq!(CallOptions::default().kept().unwrap(), None);
        let own = CallOptions { client_id: Some("c".to_owned()), detached: true, ..CallOptions::default() };
        assert_eq!(own.kept().unwrap(), None);
        assert_eq!(
            CallOptions { degrade: Some(true), ..CallOptions::default() }.kept().unwrap().unwrap(),
            r#"{"degrade":true}"#
        );
    }

    #[test]
    fn what_is_asked_now_stands_over_what_was_asked_then() {
        let kept = full().kept().unwrap();
        let now = CallOptions {
            model: Some("test/other".to_owned()),
            degrade: Some(false),
            metadata: [("a".to_owned(), "b".to_owned())].into(),
            sampling: Sampling { max_tokens: Some(8), ..Sampling::default() },
            ..CallOptions::default()
        };
        let expected = CallOptions {
            model: now.model.clone(),
            degrade: Some(false),
            metadata: now.metadata.clone(),
            sampling: Sampling { max_tokens: Some(8), ..full().sampling },
            ..full()
        };
        assert_eq!(now.over(kept.as_ref()).unwrap(), expected);
        assert_eq!(full().over(None).unwrap(), full());
    }

    #[test]
    fn what_cannot_be_read_or_is_too_long_is_refused_and_not_quoted() {
        let error = CallOptions::default().over(Some(&Bytes::from_static(b"{\"hunter2\""))).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Storage, "corrupt"));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        // A later version may have kept more.
        assert_eq!(
            CallOptions::default().over(Some(&Bytes::from_static(b"{\"later\":1}"))).unwrap(),
            CallOptions::default()
        );
        let long = CallOptions { extra_body: Some("x".repeat(MAX_BYTES).into()), ..CallOptions::default() };
        assert_eq!(long.kept().unwrap_err().reason(), "too_large");
    }
}
