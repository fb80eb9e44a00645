//! An error as plain data.

use tertulia::model::ErrorInfo as ErrorRecord;

values! {
    /// An error as plain data.
    ErrorInfo(record ErrorRecord) {
        kind, reason, detail, user_message, operation, retry, retry_after_ms, retry_after_source, saved, turn_id,
        partial, budget, limit_tokens, estimated_tokens, provider, model, status, request_id, attempts,
    }
    matches(kind, reason, detail) shows(kind, reason, detail) hashes(kind, reason, detail)
    + {
        /// The shortest wait before repeating, in seconds.
        #[getter]
        fn retry_after(&self) -> Option<f64> {
            #[expect(clippy::cast_precision_loss, reason = "waits are far below 2^53 ms")]
            self.0.get().retry_after_ms.map(|ms| ms as f64 / 1_000.0)
        }

        /// The HTTP status a server that embeds the engine may answer with.
        #[getter]
        fn http_status(&self) -> u16 {
            self.0.get().kind.http_status()
        }
    }
}

records!(ErrorInfo = ErrorRecord);
