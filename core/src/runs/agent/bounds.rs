//! What holds an agent that would go on for ever.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::base::ErrorKind;
use crate::model::{Error, Result, ToolCall};

/// What one run of an agent may do at most. Who meets a bound ends with `OutputInvalid`; what is done is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// How often a model is asked. 16.
    pub max_rounds: u32,
    /// How many calls of tools are made, at most 256. 64.
    pub max_calls: u32,
    /// How many of them at once, at most 256. 8.
    pub parallel: usize,
    /// How long each may take, in milliseconds, where the tool does not say. 60,000.
    pub call_timeout_ms: u64,
    /// How long all of it may take, in milliseconds, from its beginning or from when it was picked up. Rounds in
    /// which a call waits for an approval do not count. 600,000.
    pub wall_ms: u64,
    /// How long an answer of a tool may be; the model is shown its beginning. At most 8 MiB. 262,144.
    pub max_output_bytes: usize,
    /// How often the very same call may be asked for. 3.
    pub repeat_limit: u32,
    /// How often a model is told that its answer does not fit and asked to mend it. 2.
    pub max_repairs: u32,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_rounds: 16,
            max_calls: 64,
            parallel: 8,
            call_timeout_ms: 60_000,
            wall_ms: 600_000,
            max_output_bytes: 262_144,
            repeat_limit: 3,
            max_repairs: 2,
        }
    }
}

impl Bounds {
    /// # Errors
    /// `Invalid` (bad_bounds) when nothing could ever be done.
    pub(super) fn check(&self) -> Result<()> {
        let least = [
            ("max_rounds", u64::from(self.max_rounds)),
            ("parallel", self.parallel as u64),
            ("call_timeout_ms", self.call_timeout_ms),
            ("wall_ms", self.wall_ms),
            ("max_output_bytes", self.max_output_bytes as u64),
            ("repeat_limit", u64::from(self.repeat_limit)),
        ];
        // What is asked for at once is announced in one batch of events; an answer is one event.
        let most = [
            ("max_calls", u64::from(self.max_calls), 256),
            ("parallel", self.parallel as u64, 256),
            ("max_output_bytes", self.max_output_bytes as u64, 8 << 20),
        ];
        if let Some((name, _, most)) = most.iter().find(|(_, value, most)| value > most) {
            return Err(Error::invalid("bad_bounds", format!("`{name}` of an agent's bounds is at most {most}")));
        }
        match least.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => {
                Err(Error::invalid("bad_bounds", format!("`{name}` of an agent's bounds is at least 1")))
            }
            None => Ok(()),
        }
    }
}

/// How far a run is from its bounds.
#[derive(Debug, Default)]
pub(super) struct Taken {
    rounds: u32,
    calls: u32,
    seen: HashMap<(String, String), u32>,
}

impl Taken {
    /// A model is about to be asked.
    ///
    /// # Errors
    /// `OutputInvalid` (too_many_rounds).
    pub(super) fn round(&mut self, bounds: &Bounds) -> Result<()> {
        self.rounds += 1;
        within(self.rounds, bounds.max_rounds, "too_many_rounds", "a model was asked", "max_rounds")
    }

    /// These calls were asked for.
    ///
    /// # Errors
    /// `OutputInvalid` (too_many_calls, repeated_call).
    pub(super) fn calls(&mut self, calls: &[ToolCall], bounds: &Bounds) -> Result<()> {
        self.calls = self.calls.saturating_add(u32::try_from(calls.len()).unwrap_or(u32::MAX));
        within(self.calls, bounds.max_calls, "too_many_calls", "calls of tools were asked for", "max_calls")?;
        for call in calls {
            let seen = self.seen.entry((call.name.clone(), call.arguments.to_string())).or_default();
            *seen += 1;
            within(*seen, bounds.repeat_limit, "repeated_call", "the very same call was asked for", "repeat_limit")?;
        }
        Ok(())
    }
}

fn within(taken: u32, most: u32, reason: &'static str, what: &str, name: &str) -> Result<()> {
    if taken <= most {
        return Ok(());
    }
    let detail = format!(
        "{what} more than {most} times without an answer: better instructions, another model, or a higher `{name}` of the \
         agent's bounds may help"
    );
    Err(Error::new(ErrorKind::OutputInvalid, reason, detail))
}
