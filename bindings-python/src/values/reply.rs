//! The answer to a message.

use tertulia::model::Reply as ReplyRecord;

use crate::convert::ToPython as _;

values! {
    /// The answer to a message.
    Reply(record ReplyRecord) {
        parts, status, finish_reason, finish_reason_raw, usage, cost, provider, model, conversation_id, message_id,
        turn_id, request_id, attempts, latency_ms, first_token_ms, from_cache, continued, error, raw,
    }
    matches(parts, status) shows(status, text, provider, model) hashes(message_id, provider, model, latency_ms)
    + {
        /// All words of the answer.
        #[getter]
        fn text(&self) -> String {
            self.0.get().text()
        }

        /// What the model thought.
        #[getter]
        fn reasoning(&self) -> String {
            self.0.get().reasoning()
        }

        /// The words in which the model declined.
        #[getter]
        fn refusal(&self) -> Option<String> {
            self.0.get().refusal()
        }

        /// The tools that the model wants to be called.
        #[getter]
        fn tool_calls<'py>(&self, py: pyo3::Python<'py>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
            self.0.get().tool_calls().to_python(py)
        }

        /// A sentence fit for an end user when the turn did not end well.
        #[getter]
        fn notice(&self) -> Option<&str> {
            self.0.get().notice()
        }
    }
}

records!(Reply = ReplyRecord);
