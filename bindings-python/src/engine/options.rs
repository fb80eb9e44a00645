//! The knobs of a call, from keywords.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tertulia::{CallOptions, ContextOptions, Priority, Secret};

use crate::convert::{Fields, FromPython, Place, duration_ms, invalid};

/// Every keyword of a call. A test holds them against the stub's `CallOptions`.
pub(crate) const NAMES: &[&str] = &[
    "model",
    "fallback",
    "system",
    "temperature",
    "top_p",
    "seed",
    "stop_sequences",
    "max_tokens",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "reasoning_tokens",
    "tools",
    "tool_choice",
    "parallel_tools",
    "output_schema",
    "prompt_cache",
    "timeout",
    "timeout_ms",
    "mid_stream",
    "priority",
    "degrade",
    "client_id",
    "expected_head",
    "metadata",
    "key",
    "extra_body",
    "extra_headers",
    "cache",
    "context",
    "detached",
    "max_cost_usd",
    "max_cost_nano_usd",
];

/// A key, which is never shown.
pub(super) struct Key(pub(super) Secret);

impl FromPython for Key {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        String::from_python(value, at).map(|key| Self(Secret::from(key)))
    }
}

impl FromPython for ContextOptions {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let fields = Fields::of_dict(value, *at, "a dict")?;
        fields.only(&["turns", "tokens", "summary"])?;
        Ok(Self { turns: fields.take("turns")?, tokens: fields.take("tokens")?, summary: fields.take("summary")? })
    }
}

/// The knobs that the keywords of this verb set.
pub(super) fn options(verb: &str, py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<CallOptions> {
    let mut options = CallOptions::default();
    if given.is_none_or(|given| given.is_empty()) {
        return Ok(options);
    }
    let fields = Fields::of_keywords(verb, py, given);
    fields.only(NAMES)?;
    options.model = fields.take("model")?;
    options.fallback = fields.take("fallback")?;
    options.system = fields.take("system")?;
    options.sampling.temperature = fields.take("temperature")?;
    options.sampling.top_p = fields.take("top_p")?;
    options.sampling.seed = fields.take("seed")?;
    options.sampling.stop_sequences = fields.take("stop_sequences")?;
    options.sampling.max_tokens = fields.take("max_tokens")?;
    options.sampling.frequency_penalty = fields.take("frequency_penalty")?;
    options.sampling.presence_penalty = fields.take("presence_penalty")?;
    options.reasoning_effort = fields.take("reasoning_effort")?;
    options.reasoning_tokens = fields.take("reasoning_tokens")?;
    options.tools = fields.take("tools")?;
    options.tool_choice = fields.take("tool_choice")?;
    options.parallel_tools = fields.take("parallel_tools")?;
    options.output_schema = fields.take("output_schema")?;
    options.prompt_cache = fields.take("prompt_cache")?;
    options.timeout_ms = fields.take("timeout_ms")?;
    options.mid_stream = fields.take("mid_stream")?;
    options.priority = fields.take::<Option<Priority>>("priority")?.unwrap_or_default();
    options.degrade = fields.take("degrade")?;
    options.client_id = fields.take("client_id")?;
    options.expected_head = fields.take("expected_head")?;
    options.metadata = fields.take("metadata")?;
    options.key = fields.take::<Option<Key>>("key")?.map(|Key(secret)| secret);
    options.extra_body = fields.take("extra_body")?;
    options.extra_headers = fields.take("extra_headers")?;
    options.cache = fields.take("cache")?;
    options.context = fields.take::<Option<ContextOptions>>("context")?.unwrap_or_default();
    options.detached = fields.take("detached")?;
    options.max_cost_nano_usd = fields.take("max_cost_nano_usd")?;
    if let Some(usd) = fields.take::<Option<f64>>("max_cost_usd")? {
        if options.max_cost_nano_usd.is_some() {
            return Err(invalid(py, "twice", "a call takes max_cost_usd or max_cost_nano_usd, not both"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "saturates; floats enter at this edge")]
        let nano_usd = (usd * 1e9).round() as i64;
        options.max_cost_nano_usd = Some(nano_usd);
    }
    if let Some(timeout) = fields.raw("timeout")?.filter(|timeout| !timeout.is_none()) {
        if options.timeout_ms.is_some() {
            return Err(invalid(py, "twice", "a call takes timeout (seconds) or timeout_ms, not both"));
        }
        options.timeout_ms = Some(duration_ms(&timeout, &Place::named("timeout"))?);
    }
    Ok(options)
}
