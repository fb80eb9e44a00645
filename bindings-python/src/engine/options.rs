//! The knobs of a call, from keywords.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tertulia::{CallOptions, ContextOptions, Priority, Secret};

use crate::convert::{Fields, FromPython, Place, duration_ms, invalid, text};

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

fn read<T: FromPython>(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<T> {
    T::from_python(value, at)
}

/// The knobs that the keywords of this verb set.
pub(super) fn options(verb: &str, py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<CallOptions> {
    let mut options = CallOptions::default();
    let Some(given) = given.filter(|given| !given.is_empty()) else { return Ok(options) };
    Fields::of_keywords(verb, py, Some(given)).only(NAMES)?;
    let (mut usd, mut seconds) = (None::<f64>, None);
    // What is given is gone through, not what could be: most calls name a model and nothing else.
    for (name, value) in given {
        let name = text(name.cast::<PyString>()?, &Place::named(verb))?;
        let at = &Place::named(name);
        match name {
            "model" => options.model = read(&value, at)?,
            "fallback" => options.fallback = read(&value, at)?,
            "system" => options.system = read(&value, at)?,
            "temperature" => options.sampling.temperature = read(&value, at)?,
            "top_p" => options.sampling.top_p = read(&value, at)?,
            "seed" => options.sampling.seed = read(&value, at)?,
            "stop_sequences" => options.sampling.stop_sequences = read(&value, at)?,
            "max_tokens" => options.sampling.max_tokens = read(&value, at)?,
            "frequency_penalty" => options.sampling.frequency_penalty = read(&value, at)?,
            "presence_penalty" => options.sampling.presence_penalty = read(&value, at)?,
            "reasoning_effort" => options.reasoning_effort = read(&value, at)?,
            "reasoning_tokens" => options.reasoning_tokens = read(&value, at)?,
            "tools" => options.tools = read(&value, at)?,
            "tool_choice" => options.tool_choice = read(&value, at)?,
            "parallel_tools" => options.parallel_tools = read(&value, at)?,
            "output_schema" => options.output_schema = read(&value, at)?,
            "prompt_cache" => options.prompt_cache = read(&value, at)?,
            "timeout_ms" => options.timeout_ms = read(&value, at)?,
            "mid_stream" => options.mid_stream = read(&value, at)?,
            "degrade" => options.degrade = read(&value, at)?,
            "client_id" => options.client_id = read(&value, at)?,
            "expected_head" => options.expected_head = read(&value, at)?,
            "metadata" => options.metadata = read(&value, at)?,
            "extra_body" => options.extra_body = read(&value, at)?,
            "extra_headers" => options.extra_headers = read(&value, at)?,
            "cache" => options.cache = read(&value, at)?,
            "detached" => options.detached = read(&value, at)?,
            "max_cost_nano_usd" => options.max_cost_nano_usd = read(&value, at)?,
            "priority" => options.priority = read::<Option<Priority>>(&value, at)?.unwrap_or_default(),
            "key" => options.key = read::<Option<Key>>(&value, at)?.map(|Key(secret)| secret),
            "context" => options.context = read::<Option<ContextOptions>>(&value, at)?.unwrap_or_default(),
            "max_cost_usd" => usd = read(&value, at)?,
            "timeout" => seconds = Some(value).filter(|timeout| !timeout.is_none()),
            // Refused above.
            _ => {}
        }
    }
    if let Some(usd) = usd {
        if options.max_cost_nano_usd.is_some() {
            return Err(invalid(py, "twice", "a call takes max_cost_usd or max_cost_nano_usd, not both"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "saturates; floats enter at this edge")]
        let nano_usd = (usd * 1e9).round() as i64;
        options.max_cost_nano_usd = Some(nano_usd);
    }
    if let Some(timeout) = seconds {
        if options.timeout_ms.is_some() {
            return Err(invalid(py, "twice", "a call takes timeout (seconds) or timeout_ms, not both"));
        }
        options.timeout_ms = Some(duration_ms(&timeout, &Place::named("timeout"))?);
    }
    Ok(options)
}
